//! The things that change in a table, each a line.

mod host;
mod object;

use dockfw_ir::diff::{Changes, TableChange, diff};
use dockfw_ir::table::Table;
use serde_json::{Value, json};

use super::fact::Facts;
use crate::diagnostic;

/// A name of others, without control characters.
fn printable(name: &str) -> String {
    const LONGEST: usize = 64;
    diagnostic::printable(name, LONGEST)
}

/// What becomes of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Added,
    Removed,
    Changed,
}

impl Sign {
    /// The sign in front of a line.
    pub(super) const fn as_char(self) -> char {
        match self {
            Self::Added => '+',
            Self::Removed => '-',
            Self::Changed => '~',
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// A thing that changes.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) sign: Sign,
    /// `publish`, `open`, `network`, `container`, `chain`, `set`.
    pub(super) kind: &'static str,
    pub(super) text: String,
    /// What programs want to know of it.
    fields: Value,
}

impl Item {
    /// The line without its sign.
    pub(super) fn to_line(&self) -> String {
        format!("{} {}", self.kind, self.text)
    }

    /// The item for programs.
    pub(super) fn to_json(&self) -> Value {
        let mut value = json!({
            "change": self.sign.word(), "kind": self.kind, "text": self.text,
        });
        if let (Some(value), Value::Object(fields)) = (value.as_object_mut(), &self.fields) {
            value.extend(fields.clone());
        }
        value
    }
}

/// What changes in a table, publishes first.
pub(super) fn of(change: &TableChange<'_>) -> Vec<Item> {
    let empty = |table: &Table| Table {
        family: table.family,
        name: table.name.clone(),
        comment: table.comment.clone(),
        sets: Vec::new(),
        chains: Vec::new(),
    };
    // A table that comes or goes is one that changes from or to nothing.
    match change {
        TableChange::Created(table) => of_changes(&diff(&empty(table), table)),
        TableChange::Removed(table) => of_changes(&diff(table, &empty(table))),
        TableChange::Changed(changes) if changes.replace => {
            let mut old = changes.from.clone();
            old.comment.clone_from(&changes.to.comment);
            of_changes(&diff(&old, changes.to))
        }
        TableChange::Changed(changes) => of_changes(changes),
    }
}

fn of_changes(changes: &Changes<'_>) -> Vec<Item> {
    let (old, new) = (Facts::of(changes.from), Facts::of(changes.to));
    let mut items = host::publishes(&old, &new);
    items.extend(host::open(&old, &new));
    items.extend(host::networks(&old, &new));
    items.extend(host::containers(&old, &new));
    let chains = changes.chains.iter();
    items.extend(chains.filter_map(|of| object::chain(changes, of, &old, &new)));
    let sets = changes.sets.iter();
    items.extend(sets.filter_map(|of| object::set(changes, of)));
    items
}
