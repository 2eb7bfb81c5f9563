//! What is decided about tables that were read back; the kernel is a closure.

use std::convert::Infallible;
use std::time::Duration;

use dockfw_ir::name::{ChainName, SetName, TableName};
use dockfw_ir::pending::{deadline, pending};
use dockfw_ir::table::Family;
use dockfw_ir::{Ruleset, Table, Value, Verified};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A table whose element has lived for a while.
#[derive(Debug, Clone)]
struct Fake {
    table: Table,
    /// What is left of each key, in the order of the keys.
    left: Vec<Option<Duration>>,
}

impl Snapshot for Fake {
    fn table(&self) -> &Table {
        &self.table
    }

    fn expiration(&self, set: &SetName, key: &Value) -> Option<Duration> {
        let (name, keys) = deadline(self.table.family);
        assert_eq!(*set, name);
        let index = keys.iter().position(|other| other == key).unwrap();
        self.left[index]
    }
}

fn table(family: Family, chain: &str) -> Table {
    Table {
        family,
        name: TableName::new("dockfw").unwrap(),
        comment: None,
        sets: Vec::new(),
        chains: vec![dockfw_ir::Chain {
            name: ChainName::new(chain).unwrap(),
            base: None,
            rules: Vec::new(),
            comment: None,
        }],
    }
}

fn fake(old: Option<&Table>, new: Option<&Table>, left: &[Option<Duration>]) -> Fake {
    Fake {
        table: pending(old, new, SECOND).unwrap(),
        left: left.to_vec(),
    }
}

fn run(tables: &[Fake], keep: Keep) -> Result<Change, ConfirmError<Infallible>> {
    let read = || {
        Ok(Reading {
            generation: 7,
            tables: tables.to_vec(),
        })
    };
    let commit = |_: &Change, generation| {
        assert_eq!(generation, 7);
        Ok(Attempt::Committed(()))
    };
    settle_pending(keep, read, commit).map(|(change, ())| change)
}

fn names(ruleset: &Verified) -> Vec<String> {
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    chains.map(|chain| chain.name.to_string()).collect()
}

#[test]
fn confirming_keeps_the_new_generation_and_nothing_else() {
    let (old, new) = (table(Family::Inet, "old"), table(Family::Inet, "new"));
    let gone = table(Family::Ip, "gone");
    let tables = vec![
        fake(Some(&old), Some(&new), &[Some(SECOND); 2]),
        fake(Some(&gone), None, &[Some(SECOND); 4]),
        Fake {
            table: table(Family::Ip6, "untouched"),
            left: Vec::new(),
        },
    ];
    let change = run(&tables, Keep::New).unwrap();
    assert_eq!(change.ruleset.tables, [new]);
    assert_eq!(change.removed, [Family::Ip]);
    let change = run(&tables, Keep::Old).unwrap();
    assert_eq!(change.ruleset.tables, [old, gone]);
    assert_eq!(change.removed, []);
}

#[test]
fn what_is_not_pending_cannot_be_confirmed() {
    let plain = Fake {
        table: table(Family::Inet, "plain"),
        left: Vec::new(),
    };
    for tables in [vec![], vec![plain]] {
        let error = run(&tables, Keep::New).unwrap_err();
        assert!(matches!(error, ConfirmError::NothingPending), "{error}");
        assert_eq!(error.exit(), Some(Exit::Failed));
    }
}

#[test]
fn what_has_expired_is_rolled_back() {
    let new = table(Family::Inet, "new");
    for left in [
        [None, None],
        // One family is back at the old rules already.
        [Some(SECOND), None],
        [Some(Duration::ZERO), Some(SECOND)],
    ] {
        let tables = vec![fake(None, Some(&new), &left)];
        let error = run(&tables, Keep::New).unwrap_err();
        assert!(matches!(error, ConfirmError::Expired), "{error}");
        assert_eq!(error.exit().map(Exit::code), Some(7));
        // It can still be cleared away.
        let change = run(&tables, Keep::Old).unwrap();
        assert_eq!(
            (change.ruleset.tables.len(), change.removed),
            (0, vec![Family::Inet])
        );
    }
}

#[test]
fn a_change_by_hand_is_not_confirmed() {
    let new = table(Family::Inet, "new");
    let mut changed = fake(None, Some(&new), &[Some(SECOND); 2]);
    changed.table.sets.clear();
    let error = run(&[changed], Keep::New).unwrap_err();
    assert!(matches!(error, ConfirmError::Damaged(_)), "{error}");
    assert_eq!(
        error.to_string(),
        "inet dockfw was changed while it was pending: there is no set pending__.until; \
         commit again to replace it"
    );
}

#[test]
fn who_is_overtaken_reads_again() {
    let new = table(Family::Inet, "new");
    let (mut reads, mut commits) = (0, 0);
    let read = || {
        reads += 1;
        // The time is over at the third reading.
        let left = (reads < 3).then_some(SECOND);
        Ok::<_, Infallible>(Reading {
            generation: reads,
            tables: vec![fake(None, Some(&new), &[left; 2])],
        })
    };
    let commit = |_: &Change, _| {
        commits += 1;
        Ok(Attempt::<()>::Stale)
    };
    let error = settle_pending(Keep::New, read, commit).unwrap_err();
    assert!(matches!(error, ConfirmError::Expired), "{error}");
    assert_eq!((reads, commits), (3, 2));

    let read = || {
        Ok::<_, Infallible>(Reading {
            generation: 1,
            tables: vec![fake(None, Some(&new), &[Some(SECOND); 2])],
        })
    };
    let error = settle_pending(Keep::New, read, |_, _| Ok(Attempt::<()>::Stale)).unwrap_err();
    assert_eq!(error.exit(), Some(Exit::Stale));
}

#[test]
fn a_commit_over_a_pending_one_goes_back_to_what_was_confirmed() {
    let [confirmed, tried, wanted] =
        ["confirmed", "tried", "wanted"].map(|name| table(Family::Inet, name));
    let pending_now = pending(Some(&confirmed), Some(&tried), SECOND).unwrap();
    let ruleset = verify(Ruleset {
        tables: vec![wanted.clone()],
    })
    .unwrap();
    let combined = combine([&pending_now], &ruleset, SECOND).unwrap();
    let settled = settle(&combined.tables[0]).unwrap().unwrap();
    assert_eq!(settled.old, Some(confirmed));
    assert_eq!(settled.new, Some(wanted));
    assert!(!names(&combined).iter().any(|name| name.contains("tried")));
}

#[test]
fn status_says_how_long_it_takes() {
    let (old, new) = (table(Family::Inet, "old"), table(Family::Inet, "new"));
    let left = Some(Duration::from_millis(42_300));
    let found = find(&[
        fake(Some(&old), Some(&new), &[left, Some(2 * 42 * SECOND)]),
        fake(None, Some(&table(Family::Ip, "new")), &[None; 4]),
    ])
    .unwrap();
    assert_eq!(
        to_text(&found),
        "pending: inet dockfw goes back in 42.3 s, from 1 chains, 0 rules, 0 elements to \
         1 chains, 0 rules, 0 elements\n\
         rolled back: ip dockfw was not confirmed in time; in force again: no table\n\
         `dockfw confirm` makes it permanent\n"
    );
    let json = to_json(&found);
    assert_eq!(json[0]["state"], "pending");
    assert_eq!(json[0]["seconds_left"], 42.3);
    assert_eq!(json[0]["new"]["chains"], 1);
    assert_eq!(json[1]["state"], "expired");
    assert_eq!(json[1]["seconds_left"], serde_json::Value::Null);
    assert_eq!(json[1]["old"], serde_json::Value::Null);
    assert_eq!(to_text(&[]), "");
}
