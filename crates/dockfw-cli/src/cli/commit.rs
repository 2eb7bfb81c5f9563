//! `dockfw commit`

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use dockfw_netlink::{Batch, CommitError, Committed, Executor, Expect, Statistics};
use serde_json::json;

use super::Exit;
use super::compile::ruleset;
use super::output::{Failure, load, print, print_json};

/// How often a commit is tried while others keep changing the ruleset.
const ATTEMPTS: u32 = 16;

/// Replaces our table with what the policy compiles to.
pub(super) fn run(paths: &[PathBuf], as_json: bool, started: Instant) -> Result<Exit, Failure> {
    let batch = {
        let policy = load(paths)?;
        let ruleset = ruleset(&policy.host)?;
        drop(policy);
        Batch::replace(&ruleset).map_err(Failure::Encode)?
    };
    let mut executor = Executor::open()?;
    let committed = commit(&mut executor, &batch)?;
    let outcome = Outcome {
        committed,
        total: started.elapsed(),
    };
    if as_json {
        print_json(&outcome.to_json())?;
    } else {
        print(&outcome.to_line())?;
    }
    if committed.cleared {
        // The old ruleset is freed while nobody waits for it.
        executor.close_in_background();
    }
    Ok(Exit::Done)
}

/// Commits against the generation that was read just before, a few times if need be.
pub(super) fn commit(executor: &mut Executor, batch: &Batch) -> Result<Committed, Failure> {
    let mut attempt = 1;
    loop {
        let generation = executor.generation()?;
        match executor.commit(batch, Expect::Generation(generation)) {
            Err(CommitError::Stale { .. }) if attempt < ATTEMPTS => attempt += 1,
            other => return other.map_err(Failure::Commit),
        }
    }
}

/// What a commit was, and how long the whole process took for it.
struct Outcome {
    committed: Committed,
    total: Duration,
}

impl Outcome {
    fn milliseconds(&self) -> (f64, f64) {
        let kernel = self.committed.kernel_time;
        let user = self.total.saturating_sub(kernel);
        (user.as_secs_f64() * 1e3, kernel.as_secs_f64() * 1e3)
    }

    fn to_json(&self) -> serde_json::Value {
        let Statistics {
            tables,
            chains,
            sets,
            rules,
            elements,
            bytes,
            ..
        } = self.committed.statistics;
        let (user, kernel) = self.milliseconds();
        json!({
            "outcome": "committed",
            "table": "inet dockfw",
            "generation": self.committed.generation,
            "tables": tables,
            "chains": chains,
            "sets": sets,
            "rules": rules,
            "elements": elements,
            "bytes": bytes,
            "user_ms": user,
            "kernel_ms": kernel,
        })
    }

    fn to_line(&self) -> String {
        let Statistics {
            tables,
            chains,
            sets,
            rules,
            elements,
            bytes,
            ..
        } = self.committed.statistics;
        let (user, kernel) = self.milliseconds();
        let mut line = String::new();
        let _ = writeln!(
            line,
            "committed inet dockfw: {} objects, {elements} elements, {bytes} bytes, \
             {user:.1} ms in user space, {kernel:.1} ms in the kernel, generation {}",
            tables + chains + sets + rules,
            self.committed.generation,
        );
        line
    }
}
