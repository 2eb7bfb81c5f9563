//! Chains and the operations of iptables(8) on them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Display as _};
use std::sync::Arc;

use crate::name::ChainName;
use crate::rule::Rule;

/// What happens to a packet at the end of a built-in chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// It goes on.
    Accept,
    /// It is discarded.
    Drop,
}

/// A chain: rules in order, and a policy if it is built in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    name: ChainName,
    policy: Option<Policy>,
    rules: VecDeque<Arc<Rule>>,
    // How often each rule occurs: a check costs a logarithm, not the length of the chain.
    index: BTreeMap<Arc<Rule>, u32>,
}

impl Chain {
    /// An empty chain; only a built-in one has a policy.
    pub(crate) fn new(name: ChainName, policy: Option<Policy>) -> Self {
        Self {
            name,
            policy,
            rules: VecDeque::new(),
            index: BTreeMap::new(),
        }
    }

    /// The chain's name.
    pub fn name(&self) -> &ChainName {
        &self.name
    }

    /// The policy; `None` for a user chain.
    pub fn policy(&self) -> Option<Policy> {
        self.policy
    }

    /// Sets the policy, `-P`; a user chain has none and keeps none.
    pub fn set_policy(&mut self, policy: Policy) {
        if let Some(current) = &mut self.policy {
            *current = policy;
        }
    }

    /// The rules, first to last.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Rule> + DoubleEndedIterator {
        self.rules.iter().map(Arc::as_ref)
    }

    /// Whether an equal rule stands anywhere in the chain, `-C`.
    pub fn contains(&self, rule: &Rule) -> bool {
        self.index.contains_key(rule)
    }

    /// Appends a rule, `-A`.
    pub fn append(&mut self, rule: Rule) {
        let rule = self.count(rule);
        self.rules.push_back(rule);
    }

    /// Inserts a rule at a position, `-I`; the first one is 1.
    ///
    /// A position beyond the end appends, where iptables(8) would refuse.
    pub fn insert(&mut self, position: usize, rule: Rule) {
        let index = position.saturating_sub(1).min(self.rules.len());
        let rule = self.count(rule);
        self.rules.insert(index, rule);
    }

    /// Appends a rule unless an equal one stands anywhere in the chain, `-C || -A`.
    pub fn append_once(&mut self, rule: Rule) {
        if !self.contains(&rule) {
            self.append(rule);
        }
    }

    /// Inserts a rule at the head unless an equal one stands anywhere in the chain,
    /// `-C || -I`.
    pub fn insert_once(&mut self, rule: Rule) {
        if !self.contains(&rule) {
            self.insert(1, rule);
        }
    }

    /// Deletes the first rule that is equal, `-D`; returns whether there was one.
    ///
    /// Finding out that there is none is cheap; deleting costs the length of the chain.
    pub fn delete(&mut self, rule: &Rule) -> bool {
        match self.position(rule) {
            Some(index) => self.remove(index + 1),
            None => false,
        }
    }

    /// The place of the first rule that is equal, counted from 0.
    pub fn position(&self, rule: &Rule) -> Option<usize> {
        if !self.contains(rule) {
            return None;
        }
        self.rules.iter().position(|other| **other == *rule)
    }

    /// Deletes the rule at a position, `-D` with a number; the first one is 1. Returns whether
    /// there was one.
    pub fn remove(&mut self, position: usize) -> bool {
        let removed = position
            .checked_sub(1)
            .and_then(|index| self.rules.remove(index));
        match removed {
            Some(rule) => {
                self.discount(&rule);
                true
            }
            None => false,
        }
    }

    /// Replaces the rule at a position, `-R`; the first one is 1. Returns whether there was one.
    pub fn replace(&mut self, position: usize, rule: Rule) -> bool {
        let inside = (1..=self.rules.len()).contains(&position);
        if inside {
            self.remove(position);
            self.insert(position, rule);
        }
        inside
    }

    /// Deletes all rules, `-F`.
    pub fn flush(&mut self) {
        self.rules.clear();
        self.index.clear();
    }

    /// Notes one more occurrence of a rule; equal rules share their memory.
    fn count(&mut self, rule: Rule) -> Arc<Rule> {
        let rule = match self.index.get_key_value(&rule) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::new(rule),
        };
        *self.index.entry(Arc::clone(&rule)).or_default() += 1;
        rule
    }

    /// Notes one occurrence less.
    fn discount(&mut self, rule: &Rule) {
        if let Some(count) = self.index.get_mut(rule) {
            *count -= 1;
            if *count == 0 {
                self.index.remove(rule);
            }
        }
    }

    /// Writes the header line, `:NAME POLICY [0:0]`.
    pub(crate) fn write_header(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = match self.policy {
            Some(Policy::Accept) => "ACCEPT",
            Some(Policy::Drop) => "DROP",
            None => "-",
        };
        writeln!(f, ":{} {policy} [0:0]", self.name)
    }

    /// Writes the rules, a line each.
    pub(crate) fn write_rules(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rule in &self.rules {
            f.write_str("-A ")?;
            f.write_str(self.name.as_str())?;
            rule.fmt(f)?;
            f.write_str("\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::InterfacePattern;
    use crate::target::Target;

    fn rule(interface: &str) -> Rule {
        Rule::new(Target::Accept).in_interface(InterfacePattern::new(interface).unwrap())
    }

    fn check(chain: &Chain, expected: &[&str]) {
        let interfaces = |rule: &Rule| rule.in_interface.map(|i| i.value().as_str().to_owned());
        let found: Vec<String> = chain.rules().filter_map(interfaces).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn operations_keep_iptables_order() {
        let mut chain = Chain::new(ChainName::from_static("X"), None);
        chain.append_once(rule("b"));
        chain.insert_once(rule("a"));
        chain.insert_once(rule("b"));
        chain.append_once(rule("a"));
        check(&chain, &["a", "b"]);
        chain.append(rule("a"));
        chain.insert(2, rule("c"));
        chain.insert(99, rule("d"));
        check(&chain, &["a", "c", "b", "a", "d"]);
        assert!(chain.delete(&rule("a")));
        check(&chain, &["c", "b", "a", "d"]);
        assert!(chain.contains(&rule("a")));
        assert!(chain.delete(&rule("a")));
        assert!(!chain.delete(&rule("a")));
        chain.flush();
        check(&chain, &[]);
        assert!(!chain.contains(&rule("d")));
    }

    #[test]
    fn only_built_in_chains_have_a_policy() {
        let mut user = Chain::new(ChainName::from_static("X"), None);
        user.set_policy(Policy::Drop);
        assert_eq!(user.policy(), None);
    }
}
