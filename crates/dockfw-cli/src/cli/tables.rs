//! The tables that are dockfw's, in every family.

use dockfw_ir::Ruleset;
use dockfw_ir::name::TableName;
use dockfw_ir::table::Family;
use dockfw_netlink::{Batch, Executor, QueryError};

use super::apply::commit;
use super::output::Failure;

/// The families in which we have a table: of policies, of IPv4 and of IPv6 rules files.
pub(super) const FAMILIES: [Family; 3] = [Family::Inet, Family::Ip, Family::Ip6];

/// The families in which the kernel has a table of our name.
pub(super) fn present(
    executor: &mut Executor,
    name: &TableName,
) -> Result<Vec<Family>, QueryError> {
    let mut found = Vec::new();
    for family in FAMILIES {
        if executor.table(family, name)?.is_some() {
            found.push(family);
        }
    }
    Ok(found)
}

/// Deletes all tables of ours, in one transaction; says of which families there were some.
pub(super) fn remove(executor: &mut Executor, name: &TableName) -> Result<Vec<Family>, Failure> {
    let present = present(executor, name)?;
    if !present.is_empty() {
        let of = present.iter().map(|family| (*family, name));
        let batch = Batch::delete(of).map_err(Failure::Encode)?;
        commit(executor, &batch)?;
    }
    Ok(present)
}

/// Those of our families that a ruleset has.
pub(super) fn families(ruleset: &Ruleset) -> Vec<Family> {
    ruleset.tables.iter().map(|table| table.family).collect()
}

/// `inet dockfw, ip dockfw`
pub(super) fn names(families: &[Family], name: &TableName) -> String {
    let names: Vec<_> = full_names(families, name);
    names.join(", ")
}

/// `inet dockfw` and so on.
pub(super) fn full_names(families: &[Family], name: &TableName) -> Vec<String> {
    let full = |family: &Family| format!("{} {name}", family.as_str());
    families.iter().map(full).collect()
}
