//! Putting a ruleset into force again and again, with as little work as is safe.
//!
//! One socket and what the kernel was last known to have are kept. In the order of their price:
//!
//! 1. The elements of containers that came or went, without a look at the rest of the host.
//! 2. The whole ruleset, compared with the one committed before.
//! 3. The whole ruleset, compared with what the kernel says that it has.
//!
//! Each transaction is guarded by the generation that is known. Whenever another one is met, what is
//! known is forgotten, and the third way is taken: nothing is assumed.

use dockfw_ir::diff::{Counts, rulesets};
use dockfw_ir::table::Family;
use dockfw_ir::{Set, Verified};
use dockfw_netlink::{Batch, CommitError, Committed, Executor, Expect, QueryError, RuleHandles};

use super::super::apply::{ATTEMPTS, Applied, Change, How, apply};
use super::super::output::Failure;
use super::super::tables;

/// What commits.
#[derive(Debug)]
pub(super) struct Enforcer {
    executor: Executor,
    /// Whether the tables belong to the socket.
    own: bool,
    known: Option<Known>,
}

/// What the kernel has, unless somebody has changed it since.
#[derive(Debug)]
struct Known {
    generation: u32,
    /// Our tables; `None` after a commit of elements.
    ruleset: Option<Verified>,
}

/// How a ruleset was put into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// By elements of containers.
    Elements,
    /// Compared with the last one.
    Compared,
    /// Compared with what was read.
    Read,
}

impl Way {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Elements, Self::Compared, Self::Read];

    /// A word for logs and metrics.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Elements => "elements",
            Self::Compared => "compared",
            Self::Read => "read",
        }
    }
}

/// What was done.
#[derive(Debug)]
pub(super) struct Enforced {
    pub(super) way: Way,
    /// `None`: the kernel had it already.
    pub(super) committed: Option<Committed>,
    /// What changed; `None` when tables were made anew.
    pub(super) counts: Option<Counts>,
    /// What the kernel had before and has now, where it was read.
    pub(super) change: Option<Change>,
}

impl Enforcer {
    /// The socket, for questions.
    pub(super) const fn executor(&mut self) -> &mut Executor {
        &mut self.executor
    }

    /// Opens a socket in the network namespace of this thread.
    pub(super) fn open(own: bool) -> Result<Self, Failure> {
        Ok(Self {
            executor: Executor::open()?,
            own,
            known: None,
        })
    }

    /// Whether nobody else can change our tables.
    pub(super) const fn owns(&self) -> bool {
        self.own
    }

    /// The generation of the kernel's ruleset.
    pub(super) fn generation(&mut self) -> Result<u32, QueryError> {
        self.executor.generation()
    }

    /// Whether the kernel's ruleset is another one than after the last commit.
    pub(super) fn is_overtaken(&mut self) -> Result<bool, QueryError> {
        let now = self.executor.generation()?;
        Ok(self.known.as_ref().is_none_or(|of| of.generation != now))
    }

    /// Whether the kernel has no table for containers of ours.
    pub(super) fn is_absent(&mut self) -> Result<bool, QueryError> {
        let name = dockfw_lower::table_name();
        Ok(self.executor.table(Family::Inet, &name)?.is_none())
    }

    /// Deletes our tables.
    pub(super) fn remove(&mut self) -> Result<(), Failure> {
        self.known = None;
        let name = dockfw_lower::table_name();
        tables::remove(&mut self.executor, &name).map(drop)
    }

    /// Looks whether our tables are still what they were, after others have committed, and makes
    /// them so.
    pub(super) fn check(&mut self, wanted: Verified) -> Result<Enforced, Failure> {
        if self.own && self.adopt()? {
            return Ok(Enforced {
                way: Way::Read,
                committed: None,
                counts: None,
                change: None,
            });
        }
        self.read(wanted)
    }

    /// Takes the present generation for the one that is known: nobody else can change tables that
    /// are ours.
    fn adopt(&mut self) -> Result<bool, QueryError> {
        let Some(known) = &mut self.known else {
            return Ok(false);
        };
        let name = dockfw_lower::table_name();
        let generation = self.executor.generation()?;
        let table = self.executor.table(Family::Inet, &name)?;
        let owned = table.is_some_and(|table| table.owner.is_some());
        if owned {
            known.generation = generation;
        }
        Ok(owned)
    }

    /// Deletes and adds elements of sets that stay.
    ///
    /// `None`: it has to be done another way, nothing was changed.
    pub(super) fn elements(
        &mut self,
        removed: &[Set],
        added: &[Set],
    ) -> Result<Option<Enforced>, Failure> {
        if removed.is_empty() && added.is_empty() {
            return Ok(self.known.as_ref().map(|_| Enforced {
                way: Way::Elements,
                committed: None,
                counts: None,
                change: None,
            }));
        }
        let name = dockfw_lower::table_name();
        let batch =
            Batch::elements(Family::Inet, &name, removed, added).map_err(Failure::Encode)?;
        let Some(committed) = self.send(&batch)? else {
            return Ok(None);
        };
        self.note(committed, None);
        Ok(Some(Enforced {
            way: Way::Elements,
            committed: Some(committed),
            counts: batch.statistics().changed,
            change: None,
        }))
    }

    /// Makes our tables those of a ruleset. `last` is what was committed before.
    pub(super) fn whole(
        &mut self,
        wanted: Verified,
        last: impl FnOnce() -> Option<Verified>,
    ) -> Result<Enforced, Failure> {
        // To read tables that are ours alone has them made anew.
        if let Some(known) = self.known.as_mut().filter(|_| self.own)
            && known.ruleset.is_none()
        {
            known.ruleset = last();
        }
        if let Some(enforced) = self.compared(&wanted)? {
            return Ok(enforced);
        }
        self.read(wanted)
    }

    /// Makes our tables those of a ruleset, whatever was known of them.
    pub(super) fn read(&mut self, wanted: Verified) -> Result<Enforced, Failure> {
        let how = How {
            own: self.own,
            before: true,
            ..How::default()
        };
        let known = self.known.take();
        let applied = apply(&mut self.executor, &wanted, &how).inspect_err(|failure| {
            // What the kernel does not take changes nothing; tables that are ours alone would have
            // to be made anew to know them again.
            if failure.is_of_ruleset() {
                self.known = known;
            }
        })?;
        let Applied {
            committed,
            generation,
            changed,
            change,
            ..
        } = applied;
        self.known = Some(Known {
            generation,
            ruleset: Some(wanted),
        });
        if let Some(committed) = committed {
            self.doubt(committed);
        }
        Ok(Enforced {
            way: Way::Read,
            committed,
            counts: changed,
            change,
        })
    }

    /// Compares with what was committed last, without asking the kernel.
    fn compared(&mut self, wanted: &Verified) -> Result<Option<Enforced>, Failure> {
        if self.is_overtaken()? && !(self.own && self.adopt()?) {
            self.known = None;
        }
        let Some(Known {
            ruleset: Some(last),
            ..
        }) = &self.known
        else {
            return Ok(None);
        };
        let changes = rulesets(&last.tables, wanted);
        if changes.is_empty() {
            return Ok(Some(Enforced {
                way: Way::Compared,
                committed: None,
                counts: None,
                change: None,
            }));
        }
        // Where rules change, their numbers in the kernel are needed.
        let Ok(batch) = Batch::change(&changes, &RuleHandles::new()) else {
            return Ok(None);
        };
        let counts = changes.counts();
        let Some(committed) = self.send(&batch)? else {
            return Ok(None);
        };
        self.note(committed, Some(wanted.clone()));
        Ok(Some(Enforced {
            way: Way::Compared,
            committed: Some(committed),
            counts: Some(counts),
            change: None,
        }))
    }

    /// Changes what is known; `None` when it is not what the kernel has, and nothing was changed.
    fn send(&mut self, batch: &Batch) -> Result<Option<Committed>, Failure> {
        for _ in 0..ATTEMPTS {
            let Some(generation) = self.known.as_ref().map(|of| of.generation) else {
                return Ok(None);
            };
            match self.executor.commit(batch, Expect::Generation(generation)) {
                Ok(committed) => return Ok(Some(committed)),
                // Somebody was faster, with tables of their own.
                Err(CommitError::Stale { .. }) if self.own && self.adopt()? => {}
                // Somebody was faster; or an element is there, or is not, or has no room.
                Err(
                    CommitError::Stale { .. }
                    | CommitError::Refused(_)
                    | CommitError::Unknown { .. },
                ) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.known = None;
        Ok(None)
    }

    fn note(&mut self, committed: Committed, ruleset: Option<Verified>) {
        self.known = Some(Known {
            generation: committed.generation,
            ruleset,
        });
        self.doubt(committed);
    }

    /// When others committed between ours and the look at the generation, they may have changed our
    /// tables, unless those belong to us.
    fn doubt(&mut self, committed: Committed) {
        if !self.own && committed.generation != committed.generation_before.wrapping_add(1) {
            self.known = None;
        }
    }
}
