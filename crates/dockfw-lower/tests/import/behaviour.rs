//! The dumps of real hosts against what Docker makes of the result: the same packets pass, or the
//! difference is one that is known.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::net::{IpAddr, Ipv4Addr};

use dockfw_iptables::eval::{
    Evaluator, From, Host as EvalHost, Interface, Outcome, Packet, Verdict,
};
use dockfw_iptables::{Family, TableName};
use dockfw_lower::host::Host;
use dockfw_lower::import::read;
use dockfw_lower::reference::reference;

use crate::util::{files, folder, import_one, note};

/// The host around the networks: one uplink, and another one where nobody of ours is.
fn around(host: &Host) -> EvalHost {
    let interface = |name: &str, address: &str| Interface {
        name: name.to_owned(),
        addresses: vec![address.parse().unwrap()],
    };
    let mut interfaces = vec![
        interface("eth0", "198.51.100.1/24"),
        interface("tailscale0", "100.80.71.81/10"),
    ];
    for network in &host.networks {
        if let (Some(ipv4), Some(bridge)) = (&network.ipv4, &network.bridge) {
            let gateway = Ipv4Addr::from_bits(ipv4.subnet.network().to_bits() + 1);
            let address = format!("{gateway}/{}", ipv4.subnet.prefix_len());
            interfaces.push(interface(bridge.as_str(), &address));
        }
    }
    EvalHost {
        interfaces,
        routes: vec![],
    }
}

/// Packets at published ports, at container addresses, between networks and to the outside.
fn packets(host: &Host) -> Vec<(String, Packet)> {
    let outside: IpAddr = "198.51.100.9".parse().unwrap();
    let here: IpAddr = "198.51.100.1".parse().unwrap();
    let mut all = Vec::new();
    let mut senders = vec![
        (From::Interface("eth0".to_owned()), outside),
        (
            From::Interface("tailscale0".to_owned()),
            "100.100.1.1".parse().unwrap(),
        ),
        (From::Host, here),
    ];
    for network in &host.networks {
        if let (Some(ipv4), Some(bridge)) = (&network.ipv4, &network.bridge) {
            let sender = Ipv4Addr::from_bits(ipv4.subnet.network().to_bits() + 200);
            senders.push((From::Interface(bridge.as_str().to_owned()), sender.into()));
        }
    }
    let mut targets: Vec<(IpAddr, u16, u8)> = vec![("203.0.113.7".parse().unwrap(), 443, 6)];
    for container in &host.containers {
        for address in container.endpoints.iter().filter_map(|of| of.ipv4) {
            targets.push((address.into(), 9, 17));
            for publish in &container.publish {
                let protocol = publish.protocol.number();
                targets.push((address.into(), publish.container_ports.first(), protocol));
                if let Some(ports) = publish.host_ports {
                    targets.push((here, ports.first(), protocol));
                    targets.push(("127.0.0.1".parse().unwrap(), ports.last(), protocol));
                }
            }
        }
    }
    for network in &host.networks {
        if let Some(ipv4) = &network.ipv4 {
            let target = Ipv4Addr::from_bits(ipv4.subnet.network().to_bits() + 99);
            targets.push((target.into(), 80, 6));
        }
    }
    for (from, source) in &senders {
        for (to, port, protocol) in &targets {
            let packet = Packet::new(from.clone(), *source, *to, *protocol).ports(40000, *port);
            all.push((
                format!("{from:?} {source} to {to}:{port} protocol {protocol}"),
                packet,
            ));
        }
    }
    all
}

/// Where a packet ended: only what its receiver sees counts.
fn end(outcome: &Outcome) -> (bool, IpAddr, Option<u16>) {
    let passed = !matches!(
        outcome.verdict,
        Verdict::Dropped { .. } | Verdict::Rejected { .. }
    );
    if passed {
        let port = outcome.ports.map(|(_, port)| port);
        (true, outcome.destination, port)
    } else {
        (false, Ipv4Addr::UNSPECIFIED.into(), None)
    }
}

/// Why a packet of a dump of Docker 20.10 to 27 may end otherwise.
fn is_known(old: &Outcome, new: &Outcome) -> bool {
    let matched =
        |of: &Outcome, rule: &dyn Fn(&str) -> bool| of.trail.iter().any(|step| rule(&step.text));
    // Docker 28 closed container addresses to other interfaces: in raw, and at the end of DOCKER.
    let is_drop = |text: &str| {
        let is_there = text.starts_with("-A PREROUTING -d") || text.starts_with("-A DOCKER ! -i");
        is_there && text.ends_with("-j DROP")
    };
    // It also led containers to ports of other networks without docker-proxy.
    let is_return = |text: &str| text.starts_with("-A DOCKER -i ") && text.ends_with(" -j RETURN");
    matched(new, &is_drop) || matched(old, &is_return)
}

#[test]
fn packets_end_where_the_dump_sends_them() {
    let Some(folder) = folder("realworld") else {
        return;
    };
    let mut hosts = 0;
    for (name, text) in files(&folder) {
        if name.rsplit_once('.').is_none_or(|(_, end)| end != "rules") {
            continue;
        }
        let Ok(dumped) = read(&text, Family::Ipv4) else {
            continue;
        };
        let imported = import_one(&dumped);
        let is_whole = [TableName::Filter, TableName::Nat]
            .iter()
            .all(|table| dumped.program.table(*table).is_some());
        if imported.host.networks.is_empty() || !is_whole {
            continue;
        }
        hosts += 1;
        let chain = dumped.program.chain(TableName::Filter, "DOCKER-FORWARD");
        let is_old = chain.is_none();
        // The rules of INPUT and OUTPUT are not a policy's.
        let mut before = dumped.program.clone();
        for chain in ["INPUT", "OUTPUT"] {
            let filter = before.table_mut(TableName::Filter);
            let chain = filter.chain_mut(chain).unwrap();
            chain.flush();
            chain.set_policy(dockfw_iptables::Policy::Accept);
        }
        let after = reference(&imported.host).ipv4;
        let around = around(&imported.host);
        let (before, after) = (Evaluator::new(&before), Evaluator::new(&after));
        let packets = packets(&imported.host);
        let (mut different, all) = (0, packets.len());
        for (what, packet) in packets {
            let (old, new) = (before.eval(&around, &packet), after.eval(&around, &packet));
            if end(&old) != end(&new) {
                different += 1;
                let step = |of: &Outcome| of.trail.last().map(ToString::to_string);
                note(&format!(
                    "  {name}: {what}: {:?}, now {:?}",
                    step(&old),
                    step(&new)
                ));
                assert!(is_old && is_known(&old, &new), "{name}: {what}");
                // Nothing is opened that the dump keeps closed.
                assert!(!end(&new).0 || end(&old).0, "{name}: {what}");
            }
        }
        note(&format!(
            "{name}: {different} of {all} packets end otherwise"
        ));
    }
    assert!(hosts >= 10, "{hosts} hosts");
}
