//! Chains walked by the values of expressions alone.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::net::Ipv4Addr;

use dockfw_ir::chain::{Chain, Rule};
use dockfw_ir::eval::facts::{Chains, Decision, Effect, End, Facts};
use dockfw_ir::expr::{Expr, Key, Meta, Payload};
use dockfw_ir::name::{ChainName, SetName};
use dockfw_ir::set::{Element, Set, SetKind};
use dockfw_ir::statement::nat::{Nat, NatFamily, NatFlags, NatKind, NatTarget};
use dockfw_ir::statement::{MarkSource, MarkTarget, SetMark, Statement, Verdict};
use dockfw_ir::value::{DataType, Value};

fn name(text: &str) -> ChainName {
    ChainName::new(text).unwrap()
}

fn chain(text: &str, rules: Vec<Vec<Statement>>) -> Chain {
    let rule = |statements| Rule {
        statements,
        comment: None,
    };
    Chain {
        name: name(text),
        base: None,
        rules: rules.into_iter().map(rule).collect(),
        comment: None,
    }
}

fn from(last: u8) -> Value {
    Value::new().and_ipv4(Ipv4Addr::new(192, 0, 2, last))
}

fn verdict(verdict: Verdict) -> Statement {
    Statement::Verdict(verdict)
}

fn facts(last: u8) -> Facts {
    let mut facts = Facts::default();
    facts.set(&Payload::IpSaddr.into(), from(last));
    facts
}

fn mark(value: u32) -> Statement {
    Statement::SetMark(SetMark {
        target: MarkTarget::Packet,
        source: MarkSource::Packet,
        keep: 0xf0,
        value,
    })
}

#[test]
fn jumps_come_back_and_gotos_do_not() {
    let chains = [
        chain(
            "a",
            vec![
                vec![
                    Statement::equal(Payload::IpSaddr, from(1)),
                    verdict(Verdict::Jump(name("b"))),
                ],
                vec![
                    Statement::equal(Payload::IpSaddr, from(2)),
                    verdict(Verdict::Goto(name("b"))),
                ],
                vec![Statement::Counter, verdict(Verdict::Drop)],
            ],
        ),
        chain(
            "b",
            vec![
                vec![verdict(Verdict::Return)],
                vec![verdict(Verdict::Accept)],
            ],
        ),
    ];
    let chains = Chains::new(&chains, []);
    let end = |last| chains.decide(&name("a"), &facts(last)).end;
    assert_eq!(end(1), End::Drop);
    assert_eq!(end(2), End::Return);
    assert_eq!(end(3), End::Drop);
    // An expression without a value ends the rule.
    assert_eq!(chains.decide(&name("a"), &Facts::default()).end, End::Drop);
    assert_eq!(
        chains.decide(&name("none"), &Facts::default()).end,
        End::Return
    );
}

#[test]
fn a_chain_that_is_not_there_is_an_effect() {
    let (jump, goto) = (Verdict::Jump(name("x")), Verdict::Goto(name("x")));
    let own = [chain(
        "a",
        vec![
            vec![verdict(jump.clone())],
            vec![verdict(goto.clone())],
            vec![verdict(Verdict::Drop)],
        ],
    )];
    let chains = Chains::new(&own, []);
    let expected = Decision {
        effects: vec![Effect::Leave(&jump), Effect::Leave(&goto)],
        end: End::Effect,
    };
    assert_eq!(chains.decide(&name("a"), &Facts::default()), expected);
}

#[test]
fn marks_are_seen_by_later_rules() {
    let is = Statement::equal(Meta::Mark, Value::new().and_host_u32(0x31));
    let own = [chain(
        "a",
        vec![vec![mark(1)], vec![is, verdict(Verdict::Accept)]],
    )];
    let chains = Chains::new(&own, []);
    let end = |old: u32| {
        let mut facts = Facts::default();
        facts.set(&Expr::from(Meta::Mark), Value::new().and_host_u32(old));
        chains.decide(&name("a"), &facts).end
    };
    assert_eq!(end(0x3f), End::Accept);
    assert_eq!(end(0x4f), End::Return);
}

#[test]
fn a_translation_is_the_same_from_a_map() {
    let to = Ipv4Addr::new(10, 0, 0, 1);
    let constant = NatTarget::Ipv4 {
        addresses: (to, to),
        ports: Some((80, 80)),
    };
    let (datum, types) = constant.datum().unwrap();
    let map = Set {
        name: SetName::new("m").unwrap(),
        key: vec![DataType::Ipv4Addr],
        kind: SetKind::Map(types),
        interval: false,
        dynamic: false,
        counter: false,
        timeout: None,
        size: Some(1024),
        comment: None,
        elements: vec![Element::mapping(from(1), datum)],
    };
    let nat = |target| {
        Statement::Nat(Nat {
            kind: NatKind::Dnat,
            target,
            flags: NatFlags::default(),
        })
    };
    let looked_up = NatTarget::Map {
        family: NatFamily::Ipv4,
        key: Key::from(Payload::IpSaddr),
        map: map.name.clone(),
    };
    let first = Statement::equal(Payload::IpSaddr, from(1));
    let written = [chain("a", vec![vec![first, nat(constant)]])];
    let mapped = [chain("a", vec![vec![nat(looked_up)]])];
    let sets = [map];
    let (written, mapped) = (Chains::new(&written, []), Chains::new(&mapped, &sets));
    for last in [1, 2] {
        let (a, b) = (
            written.decide(&name("a"), &facts(last)),
            mapped.decide(&name("a"), &facts(last)),
        );
        assert_eq!(a, b);
        assert_eq!(a.end, if last == 1 { End::Effect } else { End::Return });
    }
    let range = NatTarget::Ipv4 {
        addresses: (to, Ipv4Addr::new(10, 0, 0, 2)),
        ports: None,
    };
    assert_eq!(range.datum(), None);
}

#[test]
fn keys_are_shown_as_nft_shows_them() {
    let key = Key(vec![
        Payload::IpSaddr.into(),
        Meta::L4proto.into(),
        Payload::ThDport.into(),
    ]);
    assert_eq!(
        dockfw_ir::print::key(&key),
        "ip saddr . meta l4proto . th dport"
    );
}
