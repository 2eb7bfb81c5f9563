//! What became of a packet.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::packet::Status;
use crate::program::TableName;
use crate::target::reject::Reject;

/// The result of walking one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Where the packet ended.
    pub verdict: Verdict,
    /// The source address after all rewriting so far.
    pub source: IpAddr,
    /// The destination address after all rewriting so far.
    pub destination: IpAddr,
    /// Source and destination port after all rewriting so far.
    pub ports: Option<(u16, u16)>,
    /// The packet's mark at the end.
    pub mark: u32,
    /// The connection's mark at the end.
    pub connection_mark: u32,
    /// The connection's status bits at the end.
    pub status: Status,
    /// The rules that matched, in order, and the policy that dropped the packet if one did.
    pub trail: Vec<Step>,
    /// How many rules were compared with the packet, matching or not.
    pub evaluated: usize,
}

/// Where a packet ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// A process of the host got it.
    Delivered,
    /// It left through an interface, whether it came from outside or from the host.
    Forwarded {
        /// The interface's name; for a bridged packet the bridge.
        interface: String,
    },
    /// A rule or a policy discarded it.
    Dropped {
        /// The hook in which that happened.
        hook: Hook,
    },
    /// A rule discarded it and told its sender.
    Rejected {
        /// The hook in which that happened.
        hook: Hook,
        /// What the sender gets.
        answer: Reject,
    },
    /// The host has no route to the destination.
    NoRoute,
}

/// The hooks of the IP layer.
///
/// Source: uapi linux/netfilter.h, `enum nf_inet_hooks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// Every packet from an interface, before routing.
    Prerouting,
    /// Packets for the host.
    Input,
    /// Packets that go on through another interface, or stay on a bridge.
    Forward,
    /// Packets from the host.
    Output,
    /// Every packet that leaves.
    Postrouting,
}

impl Hook {
    /// All hooks, in the order of the kernel.
    pub(crate) const ALL: [Self; 5] = [
        Self::Prerouting,
        Self::Input,
        Self::Forward,
        Self::Output,
        Self::Postrouting,
    ];

    /// The name of the built-in chain.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prerouting => "PREROUTING",
            Self::Input => "INPUT",
            Self::Forward => "FORWARD",
            Self::Output => "OUTPUT",
            Self::Postrouting => "POSTROUTING",
        }
    }
}

/// A rule that matched, or a policy that dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The table.
    pub table: TableName,
    /// The hook from which the chain was reached.
    pub hook: Hook,
    /// The chain.
    pub chain: Arc<str>,
    /// The rule's place in the chain, the first one is 0; `None` for the policy.
    pub rule: Option<usize>,
    /// The rule as iptables-save writes it, `-A CHAIN …`; for the policy `-P CHAIN DROP`.
    pub text: Arc<str>,
    /// What it did.
    pub effect: Effect,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.table.as_str(), self.text, self.effect)
    }
}

/// What a matching rule did with the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It only counted, or changed what the outcome does not show.
    Continue,
    /// It led to a chain and will be returned to.
    Jump,
    /// It led to a chain for good.
    Goto,
    /// It ended its chain.
    Return,
    /// It ended the table.
    Accept,
    /// It discarded the packet.
    Drop,
    /// It discarded the packet and told its sender.
    Reject,
    /// It wrote the packet down and let it go on.
    Log,
    /// It changed a mark.
    Mark {
        /// The packet's mark now.
        packet: u32,
        /// The connection's mark now.
        connection: u32,
    },
    /// It took the packet out of tracking.
    Untrack,
    /// It chose the new destination of the connection and ended the table.
    Dnat {
        /// The address, changed or not.
        address: IpAddr,
        /// The port, if the packet has ports.
        port: Option<u16>,
    },
    /// It chose the new source of the connection and ended the table.
    Snat {
        /// The address, changed or not.
        address: IpAddr,
        /// The port, if the packet has ports.
        port: Option<u16>,
    },
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, address, port) = match *self {
            Self::Continue => return f.write_str("counted"),
            Self::Jump => return f.write_str("jumped"),
            Self::Goto => return f.write_str("went to"),
            Self::Return => return f.write_str("returned"),
            Self::Accept => return f.write_str("accepted"),
            Self::Drop => return f.write_str("dropped"),
            Self::Reject => return f.write_str("rejected"),
            Self::Log => return f.write_str("logged"),
            Self::Mark { packet, connection } => {
                return write!(f, "marks {packet:#x} and {connection:#x}");
            }
            Self::Untrack => return f.write_str("not tracked"),
            Self::Dnat { address, port } => ("destination", address, port),
            Self::Snat { address, port } => ("source", address, port),
        };
        write!(f, "{what} {address}")?;
        match port {
            Some(port) => write!(f, " port {port}"),
            None => Ok(()),
        }
    }
}
