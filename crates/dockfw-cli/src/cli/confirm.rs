//! Commit-confirm: `commit --confirm DURATION`, `confirm`, and what `status` says of it.
//!
//! Everything here works on tables that were read back from the kernel: what is pending stands
//! there and nowhere else, so it survives this process and a reboot of whoever watches it. How two
//! generations share a table is in [`dockfw_ir::pending`].

mod duration;
mod status;
pub(super) mod verb;

use std::time::Duration;

use dockfw_ir::name::SetName;
use dockfw_ir::pending::{Damaged, PendingError, Settled, deadline, pending_ruleset, settle};
use dockfw_ir::table::Family;
use dockfw_ir::verify::{VerifyError, verify};
use dockfw_ir::{Ruleset, Table, Value, Verified};

pub use duration::{DurationError, LONGEST, SHORTEST, parse_duration};
pub use status::{to_json, to_text};

use super::Exit;

/// How often a change is tried while others keep changing the ruleset.
const ATTEMPTS: u32 = 16;

/// A table of ours as the kernel has it.
pub trait Snapshot {
    /// The table.
    fn table(&self) -> &Table;

    /// How long an element still lives; `None` when there is no such element, or when its time is
    /// over and the kernel has not taken it out yet.
    fn expiration(&self, set: &SetName, key: &Value) -> Option<Duration>;
}

/// All tables of ours, as they were at one generation of the kernel's ruleset.
#[derive(Debug, Clone)]
pub struct Reading<S> {
    /// That generation.
    pub generation: u32,
    /// The tables.
    pub tables: Vec<S>,
}

/// A table that two generations share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// `inet dockfw` and so on.
    pub name: String,
    /// The family of the table.
    pub family: Family,
    /// Both generations.
    pub settled: Settled,
    /// How long the new one still holds; `None` when the old one holds again.
    pub left: Option<Duration>,
}

/// What makes the tables those of one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The tables that are written.
    pub ruleset: Verified,
    /// The families in which our table goes.
    pub removed: Vec<Family>,
}

/// Which generation stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The new one: `dockfw confirm`. Only while it still holds.
    New,
    /// The old one: `dockfw rollback`, or tidying up when the time is over.
    Old,
}

/// Whether a change was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt<T> {
    /// It was.
    Committed(T),
    /// Someone else has changed the ruleset since it was read; nothing was done.
    Stale,
}

/// Why what is pending was not made permanent, or taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfirmError<E> {
    /// No table has two generations.
    #[error("nothing is pending: there is no commit to confirm")]
    NothingPending,
    /// The confirmation came too late.
    #[error(
        "too late: the time to confirm is over, and the rules from before the commit are in force"
    )]
    Expired,
    /// Someone else has changed the table.
    #[error("{0}; commit again to replace it")]
    Damaged(#[from] Damaged),
    /// What was read back does not verify: a bug of dockfw, or of a change by hand.
    #[error("the generation that was read back does not verify:\n{0}")]
    Unverified(#[source] Box<VerifyError>),
    /// Others keep changing the ruleset.
    #[error("others keep changing the ruleset; gave up after {ATTEMPTS} attempts")]
    Stale,
    /// The kernel could not be read, or refused the change.
    #[error(transparent)]
    Kernel(E),
}

impl<E> ConfirmError<E> {
    /// The exit code; `None` when it is that of the error inside.
    pub const fn exit(&self) -> Option<Exit> {
        match self {
            Self::NothingPending | Self::Damaged(_) | Self::Unverified(_) => Some(Exit::Failed),
            Self::Expired => Some(Exit::RolledBack),
            Self::Stale => Some(Exit::Stale),
            Self::Kernel(_) => None,
        }
    }
}

/// Why a commit cannot be taken back by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CombineError {
    /// The generations have no common table.
    #[error("the commit cannot be one to confirm: {0}")]
    Pending(#[from] PendingError),
    /// Someone else has changed a table that is pending.
    #[error("{0}; commit without --confirm to replace it")]
    Damaged(#[from] Damaged),
    /// Both generations in one table do not verify; that is so where chains of the new one lead to
    /// chains, 14 or 15 of them behind each other.
    #[error("the commit cannot be one to confirm:\n{0}")]
    Unverified(#[source] Box<VerifyError>),
}

/// The tables among these that two generations share.
///
/// # Errors
///
/// [`Damaged`] for one that was changed since.
pub fn find<S: Snapshot>(tables: &[S]) -> Result<Vec<Pending>, Damaged> {
    let mut found = Vec::new();
    for snapshot in tables {
        let table = snapshot.table();
        let Some(settled) = settle(table)? else {
            continue;
        };
        let (set, keys) = deadline(table.family);
        let lives = keys.iter().map(|key| snapshot.expiration(&set, key));
        // Where one key has no element any more, its packets meet the old rules.
        let left = lives.min().flatten().filter(|left| !left.is_zero());
        found.push(Pending {
            name: format!("{} {}", table.family.as_str(), table.name),
            family: table.family,
            settled,
            left,
        });
    }
    Ok(found)
}

/// What is to be committed so that one generation stays alone.
///
/// # Errors
///
/// [`ConfirmError`], all but [`ConfirmError::Stale`] and [`ConfirmError::Kernel`].
pub fn change<E>(found: Vec<Pending>, keep: Keep) -> Result<Change, ConfirmError<E>> {
    if found.is_empty() {
        return Err(ConfirmError::NothingPending);
    }
    if keep == Keep::New && found.iter().any(|pending| pending.left.is_none()) {
        return Err(ConfirmError::Expired);
    }
    let mut tables = Vec::new();
    let mut removed = Vec::new();
    for pending in found {
        let kept = match keep {
            Keep::New => pending.settled.new,
            Keep::Old => pending.settled.old,
        };
        match kept {
            Some(table) => tables.push(table),
            None => removed.push(pending.family),
        }
    }
    let ruleset =
        verify(Ruleset { tables }).map_err(|error| ConfirmError::Unverified(Box::new(error)))?;
    Ok(Change { ruleset, removed })
}

/// Reads, decides and commits; reads again when someone else was faster.
///
/// `commit` gets the change and the generation that was read: it must change nothing when the
/// kernel's ruleset has another one by now.
///
/// When the time ends between reading and commit, the old rules hold for that moment; the change is
/// made all the same, since it was asked for in time.
///
/// # Errors
///
/// [`ConfirmError`]; nothing was changed then.
pub fn settle_pending<S, T, E>(
    keep: Keep,
    mut read: impl FnMut() -> Result<Reading<S>, E>,
    mut commit: impl FnMut(&Change, u32) -> Result<Attempt<T>, E>,
) -> Result<(Change, T), ConfirmError<E>>
where
    S: Snapshot,
{
    for _ in 0..ATTEMPTS {
        let reading = read().map_err(ConfirmError::Kernel)?;
        let change = change(find(&reading.tables)?, keep)?;
        match commit(&change, reading.generation).map_err(ConfirmError::Kernel)? {
            Attempt::Committed(done) => return Ok((change, done)),
            Attempt::Stale => {}
        }
    }
    Err(ConfirmError::Stale)
}

/// What `commit --confirm` sends: both generations in one table each.
///
/// `current` is what the kernel has of ours. What is pending there is replaced by what is wanted
/// now, and the rules from before it remain those that come back: nothing is ever taken back to
/// rules that were not confirmed.
///
/// # Errors
///
/// [`CombineError`].
pub fn combine<'t>(
    current: impl IntoIterator<Item = &'t Table>,
    wanted: &Verified,
    timeout: Duration,
) -> Result<Verified, CombineError> {
    let mut old = Ruleset::default();
    for table in current {
        match settle(table)? {
            Some(settled) => old.tables.extend(settled.old),
            None => old.tables.push(table.clone()),
        }
    }
    let combined = pending_ruleset(&old, wanted, timeout)?;
    verify(combined).map_err(|error| CombineError::Unverified(Box::new(error)))
}

#[cfg(test)]
mod tests;
