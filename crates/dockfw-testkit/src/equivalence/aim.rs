//! Packets that aim at the boundaries of a host: its addresses and ports and their neighbours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_iptables::TableName;
use dockfw_lower::docker::binding::bindings;
use dockfw_lower::docker::publish::PortRange;
use dockfw_lower::host::Host;
use dockfw_lower::reference::reference;

use super::packet::{Flow, ICMP, ICMPV6, Outcome, Packet, State};
use super::rng::Rng;
use super::user::constants::Constants;
use super::world::{EXTERNAL, LOOPBACK, TRUSTED, World, bridge_of, subnets};

mod feature;

/// What there is to aim at.
#[derive(Debug)]
pub struct Aim {
    interfaces: Vec<String>,
    /// Bridges with the addresses of their containers.
    bridges: Vec<(String, Vec<IpAddr>)>,
    /// Addresses of the machine.
    local: [Vec<IpAddr>; 2],
    /// Addresses of containers.
    containers: [Vec<IpAddr>; 2],
    /// Every other address that is worth a packet.
    others: [Vec<IpAddr>; 2],
    /// Published ports: protocol, host address if it is a specific one, port.
    published: Vec<(u8, Option<IpAddr>, u16, bool)>,
    /// Open ports of containers.
    open: Vec<(u8, IpAddr, u16)>,
    /// Legacy links.
    links: Vec<feature::LinkAim>,
    ports: Vec<u16>,
    marks: Vec<u32>,
    /// What the operator's rules compare with.
    constants: Option<Constants>,
}

/// Index of a family in pairs of lists.
fn of(ipv6: bool) -> usize {
    usize::from(ipv6)
}

impl Aim {
    /// Collects what a host and its machine offer.
    pub fn new(host: &Host, world: &World) -> Self {
        let mut aim = Self {
            interfaces: world.interfaces.iter().map(|of| of.name.clone()).collect(),
            bridges: Vec::new(),
            local: [Vec::new(), Vec::new()],
            containers: [Vec::new(), Vec::new()],
            others: [Vec::new(), Vec::new()],
            published: Vec::new(),
            open: Vec::new(),
            links: Vec::new(),
            ports: vec![1, 80, 40_000, 65_535],
            marks: vec![0, 0, 0, 1],
            constants: None,
        };
        for net in world.interfaces.iter().flat_map(|of| &of.addresses) {
            aim.local[of(net.addr().is_ipv6())].push(net.addr());
        }
        aim.local[0].push(Ipv4Addr::new(127, 0, 0, 2).into());
        aim.others(host, world);
        for (place, network) in host.networks.iter().enumerate() {
            let endpoints = host.containers.iter().flat_map(|of| &of.endpoints);
            let here = endpoints.filter(|endpoint| endpoint.network == place);
            let addresses: Vec<IpAddr> = here
                .flat_map(|endpoint| {
                    let ipv4 = endpoint.ipv4.map(IpAddr::V4);
                    ipv4.into_iter().chain(endpoint.ipv6.map(IpAddr::V6))
                })
                .collect();
            for address in &addresses {
                aim.containers[of(address.is_ipv6())].push(*address);
            }
            if let Some(device) = bridge_of(network) {
                aim.bridges.push((device.to_owned(), addresses));
            }
        }
        if host.user.is_some() {
            let reference = reference(host);
            let [ipv4, ipv6] = [&reference.ipv4, &reference.ipv6]
                .map(|program| Constants::of(program, &[TableName::Filter]));
            aim.constants = Some(ipv4.and(ipv6));
        }
        aim.ports_of(host);
        aim.mesh_of(host);
        aim.links_of(host);
        if let Some(fwmark) = host.daemon.bridge_accept_fwmark {
            let (mark, bits) = (fwmark.mark, fwmark.mask);
            let near = [
                mark,
                mark,
                mark ^ 1,
                mark & bits,
                mark | !bits,
                mark.wrapping_add(1),
            ];
            aim.marks.extend(near);
        }
        aim
    }

    fn others(&mut self, host: &Host, world: &World) {
        let constants = [
            "203.0.113.9",
            "203.0.113.200",
            "192.0.2.9",
            "192.0.2.77",
            "198.51.100.9",
            "127.1.2.3",
            "255.255.255.255",
            "224.0.0.1",
            "0.0.0.0",
            "2001:db8:dead::9",
            "2001:db8:ffff::9",
            "2001:db8:ffff::77",
            "2001:db8:eeee::9",
            "fe80::9",
            "ff02::1",
        ];
        let constants = constants.iter().map(|text| text.parse::<IpAddr>().unwrap());
        let mut all: Vec<IpAddr> = constants.collect();
        let routed = world.routes.iter().map(|(net, _)| *net);
        let foreign = routed.filter(|net| net.prefix_len() != 0);
        for net in host.networks.iter().flat_map(subnets).chain(foreign) {
            let ends = [net.network(), net.broadcast()];
            all.extend(ends);
            all.extend(ends.iter().flat_map(|end| [before(*end), after(*end)]));
            all.extend(net.hosts().nth(1));
        }
        for address in all {
            self.others[of(address.is_ipv6())].push(address);
        }
    }

    fn ports_of(&mut self, host: &Host) {
        for binding in bindings(host) {
            let protocol = binding.protocol.number();
            let ipv6 = binding.container_address.is_ipv6();
            if let Some(range) = binding.host_ports {
                let exact = Some(binding.host_address).filter(|of| !of.is_unspecified());
                for port in ends(range) {
                    self.published.push((protocol, exact, port, ipv6));
                    self.ports.push(port);
                }
            }
            for port in ends(binding.container_ports) {
                self.open.push((protocol, binding.container_address, port));
                self.ports.push(port);
            }
        }
    }

    /// A packet that begins a connection, or that conntrack does not know.
    pub fn packet(&self, rng: &mut Rng) -> Packet {
        let (ipv6, destination, protocol, port) = self.target(rng);
        let from = if rng.chance(22) {
            None
        } else {
            Some(rng.pick(&self.interfaces).clone())
        };
        let source = self.source(rng, from.as_deref(), destination);
        let icmp = (protocol == ICMP || protocol == ICMPV6).then(|| {
            let kinds: &[u8] = if ipv6 { &[128, 128, 135] } else { &[8, 8, 13] };
            (*rng.pick(kinds), 0)
        });
        let mut packet = Packet {
            from,
            bridged: None,
            source,
            destination,
            protocol,
            ports: icmp.is_none().then(|| (*rng.pick(&[40_000, 1, 80]), port)),
            icmp,
            mark: *rng.pick(&self.marks),
            state: *rng.weighted(&[(90, State::New), (5, State::Invalid), (5, State::Untracked)]),
            flow: None,
        };
        self.bridge(rng, &mut packet);
        self.link(rng, &mut packet);
        self.mirrored(rng, &mut packet);
        if let Some(constants) = self.constants.as_ref().filter(|_| rng.chance(80)) {
            constants.aim(rng, &mut packet, &self.interfaces);
        }
        packet
    }

    /// Family, address, protocol and port.
    fn target(&self, rng: &mut Rng) -> (bool, IpAddr, u8, u16) {
        let (ipv6, mut address, mut protocol, mut port) = match rng.below(10) {
            0..4 if !self.published.is_empty() => {
                let (protocol, exact, port, ipv6) = *rng.pick(&self.published);
                let any = *rng.pick(&self.local[of(ipv6)]);
                (ipv6, exact.unwrap_or(any), protocol, port)
            }
            4..7 if !self.open.is_empty() => {
                let (protocol, address, port) = *rng.pick(&self.open);
                (address.is_ipv6(), address, protocol, port)
            }
            _ => {
                let ipv6 = rng.chance(45);
                let protocol = *rng.pick(&[6, 17, 132]);
                let port = *rng.pick(&self.ports);
                (ipv6, self.address(rng, ipv6), protocol, port)
            }
        };
        match rng.below(12) {
            0 | 1 => protocol = if ipv6 { ICMPV6 } else { ICMP },
            2 => protocol = *rng.pick(&[6, 17, 132]),
            3 => port = *rng.pick(&self.ports),
            4 => port = rng.port(),
            5 | 6 => address = self.address(rng, ipv6),
            7 => address = *rng.pick(&self.local[of(ipv6)]),
            _ => {}
        }
        (ipv6, address, protocol, port)
    }

    /// Any address of a family.
    fn address(&self, rng: &mut Rng, ipv6: bool) -> IpAddr {
        let list = *rng.pick(&[
            &self.local[of(ipv6)],
            &self.containers[of(ipv6)],
            &self.containers[of(ipv6)],
            &self.others[of(ipv6)],
        ]);
        let list = if list.is_empty() {
            &self.others[of(ipv6)]
        } else {
            list
        };
        let address = *rng.pick(list);
        match rng.below(20) {
            0 => before(address),
            1 => after(address),
            _ => address,
        }
    }

    /// A source that belongs where the packet comes from, or one that does not.
    fn source(&self, rng: &mut Rng, from: Option<&str>, destination: IpAddr) -> IpAddr {
        let ipv6 = destination.is_ipv6();
        if rng.chance(25) {
            return self.address(rng, ipv6);
        }
        let bridge = self.bridges.iter().find(|(name, _)| Some(&**name) == from);
        let own: Vec<IpAddr> = match (from, bridge) {
            (None, _) if self.local[of(ipv6)].contains(&destination) && rng.chance(50) => {
                vec![destination]
            }
            (None | Some(LOOPBACK), _) => self.local[of(ipv6)].clone(),
            (Some(_), Some((_, addresses))) => addresses
                .iter()
                .copied()
                .filter(|address| address.is_ipv6() == ipv6)
                .collect(),
            (Some(TRUSTED), None) if ipv6 => vec!["2001:db8:eeee::9".parse().unwrap()],
            (Some(TRUSTED), None) => vec![Ipv4Addr::new(198, 51, 100, 9).into()],
            (Some(EXTERNAL), None) if ipv6 && rng.chance(15) => vec!["fe80::9".parse().unwrap()],
            (Some(_), None) if ipv6 => vec!["2001:db8:dead::9".parse().unwrap()],
            (Some(_), None) => vec![Ipv4Addr::new(203, 0, 113, 9).into()],
        };
        if own.is_empty() {
            return self.address(rng, ipv6);
        }
        *rng.pick(&own)
    }

    /// Makes some packets from a bridge bridged ones, most of them to a container of the bridge.
    fn bridge(&self, rng: &mut Rng, packet: &mut Packet) {
        let bridge = self
            .bridges
            .iter()
            .find(|(name, _)| Some(name) == packet.from.as_ref());
        let Some((name, addresses)) = bridge.filter(|_| rng.chance(35)) else {
            return;
        };
        packet.bridged = Some(name.clone());
        let ipv6 = packet.destination.is_ipv6();
        let near: Vec<_> = addresses
            .iter()
            .filter(|address| address.is_ipv6() == ipv6)
            .collect();
        if !near.is_empty() && rng.chance(60) {
            packet.destination = **rng.pick(&near);
        }
    }

    /// Later packets of a connection whose first packet has met this end.
    pub fn later(&self, rng: &mut Rng, first: &Packet, outcome: &Outcome) -> Vec<Packet> {
        let Some(sent) = outcome.tuple(first).filter(|_| first.state == State::New) else {
            return Vec::new();
        };
        let flow = |reply_direction| Flow {
            reply_direction,
            original: first.tuple(),
            reply: sent.inverted(),
        };
        let again = Packet {
            state: State::Established,
            flow: Some(flow(false)),
            ..first.clone()
        };
        // What left by an interface is answered there; what was delivered, by the machine.
        let back = outcome.forwarded_to().map(str::to_owned);
        let stays = first.bridged.is_some() && first.bridged == back;
        let reply = sent.inverted();
        let answer = Packet {
            from: back.clone(),
            bridged: if stays { back } else { None },
            source: reply.source,
            destination: reply.destination,
            ports: reply.ports,
            icmp: reply.icmp,
            state: State::Established,
            flow: Some(flow(true)),
            ..first.clone()
        };
        let error = |of: &Packet, rng: &mut Rng| {
            let ipv6 = of.destination.is_ipv6();
            let router = rng.chance(50).then(|| self.address(rng, ipv6));
            Packet {
                source: router.unwrap_or(of.source),
                protocol: if ipv6 { ICMPV6 } else { ICMP },
                ports: None,
                icmp: Some(if ipv6 { (1, 4) } else { (3, 3) }),
                state: State::Related,
                ..of.clone()
            }
        };
        let mut all = vec![error(&again, rng), error(&answer, rng)];
        // The same from where it does not belong.
        for packet in [&again, &answer] {
            if packet.bridged.is_none() && rng.chance(30) {
                all.push(Packet {
                    from: Some(rng.pick(&self.interfaces).clone()),
                    ..packet.clone()
                });
            }
        }
        all.extend([again, answer]);
        all
    }

    /// The packet as one of a connection from before the rules, which nobody has rewritten.
    pub fn stray(rng: &mut Rng, packet: &Packet) -> Packet {
        let reply_direction = rng.chance(50);
        let (original, reply) = if reply_direction {
            (packet.tuple().inverted(), packet.tuple())
        } else {
            (packet.tuple(), packet.tuple().inverted())
        };
        Packet {
            state: State::Established,
            flow: Some(Flow {
                reply_direction,
                original,
                reply,
            }),
            ..packet.clone()
        }
    }
}

/// Ports at the ends of a range, on both sides of each, and in its middle.
fn ends(range: PortRange) -> Vec<u16> {
    let mut ports = vec![range.first(), range.last()];
    ports.extend(range.first().checked_sub(1).filter(|port| *port > 0));
    ports.extend(range.last().checked_add(1));
    if range.count() > 2 {
        ports.push(range.first() + range.count() / 2);
    }
    ports
}

fn before(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address).wrapping_sub(1)).into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address).wrapping_sub(1)).into(),
    }
}

fn after(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address).wrapping_add(1)).into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address).wrapping_add(1)).into(),
    }
}
