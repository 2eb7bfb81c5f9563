//! The real iptables-restore and iptables-save: every program loads, and comes back as we print it.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "runs the real programs"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use dockfw_iptables::{Family, Program};
use dockfw_ir::name::IfName;
use dockfw_lower::docker::publish::{PortRange, Protocol, Publish};
use dockfw_lower::host::{Daemon, Endpoint, Fwmark, GatewayMode, Host, Ingress};
use dockfw_lower::reference::reference;

use crate::cases::{bridge, container, host, ipv6, linked, publish};
use crate::corpus::compare;

/// Loads a program in a network namespace of its own and returns what is saved afterwards,
/// without comments and counters.
fn restore_and_save(program: &Program, variant: &str) -> String {
    let name = match program.family() {
        Family::Ipv4 => "iptables",
        Family::Ipv6 => "ip6tables",
    };
    let script = format!("{name}-{variant}-restore && {name}-{variant}-save");
    let mut child = Command::new("unshare")
        .args(["-n", "sh", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    write!(child.stdin.take().unwrap(), "{program}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script}: {}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.fold(String::new(), |text, line| match line.split_once(" [") {
        Some((header, _)) if line.starts_with(':') => text + header + " [0:0]\n",
        _ => text + line + "\n",
    })
}

/// The tables of a dump by name; the legacy programs have an order of their own.
fn sorted(dump: &str) -> String {
    let mut tables: Vec<_> = dump.split_inclusive("COMMIT\n").collect();
    tables.sort_unstable();
    tables.concat()
}

fn check(what: &str, host: &Host) {
    let reference = reference(host);
    for program in [&reference.ipv4, &reference.ipv6] {
        let text = program.to_string();
        let what = format!("{what}, {:?}", program.family());
        let nft = restore_and_save(program, "nft");
        assert!(compare(&format!("{what}, nft"), &nft, &text), "{what}, nft");
        let legacy = restore_and_save(program, "legacy");
        assert!(
            compare(&format!("{what}, legacy"), &sorted(&legacy), &sorted(&text)),
            "{what}"
        );
    }
}

/// Three networks in both families, three containers, publishes of every kind.
fn everything(daemon: &Daemon, mode: GatewayMode, icc: bool) -> Host {
    let mut host = host();
    host.daemon = daemon.clone();
    let mut special = bridge("br-0123456789ab", "192.0.2.0/24");
    special.trusted_host_interfaces = vec![IfName::new("vxlan.1").unwrap()];
    let mut internal = bridge("br-internal", "198.51.100.0/24");
    internal.internal = true;
    host.networks = vec![bridge("docker0", "172.17.0.0/16"), special, internal];
    for (index, network) in host.networks.iter_mut().enumerate() {
        let own_address = index == 1;
        let ipv4 = network.ipv4.as_mut().unwrap();
        ipv4.gateway_mode = mode;
        ipv4.host_address = own_address.then(|| "203.0.113.9".parse().unwrap());
        let ipv6 = network.ipv6.insert(ipv6(&format!("2001:db8:{index}::/64")));
        ipv6.gateway_mode = mode;
        ipv6.host_address = own_address.then(|| "2001:db8:f::9".parse().unwrap());
        network.icc = icc;
    }
    let range = |first, last| PortRange::new(first, last).unwrap();
    let udp = Publish {
        host: None,
        host_ports: Some(range(9000, 9007)),
        container_ports: range(80, 87),
        protocol: Protocol::Udp,
    };
    let sctp = Publish {
        protocol: Protocol::Sctp,
        ..publish(None, 7, 65_535)
    };
    let publishes = [
        publish(None, 8080, 80),
        publish(Some("127.0.0.1"), 8081, 80),
        publish(Some("::1"), 8082, 80),
        publish(Some("2001:db8:f::1"), 8083, 80),
        publish(Some("::192.0.2.77"), 8084, 80),
        udp,
        sctp,
    ];
    host.containers = vec![
        container("a", &[(0, "172.17.0.2")], &[publish(None, 1, 1)]),
        container("b", &[(1, "192.0.2.2"), (2, "198.51.100.2")], &publishes),
        container("c", &[(2, "198.51.100.3")], &[publish(None, 2, 2)]),
    ];
    for (index, container) in host.containers.iter_mut().enumerate() {
        for Endpoint { network, ipv6, .. } in &mut container.endpoints {
            *ipv6 = Some(
                format!("2001:db8:{network}::{}", index + 2)
                    .parse()
                    .unwrap(),
            );
        }
    }
    host
}

/// A node of a swarm on WSL2, with links on the default bridge, in both families where there are
/// two, and a network of IPv6 only.
fn with_neighbours() -> Host {
    let mut host = linked();
    let gateway_bridge = bridge("docker_gwbridge", "172.18.0.0/16");
    let mut ipv6_only = bridge("br-six", "192.0.2.0/24");
    ipv6_only.ipv4 = None;
    ipv6_only.ipv6 = Some(ipv6("2001:db8:6::/64"));
    host.networks.extend([gateway_bridge, ipv6_only]);
    host.wsl2_mirrored = true;
    let range = |first, last| PortRange::new(first, last).unwrap();
    let services = Publish {
        host: None,
        host_ports: Some(range(9000, 9002)),
        container_ports: range(80, 82),
        protocol: Protocol::Udp,
    };
    host.ingress = Some(Ingress {
        sandbox: "172.18.0.2".parse().unwrap(),
        publish: vec![publish(None, 8080, 80), services],
    });
    let mut six = container("six", &[(2, "192.0.2.2")], &[publish(None, 8081, 80)]);
    for endpoint in &mut six.endpoints {
        endpoint.ipv4 = None;
        endpoint.ipv6 = Some("2001:db8:6::2".parse().unwrap());
    }
    let local = [publish(Some("127.0.0.1"), 8082, 80)];
    host.containers
        .extend([six, container("local", &[(0, "172.17.0.9")], &local)]);
    host
}

#[test]
#[ignore = "needs root and iptables: cargo test -- --ignored"]
fn programs_load_and_come_back() {
    check("an empty host", &host());
    let marked = Fwmark {
        mark: 0x2a,
        mask: 0xff,
    };
    for userland_proxy in [true, false] {
        let mut swarm = with_neighbours();
        swarm.daemon.userland_proxy = userland_proxy;
        check(
            &format!("swarm, links, WSL2, proxy {userland_proxy}"),
            &swarm,
        );
    }
    let daemons = [
        Daemon {
            userland_proxy: false,
            ..Daemon::default()
        },
        Daemon {
            allow_direct_routing: true,
            ip_forward_no_drop: true,
            ..Daemon::default()
        },
        Daemon {
            bridge_accept_fwmark: Some(marked),
            ..Daemon::default()
        },
        Daemon::default(),
    ];
    for daemon in daemons {
        for mode in [
            GatewayMode::Nat,
            GatewayMode::NatUnprotected,
            GatewayMode::Routed,
        ] {
            for icc in [true, false] {
                let what = format!("{daemon:?}, {mode:?}, icc {icc}");
                check(&what, &everything(&daemon, mode, icc));
            }
        }
    }
}
