//! Random hosts.
//!
//! A host is put together part by part; a part that dockerd would refuse is left out again, so that
//! what remains is dense with ports and addresses that lie beside each other.

use std::net::{Ipv4Addr, Ipv6Addr};

use dockfw_ir::name::IfName;
use dockfw_lower::docker::check::{Severity, check};
use dockfw_lower::docker::publish::{PortRange, Protocol, Publish};
use dockfw_lower::host::{
    Container, DEFAULT_BRIDGE, DOCKER_GWBRIDGE, Daemon, Driver, Endpoint, Fwmark, GatewayMode,
    Host, Network, NetworkFamily,
};
use ipnet::{Ipv4Net, Ipv6Net};

use super::rng::Rng;
use super::world::{first_ipv4, first_ipv6};

mod feature;
mod neighbour;

const NAMES: [&str; 7] = ["web", "db", "bridge", "Zed", "alpha", "n.1", "back end"];
const DEVICES: [&str; 8] = [
    "br-web",
    "br0",
    "docker0",
    "br-a",
    "br-ab",
    "br.1",
    "brZ",
    "a-bridge_123456",
];
const SUBNETS4: [&str; 10] = [
    "10.9.0.0/28",
    "10.9.0.16/28",
    "10.9.0.32/29",
    "10.9.0.40/29",
    "172.17.0.0/16",
    "172.18.0.0/16",
    "192.168.0.0/24",
    "192.168.1.0/24",
    "10.0.0.252/30",
    "10.0.0.250/31",
];
const SUBNETS6: [&str; 7] = [
    "2001:db8:1::/64",
    "2001:db8:2::/64",
    "2001:db8:2:1::/64",
    "fd00:0:0:1::/64",
    "fd00:0:0:2::/64",
    "fd00:0:0:3::/120",
    "fd00:0:0:3::100/120",
];
const PORTS: [u16; 14] = [
    80, 81, 82, 443, 53, 1, 8080, 8081, 8082, 9000, 9015, 9016, 65_534, 65_535,
];

/// Makes hosts, and counts how many of the parts that it tried dockerd would accept.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    /// Networks, containers and publishes that were tried.
    pub tried: usize,
    /// Those that were kept.
    pub kept: usize,
}

impl Generator {
    /// A generator for one host.
    pub fn new(rng: Rng) -> Self {
        Self {
            rng,
            tried: 0,
            kept: 0,
        }
    }

    /// A host that dockerd accepts.
    pub fn host(&mut self) -> Host {
        let mut host = Host {
            daemon: self.daemon(),
            wsl2_mirrored: self.rng.chance(20),
            ..Host::default()
        };
        let mut names = NAMES.to_vec();
        let mut devices = DEVICES.to_vec();
        self.rng.shuffle(&mut names);
        self.rng.shuffle(&mut devices);
        let has_mesh = self.rng.chance(30);
        if has_mesh {
            let place = self.rng.below(3);
            names[place] = DOCKER_GWBRIDGE;
            if self.rng.chance(85) {
                devices[place] = DOCKER_GWBRIDGE;
            }
        }
        for index in 0..=self.rng.below(5) {
            let mut network = self.network(names[index], devices[index]);
            feature::settle(&mut self.rng, &mut network);
            self.keep(&mut host, |host| host.networks.push(network));
        }
        if let Some(ingress) = feature::ingress(&mut self.rng, &host).filter(|_| has_mesh) {
            self.keep(&mut host, |host| host.ingress = Some(ingress));
        }
        for index in 0..self.rng.below(6) {
            let container = self.container(&host, index);
            if !self.keep(&mut host, |host| host.containers.push(container)) {
                continue;
            }
            let place = host.containers.len() - 1;
            let mut last: Option<Publish> = None;
            for _ in 0..self.rng.below(6) {
                let publish = self.publish(last);
                if self.keep(&mut host, |host| {
                    host.containers[place].publish.push(publish);
                }) {
                    last = publish.definite_host_ports().map(|_| publish);
                }
            }
        }
        self.links(&mut host);
        // It changes no verdict, and no draw: packets are the same with and without.
        host.count_publishes = self.tried.is_multiple_of(3);
        host
    }

    /// Links between containers of the default bridge, most of them with something to link to.
    fn links(&mut self, host: &mut Host) {
        let linkable = feature::linkable(host);
        for (client, _) in &linkable {
            host.containers[*client].expose = feature::exposed(&mut self.rng);
        }
        for (client, _) in &linkable {
            for (server, _) in &linkable {
                if client != server && self.rng.chance(35) {
                    self.keep(host, |host| host.containers[*client].links.push(*server));
                }
            }
        }
    }

    fn keep(&mut self, host: &mut Host, change: impl FnOnce(&mut Host)) -> bool {
        let before = host.clone();
        change(host);
        self.tried += 1;
        let good = is_accepted(host);
        if good {
            self.kept += 1;
        } else {
            *host = before;
        }
        good
    }

    fn daemon(&mut self) -> Daemon {
        let rng = &mut self.rng;
        let marks = [
            (1, u32::MAX),
            (0x10, 0xf0),
            (2, 3),
            (5, 3),
            (0, u32::MAX),
            (u32::MAX, u32::MAX),
        ];
        Daemon {
            userland_proxy: rng.chance(50),
            allow_direct_routing: rng.chance(20),
            ip_forward: rng.chance(85),
            ip_forward_no_drop: rng.chance(30),
            bridge_accept_fwmark: rng.chance(35).then(|| {
                let (mark, bits) = *rng.pick(&marks);
                Fwmark { mark, mask: bits }
            }),
        }
    }

    fn network(&mut self, name: &str, device: &str) -> Network {
        let rng = &mut self.rng;
        let driver = *rng.weighted(&[
            (38, Driver::Bridge),
            (2, Driver::Macvlan),
            (1, Driver::Ipvlan),
            (1, Driver::Overlay),
            (1, Driver::Host),
            (1, Driver::None),
        ]);
        let internal = rng.chance(20);
        let (has4, has6) = match driver {
            Driver::Host | Driver::None => (false, false),
            Driver::Bridge | Driver::Ipvlan | Driver::Macvlan | Driver::Overlay => {
                *rng.weighted(&[(35, (true, false)), (20, (false, true)), (45, (true, true))])
            }
        };
        let ipv4 = has4.then(|| {
            let subnet: Ipv4Net = rng.pick(&SUBNETS4).parse().unwrap();
            let last = Some(Ipv4Addr::from(u32::from(subnet.broadcast()) - 1));
            let gateways = [None, None, Some(first_ipv4(subnet)), last];
            NetworkFamily {
                subnet,
                gateway: *rng.pick(&gateways),
                gateway_mode: gateway_mode(rng, internal),
                host_address: rng.chance(25).then(|| {
                    let addresses = ["192.0.2.1", "192.0.2.77", "198.51.100.1"];
                    rng.pick(&addresses).parse().unwrap()
                }),
            }
        });
        let ipv6 = has6.then(|| {
            let subnet: Ipv6Net = rng.pick(&SUBNETS6).parse().unwrap();
            let gateways = [None, Some(first_ipv6(subnet)), Some(subnet.broadcast())];
            NetworkFamily {
                subnet,
                gateway: *rng.pick(&gateways),
                gateway_mode: gateway_mode(rng, internal),
                host_address: rng.chance(25).then(|| {
                    let addresses = ["2001:db8:ffff::1", "2001:db8:ffff::77"];
                    rng.pick(&addresses).parse().unwrap()
                }),
            }
        });
        let bindings: [(usize, &str); 8] = [
            (70, "0.0.0.0"),
            (5, "127.0.0.1"),
            (5, "192.0.2.1"),
            (5, "10.9.0.1"),
            (5, "::"),
            (3, "::1"),
            (4, "2001:db8:ffff::1"),
            (3, "198.51.100.1"),
        ];
        let trusted: [(usize, &[&str]); 6] = [
            (70, &[]),
            (12, &["eth1"]),
            (6, &["eth1", "eth9"]),
            (4, &["eth0"]),
            (4, &["br-web", "br0"]),
            (4, &["lo"]),
        ];
        let trusted = rng.weighted(&trusted).iter();
        Network {
            name: name.to_owned(),
            driver,
            bridge: (driver == Driver::Bridge).then(|| IfName::new(device).unwrap()),
            ipv4,
            ipv6,
            internal,
            trusted_host_interfaces: trusted.map(|name| IfName::new(name).unwrap()).collect(),
            icc: rng.chance(70),
            masquerade: rng.chance(75),
            host_binding: rng.weighted(&bindings).parse().unwrap(),
            inhibit_ipv4: rng.chance(5),
        }
    }

    fn container(&mut self, host: &Host, index: usize) -> Container {
        let rng = &mut self.rng;
        let mut networks: Vec<usize> = (0..host.networks.len()).collect();
        rng.shuffle(&mut networks);
        let is_default = |place: &usize| host.networks[*place].name == DEFAULT_BRIDGE;
        if let Some(place) = networks
            .iter()
            .position(is_default)
            .filter(|_| rng.chance(35))
        {
            networks.swap(0, place);
        }
        networks.truncate(*rng.weighted(&[(65, 1), (25, 2), (10, 3)]));
        let endpoints = networks.into_iter().map(|place| {
            let network = &host.networks[place];
            Endpoint {
                network: place,
                ipv4: network
                    .ipv4
                    .filter(|_| rng.chance(96))
                    .map(|of| address4(rng, of.subnet)),
                ipv6: network
                    .ipv6
                    .filter(|_| rng.chance(90))
                    .map(|of| address6(rng, of.subnet)),
                gw_priority: *rng.pick(&[0, 0, 0, 1, -1, 5]),
            }
        });
        Container {
            name: format!("c{index}"),
            endpoints: endpoints.collect(),
            publish: Vec::new(),
            ..Container::default()
        }
    }

    fn publish(&mut self, last: Option<Publish>) -> Publish {
        let rng = &mut self.rng;
        if let Some(publish) = last.filter(|_| rng.chance(30)) {
            return neighbour::of(rng, publish);
        }
        let hosts: [(usize, Option<&str>); 11] = [
            (45, None),
            (6, Some("0.0.0.0")),
            (10, Some("127.0.0.1")),
            (3, Some("127.0.0.2")),
            (8, Some("::1")),
            (10, Some("192.0.2.1")),
            (6, Some("2001:db8:ffff::1")),
            (4, Some("::")),
            (2, Some("203.0.113.200")),
            (3, Some("10.9.0.1")),
            (3, Some("2001:db8:1::1")),
        ];
        let host = rng.weighted(&hosts).map(|text| text.parse().unwrap());
        let protocols = [
            (60, Protocol::Tcp),
            (25, Protocol::Udp),
            (15, Protocol::Sctp),
        ];
        let protocol = *rng.weighted(&protocols);
        let lengths = [(60, 1), (12, 2), (8, 5), (4, 15), (8, 16), (6, 17), (2, 70)];
        let length: u16 = *rng.weighted(&lengths);
        let first = |rng: &mut Rng| (*rng.pick(&PORTS)).min(u16::MAX - (length - 1));
        let host_first = first(rng);
        let container_first = if rng.chance(40) {
            host_first
        } else {
            first(rng)
        };
        let mut publish = Publish {
            host,
            host_ports: Some(range(host_first, length)),
            container_ports: range(container_first, length),
            protocol,
        };
        // What leaves the choice to dockerd is accepted where the host port plays no part.
        match rng.below(12) {
            0 => publish.host_ports = None,
            1 => publish.container_ports = range(container_first, 1),
            _ => {}
        }
        publish
    }
}

/// Whether dockerd would take the host.
pub fn is_accepted(host: &Host) -> bool {
    let problems = check(host);
    problems.iter().all(|of| of.severity != Severity::Error)
}

fn gateway_mode(rng: &mut Rng, internal: bool) -> GatewayMode {
    if internal && rng.chance(30) {
        return GatewayMode::Isolated;
    }
    let modes = [
        (55, GatewayMode::Nat),
        (20, GatewayMode::NatUnprotected),
        (25, GatewayMode::Routed),
    ];
    *rng.weighted(&modes)
}

/// An address near one of the ends of a subnet.
fn address4(rng: &mut Rng, subnet: Ipv4Net) -> Ipv4Addr {
    let first = u32::from(subnet.network());
    let last = u32::from(subnet.broadcast());
    let near = u32::try_from(1 + rng.below(4)).unwrap();
    let address = if rng.chance(75) {
        first.saturating_add(near)
    } else {
        last.saturating_sub(near)
    };
    Ipv4Addr::from(address)
}

fn address6(rng: &mut Rng, subnet: Ipv6Net) -> Ipv6Addr {
    let near = u128::try_from(1 + rng.below(4)).unwrap();
    let address = if rng.chance(75) {
        u128::from(subnet.network()) + near
    } else {
        u128::from(subnet.broadcast()) - near
    };
    Ipv6Addr::from(address)
}

fn range(first: u16, length: u16) -> PortRange {
    PortRange::new(first, first.saturating_add(length - 1)).unwrap()
}
