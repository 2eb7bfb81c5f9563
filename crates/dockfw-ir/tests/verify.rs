//! One broken ruleset for each rule of the verifier, named by its number.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "test helpers")]

mod samples;

use std::collections::BTreeSet;
use std::time::Duration;

use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy, Rule};
use dockfw_ir::expr::ct::{Direction, TupleField, state};
use dockfw_ir::expr::fib::{FibAddress, FibResult};
use dockfw_ir::expr::{Ct, Expr, Exthdr, Fib, Key, Meta, Payload, Rt};
use dockfw_ir::name::{ChainName, Comment, IfName, SetName, TableName};
use dockfw_ir::set::{Element, ElementExtra, Set, SetKind};
use dockfw_ir::statement::nat::{NatFamily, NatFlags};
use dockfw_ir::statement::reject::Icmpx;
use dockfw_ir::statement::{
    CtCount, Dynset, DynsetOperation, DynsetStatement, Mangle, MaxSegment, Queue, Tproxy,
};
use dockfw_ir::statement::{
    Limit, Log, MarkSource, MarkTarget, Masquerade, Match, Measure, Nat, NatKind, NatTarget,
    Operator, Reject, SetMark, Statement, Test, TimeUnit, Verdict,
};
use dockfw_ir::table::{Family, Ruleset, Table};
use dockfw_ir::value::{DataType as T, Value};
use dockfw_ir::verify::{Check, Object, VerifyError, verify};

// Builders. The base of every case verifies; a case changes one thing.

fn set_name(name: &str) -> SetName {
    SetName::new(name).unwrap()
}

fn chain_name(name: &str) -> ChainName {
    ChainName::new(name).unwrap()
}

fn set(key: &[T], elements: Vec<Element>) -> Set {
    Set {
        name: set_name("s"),
        key: key.to_vec(),
        kind: SetKind::Set,
        interval: false,
        dynamic: false,
        counter: false,
        timeout: None,
        size: Some(8),
        comment: None,
        elements,
    }
}

fn interval(key: &[T], elements: Vec<Element>) -> Set {
    Set {
        interval: true,
        size: None,
        ..set(key, elements)
    }
}

fn map(key: &[T], data: &[T], elements: Vec<Element>) -> Set {
    Set {
        kind: SetKind::Map(data.to_vec()),
        ..set(key, elements)
    }
}

fn vmap(key: &[T], elements: Vec<Element>) -> Set {
    Set {
        kind: SetKind::VerdictMap,
        ..set(key, elements)
    }
}

fn chain(name: &str, base: Option<BaseChain>, rules: Vec<Vec<Statement>>) -> Chain {
    let rule = |statements| Rule {
        statements,
        comment: None,
    };
    Chain {
        name: chain_name(name),
        base,
        rules: rules.into_iter().map(rule).collect(),
        comment: None,
    }
}

fn base(kind: ChainKind, hook: Hook, priority: i32) -> BaseChain {
    BaseChain {
        kind,
        hook,
        priority,
        policy: Policy::Accept,
    }
}

fn filter(hook: Hook) -> BaseChain {
    base(ChainKind::Filter, hook, 0)
}

fn nat(hook: Hook) -> BaseChain {
    base(ChainKind::Nat, hook, 0)
}

fn table(sets: Vec<Set>, chains: Vec<Chain>) -> Table {
    Table {
        family: Family::Inet,
        name: TableName::new("t").unwrap(),
        comment: None,
        sets,
        chains,
    }
}

fn check(table: Table) -> Result<(), VerifyError> {
    verify(Ruleset {
        tables: vec![table],
    })
    .map(drop)
}

/// Expects exactly this check to fail, once or more, and nothing else.
fn fails(check: Check, table: Table) {
    fails_ruleset(check, vec![table]);
}

fn fails_ruleset(check: Check, tables: Vec<Table>) {
    let error = verify(Ruleset { tables }).expect_err("it should be refused");
    let found: BTreeSet<Check> = error.violations.iter().map(|v| v.check).collect();
    assert_eq!(found, BTreeSet::from([check]), "{error}");
}

fn fails_set(check: Check, set: Set) {
    fails(check, table(vec![set], vec![]));
}

fn passes_set(set: Set) {
    check(table(vec![set], vec![])).unwrap();
}

/// A rule in a filter chain at forward.
fn fails_rule(check: Check, statements: Vec<Statement>) {
    fails(
        check,
        table(
            vec![],
            vec![chain("c", Some(filter(Hook::Forward)), vec![statements])],
        ),
    );
}

fn passes_rule(statements: Vec<Statement>) {
    passes_at(filter(Hook::Forward), statements);
}

/// A rule in a chain that this base chain jumps to.
fn at(base: BaseChain, statements: Vec<Statement>) -> Table {
    let jump = Statement::Verdict(Verdict::Jump(chain_name("c")));
    table(
        vec![],
        vec![
            chain("c", None, vec![statements]),
            chain("base", Some(base), vec![vec![jump]]),
        ],
    )
}

fn fails_at(check: Check, base: BaseChain, statements: Vec<Statement>) {
    fails(check, at(base, statements));
}

fn passes_at(base: BaseChain, statements: Vec<Statement>) {
    check(at(base, statements)).unwrap();
}

/// A lookup in a set, in a filter chain at forward.
fn lookup(set: Set, statement: Statement) -> Table {
    table(
        vec![set],
        vec![chain(
            "c",
            Some(filter(Hook::Forward)),
            vec![vec![statement]],
        )],
    )
}

fn ip4(last: u8) -> Value {
    Value::new().and_bytes(&[192, 0, 2, last])
}

fn ip6() -> Value {
    Value::new().and_ipv6("2001:db8::1".parse().unwrap())
}

fn port(port: u16) -> Value {
    Value::new().and_port(port)
}

fn byte(byte: u8) -> Value {
    Value::new().and_u8(byte)
}

fn host(number: u32) -> Value {
    Value::new().and_host_u32(number)
}

fn ifname(name: &str) -> Value {
    Value::new().and_ifname(&IfName::new(name).unwrap())
}

fn members(keys: Vec<Value>) -> Vec<Element> {
    keys.into_iter().map(Element::member).collect()
}

fn l4proto(protocol: u8) -> Statement {
    Statement::equal(Meta::L4proto, byte(protocol))
}

fn accept() -> Statement {
    Statement::Verdict(Verdict::Accept)
}

fn jump(name: &str) -> Statement {
    Statement::Verdict(Verdict::Jump(chain_name(name)))
}

fn compare(key: impl Into<Key>, operator: Operator, value: Value) -> Vec<Statement> {
    vec![Statement::compare(key, operator, value), accept()]
}

fn masked(key: impl Into<Key>, mask: Value, operator: Operator, value: Value) -> Vec<Statement> {
    vec![Statement::masked(key, mask, operator, value), accept()]
}

fn range(key: impl Into<Key>, low: Value, high: Value) -> Vec<Statement> {
    let test = Test::Range {
        negated: false,
        low,
        high,
    };
    vec![
        Statement::Match(Match {
            key: key.into(),
            test,
        }),
        accept(),
    ]
}

fn prefix(key: impl Into<Key>, prefix: &str) -> Vec<Statement> {
    let test = Test::Prefix {
        negated: false,
        prefix: prefix.to_owned(),
    };
    vec![
        Statement::Match(Match {
            key: key.into(),
            test,
        }),
        accept(),
    ]
}

fn translate(kind: NatKind, target: NatTarget) -> Statement {
    Statement::Nat(Nat {
        kind,
        target,
        flags: NatFlags::default(),
    })
}

fn to4(kind: NatKind) -> Statement {
    let address = [192, 0, 2, 1].into();
    translate(
        kind,
        NatTarget::Ipv4 {
            addresses: (address, address),
            ports: None,
        },
    )
}

fn through(map: &str) -> Statement {
    translate(
        NatKind::Dnat,
        NatTarget::Map {
            family: NatFamily::Ipv4,
            key: Payload::IpDaddr.into(),
            map: set_name(map),
        },
    )
}

fn limit(rate: u64, burst: u32) -> Vec<Statement> {
    vec![Statement::Limit(Limit {
        rate,
        measure: Measure::Packets,
        unit: TimeUnit::Second,
        burst,
        over: false,
    })]
}

#[test]
fn check_01_tables_are_unique() {
    fails_ruleset(
        Check::TableUnique,
        vec![table(vec![], vec![]), table(vec![], vec![])],
    );
    let ip = Table {
        family: Family::Ip,
        ..table(vec![], vec![])
    };
    let tables = vec![table(vec![], vec![]), ip];
    verify(Ruleset { tables }).unwrap();
}

#[test]
fn check_02_chains_are_unique() {
    let twice = || chain("c", None, vec![]);
    fails(Check::ChainUnique, table(vec![], vec![twice(), twice()]));
}

#[test]
fn check_03_sets_are_unique() {
    let sets = vec![set(&[T::Ipv4Addr], vec![]), vmap(&[T::Ipv4Addr], vec![])];
    fails(Check::SetUnique, table(sets, vec![]));
}

#[test]
fn check_04_base_chains() {
    let one = |base| table(vec![], vec![chain("c", Some(base), vec![])]);
    for bad in [
        nat(Hook::Forward),
        base(ChainKind::Nat, Hook::Prerouting, -200),
        BaseChain {
            policy: Policy::Drop,
            ..nat(Hook::Prerouting)
        },
        base(ChainKind::Route, Hook::Input, 0),
    ] {
        fails(Check::BaseChain, one(bad));
    }
    for good in [
        base(ChainKind::Nat, Hook::Prerouting, -199),
        base(ChainKind::Route, Hook::Output, i32::MIN),
        filter(Hook::Postrouting),
    ] {
        check(one(good)).unwrap();
    }
}

#[test]
fn check_05_jump_targets() {
    fails_rule(Check::JumpTarget, vec![jump("missing")]);
    let to_base = chain("d", Some(filter(Hook::Input)), vec![vec![jump("c")]]);
    let target = chain("c", Some(filter(Hook::Input)), vec![]);
    fails(Check::JumpTarget, table(vec![], vec![to_base, target]));
    let verdict = Verdict::Goto(chain_name("missing"));
    fails_set(
        Check::JumpTarget,
        vmap(&[T::Ipv4Addr], vec![Element::verdict(ip4(1), verdict)]),
    );
}

#[test]
fn check_06_jump_loops() {
    let own = chain("c", None, vec![vec![jump("c")]]);
    fails(Check::JumpLoop, table(vec![], vec![own]));
    // Through a map, and only the two chains of the loop are named.
    let back = Element::verdict(ifname("a"), Verdict::Goto(chain_name("b")));
    let chains = vec![
        chain(
            "a",
            None,
            vec![vec![Statement::vmap(Meta::Iifname, &set_name("s"))]],
        ),
        chain("b", None, vec![vec![jump("a")], vec![jump("behind")]]),
        chain("behind", None, vec![]),
        chain("before", None, vec![vec![jump("a")]]),
    ];
    let error = check(table(vec![vmap(&[T::IfName], vec![back])], chains)).unwrap_err();
    let places: Vec<_> = error
        .violations
        .iter()
        .map(|v| v.place.object.clone())
        .collect();
    assert_eq!(
        places,
        [
            Object::Chain(chain_name("a")),
            Object::Chain(chain_name("b")),
        ]
    );
}

#[test]
fn check_07_jump_depth() {
    let nested = |count: usize| {
        let mut chains: Vec<Chain> = (1..=count)
            .map(|n| {
                let next = format!("c{}", n + 1);
                let rules = if n < count {
                    vec![vec![jump(&next)]]
                } else {
                    vec![]
                };
                chain(&format!("c{n}"), None, rules)
            })
            .collect();
        chains.push(chain(
            "base",
            Some(filter(Hook::Forward)),
            vec![vec![jump("c1")]],
        ));
        table(vec![], chains)
    };
    check(nested(15)).unwrap();
    fails(Check::JumpDepth, nested(16));
    fails(Check::JumpDepth, nested(20));
}

#[test]
fn check_08_empty_rules() {
    fails_rule(Check::RuleEmpty, vec![]);
}

#[test]
fn check_09_statements_after_the_end() {
    fails_rule(Check::AfterEnd, vec![accept(), Statement::Counter]);
    let map = vmap(&[T::IfName], vec![]);
    let after_map = vec![Statement::vmap(Meta::Iifname, &map.name), accept()];
    let chains = vec![chain("c", Some(filter(Hook::Forward)), vec![after_map])];
    check(table(vec![map], chains)).unwrap();
}

#[test]
fn check_10_set_references() {
    let name = set_name("s");
    fails_rule(
        Check::SetReference,
        vec![Statement::in_set(Meta::Iifname, &name)],
    );
    fails(
        Check::SetReference,
        lookup(
            vmap(&[T::IfName], vec![]),
            Statement::in_set(Meta::Iifname, &name),
        ),
    );
    fails(
        Check::SetReference,
        lookup(
            set(&[T::IfName], vec![]),
            Statement::vmap(Meta::Iifname, &name),
        ),
    );
    let mut wrong = at(nat(Hook::Prerouting), vec![through("s")]);
    wrong.sets.push(set(&[T::Ipv4Addr], vec![]));
    fails(Check::SetReference, wrong);
}

#[test]
fn check_11_key_types() {
    let name = set_name("s");
    fails(
        Check::KeyTypes,
        lookup(
            set(&[T::IfName], vec![]),
            Statement::in_set(Payload::IpSaddr, &name),
        ),
    );
    // Ports of all protocols have one type.
    let concat = |port| Key(vec![Meta::L4proto.into(), Payload::into(port)]);
    for port in [Payload::ThDport, Payload::TcpDport, Payload::UdpSport] {
        let statement = Statement::in_set(concat(port), &name);
        check(lookup(
            set(&[T::InetProto, T::InetService], vec![]),
            statement,
        ))
        .unwrap();
    }
}

#[test]
fn check_12_keys() {
    fails_rule(
        Check::Key,
        compare(Key(vec![]), Operator::Equal, Value::new()),
    );
    let two = Key(vec![Meta::Iifname.into(), Meta::Oifname.into()]);
    let value = Value::from_registers(&[b'a'; 32]);
    fails_rule(Check::Key, compare(two, Operator::Equal, value));
    let both = Fib {
        iif: true,
        oif: true,
        ..Fib::daddr_type()
    };
    fails_rule(Check::Key, compare(both, Operator::Equal, host(2)));
    // A string to nft, which can be compared and not looked up.
    let route = Fib {
        result: FibResult::Oifname,
        ..Fib::daddr_type()
    };
    let in_set = Statement::in_set(route, &set_name("s"));
    fails(Check::Key, lookup(set(&[T::IfName], vec![]), in_set));
    let by_output = Fib { oif: true, ..route };
    fails_rule(Check::Key, compare(by_output, Operator::Equal, ifname("a")));
    // Too long: 5 fields of 16 bytes.
    let long = Key(vec![Meta::Iifname.into(); 5]);
    let table = lookup(
        set(&[T::IfName; 5], vec![]),
        Statement::in_set(long, &set_name("s")),
    );
    let error = check(table).unwrap_err();
    assert!(
        error.violations.iter().any(|v| v.check == Check::Key),
        "{error}"
    );
}

#[test]
fn check_13_set_types() {
    fails_set(Check::SetTypes, set(&[], vec![]));
    fails_set(Check::SetTypes, set(&[T::InetService; 6], vec![]));
    fails_set(Check::SetTypes, set(&[T::Ipv6Addr; 5], vec![]));
    fails_set(Check::SetTypes, set(&[T::Integer(4)], vec![]));
    fails_set(Check::SetTypes, map(&[T::Ipv4Addr], &[], vec![]));
    fails_set(
        Check::SetTypes,
        map(&[T::Ipv4Addr], &[T::HostInteger(4)], vec![]),
    );
    passes_set(set(&[T::Ipv6Addr; 4], vec![]));
}

#[test]
fn check_14_set_sizes() {
    let two = || members(vec![ip4(1), ip4(2)]);
    let sized = |size| Set {
        size,
        ..set(&[T::Ipv4Addr], two())
    };
    fails_set(Check::SetSize, sized(None));
    fails_set(Check::SetSize, sized(Some(1)));
    passes_set(sized(Some(2)));
    fails_set(
        Check::SetSize,
        Set {
            interval: true,
            ..sized(Some(2))
        },
    );
    fails_set(
        Check::SetSize,
        Set {
            size: Some(0),
            ..set(&[T::Ipv4Addr], vec![])
        },
    );
}

#[test]
fn check_15_bitmaps() {
    let ports = || set(&[T::InetService], vec![]);
    fails_set(Check::SetBitmap, ports());
    passes_set(Set {
        timeout: Some(Duration::ZERO),
        ..ports()
    });
    passes_set(map(&[T::InetService], &[T::Mark], vec![]));
    passes_set(interval(&[T::InetService], vec![]));
    passes_set(set(&[T::InetProto, T::InetService], vec![]));
    passes_set(set(&[T::InetProto], vec![]));
}

#[test]
fn check_16_intervals_in_network_order() {
    fails_set(Check::SetInterval, interval(&[T::Mark], vec![]));
    fails_set(Check::SetInterval, interval(&[T::IfName], vec![]));
    fails_set(Check::SetInterval, interval(&[T::TcpFlag], vec![]));
    passes_set(interval(&[T::IfName, T::Ipv4Addr], vec![]));
    passes_set(interval(&[T::PktType, T::Ipv4Addr], vec![]));
    for number in [T::Mark, T::CtState, T::CtStatus, T::FibAddrtype, T::Uid] {
        fails_set(Check::SetInterval, interval(&[T::Ipv4Addr, number], vec![]));
        passes_set(set(&[T::Ipv4Addr, number], vec![]));
    }
    let single = |low: u16, mark: u32| Value::new().and_port(low).and_host_u32(mark);
    let element = Element::member(single(80, 1)).until(single(90, 1));
    fails_set(
        Check::SetInterval,
        interval(&[T::InetService, T::Mark], vec![element]),
    );
}

#[test]
fn check_17_lengths_of_elements() {
    fails_set(
        Check::ElementLength,
        set(&[T::Ipv4Addr], members(vec![ip6()])),
    );
    let padding = Value::from_registers(&[6, 0, 0, 1]);
    fails_set(
        Check::ElementLength,
        set(&[T::InetProto], members(vec![padding])),
    );
    fails_set(
        Check::ElementLength,
        map(
            &[T::Ipv4Addr],
            &[T::Ipv4Addr],
            vec![Element::mapping(ip4(1), ip6())],
        ),
    );
    fails_set(
        Check::ElementLength,
        interval(&[T::Ipv4Addr], vec![Element::member(ip4(1)).until(ip6())]),
    );
}

#[test]
fn check_18_data_of_elements() {
    let member = || vec![Element::member(ip4(1))];
    let mapping = || vec![Element::mapping(ip4(1), host(1))];
    let verdict = || vec![Element::verdict(ip4(1), Verdict::Continue)];
    fails_set(Check::ElementData, set(&[T::Ipv4Addr], mapping()));
    fails_set(Check::ElementData, set(&[T::Ipv4Addr], verdict()));
    fails_set(
        Check::ElementData,
        map(&[T::Ipv4Addr], &[T::Mark], member()),
    );
    fails_set(
        Check::ElementData,
        map(&[T::Ipv4Addr], &[T::Mark], verdict()),
    );
    fails_set(Check::ElementData, vmap(&[T::Ipv4Addr], member()));
    passes_set(vmap(&[T::Ipv4Addr], verdict()));
}

#[test]
fn check_19_ranges_of_elements() {
    let range = || vec![Element::member(ip4(1)).until(ip4(2))];
    fails_set(Check::ElementRange, set(&[T::Ipv4Addr], range()));
    fails_set(
        Check::ElementRange,
        interval(&[T::Ipv4Addr], vec![Element::member(ip4(2)).until(ip4(1))]),
    );
    // The second field goes down although the first goes up.
    fails_set(
        Check::ElementRange,
        interval(
            &[T::Ipv4Addr, T::InetService],
            vec![Element::member(ip4(1).and_port(2)).until(ip4(2).and_port(1))],
        ),
    );
    let named = |end| {
        let element = Element::member(ifname("a").and_port(1)).until(ifname(end).and_port(2));
        interval(&[T::IfName, T::InetService], vec![element])
    };
    fails_set(Check::ElementRange, named("b"));
    passes_set(named("a"));
    let flags = Element::member(byte(1).and_port(1)).until(byte(2).and_port(1));
    fails_set(
        Check::ElementRange,
        interval(&[T::TcpFlag, T::InetService], vec![flags]),
    );
}

#[test]
fn check_20_order_of_elements() {
    fails_set(
        Check::ElementOrder,
        set(&[T::Ipv4Addr], members(vec![ip4(2), ip4(1)])),
    );
    fails_set(
        Check::ElementOrder,
        set(&[T::Ipv4Addr], members(vec![ip4(1), ip4(1)])),
    );
    let ranges = |first_end, second| {
        interval(
            &[T::Ipv4Addr],
            vec![
                Element::member(ip4(1)).until(ip4(first_end)),
                Element::member(ip4(second)).until(ip4(9)),
            ],
        )
    };
    fails_set(Check::ElementOrder, ranges(5, 5));
    passes_set(ranges(5, 6));
    let boxes = |first: [u8; 2], second: [u8; 2]| {
        let element = |[address, port]: [u8; 2]| {
            Element::member(ip4(address).and_port(u16::from(port)))
                .until(ip4(address + 2).and_port(u16::from(port) + 2))
        };
        interval(
            &[T::Ipv4Addr, T::InetService],
            vec![element(first), element(second)],
        )
    };
    fails_set(Check::ElementOrder, boxes([1, 1], [3, 3]));
    fails_set(Check::ElementOrder, boxes([1, 1], [1, 1]));
    passes_set(boxes([1, 1], [3, 4]));
    passes_set(boxes([1, 3], [4, 1]));
}

#[test]
fn check_21_values() {
    for (data_type, value) in [
        (T::NfProto, byte(3)),
        (T::CtDir, byte(2)),
        (T::PktType, byte(9)),
        (T::FibAddrtype, host(99)),
        (T::CtState, host(16)),
        (T::CtState, host(state::NEW | state::ESTABLISHED)),
        (T::CtStatus, host(0)),
        (T::TcpFlag, byte(0x12)),
        (T::IfName, Value::from_registers(&[0; 16])),
        (T::IfName, Value::from_registers(&[b'a'; 16])),
        (
            T::IfName,
            Value::from_registers(b"a\0b\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ),
        (
            T::IfName,
            Value::from_registers(b"a\"b\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ),
    ] {
        fails_set(Check::Value, set(&[data_type], members(vec![value])));
    }
    fails_rule(
        Check::Value,
        compare(Meta::Nfproto, Operator::Equal, byte(4)),
    );
    fails_rule(
        Check::Value,
        masked(Ct::State, host(16), Operator::Equal, host(0)),
    );
    fails_rule(
        Check::Value,
        compare(
            Meta::Iifname,
            Operator::Equal,
            Value::from_registers(&[0; 16]),
        ),
    );
    passes_rule(compare(Payload::TcpFlags, Operator::Equal, byte(0x12)));
}

#[test]
fn check_22_lifetimes() {
    let lifetime = |timeout| Element {
        extra: Some(Box::new(ElementExtra {
            timeout: Some(timeout),
            comment: None,
        })),
        ..Element::member(ip4(1))
    };
    let second = Duration::from_secs(1);
    let timed = |timeout, element| Set {
        timeout,
        ..set(&[T::Ipv4Addr], vec![element])
    };
    fails_set(Check::Lifetime, timed(None, lifetime(second)));
    fails_set(
        Check::Lifetime,
        timed(Some(second), lifetime(Duration::ZERO)),
    );
    let nanosecond = Duration::from_nanos(1);
    fails_set(Check::Lifetime, timed(Some(second), lifetime(nanosecond)));
    fails_set(
        Check::Lifetime,
        timed(Some(nanosecond), Element::member(ip4(1))),
    );
    passes_set(timed(Some(Duration::ZERO), lifetime(second)));
}

#[test]
fn check_23_comparisons() {
    use Operator::{Equal, Greater, Less, NotEqual};
    let bad = [
        compare(Payload::IpSaddr, Equal, ip6()),
        compare(Ct::State, Less, host(1)),
        compare(Meta::Iifname, Greater, ifname("a")),
        compare(Ct::State, Equal, host(state::NEW | state::ESTABLISHED)),
        masked(Payload::IpSaddr, ip4(0), Equal, ip4(1)),
        masked(Payload::IpSaddr, byte(255), Equal, ip4(0)),
        masked(Meta::Mark, host(1), Less, host(1)),
        masked(Meta::Mark, host(0), Equal, host(0)),
        masked(Meta::L4proto, byte(1), Equal, byte(1)),
        masked(Meta::Skuid, host(1), Equal, host(1)),
    ];
    for statements in bad {
        let mut table = at(filter(Hook::Forward), statements);
        // Users are known at output only, but this is another check.
        table.chains.truncate(1);
        fails(Check::Compare, table);
    }
    fails_rule(
        Check::Compare,
        masked(Payload::IpDscp, byte(1), Equal, byte(1)),
    );
    fails_rule(
        Check::Compare,
        compare(Exthdr::TcpOption(4), NotEqual, byte(1)),
    );
    passes_rule(compare(Meta::Mark, Less, host(1)));
    passes_rule(compare(Payload::TcpDport, Less, port(1024)));
    passes_rule(masked(
        Payload::IpSaddr,
        Value::from_registers(&[0; 4]),
        Equal,
        Value::from_registers(&[0; 4]),
    ));
}

#[test]
fn check_24_ranges() {
    fails_rule(Check::Range, range(Payload::TcpDport, port(2), port(1)));
    fails_rule(Check::Range, range(Meta::Pkttype, byte(1), byte(2)));
    fails_rule(Check::Range, range(Meta::Day, byte(1), byte(2)));
    // Numbers of the host are compared as numbers, not as bytes.
    fails_rule(Check::Range, range(Meta::Mark, host(0x100), host(2)));
    passes_rule(range(Meta::Mark, host(2), host(0x100)));
    fails_rule(Check::Range, range(Payload::TcpDport, port(1), ip6()));
    passes_rule(range(Payload::TcpDport, port(1), port(1)));
}

#[test]
fn check_25_prefixes() {
    fails_rule(Check::Prefix, prefix(Meta::Iifname, ""));
    fails_rule(Check::Prefix, prefix(Meta::Iifname, "0123456789abcdef"));
    fails_rule(Check::Prefix, prefix(Meta::Iifname, "a\" accept; #"));
    fails_rule(Check::Prefix, prefix(Payload::IpSaddr, "a"));
    passes_rule(prefix(Meta::Iifname, "0123456789abcde"));
}

#[test]
fn check_26_places_of_translations() {
    let redirect = || Statement::Redirect {
        ports: None,
        flags: NatFlags::default(),
    };
    let masquerade = || Statement::Masquerade(Masquerade::default());
    let all = [
        Hook::Prerouting,
        Hook::Input,
        Hook::Output,
        Hook::Postrouting,
    ];
    let cases: [(&dyn Fn() -> Statement, &[Hook]); 4] = [
        (&|| to4(NatKind::Dnat), &[Hook::Prerouting, Hook::Output]),
        (&|| to4(NatKind::Snat), &[Hook::Input, Hook::Postrouting]),
        (&redirect, &[Hook::Prerouting, Hook::Output]),
        (&masquerade, &[Hook::Postrouting]),
    ];
    for (statement, good) in cases {
        for hook in all {
            if good.contains(&hook) {
                passes_at(nat(hook), vec![statement()]);
            } else {
                fails_at(Check::NatPlace, nat(hook), vec![statement()]);
            }
            fails_at(Check::NatPlace, filter(hook), vec![statement()]);
        }
    }
}

#[test]
fn check_27_targets_of_translations() {
    let v4 = |first: [u8; 4], last: [u8; 4], ports| {
        let addresses = (first.into(), last.into());
        vec![
            l4proto(6),
            translate(NatKind::Dnat, NatTarget::Ipv4 { addresses, ports }),
        ]
    };
    let (one, two) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    fails_at(Check::NatTarget, nat(Hook::Prerouting), v4(two, one, None));
    fails_at(
        Check::NatTarget,
        nat(Hook::Prerouting),
        v4(one, two, Some((2, 1))),
    );
    passes_at(nat(Hook::Prerouting), v4(one, two, Some((1, 2))));
    let ports = Some((2, 1));
    fails_at(
        Check::NatTarget,
        nat(Hook::Output),
        vec![Statement::Redirect {
            ports,
            flags: NatFlags::default(),
        }],
    );
    let ip6_table = Table {
        family: Family::Ip6,
        ..at(nat(Hook::Prerouting), v4(one, one, None))
    };
    fails(Check::NatTarget, ip6_table);
}

#[test]
fn check_28_maps_of_translations() {
    let with = |data: &[T]| {
        let mut table = at(nat(Hook::Prerouting), vec![through("s")]);
        table.sets.push(map(&[T::Ipv4Addr], data, vec![]));
        table
    };
    fails(Check::NatMap, with(&[T::Ipv6Addr]));
    fails(Check::NatMap, with(&[T::InetService]));
    fails(Check::NatMap, with(&[T::Ipv4Addr, T::Mark]));
    check(with(&[T::Ipv4Addr])).unwrap();
    check(with(&[T::Ipv4Addr, T::InetService])).unwrap();
    let by_route = translate(
        NatKind::Dnat,
        NatTarget::Map {
            family: NatFamily::Ipv4,
            key: Fib::daddr_type().into(),
            map: set_name("s"),
        },
    );
    let mut table = at(nat(Hook::Prerouting), vec![by_route]);
    table
        .sets
        .push(map(&[T::FibAddrtype], &[T::Ipv4Addr], vec![]));
    fails(Check::NatMap, table);
}

#[test]
fn check_29_notrack() {
    let raw = |hook, priority| base(ChainKind::Filter, hook, priority);
    fails_at(
        Check::Notrack,
        raw(Hook::Prerouting, -200),
        vec![Statement::Notrack],
    );
    fails_at(
        Check::Notrack,
        raw(Hook::Forward, -300),
        vec![Statement::Notrack],
    );
    passes_at(raw(Hook::Prerouting, -300), vec![Statement::Notrack]);
    passes_at(raw(Hook::Output, -201), vec![Statement::Notrack]);
}

#[test]
fn check_30_metadata_of_hooks() {
    let equal = |meta, value| compare(meta, Operator::Equal, value);
    let mac = Value::new().and_bytes(&[2, 0, 0, 0, 0, 1]);
    let own = |base, statements| table(vec![], vec![chain("base", Some(base), vec![statements])]);
    let never = [
        (Hook::Output, equal(Meta::Iifname, ifname("a"))),
        (Hook::Prerouting, equal(Meta::Oifname, ifname("a"))),
        (Hook::Input, equal(Meta::Oifname, ifname("a"))),
        (
            Hook::Postrouting,
            compare(Payload::EtherSaddr, Operator::Equal, mac),
        ),
    ];
    for (hook, statements) in never {
        fails(Check::MetaHook, own(filter(hook), statements.clone()));
        // Another hook may lead to the same chain.
        passes_at(filter(hook), statements);
    }
    fails_at(
        Check::MetaHook,
        filter(Hook::Forward),
        equal(Meta::Skuid, host(0)),
    );
    fails_at(
        Check::MetaHook,
        filter(Hook::Input),
        equal(Meta::Skgid, host(0)),
    );
    let exists = |key: Expr| compare(key, Operator::Equal, byte(1));
    for hook in [
        Hook::Prerouting,
        Hook::Input,
        Hook::Forward,
        Hook::Output,
        Hook::Postrouting,
    ] {
        let check = |possible: bool, key: Expr| {
            if possible {
                passes_at(filter(hook), exists(key));
            } else {
                fails_at(Check::MetaHook, filter(hook), exists(key));
            }
        };
        let (first, last) = (Hook::Prerouting, Hook::Postrouting);
        check(hook != Hook::Output && hook != last, Meta::Ipsec.into());
        check(hook != Hook::Input && hook != first, Rt::Ipsec.into());
    }
    passes_at(filter(Hook::Postrouting), equal(Meta::Iifname, ifname("a")));
    passes_at(filter(Hook::Output), equal(Meta::Oifname, ifname("a")));
    passes_at(filter(Hook::Postrouting), equal(Meta::Skuid, host(0)));
}

#[test]
fn check_31_route_lookups() {
    let fib = |iif, oif, result| {
        let value = match result {
            FibResult::Type => host(2),
            FibResult::Oifname => ifname("a"),
            FibResult::Exists => byte(1),
        };
        let address = FibAddress::Saddr;
        let fib = Fib {
            address,
            iif,
            oif,
            mark: false,
            result,
        };
        compare(fib, Operator::Equal, value)
    };
    let bad = [
        (Hook::Output, fib(true, false, FibResult::Type)),
        (Hook::Postrouting, fib(false, false, FibResult::Oifname)),
        (Hook::Prerouting, fib(false, true, FibResult::Type)),
        (Hook::Input, fib(false, true, FibResult::Type)),
    ];
    for (hook, statements) in bad {
        fails_at(Check::FibHook, filter(hook), statements);
    }
    passes_at(filter(Hook::Output), fib(false, false, FibResult::Type));
    passes_at(filter(Hook::Forward), fib(true, false, FibResult::Oifname));
    passes_at(filter(Hook::Postrouting), fib(false, true, FibResult::Type));
}

#[test]
fn check_32_rejections() {
    let plain = || vec![Statement::Reject(Reject::Icmpx(Icmpx::PortUnreachable))];
    fails_at(Check::Reject, filter(Hook::Postrouting), plain());
    passes_at(filter(Hook::Prerouting), plain());
    fails_rule(Check::Reject, vec![Statement::Reject(Reject::TcpReset)]);
    passes_rule(vec![l4proto(6), Statement::Reject(Reject::TcpReset)]);
    fails_rule(Check::Reject, vec![Statement::Reject(Reject::Icmp(99))]);
    fails_rule(Check::Reject, vec![Statement::Reject(Reject::Icmpv6(99))]);
    let of = |family, reject| Table {
        family,
        ..at(filter(Hook::Forward), vec![Statement::Reject(reject)])
    };
    fails(Check::Reject, of(Family::Ip, Reject::Icmpx(Icmpx::NoRoute)));
    fails(Check::Reject, of(Family::Ip, Reject::Icmpv6(0)));
    fails(Check::Reject, of(Family::Ip6, Reject::Icmp(0)));
    check(of(Family::Ip6, Reject::Icmpv6(0))).unwrap();
}

#[test]
fn check_33_contradictions() {
    let v4 = || Statement::equal(Payload::IpSaddr, ip4(1));
    let v6 = || Statement::equal(Payload::Ip6Saddr, ip6());
    let tcp = || Statement::equal(Payload::TcpDport, port(80));
    let ports = || Statement::equal(Payload::ThDport, port(80));
    let nfproto = |protocol| Statement::equal(Meta::Nfproto, byte(protocol));
    let original = Ct::Tuple(Direction::Original, TupleField::IpDaddr);
    let flow = Ct::Tuple(Direction::Original, TupleField::Protocol);
    for statements in [
        vec![v4(), v6()],
        vec![nfproto(10), v4()],
        vec![nfproto(10), nfproto(2)],
        vec![l4proto(17), tcp()],
        vec![tcp(), l4proto(17)],
        vec![l4proto(1), ports()],
        vec![v6(), Statement::equal(original, ip4(1))],
        vec![v6(), Statement::Reject(Reject::Icmp(3))],
        vec![v6(), Statement::equal(Payload::IcmpType, byte(8))],
        vec![Statement::equal(Payload::IcmpType, byte(8)), v6()],
        vec![Statement::equal(flow, byte(17)), tcp()],
    ] {
        fails_rule(Check::Contradiction, statements);
    }
    fails_at(
        Check::Contradiction,
        nat(Hook::Output),
        vec![v6(), to4(NatKind::Dnat)],
    );
    let of = |family, statement| Table {
        family,
        ..at(filter(Hook::Forward), vec![statement])
    };
    fails(Check::Contradiction, of(Family::Ip, v6()));
    fails(Check::Contradiction, of(Family::Ip, nfproto(2)));
    passes_rule(vec![nfproto(2), v4(), l4proto(6), tcp(), ports()]);
}

#[test]
fn check_33_after_one_of_several_protocols() {
    let several = || one_of(Meta::L4proto, members(vec![byte(6), byte(17)]));
    let then = |payload| {
        let mut rule = several();
        rule.push(Statement::equal(payload, port(53)));
        rule
    };
    fails_rule(Check::Contradiction, then(Payload::TcpDport));
    passes_rule(then(Payload::ThDport));
}

#[test]
fn check_34_limits() {
    fails_rule(Check::Limit, limit(0, 5));
    fails_rule(Check::Limit, limit(5, 0));
    passes_rule(limit(1, 1));
}

#[test]
fn check_35_logging() {
    let log = |log| vec![Statement::Log(log)];
    let prefix = |length| Log {
        prefix: Some(Comment::new(&"x".repeat(length)).unwrap()),
        ..Log::default()
    };
    fails_rule(Check::Log, log(prefix(128)));
    passes_rule(log(prefix(127)));
    fails_rule(
        Check::Log,
        log(Log {
            prefix: Some(Comment::new("a$b").unwrap()),
            ..Log::default()
        }),
    );
    for bad in [
        Log {
            level: Some(8),
            ..Log::default()
        },
        Log {
            level: Some(4),
            group: Some(1),
            ..Log::default()
        },
        Log {
            snaplen: Some(1),
            ..Log::default()
        },
        Log {
            queue_threshold: Some(1),
            ..Log::default()
        },
    ] {
        fails_rule(Check::Log, log(bad));
    }
}

#[test]
fn check_36_marks() {
    let set = |keep, value| {
        vec![Statement::SetMark(SetMark {
            target: MarkTarget::Packet,
            source: MarkSource::Packet,
            keep,
            value,
        })]
    };
    fails_rule(Check::Mark, set(u32::MAX, 0));
    passes_rule(set(u32::MAX, 1));
    passes_rule(set(0, 0));
}

fn one_of(key: impl Into<Key>, elements: Vec<Element>) -> Vec<Statement> {
    let test = Test::OneOf {
        negated: false,
        elements,
    };
    vec![Statement::Match(Match {
        key: key.into(),
        test,
    })]
}

#[test]
fn check_37_sets_in_rules() {
    let two = || members(vec![port(80), port(443)]);
    passes_rule(one_of(Payload::TcpDport, two()));
    let lifetime = Element {
        extra: Some(Box::new(ElementExtra {
            timeout: None,
            comment: Some(Comment::new("why").unwrap()),
        })),
        ..Element::member(port(80))
    };
    for bad in [
        one_of(Payload::TcpDport, vec![]),
        one_of(Payload::TcpDport, members(vec![port(80)])),
        one_of(
            Payload::TcpDport,
            vec![lifetime, Element::member(port(443))],
        ),
        one_of(Meta::Hour, members(vec![host(0), host(1)])),
        one_of(
            Key(vec![Meta::Length.into(), Payload::IpSaddr.into()]),
            vec![Element::member(host(1).and_bytes(&[192, 0, 2, 1]))],
        ),
    ] {
        fails_rule(Check::OneOf, bad);
    }
    fails_rule(
        Check::ElementRange,
        one_of(
            Payload::TcpDport,
            vec![
                Element::member(port(80)).until(port(79)),
                Element::member(port(443)),
            ],
        ),
    );
    // Single values, but said as ranges.
    let alone = |value: Value| Element::member(value.clone()).until(value);
    fails_rule(
        Check::OneOf,
        one_of(Meta::Mark, vec![alone(host(1)), alone(host(2))]),
    );
    let ports = |low, high| {
        let key = |port| Value::new().and_port(port).and_host_u32(1);
        Element::member(key(low)).until(key(high))
    };
    let key = Key(vec![Payload::TcpDport.into(), Meta::Mark.into()]);
    fails_rule(Check::OneOf, one_of(key, vec![ports(80, 90)]));
    fails_rule(
        Check::ElementOrder,
        one_of(Payload::TcpDport, members(vec![port(443), port(80)])),
    );
    fails_rule(
        Check::ElementLength,
        one_of(Payload::TcpDport, members(vec![port(80), ip6()])),
    );
}

#[test]
fn check_38_what_is_set() {
    let set = |mangle| vec![Statement::Mangle(mangle)];
    let field = |field, value| set(Mangle::Field { field, value });
    let zone = || {
        set(Mangle::Zone {
            direction: None,
            zone: 1,
        })
    };
    for bad in [
        field(Payload::IpSaddr, 1),
        field(Payload::IpDscp, 64),
        field(Payload::Ip6Ecn, 4),
        zone(),
    ] {
        fails_rule(Check::Mangle, bad);
    }
    let mtu = || set(Mangle::MaxSegment(MaxSegment::RouteMtu));
    fails_at(Check::Mangle, filter(Hook::Input), mtu());
    passes_rule(mtu());
    passes_rule(field(Payload::IpDscp, 63));
    passes_at(base(ChainKind::Filter, Hook::Output, -300), zone());
}

#[test]
fn check_39_queues_copies_and_proxies() {
    let queue = |queues| {
        vec![Statement::Queue(Queue {
            queues,
            bypass: false,
            fanout: false,
        })]
    };
    fails_rule(Check::Divert, queue((2, 1)));
    passes_rule(queue((1, 2)));
    fails_rule(Check::Divert, queue((0, u16::MAX)));
    passes_rule(queue((1, u16::MAX)));
    let dup = || vec![Statement::Dup("192.0.2.1".parse().unwrap())];
    fails_rule(Check::Divert, dup());
    let good = Tproxy {
        family: Some(NatFamily::Ipv4),
        address: Some("192.0.2.1".parse().unwrap()),
        port: Some(80),
    };
    let tproxy = |tproxy| vec![l4proto(6), Statement::Tproxy(tproxy)];
    passes_at(filter(Hook::Prerouting), tproxy(good));
    fails_at(Check::Divert, filter(Hook::Input), tproxy(good));
    fails_at(
        Check::Divert,
        filter(Hook::Prerouting),
        vec![Statement::Tproxy(good)],
    );
    for bad in [
        Tproxy {
            family: None,
            ..good
        },
        Tproxy {
            family: Some(NatFamily::Ipv6),
            ..good
        },
        Tproxy {
            address: None,
            port: None,
            ..good
        },
    ] {
        fails_at(Check::Divert, filter(Hook::Prerouting), tproxy(bad));
    }
}

#[test]
fn check_40_elements_that_rules_make() {
    let dynamic = |timeout| Set {
        dynamic: true,
        timeout,
        ..set(&[T::Ipv4Addr], vec![])
    };
    let good = Dynset {
        operation: DynsetOperation::Add,
        set: set_name("s"),
        key: Payload::IpSaddr.into(),
        mask: None,
        timeout: None,
        statement: None,
    };
    let rule = |set, dynset| lookup(set, Statement::Dynset(Box::new(dynset)));
    let minute = Some(Duration::from_secs(60));
    check(rule(dynamic(None), good.clone())).unwrap();
    fails(
        Check::Dynset,
        rule(set(&[T::Ipv4Addr], vec![]), good.clone()),
    );
    fails_set(
        Check::Dynset,
        Set {
            dynamic: true,
            ..interval(&[T::Ipv4Addr], vec![])
        },
    );
    fails_set(
        Check::Dynset,
        Set {
            counter: true,
            ..dynamic(None)
        },
    );
    let count = DynsetStatement::CtCount(CtCount {
        count: 1,
        over: true,
    });
    fails(
        Check::Dynset,
        rule(
            dynamic(minute),
            Dynset {
                statement: Some(count),
                ..good.clone()
            },
        ),
    );
    for bad in [
        Dynset {
            timeout: minute,
            ..good.clone()
        },
        Dynset {
            operation: DynsetOperation::Update,
            ..good.clone()
        },
        Dynset {
            operation: DynsetOperation::Delete,
            statement: Some(DynsetStatement::Counter),
            ..good.clone()
        },
        Dynset {
            mask: Some(ip6()),
            key: Payload::IpSaddr.into(),
            ..good.clone()
        },
        Dynset {
            mask: Some(Value::new().and_bytes(&[0; 4])),
            ..good.clone()
        },
    ] {
        fails(Check::Dynset, rule(dynamic(None), bad));
    }
    let other = Dynset {
        key: Payload::IpDaddr.into(),
        ..good
    };
    check(rule(dynamic(minute), other)).unwrap();
}

/// The source of this file, to count its tests.
const SOURCE: &str = include_str!("verify.rs");

#[test]
fn every_check_has_a_number_and_a_test() {
    let numbers: Vec<u8> = Check::ALL.iter().map(|check| check.number()).collect();
    let expected: Vec<u8> = (1..=40).collect();
    assert_eq!(numbers, expected);
    let list = include_str!("../src/verify.rs");
    for number in numbers {
        assert!(
            SOURCE.contains(&format!("fn check_{number:02}_")),
            "{number}"
        );
        assert!(list.contains(&format!("//! {number}. ")), "{number}");
    }
}

#[test]
fn all_violations_are_reported_and_the_ruleset_comes_back() {
    let bad = table(
        vec![set(&[T::InetService], members(vec![port(2), port(1)]))],
        vec![chain(
            "c",
            Some(filter(Hook::Forward)),
            vec![vec![], vec![jump("x")]],
        )],
    );
    let ruleset = Ruleset { tables: vec![bad] };
    let error = verify(ruleset.clone()).unwrap_err();
    assert_eq!(error.ruleset, ruleset);
    let lines: Vec<String> = error.violations.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "table inet t, set s: a plain set of 2-byte keys becomes a bitmap, which loads slowly \
             (rule 15)",
            "table inet t, set s, element 1: its key is not above that of the element before \
             (rule 20)",
            "table inet t, chain c, rule 1: there is no chain x (rule 5)",
            "table inet t, chain c, rule 0: a rule without statements (rule 8)",
        ]
    );
}

#[test]
fn a_verified_ruleset_gives_the_ruleset_back() {
    for (_, ruleset) in samples::samples() {
        let verified = verify(ruleset.clone()).unwrap();
        assert_eq!(*verified, ruleset);
        assert_eq!(verified.into_inner(), ruleset);
    }
}
