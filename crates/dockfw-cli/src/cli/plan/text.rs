//! The changes in words.

use std::fmt::Write as _;

use dockfw_ir::diff::{Counts, RulesetChanges};

use super::item::{self, Sign};
use super::{full_name, headline};

/// A line for each thing that changes, and the numbers. Sets and maps come last, since most of
/// their changes follow from what is said before.
pub(super) fn words(changes: &RulesetChanges<'_>) -> String {
    if changes.is_empty() {
        return "unchanged: the kernel has this ruleset\n".to_owned();
    }
    let mut text = String::new();
    for change in changes.tables() {
        let (table, what) = headline(change);
        // Writing to a string does not fail.
        let _ = writeln!(text, "table {}, {what}", full_name(table));
        for item in item::of(change) {
            let _ = writeln!(text, "  {} {}", item.sign.as_char(), item.to_line());
        }
    }
    text.push_str(&totals(&changes.counts()));
    text
}

/// `rules +1 ~1, elements +3 -1`
fn totals(counts: &Counts) -> String {
    let parts = [
        (
            "tables",
            [
                counts.tables_added,
                counts.tables_removed,
                counts.tables_replaced,
            ],
        ),
        (
            "chains",
            [
                counts.chains_added,
                counts.chains_removed,
                counts.chains_replaced + counts.policies,
            ],
        ),
        (
            "rules",
            [
                counts.rules_added,
                counts.rules_removed,
                counts.rules_replaced,
            ],
        ),
        (
            "sets and maps",
            [counts.sets_added, counts.sets_removed, counts.sets_swapped],
        ),
        (
            "elements",
            [
                counts.elements_added,
                counts.elements_removed,
                counts.elements_changed,
            ],
        ),
    ];
    let mut shown = Vec::new();
    for (what, numbers) in parts {
        let mut part = what.to_owned();
        for (sign, number) in [Sign::Added, Sign::Removed, Sign::Changed]
            .iter()
            .zip(numbers)
        {
            if number > 0 {
                let _ = write!(part, " {}{number}", sign.as_char());
            }
        }
        if part.len() > what.len() {
            shown.push(part);
        }
    }
    if counts.rules_remade > 0 {
        shown.push(format!(
            "{} made again because of what they refer to",
            counts.rules_remade
        ));
    }
    format!("in all: {}\n", shown.join(", "))
}
