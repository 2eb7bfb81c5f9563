//! The smallest change and a full replacement end in the same ruleset, in the kernel.
//!
//! Two namespaces: in one the first ruleset is changed to the second, in the other the second is
//! loaded alone. `nft -j list ruleset` must then say the same, but for handles, counters and the
//! order of chains and sets. Rules that stay must have kept their handles.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests; the counts are the result of a run"
)]

#[path = "change/kernel.rs"]
mod kernel;
#[path = "change/neighbour.rs"]
mod neighbour;

use dockfw_ir::diff::{self, ChainChange, RuleEdit, TableChange};
use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, Verified};
use dockfw_lower::host::Host;
use dockfw_lower::lower;
use dockfw_lower::optimize::Optimize;
use dockfw_netlink::{Batch, Executor, Expect};
use dockfw_testkit::equivalence::{Generator, Rng, World, emit, user, whole};
use kernel::{handles, in_namespace, listing};

fn compiled(host: &Host) -> Verified {
    verify(lower(host)).unwrap()
}

/// Loads `from`, changes it to `to`, and says how the result differs from `to` alone.
fn difference(from: &Verified, to: &Verified) -> Option<String> {
    let changes = diff::rulesets(&from.tables, to);
    let made = in_namespace(|| {
        let mut executor = Executor::open().unwrap();
        let batch = Batch::replace(from).unwrap();
        let loaded = executor.commit(&batch, Expect::Any).unwrap();
        let before = handles(&from.tables);
        let batch = Batch::change(&changes, &before).unwrap();
        assert_eq!(batch.as_bytes().is_empty(), changes.is_empty());
        let expect = Expect::Generation(loaded.generation);
        if !changes.is_empty() {
            executor
                .commit(&batch, expect)
                .map_err(|error| error.to_string())?;
        }
        for (table, old, new) in staying(&changes) {
            let after = kernel::chain_handles(table, new.name.as_str());
            let kept = kernel::chain_handles_in(&before, from, table, old.name.as_str());
            let places = kept_places(&changes, table, new.name.as_str(), old.rules.len());
            let kept: Vec<u64> = places.iter().map(|place| kept[*place]).collect();
            let still: Vec<u64> = after
                .into_iter()
                .filter(|handle| kept.contains(handle))
                .collect();
            if still != kept {
                return Err(format!(
                    "chain {}: handles {kept:?}, then {still:?}",
                    new.name
                ));
            }
        }
        Ok(listing())
    });
    let alone = in_namespace(|| {
        let batch = Batch::replace(to).unwrap();
        Executor::open()
            .unwrap()
            .commit(&batch, Expect::Any)
            .unwrap();
        listing()
    });
    match made {
        Err(error) => Some(error),
        Ok(listed) if listed != alone => {
            let differs = listed.lines().zip(alone.lines()).find(|(a, b)| a != b);
            Some(format!("{differs:#?}"))
        }
        Ok(_) => None,
    }
}

type Staying<'c> = (
    &'c dockfw_ir::Table,
    &'c dockfw_ir::Chain,
    &'c dockfw_ir::Chain,
);

/// The chains that change and stay: their table, before and after.
fn staying<'c>(changes: &'c diff::RulesetChanges<'_>) -> Vec<Staying<'c>> {
    let mut all = Vec::new();
    for change in changes.tables() {
        let TableChange::Changed(changes) = change else {
            continue;
        };
        for chain in &changes.chains {
            if let ChainChange::Changed { from, to, .. } = chain {
                all.push((
                    changes.to,
                    &changes.from.chains[*from],
                    &changes.to.chains[*to],
                ));
            }
        }
    }
    all
}

/// The places of the rules that stay as they are.
fn kept_places(
    changes: &diff::RulesetChanges<'_>,
    table: &dockfw_ir::Table,
    chain: &str,
    rules: usize,
) -> Vec<usize> {
    let mut gone = Vec::new();
    for change in changes.tables() {
        let TableChange::Changed(changes) = change else {
            continue;
        };
        if changes.to.family != table.family {
            continue;
        }
        for change in &changes.chains {
            let ChainChange::Changed { to, rules, .. } = change else {
                continue;
            };
            if changes.to.chains[*to].name.as_str() == chain {
                gone.extend(rules.iter().filter_map(|edit| match edit {
                    RuleEdit::Delete { from }
                    | RuleEdit::Replace { from, .. }
                    | RuleEdit::Remake { from, .. } => Some(*from),
                    RuleEdit::Insert { .. } => None,
                }));
            }
        }
    }
    (0..rules).filter(|place| !gone.contains(place)).collect()
}

fn runs(standard: u64) -> u64 {
    std::env::var("DOCKFW_CHANGE_RUNS").map_or(standard, |text| text.parse().unwrap())
}

/// Small changes of a random host with rules of an operator, there and back.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn neighbours_change_into_each_other() {
    let mut kinds = std::collections::BTreeMap::new();
    let mut sum = diff::Counts::default();
    for run in 0..runs(80) {
        let mut rng = Rng::new(17, run);
        let host = Generator::new(Rng::new(18, run)).host();
        let lines = user::random(&mut rng, &host, &World::new(&host));
        let Some(from) = lines.on(&host) else {
            continue;
        };
        let (kind, to) = neighbour::of(&mut rng, &host, &lines);
        let (from, to) = (compiled(&from), compiled(&to));
        *kinds.entry(kind).or_insert(0) += 1;
        for (from, to) in [(&from, &to), (&to, &from)] {
            let counts = diff::rulesets(&from.tables, to).counts();
            sum.rules_added += counts.rules_added;
            sum.rules_replaced += counts.rules_replaced;
            sum.rules_remade += counts.rules_remade;
            sum.chains_replaced += counts.chains_replaced;
            sum.sets_swapped += counts.sets_swapped;
            sum.elements_added += counts.elements_added;
            sum.elements_changed += counts.elements_changed;
            if let Some(found) = difference(from, to) {
                panic!(
                    "run {run}, {kind}: {found}\n{}{}",
                    emit::policy(&host),
                    lines.toml()
                );
            }
        }
    }
    println!("{kinds:?}\n{sum:?}");
}

/// Hosts that have nothing to do with each other.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn strangers_change_into_each_other() {
    let random = |seed, run| {
        let host = Generator::new(Rng::new(seed, run)).host();
        let mut rng = Rng::new(seed + 1, run);
        let lines = user::random(&mut rng, &host, &World::new(&host));
        lines.on(&host).unwrap_or(host)
    };
    for run in 0..runs(60) {
        let (from, to) = (random(31, run), random(41, run));
        let both = [&from, &to].map(compiled);
        if let Some(found) = difference(&both[0], &both[1]) {
            panic!(
                "run {run}: {found}\n{}\n{}",
                emit::policy(&from),
                emit::policy(&to)
            );
        }
    }
}

/// Whole programs of iptables, folded or not, and tables that come and go.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn programs_change_into_each_other() {
    let program = |rng: &mut Rng, ipv6| {
        let family = if ipv6 {
            dockfw_iptables::Family::Ipv6
        } else {
            dockfw_iptables::Family::Ipv4
        };
        let optimize = if rng.chance(50) {
            Optimize::Full
        } else {
            Optimize::None
        };
        loop {
            let text = whole::random(rng, ipv6);
            let program = dockfw_iptables::parse::load(
                &text,
                family,
                &dockfw_iptables::parse::Assume::default(),
            );
            if let Ok(ruleset) = whole::compile(&program.unwrap().program, optimize) {
                return ruleset.into_inner().tables;
            }
        }
    };
    for run in 0..runs(60) {
        let mut rng = Rng::new(51, run);
        let [from, to] = [(); 2].map(|()| {
            let mut tables = Vec::new();
            for ipv6 in [false, true] {
                if rng.chance(75) {
                    tables.extend(program(&mut rng, ipv6));
                }
            }
            verify(Ruleset { tables }).unwrap()
        });
        if let Some(found) = difference(&from, &to) {
            panic!("run {run}: {found}\n{}\n{}", *from, *to);
        }
    }
}
