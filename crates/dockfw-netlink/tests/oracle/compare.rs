//! The comparison, for any ruleset.
#![expect(clippy::unwrap_used, reason = "test helpers")]

use dockfw_ir::Ruleset;
use dockfw_netlink::Batch;
use dockfw_netlink::wire::Messages;

use crate::object;
use crate::tree::{Object, normalise};

/// Compares what we send for a ruleset with what libnftnl would, attribute by attribute.
///
/// The error shows the objects that differ, ours after theirs.
pub(crate) fn compare(ruleset: &Ruleset) -> Result<(), String> {
    compare_with(ruleset, &object::messages(ruleset))
}

/// Compares what we send for a ruleset with these messages.
pub(crate) fn compare_with(ruleset: &Ruleset, expected: &[u8]) -> Result<(), String> {
    let batch = Batch::replace_unverified(ruleset).unwrap();
    // NEWTABLE and DELTABLE of each table come first and have no counterpart.
    let skip = 2 * ruleset.tables.len();
    let ours = normalise(Messages::new(batch.as_bytes()).skip(skip));
    let theirs = normalise(Messages::new(expected));
    let mut text = Vec::new();
    for index in 0..ours.len().max(theirs.len()) {
        let (ours, theirs) = (ours.get(index), theirs.get(index));
        if ours != theirs {
            text.push(format!("- {}\n+ {}", show(theirs), show(ours)));
        }
    }
    if text.is_empty() {
        Ok(())
    } else {
        Err(text.join("\n"))
    }
}

fn show(object: Option<&Object>) -> String {
    object.map_or("nothing".to_owned(), ToString::to_string)
}
