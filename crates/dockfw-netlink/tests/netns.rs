//! The executor against the kernel, each test in a network namespace of its own.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers")]

#[path = "netns/lab.rs"]
mod lab;
#[path = "netns/neighbours.rs"]
mod neighbours;
#[path = "netns/order.rs"]
mod order;
#[path = "netns/outcomes.rs"]
mod outcomes;
#[expect(
    clippy::allow_attributes,
    reason = "whose lints these are differs by who includes it"
)]
#[allow(clippy::pedantic, reason = "a list of samples, linted where it lives")]
#[path = "../../dockfw-ir/tests/samples/mod.rs"]
mod samples;

use dockfw_ir::name::{SetName, TableName};
use dockfw_ir::set::{Element, Set, SetKind};
use dockfw_ir::table::{Family, Ruleset, Table};
use dockfw_ir::value::{DataType, Value};
use dockfw_ir::{Verified, verify};
use dockfw_netlink::{Batch, Executor, Expect};
use lab::{in_namespace, list, nft_try_load};

fn verified(ruleset: Ruleset) -> Verified {
    verify::verify(ruleset).unwrap()
}

fn table_name(name: &str) -> TableName {
    TableName::new(name).unwrap()
}

/// A table with a base chain that forwards nothing but what a chain of its own accepts.
fn forwarding(name: &str) -> Ruleset {
    use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy, Rule};
    use dockfw_ir::name::ChainName;
    use dockfw_ir::statement::{Statement, Verdict};
    let chain = |name: &str, base, statement| Chain {
        name: ChainName::new(name).unwrap(),
        base,
        rules: vec![Rule {
            statements: vec![statement],
            comment: None,
        }],
        comment: None,
    };
    let base = BaseChain {
        kind: ChainKind::Filter,
        hook: Hook::Forward,
        priority: 0,
        policy: Policy::Drop,
    };
    let inner = ChainName::new("inner").unwrap();
    let mut ruleset = ports(name, 3);
    ruleset.tables[0].chains = vec![
        chain("inner", None, Statement::Verdict(Verdict::Accept)),
        chain(
            "forward",
            Some(base),
            Statement::Verdict(Verdict::Jump(inner)),
        ),
    ];
    ruleset
}

/// A table with a set of `count` addresses with protocol and port.
fn ports(name: &str, count: u32) -> Ruleset {
    let elements = (0..count)
        .map(|i| {
            let address = std::net::Ipv4Addr::from(0xac12_0000 + i / 60_000);
            let port = u16::try_from(i % 60_000 + 1).unwrap();
            Element::member(Value::new().and_ipv4(address).and_u8(6).and_port(port))
        })
        .collect();
    let set = Set {
        name: SetName::new("published4").unwrap(),
        key: vec![
            DataType::Ipv4Addr,
            DataType::InetProto,
            DataType::InetService,
        ],
        kind: SetKind::Set,
        interval: false,
        dynamic: false,
        counter: false,
        timeout: None,
        size: Some((2 * count).next_power_of_two().max(1024)),
        comment: None,
        elements,
    };
    let table = Table {
        family: Family::Inet,
        name: table_name(name),
        comment: None,
        sets: vec![set],
        chains: vec![],
    };
    Ruleset {
        tables: vec![table],
    }
}

/// A batch of a ruleset that the verifier would refuse.
fn unverified(ruleset: &Ruleset) -> Batch {
    Batch::replace_unverified(ruleset).unwrap()
}

fn commit(executor: &mut Executor, ruleset: &Ruleset) {
    let batch = Batch::replace(&verified(ruleset.clone())).unwrap();
    executor.commit(&batch, Expect::Any).unwrap();
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn every_sample_lists_like_the_text_of_it() {
    let mut different = Vec::new();
    for (name, ruleset) in samples::samples() {
        let text = dockfw_ir::print::nft(&ruleset);
        let expected = in_namespace(|| nft_try_load(&text).map_or_else(|error| error, |()| list()));
        let found = in_namespace(|| {
            let batch = Batch::replace(&verified(ruleset)).unwrap();
            match Executor::open().unwrap().commit(&batch, Expect::Any) {
                Ok(_) => list(),
                Err(error) => format!("{error}"),
            }
        });
        // The text needs a match of all protocols where the wire form needs none (`print`).
        let expected = expected.replace("meta l4proto { 0-255 } ", "");
        // After that match nft 1.0.6 leaves the test for UDP out, which the wire form has.
        let expected =
            expected.replace("[invalid type] th dport 53", "[invalid type] udp dport 53");
        if expected != found {
            different.push(format!("== {name}\n{}", difference(&expected, &found)));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

fn difference(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let missing = expected
        .iter()
        .filter(|line| !found.contains(line))
        .map(|line| format!("-{line}"));
    let extra = found
        .iter()
        .filter(|line| !expected.contains(line))
        .map(|line| format!("+{line}"));
    missing.chain(extra).collect::<Vec<_>>().join("\n")
}
