//! What rules of other languages need besides what Docker's do.

use std::net::IpAddr;
use std::time::Duration;

use dockfw_ir::expr::Rt;
use dockfw_ir::expr::ct::Counter;
use dockfw_ir::expr::exthdr::{Exthdr, Ipv6Field, Ipv6Header};
use dockfw_ir::expr::numgen::{Numgen, NumgenMode};
use dockfw_ir::expr::payload::{Base, Raw};
use dockfw_ir::expr::socket::Socket;
use dockfw_ir::statement::{
    CtCount, Dynset, DynsetOperation, DynsetStatement, LogFlags, Mangle, MaxSegment, Queue, Quota,
    Tproxy,
};

use super::*;

pub(super) fn samples() -> Vec<(&'static str, Ruleset)> {
    vec![
        ("one-of", one_of()),
        ("header-fields", header_fields()),
        ("exthdr", exthdr()),
        ("times", times()),
        ("host-ranges", host_ranges()),
        ("counters", counters()),
        ("ipsec", ipsec()),
        ("fib-exists", fib_exists()),
        ("socket", socket()),
        ("numgen", numgen()),
        ("mark-sources", mark_sources()),
        ("mangle", mangle()),
        ("quota", quota()),
        ("log-flags", log_flags()),
        ("nat-forms", nat_forms()),
        ("tproxy", tproxy()),
        ("dup", dup()),
        ("dynset", dynset()),
    ]
}

fn any(key: impl Into<Key>, negated: bool, elements: Vec<Element>) -> Statement {
    Statement::Match(Match {
        key: key.into(),
        test: Test::OneOf { negated, elements },
    })
}

fn one_of() -> Ruleset {
    use Payload as P;
    let from_to = |low: Value, high: Value| Element::member(low).until(high);
    let saddr_dport = || Key(vec![P::IpSaddr.into(), P::TcpDport.into()]);
    let rules = counted(vec![
        any(P::TcpDport, false, members(vec![port(80), port(443)])),
        any(
            P::TcpDport,
            true,
            vec![
                Element::member(port(80)),
                from_to(port(1000), port(2000)),
                from_to(port(65000), port(65535)),
            ],
        ),
        any(
            P::IpSaddr,
            true,
            vec![
                from_to(ip4("10.0.0.0"), ip4("10.255.255.255")),
                Element::member(ip4("192.0.2.1")),
            ],
        ),
        any(
            P::Ip6Daddr,
            false,
            members(vec![ip6("2001:db8::1"), ip6("2001:db8::2")]),
        ),
        any(
            saddr_dport(),
            false,
            vec![Element::member(ip4("192.0.2.1").and_port(80))],
        ),
        any(
            saddr_dport(),
            false,
            vec![
                from_to(
                    ip4("10.0.0.0").and_port(90),
                    ip4("10.255.255.255").and_port(99),
                ),
                Element::member(ip4("192.0.2.1").and_port(80)),
            ],
        ),
        any(Meta::Mark, false, members(vec![host(1), host(0x100)])),
        any(Meta::L4proto, false, members(vec![byte(TCP), byte(UDP)])),
        any(
            Meta::Iifname,
            false,
            members(vec![ifname("br-web"), ifname("eth0")]),
        ),
        any(Meta::Pkttype, true, members(vec![byte(1), byte(2)])),
        any(Meta::Length, false, members(vec![host(40), host(1500)])),
        any(Ct::State, false, members(vec![host(2), host(8)])),
        any(P::TcpFlags, false, members(vec![byte(2), byte(0x10)])),
        any(P::IcmpType, false, members(vec![byte(0), byte(8)])),
        any(
            P::IpTtl,
            false,
            vec![Element::member(byte(1)), from_to(byte(5), byte(7))],
        ),
        any(
            Fib::daddr_type(),
            false,
            members(vec![host(addrtype::LOCAL), host(addrtype::BROADCAST)]),
        ),
        any(Meta::Day, false, members(vec![byte(1), byte(2), byte(6)])),
    ]);
    let together = rule(vec![
        any(
            P::IpSaddr,
            false,
            members(vec![ip4("192.0.2.1"), ip4("192.0.2.2")]),
        ),
        any(Meta::L4proto, false, members(vec![byte(TCP), byte(UDP)])),
        Statement::equal(P::ThDport, port(53)),
        accept(),
    ]);
    let rules = rules.into_iter().chain([together]).collect();
    ruleset(vec![], vec![forward(rules)])
}

fn raw(base: Base, offset: u16, len: u8) -> Payload {
    Payload::Raw(Raw { base, offset, len })
}

fn be16(number: u16) -> Value {
    port(number)
}

fn be32(number: u32) -> Value {
    Value::new().and_bytes(&number.to_be_bytes())
}

fn header_fields() -> Ruleset {
    use Operator::{Equal, Greater, Less, NotEqual};
    use Payload as P;
    let rules = counted(vec![
        Statement::equal(P::IpDscp, byte(0x0a)),
        Statement::equal(P::IpDscp, byte(0)),
        Statement::not_equal(P::IpDscp, byte(2)),
        Statement::equal(P::Ip6Dscp, byte(0x2e)),
        Statement::not_equal(P::Ip6Dscp, byte(0x3f)),
        Statement::equal(P::IpEcn, byte(1)),
        Statement::not_equal(P::Ip6Ecn, byte(2)),
        Statement::equal(P::IpTtl, byte(64)),
        Statement::compare(P::IpTtl, Less, byte(5)),
        range(P::IpTtl, false, byte(1), byte(10)),
        Statement::not_equal(P::Ip6Hoplimit, byte(255)),
        Statement::compare(P::Ip6Hoplimit, Greater, byte(5)),
        Statement::masked(P::IpFragOff, be16(0x1fff), NotEqual, be16(0)),
        Statement::masked(P::IpFragOff, be16(0x1fff), Equal, be16(0)),
        range(P::UdpLength, true, be16(8), be16(100)),
        Statement::equal(raw(Base::Network, 1, 1), byte(0x10)),
        Statement::masked(raw(Base::Network, 1, 1), byte(0x1e), Equal, byte(0x10)),
        Statement::masked(raw(Base::Network, 0, 2), be16(0xff0), NotEqual, be16(0x100)),
        Statement::masked(
            raw(Base::Network, 0, 4),
            be32(0xff_0000),
            Equal,
            be32(0x10_0000),
        ),
        Statement::equal(raw(Base::Transport, 0, 4), be32(0x1234_5678)),
        range(raw(Base::Network, 4, 2), false, be16(1), be16(500)),
        Statement::compare(raw(Base::Network, 1, 1), Greater, byte(0x10)),
    ]);
    let v4 = rule(vec![
        Statement::equal(P::IpSaddr, ip4("192.0.2.1")),
        Statement::equal(P::IpDscp, byte(0x0a)),
        Statement::masked(raw(Base::Network, 1, 1), byte(0x1e), Equal, byte(0x10)),
        accept(),
    ]);
    let rules = rules.into_iter().chain([v4]).collect();
    ruleset(vec![], vec![forward(rules)])
}

fn exthdr() -> Ruleset {
    let exists = |exthdr: Exthdr| Statement::equal(exthdr, byte(1));
    let missing = |exthdr: Exthdr| Statement::equal(exthdr, byte(0));
    let mut tests: Vec<Statement> = [0, 1, 2, 3, 4, 5, 8, 19, 30, 34, 200]
        .into_iter()
        .map(|kind| exists(Exthdr::TcpOption(kind)))
        .collect();
    tests.push(missing(Exthdr::TcpOption(4)));
    tests.push(missing(Exthdr::TcpOption(254)));
    tests.push(range(Exthdr::TcpMaxseg, false, be16(1), be16(500)));
    tests.push(Statement::not_equal(Exthdr::TcpMaxseg, be16(1460)));
    for header in [
        Ipv6Header::HopByHop,
        Ipv6Header::Routing,
        Ipv6Header::Fragment,
        Ipv6Header::Destination,
        Ipv6Header::Mobility,
    ] {
        tests.push(exists(Exthdr::Ipv6(header)));
    }
    tests.push(missing(Exthdr::Ipv6(Ipv6Header::Fragment)));
    let field = Exthdr::Ipv6Field;
    tests.extend([
        Statement::equal(field(Ipv6Field::RoutingType), byte(0)),
        Statement::not_equal(field(Ipv6Field::RoutingType), byte(2)),
        range(field(Ipv6Field::RoutingSegments), false, byte(1), byte(23)),
        Statement::equal(field(Ipv6Field::RoutingLength), byte(5)),
        Statement::not_equal(field(Ipv6Field::HopByHopLength), byte(0)),
        Statement::equal(field(Ipv6Field::DestinationLength), byte(3)),
        range(
            field(Ipv6Field::FragmentId),
            true,
            be32(1),
            be32(0xffff_0000),
        ),
    ]);
    ruleset(vec![], vec![forward(counted(tests))])
}

fn times() -> Ruleset {
    /// 2024-01-01 10:00:00 UTC.
    const POINT: u64 = 1_704_103_200_000_000_000;
    let at = |nanoseconds: u64| Value::new().and_host_u64(nanoseconds);
    let rules = counted(vec![
        range(Meta::Hour, false, host(36_000), host(43_259)),
        range(Meta::Hour, true, host(0), host(86_399)),
        Statement::compare(Meta::Hour, Operator::GreaterOrEqual, host(36_000)),
        Statement::equal(Meta::Day, byte(1)),
        Statement::not_equal(Meta::Day, byte(0)),
        range(Meta::Time, false, at(POINT), at(POINT + 86_400_000_000_000)),
        Statement::compare(Meta::Time, Operator::Less, at(POINT)),
    ]);
    ruleset(vec![], vec![forward(rules)])
}

fn counters() -> Ruleset {
    let number = |number: u64| Value::new().and_host_u64(number);
    let both = |counter| Ct::Counter(counter, None);
    let reply = |counter| Ct::Counter(counter, Some(Direction::Reply));
    let original = Ct::Counter(Counter::Bytes, Some(Direction::Original));
    let rules = counted(vec![
        range(both(Counter::Packets), false, number(5), number(1 << 40)),
        Statement::compare(reply(Counter::Packets), Operator::LessOrEqual, number(9)),
        range(original, true, number(1), number(1 << 62)),
        Statement::compare(
            both(Counter::Bytes),
            Operator::GreaterOrEqual,
            number(1 << 33),
        ),
        Statement::equal(reply(Counter::Average), number(1000)),
        range(both(Counter::Average), false, number(0), number(500)),
    ]);
    ruleset(vec![], vec![forward(rules)])
}

fn ipsec() -> Ruleset {
    let tests = counted(vec![
        Statement::equal(Meta::Ipsec, byte(1)),
        Statement::equal(Meta::Ipsec, byte(0)),
        Statement::equal(Rt::Ipsec, byte(1)),
        Statement::equal(Rt::Ipsec, byte(0)),
        Statement::equal(Payload::EspSpi, be32(5)),
        range(Payload::EspSpi, true, be32(5), be32(0x10_0000)),
        Statement::not_equal(Payload::AhSpi, be32(0)),
        Statement::compare(Payload::AhSpi, Operator::LessOrEqual, be32(32)),
    ]);
    ruleset(vec![], vec![forward(tests)])
}

fn host_ranges() -> Ruleset {
    let forward_rules = counted(vec![
        range(Meta::Length, false, host(100), host(1000)),
        range(Meta::Length, true, host(100), host(1000)),
        Statement::compare(Meta::Length, Operator::Greater, host(1500)),
        range(Meta::Mark, false, host(5), host(0x100)),
        range(Ct::Mark, true, host(5), host(0x100)),
        range(Ct::Expiration, false, host(10_000), host(90_000)),
        Statement::compare(Ct::Expiration, Operator::Less, host(10_000)),
        Statement::equal(Ct::Expiration, host(60_000)),
    ]);
    let output_rules = counted(vec![
        range(Meta::Skuid, false, host(1000), host(2000)),
        range(Meta::Skgid, true, host(1000), host(2000)),
        Statement::equal(Meta::Cgroup, host(0x10_0001)),
        Statement::not_equal(Meta::Cgroup, host(1)),
    ]);
    let output = base("output", ChainKind::Filter, Hook::Output, 0, output_rules);
    ruleset(vec![], vec![forward(forward_rules), output])
}

fn fib_exists() -> Ruleset {
    let fib = |address, mark, result| Fib {
        address,
        iif: true,
        oif: false,
        mark,
        result,
    };
    let rules = counted(vec![
        Statement::equal(fib(FibAddress::Saddr, false, FibResult::Exists), byte(1)),
        Statement::equal(fib(FibAddress::Saddr, false, FibResult::Exists), byte(0)),
        Statement::equal(fib(FibAddress::Saddr, true, FibResult::Exists), byte(0)),
        Statement::equal(
            fib(FibAddress::Saddr, true, FibResult::Type),
            host(addrtype::UNICAST),
        ),
    ]);
    let raw = base("raw", ChainKind::Filter, Hook::Prerouting, -300, rules);
    ruleset(vec![], vec![raw])
}

fn socket() -> Ruleset {
    let rules = counted(vec![
        Statement::equal(Socket::Transparent, byte(1)),
        Statement::equal(Socket::Wildcard, byte(0)),
        Statement::equal(Socket::Mark, host(5)),
        bits(Socket::Mark, Operator::Equal, 0x10_0000 | 0x5, 5),
    ]);
    let mangle = base("mangle", ChainKind::Filter, Hook::Prerouting, -150, rules);
    ruleset(vec![], vec![mangle])
}

fn numgen() -> Ruleset {
    let of = |mode, modulus, offset| Numgen {
        mode,
        modulus,
        offset,
    };
    let rules = counted(vec![
        Statement::equal(of(NumgenMode::Increment, 10, 0), host(0)),
        Statement::not_equal(of(NumgenMode::Increment, 10, 2), host(3)),
        Statement::compare(of(NumgenMode::Random, 1000, 0), Operator::Less, host(300)),
        range(of(NumgenMode::Random, 1000, 0), false, host(0), host(100)),
    ]);
    ruleset(vec![], vec![forward(rules)])
}

fn mark_sources() -> Ruleset {
    use MarkSource as S;
    use MarkTarget::{Conntrack, Packet};
    let set = |target, source, keep, value| {
        rule(vec![Statement::SetMark(SetMark {
            target,
            source,
            keep,
            value,
        })])
    };
    let rules = vec![
        set(Conntrack, S::Packet, u32::MAX, 0),
        set(Packet, S::Conntrack, u32::MAX, 0),
        set(Packet, S::Conntrack, 0xff, 0),
        set(Conntrack, S::Packet, 0xff00, 0),
        set(Packet, S::Conntrack, 0xff, 0x100),
        set(Conntrack, S::Packet, 0xff, 1),
        set(Packet, S::Socket, u32::MAX, 0),
    ];
    let mangle = base("mangle", ChainKind::Filter, Hook::Prerouting, -150, rules);
    ruleset(vec![], vec![mangle])
}

fn mangle() -> Ruleset {
    use Payload as P;
    let one = |mangle| rule(vec![Statement::Mangle(mangle)]);
    let field = |field, value| one(Mangle::Field { field, value });
    let zone = |direction, zone| one(Mangle::Zone { direction, zone });
    let raw = vec![
        zone(None, 5),
        zone(Some(Direction::Original), 6),
        zone(Some(Direction::Reply), 65535),
    ];
    let rules = vec![
        one(Mangle::Priority(0x1_0010)),
        one(Mangle::Priority(0)),
        one(Mangle::Priority(u32::MAX)),
        one(Mangle::Priority(0xffff_0000)),
        field(P::IpDscp, 0x0a),
        field(P::IpDscp, 2),
        field(P::Ip6Dscp, 0x2e),
        field(P::Ip6Dscp, 0x2b),
        field(P::IpEcn, 3),
        field(P::Ip6Ecn, 1),
        field(P::IpTtl, 64),
        field(P::Ip6Hoplimit, 64),
        rule(vec![
            Statement::masked(P::TcpFlags, byte(6), Operator::Equal, byte(2)),
            Statement::Mangle(Mangle::MaxSegment(MaxSegment::Bytes(1400))),
        ]),
        rule(vec![
            Statement::masked(P::TcpFlags, byte(6), Operator::Equal, byte(2)),
            Statement::Mangle(Mangle::MaxSegment(MaxSegment::RouteMtu)),
        ]),
        rule(vec![
            nfproto(2),
            Statement::Mangle(Mangle::Field {
                field: P::IpTtl,
                value: 1,
            }),
        ]),
    ];
    ruleset(
        vec![],
        vec![
            base("raw", ChainKind::Filter, Hook::Prerouting, -300, raw),
            forward(rules),
        ],
    )
}

fn quota() -> Ruleset {
    let quota = |bytes, over| rule(vec![Statement::Quota(Quota { bytes, over })]);
    let count = |count, over| rule(vec![Statement::CtCount(CtCount { count, over })]);
    let limit = |rate, unit, burst, over| {
        rule(vec![Statement::Limit(Limit {
            rate,
            measure: Measure::Bytes,
            unit,
            burst,
            over,
        })])
    };
    let rules = vec![
        quota(10 << 20, false),
        quota(1000, true),
        quota(10 << 10, false),
        count(10, false),
        count(10, true),
        limit(10_240, TimeUnit::Second, 0, false),
        limit(10_000, TimeUnit::Minute, 1000, false),
        limit(1 << 20, TimeUnit::Hour, 5120, true),
    ];
    ruleset(vec![], vec![forward(rules)])
}

fn log_flags() -> Ruleset {
    let log = |prefix, level, flags| {
        rule(vec![Statement::Log(Log {
            prefix,
            level,
            flags,
            ..Log::default()
        })])
    };
    let rules = vec![
        log(None, None, LogFlags::ALL),
        log(comment("all: "), Some(7), LogFlags::ALL),
        log(
            None,
            None,
            LogFlags {
                tcp_sequence: true,
                ..LogFlags::NONE
            },
        ),
        log(
            comment("some: "),
            Some(6),
            LogFlags {
                tcp_sequence: true,
                tcp_options: true,
                ip_options: true,
                ..LogFlags::NONE
            },
        ),
        log(
            None,
            None,
            LogFlags {
                tcp_options: true,
                skuid: true,
                ether: true,
                ..LogFlags::NONE
            },
        ),
    ];
    ruleset(vec![], vec![forward(rules)])
}

fn nat_forms() -> Ruleset {
    let random = NatFlags {
        random: true,
        persistent: true,
        ..NatFlags::default()
    };
    let nat = |kind, target, flags| {
        Statement::Nat(Nat {
            kind,
            target,
            flags,
        })
    };
    let none = NatFlags::default();
    let prefix = |network: &str| NatTarget::Prefix(network.parse().unwrap());
    let redirect = |ports, flags| Statement::Redirect { ports, flags };
    let prerouting = vec![
        rule(vec![l4proto(TCP), redirect(Some((80, 80)), random)]),
        rule(vec![l4proto(TCP), redirect(None, random)]),
        rule(vec![
            l4proto(TCP),
            nat(NatKind::Dnat, NatTarget::Ports(80, 80), none),
        ]),
        rule(vec![
            l4proto(TCP),
            nat(NatKind::Dnat, NatTarget::Ports(80, 90), random),
        ]),
        rule(vec![
            Statement::masked(
                Payload::IpDaddr,
                ip4("255.255.255.0"),
                Operator::Equal,
                ip4("192.0.2.0"),
            ),
            nat(NatKind::Dnat, prefix("10.0.0.0/24"), none),
        ]),
        rule(vec![nat(NatKind::Dnat, prefix("10.0.0.1/32"), none)]),
        rule(vec![nat(NatKind::Dnat, prefix("2001:db8::/64"), none)]),
    ];
    let postrouting = vec![
        rule(vec![
            l4proto(UDP),
            nat(NatKind::Snat, NatTarget::Ports(1024, 2048), none),
        ]),
        rule(vec![nat(NatKind::Snat, prefix("198.51.100.0/25"), none)]),
        rule(vec![
            l4proto(TCP),
            Statement::Masquerade(Masquerade {
                ports: Some((1024, 2048)),
                flags: random,
            }),
        ]),
    ];
    let v4 = vec![rule(vec![
        l4proto(TCP),
        nat(NatKind::Dnat, NatTarget::Ports(80, 80), none),
    ])];
    Ruleset {
        tables: vec![
            table(
                Family::Inet,
                "dockfw",
                vec![],
                vec![
                    base("dstnat", ChainKind::Nat, Hook::Prerouting, -100, prerouting),
                    base(
                        "srcnat",
                        ChainKind::Nat,
                        Hook::Postrouting,
                        100,
                        postrouting,
                    ),
                ],
            ),
            table(
                Family::Ip,
                "dockfw4",
                vec![],
                vec![base("dstnat", ChainKind::Nat, Hook::Prerouting, -100, v4)],
            ),
        ],
    }
}

fn tproxy() -> Ruleset {
    let to = |family, address: Option<&str>, port| {
        Statement::Tproxy(Tproxy {
            family,
            address: address.map(|address| address.parse::<IpAddr>().unwrap()),
            port,
        })
    };
    let (v4, v6) = (Some(NatFamily::Ipv4), Some(NatFamily::Ipv6));
    let dport = || Statement::equal(Payload::TcpDport, port(80));
    let rules = vec![
        rule(vec![dport(), to(None, None, Some(8080))]),
        rule(vec![dport(), to(v4, None, Some(8080)), accept()]),
        rule(vec![dport(), to(v4, Some("192.0.2.1"), Some(8080))]),
        rule(vec![dport(), to(v4, Some("192.0.2.1"), None)]),
        rule(vec![
            Statement::equal(Payload::UdpDport, port(53)),
            to(v6, Some("2001:db8::1"), Some(53)),
        ]),
    ];
    let ip_rules = vec![
        rule(vec![dport(), to(v4, None, Some(8080))]),
        rule(vec![dport(), to(v4, Some("192.0.2.1"), Some(8080))]),
    ];
    let mangle = |rules| base("mangle", ChainKind::Filter, Hook::Prerouting, -150, rules);
    Ruleset {
        tables: vec![
            table(Family::Inet, "dockfw", vec![], vec![mangle(rules)]),
            table(Family::Ip, "dockfw4", vec![], vec![mangle(ip_rules)]),
        ],
    }
}

fn dup() -> Ruleset {
    let to = |address: &str| {
        vec![forward(vec![rule(vec![Statement::Dup(
            address.parse().unwrap(),
        )])])]
    };
    Ruleset {
        tables: vec![
            table(Family::Ip, "dockfw4", vec![], to("192.0.2.1")),
            table(Family::Ip6, "dockfw6", vec![], to("2001:db8::1")),
        ],
    }
}

pub(super) fn queue() -> Ruleset {
    let queue = |queues, bypass, fanout| {
        rule(vec![Statement::Queue(Queue {
            queues,
            bypass,
            fanout,
        })])
    };
    let rules = vec![
        queue((3, 3), false, false),
        queue((3, 3), true, false),
        queue((3, 5), true, true),
    ];
    ruleset(vec![], vec![forward(rules)])
}

fn dynset() -> Ruleset {
    use DataType as T;
    use DynsetOperation::{Add, Delete, Update};

    let dynamic = |name, key: &[T], timeout| Set {
        dynamic: true,
        timeout,
        ..exact(name, key, vec![])
    };
    let statement = |operation, set, key: Key, mask, timeout, statement| {
        rule(vec![Statement::Dynset(Box::new(Dynset {
            operation,
            set: set_name(set),
            key,
            mask,
            timeout,
            statement,
        }))])
    };
    let saddr = || Key::from(Payload::IpSaddr);
    let pair = || Key(vec![Payload::IpSaddr.into(), Payload::TcpDport.into()]);
    let limit = |measure, rate, burst, over| {
        Some(DynsetStatement::Limit(Limit {
            rate,
            measure,
            unit: TimeUnit::Second,
            burst,
            over,
        }))
    };
    let count = Some(DynsetStatement::CtCount(CtCount {
        count: 10,
        over: true,
    }));
    let quota = Some(DynsetStatement::Quota(Quota {
        bytes: 10 << 20,
        over: true,
    }));
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let netmask = Some(ip4("255.255.255.0"));
    let rules = vec![
        statement(Add, "d-flows", saddr(), None, None, count),
        statement(Add, "d-nets", saddr(), netmask, None, count),
        statement(Update, "d-recent", saddr(), None, None, None),
        statement(Update, "d-recent", saddr(), None, seconds(10), None),
        statement(
            Add,
            "d-recent",
            saddr(),
            None,
            None,
            Some(DynsetStatement::Counter),
        ),
        statement(Delete, "d-recent", saddr(), None, None, None),
        rule(vec![
            Statement::in_set(Payload::IpSaddr, &set_name("d-recent")),
            drop(),
        ]),
        statement(
            Add,
            "d-limits",
            saddr(),
            None,
            None,
            limit(Measure::Packets, 10, 3, false),
        ),
        statement(Add, "d-quota", saddr(), None, None, quota),
        statement(
            Add,
            "d-bytes",
            saddr(),
            None,
            None,
            limit(Measure::Bytes, 10_240, 20_480, true),
        ),
        statement(
            Update,
            "d-pairs",
            pair(),
            None,
            seconds(60),
            limit(Measure::Packets, 10, 5, true),
        ),
        statement(Add, "d-mark", Meta::Mark.into(), None, None, None),
    ];
    ruleset(
        vec![
            dynamic("d-flows", &[T::Ipv4Addr], None),
            dynamic("d-nets", &[T::Ipv4Addr], None),
            dynamic("d-recent", &[T::Ipv4Addr], seconds(60)),
            dynamic("d-limits", &[T::Ipv4Addr], None),
            dynamic("d-quota", &[T::Ipv4Addr], None),
            dynamic("d-bytes", &[T::Ipv4Addr], None),
            dynamic(
                "d-pairs",
                &[T::Ipv4Addr, T::InetService],
                Some(Duration::ZERO),
            ),
            dynamic("d-mark", &[T::Mark], None),
        ],
        vec![forward(rules)],
    )
}
