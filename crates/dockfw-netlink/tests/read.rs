//! Read-back: what was committed comes back as it was, and what has no word is said to have none.
//!
//! Tests with the kernel have a network namespace each.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "test helpers"
)]

#[path = "read/foreign.rs"]
mod foreign;
#[expect(
    clippy::allow_attributes,
    reason = "what is used of it differs by who includes it"
)]
#[allow(dead_code, reason = "shared with the other tests in namespaces")]
#[path = "netns/lab.rs"]
mod lab;
#[path = "read/mutated.rs"]
mod mutated;
#[expect(
    clippy::allow_attributes,
    reason = "whose lints these are differs by who includes it"
)]
#[allow(clippy::pedantic, reason = "a list of samples, linted where it lives")]
#[path = "../../dockfw-ir/tests/samples/mod.rs"]
mod samples;

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

use dockfw_ir::Verified;
use dockfw_ir::expr::ct::{Direction, TupleField};
use dockfw_ir::expr::{Ct, Expr};
use dockfw_ir::statement::Statement;
use dockfw_ir::table::{Ruleset, Table};
use dockfw_ir::verify;
use dockfw_netlink::{Batch, Executor, Expect, QueryError, TableSnapshot, read};
use lab::in_namespace;

fn verified(ruleset: Ruleset) -> Verified {
    verify::verify(ruleset).unwrap()
}

/// Commits a ruleset in the namespace of this thread and reads it back.
fn through_the_kernel(ruleset: &Ruleset) -> Vec<TableSnapshot> {
    let mut executor = Executor::open().unwrap();
    let batch = Batch::replace(&verified(ruleset.clone())).unwrap();
    executor.commit(&batch, Expect::Any).unwrap();
    let generation = executor.generation().unwrap();
    let tables = ruleset.tables.iter();
    let read = executor
        .read(tables.map(|table| (table.family, &table.name)))
        .unwrap();
    assert_eq!(read.generation, generation);
    read.tables
}

/// The messages that make a table.
fn bytes(table: &Table) -> Vec<u8> {
    let ruleset = Ruleset {
        tables: vec![table.clone()],
    };
    let batch = Batch::replace_unverified(&ruleset).unwrap();
    batch.as_bytes().to_vec()
}

/// What differs between two tables, by object.
fn difference(wanted: &Table, found: &Table) -> Vec<String> {
    let mut differences = Vec::new();
    if (&wanted.name, wanted.family, &wanted.comment) != (&found.name, found.family, &found.comment)
    {
        differences.push("the table itself".to_owned());
    }
    for set in &wanted.sets {
        if found.set(&set.name) != Some(set) {
            differences.push(format!("{set:?}\n  is {:?}", found.set(&set.name)));
        }
    }
    for chain in &wanted.chains {
        let Some(other) = found.chains.iter().find(|other| other.name == chain.name) else {
            differences.push(format!("no chain {}", chain.name));
            continue;
        };
        if (chain.base, &chain.comment, chain.rules.len())
            != (other.base, &other.comment, other.rules.len())
        {
            differences.push(format!("chain {}", chain.name));
        }
        for (wanted, found) in chain.rules.iter().zip(&other.rules) {
            if wanted != found {
                differences.push(format!("{wanted:?}\n  is {found:?}"));
            }
        }
    }
    let order = |table: &Table| {
        let sets: Vec<_> = table.sets.iter().map(|set| set.name.clone()).collect();
        let chains: Vec<_> = table.chains.iter().map(|one| one.name.clone()).collect();
        (sets, chains)
    };
    if differences.is_empty() && order(wanted) != order(found) {
        differences.push(format!("{:?} is {:?}", order(wanted), order(found)));
    }
    differences
}

/// What the kernel does not keep of a sample: see the crate's documentation of `read`.
fn kept(table: &Table) -> Table {
    let mut table = table.clone();
    for rule in table.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
        for statement in &mut rule.statements {
            match statement {
                Statement::Log(log) if log.level == Some(4) => log.level = None,
                Statement::Match(test) => {
                    for expr in &mut test.key.0 {
                        if let Expr::Ct(Ct::Tuple(direction, TupleField::Protocol)) = expr {
                            *direction = Direction::Original;
                        }
                    }
                }
                _ => {}
            }
        }
    }
    table
}

/// Without the kernel: every sample is read from the batch that makes it.
#[test]
fn every_sample_is_read_from_its_batch() {
    let mut wrong = Vec::new();
    for (name, ruleset) in samples::samples() {
        for table in &ruleset.tables {
            let read = read::canonical(table).unwrap();
            let table = &kept(table);
            let same_bytes = bytes(&read.table) == bytes(table) || !read.unreadable.is_empty();
            if !read.unreadable.is_empty() || !same_bytes {
                let differences = difference(table, &read.table).join("\n");
                wrong.push(format!("{name}: {:?}\n{differences}", read.unreadable));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// With the kernel: what comes back makes the same messages byte for byte.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn every_sample_comes_back() {
    let mut wrong = Vec::new();
    let (mut equal, mut alike) = (0, 0);
    for (name, ruleset) in samples::samples() {
        let read = in_namespace(|| through_the_kernel(&ruleset));
        assert_eq!(read.len(), ruleset.tables.len(), "{name}");
        for (table, read) in ruleset.tables.iter().zip(&read) {
            let table = kept(table);
            if read.table == table && read.unreadable.is_empty() {
                equal += 1;
            } else if read.unreadable.is_empty() && bytes(&read.table) == bytes(&table) {
                alike += 1;
            } else {
                let differences = difference(&table, &read.table).join("\n");
                wrong.push(format!("{name}: {:?}\n{differences}", read.unreadable));
            }
            let counted: usize = read.rules.values().map(Vec::len).sum();
            let rules: usize = table.chains.iter().map(|chain| chain.rules.len()).sum();
            assert_eq!(counted, rules, "{name}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(equal > alike, "{equal} are equal, {alike} alike");
}

/// While somebody else goes from one ruleset to the other, each snapshot is one of them.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_snapshot_is_of_one_generation() {
    let samples = samples::samples();
    let named = |wanted: &str| {
        let (_, ruleset) = samples.iter().find(|(name, _)| *name == wanted).unwrap();
        let mut ruleset = ruleset.clone();
        ruleset.tables.truncate(1);
        ruleset
    };
    let both = [named("docker"), named("set-types")];
    assert_eq!(both[0].tables[0].name, both[1].tables[0].name);
    in_namespace(|| {
        let tables = both
            .clone()
            .map(|ruleset| through_the_kernel(&ruleset).remove(0).table);
        assert_ne!(tables[0], tables[1]);
        let (stop, seen) = (AtomicBool::new(false), RefCell::new([0, 0]));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut executor = Executor::open().unwrap();
                let batches = both
                    .each_ref()
                    .map(|ruleset| Batch::replace(&verified(ruleset.clone())).unwrap());
                for batch in batches.iter().cycle() {
                    executor.commit(batch, Expect::Any).unwrap();
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
            let mut executor = Executor::open().unwrap();
            let (family, name) = (tables[0].family, tables[0].name.clone());
            for _ in 0..300 {
                let read = match executor.read([(family, &name)]) {
                    Ok(read) => read.tables[0].clone(),
                    Err(QueryError::Unstable) => continue,
                    Err(error) => panic!("{error}"),
                };
                let one = tables.iter().position(|table| *table == read.table);
                let one = one.unwrap_or_else(|| panic!("{:?}", read.table));
                assert_eq!(read.unreadable, []);
                seen.borrow_mut()[one] += 1;
            }
            stop.store(true, Ordering::Relaxed);
        });
        let seen = seen.into_inner();
        assert!(seen.iter().all(|times| *times > 0), "{seen:?}");
    });
}
