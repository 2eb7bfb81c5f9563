//! Makes a host and a packet small while a difference stays.

use dockfw_lower::docker::publish::PortRange;
use dockfw_lower::host::{Daemon, GatewayMode, Host};

use dockfw_lower::optimize::Optimize;

use super::generate::is_accepted;
use super::packet::Packet;
use super::user::User;
use super::world::World;

/// The smallest host and packet that can be reached by leaving out one thing after the other.
///
/// `differs` says whether the difference is still there.
pub fn shrink(
    host: &Host,
    packet: &Packet,
    differs: &dyn Fn(&Host, &Packet) -> bool,
) -> (Host, Packet) {
    let (mut host, mut packet) = (host.clone(), packet.clone());
    let mut again = true;
    while again {
        again = false;
        let mut step = 0;
        while let Some(smaller) = smaller_host(&host, step) {
            let fits =
                smaller != host && is_accepted(&smaller) && has_interfaces(&smaller, &packet);
            if fits && differs(&smaller, &packet) {
                host = smaller;
                again = true;
            } else {
                step += 1;
            }
        }
        for make in [unmarked, routed] {
            let smaller = make(&packet);
            if smaller != packet && differs(&host, &smaller) {
                packet = smaller;
                again = true;
            }
        }
    }
    (host, packet)
}

/// The fewest lines of an operator's rules with which the difference stays, not folded if that
/// does not matter.
pub fn fewer(user: User, holds: &dyn Fn(&User) -> bool) -> User {
    let mut best = user;
    let plain = User {
        optimize: Optimize::None,
        ..best.clone()
    };
    if holds(&plain) {
        best = plain;
    }
    let mut width = best.ipv4.len().max(best.ipv6.len()).max(1);
    while width > 0 {
        for family in [0, 1] {
            let mut at = 0;
            loop {
                let mut smaller = best.clone();
                let lines = [&mut smaller.ipv4, &mut smaller.ipv6]
                    .into_iter()
                    .nth(family);
                let Some(lines) = lines.filter(|lines| at < lines.len()) else {
                    break;
                };
                let end = lines.len().min(at + width);
                lines.drain(at..end);
                if holds(&smaller) {
                    best = smaller;
                } else {
                    at += width;
                }
            }
        }
        width /= 2;
    }
    best
}

fn has_interfaces(host: &Host, packet: &Packet) -> bool {
    let world = World::new(host);
    let mut names = packet.from.iter().chain(&packet.bridged);
    names.all(|name| world.has(name))
}

/// The host with one thing less; `None` when there are no more things.
fn smaller_host(host: &Host, step: usize) -> Option<Host> {
    let mut host = host.clone();
    let mut step = step;
    let mut is_now = |count: usize| {
        let now = step < count;
        if !now {
            step -= count;
        }
        now.then_some(step)
    };
    if let Some(at) = is_now(host.containers.len()) {
        host.containers.remove(at);
        for container in &mut host.containers {
            container.links.retain(|server| *server != at);
            for server in &mut container.links {
                *server -= usize::from(*server > at);
            }
        }
        return Some(host);
    }
    if let Some(at) = is_now(host.networks.len()) {
        host.networks.remove(at);
        for container in &mut host.containers {
            container.endpoints.retain(|of| of.network != at);
            for endpoint in &mut container.endpoints {
                endpoint.network -= usize::from(endpoint.network > at);
            }
        }
        return Some(host);
    }
    for index in 0..host.containers.len() {
        let container = &mut host.containers[index];
        if let Some(at) = is_now(container.publish.len()) {
            container.publish.remove(at);
            return Some(host);
        }
        if let Some(at) = is_now(container.publish.len()) {
            let publish = &mut container.publish[at];
            publish.host_ports = publish.host_ports.map(one_port);
            publish.container_ports = one_port(publish.container_ports);
            return Some(host);
        }
        if let Some(at) = is_now(container.publish.len()) {
            container.publish[at].host = None;
            return Some(host);
        }
        if let Some(at) = is_now(container.endpoints.len()) {
            container.endpoints.remove(at);
            return Some(host);
        }
        if let Some(at) = is_now(container.endpoints.len()) {
            container.endpoints[at].gw_priority = 0;
            return Some(host);
        }
        if let Some(at) = is_now(container.links.len()) {
            container.links.remove(at);
            return Some(host);
        }
        if let Some(at) = is_now(container.expose.len()) {
            container.expose.remove(at);
            return Some(host);
        }
        if let Some(at) = is_now(container.expose.len()) {
            let exposed = &mut container.expose[at];
            exposed.ports = one_port(exposed.ports);
            return Some(host);
        }
    }
    if let Some(ingress) = &mut host.ingress {
        if let Some(at) = is_now(ingress.publish.len()) {
            ingress.publish.remove(at);
            return Some(host);
        }
        if let Some(at) = is_now(ingress.publish.len()) {
            let publish = &mut ingress.publish[at];
            publish.host_ports = publish.host_ports.map(one_port);
            publish.container_ports = one_port(publish.container_ports);
            return Some(host);
        }
    }
    if let Some(at) = is_now(host.networks.len() * NETWORK_STEPS) {
        smaller_network(&mut host, at / NETWORK_STEPS, at % NETWORK_STEPS);
        return Some(host);
    }
    let at = is_now(8)?;
    let daemon = &mut host.daemon;
    let standard = Daemon::default();
    match at {
        0 => daemon.userland_proxy = standard.userland_proxy,
        1 => daemon.allow_direct_routing = standard.allow_direct_routing,
        2 => daemon.ip_forward = standard.ip_forward,
        3 => daemon.ip_forward_no_drop = standard.ip_forward_no_drop,
        4 => daemon.bridge_accept_fwmark = None,
        5 => host.ingress = None,
        6 => host.wsl2_mirrored = false,
        _ => host.count_publishes = false,
    }
    Some(host)
}

/// The first port of a range.
fn one_port(of: PortRange) -> PortRange {
    PortRange::new(of.first(), of.first()).unwrap()
}

const NETWORK_STEPS: usize = 13;

fn smaller_network(host: &mut Host, at: usize, step: usize) {
    let network = &mut host.networks[at];
    match step {
        0 => network.internal = false,
        1 => network.icc = true,
        2 => network.masquerade = true,
        3 => network.inhibit_ipv4 = false,
        4 => network.trusted_host_interfaces.clear(),
        5 => network.host_binding = std::net::Ipv4Addr::UNSPECIFIED.into(),
        6 | 7 => {
            if step == 6 {
                network.ipv4 = None;
            } else {
                network.ipv6 = None;
            }
            let endpoints = host.containers.iter_mut().flat_map(|of| &mut of.endpoints);
            for endpoint in endpoints.filter(|endpoint| endpoint.network == at) {
                if step == 6 {
                    endpoint.ipv4 = None;
                } else {
                    endpoint.ipv6 = None;
                }
            }
        }
        8..=10 => {
            if let Some(of) = &mut network.ipv4 {
                match step {
                    8 => of.gateway_mode = GatewayMode::Nat,
                    9 => of.host_address = None,
                    _ => of.gateway = None,
                }
            }
        }
        _ => {
            if let Some(of) = &mut network.ipv6 {
                if step == 11 {
                    of.gateway_mode = GatewayMode::Nat;
                } else {
                    (of.host_address, of.gateway) = (None, None);
                }
            }
        }
    }
}

fn unmarked(packet: &Packet) -> Packet {
    Packet {
        mark: 0,
        ..packet.clone()
    }
}

fn routed(packet: &Packet) -> Packet {
    Packet {
        bridged: None,
        ..packet.clone()
    }
}
