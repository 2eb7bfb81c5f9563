//! The shape of the lowering: what is static, what is an element, and what does not depend on the
//! order in which a host is written.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

use std::net::{IpAddr, Ipv4Addr};

use dockfw_ir::chain::Policy;
use dockfw_ir::expr::{Expr, Meta};
use dockfw_ir::name::IfName;
use dockfw_ir::statement::{Operator, Statement, Test, Verdict};
use dockfw_ir::{Chain, Ruleset, Set, Table, Value};
use dockfw_lower::docker::publish::Publish;
use dockfw_lower::host::{
    Container, DOCKER_GWBRIDGE, Driver, Endpoint, Fwmark, GatewayMode, Host, Ingress, Network,
    NetworkFamily,
};
use dockfw_lower::lower;

fn network(index: u8) -> Network {
    Network {
        name: format!("net{index}"),
        driver: Driver::Bridge,
        bridge: Some(IfName::new(&format!("br-{index}")).unwrap()),
        ipv4: Some(NetworkFamily {
            subnet: format!("10.0.{index}.0/24").parse().unwrap(),
            gateway: None,
            gateway_mode: GatewayMode::Nat,
            host_address: None,
        }),
        ipv6: Some(NetworkFamily {
            subnet: format!("2001:db8:{index}::/64").parse().unwrap(),
            gateway: None,
            gateway_mode: GatewayMode::Nat,
            host_address: None,
        }),
        internal: false,
        icc: true,
        masquerade: true,
        host_binding: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        trusted_host_interfaces: Vec::new(),
        inhibit_ipv4: false,
    }
}

fn container(network: usize, index: u8, publish: &[&str]) -> Container {
    Container {
        name: format!("c{network}-{index}"),
        endpoints: vec![Endpoint {
            network,
            ipv4: Some(Ipv4Addr::new(10, 0, u8::try_from(network).unwrap(), index)),
            ipv6: Some(format!("2001:db8:{network}::{index}").parse().unwrap()),
            gw_priority: 0,
        }],
        publish: publish
            .iter()
            .map(|text| text.parse::<Publish>().unwrap())
            .collect(),
        ..Container::default()
    }
}

fn host(networks: u8, containers: Vec<Container>) -> Host {
    Host {
        networks: (0..networks).map(network).collect(),
        containers,
        ..Host::default()
    }
}

fn table(ruleset: &Ruleset) -> &Table {
    let [table] = ruleset.tables.as_slice() else {
        panic!("one table")
    };
    table
}

fn set<'a>(ruleset: &'a Ruleset, name: &str) -> &'a Set {
    table(ruleset)
        .sets
        .iter()
        .find(|set| set.name.as_str() == name)
        .expect(name)
}

fn chain<'a>(ruleset: &'a Ruleset, name: &str) -> &'a Chain {
    table(ruleset)
        .chains
        .iter()
        .find(|chain| chain.name.as_str() == name)
        .expect(name)
}

/// A ruleset without elements and sizes: the skeleton.
fn skeleton(host: &Host) -> Ruleset {
    let mut ruleset = lower(host);
    for set in ruleset.tables.iter_mut().flat_map(|table| &mut table.sets) {
        set.elements.clear();
        set.size = set.size.map(|_| 0);
    }
    ruleset
}

#[test]
fn the_order_in_which_a_host_is_written_does_not_matter() {
    let forward = host(
        3,
        vec![
            container(0, 2, &["80:80", "9000-9100:9000-9100/udp"]),
            container(1, 2, &["8443:443", "127.0.0.1:5432:5432"]),
            container(2, 2, &["192.0.2.1:81-99:8081-8099"]),
        ],
    );
    let mut backward = forward.clone();
    backward.networks.reverse();
    backward.containers.reverse();
    for container in &mut backward.containers {
        container.publish.reverse();
        for endpoint in &mut container.endpoints {
            endpoint.network = 2 - endpoint.network;
        }
    }
    assert_eq!(lower(&forward), lower(&backward));
    assert_eq!(lower(&forward), lower(&forward.clone()));
}

#[test]
fn a_container_changes_elements_only() {
    for userland_proxy in [false, true] {
        let mut before = host(2, vec![container(0, 2, &["80:80"])]);
        before.daemon.userland_proxy = userland_proxy;
        let mut after = before.clone();
        after.containers.push(container(
            1,
            9,
            &["81:80", "127.0.0.1:1000-2000:1000-2000/sctp"],
        ));
        assert_ne!(lower(&before), lower(&after));
        assert_eq!(skeleton(&before), skeleton(&after));
    }
}

#[test]
fn a_network_adds_its_chains_and_leaves_those_of_all_packets_alone() {
    let (one, two) = (lower(&host(1, vec![])), lower(&host(2, vec![])));
    for chain in &table(&one).chains {
        assert!(table(&two).chains.contains(chain), "{} changed", chain.name);
    }
    let added = table(&two).chains.len() - table(&one).chains.len();
    assert_eq!(added, 3, "published ports, the way out, masquerading");
}

#[test]
fn a_range_is_one_element_however_it_is_written() {
    let range = lower(&host(
        1,
        vec![container(0, 2, &["9000-9100:9000-9100/udp"])],
    ));
    assert_eq!(set(&range, "host-ports4-range").elements.len(), 1);
    assert_eq!(set(&range, "host-ports4").elements.len(), 0);
    assert_eq!(set(&range, "container-ports6-range").elements.len(), 1);
    let single: Vec<String> = (9000..=9100)
        .map(|port| format!("{port}:{port}/udp"))
        .collect();
    let single: Vec<&str> = single.iter().map(String::as_str).collect();
    assert_eq!(range, lower(&host(1, vec![container(0, 2, &single)])));
}

#[test]
fn a_range_with_an_offset_is_an_element_a_port_in_nat() {
    let ruleset = lower(&host(1, vec![container(0, 2, &["8000-8099:80-179"])]));
    assert_eq!(set(&ruleset, "host-ports4").elements.len(), 100);
    assert_eq!(set(&ruleset, "container-ports4-range").elements.len(), 1);
}

#[test]
fn two_host_ports_of_one_container_port_are_one_open_port() {
    let ruleset = lower(&host(1, vec![container(0, 2, &["8000:80", "8001:80"])]));
    assert_eq!(set(&ruleset, "host-ports4").elements.len(), 2);
    assert_eq!(set(&ruleset, "container-ports4").elements.len(), 1);
}

#[test]
fn proxied_ranges_end_where_another_bridge_publishes() {
    let many: Vec<String> = (0..20)
        .map(|port| format!("{}:80", 1000 + 10 * port))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let alone = lower(&host(2, vec![container(0, 2, &many)]));
    let range = &set(&alone, "proxied-ports4-range").elements;
    assert_eq!(range.len(), 1, "unpublished ports between do no harm");
    let shared = lower(&host(
        2,
        vec![container(0, 2, &many), container(1, 2, &["1055:80"])],
    ));
    let ranges: Vec<_> = set(&shared, "proxied-ports4-range")
        .elements
        .iter()
        .collect();
    let singles = &set(&shared, "proxied-ports4").elements;
    let value = |bridge: &str, port: u16| {
        Value::new()
            .and_ifname(&dockfw_ir::name::IfName::new(bridge).unwrap())
            .and_u8(6)
            .and_port(port)
    };
    assert_eq!(
        ranges.len(),
        0,
        "6 ports before, 14 after: neither is long enough"
    );
    assert_eq!(singles.len(), 21);
    assert!(
        singles
            .iter()
            .any(|element| element.key == value("br-1", 1055))
    );
    assert!(
        !singles
            .iter()
            .any(|element| element.key == value("br-0", 1055))
    );
}

#[test]
fn without_the_userland_proxy_nothing_is_left_to_it() {
    let mut host = host(1, vec![container(0, 2, &["80:80"])]);
    host.daemon.userland_proxy = false;
    let ruleset = lower(&host);
    let table = table(&ruleset);
    assert!(
        table
            .sets
            .iter()
            .all(|set| !set.name.as_str().starts_with("proxied"))
    );
    assert_eq!(chain(&ruleset, "nat-prerouting").rules.len(), 1);
    assert_eq!(chain(&ruleset, "nat-output").rules.len(), 1);
    assert_eq!(set(&ruleset, "endpoint-self4").elements.len(), 1);
    assert_eq!(set(&ruleset, "docker-hairpin").elements.len(), 1);
}

/// Divergence 7.
#[test]
fn the_forward_policy_is_drop_unless_forwarding_is_the_operators() {
    let policy = |ip_forward, no_drop| {
        let mut host = Host::default();
        host.daemon.ip_forward = ip_forward;
        host.daemon.ip_forward_no_drop = no_drop;
        chain(&lower(&host), "forward").base.unwrap().policy
    };
    assert_eq!(policy(true, false), Policy::Drop);
    assert_eq!(policy(true, true), Policy::Accept);
    assert_eq!(policy(false, false), Policy::Accept);
}

/// Divergence 4: the accept names the bridges it is for, and comes first.
#[test]
fn marked_packets_are_accepted_towards_open_bridges_only() {
    let mut host = host(1, vec![]);
    host.daemon.bridge_accept_fwmark = Some(Fwmark { mark: 2, mask: 3 });
    let ruleset = lower(&host);
    let rule = &chain(&ruleset, "DOCKER-FORWARD").rules[0];
    let Statement::Match(first) = &rule.statements[0] else {
        panic!("a match")
    };
    assert_eq!(
        first.key.0,
        [Expr::Meta(Meta::Oifname), Expr::Meta(Meta::Nfproto)]
    );
    assert!(
        matches!(&first.test, Test::Set { negated: false, set } if set.as_str() == "docker-bridges")
    );
    let Statement::Match(second) = &rule.statements[1] else {
        panic!("a match")
    };
    let mark = |value| Value::new().and_host_u32(value);
    let expected = Test::Compare {
        mask: Some(mark(3)),
        operator: Operator::Equal,
        value: mark(2),
    };
    assert_eq!(second.test, expected);
}

/// Divergence 6: the last rule towards a bridge is a drop for both families, and a family that the
/// network does not have is not let out.
#[test]
fn a_bridge_is_closed_in_the_family_it_does_not_have() {
    let mut host = host(1, vec![]);
    host.networks[0].ipv6 = None;
    let ruleset = lower(&host);
    let last = chain(&ruleset, "DOCKER__br-0").rules.last().unwrap();
    assert_eq!(
        last.statements,
        [Statement::Counter, Statement::Verdict(Verdict::Drop)]
    );
    let out = &chain(&ruleset, "DOCKER-ISOLATION__br-0").rules;
    let Statement::Match(family) = &out[0].statements[0] else {
        panic!("a match")
    };
    assert_eq!(family.key.0, [Expr::Meta(Meta::Nfproto)]);
    assert_eq!(set(&ruleset, "docker-bridges").elements.len(), 1);
}

#[test]
fn direct_routing_and_modes_decide_who_is_guarded() {
    let guarded = |change: fn(&mut Host)| {
        let mut host = host(1, vec![container(0, 2, &["80:80"])]);
        change(&mut host);
        let ruleset = lower(&host);
        let count = |name| set(&ruleset, name).elements.len();
        (
            count("endpoints4"),
            count("endpoint-access4"),
            count("endpoints6"),
        )
    };
    assert_eq!(guarded(|_| ()), (1, 1, 1));
    assert_eq!(
        guarded(|host| host.daemon.allow_direct_routing = true),
        (0, 0, 0)
    );
    assert_eq!(guarded(|host| host.networks[0].internal = true), (0, 0, 0));
    let routed = |host: &mut Host| {
        host.networks[0].ipv6.as_mut().unwrap().gateway_mode = GatewayMode::Routed;
    };
    assert_eq!(guarded(routed), (1, 1, 0));
    let trusted = |host: &mut Host| {
        host.networks[0].trusted_host_interfaces = vec![IfName::new("eth1").unwrap()];
    };
    assert_eq!(guarded(trusted), (1, 2, 1));
}

#[test]
fn what_a_bridge_sends_is_decided_by_icc() {
    let rules = |change: fn(&mut Network)| {
        let mut host = host(1, vec![]);
        change(&mut host.networks[0]);
        let ruleset = lower(&host);
        let rules = &chain(&ruleset, "DOCKER-ISOLATION__br-0").rules;
        rules
            .iter()
            .map(|rule| rule.statements.last().cloned().unwrap())
            .collect::<Vec<_>>()
    };
    let accept = Statement::Verdict(Verdict::Accept);
    let drop = Statement::Verdict(Verdict::Drop);
    assert_eq!(rules(|_| ()), std::slice::from_ref(&accept));
    assert_eq!(
        rules(|network| network.icc = false),
        [drop.clone(), accept.clone()]
    );
    assert_eq!(rules(|network| network.internal = true), [accept]);
    let closed = |network: &mut Network| {
        network.internal = true;
        network.icc = false;
    };
    assert_eq!(rules(closed), [drop]);
}

#[test]
fn bridges_with_odd_names_get_chains_of_their_own() {
    let mut host = host(2, vec![]);
    host.networks[0].bridge = Some(IfName::new("br.a").unwrap());
    host.networks[1].bridge = Some(IfName::new("br-a").unwrap());
    let ruleset = lower(&host);
    chain(&ruleset, "DOCKER__br.2ea");
    chain(&ruleset, "DOCKER__br-a");
}

#[test]
fn other_drivers_have_no_rules() {
    let mut with = host(1, vec![]);
    let without = lower(&with);
    with.networks.push(Network {
        driver: Driver::Macvlan,
        ..network(1)
    });
    with.containers.push(container(1, 2, &["80:80"]));
    assert_eq!(lower(&with), without);
}

#[test]
fn a_link_changes_elements_only() {
    let mut before = host(1, vec![container(0, 2, &["80:80"]), container(0, 3, &[])]);
    (before.networks[0].name, before.networks[0].icc) = ("bridge".to_owned(), false);
    let mut after = before.clone();
    after.containers[1].links = vec![0];
    assert_eq!(skeleton(&before), skeleton(&after));
    let ruleset = lower(&after);
    let key = |a, b| {
        let address = |last| Ipv4Addr::new(10, 0, 0, last);
        let key = Value::new().and_ipv4(address(a)).and_ipv4(address(b));
        key.and_u8(6).and_port(80)
    };
    let keys = |name| {
        let elements = &set(&ruleset, name).elements;
        elements.iter().map(|of| of.key.clone()).collect::<Vec<_>>()
    };
    assert_eq!(keys("links"), [key(3, 2)]);
    assert_eq!(keys("link-answers"), [key(2, 3)]);
    after.networks[0].icc = true;
    let open = lower(&after);
    let names = |ruleset: &Ruleset| {
        table(ruleset)
            .sets
            .iter()
            .any(|of| of.name.as_str() == "links")
    };
    assert!(names(&ruleset) && !names(&open));
}

#[test]
fn a_service_changes_elements_only() {
    let mut none = host(2, vec![container(0, 2, &["80:80"])]);
    none.networks[1].name = DOCKER_GWBRIDGE.to_owned();
    let swarm = |publish: &[&str]| {
        let mut host = none.clone();
        host.ingress = Some(Ingress {
            sandbox: Ipv4Addr::new(10, 0, 1, 2),
            publish: publish.iter().map(|text| text.parse().unwrap()).collect(),
        });
        host
    };
    let two = swarm(&["8080:80", "5353:53/udp"]);
    assert_eq!(skeleton(&swarm(&[])), skeleton(&two));
    assert_eq!(set(&lower(&two), "ingress-ports").elements.len(), 2);
    assert!(
        table(&lower(&none))
            .sets
            .iter()
            .all(|of| of.name.as_str() != "ingress-ports")
    );
    let guarded = |host: &Host| set(&lower(host), "endpoints4").elements.len();
    assert_eq!(guarded(&two), guarded(&none) + 1, "the sandbox");
}

#[test]
fn windows_localhost_is_an_option_of_the_host() {
    let rules = |proxy, mirrored| {
        let mut host = host(1, vec![container(0, 2, &["127.0.0.1:80:80"])]);
        host.daemon.userland_proxy = proxy;
        host.wsl2_mirrored = mirrored;
        let ruleset = lower(&host);
        let count = |name| {
            let rules = &chain(&ruleset, name).rules;
            rules
                .iter()
                .map(|rule| rule.statements.len())
                .sum::<usize>()
        };
        (count("guard-prerouting"), count("nat-prerouting"))
    };
    let ((guard, nat), (guard_off, nat_off)) = (rules(true, false), rules(false, false));
    assert_eq!(rules(true, true), (guard + 2, nat + 4));
    assert_eq!(rules(false, true), (guard_off + 2, nat_off));
}
