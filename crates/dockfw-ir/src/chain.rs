//! Chains and rules.

use crate::name::{ChainName, Comment};
use crate::statement::Statement;

/// A list of rules. Without [`BaseChain`] it is entered by `jump` and `goto` only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Unique in the table.
    pub name: ChainName,
    /// Where packets come from, if they come from a hook.
    pub base: Option<BaseChain>,
    /// Tried in order.
    pub rules: Vec<Rule>,
    /// Why the chain is there.
    pub comment: Option<Comment>,
}

/// What ties a chain to a hook of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseChain {
    /// `type`
    pub kind: ChainKind,
    /// `hook`
    pub hook: Hook,
    /// `priority`: lower runs first. Conntrack is −200, dnat −100, filter 0, snat 100.
    pub priority: i32,
    /// `policy`: what happens to a packet that no rule decided.
    pub policy: Policy,
}

/// The type of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainKind {
    /// `filter`
    Filter,
    /// `nat`: sees the first packet of a flow only.
    Nat,
    /// `route`: output only; reroutes when the mark or an address changed.
    Route,
}

/// A hook of the `inet`, `ip` and `ip6` families.
///
/// Source: uapi `linux/netfilter.h`, `enum nf_inet_hooks` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// 0: everything that arrives, before routing.
    Prerouting,
    /// 1: what is for the host.
    Input,
    /// 2: what passes through.
    Forward,
    /// 3: what the host sends.
    Output,
    /// 4: everything that leaves.
    Postrouting,
}

/// The policy of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// `accept`
    Accept,
    /// `drop`
    Drop,
}

/// Statements tried in order until one does not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it tests and does.
    pub statements: Vec<Statement>,
    /// Tells an operator why the rule is there.
    pub comment: Option<Comment>,
}
