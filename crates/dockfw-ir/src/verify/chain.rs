//! Chains.

use super::graph::Index;
use super::report::{Check, Object, Report};
use super::rule;
use crate::chain::{BaseChain, ChainKind, Hook, Policy};
use crate::table::Table;

pub(super) fn check(table: &Table, index: &Index<'_>, report: &mut Report<'_>) {
    for (place, chain) in table.chains.iter().enumerate() {
        if let Some(base) = chain.base {
            for message in base_errors(base) {
                report.add(Check::BaseChain, Object::Chain(chain.name.clone()), message);
            }
        }
        let bases = index.bases(place);
        for (number, rule) in chain.rules.iter().enumerate() {
            let object = || Object::Rule(chain.name.clone(), number);
            let mut add = |check, message| report.add(check, object(), message);
            rule::check(rule, table, index, (chain.base, bases), &mut add);
        }
    }
}

/// Tried with the kernel (6.18): every type, hook, family and some priorities.
fn base_errors(base: BaseChain) -> Vec<&'static str> {
    /// `NF_IP_PRI_CONNTRACK`.
    const CONNTRACK: i32 = -200;
    let mut errors = Vec::new();
    match base.kind {
        ChainKind::Filter => {}
        ChainKind::Route => {
            if base.hook != Hook::Output {
                errors.push("a chain of type route is at output only");
            }
        }
        ChainKind::Nat => {
            if base.hook == Hook::Forward {
                errors.push("there is no chain of type nat at forward");
            }
            if base.priority <= CONNTRACK {
                errors.push("a chain of type nat has a priority above -200");
            }
            if base.policy == Policy::Drop {
                errors.push("a chain of type nat accepts what it does not translate");
            }
        }
    }
    errors
}
