//! Verdicts and verdict maps.

use crate::expr::Key;
use crate::name::{ChainName, SetName};

/// What happens to the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// `accept`: done with this base chain; base chains of later priority still see the packet.
    Accept,
    /// `drop`: the packet is gone.
    Drop,
    /// `continue`: on with the next rule; only useful in a verdict map.
    Continue,
    /// `return`: back to the calling chain; in a base chain, its policy.
    Return,
    /// `jump`: on in that chain, and back here after it.
    Jump(ChainName),
    /// `goto`: on in that chain, and back to the caller of this one after it.
    Goto(ChainName),
}

/// `KEY vmap @MAP`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictMap {
    /// What is looked up.
    pub key: Key,
    /// A verdict map of the same table with the key's type.
    pub map: SetName,
}
