//! moby's generated documentation and `TestSkipRawRules`: rules of real daemons.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test helpers")]

use dockfw_iptables::{InterfacePattern, TableName};
use dockfw_lower::docker::publish::Protocol;
use dockfw_lower::host::{GatewayMode, Host, Ingress};
use dockfw_lower::reference::{
    Config, FamilyConfig, Firewaller, NetworkConfig, PortBinding, reference,
};

use crate::cases::{bridge, container, host, ipv6, publish};
use crate::corpus::{compare, files, folder, list, note};

/// The `iptables -S` listings of a page: runs of indented command lines.
fn listings(page: &str) -> Vec<String> {
    let mut listings: Vec<String> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        let command = line.strip_prefix("    ").filter(|line| {
            ["-P ", "-N ", "-A "]
                .iter()
                .any(|option| line.starts_with(option))
        });
        match command {
            Some(command) if inside => {
                let last = listings.last_mut().unwrap();
                last.extend([command, "\n"]);
            }
            Some(command) => listings.push(format!("{command}\n")),
            None => {}
        }
        inside = command.is_some();
    }
    listings
}

/// The host that a page describes: docker0, and what the page adds.
fn scenario(page: &str) -> Host {
    let mut host = host();
    // The daemon of the pages found forwarding enabled, so it left the policies alone.
    host.daemon.ip_forward_no_drop = true;
    host.networks = vec![bridge("docker0", "172.17.0.0/16")];
    if page == "new-daemon.md" {
        return host;
    }
    if page == "swarm-portmap.md" {
        let mut gateway_bridge = bridge("docker_gwbridge", "172.18.0.0/16");
        gateway_bridge.icc = false;
        host.networks.push(gateway_bridge);
        host.ingress = Some(Ingress {
            sandbox: "172.18.0.2".parse().unwrap(),
            publish: vec![publish(None, 8080, 80)],
        });
        return host;
    }
    if page == "usernet-internal.md" {
        for (bridge_name, subnet, icc) in [
            ("bridgeICC", "192.0.2.0/24", true),
            ("bridgeNoICC", "198.51.100.0/24", false),
        ] {
            let mut network = bridge(bridge_name, subnet);
            (network.internal, network.icc) = (true, icc);
            host.networks.push(network);
        }
        host.containers = vec![
            container("c1", &[(1, "192.0.2.2")], &[]),
            container("c2", &[(2, "198.51.100.2")], &[]),
        ];
        return host;
    }
    let mut network = bridge("bridge1", "192.0.2.0/24");
    let mut port = publish(None, 8080, 80);
    let family = network.ipv4.as_mut().unwrap();
    match page {
        "usernet-portmap.md" => {}
        "usernet-portmap-noproxy.md" => host.daemon.userland_proxy = false,
        "usernet-portmap-noicc.md" => network.icc = false,
        "usernet-portmap-routed.md" => family.gateway_mode = GatewayMode::Routed,
        "usernet-portmap-natunprot.md" => family.gateway_mode = GatewayMode::NatUnprotected,
        "usernet-portmap-lo.md" => port.host = Some("127.0.0.1".parse().unwrap()),
        page => panic!("the page {page} has no host here"),
    }
    host.networks.push(network);
    host.containers = vec![container("c1", &[(1, "192.0.2.2")], &[port])];
    host
}

#[test]
fn pages_of_moby() {
    let Some(folder) = folder("iptablesdoc") else {
        return;
    };
    let (mut compared, mut failed) = (0, 0);
    for (page, text) in files(&folder) {
        let program = reference(&scenario(&page)).ipv4;
        for listing in listings(&text) {
            // A listing of the chain DOCKER alone starts with its name.
            let name = match () {
                () if listing.contains("-P FORWARD") => Some(TableName::Filter),
                () if listing.contains("-P POSTROUTING") => Some(TableName::Nat),
                () if listing.contains("-P PREROUTING") => Some(TableName::Raw),
                () => None,
            };
            let found = match name {
                Some(name) => list(&program, name),
                None => list(&program, TableName::Filter)
                    .lines()
                    .filter(|line| *line == "-N DOCKER" || line.starts_with("-A DOCKER "))
                    .flat_map(|line| [line, "\n"])
                    .collect(),
            };
            compared += 1;
            failed += usize::from(!compare(&format!("{page}, {name:?}"), &found, &listing));
        }
    }
    note(&format!("{compared} listings, {failed} failed"));
    assert!(compared > 0, "no listing in {}", folder.display());
    assert_eq!(failed, 0, "of {compared} listings");
}

#[test]
fn skip_raw_rules() {
    let Some(folder) = folder("TestSkipRawRules") else {
        return;
    };
    let mut host = host();
    let mut network = bridge("docker0", "192.168.0.0/24");
    network.ipv6 = Some(ipv6("fd30:1159:a755::/64"));
    host.networks = vec![network];
    let mut loopback = publish(Some("127.0.0.1"), 8080, 80);
    loopback.protocol = Protocol::Tcp;
    host.containers = vec![container(
        "c",
        &[(0, "192.168.0.2")],
        &[loopback, publish(None, 8081, 80)],
    )];
    host.containers[0].endpoints[0].ipv6 = Some("fd30:1159:a755::2".parse().unwrap());
    let with_raw = reference(&host);
    let skipping = skipping_raw();
    let mut compared = 0;
    for (name, expected) in files(&folder) {
        let program = match name.as_str() {
            "skip=false_ipv4.golden" => &with_raw.ipv4,
            "skip=false_ipv6.golden" => &with_raw.ipv6,
            "skip=true_ipv4.golden" => skipping.ipv4(),
            "skip=true_ipv6.golden" => skipping.ipv6(),
            name => panic!("the file {name} has no host here"),
        };
        let expected = format!("{}\n", expected.trim_end());
        assert!(compare(&name, &list(program, TableName::Raw), &expected));
        compared += 1;
    }
    note(&format!("{compared} files"));
}

/// The same container under `DOCKER_INSECURE_NO_IPTABLES_RAW=1`.
fn skipping_raw() -> Firewaller {
    let family = |subnet: &str| {
        Some(FamilyConfig {
            host_ip: None,
            prefix: subnet.parse().unwrap(),
            routed: false,
            unprotected: false,
        })
    };
    let network = NetworkConfig {
        interface: InterfacePattern::new("docker0").unwrap(),
        internal: false,
        icc: true,
        masquerade: true,
        trusted_host_interfaces: vec![],
        accept_fwmark: None,
        config4: family("192.168.0.0/24"),
        config6: family("fd30:1159:a755::/64"),
    };
    let config = Config {
        ipv4: true,
        ipv6: true,
        skip_raw: true,
        ..Config::default()
    };
    let mut firewaller = Firewaller::new(config);
    let (ipv4, ipv6) = (
        "192.168.0.2".parse().unwrap(),
        "fd30:1159:a755::2".parse().unwrap(),
    );
    firewaller.new_network(&network);
    firewaller.add_endpoint(&network, Some(ipv4), Some(ipv6));
    let port = PortBinding {
        protocol: Protocol::Tcp,
        ip: ipv4.into(),
        port: 80,
        host_ip: "127.0.0.1".parse().unwrap(),
        host_port: 8080,
    };
    firewaller.add_ports(&network, &[port]);
    firewaller
}
