//! Whatever verifies prints as text that nft takes, with `-c` and in earnest, and can list again.
//!
//! Rules are drawn at random, most of them nonsense; those that verify are tried. A failure prints
//! the seed.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "test helpers"
)]

mod netns;

use std::time::Duration;

use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy, Rule};
use dockfw_ir::expr::ct::{Counter, Direction, TupleField};
use dockfw_ir::expr::exthdr::{Exthdr, Ipv6Field, Ipv6Header};
use dockfw_ir::expr::fib::{FibAddress, FibResult};
use dockfw_ir::expr::numgen::{Numgen, NumgenMode};
use dockfw_ir::expr::payload::{Base, Raw};
use dockfw_ir::expr::{Ct, Expr, Fib, Key, Meta, Payload, Rt, Socket};
use dockfw_ir::name::{ChainName, Comment, IfName, SetName, TableName};
use dockfw_ir::set::{Element, ElementExtra, Set, SetKind};
use dockfw_ir::statement::nat::{NatFamily, NatFlags};
use dockfw_ir::statement::reject::Icmpx;
use dockfw_ir::statement::{
    CtCount, Limit, Log, LogFlags, Mangle, MarkSource, MarkTarget, Masquerade, Match, MaxSegment,
    Measure, Nat, NatKind, NatTarget, Operator, Quota, Reject, SetMark, Statement, Test, TimeUnit,
    Verdict,
};
use dockfw_ir::table::{Family, Ruleset, Table};
use dockfw_ir::value::{DataType, Value};
use dockfw_ir::verify::verify;
use dockfw_ir::{json, print};

const SEED: u64 = 0x0d0c_4f77;

/// A small generator: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    fn number(&mut self) -> u32 {
        let number = u32::try_from(self.next() >> 32).unwrap();
        number >> self.below(32)
    }

    fn port(&mut self) -> u16 {
        self.number().to_be_bytes()[2..]
            .try_into()
            .map(u16::from_be_bytes)
            .unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

fn comment(random: &mut Random) -> Option<Comment> {
    let text: String = (0..=random.below(20))
        .map(|_| char::from(b' ' + u8::try_from(random.below(95)).unwrap()))
        .collect();
    if random.chance(2) {
        Comment::lossy(&text)
    } else {
        None
    }
}

/// A value that mostly exists in its type.
fn bytes(random: &mut Random, data_type: DataType) -> Value {
    let empty = Value::new();
    match data_type {
        DataType::NfProto => empty.and_u8(random.pick(&[2, 10])),
        DataType::InetProto => {
            let any = random.byte();
            empty.and_u8(random.pick(&[1, 6, 17, 58, 132, any]))
        }
        DataType::CtDir => empty.and_u8(random.pick(&[0, 1])),
        DataType::PktType => empty.and_u8(random.pick(&[0, 1, 2, 3])),
        DataType::IcmpType | DataType::Icmpv6Type | DataType::IcmpCode | DataType::Icmpv6Code => {
            empty.and_u8(random.byte() >> random.below(8))
        }
        DataType::TcpFlag => {
            let any = random.byte();
            empty.and_u8(random.pick(&[1, 2, 4, 16, any]))
        }
        DataType::InetService => empty.and_port(random.port()),
        DataType::Ipv4Addr => {
            let any = [random.byte(), random.byte(), 0, random.byte()];
            empty.and_bytes(&random.pick(&[any, [10, 0, 0, 0], [127, 0, 0, 1], [0; 4]]))
        }
        DataType::Ipv6Addr => {
            let mut address = [0; 16];
            for _ in 0..random.below(8) {
                address[random.below(16)] = random.byte();
            }
            empty.and_bytes(&address)
        }
        DataType::EtherAddr => empty.and_bytes(&random.next().to_be_bytes()[..6]),
        DataType::Boolean | DataType::HostInteger(1) => empty.and_u8(random.byte() % 2),
        DataType::HostInteger(8) => empty.and_host_u64(random.next()),
        DataType::Mark | DataType::Uid | DataType::Gid | DataType::HostInteger(_) => {
            empty.and_host_u32(random.number())
        }
        DataType::CtState => empty.and_host_u32(random.pick(&[0, 1, 2, 4, 8, 64, 6, 10])),
        DataType::CtStatus => empty.and_host_u32(random.pick(&[0, 1, 2, 4, 8, 16, 32, 48])),
        DataType::FibAddrtype => empty.and_host_u32(random.number() % 9),
        DataType::IfName => {
            let name = random.pick(&[
                "eth0", "br-web", "a;b", "x{}", "#c", "$d", "c.5", "d@e", "lo", "0a", "e+",
            ]);
            empty.and_ifname(&IfName::new(name).unwrap())
        }
        DataType::Duration => empty.and_host_u32(random.number()),
        DataType::TimeOfDay => empty.and_host_u32(random.number() % 86_400),
        DataType::Weekday => empty.and_u8(random.byte() % 7),
        DataType::Timestamp => empty.and_host_u64(u64::from(random.number()) * 1_000_000_000),
        DataType::Dscp => empty.and_u8(random.byte() % 64),
        DataType::Ecn => empty.and_u8(random.byte() % 4),
        DataType::Integer(len) | DataType::Raw(len) => {
            empty.and_bytes(&random.next().to_be_bytes()[..usize::from(len)])
        }
    }
}

fn mask(random: &mut Random, data_type: DataType) -> Value {
    let empty = Value::new();
    match data_type {
        DataType::Ipv4Addr => {
            let bits = u32::MAX.checked_shl(u32::try_from(random.below(33)).unwrap());
            let prefix = bits.unwrap_or(0).to_be_bytes();
            empty.and_bytes(&random.pick(&[prefix, [255, 0, 255, 0]]))
        }
        DataType::Ipv6Addr => {
            let length = u32::try_from(random.below(129)).unwrap();
            let bits = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            empty.and_bytes(&bits.to_be_bytes())
        }
        DataType::Mark => {
            let any = random.number();
            empty.and_host_u32(random.pick(&[0xff, 0xff00, 0xffff_0000, 1, any]))
        }
        DataType::CtState => empty.and_host_u32(random.pick(&[1, 2, 8, 10, 6, 0x4f])),
        DataType::CtStatus => empty.and_host_u32(random.pick(&[1, 2, 16, 48, 0x3f])),
        DataType::TcpFlag => empty.and_u8(random.pick(&[2, 0x17, 0x3f, 0xff, 0x12])),
        DataType::InetService => empty.and_port(random.port()),
        DataType::EtherAddr => empty.and_bytes(&[255, 255, 255, 0, 0, 0]),
        _ => bytes(random, data_type),
    }
}

const PAYLOADS: [Payload; 32] = [
    Payload::EtherSaddr,
    Payload::IpSaddr,
    Payload::IpDaddr,
    Payload::Ip6Saddr,
    Payload::Ip6Daddr,
    Payload::ThSport,
    Payload::ThDport,
    Payload::TcpSport,
    Payload::TcpDport,
    Payload::TcpFlags,
    Payload::UdpSport,
    Payload::UdpDport,
    Payload::SctpSport,
    Payload::SctpDport,
    Payload::IcmpType,
    Payload::IcmpCode,
    Payload::Icmpv6Type,
    Payload::Icmpv6Code,
    Payload::IpDscp,
    Payload::IpEcn,
    Payload::IpTtl,
    Payload::IpFragOff,
    Payload::Ip6Dscp,
    Payload::Ip6Ecn,
    Payload::Ip6Hoplimit,
    Payload::UdpLength,
    Payload::AhSpi,
    Payload::EspSpi,
    raw(Base::Network, 1, 1),
    raw(Base::Network, 9, 2),
    raw(Base::Network, 12, 4),
    raw(Base::Transport, 4, 4),
];

const fn raw(base: Base, offset: u16, len: u8) -> Payload {
    Payload::Raw(Raw { base, offset, len })
}

fn expr(random: &mut Random) -> Expr {
    match random.below(11) {
        0..=3 => random.pick(&PAYLOADS).into(),
        8 => random
            .pick(&[
                Expr::Exthdr(Exthdr::TcpOption(4)),
                Expr::Exthdr(Exthdr::TcpOption(77)),
                Expr::Exthdr(Exthdr::TcpMaxseg),
                Expr::Exthdr(Exthdr::Ipv6Field(Ipv6Field::RoutingType)),
                Expr::Exthdr(Exthdr::Ipv6Field(Ipv6Field::FragmentId)),
                Expr::Rt(Rt::Ipsec),
                Expr::Exthdr(Exthdr::Ipv6(Ipv6Header::Fragment)),
                Expr::Socket(Socket::Mark),
                Expr::Socket(Socket::Transparent),
            ])
            .clone(),
        9 => Numgen {
            mode: random.pick(&[NumgenMode::Increment, NumgenMode::Random]),
            modulus: random.number(),
            offset: random.number(),
        }
        .into(),
        4..=5 => random
            .pick(&[
                Meta::Length,
                Meta::Mark,
                Meta::Iifname,
                Meta::Oifname,
                Meta::Skuid,
                Meta::Skgid,
                Meta::Pkttype,
                Meta::Nfproto,
                Meta::L4proto,
                Meta::L4proto,
                Meta::Cgroup,
                Meta::Hour,
                Meta::Day,
                Meta::Time,
                Meta::Ipsec,
            ])
            .into(),
        6 => random
            .pick(&[
                Ct::State,
                Ct::Direction,
                Ct::Status,
                Ct::Mark,
                Ct::Expiration,
                Ct::Counter(Counter::Bytes, None),
                Ct::Counter(Counter::Average, Some(Direction::Reply)),
            ])
            .into(),
        7 => {
            let direction = random.pick(&[Direction::Original, Direction::Reply]);
            let field = random.pick(&[
                TupleField::IpSaddr,
                TupleField::IpDaddr,
                TupleField::Ip6Saddr,
                TupleField::Ip6Daddr,
                TupleField::Protocol,
                TupleField::ProtoSrc,
                TupleField::ProtoDst,
            ]);
            Ct::Tuple(direction, field).into()
        }
        _ => Fib {
            address: random.pick(&[FibAddress::Saddr, FibAddress::Daddr]),
            iif: random.chance(3),
            oif: random.chance(3),
            mark: random.chance(4),
            result: random.pick(&[FibResult::Type, FibResult::Oifname, FibResult::Exists]),
        }
        .into(),
    }
}

/// A set made for a key, with a few elements.
fn set_for(random: &mut Random, sets: &mut Vec<Set>, key: &Key, kind: SetKind) -> SetName {
    let name = SetName::new(&format!("set-{}", sets.len())).unwrap();
    let types = key.data_types();
    let value = |random: &mut Random, types: &[DataType]| {
        types.iter().fold(Value::new(), |value, data_type| {
            value.and_bytes(&bytes(random, *data_type).as_bytes()[..data_type.len()])
        })
    };
    let interval = random.chance(3);
    let timeout = random
        .chance(3)
        .then(|| Duration::from_millis(random.next() % 1_000_000));
    let mut elements = Vec::new();
    for _ in 0..random.below(4) {
        let first = value(random, &types);
        let mut element = match &kind {
            SetKind::Set => Element::member(first),
            SetKind::Map(data) => {
                let data = value(random, data);
                Element::mapping(first, data)
            }
            SetKind::VerdictMap => {
                let leaf = ChainName::new("leaf").unwrap();
                let verdict =
                    random.pick(&[Verdict::Accept, Verdict::Continue, Verdict::Jump(leaf)]);
                Element::verdict(first, verdict)
            }
        };
        if interval && random.chance(2) {
            element = element.until(value(random, &types));
        }
        if timeout.is_some() && random.chance(2) {
            element.extra = Some(Box::new(ElementExtra {
                timeout: Some(Duration::from_millis(1 + random.next() % 100_000_000)),
                comment: None,
            }));
        }
        elements.push(element.with_comment(comment(random)));
    }
    elements.sort_by(|a, b| (&a.key, &a.key_end).cmp(&(&b.key, &b.key_end)));
    elements.dedup_by(|a, b| a.key == b.key);
    sets.push(Set {
        name: name.clone(),
        key: types,
        kind,
        interval,
        dynamic: false,
        counter: false,
        timeout,
        size: (!interval).then_some(16),
        comment: comment(random),
        elements,
    });
    name
}

fn matching(random: &mut Random, sets: &mut Vec<Set>) -> Statement {
    let expr = expr(random);
    let data_type = expr.data_type();
    if random.chance(4) {
        let more = random.below(3);
        let mut key = vec![expr];
        key.extend((0..more).map(|_| self::expr(random)));
        let key = Key(key);
        let set = set_for(random, sets, &key, SetKind::Set);
        let negated = random.chance(3);
        return Statement::Match(Match {
            key,
            test: Test::Set { negated, set },
        });
    }
    let value = bytes(random, data_type);
    let test = match random.below(6) {
        5 => {
            let mut keys: Vec<Value> = (0..4).map(|_| bytes(random, data_type)).collect();
            keys.sort();
            keys.dedup();
            let mut elements: Vec<Element> = keys.into_iter().map(Element::member).collect();
            if elements.len() == 4 && random.chance(2) {
                let end = elements.remove(2);
                let begin = elements.remove(1);
                elements.insert(1, begin.until(end.key));
            }
            Test::OneOf {
                negated: random.chance(2),
                elements,
            }
        }
        0 => {
            let mask = mask(random, data_type);
            let pairs = value.as_bytes().iter().zip(mask.as_bytes());
            let masked: Vec<u8> = pairs.map(|(a, b)| a & b).collect();
            let operator = random.pick(&[Operator::Equal, Operator::NotEqual]);
            let zero = vec![0; masked.len()];
            Test::Compare {
                mask: Some(mask),
                operator,
                value: Value::from_registers(&random.pick(&[masked, zero])),
            }
        }
        1 => {
            let other = bytes(random, data_type);
            Test::Range {
                negated: random.chance(2),
                low: value.clone().min(other.clone()),
                high: value.max(other),
            }
        }
        2 if data_type == DataType::IfName => Test::Prefix {
            negated: random.chance(2),
            prefix: random
                .pick(&["br-", "a;", "veth{", "#", "$x", "0123456789abcde"])
                .to_owned(),
        },
        _ => Test::Compare {
            mask: None,
            operator: random.pick(&[
                Operator::Equal,
                Operator::Equal,
                Operator::Equal,
                Operator::NotEqual,
                Operator::Less,
                Operator::LessOrEqual,
                Operator::Greater,
                Operator::GreaterOrEqual,
            ]),
            value,
        },
    };
    Statement::Match(Match {
        key: expr.into(),
        test,
    })
}

fn ports(random: &mut Random) -> Option<(u16, u16)> {
    let (a, b) = (random.port(), random.port());
    random.pick(&[None, Some((a, a)), Some((a.min(b), a.max(b)))])
}

fn flags(random: &mut Random) -> NatFlags {
    NatFlags {
        random: random.chance(3),
        fully_random: random.chance(3),
        persistent: random.chance(3),
    }
}

#[expect(clippy::too_many_lines, reason = "a list of what can be drawn")]
fn action(random: &mut Random, sets: &mut Vec<Set>) -> Statement {
    let leaf = ChainName::new("leaf").unwrap();
    match random.below(16) {
        0..=2 => Statement::Verdict(random.pick(&[
            Verdict::Accept,
            Verdict::Drop,
            Verdict::Return,
            Verdict::Continue,
            Verdict::Jump(leaf.clone()),
            Verdict::Goto(leaf),
        ])),
        3 => Statement::Counter,
        4 => Statement::Limit(Limit {
            rate: 1 + random.next() % 10_000,
            measure: random.pick(&[Measure::Packets, Measure::Bytes]),
            unit: random.pick(&[
                TimeUnit::Second,
                TimeUnit::Minute,
                TimeUnit::Hour,
                TimeUnit::Day,
                TimeUnit::Week,
            ]),
            burst: 1 + random.number() % 1000,
            over: random.chance(2),
        }),
        5 => {
            let group = random.chance(2).then(|| random.port());
            Statement::Log(Log {
                prefix: comment(random),
                level: group.is_none().then(|| random.byte() % 8),
                group,
                snaplen: group.and(Some(random.number())),
                queue_threshold: group.and(Some(random.port())),
                flags: if group.is_none() && random.chance(3) {
                    LogFlags {
                        tcp_sequence: random.chance(2),
                        tcp_options: random.chance(2),
                        ip_options: random.chance(2),
                        skuid: random.chance(2),
                        ether: random.chance(2),
                    }
                } else {
                    LogFlags::NONE
                },
            })
        }
        6..=7 => Statement::Reject(random.pick(&[
            Reject::TcpReset,
            Reject::Icmp(3),
            Reject::Icmp(13),
            Reject::Icmpv6(4),
            Reject::Icmpv6(0),
            Reject::Icmpx(Icmpx::PortUnreachable),
            Reject::Icmpx(Icmpx::NoRoute),
        ])),
        8 => Statement::SetMark(SetMark {
            target: random.pick(&[MarkTarget::Packet, MarkTarget::Conntrack]),
            source: random.pick(&[
                MarkSource::Packet,
                MarkSource::Conntrack,
                MarkSource::Socket,
            ]),
            keep: {
                let any = random.number();
                random.pick(&[0, 0, any, u32::MAX])
            },
            value: random.number(),
        }),
        9 => Statement::Notrack,
        14 => random.pick(&[
            Statement::Quota(Quota {
                bytes: 5000,
                over: true,
            }),
            Statement::CtCount(CtCount {
                count: 5,
                over: false,
            }),
            Statement::Mangle(Mangle::Priority(0x1_0002)),
            Statement::Mangle(Mangle::MaxSegment(MaxSegment::Bytes(1400))),
            Statement::Mangle(Mangle::MaxSegment(MaxSegment::RouteMtu)),
        ]),
        15 => Statement::Mangle(Mangle::Field {
            field: random.pick(&[
                Payload::IpDscp,
                Payload::Ip6Dscp,
                Payload::IpEcn,
                Payload::Ip6Ecn,
                Payload::IpTtl,
                Payload::Ip6Hoplimit,
            ]),
            value: random.byte() % 64,
        }),
        10 => Statement::Masquerade(Masquerade {
            ports: ports(random),
            flags: flags(random),
        }),
        11 => Statement::Redirect {
            ports: ports(random),
            flags: flags(random),
        },
        12 => {
            let key = Key((0..=random.below(2)).map(|_| expr(random)).collect());
            let map = set_for(random, sets, &key, SetKind::VerdictMap);
            Statement::VerdictMap(dockfw_ir::statement::VerdictMap { key, map })
        }
        _ => {
            let address = [10, 0, 0, random.byte()].into();
            let ipv6 = "2001:db8::1".parse().unwrap();
            let target = match random.below(3) {
                0 => NatTarget::Ipv4 {
                    addresses: (address, address),
                    ports: ports(random),
                },
                1 => NatTarget::Ipv6 {
                    addresses: (ipv6, ipv6),
                    ports: ports(random),
                },
                _ => {
                    let key = Key((0..=random.below(2)).map(|_| expr(random)).collect());
                    let (address, port) = (DataType::Ipv4Addr, DataType::InetService);
                    let data = random.pick(&[vec![address], vec![address, port]]);
                    let map = set_for(random, sets, &key, SetKind::Map(data));
                    NatTarget::Map {
                        family: NatFamily::Ipv4,
                        key,
                        map,
                    }
                }
            };
            Statement::Nat(Nat {
                kind: random.pick(&[NatKind::Dnat, NatKind::Snat]),
                target,
                flags: flags(random),
            })
        }
    }
}

const BASES: [(ChainKind, Hook, i32); 8] = [
    (ChainKind::Filter, Hook::Prerouting, -300),
    (ChainKind::Filter, Hook::Input, 0),
    (ChainKind::Filter, Hook::Forward, 0),
    (ChainKind::Filter, Hook::Output, 5),
    (ChainKind::Nat, Hook::Prerouting, -100),
    (ChainKind::Nat, Hook::Output, -100),
    (ChainKind::Nat, Hook::Postrouting, 100),
    (ChainKind::Route, Hook::Output, -150),
];

fn table(random: &mut Random, rules: usize) -> Table {
    let (kind, hook, priority) = random.pick(&BASES);
    let chain = |name: &str, base| Chain {
        name: ChainName::new(name).unwrap(),
        base,
        rules: Vec::new(),
        comment: None,
    };
    let base = BaseChain {
        kind,
        hook,
        priority,
        policy: Policy::Accept,
    };
    let mut table = Table {
        family: random.pick(&[
            Family::Inet,
            Family::Inet,
            Family::Inet,
            Family::Ip,
            Family::Ip6,
        ]),
        name: TableName::new("t").unwrap(),
        comment: comment(random),
        sets: Vec::new(),
        chains: vec![chain("base", Some(base)), chain("leaf", None)],
    };
    let mut tries = 0;
    while table.chains[0].rules.len() < rules && tries < rules * 60 {
        tries += 1;
        let before = table.sets.len();
        let mut statements = Vec::new();
        for _ in 0..random.below(4) {
            let statement = matching(random, &mut table.sets);
            statements.push(statement);
        }
        for _ in 0..random.below(3) {
            let statement = action(random, &mut table.sets);
            statements.push(statement);
        }
        let comment = comment(random);
        table.chains[0].rules.push(Rule {
            statements,
            comment,
        });
        let tables = vec![table.clone()];
        if verify(Ruleset { tables }).is_err() {
            table.chains[0].rules.pop();
            table.sets.truncate(before);
        }
    }
    table
}

#[test]
fn printing_never_panics() {
    let mut random = Random(SEED);
    for _ in 0..300 {
        let mut table = table(&mut random, 0);
        for _ in 0..10 {
            let mut statements = vec![matching(&mut random, &mut table.sets)];
            statements.push(action(&mut random, &mut table.sets));
            table.chains[0].rules.push(Rule {
                statements,
                comment: None,
            });
        }
        let tables = vec![table];
        let ruleset = Ruleset { tables };
        let text = print::nft(&ruleset);
        assert_eq!(text, print::nft(&ruleset));
        assert!(json::libnftables(&ruleset)["nftables"].is_array());
    }
}

#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn nft_loads_what_verifies() {
    let mut failures = Vec::new();
    for case in 0..150 {
        let seed = SEED + case;
        let table = table(&mut Random(seed), 12);
        let tables = vec![table];
        let text = print::nft_replacing(&Ruleset { tables });
        if let Err(error) = netns::nft("nft -c -f - ", &text) {
            failures.push(format!("seed {seed:#x}, refused by -c:\n{error}"));
        } else if let Err(error) = netns::nft("nft -f - && nft -s list ruleset", &text) {
            failures.push(format!("seed {seed:#x}, refused:\n{error}\n"));
        }
    }
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} cases:\n{}",
        failures.join("\n")
    );
}
