//! `dockfw rollback`

use std::time::Instant;

use dockfw_netlink::Executor;
use serde_json::json;

use super::Exit;
use super::commit::Outcome;
use super::confirm::verb::take_back;
use super::flows::{FlowArgs, Flows};
use super::journal::{Journal, PlaceArgs};
use super::output::{Failure, print, print_json};
use super::restore::restore;
use super::watch::refuse_if_watched;
use crate::state::{How, State, utc};

/// Commits a generation of the history again.
pub(super) fn run(
    place: &PlaceArgs,
    wanted: Option<u64>,
    flows: FlowArgs,
    as_json: bool,
    started: Instant,
) -> Result<Exit, Failure> {
    refuse_if_watched(place)?;
    let mut executor = Executor::open()?;
    // What is pending was never in the history: the one before it is what was in force before.
    if wanted.is_none()
        && let Some(exit) = take_back(&mut executor, flows, as_json)?
    {
        return Ok(exit);
    }
    let journal = Journal::require(place)?;
    let state = journal.state().ok_or(Failure::Usage("no history"))?;
    let number = target(state, wanted)?;
    let generation = state.generation(number)?;
    let restored = restore(&mut executor, &generation, flows.cuts())?;
    let mut applied = restored.applied;
    let settings = restored.settings.apply();
    let total = started.elapsed();
    let time = utc(generation.time);
    let how = How::Rollback(number);
    let recorded = journal.record(generation.recipe, &applied, restored.program, how);
    let flows = Flows::after(applied.change.take());
    let outcome = Outcome {
        applied: &applied,
        recorded: &recorded,
        pending: None,
        settings: &settings,
        total,
        flows: &flows,
    };
    if as_json {
        let mut value = outcome.to_json();
        if let Some(object) = value.as_object_mut() {
            object.insert("rolled_back_to".to_owned(), json!(number));
        }
        print_json(&value)?;
    } else {
        let line = outcome.to_line();
        print(&format!(
            "rolled back to generation {number} of {time}; the files of the policy are as they \
             were, and the next commit or boot loads them\n{line}"
        ))?;
        settings.warn();
    }
    recorded.warn();
    flows.warn();
    if applied.has_cleared() {
        executor.close_in_background();
    }
    Ok(settings.exit_or(Exit::Done))
}

/// The generation of this number, or the one before what was committed last.
fn target(state: &State, wanted: Option<u64>) -> Result<u64, Failure> {
    let numbers = state.numbers()?;
    let (Some(oldest), Some(newest)) = (numbers.first(), numbers.last()) else {
        return Err(Failure::History(format!(
            "there is no history in {}: nothing was committed yet",
            state.path().display()
        )));
    };
    if let Some(wanted) = wanted {
        return if numbers.contains(&wanted) {
            Ok(wanted)
        } else {
            Err(Failure::History(format!(
                "there is no generation {wanted}: the history has {oldest} to {newest}, see \
                 `dockfw history`"
            )))
        };
    }
    // A damaged note is no reason to fail: then it is the newest, which differs only after a boot
    // that fell back.
    let current = state.current().ok().flatten();
    let current = current
        .map(|current| current.number)
        .filter(|current| numbers.contains(current))
        .unwrap_or(*newest);
    let before = numbers.iter().rev().find(|number| **number < current);
    before.copied().ok_or_else(|| {
        Failure::History(format!(
            "generation {current} was committed last, and the history has none before it"
        ))
    })
}
