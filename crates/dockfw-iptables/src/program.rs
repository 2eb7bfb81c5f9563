//! Programs: the tables of one family, and the text that iptables-save prints of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::chain::{Chain, Policy};
use crate::eval::Hook;
use crate::name::ChainName;

/// An address family: which of iptables and ip6tables a program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// iptables.
    Ipv4,
    /// ip6tables.
    Ipv6,
}

/// A table, in the order of `iptables-nft-save` 1.8.9.
///
/// iptables-legacy prints them in the order in which the kernel got to know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableName {
    /// Changes packets, all five hooks.
    Mangle,
    /// For mandatory access control.
    Security,
    /// Before connection tracking.
    Raw,
    /// The firewall proper.
    Filter,
    /// Address translation; sees the first packet of a connection.
    Nat,
}

impl TableName {
    /// The name as iptables writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mangle => "mangle",
            Self::Security => "security",
            Self::Raw => "raw",
            Self::Filter => "filter",
            Self::Nat => "nat",
        }
    }

    /// The built-in chains in the order of the packet's way.
    ///
    /// Source: linux v6.12, `net/ipv4/netfilter/iptable_*.c`.
    pub const fn built_in_chains(self) -> &'static [&'static str] {
        match self {
            Self::Mangle => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
            Self::Raw => &["PREROUTING", "OUTPUT"],
            Self::Filter | Self::Security => &["INPUT", "FORWARD", "OUTPUT"],
            Self::Nat => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
        }
    }
}

/// The tables of one family.
///
/// A table is there once it has been touched, as with the real programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    family: Family,
    tables: BTreeMap<TableName, Table>,
}

impl Program {
    /// A program without tables: nothing has been touched.
    pub const fn new(family: Family) -> Self {
        Self {
            family,
            tables: BTreeMap::new(),
        }
    }

    /// The family of all addresses in the rules.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// The tables there are, in the order of [`TableName`].
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values()
    }

    /// A table, if it has been touched.
    pub fn table(&self, name: TableName) -> Option<&Table> {
        self.tables.get(&name)
    }

    /// A table; it appears, with its built-in chains and policy accept, when it was not there.
    pub fn table_mut(&mut self, name: TableName) -> &mut Table {
        self.tables.entry(name).or_insert_with(|| Table::new(name))
    }

    /// A chain of a table, if both are there.
    pub fn chain(&self, table: TableName, chain: &str) -> Option<&Chain> {
        self.table(table)?.chain(chain)
    }
}

impl fmt::Display for Program {
    /// Writes what iptables-save or ip6tables-save prints, without its comment lines.
    ///
    /// The text streams: memory does not grow with the program.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tables.values().try_for_each(|table| table.fmt(f))
    }
}

/// One table: its built-in chains and the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    name: TableName,
    built_in: Vec<Chain>,
    user: BTreeMap<ChainName, Chain>,
}

impl Table {
    /// A table as the kernel makes it: built-in chains, no rules, policy accept.
    pub fn new(name: TableName) -> Self {
        let chain =
            |name: &&'static str| Chain::new(ChainName::from_static(name), Some(Policy::Accept));
        let built_in = name.built_in_chains().iter().map(chain).collect();
        Self {
            name,
            built_in,
            user: BTreeMap::new(),
        }
    }

    /// Which table this is.
    pub const fn name(&self) -> TableName {
        self.name
    }

    /// The chains in the order of iptables-save: built-in ones on the packet's way, then the
    /// user's by name.
    pub fn chains(&self) -> impl Iterator<Item = &Chain> {
        self.built_in.iter().chain(self.user.values())
    }

    /// The hooks from which packets get to each chain; chains that nothing leads to are not there.
    pub fn reached(&self) -> BTreeMap<ChainName, BTreeSet<Hook>> {
        crate::parse::reached(self)
    }

    /// A chain by name.
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        let built_in = self
            .built_in
            .iter()
            .find(|chain| chain.name().as_str() == name);
        built_in.or_else(|| self.user.get(name))
    }

    /// A chain by name, to edit it.
    pub fn chain_mut(&mut self, name: &str) -> Option<&mut Chain> {
        let built_in = self
            .built_in
            .iter_mut()
            .find(|chain| chain.name().as_str() == name);
        built_in.or_else(|| self.user.get_mut(name))
    }

    /// Makes a user chain, `-N`; nothing happens when the chain is there.
    pub fn create_chain(&mut self, name: ChainName) {
        if self.chain(name.as_str()).is_none() {
            self.user.insert(name.clone(), Chain::new(name, None));
        }
    }

    /// Deletes an empty user chain, `-X`; returns whether it was deleted.
    ///
    /// It stays when it has rules, when a rule of the table leads to it, or when it is built in.
    pub fn delete_chain(&mut self, name: &str) -> bool {
        let empty = self
            .user
            .get(name)
            .is_some_and(|chain| chain.rules().len() == 0);
        if !empty || self.is_referenced(name) {
            return false;
        }
        self.user.remove(name).is_some()
    }

    /// Deletes the rules of all chains, `-F` without a chain.
    pub fn flush(&mut self) {
        let user = self.user.values_mut();
        self.built_in.iter_mut().chain(user).for_each(Chain::flush);
    }

    /// Renames a user chain, `-E`, and what leads to it; returns whether that was possible: the
    /// chain is there and the new name is free.
    pub fn rename_chain(&mut self, from: &ChainName, to: &ChainName) -> bool {
        use crate::target::Target::{Goto, Jump};
        if self.chain(to.as_str()).is_some() {
            return false;
        }
        let Some(chain) = self.user.remove(from) else {
            return false;
        };
        self.create_chain(to.clone());
        if let Some(renamed) = self.user.get_mut(to) {
            chain.rules().for_each(|rule| renamed.append(rule.clone()));
        }
        for chain in self.built_in.iter_mut().chain(self.user.values_mut()) {
            let rules: Vec<crate::rule::Rule> = chain.rules().cloned().collect();
            for (index, mut rule) in rules.into_iter().enumerate() {
                if let Some(Jump(name) | Goto(name)) = &mut rule.target
                    && name == from
                {
                    name.clone_from(to);
                    chain.replace(index + 1, rule);
                }
            }
        }
        true
    }

    /// Whether a rule of the table jumps or goes to a chain.
    fn is_referenced(&self, name: &str) -> bool {
        use crate::target::Target::{Goto, Jump};
        let leads = |rule: &crate::rule::Rule| matches!(&rule.target, Some(Jump(to) | Goto(to)) if to.as_str() == name);
        self.chains().any(|chain| chain.rules().any(leads))
    }
}

impl fmt::Display for Table {
    /// Writes one table of iptables-save, from `*name` to `COMMIT`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "*{}", self.name.as_str())?;
        self.chains().try_for_each(|chain| chain.write_header(f))?;
        self.chains().try_for_each(|chain| chain.write_rules(f))?;
        f.write_str("COMMIT\n")
    }
}
