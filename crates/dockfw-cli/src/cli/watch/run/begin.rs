//! dockerd comes and goes: what its first answer decides, and what is done until there is one.

use tracing::{error, info, warn};

use super::super::super::output::Failure;
use super::Watch;
use crate::docker::{Error, State, Verdict};

/// How far the first answer of dockerd has come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Beginning {
    /// There is none.
    Unanswered {
        /// There was no table of ours, and the policy alone was put into force.
        alone: bool,
    },
    /// dockerd has no rules of its own, as far as is known.
    Answered,
    /// What dockerd has was put into force.
    Over,
}

impl Watch<'_> {
    /// dockerd has answered.
    pub(super) fn found(&mut self, state: &State) -> Result<(), Failure> {
        let version = format!("{} (API {})", state.daemon.version, state.daemon.api);
        if !self.daemon.connected || self.daemon.version != version {
            info!(
                dockerd = %self.daemon.address, version = state.daemon.version,
                api = state.daemon.api, live_restore = state.daemon.live_restore,
                "connected"
            );
        }
        self.daemon.connected = true;
        self.daemon.version = version;
        self.daemon.error = None;
        let verdict = state.daemon.firewall_off();
        let problem = match &verdict {
            Verdict::Off => None,
            // Nothing is done beside it; before it answered, the policy may have had to be.
            Verdict::On { .. } if matches!(self.beginning, Beginning::Unanswered { .. }) => {
                let done = self.give_way();
                return Err(Failure::Firewall(format!("{done}: {verdict}")));
            }
            Verdict::On { .. } | Verdict::Unknown { .. } => Some(verdict.to_string()),
        };
        if problem != self.firewall {
            match (&verdict, &problem) {
                (Verdict::On { .. }, Some(problem)) => error!("{problem}"),
                (_, Some(problem)) => warn!("{problem}"),
                (_, None) => info!("{verdict}"),
            }
        }
        self.firewall = problem;
        if matches!(self.beginning, Beginning::Unanswered { .. }) {
            self.beginning = Beginning::Answered;
        }
        Ok(())
    }

    /// Takes back what was done before a dockerd answered that has rules of its own; says what is in
    /// force then.
    fn give_way(&mut self) -> &'static str {
        if matches!(self.beginning, Beginning::Unanswered { alone: true }) {
            match self.enforcer.remove() {
                Ok(()) => {
                    return "the policy, which alone was in force until dockerd answered, was removed again";
                }
                Err(failure) => {
                    error!(
                        error = failure.brief(),
                        "the policy could not be removed again"
                    );
                }
            }
        }
        if self.model.host().is_some() {
            "the policy alone is in force, by which nothing reaches a container (`dockfw release` \
             removes it)"
        } else if matches!(self.enforcer.is_absent(), Ok(false)) {
            "nothing was changed, and dockfw's rules that were there before stay in force (`dockfw \
             release` removes them)"
        } else {
            "nothing was changed"
        }
    }

    /// There is no dockerd.
    pub(super) fn lost(&mut self, problem: &Error) {
        if self.daemon.connected {
            self.metrics.lost += 1;
        }
        warn!(error = %problem, "no dockerd; the rules stay as they are");
        self.daemon.connected = false;
        self.daemon.error = Some(problem.to_string());
        if !self.ready {
            self.ready_without_dockerd();
        }
    }

    /// Counts as ready though dockerd has not answered, which may wait for us: what was in force
    /// stays; without anything, the policy alone, by which nothing reaches a container.
    pub(super) fn ready_without_dockerd(&mut self) {
        if self.pace.due().is_some() {
            return;
        }
        match self.enforcer.is_absent() {
            Ok(false) => {
                self.set_ready("the rules that were in force, until dockerd answers");
            }
            Ok(true) => {
                self.commit();
                if let Beginning::Unanswered { alone } = &mut self.beginning {
                    *alone = self.ready;
                }
            }
            Err(error) => self.failed(&error.into()),
        }
    }

    /// Says once that this is ready.
    pub(super) fn set_ready(&mut self, what: &str) {
        if !std::mem::replace(&mut self.ready, true) {
            info!("ready: in force are {what}");
            self.manager.ready();
        }
    }
}
