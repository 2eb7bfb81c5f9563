//! Folds rules that differ only in values into sets, maps and verdict maps.
//!
//! A chain keeps its meaning for every packet: what the first matching rule did, the folded chain
//! does. What changes is the price, one look-up instead of a rule for each value, and the
//! counters: rules that become one count together, and rules that become a map do not count.
//!
//! What is never folded: tests that are negated or look at bits, because a set cannot say them;
//! rules with a limit, a quota or another state of their own; rules that go on to the next one,
//! such as `log`, because a packet could meet several of them.
//!
//! The result is not taken on trust: [`validate`] evaluates both forms.

mod cover;
mod element;
mod fold;
mod shape;
pub mod validate;

use dockfw_ir::chain::Rule;
use dockfw_ir::name::SetName;
use dockfw_ir::set::Set;

/// How much of a chain may be rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Optimize {
    /// One rule stays one rule, in order.
    None,
    /// Rules fold where their meaning allows it.
    #[default]
    Full,
}

/// A rule, and the number of the rule in the source that it was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// The rule.
    pub rule: Rule,
    /// Which source rule; several rules can come from one.
    pub source: usize,
}

/// A folded chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Folded {
    /// Its rules.
    pub rules: Vec<Rule>,
    /// The sets and maps that they look at.
    pub sets: Vec<Set>,
    /// Source rules that no packet reaches.
    pub unreachable: Vec<Unreachable>,
}

/// A source rule that no packet reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unreachable {
    /// The number of the rule.
    pub source: usize,
    /// The number of the rule before it that takes all its packets.
    pub because: usize,
}

/// Folds the rules of one chain. `name` makes the names of its sets, from their number in the
/// chain.
pub fn fold(rules: Vec<Numbered>, name: impl FnMut(usize) -> SetName) -> Folded {
    let (reached, unreachable) = cover::reached(rules);
    let mut folded = fold::rules(&reached, name);
    folded.unreachable.extend(unreachable);
    folded.unreachable.sort_unstable();
    folded.unreachable.dedup_by_key(|of| of.source);
    folded
}
