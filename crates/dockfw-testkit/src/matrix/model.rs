//! Both evaluators behind one face: Docker's iptables rules, and our ruleset.

use std::net::IpAddr;

use dockfw_iptables::Program;
use dockfw_iptables::eval as docker;
use dockfw_ir::eval as dockfw;
use dockfw_ir::{Ruleset, Verified, verify::verify};
use dockfw_lower::host::Host;
use dockfw_lower::reference::Reference;

use anyhow::{Result, anyhow};

use super::place::Place;
use crate::lab::Protocol;

/// Addresses and ports of one direction; ports of an echo are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Source address and port.
    pub source: (IpAddr, u16),
    /// Destination address and port.
    pub destination: (IpAddr, u16),
}

impl Ends {
    /// Those of an answer.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
        }
    }
}

/// A packet at the host.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The interface it came in by; `None`: the host sends it.
    pub interface: Option<String>,
    /// Whether it only passes from port to port of the bridge `interface`.
    pub bridged: bool,
    /// What is on the wire.
    pub ends: Ends,
    /// What it speaks.
    pub protocol: Protocol,
    /// For a link-local destination of the host: the interface it is on.
    pub link: Option<String>,
    /// Its mark.
    pub mark: u32,
    /// For an answer: the flow's first packet on the wire, and the answer expected to it.
    pub answers: Option<(Ends, Ends)>,
}

/// What the rules made of it.
#[derive(Debug, Clone)]
pub struct Departure {
    /// Where it ended.
    pub end: End,
    /// What is on the wire afterwards.
    pub ends: Ends,
    /// The rules that did something.
    pub trail: Vec<String>,
}

/// Where a packet ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// At the host itself.
    Host,
    /// It left by this interface.
    Out(String),
    /// Dropped or rejected by a rule.
    Dropped,
    /// The host has no route.
    NoRoute,
}

/// Rules that judge packets.
pub trait Model {
    /// What becomes of a packet.
    fn walk(&self, arrival: &Arrival) -> Departure;
}

/// Docker's own rules.
#[derive(Debug)]
pub struct DockerModel<'r> {
    host: docker::Host,
    ipv4: docker::Evaluator<'r>,
    ipv6: docker::Evaluator<'r>,
}

/// Our rules.
#[derive(Debug)]
pub struct DockfwModel<'r> {
    host: dockfw::Host,
    evaluator: dockfw::Evaluator<'r>,
}

impl<'r> DockerModel<'r> {
    /// A model of dockerd's rules.
    pub fn new(place: &Place<'_>, reference: &'r Reference) -> Self {
        Self::of_programs(place, &reference.ipv4, &reference.ipv6)
    }

    /// A model of any two programs.
    pub fn of_programs(place: &Place<'_>, ipv4: &'r Program, ipv6: &'r Program) -> Self {
        let interfaces = place.interfaces().into_iter();
        Self {
            host: docker::Host {
                interfaces: interfaces
                    .map(|(name, addresses)| docker::Interface { name, addresses })
                    .collect(),
                routes: Vec::new(),
            },
            ipv4: docker::Evaluator::new(ipv4),
            ipv6: docker::Evaluator::new(ipv6),
        }
    }
}

impl<'r> DockfwModel<'r> {
    /// A model of a ruleset.
    pub fn new(place: &Place<'_>, ruleset: &'r Verified) -> Self {
        let interfaces = place.interfaces().into_iter();
        Self {
            host: dockfw::Host {
                interfaces: interfaces
                    .map(|(name, addresses)| dockfw::Interface { name, addresses })
                    .collect(),
                routes: Vec::new(),
            },
            evaluator: dockfw::Evaluator::new(ruleset),
        }
    }
}

/// Our rules for a host.
///
/// # Errors
///
/// When the verifier refuses them.
pub fn ruleset(host: &Host) -> Result<Verified> {
    verify(dockfw_lower::lower(host)).map_err(|error| anyhow!("{error}"))
}

/// No rules at all.
///
/// # Errors
///
/// When the verifier refuses even that.
pub fn no_ruleset() -> Result<Verified> {
    verify(Ruleset::default()).map_err(|error| anyhow!("{error}"))
}

/// The protocol number, and type and code of an echo message.
fn numbers(protocol: Protocol, address: IpAddr, answer: bool) -> (u8, Option<(u8, u8)>) {
    match (protocol, address, answer) {
        (Protocol::Tcp, ..) => (6, None),
        (Protocol::Udp, ..) => (17, None),
        (Protocol::Icmp, IpAddr::V4(_), false) => (1, Some((8, 0))),
        (Protocol::Icmp, IpAddr::V4(_), true) => (1, Some((0, 0))),
        (Protocol::Icmp, IpAddr::V6(_), false) => (58, Some((128, 0))),
        (Protocol::Icmp, IpAddr::V6(_), true) => (58, Some((129, 0))),
    }
}

/// Both ports, of what has ports.
fn ports(ends: Ends, protocol: Protocol) -> Option<(u16, u16)> {
    (protocol != Protocol::Icmp).then_some((ends.source.1, ends.destination.1))
}

fn ends(source: IpAddr, destination: IpAddr, ports: Option<(u16, u16)>) -> Ends {
    let (from, to) = ports.unwrap_or_default();
    Ends {
        source: (source, from),
        destination: (destination, to),
    }
}

impl Model for DockerModel<'_> {
    fn walk(&self, arrival: &Arrival) -> Departure {
        let Arrival {
            ends: before,
            protocol,
            ..
        } = *arrival;
        let from = match &arrival.interface {
            Some(name) => docker::From::Interface(name.clone()),
            None => docker::From::Host,
        };
        let (source, destination) = (before.source.0, before.destination.0);
        let (number, icmp) = numbers(protocol, destination, arrival.answers.is_some());
        let mut packet = docker::Packet::new(from, source, destination, number).mark(arrival.mark);
        packet.ports = ports(before, protocol);
        packet.icmp = icmp;
        packet.to = arrival.interface.clone().filter(|_| arrival.bridged);
        packet.link.clone_from(&arrival.link);
        if let Some((original, reply)) = arrival.answers {
            let tuple = |of: Ends| docker::Tuple {
                source: of.source.0,
                destination: of.destination.0,
                ports: ports(of, protocol),
            };
            packet.ct = docker::Conntrack::established(
                docker::Direction::Reply,
                tuple(original),
                tuple(reply),
            );
        }
        let evaluator = if destination.is_ipv4() {
            &self.ipv4
        } else {
            &self.ipv6
        };
        let outcome = evaluator.eval(&self.host, &packet);
        Departure {
            end: match outcome.verdict {
                docker::Verdict::Delivered => End::Host,
                docker::Verdict::Forwarded { interface } => End::Out(interface),
                docker::Verdict::Dropped { .. } | docker::Verdict::Rejected { .. } => End::Dropped,
                docker::Verdict::NoRoute => End::NoRoute,
            },
            ends: ends(outcome.source, outcome.destination, outcome.ports),
            trail: outcome.trail.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Model for DockfwModel<'_> {
    fn walk(&self, arrival: &Arrival) -> Departure {
        let Arrival {
            ends: before,
            protocol,
            ..
        } = *arrival;
        let from = match &arrival.interface {
            Some(name) => dockfw::From::Interface(name.clone()),
            None => dockfw::From::Host,
        };
        let (source, destination) = (before.source.0, before.destination.0);
        let (number, icmp) = numbers(protocol, destination, arrival.answers.is_some());
        let mut packet = dockfw::Packet::new(from, source, destination, number);
        packet.ports = ports(before, protocol);
        packet.icmp = icmp;
        packet.mark = arrival.mark;
        packet.to = arrival.interface.clone().filter(|_| arrival.bridged);
        packet.link.clone_from(&arrival.link);
        if let Some((original, reply)) = arrival.answers {
            let tuple = |of: Ends, answer: bool| {
                let (protocol_number, icmp) = numbers(protocol, destination, answer);
                let message = icmp.map(|(kind, code)| (0, u16::from_be_bytes([kind, code])));
                dockfw::Tuple {
                    source: of.source.0,
                    destination: of.destination.0,
                    protocol: protocol_number,
                    ports: ports(of, protocol).or(message),
                }
            };
            packet.ct.state = dockfw::State::Established;
            packet.ct.direction = dockfw::Direction::Reply;
            packet.ct.original = Some(tuple(original, false));
            packet.ct.reply = Some(tuple(reply, true));
        }
        let outcome = self.evaluator.eval(&self.host, &packet);
        Departure {
            end: match outcome.verdict {
                dockfw::Verdict::Delivered { .. } => End::Host,
                dockfw::Verdict::Forwarded { interface } => End::Out(interface),
                dockfw::Verdict::Dropped { .. } | dockfw::Verdict::Rejected { .. } => End::Dropped,
                dockfw::Verdict::NoRoute => End::NoRoute,
            },
            ends: ends(outcome.source, outcome.destination, outcome.ports),
            trail: outcome.trail.iter().map(step).collect(),
        }
    }
}

fn step(step: &dockfw::Step) -> String {
    let dockfw::Step {
        chain,
        rule,
        comment,
        action,
        ..
    } = step;
    let rule = rule.map_or_else(|| "policy".to_owned(), |rule| format!("rule {rule}"));
    let comment = comment
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    format!("{chain} {rule} ({comment}): {action:?}")
}
