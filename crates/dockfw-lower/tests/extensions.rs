//! iptables' own cases, one rule each: what becomes of every extension.
//!
//! `DOCKFW_CORPUS` names the folder with the cases; without it, `../shared/conformance` beside the
//! workspace.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "test helpers; the cases are files, and the kernel is asked"
)]

#[path = "extensions/packets.rs"]
mod packets;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dockfw_iptables::Family;
use dockfw_iptables::parse::{Assume, load};
use dockfw_ir::name::TableName;
use dockfw_ir::verify::{Verified, verify};
use dockfw_ir::{Ruleset, print};
use dockfw_lower::optimize::Optimize;
use dockfw_lower::rules::{Refused, table};
use serde_json::Value;

fn corpus() -> Option<Vec<Value>> {
    let root = match std::env::var("DOCKFW_CORPUS") {
        Ok(root) => PathBuf::from(root),
        Err(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
    };
    let Ok(text) = std::fs::read_to_string(root.join("iptables/1.8.9.t.jsonl")) else {
        println!("skipped: {} is not there", root.display());
        return None;
    };
    let cases = text.lines().map(|line| serde_json::from_str(line).unwrap());
    Some(cases.collect())
}

/// A rule alone in its table.
fn compile(text: &str, family: Family) -> Option<Result<Verified, Vec<Refused>>> {
    let compiled = lower(text, family)?;
    Some(compiled.map(|ruleset| {
        let verified = verify(ruleset);
        assert!(verified.is_ok(), "{text}{verified:#?}");
        verified.unwrap()
    }))
}

/// A rule alone in its table, as it comes from the lowering.
fn lower(text: &str, family: Family) -> Option<Result<Ruleset, Vec<Refused>>> {
    let loaded = load(text, family, &Assume::default()).ok()?;
    let name = TableName::new("dockfw").unwrap();
    let compiled = match table(&loaded.program, name, Optimize::Full) {
        Ok(compiled) => compiled,
        Err(refused) => return Some(Err(refused)),
    };
    Some(Ok(Ruleset {
        tables: vec![compiled.table],
    }))
}

/// The family and the text of a case that iptables takes, if its rule is one for this family.
fn text(case: &Value) -> Option<(Family, String)> {
    let field = |name: &str| case[name].as_str().unwrap_or_default();
    let family = match field("family") {
        "ip" => Family::Ipv4,
        "ip6" => Family::Ipv6,
        _ => return None,
    };
    let (table, chain, rule) = (field("table"), field("chain"), field("rule"));
    (field("res") == "OK").then(|| (family, format!("*{table}\n-A {chain} {rule}\nCOMMIT\n")))
}

/// Every rule that is read is lowered to a ruleset that verifies, or refused with a reason.
#[test]
fn upstream_cases_verify() {
    let Some(cases) = corpus() else { return };
    let mut counts: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in &cases {
        let Some((family, text)) = text(case) else {
            continue;
        };
        let name = case["ext"].as_str().unwrap().to_owned();
        let [lowered, refused, unread] = counts.entry(name).or_default();
        match lower(&text, family) {
            None => *unread += 1,
            Some(Ok(ruleset)) => {
                *lowered += 1;
                if let Err(error) = verify(ruleset) {
                    for violation in error.violations {
                        wrong.push(format!("{text}{violation}"));
                    }
                }
            }
            Some(Err(list)) => {
                *refused += 1;
                for one in list {
                    assert!(!one.reason.help.is_empty());
                    *reasons.entry(one.reason.message).or_default() += 1;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut all = [0; 3];
    for (name, [lowered, refused, unread]) in &counts {
        println!("{name}: {lowered} lowered, {refused} refused, {unread} not read");
        all = [all[0] + lowered, all[1] + refused, all[2] + unread];
    }
    println!(
        "all: {} lowered, {} refused, {} not read",
        all[0], all[1], all[2]
    );
    for (reason, count) in reasons {
        println!("{count}: {reason}");
    }
    assert!(all[0] >= LOWERED, "{all:?}");
}

/// How many cases are lowered.
const LOWERED: usize = 1470;

/// nft reads what we print.
#[test]
#[ignore = "needs root and nft"]
fn nft_reads_upstream_cases() {
    let Some(cases) = corpus() else { return };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for case in &cases {
        let Some((family, text)) = text(case) else {
            continue;
        };
        if let Some(Ok(verified)) = compile(&text, family) {
            seen.insert(print::nft(&verified), text);
        }
    }
    let mut failed = Vec::new();
    for (printed, rule) in &seen {
        if let Err(error) = nft(printed) {
            failed.push(format!("{rule}{printed}{error}"));
        }
    }
    println!("{} rulesets", seen.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// `nft -c -f -` in a namespace of its own.
fn nft(text: &str) -> Result<(), String> {
    let mut child = Command::new("unshare")
        .args(["-n", "nft", "-c", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The rules that one rule becomes, without counters.
fn lines(family: Family, table: &str, rule: &str) -> Vec<String> {
    let text = format!("*{table}\n{rule}\nCOMMIT\n");
    let text = print::nft(&compile(&text, family).unwrap().unwrap());
    let begin = text
        .lines()
        .skip_while(|line| !line.contains("type filter hook"));
    let rules = begin.skip(1).take_while(|line| *line != "\t}");
    rules
        .map(|line| line.trim().replace("counter ", "").replace(" counter", ""))
        .collect()
}

#[test]
fn forms() {
    use Family::{Ipv4, Ipv6};
    let cases: &[(Family, &str, &str, &[&str])] = &[
        (
            Ipv4,
            "filter",
            "-A INPUT -f -j DROP",
            &["ip frag-off & 8191 != 0 drop"],
        ),
        (
            Ipv4,
            "filter",
            "-A INPUT ! -f -j DROP",
            &["ip frag-off & 8191 == 0 drop"],
        ),
        (
            Ipv4,
            "filter",
            "-A FORWARD -i br-+ -j DROP",
            &["iifname \"br-*\" drop"],
        ),
        (
            Ipv4,
            "mangle",
            "-A FORWARD -j TOS --set-tos 0x1f/0xff",
            &["ip dscp set 0x07 ip ecn set ce"],
        ),
        (
            Ipv6,
            "mangle",
            "-A FORWARD -j HL --hl-set 9",
            &["ip6 hoplimit set 9"],
        ),
        (
            Ipv4,
            "raw",
            "-A PREROUTING -j CT --zone-orig 5",
            &["ct original zone set 5"],
        ),
        (
            Ipv4,
            "filter",
            "-A INPUT -j TEE --gateway 192.0.2.1",
            &["dup to 192.0.2.1"],
        ),
        (Ipv4, "mangle", "-A INPUT -j MARK --or-mark 0", &[""]),
        (
            Ipv4,
            "filter",
            "-A INPUT -p tcp -m tcpmss ! --mss 500:600 -j DROP",
            &[
                "meta l4proto tcp tcp option maxseg missing drop",
                "meta l4proto tcp tcp option maxseg size != 500-600 drop",
            ],
        ),
        (
            Ipv6,
            "filter",
            "-A INPUT -m addrtype ! --src-type LOCAL,MULTICAST -j DROP",
            &[
                "ip6 saddr != ff00::/8 drop",
                "ip6 saddr ff00::/8 fib saddr type != local drop",
            ],
        ),
    ];
    for (family, table, rule, wanted) in cases {
        let found: Vec<String> = lines(*family, table, rule);
        let wanted: Vec<&str> = wanted.to_vec();
        let found: Vec<&str> = found
            .iter()
            .map(|line| line.trim_start_matches("counter"))
            .collect();
        assert_eq!(found, wanted, "{rule}");
    }
}

#[test]
fn refusals() {
    let cases = [
        "-A INPUT -j LOG --log-prefix 'cost: $5'",
        "-A INPUT -j LOG --log-prefix 'a\"b'",
        "-A OUTPUT -m owner ! --uid-owner 0",
        "-A OUTPUT -m owner --socket-exists",
        "-A INPUT -m hashlimit --hashlimit-upto 5/sec --hashlimit-name a --hashlimit-mode dstport",
        "-A INPUT -p tcp -m hashlimit --hashlimit-upto 5/sec --hashlimit-name a --hashlimit-mode srcip,dstport --hashlimit-srcmask 24",
        "-A INPUT -m recent --update --name a",
        "-A INPUT -p udp -m multiport --ports 1,2 -m hashlimit --hashlimit-upto 5/sec --hashlimit-name a --hashlimit-mode srcip",
        "-A INPUT -m hashlimit --hashlimit-upto 5/sec --hashlimit-name a --hashlimit-mode srcip\n\
         -A INPUT -m hashlimit --hashlimit-upto 5/sec --hashlimit-name a --hashlimit-mode dstip,srcip",
    ];
    for rule in cases {
        let text = format!("*filter\n{rule}\nCOMMIT\n");
        let refused = compile(&text, Family::Ipv4).unwrap().unwrap_err();
        assert!(!refused.is_empty(), "{rule}");
    }
}
