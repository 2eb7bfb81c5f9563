//! Hosts with every option, generated: what Docker makes of them is imported, and Docker makes
//! the same of the result.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_ir::name::IfName;
use dockfw_lower::docker::publish::{PortRange, Protocol, Publish};
use dockfw_lower::host::{
    Container, Driver, Endpoint, Exposed, Fwmark, GatewayMode, Host, Ingress, Network,
    NetworkFamily,
};
use dockfw_lower::optimize::Optimize;
use dockfw_lower::rules::{UserRules, UserText};

use crate::util::{note, round_trip};

/// Numbers that depend on the seed only.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn once_in(&mut self, limit: u64) -> bool {
        self.below(limit) == 0
    }

    fn small(&mut self, limit: u64) -> u16 {
        u16::try_from(self.below(limit)).unwrap()
    }
}

fn mode(random: &mut Random) -> GatewayMode {
    match random.below(5) {
        0 => GatewayMode::NatUnprotected,
        1 => GatewayMode::Routed,
        _ => GatewayMode::Nat,
    }
}

fn network(random: &mut Random, number: u8) -> Network {
    let name = match number {
        0 if random.once_in(2) => "bridge".to_owned(),
        1 if random.once_in(2) => "docker_gwbridge".to_owned(),
        number => format!("br-{number}"),
    };
    let device = if name == "bridge" { "docker0" } else { &name };
    let ipv4 = NetworkFamily {
        subnet: format!("172.{}.0.0/16", 17 + number).parse().unwrap(),
        gateway: None,
        gateway_mode: mode(random),
        host_address: random.once_in(5).then_some(Ipv4Addr::new(192, 0, 2, 1)),
    };
    let ipv6 = NetworkFamily {
        subnet: format!("2001:db8:{number}::/64").parse().unwrap(),
        gateway: None,
        gateway_mode: mode(random),
        host_address: None,
    };
    let trusted = ["eth7", "vxlan.1", "wg0"];
    Network {
        driver: Driver::Bridge,
        bridge: Some(IfName::new(device).unwrap()),
        ipv4: Some(ipv4),
        ipv6: random.once_in(2).then_some(ipv6),
        internal: random.once_in(5),
        icc: !random.once_in(3),
        masquerade: !random.once_in(4),
        host_binding: Ipv4Addr::UNSPECIFIED.into(),
        trusted_host_interfaces: trusted
            .iter()
            .filter(|_| random.once_in(4))
            .map(|name| IfName::new(name).unwrap())
            .collect(),
        inhibit_ipv4: false,
        name,
    }
}

fn publish(random: &mut Random, next: &mut u16) -> Publish {
    let count = if random.once_in(3) {
        1 + random.small(6)
    } else {
        1
    };
    let host: Option<IpAddr> = match random.below(8) {
        0 => Some(Ipv4Addr::LOCALHOST.into()),
        1 => Some(Ipv4Addr::new(192, 0, 2, 1).into()),
        2 => Some(Ipv6Addr::LOCALHOST.into()),
        3 => Some(Ipv4Addr::UNSPECIFIED.into()),
        _ => None,
    };
    let container = 1 + random.small(9000);
    let first = *next;
    *next += count + random.small(2);
    Publish {
        host,
        host_ports: PortRange::new(first, first + count - 1),
        container_ports: PortRange::new(container, container + count - 1).unwrap(),
        protocol: match random.below(5) {
            0 => Protocol::Udp,
            1 => Protocol::Sctp,
            _ => Protocol::Tcp,
        },
    }
}

fn container(random: &mut Random, number: u8, networks: &[Network], next: &mut u16) -> Container {
    let first = usize::from(random.small(networks.len().try_into().unwrap()));
    let mut on = vec![first];
    if random.once_in(4) {
        on.push((first + 1) % networks.len());
        on.dedup();
    }
    let endpoint = |network: usize| Endpoint {
        network,
        ipv4: networks[network]
            .ipv4
            .map(|of| Ipv4Addr::from_bits(of.subnet.network().to_bits() + 2 + u32::from(number))),
        ipv6: networks[network]
            .ipv6
            .map(|of| Ipv6Addr::from_bits(of.subnet.network().to_bits() + 2 + u128::from(number))),
        gw_priority: 0,
    };
    let many = random.below(4);
    // Docker connects all networks of a container before it publishes; of two addresses nothing
    // says that they are of one container, and the rules for loopback stand elsewhere then.
    let is_alone = on.len() == 1;
    Container {
        name: format!("container-{number}"),
        endpoints: on.into_iter().map(endpoint).collect(),
        publish: (0..many)
            .map(|_| publish(random, next))
            .filter(|of| is_alone || of.host != Some(Ipv4Addr::LOCALHOST.into()))
            .collect(),
        expose: vec![Exposed {
            protocol: Protocol::Udp,
            ports: PortRange::new(6000, 6000 + random.small(3)).unwrap(),
        }],
        links: Vec::new(),
    }
}

const OPERATORS: &str = "\
-N guard
-A DOCKER-USER -i eth0 -j guard
-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
-A guard -s 198.51.100.0/24 -p tcp -m tcp --dport 22 -j DROP
-A guard -m limit --limit 5/min -j LOG --log-prefix \"guard: \"
-I FORWARD 1 -i wg0 -o wg0 -j ACCEPT
-I FORWARD 2 -s 203.0.113.9/32 -j DROP
-I FORWARD 4 -i wg0 -j guard
-A FORWARD -o wg0 -j ACCEPT
-I DOCKER-FORWARD 1 -s 203.0.113.7/32 -j DROP
-A DOCKER-FORWARD -d 203.0.113.8/32 -j ACCEPT
";

fn host(seed: u64) -> Host {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let random = &mut random;
    let count = 1 + random.below(4);
    let networks: Vec<Network> = (0..count)
        .map(|number| network(random, number.try_into().unwrap()))
        .collect();
    let mut next = 1000;
    let containers = 1 + random.below(6);
    let mut host = Host {
        containers: (0..containers)
            .map(|number| container(random, number.try_into().unwrap(), &networks, &mut next))
            .collect(),
        networks,
        ..Host::default()
    };
    host.daemon.userland_proxy = !random.once_in(3);
    host.daemon.allow_direct_routing = random.once_in(5);
    host.daemon.ip_forward_no_drop = random.once_in(4);
    host.wsl2_mirrored = random.once_in(5);
    if random.once_in(5) {
        let mask = if random.once_in(2) { u32::MAX } else { 0xff };
        host.daemon.bridge_accept_fwmark = Some(Fwmark { mark: 2, mask });
    }
    if host.networks.iter().any(|of| of.name == "docker_gwbridge") && random.once_in(2) {
        host.ingress = Some(Ingress {
            sandbox: Ipv4Addr::new(172, 18, 255, 2),
            publish: (0..=random.below(3))
                .map(|_| Publish {
                    host: None,
                    ..publish(random, &mut next)
                })
                .collect(),
        });
    }
    // Where direct routing is allowed, nothing shows in which order containers were started.
    if !host.daemon.allow_direct_routing && host.containers.len() > 1 && random.once_in(2) {
        host.containers[0].links.push(1);
    }
    if random.once_in(3) {
        let text = UserText {
            ipv4: Some(OPERATORS),
            ipv6: None,
        };
        let (rules, problems) = UserRules::read(text, Optimize::default());
        assert!(rules.is_some(), "{problems:?}");
        host.user = rules;
    }
    host
}

#[test]
fn import_undoes_the_reference() {
    let (mut rules, mut user) = (0, 0);
    for seed in 1..=600 {
        let imported = round_trip(&format!("seed {seed}"), &host(seed));
        rules += imported.score.docker;
        user += imported.score.user;
    }
    note(&format!(
        "600 hosts: {rules} rules of Docker, {user} of operators"
    ));
    assert!(user > 1000 && rules > 10_000);
}

#[test]
fn ports_become_ranges() {
    let mut host = host(1);
    host.daemon = dockfw_lower::host::Daemon::default();
    host.user = None;
    host.networks.truncate(1);
    let network = &mut host.networks[0];
    (network.internal, network.ipv6) = (false, None);
    network.ipv4.as_mut().unwrap().gateway_mode = GatewayMode::Nat;
    host.containers.truncate(1);
    let container = &mut host.containers[0];
    container.endpoints.truncate(1);
    container.endpoints[0].network = 0;
    container.endpoints[0].ipv4 = Some(Ipv4Addr::new(172, 17, 0, 2));
    container.endpoints[0].ipv6 = None;
    let written = [
        "10000-10999:20000-20999/udp",
        "127.0.0.1:80-82:80-82",
        "90-91:80-81",
    ];
    container.publish = written.iter().map(|of| of.parse().unwrap()).collect();
    let imported = round_trip("ranges", &host);
    let mut found: Vec<String> = imported.host.containers[0]
        .publish
        .iter()
        .map(ToString::to_string)
        .collect();
    found.sort();
    assert_eq!(found, written);
}
