//! The operator's rules around Docker's, as the lines that `[docker-user]` takes.

use std::collections::BTreeSet;

use dockfw_iptables::{ChainName, Family, Rule, Table, TableName, Target};

use super::gather::{Class, Dump, Entry, Layout};
use super::network::program_of;
use crate::optimize::Optimize;
use crate::rules::{UserRules, UserText};

/// The texts of the operator's rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserTexts {
    /// For iptables; `None` when there is no rule.
    pub ipv4: Option<String>,
    /// For ip6tables; `None` when there is no rule.
    pub ipv6: Option<String>,
}

impl UserTexts {
    /// The texts as [`UserRules::read`] takes them.
    pub fn as_user_text(&self) -> UserText<'_> {
        UserText {
            ipv4: self.ipv4.as_deref(),
            ipv6: self.ipv6.as_deref(),
        }
    }
}

/// A line, and the rule it is made of.
struct Line {
    text: String,
    entry: Option<usize>,
}

/// Where a rule goes among Docker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spot {
    /// In front of `DOCKER-USER`, or at the head of `DOCKER-FORWARD`.
    Head,
    /// Between `DOCKER-USER` and `DOCKER-FORWARD`.
    Between,
    /// Behind everything.
    Tail,
}

/// Places the operator's rules; what cannot be said becomes a leftover.
pub(super) fn place(
    dump: &mut Dump<'_>,
    notes: &mut Vec<String>,
) -> (UserTexts, Option<UserRules>) {
    let mut ipv4 = lines(dump, Family::Ipv4, notes);
    let mut ipv6 = lines(dump, Family::Ipv6, notes);
    loop {
        let texts = UserTexts {
            ipv4: text(&ipv4),
            ipv6: text(&ipv6),
        };
        if texts == UserTexts::default() {
            return (texts, None);
        }
        let (rules, problems) = UserRules::read(texts.as_user_text(), Optimize::default());
        let mut refused = Vec::new();
        for problem in problems.iter().filter(|problem| problem.is_error) {
            let (lines, text) = match problem.family {
                Family::Ipv4 => (&ipv4, &texts.ipv4),
                Family::Ipv6 => (&ipv6, &texts.ipv6),
            };
            let number = problem.span.line(text.as_deref().unwrap_or_default());
            let entry = lines.get(number.saturating_sub(1)).and_then(|of| of.entry);
            refused.extend(entry.map(|entry| (entry, problem)));
        }
        if refused.is_empty() {
            if let Some(problem) = problems.iter().find(|problem| problem.is_error) {
                notes.push(format!(
                    "the rules of [docker-user] do not compile: {}; {}",
                    problem.message, problem.help
                ));
            }
            return (texts, rules);
        }
        for (entry, problem) in refused {
            let why = format!("{}; {}", problem.message, problem.help);
            if let Some(of) = dump.entries.get_mut(entry) {
                of.class = Class::Leftover(why);
            }
            for lines in [&mut ipv4, &mut ipv6] {
                drop_line(lines, entry);
            }
        }
    }
}

fn text(lines: &[Line]) -> Option<String> {
    let has_rules = lines.iter().any(|line| line.entry.is_some());
    has_rules.then(|| lines.iter().flat_map(|line| [&line.text, "\n"]).collect())
}

/// Takes a rule out; positions of the inserts behind it move up.
fn drop_line(lines: &mut Vec<Line>, entry: usize) {
    let Some(at) = lines.iter().position(|line| line.entry == Some(entry)) else {
        return;
    };
    let removed = lines.remove(at);
    let Some(chain) = inserted(&removed.text).map(|(chain, _, _)| chain.to_owned()) else {
        return;
    };
    for line in lines.iter_mut().skip(at) {
        let moved = match inserted(&line.text) {
            Some((of, position, rest)) if of == chain => Some(format!(
                "-I {of} {}{rest}",
                position.saturating_sub(1).max(1)
            )),
            _ => None,
        };
        if let Some(moved) = moved {
            line.text = moved;
        }
    }
}

/// Chain, position and the rest of `-I CHAIN POSITION …`.
fn inserted(line: &str) -> Option<(&str, usize, &str)> {
    let (chain, rest) = line.strip_prefix("-I ")?.split_once(' ')?;
    let end = rest.find(' ').unwrap_or(rest.len());
    let (position, rest) = rest.split_at_checked(end)?;
    Some((chain, position.parse().ok()?, rest))
}

/// The lines of a family; the rules in them are marked.
fn lines(dump: &mut Dump<'_>, family: Family, notes: &mut Vec<String>) -> Vec<Line> {
    let layout = dump.layout(family);
    let Some(filter) = dump
        .program(family)
        .and_then(|program| program.table(TableName::Filter))
        .filter(|_| layout != Layout::None)
    else {
        return Vec::new();
    };
    let mut own: Vec<(usize, Spot)> = Vec::new();
    let (mut moved, mut inner) = (0, 0);
    for chain in ["FORWARD", "DOCKER-FORWARD"] {
        let entries: Vec<(usize, &Entry<'_>)> = dump
            .entries
            .iter()
            .enumerate()
            .filter(|(_, of)| {
                of.family == family && of.table == TableName::Filter && of.chain.as_str() == chain
            })
            .collect();
        let is_user = |of: &Entry<'_>| {
            let user = Target::Jump(ChainName::from_static("DOCKER-USER"));
            of.fact.is_some() && of.rule.target.as_ref() == Some(&user)
        };
        let of_docker = |of: &&(usize, &Entry<'_>)| of.1.fact.is_some() && !is_user(of.1);
        let user = entries.iter().find(|of| is_user(of.1)).map(|of| of.1.index);
        let first = entries.iter().find(of_docker).map(|of| of.1.index);
        let last = entries.iter().rev().find(of_docker).map(|of| of.1.index);
        for (entry, of) in &entries {
            if of.fact.is_some() {
                continue;
            }
            let before = first.is_none_or(|first| of.index < first);
            let spot = if before && user.is_none_or(|user| of.index < user) {
                Spot::Head
            } else if before {
                Spot::Between
            } else {
                let inside = last.is_some_and(|last| of.index < last);
                inner += usize::from(inside);
                if layout == Layout::Forward && accepts(filter, of.rule) {
                    moved += 1;
                    Spot::Between
                } else {
                    Spot::Tail
                }
            };
            own.push((*entry, spot));
        }
    }
    if moved > 0 {
        notes.push(format!(
            "accepting rules of the operator, {moved} of them, stood between or behind Docker's in \
             FORWARD of {}; they stand in front of Docker's now, because Docker 28 and later drop \
             what the older ones left to the rules behind theirs",
            program_of(family)
        ));
    }
    if inner > moved {
        notes.push(format!(
            "rules of the operator, {} of them, stood in the middle of Docker's in FORWARD or DOCKER-FORWARD \
             of {}; they stand behind all of Docker's now",
            inner - moved,
            program_of(family)
        ));
    }
    write(dump, family, filter, &own)
}

/// Whether packets can be accepted by a rule, or in a chain it leads to.
fn accepts(filter: &Table, rule: &Rule) -> bool {
    match &rule.target {
        Some(Target::Accept) => true,
        Some(Target::Jump(to) | Target::Goto(to)) => reachable(filter, [to])
            .iter()
            .filter_map(|name| filter.chain(name.as_str()))
            .flat_map(dockfw_iptables::Chain::rules)
            .any(|rule| rule.target == Some(Target::Accept)),
        _ => false,
    }
}

/// The user chains that some chains are or lead to, Docker's left out.
fn reachable<'t>(
    filter: &'t Table,
    from: impl IntoIterator<Item = &'t ChainName>,
) -> BTreeSet<&'t ChainName> {
    let mut open: Vec<&ChainName> = from.into_iter().collect();
    let mut found = BTreeSet::new();
    while let Some(name) = open.pop() {
        let Some(chain) = filter.chain(name.as_str()) else {
            continue;
        };
        let is_own = chain.policy().is_none() && !name.as_str().starts_with("DOCKER");
        if !is_own || !found.insert(chain.name()) {
            continue;
        }
        open.extend(chain.rules().filter_map(target));
    }
    found
}

/// The chain that a rule leads to.
fn target(rule: &Rule) -> Option<&ChainName> {
    match &rule.target {
        Some(Target::Jump(to) | Target::Goto(to)) => Some(to),
        _ => None,
    }
}

fn write(dump: &mut Dump<'_>, family: Family, filter: &Table, own: &[(usize, Spot)]) -> Vec<Line> {
    let mut starts: Vec<&ChainName> = Vec::new();
    for (entry, _) in own {
        starts.extend(dump.entries.get(*entry).and_then(|of| target(of.rule)));
    }
    if let Some(user) = filter.chain("DOCKER-USER") {
        starts.extend(user.rules().filter_map(target));
    }
    let names: BTreeSet<ChainName> = reachable(filter, starts).into_iter().cloned().collect();
    let mut lines: Vec<Line> = names
        .iter()
        .map(|name| Line {
            text: format!("-N {name}"),
            entry: None,
        })
        .collect();
    let mut add = |index: usize, of: &mut Entry<'_>, place: String| {
        of.class = Class::User;
        lines.push(Line {
            text: format!("{place}{}", of.rule),
            entry: Some(index),
        });
    };
    for (index, of) in dump.entries.iter_mut().enumerate() {
        let is_own = of.chain.as_str() == "DOCKER-USER" || names.contains(of.chain);
        if of.family == family && of.table == TableName::Filter && is_own && of.fact.is_none() {
            let place = format!("-A {}", of.chain);
            add(index, of, place);
        }
    }
    for chain in ["FORWARD", "DOCKER-FORWARD"] {
        let mut position = 0;
        for spot in [Spot::Head, Spot::Between, Spot::Tail] {
            // DOCKER-USER is one of the rules in front.
            position += usize::from(spot == Spot::Between && chain == "FORWARD");
            for (index, _) in own.iter().filter(|(_, of)| *of == spot) {
                let Some(of) = dump.entries.get_mut(*index) else {
                    continue;
                };
                if of.chain.as_str() != chain {
                    continue;
                }
                position += 1;
                let place = if spot == Spot::Tail {
                    format!("-A {chain}")
                } else {
                    format!("-I {chain} {position}")
                };
                add(*index, of, place);
            }
        }
    }
    lines
}
