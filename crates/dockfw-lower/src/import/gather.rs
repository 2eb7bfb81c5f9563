//! All rules of the dumps with what each of them says, and which bridges are Docker's.

use std::collections::BTreeSet;

use dockfw_iptables::{ChainName, Family, Program, Rule, TableName, Target};

use super::template::{Bridge, Fact, fact};

/// One rule of a dump.
#[derive(Debug)]
pub(super) struct Entry<'p> {
    pub(super) family: Family,
    pub(super) table: TableName,
    pub(super) chain: &'p ChainName,
    /// Its place in the chain, from 0.
    pub(super) index: usize,
    pub(super) rule: &'p Rule,
    /// What it says, if it is Docker's.
    pub(super) fact: Option<Fact>,
    pub(super) class: Class,
}

/// What becomes of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Class {
    /// Nobody has placed it yet.
    Open,
    /// It is Docker's and follows from the host.
    Docker,
    /// It stands in `[docker-user]`.
    User,
    /// It has no place, and why.
    Leftover(String),
}

/// The dumps of one or both families.
#[derive(Debug)]
pub(super) struct Dump<'p> {
    pub(super) programs: Vec<&'p Program>,
    pub(super) entries: Vec<Entry<'p>>,
}

/// Which Docker made the rules of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// None did.
    None,
    /// 20.10 to 27: rules stand in `FORWARD` itself.
    Forward,
    /// 28 and later: rules stand in `DOCKER-FORWARD`.
    DockerForward,
}

impl<'p> Dump<'p> {
    /// Reads the facts off the rules.
    pub(super) fn new(programs: Vec<&'p Program>) -> Self {
        let mut entries = Vec::new();
        for program in &programs {
            let family = program.family();
            for table in program.tables() {
                for chain in table.chains() {
                    for (index, rule) in chain.rules().enumerate() {
                        let name = chain.name();
                        entries.push(Entry {
                            family,
                            table: table.name(),
                            chain: name,
                            index,
                            rule,
                            fact: fact(family, table.name(), name.as_str(), rule),
                            class: Class::Open,
                        });
                    }
                    // Docker 20.10 to 27 ends the chain with it.
                    if table.name() == TableName::Filter
                        && table.chain("DOCKER-FORWARD").is_none()
                        && chain.name().as_str() == "DOCKER-USER"
                        && let Some(last) = entries.last_mut()
                        && last.chain == chain.name()
                        && *last.rule == Rule::new(Target::Return)
                    {
                        last.fact = Some(Fact::Skeleton);
                    }
                }
            }
        }
        let mut dump = Self { programs, entries };
        dump.forget_others();
        dump
    }

    /// The layout of a family.
    pub(super) fn layout(&self, family: Family) -> Layout {
        let has = |table, chain: &str| {
            self.program(family)
                .is_some_and(|program| program.chain(table, chain).is_some())
        };
        if has(TableName::Filter, "DOCKER-FORWARD") {
            Layout::DockerForward
        } else if has(TableName::Filter, "DOCKER") || has(TableName::Filter, "DOCKER-USER") {
            Layout::Forward
        } else {
            Layout::None
        }
    }

    /// The dump of a family.
    pub(super) fn program(&self, family: Family) -> Option<&'p Program> {
        self.programs
            .iter()
            .copied()
            .find(|program| program.family() == family)
    }

    /// The facts of a chain of a family, in order.
    pub(super) fn facts(
        &self,
        family: Family,
        table: TableName,
        chain: &str,
    ) -> impl DoubleEndedIterator<Item = Fact> {
        self.entries
            .iter()
            .filter(move |of| {
                of.family == family && of.table == table && of.chain.as_str() == chain
            })
            .filter_map(|of| of.fact)
    }

    /// Drops facts about bridges that are not Docker's: those rules are somebody else's.
    fn forget_others(&mut self) {
        let mut known = BTreeSet::new();
        for entry in &self.entries {
            known.extend(entry.fact.and_then(|fact| certain(&fact)));
        }
        // Without the filter table nothing says which bridges are Docker's.
        let blind: BTreeSet<Family> = [Family::Ipv4, Family::Ipv6]
            .into_iter()
            .filter(|family| {
                self.program(*family)
                    .is_some_and(|program| program.table(TableName::Filter).is_none())
            })
            .collect();
        let mut before_dockers = true;
        for entry in &mut self.entries {
            let Some(fact) = entry.fact else { continue };
            // Docker has one rule for marked packets, in front of its jumps.
            if entry.chain.as_str() == "DOCKER-FORWARD" {
                before_dockers |= entry.index == 0;
                let is_marked = matches!(fact, Fact::Marked(_));
                if is_marked && !before_dockers {
                    entry.fact = None;
                }
                let is_ingress = matches!(&entry.rule.target, Some(Target::Jump(to)) if to.as_str() == "DOCKER-INGRESS");
                before_dockers &= is_ingress;
            }
            let Some(bridge) = bridge_of(&fact) else {
                continue;
            };
            let is_ours = known.contains(&bridge) || blind.contains(&entry.family);
            if !is_ours || bridge.as_str().ends_with('+') {
                entry.fact = None;
            }
        }
    }
}

/// The bridge of a fact that only Docker's chains can state.
pub(super) fn certain(fact: &Fact) -> Option<Bridge> {
    match fact {
        Fact::Default { bridge, .. }
        | Fact::Icmp { bridge }
        | Fact::ToDocker { bridge }
        | Fact::Isolated { bridge }
        | Fact::Internal { bridge, .. }
        | Fact::Published { bridge, .. }
        | Fact::Rewrite(super::template::Rewrite {
            bridge: Some(bridge),
            ..
        }) => Some(*bridge),
        _ => None,
    }
}

/// The bridge that a fact is about.
pub(super) fn bridge_of(fact: &Fact) -> Option<Bridge> {
    match fact {
        Fact::Masquerade { bridge, .. }
        | Fact::MasqueradeHost { bridge, .. }
        | Fact::Looped { bridge, .. }
        | Fact::Outgoing { bridge }
        | Fact::Established { bridge }
        | Fact::Direct { bridge, .. }
        | Fact::Link { bridge, .. } => Some(*bridge),
        _ => certain(fact),
    }
}
