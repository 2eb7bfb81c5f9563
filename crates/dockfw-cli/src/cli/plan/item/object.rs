//! Chains, and sets and maps, as objects of nftables.

use dockfw_ir::chain::{BaseChain, Chain, Policy};
use dockfw_ir::diff::{ChainChange, Changes, RuleEdit, SetChange, Swap};
use dockfw_ir::print;
use serde_json::{Value, json};

use super::{Item, Sign, printable};
use crate::cli::plan::fact::{Facts, device};

/// `2, 5`: places are counted from 1; of many the first ones are shown.
fn places(of: &[usize]) -> String {
    const MOST: usize = 6;
    let shown: Vec<_> = of
        .iter()
        .take(MOST)
        .map(|place| (place + 1).to_string())
        .collect();
    let more = of.len().saturating_sub(MOST);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{}{rest}", shown.join(", "))
}

fn number(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// A chain. Those of a network that comes or goes say nothing besides.
pub(super) fn chain(
    changes: &Changes<'_>,
    change: &ChainChange,
    old: &Facts,
    new: &Facts,
) -> Option<Item> {
    let (from, to) = (&changes.from.chains, &changes.to.chains);
    let (chain, sign): (&Chain, Sign) = match change {
        ChainChange::Removed { from: place } => (from.get(*place)?, Sign::Removed),
        ChainChange::Added { to: place } => (to.get(*place)?, Sign::Added),
        ChainChange::Replaced { to: place, .. } | ChainChange::Changed { to: place, .. } => {
            (to.get(*place)?, Sign::Changed)
        }
    };
    let name = chain.name.as_str();
    let mut network = None;
    if let Some(device) = device(name) {
        let (was, is) = (old.networks.get(&device), new.networks.get(&device));
        if was.is_some() != is.is_some() {
            return None;
        }
        network = is.cloned();
    }
    let of_network = match &network {
        Some(network) if !network.is_empty() => format!(" of network {}", printable(network)),
        Some(_) | None => String::new(),
    };
    let mut fields = json!({ "name": name, "network": network });
    let text = match change {
        ChainChange::Removed { .. } | ChainChange::Added { .. } => {
            format!("{name}{of_network}, {}", number(chain.rules.len(), "rule"))
        }
        ChainChange::Replaced { .. } => format!("{name}{of_network}: made anew, with its rules"),
        ChainChange::Changed {
            from: place,
            policy,
            rules,
            ..
        } => {
            let mut parts = Vec::new();
            let old = from.get(*place)?;
            let policies = |base: BaseChain| {
                if base.policy == Policy::Drop {
                    "drop"
                } else {
                    "accept"
                }
            };
            if let (true, Some(was), Some(is)) = (*policy, old.base, chain.base) {
                parts.push(format!("policy {}, was {}", policies(is), policies(was)));
                if let Some(fields) = fields.as_object_mut() {
                    fields.insert("policy".to_owned(), json!(policies(is)));
                }
            }
            parts.extend(edits(rules));
            if let Some(fields) = fields.as_object_mut() {
                fields.insert("rules".to_owned(), rules_json(changes, old, chain, rules));
            }
            // Rules that are only made again are no change of the chain.
            if parts.is_empty() {
                return None;
            }
            format!("{name}{of_network}: {}", parts.join(", "))
        }
    };
    Some(Item {
        sign,
        kind: "chain",
        text,
        fields,
    })
}

/// `1 rule inserted at 2`
fn edits(rules: &[RuleEdit]) -> Vec<String> {
    let of = |pick: fn(&RuleEdit) -> Option<usize>| -> Vec<usize> {
        rules.iter().filter_map(pick).collect()
    };
    let inserted = of(|edit| match edit {
        RuleEdit::Insert { to, .. } => Some(*to),
        RuleEdit::Delete { .. } | RuleEdit::Replace { .. } | RuleEdit::Remake { .. } => None,
    });
    let replaced = of(|edit| match edit {
        RuleEdit::Replace { to, .. } => Some(*to),
        RuleEdit::Delete { .. } | RuleEdit::Insert { .. } | RuleEdit::Remake { .. } => None,
    });
    let deleted = of(|edit| match edit {
        RuleEdit::Delete { from } => Some(*from),
        RuleEdit::Replace { .. } | RuleEdit::Insert { .. } | RuleEdit::Remake { .. } => None,
    });
    [
        (inserted, "inserted at"),
        (replaced, "replaced at"),
        (deleted, "deleted, formerly at"),
    ]
    .into_iter()
    .filter(|(of, _)| !of.is_empty())
    .map(|(of, verb)| format!("{} {verb} {}", number(of.len(), "rule"), places(&of)))
    .collect()
}

fn rules_json(changes: &Changes<'_>, old: &Chain, new: &Chain, edits: &[RuleEdit]) -> Value {
    let was = |place: usize| {
        old.rules
            .get(place)
            .map(|rule| print::rule(changes.from, rule))
    };
    let is = |place: usize| {
        new.rules
            .get(place)
            .map(|rule| print::rule(changes.to, rule))
    };
    let edits = edits.iter().map(|edit| match *edit {
        RuleEdit::Delete { from } => json!({ "edit": "delete", "was_at": from, "was": was(from) }),
        RuleEdit::Replace { from, to } => json!({
            "edit": "replace", "was_at": from, "was": was(from), "at": to, "rule": is(to),
        }),
        RuleEdit::Remake { from, to, .. } => json!({
            "edit": "remake", "was_at": from, "at": to, "rule": is(to),
        }),
        RuleEdit::Insert { to, .. } => json!({ "edit": "insert", "at": to, "rule": is(to) }),
    });
    edits.collect()
}

pub(super) fn set(changes: &Changes<'_>, change: &SetChange) -> Option<Item> {
    let (from, to) = (&changes.from.sets, &changes.to.sets);
    let (sign, set, text, fields) = match change {
        SetChange::Removed { from: place } => {
            let set = from.get(*place)?;
            (
                Sign::Removed,
                set,
                number(set.elements.len(), "element"),
                json!({}),
            )
        }
        SetChange::Added { to: place } => {
            let set = to.get(*place)?;
            (
                Sign::Added,
                set,
                number(set.elements.len(), "element"),
                json!({}),
            )
        }
        SetChange::Swapped { to: place, why, .. } => {
            let why = match why {
                Swap::Type => "its type is another one",
                Swap::Flags => "its flags are others",
                Swap::Comment => "its comment is another one",
                Swap::Size => "it has no room for its elements",
            };
            let set = to.get(*place)?;
            (
                Sign::Changed,
                set,
                format!("made anew: {why}"),
                json!({ "why": why }),
            )
        }
        SetChange::Changed {
            to: place,
            elements,
            ..
        } => {
            let (come, go, again) = (
                elements.added.len(),
                elements.removed.len(),
                elements.changed.len(),
            );
            let fields = json!({ "added": come, "removed": go, "changed": again });
            let parts = [(come, "added"), (go, "removed"), (again, "changed")];
            let parts: Vec<_> = parts
                .into_iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, verb)| format!("{} {verb}", number(count, "element")))
                .collect();
            (Sign::Changed, to.get(*place)?, parts.join(", "), fields)
        }
    };
    let name = set.name.as_str();
    let mut fields = fields;
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("name".to_owned(), json!(name));
    }
    Some(Item {
        sign,
        kind: "set",
        text: format!("{name}: {text}"),
        fields,
    })
}
