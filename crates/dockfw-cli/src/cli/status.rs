//! `dockfw status`

use std::fmt::Write as _;

use dockfw_ir::table::Family;
use dockfw_netlink::{Executor, SetInfo, TableSummary};
use serde_json::{Value, json};

use super::Exit;
use super::output::{Failure, print, print_json};

/// Shows our table as the kernel has it.
pub(super) fn run(as_json: bool) -> Result<Exit, Failure> {
    let name = dockfw_lower::table_name();
    let mut executor = Executor::open()?;
    let Some(summary) = executor.summary(Family::Inet, &name)? else {
        let generation = executor.generation()?;
        if as_json {
            print_json(&json!({ "loaded": false, "generation": generation }))?;
        } else {
            print("not loaded: there is no table inet dockfw in this network namespace\n")?;
        }
        return Ok(Exit::Differs);
    };
    if as_json {
        print_json(&to_json(&summary))?;
    } else {
        print(&to_text(&summary))?;
    }
    Ok(Exit::Done)
}

fn to_json(summary: &TableSummary) -> Value {
    let set =
        |set: &SetInfo| json!({ "name": set.name, "elements": set.elements, "size": set.size });
    json!({
        "loaded": true,
        "table": "inet dockfw",
        "generation": summary.generation,
        "handle": summary.table.handle,
        "chains": summary.chains.len(),
        "rules": summary.rules(),
        "elements": summary.elements(),
        "sets": summary.sets.iter().map(set).collect::<Vec<_>>(),
    })
}

fn to_text(summary: &TableSummary) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "loaded: table inet dockfw, handle {}, generation {}: {} chains, {} rules, {} sets and \
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
