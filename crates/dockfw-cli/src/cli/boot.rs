//! `dockfw commit --boot`: whatever happens, the host is not open afterwards.
//!
//! 1. Before anything else a closed ruleset is loaded, unless a ruleset of ours forwards already.
//!    So a program that is killed, or runs out of memory, leaves a closed host too.
//! 2. The input. If it is that of the newest generation, and this very program encoded it then,
//!    what was encoded is sent: nothing is parsed or compiled.
//! 3. Otherwise the generations of the history, the newest first, until one loads.
//! 4. Otherwise what is there: the ruleset that was loaded before, or the closed one.
//!
//! A `dockfw watch` that runs knows what the input does not, the containers: what it keeps in force
//! stays.
//!
//! Settings of the host follow a ruleset that was loaded, if its policy leaves them to dockfw.

use std::io::Write as _;
use std::time::Instant;

use dockfw_ir::verify::verify;
use dockfw_lower::CLOSED;
use dockfw_netlink::{Batch, Executor};
use serde_json::json;

use super::Exit;
use super::apply::{self, Applied, apply, apply_batch, commit};
use super::commit::Outcome;
use super::flows::Flows;
use super::input::InputArgs;
use super::journal::{Journal, Recorded, StateArgs};
use super::output::{Failure, print, print_diagnostics, print_json};
use super::restore::{Restored, restore};
use super::settings::Wanted;
use super::watch;
use crate::state::{Boot, BootOutcome, Generation, How, Program, State, utc};

/// `NF_INET_FORWARD`
const FORWARD: u32 = 2;

/// What was in the kernel before, or is there because of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// A ruleset of ours that decides what is forwarded.
    Ours,
    Closed,
}

/// Loads the input, or the best there is instead.
pub(super) fn run(
    input: &InputArgs,
    state: &StateArgs,
    as_json: bool,
    started: Instant,
) -> Result<Exit, Failure> {
    let mut executor = Executor::open().inspect_err(|error| log("FAILED", &error.to_string()))?;
    let ground = close(&mut executor);
    let journal = Journal::open(state);
    if let Some(error) = journal.failure() {
        let text = format!("{error}; there is nothing to fall back on");
        log("warning", &text);
    }
    if matches!(ground, Ok(Ground::Ours))
        && let Err(watched @ Failure::WouldBeUndone(_)) = watch::refuse_if_watched(&state.place)
    {
        let text = format!(
            "what was loaded before is still in force: {}",
            watched.brief()
        );
        log("KEPT", &text);
        // Nothing is noted: how this boot began has not changed.
        show(
            &Boot::new(BootOutcome::Kept, &watched.brief()),
            None,
            as_json,
        )?;
        return Ok(Exit::RolledBack);
    }
    let (failure, sent) = match intended(&mut executor, input, &journal) {
        Ok(loaded) => {
            if done(loaded, journal, as_json, started)? {
                executor.close_in_background();
            }
            return Ok(Exit::Done);
        }
        Err(failed) => failed,
    };
    if let Failure::Input(diagnostics) = &failure {
        print_diagnostics(diagnostics);
    }
    let reason = failure.brief();
    if let Some((generation, restored)) = last_good(&mut executor, journal.state(), sent) {
        let applied = restored.applied;
        let settings = restored.settings.only_managed().apply();
        let number = generation.number;
        let text = format!(
            "generation {number} of {} is loaded instead of the input: {reason}",
            utc(generation.time)
        );
        log("FALLBACK", &text);
        if let Err(error) = journal.note_current(number, &applied) {
            log("warning", &format!("this was not recorded: {error}"));
        }
        let boot = Boot::new(BootOutcome::Fallback(number), &reason);
        note(&journal, &boot);
        let recorded = Recorded {
            number: Some(number),
            failure: None,
        };
        let outcome = Outcome {
            applied: &applied,
            recorded: &recorded,
            pending: None,
            settings: &settings,
            total: started.elapsed(),
            flows: &Flows::Kept,
        };
        show(&boot, Some(&outcome), as_json)?;
        settings.warn();
        if applied.has_cleared() {
            executor.close_in_background();
        }
        return Ok(Exit::RolledBack);
    }
    let (outcome, exit) = match ground {
        Ok(Ground::Ours) => {
            let text = format!("what was loaded before is still in force: {reason}");
            log("KEPT", &text);
            (BootOutcome::Kept, Exit::RolledBack)
        }
        Ok(Ground::Closed) => {
            let text = format!(
                "nothing new is forwarded, no container is reachable, the host itself is: {reason}"
            );
            log("CLOSED", &text);
            (BootOutcome::Closed, Exit::Closed)
        }
        Err(error) => {
            let text = format!("the kernel took no ruleset at all, the host is open: {reason}");
            log("FAILED", &text);
            note(&journal, &Boot::new(BootOutcome::Failed, &reason));
            return Err(error);
        }
    };
    let boot = Boot::new(outcome, &reason);
    note(&journal, &boot);
    show(&boot, None, as_json)?;
    Ok(exit)
}

/// Closes a host whose arguments were not understood, if no ruleset of ours is loaded.
pub(super) fn close_after_wrong_usage() {
    let closed = Executor::open()
        .map_err(Failure::Open)
        .and_then(|mut executor| close(&mut executor));
    match closed {
        Ok(Ground::Ours) => log("KEPT", "what was loaded before is still in force"),
        Ok(Ground::Closed) => log(
            "CLOSED",
            "nothing new is forwarded: the arguments are wrong",
        ),
        Err(error) => log("FAILED", &error.brief()),
    }
}

/// Makes sure that something of ours decides what is forwarded.
fn close(executor: &mut Executor) -> Result<Ground, Failure> {
    let name = dockfw_lower::table_name();
    let found = executor.summary(dockfw_ir::table::Family::Inet, &name)?;
    if let Some(found) = found {
        let is_closed = found.table.comment.as_deref();
        let is_closed = is_closed.is_some_and(|comment| comment.starts_with(CLOSED));
        let mut hooks = found.chains.iter().filter_map(|chain| chain.hook);
        if hooks.any(|(hook, _)| hook == FORWARD) {
            return Ok(if is_closed {
                Ground::Closed
            } else {
                Ground::Ours
            });
        }
    }
    let ruleset = verify(dockfw_lower::closed());
    let ruleset = ruleset.map_err(|error| Failure::Bug(Box::new(error)))?;
    // Rules files have tables of their own; if they are there, they protect the host.
    commit(
        executor,
        &Batch::replace(&ruleset).map_err(Failure::Encode)?,
    )?;
    Ok(Ground::Closed)
}

/// The input is in force.
enum Loaded {
    /// As this generation was encoded.
    Encoded(u64, Wanted, Applied),
    Compiled(crate::state::Recipe, Wanted, Applied),
}

/// Loads the input. With an error: whether the generation that has it too was sent in vain.
fn intended(
    executor: &mut Executor,
    input: &InputArgs,
    journal: &Journal,
) -> Result<Loaded, (Failure, Option<u64>)> {
    if let Some((generation, batch)) = journal.state().and_then(|state| encoded(input, state)) {
        let number = generation.number;
        match apply_batch(executor, &batch) {
            Ok(applied) => {
                let settings = Wanted::managed_of(&generation.recipe);
                return Ok(Loaded::Encoded(number, settings, applied));
            }
            // The same program would make the same of it.
            Err(failure) => return Err((failure, Some(number))),
        }
    }
    let compile = || {
        let input = input.load()?;
        let settings = input.settings().only_managed();
        Ok((input.ruleset()?, settings, input.into_recipe()))
    };
    let (ruleset, settings, recipe) = compile().map_err(|failure| (failure, None))?;
    let applied =
        apply(executor, &ruleset, &apply::How::default()).map_err(|failure| (failure, None))?;
    Ok(Loaded::Compiled(recipe, settings, applied))
}

/// What this program encoded of the same input, if that was the last commit.
fn encoded(input: &InputArgs, state: &State) -> Option<(Generation, Batch)> {
    let newest = *state.numbers().ok()?.last()?;
    let generation = state.generation(newest).ok()?;
    let is_same =
        generation.program.is_same(&Program::this()) && generation.recipe == input.recipe()?;
    let batch = Batch::from_bytes(&generation.artifact).ok();
    batch.filter(|_| is_same).map(|batch| (generation, batch))
}

/// Loads the newest generation that can be loaded, but not the one that was sent in vain.
fn last_good(
    executor: &mut Executor,
    state: Option<&State>,
    sent: Option<u64>,
) -> Option<(Generation, Restored)> {
    let state = state?;
    let numbers = match state.numbers() {
        Ok(numbers) => numbers,
        Err(error) => {
            log("warning", &error.to_string());
            return None;
        }
    };
    for number in numbers.into_iter().rev().filter(|of| Some(*of) != sent) {
        let generation = match state.generation(number) {
            Ok(generation) => generation,
            Err(error) => {
                log("warning", &error.to_string());
                continue;
            }
        };
        match restore(executor, &generation, false) {
            Ok(restored) => return Some((generation, restored)),
            Err(failure) => {
                let text = format!("generation {number} cannot be loaded: {}", failure.brief());
                log("warning", &text);
            }
        }
    }
    None
}

/// Ends a boot that loaded the input; true if there was something to delete.
///
/// A setting that cannot be made is said, and does not keep dockerd from its start.
fn done(
    loaded: Loaded,
    journal: Journal,
    as_json: bool,
    started: Instant,
) -> Result<bool, Failure> {
    let boot = Boot::new(BootOutcome::Loaded, "");
    note(&journal, &boot);
    let (recorded, settings, applied) = match loaded {
        Loaded::Encoded(number, settings, applied) => {
            let failure = journal.note_current(number, &applied).err();
            log(
                "LOADED",
                "the input, as it was encoded when it was committed last",
            );
            let number = Some(number);
            (Recorded { number, failure }, settings.apply(), applied)
        }
        Loaded::Compiled(recipe, settings, applied) => {
            let settings = settings.apply();
            let recorded = journal.record(recipe, &applied, Program::this(), How::Boot);
            log("LOADED", "the input");
            (recorded, settings, applied)
        }
    };
    let outcome = Outcome {
        applied: &applied,
        recorded: &recorded,
        pending: None,
        settings: &settings,
        total: started.elapsed(),
        flows: &Flows::Kept,
    };
    show(&boot, Some(&outcome), as_json)?;
    settings.warn();
    recorded.warn();
    Ok(applied.has_cleared())
}

/// Prints the result.
fn show(boot: &Boot, outcome: Option<&Outcome<'_>>, as_json: bool) -> Result<(), Failure> {
    if !as_json {
        return outcome.map_or(Ok(()), |outcome| print(&outcome.to_line()));
    }
    let mut value = outcome.map_or_else(
        || json!({ "outcome": boot.outcome.word(), "recorded": false }),
        Outcome::to_json,
    );
    if let Some(object) = value.as_object_mut() {
        object.insert("boot".to_owned(), json!(boot.outcome.word()));
        object.insert("reason".to_owned(), json!(boot.reason));
    }
    print_json(&value)
}

fn note(journal: &Journal, boot: &Boot) {
    if let Err(error) = journal.note_boot(boot) {
        log("warning", &format!("the boot was not recorded: {error}"));
    }
}

/// A line for the system's journal: a word by which it is found, and what it means.
fn log(word: &str, text: &str) {
    // Nothing can be said when standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "{word}: {text}");
}
