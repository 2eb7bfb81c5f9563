//! Our numbers against those of the installed C header, and of the libc crate.
#![cfg(test)]

use std::collections::BTreeMap;

use dockfw_netlink::sys::nf_tables::ALL;

/// The enumerators and simple macros of a C header.
fn numbers(text: &str) -> BTreeMap<String, i64> {
    let mut known = BTreeMap::new();
    let mut in_enum = false;
    let mut next = 0;
    let without_comments = strip_comments(text);
    for line in without_comments.lines().map(str::trim) {
        if let Some(define) = line.strip_prefix("#define") {
            let mut words = define.split_whitespace();
            if let (Some(name), Some(value)) = (words.next(), words.next()) {
                let rest: String = std::iter::once(value).chain(words).collect();
                if let Some(value) = evaluate(&rest, &known) {
                    known.insert(name.to_owned(), value);
                }
            }
            continue;
        }
        if line.starts_with("enum") && line.contains('{') {
            (in_enum, next) = (true, 0);
            continue;
        }
        if line.starts_with('}') {
            in_enum = false;
        }
        if !in_enum || line.starts_with('#') {
            continue;
        }
        for item in line
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            let (name, value) = match item.split_once('=') {
                Some((name, value)) => (name.trim(), evaluate(value, &known)),
                None => (item, Some(next)),
            };
            if let Some(value) = value {
                known.insert(name.to_owned(), value);
                next = value + 1;
            }
        }
    }
    known
}

fn strip_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/*") {
        kept.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    kept + rest
}

fn evaluate(text: &str, known: &BTreeMap<String, i64>) -> Option<i64> {
    let text = text
        .trim()
        .trim_start_matches('(')
        .trim_end_matches(')')
        .trim();
    if let Some((left, right)) = text.split_once("<<") {
        return Some(evaluate(left, known)? << evaluate(right, known)?);
    }
    if let Some((left, right)) = text.split_once('+') {
        return Some(evaluate(left, known)? + evaluate(right, known)?);
    }
    let number = text.trim_end_matches(['U', 'L']);
    match number.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => number.parse().ok().or_else(|| known.get(text).copied()),
    }
}

#[test]
fn our_numbers_are_those_of_the_header() {
    let mut known = BTreeMap::from([("NLMSG_MIN_TYPE".to_owned(), 0x10)]);
    for file in ["nf_tables.h", "nfnetlink.h", "nf_nat.h", "nf_log.h"] {
        let path = format!("/usr/include/linux/netfilter/{file}");
        let text = std::fs::read_to_string(&path).unwrap();
        known.extend(numbers(&text));
    }
    let text = std::fs::read_to_string("/usr/include/linux/netfilter.h").unwrap();
    known.extend(numbers(&text));
    // Newer than the headers of Linux 6.1, and two macros that the reader above does not resolve.
    let newer = ["NFT_TABLE_F_PERSIST", "NFTA_SET_COUNT"];
    known.extend([
        ("NFNL_MSG_BATCH_BEGIN".to_owned(), 16),
        ("NFNL_MSG_BATCH_END".to_owned(), 17),
    ]);
    let mut wrong = Vec::new();
    for (name, ours) in ALL {
        match known.get(*name) {
            Some(theirs) if theirs == ours => {}
            None if newer.contains(name) => {}
            theirs => wrong.push(format!("{name}: ours {ours}, theirs {theirs:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ALL.len() > 200);
}
