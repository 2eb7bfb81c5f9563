//! Published ports that lie beside others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_lower::docker::publish::{PortRange, Protocol, Publish};

use crate::equivalence::rng::Rng;

/// A publish that has something to do with the one before: the next ports, the same container
/// port, the same ports of another protocol or on another host address.
pub(super) fn of(rng: &mut Rng, mut publish: Publish) -> Publish {
    let after = |range: PortRange| {
        let first = range.last().checked_add(1)?;
        PortRange::new(first, first.checked_add(range.count() - 1)?)
    };
    let host_ports = publish.host_ports.unwrap();
    match rng.below(4) {
        0 | 1 => {
            let next = after(host_ports).zip(after(publish.container_ports));
            if let Some((host_ports, container_ports)) = next {
                publish.host_ports = Some(host_ports);
                if rng.chance(70) {
                    publish.container_ports = container_ports;
                }
            }
        }
        2 => {
            publish.protocol = match publish.protocol {
                Protocol::Tcp => Protocol::Udp,
                Protocol::Udp => Protocol::Sctp,
                Protocol::Sctp => Protocol::Tcp,
            };
        }
        _ => {
            let addresses: [IpAddr; 4] = [
                Ipv4Addr::LOCALHOST.into(),
                Ipv6Addr::LOCALHOST.into(),
                Ipv4Addr::new(192, 0, 2, 1).into(),
                Ipv4Addr::new(198, 51, 100, 1).into(),
            ];
            publish.host = Some(*rng.pick(&addresses));
        }
    }
    publish
}
