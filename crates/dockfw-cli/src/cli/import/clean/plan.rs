//! What goes and what stays, in words.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use dockfw_lower::import::clean::{More, Note};
use serde_json::{Value, json};

use crate::cli::import::LIMIT;
use crate::diagnostic::printable;
use crate::leftover::{DOCKER_BRIDGES, Judged, Scan};

/// Whether it is going to happen or has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tense {
    Planned,
    Done,
}

/// What goes and what stays.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Commands that would do the same, table by table.
    removed: Vec<Command>,
    /// Policies of FORWARD that become accept.
    policies: Vec<Command>,
    /// Rules of the operator, and why they stay.
    stays: Vec<(Command, String)>,
    /// Rules of the operator that keep Docker's chains from going.
    in_the_way: Vec<(Command, String)>,
    /// Ipsets that Docker's rules look at.
    sets: BTreeSet<String>,
}

/// A command of iptables(8) or nft(8), with its program and its table.
#[derive(Debug, PartialEq, Eq)]
struct Command {
    program: &'static str,
    table: String,
    text: String,
}

impl Command {
    /// What an operator would type.
    fn line(&self) -> String {
        let Self {
            program,
            table,
            text,
        } = self;
        if *program == "nft" {
            return format!("nft {text}");
        }
        printable(&format!("{program} -t {table} {text}"), LIMIT)
    }

    fn to_json(&self) -> Value {
        json!({ "program": self.program, "table": self.table, "command": self.line() })
    }
}

impl Plan {
    /// The plan for what was found.
    pub(super) fn new(scan: &Scan, keep_policy: bool) -> Self {
        let mut plan = Self::default();
        for table in &scan.tables {
            plan.add(table, keep_policy);
        }
        for family in &scan.nftables {
            let table = format!("{} {DOCKER_BRIDGES}", family.as_str());
            plan.removed.push(Command {
                program: "nft",
                text: format!("delete table {table}"),
                table,
            });
        }
        plan
    }

    /// Whether there is nothing of Docker's.
    pub(super) fn is_empty(&self) -> bool {
        self.removed.is_empty()
    }

    /// The rules in the way, one a line, if there are any.
    pub(super) fn in_the_way(&self) -> Option<String> {
        let mut text = String::new();
        with_reasons(&mut text, &self.in_the_way);
        (!text.is_empty()).then_some(text)
    }

    fn add(&mut self, of: &Judged, keep_policy: bool) {
        let command = |text: String| Command {
            program: of.kernel.program(),
            table: of.found.table.as_str().to_owned(),
            text,
        };
        let place = |option: &str, chain: usize, rule: usize| {
            let chain = of.found.chains.get(chain)?;
            let rule = chain.rules.get(rule)?;
            Some((rule, command(format!("-{option} {}{rule}", chain.name))))
        };
        let verdict = &of.verdict;
        for (chain, rule) in &verdict.rules {
            let Some((rule, command)) = place("D", *chain, *rule) else {
                continue;
            };
            let sets = rule.more.iter().filter_map(|more| match more {
                More::SetOfDestinations(name) => Some(name.clone()),
                More::Checksum | More::Match(_) | More::Target(_) | More::Expression(_) => None,
            });
            self.sets.extend(sets);
            self.removed.push(command);
        }
        for chain in &verdict.chains {
            if let Some(chain) = of.found.chains.get(*chain) {
                self.removed.push(command(format!("-X {}", chain.name)));
            }
        }
        if verdict.accept.is_some() && !keep_policy {
            self.policies.push(command("-P FORWARD ACCEPT".to_owned()));
        }
        let notes = |notes: &[Note]| -> Vec<(Command, String)> {
            let with_reason = notes.iter().filter_map(|note| {
                let (_, command) = place("A", note.chain, note.rule)?;
                Some((command, note.why.clone()))
            });
            with_reason.collect()
        };
        // A table without anything of Docker's need not be spoken of, unless something in it may be.
        let is_plain = |why: &str| why == "it is not Docker's";
        let stays = notes(&verdict.stays)
            .into_iter()
            .filter(|(_, why)| !verdict.is_empty() || !is_plain(why));
        self.stays.extend(stays);
        self.in_the_way.extend(notes(&verdict.in_the_way));
    }

    /// As text, for the operator.
    pub(super) fn to_text(&self, tense: Tense) -> String {
        let mut text = String::new();
        let title = |text: &mut String, title: &str| {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{title}");
        };
        if self.removed.is_empty() {
            title(
                &mut text,
                "nothing of Docker's is left in this network namespace",
            );
        } else {
            title(
                &mut text,
                match tense {
                    Tense::Planned => "Docker's, and would go:",
                    Tense::Done => "Docker's, and gone:",
                },
            );
            for command in &self.removed {
                let _ = writeln!(text, "  {}", command.line());
            }
        }
        if !self.policies.is_empty() {
            title(
                &mut text,
                "A policy that dockerd sets (--keep-policy leaves it). With it the kernel drops \
                 what containers\nsend and receive, whatever dockfw's table accepts:",
            );
            for command in &self.policies {
                let _ = writeln!(text, "  {}", command.line());
            }
        }
        if !self.in_the_way.is_empty() {
            title(&mut text, "In the way, and --apply would refuse:");
            with_reasons(&mut text, &self.in_the_way);
        }
        if !self.stays.is_empty() {
            title(&mut text, "Not Docker's, and stays:");
            with_reasons(&mut text, &self.stays);
        }
        for set in &self.sets {
            let set = printable(set, LIMIT);
            title(
                &mut text,
                &format!("Not touched: the ipset {set}; `ipset destroy {set}` removes it"),
            );
        }
        text
    }

    /// As JSON.
    pub(super) fn to_json(&self, tense: Tense) -> Value {
        let list = |of: &[Command]| of.iter().map(Command::to_json).collect::<Vec<_>>();
        let reasons = |of: &[(Command, String)]| {
            let with_reason = of.iter().map(|(command, why)| {
                let mut value = command.to_json();
                if let Value::Object(fields) = &mut value {
                    fields.insert("why".to_owned(), Value::from(why.as_str()));
                }
                value
            });
            with_reason.collect::<Vec<_>>()
        };
        let outcome = match tense {
            _ if self.is_empty() => "nothing",
            Tense::Planned => "planned",
            Tense::Done => "cleaned",
        };
        json!({
            "outcome": outcome,
            "removed": list(&self.removed),
            "policies": list(&self.policies),
            "stays": reasons(&self.stays),
            "in_the_way": reasons(&self.in_the_way),
            "sets": self.sets,
        })
    }
}

/// One command a line; a reason behind the last one that has it.
fn with_reasons(text: &mut String, commands: &[(Command, String)]) {
    let mut commands = commands.iter().peekable();
    while let Some((command, why)) = commands.next() {
        let _ = writeln!(text, "  {}", command.line());
        if commands.peek().is_none_or(|(_, next)| next != why) {
            let _ = writeln!(text, "    {}", printable(why, LIMIT));
        }
    }
}
