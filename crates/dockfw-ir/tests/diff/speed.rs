//! Large tables: time, and that repeated rules need no more memory than a bound.
#![expect(
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "this measures time"
)]

use std::time::Instant;

use dockfw_ir::chain::{Chain, Rule};
use dockfw_ir::diff::diff;
use dockfw_ir::name::{ChainName, Comment, SetName, TableName};
use dockfw_ir::set::{Element, Set, SetKind};
use dockfw_ir::statement::{Statement, Verdict};
use dockfw_ir::table::{Family, Table};
use dockfw_ir::value::{DataType, Value};

use crate::model::{apply, sorted};

fn table(elements: u32, rules: impl Iterator<Item = u32>) -> Table {
    let elements = (0..elements).map(|i| {
        let [_, _, high, low] = i.to_be_bytes();
        let key = Value::new()
            .and_u8(6)
            .and_port(u16::from_be_bytes([high, low]));
        Element::mapping(
            key,
            Value::new().and_ipv4((0xac12_0000 + i).into()).and_port(80),
        )
    });
    let rules = rules.map(|i| Rule {
        statements: vec![Statement::Counter, Statement::Verdict(Verdict::Accept)],
        comment: Comment::lossy(&i.to_string()),
    });
    Table {
        family: Family::Inet,
        name: TableName::new("t").unwrap(),
        comment: None,
        sets: vec![Set {
            name: SetName::new("host-ports4").unwrap(),
            key: vec![DataType::InetProto, DataType::InetService],
            kind: SetKind::Map(vec![DataType::Ipv4Addr, DataType::InetService]),
            interval: false,
            dynamic: false,
            counter: false,
            timeout: None,
            size: Some(131_072),
            comment: None,
            elements: elements.collect(),
        }],
        chains: vec![Chain {
            name: ChainName::new("c").unwrap(),
            base: None,
            rules: rules.collect(),
            comment: None,
        }],
    }
}

/// Ten thousand copies of one rule would be a hundred million pairs.
#[test]
fn copies_do_not_multiply() {
    let old = table(0, (0..10_000).map(|i| u32::from(i == 5000)));
    let new = table(0, (0..9_999).map(|i| u32::from(i == 2000) * 2));
    let started = Instant::now();
    let changes = diff(&old, &new);
    let took = started.elapsed();
    assert_eq!(sorted(&apply(&changes)), sorted(&new));
    let counts = changes.counts();
    assert!(
        counts.rules_removed + counts.rules_replaced < 5000,
        "{counts:?}"
    );
    assert!(took.as_secs() < 10, "{took:?}");
}

#[test]
#[ignore = "measures time: cargo test --release -p dockfw-ir --test diff -- --ignored --nocapture"]
fn time() {
    for count in [10_000, 60_000] {
        let old = table(count, 0..0);
        let mut new = table(count + 32, 0..0);
        let started = Instant::now();
        let changes = diff(&old, &new);
        let took = started.elapsed();
        assert_eq!(changes.counts().elements_added, 32);
        println!("{count} elements, 32 added: {took:?}");
        new.sets[0].elements.reverse();
        let started = Instant::now();
        assert_eq!(diff(&old, &new).counts().elements_added, 32);
        println!(
            "{count} elements, 32 added, in another order: {:?}",
            started.elapsed()
        );
        let all = table(count, 0..0);
        let mut other = table(count, 0..0);
        for element in &mut other.sets[0].elements {
            element.key = element.key.clone().and_u8(0);
        }
        let started = Instant::now();
        assert_eq!(
            diff(&all, &other).counts().elements_added,
            usize::try_from(count).unwrap()
        );
        println!("{count} elements, all others: {:?}", started.elapsed());
    }
    for count in [2_000, 10_000] {
        let old = table(0, 0..count);
        let one = table(0, (0..count).filter(|i| *i != count / 2));
        let started = Instant::now();
        assert_eq!(diff(&old, &one).counts().rules_removed, 1);
        println!("{count} rules, one gone: {:?}", started.elapsed());
        let many = table(0, (0..count).filter(|i| i % 7 != 0).chain(0..10));
        let started = Instant::now();
        let _ = diff(&old, &many);
        println!("{count} rules, a seventh gone: {:?}", started.elapsed());
        let none = table(0, count..2 * count);
        let started = Instant::now();
        let _ = diff(&old, &none);
        println!("{count} rules, all others: {:?}", started.elapsed());
    }
}
