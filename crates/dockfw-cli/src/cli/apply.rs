//! From a verified ruleset to one that is in force, for every verb that commits one.

use dockfw_ir::Verified;
use dockfw_ir::name::TableName;
use dockfw_ir::table::{Family, Table};
use dockfw_ir::verify::verify;
use dockfw_netlink::{Batch, CommitError, Committed, Executor, Expect};

use super::output::Failure;
use super::tables;

/// How often a commit is tried while others keep changing the ruleset.
const ATTEMPTS: u32 = 16;

/// What became of the kernel's ruleset.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) committed: Committed,
    /// The encoded ruleset, without what was done to other tables of ours; for [`apply_batch`].
    pub(super) batch: Batch,
    /// Our tables, by their full names.
    pub(super) tables: Vec<String>,
    /// Tables that are gone.
    pub(super) removed: Vec<String>,
    /// Tables that are empty, and could not be removed.
    pub(super) emptied: Vec<String>,
}

/// Makes our tables in the kernel what the ruleset says.
///
/// A table of ours that the ruleset does not have loses all its chains in the same transaction.
/// What is left of it has no effect, and is deleted in a second one.
///
/// # Errors
///
/// The kernel's ruleset is what it was, except with [`CommitError::Unknown`].
pub(super) fn apply(executor: &mut Executor, ruleset: Verified) -> Result<Applied, Failure> {
    let name = dockfw_lower::table_name();
    let wanted = tables::families(&ruleset);
    let batch = Batch::replace(&ruleset).map_err(Failure::Encode)?;
    let mut ruleset = ruleset;
    // The batch with empty tables, and the families of those.
    let mut emptying: Option<Batch> = None;
    let mut removed: Vec<Family> = Vec::new();
    let mut attempt = 1;
    let mut committed = loop {
        let generation = executor.generation()?;
        let mut others = tables::present(executor, &name)?;
        others.retain(|family| !wanted.contains(family));
        if others != removed {
            ruleset = with_empty(ruleset, &others, &name)?;
            emptying = Some(Batch::replace(&ruleset).map_err(Failure::Encode)?);
            removed = others;
        }
        let batch = emptying.as_ref().unwrap_or(&batch);
        // Nobody made or removed a table of ours since it was looked for.
        match executor.commit(batch, Expect::Generation(generation)) {
            Err(CommitError::Stale { .. }) if attempt < ATTEMPTS => attempt += 1,
            other => break other?,
        }
    };
    // The commit has happened, whatever becomes of what it left empty.
    let deleted = removed.is_empty() || {
        let of = removed.iter().map(|family| (*family, &name));
        let batch = Batch::delete(of).map_err(Failure::Encode)?;
        match commit(executor, &batch) {
            Ok(deleted) => {
                committed.generation = deleted.generation;
                committed.kernel_time += deleted.kernel_time;
                committed.statistics.tables -= removed.len();
                true
            }
            Err(_) => false,
        }
    };
    let left = tables::full_names(&removed, &name);
    let (removed, emptied) = if deleted {
        (left, Vec::new())
    } else {
        (Vec::new(), left)
    };
    Ok(Applied {
        committed,
        batch,
        tables: tables::full_names(&wanted, &name),
        removed,
        emptied,
    })
}

/// [`apply`] for a ruleset that was encoded earlier.
///
/// Tables of ours that it does not have are deleted in the same transaction.
///
/// # Errors
///
/// As [`apply`].
pub(super) fn apply_batch(executor: &mut Executor, batch: Batch) -> Result<Applied, Failure> {
    let name = dockfw_lower::table_name();
    let wanted: Vec<Family> = batch.tables().map(|(family, _)| family).collect();
    let mut attempt = 1;
    let (mut committed, removed) = loop {
        let generation = executor.generation()?;
        let mut others = tables::present(executor, &name)?;
        others.retain(|family| !wanted.contains(family));
        let expect = Expect::Generation(generation);
        let result = if others.is_empty() {
            executor.commit(&batch, expect)
        } else {
            let deleted = others.iter().map(|family| (*family, &name));
            let batch = batch.clone().deleting(deleted).map_err(Failure::Encode)?;
            executor.commit(&batch, expect)
        };
        match result {
            Err(CommitError::Stale { .. }) if attempt < ATTEMPTS => attempt += 1,
            other => break (other?, others),
        }
    };
    committed.cleared |= !removed.is_empty();
    Ok(Applied {
        committed,
        batch,
        tables: tables::full_names(&wanted, &name),
        removed: tables::full_names(&removed, &name),
        emptied: Vec::new(),
    })
}

/// The ruleset with these families' tables empty, whether or not some were already.
fn with_empty(
    ruleset: Verified,
    families: &[Family],
    name: &TableName,
) -> Result<Verified, Failure> {
    let mut ruleset = ruleset.into_inner();
    ruleset.tables.retain(|table| {
        !table.chains.is_empty() || !table.sets.is_empty() || table.comment.is_some()
    });
    ruleset.tables.extend(families.iter().map(|family| Table {
        family: *family,
        name: name.clone(),
        comment: None,
        sets: Vec::new(),
        chains: Vec::new(),
    }));
    verify(ruleset).map_err(|error| Failure::Bug(Box::new(error)))
}

/// Commits against the generation that was read just before, a few times if need be.
pub(super) fn commit(executor: &mut Executor, batch: &Batch) -> Result<Committed, Failure> {
    let mut attempt = 1;
    loop {
        let generation = executor.generation()?;
        match executor.commit(batch, Expect::Generation(generation)) {
            Err(CommitError::Stale { .. }) if attempt < ATTEMPTS => attempt += 1,
            other => return other.map_err(Failure::Commit),
        }
    }
}

#[cfg(test)]
mod tests {
    use dockfw_ir::Ruleset;
    use dockfw_ir::name::Comment;
    use dockfw_ir::table::{Family, Table};
    use dockfw_ir::verify::verify;

    use super::with_empty;
    use crate::cli::tables::families;

    #[test]
    fn what_is_to_go_is_looked_for_anew_with_each_attempt() {
        let name = dockfw_lower::table_name();
        let ours = Table {
            family: Family::Ip,
            name: name.clone(),
            comment: Comment::lossy("ours"),
            sets: Vec::new(),
            chains: Vec::new(),
        };
        let mut ruleset = verify(Ruleset { tables: vec![ours] }).unwrap();
        for others in [&[Family::Inet, Family::Ip6][..], &[Family::Ip6], &[]] {
            ruleset = with_empty(ruleset, others, &name).unwrap();
            let expected: Vec<_> = [Family::Ip].iter().chain(others).copied().collect();
            assert_eq!(families(&ruleset), expected);
        }
    }
}
