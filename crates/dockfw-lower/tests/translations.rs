//! Upstream's iptables-to-nft translations, read from the corpus, beside our own.
//!
//! They are reading help and no reference: the translator of 1.8.9 is known to be wrong in places
//! (`docs/conformance.md`). A case is *alike* when both texts hold the same words, whatever their
//! order, after what carries no meaning is left out: counters, and a protocol that the next word
//! says again. The scores are printed, and must not fall.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "the corpus lies outside the repository"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dockfw_iptables::Family;
use dockfw_iptables::parse::{Assume, load};
use dockfw_ir::name::TableName;
use dockfw_ir::{Ruleset, print, verify::verify};
use dockfw_lower::optimize::Optimize;
use dockfw_lower::rules::table;
use serde_json::Value;

/// What became of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Result {
    Alike,
    Different,
    Refused,
}

fn corpus() -> Option<PathBuf> {
    let root = match std::env::var("DOCKFW_CORPUS") {
        Ok(root) => PathBuf::from(root),
        Err(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
    };
    let file = root.join("iptables/1.8.9.xlate.jsonl");
    if file.is_file() {
        return Some(file);
    }
    println!("skipped: {} is not there", file.display());
    None
}

/// The rules that we make of a command, one a line; `None` when it is refused.
fn ours(command: &str, family: Family) -> Option<Vec<String>> {
    // Some cases name a chain that nobody made.
    let mut words = command.split_whitespace();
    let chain = words
        .find(|word| matches!(*word, "-A" | "-I"))
        .and(words.next())?;
    let assume = if chain.chars().any(char::is_lowercase) {
        Assume::default().chain(chain).unwrap()
    } else {
        Assume::default()
    };
    let loaded = load(command, family, &assume).ok()?;
    let name = TableName::new("t").unwrap();
    let compiled = table(&loaded.program, name, Optimize::None).ok()?;
    let ruleset = verify(Ruleset {
        tables: vec![compiled.table],
    })
    .unwrap();
    let text = print::nft(&ruleset);
    let body = text.lines().filter(|line| {
        line.starts_with("\t\t") && !line.contains(" hook ") && !line.starts_with("\t\tcomment")
    });
    Some(body.map(|line| line.trim().to_owned()).collect())
}

/// The rule of a translation: what stands behind the chain.
fn theirs(expected: &Value) -> Option<Vec<String>> {
    let rule = |line: &Value| {
        let line = line.as_str()?.strip_prefix("nft '")?.strip_suffix('\'')?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let (["add" | "insert", "rule", _, _, _], rest) = words.split_at_checked(5)? else {
            return None;
        };
        Some(rest.join(" "))
    };
    expected.as_array()?.iter().map(rule).collect()
}

/// The words of rules without what carries no meaning and in one spelling, sorted.
fn words(rules: &[String]) -> Vec<String> {
    let text = rules.join(" ").replace(['"', '{', '}', ','], " ");
    let spellings = [
        ("meta l4proto", "ip protocol"),
        ("ip6 nexthdr", "ip protocol"),
        ("ct original protocol", "ct protocol"),
        ("original saddr", "original ip saddr"),
        ("original daddr", "original ip daddr"),
        ("reply saddr", "reply ip saddr"),
        ("reply daddr", "reply ip daddr"),
        ("with icmp type", "with icmp"),
        ("with icmpv6 type", "with icmpv6"),
        ("protocol 6", "protocol tcp"),
        ("protocol 17", "protocol udp"),
        ("protocol != 17", "protocol != udp"),
    ];
    let mut text = format!(" {text} ");
    for (from, to) in spellings {
        text = text.replace(&format!(" {from} "), &format!(" {to} "));
    }
    let all: Vec<String> = text.split_whitespace().map(word).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(word) = all.get(at) {
        let said_again = |protocol: &&str| {
            let fields = ["dport", "sport", "flags", "type", "code", "option"];
            all.windows(2)
                .any(|pair| matches!(pair, [of, field] if of == protocol && fields.contains(field)))
        };
        match (*word, all.get(at + 1), all.get(at + 2)) {
            ("counter" | "meta" | "==" | "packets", _, _) => at += 1,
            ("ip", Some(&"protocol"), Some(protocol)) if said_again(protocol) => at += 3,
            _ => {
                words.push((*word).to_owned());
                at += 1;
            }
        }
    }
    words.sort_unstable();
    words
}

/// One spelling of a word: operators as signs, numbers in decimal.
fn word(word: &str) -> String {
    let sign = match word {
        "and" => "&",
        "or" => "|",
        "xor" => "^",
        "gt" => ">",
        "lt" => "<",
        "unicast" => "host",
        other => other,
    };
    let number = sign
        .strip_prefix("0x")
        .and_then(|digits| u32::from_str_radix(digits, 16).ok());
    number.map_or_else(|| sign.to_owned(), |number| number.to_string())
}

/// The least number of alike cases over all extensions.
const FLOOR: usize = 194;

#[test]
fn translations() {
    let Some(file) = corpus() else { return };
    let text = std::fs::read_to_string(file).unwrap();
    let mut scores: BTreeMap<String, BTreeMap<Result, usize>> = BTreeMap::new();
    let mut alike = 0;
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let Some(expected) = theirs(&case["expect"]) else {
            continue;
        };
        let source = case["src"].as_str().unwrap();
        if !source.starts_with("iptables-translate") && !source.starts_with("ip6tables-translate") {
            continue;
        }
        let family = if source.starts_with("ip6") {
            Family::Ipv6
        } else {
            Family::Ipv4
        };
        let command = source
            .replace("ip6tables-translate", "ip6tables")
            .replace("iptables-translate", "iptables");
        let result = match ours(&command, family) {
            None => Result::Refused,
            Some(rules) if words(&rules) == words(&expected) => Result::Alike,
            Some(rules) => {
                println!(
                    "{source}\n  theirs {}\n  ours   {}",
                    expected.join(" | "),
                    rules.join(" | ")
                );
                Result::Different
            }
        };
        alike += usize::from(result == Result::Alike);
        let extension = case["ext"].as_str().unwrap().to_owned();
        *scores
            .entry(extension)
            .or_default()
            .entry(result)
            .or_default() += 1;
    }
    for (extension, results) in &scores {
        println!("{extension}: {results:?}");
    }
    println!("{alike} alike");
    assert!(
        alike >= FLOOR,
        "{alike} translations are alike, there were {FLOOR}"
    );
}
