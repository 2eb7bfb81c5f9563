//! What a rule or an element refers to.

use super::Going;
use crate::chain::Rule;
use crate::set::{Element, ElementData};
use crate::statement::{NatTarget, Statement, Test, Verdict};

impl Going<'_> {
    /// Whether the rule names a set or a chain that goes.
    pub(super) fn binds(&self, rule: &Rule) -> bool {
        rule.statements.iter().any(|statement| match statement {
            Statement::Match(test) => match &test.test {
                Test::Set { set, .. } => self.sets.contains(set),
                Test::Compare { .. }
                | Test::Range { .. }
                | Test::Prefix { .. }
                | Test::OneOf { .. } => false,
            },
            Statement::VerdictMap(of) => self.sets.contains(&of.map),
            Statement::Verdict(verdict) => self.leads(verdict),
            Statement::Dynset(of) => self.sets.contains(&of.set),
            Statement::Nat(nat) => match &nat.target {
                NatTarget::Map { map, .. } => self.sets.contains(map),
                NatTarget::Ipv4 { .. }
                | NatTarget::Ipv6 { .. }
                | NatTarget::Prefix(_)
                | NatTarget::Ports(..) => false,
            },
            Statement::Counter
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
            | Statement::Redirect { .. } => false,
        })
    }

    /// Whether the element leads to a chain that goes.
    pub(super) fn ties(&self, element: &Element) -> bool {
        match &element.data {
            ElementData::Verdict(verdict) => self.leads(verdict),
            ElementData::None | ElementData::Value(_) => false,
        }
    }

    fn leads(&self, verdict: &Verdict) -> bool {
        match verdict {
            Verdict::Jump(chain) | Verdict::Goto(chain) => self.chains.contains(chain),
            Verdict::Accept | Verdict::Drop | Verdict::Continue | Verdict::Return => false,
        }
    }
}
