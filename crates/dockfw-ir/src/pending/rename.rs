//! Other names for the chains and sets of a generation, wherever they stand.

use crate::chain::{Chain, Rule};
use crate::name::{ChainName, SetName};
use crate::set::{Element, ElementData, Set};
use crate::statement::{Dynset, Match, Nat, NatTarget, Statement, Test, Verdict, VerdictMap};

/// How names change. A name that has no other one is an error.
pub(super) struct Rename<E> {
    pub(super) chain: fn(&ChainName) -> Result<ChainName, E>,
    pub(super) set: fn(&SetName) -> Result<SetName, E>,
}

impl<E> Rename<E> {
    /// A set, with the verdicts of its elements.
    pub(super) fn set(&self, set: &Set) -> Result<Set, E> {
        let elements = set.elements.iter().map(|element| {
            Ok(Element {
                data: match &element.data {
                    ElementData::Verdict(verdict) => ElementData::Verdict(self.verdict(verdict)?),
                    same @ (ElementData::None | ElementData::Value(_)) => same.clone(),
                },
                key: element.key.clone(),
                key_end: element.key_end.clone(),
                extra: element.extra.clone(),
            })
        });
        Ok(Set {
            name: (self.set)(&set.name)?,
            elements: elements.collect::<Result<_, E>>()?,
            key: set.key.clone(),
            kind: set.kind.clone(),
            interval: set.interval,
            dynamic: set.dynamic,
            counter: set.counter,
            timeout: set.timeout,
            size: set.size,
            comment: set.comment.clone(),
        })
    }

    /// A chain, and what its rules name. Its hook goes: this is the body.
    pub(super) fn body(&self, chain: &Chain) -> Result<Chain, E> {
        let rules = chain.rules.iter().map(|rule| {
            let statements = rule.statements.iter().map(|of| self.statement(of));
            Ok(Rule {
                statements: statements.collect::<Result<_, E>>()?,
                comment: rule.comment.clone(),
            })
        });
        Ok(Chain {
            name: (self.chain)(&chain.name)?,
            base: None,
            rules: rules.collect::<Result<_, E>>()?,
            comment: chain.comment.clone(),
        })
    }

    fn verdict(&self, verdict: &Verdict) -> Result<Verdict, E> {
        Ok(match verdict {
            Verdict::Jump(name) => Verdict::Jump((self.chain)(name)?),
            Verdict::Goto(name) => Verdict::Goto((self.chain)(name)?),
            same @ (Verdict::Accept | Verdict::Drop | Verdict::Continue | Verdict::Return) => {
                same.clone()
            }
        })
    }

    fn statement(&self, statement: &Statement) -> Result<Statement, E> {
        Ok(match statement {
            Statement::Match(Match { key, test }) => Statement::Match(Match {
                key: key.clone(),
                test: match test {
                    Test::Set { negated, set } => Test::Set {
                        negated: *negated,
                        set: (self.set)(set)?,
                    },
                    same @ (Test::Compare { .. }
                    | Test::Range { .. }
                    | Test::Prefix { .. }
                    | Test::OneOf { .. }) => same.clone(),
                },
            }),
            Statement::VerdictMap(VerdictMap { key, map }) => Statement::VerdictMap(VerdictMap {
                key: key.clone(),
                map: (self.set)(map)?,
            }),
            Statement::Verdict(verdict) => Statement::Verdict(self.verdict(verdict)?),
            Statement::Dynset(dynset) => Statement::Dynset(Box::new(Dynset {
                set: (self.set)(&dynset.set)?,
                ..(**dynset).clone()
            })),
            Statement::Nat(nat) => Statement::Nat(Nat {
                target: self.target(&nat.target)?,
                ..nat.clone()
            }),
            same @ (Statement::Counter
            | Statement::Limit(_)
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
            | Statement::Masquerade(_)
            | Statement::Redirect { .. }) => same.clone(),
        })
    }

    fn target(&self, target: &NatTarget) -> Result<NatTarget, E> {
        Ok(match target {
            NatTarget::Map { family, key, map } => NatTarget::Map {
                family: *family,
                key: key.clone(),
                map: (self.set)(map)?,
            },
            same @ (NatTarget::Ipv4 { .. }
            | NatTarget::Ipv6 { .. }
            | NatTarget::Prefix(_)
            | NatTarget::Ports(..)) => same.clone(),
        })
    }
}
