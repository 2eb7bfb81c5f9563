//! What was found in the kernel.

use std::fmt;

use dockfw_iptables::{Family, Policy, Rule, TableName, Target};

/// A table of iptables, whichever way it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub table: TableName,
    /// Its chains.
    pub chains: Vec<FoundChain>,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundChain {
    /// Its name.
    pub name: String,
    /// Its policy, if it is built in.
    pub policy: Option<Policy>,
    /// Its rules in order.
    pub rules: Vec<FoundRule>,
}

/// A rule, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRule {
    /// What of it the rule language of dockfw has.
    pub rule: Rule,
    /// What else it has; the rule alone then says too little.
    pub more: Vec<More>,
}

/// A part of a rule that the rule language of dockfw does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum More {
    /// `-j CHECKSUM --checksum-fill`
    Checksum,
    /// `-m set --match-set NAME dst`, one dimension, not inverted.
    SetOfDestinations(String),
    /// Another match, by its name.
    Match(String),
    /// Another target, by its name.
    Target(String),
    /// An expression of nf_tables, by its name.
    Expression(String),
}

impl From<Rule> for FoundRule {
    fn from(rule: Rule) -> Self {
        Self {
            rule,
            more: Vec::new(),
        }
    }
}

impl FoundRule {
    /// The chain that it leads to.
    pub fn leads_to(&self) -> Option<&str> {
        match &self.rule.target {
            Some(Target::Jump(to) | Target::Goto(to)) => Some(to.as_str()),
            Some(_) | None => None,
        }
    }

    /// Whether it is a jump and nothing else.
    pub(super) fn is_bare_jump(&self) -> bool {
        let target = self.rule.target.clone();
        matches!(target, Some(Target::Jump(_)))
            && self.more.is_empty()
            && self.rule
                == Rule {
                    target,
                    ..Rule::default()
                }
    }
}

impl fmt::Display for FoundRule {
    /// Writes the rule as iptables-save would, with a blank in front; what could not be read stands
    /// in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tests = self.rule.clone();
        let target = tests.target.take();
        tests.fmt(f)?;
        for more in &self.more {
            match more {
                More::SetOfDestinations(name) => write!(f, " -m set --match-set {name} dst")?,
                More::Match(name) => write!(f, " -m {name} [...]")?,
                More::Expression(name) => write!(f, " [{name}]")?,
                More::Checksum | More::Target(_) => {}
            }
        }
        for more in &self.more {
            match more {
                More::Checksum => f.write_str(" -j CHECKSUM --checksum-fill")?,
                More::Target(name) => write!(f, " -j {name} [...]")?,
                More::SetOfDestinations(_) | More::Match(_) | More::Expression(_) => {}
            }
        }
        target.map_or(Ok(()), |target| target.fmt(f))
    }
}
