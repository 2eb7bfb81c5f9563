//! Combined tables in words, what cannot be combined, and what was changed since.
//!
//! That packets are treated alike is tested with random rulesets, in the testkit.

use std::time::Duration;

use super::{Damaged, PendingError, Settled, deadline, pending, settle};
use crate::chain::{BaseChain, Chain, ChainKind, Hook, Policy, Rule};
use crate::name::{ChainName, Comment, SetName, TableName};
use crate::print;
use crate::set::{Element, Set, SetKind};
use crate::statement::{Statement, Verdict};
use crate::table::{Family, Ruleset, Table};
use crate::value::{DataType, Value};
use crate::verify::{Check, verify};

const MINUTE: Duration = Duration::from_secs(60);

fn name(text: &str) -> ChainName {
    ChainName::new(text).unwrap()
}

/// A table with a forward chain that jumps to a chain of its own, by a map.
fn table(policy: Policy, own: &str) -> Table {
    let map = SetName::new("ports").unwrap();
    let base = BaseChain {
        kind: ChainKind::Filter,
        hook: Hook::Forward,
        priority: 0,
        policy,
    };
    let rule = |statement| Rule {
        statements: vec![statement],
        comment: None,
    };
    let key = crate::expr::Meta::L4proto;
    Table {
        family: Family::Inet,
        name: TableName::new("dockfw").unwrap(),
        comment: Comment::lossy(own),
        sets: vec![Set {
            name: map.clone(),
            key: vec![DataType::InetProto],
            kind: SetKind::VerdictMap,
            interval: false,
            dynamic: false,
            counter: false,
            timeout: None,
            size: Some(1),
            comment: None,
            elements: vec![Element::verdict(
                Value::new().and_u8(6),
                Verdict::Jump(name(own)),
            )],
        }],
        chains: vec![
            Chain {
                name: name(own),
                base: None,
                rules: vec![rule(Statement::Verdict(Verdict::Return))],
                comment: None,
            },
            Chain {
                name: name("forward"),
                base: Some(base),
                rules: vec![rule(Statement::vmap(key, &map))],
                comment: None,
            },
        ],
    }
}

#[test]
fn a_combined_table_in_words() {
    let (old, new) = (table(Policy::Drop, "one"), table(Policy::Accept, "two"));
    let combined = pending(Some(&old), Some(&new), MINUTE).unwrap();
    let text = print::nft(&Ruleset {
        tables: vec![combined],
    });
    let expected = "\
\tchain forward {
\t\ttype filter hook forward priority filter; policy drop;
\t\tmeta nfproto @pending__.until goto pending__.both__forward \
comment \"while pending: the new rules; then those that follow\"
\t\tmeta l4proto vmap @ports
\t}
";
    assert!(text.contains(expected), "{text}");
    let half = "\
\tchain pending__.both__forward {
\t\tjump pending__forward
\t\taccept comment \"the policy that is pending\"
\t}
";
    assert!(text.contains(half), "{text}");
    assert!(text.contains("tcp : jump pending__two"), "{text}");
    assert!(text.contains("meta l4proto vmap @pending__ports"), "{text}");
}

#[test]
fn what_cannot_be_combined() {
    let one = table(Policy::Drop, "one");
    let error = |old: Option<&Table>, new: Option<&Table>| pending(old, new, MINUTE).unwrap_err();
    assert_eq!(error(None, None), PendingError::Nothing);
    let other = Table {
        family: Family::Ip,
        ..one.clone()
    };
    assert!(matches!(
        error(Some(&one), Some(&other)),
        PendingError::OtherTable { .. }
    ));
    let twice = pending(None, Some(&one), MINUTE).unwrap();
    for (old, new) in [(Some(&twice), Some(&one)), (Some(&one), Some(&twice))] {
        assert!(matches!(error(old, new), PendingError::Reserved { .. }));
    }
    for own in ["pending__one", "pending__"] {
        let reserved = table(Policy::Drop, own);
        let error = error(None, Some(&reserved));
        let name = own.to_owned();
        assert_eq!(error, PendingError::Reserved { name });
    }
    for timeout in [Duration::ZERO, Duration::from_micros(1500)] {
        let error = pending(None, Some(&one), timeout).unwrap_err();
        assert_eq!(error, PendingError::Timeout(timeout));
    }
}

#[test]
fn long_names_are_refused_or_fit() {
    let longest = |length: usize| {
        let mut long = table(Policy::Drop, &"x".repeat(length));
        long.comment = None;
        long
    };
    let fits = longest(246);
    let combined = pending(None, Some(&fits), MINUTE).unwrap();
    assert_eq!(settle(&combined).unwrap().unwrap().new, Some(fits));
    // The old generation keeps its names.
    assert!(pending(Some(&longest(255)), None, MINUTE).is_ok());
    let error = pending(None, Some(&longest(247)), MINUTE).unwrap_err();
    assert!(matches!(error, PendingError::Name { .. }), "{error}");
}

#[test]
fn thirteen_jumps_are_left() {
    let nested = |jumps: usize| {
        let mut table = table(Policy::Drop, "own");
        table.chains.clear();
        table.sets.clear();
        let link = |number: usize| name(&format!("c{number}"));
        for number in 0..=jumps {
            let to = (number < jumps).then(|| Rule {
                statements: vec![Statement::Verdict(Verdict::Jump(link(number + 1)))],
                comment: None,
            });
            table.chains.push(Chain {
                name: link(number),
                base: (number == 0).then_some(BaseChain {
                    kind: ChainKind::Filter,
                    hook: Hook::Input,
                    priority: 0,
                    policy: Policy::Drop,
                }),
                rules: to.into_iter().collect(),
                comment: None,
            });
        }
        table
    };
    let verified = |jumps: usize| {
        let combined = pending(None, Some(&nested(jumps)), MINUTE).unwrap();
        verify(Ruleset {
            tables: vec![combined],
        })
    };
    assert!(verified(13).is_ok());
    let violations = verified(14).unwrap_err().violations;
    assert!(
        violations.iter().all(|of| of.check == Check::JumpDepth),
        "{violations:?}"
    );
}

#[test]
fn the_order_of_chains_does_not_matter() {
    let (old, new) = (table(Policy::Drop, "one"), table(Policy::Accept, "two"));
    let mut combined = pending(Some(&old), Some(&new), MINUTE).unwrap();
    combined.chains.reverse();
    let reversed = |mut table: Table| {
        table.chains.reverse();
        Some(table)
    };
    let expected = Settled {
        old: reversed(old),
        new: reversed(new),
    };
    assert_eq!(settle(&combined), Ok(Some(expected)));
}

/// What someone does to a table by hand.
type Change<'c> = &'c dyn Fn(&mut Table);

#[test]
fn damage_is_noticed() {
    let (old, new) = (table(Policy::Drop, "one"), table(Policy::Accept, "two"));
    assert_eq!(settle(&old), Ok(None));
    let combined = pending(Some(&old), Some(&new), MINUTE).unwrap();
    let (until, keys) = deadline(Family::Inet);
    assert_eq!(keys.len(), 2);
    let place = |table: &Table, chain: &str| {
        let mut chains = table.chains.iter();
        chains.position(|of| of.name.as_str() == chain).unwrap()
    };
    let changes: [(&str, Change<'_>); 7] = [
        ("no set", &|table| {
            table.sets.retain(|set| set.name != until);
        }),
        ("flushed", &|table| {
            let place = place(table, "forward");
            table.chains[place].rules.clear();
        }),
        ("other first rule", &|table| {
            let place = place(table, "forward");
            table.chains[place].rules.swap(0, 1);
        }),
        ("no half", &|table| {
            let place = place(table, "pending__.both__forward");
            table.chains.remove(place);
        }),
        ("no policy", &|table| {
            let place = place(table, "pending__.both__forward");
            table.chains[place].rules.pop();
        }),
        ("no body", &|table| {
            let place = place(table, "pending__forward");
            table.chains.remove(place);
        }),
        ("no marker", &|table| {
            let place = place(table, "pending__.old");
            table.chains.remove(place);
        }),
    ];
    for (what, change) in changes {
        let mut damaged = combined.clone();
        change(&mut damaged);
        let settled = settle(&damaged);
        assert!(
            matches!(settled, Err(Damaged { .. })),
            "{what}: {settled:?}"
        );
    }
}
