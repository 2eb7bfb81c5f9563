//! The changes as lines of nft(8) text: `+` for what comes, `-` for what goes.

use dockfw_ir::diff::{
    ChainChange, Changes, ElementChanges, RuleEdit, RulesetChanges, SetChange, TableChange,
};
use dockfw_ir::table::Table;
use dockfw_ir::{Ruleset, print};

use super::full_name;

/// All changes. Of objects that stay the head and the foot are shown, without a sign.
pub(super) fn lines(changes: &RulesetChanges<'_>) -> String {
    let mut out = Out(String::new());
    for change in changes.tables() {
        match change {
            TableChange::Created(new) => out.block('+', &whole(new)),
            TableChange::Removed(old) => out.block('-', &whole(old)),
            TableChange::Changed(changes) if changes.replace => {
                out.block('-', &whole(changes.from));
                out.block('+', &whole(changes.to));
            }
            TableChange::Changed(changes) => {
                out.line(' ', &format!("table {} {{", full_name(changes.to)));
                changes.sets.iter().for_each(|set| out.set(changes, set));
                changes
                    .chains
                    .iter()
                    .for_each(|chain| out.chain(changes, chain));
                out.line(' ', "}");
            }
        }
    }
    out.0
}

fn whole(table: &Table) -> String {
    print::nft(&Ruleset {
        tables: vec![table.clone()],
    })
}

/// Lines with signs.
struct Out(String);

impl Out {
    fn line(&mut self, sign: char, line: &str) {
        self.0.push(sign);
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn block(&mut self, sign: char, text: &str) {
        text.lines().for_each(|line| self.line(sign, line));
    }

    fn set(&mut self, changes: &Changes<'_>, change: &SetChange) {
        let (from, to) = (&changes.from.sets, &changes.to.sets);
        match change {
            SetChange::Removed { from: place } => {
                let old = from.get(*place).map(print::set);
                self.block('-', &old.unwrap_or_default());
            }
            SetChange::Added { to: place } => {
                let new = to.get(*place).map(print::set);
                self.block('+', &new.unwrap_or_default());
            }
            SetChange::Swapped {
                from: old, to: new, ..
            } => {
                self.block('-', &from.get(*old).map(print::set).unwrap_or_default());
                self.block('+', &to.get(*new).map(print::set).unwrap_or_default());
            }
            SetChange::Changed {
                from: old,
                to: new,
                elements,
            } => {
                let (Some(old), Some(new)) = (from.get(*old), to.get(*new)) else {
                    return;
                };
                let text = print::set(new);
                self.line(' ', text.lines().next().unwrap_or_default());
                self.line(' ', "\t\telements = {");
                let ElementChanges {
                    removed,
                    added,
                    changed,
                } = elements;
                let gone = removed.iter().chain(changed.iter().map(|(from, _)| from));
                let come = added.iter().chain(changed.iter().map(|(_, to)| to));
                // In the order of their keys, what goes first.
                let mut rows: Vec<_> = gone
                    .filter_map(|place| Some((old.elements.get(*place)?, '-', old)))
                    .chain(come.filter_map(|place| Some((new.elements.get(*place)?, '+', new))))
                    .collect();
                rows.sort_by(|(a, sign, _), (b, other, _)| {
                    (&a.key, &a.key_end)
                        .cmp(&(&b.key, &b.key_end))
                        .then(other.cmp(sign))
                });
                for (element, sign, set) in rows {
                    self.line(sign, &format!("\t\t\t{},", print::element(set, element)));
                }
                self.line(' ', "\t\t}");
                self.line(' ', "\t}");
            }
        }
    }

    fn chain(&mut self, changes: &Changes<'_>, change: &ChainChange) {
        let (from, to) = (changes.from, changes.to);
        let old_text = |place: usize| {
            let chain = from.chains.get(place);
            chain
                .map(|chain| print::chain(from, chain))
                .unwrap_or_default()
        };
        let new_text = |place: usize| {
            let chain = to.chains.get(place);
            chain
                .map(|chain| print::chain(to, chain))
                .unwrap_or_default()
        };
        match change {
            ChainChange::Removed { from } => self.block('-', &old_text(*from)),
            ChainChange::Added { to } => self.block('+', &new_text(*to)),
            ChainChange::Replaced { from, to } => {
                self.block('-', &old_text(*from));
                self.block('+', &new_text(*to));
            }
            ChainChange::Changed {
                from: old,
                to: new,
                policy,
                rules,
            } => {
                let (Some(old), Some(new)) = (from.chains.get(*old), to.chains.get(*new)) else {
                    return;
                };
                self.line(' ', &format!("\tchain {} {{", new.name));
                if *policy {
                    let hook = |table, chain| {
                        let text = print::chain(table, chain);
                        let hook = text.lines().find(|line| line.starts_with("\t\ttype "));
                        hook.unwrap_or_default().to_owned()
                    };
                    self.line('-', &hook(from, old));
                    self.line('+', &hook(to, new));
                }
                let was = |place: usize| {
                    let rule = old.rules.get(place).map(|rule| print::rule(from, rule));
                    format!("\t\t{}", rule.unwrap_or_default())
                };
                let is = |place: usize| {
                    let rule = new.rules.get(place).map(|rule| print::rule(to, rule));
                    format!("\t\t{}", rule.unwrap_or_default())
                };
                for edit in rules {
                    match *edit {
                        RuleEdit::Delete { from } => self.line('-', &was(from)),
                        RuleEdit::Replace { from, to } => {
                            self.line('-', &was(from));
                            self.line('+', &is(to));
                        }
                        // The same before and afterwards.
                        RuleEdit::Remake { to, .. } => self.line(' ', &is(to)),
                        RuleEdit::Insert { to, .. } => self.line('+', &is(to)),
                    }
                }
                self.line(' ', "\t}");
            }
        }
    }
}
