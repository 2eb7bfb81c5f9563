//! What published ports have carried, from the counters of `[host] count-publishes`.
//!
//! Counted is what passed every filter of this host and was rewritten by it: not what docker-proxy
//! relays, nor what goes to a container's own address. A packet is one for the counters as it is
//! for nftables: what the network card or the kernel has merged (GRO, TSO) is one packet with all
//! its bytes. Bytes are those of IP packets, headers included.

use std::net::IpAddr;

use dockfw_ir::name::SetName;
use dockfw_ir::value::Value;

use crate::docker::publish::{PortRange, Protocol};
use crate::host::Host;
use crate::lower::INGRESS_SANDBOX;
use crate::lower::count::{Side, Way, keys, segments};
use crate::lower::family::Family;

/// Packets and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// How many packets.
    pub packets: u64,
    /// The bytes of these IP packets.
    pub bytes: u64,
}

/// Published ports of one container that share their counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishCount {
    /// The container's name; `ingress-sbox` for a service of a swarm.
    pub container: String,
    /// Its address.
    pub container_address: IpAddr,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The container ports.
    pub container_ports: PortRange,
    /// The host addresses and ports that lead there, as many ports as `container_ports`; an
    /// unspecified address is any of the family. More than one when a container port is published
    /// more than once.
    pub published: Vec<(IpAddr, PortRange)>,
    /// Packets to the container.
    pub to: Traffic,
    /// Its answers.
    pub from: Traffic,
}

/// The sets whose elements count published ports; they are there with
/// [`Host::count_publishes`] only.
pub fn counting_sets() -> Vec<SetName> {
    let of = |side: Side| {
        Family::ALL
            .into_iter()
            .flat_map(move |family| ["", "-range"].map(|suffix| side.set(family, suffix)))
    };
    Side::ALL.into_iter().flat_map(of).collect()
}

/// The same sets two by two: of packets to containers, and of their answers with the same keys.
pub fn pairs() -> Vec<(SetName, SetName)> {
    let sets = counting_sets();
    let (to, from) = sets.split_at(sets.len() / 2);
    to.iter().cloned().zip(from.iter().cloned()).collect()
}

/// Address, protocol and port of a key of these sets; `None` when it is none.
pub fn target(key: &Value) -> Option<(IpAddr, Protocol, u16)> {
    let (address, rest) = match *key.as_bytes() {
        [a, b, c, d, ref rest @ ..] if rest.len() == REST => ([a, b, c, d].into(), rest),
        ref bytes => {
            let (address, rest) = bytes.split_first_chunk::<16>()?;
            (IpAddr::from(*address), rest)
        }
    };
    let [protocol, _, _, _, high, low, _, _] = *rest else {
        return None;
    };
    let protocol = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .into_iter()
        .find(|of| of.number() == protocol)?;
    Some((address, protocol, u16::from_be_bytes([high, low])))
}

/// The bytes of protocol and port in a key, each padded to a register.
const REST: usize = 8;

/// The counters of every published port, ordered by container address, protocol and port.
///
/// `counter` gives that of an element of a set, by its key, or its first key when it is a range;
/// `None`, when there is no such element, counts as nothing.
pub fn publish_counts(
    host: &Host,
    counter: impl Fn(&SetName, &Value) -> Option<Traffic>,
) -> Vec<PublishCount> {
    let (ways, segments) = segments(host);
    let mut counts = Vec::with_capacity(segments.len());
    for segment in &segments {
        let family = Family::of(segment.address);
        let keys = keys(segment);
        let sum = |side: Side| {
            let mut sum = Traffic::default();
            for (suffix, elements) in [("", &keys.exact), ("-range", &keys.range)] {
                let set = side.set(family, suffix);
                for element in elements {
                    let of = counter(&set, &element.key).unwrap_or_default();
                    sum.packets = sum.packets.saturating_add(of.packets);
                    sum.bytes = sum.bytes.saturating_add(of.bytes);
                }
            }
            sum
        };
        let of = || segment.ways.iter().filter_map(|way| ways.get(*way));
        let Some(container_ports) = PortRange::new(segment.first, segment.last) else {
            continue;
        };
        let owner = of().next().and_then(|way| way.container);
        let owner = owner.and_then(|index| host.containers.get(index));
        counts.push(PublishCount {
            container: owner
                .map_or(INGRESS_SANDBOX, |owner| owner.name.as_str())
                .to_owned(),
            container_address: segment.address,
            protocol: segment.protocol,
            container_ports,
            published: of()
                .filter_map(|way| published(way, container_ports))
                .collect(),
            to: sum(Side::To),
            from: sum(Side::From),
        });
    }
    counts
}

/// The host ports of a way that lead to these of its container ports.
fn published(way: &Way, ports: PortRange) -> Option<(IpAddr, PortRange)> {
    let offset = ports.first().checked_sub(way.first)?;
    let first = way.host_ports.first().checked_add(offset)?;
    let last = first.checked_add(ports.last().checked_sub(ports.first())?)?;
    Some((way.host_address, PortRange::new(first, last)?))
}

#[cfg(test)]
mod tests;
