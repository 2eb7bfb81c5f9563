//! One test for each rule, on small hosts; and the sweep against a slow but obvious comparison.

use std::net::IpAddr;

use proptest::prelude::*;

use super::{ContainerField, NetworkField, Place, Severity, check};
use crate::docker::binding::{Binding, bindings};
use crate::docker::publish::Publish;
use dockfw_ir::name::IfName;

use crate::host::{
    Container, Driver, Endpoint, Family, GatewayMode, Host, Ingress, Network, NetworkFamily,
};

/// A dual-stack bridge network `10.<number>.0.0/16`.
pub(crate) fn network(name: &str, number: u8) -> Network {
    Network {
        name: name.to_owned(),
        driver: Driver::Bridge,
        bridge: Some(IfName::new(format!("br-{name:.12}").as_str()).unwrap()),
        ipv4: Some(family(&format!("10.{number}.0.0/16"))),
        ipv6: Some(family(&format!("2001:db8:{number}::/64"))),
        internal: false,
        icc: true,
        masquerade: true,
        host_binding: "0.0.0.0".parse().unwrap(),
        trusted_host_interfaces: Vec::new(),
        inhibit_ipv4: false,
    }
}

fn family<N: crate::host::Net + std::str::FromStr>(subnet: &str) -> NetworkFamily<N>
where
    N::Err: std::fmt::Debug,
{
    NetworkFamily {
        subnet: subnet.parse().unwrap(),
        gateway: None,
        gateway_mode: GatewayMode::Nat,
        host_address: None,
    }
}

/// A container with addresses in networks, given by index.
pub(crate) fn container(name: &str, endpoints: &[(usize, &str)], publish: &[&str]) -> Container {
    let endpoint = |(network, addresses): &(usize, &str)| {
        let mut endpoint = Endpoint {
            network: *network,
            ipv4: None,
            ipv6: None,
            gw_priority: 0,
        };
        for address in addresses.split_whitespace() {
            match address.parse().unwrap() {
                IpAddr::V4(address) => endpoint.ipv4 = Some(address),
                IpAddr::V6(address) => endpoint.ipv6 = Some(address),
            }
        }
        endpoint
    };
    Container {
        name: name.to_owned(),
        endpoints: endpoints.iter().map(endpoint).collect(),
        publish: publish.iter().map(|text| text.parse().unwrap()).collect(),
        ..Container::default()
    }
}

/// Network `web` (10.1.0.0/16, 2001:db8:1::/64), and containers.
fn web(containers: Vec<Container>) -> Host {
    Host {
        networks: vec![network("web", 1)],
        containers,
        ..Host::default()
    }
}

/// Container `nginx` in `web`, with published ports.
fn nginx(publish: &[&str]) -> Container {
    container("nginx", &[(0, "10.1.0.2 2001:db8:1::2")], publish)
}

/// What `check` finds: `error|warning place: message`, one line each.
fn problems(host: &Host) -> Vec<String> {
    check(host)
        .into_iter()
        .map(|problem| {
            let severity = match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let place = match problem.place {
                Place::Network { network, field } => format!("network {network} {field:?}"),
                Place::Container { container, field } => format!("container {container} {field:?}"),
                Place::Ingress(field) => format!("ingress {field:?}"),
            };
            assert!(!problem.message.ends_with('.'), "{}", problem.message);
            format!("{severity} {place}: {}", problem.message)
        })
        .collect()
}

/// The host has exactly one problem.
#[track_caller]
fn one(host: &Host, expected: &str) {
    assert_eq!(problems(host), [expected]);
}

#[track_caller]
fn fine(host: &Host) {
    assert_eq!(problems(host), [""; 0]);
}

#[test]
fn a_sound_host_has_no_problem() {
    fine(&Host::default());
    fine(&web(vec![nginx(&[
        "8080:80",
        "127.0.0.1:8443:443",
        "9000-9100:9000-9100/udp",
    ])]));
}

#[test]
fn names() {
    let mut host = web(vec![
        nginx(&[]),
        container("nginx", &[(0, "10.1.0.3")], &[]),
    ]);
    one(
        &host,
        "error container 1 Name: container `nginx` is written twice",
    );
    host.containers[1].name = "/nginx".to_owned();
    one(
        &host,
        "error container 1 Name: \"/nginx\" is not a container name",
    );
    host.containers[1].name = String::new();
    one(
        &host,
        "error container 1 Name: the name of the container is empty",
    );

    let mut host = web(vec![]);
    host.networks.push(Network {
        bridge: Some(IfName::new("br-2").unwrap()),
        ..network("web", 2)
    });
    one(
        &host,
        "error network 1 Name: network `web` is written twice",
    );
    host.networks[1].name = "a\u{1b}b".to_owned();
    one(
        &host,
        "error network 1 Name: the network name \"a\\u{1b}b\" contains control characters",
    );
}

#[test]
fn subnets() {
    let mut host = web(vec![]);
    host.networks[0].ipv4 = Some(family("10.1.2.0/16"));
    one(
        &host,
        "error network 0 Subnet(Ipv4): 10.1.2.0/16 is not a subnet: it has bits beyond the prefix \
         length",
    );
    assert_eq!(check(&host)[0].help.as_deref(), Some("write 10.1.0.0/16"));

    host.networks[0].ipv4 = None;
    host.networks[0].ipv6 = None;
    one(&host, "error network 0 Name: network `web` has no subnet");
    host.networks[0].driver = Driver::Host;
    fine(&host);
}

#[test]
fn ipv6_subnets() {
    let mut host = web(vec![]);
    host.networks[0].ipv6 = Some(family("ff02::/64"));
    one(
        &host,
        "error network 0 Subnet(Ipv6): ff02::/64 is multicast",
    );
    host.networks[0].ipv6 = Some(family("fe80::/10"));
    one(
        &host,
        "error network 0 Subnet(Ipv6): fe80::/10 overlaps the link-local subnet fe80::/64",
    );
    for part in [
        "fe80::/65",
        "fe80::8000:0:0:0/65",
        "fe80::2/128",
        "fe80::/63",
    ] {
        host.networks[0].ipv6 = Some(family(part));
        let message = format!(
            "error network 0 Subnet(Ipv6): {part} overlaps the link-local subnet fe80::/64"
        );
        one(&host, &message);
    }
    // Link-local or next to it, and nothing of fe80::/64.
    for subnet in [
        "fe80::/64",
        "fe80:1234::/64",
        "fe80:0:0:1::/64",
        "fec0::/64",
    ] {
        host.networks[0].ipv6 = Some(family(subnet));
        fine(&host);
    }
}

#[test]
fn gateways() {
    let mut host = web(vec![]);
    let set = |host: &mut Host, address: &str| {
        host.networks[0].ipv4.as_mut().unwrap().gateway = Some(address.parse().unwrap());
    };
    set(&mut host, "10.2.0.1");
    one(
        &host,
        "error network 0 Gateway(Ipv4): the gateway 10.2.0.1 is not in the subnet 10.1.0.0/16",
    );
    set(&mut host, "10.1.0.0");
    one(
        &host,
        "error network 0 Gateway(Ipv4): the gateway 10.1.0.0 is the network address of 10.1.0.0/16",
    );
    set(&mut host, "10.1.0.1");
    fine(&host);
    // The bridge of an internal network has an address too.
    host.networks[0].internal = true;
    fine(&host);
}

#[test]
fn isolated_needs_internal() {
    let mut host = web(vec![]);
    host.networks[0].ipv6.as_mut().unwrap().gateway_mode = GatewayMode::Isolated;
    one(
        &host,
        "error network 0 GatewayMode(Ipv6): gateway mode `isolated` needs an internal network, \
         `web` is not",
    );
    host.networks[0].internal = true;
    fine(&host);
}

#[test]
fn networks_do_not_share() {
    let mut host = web(vec![]);
    host.networks.push(Network {
        ipv6: None,
        ..network("db", 2)
    });
    host.networks[1].ipv4 = Some(family("10.1.128.0/24"));
    one(
        &host,
        "error network 1 Subnet(Ipv4): 10.1.128.0/24 overlaps the subnet 10.1.0.0/16 of network \
         `web`",
    );
    host.networks[1].driver = Driver::Macvlan;
    fine(&host);
    host.networks[1] = Network {
        bridge: host.networks[0].bridge.clone(),
        ..network("db", 2)
    };
    one(
        &host,
        "error network 1 Bridge: the bridge device br-web belongs to another network already",
    );
}

#[test]
fn every_overlap_is_found() {
    let subnets = [
        "10.0.0.0/8",
        "10.5.0.0/16",
        "10.5.5.0/24",
        "11.0.0.0/8",
        "10.9.0.0/16",
    ];
    let networks = subnets.iter().zip(1..).map(|(subnet, number)| Network {
        ipv4: Some(family(subnet)),
        ..network(&format!("n{number}"), number)
    });
    let host = Host {
        networks: networks.collect(),
        ..Host::default()
    };
    let places: Vec<_> = check(&host)
        .into_iter()
        .map(|problem| problem.place)
        .collect();
    let subnet = |network| Place::network(network, NetworkField::Subnet(Family::Ipv4));
    assert_eq!(places, [subnet(1), subnet(2), subnet(4)]);
}

#[test]
fn addresses() {
    let with = |addresses: &str| web(vec![container("c", &[(0, addresses)], &[])]);
    one(
        &with("10.2.0.2 2001:db8:1::2"),
        "error container 0 Address(0, Ipv4): 10.2.0.2 is not in the subnet 10.1.0.0/16 of network \
         `web`",
    );
    one(
        &with("10.1.255.255 2001:db8:1::2"),
        "error container 0 Address(0, Ipv4): 10.1.255.255 is the broadcast address of 10.1.0.0/16",
    );
    one(
        &with("10.1.0.2 2001:db8:1::"),
        "error container 0 Address(0, Ipv6): 2001:db8:1:: is the network address of 2001:db8:1::/64",
    );
    one(
        &with(""),
        "error container 0 Endpoint(0): the container has no address in network `web`",
    );
    one(
        &with("2001:db8:1::2"),
        "warning container 0 Endpoint(0): the container has no IPv4 address in network `web`, \
         although the network has IPv4; no IPv4 rule is made for it",
    );
    // IPv6 can be switched off inside a container.
    fine(&with("10.1.0.2"));

    let mut host = with("10.1.0.1 2001:db8:1::2");
    fine(&host);
    host.networks[0].ipv4.as_mut().unwrap().gateway = Some("10.1.0.1".parse().unwrap());
    one(
        &host,
        "error container 0 Address(0, Ipv4): 10.1.0.1 is the gateway of network `web`",
    );
    host = with("10.1.0.2 2001:db8:1::2");
    host.networks[0].ipv6 = None;
    one(
        &host,
        "error container 0 Address(0, Ipv6): network `web` has no IPv6, so 2001:db8:1::2 cannot be \
         in it",
    );
    host.containers[0].endpoints[0].network = 7;
    one(
        &host,
        "error container 0 Endpoint(0): container `c` is in a network that is not there",
    );
}

#[test]
fn both_addresses_of_a_subnet_of_two_can_be_used() {
    let mut host = web(vec![
        container("a", &[(0, "10.1.0.0")], &[]),
        container("b", &[(0, "10.1.0.1")], &[]),
    ]);
    host.networks[0] = Network {
        internal: true,
        ipv6: None,
        ..network("web", 1)
    };
    host.networks[0].ipv4 = Some(family("10.1.0.0/31"));
    fine(&host);
}

#[test]
fn two_containers_cannot_share_an_address() {
    let host = web(vec![
        container("a", &[(0, "10.1.0.2")], &[]),
        container("b", &[(0, "10.1.0.3")], &[]),
        container("c", &[(0, "10.1.0.2")], &[]),
    ]);
    one(
        &host,
        "error container 2 Address(0, Ipv4): 10.1.0.2 is the address of container `a` already",
    );
}

#[test]
fn publishing_needs_a_network() {
    let nowhere = container("c", &[], &["80:80", "81:81"]);
    one(
        &web(vec![nowhere]),
        "error container 0 Publish(0): container `c` publishes ports but is in no network",
    );
    let mut host = web(vec![nginx(&["80:80", "81:81"])]);
    host.networks[0].driver = Driver::Macvlan;
    one(
        &host,
        "warning container 0 Publish(0): container `nginx` publishes ports but is in no bridge \
         network (driver: macvlan), so they have no effect",
    );
    let mut host = web(vec![nginx(&["80", "80:80"])]);
    host.networks[0].internal = true;
    one(
        &host,
        "warning container 0 Publish(0): container `nginx` publishes ports, but network `web` is \
         internal, so they have no effect",
    );
}

#[test]
fn the_host_port_must_be_known() {
    one(
        &web(vec![nginx(&["80"])]),
        "error container 0 Publish(0): `80` names no host port, so dockerd chooses one at start",
    );
    one(
        &web(vec![nginx(&["8080-8090:80"])]),
        "error container 0 Publish(0): `8080-8090:80` lets dockerd take any free host port of \
         8080-8090",
    );
    assert_eq!(
        check(&web(vec![nginx(&["0:80"])]))[0].help.as_deref(),
        Some("write the host port that `docker port nginx` shows")
    );
}

#[test]
fn routed_networks_ignore_the_host_part() {
    let mut host = web(vec![nginx(&["8080:80"])]);
    host.networks[0].ipv6.as_mut().unwrap().gateway_mode = GatewayMode::Routed;
    fine(&host);
    host.networks[0].ipv4.as_mut().unwrap().gateway_mode = GatewayMode::Routed;
    one(
        &host,
        "warning container 0 Publish(0): the host port is ignored, because the network's gateway \
         mode is routed",
    );
    host.containers[0] = nginx(&["80", "443-445", "0.0.0.0::8443"]);
    fine(&host);
    host.containers[0] = nginx(&["127.0.0.1::80"]);
    one(
        &host,
        "warning container 0 Publish(0): the host address is ignored, because the network's \
         gateway mode is routed",
    );
}

#[test]
fn a_host_address_does_not_limit_a_routed_network() {
    let on_both = |publish| container("c", &[(0, "10.1.0.2"), (1, "10.2.0.2")], &[publish]);
    let mut host = web(vec![on_both("127.0.0.1:8080:80")]);
    host.networks.push(network("z-routed", 2));
    fine(&host);
    host.networks[1].ipv4.as_mut().unwrap().gateway_mode = GatewayMode::Routed;
    one(
        &host,
        "warning container 0 Publish(0): the host address is ignored in network `z-routed`, because \
         its gateway mode is routed: port 80 is open on the container's own address there",
    );
    // Relayed by docker-proxy in the first network, routed in the second.
    let mut proxied = host.clone();
    proxied.networks[1].ipv6.as_mut().unwrap().gateway_mode = GatewayMode::Routed;
    proxied.containers = vec![container(
        "c",
        &[(0, "10.1.0.2"), (1, "10.2.0.2 2001:db8:2::2")],
        &["[::1]:8080:80"],
    )];
    proxied.containers[0].endpoints[0].gw_priority = 1;
    assert_eq!(crate::docker::check::check(&proxied).len(), 1);
    for publish in ["8080:80", "0.0.0.0:8080:80"] {
        host.containers[0] = on_both(publish);
        fine(&host);
    }
    // The other family is not routed.
    host.networks[1].ipv4.as_mut().unwrap().gateway_mode = GatewayMode::Nat;
    host.networks[1].ipv6.as_mut().unwrap().gateway_mode = GatewayMode::Routed;
    host.containers[0] = on_both("127.0.0.1:8080:80");
    fine(&host);
}

#[test]
fn a_host_address_needs_a_container_address_of_its_family() {
    let mut host = web(vec![container("c", &[(0, "10.1.0.2")], &["[::1]:80:80"])]);
    // docker-proxy relays it.
    fine(&host);
    host.daemon.userland_proxy = false;
    one(
        &host,
        "warning container 0 Publish(0): `[::1]:80:80` has no effect: the host address ::1 is \
         IPv6, but the container has only IPv4 and userland-proxy is false",
    );
    let mut host = web(vec![container(
        "c",
        &[(0, "2001:db8:1::2")],
        &["127.0.0.1:80:80"],
    )]);
    host.networks[0].ipv4 = None;
    one(
        &host,
        "warning container 0 Publish(0): `127.0.0.1:80:80` has no effect: the host address \
         127.0.0.1 is IPv4, but the container has no IPv4 address to map it to",
    );
}

/// Two containers in `web` with one publish each collide, or not.
#[track_caller]
fn collide(first: &str, second: &str, expected: Option<&str>) {
    let second = container("second", &[(0, "10.1.0.3 2001:db8:1::3")], &[second]);
    let host = web(vec![nginx(&[first]), second]);
    match expected {
        Some(what) => {
            let message =
                format!("error container 1 Publish(0): host {what} container `nginx` already");
            one(&host, &message);
            let place = Place::container(0, ContainerField::Publish(0));
            assert_eq!(check(&host)[0].related[0].0, place);
        }
        None => fine(&host),
    }
}

#[test]
fn two_publishes_cannot_claim_one_host_port() {
    collide("80:80", "80:8080", Some("port 80/tcp is published by"));
    collide("80:80", "80:80/udp", None);
    collide("80:80", "81:80", None);
    collide(
        "80:80",
        "127.0.0.1:80:80",
        Some("port 80/tcp of 127.0.0.1 is published by"),
    );
    collide(
        "127.0.0.1:80:80",
        "80:80",
        Some("port 80/tcp of 127.0.0.1 is published by"),
    );
    collide("127.0.0.1:80:80", "127.0.0.2:80:80", None);
    collide(
        "127.0.0.1:80:80",
        "127.0.0.1:80:80",
        Some("port 80/tcp of 127.0.0.1 is published by"),
    );
    // Without an address it listens by IPv6 as well.
    collide(
        "80:80",
        "[::1]:80:80",
        Some("port 80/tcp of [::1] is published by"),
    );
    collide("0.0.0.0:80:80", "[::]:80:80", None);
    collide(
        "10-20:10-20",
        "15-30:15-30",
        Some("ports 15-20/tcp are published by"),
    );
    collide("10-20:10-20", "21-30:21-30", None);
    collide(
        "10-20:10-20/sctp",
        "20-30:20-30/sctp",
        Some("port 20/sctp is published by"),
    );
}

#[test]
fn one_container_can_collide_with_itself() {
    one(
        &web(vec![nginx(&["80:80", "443:443", "80:8080"])]),
        "error container 0 Publish(2): host port 80/tcp is published by the same container already",
    );
}

#[test]
fn the_default_host_address_of_the_network_counts() {
    let mut host = web(vec![
        nginx(&["80:80"]),
        container(
            "second",
            &[(0, "10.1.0.3 2001:db8:1::3")],
            &["127.0.0.2:80:80"],
        ),
    ]);
    host.networks[0].host_binding = "127.0.0.1".parse().unwrap();
    fine(&host);
    host.networks[0].host_binding = "127.0.0.2".parse().unwrap();
    assert_eq!(problems(&host).len(), 1);
}

#[test]
fn docker_proxy_takes_ports_too() {
    let mut host = web(vec![
        container("old", &[(0, "10.1.0.2")], &["[::1]:80:80"]),
        container("new", &[(0, "10.1.0.3 2001:db8:1::3")], &["[::1]:80:80"]),
    ]);
    assert_eq!(problems(&host).len(), 1);
    host.daemon.userland_proxy = false;
    let found = check(&host);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].severity, Severity::Warning);
}

#[test]
fn many_collisions_are_not_quadratic() {
    let ranges = vec!["1-60000:1-60000"; 20_000];
    let host = web(vec![nginx(&ranges)]);
    assert_eq!(check(&host).len(), ranges.len() - 1);
}

/// Whether two bindings claim a host port in common, written as it is defined.
fn overlap(a: &Binding, b: &Binding) -> bool {
    let (Some(ports), Some(others)) = (a.host_ports, b.host_ports) else {
        return false;
    };
    let any = a.host_address.is_unspecified() || b.host_address.is_unspecified();
    a.protocol == b.protocol
        && a.host_address.is_ipv4() == b.host_address.is_ipv4()
        && (any || a.host_address == b.host_address)
        && ports.first() <= others.last()
        && others.first() <= ports.last()
}

fn publish() -> impl Strategy<Value = Publish> {
    let address = prop_oneof![
        3 => Just(""),
        1 => Just("127.0.0.1:"),
        1 => Just("127.0.0.2:"),
        1 => Just("0.0.0.0:"),
        1 => Just("[::1]:"),
        1 => Just("[::]:"),
    ];
    let protocol = prop_oneof![Just("tcp"), Just("udp")];
    (address, 1..60_u16, 0..8_u16, protocol).prop_map(|(address, first, more, protocol)| {
        let last = first + more;
        format!("{address}{first}-{last}:{first}-{last}/{protocol}")
            .parse()
            .unwrap()
    })
}

proptest! {
    /// A publish is reported exactly when it collides with another one that is written before it,
    /// or with one behind it that is reported instead.
    #[test]
    fn the_sweep_finds_what_comparing_all_finds(list in prop::collection::vec(publish(), 1..12)) {
        let mut container = nginx(&[]);
        container.publish = list;
        let host = web(vec![container]);
        let all = bindings(&host);
        let expected = all.iter().any(|a| all.iter().any(|b| a.publish < b.publish && overlap(a, b)));
        let found = check(&host);
        prop_assert_eq!(!found.is_empty(), expected);
        for problem in &found {
            let Place::Container { field: ContainerField::Publish(later), .. } = problem.place else {
                return Err(TestCaseError::fail("another place"));
            };
            for (place, _) in &problem.related {
                let Place::Container { field: ContainerField::Publish(earlier), .. } = *place else {
                    return Err(TestCaseError::fail("another place"));
                };
                let pair = |a: &Binding, b: &Binding| a.publish == earlier && b.publish == later;
                let real = all.iter().any(|a| all.iter().any(|b| pair(a, b) && overlap(a, b)));
                prop_assert!(real && earlier < later);
            }
        }
    }

    /// With the reported publishes removed, nothing collides any more.
    #[test]
    fn removing_what_is_reported_solves_it(list in prop::collection::vec(publish(), 1..12)) {
        let mut container = nginx(&[]);
        container.publish = list;
        let mut host = web(vec![container]);
        for _ in 0..12 {
            let found = check(&host);
            let Some(last) = found.last() else { return Ok(()) };
            if let Place::Container { field: ContainerField::Publish(at), .. } = last.place {
                host.containers[0].publish.remove(at);
            }
        }
        prop_assert!(check(&host).is_empty());
    }
}

/// Network `bridge` (10.1.0.0/16) without icc; `client`, linked to `server`.
fn linked(server: &[&str]) -> Host {
    let mut bridge = network("bridge", 1);
    bridge.icc = false;
    let mut client = container("client", &[(0, "10.1.0.2")], &[]);
    client.links = vec![1];
    Host {
        networks: vec![bridge, network("web", 2)],
        containers: vec![client, container("server", &[(0, "10.1.0.3")], server)],
        ..Host::default()
    }
}

#[test]
fn links() {
    fine(&linked(&["8080:80"]));
    one(
        &linked(&[]),
        "warning container 0 Link(0): the link opens nothing: container `server` exposes no port",
    );
    let mut host = linked(&[]);
    host.networks[0].icc = true;
    fine(&host);
    host.containers[0].links = vec![0];
    one(
        &host,
        "error container 0 Link(0): container `client` is linked to itself",
    );
    host.containers[0].links = vec![7];
    one(
        &host,
        "error container 0 Link(0): container `client` is linked to a container that is not there",
    );
    let mut host = linked(&["8080:80"]);
    host.containers[1] = container("server", &[(1, "10.2.0.3")], &[]);
    one(
        &host,
        "error container 0 Link(0): container `server` is linked to, but is not in Docker's \
         default network `bridge`",
    );
    host.containers[0].endpoints[0].network = 1;
    host.containers[0].endpoints[0].ipv4 = Some("10.2.0.2".parse().unwrap());
    one(
        &host,
        "warning container 0 Link(0): the link has no effect on packets: container `client` is \
         not in Docker's default network `bridge`",
    );
}

/// A node of a swarm whose services publish these ports.
fn node(publish: &[&str]) -> Host {
    Host {
        networks: vec![network("docker_gwbridge", 1)],
        containers: vec![container(
            "c",
            &[(0, "10.1.0.3 2001:db8:1::3")],
            &["9000:80"],
        )],
        ingress: Some(Ingress {
            sandbox: "10.1.0.2".parse().unwrap(),
            publish: publish.iter().map(|text| text.parse().unwrap()).collect(),
        }),
        ..Host::default()
    }
}

#[test]
fn swarm() {
    fine(&node(&["8080:80", "8443-8444:443-444", "9000:53/udp"]));
    one(
        &node(&["8080:80", "9000:80"]),
        "error ingress Publish(1): host port 9000/tcp is published by container `c` already",
    );
    one(
        &node(&["8080:80", "8080:81"]),
        "error ingress Publish(1): host port 8080/tcp is published by a swarm service already",
    );
    one(
        &node(&["127.0.0.1:8080:80"]),
        "error ingress Publish(0): `127.0.0.1:8080:80` names a host address, which a service \
         cannot choose",
    );
    one(
        &node(&["80"]),
        "error ingress Publish(0): `80` does not say which host port swarm chose",
    );
    let sandbox = |address: &str| {
        let mut host = node(&[]);
        host.ingress.as_mut().unwrap().sandbox = address.parse().unwrap();
        host
    };
    one(
        &sandbox("10.2.0.2"),
        "error ingress Sandbox: 10.2.0.2 is not in the subnet 10.1.0.0/16 of network \
         `docker_gwbridge`",
    );
    one(
        &sandbox("10.1.0.3"),
        "error ingress Sandbox: 10.1.0.3 is the address of container `c` already",
    );
    let mut host = node(&[]);
    host.networks[0].name = "other".to_owned();
    one(
        &host,
        "error ingress Sandbox: the ingress sandbox needs a bridge network `docker_gwbridge`",
    );
    let mut host = node(&[]);
    host.containers.clear();
    host.networks[0].internal = true;
    one(
        &host,
        "error network 0 Name: network `docker_gwbridge` is internal",
    );
    host.networks[0].internal = false;
    host.networks[0].ipv4 = None;
    one(
        &host,
        "error network 0 Name: network `docker_gwbridge` has no IPv4",
    );
}
