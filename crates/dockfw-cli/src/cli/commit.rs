//! `dockfw commit`

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use dockfw_ir::Verified;
use dockfw_ir::name::TableName;
use dockfw_ir::table::{Family, Table};
use dockfw_ir::verify::verify;
use dockfw_netlink::{Batch, CommitError, Committed, Executor, Expect, Statistics};
use serde_json::json;

use super::Exit;
use super::input::InputArgs;
use super::output::{Failure, print, print_json};
use super::tables;

/// How often a commit is tried while others keep changing the ruleset.
const ATTEMPTS: u32 = 16;

/// Makes our tables in the kernel what the input compiles to.
///
/// A table of ours that the input does not have loses all its chains in the same transaction. What
/// is left of it has no effect, and is deleted in a second one.
pub(super) fn run(input: &InputArgs, as_json: bool, started: Instant) -> Result<Exit, Failure> {
    let name = dockfw_lower::table_name();
    let mut ruleset = {
        let input = input.load()?;
        input.ruleset()?
    };
    let wanted = tables::families(&ruleset);
    let mut batch = Batch::replace(&ruleset).map_err(Failure::Encode)?;
    let mut executor = Executor::open()?;
    let mut removed: Vec<Family> = Vec::new();
    let mut attempt = 1;
    let mut committed = loop {
        let generation = executor.generation()?;
        let mut others = tables::present(&mut executor, &name)?;
        others.retain(|family| !wanted.contains(family));
        if others != removed {
            ruleset = with_empty(ruleset, &others, &name)?;
            batch = Batch::replace(&ruleset).map_err(Failure::Encode)?;
            removed = others;
        }
        // Nobody made or removed a table of ours since it was looked for.
        match executor.commit(&batch, Expect::Generation(generation)) {
            Err(CommitError::Stale { .. }) if attempt < ATTEMPTS => attempt += 1,
            other => break other?,
        }
    };
    // The commit has happened, whatever becomes of what it left empty.
    let deleted = removed.is_empty() || {
        let of = removed.iter().map(|family| (*family, &name));
        let batch = Batch::delete(of).map_err(Failure::Encode)?;
        match commit(&mut executor, &batch) {
            Ok(deleted) => {
                committed.generation = deleted.generation;
                committed.kernel_time += deleted.kernel_time;
                committed.statistics.tables -= removed.len();
                true
            }
            Err(_) => false,
        }
    };
    let left = tables::full_names(&removed, &name);
    let (removed, emptied) = if deleted {
        (left, Vec::new())
    } else {
        (Vec::new(), left)
    };
    let outcome = Outcome {
        committed,
        tables: tables::full_names(&wanted, &name),
        removed,
        emptied,
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

/// The ruleset with these families' tables empty, whether or not some were already.
fn with_empty(
    ruleset: Verified,
    families: &[Family],
    name: &TableName,
) -> Result<Verified, Failure> {
    let mut ruleset = ruleset.into_inner();
    ruleset.tables.retain(|table| {
        !table.chains.is_empty() || !table.sets.is_empty() || table.comment.is_some()
    });
    ruleset.tables.extend(families.iter().map(|family| Table {
        family: *family,
        name: name.clone(),
        comment: None,
        sets: Vec::new(),
        chains: Vec::new(),
    }));
    verify(ruleset).map_err(|error| Failure::Bug(Box::new(error)))
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
    /// The tables, by their full names.
    tables: Vec<String>,
    /// Tables that are gone.
    removed: Vec<String>,
    /// Tables that are empty, and could not be removed.
    emptied: Vec<String>,
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
            "committed": self.tables,
            "removed": self.removed,
            "emptied": self.emptied,
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
        let mut others = String::new();
        for (verb, tables) in [("removed", &self.removed), ("emptied", &self.emptied)] {
            if !tables.is_empty() {
                let _ = write!(others, ", {verb} {}", tables.join(", "));
            }
        }
        let mut line = String::new();
        let _ = writeln!(
            line,
            "committed {}: {} objects, {elements} elements, {bytes} bytes, \
             {user:.1} ms in user space, {kernel:.1} ms in the kernel, generation {}{others}",
            self.tables.join(", "),
            tables + chains + sets + rules,
            self.committed.generation,
        );
        line
    }
}

#[cfg(test)]
mod tests {
    use dockfw_ir::Ruleset;
    use dockfw_ir::name::Comment;
    use dockfw_ir::table::{Family, Table};
    use dockfw_ir::verify::verify;

    use super::with_empty;
    use crate::cli::tables::families;

    #[test]
    fn what_is_to_go_is_looked_for_anew_with_each_attempt() {
        let name = dockfw_lower::table_name();
        let ours = Table {
            family: Family::Ip,
            name: name.clone(),
            comment: Comment::lossy("ours"),
            sets: Vec::new(),
            chains: Vec::new(),
        };
        let mut ruleset = verify(Ruleset { tables: vec![ours] }).unwrap();
        for others in [&[Family::Inet, Family::Ip6][..], &[Family::Ip6], &[]] {
            ruleset = with_empty(ruleset, others, &name).unwrap();
            let expected: Vec<_> = [Family::Ip].iter().chain(others).copied().collect();
            assert_eq!(families(&ruleset), expected);
        }
    }
}
