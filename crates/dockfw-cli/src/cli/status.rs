//! `dockfw status`

use std::fmt::Write as _;

use dockfw_lower::CLOSED;
use dockfw_netlink::{Executor, SetInfo, TableSummary};
use serde_json::{Value, json};

use super::journal::PlaceArgs;
use super::kernel::Kernel;
use super::output::{Failure, print, print_json};
use super::tables::FAMILIES;
use super::{Exit, confirm, counts, follow, watch};
use crate::diagnostic::printable;
use crate::state::{Boot, BootOutcome, utc};

/// Shows our tables as the kernel has them.
///
/// How the last boot ended, and what a watch says, is read from the history's folder, if there is
/// one.
pub(super) fn run(place: &PlaceArgs, follow: bool, as_json: bool) -> Result<Exit, Failure> {
    let exit = show(place, as_json)?;
    if follow {
        return follow::run(&mut Executor::open()?, as_json);
    }
    Ok(exit)
}

fn show(place: &PlaceArgs, as_json: bool) -> Result<Exit, Failure> {
    let name = dockfw_lower::table_name();
    let mut executor = Executor::open()?;
    let mut found = Vec::new();
    for family in FAMILIES {
        if let Some(summary) = executor.summary(family, &name)? {
            found.push((format!("{} {name}", family.as_str()), summary));
        }
    }
    let boot = place.open().ok().and_then(|state| state.boot().ok()?);
    let boot = boot.filter(Boot::is_this);
    let watch = watch::read_status(place);
    if found.is_empty() {
        let generation = executor.generation()?;
        if as_json {
            print_json(&json!({
                "loaded": false,
                "closed": false,
                "boot": boot_to_json(boot.as_ref()),
                "pending": [],
                "publishes": null,
                "watch": watch_to_json(watch.as_ref()),
                "generation": generation,
                "tables": [],
            }))?;
        } else {
            let line = "not loaded: there is no table dockfw in this network namespace\n";
            let (boot, watch) = (boot_to_text(boot.as_ref()), watch_to_text(watch.as_ref()));
            print(&format!("{line}{boot}{watch}"))?;
        }
        return Ok(Exit::Differs);
    }
    let kernel = Kernel::read(&mut executor)?;
    // What waits to be confirmed, or has gone back.
    let pending = kernel.pending()?;
    if as_json {
        let publishes = counts::to_json(&mut executor, &kernel.tables)?;
        let mut value = to_json(&found, boot.as_ref());
        if let Some(object) = value.as_object_mut() {
            object.insert("pending".to_owned(), confirm::to_json(&pending));
            object.insert("publishes".to_owned(), publishes);
            object.insert("watch".to_owned(), watch_to_json(watch.as_ref()));
        }
        print_json(&value)?;
    } else {
        let texts = found.iter().map(|(name, summary)| to_text(name, summary));
        let mut text = String::new();
        for comment in found.iter().filter_map(|(_, summary)| closed(summary)) {
            let _ = writeln!(text, "{comment}");
        }
        text.extend(texts);
        text.push_str(&confirm::to_text(&pending));
        text.push_str(&boot_to_text(boot.as_ref()));
        text.push_str(&watch_to_text(watch.as_ref()));
        print(&text)?;
    }
    Ok(Exit::Done)
}

/// The comment of a table that lets nothing reach a container.
fn closed(summary: &TableSummary) -> Option<&str> {
    let comment = summary.table.comment.as_deref();
    comment.filter(|comment| comment.starts_with(CLOSED))
}

/// What a watch says of itself, and whether it runs.
fn watch_to_json(watch: Option<&(bool, Value)>) -> Value {
    watch.map_or(Value::Null, |(runs, said)| {
        let mut said = said.clone();
        if let Some(object) = said.as_object_mut() {
            object.insert("runs".to_owned(), Value::Bool(*runs));
        }
        said
    })
}

fn watch_to_text(watch: Option<&(bool, Value)>) -> String {
    watch.map_or_else(String::new, |(runs, said)| {
        watch::status_to_text(*runs, said)
    })
}

fn boot_to_json(boot: Option<&Boot>) -> Value {
    boot.map_or(Value::Null, |boot| {
        json!({
            "outcome": boot.outcome.word(),
            "time": utc(boot.time),
            "reason": boot.reason,
        })
    })
}

/// A line about a boot that did not load what it should have.
fn boot_to_text(boot: Option<&Boot>) -> String {
    match boot {
        Some(boot) if boot.outcome != BootOutcome::Loaded => {
            let (word, time) = (boot.outcome.word(), utc(boot.time));
            format!("boot: {word}, {time}: {}\n", printable(&boot.reason, 600))
        }
        Some(_) | None => String::new(),
    }
}

/// The numbers of all tables together, and of each.
fn to_json(found: &[(String, TableSummary)], boot: Option<&Boot>) -> Value {
    let set =
        |set: &SetInfo| json!({ "name": set.name, "elements": set.elements, "size": set.size });
    let table = |(name, summary): &(String, TableSummary)| {
        json!({
            "table": name,
            "handle": summary.table.handle,
            "chains": summary.chains.len(),
            "rules": summary.rules(),
            "elements": summary.elements(),
            "sets": summary.sets.iter().map(set).collect::<Vec<_>>(),
        })
    };
    let summaries = || found.iter().map(|(_, summary)| summary);
    json!({
        "loaded": true,
        "closed": summaries().any(|summary| closed(summary).is_some()),
        "boot": boot_to_json(boot),
        "generation": summaries().map(|of| of.generation).max(),
        "chains": summaries().map(|of| of.chains.len()).sum::<usize>(),
        "rules": summaries().map(TableSummary::rules).sum::<usize>(),
        "elements": summaries().map(TableSummary::elements).sum::<usize>(),
        "tables": found.iter().map(table).collect::<Vec<_>>(),
    })
}

fn to_text(name: &str, summary: &TableSummary) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "loaded: table {name}, handle {}, generation {}: {} chains, {} rules, {} sets and \
         maps, {} elements",
        summary.table.handle,
        summary.generation,
        summary.chains.len(),
        summary.rules(),
        summary.sets.len(),
        summary.elements(),
    );
    for SetInfo {
        name,
        elements,
        size,
        ..
    } in summary.sets.iter().filter(|set| set.elements > 0)
    {
        let _ = match size {
            Some(size) => writeln!(text, "  {name:<28} {elements:>7} of {size}"),
            None => writeln!(text, "  {name:<28} {elements:>7}"),
        };
    }
    text
}
