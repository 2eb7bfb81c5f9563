//! Single cases: what is changed in place, what is made anew, and what goes with it.

use std::time::Duration;

use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy, Rule};
use dockfw_ir::diff::{self, ChainChange, RuleEdit, SetChange, Swap, TableChange, diff};
use dockfw_ir::expr::Payload;
use dockfw_ir::name::{ChainName, Comment, SetName, TableName};
use dockfw_ir::set::{Element, ElementExtra, Set, SetKind};
use dockfw_ir::statement::{Statement, Verdict};
use dockfw_ir::table::{Family, Ruleset, Table};
use dockfw_ir::value::{DataType, Value};
use dockfw_ir::verify::verify;

use crate::model::{apply, names_set, sorted};

fn name(text: &str) -> ChainName {
    ChainName::new(text).unwrap()
}

fn rule(statement: Statement) -> Rule {
    Rule {
        statements: vec![statement],
        comment: None,
    }
}

fn accept(comment: &str) -> Rule {
    Rule {
        comment: Comment::lossy(comment),
        ..rule(Statement::Verdict(Verdict::Accept))
    }
}

fn chain(text: &str, rules: Vec<Rule>) -> Chain {
    Chain {
        name: name(text),
        base: None,
        rules,
        comment: None,
    }
}

fn base(text: &str, priority: i32) -> Chain {
    let base = BaseChain {
        kind: ChainKind::Filter,
        hook: Hook::Forward,
        priority,
        policy: Policy::Accept,
    };
    Chain {
        base: Some(base),
        ..chain(text, vec![])
    }
}

fn addresses(count: u32, size: u32) -> Set {
    Set {
        name: SetName::new("s").unwrap(),
        key: vec![DataType::Ipv4Addr],
        kind: SetKind::Set,
        interval: false,
        dynamic: false,
        counter: false,
        timeout: None,
        size: Some(size),
        comment: None,
        elements: (0..count)
            .map(|i| Element::member(Value::new().and_ipv4(i.into())))
            .collect(),
    }
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

#[test]
fn a_policy_changes_in_place_and_a_priority_does_not() {
    let from = table(vec![], vec![base("f", 0)]);
    let mut to = from.clone();
    to.chains[0].base.as_mut().unwrap().policy = Policy::Drop;
    let changed = ChainChange::Changed {
        from: 0,
        to: 0,
        policy: true,
        rules: vec![],
    };
    assert_eq!(diff(&from, &to).chains, [changed]);
    to.chains[0].base.as_mut().unwrap().priority = 1;
    assert_eq!(
        diff(&from, &to).chains,
        [ChainChange::Replaced { from: 0, to: 0 }]
    );
}

/// The kernel runs base chains of the same place in the order in which they were made.
#[test]
fn the_order_of_base_chains_of_one_place_is_kept() {
    let from = table(vec![], vec![base("a", 0), base("b", 0), base("x", 7)]);
    let to = table(
        vec![],
        vec![base("x", 7), base("a", 0), base("new", 0), base("b", 0)],
    );
    let changes = diff(&from, &to);
    assert_eq!(
        changes.chains,
        [
            ChainChange::Added { to: 2 },
            ChainChange::Replaced { from: 1, to: 3 }
        ]
    );
    let swapped = table(vec![], vec![base("b", 0), base("a", 0), base("x", 7)]);
    assert_eq!(
        diff(&from, &swapped).chains,
        [ChainChange::Replaced { from: 0, to: 1 }]
    );
}

#[test]
fn the_comment_of_a_table_replaces_it() {
    let from = table(vec![], vec![base("f", 0)]);
    let to = Table {
        comment: Comment::lossy("new"),
        ..from.clone()
    };
    let changes = diff(&from, &to);
    assert!(changes.replace && !changes.is_empty() && changes.chains.is_empty());
}

#[test]
fn sizes_swap_when_the_elements_have_no_room() {
    let sized = |count, size| table(vec![addresses(count, size)], vec![]);
    // Larger and smaller than wanted, with room.
    assert!(diff(&sized(10, 1024), &sized(10, 2048)).is_empty());
    assert!(diff(&sized(10, 131_072), &sized(10, 1024)).is_empty());
    let small = sized(10, 16);
    let full = sized(16, 1024);
    assert!(matches!(
        diff(&small, &full).sets[..],
        [SetChange::Changed { .. }]
    ));
    let more = sized(17, 1024);
    let swap = SetChange::Swapped {
        from: 0,
        to: 0,
        why: Swap::Size,
    };
    assert_eq!(diff(&small, &more).sets, [swap]);
}

/// Swapping a set makes the rules that name it again, in their places, and no others.
#[test]
fn a_swap_makes_the_rules_that_name_the_set_again() {
    let set = SetName::new("s").unwrap();
    let looks = || rule(Statement::in_set(Payload::IpSaddr, &set));
    let rules = vec![accept("1"), looks(), accept("2"), looks()];
    let from = table(
        vec![addresses(4, 4)],
        vec![chain("c", rules.clone()), chain("d", vec![accept("3")])],
    );
    let mut to = from.clone();
    to.sets = vec![addresses(5, 16)];
    let changes = diff(&from, &to);
    let edits = vec![
        RuleEdit::Remake {
            from: 1,
            to: 1,
            before: Some(2),
        },
        RuleEdit::Remake {
            from: 3,
            to: 3,
            before: None,
        },
    ];
    assert_eq!(
        changes.chains,
        [ChainChange::Changed {
            from: 0,
            to: 0,
            policy: false,
            rules: edits
        }]
    );
    assert_eq!(changes.counts().rules_remade, 2);
    assert_eq!(sorted(&apply(&changes)), sorted(&to));
    assert!(names_set(&rules[1], "s"));
}

/// A chain with another comment is made anew; verdicts of maps and rules that lead there too.
#[test]
fn replacing_a_chain_makes_what_leads_to_it_again() {
    let map = SetName::new("v").unwrap();
    let element = |key: u32, to: &str| {
        Element::verdict(Value::new().and_ipv4(key.into()), Verdict::Jump(name(to)))
    };
    let dispatch = Set {
        name: map.clone(),
        kind: SetKind::VerdictMap,
        elements: vec![element(1, "c"), element(2, "d")],
        ..addresses(0, 16)
    };
    let caller = chain(
        "caller",
        vec![
            rule(Statement::Verdict(Verdict::Jump(name("c")))),
            rule(Statement::Verdict(Verdict::Jump(name("d")))),
            rule(Statement::vmap(Payload::IpSaddr, &map)),
        ],
    );
    let from = table(
        vec![dispatch],
        vec![chain("c", vec![]), chain("d", vec![]), caller],
    );
    let mut to = from.clone();
    to.chains[0].comment = Comment::lossy("renamed");
    let changes = diff(&from, &to);
    assert_eq!(sorted(&apply(&changes)), sorted(&to));
    let counts = changes.counts();
    assert_eq!(
        (
            counts.chains_replaced,
            counts.rules_remade,
            counts.elements_changed
        ),
        (1, 1, 1)
    );
}

/// A rule that is inserted goes behind one that is replaced only if it belongs there.
#[test]
fn what_is_made_again_keeps_its_place_before_what_changes() {
    let set = SetName::new("s").unwrap();
    let looks = || rule(Statement::in_set(Payload::IpSaddr, &set));
    let from = table(
        vec![addresses(4, 4)],
        vec![chain("c", vec![looks(), accept("old"), accept("end")])],
    );
    let to = table(
        vec![addresses(5, 16)],
        vec![chain("c", vec![looks(), accept("new"), accept("end")])],
    );
    assert_eq!(sorted(&apply(&diff(&from, &to))), sorted(&to));
}

#[test]
fn what_packets_put_into_dynamic_sets_stays() {
    let dynamic = |count| Set {
        dynamic: true,
        timeout: Some(Duration::from_secs(60)),
        ..addresses(count, 64)
    };
    let from = table(vec![dynamic(9)], vec![]);
    assert!(diff(&from, &table(vec![dynamic(0)], vec![])).is_empty());
    // Of a dynamic set the size is what counts.
    let larger = Set {
        size: Some(128),
        ..dynamic(0)
    };
    assert!(!diff(&from, &table(vec![larger], vec![])).is_empty());
}

#[test]
fn a_set_that_begins_to_count_is_another() {
    let counting = |counter| {
        table(
            vec![Set {
                counter,
                ..addresses(3, 64)
            }],
            vec![],
        )
    };
    for (from, to) in [(false, true), (true, false)] {
        let (from, to) = (counting(from), counting(to));
        assert_eq!(diff(&from, &to).counts().sets_swapped, 1);
    }
    // Elements that stay are not touched, and go on counting.
    let more = table(
        vec![Set {
            counter: true,
            ..addresses(4, 64)
        }],
        vec![],
    );
    let from = counting(true);
    let changes = diff(&from, &more);
    let counts = changes.counts();
    assert_eq!((counts.sets_swapped, counts.elements_added), (0, 1));
    assert_eq!((counts.elements_removed, counts.elements_changed), (0, 0));
}

#[test]
fn lifetimes_are_compared_in_ticks() {
    let timed = |ms| {
        let mut set = Set {
            timeout: Some(Duration::from_secs(60)),
            ..addresses(1, 16)
        };
        let timeout = Some(Duration::from_millis(ms));
        set.elements[0].extra = Some(Box::new(ElementExtra {
            timeout,
            comment: None,
        }));
        table(vec![set], vec![])
    };
    assert!(diff(&timed(1001), &timed(1004)).is_empty());
    assert_eq!(
        diff(&timed(1000), &timed(2000)).counts().elements_changed,
        1
    );
}

/// What the IR has no words for is never what is wanted.
#[test]
fn a_rule_without_statements_is_equal_to_none() {
    let unreadable = Rule {
        statements: vec![],
        comment: None,
    };
    let from = table(vec![], vec![chain("c", vec![unreadable, accept("1")])]);
    let to = table(vec![], vec![chain("c", vec![accept("1")])]);
    assert_eq!(diff(&from, &to).counts().rules_removed, 1);
    assert_eq!(diff(&from, &from.clone()).counts().rules_replaced, 1);
}

#[test]
fn tables_come_and_go() {
    // At different places, so that none comes in front of another.
    let named = |text: &str| Table {
        name: TableName::new(text).unwrap(),
        ..table(vec![], vec![base("f", i32::try_from(text.len()).unwrap())])
    };
    let from = [named("gone"), named("same"), named("changed")];
    let mut other = named("changed");
    other.chains[0].rules.push(accept("1"));
    let to = verify(Ruleset {
        tables: vec![named("new"), other, named("same")],
    })
    .unwrap();
    let changes = diff::rulesets(&from, &to);
    let words: Vec<_> = changes
        .tables()
        .iter()
        .map(|change| match change {
            TableChange::Created(table) => format!("+{}", table.name),
            TableChange::Removed(table) => format!("-{}", table.name),
            TableChange::Changed(changes) => format!("~{}", changes.to.name),
        })
        .collect();
    assert_eq!(words, ["-gone", "+new", "~changed"]);
    let changes = changes.replacing(&from, &to, |table| table.name.as_str() != "changed");
    assert_eq!(changes.counts().tables_replaced, 1);
    assert_eq!(changes.counts().tables_removed, 1);
    assert!(diff::rulesets(&to.tables, &to).is_empty());
}

/// The later chain of one place runs first, and it is the later one only when it is made later.
#[test]
fn base_chains_of_two_tables_keep_the_order_of_the_ruleset() {
    let table = |family, chains| Table {
        family,
        name: TableName::new("dockfw").unwrap(),
        comment: None,
        sets: vec![],
        chains,
    };
    let ip = || table(Family::Ip, vec![base("b", 0)]);
    let changed = |from: &[Table], tables: Vec<Table>| {
        let to = verify(Ruleset { tables }).unwrap();
        let changes = diff::rulesets(from, &to);
        let word = |change: &TableChange<'_>| match change {
            TableChange::Created(of) => (of.family, "created"),
            TableChange::Removed(of) => (of.family, "removed"),
            TableChange::Changed(of) if of.replace => (of.to.family, "replaced"),
            TableChange::Changed(of) => (of.to.family, "changed"),
        };
        changes.tables().iter().map(word).collect::<Vec<_>>()
    };
    let inet = |priority| table(Family::Inet, vec![base("a", priority)]);
    let (created, replaced) = ((Family::Inet, "created"), (Family::Ip, "replaced"));
    assert_eq!(changed(&[ip()], vec![inet(0), ip()]), [created, replaced]);
    assert_eq!(changed(&[ip()], vec![ip(), inet(0)]), [created]);
    assert_eq!(changed(&[ip()], vec![inet(5), ip()]), [created]);
    // One more chain in a table that stays.
    let two = table(Family::Inet, vec![base("a", 5), base("c", 0)]);
    let found = changed(&[inet(5), ip()], vec![two, ip()]);
    assert_eq!(found, [(Family::Inet, "changed"), replaced]);
    let ip6 = table(Family::Ip6, vec![base("a", 0)]);
    let found = changed(&[ip()], vec![ip6, ip()]);
    assert_eq!(found, [(Family::Ip6, "created")]);
}
