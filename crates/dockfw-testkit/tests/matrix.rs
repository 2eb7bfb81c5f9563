//! The reachability matrix: predicted by both evaluators, and seen in the kernel under both
//! rulesets.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests, and one line per scenario"
)]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use dockfw_iptables::{Family, Program};
use dockfw_lower::reference::reference;
use dockfw_testkit::matrix::kernel::Rules;
use dockfw_testkit::matrix::model::{DockerModel, DockfwModel, Model, no_ruleset, ruleset};
use dockfw_testkit::matrix::place::Place;
use dockfw_testkit::matrix::predict::predict;
use dockfw_testkit::matrix::{Expected, Packet, Scenario, Seen};

/// Scenarios that are in the kernel at a time; they mostly wait.
const AT_ONCE: usize = 6;

/// Internal networks whose bridge has no address.
const NO_WAY_OUT: [&str; 3] = ["isolated", "point-to-point", "point-to-point-isolated"];

/// What a packet's outcome is instead of the expected one.
fn wrong(scenario: &Scenario, packet: &Packet, rules: Rules, seen: &Seen) -> Option<String> {
    let expected = packet.expected(rules);
    if expected.is(seen, packet.question.protocol) {
        return None;
    }
    let Packet { rows, question, .. } = packet;
    let name = &scenario.name;
    Some(format!(
        "{name}: {question} under {rules:?}: expected {expected:?}, got {seen:?} (rows {rows:?})"
    ))
}

/// Predictions that are wrong, with the rules that the packet met.
fn mispredicted(scenario: &Scenario, model: &dyn Model, rules: Rules) -> Vec<String> {
    let place = Place::new(&scenario.host, &scenario.setup);
    let packets = scenario.packets.iter();
    let wrong = packets.filter_map(|packet| {
        let (seen, trail) = predict(&place, model, &packet.question);
        let wrong = wrong(scenario, packet, rules, &seen)?;
        Some(format!("{wrong}\n    {}", trail.join("\n    ")))
    });
    wrong.collect()
}

#[test]
fn both_evaluators_predict_every_packet() {
    let mut all = Vec::new();
    for scenario in Scenario::all().unwrap() {
        let place = Place::new(&scenario.host, &scenario.setup);
        let reference = reference(&scenario.host);
        let docker = DockerModel::new(&place, &reference);
        all.extend(mispredicted(&scenario, &docker, Rules::Docker));
        let ruleset = ruleset(&scenario.host).unwrap();
        let dockfw = DockfwModel::new(&place, &ruleset);
        all.extend(mispredicted(&scenario, &dockfw, Rules::Dockfw));
    }
    assert!(all.is_empty(), "{} wrong:\n{}", all.len(), all.join("\n"));
}

/// Every scenario has packets that notice when there are no rules, but for internal networks whose
/// bridge has no address: there is no way out of them anyway.
#[test]
fn without_rules_every_scenario_fails() {
    let (ipv4, ipv6) = (Program::new(Family::Ipv4), Program::new(Family::Ipv6));
    let no_ruleset = no_ruleset().unwrap();
    let mut not_missed = Vec::new();
    for scenario in Scenario::all().unwrap() {
        let place = Place::new(&scenario.host, &scenario.setup);
        let docker = DockerModel::of_programs(&place, &ipv4, &ipv6);
        let dockfw = DockfwModel::new(&place, &no_ruleset);
        if mispredicted(&scenario, &docker, Rules::Docker).is_empty()
            || mispredicted(&scenario, &dockfw, Rules::Dockfw).is_empty()
        {
            not_missed.push(scenario.name);
        }
    }
    assert_eq!(not_missed, NO_WAY_OUT);
}

/// The rows of the specification that the matrix decides; what is not here needs names, lifecycle
/// or a daemon, not a packet filter.
#[test]
fn rows_of_the_specification_are_covered() {
    let scenarios = Scenario::all().unwrap();
    let packets = scenarios.iter().flat_map(|of| &of.packets);
    let rows: BTreeSet<&str> = packets
        .flat_map(|packet| packet.rows.iter().map(String::as_str))
        .collect();
    let wanted = COVERED.iter().chain(PROXIED);
    let missing: Vec<_> = wanted.filter(|row| !rows.contains(**row)).collect();
    assert!(missing.is_empty(), "{missing:?} of {rows:?}");
}

const COVERED: &[&str] = &[
    "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A11", "A12", "A13", "A14", "A15",
    "A16", "A17", "A18", "B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "C1", "C2", "C3", "C4",
    "C5", "C6", "C7", "C8", "C9", "D1", "D2", "D3", "D4", "D5", "D7", "D8", "D9", "E1", "E2", "E3",
    "E4", "F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "F10", "G1", "G2", "G5", "G6",
];

/// Rows of its §4.5: who is served by docker-proxy.
const PROXIED: &[&str] = &[
    "4.5 host → fe80",
    "4.5 remote with fe80 source",
    "4.5 same-bridge peer",
    "4.5 container on another bridge",
];

/// Every packet under Docker's rules and under ours: the same answer, and the one its row says.
#[test]
#[ignore = "needs root, iptables and network namespaces: cargo test -- --ignored"]
fn kernel_agrees_under_both_rulesets() {
    let start = Instant::now();
    let all = each(compare);
    println!("all of them in {:?}", start.elapsed());
    assert!(all.is_empty(), "{} wrong:\n{}", all.len(), all.join("\n"));
}

/// The same packets without any rules: every scenario notices, so what is dropped is dropped by
/// the rules and not by the laboratory.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn kernel_without_rules_is_wide_open() {
    let wrong = each(|scenario| {
        // Without a proxy and without rules nobody is at the forged frame's address.
        let name = scenario.name.as_str();
        if NO_WAY_OUT.contains(&name) || name == "loopback-forged-proxy-off" {
            return Vec::new();
        }
        let seen = match scenario.run(Rules::None) {
            Ok(seen) => seen,
            Err(error) => return vec![format!("{}: {error:?}", scenario.name)],
        };
        let packets = scenario.packets.iter().zip(&seen);
        let dropped = |packet: &Packet| matches!(packet.dockfw, Expected::Nothing);
        // Of each sender, something that our rules drop arrives somewhere.
        let mut silent: BTreeSet<&str> = BTreeSet::new();
        let mut open: BTreeSet<&str> = BTreeSet::new();
        for (packet, seen) in packets.filter(|(packet, _)| dropped(packet)) {
            let from = packet.question.from.as_str();
            silent.insert(from);
            if !matches!(seen, Seen::Nothing | Seen::Unreachable) {
                open.insert(from);
            }
        }
        let never = silent.difference(&open);
        never
            .map(|from| format!("{}: nothing of {from} arrives anyway", scenario.name))
            .collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs something with every scenario, several at a time, and gathers what is wrong.
fn each(test: impl Fn(&Scenario) -> Vec<String> + Sync) -> Vec<String> {
    let only = std::env::var("DOCKFW_SCENARIO").ok();
    let mut scenarios = Scenario::all().unwrap();
    scenarios.retain(|of| only.as_ref().is_none_or(|name| *name == of.name));
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = test(scenario);
                    all.lock().unwrap().extend(found);
                }
            });
        }
    });
    all.into_inner().unwrap()
}

/// Runs a scenario under both rulesets and says what is wrong.
fn compare(scenario: &Scenario) -> Vec<String> {
    let run = |rules| {
        scenario
            .run(rules)
            .map_err(|error| vec![format!("{}: {rules:?}: {error:?}", scenario.name)])
    };
    let (docker, dockfw) = std::thread::scope(|scope| {
        let docker = scope.spawn(|| run(Rules::Docker));
        (run(Rules::Dockfw), docker.join().unwrap())
    });
    let (dockfw, docker) = match (docker, dockfw) {
        (Ok(dockfw), Ok(docker)) => (dockfw, docker),
        (Err(error), _) | (_, Err(error)) => return error,
    };
    let mut all = Vec::new();
    let (mut reached, mut divergent) = (0, 0);
    for ((packet, docker), dockfw) in scenario.packets.iter().zip(&docker).zip(&dockfw) {
        all.extend(wrong(scenario, packet, Rules::Docker, docker));
        all.extend(wrong(scenario, packet, Rules::Dockfw, dockfw));
        reached += usize::from(matches!(dockfw, Seen::Reached { .. }));
        if packet.divergence.is_some() {
            divergent += 1;
        } else if docker != dockfw {
            // Ports and the like, which rows do not say.
            let (name, question) = (&scenario.name, &packet.question);
            all.push(format!(
                "{name}: {question}: {docker:?} under Docker's rules, {dockfw:?} under ours"
            ));
        }
    }
    println!(
        "{}: {} packets under each, {reached} reached, {divergent} that differ on purpose, {} wrong",
        scenario.name,
        scenario.packets.len(),
        all.len()
    );
    all
}
