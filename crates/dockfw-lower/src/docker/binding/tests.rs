//! Expected bindings, after the table of moby docker-v29.0.0,
//! `daemon/libnetwork/drivers/bridge/port_mapping_linux_test.go` (`TestAddPortMappings`).

use super::bindings;
use crate::docker::check::tests::{container, network};
use crate::host::{Driver, GatewayMode, Host, Network};

const DUAL: &str = "10.1.0.2 2001:db8:1::2";

/// A container in one network; its bindings as `host address host ports > container address ports`.
fn shown(network: Network, addresses: &str, publish: &[&str]) -> Vec<String> {
    let containers = vec![container("c", &[(0, addresses)], publish)];
    all(&Host {
        networks: vec![network],
        containers,
        ..Host::default()
    })
}

fn all(host: &Host) -> Vec<String> {
    bindings(host)
        .iter()
        .map(|b| {
            let ports = b
                .host_ports
                .map_or("-".to_owned(), |ports| ports.to_string());
            let (host, container) = (b.host_address, b.container_address);
            format!(
                "{host} {ports} > {container} {}/{}",
                b.container_ports, b.protocol
            )
        })
        .collect()
}

/// Network `n` with a gateway mode for each family and a default host address.
fn net(ipv4: GatewayMode, ipv6: GatewayMode, host_binding: &str) -> Network {
    let mut network = network("n", 1);
    network.ipv4.as_mut().unwrap().gateway_mode = ipv4;
    network.ipv6.as_mut().unwrap().gateway_mode = ipv6;
    network.host_binding = host_binding.parse().unwrap();
    network
}

use GatewayMode::{Nat, NatUnprotected, Routed};

#[test]
fn both_families_by_default() {
    let expected = [
        "0.0.0.0 8080 > 10.1.0.2 80/tcp",
        ":: 8080 > 2001:db8:1::2 80/tcp",
    ];
    assert_eq!(
        shown(net(Nat, Nat, "0.0.0.0"), DUAL, &["8080:80"]),
        expected
    );
    assert_eq!(
        shown(
            net(NatUnprotected, NatUnprotected, "0.0.0.0"),
            DUAL,
            &["8080:80"]
        ),
        expected
    );
}

#[test]
fn a_host_address_chooses_the_family() {
    let nat = || net(Nat, Nat, "0.0.0.0");
    let publish = [
        "127.0.0.1:8080:80",
        "[::1]:8080:80",
        "[::ffff:127.0.0.2]:8080:80",
    ];
    assert_eq!(
        shown(nat(), DUAL, &publish),
        [
            "127.0.0.1 8080 > 10.1.0.2 80/tcp",
            "::1 8080 > 2001:db8:1::2 80/tcp",
            "127.0.0.2 8080 > 10.1.0.2 80/tcp",
        ]
    );
    assert_eq!(
        shown(nat(), DUAL, &["0.0.0.0:80:80"]),
        ["0.0.0.0 80 > 10.1.0.2 80/tcp"]
    );
    assert_eq!(
        shown(nat(), DUAL, &["[::]:80:80"]),
        [":: 80 > 2001:db8:1::2 80/tcp"]
    );
}

#[test]
fn the_default_host_address_chooses_too() {
    let with = |binding| shown(net(Nat, Nat, binding), DUAL, &["80:80"]);
    assert_eq!(with("127.0.0.1"), ["127.0.0.1 80 > 10.1.0.2 80/tcp"]);
    assert_eq!(with("::"), [":: 80 > 2001:db8:1::2 80/tcp"]);
    assert_eq!(with("::1"), ["::1 80 > 2001:db8:1::2 80/tcp"]);
}

#[test]
fn an_ipv4_only_container_has_no_ipv6_rule() {
    let nat = || net(Nat, Nat, "0.0.0.0");
    assert_eq!(
        shown(nat(), "10.1.0.2", &["80:80"]),
        ["0.0.0.0 80 > 10.1.0.2 80/tcp"]
    );
    assert_eq!(shown(nat(), "10.1.0.2", &["[::1]:80:80"]), [""; 0]);
}

#[test]
fn routed_families_have_no_host_part() {
    let both =
        |ipv4, ipv6, binding, publish: &[&str]| shown(net(ipv4, ipv6, binding), DUAL, publish);
    assert_eq!(
        both(Nat, Routed, "0.0.0.0", &["22:22"]),
        [
            "0.0.0.0 22 > 10.1.0.2 22/tcp",
            ":: - > 2001:db8:1::2 22/tcp"
        ]
    );
    assert_eq!(
        both(Nat, Routed, "::1", &["22:22"]),
        [":: - > 2001:db8:1::2 22/tcp"]
    );
    assert_eq!(
        both(Routed, Nat, "0.0.0.0", &["22:22"]),
        [
            "0.0.0.0 - > 10.1.0.2 22/tcp",
            ":: 22 > 2001:db8:1::2 22/tcp"
        ]
    );
    let routed = ["0.0.0.0 - > 10.1.0.2 22/tcp", ":: - > 2001:db8:1::2 22/tcp"];
    assert_eq!(both(Routed, Routed, "0.0.0.0", &["2222:22"]), routed);
    assert_eq!(both(Routed, Routed, "0.0.0.0", &["22"]), routed);
    assert_eq!(
        both(Routed, Routed, "0.0.0.0", &["127.0.0.1::22", "[::1]::22"]),
        routed
    );
    assert_eq!(
        both(Routed, Nat, "127.0.0.1", &["22:22"]),
        ["0.0.0.0 - > 10.1.0.2 22/tcp"]
    );
    assert_eq!(
        both(Routed, Nat, "::1", &["22:22"]),
        ["::1 22 > 2001:db8:1::2 22/tcp"]
    );
}

#[test]
fn ranges_stay_ranges() {
    assert_eq!(
        shown(net(Nat, Nat, "127.0.0.1"), DUAL, &["9800-9803:80-83/udp"]),
        ["127.0.0.1 9800-9803 > 10.1.0.2 80-83/udp"]
    );
    assert_eq!(
        shown(net(Routed, Nat, "127.0.0.1"), DUAL, &["3000-3003"]),
        ["0.0.0.0 - > 10.1.0.2 3000-3003/tcp"]
    );
}

#[test]
fn what_dockerd_chooses_is_left_out() {
    let publish = ["80", "8000-8080:80", "127.0.0.1::80"];
    assert_eq!(shown(net(Nat, Nat, "0.0.0.0"), DUAL, &publish), [""; 0]);
}

#[test]
fn internal_networks_and_other_drivers_have_none() {
    let internal = Network {
        internal: true,
        ..net(Nat, Routed, "0.0.0.0")
    };
    assert_eq!(shown(internal, DUAL, &["80:80"]), [""; 0]);
    let macvlan = Network {
        driver: Driver::Macvlan,
        ..net(Nat, Routed, "0.0.0.0")
    };
    assert_eq!(shown(macvlan, DUAL, &["80:80"]), [""; 0]);
}

#[test]
fn nat_needs_the_gateway_endpoint_and_routed_does_not() {
    let mut routed = network("z-routed", 2);
    routed.ipv6.as_mut().unwrap().gateway_mode = Routed;
    let endpoints = [(0, DUAL), (1, "10.2.0.2 2001:db8:2::2")];
    let containers = vec![container("c", &endpoints, &["80:80"])];
    let host = Host {
        networks: vec![network("a", 1), routed],
        containers,
        ..Host::default()
    };
    assert_eq!(
        all(&host),
        [
            "0.0.0.0 80 > 10.1.0.2 80/tcp",
            ":: 80 > 2001:db8:1::2 80/tcp",
            ":: - > 2001:db8:2::2 80/tcp",
        ]
    );
}

/// The bindings of a container in network `n`, with the userland proxy on and off.
fn with_and_without_proxy(addresses: &str, binding: &str, publish: &[&str]) -> [Vec<String>; 2] {
    [true, false].map(|userland_proxy| {
        let mut host = Host {
            networks: vec![net(Nat, Nat, binding)],
            containers: vec![container("c", &[(0, addresses)], publish)],
            ..Host::default()
        };
        host.daemon.userland_proxy = userland_proxy;
        all(&host)
    })
}

#[test]
fn docker_proxy_carries_ipv6_to_an_ipv4_only_container_without_a_rule() {
    let ipv4 = vec!["0.0.0.0 80 > 10.1.0.2 80/tcp".to_owned()];
    let both = ["0.0.0.0:80:80", "[::]:80:80"];
    let found = with_and_without_proxy("10.1.0.2", "0.0.0.0", &both);
    assert_eq!(found, [ipv4.clone(), ipv4]);
    for (binding, publish) in [("0.0.0.0", "[::1]:80:80"), ("::1", "80:80")] {
        let found = with_and_without_proxy("10.1.0.2", binding, &[publish]);
        assert_eq!(found, [vec![""; 0], vec![""; 0]], "{binding} {publish}");
    }
    // Where there is a proxy, the port is taken all the same.
    let containers = vec![
        container("a", &[(0, "10.1.0.2")], &["[::]:80:80"]),
        container("b", &[(0, "10.1.0.3 2001:db8:1::3")], &["[::]:80:80"]),
    ];
    let mut host = Host {
        networks: vec![net(Nat, Nat, "0.0.0.0")],
        containers,
        ..Host::default()
    };
    let errors = |host: &Host| {
        let problems = crate::docker::check::check(host);
        let errors = problems.iter();
        errors
            .filter(|of| of.severity == crate::docker::check::Severity::Error)
            .count()
    };
    assert_eq!(errors(&host), 1);
    host.daemon.userland_proxy = false;
    assert_eq!(errors(&host), 0);
}

#[test]
fn an_endpoint_that_is_not_the_gateway_of_a_family_has_no_port_of_it() {
    let containers = vec![container(
        "c",
        &[(0, "10.1.0.2"), (1, "2001:db8:2::2")],
        &["80:80"],
    )];
    let mut ipv6_only = network("b", 2);
    ipv6_only.ipv4 = None;
    let host = Host {
        networks: vec![net(Nat, Nat, "0.0.0.0"), ipv6_only],
        containers,
        ..Host::default()
    };
    assert_eq!(
        all(&host),
        [
            "0.0.0.0 80 > 10.1.0.2 80/tcp",
            ":: 80 > 2001:db8:2::2 80/tcp"
        ]
    );
}

#[test]
fn one_container_port_on_several_host_addresses_and_ports() {
    let nat = || net(Nat, Nat, "0.0.0.0");
    let publish = [
        "192.168.1.2:2222:22",
        "[fd0c:9167:5b11::2]:2222:22",
        "[fd0c:9167:5b11::3]:2222:22",
    ];
    assert_eq!(
        shown(nat(), DUAL, &publish),
        [
            "192.168.1.2 2222 > 10.1.0.2 22/tcp",
            "fd0c:9167:5b11::2 2222 > 2001:db8:1::2 22/tcp",
            "fd0c:9167:5b11::3 2222 > 2001:db8:1::2 22/tcp",
        ]
    );
    assert_eq!(
        shown(nat(), DUAL, &["9876:80", "9999:80"]),
        [
            "0.0.0.0 9876 > 10.1.0.2 80/tcp",
            ":: 9876 > 2001:db8:1::2 80/tcp",
            "0.0.0.0 9999 > 10.1.0.2 80/tcp",
            ":: 9999 > 2001:db8:1::2 80/tcp",
        ]
    );
}
