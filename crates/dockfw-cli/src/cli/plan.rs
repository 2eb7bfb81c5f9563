//! `dockfw plan`: what a commit would change, as an operator reads it.
//!
//! What is shown is made of three values: the tables that the kernel has, those that are wanted,
//! and the changes between them.

mod fact;
mod file;
mod item;
mod nft;
mod text;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use dockfw_ir::diff::{Counts, RulesetChanges, TableChange};
use dockfw_ir::{Table, Verified};
use dockfw_netlink::Executor;
use serde_json::{Value, json};

use super::input::InputArgs;
use super::kernel::{Kernel, as_read};
use super::output::{Failure, print, print_json};
use super::settings::Report;
use super::{Exit, confirm};
pub(super) use file::{Mismatch, SavedPlan, SavedPlanError};

/// What is planned, and how it is shown.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Show nft(8) objects instead of publishes, networks and rules
    #[arg(long)]
    nft: bool,
    /// Write the plan into a file, for `dockfw commit --plan`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print it as JSON
    #[arg(long, conflicts_with = "nft")]
    pub(super) json: bool,
}

/// `dockfw plan`: reads, compiles, compares, and changes nothing.
pub(super) fn verb(input: &InputArgs, arguments: &PlanArgs) -> Result<Exit, Failure> {
    let (wanted, settings) = {
        let input = input.load()?;
        (as_read(&input.ruleset()?), input.settings())
    };
    let settings = settings.read();
    let kernel = Kernel::read(&mut Executor::open()?)?;
    let found = kernel.pending().unwrap_or_default();
    let mut notes = confirm::to_text(&found);
    for (family, what) in kernel.unreadable() {
        let family = family.as_str();
        let _ = writeln!(
            notes,
            "not ours: in {family} dockfw, {what}; a commit removes it"
        );
    }
    if !arguments.json {
        notes.push_str(&settings.notes());
    }
    let _ = std::io::stderr().lock().write_all(notes.as_bytes());
    let changes = kernel.changes(&wanted);
    let form = match arguments {
        PlanArgs { json: true, .. } => Form::Json,
        PlanArgs { nft: true, .. } => Form::Nft,
        PlanArgs { .. } => Form::Words,
    };
    let reading = Reading {
        generation: kernel.generation,
        tables: &kernel.tables,
    };
    let files = input.files();
    let save = arguments
        .out
        .as_deref()
        .map(|path| (path, files.as_slice()));
    run(reading, &wanted, &changes, &settings, form, save)
}

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Publishes, networks, containers and rules, in words.
    Words,
    /// Lines of nft(8) text with `+` and `-`.
    Nft,
    /// JSON.
    Json,
}

/// What the kernel had when it was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    /// The generation of the reading.
    pub(super) generation: u32,
    /// Our tables.
    pub(super) tables: &'a [Table],
}

/// Prints the changes and says whether there are any: exit code 3 or 0.
///
/// `inputs` are the files of the wanted ruleset, which a saved plan names.
pub(super) fn run(
    kernel: Reading<'_>,
    wanted: &Verified,
    changes: &RulesetChanges<'_>,
    settings: &Report,
    form: Form,
    save: Option<(&std::path::Path, &[PathBuf])>,
) -> Result<Exit, Failure> {
    if let Some((path, inputs)) = save {
        let plan = SavedPlan::new(
            kernel.generation,
            kernel.tables,
            wanted,
            settings.assignments(),
            inputs,
        );
        std::fs::write(path, plan.to_text()).map_err(|source| Failure::File {
            action: "write",
            path: path.to_owned(),
            source,
        })?;
    }
    match form {
        Form::Words => print(&(text::words(changes) + &settings.section()))?,
        Form::Nft => print(&(nft::lines(changes) + &commented(&settings.section())))?,
        Form::Json => print_json(&to_json(kernel.generation, changes, settings))?,
    }
    Ok(exit(changes, settings))
}

/// 3 when something would change.
fn exit(changes: &RulesetChanges<'_>, settings: &Report) -> Exit {
    if changes.is_empty() && !settings.would_write() {
        Exit::Done
    } else {
        Exit::Differs
    }
}

/// Lines as comments of nft(8).
fn commented(lines: &str) -> String {
    let mut text = String::new();
    for line in lines.lines() {
        let _ = writeln!(text, "# {line}");
    }
    text
}

/// The name of a table with its family.
fn full_name(table: &Table) -> String {
    format!("{} {}", table.family.as_str(), table.name)
}

/// The table of a change, and what becomes of it in a word.
fn headline<'a>(change: &TableChange<'a>) -> (&'a Table, &'static str) {
    match change {
        TableChange::Created(table) => (table, "created"),
        TableChange::Removed(table) => (table, "removed"),
        TableChange::Changed(changes) if changes.replace => (changes.to, "replaced"),
        TableChange::Changed(changes) => (changes.to, "changed"),
    }
}

/// The changes for programs.
fn to_json(generation: u32, changes: &RulesetChanges<'_>, settings: &Report) -> Value {
    let tables = changes.tables().iter().map(|change| {
        let (table, what) = headline(change);
        let items = item::of(change);
        json!({
            "table": full_name(table),
            "change": what,
            "items": items.iter().map(item::Item::to_json).collect::<Vec<_>>(),
        })
    });
    json!({
        "changes": !changes.is_empty() || settings.would_write(),
        "generation": generation,
        "tables": tables.collect::<Vec<_>>(),
        "counts": counts_to_json(&changes.counts()),
        "settings": settings.to_json(),
    })
}

/// Numbers of what changes, for programs.
pub(super) fn counts_to_json(counts: &Counts) -> Value {
    json!({
        "tables": { "added": counts.tables_added, "removed": counts.tables_removed,
                    "replaced": counts.tables_replaced },
        "chains": { "added": counts.chains_added, "removed": counts.chains_removed,
                    "replaced": counts.chains_replaced, "policies": counts.policies },
        "rules": { "added": counts.rules_added, "removed": counts.rules_removed,
                   "replaced": counts.rules_replaced, "remade": counts.rules_remade },
        "sets": { "added": counts.sets_added, "removed": counts.sets_removed,
                  "swapped": counts.sets_swapped },
        "elements": { "added": counts.elements_added, "removed": counts.elements_removed,
                      "changed": counts.elements_changed },
    })
}
