//! Base chains of one hook and priority: which of them runs first after a replacement.
//!
//! Of two such chains the kernel runs the one first that was made last, which is the later one in
//! the ruleset. One of ours marks what the host sends and the other drops what is marked, so that
//! a datagram tells their order.
#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::net::UdpSocket;
use std::process::Command;

use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy, Rule};
use dockfw_ir::expr::{Ct, Meta, ct};
use dockfw_ir::name::ChainName;
use dockfw_ir::statement::{
    MarkSource, MarkTarget, Match, Operator, SetMark, Statement, Test, Verdict,
};
use dockfw_ir::table::{Family, Ruleset, Table};
use dockfw_ir::value::Value;
use dockfw_netlink::{Batch, Executor, Expect, RuleHandles};

use super::lab::in_namespace;
use super::{commit, table_name};

fn chain(name: &str, priority: i32, statements: Vec<Statement>) -> Chain {
    let base = BaseChain {
        kind: ChainKind::Filter,
        hook: Hook::Output,
        priority,
        policy: Policy::Accept,
    };
    Chain {
        name: ChainName::new(name).unwrap(),
        base: Some(base),
        rules: vec![Rule {
            statements,
            comment: None,
        }],
        comment: None,
    }
}

/// Marks what is sent.
fn marks() -> Chain {
    let mark = SetMark {
        target: MarkTarget::Packet,
        source: MarkSource::Packet,
        keep: 0,
        value: 1,
    };
    chain("marks", 0, vec![Statement::SetMark(mark)])
}

/// Drops what is marked.
fn drops() -> Chain {
    let marked = Statement::Match(Match {
        key: Meta::Mark.into(),
        test: Test::Compare {
            mask: None,
            operator: Operator::Equal,
            value: Value::new().and_host_u32(1),
        },
    });
    chain("drops", 0, vec![marked, Statement::Verdict(Verdict::Drop)])
}

fn counts(name: &str, priority: i32) -> Chain {
    chain(name, priority, vec![Statement::Counter])
}

fn table(family: Family, chains: Vec<Chain>) -> Table {
    Table {
        family,
        name: table_name("dockfw"),
        comment: None,
        sets: vec![],
        chains,
    }
}

fn inet(chains: Vec<Chain>) -> Ruleset {
    Ruleset {
        tables: vec![table(Family::Inet, chains)],
    }
}

/// Whether the host can send, that is, whether the mark comes behind the drop.
fn sends() -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"x", "127.0.0.1:9").is_ok()
}

/// Commits rulesets one after the other, and says of each whether the host can send, and whether
/// the table was kept.
fn after(rulesets: &[Ruleset], kept: Family) -> Vec<(bool, bool)> {
    in_namespace(|| {
        let up = Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status();
        assert!(up.unwrap().success());
        let mut executor = Executor::open().unwrap();
        let mut last = None;
        let each = rulesets.iter().map(|ruleset| {
            commit(&mut executor, ruleset);
            let table = executor.table(kept, &table_name("dockfw")).unwrap();
            let handle = table.map(|table| table.handle);
            let same = handle == last;
            last = handle;
            (sends(), same)
        });
        each.collect()
    })
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn of_one_priority_the_later_chain_runs_first() {
    // Each alone, so that nothing is kept.
    for (chains, sent) in [
        (vec![marks(), drops()], true),
        (vec![drops(), marks()], false),
    ] {
        assert_eq!(after(&[inet(chains)], Family::Inet), [(sent, false)]);
    }
}

/// As a nat chain, for new flows: a rule that asks for the flow makes the kernel track it.
fn nat(mut chain: Chain) -> Chain {
    if let Some(base) = &mut chain.base {
        (base.kind, base.priority) = (ChainKind::Nat, -100);
    }
    let new = Value::new().and_host_u32(ct::state::NEW);
    let is_new = Statement::Match(Match {
        key: Ct::State.into(),
        test: Test::Compare {
            mask: None,
            operator: Operator::Equal,
            value: new,
        },
    });
    for rule in &mut chain.rules {
        rule.statements.insert(0, is_new.clone());
    }
    chain
}

/// The kernel asks nat chains in a list of their own.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn nat_chains_have_an_order_among_themselves() {
    let in_front = |counts: Chain| Chain {
        base: nat(marks()).base,
        ..counts
    };
    let found = after(
        &[
            inet(vec![nat(marks()), nat(drops())]),
            inet(vec![nat(drops()), nat(marks())]),
            inet(vec![nat(drops()), nat(marks()), counts("behind", 0)]),
            inet(vec![
                in_front(counts("front", 0)),
                nat(drops()),
                nat(marks()),
            ]),
        ],
        Family::Inet,
    );
    let expected = [(true, false), (false, false), (false, true), (false, false)];
    assert_eq!(found, expected);
    // A filter chain has no order among nat chains of its priority.
    let found = after(
        &[
            inet(vec![nat(marks())]),
            inet(vec![counts("front", -100), nat(marks())]),
        ],
        Family::Inet,
    );
    assert_eq!(found, [(true, false), (true, true)]);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_replacement_ends_in_the_order_of_the_new_ruleset() {
    let found = after(
        &[
            inet(vec![marks(), drops()]),
            // Swapped.
            inet(vec![drops(), marks()]),
            inet(vec![marks(), drops()]),
            // The same again, and with chains behind and elsewhere: nothing need go.
            inet(vec![marks(), drops()]),
            inet(vec![
                counts("early", -10),
                marks(),
                drops(),
                counts("behind", 0),
            ]),
            // What is elsewhere has no order among these.
            inet(vec![
                marks(),
                drops(),
                counts("behind", 0),
                counts("early", -10),
            ]),
        ],
        Family::Inet,
    );
    let expected = [
        (true, false),
        (false, false),
        (true, false),
        (true, true),
        (true, true),
        (true, true),
    ];
    assert_eq!(found, expected);
}

/// The chain that stays was made before the one that is new.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_chain_in_front_of_one_that_is_there_comes_in_front() {
    for (before, both, sent) in [
        (drops(), vec![marks(), drops()], true),
        (marks(), vec![drops(), marks()], false),
    ] {
        let found = after(&[inet(vec![before]), inet(both)], Family::Inet);
        assert_eq!(found, [(true, false), (sent, false)]);
    }
}

/// Packets of IPv4 meet the chains of both tables.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn tables_of_one_replacement_keep_their_order_too() {
    let two = |inet: Chain, ip: Chain| {
        let inet = table(Family::Inet, vec![inet]);
        let ip = table(Family::Ip, vec![ip]);
        [inet, ip]
    };
    let [inet_marks, ip_drops] = two(marks(), drops());
    let of = |tables: &[&Table]| Ruleset {
        tables: tables.iter().copied().cloned().collect(),
    };
    let found = after(
        &[
            of(&[&inet_marks, &ip_drops]),
            of(&[&inet_marks, &ip_drops]),
            of(&[&ip_drops, &inet_marks]),
            of(&[&inet_marks, &ip_drops]),
        ],
        Family::Ip,
    );
    let expected = [(true, false), (true, true), (false, false), (true, false)];
    assert_eq!(found, expected);
    // Only the later one is there.
    let found = after(
        &[of(&[&ip_drops]), of(&[&inet_marks, &ip_drops])],
        Family::Ip,
    );
    assert_eq!(found, [(true, false), (true, false)]);
}

/// A change ends in the order of a replacement, also where another table comes in front.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_table_that_comes_in_front_of_one_that_stays_runs_behind_it() {
    let ip = || table(Family::Ip, vec![drops()]);
    let both = Ruleset {
        tables: vec![table(Family::Inet, vec![marks()]), ip()],
    };
    let replaced = after(std::slice::from_ref(&both), Family::Inet);
    assert_eq!(replaced, [(true, false)]);
    in_namespace(|| {
        let up = Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status();
        assert!(up.unwrap().success());
        let mut executor = Executor::open().unwrap();
        commit(&mut executor, &Ruleset { tables: vec![ip()] });
        let name = table_name("dockfw");
        let read = executor.read([(Family::Ip, &name)]).unwrap();
        let from: Vec<Table> = read.tables.iter().map(|of| of.table.clone()).collect();
        let to = super::verified(both.clone());
        let changes = dockfw_ir::diff::rulesets(&from, &to);
        let mut handles = RuleHandles::new();
        for of in &read.tables {
            for (chain, rules) in &of.rules {
                let numbers = rules.iter().map(|rule| rule.handle).collect();
                handles.insert(&of.table, chain, numbers);
            }
        }
        let batch = Batch::change(&changes, &handles).unwrap();
        let expect = Expect::Generation(read.generation);
        executor.commit(&batch, expect).unwrap();
        assert!(sends());
    });
}
