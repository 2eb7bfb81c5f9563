//! Operations that `reference` never runs: restarts, deletions, links, families that are off.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use dockfw_iptables::{Family, InterfacePattern, Program, Rule, TableName, Target};
use dockfw_lower::docker::publish::Protocol;
use dockfw_lower::host::Fwmark;
use dockfw_lower::reference::{
    Config, FamilyConfig, Firewaller, NetworkConfig, PortBinding, TransportPort,
};

use crate::cases::{check, rules};

const IPV4: Config = Config {
    ipv4: true,
    ipv6: false,
    hairpin: false,
    allow_direct_routing: false,
    wsl2_mirrored: false,
    skip_raw: false,
};

fn network(name: &str, subnet: &str) -> NetworkConfig {
    NetworkConfig {
        interface: InterfacePattern::new(name).unwrap(),
        internal: false,
        icc: false,
        masquerade: true,
        trusted_host_interfaces: vec![],
        accept_fwmark: None,
        config4: Some(FamilyConfig {
            host_ip: None,
            prefix: subnet.parse().unwrap(),
            routed: false,
            unprotected: false,
        }),
        config6: None,
    }
}

fn port(host_ip: &str, host_port: u16) -> PortBinding {
    PortBinding {
        protocol: Protocol::Tcp,
        ip: "192.0.2.2".parse().unwrap(),
        port: 80,
        host_ip: host_ip.parse().unwrap(),
        host_port,
    }
}

/// A daemon with one network and one published port.
fn running(config: Config) -> Firewaller {
    let mut firewaller = Firewaller::new(config);
    let network = network("br0", "192.0.2.0/24");
    firewaller.new_network(&network);
    firewaller.add_endpoint(&network, Some("192.0.2.2".parse().unwrap()), None);
    firewaller.add_ports(&network, &[port("0.0.0.0", 8080)]);
    firewaller.setup_user_chain();
    firewaller
}

#[test]
fn a_restart_wipes_dockers_chains_and_nothing_else() {
    let mut before = running(Config {
        hairpin: true,
        ..IPV4
    })
    .into_programs()
    .0;
    let filter = before.table_mut(TableName::Filter);
    filter
        .chain_mut("DOCKER-USER")
        .unwrap()
        .append(Rule::new(Target::Return));
    filter
        .chain_mut("FORWARD")
        .unwrap()
        .append(Rule::new(Target::Drop));
    let restarted = Firewaller::on(IPV4, before, Program::new(Family::Ipv6));
    // Until the end of the start, Docker's rules come before the operator's (spec 2.11, Q2).
    let forward = ["-j DOCKER-FORWARD", "-j DOCKER-USER", "-j DROP"];
    check(restarted.ipv4(), TableName::Filter, "FORWARD", &forward);
    let mut restarted = restarted;
    restarted.setup_user_chain();
    let program = restarted.ipv4();
    let forward = ["-j DOCKER-USER", "-j DOCKER-FORWARD", "-j DROP"];
    check(program, TableName::Filter, "FORWARD", &forward);
    check(program, TableName::Filter, "DOCKER-USER", &["-j RETURN"]);
    let jumps = ["-j DOCKER-CT", "-j DOCKER-INTERNAL", "-j DOCKER-BRIDGE"];
    check(program, TableName::Filter, "DOCKER-FORWARD", &jumps);
    check(program, TableName::Filter, "DOCKER", &[]);
    check(program, TableName::Nat, "DOCKER", &[]);
    let output = ["! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER"];
    check(program, TableName::Nat, "OUTPUT", &output);
    assert_eq!(
        rules(program, TableName::Nat, "POSTROUTING").len(),
        3,
        "not wiped"
    );
    assert_eq!(
        rules(program, TableName::Raw, "PREROUTING").len(),
        1,
        "not wiped"
    );
}

/// moby's `TestUserChain`: with and without a rule of the operator's in FORWARD, with Docker's
/// rules on and off, and all of it a second time.
#[test]
fn the_operators_chain_comes_first_and_stays() {
    for (enabled, drop) in [(true, true), (true, false), (false, true), (false, false)] {
        let config = if enabled { IPV4 } else { Config::default() };
        let mut before = Program::new(Family::Ipv4);
        if drop {
            let filter = before.table_mut(TableName::Filter);
            let forward = filter.chain_mut("FORWARD").unwrap();
            forward.append(Rule::new(Target::Drop));
        }
        let mut firewaller = Firewaller::on(config, before.clone(), Program::new(Family::Ipv6));
        firewaller.setup_user_chain();
        let mut program = firewaller.into_programs().0;
        if !enabled {
            assert_eq!(program, before);
            continue;
        }
        let mut forward = vec!["-j DOCKER-USER", "-j DOCKER-FORWARD"];
        forward.extend(drop.then_some("-j DROP"));
        check(&program, TableName::Filter, "FORWARD", &forward);
        check(&program, TableName::Filter, "DOCKER-USER", &[]);
        let filter = program.table_mut(TableName::Filter);
        let user = filter.chain_mut("DOCKER-USER").unwrap();
        user.append(Rule::new(Target::Drop));
        let mut again = Firewaller::on(config, program, Program::new(Family::Ipv6));
        again.setup_user_chain();
        check(again.ipv4(), TableName::Filter, "FORWARD", &forward);
        check(again.ipv4(), TableName::Filter, "DOCKER-USER", &["-j DROP"]);
    }
}

#[test]
fn everything_again_changes_nothing() {
    let once = running(IPV4);
    let mut twice = once.clone();
    let network = network("br0", "192.0.2.0/24");
    twice.new_network(&network);
    twice.add_endpoint(&network, Some("192.0.2.2".parse().unwrap()), None);
    twice.add_ports(&network, &[port("0.0.0.0", 8080)]);
    twice.setup_user_chain();
    assert_eq!(once.ipv4(), twice.ipv4());
}

#[test]
fn a_family_that_is_off_stays_untouched() {
    let firewaller = running(Config::default());
    assert_eq!(firewaller.ipv4().tables().count(), 0);
    let firewaller = running(IPV4);
    assert_eq!(firewaller.ipv6().tables().count(), 0);
    assert_eq!(firewaller.ipv4().tables().count(), 3);
}

#[test]
fn an_ipv6_host_address_of_an_ipv4_container_is_left_to_docker_proxy() {
    let mut firewaller = running(IPV4);
    let before = firewaller.ipv4().clone();
    firewaller.add_ports(
        &network("br0", "192.0.2.0/24"),
        &[port("::", 9090), port("::1", 9091)],
    );
    assert_eq!(*firewaller.ipv4(), before);
}

#[test]
fn links_open_both_ways_behind_the_default_drop() {
    let mut firewaller = running(IPV4);
    let network = network("br0", "192.0.2.0/24");
    let (parent, child) = ("192.0.2.3".parse().unwrap(), "192.0.2.2".parse().unwrap());
    let port = TransportPort {
        protocol: Protocol::Udp,
        port: 53,
    };
    let before = firewaller.ipv4().clone();
    firewaller.add_link(&network, parent, child, &[port]);
    let expected = [
        "-d 192.0.2.2/32 ! -i br0 -o br0 -p tcp -m tcp --dport 80 -j ACCEPT",
        "! -i br0 -o br0 -j DROP",
        "-s 192.0.2.3/32 -d 192.0.2.2/32 -i br0 -o br0 -p udp -m udp --dport 53 -j ACCEPT",
        "-s 192.0.2.2/32 -d 192.0.2.3/32 -i br0 -o br0 -p udp -m udp --sport 53 -j ACCEPT",
    ];
    check(firewaller.ipv4(), TableName::Filter, "DOCKER", &expected);
    firewaller.del_link(&network, parent, child, &[port]);
    assert_eq!(*firewaller.ipv4(), before);
}

#[test]
fn deleting_one_network_takes_the_mark_from_all() {
    let mut firewaller = Firewaller::new(IPV4);
    let accept_fwmark = Some(Fwmark {
        mark: 1,
        mask: u32::MAX,
    });
    let [first, second] =
        [("br0", "192.0.2.0/25"), ("br1", "192.0.2.128/25")].map(|(name, subnet)| NetworkConfig {
            accept_fwmark,
            ..network(name, subnet)
        });
    firewaller.new_network(&first);
    firewaller.new_network(&second);
    firewaller.del_network_level_rules(&first);
    let expected = [
        "-j DOCKER-CT",
        "-j DOCKER-INTERNAL",
        "-j DOCKER-BRIDGE",
        "-i br1 -o br1 -j DROP",
        "-i br1 ! -o br1 -j ACCEPT",
    ];
    check(
        firewaller.ipv4(),
        TableName::Filter,
        "DOCKER-FORWARD",
        &expected,
    );
}

#[test]
fn an_ingress_port_comes_and_goes() {
    let mut firewaller = running(IPV4);
    firewaller.setup_ingress(InterfacePattern::new("docker_gwbridge").unwrap());
    let before = firewaller.ipv4().clone();
    let (endpoint, port) = (
        "192.0.2.9".parse().unwrap(),
        TransportPort {
            protocol: Protocol::Tcp,
            port: 443,
        },
    );
    firewaller.add_ingress_port(endpoint, port);
    let expected = [
        "-p tcp -m tcp --dport 443 -j ACCEPT",
        "-p tcp -m tcp --sport 443 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-j RETURN",
    ];
    check(
        firewaller.ipv4(),
        TableName::Filter,
        "DOCKER-INGRESS",
        &expected,
    );
    firewaller.del_ingress_port(endpoint, port);
    assert_eq!(*firewaller.ipv4(), before);
}
