//! Aims at legacy links, at swarm's routing mesh and at what Windows sends to WSL2.

use std::net::{IpAddr, Ipv4Addr};

use dockfw_lower::docker::link::links;
use dockfw_lower::host::Host;

use super::{Aim, ends};
use crate::equivalence::packet::Packet;
use crate::equivalence::rng::Rng;
use crate::equivalence::world::{MIRRORED, bridge_of};

/// A link and one of its ports, or a neighbour of one.
#[derive(Debug)]
pub(super) struct LinkAim {
    bridge: String,
    client: Ipv4Addr,
    server: Ipv4Addr,
    protocol: u8,
    port: u16,
}

impl Aim {
    /// Links by port, whether they open something or not.
    pub(super) fn links_of(&mut self, host: &Host) {
        for link in links(host) {
            let Some(bridge) = bridge_of(&host.networks[link.network]) else {
                continue;
            };
            for exposed in &link.ports {
                for port in ends(exposed.ports) {
                    self.ports.push(port);
                    self.links.push(LinkAim {
                        bridge: bridge.to_owned(),
                        client: link.parent,
                        server: link.child,
                        protocol: exposed.protocol.number(),
                        port,
                    });
                }
            }
        }
        for exposed in host.containers.iter().flat_map(|of| &of.expose) {
            self.ports.extend(ends(exposed.ports));
        }
    }

    /// Ports of services: at the host, at the sandbox, and where the same port is another one's.
    pub(super) fn mesh_of(&mut self, host: &Host) {
        let Some((ingress, place, network)) = host.mesh() else {
            return;
        };
        let sandbox = IpAddr::V4(ingress.sandbox);
        self.containers[0].push(sandbox);
        let device = bridge_of(network).unwrap_or_default();
        if let Some((_, addresses)) = self.bridges.iter_mut().find(|(name, _)| name == device) {
            addresses.push(sandbox);
        }
        let endpoints = host.containers.iter().flat_map(|of| &of.endpoints);
        let elsewhere = endpoints.filter(|endpoint| endpoint.network != place);
        let elsewhere: Vec<IpAddr> = elsewhere.filter_map(|of| Some(of.ipv4?.into())).collect();
        for publish in &ingress.publish {
            let protocol = publish.protocol.number();
            for port in publish.host_ports.into_iter().flat_map(ends) {
                self.ports.push(port);
                self.published.push((protocol, None, port, false));
                self.open.push((protocol, sandbox, port));
                let others = elsewhere.iter().map(|address| (protocol, *address, port));
                self.open.extend(others);
            }
        }
    }

    /// Makes some packets those of a link: there, back, or nearly so.
    pub(super) fn link(&self, rng: &mut Rng, packet: &mut Packet) {
        if self.links.is_empty() || !rng.chance(20) {
            return;
        }
        let link = rng.pick(&self.links);
        let (client, server) = (IpAddr::V4(link.client), IpAddr::V4(link.server));
        let back = rng.chance(40);
        (packet.source, packet.destination) = if back {
            (server, client)
        } else {
            (client, server)
        };
        // The port of the server on its own side, mostly.
        let at_source = back ^ rng.chance(12);
        let (own, other) = (link.port, 40_000);
        packet.ports = Some(if at_source {
            (own, other)
        } else {
            (other, own)
        });
        packet.protocol = link.protocol;
        packet.icmp = None;
        packet.from = Some(link.bridge.clone());
        packet.bridged = Some(link.bridge.clone()).filter(|_| rng.chance(85));
        match rng.below(10) {
            0 => packet.protocol = *rng.pick(&[6, 17, 132]),
            1 => packet.source = self.address(rng, false),
            2 => packet.destination = self.address(rng, false),
            3 => {
                packet.from = Some(rng.pick(&self.interfaces).clone());
                packet.bridged = None;
            }
            _ => {}
        }
    }

    /// Makes some packets to loopback addresses those of Windows.
    pub(super) fn mirrored(&self, rng: &mut Rng, packet: &mut Packet) {
        let mirrored = self.interfaces.iter().any(|name| name == MIRRORED);
        if mirrored && packet.destination.is_loopback() && rng.chance(40) {
            packet.from = Some(MIRRORED.to_owned());
            packet.bridged = None;
        }
    }
}
