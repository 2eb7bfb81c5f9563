//! Statements: what a rule tests and does, one after the other.
//!
//! A statement that does not match ends the rule; the packet goes on with the next rule.

pub mod compare;
pub mod dynset;
pub mod limit;
pub mod log;
pub mod mangle;
pub mod nat;
pub mod queue;
pub mod quota;
pub mod reject;
pub mod tproxy;
pub mod verdict;

pub use compare::{Match, Operator, Test};
pub use dynset::{Dynset, DynsetOperation, DynsetStatement};
pub use limit::{Limit, Measure, TimeUnit};
pub use log::{Log, LogFlags};
pub use mangle::{Mangle, MaxSegment};
pub use nat::{Masquerade, Nat, NatKind, NatTarget};
pub use queue::Queue;
pub use quota::{CtCount, Quota};
pub use reject::Reject;
pub use tproxy::Tproxy;
pub use verdict::{Verdict, VerdictMap};

use std::net::IpAddr;

use crate::expr::Key;
use crate::name::SetName;
use crate::value::Value;
use nat::NatFlags;

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
    /// `meta priority set`, `ip dscp set` and so on.
    Mangle(Mangle),
    /// `quota`: goes on until bytes are used up.
    Quota(Quota),
    /// `ct count`: goes on while few flows are open.
    CtCount(CtCount),
    /// `queue`. Ends the rule.
    Queue(Queue),
    /// `dup to`: sends a copy of the packet to the gateway of this address. Only in tables of its
    /// family, `ip` or `ip6`; a device cannot be given, as its number is the host's.
    ///
    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_dup_attributes` (v6.12).
    Dup(IpAddr),
    /// `tproxy to`.
    Tproxy(Tproxy),
    /// `add @SET { … }`; boxed, because it is large and rare.
    Dynset(Box<Dynset>),
    /// `dnat to` and `snat to`. Ends the rule and is an accept.
    Nat(Nat),
    /// `masquerade`. Ends the rule and is an accept.
    Masquerade(Masquerade),
    /// `redirect`: a `dnat` to the host itself. Ends the rule and is an accept.
    Redirect {
        /// The new destination ports, first and last; `None` keeps the port.
        ports: Option<(u16, u16)>,
        /// `random`, `fully-random`, `persistent`.
        flags: NatFlags,
    },
}

/// Which mark is set, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetMark {
    /// The mark of the packet or of its flow.
    pub target: MarkTarget,
    /// The mark that is read: its own to keep bits of it, another to copy that one.
    pub source: MarkSource,
    /// The bits of the source that stay, in host byte order: 0 sets the mark to `value`, whatever
    /// the source is.
    pub keep: u32,
    /// What is xored onto what stays, in host byte order.
    pub value: u32,
}

/// Where a mark is copied from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkSource {
    /// `meta mark`.
    Packet,
    /// `ct mark`. Without a conntrack entry the rule does not match.
    Conntrack,
    /// `socket mark`. Without a socket the rule does not match.
    Socket,
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
            | Self::Queue(_)
            | Self::Redirect { .. } => true,
            Self::Match(_)
            | Self::VerdictMap(_)
            | Self::Counter
            | Self::Limit(_)
            | Self::Log(_)
            | Self::Notrack
            | Self::SetMark(_)
            | Self::Mangle(_)
            | Self::Quota(_)
            | Self::CtCount(_)
            | Self::Dup(_)
            | Self::Tproxy(_)
            | Self::Dynset(_) => false,
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
