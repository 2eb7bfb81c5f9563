//! What rules of other languages read and do.

use dockfw_ir::chain::Hook;
use dockfw_ir::eval::{Counters, Direction, Evaluator, Limits, Owner, Packet, Socket as Found};
use dockfw_ir::expr::ct::Counter;
use dockfw_ir::expr::exthdr::{Exthdr, Ipv6Field, Ipv6Header};
use dockfw_ir::expr::fib::{FibAddress, FibResult};
use dockfw_ir::expr::numgen::{Numgen, NumgenMode};
use dockfw_ir::expr::payload::{Base, Raw};
use dockfw_ir::expr::{Ct, Expr, Fib, Key, Meta, Payload, Rt, Socket};
use dockfw_ir::set::{Element, SetKind};
use dockfw_ir::statement::nat::NatFlags;
use dockfw_ir::statement::{
    CtCount, Dynset, DynsetOperation, DynsetStatement, Mangle, MarkSource, MarkTarget, Match,
    MaxSegment, Nat, NatKind, NatTarget, Operator, Queue, Quota, SetMark, Statement, Test,
};
use dockfw_ir::{DataType, Value};

use crate::helpers::*;

fn one_of(key: impl Into<Key>, negated: bool, elements: Vec<Element>) -> Statement {
    Statement::Match(Match {
        key: key.into(),
        test: Test::OneOf { negated, elements },
    })
}

fn range(key: impl Into<Key>, low: Value, high: Value) -> Statement {
    Statement::Match(Match {
        key: key.into(),
        test: Test::Range {
            negated: false,
            low,
            high,
        },
    })
}

#[test]
fn one_of_values_and_ranges() {
    let to = |destination| {
        tcp(
            by("eth0"),
            ("198.51.100.9", 4000),
            ("172.18.0.2", destination),
        )
    };
    let ports = || {
        vec![
            Element::member(port(80)),
            Element::member(port(1000)).until(port(2000)),
        ]
    };
    for (destination, expect) in [
        (80, true),
        (81, false),
        (1000, true),
        (2000, true),
        (2001, false),
    ] {
        let packet = to(destination);
        assert_eq!(
            matches(one_of(Payload::TcpDport, false, ports()), &packet),
            expect
        );
        assert_eq!(
            matches(one_of(Payload::TcpDport, true, ports()), &packet),
            !expect
        );
    }
    // Of another protocol there is no such port, negated or not.
    let other = packet(by("eth0"), UDP, "198.51.100.9", "172.18.0.2");
    assert!(!matches(one_of(Payload::TcpDport, true, ports()), &other));
    let pair = Key(vec![Payload::IpDaddr.into(), Payload::TcpDport.into()]);
    let pairs = vec![Element::member(ip("172.18.0.2").and_port(80))];
    assert!(matches(one_of(pair.clone(), false, pairs.clone()), &to(80)));
    assert!(!matches(one_of(pair, false, pairs), &to(81)));
}

#[test]
fn numbers_of_the_host_are_ordered_as_numbers() {
    let marked = |mark| Packet { mark, ..transit() };
    let low_high = || range(Meta::Mark, host32(0x0f), host32(0x100));
    assert!(matches(low_high(), &marked(0x0f)));
    assert!(matches(low_high(), &marked(0x100)));
    assert!(!matches(low_high(), &marked(0x0e)));
    assert!(!matches(low_high(), &marked(0x0100_0000)));
    let above = Statement::compare(Meta::Length, Operator::Greater, host32(0x1ff));
    let long = |length| Packet {
        length,
        ..transit()
    };
    assert!(matches(above.clone(), &long(0x200)));
    assert!(!matches(above, &long(0x101)));
}

#[test]
fn fields_of_the_ip_header() {
    let v4 = Packet {
        tos: 0x2a << 2 | 1,
        ttl: 5,
        fragment: 0x2003,
        ..transit()
    };
    assert!(matches(Statement::equal(Payload::IpDscp, byte(0x2a)), &v4));
    assert!(matches(Statement::equal(Payload::IpEcn, byte(1)), &v4));
    assert!(matches(
        Statement::compare(Payload::IpTtl, Operator::Less, byte(6)),
        &v4
    ));
    assert!(matches(
        Statement::masked(
            Payload::IpFragOff,
            port(0x1fff),
            Operator::NotEqual,
            port(0)
        ),
        &v4
    ));
    assert!(!matches(
        Statement::not_equal(Payload::Ip6Dscp, byte(0)),
        &v4
    ));
    let raw = |base, offset, len| Payload::Raw(Raw { base, offset, len });
    assert!(matches(
        Statement::equal(raw(Base::Network, 1, 1), byte(v4.tos)),
        &v4
    ));
    assert!(matches(
        Statement::equal(raw(Base::Network, 16, 4), ip("172.18.0.2")),
        &v4
    ));
    assert!(!matches(
        Statement::not_equal(raw(Base::Network, 20, 1), byte(0)),
        &v4
    ));
    let v6 = Packet {
        tos: 0x2e << 2,
        ttl: 1,
        ipv6_headers: vec![44],
        ..packet(by("eth0"), UDP, "2001:db8:9::1", "2001:db8:a::2")
    };
    assert!(matches(Statement::equal(Payload::Ip6Dscp, byte(0x2e)), &v6));
    assert!(matches(
        Statement::equal(Payload::Ip6Hoplimit, byte(1)),
        &v6
    ));
    let exists = |header, there: u8| Statement::equal(Exthdr::Ipv6(header), byte(there));
    assert!(matches(exists(Ipv6Header::Fragment, 1), &v6));
    assert!(matches(exists(Ipv6Header::Routing, 0), &v6));
    assert!(!matches(exists(Ipv6Header::Routing, 0), &v4));
}

#[test]
fn tcp_options() {
    let syn = Packet {
        tcp_options: vec![4, 8],
        tcp_maxseg: Some(1460),
        ..transit()
    };
    let exists = |kind, there: u8| Statement::equal(Exthdr::TcpOption(kind), byte(there));
    assert!(matches(exists(4, 1), &syn));
    assert!(matches(exists(2, 1), &syn));
    assert!(matches(exists(3, 0), &syn));
    let size = |low, high| range(Exthdr::TcpMaxseg, port(low), port(high));
    assert!(matches(size(1400, 1500), &syn));
    assert!(!matches(size(0, 65535), &transit()));
    // Of a packet that is not TCP, every option is missing.
    let other = packet(by("eth0"), UDP, "198.51.100.9", "172.18.0.2");
    assert!(matches(exists(4, 0), &other));
}

#[test]
fn ipsec_and_counters() {
    let packet = Packet {
        ipsec: true,
        ct_counters: Counters {
            packets: [3, 1],
            bytes: [1000, 24],
        },
        ..transit()
    };
    let is = |key: Expr, there: u8| Statement::equal(key, byte(there));
    assert!(matches(is(Meta::Ipsec.into(), 1), &packet));
    assert!(matches(is(Rt::Ipsec.into(), 0), &packet));
    assert!(matches(is(Meta::Ipsec.into(), 0), &transit()));
    let count = |counter, direction, number| {
        let key = Ct::Counter(counter, direction);
        Statement::equal(key, Value::new().and_host_u64(number))
    };
    let original = Some(Direction::Original);
    for (counter, direction, number) in [
        (Counter::Packets, None, 4),
        (Counter::Packets, original, 3),
        (Counter::Bytes, Some(Direction::Reply), 24),
        (Counter::Average, original, 333),
        (Counter::Average, None, 256),
    ] {
        let test = count(counter, direction, number);
        assert!(matches(test.clone(), &packet), "{test:?}");
        assert!(!matches(test, &transit()));
    }
    assert!(matches(count(Counter::Average, None, 0), &transit()));
}

#[test]
fn fields_of_extension_headers() {
    let packet = Packet {
        ipv6_headers: vec![43],
        ipv6_fields: vec![(Ipv6Field::RoutingType, 4)],
        spi: Some(7),
        ..packet(by("eth0"), 50, "2001:db8:9::1", "2001:db8:a::2")
    };
    let equal = |field, value| Statement::equal(Exthdr::Ipv6Field(field), byte(value));
    assert!(matches(equal(Ipv6Field::RoutingType, 4), &packet));
    assert!(!matches(equal(Ipv6Field::RoutingType, 5), &packet));
    // It does not load.
    let other = Exthdr::Ipv6Field(Ipv6Field::RoutingSegments);
    assert!(!matches(Statement::not_equal(other, byte(9)), &packet));
    let spi = |number: u32| Value::new().and_bytes(&number.to_be_bytes());
    assert!(matches(Statement::equal(Payload::EspSpi, spi(7)), &packet));
    assert!(!matches(Statement::equal(Payload::AhSpi, spi(7)), &packet));
}

#[test]
fn what_may_not_be_there() {
    let bare = transit();
    let full = Packet {
        mac: Some([2, 0, 0, 0, 0, 1]),
        packet_type: Some(3),
        // 2024-01-01, a Monday, 10:00:00 UTC.
        time: Some(1_704_103_200),
        ct_expiration: Some(20_000),
        spi: Some(7),
        ..transit()
    };
    let mac = Value::new().and_bytes(&[2, 0, 0, 0, 0, 1]);
    let tests = [
        Statement::equal(Payload::EtherSaddr, mac),
        Statement::equal(Meta::Hour, host32(36_000)),
        Statement::equal(Meta::Day, byte(1)),
        Statement::equal(
            Meta::Time,
            Value::new().and_host_u64(1_704_103_200_000_000_000),
        ),
        range(Ct::Expiration, host32(10_000), host32(30_000)),
        Statement::equal(Meta::Pkttype, byte(3)),
    ];
    for test in tests {
        assert!(matches(test.clone(), &full), "{test:?}");
        assert!(!matches(test.clone(), &bare), "{test:?}");
    }
}

#[test]
fn owners_and_sockets() {
    let local = Packet {
        owner: Owner {
            uid: 1000,
            gid: 33,
            cgroup: 7,
        },
        ..packet(
            dockfw_ir::eval::From::Host,
            TCP,
            "192.0.2.1",
            "198.51.100.9",
        )
    };
    for (meta, number) in [(Meta::Skuid, 1000), (Meta::Skgid, 33), (Meta::Cgroup, 7)] {
        let test = Statement::equal(meta, host32(number));
        assert!(matches_at(Hook::Output, vec![], test, &local), "{meta:?}");
    }
    let found = Packet {
        socket: Some(Found {
            transparent: true,
            wildcard: false,
            mark: 5,
        }),
        ..transit()
    };
    let transparent = || Statement::equal(Socket::Transparent, byte(1));
    assert!(matches_at(Hook::Prerouting, vec![], transparent(), &found));
    assert!(!matches_at(
        Hook::Prerouting,
        vec![],
        transparent(),
        &transit()
    ));
    let wildcard = Statement::equal(Socket::Wildcard, byte(0));
    assert!(matches_at(Hook::Prerouting, vec![], wildcard, &found));
}

#[test]
fn a_route_exists() {
    let exists = |value: u8| {
        Statement::equal(
            Fib {
                address: FibAddress::Saddr,
                iif: true,
                oif: false,
                mark: false,
                result: FibResult::Exists,
            },
            byte(value),
        )
    };
    let from = |interface: &str| packet(by(interface), UDP, "198.51.100.9", "192.0.2.1");
    assert!(matches_at(
        Hook::Prerouting,
        vec![],
        exists(1),
        &from("eth0")
    ));
    assert!(matches_at(
        Hook::Prerouting,
        vec![],
        exists(0),
        &from("br-a")
    ));
}

#[test]
fn numbers_are_drawn() {
    let numgen = Numgen {
        mode: NumgenMode::Increment,
        modulus: 10,
        offset: 2,
    };
    let rules = [rule([Statement::equal(numgen, host32(5)), DROP])];
    let ruleset = ruleset(vec![], vec![forward(rules)]);
    for (draw, expect) in [(3, true), (13, true), (0, false)] {
        let evaluator = Evaluator::new(&ruleset).with_draw(draw);
        let outcome = evaluator.eval(&docker_host(), &transit());
        assert_eq!(outcome.verdict == dropped(Hook::Forward), expect, "{draw}");
    }
}

#[test]
fn fields_that_are_set() {
    let set = |field, value| Statement::Mangle(Mangle::Field { field, value });
    let rules = [
        rule([set(Payload::Ip6Dscp, 1), DROP]),
        rule([
            set(Payload::IpDscp, 0x2e),
            set(Payload::IpEcn, 3),
            set(Payload::IpTtl, 9),
            Statement::Mangle(Mangle::Priority(0x1_0002)),
            Statement::Mangle(Mangle::MaxSegment(MaxSegment::Bytes(1400))),
            Statement::equal(Exthdr::TcpMaxseg, port(1400)),
            Statement::equal(Payload::IpTtl, byte(9)),
            Statement::equal(Payload::IpDscp, byte(0x2e)),
            Statement::Mangle(Mangle::MaxSegment(MaxSegment::Bytes(1500))),
            Statement::equal(Exthdr::TcpMaxseg, port(1400)),
            DROP,
        ]),
    ];
    let syn = Packet {
        tcp_maxseg: Some(1460),
        ..transit()
    };
    let outcome = eval(&ruleset(vec![], vec![forward(rules)]), &syn);
    assert_eq!(outcome.verdict, dropped(Hook::Forward));
    assert_eq!(
        (outcome.tos, outcome.ttl, outcome.priority),
        (0xbb, 9, 0x1_0002)
    );
    assert_eq!(outcome.trail.len(), 1);
}

#[test]
fn marks_are_copied() {
    let copy = |target, source, keep, value| {
        Statement::SetMark(SetMark {
            target,
            source,
            keep,
            value,
        })
    };
    let rules = [rule([
        copy(MarkTarget::Conntrack, MarkSource::Packet, 0xff, 0x100),
        copy(MarkTarget::Packet, MarkSource::Conntrack, 0xf00, 0),
    ])];
    let packet = Packet {
        mark: 0xabcd,
        ..transit()
    };
    let outcome = eval(&ruleset(vec![], vec![forward(rules)]), &packet);
    assert_eq!((outcome.mark, outcome.ct_mark), (0x100, 0x1cd));
}

#[test]
fn what_is_used_up() {
    let quota = |over| Statement::Quota(Quota { bytes: 1, over });
    let count = |over| Statement::CtCount(CtCount { count: 1, over });
    let dynset = |over| {
        Statement::Dynset(Box::new(Dynset {
            operation: DynsetOperation::Add,
            set: set_name("s"),
            key: Payload::IpSaddr.into(),
            mask: None,
            timeout: None,
            statement: Some(DynsetStatement::CtCount(CtCount { count: 1, over })),
        }))
    };
    for over in [false, true] {
        for statement in [quota(over), count(over), dynset(over)] {
            let mut set = exact("s", &[DataType::Ipv4Addr], SetKind::Set, vec![]);
            set.dynamic = true;
            let ruleset = ruleset(vec![set], vec![forward([rule([statement, DROP])])]);
            for limits in [Limits::Kept, Limits::Exceeded] {
                let evaluator = Evaluator::new(&ruleset).with_limits(limits);
                let verdict = evaluator.eval(&docker_host(), &transit()).verdict;
                let goes_on = (limits == Limits::Exceeded) == over;
                assert_eq!(verdict == dropped(Hook::Forward), goes_on);
            }
        }
    }
}

#[test]
fn queues_nobody_listens_to() {
    for (bypass, expect) in [(false, dropped(Hook::Forward)), (true, forwarded("br-a"))] {
        let queue = Statement::Queue(Queue {
            queues: (0, 0),
            bypass,
            fanout: false,
        });
        let rules = [rule([queue]), rule([DROP])];
        let outcome = eval(&ruleset(vec![], vec![forward(rules)]), &transit());
        assert_eq!(outcome.verdict, expect);
    }
}

#[test]
fn prefixes_and_ports_are_translated() {
    let dnat = |target| {
        Statement::Nat(Nat {
            kind: NatKind::Dnat,
            target,
            flags: NatFlags::default(),
        })
    };
    let check = |statements: Vec<Statement>, expect: &str| {
        let rules = [rule(statements)];
        let outcome = eval(
            &ruleset(vec![], vec![nat_at(Hook::Prerouting, rules)]),
            &outside(),
        );
        assert_eq!(outcome.destination.to_string(), expect);
        outcome.ports
    };
    let before = outside().destination.to_string();
    let last = before.rsplit_once('.').map(|(_, last)| last.to_owned());
    let mapped = format!("172.18.0.{}", last.unwrap_or_default());
    let prefix = NatTarget::Prefix("172.18.0.0/24".parse().unwrap());
    check(vec![dnat(prefix)], &mapped);
    let tcp = Statement::equal(Meta::L4proto, byte(TCP));
    let ports = check(vec![tcp, dnat(NatTarget::Ports(81, 81))], &before);
    assert_eq!(ports.map(|(_, port)| port), Some(81));
}
