//! From a verified ruleset to one that is in force, for every verb that commits one.
//!
//! What the kernel has is read, and the smallest transaction that makes the wanted ruleset of it is
//! sent, guarded by the generation of the reading. Rules and elements that stay keep their counters
//! and lifetimes; where nothing differs, nothing is sent.

use std::time::Duration;

use dockfw_ir::diff::{Counts, RulesetChanges, TableChange};
use dockfw_ir::table::Family;
use dockfw_ir::{Table, Verified};
use dockfw_netlink::{Batch, CommitError, Committed, Executor, Expect, QueryError};

use super::confirm::combine;
use super::kernel::{Kernel, as_read};
use super::output::Failure;
use super::plan::SavedPlan;
use super::tables;

/// How often a commit is tried while others keep changing the ruleset.
pub(super) const ATTEMPTS: u32 = 16;

/// How a ruleset is put into force.
#[derive(Debug, Default)]
pub(super) struct How<'a> {
    /// Make the tables anew, whatever is there; nothing else can be asked for then.
    pub(super) replace: bool,
    /// Make the tables anew, and have them belong to the executor's socket.
    pub(super) own: bool,
    /// Go back by itself after this time.
    pub(super) confirm: Option<Duration>,
    /// Only if it is what was planned.
    pub(super) plan: Option<&'a SavedPlan>,
    /// Say what was there before, also where nothing else has to know.
    pub(super) before: bool,
}

/// What became of the kernel's ruleset.
#[derive(Debug)]
pub(super) struct Applied {
    /// The transaction; `None` when nothing had to be sent.
    pub(super) committed: Option<Committed>,
    /// The generation of the kernel's ruleset afterwards.
    pub(super) generation: u32,
    /// The encoded ruleset, without what was done to other tables of ours; for [`apply_batch`].
    pub(super) batch: Batch,
    /// What changed, if the tables were not made anew.
    pub(super) changed: Option<Counts>,
    /// Our tables, by their full names.
    pub(super) tables: Vec<String>,
    /// Tables that are gone.
    pub(super) removed: Vec<String>,
    /// What was there before and is there now, if that was read.
    pub(super) change: Option<Change>,
}

/// Our tables before and after a commit, as they read when they come back from the kernel.
#[derive(Debug)]
pub(super) struct Change {
    /// The tables that were there.
    pub(super) old: Vec<Table>,
    /// The ruleset that is there.
    pub(super) new: Verified,
}

impl Applied {
    /// Whether something was deleted, which makes closing the socket slow.
    pub(super) fn has_cleared(&self) -> bool {
        self.committed.is_some_and(|of| of.cleared)
    }

    /// How long the kernel worked on it.
    pub(super) fn kernel_time(&self) -> Duration {
        self.committed.map_or(Duration::ZERO, |of| of.kernel_time)
    }
}

/// Makes our tables in the kernel what the ruleset says; those that it does not have go.
///
/// # Errors
///
/// The kernel's ruleset is what it was, except with [`CommitError::Unknown`].
pub(super) fn apply(
    executor: &mut Executor,
    ruleset: &Verified,
    how: &How<'_>,
) -> Result<Applied, Failure> {
    let batch = Batch::replace(ruleset).map_err(Failure::Encode)?;
    if how.own || how.replace {
        let before = read_before(executor, how);
        let applied = if how.own {
            let owned = Batch::owned(ruleset).map_err(Failure::Encode)?;
            apply_batch(executor, &owned)?
        } else {
            apply_batch(executor, &batch)?
        };
        let change = before.map(|old| Change {
            old,
            new: as_read(ruleset),
        });
        return Ok(Applied {
            batch,
            change,
            ..applied
        });
    }
    let mut wanted: Option<Verified> = None;
    for _ in 0..ATTEMPTS {
        let mut kernel = match Kernel::read(executor) {
            // Others committed during each attempt to read.
            Err(QueryError::Unstable) => break,
            other => other?,
        };
        if let Some(plan) = how.plan {
            let wanted = wanted.get_or_insert_with(|| as_read(ruleset));
            plan.check(kernel.generation, &kernel.tables, wanted)?;
        }
        if kernel.tables.is_empty() && how.confirm.is_none() {
            match replace(executor, &batch, kernel.generation) {
                Err(Failure::Commit(CommitError::Stale { .. })) => continue,
                Err(failure) => return Err(failure),
                Ok(applied) => {
                    let change = how.before.then(|| Change {
                        old: Vec::new(),
                        new: ruleset.clone(),
                    });
                    return Ok(Applied { change, ..applied });
                }
            }
        }
        let combined;
        let target = if let Some(timeout) = how.confirm {
            combined = as_read(&combine(&kernel.tables, ruleset, timeout)?);
            kernel.renew_pending();
            &combined
        } else {
            wanted.get_or_insert_with(|| as_read(ruleset))
        };
        let changes = kernel.changes(target);
        match send(executor, &kernel, target, &changes) {
            Err(Failure::Commit(CommitError::Stale { .. })) => {}
            // Time alone does not move the generation.
            Err(Failure::Commit(CommitError::Refused(refusal)))
                if kernel.expires() && refusal.is_of_missing_element() => {}
            Err(failure) => return Err(failure),
            Ok((committed, counts)) => {
                let name = dockfw_lower::table_name();
                let generation = committed.map_or(kernel.generation, |of| of.generation);
                let tables = tables::full_names(&tables::families(target), &name);
                let removed = tables::full_names(&removed(&changes), &name);
                let is_change = how.before && committed.is_some() && how.confirm.is_none();
                return Ok(Applied {
                    committed,
                    generation,
                    batch,
                    changed: counts,
                    tables,
                    removed,
                    change: wanted.filter(|_| is_change).map(|new| Change {
                        old: kernel.tables,
                        new,
                    }),
                });
            }
        }
    }
    if how.confirm.is_some() || how.plan.is_some() {
        return Err(Failure::Overtaken(ATTEMPTS));
    }
    // To replace our tables, less has to be read: somebody who commits all the time does not keep
    // us out.
    apply_batch(executor, &batch)
}

/// What is there before a commit that does not have to know it; `None` when it cannot be read or is
/// not asked for.
fn read_before(executor: &mut Executor, how: &How<'_>) -> Option<Vec<Table>> {
    let kernel = how.before.then(|| Kernel::read(executor));
    Some(kernel?.ok()?.tables)
}

/// Sends the changes to what was read.
fn send(
    executor: &mut Executor,
    kernel: &Kernel,
    target: &Verified,
    changes: &RulesetChanges<'_>,
) -> Result<(Option<Committed>, Option<Counts>), Failure> {
    if changes.is_empty() {
        return Ok((None, None));
    }
    let expect = Expect::Generation(kernel.generation);
    let counts = changes.counts();
    let is_whole = changes
        .tables()
        .iter()
        .all(|change| matches!(change, TableChange::Changed(of) if of.replace))
        && changes.tables().len() == target.tables.len();
    if is_whole {
        // Emptied rather than deleted, where that can be.
        let batch = Batch::replace(target).map_err(Failure::Encode)?;
        return Ok((Some(executor.commit(&batch, expect)?), None));
    }
    let batch = Batch::change(changes, kernel.handles()).map_err(Failure::Encode)?;
    Ok((Some(executor.commit(&batch, expect)?), Some(counts)))
}

/// The families of tables that go.
fn removed(changes: &RulesetChanges<'_>) -> Vec<Family> {
    let of = |change: &TableChange<'_>| match change {
        TableChange::Removed(table) => Some(table.family),
        TableChange::Created(_) | TableChange::Changed(_) => None,
    };
    changes.tables().iter().filter_map(of).collect()
}

/// [`apply`] for a ruleset that was encoded earlier, and for all that is to be made anew.
///
/// Tables of ours that it does not have are deleted in the same transaction.
///
/// # Errors
///
/// As [`apply`].
pub(super) fn apply_batch(executor: &mut Executor, batch: &Batch) -> Result<Applied, Failure> {
    for _ in 1..ATTEMPTS {
        let generation = executor.generation()?;
        match replace(executor, batch, generation) {
            Err(Failure::Commit(CommitError::Stale { .. })) => {}
            other => return other,
        }
    }
    let generation = executor.generation()?;
    replace(executor, batch, generation)
}

/// Makes all our tables anew, if nobody changed anything since a generation.
fn replace(executor: &mut Executor, batch: &Batch, generation: u32) -> Result<Applied, Failure> {
    let name = dockfw_lower::table_name();
    let wanted: Vec<Family> = batch.tables().map(|(family, _)| family).collect();
    let mut others = tables::present(executor, &name)?;
    others.retain(|family| !wanted.contains(family));
    let expect = Expect::Generation(generation);
    let mut committed = if others.is_empty() {
        executor.commit(batch, expect)
    } else {
        let deleted = others.iter().map(|family| (*family, &name));
        let batch = batch.clone().deleting(deleted).map_err(Failure::Encode)?;
        executor.commit(&batch, expect)
    }?;
    committed.cleared |= !others.is_empty();
    Ok(Applied {
        committed: Some(committed),
        generation: committed.generation,
        batch: batch.clone(),
        changed: None,
        tables: tables::full_names(&wanted, &name),
        removed: tables::full_names(&others, &name),
        change: None,
    })
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
