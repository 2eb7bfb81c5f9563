//! `--lenient` never widens what is accepted.
//!
//! Rules of random programs get a condition that nftables has no word for. Whatever such a
//! condition would have said of a packet, always or never: what the rest still delivers, the whole
//! program would have delivered too. The two sides are iptables programs under the iptables
//! evaluator; what is left out is decided by `dockfw`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::format_push_string,
    reason = "helpers of tests; the numbers are the result of a run"
)]

use dockfw::policy::Source;
use dockfw::rules::{self, LeaveOut, Options};
use dockfw_iptables::eval::Evaluator;
use dockfw_iptables::parse::{Assume, load};
use dockfw_iptables::{Family, Program};
use dockfw_testkit::equivalence::whole::{Scene, random};
use dockfw_testkit::equivalence::{Outcome, Rng, Verdict};

/// What it is in the text; nothing else there looks like it.
const UNKNOWN: &str = " -m string --algo bm --string x";

fn program(text: &str, family: Family) -> Program {
    let loaded = load(text, family, &Assume::default());
    loaded
        .unwrap_or_else(|wrong| panic!("{wrong:?}\n{text}"))
        .program
}

/// The text with the unknown condition in some rules of the table filter.
fn obscured(text: &str, rng: &mut Rng) -> String {
    let (before, filter) = text.split_once("*filter\n").unwrap();
    let mut out = format!("{before}*filter\n");
    for line in filter.lines() {
        let at = line.find(" -j ").or_else(|| line.find(" -g "));
        // Leaving out anything else is refused as a rule.
        let accepts = line.contains(" -j ACCEPT") || line.contains("LOG");
        let percent = if accepts { 50 } else { 2 };
        match at.filter(|_| line.starts_with("-A") && rng.chance(percent)) {
            Some(at) => {
                let (conditions, target) = line.split_at(at);
                out += &format!("{conditions}{UNKNOWN}{target}\n");
            }
            None => out += &format!("{line}\n"),
        }
    }
    out
}

/// The text as if the condition of each rule always held, or never did.
fn decided(text: &str, always: usize, rng: &mut Rng) -> String {
    text.lines()
        .filter(|line| !line.contains(UNKNOWN) || rng.chance(always))
        .map(|line| line.replace(UNKNOWN, "") + "\n")
        .collect()
}

fn is_delivered(outcome: &Outcome) -> bool {
    matches!(outcome.verdict, Verdict::Delivered | Verdict::Forwarded(_))
}

#[test]
fn what_is_left_out_accepts_nothing_more() {
    let options = Options {
        unsupported: LeaveOut::Harmless,
        ..Options::default()
    };
    let (mut compared, mut rules_left_out, mut fewer) = (0, 0, 0);
    for index in 0..150 {
        let family = if index % 3 == 2 {
            Family::Ipv6
        } else {
            Family::Ipv4
        };
        let mut rng = Rng::new(0x01e9_1e27, index);
        let text = obscured(&random(&mut rng, family == Family::Ipv6), &mut rng);
        let source = Source {
            name: "rules".to_owned(),
            bytes: text.clone().into_bytes(),
        };
        let Ok(lenient) = rules::parse(&[source], Some(family), options) else {
            continue;
        };
        let unknown = text.matches(UNKNOWN).count();
        if unknown == 0 {
            continue;
        }
        compared += 1;
        rules_left_out += unknown;
        let rest = &lenient.programs.first().unwrap().program;
        // Limits hold, or are used up: for both sides alike.
        for limits in [true, false] {
            for always in [0, 50, 100] {
                let whole = decided(&text, always, &mut rng);
                let whole = program(&whole, family);
                let scene = Scene::of(&whole);
                let host = scene.world.docker();
                for _ in 0..50 {
                    let packet = scene.packet(&mut rng);
                    let end = |program: &Program| -> Outcome {
                        let evaluator = Evaluator::new(program).limits(limits);
                        evaluator.eval(&host, &packet.docker()).into()
                    };
                    let (with, without) = (end(&whole), end(rest));
                    fewer += u64::from(is_delivered(&with) && !is_delivered(&without));
                    assert!(
                        is_delivered(&with) || !is_delivered(&without),
                        "program {index}: {packet:?}\nwith {with:?}\nwithout {without:?}\n{text}"
                    );
                }
            }
        }
    }
    println!(
        "{compared} programs, {rules_left_out} rules left out, {fewer} packets delivered no more"
    );
    assert!(compared > 40 && fewer > 40, "{compared}, {fewer}");
}
