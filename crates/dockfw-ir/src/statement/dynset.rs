//! `add @SET { … }`, `update` and `delete`: elements that packets make.

use std::time::Duration;

use super::{CtCount, Limit, Quota};
use crate::expr::Key;
use crate::name::SetName;
use crate::value::Value;

/// Puts the packet's key into a set with `flags dynamic`.
///
/// The rule does not match when the set is full, and for `delete` without such an element.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_dynset_attributes` (v6.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dynset {
    /// What is done.
    pub operation: DynsetOperation,
    /// A set of the same table with the key's type.
    pub set: SetName,
    /// What becomes the element's key.
    pub key: Key,
    /// The bits of the key that count, others become zero: `ip saddr & 255.255.255.0`. Only for
    /// keys of one field.
    pub mask: Option<Value>,
    /// `timeout`: the lifetime of the element; `None` is that of the set.
    pub timeout: Option<Duration>,
    /// What the element keeps count of. The rule goes on as the statement says.
    pub statement: Option<DynsetStatement>,
}

/// What a [`Dynset`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DynsetOperation {
    /// `add`: leaves an element that is there alone.
    Add,
    /// `update`: gives an element that is there its full lifetime again.
    Update,
    /// `delete`: takes it out.
    Delete,
}

/// A statement with a state of its own in each element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DynsetStatement {
    /// `counter`
    Counter,
    /// `limit rate`: a token bucket for each key.
    Limit(Limit),
    /// `quota`
    Quota(Quota),
    /// `ct count`: flows of each key. Not with a lifetime.
    CtCount(CtCount),
}
