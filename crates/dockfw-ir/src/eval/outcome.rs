//! What became of a packet.

use std::net::IpAddr;

use crate::chain::{Hook, Policy};
use crate::expr::ct::status;
use crate::name::{ChainName, Comment, TableName};
use crate::statement::{self, NatKind, Reject};

/// The end of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Where the packet ended.
    pub verdict: Verdict,
    /// The source after all rewriting.
    pub source: IpAddr,
    /// The destination after all rewriting.
    pub destination: IpAddr,
    /// The ports after all rewriting.
    pub ports: Option<(u16, u16)>,
    /// The packet's mark.
    pub mark: u32,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Time to live or hop limit, as rules left it: the host takes one off what it forwards.
    pub ttl: u8,
    /// The class for queueing disciplines, where a rule set one.
    pub priority: u32,
    /// Bits of `ct status`, with the kernel's two bits for "NAT has looked at this end" (128 and
    /// 256); 0 without an entry.
    pub ct_status: u32,
    /// `ct mark`; 0 without an entry.
    pub ct_mark: u32,
    /// The rules that did something, in order.
    pub trail: Vec<Step>,
    /// What the walk cost.
    pub cost: Cost,
}

impl Outcome {
    /// Whether the flow's destination is rewritten.
    pub const fn is_dnat(&self) -> bool {
        self.ct_status & status::DNAT != 0
    }

    /// Whether the flow's source is rewritten.
    pub const fn is_snat(&self) -> bool {
        self.ct_status & status::SNAT != 0
    }

    /// What the walk cost.
    pub const fn cost(&self) -> Cost {
        self.cost
    }
}

/// Where a packet ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Given to the host, which received it by this interface.
    Delivered {
        /// `lo` for what the host sent to itself.
        interface: String,
    },
    /// Left the host by this interface; the host's own packets too.
    Forwarded {
        /// The bridge for bridged packets.
        interface: String,
    },
    /// Dropped by a rule, by a policy, or by a translation without an address.
    Dropped {
        /// Where.
        hook: Hook,
    },
    /// Dropped, and the sender was told.
    Rejected {
        /// Where.
        hook: Hook,
        /// How the sender was told.
        how: Reject,
    },
    /// There is no route to the destination.
    NoRoute,
}

impl Verdict {
    /// Whether the packet got through.
    pub const fn is_pass(&self) -> bool {
        matches!(self, Self::Delivered { .. } | Self::Forwarded { .. })
    }
}

/// A rule that did something, or a policy that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The hook the packet was at.
    pub hook: Hook,
    /// The table of the chain.
    pub table: TableName,
    /// The chain of the rule.
    pub chain: ChainName,
    /// The rule's place in the chain, from 0; `None` for the chain's policy.
    pub rule: Option<usize>,
    /// The rule's comment.
    pub comment: Option<Comment>,
    /// What it did.
    pub action: Action,
}

/// What a rule did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Every statement matched or ran, and none decided: the packet goes on with the next rule.
    Matched,
    /// A verdict of the rule or of a verdict map.
    Verdict(statement::Verdict),
    /// Rejected the packet.
    Rejected(Reject),
    /// Gave one end of the flow a new address and port; that they are the old ones is possible.
    Translated {
        /// Which end.
        kind: NatKind,
        /// The new address.
        address: IpAddr,
        /// The new port, of a packet with ports.
        port: Option<u16>,
    },
    /// A translation that found no address to translate to: drops the packet.
    Untranslatable,
    /// The policy of a base chain.
    Policy(Policy),
}

/// How much work a walk was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Rules that were tried.
    pub rules: u64,
    /// Statements that ran and fields that were read.
    pub expressions: u64,
    /// Lookups in sets and maps, whatever their size.
    pub lookups: u64,
}
