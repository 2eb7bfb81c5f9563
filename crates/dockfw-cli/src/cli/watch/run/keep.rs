//! Keeping what is in force: a look at what others do, a comparison after commits of elements, and
//! the flows that commits have ended.

use std::time::Instant;

use dockfw_ir::Verified;
use dockfw_lower::host::Network;
use tracing::{debug, error, warn};

use super::super::super::apply::Change;
use super::super::super::output::Failure;
use super::super::changes::Changes;
use super::super::cut::Before;
use super::super::tell;
use super::{LONGEST_PAUSE, LOOK, PAUSE, SHARE, Watch};

impl Watch<'_> {
    /// Looks whether others have changed the ruleset.
    pub(super) fn look(&mut self) {
        let begun = Instant::now();
        let result = self.try_look();
        let now = Instant::now();
        let pause = match result {
            Ok(()) => {
                self.look_failure = None;
                self.look_pause = PAUSE;
                let cost = now.saturating_duration_since(begun).saturating_mul(SHARE);
                LOOK.max(cost)
            }
            Err(failure) => {
                let text = failure.brief();
                self.metrics.errors += 1;
                error!(error = text, "the kernel's ruleset could not be compared");
                self.look_failure = Some(text);
                self.status.touch();
                let pause = self.look_pause;
                self.look_pause = (pause * 2).min(LONGEST_PAUSE);
                pause
            }
        };
        self.next_look = now + pause;
    }

    fn try_look(&mut self) -> Result<(), Failure> {
        if self.model.host().is_none() {
            // What was in force stays until dockerd answers, but must be there.
            if self.ready && self.pace.due().is_none() && self.enforcer.is_absent()? {
                warn!("others have removed dockfw's table");
                self.commit();
            }
            return Ok(());
        }
        if !self.enforcer.is_overtaken()? {
            return Ok(());
        }
        if !self.model.is_in_force() && self.failure.is_none() {
            // Not back to what was, but on to what is wanted; unless that was refused just now.
            self.model.doubt();
            self.commit();
            return Ok(());
        }
        let Some(ruleset) = self.model.ruleset()? else {
            return Ok(());
        };
        let enforced = self.enforcer.check(ruleset)?;
        if self.note(&enforced) {
            self.metrics.drift += 1;
            self.status.touch();
            warn!(
                changes = tell::counts(&enforced),
                generation = self.generation,
                "others had changed dockfw's tables, which are right again"
            );
            // What began meanwhile was allowed by what others had made of them.
            self.cut_later(enforced.change, None, &Changes::default());
        }
        // They may have gone, and nobody makes new ones.
        if self.leftovers.is_some() {
            self.look_for_leftovers();
        }
        Ok(())
    }

    /// Compares the whole with the kernel.
    pub(super) fn settle(&mut self) {
        self.settle = None;
        let result = match self.model.ruleset() {
            Ok(Some(ruleset)) => self.enforcer.read(ruleset),
            Ok(None) => return,
            Err(failure) => Err(failure),
        };
        match result {
            Ok(enforced) if self.note(&enforced) => {
                self.metrics.drift += 1;
                self.status.touch();
                warn!(
                    changes = tell::counts(&enforced),
                    generation = self.generation,
                    "the ruleset was not what it should have been, and is right again"
                );
                self.cut_later(enforced.change, None, &Changes::default());
            }
            Ok(_) => debug!("the kernel has what is wanted"),
            Err(failure) => self.failed(&failure),
        }
    }

    /// Has flows looked at that are perhaps not allowed any more. What was read of the kernel, if it
    /// was, tells best what they were allowed by.
    pub(super) fn cut_later(
        &mut self,
        read: Option<Change>,
        old: Option<Verified>,
        changes: &Changes,
    ) {
        let before = match (read, old) {
            (Some(change), _) => Some(Before::Read(change.old)),
            (None, Some(old)) => Some(Before::Compiled(old)),
            (None, None) => None,
        };
        let now = Instant::now();
        self.cuts.add(now, before, changes.gone.clone());
        let host = self.model.host();
        let networks = host.map_or(&[][..], |host| &host.networks);
        let is_new = |of: &&Network| changes.networks_came.contains(&of.name);
        let bridges = networks.iter().filter(is_new);
        let bridges = bridges.filter_map(|of| of.bridge.as_ref().map(ToString::to_string));
        self.cuts.guarded(now, bridges);
    }

    pub(super) fn cut(&mut self) {
        let ruleset = if self.cuts.needs_ruleset() {
            self.model.ruleset().ok().flatten()
        } else {
            None
        };
        let number = self.cuts.run(ruleset.as_ref());
        if number > 0 {
            self.metrics.flows += u64::try_from(number).unwrap_or(u64::MAX);
            self.status.touch();
        }
    }
}
