//! `dockfw release`

use dockfw_netlink::Executor;
use serde_json::json;

use super::Exit;
use super::journal::PlaceArgs;
use super::output::{Failure, print, print_json};
use super::tables;
use super::watch::refuse_if_watched;

/// Removes our tables, if there are any.
pub(super) fn run(place: &PlaceArgs, as_json: bool) -> Result<Exit, Failure> {
    refuse_if_watched(place)?;
    let name = dockfw_lower::table_name();
    let mut executor = Executor::open()?;
    let present = tables::remove(&mut executor, &name)?;
    let existed = !present.is_empty();
    if as_json {
        print_json(&json!({
            "outcome": if existed { "released" } else { "absent" },
            "tables": tables::full_names(&present, &name),
        }))?;
    } else if !existed {
        print("nothing to release: there is no table dockfw in this network namespace\n")?;
    } else if present == [dockfw_ir::table::Family::Inet] {
        print("released inet dockfw: published ports, masquerading and isolation are off\n")?;
    } else {
        let names = tables::names(&present, &name);
        print(&format!("released {names}: their rules are off\n"))?;
    }
    executor.close_in_background();
    Ok(Exit::Done)
}
