//! `dockfw confirm`, and going back before the time is over.

use dockfw_netlink::{Batch, CommitError, Committed, Executor, Expect};
use serde_json::json;

use super::{Attempt, Change, Keep, Reading, settle_pending};
use crate::cli::Exit;
use crate::cli::journal::{Journal, PlaceArgs, Recorded};
use crate::cli::kernel::Kernel;
use crate::cli::output::{Failure, print, print_json};

/// Makes what is pending permanent.
pub(in crate::cli) fn run(place: &PlaceArgs, as_json: bool) -> Result<Exit, Failure> {
    let mut executor = Executor::open()?;
    let journal = Journal::of_place(place);
    let (change, committed) = settle(&mut executor, Keep::New)?;
    let recorded = journal.confirm(&change.ruleset, committed.generation);
    show(&committed, &recorded, "confirmed", as_json)?;
    recorded.warn();
    executor.close_in_background();
    Ok(Exit::Done)
}

/// Takes back what is pending; `None` when nothing is, or when the kernel has gone back already.
pub(in crate::cli) fn take_back(
    executor: &mut Executor,
    as_json: bool,
) -> Result<Option<Exit>, Failure> {
    let found = Kernel::read(executor)?.pending()?;
    if found.iter().all(|pending| pending.left.is_none()) {
        return Ok(None);
    }
    let (_, committed) = settle(executor, Keep::Old)?;
    show(&committed, &Recorded::nothing(), "taken-back", as_json)?;
    Ok(Some(Exit::Done))
}

fn show(
    committed: &Committed,
    recorded: &Recorded,
    outcome: &str,
    as_json: bool,
) -> Result<(), Failure> {
    let generation = committed.generation;
    if as_json {
        return print_json(&json!({
            "outcome": outcome,
            "generation": generation,
            "recorded": recorded.number.is_some(),
            "history": recorded.number,
        }));
    }
    let what = if outcome == "confirmed" {
        "confirmed: what was pending is permanent"
    } else {
        "taken back: what was in force before the pending commit is in force again"
    };
    let number = match recorded.number {
        Some(number) => format!(", recorded as {number}"),
        None => String::new(),
    };
    print(&format!("{what}, generation {generation}{number}\n"))
}

/// Commits one of the two generations alone.
fn settle(executor: &mut Executor, keep: Keep) -> Result<(Change, Committed), Failure> {
    // Both closures need it, one after the other.
    let executor = std::cell::RefCell::new(executor);
    let read = || -> Result<_, Box<Failure>> {
        let kernel =
            Kernel::read(*executor.borrow_mut()).map_err(|error| Box::new(error.into()))?;
        Ok(Reading {
            generation: kernel.generation,
            tables: kernel.into_held(),
        })
    };
    let commit = |change: &Change, generation: u32| -> Result<_, Box<Failure>> {
        let name = dockfw_lower::table_name();
        let encoded = Batch::replace(&change.ruleset).and_then(|batch| {
            let removed = change.removed.iter().map(|family| (*family, &name));
            batch.deleting(removed)
        });
        let batch = encoded.map_err(|error| Box::new(Failure::Encode(error)))?;
        match executor
            .borrow_mut()
            .commit(&batch, Expect::Generation(generation))
        {
            Ok(committed) => Ok(Attempt::Committed(committed)),
            Err(CommitError::Stale { .. }) => Ok(Attempt::Stale),
            Err(error) => Err(Box::new(error.into())),
        }
    };
    settle_pending(keep, read, commit).map_err(Failure::Confirm)
}
