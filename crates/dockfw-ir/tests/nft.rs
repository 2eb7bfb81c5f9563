//! Our text and nft(8): what it accepts, and what it lists after loading.
//!
//! Each run has its own network namespace.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers")]

mod netns;
mod samples;

use std::fmt::Write as _;

use dockfw_ir::{Set, SetKind, json, print};
use netns::nft;
use serde_json::Value as Json;

const LOAD_AND_LIST: &str = "nft -f - && nft -s list ruleset";

/// Lines without what the two may write differently: the order and wrapping of elements, comment
/// lines, blank lines.
fn normalise(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut elements: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(rest) = line.strip_prefix("elements = {") {
            elements = Some(String::new());
            if let Some(last) = rest.strip_suffix('}') {
                lines.extend(sorted(last));
                elements = None;
            } else if let Some(open) = &mut elements {
                open.push_str(rest);
            }
        } else if let Some(open) = &mut elements {
            match line.strip_suffix('}') {
                Some(last) => {
                    open.push_str(last);
                    lines.extend(sorted(open));
                    elements = None;
                }
                None => open.push_str(line),
            }
        } else {
            // Listed as `reject` wherever it stands, and read as something else then.
            lines.push(line.replace("reject with icmpx port-unreachable", "reject"));
        }
    }
    lines
}

fn sorted(elements: &str) -> Vec<String> {
    let mut elements: Vec<String> = elements
        .split(',')
        .map(str::trim)
        .filter(|element| !element.is_empty())
        .map(|element| format!("element {element}"))
        .collect();
    elements.sort();
    elements
}

#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn samples_list_as_they_were_printed() {
    let mut failures = String::new();
    for (name, ruleset) in samples::samples() {
        let text = print::nft(&ruleset);
        match nft(LOAD_AND_LIST, &text) {
            Err(error) => {
                let _ = writeln!(failures, "{name} is refused:\n{error}\n{text}");
            }
            Ok(listing) => {
                let (ours, theirs) = (normalise(&text), normalise(&listing));
                // A tautology is listed in another way and swallows what follows.
                let lines = ours.iter().zip(&theirs);
                let differ: Vec<_> = lines
                    .filter(|(ours, theirs)| ours != theirs && !ours.contains("{ 0-"))
                    .collect();
                for (ours, theirs) in &differ {
                    let _ = writeln!(failures, "{name}\n   ours: {ours}\n theirs: {theirs}");
                }
                if ours.len() != theirs.len() {
                    let _ = writeln!(failures, "{name}: line counts\n{text}\n{listing}");
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn replacement_is_idempotent() {
    for (name, ruleset) in samples::samples() {
        let text = print::nft_replacing(&ruleset);
        let script = "cat > /dev/shm/$$ && nft -f /dev/shm/$$ && nft -s list ruleset && \
                      nft -f /dev/shm/$$ && nft -s list ruleset; r=$?; rm /dev/shm/$$; exit $r";
        let listings = nft(script, &text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        let (first, second) = listings.split_at(listings.len() / 2);
        assert_eq!(first, second, "{name}");
    }
}

/// The objects of a document, without what is the kernel's or the version's.
fn objects(document: &Json) -> Vec<Json> {
    let mut objects = document["nftables"].as_array().unwrap().clone();
    objects.retain(|object| object.get("metainfo").is_none());
    for object in &mut objects {
        let (kind, members) = object.as_object_mut().unwrap().iter_mut().next().unwrap();
        let members = members.as_object_mut().unwrap();
        members.remove("handle");
        // nft 1.0.6 does not print these.
        if matches!(kind.as_str(), "table" | "chain") {
            members.remove("comment");
        }
        // Nor this.
        if let Some(flags) = members.get_mut("flags").and_then(Json::as_array_mut) {
            flags.retain(|flag| flag != "dynamic");
            if flags.is_empty() {
                members.remove("flags");
            }
        }
        if let Some(elements) = members.get_mut("elem") {
            for element in elements.as_array_mut().unwrap().iter_mut() {
                without_expiry(element);
            }
            let elements = elements.as_array_mut().unwrap();
            elements.sort_by_key(ToString::to_string);
        }
    }
    // Sets come before chains there, and rules in the order of chains in the kernel.
    objects.sort_by_key(|object| {
        let chain = object["rule"]["chain"].to_string();
        let set = ["set", "map"].iter().any(|kind| object.get(kind).is_some());
        (chain, set)
    });
    objects
}

fn without_expiry(element: &mut Json) {
    if let Some(members) = element.get_mut("elem").and_then(Json::as_object_mut) {
        members.remove("expires");
        if members.len() == 1 {
            *element = members["val"].clone();
        }
    }
}

#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn json_is_what_nft_lists_of_the_text() {
    let mut failures = String::new();
    for (name, ruleset) in samples::samples() {
        let listing = nft("nft -f - && nft -j list ruleset", &print::nft(&ruleset)).unwrap();
        let theirs = objects(&serde_json::from_str(&listing).unwrap());
        let ours = objects(&json::libnftables(&ruleset));
        if ours.len() != theirs.len() {
            let _ = writeln!(
                failures,
                "{name}: {} and {} objects",
                ours.len(),
                theirs.len()
            );
        }
        for (ours, theirs) in ours.iter().zip(&theirs) {
            // A tautology is listed in another way and swallows what follows.
            if ours != theirs && !ours.to_string().contains("\"range\":[0,") {
                let _ = writeln!(failures, "{name}\n   ours: {ours}\n theirs: {theirs}");
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn nft_takes_our_json() {
    let mut failures = String::new();
    for (name, ruleset) in samples::samples() {
        // The known defects: maps with concatenated data.
        let sets = ruleset.tables.iter().flat_map(|table| &table.sets);
        let concatenated = |set: &Set| matches!(&set.kind, SetKind::Map(data) if data.len() > 1);
        // The other two: the flag of dynamic sets, and the mark of a socket as a value.
        let socket_mark = name == "mark-sources";
        if sets.clone().any(concatenated) || sets.clone().any(|set| set.dynamic) || socket_mark {
            continue;
        }
        let document = json::libnftables_replacing(&ruleset).to_string();
        match nft("nft -j -f - && nft -s list ruleset", &document) {
            Err(error) => {
                let _ = writeln!(failures, "{name} is refused: {error}");
            }
            Ok(listing) => {
                let theirs = normalise(&nft(LOAD_AND_LIST, &print::nft(&ruleset)).unwrap());
                let is_comment = |line: &&String| !line.starts_with("comment");
                let theirs: Vec<_> = theirs.iter().filter(is_comment).collect();
                let ours = normalise(&listing);
                let ours: Vec<_> = ours.iter().filter(is_comment).collect();
                for (ours, theirs) in ours.iter().zip(&theirs) {
                    if ours != theirs {
                        let _ = writeln!(failures, "{name}\n json: {ours}\n text: {theirs}");
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}
