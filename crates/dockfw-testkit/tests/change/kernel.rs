//! A namespace, and what nft(8) says is in it.

use std::process::Command;

use dockfw_ir::{Table, Verified};
use dockfw_netlink::RuleHandles;
use serde_json::Value;

/// Runs `test` in a thread with a network namespace of its own.
pub(crate) fn in_namespace<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            test()
        });
        match thread.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn nft(arguments: &[&str]) -> Vec<Value> {
    let output = Command::new("nft").args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nft {arguments:?}: {errors}");
    let mut value: Value = serde_json::from_slice(&output.stdout).unwrap();
    match value["nftables"].take() {
        Value::Array(objects) => objects,
        other => panic!("{other}"),
    }
}

/// The handles of the rules of a chain.
pub(crate) fn chain_handles(table: &Table, chain: &str) -> Vec<u64> {
    let listed = nft(&[
        "-j",
        "-a",
        "-t",
        "list",
        "table",
        table.family.as_str(),
        table.name.as_str(),
    ]);
    of_chain(&listed, chain)
}

fn of_chain(listed: &[Value], chain: &str) -> Vec<u64> {
    listed
        .iter()
        .map(|object| &object["rule"])
        .filter(|rule| rule["chain"] == chain)
        .map(|rule| rule["handle"].as_u64().unwrap())
        .collect()
}

/// The handles of all rules of these tables.
pub(crate) fn handles(tables: &[Table]) -> RuleHandles {
    let mut all = RuleHandles::new();
    for table in tables {
        let listed = nft(&[
            "-j",
            "-a",
            "-t",
            "list",
            "table",
            table.family.as_str(),
            table.name.as_str(),
        ]);
        for chain in &table.chains {
            let handles = of_chain(&listed, chain.name.as_str());
            assert_eq!(handles.len(), chain.rules.len());
            all.insert(table, &chain.name, handles);
        }
    }
    all
}

/// The handles of a chain, from those that were read.
pub(crate) fn chain_handles_in(
    handles: &RuleHandles,
    ruleset: &Verified,
    table: &Table,
    chain: &str,
) -> Vec<u64> {
    let table = ruleset
        .tables
        .iter()
        .find(|of| of.family == table.family)
        .unwrap();
    let chain = table
        .chains
        .iter()
        .find(|of| of.name.as_str() == chain)
        .unwrap();
    handles.of(table, chain).to_vec()
}

/// The ruleset without handles and counters, chains and sets ordered by name, a line each.
pub(crate) fn listing() -> String {
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut rules = 0;
    for mut object in nft(&["-j", "list", "ruleset"]) {
        if object.get("metainfo").is_some() {
            continue;
        }
        strip(&mut object);
        // Of rules the order counts: they come chain by chain.
        let key = match object.get("rule") {
            Some(rule) => {
                rules += 1;
                format!(
                    "rule {} {} {} {rules:06}",
                    rule["family"], rule["table"], rule["chain"]
                )
            }
            None => object.to_string(),
        };
        lines.push((key, object.to_string()));
    }
    lines.sort();
    lines.into_iter().map(|(_, line)| line + "\n").collect()
}

/// Takes handles and counts out, and orders elements.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("handle");
            if let Some(counter) = fields.get_mut("counter") {
                *counter = Value::Null;
            }
            if let Some(Value::Array(elements)) = fields.get_mut("elem") {
                elements.sort_by_key(ToString::to_string);
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(values) => values.iter_mut().for_each(strip),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
