//! The reachability matrix with a real dockerd: with its own rules, and without them beside
//! `dockfw watch`.
//!
//! Prints a line for each packet: row, packet, what came of it on both sides, and whether that is
//! equal or which entry of `docs/divergences.md` says why not. `DOCKFW_SCENARIO` names one
//! scenario, `DOCKFW_DOCKERD` a folder with another dockerd; `docs/conformance.md` says what is compared.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; the lines are the result of a run"
)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;
use dockfw_testkit::dockerd::compare::{Answer, Comparison, Side, entries};
use dockfw_testkit::dockerd::release::Version;
use dockfw_testkit::dockerd::scenario::{Scenario, Verdict};

#[path = "dockerd/beside.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod beside;

/// Scenarios at a time, each with two dockerds; they wait as much as they work.
const AT_ONCE: usize = 2;

/// Those that are asked for, as far as this dockerd can show them; what it cannot is said.
fn scenarios(version: Version) -> Vec<Scenario> {
    let only = std::env::var("DOCKFW_SCENARIO").ok();
    let mut all = Scenario::all().unwrap();
    all.retain(|of| only.as_ref().is_none_or(|name| *name == of.name));
    assert!(!all.is_empty(), "no scenario {only:?}");
    all.retain_mut(|of| match of.fit(version) {
        Some(since) => {
            println!(
                "{}: NOT RUN, it needs dockerd {since}; this is {version}",
                of.name
            );
            false
        }
        None => true,
    });
    all
}

/// Does something with each scenario, some at a time.
fn each(version: Version, act: impl Fn(&Scenario) + Sync) {
    let all = scenarios(version);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(scenario) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    act(scenario);
                }
            });
        }
    });
}

fn both(scenario: &Scenario) -> Result<(Vec<Answer>, Vec<Answer>)> {
    std::thread::scope(|scope| {
        let reference = scope.spawn(|| scenario.run(Side::Reference));
        let dockfw = scenario.run(Side::Dockfw(&beside::program()));
        Ok((reference.join().unwrap()?, dockfw?))
    })
}

#[test]
#[ignore = "needs root, docker.io, iptables and network namespaces: cargo test -- --ignored"]
fn containers_are_reached_as_with_dockers_own_rules() {
    let started = Instant::now();
    let entries = entries().unwrap();
    let wrong = Mutex::new(Vec::new());
    let packets = AtomicUsize::new(0);
    let divergent = AtomicUsize::new(0);
    let version = Version::running().unwrap();
    each(version, |scenario| {
        let comparison = match both(scenario) {
            Ok((reference, dockfw)) => Comparison::of(&reference, &dockfw, &entries),
            Err(error) => {
                let failed = format!("{}: {error:#}", scenario.name);
                wrong.lock().unwrap().push(failed);
                return;
            }
        };
        packets.fetch_add(comparison.lines.len(), Ordering::Relaxed);
        divergent.fetch_add(comparison.divergent, Ordering::Relaxed);
        println!(
            "{}: {} packets, {} that differ on purpose, {} wrong\n{}\n",
            scenario.name,
            comparison.lines.len(),
            comparison.divergent,
            comparison.wrong.len(),
            comparison.lines.join("\n")
        );
        let of = comparison.wrong.iter();
        let of = of.map(|line| format!("{}: {line}", scenario.name));
        wrong.lock().unwrap().extend(of);
    });
    println!(
        "dockerd {version}: {packets:?} packets on each side, {divergent:?} that differ on purpose, \
         in {:?}",
        started.elapsed()
    );
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The same without any rules: what is dropped is dropped by the rules, and not because nobody is
/// there.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn without_rules_containers_are_open() {
    let open = ["docker0-icc-off", "nat-proxy-off", "modes-proxy-off"];
    let all = scenarios(Version::running().unwrap());
    for scenario in all.iter().filter(|of| open.contains(&of.name.as_str())) {
        let answers = scenario.run(Side::Nobody).unwrap();
        let dropped = |of: &&Answer| of.row.expected() == Some(Verdict::Drop);
        let (open, closed): (Vec<_>, Vec<_>) = answers
            .iter()
            .filter(dropped)
            .partition(|of| Verdict::of(&of.outcome) != Verdict::Drop);
        println!(
            "{}: {} packets that the rules drop get through without, {} do not",
            scenario.name,
            open.len(),
            closed.len()
        );
        assert!(open.len() > closed.len(), "{closed:#?}");
    }
}
