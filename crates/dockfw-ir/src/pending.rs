//! Commit-confirm: one table that holds two generations, and an element with a lifetime that
//! chooses between them.
//!
//! [`pending`] makes of the generation in force and the one that is tried a table whose base chains
//! begin with one rule:
//!
//! ```text
//! set pending__.until { type nf_proto; flags timeout; elements = { ipv4 timeout 1m, ipv6 timeout 1m } }
//! chain forward {
//!     type filter hook forward priority filter; policy drop;
//!     meta nfproto @pending__.until goto pending__.both__forward
//!     …                                              # the old rules, under their own names
//! }
//! chain pending__.both__forward { jump pending__forward; accept }     # the new policy
//! chain pending__forward { … }                                        # the new rules, renamed
//! ```
//!
//! While the elements live, every packet meets the new rules; when their time is over the kernel
//! finds them no more, and every packet meets the old ones. Nobody needs to be alive for that.
//! The choice stands outside of both generations, so it is the same in every base chain, those of
//! type nat included; why it is an element of a set that all of them look up, and not a verdict in
//! a map for each, is in `docs/decisions/0006-commit-confirm.md`.
//!
//! A base chain that only one generation has accepts for the other, as if it was not there. The
//! body of the new base chain is jumped to, and its policy stands behind the jump, because `return`
//! and the end of the body lead there, whatever the policy of the old one is.
//!
//! [`settle`] gives both generations back, under their own names.

mod merge;
mod names;
mod rename;
mod select;
mod settle;

use std::time::Duration;

use crate::name::{NameError, SetName, TableName};
use crate::table::{Family, Ruleset, Table};
use crate::value::Value;

/// Why two generations have no common table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PendingError {
    /// Neither generation has the table.
    #[error("there is neither an old nor a new table")]
    Nothing,
    /// The generations are of different tables.
    #[error("{} {} and {} {} are different tables", .old.0.as_str(), .old.1, .new.0.as_str(), .new.1)]
    OtherTable {
        /// The old one.
        old: (Family, TableName),
        /// The new one.
        new: (Family, TableName),
    },
    /// A name that is kept for what is pending: a table with it is pending already, or an operator
    /// has called a chain so.
    #[error("the name {name} is kept for what is pending")]
    Reserved {
        /// The name of a chain or set.
        name: String,
    },
    /// No name is left for a chain or set of the new generation: they have at most 246 bytes, base
    /// chains 239.
    #[error("no pending name for {name}")]
    Name {
        /// Its own name.
        name: String,
        /// What is wrong with the other one.
        #[source]
        error: NameError,
    },
    /// The kernel counts whole milliseconds, at least one.
    #[error("{} s is no whole number of milliseconds, or none", .0.as_secs_f64())]
    Timeout(Duration),
}

/// A combined table that is not as [`pending`] made it: someone has changed it since.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {table} was changed while it was pending: {what}", family.as_str())]
pub struct Damaged {
    /// The family of the table.
    pub family: Family,
    /// Its name.
    pub table: TableName,
    /// What is not as it should be, with the name of the chain or set.
    pub what: String,
}

/// The two generations of a combined table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What holds when the time is over; `None`: no such table.
    pub old: Option<Table>,
    /// What holds until then, and for good when it is confirmed; `None`: no such table.
    pub new: Option<Table>,
}

/// Makes the table in which `new` holds for `timeout` from the commit on, and `old` after that.
///
/// The old generation keeps the names of its chains and sets, so that what is in the kernel can
/// stay there; the new one has other names until it is confirmed. `None` is a generation without
/// the table. The result verifies when both generations do, with one exception: below a base
/// chain of the new one, 13 jumps are left of 15.
///
/// The time begins when the kernel takes the element in, which is before the transaction ends, and
/// is counted in jiffies.
///
/// # Errors
///
/// [`PendingError`], notably for a table that is pending already: take it apart with [`settle`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use dockfw_ir::name::TableName;
/// use dockfw_ir::pending::{Settled, pending, settle};
/// use dockfw_ir::table::{Family, Table};
///
/// let new = Table {
///     family: Family::Inet,
///     name: TableName::new("dockfw")?,
///     comment: None,
///     sets: Vec::new(),
///     chains: Vec::new(),
/// };
/// let combined = pending(None, Some(&new), Duration::from_secs(60))?;
/// assert_eq!(settle(&combined)?, Some(Settled { old: None, new: Some(new) }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn pending(
    old: Option<&Table>,
    new: Option<&Table>,
    timeout: Duration,
) -> Result<Table, PendingError> {
    merge::merge(old, new, timeout)
}

/// [`pending`] of all tables: those of the same family and name belong together, and a table that
/// only one side has comes or goes.
///
/// Each table has its own elements. The kernel takes those of one transaction in within the time
/// that it needs for the transaction, so tables of different families can be that far apart.
///
/// # Errors
///
/// [`PendingError`] of the first table that has one.
pub fn pending_ruleset(
    old: &Ruleset,
    new: &Ruleset,
    timeout: Duration,
) -> Result<Ruleset, PendingError> {
    let same = |one: &Table, other: &Table| (one.family, &one.name) == (other.family, &other.name);
    let mut tables = Vec::new();
    for table in &new.tables {
        let before = old.tables.iter().find(|before| same(before, table));
        tables.push(pending(before, Some(table), timeout)?);
    }
    for table in &old.tables {
        if !new.tables.iter().any(|after| same(after, table)) {
            tables.push(pending(Some(table), None, timeout)?);
        }
    }
    Ok(Ruleset { tables })
}

/// Takes a combined table apart; `None` for a table that is not one.
///
/// Works on what was read back from the kernel, before the time is over and after it.
///
/// # Errors
///
/// [`Damaged`] when it has names that only [`pending`] gives, but not the shape.
pub fn settle(combined: &Table) -> Result<Option<Settled>, Damaged> {
    settle::settle(combined)
}

/// The set whose elements decide between the generations, and its keys. When it has none of them,
/// the old generation holds.
pub fn deadline(family: Family) -> (SetName, Vec<Value>) {
    (names::until(), select::keys(family))
}

#[cfg(test)]
mod tests;
