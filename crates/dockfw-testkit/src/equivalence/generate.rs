//! Random hosts.
//!
//! A host is put together part by part; a part that dockerd would refuse is left out again, so that
//! what remains is dense with ports and addresses that lie beside each other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_ir::name::IfName;
use dockfw_lower::docker::check::{Severity, check};
use dockfw_lower::docker::publish::{PortRange, Protocol, Publish};
use dockfw_lower::host::{
    Container, Daemon, Driver, Endpoint, Fwmark, GatewayMode, Host, Network, NetworkFamily,
};
use ipnet::{Ipv4Net, Ipv6Net};

use super::rng::Rng;
use super::world::{first_ipv4, first_ipv6};

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
const SUBNETS4: [&str; 9] = [
    "10.9.0.0/28",
    "10.9.0.16/28",
    "10.9.0.32/29",
    "10.9.0.40/29",
    "172.17.0.0/16",
    "172.18.0.0/16",
    "192.168.0.0/24",
    "192.168.1.0/24",
    "10.0.0.252/30",
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
            ..Host::default()
        };
        let mut names = NAMES.to_vec();
        let mut devices = DEVICES.to_vec();
        self.rng.shuffle(&mut names);
        self.rng.shuffle(&mut devices);
        for index in 0..=self.rng.below(5) {
            let network = self.network(names[index], devices[index]);
            self.keep(&mut host, |host| host.networks.push(network));
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
                    last = Some(publish);
                }
            }
        }
        host
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
        let driver = *rng.weighted(&[(19, Driver::Bridge), (1, Driver::Macvlan)]);
        let internal = rng.chance(20);
        let (has4, has6) =
            *rng.weighted(&[(35, (true, false)), (20, (false, true)), (45, (true, true))]);
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
        }
    }

    fn publish(&mut self, last: Option<Publish>) -> Publish {
        let rng = &mut self.rng;
        if let Some(publish) = last.filter(|_| rng.chance(30)) {
            return neighbour(rng, publish);
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
        Publish {
            host,
            host_ports: Some(range(host_first, length)),
            container_ports: range(container_first, length),
            protocol,
        }
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

/// A publish that has something to do with the one before: the next ports, the same container
/// port, the same ports of another protocol or on another host address.
fn neighbour(rng: &mut Rng, mut publish: Publish) -> Publish {
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
