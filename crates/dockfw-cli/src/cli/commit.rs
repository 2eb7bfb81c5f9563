//! `dockfw commit`

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use dockfw_netlink::{Executor, Statistics};
use serde_json::json;

use super::Exit;
use super::apply::{Applied, apply};
use super::input::InputArgs;
use super::journal::{Journal, Recorded, StateArgs};
use super::output::{Failure, print, print_json};
use crate::state::{How, Program};

/// Makes our tables in the kernel what the input compiles to.
pub(super) fn run(
    input: &InputArgs,
    state: &StateArgs,
    as_json: bool,
    started: Instant,
) -> Result<Exit, Failure> {
    let (ruleset, recipe) = {
        let input = input.load()?;
        (input.ruleset()?, input.into_recipe())
    };
    let mut executor = Executor::open()?;
    let journal = Journal::open(state);
    let applied = apply(&mut executor, ruleset)?;
    let total = started.elapsed();
    let recorded = journal.record(recipe, &applied, Program::this(), How::Commit);
    let outcome = Outcome {
        applied: &applied,
        recorded: &recorded,
        total,
    };
    if as_json {
        print_json(&outcome.to_json())?;
    } else {
        print(&outcome.to_line())?;
    }
    recorded.warn();
    if applied.committed.cleared {
        // The old ruleset is freed while nobody waits for it.
        executor.close_in_background();
    }
    Ok(Exit::Done)
}

/// What a commit was, what became of its record, and how long the whole process took for it.
pub(super) struct Outcome<'a> {
    pub(super) applied: &'a Applied,
    pub(super) recorded: &'a Recorded,
    pub(super) total: Duration,
}

impl Outcome<'_> {
    fn milliseconds(&self) -> (f64, f64) {
        let kernel = self.applied.committed.kernel_time;
        let user = self.total.saturating_sub(kernel);
        (user.as_secs_f64() * 1e3, kernel.as_secs_f64() * 1e3)
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        let Statistics {
            tables,
            chains,
            sets,
            rules,
            elements,
            bytes,
            ..
        } = self.applied.committed.statistics;
        let (user, kernel) = self.milliseconds();
        json!({
            "outcome": "committed",
            "committed": self.applied.tables,
            "removed": self.applied.removed,
            "emptied": self.applied.emptied,
            "generation": self.applied.committed.generation,
            "recorded": self.recorded.number.is_some(),
            "history": self.recorded.number,
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

    pub(super) fn to_line(&self) -> String {
        let Statistics {
            tables,
            chains,
            sets,
            rules,
            elements,
            bytes,
            ..
        } = self.applied.committed.statistics;
        let (user, kernel) = self.milliseconds();
        let mut others = match self.recorded.number {
            Some(number) => format!(", recorded as {number}"),
            None => ", not recorded".to_owned(),
        };
        for (verb, tables) in [
            ("removed", &self.applied.removed),
            ("emptied", &self.applied.emptied),
        ] {
            if !tables.is_empty() {
                let _ = write!(others, ", {verb} {}", tables.join(", "));
            }
        }
        let mut line = String::new();
        let _ = writeln!(
            line,
            "committed {}: {} objects, {elements} elements, {bytes} bytes, \
             {user:.1} ms in user space, {kernel:.1} ms in the kernel, generation {}{others}",
            self.applied.tables.join(", "),
            tables + chains + sets + rules,
            self.applied.committed.generation,
        );
        line
    }
}
