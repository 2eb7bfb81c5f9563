//! Rules and chains: counters that live on, chains that are made anew.

use super::*;

fn counted(text: &str, comment: &str) -> String {
    let line = text.lines().find(|line| line.contains(comment));
    line.unwrap_or_else(|| panic!("{comment} is not in\n{text}"))
        .trim()
        .to_owned()
}

/// Counters of rules that stay go on; the one that takes another's place begins at zero.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn counters_of_rules_that_stay_live_on() {
    lab::in_namespace(|| {
        let from = table(
            vec![],
            vec![base(
                "out",
                0,
                vec![counter("one"), counter("two"), counter("three")],
            )],
        );
        let to = table(
            vec![],
            vec![base(
                "out",
                0,
                vec![
                    counter("new"),
                    counter("one"),
                    counter("other"),
                    counter("three"),
                    counter("last"),
                ],
            )],
        );
        let mut executor = Executor::open().unwrap();
        load(&mut executor, &from);
        let ip = std::process::Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status();
        assert!(ip.unwrap().success());
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..5 {
            socket.send_to(b"x", "127.0.0.1:9").unwrap();
        }
        let before = lab::nft(&["list", "ruleset"]);
        assert!(!counted(&before, "one").contains("packets 0"), "{before}");
        change(&mut executor, &from, &to);
        let after = lab::nft(&["list", "ruleset"]);
        for comment in ["one", "three"] {
            assert_eq!(counted(&before, comment), counted(&after, comment));
        }
        for comment in ["new", "other", "last"] {
            assert!(counted(&after, comment).contains("packets 0"), "{after}");
        }
        let order: Vec<_> = ["new", "one", "other", "three", "last"]
            .map(|comment| after.find(&format!("\"{comment}\"")).unwrap())
            .to_vec();
        assert!(order.is_sorted(), "{after}");
    });
}

/// A base chain of another priority, a chain of another comment and all that leads there.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn chains_are_made_anew() {
    let jump = || {
        rule(
            vec![Statement::Verdict(Verdict::Jump(
                ChainName::new("c").unwrap(),
            ))],
            "to c",
        )
    };
    let map = SetName::new("v").unwrap();
    let ruleset = |priority, comment: Option<&str>| {
        let to = Verdict::Jump(ChainName::new("c").unwrap());
        let dispatch = Set {
            name: map.clone(),
            kind: SetKind::VerdictMap,
            ..addresses(Some(16), vec![Element::verdict(address(1), to)])
        };
        let looks = rule(vec![Statement::vmap(Payload::IpSaddr, &map)], "dispatch");
        let mut inner = chain("c", vec![counter("inner")]);
        inner.comment = comment.and_then(Comment::lossy);
        table(
            vec![dispatch],
            vec![
                inner,
                base("out", priority, vec![jump(), counter("x"), looks]),
            ],
        )
    };
    for (from, to) in [
        (ruleset(0, None), ruleset(7, None)),
        (ruleset(0, None), ruleset(0, Some("why"))),
        (ruleset(3, Some("why")), ruleset(4, Some("other"))),
    ] {
        ends_like_a_replacement(&from, &to);
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_policy_changes_and_everything_else_stays() {
    lab::in_namespace(|| {
        let from = table(vec![], vec![base("out", 0, vec![counter("one")])]);
        let mut to = from.clone().into_inner();
        to.tables[0].chains[0].base.as_mut().unwrap().policy = Policy::Drop;
        let to = verify::verify(to).unwrap();
        let mut executor = Executor::open().unwrap();
        load(&mut executor, &from);
        let before = handles(&from);
        let committed = change(&mut executor, &from, &to);
        assert_eq!(committed.statistics.messages, 1);
        assert!(!committed.cleared, "nothing was deleted");
        assert_eq!(handles(&from), before);
        assert!(lab::list().contains("policy drop"));
    });
}

/// A table with another comment is deleted and made anew, and others come and go beside it.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn tables_are_made_anew() {
    lab::in_namespace(|| {
        let named = |name: &str, comment: &str| Table {
            name: TableName::new(name).unwrap(),
            comment: Comment::lossy(comment),
            ..table(vec![], vec![base("out", 0, vec![counter("one")])])
                .into_inner()
                .tables
                .remove(0)
        };
        let ruleset = |tables| verify::verify(Ruleset { tables }).unwrap();
        let from = ruleset(vec![named("t", "old"), named("gone", "x")]);
        let to = ruleset(vec![named("t", "new"), named("come", "x")]);
        let mut executor = Executor::open().unwrap();
        load(&mut executor, &from);
        let committed = change(&mut executor, &from, &to);
        let counts = committed.statistics.changed.unwrap();
        assert_eq!(
            (
                counts.tables_added,
                counts.tables_removed,
                counts.tables_replaced
            ),
            (1, 1, 1)
        );
        let listed = lab::list();
        assert!(listed.contains("\"new\"") && !listed.contains("gone") && listed.contains("come"));
    });
}
