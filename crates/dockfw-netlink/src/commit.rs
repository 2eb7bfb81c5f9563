//! The executor: sends a batch and says what became of it.
//!
//! The kernel processes a batch inside the one system call that sends it, so all it has to say is
//! in the receive queue when the call returns. What is read there decides: an error means that
//! nothing was changed; the acknowledgement of `BATCH_END` without an error means a commit; with
//! neither (kernels before 6.10 do not acknowledge `BATCH_END`, and replies can be lost) the
//! generation and the tables themselves are looked at.

mod clearing;
mod error;
mod transact;

use std::time::Duration;

use clearing::Clearing;
pub use error::{CommitError, Denial, OpenError, Refusal};
pub(crate) use transact::receive;
use transact::{RECEIVE, Sent};

use crate::batch::{Batch, Contents, FIRST_SEQUENCE, Purpose, Statistics, TableHead};
use crate::dump::QueryError;
use crate::errno::Errno;
use crate::origin::Origin;
use crate::sys::Socket;

/// How often a replacement looks at what is there and is overtaken by others.
const ATTEMPTS: usize = 16;

/// Which ruleset a commit expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Any: whatever others did meanwhile stays as it is, outside of our tables.
    Any,
    /// This generation; the kernel refuses anything else before it looks at the batch.
    Generation(u32),
}

/// How a commit is known to have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// The kernel acknowledged `BATCH_END`.
    Acknowledged,
    /// No error, and the generation moved: kernels before 6.10.
    Generation,
    /// Replies were lost, but the tables are what the batch says.
    ReadBack,
}

/// A commit that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The generation in front of it.
    pub generation_before: u32,
    /// The generation afterwards; higher by more than one when others committed too.
    pub generation: u32,
    /// How it is known.
    pub confirmation: Confirmation,
    /// Whether there was something to delete, which makes closing the socket slow.
    pub cleared: bool,
    /// What the batch consists of.
    pub statistics: Statistics,
    /// How long the kernel worked on it.
    pub kernel_time: Duration,
}

/// A socket and the buffer for its replies.
#[derive(Debug)]
pub struct Executor {
    pub(crate) socket: Socket,
    pub(crate) buffer: Vec<u8>,
    pub(crate) sequence: u32,
}

/// An answer to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) sequence: u32,
    pub(crate) errno: i32,
    pub(crate) offset: Option<u32>,
    pub(crate) text: Option<String>,
}

impl Executor {
    /// Opens a socket in the network namespace of this thread.
    ///
    /// # Errors
    ///
    /// [`OpenError`], notably when the kernel has no nfnetlink.
    pub fn open() -> Result<Self, OpenError> {
        let socket = Socket::open().map_err(OpenError::from_io)?;
        Ok(Self {
            socket,
            buffer: vec![0; RECEIVE],
            sequence: u32::MAX / 2,
        })
    }

    /// Sets the size of the receive buffer, for tests of what is lost in a small one.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    #[doc(hidden)]
    pub fn set_receive_buffer(&self, bytes: u32) -> std::io::Result<()> {
        self.socket.set_receive_buffer(bytes)
    }

    /// Closes the socket without waiting for the kernel to clean up; see
    /// [`Socket::close_in_background`].
    pub fn close_in_background(self) {
        self.socket.close_in_background();
    }

    /// Sends a batch as one transaction.
    ///
    /// # Errors
    ///
    /// [`CommitError`]. Nothing was changed, except with [`CommitError::Unknown`]. With
    /// [`CommitError::Stale`] a batch of changes has to be made again from another reading.
    pub fn commit(&mut self, batch: &Batch, expect: Expect) -> Result<Committed, CommitError> {
        guarded(batch, expect)?;
        let mut attempt = 1;
        let (generation_before, guard, cleared, sent) = loop {
            let generation = self.expected(expect)?;
            // What is cleared depends on what is there, so it must still be there. Who does not
            // mind what others do is served in the end by the way that always works.
            let (clearing, guard) = if attempt < ATTEMPTS && batch.purpose == Purpose::Replace {
                (self.clearing(batch)?, Expect::Generation(generation))
            } else {
                (Clearing::Tables, expect)
            };
            let sent = self.transact(batch, guard, &clearing, true)?;
            if guard != expect && sent.drained.errors.first().is_some_and(is_stale) {
                attempt += 1;
                continue;
            }
            break (
                generation,
                guard,
                match batch.purpose {
                    Purpose::Difference => batch.difference.deletes,
                    Purpose::Replace | Purpose::Delete | Purpose::Change => {
                        !matches!(clearing, Clearing::Nothing)
                    }
                },
                sent,
            );
        };
        let Sent {
            drained,
            kernel_time,
        } = sent;
        if !drained.errors.is_empty() {
            return Err(self.refused(batch, guard, drained.errors));
        }
        let generation = self.generation()?;
        let committed = |confirmation| Committed {
            generation_before,
            generation,
            confirmation,
            cleared,
            statistics: batch.statistics(),
            kernel_time,
        };
        if drained.acknowledged {
            return Ok(committed(Confirmation::Acknowledged));
        }
        if generation == generation_before {
            return Err(CommitError::NotCommitted { generation });
        }
        if !drained.lost {
            return Ok(committed(Confirmation::Generation));
        }
        if self.is_in_force(batch)? {
            return Ok(committed(Confirmation::ReadBack));
        }
        Err(CommitError::Unknown {
            before: generation_before,
            after: generation,
        })
    }

    /// Sends a batch without its end: the kernel looks at every message and changes nothing.
    ///
    /// That finds less than a commit does: what the kernel validates for a table as a whole
    /// (masquerade outside of postrouting, jump loops) is only looked at in a commit.
    ///
    /// # Errors
    ///
    /// [`CommitError`], as a commit would give.
    pub fn check(&mut self, batch: &Batch, expect: Expect) -> Result<(), CommitError> {
        guarded(batch, expect)?;
        self.expected(expect)?;
        let sent = self.transact(batch, expect, &Clearing::Tables, false)?;
        if sent.drained.errors.is_empty() {
            return Ok(());
        }
        Err(self.refused(batch, expect, sent.drained.errors))
    }

    fn expected(&mut self, expect: Expect) -> Result<u32, CommitError> {
        let found = self.generation().map_err(|error| {
            if matches!(error, QueryError::Denied) {
                CommitError::Denied(Denial::Capability)
            } else {
                error.into()
            }
        })?;
        match expect {
            Expect::Generation(expected) if expected != found => Err(CommitError::Stale {
                expected,
                found: Some(found),
            }),
            Expect::Generation(_) | Expect::Any => Ok(found),
        }
    }

    /// Whether the kernel's tables have what the batch says, by their numbers. A batch of changes
    /// that leaves the numbers as they were cannot be told so.
    fn is_in_force(&mut self, batch: &Batch) -> Result<bool, QueryError> {
        let mut found = Contents::default();
        for TableHead { family, name, .. } in &batch.tables {
            match (self.summary(*family, name)?, batch.purpose) {
                (None, Purpose::Delete) => {}
                (Some(_), Purpose::Delete) | (None, _) => return Ok(false),
                (Some(summary), _) => {
                    found.chains += summary.chains.len();
                    found.sets += summary.sets.len();
                    found.rules += summary.rules();
                    found.elements += summary.elements();
                }
            }
        }
        for (family, name) in &batch.difference.removed {
            if self.table(*family, name)?.is_some() {
                return Ok(false);
            }
        }
        let statistics = batch.statistics();
        let expected = Contents {
            chains: statistics.chains,
            sets: statistics.sets,
            rules: statistics.rules,
            elements: statistics.elements,
        };
        Ok(found == expected
            && match batch.purpose {
                Purpose::Replace | Purpose::Delete => true,
                Purpose::Difference => {
                    batch.difference.before != expected || !batch.difference.removed.is_empty()
                }
                Purpose::Change => false,
            })
    }

    fn refused(&mut self, batch: &Batch, expect: Expect, errors: Vec<Answer>) -> CommitError {
        let found = self.generation().ok();
        let Some(refusal) = Refusal::new(batch, errors) else {
            return CommitError::NotCommitted {
                generation: found.unwrap_or(0),
            };
        };
        let on_batch = refusal.location.origin == Origin::Batch;
        match (refusal.errno.0, expect) {
            (libc::ERESTART, Expect::Generation(expected)) if on_batch => {
                CommitError::Stale { expected, found }
            }
            (libc::EPERM, _) if on_batch => CommitError::Denied(Denial::Capability),
            (libc::EPERM, _) => CommitError::Denied(self.owner_of(refusal)),
            _ => match refusal.missing_feature() {
                Some(feature) => CommitError::Unsupported {
                    feature,
                    refusal: Box::new(refusal),
                },
                None => CommitError::Refused(Box::new(refusal)),
            },
        }
    }

    /// Who owns the table that the kernel would not let us change.
    fn owner_of(&mut self, refusal: Refusal) -> Denial {
        let name = match &refusal.location.origin {
            Origin::Table { table }
            | Origin::Chain { table, .. }
            | Origin::Set { table, .. }
            | Origin::Rule { table, .. }
            | Origin::OldRule { table, .. }
            | Origin::Elements { table, .. }
            | Origin::OldElements { table, .. } => table.clone(),
            Origin::Batch => return Denial::Other(Box::new(refusal)),
        };
        let tables = self.tables().unwrap_or_default();
        let owner = tables
            .iter()
            .filter(|table| table.name == name)
            .find_map(|table| table.owner);
        match owner {
            Some(owner) => Denial::Owned {
                table: name,
                owner,
                process: process_name(owner),
            },
            None => Denial::Other(Box::new(refusal)),
        }
    }
}

/// Handles are those of one generation.
fn guarded(batch: &Batch, expect: Expect) -> Result<(), CommitError> {
    match (batch.purpose, expect) {
        (Purpose::Difference, Expect::Any) => Err(CommitError::Unguarded),
        (Purpose::Difference, Expect::Generation(_))
        | (Purpose::Replace | Purpose::Delete | Purpose::Change, _) => Ok(()),
    }
}

/// Whether a batch was refused before it was looked at, because the generation was another one.
fn is_stale(answer: &Answer) -> bool {
    answer.errno == libc::ERESTART && answer.sequence == FIRST_SEQUENCE
}

/// The name of the process of this socket address, which is its id if it opened one socket only.
fn process_name(address: u32) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{address}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

impl From<&Answer> for Errno {
    fn from(answer: &Answer) -> Self {
        Self(answer.errno)
    }
}
