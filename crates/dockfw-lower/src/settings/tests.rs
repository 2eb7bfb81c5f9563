//! Which settings a host needs, and why.

use std::net::Ipv4Addr;

use dockfw_ir::name::IfName;

use super::{Key, settings};
use crate::docker::check::tests::{container, network};
use crate::host::{DOCKER_GWBRIDGE, Driver, GatewayMode, Host, Ingress, Network};

/// Two dual-stack networks, and what the rest says.
fn host(change: impl FnOnce(&mut Host)) -> Host {
    let mut host = Host {
        networks: vec![network("a", 1), network("b", 2)],
        ..Host::default()
    };
    change(&mut host);
    host
}

/// The settings as sysctl(8) names them; `!` where the policy does not hold without.
fn keys(host: &Host) -> Vec<String> {
    let shown = |of: &super::Setting| format!("{}{}", if of.protects { "!" } else { "" }, of.key);
    settings(host).iter().map(shown).collect()
}

const FORWARDING: [&str; 2] = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"];

#[test]
fn a_network_with_a_way_out_needs_forwarding_of_its_families() {
    assert_eq!(keys(&Host::default()), [""; 0]);
    assert_eq!(keys(&host(|_| {})), FORWARDING);
    let only_ipv4 = host(|host| host.networks.iter_mut().for_each(|of| of.ipv6 = None));
    assert_eq!(keys(&only_ipv4), ["net.ipv4.ip_forward"]);
    let internal = host(|host| host.networks.iter_mut().for_each(|of| of.internal = true));
    assert_eq!(keys(&internal), [""; 0]);
    let macvlan = |of: &mut Network| of.driver = Driver::Macvlan;
    assert_eq!(
        keys(&host(|host| host.networks.iter_mut().for_each(macvlan))),
        [""; 0]
    );
    assert_eq!(keys(&host(|host| host.daemon.ip_forward = false)), [""; 0]);
    let why = &settings(&host(|_| {}))[0].why;
    assert_eq!(
        why,
        "packets from and to containers are forwarded, on networks a and b"
    );
}

#[test]
fn icc_off_needs_bridged_packets_to_meet_the_ruleset() {
    let off = |host: &mut Host| {
        host.networks[1].icc = false;
        host.networks[1].ipv6 = None;
        // It forbids as much where nothing is forwarded.
        host.daemon.ip_forward = false;
    };
    assert_eq!(keys(&host(off)), ["!net.bridge.bridge-nf-call-iptables"]);
    let internal = |host: &mut Host| {
        host.networks[1].icc = false;
        host.networks[1].internal = true;
        host.daemon.ip_forward = false;
    };
    let both = [
        "!net.bridge.bridge-nf-call-iptables",
        "!net.bridge.bridge-nf-call-ip6tables",
    ];
    assert_eq!(keys(&host(internal)), both);
    assert!(
        settings(&host(off))[0]
            .why
            .starts_with("icc is off on network b")
    );
}

/// A container of network `b` with a published port, without the userland proxy.
fn hairpin(publish: &[&str], change: impl FnOnce(&mut Host)) -> Host {
    host(|host| {
        host.daemon.userland_proxy = false;
        host.daemon.ip_forward = false;
        host.containers = vec![container("c", &[(1, "10.2.0.2 2001:db8:2::2")], publish)];
        change(host);
    })
}

#[test]
fn hairpin_needs_what_its_published_ports_need() {
    let loopback = "net.ipv4.conf.br-b.route_localnet";
    let (nf, nf6) = (
        "net.bridge.bridge-nf-call-iptables",
        "net.bridge.bridge-nf-call-ip6tables",
    );
    let of = |publish: &[&str]| keys(&hairpin(publish, |_| {}));
    assert_eq!(of(&["8080:80"]), [nf, nf6, loopback]);
    assert_eq!(of(&["0.0.0.0:8080:80"]), [nf, loopback]);
    assert_eq!(of(&["127.0.0.2:8080:80"]), [nf, loopback]);
    assert_eq!(of(&["192.0.2.1:8080:80"]), [nf]);
    assert_eq!(of(&["[2001:db8::1]:8080:80"]), [nf6]);
    assert_eq!(of(&[]), [""; 0]);
    let proxy = hairpin(&["8080:80"], |host| host.daemon.userland_proxy = true);
    assert_eq!(keys(&proxy), [""; 0]);
    let routed = |host: &mut Host| {
        host.networks[1].ipv4.as_mut().unwrap().gateway_mode = GatewayMode::Routed;
    };
    assert_eq!(keys(&hairpin(&["0.0.0.0:8080:80"], routed)), [""; 0]);
}

#[test]
fn a_name_that_means_all_interfaces_gets_no_key() {
    for name in ["all", "default"] {
        let named = |host: &mut Host| host.networks[1].bridge = Some(IfName::new(name).unwrap());
        let found = keys(&hairpin(&["127.0.0.1:8080:80"], named));
        assert_eq!(found, ["net.bridge.bridge-nf-call-iptables"], "{name}");
    }
}

#[test]
fn swarm_needs_loopback_on_its_gateway_bridge() {
    let swarm = |host: &mut Host| {
        host.daemon.ip_forward = false;
        host.networks[0].name = DOCKER_GWBRIDGE.to_owned();
        host.ingress = Some(Ingress {
            sandbox: Ipv4Addr::new(10, 1, 0, 2),
            publish: vec!["8080:80".parse().unwrap()],
        });
    };
    assert_eq!(keys(&host(swarm)), ["net.ipv4.conf.br-a.route_localnet"]);
    let unused = |host: &mut Host| {
        swarm(host);
        host.ingress.as_mut().unwrap().publish.clear();
    };
    assert_eq!(keys(&host(unused)), [""; 0]);
}

#[test]
fn reasons_join_and_many_networks_are_counted() {
    let all = |host: &mut Host| {
        host.networks = (1..=5)
            .map(|index| network(&format!("n{index}"), index))
            .collect();
        host.networks[0].icc = false;
    };
    let found = settings(&hairpin(&["0.0.0.0:80:80"], all));
    assert_eq!(found[0].key, Key::BridgeNfCallIptables);
    assert_eq!(
        found[0].why,
        "icc is off on network n1: packets between its containers meet the ruleset only with it; \
         containers reach published ports of their own network through the host, on network n2"
    );
    assert!(found[0].protects && !found[2].protects);
    let forwards = hairpin(&[], |host| {
        all(host);
        host.daemon.ip_forward = true;
    });
    let found = settings(&forwards);
    let why = "packets from and to containers are forwarded, on networks n1, n2, n3 and 2 more";
    assert!(
        found
            .iter()
            .any(|of| of.key == Key::Ipv4Forward && of.why == why),
        "{found:?}"
    );
}

#[test]
fn a_dot_in_a_name_is_no_separator() {
    let key = Key::RouteLocalnet(IfName::new("br.10").unwrap());
    assert_eq!(key.to_string(), "net/ipv4/conf/br.10/route_localnet");
    assert_eq!(key.path(), "net/ipv4/conf/br.10/route_localnet");
    assert_eq!(Key::Ipv4Forward.to_string(), "net.ipv4.ip_forward");
}
