//! What has no wire form does not pass the verifier.
//!
//! Every [`EncodeError::Form`] of the sources is here, with a ruleset that meets it, or with the
//! reason why none can.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test helpers")]

use std::collections::BTreeSet;
use std::path::Path;

use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy, Rule};
use dockfw_ir::expr::{Key, Meta, Payload};
use dockfw_ir::name::{ChainName, Comment, SetName, TableName};
use dockfw_ir::set::{Element, Set, SetKind};
use dockfw_ir::statement::nat::{Nat, NatFamily, NatFlags, NatKind, NatTarget};
use dockfw_ir::statement::{Mangle, Match, Operator, Queue, Statement, Test};
use dockfw_ir::table::{Family, Ruleset, Table};
use dockfw_ir::verify::{Check, verify};
use dockfw_ir::{DataType, Value};
use dockfw_netlink::Batch;
use dockfw_netlink::wire::EncodeError;

/// Those that no value of the IR's types can meet.
const IMPOSSIBLE: [(&str, &str); 3] = [
    (
        "user data of more than 256 bytes",
        "a comment has at most 128 bytes, beside two numbers at most",
    ),
    (
        "an element of more than 64 KiB",
        "two keys and a datum of at most 64 bytes each, or the name of a chain of at most 255",
    ),
    (
        "an order of host numbers of this length",
        "what an expression loads and has an order has 1, 4 or 8 bytes",
    ),
];

fn set(key: &[DataType], kind: SetKind, interval: bool) -> Set {
    Set {
        name: SetName::new("s").unwrap(),
        key: key.to_vec(),
        kind,
        interval,
        dynamic: false,
        counter: false,
        timeout: None,
        size: (!interval).then_some(16),
        comment: None,
        elements: vec![],
    }
}

/// A table with this set, and a nat chain at prerouting with a rule of one statement.
fn ruleset(set: Set, statement: Statement) -> Ruleset {
    let base = BaseChain {
        kind: ChainKind::Nat,
        hook: Hook::Prerouting,
        priority: -100,
        policy: Policy::Accept,
    };
    let chain = Chain {
        name: ChainName::new("c").unwrap(),
        base: Some(base),
        rules: vec![Rule {
            statements: vec![statement],
            comment: None,
        }],
        comment: None,
    };
    let table = Table {
        family: Family::Inet,
        name: TableName::new("t").unwrap(),
        comment: None,
        sets: vec![set],
        chains: vec![chain],
    };
    Ruleset {
        tables: vec![table],
    }
}

fn test(key: impl Into<Key>, test: Test) -> Statement {
    Statement::Match(Match {
        key: key.into(),
        test,
    })
}

fn dnat_by(map: &SetName) -> Statement {
    Statement::Nat(Nat {
        kind: NatKind::Dnat,
        flags: NatFlags::default(),
        target: NatTarget::Map {
            family: NatFamily::Ipv4,
            key: Payload::IpDaddr.into(),
            map: map.clone(),
        },
    })
}

/// Rulesets by the form that they lack, and the check that refuses them.
#[expect(clippy::too_many_lines, reason = "a list")]
fn lacking() -> Vec<(&'static str, Check, Ruleset)> {
    use DataType::{InetService, Ipv4Addr, Mark};
    let addresses = || set(&[Ipv4Addr], SetKind::Set, false);
    let name = SetName::new("s").unwrap();
    let ports = |port: u16| Value::new().and_port(port).and_host_u32(1);
    let ports_and_mark = || Key(vec![Payload::TcpDport.into(), Meta::Mark.into()]);
    let range = || Test::Range {
        negated: false,
        low: ports(1),
        high: ports(2),
    };
    let host_number = "a host-endian number in a set of ranges";
    let alone = |mark| {
        let value = Value::new().and_host_u32(mark);
        Element::member(value.clone()).until(value)
    };
    let with_statement = |statement| ruleset(addresses(), statement);
    vec![
        (
            host_number,
            Check::SetInterval,
            ruleset(
                set(&[InetService, Mark], SetKind::Set, true),
                Statement::in_set(ports_and_mark(), &name),
            ),
        ),
        (
            host_number,
            Check::OneOf,
            with_statement(test(
                ports_and_mark(),
                Test::OneOf {
                    negated: false,
                    elements: vec![Element::member(ports(1)).until(ports(2))],
                },
            )),
        ),
        (
            host_number,
            Check::OneOf,
            with_statement(test(
                Meta::Mark,
                Test::OneOf {
                    negated: false,
                    elements: vec![alone(1), alone(2)],
                },
            )),
        ),
        (
            "an address from a set that is not a data map",
            Check::SetReference,
            with_statement(dnat_by(&name)),
        ),
        (
            "this map data as a nat target",
            Check::NatMap,
            ruleset(
                set(&[Ipv4Addr], SetKind::Map(vec![InetService]), false),
                dnat_by(&name),
            ),
        ),
        (
            "a field of bits in a key",
            Check::Compare,
            ruleset(
                set(&[Ipv4Addr, DataType::Dscp], SetKind::Set, false),
                Statement::in_set(
                    Key(vec![Payload::IpDaddr.into(), Payload::IpDscp.into()]),
                    &name,
                ),
            ),
        ),
        (
            "anything but equality of a field of bits",
            Check::Compare,
            with_statement(test(
                Payload::IpDscp,
                Test::Compare {
                    mask: None,
                    operator: Operator::Less,
                    value: Value::new().and_u8(1),
                },
            )),
        ),
        (
            "an order of masked values",
            Check::Compare,
            with_statement(test(
                Meta::Mark,
                Test::Compare {
                    mask: Some(Value::new().and_host_u32(1)),
                    operator: Operator::Less,
                    value: Value::new().and_host_u32(1),
                },
            )),
        ),
        (
            "a range of a concatenation",
            Check::Key,
            with_statement(test(ports_and_mark(), range())),
        ),
        (
            "setting this field",
            Check::Mangle,
            with_statement(Statement::Mangle(Mangle::Field {
                field: Payload::TcpDport,
                value: 1,
            })),
        ),
        (
            "this range of queues",
            Check::Divert,
            with_statement(queue((2, 1))),
        ),
        (
            "this range of queues",
            Check::Divert,
            with_statement(queue((0, u16::MAX))),
        ),
    ]
}

fn queue(queues: (u16, u16)) -> Statement {
    Statement::Queue(Queue {
        queues,
        bypass: false,
        fanout: false,
    })
}

#[test]
fn the_verifier_refuses_what_has_no_wire_form() {
    for (form, check, ruleset) in lacking() {
        match Batch::replace_unverified(&ruleset) {
            Err(EncodeError::Form { what }) => assert_eq!(what, form),
            other => panic!("{form}: {other:?}"),
        }
        let refused = verify(ruleset).unwrap_err();
        let mut checks = refused.violations.iter().map(|of| of.check);
        assert!(checks.any(|of| of == check), "{form}: {refused}");
    }
}

/// A new one needs a case above.
#[test]
fn every_form_of_the_sources_is_known() {
    let mut found = BTreeSet::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    let known = lacking()
        .into_iter()
        .map(|(form, _, _)| form)
        .chain(IMPOSSIBLE.map(|(form, _)| form));
    let known: BTreeSet<String> = known.map(str::to_owned).collect();
    assert_eq!(found, known);
}

/// The texts of all `EncodeError::Form { what: "…" }` below a folder.
fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for form in text.split("EncodeError::Form {").skip(1) {
            let what = form.trim_start().strip_prefix("what: \"");
            let what = what.unwrap_or_else(|| panic!("{}: {form:.40}", path.display()));
            found.insert(what.split('"').next().unwrap().to_owned());
        }
    }
}

/// The longest user data: two byte orders and a comment.
#[test]
fn the_longest_comment_fits() {
    let longest = Comment::new(&"x".repeat(Comment::MAX)).unwrap();
    let map = SetKind::Map(vec![DataType::Ipv4Addr]);
    let mut map = set(&[DataType::Ipv4Addr], map, false);
    map.comment = Some(longest.clone());
    let element = Element::mapping(
        Value::new().and_ipv4([192, 0, 2, 1].into()),
        Value::new().and_ipv4([192, 0, 2, 2].into()),
    );
    map.elements = vec![element.with_comment(Some(longest.clone()))];
    let name = map.name.clone();
    let mut ruleset = ruleset(map, dnat_by(&name));
    ruleset.tables[0].comment = Some(longest.clone());
    ruleset.tables[0].chains[0].comment = Some(longest.clone());
    ruleset.tables[0].chains[0].rules[0].comment = Some(longest);
    Batch::replace(&verify(ruleset).unwrap()).unwrap();
}
