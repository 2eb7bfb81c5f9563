//! Lookups.

use dockfw_ir::chain::Hook;
use dockfw_ir::expr::{Expr, Key, Meta, Payload};
use dockfw_ir::set::{Element, Set, SetKind};
use dockfw_ir::statement::Statement;
use dockfw_ir::value::{DataType, Value};

use crate::helpers::*;

fn ports(interval_set: bool, elements: Vec<Element>) -> Set {
    let make = if interval_set { interval } else { exact };
    make(
        "known",
        &[DataType::InetProto, DataType::InetService],
        SetKind::Set,
        elements,
    )
}

fn proto_port() -> Key {
    Key(vec![Meta::L4proto.into(), Payload::ThDport.into()])
}

fn key(protocol: u8, number: u16) -> Value {
    byte(protocol).and_port(number)
}

#[test]
fn exact_sets() {
    let set = || {
        let keys = [key(TCP, 79), key(TCP, 80), key(TCP, 8080), key(UDP, 81)];
        ports(false, keys.into_iter().map(Element::member).collect())
    };
    let to = |number| tcp(by("eth0"), ("198.51.100.9", 1), ("172.18.0.2", number));
    for (number, expect) in [
        (79, true),
        (80, true),
        (81, false),
        (8080, true),
        (8081, false),
    ] {
        assert_eq!(is_in(set(), proto_port(), &to(number)), expect, "{number}");
        let not = Statement::not_in_set(proto_port(), &set_name("known"));
        assert_eq!(
            matches_at(Hook::Forward, vec![set()], not, &to(number)),
            !expect
        );
    }
    assert!(!is_in(ports(false, vec![]), proto_port(), &to(80)));
}

#[test]
fn a_key_that_does_not_load_is_in_no_set_and_out_of_no_set() {
    let ping = packet(by("eth0"), 50, "198.51.100.9", "172.18.0.2");
    let not = Statement::not_in_set(proto_port(), &set_name("known"));
    assert!(!matches_at(
        Hook::Forward,
        vec![ports(false, vec![])],
        not,
        &ping
    ));
}

#[test]
fn intervals_of_one_field() {
    let set = || {
        let range = |low, high| Element::member(ip(low)).until(ip(high));
        interval(
            "known",
            &[DataType::Ipv4Addr],
            SetKind::Set,
            vec![
                range("172.17.0.0", "172.17.255.255"),
                Element::member(ip("172.18.0.2")),
                range("172.18.0.4", "172.18.0.8"),
            ],
        )
    };
    for (last, expect) in [
        (1, false),
        (2, true),
        (3, false),
        (4, true),
        (8, true),
        (9, false),
    ] {
        let to = tcp(
            by("eth0"),
            ("198.51.100.9", 1),
            (&format!("172.18.0.{last}"), 80),
        );
        assert_eq!(is_in(set(), Payload::IpDaddr, &to), expect, "{last}");
    }
    let below = tcp(by("eth0"), ("198.51.100.9", 1), ("10.0.0.1", 80));
    assert!(!is_in(set(), Payload::IpDaddr, &below));
}

/// Each field of a concatenation is a range of its own, not the bytes as a whole.
#[test]
fn intervals_of_several_fields() {
    let set = || {
        let low = ip("172.18.0.0").and_u8(TCP).and_port(80);
        let high = ip("172.18.0.255").and_u8(TCP).and_port(90);
        let other = ip("172.18.0.7").and_u8(TCP).and_port(100);
        interval(
            "known",
            &[
                DataType::Ipv4Addr,
                DataType::InetProto,
                DataType::InetService,
            ],
            SetKind::Set,
            vec![Element::member(low).until(high), Element::member(other)],
        )
    };
    let key = || {
        Key(vec![
            Expr::Payload(Payload::IpDaddr),
            Expr::Meta(Meta::L4proto),
            Expr::Payload(Payload::ThDport),
        ])
    };
    for (address, number, expect) in [
        ("172.18.0.0", 80, true),
        ("172.18.0.9", 90, true),
        ("172.18.0.9", 91, false),
        ("172.18.0.9", 79, false),
        ("172.18.1.0", 85, false),
        ("172.18.0.7", 100, true),
        ("172.18.0.8", 100, false),
    ] {
        let to = tcp(by("eth0"), ("198.51.100.9", 1), (address, number));
        assert_eq!(is_in(set(), key(), &to), expect, "{address} {number}");
    }
}

#[test]
fn the_cost_of_a_lookup_does_not_grow() {
    let cost = |count| {
        let elements = (1..=count).map(|port| Element::member(key(TCP, port)));
        let set = ports(false, elements.collect());
        let rules = [rule([Statement::in_set(proto_port(), &set.name), DROP])];
        eval(&ruleset(vec![set], vec![forward(rules)]), &transit()).cost()
    };
    assert_eq!(cost(100), cost(60_000));
    assert_eq!((cost(100).rules, cost(100).lookups), (1, 1));
}
