//! What a verb that commits does about the flows that it concerns, and says of it.

use std::io::Write as _;

use clap::Args;
use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, Table, Verified};

use super::apply;
use crate::flows::{Change, Error, Pruned, Sockets, prune};

/// Whether flows are cut.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct FlowArgs {
    /// Cut no flow that the new rules do not allow or translate differently: each goes on as long as
    /// its ends like, if the rules accept established flows
    #[arg(long)]
    keep_flows: bool,
}

/// What became of the flows that a commit concerns.
#[derive(Debug)]
pub(super) enum Flows {
    /// Nobody looked: it was not asked for, nothing was changed, or the commit may go back.
    Kept,
    /// Those that are concerned were cut.
    Pruned(Pruned),
    /// They could not be looked at; the commit holds all the same.
    Failed(Error),
    /// What was there before has parts that dockfw has no words for, so nobody can tell.
    Unknown,
}

impl FlowArgs {
    /// Whether flows are to be cut.
    pub(super) const fn cuts(self) -> bool {
        !self.keep_flows
    }
}

impl Flows {
    /// Cuts the flows that a commit concerns.
    pub(super) fn after(change: Option<apply::Change>) -> Self {
        match change {
            Some(apply::Change { old, new }) => Self::between(old, &new),
            None => Self::Kept,
        }
    }

    /// Cuts the flows that are concerned when these tables become those.
    pub(super) fn between_tables(old: Vec<Table>, new: Vec<Table>) -> Self {
        match verify(Ruleset { tables: new }) {
            Ok(new) => Self::between(old, &new),
            Err(_) => Self::Unknown,
        }
    }

    fn between(old: Vec<Table>, new: &Verified) -> Self {
        let Ok(old) = verify(Ruleset { tables: old }) else {
            return Self::Unknown;
        };
        let change = Change {
            old: Some(&old),
            new,
            gone: &std::collections::BTreeSet::new(),
        };
        let pruned = Sockets::open().and_then(|mut sockets| prune(&mut sockets, &change));
        match pruned {
            Ok(pruned) => Self::Pruned(pruned),
            Err(error) => Self::Failed(error),
        }
    }

    /// A line for standard output, or nothing.
    pub(super) fn to_line(&self) -> String {
        match self {
            Self::Pruned(pruned) => pruned.to_line().unwrap_or_default(),
            Self::Kept | Self::Failed(_) | Self::Unknown => String::new(),
        }
    }

    /// `null` when nobody looked.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Kept => serde_json::Value::Null,
            Self::Pruned(pruned) => pruned.to_json(),
            Self::Failed(error) => error.to_json(),
            Self::Unknown => serde_json::json!({ "error": UNKNOWN }),
        }
    }

    /// Says on standard error what is left to be done.
    pub(super) fn warn(&self) {
        let text = match self {
            Self::Kept => return,
            Self::Pruned(pruned) => match pruned.warning() {
                Some(text) => text,
                None => return,
            },
            Self::Failed(error) => format!(
                "flows that are no longer allowed may go on: failed to {error}; the rules are in \
                 force"
            ),
            Self::Unknown => format!("flows that are no longer allowed may go on: {UNKNOWN}"),
        };
        // Nothing can be said when standard error is closed.
        let _ = writeln!(std::io::stderr().lock(), "warning: {text}");
    }
}

const UNKNOWN: &str = "the tables that were there before have parts that dockfw has no words for";
