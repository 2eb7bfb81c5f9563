//! Refusals of changes: which element, which rule, and what has to be read again.

use dockfw_netlink::{Location, Origin, Part};

use super::*;

fn ruleset(elements: Vec<Element>, rules: &[&str]) -> Verified {
    let rules = rules.iter().map(|comment| counter(comment)).collect();
    table(
        vec![addresses(Some(8192), elements)],
        vec![chain("c", rules)],
    )
}

/// What the kernel says when `spoil` has changed its ruleset behind our back.
fn refusal(
    from: &Verified,
    to: &Verified,
    spoil: impl FnOnce(&RuleHandles) + Send,
) -> (i32, Location) {
    lab::in_namespace(|| {
        let mut executor = Executor::open().unwrap();
        load(&mut executor, from);
        let handles = handles(from);
        spoil(&handles);
        let before = lab::list();
        let changes = diff::rulesets(&from.tables, to);
        let error = commit(&mut executor, &changes, &handles).unwrap_err();
        assert_eq!(lab::list(), before, "nothing was changed");
        match error {
            CommitError::Refused(refusal) => (refusal.errno.0, refusal.location),
            other => panic!("{other:?}"),
        }
    })
}

/// The place in the set is that of the element, not that in the message.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn an_element_that_is_there_already_is_named() {
    // Every second one is new, so that places in message and set differ.
    let from = ruleset(members(0..4000).into_iter().step_by(2).collect(), &[]);
    let to = ruleset(members(0..4000), &[]);
    let (errno, location) = refusal(&from, &to, |_| {
        lab::nft_load("add element inet t s { 10.0.11.185 }"); // 3001
    });
    assert_eq!(errno, libc::EEXIST);
    let expected = Part::Element {
        index: 3001,
        key: "10.0.11.185".to_owned(),
    };
    assert_eq!(location.part, expected);
    assert_eq!(location.to_string(), "element 3002 of set s (10.0.11.185)");
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn an_element_that_is_gone_is_named() {
    let from = ruleset(members(0..4000), &[]);
    let to = ruleset(members(0..4000).into_iter().step_by(2).collect(), &[]);
    let (errno, location) = refusal(&from, &to, |_| {
        lab::nft_load("delete element inet t s { 10.0.0.5 }");
    });
    assert_eq!(errno, libc::ENOENT);
    let text = "deletion of element 6 of set s (10.0.0.5)";
    assert_eq!(location.to_string(), text);
    assert!(matches!(location.origin, Origin::OldElements { .. }));
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_rule_that_is_gone_is_named() {
    let from = ruleset(vec![], &["a", "b", "c", "d"]);
    let delete = |handles: &RuleHandles, place: usize| {
        let table = &from.tables[0];
        let handle = handles.of(table, &table.chains[0])[place];
        lab::nft(&[
            "delete",
            "rule",
            "inet",
            "t",
            "c",
            "handle",
            &handle.to_string(),
        ]);
    };
    // Deleted, replaced, and what another was to be put before.
    let to = ruleset(vec![], &["a", "b", "d"]);
    let (errno, location) = refusal(&from, &to, |handles| delete(handles, 2));
    assert_eq!(errno, libc::ENOENT);
    assert!(
        location
            .to_string()
            .starts_with("deletion of rule 3 of chain c"),
        "{location}"
    );
    let to = ruleset(vec![], &["a", "b", "new", "d"]);
    let (_, location) = refusal(&from, &to, |handles| delete(handles, 2));
    assert!(
        location.to_string().starts_with("rule 3 of chain c"),
        "{location}"
    );
    let to = ruleset(vec![], &["a", "new", "b", "c", "d"]);
    let (_, location) = refusal(&from, &to, |handles| delete(handles, 1));
    assert!(
        location.to_string().starts_with("rule 2 of chain c"),
        "{location}"
    );
}

/// Someone else's commit makes the reading stale; without a generation nothing is sent.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn changes_belong_to_their_reading() {
    lab::in_namespace(|| {
        let (from, to) = (ruleset(vec![], &["a"]), ruleset(vec![], &["b"]));
        let mut executor = Executor::open().unwrap();
        let generation = load(&mut executor, &from).generation;
        let changes = diff::rulesets(&from.tables, &to);
        let batch = Batch::change(&changes, &handles(&from)).unwrap();
        lab::nft_load("table ip other { }");
        let error = executor
            .commit(&batch, Expect::Generation(generation))
            .unwrap_err();
        assert!(matches!(error, CommitError::Stale { expected, .. } if expected == generation));
        for result in [
            executor.commit(&batch, Expect::Any).map(|_| ()),
            executor.check(&batch, Expect::Any),
        ] {
            assert!(matches!(result, Err(CommitError::Unguarded)));
        }
        let generation = executor.generation().unwrap();
        executor
            .check(&batch, Expect::Generation(generation))
            .unwrap();
        executor
            .commit(&batch, Expect::Generation(generation))
            .unwrap();
    });
}

/// Handles of fewer or more rules are those of another chain.
#[test]
fn a_rule_without_handle_is_an_error() {
    use dockfw_netlink::EncodeError;
    let (from, to) = (ruleset(vec![], &["a", "b"]), ruleset(vec![], &["a", "c"]));
    let changes = diff::rulesets(&from.tables, &to);
    let name = ChainName::new("c").unwrap();
    for wrong in [vec![], vec![7], vec![7, 8, 9]] {
        let mut handles = RuleHandles::new();
        handles.insert(&from.tables[0], &name, wrong);
        let error = Batch::change(&changes, &handles).unwrap_err();
        assert!(
            matches!(error, EncodeError::NoHandle { index: 1, .. }),
            "{error}"
        );
    }
    // What adds at the end needs none.
    let more = ruleset(vec![], &["a", "b", "c"]);
    assert!(Batch::change(&diff::rulesets(&from.tables, &more), &RuleHandles::new()).is_ok());
    let nothing = diff::rulesets(&from.tables, &from);
    assert!(
        Batch::change(&nothing, &RuleHandles::new())
            .unwrap()
            .as_bytes()
            .is_empty()
    );
}
