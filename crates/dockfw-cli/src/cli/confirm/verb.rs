//! `dockfw confirm`, and going back before the time is over.

use dockfw_ir::Table;
use dockfw_ir::pending::settle as settle_table;
use dockfw_netlink::{Batch, CommitError, Committed, Executor, Expect};
use serde_json::json;

use super::{Attempt, Change, Keep, Reading, settle_pending};
use crate::cli::Exit;
use crate::cli::flows::{FlowArgs, Flows};
use crate::cli::journal::{Journal, PlaceArgs, Recorded};
use crate::cli::kernel::Kernel;
use crate::cli::output::{Failure, print, print_json};
use crate::cli::settings::{Report, Wanted};
use crate::cli::watch::refuse_if_watched;

/// Makes what is pending permanent.
///
/// Flows that it does not allow are cut now: while it was pending, the kernel could have gone back
/// to rules that allow them.
pub(in crate::cli) fn run(
    place: &PlaceArgs,
    flows: FlowArgs,
    as_json: bool,
) -> Result<Exit, Failure> {
    refuse_if_watched(place)?;
    let mut executor = Executor::open()?;
    let journal = Journal::of_place(place);
    let before = if flows.cuts() {
        generation(&Kernel::read(&mut executor)?, Keep::Old)
    } else {
        None
    };
    let (change, committed) = settle(&mut executor, Keep::New)?;
    let (recorded, recipe) = journal.confirm(&change.ruleset, committed.generation);
    let settings = recipe.map_or_else(Wanted::default, |recipe| Wanted::managed_of(&recipe));
    let settings = settings.apply();
    let flows = cut(&mut executor, before);
    show(
        &committed,
        &recorded,
        (&settings, &flows),
        "confirmed",
        as_json,
    )?;
    if !as_json {
        settings.warn();
    }
    recorded.warn();
    flows.warn();
    executor.close_in_background();
    Ok(settings.exit_or(Exit::Done))
}

/// Takes back what is pending; `None` when nothing is, or when the kernel has gone back already.
pub(in crate::cli) fn take_back(
    executor: &mut Executor,
    flows: FlowArgs,
    as_json: bool,
) -> Result<Option<Exit>, Failure> {
    let kernel = Kernel::read(executor)?;
    let found = kernel.pending()?;
    if found.iter().all(|pending| pending.left.is_none()) {
        return Ok(None);
    }
    let before = flows
        .cuts()
        .then(|| generation(&kernel, Keep::New))
        .flatten();
    let (_, committed) = settle(executor, Keep::Old)?;
    let flows = cut(executor, before);
    show(
        &committed,
        &Recorded::nothing(),
        (&Report::default(), &flows),
        "taken-back",
        as_json,
    )?;
    flows.warn();
    Ok(Some(Exit::Done))
}

/// The tables as they are in one of the two generations; `None` when what they share was changed.
fn generation(kernel: &Kernel, which: Keep) -> Option<Vec<Table>> {
    let mut tables = Vec::new();
    for table in &kernel.tables {
        match (settle_table(table).ok()?, which) {
            (Some(settled), Keep::Old) => tables.extend(settled.old),
            (Some(settled), Keep::New) => tables.extend(settled.new),
            (None, _) => tables.push(table.clone()),
        }
    }
    Some(tables)
}

/// Cuts the flows that are concerned when tables became what the kernel has now.
fn cut(executor: &mut Executor, before: Option<Vec<Table>>) -> Flows {
    let Some(before) = before else {
        return Flows::Kept;
    };
    let after = Kernel::read(executor).ok();
    match after.and_then(|kernel| generation(&kernel, Keep::New)) {
        Some(after) => Flows::between_tables(before, after),
        None => Flows::Unknown,
    }
}

fn show(
    committed: &Committed,
    recorded: &Recorded,
    (settings, flows): (&Report, &Flows),
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
            "settings": settings.to_json(),
            "flows": flows.to_json(),
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
    let (written, flows) = (settings.written(), flows.to_line());
    print(&format!(
        "{what}, generation {generation}{number}\n{written}{flows}"
    ))
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
