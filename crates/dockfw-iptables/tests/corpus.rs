//! The parser against iptables' own cases and against files of real hosts, where they are there.
//!
//! `DOCKFW_CORPUS` names the folder; without it, `../shared/conformance` beside the workspace.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dockfw_iptables::Family;
use dockfw_iptables::parse::{Assume, ErrorKind, ParseError, load};
use serde_json::Value;

fn root() -> Option<PathBuf> {
    let root = match std::env::var("DOCKFW_CORPUS") {
        Ok(root) => PathBuf::from(root),
        Err(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
    };
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: {} is not there", root.display());
    None
}

/// What became of the cases of one extension.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Score {
    /// Treated as iptables does, printed text included.
    right: usize,
    /// Refused as unsupported.
    unsupported: usize,
    total: usize,
}

/// The least that each extension reaches: cases treated as iptables does.
const FLOOR: &[(&str, usize)] = &[
    ("CLASSIFY", 6),
    ("CONNMARK", 20),
    ("CT", 8),
    ("DNAT", 24),
    ("DSCP", 45),
    ("HL", 40),
    ("LOG", 60),
    ("MARK", 18),
    ("MASQUERADE", 14),
    ("NETMAP", 16),
    ("NFLOG", 51),
    ("NFQUEUE", 42),
    ("NOTRACK", 2),
    ("REDIRECT", 30),
    ("REJECT", 51),
    ("SNAT", 30),
    ("TCPMSS", 9),
    ("TEE", 9),
    ("TOS", 55),
    ("TPROXY", 3),
    ("TTL", 40),
    ("addrtype", 34),
    ("ah", 66),
    ("comment", 15),
    ("connbytes", 54),
    ("connlimit", 45),
    ("connmark", 28),
    ("conntrack", 75),
    ("dccp", 69),
    ("dscp", 27),
    ("dst", 6),
    ("ecn", 12),
    ("esp", 21),
    ("frag", 36),
    ("hashlimit", 60),
    ("hbh", 9),
    ("hl", 21),
    ("icmp", 6),
    ("icmp6", 12),
    ("iprange", 15),
    ("iptables", 5),
    ("length", 27),
    ("limit", 15),
    ("mac", 8),
    ("mark", 21),
    ("multiport", 57),
    ("owner", 17),
    ("pkttype", 15),
    ("policy", 10),
    ("quota", 18),
    ("recent", 27),
    ("rpfilter", 2),
    ("rt", 12),
    ("sctp", 96),
    ("socket", 12),
    ("standard", 78),
    ("state", 15),
    ("statistic", 21),
    ("tcp", 81),
    ("tcpmss", 15),
    ("time", 9),
    ("tos", 36),
    ("ttl", 24),
    ("udp", 63),
];

fn is_unsupported(errors: &[ParseError]) -> bool {
    errors
        .iter()
        .any(|error| matches!(error.kind, ErrorKind::Unsupported { .. }))
}

fn run(case: &Value, score: &mut Score, wrong: &mut Vec<String>) {
    let field = |name: &str| case[name].as_str().unwrap_or_default();
    let family = if field("family") == "ip6" {
        Family::Ipv6
    } else {
        Family::Ipv4
    };
    let (chain, rule) = (field("chain"), field("rule"));
    let text = format!("*{}\n-A {chain} {rule}\nCOMMIT\n", field("table"));
    let loaded = load(&text, family, &Assume::default());
    score.total += 1;
    let lines = |program: &dockfw_iptables::Program| {
        let text = program.to_string();
        let lines = text.lines().filter(|line| line.starts_with("-A"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let right = match (&loaded, field("res")) {
        (Ok(loaded), "OK") => {
            let printed = lines(&loaded.program);
            let again = load(&loaded.program.to_string(), family, &Assume::default()).unwrap();
            assert_eq!(again.program, loaded.program, "{printed}");
            if printed == format!("-A {chain} {}", field("save")) {
                true
            } else {
                wrong.push(format!("{rule}: printed {printed}"));
                false
            }
        }
        (Err(errors), "OK") => {
            if is_unsupported(errors) {
                score.unsupported += 1;
            } else {
                wrong.push(format!("{rule}: refused, {}", errors[0]));
            }
            false
        }
        (Ok(loaded), _) => {
            wrong.push(format!("{rule}: taken, {}", lines(&loaded.program)));
            false
        }
        (Err(errors), _) => {
            let unsupported = is_unsupported(errors);
            score.unsupported += usize::from(unsupported);
            !unsupported
        }
    };
    score.right += usize::from(right);
}

/// Accepted and refused as in 1.8.9, and printed as iptables-save does.
#[test]
fn upstream_cases() {
    let Some(root) = root() else { return };
    let text = std::fs::read_to_string(root.join("iptables/1.8.9.t.jsonl")).unwrap();
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        // In 1.8.9 the cases of both families' extensions were for iptables only.
        let both = case["file"].as_str().unwrap().starts_with("libxt_");
        match case["family"].as_str() {
            Some("ip") => {}
            Some("ip6") if !both => {}
            _ => continue,
        }
        let name = case["ext"].as_str().unwrap().to_owned();
        let score = scores.entry(name.clone()).or_default();
        run(&case, score, wrong.entry(name).or_default());
    }
    for (name, score) in &scores {
        let wrong = wrong.get_mut(name).unwrap();
        wrong.sort();
        wrong.dedup();
        println!(
            "{name}: {} of {} right, {} unsupported",
            score.right, score.total, score.unsupported
        );
        if score.unsupported + score.right < score.total {
            for line in wrong.iter() {
                println!("    {line}");
            }
        }
    }
    let all = scores.values().fold((0, 0, 0), |(a, b, c), score| {
        (a + score.right, b + score.unsupported, c + score.total)
    });
    println!("all: {} of {} right, {} unsupported", all.0, all.2, all.1);
    for (name, floor) in FLOOR {
        let score = scores.get(*name).copied().unwrap_or_default();
        assert!(score.right >= *floor, "{name}: {score:?}, not {floor}");
    }
}

/// Files of real hosts: how many are read without any mistake.
#[test]
fn real_files() {
    let Some(root) = root() else { return };
    let mut names: Vec<PathBuf> = std::fs::read_dir(root.join("realworld"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let (mut read, mut unsupported, mut refused) = (0, 0, 0);
    for path in names {
        let extension = path.extension().and_then(|name| name.to_str());
        let family = match extension {
            Some("rules" | "txt") => Family::Ipv4,
            Some("rules6") => Family::Ipv6,
            _ => continue,
        };
        let text = std::fs::read_to_string(&path).unwrap();
        let mut assume = Assume::default().chain("DOCKER-USER").unwrap();
        for chain in ["ufw-user-forward", "ufw6-user-forward"] {
            assume = assume.chain(chain).unwrap();
        }
        let name = path.file_name().unwrap().to_string_lossy();
        match load(&text, family, &assume) {
            Ok(loaded) => {
                let printed = loaded.program.to_string();
                let again = load(&printed, family, &Assume::default()).unwrap();
                assert_eq!(again.program, loaded.program, "{name}");
                read += 1;
            }
            Err(errors) => {
                let other: Vec<&ParseError> = errors
                    .iter()
                    .filter(|error| !matches!(error.kind, ErrorKind::Unsupported { .. }))
                    .collect();
                if other.is_empty() {
                    unsupported += 1;
                } else {
                    refused += 1;
                }
                println!("{name}: {} errors", errors.len());
                for error in errors.iter().take(6) {
                    let line = error.span.line(&text);
                    println!(
                        "    {line}: {error}; {} [{}]",
                        error.help,
                        error.span.of(&text)
                    );
                }
            }
        }
    }
    println!("{read} read, {unsupported} with unsupported parts only, {refused} refused");
    assert!(read >= READ, "{read}");
}

/// How many files are read without any mistake.
const READ: usize = 53;
