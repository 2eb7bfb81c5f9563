//! Statements: what a rule tests and does, one after the other.
//!
//! A statement that does not match ends the rule; the packet goes on with the next rule.

pub mod compare;
pub mod limit;
pub mod log;
pub mod nat;
pub mod reject;
pub mod verdict;

pub use compare::{Match, Operator, Test};
pub use limit::{Limit, TimeUnit};
pub use log::Log;
pub use nat::{Masquerade, Nat, NatKind, NatTarget};
pub use reject::Reject;
pub use verdict::{Verdict, VerdictMap};

use crate::expr::Key;
use crate::name::SetName;
use crate::value::Value;

/// One statement of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// Goes on when the test holds.
    Match(Match),
    /// `KEY vmap @MAP`: does what the map says for the key; does not match when it says nothing.
    VerdictMap(VerdictMap),
    /// `accept`, `drop`, `jump` and so on. Ends the rule.
    Verdict(Verdict),
    /// `counter`: counts packets and bytes that come here.
    Counter,
    /// `limit rate`: goes on while the rate is kept.
    Limit(Limit),
    /// `log`.
    Log(Log),
    /// `reject`. Ends the rule and the packet.
    Reject(Reject),
    /// `notrack`: conntrack leaves the packet alone. Only in chains that run before conntrack.
    Notrack,
    /// `meta mark set` and `ct mark set`.
    SetMark(SetMark),
    /// `dnat to` and `snat to`. Ends the rule and is an accept.
    Nat(Nat),
    /// `masquerade`. Ends the rule and is an accept.
    Masquerade(Masquerade),
    /// `redirect`: a `dnat` to the host itself. Ends the rule and is an accept.
    Redirect {
        /// The new destination ports, first and last; `None` keeps the port.
        ports: Option<(u16, u16)>,
    },
}

/// Which mark is set, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetMark {
    /// The mark of the packet or of its flow.
    pub target: MarkTarget,
    /// The bits of the old mark that stay, in host byte order: 0 sets the whole mark.
    pub keep: u32,
    /// What is xored onto what stays, in host byte order.
    pub value: u32,
}

/// The owner of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkTarget {
    /// `meta mark`.
    Packet,
    /// `ct mark`.
    Conntrack,
}

impl Statement {
    /// Whether nothing can follow: the packet has its verdict or has left for another chain.
    pub const fn is_terminal(&self) -> bool {
        match self {
            Self::Verdict(_)
            | Self::Reject(_)
            | Self::Nat(_)
            | Self::Masquerade(_)
            | Self::Redirect { .. } => true,
            Self::Match(_)
            | Self::VerdictMap(_)
            | Self::Counter
            | Self::Limit(_)
            | Self::Log(_)
            | Self::Notrack
            | Self::SetMark(_) => false,
        }
    }

    /// `KEY VALUE`.
    pub fn equal(key: impl Into<Key>, value: Value) -> Self {
        Self::compare(key, Operator::Equal, value)
    }

    /// `KEY != VALUE`.
    pub fn not_equal(key: impl Into<Key>, value: Value) -> Self {
        Self::compare(key, Operator::NotEqual, value)
    }

    /// `KEY OPERATOR VALUE`.
    pub fn compare(key: impl Into<Key>, operator: Operator, value: Value) -> Self {
        Self::Match(Match {
            key: key.into(),
            test: Test::Compare {
                mask: None,
                operator,
                value,
            },
        })
    }

    /// `KEY & MASK == VALUE`.
    pub fn masked(key: impl Into<Key>, mask: Value, operator: Operator, value: Value) -> Self {
        Self::Match(Match {
            key: key.into(),
            test: Test::Compare {
                mask: Some(mask),
                operator,
                value,
            },
        })
    }

    /// `KEY @SET`.
    pub fn in_set(key: impl Into<Key>, set: &SetName) -> Self {
        Self::Match(Match {
            key: key.into(),
            test: Test::Set {
                negated: false,
                set: set.clone(),
            },
        })
    }

    /// `KEY != @SET`.
    pub fn not_in_set(key: impl Into<Key>, set: &SetName) -> Self {
        Self::Match(Match {
            key: key.into(),
            test: Test::Set {
                negated: true,
                set: set.clone(),
            },
        })
    }

    /// `KEY vmap @MAP`.
    pub fn vmap(key: impl Into<Key>, map: &SetName) -> Self {
        Self::VerdictMap(VerdictMap {
            key: key.into(),
            map: map.clone(),
        })
    }
}
