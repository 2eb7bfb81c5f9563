//! Which endpoint wins.

use super::{GatewayEndpoints, gateway_endpoints};
use crate::docker::check::tests::{container, network};
use crate::host::{Driver, Host, Network};

/// Networks by name with a change to each, a container in all of them; the names of the winners.
fn winners(networks: Vec<Network>, priorities: &[i64]) -> (String, String) {
    let mut container = container("c", &[], &[]);
    for (index, network) in networks.iter().enumerate() {
        let mut addresses = String::new();
        if let Some(ipv4) = network.ipv4 {
            addresses.push_str(&ipv4.subnet.hosts().nth(1).unwrap().to_string());
            addresses.push(' ');
        }
        if let Some(ipv6) = network.ipv6 {
            addresses += &ipv6.subnet.hosts().nth(1).unwrap().to_string();
        }
        let one = self::container("x", &[(index, &addresses)], &[]);
        container.endpoints.extend(one.endpoints);
    }
    for (endpoint, priority) in container.endpoints.iter_mut().zip(priorities) {
        endpoint.gw_priority = *priority;
    }
    let host = Host {
        networks,
        ..Host::default()
    };
    let GatewayEndpoints { ipv4, ipv6 } = gateway_endpoints(&host, &container);
    let name = |index: Option<usize>| {
        index.map_or("-", |index| {
            host.networks[container.endpoints[index].network]
                .name
                .as_str()
        })
    };
    (name(ipv4).to_owned(), name(ipv6).to_owned())
}

fn pair(ipv4: &str, ipv6: &str) -> (String, String) {
    (ipv4.to_owned(), ipv6.to_owned())
}

#[test]
fn the_name_decides_last() {
    assert_eq!(
        winners(vec![network("b", 1), network("a", 2)], &[]),
        pair("a", "a")
    );
}

#[test]
fn priority_decides_first() {
    assert_eq!(
        winners(vec![network("b", 1), network("a", 2)], &[1]),
        pair("b", "b")
    );
    assert_eq!(
        winners(vec![network("b", 1), network("a", 2)], &[0, -1]),
        pair("b", "b")
    );
}

#[test]
fn internal_networks_give_no_gateway() {
    let internal = Network {
        internal: true,
        ..network("a", 1)
    };
    assert_eq!(
        winners(vec![internal.clone(), network("b", 2)], &[9]),
        pair("b", "b")
    );
    assert_eq!(winners(vec![internal], &[]), pair("-", "-"));
}

#[test]
fn two_families_come_before_one() {
    let single = Network {
        ipv6: None,
        ..network("a", 1)
    };
    assert_eq!(
        winners(vec![single.clone(), network("b", 2)], &[]),
        pair("b", "b")
    );
    // A higher priority takes its family only.
    assert_eq!(winners(vec![single, network("b", 2)], &[1]), pair("a", "b"));
}

#[test]
fn docker_gwbridge_comes_last() {
    let swarm = network("docker_gwbridge", 1);
    let other = Network {
        ipv6: None,
        ..network("z", 2)
    };
    assert_eq!(
        winners(vec![swarm, other], &[]),
        pair("z", "docker_gwbridge")
    );
}

#[test]
fn other_drivers_take_part() {
    let macvlan = Network {
        driver: Driver::Macvlan,
        ..network("a", 1)
    };
    assert_eq!(winners(vec![macvlan, network("b", 2)], &[]), pair("a", "a"));
    let host = Network {
        driver: Driver::Host,
        ..network("a", 1)
    };
    assert_eq!(winners(vec![host, network("b", 2)], &[]), pair("b", "b"));
}

#[test]
fn an_endpoint_needs_an_address_of_the_family() {
    let host = Host {
        networks: vec![network("a", 1)],
        ..Host::default()
    };
    let only = |addresses| gateway_endpoints(&host, &container("c", &[(0, addresses)], &[]));
    assert_eq!(
        only("10.1.0.2"),
        GatewayEndpoints {
            ipv4: Some(0),
            ipv6: None
        }
    );
    assert_eq!(
        only("2001:db8:1::2"),
        GatewayEndpoints {
            ipv4: None,
            ipv6: Some(0)
        }
    );
}
