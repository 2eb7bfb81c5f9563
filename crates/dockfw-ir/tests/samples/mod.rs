//! Rulesets that together use every variant of the IR; each one verifies and loads into a kernel.
//!
//! Other crates' tests include this file: `#[path = "../../dockfw-ir/tests/samples/mod.rs"] mod samples;`
#![expect(
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::unnecessary_wraps,
    reason = "test helpers: long lists of valid constants"
)]

mod native;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy, Rule};
use dockfw_ir::expr::ct::{Direction, TupleField, state, status};
use dockfw_ir::expr::fib::{FibAddress, FibResult, addrtype};
use dockfw_ir::expr::{Ct, Expr, Fib, Key, Meta, Payload};
use dockfw_ir::name::{ChainName, Comment, IfName, SetName, TableName};
use dockfw_ir::set::{Element, ElementExtra, Set, SetKind};
use dockfw_ir::statement::nat::{NatFamily, NatFlags};
use dockfw_ir::statement::reject::Icmpx;
use dockfw_ir::statement::{
    Limit, Log, MarkSource, MarkTarget, Masquerade, Match, Measure, Nat, NatKind, NatTarget,
    Operator, Reject, SetMark, Statement, Test, TimeUnit, Verdict,
};
use dockfw_ir::table::{Family, Ruleset, Table};
use dockfw_ir::value::{DataType, Value};

/// All samples with a name each.
pub(crate) fn samples() -> Vec<(&'static str, Ruleset)> {
    vec![
        ("empty-ruleset", Ruleset::default()),
        ("empty-table", ruleset(vec![], vec![])),
        ("families", families()),
        ("set-types", ruleset(set_types(), vec![])),
        ("set-flavours", ruleset(set_flavours(), vec![])),
        ("maps", ruleset(maps(), vec![chain("c", vec![])])),
        ("base-chains", base_chains()),
        ("payload", payload()),
        ("meta", meta()),
        ("ct", ct()),
        ("ct-ports", ct_ports()),
        ("fib", fib()),
        ("compare", compare()),
        ("implied", implied()),
        ("lookups", lookups()),
        ("verdicts", verdicts()),
        ("limit-and-log", limit_and_log()),
        ("reject", reject()),
        ("marks", marks()),
        ("notrack", notrack()),
        ("nat", nat()),
        ("docker", docker()),
    ]
    .into_iter()
    .chain(native::samples())
    .collect()
}

/// Samples for kernels that have what the test machines may lack (`CONFIG_NFT_QUEUE`).
#[expect(
    clippy::allow_attributes,
    reason = "not everybody who includes this file uses it"
)]
#[allow(dead_code, reason = "likewise")]
pub(crate) fn unloadable() -> Vec<(&'static str, Ruleset)> {
    vec![("queue", native::queue())]
}

// Short constructors.

fn chain_name(name: &str) -> ChainName {
    ChainName::new(name).unwrap()
}

fn set_name(name: &str) -> SetName {
    SetName::new(name).unwrap()
}

fn comment(text: &str) -> Option<Comment> {
    Some(Comment::new(text).unwrap())
}

fn ifname(name: &str) -> Value {
    Value::new().and_ifname(&IfName::new(name).unwrap())
}

fn ip4(address: &str) -> Value {
    Value::new().and_ipv4(address.parse().unwrap())
}

fn ip6(address: &str) -> Value {
    Value::new().and_ipv6(address.parse().unwrap())
}

fn byte(byte: u8) -> Value {
    Value::new().and_u8(byte)
}

fn port(port: u16) -> Value {
    Value::new().and_port(port)
}

fn host(number: u32) -> Value {
    Value::new().and_host_u32(number)
}

fn mac(address: [u8; 6]) -> Value {
    Value::new().and_bytes(&address)
}

fn rule(statements: Vec<Statement>) -> Rule {
    Rule {
        statements,
        comment: None,
    }
}

/// One rule for each match, each followed by `counter`.
fn counted(matches: Vec<Statement>) -> Vec<Rule> {
    matches
        .into_iter()
        .map(|test| rule(vec![test, Statement::Counter]))
        .collect()
}

fn accept() -> Statement {
    Statement::Verdict(Verdict::Accept)
}

fn drop() -> Statement {
    Statement::Verdict(Verdict::Drop)
}

fn chain(name: &str, rules: Vec<Rule>) -> Chain {
    Chain {
        name: chain_name(name),
        base: None,
        rules,
        comment: None,
    }
}

fn base(name: &str, kind: ChainKind, hook: Hook, priority: i32, rules: Vec<Rule>) -> Chain {
    Chain {
        base: Some(BaseChain {
            kind,
            hook,
            priority,
            policy: Policy::Accept,
        }),
        ..chain(name, rules)
    }
}

fn forward(rules: Vec<Rule>) -> Chain {
    base("forward", ChainKind::Filter, Hook::Forward, 0, rules)
}

fn exact(name: &str, key: &[DataType], elements: Vec<Element>) -> Set {
    Set {
        name: set_name(name),
        key: key.to_vec(),
        kind: SetKind::Set,
        interval: false,
        dynamic: false,
        counter: false,
        timeout: None,
        size: Some(1024),
        comment: None,
        elements,
    }
}

fn interval(name: &str, key: &[DataType], elements: Vec<Element>) -> Set {
    Set {
        interval: true,
        size: None,
        ..exact(name, key, elements)
    }
}

fn map(name: &str, key: &[DataType], data: &[DataType], elements: Vec<Element>) -> Set {
    Set {
        kind: SetKind::Map(data.to_vec()),
        ..exact(name, key, elements)
    }
}

fn vmap(name: &str, key: &[DataType], elements: Vec<Element>) -> Set {
    Set {
        kind: SetKind::VerdictMap,
        ..exact(name, key, elements)
    }
}

fn members(keys: Vec<Value>) -> Vec<Element> {
    let mut keys = keys;
    keys.sort();
    keys.into_iter().map(Element::member).collect()
}

fn sorted(mut elements: Vec<Element>) -> Vec<Element> {
    elements.sort_by(|a, b| (&a.key, &a.key_end).cmp(&(&b.key, &b.key_end)));
    elements
}

fn table(family: Family, name: &str, sets: Vec<Set>, chains: Vec<Chain>) -> Table {
    Table {
        family,
        name: TableName::new(name).unwrap(),
        comment: None,
        sets,
        chains,
    }
}

fn ruleset(sets: Vec<Set>, chains: Vec<Chain>) -> Ruleset {
    Ruleset {
        tables: vec![table(Family::Inet, "dockfw", sets, chains)],
    }
}

fn range(key: impl Into<Key>, negated: bool, low: Value, high: Value) -> Statement {
    Statement::Match(Match {
        key: key.into(),
        test: Test::Range { negated, low, high },
    })
}

fn prefix(key: impl Into<Key>, negated: bool, prefix: &str) -> Statement {
    Statement::Match(Match {
        key: key.into(),
        test: Test::Prefix {
            negated,
            prefix: prefix.to_owned(),
        },
    })
}

fn l4proto(protocol: u8) -> Statement {
    Statement::equal(Meta::L4proto, byte(protocol))
}

fn nfproto(protocol: u8) -> Statement {
    Statement::equal(Meta::Nfproto, byte(protocol))
}

fn bits(key: impl Into<Key>, operator: Operator, mask: u32, value: u32) -> Statement {
    Statement::masked(key, host(mask), operator, host(value))
}

const TCP: u8 = 6;
const UDP: u8 = 17;

// The samples.

fn families() -> Ruleset {
    let with_comment = Table {
        comment: comment("made by a test"),
        ..table(Family::Inet, "dockfw", vec![], vec![])
    };
    let v4 = table(
        Family::Ip,
        "dockfw4",
        vec![],
        vec![forward(vec![
            rule(vec![
                Statement::equal(Payload::IpSaddr, ip4("192.0.2.1")),
                Statement::Reject(Reject::Icmp(3)),
            ]),
            rule(vec![Statement::Reject(Reject::Icmp(1))]),
        ])],
    );
    let v6 = table(
        Family::Ip6,
        "dockfw6",
        vec![],
        vec![forward(vec![
            rule(vec![
                Statement::equal(Payload::Ip6Saddr, ip6("2001:db8::1")),
                Statement::Reject(Reject::Icmpv6(4)),
            ]),
            rule(vec![Statement::Reject(Reject::Icmpv6(0))]),
        ])],
    );
    Ruleset {
        tables: vec![with_comment, v4, v6],
    }
}

/// Every type as the single key of an exact set, and one set with many in one key.
fn set_types() -> Vec<Set> {
    use DataType as T;
    vec![
        exact("t-nfproto", &[T::NfProto], members(vec![byte(2), byte(10)])),
        exact(
            "t-ipv4",
            &[T::Ipv4Addr],
            members(vec![ip4("192.0.2.1"), ip4("198.51.100.1")]),
        ),
        exact(
            "t-ipv6",
            &[T::Ipv6Addr],
            members(vec![
                ip6("::"),
                ip6("::1"),
                ip6("2001:db8::1"),
                ip6("2001:db8:0:1::"),
                ip6("::ffff:192.0.2.1"),
                ip6("64:ff9b::192.0.2.1"),
                ip6("2001:db8:0:0:1::1"),
                ip6("2001:0:0:1:0:0:0:1"),
                ip6("2001:db8:1:1:1:1:0:1"),
            ]),
        ),
        exact(
            "t-ether",
            &[T::EtherAddr],
            members(vec![mac([0, 0x11, 0x22, 0x33, 0x44, 0x55]), mac([0xfe; 6])]),
        ),
        exact(
            "t-proto",
            &[T::InetProto],
            members(vec![
                byte(1),
                byte(TCP),
                byte(UDP),
                byte(58),
                byte(132),
                byte(253),
            ]),
        ),
        Set {
            timeout: Some(Duration::ZERO),
            ..exact(
                "t-port",
                &[T::InetService],
                members(vec![port(22), port(80), port(65535)]),
            )
        },
        exact(
            "t-icmp-type",
            &[T::IcmpType],
            members(vec![byte(0), byte(3), byte(8), byte(77)]),
        ),
        exact(
            "t-icmpv6-type",
            &[T::Icmpv6Type],
            members(vec![byte(1), byte(128), byte(135), byte(77)]),
        ),
        exact(
            "t-icmp-code",
            &[T::IcmpCode],
            members(vec![byte(0), byte(4), byte(77)]),
        ),
        exact(
            "t-icmpv6-code",
            &[T::Icmpv6Code],
            members(vec![byte(0), byte(4), byte(77)]),
        ),
        exact(
            "t-flag",
            &[T::TcpFlag],
            members(vec![byte(2), byte(4), byte(0x10)]),
        ),
        exact(
            "t-mark",
            &[T::Mark],
            members(vec![host(1), host(0xff00_0000)]),
        ),
        exact(
            "t-ifname",
            &[T::IfName],
            members(vec![ifname("br-web"), ifname("eth0.5")]),
        ),
        exact(
            "t-state",
            &[T::CtState],
            members(vec![
                host(state::NEW),
                host(state::ESTABLISHED),
                host(state::UNTRACKED),
            ]),
        ),
        exact("t-dir", &[T::CtDir], members(vec![byte(0), byte(1)])),
        exact(
            "t-status",
            &[T::CtStatus],
            members(vec![host(status::DNAT), host(status::SNAT)]),
        ),
        exact(
            "t-addrtype",
            &[T::FibAddrtype],
            members(vec![host(addrtype::LOCAL), host(addrtype::BROADCAST)]),
        ),
        exact(
            "t-pkttype",
            &[T::PktType],
            members(vec![byte(0), byte(1), byte(2), byte(3)]),
        ),
        exact("t-uid", &[T::Uid], members(vec![host(0), host(1000)])),
        exact("t-gid", &[T::Gid], members(vec![host(0), host(1000)])),
        exact(
            "t-concat",
            &[
                T::IfName,
                T::Ipv4Addr,
                T::InetService,
                T::Mark,
                T::EtherAddr,
            ],
            vec![Element::member(
                ifname("br-web")
                    .and_ipv4(Ipv4Addr::new(192, 0, 2, 1))
                    .and_port(80)
                    .and_host_u32(7)
                    .and_bytes(&[2, 0, 0, 0, 0, 1]),
            )],
        ),
        exact(
            "t-concat6",
            &[T::Ipv6Addr, T::InetProto, T::InetService],
            vec![Element::member(ip6("2001:db8::1").and_u8(UDP).and_port(53))],
        ),
    ]
}

fn set_flavours() -> Vec<Set> {
    use DataType as T;
    vec![
        exact("e-empty", &[T::Ipv4Addr], vec![]),
        Set {
            counter: true,
            comment: comment("elements that count"),
            ..exact(
                "e-counter",
                &[T::Ipv4Addr, T::InetProto, T::InetService],
                vec![
                    Element::member(ip4("192.0.2.1").and_u8(TCP).and_port(80)),
                    Element::member(ip4("192.0.2.1").and_u8(TCP).and_port(443))
                        .with_comment(comment("web")),
                ],
            )
        },
        Set {
            counter: true,
            ..interval(
                "e-counter-range",
                &[T::Ipv4Addr, T::InetService],
                vec![
                    Element::member(ip4("192.0.2.1").and_port(8000))
                        .until(ip4("192.0.2.1").and_port(8100)),
                ],
            )
        },
        Set {
            counter: true,
            ..interval(
                "e-counter-prefix",
                &[T::Ipv4Addr],
                vec![Element::member(ip4("192.0.2.0")).until(ip4("192.0.2.255"))],
            )
        },
        Set {
            counter: true,
            ..map(
                "e-counter-map",
                &[T::InetService],
                &[T::Ipv4Addr],
                vec![Element::mapping(
                    Value::new().and_port(80),
                    ip4("192.0.2.1"),
                )],
            )
        },
        Set {
            comment: comment("why this set exists"),
            ..exact(
                "e-comments",
                &[T::InetProto, T::InetService],
                sorted(vec![
                    Element::member(byte(TCP).and_port(8080))
                        .with_comment(comment("web; 8080 -> 80")),
                    Element::member(byte(UDP).and_port(53)),
                ]),
            )
        },
        exact(
            "e-single-comment",
            &[T::Ipv4Addr],
            vec![Element::member(ip4("192.0.2.1")).with_comment(comment("alone"))],
        ),
        Set {
            timeout: Some(Duration::from_secs(90)),
            comment: comment("default lifetime"),
            ..exact(
                "e-timeout",
                &[T::Ipv4Addr],
                vec![
                    Element::member(ip4("192.0.2.1")),
                    Element {
                        extra: Some(Box::new(ElementExtra {
                            timeout: Some(Duration::from_secs(90_061)),
                            comment: comment("a day, an hour, a minute, a second"),
                        })),
                        ..Element::member(ip4("192.0.2.2"))
                    },
                ],
            )
        },
        interval(
            "i-ipv4",
            &[T::Ipv4Addr],
            vec![
                Element::member(ip4("10.0.0.0")).until(ip4("10.255.255.255")),
                Element::member(ip4("192.0.2.1")),
                Element::member(ip4("198.51.100.3")).until(ip4("198.51.100.9")),
                Element::member(ip4("255.255.255.0")).until(ip4("255.255.255.255")),
            ],
        ),
        interval(
            "i-ipv6",
            &[T::Ipv6Addr],
            vec![
                Element::member(ip6("2001:db8::"))
                    .until(ip6("2001:db8:0:ffff:ffff:ffff:ffff:ffff")),
                Element::member(ip6("fe80::1")).with_comment(comment("one")),
                Element::member(ip6("fe80::5")).until(ip6("fe80::7")),
            ],
        ),
        interval(
            "i-ports",
            &[T::InetService],
            vec![
                Element::member(port(0)).until(port(22)),
                Element::member(port(80)),
                Element::member(port(60000)).until(port(65535)),
            ],
        ),
        interval(
            "i-concat",
            &[T::Ipv4Addr, T::InetProto, T::InetService],
            sorted(vec![
                Element::member(ip4("10.0.0.0").and_u8(TCP).and_port(80))
                    .until(ip4("10.0.0.255").and_u8(TCP).and_port(90)),
                Element::member(ip4("192.0.2.1").and_u8(UDP).and_port(53)),
                Element::member(ip4("0.0.0.0").and_u8(UDP).and_port(1024))
                    .until(ip4("255.255.255.255").and_u8(UDP).and_port(65535))
                    .with_comment(comment("anywhere")),
                Element::member(ip4("10.0.0.1").and_u8(TCP).and_port(100))
                    .until(ip4("10.0.0.6").and_u8(TCP).and_port(100)),
            ]),
        ),
        Set {
            kind: SetKind::Map(vec![T::Mark]),
            ..interval(
                "i-map",
                &[T::Ipv4Addr],
                vec![Element::mapping(ip4("192.0.2.0"), host(0x10)).until(ip4("192.0.2.255"))],
            )
        },
        Set {
            kind: SetKind::VerdictMap,
            ..interval(
                "i-vmap",
                &[T::Ipv4Addr, T::InetService],
                vec![
                    Element::verdict(ip4("192.0.2.0").and_port(80), Verdict::Drop)
                        .until(ip4("192.0.2.255").and_port(90)),
                ],
            )
        },
    ]
}

fn maps() -> Vec<Set> {
    use DataType as T;
    let a4 = Ipv4Addr::new(172, 18, 0, 2);
    let a6 = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2);
    vec![
        map(
            "m-any4",
            &[T::InetProto, T::InetService],
            &[T::Ipv4Addr, T::InetService],
            sorted(vec![
                Element::mapping(
                    byte(TCP).and_port(8080),
                    Value::new().and_ipv4(a4).and_port(80),
                )
                .with_comment(comment("web")),
                Element::mapping(
                    byte(UDP).and_port(53),
                    Value::new().and_ipv4(a4).and_port(53),
                ),
            ]),
        ),
        map(
            "m-host4",
            &[T::Ipv4Addr, T::InetProto, T::InetService],
            &[T::Ipv4Addr, T::InetService],
            vec![Element::mapping(
                ip4("127.0.0.1").and_u8(TCP).and_port(8443),
                Value::new().and_ipv4(a4).and_port(443),
            )],
        ),
        map(
            "m-any6",
            &[T::InetProto, T::InetService],
            &[T::Ipv6Addr, T::InetService],
            vec![Element::mapping(
                byte(TCP).and_port(8080),
                Value::new().and_ipv6(a6).and_port(80),
            )],
        ),
        map(
            "m-address",
            &[T::Ipv4Addr],
            &[T::Ipv4Addr],
            vec![Element::mapping(
                ip4("192.0.2.1"),
                Value::new().and_ipv4(a4),
            )],
        ),
        map(
            "m-mark",
            &[T::IfName],
            &[T::Mark],
            vec![Element::mapping(ifname("br-web"), host(0x10))],
        ),
        vmap(
            "v-ifname",
            &[T::IfName],
            sorted(vec![
                Element::verdict(ifname("a"), Verdict::Accept),
                Element::verdict(ifname("b"), Verdict::Drop).with_comment(comment("no b")),
                Element::verdict(ifname("c"), Verdict::Continue),
                Element::verdict(ifname("d"), Verdict::Return),
                Element::verdict(ifname("e"), Verdict::Jump(chain_name("c"))),
                Element::verdict(ifname("f"), Verdict::Goto(chain_name("c"))),
            ]),
        ),
    ]
}

/// The names and numbers of priorities, and every kind, hook and policy.
fn base_chains() -> Ruleset {
    use ChainKind::{Filter, Nat, Route};
    use Hook::{Forward, Input, Output, Postrouting, Prerouting};
    let mut chains = vec![
        base("raw", Filter, Prerouting, -300, vec![]),
        base("mangle", Filter, Prerouting, -150, vec![]),
        base("mangle-minus", Filter, Forward, -155, vec![]),
        base("mangle-plus", Filter, Forward, -140, vec![]),
        base("mangle-far", Filter, Forward, -139, vec![]),
        base("dstnat", Nat, Prerouting, -100, vec![]),
        base("dstnat-plus", Nat, Prerouting, -95, vec![]),
        base("output-dstnat", Nat, Output, -100, vec![]),
        base("input-srcnat", Nat, Input, 100, vec![]),
        base("srcnat", Nat, Postrouting, 100, vec![]),
        base("srcnat-minus", Nat, Postrouting, 99, vec![]),
        base("filter-input", Filter, Input, 0, vec![]),
        base("filter-minus", Filter, Output, -10, vec![]),
        base("filter-plus", Filter, Output, 10, vec![]),
        base("security", Filter, Input, 50, vec![]),
        base("far", Filter, Postrouting, 2_147_483_000, vec![]),
        base("near", Filter, Postrouting, -2_147_483_000, vec![]),
        base("reroute", Route, Output, -150, vec![]),
        chain("regular", vec![]),
    ];
    chains.push(Chain {
        base: Some(BaseChain {
            kind: Filter,
            hook: Forward,
            priority: 0,
            policy: Policy::Drop,
        }),
        comment: comment("nothing passes by itself"),
        ..chain("forward-drop", vec![])
    });
    chains.push(Chain {
        comment: comment("a regular one"),
        ..chain("commented", vec![rule(vec![Statement::Counter])])
    });
    ruleset(vec![], chains)
}

fn payload() -> Ruleset {
    use Payload as P;
    let rules = counted(vec![
        Statement::equal(P::EtherSaddr, mac([2, 0, 0, 0, 0, 1])),
        Statement::equal(P::IpSaddr, ip4("192.0.2.1")),
        Statement::not_equal(P::IpDaddr, ip4("192.0.2.1")),
        Statement::equal(P::Ip6Saddr, ip6("2001:db8::1")),
        Statement::not_equal(P::Ip6Daddr, ip6("2001:db8::1")),
        Statement::equal(P::ThSport, port(53)),
        Statement::equal(P::ThDport, port(53)),
        Statement::equal(P::TcpSport, port(80)),
        Statement::equal(P::TcpDport, port(80)),
        Statement::equal(P::TcpFlags, byte(2)),
        Statement::not_equal(P::TcpFlags, byte(2)),
        Statement::equal(P::TcpFlags, byte(0)),
        Statement::masked(P::TcpFlags, byte(0x17), Operator::Equal, byte(2)),
        Statement::masked(P::TcpFlags, byte(0x17), Operator::NotEqual, byte(2)),
        Statement::masked(P::TcpFlags, byte(0x3f), Operator::Equal, byte(0)),
        Statement::masked(P::TcpFlags, byte(0x3f), Operator::Equal, byte(0x29)),
        Statement::masked(P::TcpFlags, byte(0x12), Operator::Equal, byte(0x12)),
        Statement::masked(P::TcpFlags, byte(2), Operator::NotEqual, byte(0)),
        Statement::masked(P::TcpFlags, byte(2), Operator::Equal, byte(0)),
        Statement::masked(P::TcpFlags, byte(6), Operator::NotEqual, byte(0)),
        Statement::equal(P::UdpSport, port(53)),
        Statement::equal(P::UdpDport, port(53)),
        Statement::equal(P::SctpSport, port(53)),
        Statement::equal(P::SctpDport, port(53)),
        Statement::equal(P::IcmpType, byte(8)),
        Statement::equal(P::IcmpType, byte(77)),
        Statement::equal(P::IcmpCode, byte(4)),
        Statement::equal(P::IcmpCode, byte(77)),
        Statement::equal(P::Icmpv6Type, byte(135)),
        Statement::equal(P::Icmpv6Type, byte(77)),
        Statement::equal(P::Icmpv6Code, byte(4)),
        Statement::equal(P::Icmpv6Code, byte(77)),
    ]);
    ruleset(vec![], vec![forward(rules)])
}

fn meta() -> Ruleset {
    let forward_rules = counted(vec![
        Statement::equal(Meta::Length, host(1500)),
        Statement::not_equal(Meta::Length, host(20)),
        Statement::equal(Meta::Mark, host(0x10)),
        Statement::not_equal(Meta::Mark, host(0)),
        bits(Meta::Mark, Operator::Equal, 0xff, 0x10),
        bits(Meta::Mark, Operator::Equal, 0xff, 0),
        bits(Meta::Mark, Operator::Equal, 0xffff_ff00, 0x100),
        bits(Meta::Mark, Operator::Equal, u32::MAX, 0x100),
        bits(Meta::Mark, Operator::NotEqual, 0xff, 0),
        bits(Meta::Mark, Operator::NotEqual, 0xff, 0x10),
        Statement::equal(Meta::Iifname, ifname("br-web")),
        Statement::not_equal(Meta::Iifname, ifname("eth0")),
        Statement::equal(Meta::Oifname, ifname("br-web")),
        prefix(Meta::Iifname, false, "br-"),
        prefix(Meta::Oifname, true, "veth"),
        Statement::equal(Meta::Pkttype, byte(0)),
        Statement::not_equal(Meta::Pkttype, byte(2)),
        nfproto(2),
        nfproto(10),
        Statement::not_equal(Meta::Nfproto, byte(2)),
        l4proto(TCP),
        l4proto(58),
        l4proto(253),
        Statement::not_equal(Meta::L4proto, byte(UDP)),
    ]);
    let output_rules = counted(vec![
        Statement::equal(Meta::Skuid, host(1000)),
        Statement::not_equal(Meta::Skuid, host(0)),
        Statement::equal(Meta::Skgid, host(33)),
    ]);
    ruleset(
        vec![],
        vec![
            forward(forward_rules),
            base("output", ChainKind::Filter, Hook::Output, 0, output_rules),
        ],
    )
}

fn ct() -> Ruleset {
    use Operator::{Equal, NotEqual};
    let tuple = |direction, field| Ct::Tuple(direction, field);
    let related = state::RELATED | state::ESTABLISHED;
    let rules = counted(vec![
        bits(Ct::State, NotEqual, related, 0),
        bits(Ct::State, NotEqual, state::NEW, 0),
        bits(Ct::State, Equal, state::INVALID, 0),
        bits(Ct::State, Equal, state::NEW | state::UNTRACKED, 0),
        bits(Ct::State, NotEqual, 0x4f, 0),
        Statement::equal(Ct::State, host(state::NEW)),
        Statement::not_equal(Ct::State, host(state::NEW)),
        Statement::equal(Ct::Direction, byte(0)),
        Statement::not_equal(Ct::Direction, byte(1)),
        bits(Ct::Status, NotEqual, status::DNAT, 0),
        bits(Ct::Status, Equal, status::DNAT, 0),
        bits(Ct::Status, NotEqual, status::DNAT | status::SNAT, 0),
        bits(Ct::Status, Equal, status::DNAT | status::SNAT, 0),
        Statement::equal(Ct::Mark, host(1)),
        bits(Ct::Mark, Equal, 0xff, 1),
        bits(Ct::Mark, NotEqual, 0xff00, 0),
        Statement::equal(
            tuple(Direction::Original, TupleField::IpSaddr),
            ip4("192.0.2.1"),
        ),
        Statement::not_equal(
            tuple(Direction::Original, TupleField::IpDaddr),
            ip4("192.0.2.1"),
        ),
        Statement::masked(
            tuple(Direction::Original, TupleField::IpDaddr),
            ip4("255.255.255.0"),
            Equal,
            ip4("192.0.2.0"),
        ),
        Statement::equal(
            tuple(Direction::Reply, TupleField::Ip6Saddr),
            ip6("2001:db8::1"),
        ),
        Statement::masked(
            tuple(Direction::Reply, TupleField::Ip6Daddr),
            ip6("ffff:ffff::"),
            NotEqual,
            ip6("2001:db8::"),
        ),
        Statement::equal(tuple(Direction::Original, TupleField::Protocol), byte(TCP)),
        Statement::equal(tuple(Direction::Reply, TupleField::Protocol), byte(UDP)),
    ]);
    ruleset(vec![], vec![forward(rules)])
}

/// Ports of a tuple: nft lists all of these and reads back only those after `meta l4proto`.
fn ct_ports() -> Ruleset {
    let dport = Ct::Tuple(Direction::Original, TupleField::ProtoDst);
    let sport = Ct::Tuple(Direction::Reply, TupleField::ProtoSrc);
    let address = Ct::Tuple(Direction::Original, TupleField::IpDaddr);
    let protocol = Ct::Tuple(Direction::Original, TupleField::Protocol);
    let set = exact(
        "orig-dst",
        &[
            DataType::Ipv4Addr,
            DataType::InetProto,
            DataType::InetService,
        ],
        vec![
            Element::member(ip4("192.0.2.1").and_u8(TCP).and_port(80)),
            Element::member(ip4("192.0.2.1").and_u8(UDP).and_port(53)),
        ],
    );
    let verdicts = vmap(
        "orig-dport",
        &[DataType::InetService],
        vec![
            Element::verdict(port(22), Verdict::Accept),
            Element::verdict(port(80), Verdict::Drop),
        ],
    );
    let key = || Key(vec![address.into(), protocol.into(), dport.into()]);
    let rules = vec![
        rule(vec![
            l4proto(TCP),
            Statement::equal(dport, port(80)),
            accept(),
        ]),
        rule(vec![
            l4proto(UDP),
            range(sport, true, port(1024), port(2048)),
            accept(),
        ]),
        rule(vec![Statement::equal(dport, port(80)), accept()]),
        rule(vec![
            Statement::equal(dport, port(80)),
            Statement::equal(Payload::UdpDport, port(53)),
            accept(),
        ]),
        rule(vec![Statement::in_set(key(), &set.name), accept()]),
        rule(vec![
            Statement::not_in_set(key(), &set.name),
            Statement::Counter,
        ]),
        rule(vec![
            l4proto(TCP),
            Statement::in_set(key(), &set.name),
            accept(),
        ]),
        rule(vec![Statement::vmap(dport, &verdicts.name)]),
    ];
    ruleset(vec![set, verdicts], vec![forward(rules)])
}

fn fib() -> Ruleset {
    use FibAddress::{Daddr, Saddr};
    use FibResult::{Oifname, Type};
    let fib = |address, iif, oif, result| Fib {
        address,
        iif,
        oif,
        mark: false,
        result,
    };
    let prerouting = counted(vec![
        Statement::equal(Fib::daddr_type(), host(addrtype::LOCAL)),
        Statement::not_equal(Fib::saddr_type(), host(addrtype::UNICAST)),
        Statement::equal(fib(Daddr, true, false, Type), host(addrtype::BROADCAST)),
        Statement::equal(fib(Saddr, true, false, Oifname), ifname("eth0")),
        Statement::not_equal(fib(Daddr, false, false, Oifname), ifname("eth0")),
    ]);
    let postrouting = counted(vec![Statement::equal(
        fib(Saddr, false, true, Type),
        host(addrtype::LOCAL),
    )]);
    ruleset(
        vec![],
        vec![
            base(
                "prerouting",
                ChainKind::Filter,
                Hook::Prerouting,
                0,
                prerouting,
            ),
            base("output", ChainKind::Filter, Hook::Output, 0, postrouting),
        ],
    )
}

fn compare() -> Ruleset {
    use Operator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    use Payload as P;
    let rules = counted(vec![
        Statement::masked(P::IpSaddr, ip4("255.0.0.0"), Equal, ip4("10.0.0.0")),
        Statement::masked(
            P::IpDaddr,
            ip4("255.255.255.128"),
            NotEqual,
            ip4("192.0.2.128"),
        ),
        Statement::masked(P::IpSaddr, ip4("255.0.255.0"), Equal, ip4("10.0.2.0")),
        Statement::masked(P::Ip6Saddr, ip6("ffff:ffff::"), Equal, ip6("2001:db8::")),
        Statement::masked(
            P::Ip6Daddr,
            ip6("ffff:ffff:8000::"),
            NotEqual,
            ip6("2001:db8:8000::"),
        ),
        range(P::IpSaddr, false, ip4("192.0.2.1"), ip4("192.0.2.7")),
        range(P::IpDaddr, true, ip4("192.0.2.1"), ip4("192.0.2.7")),
        range(P::Ip6Saddr, false, ip6("2001:db8::1"), ip6("2001:db8::7")),
        range(P::TcpDport, false, port(80), port(90)),
        range(P::UdpSport, true, port(80), port(90)),
        range(P::ThDport, false, port(80), port(90)),
        Statement::compare(P::TcpDport, Less, port(1024)),
        Statement::compare(P::TcpDport, LessOrEqual, port(1024)),
        Statement::compare(P::UdpDport, Greater, port(1024)),
        Statement::compare(P::UdpDport, GreaterOrEqual, port(1024)),
        Statement::compare(P::IpSaddr, Greater, ip4("192.0.2.1")),
    ]);
    ruleset(vec![], vec![forward(rules)])
}

/// Protocol matches that a later statement implies, and ones that nothing implies.
fn implied() -> Ruleset {
    let saddr = || Statement::equal(Payload::IpSaddr, ip4("192.0.2.1"));
    let dport = || Statement::equal(Payload::TcpDport, port(80));
    let new = || bits(Ct::State, Operator::NotEqual, state::NEW, 0);
    let rules = vec![
        vec![nfproto(2), saddr(), accept()],
        vec![nfproto(2), new(), saddr(), accept()],
        vec![nfproto(2), Statement::Counter, saddr(), accept()],
        vec![nfproto(2), dport(), accept()],
        vec![nfproto(2), l4proto(TCP), saddr(), dport(), accept()],
        vec![l4proto(TCP), saddr(), dport(), accept()],
        vec![l4proto(TCP), Statement::Counter, dport(), accept()],
        vec![l4proto(TCP), saddr(), accept()],
        vec![saddr(), l4proto(UDP), accept()],
        vec![nfproto(10), l4proto(TCP), accept()],
        vec![
            nfproto(10),
            l4proto(58),
            Statement::equal(Payload::Icmpv6Type, byte(128)),
            accept(),
        ],
        vec![
            saddr(),
            Statement::equal(Payload::IcmpType, byte(8)),
            accept(),
        ],
        vec![
            nfproto(2),
            Statement::equal(Payload::IcmpType, byte(8)),
            accept(),
        ],
        vec![nfproto(2), Statement::Reject(Reject::Icmp(3))],
        vec![
            nfproto(2),
            Statement::equal(
                Ct::Tuple(Direction::Original, TupleField::IpDaddr),
                ip4("192.0.2.1"),
            ),
            accept(),
        ],
    ];
    ruleset(vec![], vec![forward(rules.into_iter().map(rule).collect())])
}

fn lookups() -> Ruleset {
    use DataType as T;
    let exposed = exact(
        "published",
        &[T::IfName, T::Ipv4Addr, T::InetProto, T::InetService],
        vec![Element::member(
            ifname("br-web")
                .and_ipv4(Ipv4Addr::new(172, 18, 0, 2))
                .and_u8(TCP)
                .and_port(80),
        )],
    );
    let nets = interval(
        "nets",
        &[T::Ipv4Addr],
        vec![Element::member(ip4("172.18.0.0")).until(ip4("172.18.255.255"))],
    );
    let bridges = exact(
        "bridges",
        &[T::IfName],
        vec![Element::member(ifname("br-web"))],
    );
    let dispatch = vmap(
        "dispatch",
        &[T::IfName],
        vec![
            Element::verdict(ifname("br-web"), Verdict::Jump(chain_name("web"))),
            Element::verdict(ifname("eth0"), Verdict::Return),
        ],
    );
    let pairs = vmap(
        "pairs",
        &[T::IfName, T::IfName],
        vec![Element::verdict(
            ifname("br-web").and_bytes(b"br-web\0\0\0\0\0\0\0\0\0\0"),
            Verdict::Accept,
        )],
    );
    let rules = vec![
        rule(vec![
            Statement::in_set(
                Key(vec![
                    Expr::Meta(Meta::Oifname),
                    Expr::Payload(Payload::IpDaddr),
                    Expr::Meta(Meta::L4proto),
                    Expr::Payload(Payload::ThDport),
                ]),
                &exposed.name,
            ),
            accept(),
        ]),
        rule(vec![
            Statement::in_set(Payload::IpSaddr, &nets.name),
            Statement::not_in_set(Meta::Oifname, &bridges.name),
            accept(),
        ]),
        rule(vec![
            Statement::not_in_set(Payload::IpDaddr, &nets.name),
            drop(),
        ]),
        rule(vec![
            Statement::Counter,
            Statement::vmap(Meta::Iifname, &dispatch.name),
        ]),
        Rule {
            statements: vec![Statement::vmap(
                Key(vec![Meta::Iifname.into(), Meta::Oifname.into()]),
                &pairs.name,
            )],
            comment: comment("inter-container traffic"),
        },
    ];
    let web = chain("web", vec![rule(vec![drop()])]);
    ruleset(
        vec![exposed, nets, bridges, dispatch, pairs],
        vec![web, forward(rules)],
    )
}

fn verdicts() -> Ruleset {
    let leaf = Chain {
        comment: comment("jumped to"),
        ..chain(
            "leaf",
            vec![rule(vec![Statement::Verdict(Verdict::Return)])],
        )
    };
    let tail = chain("tail", vec![rule(vec![Statement::Counter, drop()])]);
    let rules = [
        Verdict::Continue,
        Verdict::Jump(leaf.name.clone()),
        Verdict::Return,
        Verdict::Accept,
        Verdict::Drop,
        Verdict::Goto(tail.name.clone()),
    ]
    .into_iter()
    .enumerate()
    .map(|(index, verdict)| Rule {
        statements: vec![
            Statement::equal(Meta::Mark, host(u32::try_from(index).unwrap())),
            Statement::Verdict(verdict),
        ],
        comment: comment("a rule's comment: with (signs) #, ; and {}"),
    })
    .collect();
    ruleset(vec![], vec![forward(rules), tail, leaf])
}

fn limit_and_log() -> Ruleset {
    let limit = |rate, unit, burst, over| {
        Statement::Limit(Limit {
            rate,
            measure: Measure::Packets,
            unit,
            burst,
            over,
        })
    };
    let log = |log| rule(vec![Statement::Log(log)]);
    let rules = vec![
        rule(vec![limit(5, TimeUnit::Second, 5, false), accept()]),
        rule(vec![limit(1, TimeUnit::Minute, 7, true), drop()]),
        rule(vec![limit(100, TimeUnit::Hour, 1, false), accept()]),
        rule(vec![limit(3, TimeUnit::Day, 5, false), accept()]),
        rule(vec![limit(3, TimeUnit::Week, 5, true), drop()]),
        log(Log::default()),
        log(Log {
            prefix: comment("dockfw: drop "),
            level: Some(7),
            ..Log::default()
        }),
        log(Log {
            level: Some(0),
            ..Log::default()
        }),
        log(Log {
            level: Some(4),
            ..Log::default()
        }),
        log(Log {
            group: Some(5),
            ..Log::default()
        }),
        log(Log {
            prefix: comment("to a group"),
            group: Some(0),
            snaplen: Some(128),
            queue_threshold: Some(10),
            ..Log::default()
        }),
        rule(vec![
            limit(10, TimeUnit::Minute, 5, false),
            Statement::Log(Log {
                prefix: comment("limited: "),
                ..Log::default()
            }),
            drop(),
        ]),
    ];
    ruleset(vec![], vec![forward(rules)])
}

fn reject() -> Ruleset {
    let mut rules = vec![
        rule(vec![l4proto(TCP), Statement::Reject(Reject::TcpReset)]),
        rule(vec![
            Statement::equal(Payload::TcpDport, port(80)),
            Statement::Counter,
            Statement::Reject(Reject::TcpReset),
        ]),
        rule(vec![
            Statement::equal(Payload::IpSaddr, ip4("192.0.2.1")),
            Statement::Reject(Reject::Icmpx(Icmpx::PortUnreachable)),
        ]),
        rule(vec![
            Statement::equal(Payload::IpSaddr, ip4("192.0.2.1")),
            Statement::Reject(Reject::Icmp(3)),
        ]),
        rule(vec![
            Statement::equal(Payload::Ip6Saddr, ip6("2001:db8::1")),
            Statement::Counter,
            Statement::Reject(Reject::Icmpv6(4)),
        ]),
    ];
    let codes = [0, 1, 2, 3, 9, 10, 13].map(Reject::Icmp);
    let codes6 = [0, 1, 3, 4, 5, 6].map(Reject::Icmpv6);
    let either = [
        Icmpx::NoRoute,
        Icmpx::PortUnreachable,
        Icmpx::HostUnreachable,
        Icmpx::AdminProhibited,
    ]
    .map(Reject::Icmpx);
    for reject in codes.into_iter().chain(codes6).chain(either) {
        rules.push(rule(vec![Statement::Reject(reject)]));
    }
    ruleset(vec![], vec![forward(rules)])
}

fn marks() -> Ruleset {
    let set = |target, keep, value| {
        rule(vec![Statement::SetMark(SetMark {
            target,
            source: match target {
                MarkTarget::Packet => MarkSource::Packet,
                MarkTarget::Conntrack => MarkSource::Conntrack,
            },
            keep,
            value,
        })])
    };
    let rules = vec![
        set(MarkTarget::Packet, 0, 0),
        set(MarkTarget::Packet, 0, 1),
        set(MarkTarget::Packet, 0xffff_ff00, 0x10),
        set(MarkTarget::Packet, 0xffff_ffff, 0x10),
        set(MarkTarget::Packet, 0xff, 0),
        set(MarkTarget::Packet, 0xfff, 0xf),
        set(MarkTarget::Conntrack, 0, 0x10),
        set(MarkTarget::Conntrack, 0xff, 0x100),
        set(MarkTarget::Conntrack, 0xff, 0xf0f),
    ];
    ruleset(vec![], vec![forward(rules)])
}

fn notrack() -> Ruleset {
    let rules = vec![
        rule(vec![
            Statement::equal(Meta::Iifname, ifname("lo")),
            Statement::Notrack,
        ]),
        rule(vec![
            Statement::equal(Payload::IpDaddr, ip4("172.18.0.2")),
            Statement::not_equal(Meta::Iifname, ifname("br-web")),
            Statement::Counter,
            drop(),
        ]),
    ];
    ruleset(
        vec![],
        vec![base(
            "raw",
            ChainKind::Filter,
            Hook::Prerouting,
            -300,
            rules,
        )],
    )
}

fn nat() -> Ruleset {
    let target = |kind, target, flags| {
        Statement::Nat(Nat {
            kind,
            target,
            flags,
        })
    };
    let v4 = |first: [u8; 4], last: [u8; 4], ports| NatTarget::Ipv4 {
        addresses: (first.into(), last.into()),
        ports,
    };
    let v6 = |first: &str, last: &str, ports| NatTarget::Ipv6 {
        addresses: (first.parse().unwrap(), last.parse().unwrap()),
        ports,
    };
    let via = |family, key: Vec<Expr>, map: &str| NatTarget::Map {
        family,
        key: Key(key),
        map: set_name(map),
    };
    let none = NatFlags::default();
    let flags = |random, fully_random, persistent| NatFlags {
        random,
        fully_random,
        persistent,
    };
    let (a, b) = ([172, 18, 0, 2], [172, 18, 0, 9]);
    let proto_port = || vec![Meta::L4proto.into(), Payload::ThDport.into()];
    let tcp = || l4proto(TCP);
    let prerouting = vec![
        rule(vec![target(NatKind::Dnat, v4(a, a, None), none)]),
        rule(vec![target(
            NatKind::Dnat,
            v4(a, b, None),
            flags(false, false, true),
        )]),
        rule(vec![
            tcp(),
            target(NatKind::Dnat, v4(a, a, Some((80, 80))), none),
        ]),
        rule(vec![
            tcp(),
            target(
                NatKind::Dnat,
                v4(a, b, Some((80, 90))),
                flags(true, false, false),
            ),
        ]),
        rule(vec![
            Statement::equal(Payload::TcpDport, port(80)),
            target(
                NatKind::Dnat,
                v6("2001:db8::2", "2001:db8::2", Some((80, 80))),
                none,
            ),
        ]),
        rule(vec![target(
            NatKind::Dnat,
            v6("2001:db8::2", "2001:db8::9", None),
            flags(false, true, true),
        )]),
        rule(vec![
            tcp(),
            target(
                NatKind::Dnat,
                v6("2001:db8::2", "2001:db8::9", Some((80, 90))),
                none,
            ),
        ]),
        rule(vec![
            nfproto(2),
            Statement::equal(Fib::daddr_type(), host(addrtype::LOCAL)),
            target(
                NatKind::Dnat,
                via(NatFamily::Ipv4, proto_port(), "m-any4"),
                none,
            ),
        ]),
        rule(vec![target(
            NatKind::Dnat,
            via(
                NatFamily::Ipv4,
                vec![
                    Payload::IpDaddr.into(),
                    Meta::L4proto.into(),
                    Payload::ThDport.into(),
                ],
                "m-host4",
            ),
            none,
        )]),
        rule(vec![
            nfproto(10),
            target(
                NatKind::Dnat,
                via(NatFamily::Ipv6, proto_port(), "m-any6"),
                none,
            ),
        ]),
        rule(vec![target(
            NatKind::Dnat,
            via(NatFamily::Ipv4, vec![Payload::IpDaddr.into()], "m-address"),
            none,
        )]),
        rule(vec![
            tcp(),
            Statement::Redirect {
                ports: Some((8080, 8080)),
                flags: NatFlags::default(),
            },
        ]),
        rule(vec![
            tcp(),
            Statement::Redirect {
                ports: Some((8080, 8090)),
                flags: NatFlags::default(),
            },
        ]),
        rule(vec![Statement::Redirect {
            ports: None,
            flags: NatFlags::default(),
        }]),
    ];
    let postrouting = vec![
        rule(vec![
            Statement::masked(
                Payload::IpSaddr,
                ip4("255.255.0.0"),
                Operator::Equal,
                ip4("172.18.0.0"),
            ),
            Statement::not_equal(Meta::Oifname, ifname("br-web")),
            Statement::Masquerade(Masquerade::default()),
        ]),
        rule(vec![
            tcp(),
            Statement::Masquerade(Masquerade {
                ports: Some((1024, 2048)),
                flags: flags(true, false, false),
            }),
        ]),
        rule(vec![
            tcp(),
            Statement::Masquerade(Masquerade {
                ports: Some((1024, 1024)),
                flags: none,
            }),
        ]),
        rule(vec![Statement::Masquerade(Masquerade {
            ports: None,
            flags: flags(true, true, true),
        })]),
        rule(vec![target(
            NatKind::Snat,
            v4([192, 0, 2, 1], [192, 0, 2, 1], None),
            none,
        )]),
        rule(vec![target(
            NatKind::Snat,
            v4([192, 0, 2, 1], [192, 0, 2, 9], None),
            flags(true, false, true),
        )]),
        rule(vec![target(
            NatKind::Snat,
            v6("2001:db8::1", "2001:db8::1", None),
            none,
        )]),
    ];
    let input = vec![rule(vec![target(
        NatKind::Snat,
        v4([192, 0, 2, 1], [192, 0, 2, 1], None),
        none,
    )])];
    let hairpin = chain(
        "published",
        vec![rule(vec![target(
            NatKind::Dnat,
            via(NatFamily::Ipv4, proto_port(), "m-any4"),
            none,
        )])],
    );
    let output = vec![rule(vec![
        nfproto(2),
        Statement::Verdict(Verdict::Jump(hairpin.name.clone())),
    ])];
    let sets = maps()
        .into_iter()
        .filter(|set| matches!(set.kind, SetKind::Map(_)))
        .collect();
    ruleset(
        sets,
        vec![
            hairpin,
            base(
                "prerouting",
                ChainKind::Nat,
                Hook::Prerouting,
                -100,
                prerouting,
            ),
            base("output", ChainKind::Nat, Hook::Output, -100, output),
            base("input", ChainKind::Nat, Hook::Input, 100, input),
            base(
                "postrouting",
                ChainKind::Nat,
                Hook::Postrouting,
                100,
                postrouting,
            ),
        ],
    )
}

/// A small host as we compile it.
fn docker() -> Ruleset {
    let Ruleset { tables } = nat();
    let mut table = tables.into_iter().next().unwrap();
    let Ruleset { tables } = lookups();
    let more = tables.into_iter().next().unwrap();
    table.comment = comment("dockfw");
    for chain in more.chains {
        table.chains.push(Chain {
            comment: comment("part of a whole"),
            ..chain
        });
    }
    table.sets.extend(more.sets);
    let published = chain_name("published");
    for chain in &mut table.chains {
        for rule in &mut chain.rules {
            if chain.name != published && rule.comment.is_none() {
                rule.comment = comment("a reason");
            }
        }
    }
    Ruleset {
        tables: vec![table],
    }
}
