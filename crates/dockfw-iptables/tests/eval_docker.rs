//! What Docker's own rules do: the packet oracle of docker-semantics §6.10, as far as rules alone
//! decide it.
//!
//! Every probe is a request and, where it arrives, its reply. Networks: A on brA, where A1
//! publishes 8080 to 80, B on brB, I on brI (internal); R is on ext.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

#[expect(dead_code, reason = "shared with the other tests")]
#[path = "eval/support.rs"]
mod support;

use std::fmt::Write as _;
use std::net::IpAddr;

use dockfw_iptables::eval::{
    AddressKind, Conntrack, Direction, Evaluator, From, Host, Interface, Packet, Tuple, Verdict,
};
use dockfw_iptables::{Family, Program};
use support::{ip, program};

const NAMES: [(&str, &str, &str); 6] = [
    ("A1", "172.18.0.2", "brA"),
    ("A2", "172.18.0.3", "brA"),
    ("B1", "172.19.0.2", "brB"),
    ("I1", "172.20.0.2", "brI"),
    ("R", "192.0.2.9", "ext"),
    ("H", "192.0.2.1", ""),
];

/// What a scenario sets.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of Docker's, on or off"
)]
struct Setup {
    icc: bool,
    hairpin: bool,
    masquerade: bool,
    client_masquerade: bool,
    unprotected: bool,
    routed: bool,
    direct: bool,
    trusted: bool,
    fwmark: bool,
    bind: &'static str,
    user: &'static str,
}

const BASELINE: Setup = Setup {
    icc: true,
    hairpin: false,
    masquerade: true,
    client_masquerade: true,
    unprotected: false,
    routed: false,
    direct: false,
    trusted: false,
    fwmark: false,
    bind: "",
    user: "",
};

/// The rules of docker-semantics §2 for the host, in their final order.
fn docker(setup: Setup) -> Program {
    let mut text = String::new();
    let mut add = |when: bool, line: &str| {
        if when {
            writeln!(text, "{line}").unwrap();
        }
    };
    let nat = !setup.routed && !setup.unprotected;
    let loopback = setup.bind.contains("127.");
    add(true, "*raw");
    let raw = nat && !setup.direct;
    for endpoint in ["172.18.0.2/32", "172.18.0.3/32"] {
        let accept = format!("-A PREROUTING -d {endpoint} -i ext -j ACCEPT");
        add(raw && setup.trusted, &accept);
        let drop = format!("-A PREROUTING -d {endpoint} ! -i brA -j DROP");
        add(raw, &drop);
    }
    add(true, "-A PREROUTING -d 172.19.0.2/32 ! -i brB -j DROP");
    let lo = "-A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8080 -j DROP";
    add(loopback, lo);
    add(true, "*nat");
    add(true, "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER");
    let output = if setup.hairpin {
        ""
    } else {
        " ! -d 127.0.0.0/8"
    };
    let output = format!("-A OUTPUT{output} -m addrtype --dst-type LOCAL -j DOCKER");
    add(true, &output);
    let not_from = if setup.hairpin { "" } else { " ! -i brA" };
    let dnat = format!(
        "-A DOCKER{}{not_from} -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:80",
        setup.bind
    );
    add(!setup.routed, &dnat);
    for (subnet, bridge, masquerade) in [
        ("172.19.0.0/16", "brB", setup.client_masquerade),
        ("172.18.0.0/16", "brA", setup.masquerade && !setup.routed),
    ] {
        let local =
            format!("-A POSTROUTING -o {bridge} -m addrtype --src-type LOCAL -j MASQUERADE");
        add(setup.hairpin, &local);
        let out = format!("-A POSTROUTING -s {subnet} ! -o {bridge} -j MASQUERADE");
        add(masquerade, &out);
    }
    let own = "-A POSTROUTING -s 172.18.0.2/32 -d 172.18.0.2/32 -p tcp -m tcp --dport 80 \
               -j MASQUERADE";
    add(setup.hairpin, own);
    add(true, "*filter\n-P FORWARD DROP");
    add(
        true,
        "-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-FORWARD",
    );
    add(!setup.user.is_empty(), setup.user);
    add(
        setup.fwmark,
        "-A DOCKER-FORWARD -m mark --mark 0x1 -j ACCEPT",
    );
    for chain in ["CT", "INTERNAL", "BRIDGE"] {
        add(true, &format!("-A DOCKER-FORWARD -j DOCKER-{chain}"));
    }
    add(!setup.icc, "-A DOCKER-FORWARD -i brA -o brA -j DROP");
    add(!setup.icc, "-A DOCKER-FORWARD -i brA ! -o brA -j ACCEPT");
    add(setup.icc, "-A DOCKER-FORWARD -i brA -j ACCEPT");
    add(true, "-A DOCKER-FORWARD -i brB -j ACCEPT");
    add(true, "-A DOCKER-FORWARD -i brI -o brI -j ACCEPT");
    for bridge in ["brA", "brB"] {
        let states = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT";
        add(true, &format!("-A DOCKER-CT -o {bridge} {states}"));
        add(true, &format!("-A DOCKER-BRIDGE -o {bridge} -j DOCKER"));
    }
    add(true, "-A DOCKER-INTERNAL ! -s 172.20.0.0/16 -o brI -j DROP");
    add(true, "-A DOCKER-INTERNAL ! -d 172.20.0.0/16 -i brI -j DROP");
    let port = "-A DOCKER -d 172.18.0.2/32 ! -i brA -o brA -p tcp -m tcp --dport 80 -j ACCEPT";
    add(!setup.unprotected, port);
    add(setup.routed, "-A DOCKER -o brA -p icmp -j ACCEPT");
    let verdict = if setup.unprotected { "ACCEPT" } else { "DROP" };
    add(true, &format!("-A DOCKER ! -i brA -o brA -j {verdict}"));
    add(true, "-A DOCKER ! -i brB -o brB -j DROP");
    program(Family::Ipv4, &text)
}

fn host() -> Host {
    let interface = |name: &str, address: &str| Interface {
        name: name.to_owned(),
        addresses: vec![address.parse().unwrap()],
    };
    Host {
        interfaces: vec![
            interface("ext", "192.0.2.1/24"),
            interface("brA", "172.18.0.1/16"),
            interface("brB", "172.19.0.1/16"),
            interface("brI", "172.20.0.1/16"),
        ],
        routes: vec![],
    }
}

fn address(name: &str) -> IpAddr {
    let known = NAMES.iter().find(|(other, ..)| *other == name);
    ip(known.map_or(name, |(_, address, _)| address))
}

/// Where a packet from an address comes in, and the bridge it stays on if it is a bridged one.
fn way(host: &Host, source: IpAddr, destination: IpAddr) -> (From, Option<String>) {
    let net = |address: IpAddr| {
        let has = |interface: &&Interface| interface.addresses[0].contains(&address);
        host.interfaces.iter().find(has).map(|i| i.name.clone())
    };
    let from = net(source).unwrap();
    let stays = net(destination).as_ref() == Some(&from) && from != "ext";
    let remote = host.kind(destination) == AddressKind::Unicast;
    (
        From::Interface(from.clone()),
        (stays && remote).then_some(from),
    )
}

/// The request of `client>server:port`, where the port may be `ping`; the client may be `O`, the
/// host itself.
fn request(host: &Host, probe: &str, mark: u32) -> Packet {
    let (client, server) = probe.split_once('>').unwrap();
    let (server, port) = server.split_once(':').unwrap();
    let destination = address(server);
    let (from, to, source) = if client == "O" {
        let near = |interface: &&Interface| interface.addresses[0].contains(&destination);
        let near = host.interfaces.iter().find(near);
        let own = near.map(|interface| interface.addresses[0].addr());
        let local = host.kind(destination) == AddressKind::Local;
        let source = if local { destination } else { own.unwrap() };
        (From::Host, None, source)
    } else {
        let (from, to) = way(host, address(client), destination);
        (from, to, address(client))
    };
    let protocol = if port == "ping" { 1 } else { 6 };
    let mut packet = Packet::new(from, source, destination, protocol);
    packet.to = to;
    packet.mark = mark;
    if let Ok(port) = port.parse() {
        packet = packet.ports(40_000, port);
    }
    packet
}

/// `drop`, `reply dropped`, `unreachable`, `host` (a process of the host, be it docker-proxy or
/// nobody), or the source the server sees.
fn probe(program: &Program, host: &Host, probe: &str, mark: u32) -> String {
    let evaluator = Evaluator::new(program);
    let packet = request(host, probe, mark);
    let outcome = evaluator.eval(host, &packet);
    match outcome.verdict {
        Verdict::Delivered => return "host".to_owned(),
        Verdict::Dropped { .. } | Verdict::Rejected { .. } => return "drop".to_owned(),
        Verdict::NoRoute => return "unreachable".to_owned(),
        Verdict::Forwarded { .. } => {}
    }
    let tuple = |source, destination, ports| Tuple {
        source,
        destination,
        ports,
    };
    let original = tuple(packet.source, packet.destination, packet.ports);
    let reply = tuple(outcome.source, outcome.destination, outcome.ports).inverse();
    let (from, to) = way(host, reply.source, reply.destination);
    let mut answer = Packet::new(from, reply.source, reply.destination, packet.protocol);
    answer.to = to;
    answer.ports = reply.ports;
    answer.ct = Conntrack::established(Direction::Reply, original, reply);
    let back = evaluator.eval(host, &answer);
    match back.verdict {
        Verdict::Dropped { .. } | Verdict::Rejected { .. } => return "reply dropped".to_owned(),
        Verdict::Delivered => assert_eq!(packet.from, From::Host),
        Verdict::Forwarded { .. } => assert_ne!(packet.from, From::Host),
        Verdict::NoRoute => panic!("no way back for {probe}"),
    }
    let expected = original.inverse();
    let found = tuple(back.source, back.destination, back.ports);
    assert_eq!(found, expected, "the client of {probe} knows the reply");
    outcome.source.to_string()
}

/// The baseline, probe by probe.
const PROBES: [(&str, &str); 33] = [
    ("R>H:8080", "192.0.2.9"),
    ("R>A1:80", "drop"),
    ("R>A1:81", "drop"),
    ("R>A1:ping", "drop"),
    ("R>A2:80", "drop"),
    ("R>127.0.0.1:8080", "192.0.2.9"),
    ("O>A1:80", "172.18.0.1"),
    ("O>A1:81", "172.18.0.1"),
    ("O>127.0.0.1:8080", "host"),
    ("O>H:8080", "192.0.2.1"),
    ("O>172.18.0.1:8080", "172.18.0.1"),
    ("A1>H:8080", "host"),
    ("A2>H:8080", "host"),
    ("A2>172.18.0.1:8080", "host"),
    ("A2>A1:80", "172.18.0.3"),
    ("A2>A1:81", "172.18.0.3"),
    ("A2>A1:ping", "172.18.0.3"),
    ("B1>H:8080", "172.18.0.1"),
    ("B1>172.19.0.1:8080", "172.18.0.1"),
    ("B1>172.18.0.1:8080", "172.18.0.1"),
    ("B1>A1:80", "drop"),
    ("B1>A1:81", "drop"),
    ("B1>A1:ping", "drop"),
    ("A1>R:80", "192.0.2.1"),
    ("A1>R:ping", "192.0.2.1"),
    ("I1>172.20.0.1:ping", "host"),
    ("I1>172.20.0.1:8080", "drop"),
    ("I1>R:80", "drop"),
    ("I1>A1:80", "drop"),
    ("I1>H:8080", "drop"),
    ("O>I1:80", "172.20.0.1"),
    ("B1>I1:80", "drop"),
    ("R>I1:80", "drop"),
];

/// Compares all probes with the baseline and the deviations from it.
fn check(setup: Setup, mark: u32, deviations: &[(&str, &str)]) {
    let host = host();
    let program = docker(setup);
    for (name, _) in deviations {
        assert!(PROBES.iter().any(|(other, _)| other == name), "{name}");
    }
    for (name, usual) in PROBES {
        let other = deviations.iter().find(|(other, _)| *other == name);
        let expected = other.map_or(usual, |(_, expected)| *expected);
        // Only what comes from R is marked.
        let mark = if name.starts_with("R>") { mark } else { 0 };
        assert_eq!(probe(&program, &host, name, mark), expected, "{name}");
    }
}

/// All probes of port 8080 of the host, and what they do when nothing is published there.
fn unpublished(except: &[&str]) -> Vec<(&'static str, &'static str)> {
    let published = |(name, _): &(&'static str, _)| name.ends_with(":8080");
    let probes = PROBES.iter().filter(|probe| published(probe));
    let left = probes.filter(|(name, _)| !except.contains(name));
    left.map(|(name, _)| (*name, "host")).collect()
}

#[test]
fn baseline() {
    check(BASELINE, 0, &[]);
}

#[test]
fn hairpin() {
    let setup = Setup {
        hairpin: true,
        ..BASELINE
    };
    let deviations = [
        ("O>127.0.0.1:8080", "172.18.0.1"),
        ("O>H:8080", "172.18.0.1"),
        ("A1>H:8080", "172.18.0.1"),
        ("A2>H:8080", "172.18.0.3"),
        ("A2>172.18.0.1:8080", "172.18.0.3"),
    ];
    check(setup, 0, &deviations);
}

#[test]
fn without_icc() {
    let setup = Setup {
        icc: false,
        ..BASELINE
    };
    let peers = [
        ("A2>A1:80", "drop"),
        ("A2>A1:81", "drop"),
        ("A2>A1:ping", "drop"),
    ];
    check(setup, 0, &peers);
    let setup = Setup {
        hairpin: true,
        ..setup
    };
    let published = [
        ("O>127.0.0.1:8080", "172.18.0.1"),
        ("O>H:8080", "172.18.0.1"),
        ("A1>H:8080", "drop"),
        ("A2>H:8080", "drop"),
        ("A2>172.18.0.1:8080", "drop"),
    ];
    check(setup, 0, &[&peers[..], &published].concat());
}

#[test]
fn without_masquerade() {
    let setup = Setup {
        masquerade: false,
        ..BASELINE
    };
    let lost = [("A1>R:80", "reply dropped"), ("A1>R:ping", "reply dropped")];
    check(setup, 0, &lost);
    let direct = Setup {
        direct: true,
        ..setup
    };
    let open = [
        ("A1>R:80", "172.18.0.2"),
        ("A1>R:ping", "172.18.0.2"),
        ("R>A1:80", "192.0.2.9"),
    ];
    let other = [("B1>A1:80", "172.18.0.1")];
    check(direct, 0, &[&open[..], &other].concat());
    let trusted = Setup {
        trusted: true,
        ..setup
    };
    check(trusted, 0, &open);
}

#[test]
fn client_without_masquerade() {
    let setup = Setup {
        client_masquerade: false,
        ..BASELINE
    };
    let lost = [
        ("B1>H:8080", "reply dropped"),
        ("B1>172.19.0.1:8080", "reply dropped"),
        ("B1>172.18.0.1:8080", "reply dropped"),
    ];
    check(setup, 0, &lost);
}

#[test]
fn unprotected() {
    let setup = Setup {
        unprotected: true,
        ..BASELINE
    };
    let open = [
        ("R>A1:80", "192.0.2.9"),
        ("R>A1:81", "192.0.2.9"),
        ("R>A1:ping", "192.0.2.9"),
        ("R>A2:80", "192.0.2.9"),
        ("B1>A1:80", "172.18.0.1"),
        ("B1>A1:81", "172.18.0.1"),
        ("B1>A1:ping", "172.18.0.1"),
    ];
    check(setup, 0, &open);
    let setup = Setup {
        masquerade: false,
        ..setup
    };
    let plain = [("A1>R:80", "172.18.0.2"), ("A1>R:ping", "172.18.0.2")];
    check(setup, 0, &[&open[..], &plain].concat());
}

#[test]
fn routed() {
    let setup = Setup {
        routed: true,
        ..BASELINE
    };
    let mut deviations = unpublished(&[]);
    deviations.extend([
        ("R>A1:80", "192.0.2.9"),
        ("R>A1:ping", "192.0.2.9"),
        ("B1>A1:80", "172.18.0.1"),
        ("B1>A1:ping", "172.18.0.1"),
        ("A1>R:80", "172.18.0.2"),
        ("A1>R:ping", "172.18.0.2"),
    ]);
    check(setup, 0, &deviations);
}

#[test]
fn direct_and_trusted() {
    let direct = Setup {
        direct: true,
        ..BASELINE
    };
    let open = [("R>A1:80", "192.0.2.9"), ("B1>A1:80", "172.18.0.1")];
    check(direct, 0, &open);
    let trusted = Setup {
        trusted: true,
        ..BASELINE
    };
    check(trusted, 0, &open[..1]);
}

#[test]
fn fwmark() {
    let setup = Setup {
        fwmark: true,
        ..BASELINE
    };
    // The internal network is open for the mark, but its answers are not marked.
    let internal = ("R>I1:80", "reply dropped");
    check(setup, 1, &[internal]);
    let setup = Setup {
        trusted: true,
        ..setup
    };
    let marked = [
        internal,
        ("R>A1:80", "192.0.2.9"),
        ("R>A1:81", "192.0.2.9"),
        ("R>A1:ping", "192.0.2.9"),
        ("R>A2:80", "192.0.2.9"),
    ];
    check(setup, 1, &marked);
    check(setup, 2, &[("R>A1:80", "192.0.2.9")]);
}

#[test]
fn bound_to_an_address() {
    let setup = Setup {
        bind: " -d 127.0.0.1/32",
        ..BASELINE
    };
    let mut deviations = unpublished(&["R>127.0.0.1:8080"]);
    deviations.push(("R>127.0.0.1:8080", "drop"));
    check(setup, 0, &deviations);
    // Without the proxy the host's own connections to 127.0.0.1 are rewritten.
    deviations.retain(|(name, _)| *name != "O>127.0.0.1:8080");
    deviations.push(("O>127.0.0.1:8080", "172.18.0.1"));
    let hairpin = Setup {
        hairpin: true,
        ..setup
    };
    check(hairpin, 0, &deviations);
    let setup = Setup {
        bind: " -d 192.0.2.1/32",
        ..BASELINE
    };
    let others = unpublished(&[
        "R>H:8080",
        "O>H:8080",
        "A1>H:8080",
        "A2>H:8080",
        "B1>H:8080",
        "I1>H:8080",
    ]);
    check(setup, 0, &others);
}

#[test]
fn rules_of_the_user() {
    let setup = |user| Setup { user, ..BASELINE };
    let source = "-A DOCKER-USER -s 192.0.2.9/32 -j DROP";
    let lost = [
        ("R>H:8080", "drop"),
        ("R>127.0.0.1:8080", "drop"),
        ("A1>R:80", "reply dropped"),
        ("A1>R:ping", "reply dropped"),
    ];
    check(setup(source), 0, &lost);
    let too_late = "-A DOCKER-USER -i ext -p tcp -m tcp --dport 8080 -j DROP";
    check(setup(too_late), 0, &[]);
    let accept = "-A DOCKER-USER -j ACCEPT";
    let open = [
        ("I1>172.20.0.1:8080", "172.20.0.2"),
        ("I1>H:8080", "172.20.0.2"),
        ("I1>R:80", "172.20.0.2"),
        ("B1>I1:80", "172.20.0.1"),
        ("R>I1:80", "192.0.2.9"),
    ];
    check(setup(accept), 0, &open);
}
