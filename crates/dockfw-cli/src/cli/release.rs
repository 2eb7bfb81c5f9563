//! `dockfw release`

use dockfw_ir::table::Family;
use dockfw_netlink::{Batch, Executor};
use serde_json::json;

use super::Exit;
use super::commit::commit;
use super::output::{Failure, print, print_json};

/// Removes our table, if there is one.
pub(super) fn run(as_json: bool) -> Result<Exit, Failure> {
    let name = dockfw_lower::table_name();
    let mut executor = Executor::open()?;
    let existed = executor.table(Family::Inet, &name)?.is_some();
    if existed {
        let batch = Batch::delete([(Family::Inet, &name)]).map_err(Failure::Encode)?;
        commit(&mut executor, &batch)?;
    }
    if as_json {
        print_json(&json!({ "outcome": if existed { "released" } else { "absent" } }))?;
    } else if existed {
        print("released inet dockfw: published ports, masquerading and isolation are off\n")?;
    } else {
        print("nothing to release: there is no table inet dockfw in this network namespace\n")?;
    }
    executor.close_in_background();
    Ok(Exit::Done)
}
