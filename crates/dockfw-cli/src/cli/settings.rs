//! What the ruleset needs of the host's kernel besides rules: compared with sysctl(8)'s files,
//! set where the operator lets dockfw, and said otherwise.
//!
//! A setting is made after the kernel has the ruleset, never before: a host that forwards without
//! it is open. Nothing is ever set back, by no verb: what others rely on meanwhile cannot be
//! known. No module is loaded and no process executed.
//!
//! All of it is about the network namespace of the calling thread, as `/proc/sys/net` is.

mod proc;
mod text;

#[cfg(test)]
mod tests;

use std::io::Write as _;

use dockfw_lower::host::Host;
use dockfw_lower::settings::{Setting, settings};

use super::Exit;
use super::input::Input;
use crate::policy::Policy;
use crate::state::Recipe;
use proc::Proc;

/// The key of `[host]` that makes them dockfw's to make.
const KEY: &[u8] = b"manage-sysctls";

/// The settings that a host needs, and whether they are dockfw's to make.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    settings: Vec<Setting>,
    managed: bool,
}

/// The settings that a host needs, and how each was found or has become.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// `[host] manage-sysctls`
    managed: bool,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    setting: Setting,
    state: State,
}

/// How a setting is, or has become.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// It is on.
    AsWanted,
    /// It has this value.
    Differs(String),
    /// It had this value, and is on now.
    Written(String),
    /// It has this value, and could not be changed for this reason.
    Refused(String, String),
    /// It could not be read, for this reason.
    Unreadable(String),
    /// The interface does not exist, or not yet.
    NoInterface,
    /// This kernel has no IPv6.
    NoFamily,
    /// The module `br_netfilter` is not loaded.
    NoModule,
}

impl Wanted {
    /// Those of a host. Without the userland proxy it looks at each published port.
    pub(super) fn new(host: &Host, managed: bool) -> Self {
        Self {
            settings: settings(host),
            managed,
        }
    }

    /// Those of a policy; none without one: rules files say nothing of the host.
    pub(super) fn of(policy: Option<&Policy>) -> Self {
        policy.map_or_else(Self::default, |policy| {
            Self::new(&policy.host, policy.manage_sysctls)
        })
    }

    /// Those of an earlier input that are dockfw's to make. Nothing is parsed if none can be.
    pub(super) fn managed_of(recipe: &Recipe) -> Self {
        let policies = recipe.policies.iter().flatten();
        let mut bytes = policies.flat_map(|source| source.bytes.windows(KEY.len()));
        if !bytes.any(|of| of == KEY) {
            return Self::default();
        }
        // What cannot be read any more was sent as it was encoded.
        Input::from_recipe(recipe)
            .map_or_else(|_| Self::default(), |input| input.settings().only_managed())
    }

    /// None, unless they are dockfw's to make.
    pub(super) fn only_managed(self) -> Self {
        if self.managed { self } else { Self::default() }
    }

    /// How they are.
    pub(super) fn read(self) -> Report {
        self.report(&Proc::default(), false)
    }

    /// Makes those that differ if they are dockfw's to make.
    ///
    /// It is for after a commit, when the ruleset is in force, and costs a read of a few files
    /// below `/proc/sys`.
    pub(super) fn apply(self) -> Report {
        self.report(&Proc::default(), true)
    }

    fn report(self, proc: &Proc, write: bool) -> Report {
        let Self { settings, managed } = self;
        let entry = |setting: Setting| {
            let mut state = proc.read(&setting.key);
            if let State::Differs(found) = &mut state
                && write
                && managed
            {
                state = proc.write(&setting.key, std::mem::take(found));
            }
            Entry { setting, state }
        };
        Report {
            managed,
            entries: settings.into_iter().map(entry).collect(),
        }
    }
}

impl Report {
    /// Whether a commit would change a setting.
    pub(super) fn would_write(&self) -> bool {
        self.planned().next().is_some()
    }

    /// Whether a setting that is dockfw's to make could not be made.
    pub(super) fn has_failed(&self) -> bool {
        self.managed
            && self.entries.iter().any(|entry| match entry.state {
                State::Refused(..) | State::Unreadable(_) => true,
                State::AsWanted
                | State::Differs(_)
                | State::Written(_)
                | State::NoInterface
                | State::NoFamily
                | State::NoModule => false,
            })
    }

    /// Says on standard error what is not as it should be.
    pub(super) fn warn(&self) {
        // Nothing can be said when standard error is closed.
        let _ = std::io::stderr().lock().write_all(self.notes().as_bytes());
    }

    /// An operational error if something failed here; the ruleset is in force all the same.
    pub(super) fn exit_or(&self, exit: Exit) -> Exit {
        if self.has_failed() {
            Exit::Failed
        } else {
            exit
        }
    }

    /// What a commit would set, as sysctl(8) writes it; for a saved plan.
    pub(super) fn assignments(&self) -> Vec<String> {
        let assignment = |(entry, _): (&Entry, _)| format!("{}=1", entry.setting.key);
        self.planned().map(assignment).collect()
    }

    /// The settings that a commit would make, and their values.
    fn planned(&self) -> impl Iterator<Item = (&Entry, &str)> {
        let entries = self.entries.iter().filter(|_| self.managed);
        entries.filter_map(|entry| match &entry.state {
            State::Differs(found) => Some((entry, found.as_str())),
            State::AsWanted
            | State::Written(_)
            | State::Refused(..)
            | State::Unreadable(_)
            | State::NoInterface
            | State::NoFamily
            | State::NoModule => None,
        })
    }
}
