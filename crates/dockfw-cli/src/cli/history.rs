//! `dockfw history`

use std::fmt::Write as _;

use dockfw_netlink::Executor;
use serde_json::{Value, json};

use super::Exit;
use super::journal::PlaceArgs;
use super::output::{Failure, print, print_json};
use super::tables;
use crate::diagnostic::printable;
use crate::state::{Current, Generation, How, State, StateError, utc};

/// The longest name of a file that is shown, in characters.
const NAME_LIMIT: usize = 200;

/// What is known about the ruleset of a generation that was committed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InForce {
    Yes,
    No,
    /// Somebody changed the kernel's ruleset since, or it cannot be asked.
    Unknown,
}

/// Lists the generations, the newest first.
pub(super) fn run(place: &PlaceArgs, as_json: bool) -> Result<Exit, Failure> {
    let state = match place.open() {
        Ok(state) => Some(state),
        // Nothing was committed yet.
        Err(Failure::State(StateError::Missing(_))) => None,
        Err(error) => return Err(error),
    };
    let mut numbers = state.as_ref().map_or(Ok(Vec::new()), State::numbers)?;
    numbers.reverse();
    let read = |number: u64| {
        state
            .as_ref()
            .map(|state| (number, state.generation(number)))
    };
    let found: Vec<_> = numbers.iter().filter_map(|number| read(*number)).collect();
    let current = state.as_ref().and_then(|state| state.current().ok()?);
    let current = current.map(|current| (current.number, in_force(&current)));
    if as_json {
        let list = found
            .iter()
            .map(|(number, read)| to_json(*number, read, current));
        print_json(&json!({
            "folder": place.folder(),
            "generations": list.collect::<Value>(),
        }))?;
    } else if found.is_empty() {
        print("no history: nothing was committed yet\n")?;
    } else {
        let lines = found
            .iter()
            .map(|(number, read)| to_line(*number, read, current));
        print(&lines.collect::<String>())?;
    }
    Ok(Exit::Done)
}

/// Asks the kernel, if that is allowed.
fn in_force(current: &Current) -> InForce {
    let ask = || {
        let mut executor = Executor::open().ok()?;
        let generation = executor.generation().ok()?;
        let ours = tables::present(&mut executor, &dockfw_lower::table_name()).ok()?;
        Some((generation, !ours.is_empty()))
    };
    match ask() {
        Some((_, false)) => InForce::No,
        Some((generation, true)) if current.is_in_force(generation) => InForce::Yes,
        Some(_) | None => InForce::Unknown,
    }
}

/// What is known about this generation; those that were not committed last are not in force.
fn of(number: u64, current: Option<(u64, InForce)>) -> InForce {
    match current {
        Some((last, in_force)) if last == number => in_force,
        Some(_) => InForce::No,
        None => InForce::Unknown,
    }
}

fn how(how: How) -> String {
    match how {
        How::Commit => "commit".to_owned(),
        How::Rollback(to) => format!("rollback to {to}"),
        How::Boot => "boot".to_owned(),
    }
}

fn to_json(
    number: u64,
    read: &Result<Generation, StateError>,
    current: Option<(u64, InForce)>,
) -> Value {
    let in_force = match of(number, current) {
        InForce::Yes => json!(true),
        InForce::No => json!(false),
        InForce::Unknown => Value::Null,
    };
    match read {
        Ok(generation) => json!({
            "generation": number,
            "time": utc(generation.time),
            "outcome": "committed",
            "how": how(generation.how),
            "files": generation.recipe.files().collect::<Vec<_>>(),
            "tables": generation.tables,
            "dockfw": generation.program.version,
            "last": current.is_some_and(|(last, _)| last == number),
            "in_force": in_force,
            "damaged": false,
        }),
        Err(error) => json!({
            "generation": number,
            "damaged": true,
            "error": error.to_string(),
        }),
    }
}

fn to_line(
    number: u64,
    read: &Result<Generation, StateError>,
    current: Option<(u64, InForce)>,
) -> String {
    let mut line = String::new();
    let generation = match read {
        Ok(generation) => generation,
        Err(error) => {
            let _ = writeln!(line, "{number:>6}  DAMAGED: {error}");
            return line;
        }
    };
    let note = match of(number, current) {
        InForce::Yes => ", in force",
        InForce::Unknown if current.is_some() => {
            ", committed last (the kernel's ruleset was changed since, perhaps by others)"
        }
        InForce::Unknown | InForce::No => "",
    };
    let files = generation
        .recipe
        .files()
        .map(|name| printable(name, NAME_LIMIT));
    let _ = writeln!(
        line,
        "{number:>6}  {}  {}: {} from {}{note}",
        utc(generation.time),
        how(generation.how),
        generation.tables.join(", "),
        files.collect::<Vec<_>>().join(", "),
    );
    line
}
