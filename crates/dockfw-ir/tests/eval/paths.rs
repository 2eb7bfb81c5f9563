//! The way through the hooks.

use dockfw_ir::chain::{ChainKind, Hook};
use dockfw_ir::eval::{Evaluator, From, Packet, State, Verdict as Fate};
use dockfw_ir::expr::ct::state;
use dockfw_ir::expr::{Ct, Meta};
use dockfw_ir::statement::Statement;

use crate::helpers::*;

/// A counting chain at every hook, before conntrack, at 0, and nat chains.
fn counting() -> dockfw_ir::Verified {
    let count = || [rule([Statement::Counter])];
    let mut chains = vec![
        base("raw", ChainKind::Filter, Hook::Prerouting, -300, count()),
        filter("prerouting", Hook::Prerouting, count()),
        filter("input", Hook::Input, count()),
        forward(count()),
        filter("output", Hook::Output, count()),
        filter("postrouting", Hook::Postrouting, count()),
    ];
    for hook in [
        Hook::Prerouting,
        Hook::Input,
        Hook::Output,
        Hook::Postrouting,
    ] {
        chains.push(nat_at(hook, count()));
    }
    ruleset(vec![], chains)
}

/// Chains by name, policies left out.
fn chains(packet: &Packet) -> (Fate, Vec<String>) {
    let outcome = eval(&counting(), packet);
    let names = outcome.trail.iter().filter(|step| step.rule.is_some());
    let names = names.map(|step| step.chain.to_string()).collect();
    (outcome.verdict, names)
}

#[test]
fn received_and_delivered() {
    let (fate, names) = chains(&outside());
    assert_eq!(fate, delivered("eth0"));
    assert_eq!(
        names,
        ["raw", "nat-prerouting", "prerouting", "input", "nat-input"]
    );
}

#[test]
fn received_and_forwarded() {
    let (fate, names) = chains(&transit());
    assert_eq!(fate, forwarded("br-a"));
    assert_eq!(
        names,
        [
            "raw",
            "nat-prerouting",
            "prerouting",
            "forward",
            "postrouting",
            "nat-postrouting"
        ]
    );
    let (_, names) = chains(&in_state(State::Established, transit()));
    assert_eq!(names, ["raw", "prerouting", "forward", "postrouting"]);
}

#[test]
fn sent() {
    let (fate, names) = chains(&tcp(From::Host, ("192.0.2.1", 1), ("198.51.100.9", 80)));
    assert_eq!(fate, forwarded("eth0"));
    assert_eq!(
        names,
        ["nat-output", "output", "postrouting", "nat-postrouting"]
    );
}

/// Both ends are decided before the packet comes in again: no nat chain twice.
#[test]
fn sent_to_itself() {
    for destination in ["127.0.0.1", "192.0.2.1"] {
        let (fate, names) = chains(&tcp(From::Host, ("127.0.0.1", 1), (destination, 80)));
        assert_eq!(fate, delivered("lo"));
        let expect = ["nat-output", "output", "postrouting", "nat-postrouting"];
        assert_eq!(
            names,
            [&expect[..], &["raw", "prerouting", "input"]].concat()
        );
    }
}

/// Tried on 6.18: the entry stays with the packet, so even raw sees it the second time.
#[test]
fn the_entry_comes_along_over_loopback() {
    let new = Statement::equal(Ct::State, host32(state::NEW));
    let raw = [rule([Statement::Notrack]), rule([new, DROP])];
    let raw = base("raw", ChainKind::Filter, Hook::Prerouting, -300, raw);
    let local = tcp(From::Host, ("127.0.0.1", 1), ("127.0.0.1", 80));
    let outcome = eval(&ruleset(vec![], vec![raw]), &local);
    assert_eq!(outcome.verdict, dropped(Hook::Prerouting));
}

#[test]
fn the_hosts_packets_after_dnat_at_output() {
    let output = nat_at(Hook::Output, [rule([dnat("172.18.0.2", Some(80))])]);
    let old = [rule([
        Statement::equal(Meta::Oifname, ifname("lo")),
        Statement::Counter,
    ])];
    let new = [rule([
        Statement::equal(Meta::Oifname, ifname("br-a")),
        Statement::Counter,
    ])];
    let ruleset = ruleset(
        vec![],
        vec![
            output,
            filter("output", Hook::Output, old),
            filter("postrouting", Hook::Postrouting, new),
        ],
    );
    let outcome = eval(
        &ruleset,
        &tcp(From::Host, ("192.0.2.1", 1), ("192.0.2.1", 8080)),
    );
    assert_eq!(outcome.verdict, forwarded("br-a"));
    assert_eq!(flow(&outcome), "192.0.2.1:1 > 172.18.0.2:80");
    let matched: Vec<_> = trail(&outcome)
        .into_iter()
        .filter(|s| !s.ends_with("policy"))
        .collect();
    assert_eq!(matched, ["nat-output:0", "output:0", "postrouting:0"]);
}

#[test]
fn dnat_at_output_to_the_host_itself() {
    let output = nat_at(Hook::Output, [rule([dnat("127.0.0.1", Some(80))])]);
    let input = filter(
        "input",
        Hook::Input,
        [rule([Statement::equal(Meta::Iifname, ifname("lo")), DROP])],
    );
    let out = tcp(From::Host, ("192.0.2.1", 1), ("198.51.100.9", 8080));
    let outcome = eval(&ruleset(vec![], vec![output.clone(), input]), &out);
    assert_eq!(outcome.verdict, dropped(Hook::Input));
    let outcome = eval(&ruleset(vec![], vec![output]), &out);
    assert_eq!(
        (outcome.verdict.clone(), flow(&outcome).as_str()),
        (delivered("lo"), "192.0.2.1:1 > 127.0.0.1:80")
    );
}

#[test]
fn without_a_route() {
    let mut host = docker_host();
    host.routes.clear();
    let none = verified(vec![]);
    let evaluator = Evaluator::new(&none);
    for from in [From::Host, by("br-a")] {
        let packet = tcp(from, ("172.18.0.2", 1), ("198.51.100.9", 80));
        assert_eq!(evaluator.eval(&host, &packet).verdict, Fate::NoRoute);
    }
    // Rerouted to nowhere.
    let ruleset = ruleset(
        vec![],
        vec![nat_at(Hook::Output, [rule([dnat("203.0.113.1", None)])])],
    );
    let packet = tcp(From::Host, ("172.18.0.1", 1), ("172.18.0.2", 80));
    assert_eq!(
        Evaluator::new(&ruleset).eval(&host, &packet).verdict,
        Fate::NoRoute
    );
}

#[test]
fn routes() {
    let mut host = docker_host();
    host.routes.push(dockfw_ir::eval::Route {
        destination: "198.51.100.0/25".parse().unwrap(),
        interface: "br-b".to_owned(),
    });
    let none = verified(vec![]);
    let to = |destination| tcp(by("br-a"), ("172.18.0.2", 1), (destination, 80));
    for (destination, expect) in [
        ("198.51.100.9", forwarded("br-b")),
        ("198.51.100.200", forwarded("eth0")),
        ("172.19.0.7", forwarded("br-b")),
        ("172.18.0.1", delivered("br-a")),
        ("192.0.2.255", delivered("br-a")),
        ("224.0.0.251", delivered("br-a")),
    ] {
        let outcome = Evaluator::new(&none).eval(&host, &to(destination));
        assert_eq!(outcome.verdict, expect, "{destination}");
    }
}

/// eth0 and br-a have the same link-local address and subnet, br-a another one besides.
#[test]
fn link_local_packets() {
    let mut host = docker_host();
    for net in ["fe80::1/64", "fe80:2::1/64"] {
        host.interfaces[1].addresses.push(net.parse().unwrap());
    }
    let none = verified(vec![]);
    let fate = |packet: &Packet| Evaluator::new(&none).eval(&host, packet).verdict;
    let sent = |link: Option<&str>, destination| {
        fate(&Packet {
            link: link.map(ToOwned::to_owned),
            ..tcp(From::Host, ("fe80::1", 1), (destination, 80))
        })
    };
    for (link, destination, expect) in [
        (None, "fe80::2", forwarded("eth0")),
        (Some("eth0"), "fe80::2", forwarded("eth0")),
        (Some("br-a"), "fe80::2", forwarded("br-a")),
        (Some("br-a"), "fe80:2::2", forwarded("br-a")),
        (Some("eth0"), "fe80:2::2", Fate::NoRoute),
        (Some("br-a"), "fe80::1", delivered("lo")),
        (Some("br-a"), "2001:db8::9", forwarded("eth0")),
    ] {
        assert_eq!(sent(link, destination), expect, "{destination} by {link:?}");
    }
    let received =
        |input, source, destination| fate(&tcp(by(input), (source, 1), (destination, 80)));
    for (input, source, destination, expect) in [
        ("br-a", "fe80::2", "fe80:2::1", delivered("br-a")),
        ("eth0", "fe80::2", "fe80:2::1", Fate::NoRoute),
        ("eth0", "2001:db8::2", "fe80:2::2", Fate::NoRoute),
        // From a link-local source nothing is forwarded, whatever the forward hook would say.
        ("eth0", "fe80::2", "2001:db8:a::2", Fate::NoRoute),
        ("eth0", "2001:db8::2", "2001:db8:a::2", forwarded("br-a")),
    ] {
        assert_eq!(
            received(input, source, destination),
            expect,
            "{destination}"
        );
    }
    let bridged = Packet {
        to: Some("br-a".to_owned()),
        ..tcp(by("veth1"), ("fe80::2", 1), ("2001:db8::2", 80))
    };
    assert_eq!(fate(&bridged), forwarded("br-a"));
}

#[test]
fn bridged_packets() {
    let bridged = |destination, port| Packet {
        to: Some("br-a".to_owned()),
        ..tcp(by("veth1"), ("172.18.0.3", 1), (destination, port))
    };
    let pair = |input, output| {
        [rule([
            Statement::equal(Meta::Iifname, ifname(input)),
            Statement::equal(Meta::Oifname, ifname(output)),
            DROP,
        ])]
    };
    let icc = ruleset(vec![], vec![forward(pair("br-a", "br-a"))]);
    assert_eq!(
        eval(&icc, &bridged("172.18.0.2", 80)).verdict,
        dropped(Hook::Forward)
    );
    // The output hook of a bridge has no input interface.
    let post = filter("post", Hook::Postrouting, pair("br-a", "br-a"));
    let post = ruleset(vec![], vec![post]);
    assert_eq!(
        eval(&post, &bridged("172.18.0.2", 80)).verdict,
        forwarded("br-a")
    );
    // DNAT leads elsewhere: to the same bridge, to another one, to the host.
    for (target, expect) in [
        ("172.18.0.2", forwarded("br-a")),
        ("172.19.0.2", forwarded("br-b")),
        ("172.18.0.1", delivered("br-a")),
    ] {
        let dnat = nat_at(Hook::Prerouting, [rule([dnat(target, None)])]);
        let outcome = eval(&ruleset(vec![], vec![dnat]), &bridged("203.0.113.8", 80));
        assert_eq!(outcome.verdict, expect, "{target}");
    }
}
