//! One packet in words that both evaluators understand, and what became of it.

use std::net::IpAddr;

use dockfw_iptables::eval as docker;
use dockfw_ir::chain::Hook as OurHook;
use dockfw_ir::eval as ours;
use dockfw_ir::expr::ct::status;
use serde::Deserialize;

/// `IPPROTO_ICMP`.
pub const ICMP: u8 = 1;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// The length of every packet, in bytes.
const LENGTH: u32 = 60;
/// The time to live of every packet.
const TTL: u8 = 64;
/// `IPPROTO_ICMPV6`.
pub const ICMPV6: u8 = 58;

/// One packet as it meets the machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packet {
    /// The interface that received it; `None` when the machine itself sends it.
    pub from: Option<String>,
    /// The bridge that a bridged packet stays on.
    pub bridged: Option<String>,
    /// The source.
    pub source: IpAddr,
    /// The destination.
    pub destination: IpAddr,
    /// The protocol number.
    pub protocol: u8,
    /// Source and destination port.
    pub ports: Option<(u16, u16)>,
    /// Type and code of an ICMP message.
    pub icmp: Option<(u8, u8)>,
    /// The mark.
    #[serde(default)]
    pub mark: u32,
    /// What conntrack makes of it.
    pub state: State,
    /// The connection, of a packet that is established or related.
    pub flow: Option<Flow>,
}

/// What conntrack makes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The first one of a connection.
    New,
    /// A later one.
    Established,
    /// An ICMP error about a connection.
    Related,
    /// Nothing.
    Invalid,
    /// It was told not to look.
    Untracked,
}

/// A connection, and the direction of a packet in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Whether the packet is an answer.
    pub reply_direction: bool,
    /// The first packet before any rewriting.
    pub original: Tuple,
    /// The answer as conntrack expects it on the wire.
    pub reply: Tuple,
}

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuple {
    /// The sender.
    pub source: IpAddr,
    /// The receiver.
    pub destination: IpAddr,
    /// The protocol number.
    pub protocol: u8,
    /// Source and destination port.
    pub ports: Option<(u16, u16)>,
    /// Type and code of an ICMP message.
    pub icmp: Option<(u8, u8)>,
}

impl Packet {
    /// Whether it belongs to a connection that is known already.
    pub fn is_answer(&self) -> bool {
        match self.state {
            State::Established | State::Related => true,
            State::New | State::Invalid | State::Untracked => false,
        }
    }

    /// The interface that rules see as its input; `None` for the machine's own packets.
    pub fn input(&self) -> Option<&str> {
        let received = self.from.as_deref()?;
        Some(self.bridged.as_deref().unwrap_or(received))
    }

    /// SYN in a packet that begins a connection, ACK in any other.
    fn tcp_flags(&self) -> Option<u8> {
        let flags = if self.state == State::New { 2 } else { 16 };
        (self.protocol == TCP).then_some(flags)
    }

    /// The packet as one direction of a connection.
    pub fn tuple(&self) -> Tuple {
        Tuple {
            source: self.source,
            destination: self.destination,
            protocol: self.protocol,
            ports: self.ports,
            icmp: self.icmp,
        }
    }

    /// For the evaluator of iptables programs.
    pub fn docker(&self) -> docker::Packet {
        let from = match &self.from {
            Some(name) => docker::From::Interface(name.clone()),
            None => docker::From::Host,
        };
        let tuple = |of: Tuple| docker::Tuple {
            source: of.source,
            destination: of.destination,
            ports: of.ports,
        };
        let state = match self.state {
            State::New => docker::State::New,
            State::Established => docker::State::Established,
            State::Related => docker::State::Related,
            State::Invalid => docker::State::Invalid,
            State::Untracked => docker::State::Untracked,
        };
        let reply = self.flow.is_some_and(|flow| flow.reply_direction);
        let mut packet =
            docker::Packet::new(from, self.source, self.destination, self.protocol).mark(self.mark);
        packet.to.clone_from(&self.bridged);
        packet.ports = self.ports;
        packet.icmp = self.icmp;
        packet.length = LENGTH;
        packet.details.tcp_flags = self.tcp_flags();
        packet.details.ttl = Some(TTL);
        packet.details.tos = Some(0);
        packet.ct = docker::Conntrack {
            state,
            direction: if reply {
                docker::Direction::Reply
            } else {
                docker::Direction::Original
            },
            original: self.flow.map(|flow| tuple(flow.original)),
            reply: self.flow.map(|flow| tuple(flow.reply)),
            ..docker::Conntrack::default()
        };
        packet
    }

    /// For the evaluator of our rulesets.
    pub fn ours(&self) -> ours::Packet {
        let from = match &self.from {
            Some(name) => ours::From::Interface(name.clone()),
            None => ours::From::Host,
        };
        let tuple = |of: Tuple| ours::Tuple {
            source: of.source,
            destination: of.destination,
            protocol: of.protocol,
            ports: of.ports.or_else(|| {
                let (kind, code) = of.icmp?;
                Some((0, u16::from_be_bytes([kind, code])))
            }),
        };
        let state = match self.state {
            State::New => ours::State::New,
            State::Established => ours::State::Established,
            State::Related => ours::State::Related,
            State::Invalid => ours::State::Invalid,
            State::Untracked => ours::State::Untracked,
        };
        let reply = self.flow.is_some_and(|flow| flow.reply_direction);
        let mut packet = ours::Packet::new(from, self.source, self.destination, self.protocol);
        packet.to.clone_from(&self.bridged);
        packet.ports = self.ports;
        packet.icmp = self.icmp;
        packet.mark = self.mark;
        packet.length = LENGTH;
        packet.tcp_flags = self.tcp_flags();
        packet.ttl = TTL;
        packet.ct_expiration = Some(0);
        packet.ct = ours::Conntrack {
            state,
            // What is not new has been answered.
            status: if self.is_answer() {
                status::SEEN_REPLY | status::CONFIRMED
            } else {
                0
            },
            direction: if reply {
                ours::Direction::Reply
            } else {
                ours::Direction::Original
            },
            original: self.flow.map(|flow| tuple(flow.original)),
            reply: self.flow.map(|flow| tuple(flow.reply)),
            ..ours::Conntrack::default()
        };
        packet
    }
}

impl Tuple {
    /// The tuple of an answer that nobody rewrites.
    #[must_use]
    pub fn inverted(self) -> Self {
        let kind = |kind| match kind {
            8 => 0,
            0 => 8,
            128 => 129,
            129 => 128,
            13 => 14,
            14 => 13,
            other => other,
        };
        Self {
            source: self.destination,
            destination: self.source,
            protocol: self.protocol,
            ports: self
                .ports
                .map(|(source, destination)| (destination, source)),
            icmp: self.icmp.map(|(of, code)| (kind(of), code)),
        }
    }
}

/// What became of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Where it ended.
    pub verdict: Verdict,
    /// The source after all rewriting.
    pub source: IpAddr,
    /// The destination after all rewriting.
    pub destination: IpAddr,
    /// The ports after all rewriting.
    pub ports: Option<(u16, u16)>,
    /// The mark at the end.
    pub mark: u32,
}

/// Where a packet ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The machine itself got it.
    Delivered,
    /// It left by this interface.
    Forwarded(String),
    /// It was dropped.
    Dropped {
        /// Before it was routed or rewritten.
        prerouting: bool,
    },
    /// There is no route.
    NoRoute,
}

impl Outcome {
    /// Whether two outcomes are the same for sender and receiver. Where a packet is dropped does
    /// not matter, nor what it would have become.
    pub fn agrees(&self, other: &Self) -> bool {
        match (&self.verdict, &other.verdict) {
            (Verdict::Dropped { .. }, Verdict::Dropped { .. })
            | (Verdict::NoRoute, Verdict::NoRoute) => true,
            (Verdict::Delivered, Verdict::Delivered)
            | (Verdict::Forwarded(_), Verdict::Forwarded(_)) => self == other,
            _ => false,
        }
    }

    /// The interface by which it left.
    pub fn forwarded_to(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Forwarded(name) => Some(name),
            Verdict::Delivered | Verdict::Dropped { .. } | Verdict::NoRoute => None,
        }
    }

    /// The packet as it left; `None` when it did not.
    pub fn tuple(&self, of: &Packet) -> Option<Tuple> {
        match self.verdict {
            Verdict::Delivered | Verdict::Forwarded(_) => Some(Tuple {
                source: self.source,
                destination: self.destination,
                ports: self.ports,
                ..of.tuple()
            }),
            Verdict::Dropped { .. } | Verdict::NoRoute => None,
        }
    }

    /// The same packet, dropped.
    #[must_use]
    pub fn dropped(mut self) -> Self {
        self.verdict = Verdict::Dropped { prerouting: false };
        self
    }
}

impl From<docker::Outcome> for Outcome {
    fn from(of: docker::Outcome) -> Self {
        let verdict = match of.verdict {
            docker::Verdict::Delivered => Verdict::Delivered,
            docker::Verdict::Forwarded { interface } => Verdict::Forwarded(interface),
            docker::Verdict::Dropped { hook } | docker::Verdict::Rejected { hook, .. } => {
                Verdict::Dropped {
                    prerouting: hook == docker::Hook::Prerouting,
                }
            }
            docker::Verdict::NoRoute => Verdict::NoRoute,
        };
        Self {
            verdict,
            source: of.source,
            destination: of.destination,
            ports: of.ports,
            mark: of.mark,
        }
    }
}

impl From<ours::Outcome> for Outcome {
    fn from(of: ours::Outcome) -> Self {
        let verdict = match of.verdict {
            ours::Verdict::Delivered { .. } => Verdict::Delivered,
            ours::Verdict::Forwarded { interface } => Verdict::Forwarded(interface),
            ours::Verdict::Dropped { hook } | ours::Verdict::Rejected { hook, .. } => {
                Verdict::Dropped {
                    prerouting: hook == OurHook::Prerouting,
                }
            }
            ours::Verdict::NoRoute => Verdict::NoRoute,
        };
        Self {
            verdict,
            source: of.source,
            destination: of.destination,
            ports: of.ports,
            mark: of.mark,
        }
    }
}
