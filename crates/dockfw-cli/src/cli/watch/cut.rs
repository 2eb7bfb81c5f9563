//! Flows that commits have ended: cut a moment after them, together.
//!
//! The kernel lists all that it tracks for this, which takes as long as ten containers' commits; the
//! next event must not wait for it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, Table, Verified};
use dockfw_netlink::Routes;
use tracing::{debug, warn};

use super::super::kernel::as_read;
use super::tell;
use crate::flows::{Change, Error, Sockets, prune};

/// How long flows go on at least after the commit that ended them.
const SOON: Duration = Duration::from_millis(10);

/// How much longer when commits follow each other.
const LATEST: Duration = Duration::from_millis(50);

/// What was in force before a commit that is to be looked at.
#[derive(Debug)]
pub(super) enum Before {
    /// A ruleset, as it was compiled.
    Compiled(Verified),
    /// Tables, as they were read.
    Read(Vec<Table>),
}

/// Flows that are to be cut.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    sockets: Option<Sockets>,
    routes: Option<Routes>,
    /// When, and not later than when.
    due: Option<(Instant, Instant)>,
    /// What was in force before each of the commits: a flow may have begun between two of them.
    before: Vec<Before>,
    gone: BTreeSet<IpAddr>,
    /// Bridges that are new: what waits there for addresses was sent before they were guarded.
    bridges: BTreeSet<String>,
}

impl Cuts {
    /// Opens the sockets, in the network namespace of this thread.
    pub(super) fn open() -> Self {
        let sockets = Sockets::open()
            .inspect_err(|error| warn!(%error, "flows that are no longer allowed are not cut"));
        let routes = Routes::open().inspect_err(|error| {
            warn!(%error, "what waits for addresses of new networks is not dropped");
        });
        Self {
            sockets: sockets.ok(),
            routes: routes.ok(),
            ..Self::default()
        }
    }

    /// Has flows looked at that a commit may have ended.
    pub(super) fn add(&mut self, now: Instant, before: Option<Before>, gone: BTreeSet<IpAddr>) {
        if before.is_none() && gone.is_empty() {
            return;
        }
        self.before.extend(before);
        self.gone.extend(gone);
        self.schedule(now);
    }

    /// Drops what waits in the neighbour queues of new bridges: now, and once more a moment later,
    /// for what a processor was forwarding when they were guarded.
    pub(super) fn guarded(&mut self, now: Instant, bridges: impl IntoIterator<Item = String>) {
        let bridges: Vec<String> = bridges.into_iter().collect();
        if bridges.is_empty() {
            return;
        }
        for bridge in &bridges {
            self.forget(bridge);
        }
        self.bridges.extend(bridges);
        self.schedule(now);
    }

    fn schedule(&mut self, now: Instant) {
        let latest = self.due.map_or(now + LATEST, |(_, latest)| latest);
        self.due = Some((latest.min(now + SOON), latest));
    }

    /// When something is to be done.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.map(|(due, _)| due)
    }

    /// Whether the ruleset that is in force is needed for it.
    pub(super) const fn needs_ruleset(&self) -> bool {
        !self.before.is_empty()
    }

    /// Cuts what is to be cut; how many flows that were.
    pub(super) fn run(&mut self, now: Option<&Verified>) -> usize {
        self.due = None;
        for bridge in std::mem::take(&mut self.bridges) {
            self.forget(&bridge);
        }
        let gone = std::mem::take(&mut self.gone);
        let before = std::mem::take(&mut self.before);
        let mut number = 0;
        let mut cut = |before, gone: &BTreeSet<IpAddr>| match self.cut(before, now, gone) {
            Ok(more) => number += more,
            // The ruleset is in force all the same.
            Err(error) => warn!(%error, "flows that are no longer allowed were not cut"),
        };
        if before.is_empty() && !gone.is_empty() {
            cut(None, &gone);
        }
        for before in before {
            cut(Some(before), &gone);
        }
        number
    }

    fn cut(
        &mut self,
        before: Option<Before>,
        now: Option<&Verified>,
        gone: &BTreeSet<IpAddr>,
    ) -> Result<usize, Error> {
        let Some(sockets) = &mut self.sockets else {
            return Ok(0);
        };
        let (old, new) = match (before, now) {
            (Some(Before::Compiled(old)), Some(new)) => (Some(old), Some(new.clone())),
            // What has no words allowed nobody knows what.
            (Some(Before::Read(tables)), Some(new)) => match verify(Ruleset { tables }) {
                Ok(old) => (Some(old), Some(as_read(new))),
                Err(_) => (None, None),
            },
            (Some(_) | None, _) => (None, None),
        };
        // Without rulesets only what is gone counts.
        let Some(new) = new.or_else(|| verify(Ruleset::default()).ok()) else {
            return Ok(0);
        };
        let change = Change {
            old: old.as_ref(),
            new: &new,
            gone,
        };
        let pruned = prune(sockets, &change)?;
        tell::cut(&pruned);
        Ok(pruned.deleted.len())
    }

    fn forget(&mut self, bridge: &str) {
        let Some(routes) = &mut self.routes else {
            return;
        };
        match routes.forget_unresolved(bridge) {
            Ok(0) => {}
            Ok(number) => debug!(bridge, number, "dropped what waited for addresses"),
            Err(error) => warn!(bridge, %error, "what waits for addresses was not dropped"),
        }
    }
}
