//! What gets through to whom on a closed host, with real packets.

use std::net::SocketAddr;
use std::time::Duration;

use dockfw_testkit::lab::{Bridge, Container, Lab, Outcome, Probe, Protocol};

use super::*;

const HOST4: &str = "192.0.2.1";
const HOST6: &str = "2001:db8:ffff::1";

/// A container on Docker's bridge with a port that docker-proxy serves, SSH on the host, and a
/// bridge of the host's own.
fn lab() -> Lab {
    let lab = Lab::builder()
        .bridge(Bridge::new(
            "docker0",
            &["172.17.0.1/16", "2001:db8:a::1/64"],
        ))
        .bridge(Bridge::new(
            "br-lan",
            &["172.20.0.1/16", "2001:db8:20::1/64"],
        ))
        .container(Container::new("web").on("docker0", &["172.17.0.2/16", "2001:db8:a::2/64"]))
        .container(Container::new("printer").on("br-lan", &["172.20.0.2/16", "2001:db8:20::2/64"]))
        // The first packets of a bridge may be lost on a busy machine; TCP sends them again.
        .timeout(Duration::from_secs(3))
        .build()
        .unwrap();
    for (node, port) in [("host", 22), ("web", 80), ("printer", 631), ("remote", 443)] {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            lab.listen(node, protocol, port).unwrap();
        }
    }
    let target: SocketAddr = "172.17.0.2:80".parse().unwrap();
    for bind in ["0.0.0.0:8080", "[::]:8080"] {
        let bind: SocketAddr = bind.parse().unwrap();
        lab.proxy(bind, Protocol::Tcp, target).unwrap();
    }
    lab
}

/// Who reaches what: from, to, port, and whether a closed host allows it.
const WAYS: &[(&str, &str, u16, bool)] = &[
    ("remote", "172.17.0.2", 80, false),
    ("remote", "2001:db8:a::2", 80, false),
    ("remote", "172.20.0.2", 631, false),
    ("web", "192.0.2.2", 443, false),
    ("web", "2001:db8:ffff::2", 443, false),
    ("web", "172.20.0.2", 631, false),
    ("host", "172.17.0.2", 80, false),
    ("host", "2001:db8:a::2", 80, false),
    ("remote", HOST4, 22, true),
    ("remote", HOST6, 22, true),
    ("printer", "172.20.0.1", 22, true),
    ("host", "192.0.2.2", 443, true),
    ("host", "2001:db8:ffff::2", 443, true),
    ("host", "172.20.0.2", 631, true),
    ("host", "2001:db8:20::2", 631, true),
    ("host", "127.0.0.1", 22, true),
    ("host", "::1", 22, true),
];

/// What gets through, in the order of [`WAYS`] by TCP and then by UDP, and last by docker-proxy.
fn found(lab: &Lab) -> Vec<(String, bool)> {
    let mut names = Vec::new();
    let mut probes = Vec::new();
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        for (from, to, port, _) in WAYS {
            names.push(format!("{from} {to} {port} {protocol:?}"));
            probes.push(Probe::new(from, to.parse().unwrap(), protocol, *port));
        }
    }
    for host in [HOST4, HOST6] {
        names.push(format!("docker-proxy at {host}"));
        probes.push(Probe::new(
            "remote",
            host.parse().unwrap(),
            Protocol::Tcp,
            8080,
        ));
    }
    let outcomes = lab.probe(&probes).unwrap();
    let reached = outcomes.iter().map(Outcome::is_reached);
    names.into_iter().zip(reached).collect()
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_closed_host_is_reached_and_its_containers_are_not() {
    let lab = lab();
    // Everything passes without rules, or the test would prove nothing.
    let open = found(&lab);
    assert!(open.iter().all(|(_, reached)| *reached), "{open:#?}");
    let boot = || run(&["commit", "--boot", "--no-history", &wrong()]);
    let output = lab.run_in("host", boot).unwrap();
    assert_eq!(output.status.code(), Some(8));
    // docker-proxy answers the connection, and has nobody to pass it on to.
    let allowed = WAYS.iter().chain(WAYS).map(|(.., is_allowed)| *is_allowed);
    let expected = allowed.chain([false, false]);
    let names = open.into_iter().map(|(name, _)| name);
    let expected: Vec<_> = names.zip(expected).collect();
    assert_eq!(found(&lab), expected);
}
