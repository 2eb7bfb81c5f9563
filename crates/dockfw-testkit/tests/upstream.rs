//! iptables' own cases in the kernel: committed over netlink, and listed by nft(8) as printed.
//!
//! `DOCKFW_CORPUS` names the folder with the cases; without it, `../shared/conformance` beside the
//! workspace.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "test helpers")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use dockfw_iptables::Family;
use dockfw_iptables::parse::{Assume, load};
use dockfw_ir::name::TableName;
use dockfw_ir::verify::{Verified, verify};
use dockfw_ir::{Ruleset, print};
use dockfw_lower::optimize::Optimize;
use dockfw_lower::rules::table;
use dockfw_netlink::{Batch, CommitError, Executor, Expect};
use dockfw_testkit::docker_host::on_host;
use dockfw_testkit::lab::Lab;
use serde_json::Value;

/// The rulesets of all cases that have one, by their text, and a rule of each.
fn rulesets() -> Option<BTreeMap<String, (Verified, String)>> {
    let root = match std::env::var("DOCKFW_CORPUS") {
        Ok(root) => PathBuf::from(root),
        Err(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
    };
    let Ok(text) = std::fs::read_to_string(root.join("iptables/1.8.9.t.jsonl")) else {
        println!("skipped: {} is not there", root.display());
        return None;
    };
    let mut all = BTreeMap::new();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| case.get(name).and_then(Value::as_str).unwrap_or_default();
        let family = match field("family") {
            "ip" => Family::Ipv4,
            "ip6" => Family::Ipv6,
            _ => continue,
        };
        let (chain, rule) = (field("chain"), field("rule"));
        let text = format!("*{}\n-A {chain} {rule}\nCOMMIT\n", field("table"));
        let Ok(loaded) = load(&text, family, &Assume::default()) else {
            continue;
        };
        let name = TableName::new("dockfw").unwrap();
        let Ok(compiled) = table(&loaded.program, name, Optimize::Full) else {
            continue;
        };
        let ruleset = Ruleset {
            tables: vec![compiled.table],
        };
        let verified = verify(ruleset).unwrap();
        all.insert(print::nft(&verified), (verified, rule.to_owned()));
    }
    Some(all)
}

/// The lines of rules and sets, without what only prints as the beginning of a batch.
fn lines(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.contains("table ip"))
        .collect()
}

#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn the_kernel_takes_and_lists_upstream_cases() {
    let Some(rulesets) = rulesets() else { return };
    let lab = Lab::builder().build().unwrap();
    let (mut taken, mut lacking) = (0, 0);
    let (mut other, mut wrong) = (Vec::new(), Vec::new());
    for (printed, (ruleset, rule)) in &rulesets {
        let listed = on_host(&lab, || {
            let batch = Batch::replace(ruleset)?;
            match Executor::open()?.commit(&batch, Expect::Any) {
                Ok(_) => {}
                Err(CommitError::Unsupported { feature, .. }) if feature.contains("queue") => {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
            let listed = Command::new("nft")
                .args(["-s", "list", "ruleset"])
                .env("TZ", "UTC")
                .output()?;
            Command::new("nft").args(["flush", "ruleset"]).status()?;
            Ok(Some(String::from_utf8_lossy(&listed.stdout).into_owned()))
        });
        match listed {
            Err(error) => wrong.push(format!("{rule}: {error:?}")),
            Ok(None) => lacking += 1,
            Ok(Some(listed)) if lines(&listed) == lines(printed) => taken += 1,
            Ok(Some(listed)) => {
                taken += 1;
                let pairs = lines(printed);
                let theirs = lines(&listed);
                let differ = pairs.iter().zip(&theirs).find(|(one, two)| one != two);
                other.push(format!("{rule}\n  ours:   {differ:?}"));
            }
        }
    }
    println!("{taken} taken, {lacking} need queue, which this kernel lacks");
    println!(
        "{} are listed in other words:\n{}",
        other.len(),
        other.join("\n")
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let known = |line: &&String| !OTHER_WORDS.iter().any(|option| line.contains(option));
    let unknown: Vec<&String> = other.iter().filter(known).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}

/// The options of cases that nft lists in other words than we print: it names the bits of a raw
/// field, leaves a test of the protocol out that an option implies, and rounds times.
const OTHER_WORDS: &[&str] = &["--dccp-types", "--mss", "--tos", "--ctexpire"];
