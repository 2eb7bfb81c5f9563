//! What a chain does when the values of its expressions are given: without a host, hooks or
//! conntrack.
//!
//! This is how two forms of one chain are compared: expressions are free variables, so that a few
//! values at the boundaries of each stand for all packets.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::lookup::{find, satisfied};
use crate::chain::Chain;
use crate::expr::ct::state;
use crate::expr::{Ct, Expr, Key, Meta, Socket};
use crate::name::{ChainName, SetName};
use crate::set::{ElementData, Set};
use crate::statement::nat::{NatFlags, NatTarget};
use crate::statement::{MarkSource, MarkTarget, NatKind, SetMark, Statement, Verdict};
use crate::value::Value;

/// The values of expressions; one that is not named does not load, which ends a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts(Vec<(Expr, Value)>);

impl Facts {
    /// Gives an expression a value.
    pub fn set(&mut self, expr: &Expr, value: Value) {
        match self.0.iter_mut().find(|(of, _)| of == expr) {
            Some((_, old)) => *old = value,
            None => self.0.push((expr.clone(), value)),
        }
    }

    /// The value of an expression.
    pub fn get(&self, expr: &Expr) -> Option<&Value> {
        self.0
            .iter()
            .find(|(of, _)| of == expr)
            .map(|(_, value)| value)
    }

    /// The expressions and their values, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &(Expr, Value)> {
        self.0.iter()
    }

    /// The value of a key: that of its expression, or of several behind each other.
    fn key(&self, key: &Key) -> Option<Cow<'_, Value>> {
        if let [expr] = key.0.as_slice() {
            return self.get(expr).map(Cow::Borrowed);
        }
        let mut all = Value::new();
        for expr in &key.0 {
            all = all.and_bytes(self.get(expr)?.as_bytes());
        }
        Some(Cow::Owned(all))
    }
}

/// Chains and sets, looked up by name.
#[derive(Debug)]
pub struct Chains<'r> {
    chains: BTreeMap<&'r ChainName, &'r Chain>,
    sets: BTreeMap<&'r SetName, &'r Set>,
}

/// What was done, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'r> {
    /// What was done, in order: everything but tests, counters and the way through chains.
    pub effects: Vec<Effect<'r>>,
    /// The end.
    pub end: End,
}

/// Something that a rule did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<'r> {
    /// A statement.
    Statement(&'r Statement),
    /// A jump, or a goto, to a chain that is not looked at.
    Leave(&'r Verdict),
    /// A translation to one address, or address and port, whether written out or from a map.
    Translate {
        /// Which end of the flow.
        kind: NatKind,
        /// How ports are chosen.
        flags: NatFlags,
        /// The address, and the port behind it, if there is one.
        to: Value,
    },
}

/// How the walk through a chain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Accepted.
    Accept,
    /// Dropped.
    Drop,
    /// By the last effect.
    Effect,
    /// At the end of the chain, or by `return`.
    Return,
}

/// The most rules that one decision may take; more means a loop, which the verifier refuses.
const MAX_RULES: usize = 10_000_000;

impl<'r> Chains<'r> {
    /// Looks up names.
    pub fn new(
        chains: impl IntoIterator<Item = &'r Chain>,
        sets: impl IntoIterator<Item = &'r Set>,
    ) -> Self {
        Self {
            chains: chains
                .into_iter()
                .map(|chain| (&chain.name, chain))
                .collect(),
            sets: sets.into_iter().map(|set| (&set.name, set)).collect(),
        }
    }

    /// Walks a chain. Limits, quotas and other states of rules let packets pass.
    ///
    /// A chain that is not there is left as an effect: behind a jump the walk goes on, a goto ends
    /// it.
    pub fn decide(&self, chain: &ChainName, facts: &Facts) -> Decision<'r> {
        let mut facts = facts.clone();
        let mut decision = Decision {
            effects: Vec::new(),
            end: End::Return,
        };
        let Some(mut chain) = self.chains.get(chain).copied() else {
            return decision;
        };
        let mut stack: Vec<(&'r Chain, usize)> = Vec::new();
        let mut next = 0;
        for _ in 0..MAX_RULES {
            let Some(rule) = chain.rules.get(next) else {
                match stack.pop() {
                    Some(back) => (chain, next) = back,
                    None => return decision,
                }
                continue;
            };
            next += 1;
            let verdict = self.rule(&rule.statements, &mut facts, &mut decision);
            match verdict {
                Step::Next => {}
                Step::End(end) => {
                    decision.end = end;
                    return decision;
                }
                Step::Leave(verdict, name, returns) => {
                    if let Some(target) = self.chains.get(name) {
                        if returns {
                            stack.push((chain, next));
                        }
                        (chain, next) = (target, 0);
                    } else {
                        decision.effects.push(Effect::Leave(verdict));
                        if !returns {
                            decision.end = End::Effect;
                            return decision;
                        }
                    }
                }
                Step::Return => next = usize::MAX,
            }
        }
        decision
    }

    fn rule(
        &self,
        statements: &'r [Statement],
        facts: &mut Facts,
        decision: &mut Decision<'r>,
    ) -> Step<'r> {
        for statement in statements {
            match statement {
                Statement::Match(test) => {
                    let value = facts.key(&test.key);
                    let set = |name: &SetName| self.sets.get(name).copied();
                    let holds = value.and_then(|value| satisfied(test, &value, set));
                    if holds != Some(true) {
                        return Step::Next;
                    }
                }
                Statement::Counter => {}
                Statement::Verdict(verdict) => return step(verdict),
                Statement::VerdictMap(lookup) => {
                    return match self.look_up(facts, &lookup.key, &lookup.map) {
                        Some(ElementData::Verdict(verdict)) => step(verdict),
                        Some(ElementData::None | ElementData::Value(_)) | None => Step::Next,
                    };
                }
                Statement::Nat(nat) => {
                    let to = match &nat.target {
                        NatTarget::Map { key, map, .. } => match self.look_up(facts, key, map) {
                            Some(ElementData::Value(data)) => Some(data.clone()),
                            Some(ElementData::None | ElementData::Verdict(_)) | None => {
                                return Step::Next;
                            }
                        },
                        constant @ (NatTarget::Ipv4 { .. }
                        | NatTarget::Ipv6 { .. }
                        | NatTarget::Prefix(_)
                        | NatTarget::Ports(..)) => constant.datum().map(|(to, _)| to),
                    };
                    decision.effects.push(match to {
                        Some(to) => Effect::Translate {
                            kind: nat.kind,
                            flags: nat.flags,
                            to,
                        },
                        None => Effect::Statement(statement),
                    });
                    return Step::End(End::Effect);
                }
                Statement::Limit(_)
                | Statement::Log(_)
                | Statement::Reject(_)
                | Statement::Notrack
                | Statement::SetMark(_)
                | Statement::Mangle(_)
                | Statement::Quota(_)
                | Statement::CtCount(_)
                | Statement::Queue(_)
                | Statement::Dup(_)
                | Statement::Tproxy(_)
                | Statement::Dynset(_)
                | Statement::Masquerade(_)
                | Statement::Redirect { .. } => {
                    if let Statement::SetMark(mark) = statement {
                        set_mark(facts, mark);
                    } else if *statement == Statement::Notrack {
                        // It stands where conntrack has not been yet.
                        let untracked = Value::new().and_host_u32(state::UNTRACKED);
                        facts.set(&Ct::State.into(), untracked);
                    }
                    decision.effects.push(Effect::Statement(statement));
                    if statement.is_terminal() {
                        return Step::End(End::Effect);
                    }
                }
            }
        }
        Step::Next
    }

    fn look_up(&self, facts: &Facts, key: &Key, map: &SetName) -> Option<&'r ElementData> {
        let value = facts.key(key)?;
        Some(&find(self.sets.get(map)?, &value)?.data)
    }
}

enum Step<'r> {
    Next,
    End(End),
    /// The verdict, the chain, and whether the packet comes back.
    Leave(&'r Verdict, &'r ChainName, bool),
    Return,
}

const fn step(verdict: &Verdict) -> Step<'_> {
    match verdict {
        Verdict::Accept => Step::End(End::Accept),
        Verdict::Drop => Step::End(End::Drop),
        Verdict::Continue => Step::Next,
        Verdict::Return => Step::Return,
        Verdict::Jump(name) => Step::Leave(verdict, name, true),
        Verdict::Goto(name) => Step::Leave(verdict, name, false),
    }
}

/// A mark that nobody gave is zero.
fn set_mark(facts: &mut Facts, set: &SetMark) {
    let source: Expr = match set.source {
        MarkSource::Packet => Meta::Mark.into(),
        MarkSource::Conntrack => Ct::Mark.into(),
        MarkSource::Socket => Socket::Mark.into(),
    };
    let target: Expr = match set.target {
        MarkTarget::Packet => Meta::Mark.into(),
        MarkTarget::Conntrack => Ct::Mark.into(),
    };
    let old = facts.get(&source).map_or(0, |value| {
        let bytes = value.as_bytes().first_chunk::<4>();
        bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    });
    let new = (old & set.keep) ^ set.value;
    facts.set(&target, Value::new().and_host_u32(new));
}
