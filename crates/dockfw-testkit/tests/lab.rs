//! The laboratory itself: real packets between namespaces that it makes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "test helpers"
)]

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dockfw_testkit::lab::{
    Bridge, Builder, Container, Errno, Forged, HOST, Lab, Outcome, Probe, Protocol, Remote,
};

use Protocol::{Icmp, Tcp, Udp};

const REMOTE4: &str = "192.0.2.2";
const REMOTE6: &str = "2001:db8:ffff::2";
const HOST4: &str = "192.0.2.1";
const HOST6: &str = "2001:db8:ffff::1";
const A1: &str = "172.18.0.2";
const A1_6: &str = "2001:db8:a::2";
const A2: &str = "172.18.0.3";
const A2_6: &str = "2001:db8:a::3";

/// Two networks, one internal, with three containers.
fn builder() -> Builder {
    Lab::builder()
        .bridge(Bridge::new("br-a", &["172.18.0.1/16", "2001:db8:a::1/64"]))
        .bridge(Bridge::new("br-i", &["172.19.0.1/16", "2001:db8:1::1/64"]).internal())
        .container(Container::new("a1").on("br-a", &["172.18.0.2/16", "2001:db8:a::2/64"]))
        .container(Container::new("a2").on("br-a", &["172.18.0.3/16", "2001:db8:a::3/64"]))
        .container(Container::new("i1").on("br-i", &["172.19.0.2/16", "2001:db8:1::2/64"]))
        // The machine may be busy with builds.
        .timeout(Duration::from_millis(800))
}

fn lab() -> Lab {
    builder().build().expect("build the lab")
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn reach(lab: &Lab, from: &str, to: &str, protocol: Protocol, port: u16) -> Outcome {
    lab.reach(from, ip(to), protocol, port).unwrap()
}

/// Checks who got a probe, on which port, and from which source.
fn check(outcome: &Outcome, node: &str, port: u16, source: &str) {
    assert!(
        outcome.is_reached_at(node, port),
        "{outcome}, wanted {node} port {port}"
    );
    assert_eq!(outcome.source(), Some(ip(source)), "{outcome}");
}

/// Runs `ip` in a node.
fn run_ip(lab: &Lab, node: &str, arguments: &str) {
    let run = || {
        Command::new("ip")
            .args(arguments.split_whitespace())
            .status()
    };
    assert!(
        lab.run_in(node, run).unwrap().unwrap().success(),
        "ip {arguments}"
    );
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn remote_reaches_host() {
    let lab = lab();
    lab.listen(HOST, Tcp, 80).unwrap();
    lab.listen(HOST, Udp, 80).unwrap();
    for (to, source) in [(HOST4, REMOTE4), (HOST6, REMOTE6)] {
        check(&reach(&lab, "remote", to, Tcp, 80), HOST, 80, source);
        check(&reach(&lab, "remote", to, Udp, 80), HOST, 80, source);
        check(&reach(&lab, "remote", to, Icmp, 0), HOST, 0, source);
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn udp_answers_come_from_the_address_spoken_to() {
    let lab = builder()
        .host_address("eth0", "198.51.100.1/32")
        .build()
        .unwrap();
    lab.listen(HOST, Udp, 53).unwrap();
    // The kernel would choose 192.0.2.1; the prober takes answers from the other one only.
    check(
        &reach(&lab, "remote", "198.51.100.1", Udp, 53),
        HOST,
        53,
        REMOTE4,
    );
    check(
        &reach(&lab, "remote", "172.18.0.1", Udp, 53),
        HOST,
        53,
        REMOTE4,
    );
    check(
        &reach(&lab, "remote", "2001:db8:a::1", Udp, 53),
        HOST,
        53,
        REMOTE6,
    );
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn containers_reach_each_other_and_remote() {
    let lab = lab();
    lab.listen_range("a1", Tcp, 80..=81).unwrap();
    lab.listen_range("a1", Udp, 80..=81).unwrap();
    lab.listen("remote", Tcp, 443).unwrap();
    for (to, source) in [(A1, A2), (A1_6, A2_6)] {
        check(&reach(&lab, "a2", to, Tcp, 81), "a1", 81, source);
        check(&reach(&lab, "a2", to, Udp, 81), "a1", 81, source);
        check(&reach(&lab, "a2", to, Icmp, 0), "a1", 0, source);
    }
    // Nothing filters yet, so the remote reaches containers directly, and they reach it.
    for (to, source) in [(A1, REMOTE4), (A1_6, REMOTE6)] {
        check(&reach(&lab, "remote", to, Tcp, 80), "a1", 80, source);
        check(&reach(&lab, "remote", to, Udp, 80), "a1", 80, source);
        check(&reach(&lab, "remote", to, Icmp, 0), "a1", 0, source);
    }
    check(&reach(&lab, "a1", REMOTE4, Tcp, 443), "remote", 443, A1);
    check(&reach(&lab, "a1", REMOTE6, Tcp, 443), "remote", 443, A1_6);
    check(
        &reach(&lab, "a1", "127.0.0.1", Tcp, 80),
        "a1",
        80,
        "127.0.0.1",
    );
    check(&reach(&lab, "a1", "::1", Udp, 80), "a1", 80, "::1");
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn failures_are_told_apart() {
    let lab = lab();
    lab.listen("i1", Udp, 80).unwrap();
    for route in ["blackhole 203.0.113.0/24", "unreachable 198.51.100.0/24"] {
        run_ip(&lab, HOST, &format!("route add {route}"));
    }
    run_ip(&lab, HOST, "-6 route add blackhole 2001:db8:dead::/48");
    for protocol in [Tcp, Udp] {
        assert_eq!(reach(&lab, "remote", HOST4, protocol, 9), Outcome::Refused);
        assert_eq!(reach(&lab, "remote", HOST6, protocol, 9), Outcome::Refused);
    }
    for protocol in [Tcp, Udp, Icmp] {
        assert_eq!(
            reach(&lab, "remote", "203.0.113.9", protocol, 9),
            Outcome::NoAnswer
        );
        assert_eq!(
            reach(&lab, "remote", "2001:db8:dead::9", protocol, 9),
            Outcome::NoAnswer
        );
        let expected = Outcome::Unreachable(Errno::EHOSTUNREACH);
        assert_eq!(reach(&lab, "remote", "198.51.100.9", protocol, 9), expected);
        let expected = Outcome::Unreachable(Errno::ENETUNREACH);
        assert_eq!(reach(&lab, "i1", REMOTE4, protocol, 9), expected);
    }
    // The internal container gets the request but has no way to answer.
    for protocol in [Udp, Icmp] {
        let outcome = reach(&lab, "remote", "172.19.0.2", protocol, 80);
        assert!(
            matches!(&outcome, Outcome::OneWay { node, .. } if node == "i1"),
            "{outcome}"
        );
    }
    assert_eq!(
        reach(&lab, "remote", "172.19.0.2", Tcp, 80),
        Outcome::NoAnswer
    );
    assert!(lab.reach("nobody", ip(HOST4), Tcp, 80).is_err());
    assert!(
        lab.probe(&[Probe::new("a1", ip(A2), Tcp, 1).from_source(ip(HOST4))])
            .is_err()
    );
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn firewall_verdicts() {
    let lab = lab();
    for node in ["a1", "remote"] {
        lab.listen_range(node, Tcp, 1..=9).unwrap();
        lab.listen_range(node, Udp, 1..=9).unwrap();
    }
    let ruleset = "table inet t {
        chain f { type filter hook forward priority 0
            ct state established,related accept
            meta l4proto { tcp, udp } th dport 1 drop
            meta l4proto { tcp, udp } th dport 2 reject
            meta l4proto { tcp, udp } th dport 3 reject with icmpx host-unreachable
            meta l4proto { tcp, udp } th dport 4 reject with icmpx admin-prohibited
            tcp dport 5 reject with tcp reset
        }
        chain o { type filter hook output priority 0
            meta l4proto { tcp, udp } th dport 6 drop
        }
        chain p { type nat hook prerouting priority -100
            fib daddr type local meta nfproto ipv4 tcp dport 8080 dnat ip to 172.18.0.2:9
            fib daddr type local meta nfproto ipv6 udp dport 8080 dnat ip6 to [2001:db8:a::2]:9
        }
        chain s { type nat hook postrouting priority 100
            iifname br-a oifname eth0 masquerade
        }
    }";
    let load = || Command::new("nft").arg(ruleset).status();
    assert!(lab.run_in(HOST, load).unwrap().unwrap().success());

    for (to, other) in [(A1, HOST4), (A1_6, HOST6)] {
        for protocol in [Tcp, Udp] {
            let outcome = |port| reach(&lab, "remote", to, protocol, port);
            assert_eq!(outcome(1), Outcome::NoAnswer);
            assert_eq!(outcome(2), Outcome::Refused);
            assert!(
                matches!(outcome(3), Outcome::Unreachable(_)),
                "{}",
                outcome(3)
            );
            assert!(
                matches!(outcome(4), Outcome::Unreachable(_)),
                "{}",
                outcome(4)
            );
            assert!(outcome(9).is_reached_at("a1", 9));
        }
        assert_eq!(reach(&lab, "remote", to, Tcp, 5), Outcome::Refused);
        // A TCP sender does not hear that its own host drops; a sender of datagrams does.
        assert_eq!(reach(&lab, HOST, to, Tcp, 6), Outcome::NoAnswer);
        assert_eq!(
            reach(&lab, HOST, to, Udp, 6),
            Outcome::Unreachable(Errno::EPERM)
        );
        let remote = if ip(to).is_ipv4() { REMOTE4 } else { REMOTE6 };
        check(&reach(&lab, "a1", remote, Tcp, 9), "remote", 9, other);
        check(&reach(&lab, "a1", remote, Udp, 9), "remote", 9, other);
        check(&reach(&lab, "a1", remote, Icmp, 9), "remote", 0, other);
    }
    check(&reach(&lab, "remote", HOST4, Tcp, 8080), "a1", 9, REMOTE4);
    check(&reach(&lab, "remote", HOST6, Udp, 8080), "a1", 9, REMOTE6);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn topology_options() {
    let lab = Lab::builder()
        .bridge(Bridge::new("br-h", &["172.18.0.1/16"]).hairpin())
        .bridge(Bridge::new("br-i", &["172.19.0.1/16"]).internal())
        .container(
            Container::new("c")
                .on("br-i", &["172.19.0.2/16"])
                .on("br-h", &["172.18.0.2/16"])
                .route("198.51.100.0/24", "172.19.0.1"),
        )
        .remote(Remote::default().address("192.0.2.3/24"))
        .remote(Remote::new(
            "wan",
            "eth1",
            &["203.0.113.1/24"],
            &["203.0.113.2/24"],
        ))
        .host_address("dummy0", "198.51.100.1/24")
        .host_sysctl("net.ipv4.conf.br-h.route_localnet", "1")
        .build()
        .unwrap();
    for node in [HOST, "c", "remote"] {
        lab.listen(node, Tcp, 80).unwrap();
    }
    // The default route is by the network that is not internal, the other route as told.
    check(
        &reach(&lab, "c", REMOTE4, Tcp, 80),
        "remote",
        80,
        "172.18.0.2",
    );
    check(
        &reach(&lab, "c", "198.51.100.1", Tcp, 80),
        HOST,
        80,
        "172.19.0.2",
    );
    check(
        &reach(&lab, "wan", "192.0.2.3", Tcp, 80),
        "remote",
        80,
        "203.0.113.2",
    );
    let probe = Probe::new("remote", ip(HOST4), Tcp, 80).from_source(ip("192.0.2.3"));
    check(
        lab.probe(&[probe]).unwrap().first().unwrap(),
        HOST,
        80,
        "192.0.2.3",
    );

    let read = |path: &'static str| lab.run_in(HOST, move || std::fs::read_to_string(path));
    let value = read("/proc/sys/net/ipv4/conf/br-h/route_localnet")
        .unwrap()
        .unwrap();
    assert_eq!(value.trim(), "1");
    let links = || {
        Command::new("ip")
            .args(["-d", "link", "show", "veth0n1"])
            .output()
    };
    let links = lab.run_in(HOST, links).unwrap().unwrap();
    assert!(String::from_utf8_lossy(&links.stdout).contains("hairpin on"));
}

/// The same link-local addresses on two bridges: the sender's interface decides, and every one is
/// ready when the lab is.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn link_local_addresses() {
    let lab = Lab::builder()
        .bridge(Bridge::new("br-a", &["fe80::1/64"]))
        .bridge(Bridge::new("br-b", &["2001:db8:b::1/64"]))
        .container(Container::new("a1").on("br-a", &["fe80::2/64"]))
        .container(Container::new("a2").on("br-a", &["fe80::3/64"]))
        .container(
            Container::new("b1")
                .on("br-b", &["2001:db8:b::2/64", "fe80::2/64"])
                .on("br-a", &["fe80::4/64"]),
        )
        .host_address("br-b", "fe80::1/64")
        .host_address("eth0", "fe80::a/64")
        .remote(Remote::default().address("fe80::9/64"))
        .build()
        .unwrap();
    for node in [HOST, "a1", "b1", "remote"] {
        lab.listen(node, Tcp, 80).unwrap();
        lab.listen(node, Udp, 80).unwrap();
    }
    for protocol in [Tcp, Udp, Icmp] {
        let port = if protocol == Icmp { 0 } else { 80 };
        let probe = |from, to| Probe::new(from, ip(to), protocol, 80);
        let asked = |probe| lab.probe(&[probe]).unwrap().remove(0);
        for (from, to, interface, at, source) in [
            ("a2", "fe80::2", "eth0", "a1", "fe80::3"),
            ("a2", "fe80::1", "eth0", HOST, "fe80::3"),
            ("b1", "fe80::2", "eth1", "a1", "fe80::4"),
            ("b1", "fe80::1", "eth0", HOST, "fe80::2"),
            (HOST, "fe80::2", "br-a", "a1", "fe80::1"),
            (HOST, "fe80::2", "br-b", "b1", "fe80::1"),
            (HOST, "fe80::a", "eth0", HOST, "fe80::a"),
            ("remote", "fe80::a", "eth0", HOST, "fe80::9"),
        ] {
            check(&asked(probe(from, to).scope(interface)), at, port, source);
        }
        // From a link-local address to a global one.
        let outcome = asked(
            probe("remote", HOST6)
                .scope("eth0")
                .from_source(ip("fe80::9")),
        );
        check(&outcome, HOST, port, "fe80::9");
        // A global address of another link is out of reach from there: the host does not forward.
        let outcome = asked(probe("a2", "2001:db8:b::2"));
        assert!(matches!(outcome, Outcome::Unreachable(_)), "{outcome}");
        // Without the interface, only an echo request finds its way.
        let unscoped = asked(probe("a2", "fe80::2"));
        if protocol == Icmp {
            check(&unscoped, "a1", 0, "fe80::3");
        } else {
            assert_eq!(unscoped, Outcome::Unreachable(Errno::EINVAL));
        }
    }
    // The kernel has added none of its own.
    for (node, interface) in [
        ("a1", "eth0"),
        ("b1", "eth0"),
        (HOST, "br-b"),
        (HOST, "eth0"),
    ] {
        let read = || std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap();
        let all = lab.run_in(node, read).unwrap();
        // Address, index, prefix length, scope (20 is link), flags, name.
        let own = all
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let own = own.filter(|words| words[3] == "20" && words[5] == interface);
        assert_eq!(own.count(), 1, "{node} {interface}: {all}");
    }
    let stranger = Probe::new("a2", ip("fe80::2"), Tcp, 80).scope("eth7");
    assert!(lab.probe(&[stranger]).is_err());
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn proxies_show_the_gateway_as_source() {
    let lab = lab();
    for protocol in [Tcp, Udp] {
        lab.listen("a1", protocol, 80).unwrap();
        for (bind, port) in [
            ("0.0.0.0:8080", 80),
            ("[::]:8080", 80),
            ("127.0.0.1:8081", 9),
        ] {
            let target = (ip(A1), port).into();
            lab.proxy(bind.parse().unwrap(), protocol, target).unwrap();
        }
        check(
            &reach(&lab, "remote", HOST4, protocol, 8080),
            "a1",
            80,
            "172.18.0.1",
        );
        check(
            &reach(&lab, "remote", HOST6, protocol, 8080),
            "a1",
            80,
            "172.18.0.1",
        );
        check(
            &reach(&lab, HOST, "127.0.0.1", protocol, 8080),
            "a1",
            80,
            "172.18.0.1",
        );
    }
    // The relay accepts before it knows that its target refuses.
    assert_eq!(reach(&lab, HOST, "127.0.0.1", Tcp, 8081), Outcome::Accepted);
    assert_eq!(reach(&lab, HOST, "127.0.0.1", Udp, 8081), Outcome::NoAnswer);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn forged_packets_arrive_if_the_host_lets_them() {
    let lab = lab();
    lab.listen(HOST, Udp, 53).unwrap();
    let forge = |to: &str, payload: &str| {
        let source = if ip(to).is_ipv4() { REMOTE4 } else { REMOTE6 };
        Forged::new((ip(source), 4000).into(), (ip(to), 53).into(), payload)
    };
    for (to, source) in [(HOST4, REMOTE4), (HOST6, REMOTE6)] {
        lab.send_forged(&forge(to, to)).unwrap();
        let received = lab.received(HOST, to);
        assert_eq!(received.first().unwrap().source, (ip(source), 4000).into());
    }
    // Loopback addresses are closed to neighbours, until the host says otherwise.
    lab.send_forged(&forge("127.0.0.1", "closed")).unwrap();
    lab.send_forged(&forge("::1", "closed")).unwrap();
    assert!(lab.received(HOST, "closed").is_empty());
    lab.host_sysctl("net.ipv4.conf.eth0.route_localnet", "1")
        .unwrap();
    lab.send_forged(&forge("127.0.0.1", "open")).unwrap();
    assert_eq!(lab.received(HOST, "open").len(), 1);
    // A container can do the same on its bridge.
    lab.host_sysctl("net.ipv4.conf.br-a.route_localnet", "1")
        .unwrap();
    let packet = Forged::new(
        (ip(A1), 4000).into(),
        (ip("127.0.0.1"), 53).into(),
        "bridge",
    );
    lab.send_forged(&packet.sent_by("a1", "eth0")).unwrap();
    assert_eq!(lab.received(HOST, "bridge").len(), 1);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn many_probes_at_once() {
    let start = Instant::now();
    let lab = builder()
        .timeout(Duration::from_millis(1200))
        .build()
        .unwrap();
    let built = start.elapsed();
    lab.listen_range("a1", Tcp, 1..=2000).unwrap();
    lab.listen_range("a1", Udp, 1..=2000).unwrap();
    let ready = start.elapsed();
    for net in ["203.0.113.0/24", "2001:db8:dead::/48"] {
        run_ip(&lab, HOST, &format!("route add blackhole {net}"));
    }
    let mut probes = Vec::new();
    for i in 0..500_u16 {
        let from = if i % 4 < 2 { "remote" } else { "a2" };
        let (protocol, port) = match i % 5 {
            0 | 1 => (Tcp, 4 * i + 1),
            2 | 3 => (Udp, 4 * i + 1),
            _ => (Icmp, 0),
        };
        let to = match (i % 2 == 0, i % 3 == 0) {
            (true, true) => A1_6,
            (true, false) => A1,
            (false, true) => "2001:db8:dead::9",
            (false, false) => "203.0.113.9",
        };
        probes.push(Probe::new(from, ip(to), protocol, port));
    }
    let start = Instant::now();
    let outcomes = lab.probe(&probes).unwrap();
    let all = start.elapsed();
    for (i, (probe, outcome)) in probes.iter().zip(&outcomes).enumerate() {
        if i % 2 == 0 {
            assert!(
                outcome.is_reached_at("a1", probe.port),
                "{probe:?}: {outcome}"
            );
        } else {
            assert_eq!(*outcome, Outcome::NoAnswer, "{probe:?}");
        }
    }
    probes.retain(|probe| [A1, A1_6].contains(&probe.to.to_string().as_str()));
    let start = Instant::now();
    let outcomes = lab.probe(&probes).unwrap();
    let answered = start.elapsed();
    assert!(outcomes.iter().all(Outcome::is_reached));
    eprintln!("lab built after {built:?}, 4000 servers more after {ready:?}");
    eprintln!("500 probes, half unanswered: {all:?}; the 250 answered alone: {answered:?}");
    // One after the other they would take five minutes.
    assert!(all < Duration::from_secs(5));
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn dropping_the_lab_leaves_nothing() {
    let before = std::fs::read_to_string("/proc/thread-self/net/dev")
        .unwrap()
        .lines()
        .count();
    // The links of the witness reach into namespaces of the other labs, and vanish with them.
    let witness = Lab::builder().build().unwrap();
    let used = lab();
    used.listen("a1", Tcp, 80).unwrap();
    used.proxy("0.0.0.0:8080".parse().unwrap(), Tcp, (ip(A1), 80).into())
        .unwrap();
    assert!(reach(&used, "remote", HOST4, Tcp, 8080).is_reached());
    for (i, node) in [HOST, "remote", "a1"].iter().enumerate() {
        attach(&witness, &used, node, &format!("drop{i}"));
    }
    assert_eq!(witnesses(&witness, "drop"), 3);
    drop(used);
    await_no_witness(&witness, "drop");

    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let doomed = lab();
        attach(&witness, &doomed, "a1", "panic0");
        attach(&witness, &doomed, HOST, "panic1");
        doomed.run_in(HOST, || panic!("on purpose")).unwrap()
    }));
    assert!(panicked.is_err());
    await_no_witness(&witness, "panic");
    let after = std::fs::read_to_string("/proc/thread-self/net/dev")
        .unwrap()
        .lines()
        .count();
    assert_eq!(before, after, "interfaces of the caller");
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_killed_process_leaves_nothing() {
    /// Set in the child, which builds a lab and waits for its end.
    const CHILD: &str = "DOCKFW_LAB_TEST_CHILD";
    let name = "a_killed_process_leaves_nothing";
    if std::env::var_os(CHILD).is_some() {
        let doomed = lab();
        doomed.listen(HOST, Tcp, 80).unwrap();
        let path = doomed.namespace_path(HOST).unwrap();
        let link = format!(
            "link add kill0 type veth peer name peer0 netns {}",
            path.display()
        );
        assert!(
            Command::new("ip")
                .args(link.split(' '))
                .status()
                .unwrap()
                .success()
        );
        sleep(Duration::from_secs(60));
        return;
    }
    let witness = Lab::builder().build().unwrap();
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", name])
            .env(CHILD, "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    };
    let mut child = witness.run_in(HOST, start).unwrap().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while witnesses(&witness, "kill") == 0 {
        assert!(Instant::now() < deadline, "the child has built no lab");
        sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    await_no_witness(&witness, "kill");
}

/// Makes a link from the host of one lab to a node of another.
fn attach(witness: &Lab, lab: &Lab, node: &str, name: &str) {
    let path = lab.namespace_path(node).unwrap();
    let path = path.display();
    run_ip(
        witness,
        HOST,
        &format!("link add {name} type veth peer name peer0 netns {path}"),
    );
}

/// How many links with this prefix the host of the lab has.
fn witnesses(lab: &Lab, prefix: &str) -> usize {
    let devices = lab.run_in(HOST, || {
        std::fs::read_to_string("/proc/thread-self/net/dev")
    });
    let devices = devices.unwrap().unwrap();
    devices
        .lines()
        .filter(|line| line.trim_start().starts_with(prefix))
        .count()
}

/// The kernel removes namespaces in the background, so this waits some seconds.
fn await_no_witness(lab: &Lab, prefix: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while witnesses(lab, prefix) > 0 {
        assert!(
            Instant::now() < deadline,
            "a namespace of a dropped lab lives on"
        );
        sleep(Duration::from_millis(20));
    }
}
