//! Which elements count which published ports.

use std::collections::BTreeMap;

use dockfw_ir::Value;
use dockfw_ir::name::SetName;
use dockfw_ir::verify::verify;

use super::{PublishCount, Traffic, counting_sets, publish_counts};
use crate::docker::check::tests::{container, network};
use crate::host::{Container, DOCKER_GWBRIDGE, GatewayMode, Host, Ingress};
use crate::{container_elements, lower};

fn host(containers: Vec<Container>) -> Host {
    Host {
        networks: vec![network("a", 1)],
        containers,
        count_publishes: true,
        ..Host::default()
    }
}

fn one(publish: &[&str]) -> Host {
    host(vec![container(
        "web",
        &[(0, "10.1.0.2 2001:db8:1::2")],
        publish,
    )])
}

/// `container address ports/protocol < host address ports, ...`
fn shown(host: &Host) -> Vec<String> {
    let line = |of: &PublishCount| {
        let from: Vec<String> = of
            .published
            .iter()
            .map(|(address, ports)| format!("{address} {ports}"))
            .collect();
        format!(
            "{} {} {}/{} < {}",
            of.container,
            of.container_address,
            of.container_ports,
            of.protocol,
            from.join(", ")
        )
    };
    publish_counts(host, |_, _| None).iter().map(line).collect()
}

#[test]
fn each_publish_of_each_family_counts() {
    assert_eq!(
        shown(&one(&["8080:80", "127.0.0.1:53:53/udp"])),
        [
            "web 10.1.0.2 80/tcp < 0.0.0.0 8080",
            "web 10.1.0.2 53/udp < 127.0.0.1 53",
            "web 2001:db8:1::2 80/tcp < :: 8080",
        ]
    );
}

#[test]
fn ports_that_are_published_twice_are_cut_out() {
    assert_eq!(
        shown(&one(&[
            "127.0.0.1:8000-8020:1000-1020",
            "192.0.2.1:9000-9010:1010-1020"
        ])),
        [
            "web 10.1.0.2 1000-1009/tcp < 127.0.0.1 8000-8009",
            "web 10.1.0.2 1010-1020/tcp < 127.0.0.1 8010-8020, 192.0.2.1 9000-9010",
        ]
    );
    assert_eq!(
        shown(&one(&[
            "127.0.0.1:1:65535",
            "0.0.0.0:65500-65535:65500-65535"
        ])),
        [
            "web 10.1.0.2 65500-65534/tcp < 0.0.0.0 65500-65534",
            "web 10.1.0.2 65535/tcp < 127.0.0.1 1, 0.0.0.0 65535",
        ]
    );
}

#[test]
fn what_is_not_rewritten_does_not_count() {
    let mut routed = one(&["0.0.0.0:8080:80"]);
    routed.networks[0].ipv4.as_mut().unwrap().gateway_mode = GatewayMode::Routed;
    assert_eq!(shown(&routed), [""; 0]);
}

#[test]
fn services_of_a_swarm_count_at_the_sandbox() {
    let mut host = host(Vec::new());
    host.networks[0].name = DOCKER_GWBRIDGE.to_owned();
    host.ingress = Some(Ingress {
        sandbox: "10.1.0.9".parse().unwrap(),
        publish: vec!["8080:80".parse().unwrap()],
    });
    assert_eq!(
        shown(&host),
        ["ingress-sbox 10.1.0.9 8080/tcp < 0.0.0.0 8080"]
    );
}

/// Every element of the compiled sets is asked for exactly once, and nothing else is.
#[test]
fn every_element_belongs_to_one_publish() {
    let ports: Vec<String> = (0..40).map(|port| format!("{port}:{}", 7 * port)).collect();
    let mut publish: Vec<&str> = ports.iter().skip(1).map(String::as_str).collect();
    publish.extend([
        "10000-10100:10000-10100",
        "127.0.0.1:20000-20050:10050-10100",
    ]);
    publish.extend(["3000-3005:3000-3005/udp", "65535:65535"]);
    let mut host = one(&publish);
    host.containers
        .push(container("other", &[(0, "10.1.0.3")], &["99:80"]));
    let ruleset = verify(lower(&host)).unwrap();
    let table = &ruleset.tables[0];
    let mut left: BTreeMap<(SetName, Value), u64> = BTreeMap::new();
    let mut next = 1;
    for name in counting_sets() {
        let set = table.sets.iter().find(|set| set.name == name).unwrap();
        assert!(set.counter, "{name}");
        for element in &set.elements {
            left.insert((name.clone(), element.key.clone()), next);
            next += 1;
        }
    }
    assert_eq!(table.sets.iter().filter(|set| set.counter).count(), 8);
    let all: u64 = left.values().sum();
    let left = std::cell::RefCell::new(left);
    let counts = publish_counts(&host, |set, key| {
        let packets = left.borrow_mut().remove(&(set.clone(), key.clone()));
        let packets = packets.expect("an element, and once");
        Some(Traffic {
            packets,
            bytes: 2 * packets,
        })
    });
    assert!(left.borrow().is_empty(), "{left:?}");
    let sum = |of: fn(&Traffic) -> u64| {
        counts
            .iter()
            .map(|count| of(&count.to) + of(&count.from))
            .sum::<u64>()
    };
    assert_eq!((sum(|of| of.packets), sum(|of| of.bytes)), (all, 2 * all));
}

/// What one container adds is in its own elements, counting ones too.
#[test]
fn a_container_brings_its_counters() {
    let mut host = one(&["8080:80", "9000-9050:9000-9050"]);
    host.daemon.userland_proxy = false;
    let elements = container_elements(&host, &host.containers[0]).unwrap();
    let counting: usize = elements
        .iter()
        .filter(|set| set.counter)
        .map(|set| set.elements.len())
        .sum();
    assert_eq!(counting, 8, "a port and a range, two families, two sides");
}

/// Without the option nothing is there that was not there before it.
#[test]
fn without_the_option_nothing_counts() {
    let mut without = one(&["8080:80"]);
    without.count_publishes = false;
    let of = |host: &Host| lower(host).tables.remove(0);
    let (table, mut with) = (of(&without), of(&one(&["8080:80"])));
    assert!(table.sets.iter().all(|set| !set.counter));
    with.sets.retain(|set| !set.counter);
    let own = [
        "PUBLISHED-TO",
        "PUBLISHED-FROM",
        "count-postrouting",
        "count-input",
    ];
    with.chains
        .retain(|chain| !own.contains(&chain.name.as_str()));
    assert_eq!(with, table);
}
