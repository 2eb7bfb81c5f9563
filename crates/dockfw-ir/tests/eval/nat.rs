//! What NAT rules do to the first packet of a flow.

use dockfw_ir::chain::{ChainKind, Hook};
use dockfw_ir::eval::{Action, Conntrack, From, Host, Interface, Packet, State};
use dockfw_ir::expr::ct::{self, TupleField, status};
use dockfw_ir::expr::{Ct, Key, Meta, Payload};
use dockfw_ir::set::{Element, Set, SetKind};
use dockfw_ir::statement::nat::{NatFamily, NatFlags};
use dockfw_ir::statement::{Masquerade, Nat, NatKind, NatTarget, Operator, Statement};
use dockfw_ir::value::{DataType, Value};

use crate::helpers::*;

fn prerouting(statement: Statement) -> dockfw_ir::Verified {
    ruleset(vec![], vec![nat_at(Hook::Prerouting, [rule([statement])])])
}

fn postrouting(statement: Statement) -> dockfw_ir::Verified {
    ruleset(vec![], vec![nat_at(Hook::Postrouting, [rule([statement])])])
}

const MASQUERADE: Statement = Statement::Masquerade(Masquerade {
    ports: None,
    flags: NatFlags {
        random: false,
        fully_random: false,
        persistent: false,
    },
});

#[test]
fn dnat_rewrites_before_routing() {
    let outcome = eval(&prerouting(dnat("172.18.0.2", Some(80))), &outside());
    assert_eq!(outcome.verdict, forwarded("br-a"));
    assert_eq!(flow(&outcome), "198.51.100.9:40000 > 172.18.0.2:80");
    assert!(outcome.is_dnat() && !outcome.is_snat());
    assert_eq!(
        outcome.trail[0].action,
        Action::Translated {
            kind: NatKind::Dnat,
            address: address("172.18.0.2"),
            port: Some(80),
        }
    );
}

#[test]
fn dnat_without_a_port_keeps_it() {
    let outcome = eval(&prerouting(dnat("172.18.0.2", None)), &outside());
    assert_eq!(flow(&outcome), "198.51.100.9:40000 > 172.18.0.2:8080");
}

#[test]
fn dnat_to_a_range_of_ports_keeps_one_that_is_in_it() {
    for (ports, expect) in [((8000, 9000), 8080), ((80, 90), 80)] {
        let to = prerouting(nat(NatKind::Dnat, "172.18.0.2", Some(ports)));
        let outcome = eval(&to, &outside());
        assert_eq!(outcome.ports, Some((40000, expect)));
    }
}

/// A port is for packets with ports; the address changes all the same.
#[test]
fn dnat_of_a_message_without_ports() {
    let echo = Packet {
        icmp: Some((8, 0)),
        ..packet(by("eth0"), ICMP, "198.51.100.9", "192.0.2.1")
    };
    let outcome = eval(&prerouting(dnat("172.18.0.2", Some(80))), &echo);
    assert_eq!(flow(&outcome), "198.51.100.9 > 172.18.0.2");
    assert_eq!(outcome.verdict, forwarded("br-a"));
}

#[test]
fn a_translation_to_what_is_there_sets_no_status() {
    let outcome = eval(&prerouting(dnat("192.0.2.1", Some(8080))), &outside());
    assert_eq!(outcome.verdict, delivered("eth0"));
    assert!(!outcome.is_dnat());
}

#[test]
fn translations_are_for_their_family() {
    let rules = [
        rule([dnat("2001:db8:a::2", None)]),
        rule([dnat("172.18.0.2", None)]),
    ];
    let both = ruleset(vec![], vec![nat_at(Hook::Prerouting, rules)]);
    assert_eq!(eval(&both, &outside()).destination, address("172.18.0.2"));
    let v6 = tcp(by("eth0"), ("2001:db8:9::1", 1), ("2001:db8::1", 80));
    assert_eq!(eval(&both, &v6).destination, address("2001:db8:a::2"));
}

/// From protocol and port to an address and a port, and from an address to an address.
fn maps() -> Vec<Set> {
    let target = |address: [u8; 4]| Value::new().and_ipv4(address.into());
    vec![
        exact(
            "any",
            &[DataType::InetProto, DataType::InetService],
            SetKind::Map(vec![DataType::Ipv4Addr, DataType::InetService]),
            vec![Element::mapping(
                byte(TCP).and_port(8080),
                target([172, 18, 0, 2]).and_port(80),
            )],
        ),
        exact(
            "address",
            &[DataType::Ipv4Addr],
            SetKind::Map(vec![DataType::Ipv4Addr]),
            vec![Element::mapping(ip("192.0.2.1"), target([172, 19, 0, 9]))],
        ),
    ]
}

fn through(key: Key, map: &str) -> Statement {
    Statement::Nat(Nat {
        kind: NatKind::Dnat,
        target: NatTarget::Map {
            family: NatFamily::Ipv4,
            key,
            map: set_name(map),
        },
        flags: NatFlags::default(),
    })
}

#[test]
fn nat_maps() {
    let any = || {
        through(
            Key(vec![Meta::L4proto.into(), Payload::ThDport.into()]),
            "any",
        )
    };
    let rules = [
        rule([any()]),
        rule([through(Payload::IpDaddr.into(), "address")]),
    ];
    let ruleset = ruleset(maps(), vec![nat_at(Hook::Prerouting, rules)]);
    let to = |port| tcp(by("eth0"), ("198.51.100.9", 40000), ("192.0.2.1", port));
    let hit = eval(&ruleset, &to(8080));
    assert_eq!(flow(&hit), "198.51.100.9:40000 > 172.18.0.2:80");
    assert_eq!(trail(&hit), ["nat-prerouting:0"]);
    // The map has nothing for the key: the next rule is tried.
    let miss = eval(&ruleset, &to(8081));
    assert_eq!(flow(&miss), "198.51.100.9:40000 > 172.19.0.9:8081");
    assert_eq!(trail(&miss), ["nat-prerouting:1"]);
    let v6 = tcp(by("eth0"), ("2001:db8:9::1", 1), ("2001:db8::1", 8080));
    let other = eval(&ruleset, &v6);
    assert_eq!(
        (trail(&other), other.ct_status & status::DNAT),
        (vec!["nat-prerouting:policy".to_owned()], 0)
    );
}

#[test]
fn the_first_rule_decides() {
    let late = base(
        "late",
        ChainKind::Nat,
        Hook::Prerouting,
        -90,
        [rule([dnat("172.19.0.9", None)])],
    );
    let early = nat_at(
        Hook::Prerouting,
        [rule([dnat("172.18.0.2", None)]), rule([DROP])],
    );
    let outcome = eval(&ruleset(vec![], vec![late, early]), &outside());
    assert_eq!(outcome.destination, address("172.18.0.2"));
    assert_eq!(trail(&outcome), ["nat-prerouting:0"]);
}

#[test]
fn an_accept_leaves_the_decision_to_the_next_nat_chain() {
    let late = base(
        "late",
        ChainKind::Nat,
        Hook::Prerouting,
        -90,
        [rule([dnat("172.19.0.9", None)])],
    );
    let early = nat_at(Hook::Prerouting, [rule([ACCEPT])]);
    let outcome = eval(&ruleset(vec![], vec![late, early]), &outside());
    assert_eq!(outcome.destination, address("172.19.0.9"));
}

/// Tried on 6.18: a nat chain runs at −100 whatever its priority.
#[test]
fn nat_chains_run_at_the_kernels_priority() {
    let has = Statement::masked(
        Ct::Status,
        host32(status::DNAT),
        Operator::NotEqual,
        host32(0),
    );
    let seen = base(
        "seen",
        ChainKind::Filter,
        Hook::Prerouting,
        -99,
        [rule([has, DROP])],
    );
    let late = base(
        "late",
        ChainKind::Nat,
        Hook::Prerouting,
        50,
        [rule([dnat("172.18.0.2", None)])],
    );
    let outcome = eval(&ruleset(vec![], vec![seen, late]), &outside());
    assert_eq!(outcome.verdict, dropped(Hook::Prerouting));
}

#[test]
fn only_packets_that_begin_a_flow_are_asked_about() {
    let ruleset = prerouting(dnat("172.18.0.2", None));
    for (state, expect) in [
        (State::New, "172.18.0.2"),
        (State::Established, "192.0.2.1"),
        // The first packet of an announced flow.
        (State::Related, "172.18.0.2"),
        (State::Invalid, "192.0.2.1"),
        (State::Untracked, "192.0.2.1"),
    ] {
        let outcome = eval(&ruleset, &in_state(state, outside()));
        assert_eq!(outcome.destination, address(expect), "{state:?}");
    }
}

#[test]
fn masquerade_takes_the_address_of_the_output_interface() {
    let out = tcp(by("br-a"), ("172.18.0.2", 40000), ("198.51.100.9", 80));
    let outcome = eval(&postrouting(MASQUERADE), &out);
    assert_eq!(outcome.verdict, forwarded("eth0"));
    assert_eq!(flow(&outcome), "192.0.2.1:40000 > 198.51.100.9:80");
    assert!(outcome.is_snat() && !outcome.is_dnat());
    let v6 = tcp(by("br-a"), ("2001:db8:a::2", 40000), ("2001:db8:9::1", 80));
    let outcome = eval(&postrouting(MASQUERADE), &v6);
    assert_eq!(flow(&outcome), "[2001:db8::1]:40000 > [2001:db8:9::1]:80");
}

#[test]
fn masquerade_prefers_the_subnet_of_the_destination() {
    let mut host = docker_host();
    host.interfaces[0]
        .addresses
        .push("203.0.113.1/24".parse().unwrap());
    let ruleset = postrouting(MASQUERADE);
    let evaluator = dockfw_ir::eval::Evaluator::new(&ruleset);
    for (destination, expect) in [
        ("203.0.113.9", "203.0.113.1"),
        ("198.51.100.9", "192.0.2.1"),
    ] {
        let out = tcp(by("br-a"), ("172.18.0.2", 40000), (destination, 80));
        assert_eq!(evaluator.eval(&host, &out).source, address(expect));
    }
}

#[test]
fn masquerade_without_an_address_drops() {
    let host = Host {
        interfaces: vec![Interface {
            name: "br-x".to_owned(),
            addresses: vec!["2001:db8:a::1/64".parse().unwrap()],
        }],
        routes: vec![dockfw_ir::eval::Route {
            destination: "0.0.0.0/0".parse().unwrap(),
            interface: "br-x".to_owned(),
        }],
    };
    let ruleset = postrouting(MASQUERADE);
    let out = tcp(by("br-x"), ("172.18.0.2", 40000), ("198.51.100.9", 80));
    let outcome = dockfw_ir::eval::Evaluator::new(&ruleset).eval(&host, &out);
    assert_eq!(outcome.verdict, dropped(Hook::Postrouting));
    assert_eq!(outcome.trail[0].action, Action::Untranslatable);
}

#[test]
fn snat_rewrites_what_leaves() {
    let out = tcp(by("br-a"), ("172.18.0.2", 40000), ("198.51.100.9", 80));
    let outcome = eval(&postrouting(snat("192.0.2.77")), &out);
    assert_eq!(flow(&outcome), "192.0.2.77:40000 > 198.51.100.9:80");
    let input = ruleset(
        vec![],
        vec![nat_at(Hook::Input, [rule([snat("192.0.2.77")])])],
    );
    let outcome = eval(&input, &outside());
    assert_eq!(flow(&outcome), "192.0.2.77:40000 > 192.0.2.1:8080");
    assert_eq!(outcome.verdict, delivered("eth0"));
}

#[test]
fn redirect_leads_to_the_host() {
    let redirect = |ports| Statement::Redirect {
        ports,
        flags: NatFlags::default(),
    };
    let through = tcp(by("br-a"), ("172.18.0.2", 40000), ("198.51.100.9", 80));
    let outcome = eval(&prerouting(redirect(Some((3128, 3128)))), &through);
    assert_eq!(outcome.verdict, delivered("br-a"));
    assert_eq!(flow(&outcome), "172.18.0.2:40000 > 172.18.0.1:3128");
    let output = ruleset(vec![], vec![nat_at(Hook::Output, [rule([redirect(None)])])]);
    let local = tcp(From::Host, ("192.0.2.1", 40000), ("198.51.100.9", 80));
    let outcome = eval(&output, &local);
    assert_eq!(outcome.verdict, delivered("lo"));
    assert_eq!(flow(&outcome), "192.0.2.1:40000 > 127.0.0.1:80");
    let no_address = tcp(by("eth9"), ("198.51.100.9", 1), ("198.51.100.8", 80));
    let outcome = eval(&prerouting(redirect(None)), &no_address);
    assert_eq!(outcome.verdict, dropped(Hook::Prerouting));
}

/// A container reaches its own published port through the host's address: both ends change.
#[test]
fn hairpin() {
    let own = Statement::equal(Meta::Oifname, ifname("br-a"));
    let ruleset = ruleset(
        vec![],
        vec![
            nat_at(Hook::Prerouting, [rule([dnat("172.18.0.2", Some(80))])]),
            nat_at(Hook::Postrouting, [rule([own, MASQUERADE])]),
        ],
    );
    let to_itself = tcp(by("br-a"), ("172.18.0.2", 40000), ("192.0.2.1", 8080));
    let outcome = eval(&ruleset, &to_itself);
    assert_eq!(outcome.verdict, forwarded("br-a"));
    assert_eq!(flow(&outcome), "172.18.0.1:40000 > 172.18.0.2:80");
    assert!(outcome.is_snat() && outcome.is_dnat());
}

#[test]
fn the_entry_tells_of_translations() {
    let original = |field| Ct::Tuple(ct::Direction::Original, field);
    let reply = |field| Ct::Tuple(ct::Direction::Reply, field);
    let rules = [rule([
        Statement::equal(original(TupleField::IpDaddr), ip("192.0.2.1")),
        Statement::equal(original(TupleField::ProtoDst), port(8080)),
        Statement::equal(reply(TupleField::IpSaddr), ip("172.18.0.2")),
        Statement::equal(reply(TupleField::ProtoSrc), port(80)),
        DROP,
    ])];
    let dnat = nat_at(Hook::Prerouting, [rule([dnat("172.18.0.2", Some(80))])]);
    let outcome = eval(&ruleset(vec![], vec![dnat, forward(rules)]), &outside());
    assert_eq!(outcome.verdict, dropped(Hook::Forward));
}

#[test]
fn drop_in_a_nat_chain_is_final() {
    let outcome = eval(&prerouting(DROP), &outside());
    assert_eq!(outcome.verdict, dropped(Hook::Prerouting));
    let known = Packet {
        ct: Conntrack {
            state: State::Established,
            ..Conntrack::default()
        },
        ..outside()
    };
    assert_eq!(eval(&prerouting(DROP), &known).verdict, delivered("eth0"));
}
