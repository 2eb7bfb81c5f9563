//! Whole iptables programs, random ones and those of real hosts, and the tables they become.
//!
//! `DOCKFW_CORPUS` names the folder of the latter; without it, `../shared/conformance` beside the
//! workspace.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "helpers of tests; the table is the result of a run"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use dockfw_iptables::Family;
use dockfw_iptables::parse::{Assume, load};
use dockfw_lower::optimize::Optimize;
use dockfw_testkit::equivalence::Rng;
use dockfw_testkit::equivalence::emit;
use dockfw_testkit::equivalence::whole::{Difference, compare, compile, random};

#[path = "programs/laboratory.rs"]
mod laboratory;
#[path = "programs/real.rs"]
mod real;
#[path = "programs/scene.rs"]
mod scene;

/// The first difference, for a program of either kind of compilation.
fn differs(text: &str, family: Family, seed: u64, packets: u64) -> Option<(Optimize, Difference)> {
    let loaded = load(text, family, &Assume::default());
    let program = loaded
        .unwrap_or_else(|wrong| panic!("{wrong:?}\n{text}"))
        .program;
    [Optimize::None, Optimize::Full]
        .into_iter()
        .find_map(|how| {
            let ruleset = match compile(&program, how) {
                Ok(ruleset) => ruleset,
                Err(wrong) => panic!("{wrong:?}\n{text}"),
            };
            let found = compare(&program, &ruleset, true, &mut Rng::new(seed, 1), packets)?;
            Some((how, found))
        })
}

/// Leaves lines out while there is a difference.
fn smaller(text: &str, still: &dyn Fn(&str) -> bool) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        let mut fewer = lines.clone();
        let line = fewer.remove(at);
        if line.starts_with("-A") && still(&(fewer.join("\n") + "\n")) {
            lines = fewer;
        } else {
            at += 1;
        }
    }
    lines.join("\n") + "\n"
}

fn agree(programs: u64, packets: u64) {
    let number =
        |name: &str, standard| std::env::var(name).map_or(standard, |text| text.parse().unwrap());
    let seed = number("DOCKFW_EQUIVALENCE_SEED", 1);
    let started = std::time::Instant::now();
    let (mut rules, mut compared) = (0, 0);
    for index in 0..number("DOCKFW_EQUIVALENCE_PROGRAMS", programs) {
        let ipv6 = index % 3 == 2;
        let family = if ipv6 { Family::Ipv6 } else { Family::Ipv4 };
        let text = random(&mut Rng::new(seed ^ 0x7ab1e, index), ipv6);
        rules += text.lines().filter(|line| line.starts_with("-A")).count();
        let program = load(&text, family, &Assume::default()).unwrap().program;
        compared += u64::from(compile(&program, Optimize::None).is_ok());
        if differs(&text, family, index, packets).is_some() {
            let text = smaller(&text, &|text| {
                differs(text, family, index, packets).is_some()
            });
            let (how, found) = differs(&text, family, index, packets).unwrap();
            panic!(
                "program {index}, {how:?}:\n{text}{}{:?}\n{:?}\n{}",
                emit::packet(&found.packet),
                found.ends.0,
                found.ends.1,
                found.trails
            );
        }
    }
    println!(
        "{compared} programs compared, of {programs} with {rules} rules; {} packets, {:?}",
        2 * compared * packets,
        started.elapsed()
    );
    assert!(compared * 2 > programs, "{compared} of {programs}");
}

#[test]
fn programs_and_their_tables_agree() {
    agree(60, 100);
}

#[test]
#[ignore = "half a million packets: cargo test --release -p dockfw-testkit --test programs -- --ignored"]
fn many_programs_and_their_tables_agree() {
    agree(500, 500);
}

/// `nft -c` takes a text.
fn nft_checks(text: &str) -> anyhow::Result<()> {
    let mut child = Command::new("nft")
        .args(["-c", "-f", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let errors: String = errors.lines().take(6).collect::<Vec<_>>().join("\n");
    anyhow::ensure!(output.status.success(), "nft -c: {errors}");
    Ok(())
}
