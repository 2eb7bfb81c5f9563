//! The shapes of Docker's own rules, 20.10 to 29, told apart by their structure.
//!
//! A shape says what a rule states about the host; whether the bridge it names is Docker's is
//! decided later, because an operator's rule can have the same shape.
//!
//! Source: moby docker-v29.0.0, `daemon/libnetwork/drivers/bridge/internal/iptabler/`; moby
//! v20.10.24 and v27.5.1, `libnetwork/drivers/bridge/setup_ip_tables.go` and
//! `libnetwork/iptables/iptables.go`.

mod filter;
mod nat;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_iptables::r#match::conntrack::{Conntrack, States};
use dockfw_iptables::r#match::transport::Ports;
use dockfw_iptables::{
    AddressMask, Family, InterfacePattern, Invertible, Match, Protocol as XtProtocol, Rule,
    TableName, Target,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use Invertible::{Is, Not};

use crate::docker::publish::Protocol;
use crate::host::Fwmark;

/// A bridge as rules name it.
pub(super) type Bridge = InterfacePattern;

/// What a rule of Docker says about the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    /// A rule that every daemon makes, or that holds its chains together.
    Skeleton,
    /// `OUTPUT … -j DOCKER` in nat; with the loopback addresses there is no docker-proxy.
    OutputJump { hairpin: bool },
    /// `DOCKER -d 127.0.0.0/8 -i loopback0 -j RETURN` in nat.
    Mirrored,
    /// `POSTROUTING -s SUB ! -o BR -j MASQUERADE|SNAT`.
    Masquerade {
        bridge: Bridge,
        subnet: IpNet,
        to: Option<IpAddr>,
    },
    /// `POSTROUTING -o BR -m addrtype --src-type LOCAL -j MASQUERADE|SNAT`.
    MasqueradeHost { bridge: Bridge, to: Option<IpAddr> },
    /// `POSTROUTING -s EP -d EP … --dport CP -j MASQUERADE`.
    MasqueradeSelf {
        address: IpAddr,
        protocol: Protocol,
        port: u16,
    },
    /// `-i BR -o BR -j ACCEPT|DROP`.
    Looped { bridge: Bridge, accepted: bool },
    /// `-i BR [! -o BR] -j ACCEPT`.
    Outgoing { bridge: Bridge },
    /// `DOCKER -o BR -p icmp -j ACCEPT`.
    Icmp { bridge: Bridge },
    /// `DOCKER ! -i BR -o BR -j DROP|ACCEPT`.
    Default { bridge: Bridge, accepted: bool },
    /// `-o BR -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`.
    Established { bridge: Bridge },
    /// `-o BR -j DOCKER`.
    ToDocker { bridge: Bridge },
    /// The rules of `DOCKER-ISOLATION-STAGE-1` and `-2`, and `DOCKER -i BR -j RETURN` in nat.
    Isolated { bridge: Bridge },
    /// `! -s SUB -o BR -j DROP` or `! -d SUB -i BR -j DROP` of an internal network.
    Internal { bridge: Bridge, subnet: IpNet },
    /// `-m mark --mark … -j ACCEPT` in `DOCKER-FORWARD`.
    Marked(Fwmark),
    /// `PREROUTING -d EP -i TIF -j ACCEPT` in raw.
    Trusted { address: IpAddr, from: Bridge },
    /// `PREROUTING -d EP ! -i BR -j DROP` in raw.
    Direct { address: IpAddr, bridge: Bridge },
    /// `PREROUTING -d HIP ! -i lo … -j DROP`, or `-i loopback0 … -j ACCEPT`, in raw.
    Loopback {
        host: IpAddr,
        protocol: Protocol,
        port: u16,
        mirrored: bool,
    },
    /// `DOCKER [! -s fe80::/10] [-d HIP] [! -i BR] … --dport HP -j DNAT` in nat.
    Rewrite(Rewrite),
    /// `DOCKER -d EP ! -i BR -o BR … --dport CP -j ACCEPT`.
    Published {
        bridge: Bridge,
        address: IpAddr,
        protocol: Protocol,
        port: u16,
    },
    /// The two rules of a link; `reply` is the one with `--sport`.
    Link {
        bridge: Bridge,
        from: IpAddr,
        to: IpAddr,
        protocol: Protocol,
        port: u16,
        reply: bool,
    },
    /// `DOCKER-INGRESS … -j DNAT` in nat.
    Service {
        protocol: Protocol,
        port: u16,
        sandbox: IpAddr,
    },
}

/// A rewritten port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rewrite {
    pub(super) bridge: Option<Bridge>,
    pub(super) host: Option<IpAddr>,
    pub(super) protocol: Protocol,
    pub(super) host_port: u16,
    pub(super) address: IpAddr,
    pub(super) port: u16,
}

/// The parts of a rule that Docker's rules have.
pub(super) struct Parts<'r> {
    source: Option<Invertible<AddressMask>>,
    destination: Option<Invertible<AddressMask>>,
    input: Option<Invertible<InterfacePattern>>,
    output: Option<Invertible<InterfacePattern>>,
    protocol: Option<XtProtocol>,
    matches: &'r [Match],
    target: &'r Target,
}

/// What a rule says if it has the shape of one that Docker makes in this chain.
pub(super) fn fact(family: Family, table: TableName, chain: &str, rule: &Rule) -> Option<Fact> {
    let parts = Parts::new(rule)?;
    match (table, chain) {
        (TableName::Raw, "PREROUTING") => parts.raw(),
        (TableName::Nat, "PREROUTING" | "OUTPUT") => parts.nat_jump(family, chain),
        (TableName::Nat, "POSTROUTING") => parts.postrouting(),
        (TableName::Nat, "DOCKER") => parts.rewrite(family),
        (TableName::Nat | TableName::Filter, "DOCKER-INGRESS") => parts.ingress(table),
        (TableName::Filter, "FORWARD" | "DOCKER-FORWARD") => parts.forward(chain),
        (TableName::Filter, "DOCKER-CT" | "DOCKER-BRIDGE") => parts.towards(),
        (TableName::Filter, "DOCKER") => parts.docker(family),
        (
            TableName::Filter,
            "DOCKER-INTERNAL" | "DOCKER-ISOLATION-STAGE-1" | "DOCKER-ISOLATION-STAGE-2",
        ) => parts.isolation(),
        _ => None,
    }
}

impl<'r> Parts<'r> {
    /// The parts; `None` for a rule that has others.
    pub(super) fn new(rule: &'r Rule) -> Option<Self> {
        let protocol = match rule.protocol {
            Some(Is(protocol)) => Some(protocol),
            Some(Not(_)) => return None,
            None => None,
        };
        if rule.fragment.is_some() {
            return None;
        }
        Some(Self {
            source: rule.source,
            destination: rule.destination,
            input: rule.in_interface,
            output: rule.out_interface,
            protocol,
            matches: &rule.matches,
            target: rule.target.as_ref()?,
        })
    }
}

impl Parts<'_> {
    fn is_bare(&self) -> bool {
        self.source.is_none()
            && self.destination.is_none()
            && self.input.is_none()
            && self.output.is_none()
            && self.protocol.is_none()
    }

    /// The name of the chain that the rule jumps to.
    fn jump(&self) -> Option<&str> {
        match self.target {
            Target::Jump(chain) => Some(chain.as_str()),
            _ => None,
        }
    }

    /// Protocol, `--sport` and `--dport`, when the rule has exactly such a match.
    pub(super) fn transport(&self) -> Option<(Protocol, Option<u16>, Option<u16>)> {
        let (protocol, ports) = match (self.protocol?, self.matches) {
            (XtProtocol(6), [Match::Tcp(tcp)]) if *tcp == tcp.ports.into() => {
                (Protocol::Tcp, tcp.ports)
            }
            (XtProtocol(17), [Match::Udp(ports)]) => (Protocol::Udp, *ports),
            (XtProtocol(132), [Match::Sctp(sctp)]) if *sctp == sctp.ports.into() => {
                (Protocol::Sctp, sctp.ports)
            }
            _ => return None,
        };
        let Ports {
            source,
            destination,
        } = ports;
        Some((protocol, single(source)?, single(destination)?))
    }

    /// Protocol and port, when the rule has `--dport` and nothing else.
    pub(super) fn destination_port(&self) -> Option<(Protocol, u16)> {
        match self.transport()? {
            (protocol, None, Some(port)) => Some((protocol, port)),
            _ => None,
        }
    }
}

pub(super) fn is_established(state: &Conntrack) -> bool {
    *state == Conntrack::state(States::RELATED.or(States::ESTABLISHED))
}

/// The port of an option; the outer `None` when it is not a single one.
#[expect(clippy::option_option, reason = "absent is not the same as unfit")]
fn single(ports: Option<Invertible<dockfw_iptables::PortRange>>) -> Option<Option<u16>> {
    match ports {
        None => Some(None),
        Some(Is(range)) if range.first == range.last => Some(Some(range.first)),
        Some(Is(_) | Not(_)) => None,
    }
}

/// The address of a `/32` or `/128`.
fn host_address(mask: AddressMask) -> Option<IpAddr> {
    let net = net(mask)?;
    (net.prefix_len() == net.max_prefix_len()).then(|| net.addr())
}

/// The subnet of a mask without holes.
fn net(mask: AddressMask) -> Option<IpNet> {
    match mask {
        AddressMask::Ipv4(address, mask) => {
            Ipv4Net::with_netmask(address, mask).ok().map(IpNet::V4)
        }
        AddressMask::Ipv6(address, mask) => {
            Ipv6Net::with_netmask(address, mask).ok().map(IpNet::V6)
        }
    }
}

/// The loopback addresses of a family.
fn loopback(family: Family) -> AddressMask {
    match family {
        Family::Ipv4 => AddressMask::ipv4(Ipv4Addr::LOCALHOST, Ipv4Addr::new(255, 0, 0, 0)),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::LOCALHOST).into(),
    }
}

/// Whether the bridge of a fact is that of a network.
pub(super) fn bridge_is_network(fact: &Fact, host: &crate::host::Host) -> bool {
    super::gather::bridge_of(fact).is_some_and(|bridge| {
        host.networks
            .iter()
            .filter_map(|network| network.bridge.as_ref())
            .any(|name| name.as_str() == bridge.as_str())
    })
}
