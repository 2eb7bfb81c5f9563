//! The hooks from which packets get to a chain, and what works there.

use std::collections::BTreeSet;

use dockfw_iptables::eval::Hook as XtHook;
use dockfw_ir::chain::Hook;
use dockfw_ir::statement::Statement;
use dockfw_ir::verify;

use super::Reason;

const ALL: [(Hook, XtHook); 5] = [
    (Hook::Prerouting, XtHook::Prerouting),
    (Hook::Input, XtHook::Input),
    (Hook::Forward, XtHook::Forward),
    (Hook::Output, XtHook::Output),
    (Hook::Postrouting, XtHook::Postrouting),
];

/// A set of hooks, one bit each; none for a chain that nothing leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Hooks(u8);

impl Hooks {
    pub(super) fn new(hooks: &BTreeSet<XtHook>) -> Self {
        let bit = |(at, (_, xt)): (usize, &(Hook, XtHook))| u8::from(hooks.contains(xt)) << at;
        Self(ALL.iter().enumerate().map(bit).sum())
    }

    fn iter(self) -> impl Iterator<Item = (Hook, XtHook)> {
        let all = ALL.into_iter().enumerate();
        all.filter_map(move |(at, pair)| (self.0 >> at & 1 == 1).then_some(pair))
    }

    /// Whether packets come from one of these.
    pub(super) fn any(self, hooks: &[Hook]) -> bool {
        self.iter().any(|(hook, _)| hooks.contains(&hook))
    }

    /// Refuses a rule that the kernel would not take in a chain of these hooks, neither as iptables'
    /// nor as its own.
    pub(super) fn allow(self, statements: &[Statement]) -> Result<(), Reason> {
        for statement in statements {
            let Some(possible) = verify::hooks(statement) else {
                continue;
            };
            let Some((_, wrong)) = self.iter().find(|(hook, _)| !possible.contains(hook)) else {
                continue;
            };
            let names: Vec<&str> = ALL
                .iter()
                .filter(|(hook, _)| possible.contains(hook))
                .map(|(_, xt)| xt.as_str())
                .collect();
            let names = names.join(" and ");
            return Err(Reason::new(
                format!(
                    "this works in {names} only, and packets get here from {}",
                    wrong.as_str()
                ),
                format!("put the rule where only {names} leads"),
            ));
        }
        Ok(())
    }
}
