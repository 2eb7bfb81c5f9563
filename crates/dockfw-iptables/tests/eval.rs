//! What single parts of the language mean for a packet.

#![expect(clippy::unwrap_used, reason = "test helpers")]

#[path = "eval/support.rs"]
mod support;

use dockfw_iptables::eval::{
    Conntrack, Direction, Evaluator, From, Hook, Host, Interface, Outcome, Packet, Route, State,
    Status, Tuple, Verdict,
};
use std::fmt::Write as _;

use dockfw_iptables::r#match::addrtype::LimitInterface;
use dockfw_iptables::{Family, Program};
use support::{ip, limited, program};

fn interface(name: &str, addresses: &[&str]) -> Interface {
    Interface {
        name: name.to_owned(),
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
    }
}

fn host() -> Host {
    Host {
        interfaces: vec![
            interface(
                "eth0",
                &["192.0.2.1/24", "198.51.100.1/24", "2001:db8::1/64"],
            ),
            interface("br0", &["172.18.0.1/16", "fe80::1/64", "2001:db8:1::1/64"]),
            interface("tun0", &[]),
        ],
        routes: vec![
            Route {
                destination: "0.0.0.0/0".parse().unwrap(),
                interface: "eth0".to_owned(),
            },
            Route {
                destination: "10.0.0.0/8".parse().unwrap(),
                interface: "tun0".to_owned(),
            },
        ],
    }
}

fn on(interface: &str, source: &str, destination: &str) -> Packet {
    Packet::new(
        From::Interface(interface.to_owned()),
        ip(source),
        ip(destination),
        6,
    )
    .ports(1000, 80)
}

fn own(source: &str, destination: &str) -> Packet {
    Packet::new(From::Host, ip(source), ip(destination), 6).ports(1000, 80)
}

/// From eth0 to a container.
fn inbound() -> Packet {
    on("eth0", "192.0.2.9", "172.18.0.2")
}

fn eval(program: &Program, packet: &Packet) -> Outcome {
    Evaluator::new(program).eval(&host(), packet)
}

fn run(text: &str, packet: &Packet) -> Outcome {
    let ipv6 = packet.destination.is_ipv6();
    let family = if ipv6 { Family::Ipv6 } else { Family::Ipv4 };
    eval(&program(family, text), packet)
}

fn dropped(hook: Hook) -> Verdict {
    Verdict::Dropped { hook }
}

fn forwarded(interface: &str) -> Verdict {
    Verdict::Forwarded {
        interface: interface.to_owned(),
    }
}

/// Whether `-A FORWARD <tests> -j DROP` matches.
fn matches(tests: &str, packet: &Packet) -> bool {
    let text = format!("*filter\n-A FORWARD{tests} -j DROP");
    run(&text, packet).verdict == dropped(Hook::Forward)
}

fn check_all(packet: &Packet, cases: &[(&str, bool)]) {
    for (tests, expected) in cases {
        assert_eq!(matches(tests, packet), *expected, "{tests}");
    }
}

#[test]
fn headers() {
    let cases = [
        ("", true),
        (" -i eth0 -o br0", true),
        (" -i eth", false),
        (" -i eth+", true),
        (" -i eth0+", true),
        (" ! -i eth+", false),
        (" ! -i br0 ! -o eth0", true),
        (" -i +", true),
        (" ! -i +", false),
        (" -s 192.0.2.0/24", true),
        (" ! -s 192.0.2.0/24", false),
        (" ! -d 192.0.2.0/24", true),
        (" -s 192.0.2.8/255.255.255.8", true),
        (" -s 128.0.0.9/240.0.0.255", false),
        (" -s 192.0.0.9/240.0.0.255", true),
        (" ! -s 0.0.0.0/0", false),
        (" -p tcp", true),
        (" ! -p tcp", false),
        (" ! -p udp", true),
        (" -p 0", true),
        (" ! -p 0", true),
    ];
    check_all(&inbound(), &cases);
}

#[test]
fn unset_interfaces_have_an_empty_name() {
    let packet = own("192.0.2.1", "192.0.2.9");
    let cases = [
        ("-A OUTPUT -i eth0 -j DROP", false),
        ("-A OUTPUT ! -i eth0 -j DROP", true),
        ("-A OUTPUT ! -i + -j DROP", false),
        ("-A OUTPUT -i + -j DROP", true),
        ("-A OUTPUT -o eth0 -j DROP", true),
    ];
    for (rule, expected) in cases {
        let found = run(&format!("*filter\n{rule}"), &packet).verdict;
        assert_eq!(found == dropped(Hook::Output), expected, "{rule}");
    }
}

/// Routed packets keep their input interface in POSTROUTING, bridged ones and the host's do not.
#[test]
fn input_interface_in_postrouting() {
    let text = "*mangle\n-A POSTROUTING -j X\n-A X ! -i eth0 -j DROP";
    assert_eq!(run(text, &inbound()).verdict, forwarded("br0"));
    let packet = own("172.18.0.1", "172.18.0.2");
    assert_eq!(run(text, &packet).verdict, dropped(Hook::Postrouting));
    let text = text.replace("eth0", "br0");
    let packet = on("br0", "172.18.0.3", "172.18.0.2").bridged("br0");
    assert_eq!(run(&text, &packet).verdict, dropped(Hook::Postrouting));
    let packet = on("br0", "172.18.0.3", "172.18.0.2");
    assert_eq!(run(&text, &packet).verdict, forwarded("br0"));
}

#[test]
fn ports() {
    let cases = [
        (" -p tcp -m tcp", true),
        (" -p tcp -m tcp --dport 80", true),
        (" -p tcp -m tcp --dport 79:80", true),
        (" -p tcp -m tcp --dport 81:90", false),
        (" -p tcp -m tcp ! --dport 80", false),
        (" -p tcp -m tcp --sport 1000 ! --dport 1:79", true),
        (" -p udp -m udp --dport 80", false),
        // No kernel loads these.
        (" -m tcp --dport 80", false),
        (" ! -p udp -m tcp --dport 80", false),
        (" -p tcp -m udp --dport 80", false),
    ];
    check_all(&inbound(), &cases);
    let mut ping = inbound();
    (ping.protocol, ping.ports) = (1, None);
    check_all(&ping, &[(" -p icmp", true), (" -p tcp -m tcp", false)]);
}

#[test]
fn marks() {
    let cases = [
        (" -m mark --mark 0x5", true),
        (" -m mark ! --mark 0x5", false),
        (" -m mark --mark 0x1/0x3", true),
        (" -m mark --mark 0x5/0x3", false),
        (" -m mark ! --mark 0x5/0x3", true),
    ];
    check_all(&inbound().mark(5), &cases);
}

#[test]
fn states() {
    let state = |state| Conntrack {
        state,
        ..Conntrack::default()
    };
    let word = " -m conntrack --ctstate NEW";
    let cases = [
        (State::New, "NEW"),
        (State::Established, "ESTABLISHED"),
        (State::Related, "RELATED"),
        (State::Invalid, "INVALID"),
        (State::Untracked, "UNTRACKED"),
    ];
    for (is, _) in cases {
        for (other, name) in cases {
            let tests = word.replace("NEW", name);
            let packet = inbound().ct(state(is));
            assert_eq!(matches(&tests, &packet), is == other, "{name}");
            let tests = tests.replace("--ct", "! --ct");
            assert_eq!(matches(&tests, &packet), is != other, "! {name}");
        }
        let not_dnat = " -m conntrack ! --ctstate DNAT";
        assert!(matches(not_dnat, &inbound().ct(state(is))));
    }
    let mut translated = state(State::Established);
    translated.status = Status {
        dnat: true,
        snat: false,
    };
    let cases = [
        (" -m conntrack --ctstate DNAT", true),
        (" -m conntrack ! --ctstate DNAT", false),
        (" -m conntrack --ctstate SNAT", false),
        (" -m conntrack --ctstate NEW,DNAT", true),
    ];
    check_all(&inbound().ct(translated), &cases);
}

/// Before conntrack every packet is INVALID, but one that comes back through lo has its entry.
#[test]
fn states_in_the_raw_table() {
    let text = |state: &str| format!("*raw\n-A PREROUTING -m conntrack --ctstate {state} -j DROP");
    let drop = dropped(Hook::Prerouting);
    assert_eq!(run(&text("NEW"), &inbound()).verdict, forwarded("br0"));
    assert_eq!(run(&text("INVALID"), &inbound()).verdict, drop);
    let packet = own("192.0.2.1", "192.0.2.1");
    assert_eq!(run(&text("NEW"), &packet).verdict, drop);
    let untracked = inbound().ct(Conntrack::without_entry(State::Untracked));
    assert_eq!(run(&text("UNTRACKED"), &untracked).verdict, drop);
}

#[test]
fn address_types() {
    let types = |packet: &Packet, cases: &[(&str, bool)]| {
        for (types, expected) in cases {
            let text = format!("*raw\n-A PREROUTING -m addrtype --dst-type {types} -j DROP");
            let found = run(&text, packet).verdict == dropped(Hook::Prerouting);
            assert_eq!(found, *expected, "{types} {}", packet.destination);
            let text = text.replace("--dst", "! --dst");
            let found = run(&text, packet).verdict == dropped(Hook::Prerouting);
            assert_eq!(found, !*expected, "! {types} {}", packet.destination);
        }
    };
    let to = |destination| on("eth0", "192.0.2.9", destination);
    for local in ["192.0.2.1", "172.18.0.1", "127.0.0.1", "127.1.2.3"] {
        types(
            &to(local),
            &[("LOCAL", true), ("UNICAST,LOCAL", true), ("UNICAST", false)],
        );
    }
    for broadcast in [
        "192.0.2.255",
        "255.255.255.255",
        "127.255.255.255",
        "0.0.0.0",
    ] {
        types(
            &to(broadcast),
            &[("BROADCAST", true), ("LOCAL", false), ("UNICAST", false)],
        );
    }
    for unicast in ["192.0.2.0", "192.0.2.9", "203.0.113.1", "172.18.0.2"] {
        types(
            &to(unicast),
            &[("UNICAST", true), ("LOCAL", false), ("UNREACHABLE", false)],
        );
    }
    types(&to("224.0.0.1"), &[("MULTICAST", true), ("UNICAST", false)]);
    let to = |destination| on("eth0", "2001:db8::9", destination);
    types(
        &to("2001:db8::1"),
        &[("LOCAL", true), ("UNICAST", true), ("ANYCAST", false)],
    );
    types(&to("::1"), &[("LOCAL", true)]);
    // Both must hold, unlike in IPv4.
    types(
        &to("2001:db8::2"),
        &[("UNICAST,LOCAL", false), ("UNICAST", true)],
    );
    types(&to("2001:db8::"), &[("ANYCAST", true), ("LOCAL", false)]);
    types(&to("2001:db8:9::1"), &[("UNREACHABLE", true)]);
    types(&to("ff02::1"), &[("MULTICAST", true), ("LOCAL", false)]);
}

#[test]
fn address_types_of_one_interface() {
    let text = "*filter\n-A FORWARD -m addrtype --src-type LOCAL -j DROP";
    let packet = on("eth0", "172.18.0.1", "172.18.0.2");
    for (limit, expected) in [
        (LimitInterface::In, forwarded("br0")),
        (LimitInterface::Out, dropped(Hook::Forward)),
    ] {
        assert_eq!(eval(&limited(text, limit), &packet).verdict, expected);
    }
}

#[test]
fn chains() {
    let cases = [
        // Back behind the jump; the end of a chain does the same.
        (
            "-A FORWARD -j A\n-A FORWARD -j DROP\n-A A -j RETURN\n-A A -j ACCEPT",
            true,
        ),
        (
            "-A FORWARD -j A\n-A FORWARD -j DROP\n-A A -p udp -j ACCEPT",
            true,
        ),
        // From a built-in chain: the policy.
        ("-A FORWARD -j RETURN\n-A FORWARD -j DROP", false),
        (
            "-P FORWARD DROP\n-A FORWARD -j RETURN\n-A FORWARD -j ACCEPT",
            true,
        ),
        (
            "-P FORWARD DROP\n-A FORWARD -g A\n-A FORWARD -j ACCEPT\n-A A -j RETURN",
            true,
        ),
        (
            "-P FORWARD DROP\n-A FORWARD -j A\n-A FORWARD -j ACCEPT\n-A A -p udp",
            false,
        ),
        // A goto comes back behind the last jump.
        (
            "-A FORWARD -j A\n-A FORWARD -j DROP\n-A A -g B\n-A A -j ACCEPT\n-A B -p udp",
            true,
        ),
        (
            "-A FORWARD -j A\n-A FORWARD -j ACCEPT\n-A A -j B\n-A A -j DROP\n-A B -g C\n-A C -j RETURN",
            true,
        ),
        // Only counts.
        ("-A FORWARD -p tcp\n-A FORWARD -j DROP", true),
        // Neither is loaded by a kernel.
        ("-A FORWARD -j A\n-A A -g B\n-A B -g A", true),
        ("-A FORWARD -j A\n-A A -j A", true),
    ];
    for (text, expected) in cases {
        let found = run(&format!("*filter\n{text}"), &inbound()).verdict;
        assert_eq!(found == dropped(Hook::Forward), expected, "{text}");
    }
}

#[test]
fn trail() {
    let text = "*nat\n-A POSTROUTING -o br0 -j MASQUERADE\n\
                *filter\n-P FORWARD DROP\n-A FORWARD -p udp -j ACCEPT\n-A FORWARD -j A\n-A A -p tcp";
    let outcome = run(text, &inbound());
    let trail: Vec<String> = outcome.trail.iter().map(ToString::to_string).collect();
    let expected = [
        "filter -A FORWARD -j A: jumped",
        "filter -A A -p tcp: counted",
        "filter -P FORWARD DROP: dropped",
    ];
    assert_eq!(trail, expected);
    let rules: Vec<_> = outcome.trail.iter().map(|step| step.rule).collect();
    assert_eq!(rules, [Some(1), Some(0), None]);
    assert_eq!(outcome.evaluated, 3);
    let outcome = run(&text.replace("-P FORWARD DROP\n", ""), &inbound());
    let last = outcome.trail.last().unwrap().to_string();
    let expected = "nat -A POSTROUTING -o br0 -j MASQUERADE: source 172.18.0.1 port 1000";
    assert_eq!(last, expected);
}

/// Every hook and table in the kernel's order: each rule only counts.
#[test]
fn order_of_tables() {
    let tables = [
        ("security", "INPUT FORWARD OUTPUT"),
        ("filter", "INPUT FORWARD OUTPUT"),
        ("nat", "PREROUTING INPUT OUTPUT POSTROUTING"),
        ("mangle", "PREROUTING INPUT FORWARD OUTPUT POSTROUTING"),
        ("raw", "PREROUTING OUTPUT"),
    ];
    let mut text = String::new();
    for (table, hooks) in tables {
        writeln!(text, "*{table}").unwrap();
        for hook in hooks.split(' ') {
            writeln!(text, "-A {hook} -p tcp").unwrap();
        }
    }
    let check = |packet: Packet, expected: &str| {
        let outcome = run(&text, &packet);
        let step = |step: &dockfw_iptables::eval::Step| {
            format!("{}.{}", step.hook.as_str(), step.table.as_str()).to_lowercase()
        };
        let found: Vec<String> = outcome.trail.iter().map(step).collect();
        assert_eq!(found.join(" "), expected);
    };
    let received = "prerouting.raw prerouting.mangle prerouting.nat";
    let input = "input.mangle input.filter input.security";
    let output = "output.raw output.mangle output.nat output.filter output.security";
    let forward = "forward.mangle forward.filter forward.security";
    let left = "postrouting.mangle postrouting.nat";
    check(inbound(), &format!("{received} {forward} {left}"));
    let local = on("eth0", "192.0.2.9", "192.0.2.1");
    check(local, &format!("{received} {input} input.nat"));
    check(own("192.0.2.1", "192.0.2.9"), &format!("{output} {left}"));
    // Both ends of the connection are decided on before the packet comes back.
    let again = "prerouting.raw prerouting.mangle";
    let looped = format!("{output} {left} {again} {input}");
    check(own("192.0.2.1", "192.0.2.1"), &looped);
    let established = inbound().ct(Conntrack {
        state: State::Established,
        ..Conntrack::default()
    });
    let without_nat = format!("{received} {forward} {left}").replace(" prerouting.nat", "");
    check(established, &without_nat.replace(" postrouting.nat", ""));
}

#[test]
fn routing() {
    let check = |packet: &Packet, expected: Verdict| {
        assert_eq!(run("", packet).verdict, expected, "{}", packet.destination);
    };
    for local in [
        "192.0.2.1",
        "127.0.0.2",
        "192.0.2.255",
        "255.255.255.255",
        "224.0.0.1",
    ] {
        check(&on("br0", "172.18.0.2", local), Verdict::Delivered);
    }
    check(&on("br0", "172.18.0.2", "203.0.113.1"), forwarded("eth0"));
    check(&on("br0", "172.18.0.2", "10.1.1.1"), forwarded("tun0"));
    check(&on("eth0", "192.0.2.9", "172.18.0.9"), forwarded("br0"));
    check(&own("172.18.0.1", "172.18.255.255"), forwarded("br0"));
    check(&own("127.0.0.1", "127.0.0.1"), Verdict::Delivered);
    check(&own("::1", "2001:db8:1::1"), Verdict::Delivered);
    check(&own("2001:db8::1", "2001:db8:9::1"), Verdict::NoRoute);
    check(
        &on("eth0", "2001:db8::2", "2001:db8:9::1"),
        Verdict::NoRoute,
    );
    check(&on("br0", "fe80::2", "fe80::3"), forwarded("br0"));
    // Rules are for one family.
    let ipv4 = program(Family::Ipv4, "*filter\n-P INPUT DROP");
    assert_eq!(eval(&ipv4, &own("::1", "::1")).verdict, Verdict::Delivered);
}

#[test]
fn link_local() {
    let host = Host {
        interfaces: vec![
            interface("eth0", &["2001:db8::1/64", "fe80::1/64"]),
            interface("br0", &["2001:db8:1::1/64", "fe80::1/64", "fe80:2::1/64"]),
        ],
        routes: vec![],
    };
    let none = program(Family::Ipv6, "");
    let check = |packet: &Packet, expected: Verdict| {
        let outcome = Evaluator::new(&none).eval(&host, packet);
        assert_eq!(outcome.verdict, expected, "{packet:?}");
    };
    let by = |link: &str, destination| Packet {
        link: Some(link.to_owned()),
        ..own("fe80::1", destination)
    };
    // The host's own packets go where their socket says.
    check(&own("fe80::1", "fe80::2"), forwarded("eth0"));
    check(&by("eth0", "fe80::2"), forwarded("eth0"));
    check(&by("br0", "fe80::2"), forwarded("br0"));
    check(&by("br0", "fe80:2::2"), forwarded("br0"));
    check(&by("eth0", "fe80:2::2"), Verdict::NoRoute);
    check(&by("br0", "fe80::1"), Verdict::Delivered);
    check(&by("eth0", "fe80:2::1"), Verdict::NoRoute);
    check(&by("br0", "2001:db8::9"), forwarded("eth0"));
    // Received ones belong to the link they came by.
    check(&on("br0", "fe80::2", "fe80:2::1"), Verdict::Delivered);
    check(&on("eth0", "fe80::2", "fe80:2::1"), Verdict::NoRoute);
    check(&on("eth0", "2001:db8::2", "fe80:2::2"), Verdict::NoRoute);
    // None is forwarded from a link-local source, bridged ones pass.
    check(&on("eth0", "fe80::2", "2001:db8:1::2"), Verdict::NoRoute);
    check(
        &on("eth0", "2001:db8::2", "2001:db8:1::2"),
        forwarded("br0"),
    );
    let bridged = on("br0", "fe80::2", "2001:db8::2").bridged("br0");
    check(&bridged, forwarded("br0"));
}

#[test]
fn destination_nat() {
    let dnat = |to: &str| format!("*nat\n-A PREROUTING -p tcp -j DNAT --to-destination {to}");
    let packet = on("eth0", "192.0.2.9", "192.0.2.1");
    let check = |to: &str, address: &str, port: u16| {
        let outcome = run(&dnat(to), &packet);
        assert_eq!(outcome.destination, ip(address), "{to}");
        assert_eq!(outcome.ports, Some((1000, port)), "{to}");
        outcome
    };
    let outcome = check("172.18.0.2:8080", "172.18.0.2", 8080);
    assert_eq!(outcome.verdict, forwarded("br0"));
    assert!(outcome.status.dnat && !outcome.status.snat);
    check("172.18.0.2", "172.18.0.2", 80);
    check("172.18.0.2-172.18.0.9:79-81", "172.18.0.2", 80);
    check("172.18.0.2:90-91", "172.18.0.2", 90);
    let outcome = check(":81", "192.0.2.1", 81);
    assert_eq!(outcome.verdict, Verdict::Delivered);
    assert!(outcome.status.dnat);
    // Nothing changes, so no status bit.
    assert_eq!(
        check("192.0.2.1:80", "192.0.2.1", 80).status,
        Status::default()
    );
    // The table ends with the target, and with ACCEPT.
    let twice = format!(
        "{}\n-A PREROUTING -j DNAT --to-destination 10.0.0.1",
        dnat("172.18.0.2")
    );
    assert_eq!(run(&twice, &packet).destination, ip("172.18.0.2"));
    let accept = twice.replacen("-j DNAT --to-destination 172.18.0.2", "-j ACCEPT", 1);
    assert_eq!(run(&accept, &packet).destination, ip("192.0.2.1"));
    let filtered = format!(
        "{}\n*filter\n-A FORWARD -m conntrack --ctstate DNAT -j DROP",
        dnat("172.18.0.2")
    );
    assert_eq!(run(&filtered, &packet).verdict, dropped(Hook::Forward));
    for state in [State::Invalid, State::Untracked] {
        let packet = packet.clone().ct(Conntrack::without_entry(state));
        assert_eq!(
            run(&dnat("172.18.0.2"), &packet).verdict,
            Verdict::Delivered
        );
    }
}

#[test]
fn source_nat() {
    let source = |target: &str, packet: &Packet| {
        let outcome = run(&format!("*nat\n-A POSTROUTING -p tcp -j {target}"), packet);
        (outcome.source.to_string(), outcome.ports.unwrap().0)
    };
    let out = |destination| on("br0", "172.18.0.2", destination);
    let check = |target: &str, packet: &Packet, expected: (&str, u16)| {
        let (address, port) = source(target, packet);
        assert_eq!((address.as_str(), port), expected, "{target}");
    };
    check(
        "SNAT --to-source 192.0.2.7",
        &out("203.0.113.1"),
        ("192.0.2.7", 1000),
    );
    check(
        "SNAT --to-source 192.0.2.7:5-6",
        &out("203.0.113.1"),
        ("192.0.2.7", 5),
    );
    let range = "SNAT --to-source 172.18.0.1-172.18.0.3";
    check(range, &out("203.0.113.1"), ("172.18.0.2", 1000));
    // The subnet of the destination first, else the first address, else another interface.
    check("MASQUERADE", &out("203.0.113.1"), ("192.0.2.1", 1000));
    check("MASQUERADE", &out("198.51.100.9"), ("198.51.100.1", 1000));
    check("MASQUERADE", &out("10.0.0.1"), ("192.0.2.1", 1000));
    check(
        "MASQUERADE --to-ports 5-6",
        &out("203.0.113.1"),
        ("192.0.2.1", 5),
    );
    let nobody = on("br0", "0.0.0.0", "203.0.113.1");
    check("MASQUERADE", &nobody, ("0.0.0.0", 1000));
    // fe80::1 stands first on br0, but its scope is too narrow.
    let inside = on("eth0", "2001:db8::9", "2001:db8:1::2");
    check("MASQUERADE", &inside, ("2001:db8:1::1", 1000));
    let link = own("2001:db8::1", "fe80::2");
    check("MASQUERADE", &link, ("fe80::1", 1000));
    let empty = Evaluator::new(&program(Family::Ipv4, "*nat\n-A POSTROUTING -j MASQUERADE")).eval(
        &Host {
            interfaces: vec![],
            routes: host().routes,
        },
        &out("10.0.0.1"),
    );
    assert_eq!(empty.verdict, dropped(Hook::Postrouting));
}

/// The destination of a packet of the host decides its way again, but the rest of OUTPUT still
/// sees the first output interface.
#[test]
fn reroute() {
    let nat = "*nat\n-A OUTPUT -p tcp -j DNAT --to-destination 172.18.0.2\n";
    let packet = own("192.0.2.1", "192.0.2.1");
    assert_eq!(run(nat, &packet).verdict, forwarded("br0"));
    let filter = |interface| format!("{nat}*filter\n-A OUTPUT -o {interface} -j DROP");
    assert_eq!(run(&filter("lo"), &packet).verdict, dropped(Hook::Output));
    assert_eq!(run(&filter("br0"), &packet).verdict, forwarded("br0"));
    let left = format!("{nat}-A POSTROUTING -o br0 -j MASQUERADE");
    assert_eq!(run(&left, &packet).source, ip("172.18.0.1"));
    let nowhere = nat
        .replace("172.18.0.2", "2001:db8:9::1")
        .replace("172", "2001");
    let packet = own("2001:db8::1", "2001:db8::1");
    assert_eq!(run(&nowhere, &packet).verdict, Verdict::NoRoute);
}

#[test]
fn bridged() {
    let packet = on("br0", "172.18.0.3", "10.0.0.1").bridged("br0");
    assert_eq!(run("", &packet).verdict, forwarded("br0"));
    let text = "*filter\n-A FORWARD -i br0 -o br0 -j DROP";
    assert_eq!(run(text, &packet).verdict, dropped(Hook::Forward));
    let nat = |to: &str| format!("*nat\n-A PREROUTING -p tcp -j DNAT --to-destination {to}");
    let check = |to: &str, verdict| assert_eq!(run(&nat(to), &packet).verdict, verdict);
    check("192.0.2.9", forwarded("eth0"));
    check("172.18.0.2", forwarded("br0"));
    check("192.0.2.1", Verdict::Delivered);
    // Only the port: it stays on the bridge.
    check(":81", forwarded("br0"));
}

/// The entry of 192.0.2.9:1000 to 192.0.2.1:80, sent on to 172.18.0.2:8080 as from 172.18.0.1:7.
#[test]
fn recorded_nat() {
    let tuple = |source, sport, destination, dport| Tuple {
        source: ip(source),
        destination: ip(destination),
        ports: Some((sport, dport)),
    };
    let original = tuple("192.0.2.9", 1000, "192.0.2.1", 80);
    let reply = tuple("172.18.0.2", 8080, "172.18.0.1", 7);
    // The table is not asked.
    let text = "*nat\n-A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.1\n\
                -A POSTROUTING -j SNAT --to-source 10.0.0.2";
    let check = |packet: Packet, direction, verdict, expected: Tuple| {
        let ct = Conntrack::established(direction, original, reply);
        let outcome = run(text, &packet.ct(ct));
        assert_eq!(outcome.verdict, verdict);
        assert!(outcome.status.snat && outcome.status.dnat);
        assert_eq!(
            (outcome.source, outcome.destination),
            (expected.source, expected.destination)
        );
        assert_eq!(outcome.ports, expected.ports);
    };
    let packet = on("eth0", "192.0.2.9", "192.0.2.1");
    check(
        packet,
        Direction::Original,
        forwarded("br0"),
        reply.inverse(),
    );
    let packet = on("br0", "172.18.0.2", "172.18.0.1").ports(8080, 7);
    check(
        packet,
        Direction::Reply,
        forwarded("eth0"),
        original.inverse(),
    );
    // An ICMP error: addresses only.
    let mut error = on("br0", "172.18.0.2", "172.18.0.1");
    (error.protocol, error.ports) = (1, None);
    error.ct = Conntrack::established(Direction::Reply, original, reply);
    error.ct.state = State::Related;
    let outcome = run(text, &error);
    assert_eq!(
        (outcome.source, outcome.destination),
        (ip("192.0.2.1"), ip("192.0.2.9"))
    );
    assert_eq!(outcome.ports, None);
}

/// The host asked 192.0.2.1:80 and must get its answer from there: nat's INPUT gives it back.
#[test]
fn recorded_nat_of_the_host() {
    let tuple = |source, destination, ports| Tuple {
        source: ip(source),
        destination: ip(destination),
        ports: Some(ports),
    };
    let original = tuple("192.0.2.1", "192.0.2.1", (1000, 80));
    let reply = tuple("172.18.0.2", "192.0.2.1", (8080, 1000));
    let ct = Conntrack::established(Direction::Reply, original, reply);
    let packet = on("br0", "172.18.0.2", "192.0.2.1")
        .ports(8080, 1000)
        .ct(ct);
    // The filter table still sees the container.
    let text = "*filter\n-P INPUT DROP\n-A INPUT -s 172.18.0.2/32 -j ACCEPT";
    let outcome = run(text, &packet);
    assert_eq!(outcome.verdict, Verdict::Delivered);
    assert_eq!(
        (outcome.source, outcome.ports),
        (ip("192.0.2.1"), Some((80, 1000)))
    );
    let packet = own("192.0.2.1", "192.0.2.1").ct(Conntrack::established(
        Direction::Original,
        original,
        reply,
    ));
    let outcome = run("", &packet);
    assert_eq!(outcome.verdict, forwarded("br0"));
    assert_eq!(
        (outcome.destination, outcome.ports),
        (ip("172.18.0.2"), Some((1000, 8080)))
    );
}
