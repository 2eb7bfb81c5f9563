//! `dockfw status`

use std::fmt::Write as _;

use dockfw_netlink::{Executor, SetInfo, TableSummary};
use serde_json::{Value, json};

use super::Exit;
use super::output::{Failure, print, print_json};
use super::tables::FAMILIES;

/// Shows our tables as the kernel has them.
pub(super) fn run(as_json: bool) -> Result<Exit, Failure> {
    let name = dockfw_lower::table_name();
    let mut executor = Executor::open()?;
    let mut found = Vec::new();
    for family in FAMILIES {
        if let Some(summary) = executor.summary(family, &name)? {
            found.push((format!("{} {name}", family.as_str()), summary));
        }
    }
    if found.is_empty() {
        let generation = executor.generation()?;
        if as_json {
            print_json(&json!({ "loaded": false, "generation": generation, "tables": [] }))?;
        } else {
            print("not loaded: there is no table dockfw in this network namespace\n")?;
        }
        return Ok(Exit::Differs);
    }
    if as_json {
        print_json(&to_json(&found))?;
    } else {
        let texts = found.iter().map(|(name, summary)| to_text(name, summary));
        print(&texts.collect::<String>())?;
    }
    Ok(Exit::Done)
}

/// The numbers of all tables together, and of each.
fn to_json(found: &[(String, TableSummary)]) -> Value {
    let set =
        |set: &SetInfo| json!({ "name": set.name, "elements": set.elements, "size": set.size });
    let table = |(name, summary): &(String, TableSummary)| {
        json!({
            "table": name,
            "handle": summary.table.handle,
            "chains": summary.chains.len(),
            "rules": summary.rules(),
            "elements": summary.elements(),
            "sets": summary.sets.iter().map(set).collect::<Vec<_>>(),
        })
    };
    let summaries = || found.iter().map(|(_, summary)| summary);
    json!({
        "loaded": true,
        "generation": summaries().map(|of| of.generation).max(),
        "chains": summaries().map(|of| of.chains.len()).sum::<usize>(),
        "rules": summaries().map(TableSummary::rules).sum::<usize>(),
        "elements": summaries().map(TableSummary::elements).sum::<usize>(),
        "tables": found.iter().map(table).collect::<Vec<_>>(),
    })
}

fn to_text(name: &str, summary: &TableSummary) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "loaded: table {name}, handle {}, generation {}: {} chains, {} rules, {} sets and \
         maps, {} elements",
        summary.table.handle,
        summary.generation,
        summary.chains.len(),
        summary.rules(),
        summary.sets.len(),
        summary.elements(),
    );
    for SetInfo {
        name,
        elements,
        size,
        ..
    } in summary.sets.iter().filter(|set| set.elements > 0)
    {
        let _ = match size {
            Some(size) => writeln!(text, "  {name:<28} {elements:>7} of {size}"),
            None => writeln!(text, "  {name:<28} {elements:>7}"),
        };
    }
    text
}
