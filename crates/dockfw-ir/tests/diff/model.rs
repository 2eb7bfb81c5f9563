//! A kernel as far as changes matter: it makes them one by one and refuses what nf_tables refuses.

use dockfw_ir::chain::{Chain, Rule};
use dockfw_ir::diff::{ChainChange, Changes, RuleEdit, SetChange};
use dockfw_ir::set::{Element, ElementData, Set};
use dockfw_ir::statement::{Statement, Test, Verdict};
use dockfw_ir::table::Table;

/// What becomes of `changes.from`.
pub(crate) fn apply(changes: &Changes<'_>) -> Table {
    if changes.replace {
        return changes.to.clone();
    }
    let (from, to) = (changes.from, changes.to);
    let mut table = from.clone();
    // What goes is free when all that is deleted or changed is gone.
    for change in &changes.sets {
        if let SetChange::Changed { from, elements, .. } = change {
            let old = &changes.from.sets[*from];
            let gone = elements.removed.iter();
            for place in gone.chain(elements.changed.iter().map(|(place, _)| place)) {
                let set = find_set(&mut table, &old.name.to_string());
                let before = set.elements.len();
                set.elements
                    .retain(|element| *element != old.elements[*place]);
                assert_eq!(set.elements.len() + 1, before, "no such element");
            }
        }
    }
    for change in &changes.chains {
        match change {
            ChainChange::Changed { from, rules, .. } => {
                let old = &changes.from.chains[*from];
                let chain = find_chain(&mut table, old.name.as_str());
                let gone = |place: usize| {
                    rules.iter().any(|edit| {
                        matches!(edit, RuleEdit::Delete { from } | RuleEdit::Remake { from, .. }
                            if *from == place)
                    })
                };
                chain.rules = old
                    .rules
                    .iter()
                    .enumerate()
                    .filter(|(place, _)| !gone(*place))
                    .map(|(_, rule)| rule.clone())
                    .collect();
            }
            ChainChange::Removed { from } | ChainChange::Replaced { from, .. } => {
                let name = changes.from.chains[*from].name.as_str();
                find_chain(&mut table, name).rules.clear();
            }
            ChainChange::Added { .. } => {}
        }
    }
    for change in &changes.sets {
        if let SetChange::Removed { from } | SetChange::Swapped { from, .. } = change {
            let name = changes.from.sets[*from].name.as_str();
            assert!(!is_set_used(&table, name), "set {name} is in use");
            table.sets.retain(|set| set.name.as_str() != name);
        }
    }
    for change in &changes.chains {
        if let ChainChange::Removed { from } | ChainChange::Replaced { from, .. } = change {
            let name = changes.from.chains[*from].name.as_str();
            assert!(!is_chain_used(&table, name), "chain {name} is in use");
            table.chains.retain(|chain| chain.name.as_str() != name);
        }
    }
    for change in &changes.sets {
        match change {
            SetChange::Added { to } | SetChange::Swapped { to, .. } => {
                table.sets.push(changes.to.sets[*to].clone());
            }
            SetChange::Changed { to, elements, .. } => {
                let new = &changes.to.sets[*to];
                let come = elements.added.iter();
                let set = find_set(&mut table, new.name.as_str());
                for place in come.chain(elements.changed.iter().map(|(_, place)| place)) {
                    set.elements.push(new.elements[*place].clone());
                }
                let count = u32::try_from(set.elements.len()).unwrap();
                assert!(set.size.is_none_or(|size| count <= size), "set full");
            }
            SetChange::Removed { .. } => {}
        }
    }
    for change in &changes.chains {
        match change {
            ChainChange::Added { to: place } | ChainChange::Replaced { to: place, .. } => {
                table.chains.push(to.chains[*place].clone());
            }
            ChainChange::Changed {
                from: old,
                to: new,
                policy,
                rules,
            } => {
                let (old, new) = (&from.chains[*old], &to.chains[*new]);
                let chain = find_chain(&mut table, new.name.as_str());
                if *policy {
                    chain.base = new.base;
                }
                chain.rules = edited(&old.rules, &new.rules, rules);
            }
            ChainChange::Removed { .. } => {}
        }
    }
    table
}

/// Each edit as the kernel makes it: in place, or before a rule that is there, or at the end.
fn edited(old: &[Rule], new: &[Rule], edits: &[RuleEdit]) -> Vec<Rule> {
    let mut rules: Vec<(Option<usize>, Rule)> = old
        .iter()
        .cloned()
        .enumerate()
        .map(|(i, r)| (Some(i), r))
        .collect();
    let at = |rules: &[(Option<usize>, Rule)], place: usize| {
        rules.iter().position(|(of, _)| *of == Some(place)).unwrap()
    };
    let insert = |rules: &mut Vec<(Option<usize>, Rule)>, to: usize, before: Option<usize>| {
        let index = before.map_or(rules.len(), |place| at(rules, place));
        rules.insert(index, (None, new[to].clone()));
    };
    for edit in edits {
        if let RuleEdit::Delete { from } | RuleEdit::Remake { from, .. } = edit {
            let index = at(&rules, *from);
            rules.remove(index);
        }
    }
    for edit in edits {
        match *edit {
            RuleEdit::Delete { .. } => {}
            RuleEdit::Replace { from, to } => {
                let index = at(&rules, from);
                rules[index] = (None, new[to].clone());
            }
            RuleEdit::Remake { to, before, .. } | RuleEdit::Insert { to, before } => {
                insert(&mut rules, to, before);
            }
        }
    }
    rules.into_iter().map(|(_, rule)| rule).collect()
}

fn find_set<'t>(table: &'t mut Table, name: &str) -> &'t mut Set {
    table
        .sets
        .iter_mut()
        .find(|set| set.name.as_str() == name)
        .unwrap()
}

fn find_chain<'t>(table: &'t mut Table, name: &str) -> &'t mut Chain {
    table
        .chains
        .iter_mut()
        .find(|chain| chain.name.as_str() == name)
        .unwrap()
}

fn is_set_used(table: &Table, name: &str) -> bool {
    let statements = table
        .chains
        .iter()
        .flat_map(|chain| &chain.rules)
        .flat_map(|rule| &rule.statements);
    statements.into_iter().any(|statement| {
        let text = format!("{statement:?}");
        text.contains(&format!("SetName(\"{name}\")"))
    })
}

fn is_chain_used(table: &Table, name: &str) -> bool {
    let leads = |verdict: &Verdict| matches!(verdict, Verdict::Jump(to) | Verdict::Goto(to) if to.as_str() == name);
    let mut elements = table.sets.iter().flat_map(|set| &set.elements);
    let mut statements = table
        .chains
        .iter()
        .flat_map(|chain| &chain.rules)
        .flat_map(|rule| &rule.statements);
    elements.any(|element: &Element| matches!(&element.data, ElementData::Verdict(verdict) if leads(verdict)))
        || statements.any(|statement| matches!(statement, Statement::Verdict(verdict) if leads(verdict)))
}

/// The table with sets, chains and elements in an order of its own; base chains that share hook and
/// priority stay in theirs, which means something. Sizes are left out: a set that rules do not fill may keep
/// its own.
pub(crate) fn sorted(table: &Table) -> Table {
    let mut table = table.clone();
    table.sets.sort_by(|a, b| a.name.cmp(&b.name));
    for set in &mut table.sets {
        if !set.dynamic {
            set.size = set.size.map(|_| 0);
        }
        set.elements
            .sort_by(|a, b| (&a.key, &a.key_end).cmp(&(&b.key, &b.key_end)));
    }
    let hook = |chain: &Chain| {
        chain
            .base
            .map(|base| (format!("{:?}", base.hook), base.priority))
    };
    table.chains.sort_by(|a, b| match (hook(a), hook(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (a, b) => a.is_some().cmp(&b.is_some()).then_with(|| {
            if a.is_none() {
                std::cmp::Ordering::Equal
            } else {
                a.cmp(&b)
            }
        }),
    });
    let first = table
        .chains
        .iter()
        .position(|chain| chain.base.is_some())
        .unwrap_or(table.chains.len());
    table.chains[..first].sort_by(|a, b| a.name.cmp(&b.name));
    table
}

/// Whether a rule looks something up in a set of this name; for tests of what is made again.
pub(crate) fn names_set(rule: &Rule, name: &str) -> bool {
    rule.statements.iter().any(|statement| {
        matches!(statement, Statement::Match(test) if matches!(&test.test, Test::Set { set, .. } if set.as_str() == name))
    })
}
