//! What is pending, in words and as JSON.

use std::fmt::Write as _;

use dockfw_ir::Table;
use serde_json::{Value, json};

use super::Pending;

/// A line for each table, and how to go on; empty when nothing is pending.
pub fn to_text(found: &[Pending]) -> String {
    let mut text = String::new();
    for pending in found {
        let [old, new] = [&pending.settled.old, &pending.settled.new].map(|of| words(of.as_ref()));
        let name = &pending.name;
        // A String takes everything.
        let _ = match pending.left {
            Some(left) => writeln!(
                text,
                "pending: {name} goes back in {:.1} s, from {new} to {old}",
                left.as_secs_f64()
            ),
            None => writeln!(
                text,
                "rolled back: {name} was not confirmed in time; in force again: {old}"
            ),
        };
    }
    if found.iter().any(|pending| pending.left.is_some()) {
        text.push_str("`dockfw confirm` makes it permanent\n");
    } else if !found.is_empty() {
        text.push_str("the next commit clears what is left of it away\n");
    }
    text
}

/// `{ "table", "state": "pending" | "expired", "seconds_left", "old", "new" }` for each table.
pub fn to_json(found: &[Pending]) -> Value {
    let one = |pending: &Pending| {
        let state = if pending.left.is_some() {
            "pending"
        } else {
            "expired"
        };
        json!({
            "table": pending.name,
            "state": state,
            "seconds_left": pending.left.map(|left| left.as_secs_f64()),
            "old": pending.settled.old.as_ref().map(numbers),
            "new": pending.settled.new.as_ref().map(numbers),
        })
    };
    found.iter().map(one).collect()
}

/// Chains, rules and elements.
fn count(table: &Table) -> [usize; 3] {
    [
        table.chains.len(),
        table.chains.iter().map(|chain| chain.rules.len()).sum(),
        table.sets.iter().map(|set| set.elements.len()).sum(),
    ]
}

fn numbers(table: &Table) -> Value {
    let [chains, rules, elements] = count(table);
    json!({ "chains": chains, "rules": rules, "elements": elements })
}

fn words(table: Option<&Table>) -> String {
    match table.map(count) {
        Some([chains, rules, elements]) => {
            format!("{chains} chains, {rules} rules, {elements} elements")
        }
        None => "no table".to_owned(),
    }
}
