//! What moby's goldens leave out: options, protocols, several networks, containers and ports.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use dockfw_iptables::{Program, TableName};
use dockfw_ir::name::IfName;
use dockfw_lower::docker::publish::{PortRange, Protocol, Publish};
use dockfw_lower::host::{
    Container, Driver, Endpoint, Exposed, Fwmark, GatewayMode, Host, Ingress, Network,
    NetworkFamily,
};
use dockfw_lower::reference::reference;
use ipnet::Ipv6Net;

use crate::corpus::list;

/// A host with Docker's defaults and nothing on it.
pub(crate) fn host() -> Host {
    Host::default()
}

/// An IPv4 bridge network with Docker's defaults.
pub(crate) fn bridge(name: &str, subnet: &str) -> Network {
    Network {
        name: name.to_owned(),
        driver: Driver::Bridge,
        bridge: Some(IfName::new(name).unwrap()),
        ipv4: Some(NetworkFamily {
            subnet: subnet.parse().unwrap(),
            gateway: None,
            gateway_mode: GatewayMode::Nat,
            host_address: None,
        }),
        ipv6: None,
        internal: false,
        icc: true,
        masquerade: true,
        host_binding: "0.0.0.0".parse().unwrap(),
        trusted_host_interfaces: vec![],
        inhibit_ipv4: false,
    }
}

/// The IPv6 side of a network.
pub(crate) fn ipv6(subnet: &str) -> NetworkFamily<Ipv6Net> {
    NetworkFamily {
        subnet: subnet.parse().unwrap(),
        gateway: None,
        gateway_mode: GatewayMode::Nat,
        host_address: None,
    }
}

/// A container with an IPv4 address in each of some networks.
pub(crate) fn container(name: &str, on: &[(usize, &str)], publish: &[Publish]) -> Container {
    let endpoint = |(network, ipv4): &(usize, &str)| Endpoint {
        network: *network,
        ipv4: Some(ipv4.parse().unwrap()),
        ipv6: None,
        gw_priority: 0,
    };
    Container {
        name: name.to_owned(),
        endpoints: on.iter().map(endpoint).collect(),
        publish: publish.to_vec(),
        ..Container::default()
    }
}

/// `-p [address:]host:container/tcp`.
pub(crate) fn publish(address: Option<&str>, host: u16, container: u16) -> Publish {
    Publish {
        host: address.map(|address| address.parse().unwrap()),
        host_ports: PortRange::new(host, host),
        container_ports: PortRange::new(container, container).unwrap(),
        protocol: Protocol::Tcp,
    }
}

/// The rules of one chain, without `-A CHAIN `.
pub(crate) fn rules(program: &Program, table: TableName, chain: &str) -> Vec<String> {
    let prefix = format!("-A {chain} ");
    list(program, table)
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
        .collect()
}

pub(crate) fn check(program: &Program, table: TableName, chain: &str, expected: &[&str]) {
    assert_eq!(
        rules(program, table, chain),
        expected,
        "{} {chain}",
        table.as_str()
    );
}

/// One network, one container that publishes 8080:80.
fn web() -> Host {
    let mut host = host();
    host.networks = vec![bridge("br0", "192.0.2.0/25")];
    host.containers = vec![container(
        "c",
        &[(0, "192.0.2.2")],
        &[publish(None, 8080, 80)],
    )];
    host
}

#[test]
fn accept_fwmark_is_one_rule_for_all_networks_and_families() {
    let mut host = web();
    host.networks.push(bridge("br1", "192.0.2.128/25"));
    host.networks[1].ipv6 = Some(ipv6("2001:db8::/64"));
    for (mark, mask, expected) in [
        (2, 3, "-m mark --mark 0x2/0x3 -j ACCEPT"),
        (1, u32::MAX, "-m mark --mark 0x1 -j ACCEPT"),
    ] {
        host.daemon.bridge_accept_fwmark = Some(Fwmark { mark, mask });
        let reference = reference(&host);
        for program in [&reference.ipv4, &reference.ipv6] {
            let forward = rules(program, TableName::Filter, "DOCKER-FORWARD");
            assert_eq!(forward[0], expected);
            assert_eq!(
                forward.iter().filter(|rule| rule.contains("mark")).count(),
                1
            );
        }
    }
}

#[test]
fn trusted_interfaces_stand_before_the_drop() {
    let mut host = web();
    let name = |name| IfName::new(name).unwrap();
    host.networks[0].trusted_host_interfaces = vec![name("vxlan.1"), name("eth1")];
    let expected = [
        "-d 192.0.2.2/32 -i vxlan.1 -j ACCEPT",
        "-d 192.0.2.2/32 -i eth1 -j ACCEPT",
        "-d 192.0.2.2/32 ! -i br0 -j DROP",
    ];
    check(
        &reference(&host).ipv4,
        TableName::Raw,
        "PREROUTING",
        &expected,
    );
}

#[test]
fn direct_routing_leaves_the_loopback_drop() {
    let mut host = web();
    host.daemon.allow_direct_routing = true;
    assert!(reference(&host).ipv4.table(TableName::Raw).is_none());
    host.containers[0]
        .publish
        .push(publish(Some("127.0.0.2"), 53, 53));
    let expected = ["-d 127.0.0.2/32 ! -i lo -p tcp -m tcp --dport 53 -j DROP"];
    check(
        &reference(&host).ipv4,
        TableName::Raw,
        "PREROUTING",
        &expected,
    );
}

#[test]
fn protocols_and_dockers_port_order() {
    let mut host = web();
    let with = |protocol, host, container| Publish {
        protocol,
        ..publish(None, host, container)
    };
    host.containers[0].publish = vec![
        with(Protocol::Sctp, 90, 53),
        with(Protocol::Tcp, 443, 443),
        with(Protocol::Udp, 91, 53),
        with(Protocol::Tcp, 92, 53),
    ];
    let program = reference(&host).ipv4;
    let expected = [
        "! -i br0 -p tcp -m tcp --dport 92 -j DNAT --to-destination 192.0.2.2:53",
        "! -i br0 -p udp -m udp --dport 91 -j DNAT --to-destination 192.0.2.2:53",
        "! -i br0 -p sctp -m sctp --dport 90 -j DNAT --to-destination 192.0.2.2:53",
        "! -i br0 -p tcp -m tcp --dport 443 -j DNAT --to-destination 192.0.2.2:443",
    ];
    check(&program, TableName::Nat, "DOCKER", &expected);
    // The last one mapped stands first.
    let expected = [
        "-d 192.0.2.2/32 ! -i br0 -o br0 -p tcp -m tcp --dport 443 -j ACCEPT",
        "-d 192.0.2.2/32 ! -i br0 -o br0 -p sctp -m sctp --dport 53 -j ACCEPT",
        "-d 192.0.2.2/32 ! -i br0 -o br0 -p udp -m udp --dport 53 -j ACCEPT",
        "-d 192.0.2.2/32 ! -i br0 -o br0 -p tcp -m tcp --dport 53 -j ACCEPT",
        "! -i br0 -o br0 -j DROP",
    ];
    check(&program, TableName::Filter, "DOCKER", &expected);
}

#[test]
fn two_host_ports_of_one_container_port_share_a_rule() {
    let mut host = web();
    host.daemon.userland_proxy = false;
    host.containers[0]
        .publish
        .push(publish(Some("198.51.100.1"), 9090, 80));
    let program = reference(&host).ipv4;
    let expected = [
        "-p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.0.2.2:80",
        "-d 198.51.100.1/32 -p tcp -m tcp --dport 9090 -j DNAT --to-destination 192.0.2.2:80",
    ];
    check(&program, TableName::Nat, "DOCKER", &expected);
    let expected = [
        "-o br0 -m addrtype --src-type LOCAL -j MASQUERADE",
        "-s 192.0.2.0/25 ! -o br0 -j MASQUERADE",
        "-s 192.0.2.2/32 -d 192.0.2.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE",
    ];
    check(&program, TableName::Nat, "POSTROUTING", &expected);
    assert_eq!(rules(&program, TableName::Filter, "DOCKER").len(), 2);
}

#[test]
fn a_range_has_one_rule_per_port() {
    let mut host = web();
    let range = |first, last| PortRange::new(first, last).unwrap();
    host.containers[0].publish = vec![Publish {
        host: None,
        host_ports: Some(range(9000, 9002)),
        container_ports: range(80, 82),
        protocol: Protocol::Udp,
    }];
    let expected = [
        "! -i br0 -p udp -m udp --dport 9000 -j DNAT --to-destination 192.0.2.2:80",
        "! -i br0 -p udp -m udp --dport 9001 -j DNAT --to-destination 192.0.2.2:81",
        "! -i br0 -p udp -m udp --dport 9002 -j DNAT --to-destination 192.0.2.2:82",
    ];
    check(&reference(&host).ipv4, TableName::Nat, "DOCKER", &expected);
}

#[test]
fn networks_keep_their_order_and_share_the_chain() {
    let mut host = web();
    host.networks.push(bridge("br1", "192.0.2.128/25"));
    host.networks[1].icc = false;
    host.containers.push(container(
        "d",
        &[(1, "192.0.2.130")],
        &[publish(None, 81, 80)],
    ));
    let program = reference(&host).ipv4;
    let expected = [
        "-d 192.0.2.130/32 ! -i br1 -o br1 -p tcp -m tcp --dport 80 -j ACCEPT",
        "-d 192.0.2.2/32 ! -i br0 -o br0 -p tcp -m tcp --dport 80 -j ACCEPT",
        "! -i br0 -o br0 -j DROP",
        "! -i br1 -o br1 -j DROP",
    ];
    check(&program, TableName::Filter, "DOCKER", &expected);
    let expected = [
        "-j DOCKER-CT",
        "-j DOCKER-INTERNAL",
        "-j DOCKER-BRIDGE",
        "-i br0 -j ACCEPT",
        "-i br1 -o br1 -j DROP",
        "-i br1 ! -o br1 -j ACCEPT",
    ];
    check(&program, TableName::Filter, "DOCKER-FORWARD", &expected);
    check(
        &program,
        TableName::Filter,
        "FORWARD",
        &["-j DOCKER-USER", "-j DOCKER-FORWARD"],
    );
}

#[test]
fn the_forward_policy_follows_the_families_of_the_networks() {
    let policies = |host: &Host| {
        let reference = reference(host);
        [reference.ipv4, reference.ipv6].map(|program| {
            list(&program, TableName::Filter)
                .lines()
                .any(|line| line == "-P FORWARD DROP")
        })
    };
    let mut host = web();
    assert_eq!(policies(&host), [true, false]);
    host.networks[0].ipv6 = Some(ipv6("2001:db8::/64"));
    assert_eq!(policies(&host), [true, true]);
    host.networks[0].ipv4 = None;
    assert_eq!(policies(&host), [false, true]);
    host.daemon.ip_forward_no_drop = true;
    assert_eq!(policies(&host), [false, false]);
    host.daemon.ip_forward_no_drop = false;
    host.daemon.ip_forward = false;
    assert_eq!(policies(&host), [false, false]);
}

#[test]
fn dual_stack_publish() {
    let mut host = web();
    host.networks[0].ipv6 = Some(ipv6("2001:db8::/64"));
    host.containers[0].endpoints[0].ipv6 = Some("2001:db8::2".parse().unwrap());
    let program = reference(&host).ipv6;
    let expected = [
        "! -s fe80::/10 ! -i br0 -p tcp -m tcp --dport 8080 -j DNAT \
                     --to-destination [2001:db8::2]:80",
    ];
    check(&program, TableName::Nat, "DOCKER", &expected);
    check(
        &program,
        TableName::Raw,
        "PREROUTING",
        &["-d 2001:db8::2/128 ! -i br0 -j DROP"],
    );
}

#[test]
fn routed_opens_ports_and_icmp_without_rewriting() {
    let mut host = web();
    host.networks[0].ipv6 = Some(ipv6("2001:db8::/64"));
    host.networks[0].ipv6.as_mut().unwrap().gateway_mode = GatewayMode::Routed;
    host.containers[0].endpoints[0].ipv6 = Some("2001:db8::2".parse().unwrap());
    let program = reference(&host).ipv6;
    check(&program, TableName::Nat, "DOCKER", &[]);
    assert!(program.table(TableName::Raw).is_none());
    let expected = [
        "-d 2001:db8::2/128 ! -i br0 -o br0 -p tcp -m tcp --dport 80 -j ACCEPT",
        "-o br0 -p ipv6-icmp -j ACCEPT",
        "! -i br0 -o br0 -j DROP",
    ];
    check(&program, TableName::Filter, "DOCKER", &expected);
}

#[test]
fn other_drivers_and_dangling_endpoints_have_no_rules() {
    let mut host = host();
    let empty = reference(&host);
    let mut macvlan = bridge("m", "192.0.2.0/24");
    (macvlan.driver, macvlan.bridge) = (Driver::Macvlan, None);
    host.networks = vec![macvlan];
    host.containers = vec![container(
        "c",
        &[(0, "192.0.2.2"), (7, "192.0.2.3")],
        &[publish(None, 1, 1)],
    )];
    assert_eq!(reference(&host), empty);
}

#[test]
fn sixty_thousand_ports() {
    let mut host = host();
    host.networks = vec![bridge("br0", "10.0.0.0/16")];
    let address = |index: u16| {
        let [high, low] = (index + 2).to_be_bytes();
        format!("10.0.{high}.{low}")
    };
    let ports =
        |index: u16| (0..32).map(move |port| publish(None, 1 + index * 32 + port, 80 + port));
    host.containers = (0..1875)
        .map(|index| {
            container(
                "c",
                &[(0, &address(index))],
                &ports(index).collect::<Vec<_>>(),
            )
        })
        .collect();
    let program = reference(&host).ipv4;
    let count = |table, chain| {
        program
            .chain(table, chain)
            .map(|chain| chain.rules().len())
            .unwrap_or_default()
    };
    assert_eq!(count(TableName::Nat, "DOCKER"), 60_000);
    assert_eq!(count(TableName::Filter, "DOCKER"), 60_001);
    assert_eq!(count(TableName::Raw, "PREROUTING"), 1875);
    let text = program.to_string();
    let rules = text.lines().filter(|line| line.starts_with("-A ")).count();
    assert_eq!(
        rules,
        60_000 + 60_001 + 1875 + 11,
        "eleven are the daemon's and the network's"
    );
}

/// `docker0` without icc, and a server and a client on it that is linked to it.
pub(crate) fn linked() -> Host {
    let mut host = host();
    let mut docker0 = bridge("docker0", "172.17.0.0/16");
    (docker0.name, docker0.icc) = ("bridge".to_owned(), false);
    host.networks = vec![docker0];
    let mut server = container("db", &[(0, "172.17.0.2")], &[publish(None, 5432, 5432)]);
    server.expose = vec![Exposed {
        protocol: Protocol::Udp,
        ports: PortRange::new(53, 54).unwrap(),
    }];
    let mut client = container("app", &[(0, "172.17.0.3")], &[]);
    client.links = vec![0];
    host.containers = vec![server, client];
    host
}

#[test]
fn a_link_opens_exposed_and_published_ports_both_ways() {
    let expected = [
        "-d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 5432 -j ACCEPT",
        "! -i docker0 -o docker0 -j DROP",
        "-s 172.17.0.3/32 -d 172.17.0.2/32 -i docker0 -o docker0 -p tcp -m tcp --dport 5432 -j ACCEPT",
        "-s 172.17.0.2/32 -d 172.17.0.3/32 -i docker0 -o docker0 -p tcp -m tcp --sport 5432 -j ACCEPT",
        "-s 172.17.0.3/32 -d 172.17.0.2/32 -i docker0 -o docker0 -p udp -m udp --dport 53 -j ACCEPT",
        "-s 172.17.0.2/32 -d 172.17.0.3/32 -i docker0 -o docker0 -p udp -m udp --sport 53 -j ACCEPT",
        "-s 172.17.0.3/32 -d 172.17.0.2/32 -i docker0 -o docker0 -p udp -m udp --dport 54 -j ACCEPT",
        "-s 172.17.0.2/32 -d 172.17.0.3/32 -i docker0 -o docker0 -p udp -m udp --sport 54 -j ACCEPT",
    ];
    let filter = TableName::Filter;
    check(&reference(&linked()).ipv4, filter, "DOCKER", &expected);
    // The client may stand first: dockerd starts it last all the same.
    let mut turned = linked();
    turned.containers.reverse();
    turned.containers[0].links = vec![1];
    check(&reference(&turned).ipv4, filter, "DOCKER", &expected);
    let mut with_icc = linked();
    with_icc.networks[0].icc = true;
    check(&reference(&with_icc).ipv4, filter, "DOCKER", &expected[..2]);
    let mut elsewhere = linked();
    elsewhere.networks[0].name = "web".to_owned();
    check(
        &reference(&elsewhere).ipv4,
        filter,
        "DOCKER",
        &expected[..2],
    );
}

#[test]
fn windows_localhost_is_let_in_and_left_to_docker_proxy() {
    let mut host = web();
    host.wsl2_mirrored = true;
    host.containers[0].publish = vec![publish(Some("127.0.0.1"), 8080, 80)];
    let raw = |host: &Host| {
        let mut raw = rules(&reference(host).ipv4, TableName::Raw, "PREROUTING");
        raw.retain(|rule| rule.contains("127.0.0.1"));
        raw
    };
    let nat = |host: &Host| {
        let mut nat = rules(&reference(host).ipv4, TableName::Nat, "DOCKER");
        nat.retain(|rule| rule.contains("RETURN"));
        nat
    };
    assert_eq!(
        raw(&host),
        [
            "-d 127.0.0.1/32 -i loopback0 -p tcp -m tcp --dport 8080 -j ACCEPT",
            "-d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8080 -j DROP",
        ]
    );
    assert_eq!(nat(&host), ["-d 127.0.0.0/8 -i loopback0 -j RETURN"]);
    host.daemon.userland_proxy = false;
    assert_eq!(raw(&host).len(), 2);
    assert_eq!(nat(&host), [""; 0]);
    host.wsl2_mirrored = false;
    assert_eq!(raw(&host).len(), 1);
}

#[test]
fn services_come_before_everything_else_and_their_sandbox_is_closed() {
    let mut host = web();
    host.networks
        .push(bridge("docker_gwbridge", "172.18.0.0/16"));
    host.ingress = Some(Ingress {
        sandbox: "172.18.0.2".parse().unwrap(),
        publish: vec![publish(None, 9000, 80)],
    });
    let program = reference(&host).ipv4;
    let first = |table, chain| rules(&program, table, chain).remove(0);
    assert_eq!(
        first(TableName::Filter, "DOCKER-FORWARD"),
        "-j DOCKER-INGRESS"
    );
    for chain in ["PREROUTING", "OUTPUT"] {
        assert_eq!(
            first(TableName::Nat, chain),
            "-m addrtype --dst-type LOCAL -j DOCKER-INGRESS"
        );
    }
    assert_eq!(
        first(TableName::Nat, "POSTROUTING"),
        "-o docker_gwbridge -m addrtype --src-type LOCAL -j MASQUERADE"
    );
    let nat = [
        "-p tcp -m tcp --dport 9000 -j DNAT --to-destination 172.18.0.2:9000",
        "-j RETURN",
    ];
    check(&program, TableName::Nat, "DOCKER-INGRESS", &nat);
    let raw = rules(&program, TableName::Raw, "PREROUTING");
    assert!(raw.contains(&"-d 172.18.0.2/32 ! -i docker_gwbridge -j DROP".to_owned()));
}
