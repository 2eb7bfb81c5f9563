//! iptables' own cases of both families' extensions, for IPv6, against the real ip6tables.
//!
//! Upstream ran these cases for iptables only. `DOCKFW_CORPUS` names the folder; without it,
//! `../shared/conformance` beside the workspace.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dockfw_iptables::Family;
use dockfw_iptables::parse::{Assume, ErrorKind, load};
use serde_json::Value;

/// A table, a chain and a rule.
type Case = (String, String, String);

/// The cases whose text has no IPv4 address.
fn cases() -> Option<BTreeSet<Case>> {
    let root = match std::env::var("DOCKFW_CORPUS") {
        Ok(root) => PathBuf::from(root),
        Err(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
    };
    let Ok(text) = std::fs::read_to_string(root.join("iptables/1.8.9.t.jsonl")) else {
        println!("skipped: {} is not there", root.display());
        return None;
    };
    let mut cases = BTreeSet::new();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| case[name].as_str().unwrap_or_default().to_owned();
        let rule = field("rule");
        let is_address = |word: &str| word.split('.').count() == 4;
        // In the other cases iptables-legacy and iptables-nft differ.
        let alike = case["external"].is_null() && case["variant"].is_null();
        let ours = field("file").starts_with("libxt_") && alike;
        if ours && field("family") != "arp" && !rule.split([' ', '/', '-', '=']).any(is_address) {
            cases.insert((field("table"), field("chain"), rule));
        }
    }
    Some(cases)
}

/// What we make of a case: the line of iptables-save, or whether it is merely unsupported.
fn ours((table, chain, rule): &Case) -> Result<String, bool> {
    let text = format!("*{table}\n-A {chain} {rule}\nCOMMIT\n");
    let loaded = load(&text, Family::Ipv6, &Assume::default()).map_err(|errors| {
        errors
            .iter()
            .any(|error| matches!(error.kind, ErrorKind::Unsupported { .. }))
    })?;
    let printed = loaded.program.to_string();
    let again = load(&printed, Family::Ipv6, &Assume::default()).unwrap();
    assert_eq!(again.program, loaded.program, "{printed}");
    let lines = printed.lines().filter(|line| line.starts_with("-A"));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// What is printed for IPv6 reads back, whatever the case was made for.
#[test]
fn printed_cases_read_back() {
    let Some(cases) = cases() else { return };
    let read = cases.iter().filter(|case| ours(case).is_ok()).count();
    println!("{read} of {} read", cases.len());
    assert!(read >= READ, "{read}");
}

/// How many cases are read.
const READ: usize = 907;

/// Both take the same cases, and print them alike.
#[test]
#[ignore = "needs root and ip6tables"]
fn ip6tables_agrees() {
    let Some(cases) = cases() else { return };
    let mut script = String::new();
    for (table, chain, rule) in &cases {
        let program = format!("ip6tables-legacy -t {table}");
        writeln!(
            script,
            "{program} -F\necho '=='\n{program} -A {chain} {rule} </dev/null 2>&1 && \
             {program} -S {chain} | grep '^-A'"
        )
        .unwrap();
    }
    let mut child = Command::new("unshare")
        .args(["-n", "bash"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let theirs: Vec<&str> = output.split("==\n").skip(1).collect();
    assert_eq!(theirs.len(), cases.len());
    let (mut same, mut unsupported, mut wrong) = (0, 0, Vec::new());
    for (case, theirs) in cases.iter().zip(theirs) {
        let theirs = theirs.trim_end();
        let taken = theirs.starts_with("-A");
        match ours(case) {
            Ok(text) if taken && text == theirs => same += 1,
            Err(false) if !taken => same += 1,
            Err(true) => unsupported += 1,
            ours => wrong.push(format!("{case:?}\n  ours: {ours:?}\n  ip6tables: {theirs}")),
        }
    }
    println!(
        "{same} alike, {unsupported} unsupported, {} not",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
