//! What was committed comes back: every fixture, random hosts with operators' rules, and random
//! whole programs.
//!
//! A table that is read back is the one that was committed, except where two rules are the same to
//! the kernel; there, both make the same messages, byte for byte.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests; the counts are the result of a run"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use dockfw::policy;
use dockfw_iptables::Family;
use dockfw_iptables::parse::{Assume, load};
use dockfw_ir::expr::Expr;
use dockfw_ir::expr::ct::{Ct, Direction, TupleField};
use dockfw_ir::set::Element;
use dockfw_ir::statement::{Statement, Test};
use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, Table, Verified};
use dockfw_lower::lower;
use dockfw_lower::optimize::Optimize;
use dockfw_netlink::{Batch, Executor, Expect, TableSnapshot, read};
use dockfw_testkit::equivalence::whole::{compile, random};
use dockfw_testkit::equivalence::{Generator, Rng, World, user};
use dockfw_testkit::fixture::HostFixture;
use dockfw_testkit::matrix::Scenario;
use nix::sched::{CloneFlags, unshare};

/// How rules came back.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    tables: usize,
    elements: usize,
    /// The same in the IR.
    equal: usize,
    /// Another rule in the IR, and the same bytes.
    alike: usize,
}

/// The messages that make a table.
fn bytes(table: &Table) -> Vec<u8> {
    let ruleset = Ruleset {
        tables: vec![table.clone()],
    };
    let batch = Batch::replace_unverified(&ruleset).unwrap();
    batch.as_bytes().to_vec()
}

/// A table without what the kernel does not keep: log level warn, which is no level, and the
/// direction of a flow's protocol. A range of one key is a key.
fn kept(table: &Table) -> Table {
    let mut table = table.clone();
    for set in &mut table.sets {
        single_keys(&mut set.elements);
    }
    for rule in table.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
        for statement in &mut rule.statements {
            match statement {
                Statement::Log(log) => log.level = log.level.filter(|level| *level != 4),
                Statement::Match(test) => {
                    if let Test::OneOf { elements, .. } = &mut test.test
                        && elements
                            .iter()
                            .any(|of| of.key_end.as_deref() > Some(&of.key))
                    {
                        single_keys(elements);
                    }
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

fn single_keys(elements: &mut [Element]) {
    for element in elements {
        let key = &element.key;
        element.key_end.take_if(|end| **end == *key);
    }
}

/// What is wrong with a table that was read back.
fn compare(wanted: &Table, read: &TableSnapshot, count: &mut Count) -> Result<(), String> {
    let wanted = kept(wanted);
    let found = &read.table;
    if !read.unreadable.is_empty() {
        return Err(format!("{:?}", read.unreadable));
    }
    for (wanted, found) in wanted.sets.iter().zip(&found.sets) {
        if wanted != found {
            return Err(format!("{wanted:?}\nis {found:?}"));
        }
        count.elements += wanted.elements.len();
    }
    for (wanted, found) in wanted.chains.iter().zip(&found.chains) {
        if (&wanted.name, wanted.base, &wanted.comment) != (&found.name, found.base, &found.comment)
        {
            return Err(format!("chain {} is {}", wanted.name, found.name));
        }
        for (wanted, found) in wanted.rules.iter().zip(&found.rules) {
            if wanted == found {
                count.equal += 1;
            } else {
                count.alike += 1;
            }
        }
    }
    if bytes(&wanted) != bytes(found) {
        let rules = wanted.chains.iter().zip(&found.chains);
        let rules = rules.flat_map(|(wanted, found)| wanted.rules.iter().zip(&found.rules));
        let differ: Vec<_> = rules
            .filter(|(wanted, found)| wanted != found)
            .map(|(wanted, found)| format!("{wanted:?}\n  is {found:?}"))
            .collect();
        return Err(format!("other bytes, of:\n{}", differ.join("\n")));
    }
    let again = Ruleset {
        tables: vec![found.clone()],
    };
    verify(again).map_err(|wrong| format!("the verifier does not take it: {wrong}"))?;
    count.tables += 1;
    Ok(())
}

/// Reads what the batch says, without a kernel.
fn from_the_batch(ruleset: &Verified, count: &mut Count) -> Result<(), String> {
    for table in &ruleset.tables {
        let read = read::canonical(table).map_err(|error| error.to_string())?;
        compare(table, &read, count)?;
        let again = read::canonical(&read.table).map_err(|error| error.to_string())?;
        if again.table != read.table {
            return Err("what comes back is not what comes back of it".to_owned());
        }
    }
    Ok(())
}

/// Commits it in a network namespace of its own and reads it back.
fn from_the_kernel(ruleset: &Verified, count: &mut Count) -> Result<(), String> {
    let tables = thread::scope(|scope| {
        scope
            .spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).unwrap();
                let mut executor = Executor::open().unwrap();
                let batch = Batch::replace(ruleset).unwrap();
                executor.commit(&batch, Expect::Any).unwrap();
                let names = ruleset.tables.iter();
                let names = names.map(|table| (table.family, &table.name));
                executor.read(names).unwrap().tables
            })
            .join()
            .unwrap()
    });
    if tables.len() != ruleset.tables.len() {
        return Err(format!("{} tables", tables.len()));
    }
    for (table, read) in ruleset.tables.iter().zip(&tables) {
        compare(table, read, count)?;
        // The user space's idea of what comes back is what comes back.
        let canonical = read::canonical(&kept(table)).map_err(|error| error.to_string())?;
        if canonical.table != read.table {
            return Err("`canonical` is not what comes back".to_owned());
        }
    }
    Ok(())
}

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let mut folders: Vec<_> = fs::read_dir(root.join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort_unstable();
    folders
}

/// Every fixture that becomes a ruleset, with its name.
fn all_fixtures() -> Vec<(String, Verified)> {
    let mut all = Vec::new();
    for fixture in HostFixture::all().unwrap() {
        all.push((fixture.name(), fixture.ruleset().unwrap()));
    }
    for scenario in Scenario::all().unwrap() {
        let ruleset = verify(lower(&scenario.host)).unwrap();
        all.push((format!("matrix/{}", scenario.name), ruleset));
    }
    for folder in fixtures("rulesets") {
        let policy = policy::load(&[folder.join("policy.toml")]).unwrap();
        let name = folder.display().to_string();
        all.push((name, verify(lower(&policy.host)).unwrap()));
    }
    let mut programs = 0;
    for folder in fixtures("rules") {
        for (file, family) in [("rules.v4", Family::Ipv4), ("rules.v6", Family::Ipv6)] {
            let Ok(text) = fs::read_to_string(folder.join(file)) else {
                continue;
            };
            let Ok(loaded) = load(&text, family, &Assume::default()) else {
                continue;
            };
            for how in [Optimize::None, Optimize::Full] {
                if let Ok(ruleset) = compile(&loaded.program, how) {
                    all.push((format!("{} {how:?}", folder.display()), ruleset));
                    programs += 1;
                }
            }
        }
    }
    assert!(programs > 0);
    all
}

type Read = fn(&Verified, &mut Count) -> Result<(), String>;

fn each_fixture(read: Read) {
    let mut count = Count::default();
    let fixtures = all_fixtures();
    let wrong: Vec<_> = fixtures
        .iter()
        .filter_map(|(name, ruleset)| {
            let wrong = read(ruleset, &mut count).err()?;
            Some(format!("{name}: {wrong}"))
        })
        .collect();
    println!("{} fixtures: {count:?}", fixtures.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What the lowering writes is nearly always the shortest form.
    assert!(count.alike * 100 < count.equal, "{count:?}");
}

fn number(name: &str, standard: u64) -> u64 {
    std::env::var(name).map_or(standard, |text| text.parse().unwrap())
}

fn random_hosts(read: Read, standard: u64) {
    let seed = number("DOCKFW_READBACK_SEED", 1);
    let mut count = Count::default();
    let mut operators = 0;
    for index in 0..number("DOCKFW_READBACK_HOSTS", standard) {
        let mut rng = Rng::new(seed ^ 0x4ead, index);
        let host = Generator::new(Rng::new(seed, index)).host();
        let user = user::random(&mut rng, &host, &World::new(&host));
        let with_user = user.on(&host);
        operators += usize::from(with_user.is_some());
        let ruleset = verify(lower(&with_user.unwrap_or(host))).unwrap();
        if let Err(wrong) = read(&ruleset, &mut count) {
            panic!("host {index} of seed {seed}: {wrong}");
        }
    }
    println!("random hosts, {operators} with operators' rules: {count:?}");
    assert!(operators > 0);
}

fn random_programs(read: Read, standard: u64) {
    let seed = number("DOCKFW_READBACK_SEED", 1);
    let mut count = Count::default();
    let mut compiled = 0;
    for index in 0..number("DOCKFW_READBACK_PROGRAMS", standard) {
        let ipv6 = index % 3 == 2;
        let family = if ipv6 { Family::Ipv6 } else { Family::Ipv4 };
        let text = random(&mut Rng::new(seed ^ 0x7ab1e, index), ipv6);
        let program = load(&text, family, &Assume::default()).unwrap().program;
        for how in [Optimize::None, Optimize::Full] {
            let Ok(ruleset) = compile(&program, how) else {
                continue;
            };
            compiled += 1;
            if let Err(wrong) = read(&ruleset, &mut count) {
                panic!("program {index} of seed {seed}, {how:?}: {wrong}\n{text}");
            }
        }
    }
    println!("{compiled} random programs: {count:?}");
    assert!(compiled > 0);
}

#[test]
fn fixtures_are_read_from_their_batches() {
    each_fixture(from_the_batch);
}

#[test]
fn random_hosts_are_read_from_their_batches() {
    random_hosts(from_the_batch, 60);
}

#[test]
fn random_programs_are_read_from_their_batches() {
    random_programs(from_the_batch, 40);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn fixtures_come_back() {
    each_fixture(from_the_kernel);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn random_hosts_come_back() {
    random_hosts(from_the_kernel, 60);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn random_programs_come_back() {
    random_programs(from_the_kernel, 40);
}
