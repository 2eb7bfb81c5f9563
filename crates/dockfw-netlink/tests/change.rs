//! Changes against the kernel, each test in a network namespace of its own.
//!
//! That changes end where a replacement ends is tested for random pairs of rulesets in
//! `dockfw-testkit`; here are the parts of it that such pairs do not reach, and refusals.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "test helpers"
)]

#[path = "change/alone.rs"]
mod alone;
#[path = "change/elements.rs"]
mod elements;
#[expect(clippy::allow_attributes, reason = "not all of it is used here")]
#[allow(dead_code, reason = "shared with the tests of replacements")]
#[path = "netns/lab.rs"]
mod lab;
#[path = "change/refusals.rs"]
mod refusals;
#[path = "change/rules.rs"]
mod rules;

use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy, Rule};
use dockfw_ir::diff::{self, RulesetChanges};
use dockfw_ir::expr::Payload;
use dockfw_ir::name::{ChainName, Comment, SetName, TableName};
use dockfw_ir::set::{Element, Set, SetKind};
use dockfw_ir::statement::{Statement, Verdict};
use dockfw_ir::table::{Family, Ruleset, Table};
use dockfw_ir::value::{DataType, Value};
use dockfw_ir::{Verified, verify};
use dockfw_netlink::{Batch, CommitError, Committed, Executor, Expect, RuleHandles};

/// A table `inet t`.
fn table(sets: Vec<Set>, chains: Vec<Chain>) -> Verified {
    let table = Table {
        family: Family::Inet,
        name: TableName::new("t").unwrap(),
        comment: None,
        sets,
        chains,
    };
    verify::verify(Ruleset {
        tables: vec![table],
    })
    .unwrap()
}

fn chain(name: &str, rules: Vec<Rule>) -> Chain {
    Chain {
        name: ChainName::new(name).unwrap(),
        base: None,
        rules,
        comment: None,
    }
}

fn base(name: &str, priority: i32, rules: Vec<Rule>) -> Chain {
    let base = BaseChain {
        kind: ChainKind::Filter,
        hook: Hook::Output,
        priority,
        policy: Policy::Accept,
    };
    Chain {
        base: Some(base),
        ..chain(name, rules)
    }
}

fn rule(statements: Vec<Statement>, comment: &str) -> Rule {
    Rule {
        statements,
        comment: Comment::lossy(comment),
    }
}

/// Counts, so that nothing is decided.
fn counter(comment: &str) -> Rule {
    rule(vec![Statement::Counter], comment)
}

fn set_name() -> SetName {
    SetName::new("s").unwrap()
}

/// A set of these elements, with room for `size`; without, one of ranges.
fn addresses(size: Option<u32>, elements: Vec<Element>) -> Set {
    Set {
        name: set_name(),
        key: vec![DataType::Ipv4Addr],
        kind: SetKind::Set,
        interval: size.is_none(),
        dynamic: false,
        counter: false,
        timeout: None,
        size,
        comment: None,
        elements,
    }
}

fn address(number: u32) -> Value {
    Value::new().and_ipv4((0x0a00_0000 + number).into())
}

fn members(range: std::ops::Range<u32>) -> Vec<Element> {
    range.map(|i| Element::member(address(i))).collect()
}

fn looks() -> Rule {
    let verdict = Statement::Verdict(Verdict::Return);
    rule(
        vec![
            Statement::in_set(Payload::IpSaddr, &set_name()),
            Statement::Counter,
            verdict,
        ],
        "looks",
    )
}

/// The handles of the rules of `inet t`, as nft(8) lists them.
fn handles(ruleset: &Verified) -> RuleHandles {
    let listed = lab::nft(&["-a", "-t", "list", "table", "inet", "t"]);
    let mut handles = RuleHandles::new();
    let of = &ruleset.tables[0];
    let mut chain: Option<(ChainName, Vec<u64>)> = None;
    for line in listed.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            ["chain", name, "{", ..] => chain = Some((ChainName::new(name).unwrap(), Vec::new())),
            ["}"] => {
                if let Some((name, rules)) = chain.take() {
                    handles.insert(of, &name, rules);
                }
            }
            [.., "#", "handle", number] => {
                if let Some((_, rules)) = &mut chain {
                    rules.push(number.parse().unwrap());
                }
            }
            _ => {}
        }
    }
    handles
}

/// Loads a ruleset.
fn load(executor: &mut Executor, ruleset: &Verified) -> Committed {
    let batch = Batch::replace(ruleset).unwrap();
    executor.commit(&batch, Expect::Any).unwrap()
}

fn commit(
    executor: &mut Executor,
    changes: &RulesetChanges<'_>,
    handles: &RuleHandles,
) -> Result<Committed, CommitError> {
    let batch = Batch::change(changes, handles).unwrap();
    let generation = executor.generation().unwrap();
    executor.commit(&batch, Expect::Generation(generation))
}

/// Changes what is loaded from one ruleset to the other.
fn change(executor: &mut Executor, from: &Verified, to: &Verified) -> Committed {
    let changes = diff::rulesets(&from.tables, to);
    commit(executor, &changes, &handles(from)).unwrap()
}

/// Loads `from`, changes it to `to`, and compares the listing with that of `to` alone.
fn ends_like_a_replacement(from: &Verified, to: &Verified) {
    let changed = lab::in_namespace(|| {
        let mut executor = Executor::open().unwrap();
        load(&mut executor, from);
        change(&mut executor, from, to);
        lab::list()
    });
    let alone = lab::in_namespace(|| {
        load(&mut Executor::open().unwrap(), to);
        lab::list()
    });
    assert_eq!(parts(&changed), parts(&alone));
}

/// Sets and chains of a listing of `inet t`, and the elements of each set, in an order of their own:
/// nft(8) lists what was made anew last, and elements of concatenations as they come.
fn parts(listing: &str) -> Vec<Vec<&str>> {
    let brace = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',');
    let inside = listing.trim_start_matches("table inet t {");
    let mut parts: Vec<Vec<&str>> = inside
        .split("\n\n")
        .map(|part| {
            let part = part.trim_matches(brace);
            let (head, elements) = part.split_once("elements = {").unwrap_or((part, ""));
            let mut elements: Vec<_> = elements
                .split(',')
                .map(|one| one.trim_matches(brace))
                .collect();
            elements.sort_unstable();
            [vec![head.trim()], elements].concat()
        })
        .collect();
    parts.sort_unstable();
    parts
}
