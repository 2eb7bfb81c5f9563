//! Flows that a change of ruleset ends: which conntrack entries it affects, and deleting exactly
//! those.
//!
//! A flow that is tracked keeps its translation, and a rule that accepts established flows keeps
//! letting it through, whatever the rules say now. So a UDP client goes on talking to a container
//! that is gone, and a connection outlives the rule that allowed it. Deleting the entry makes the
//! next packet the first of a flow again, which the new ruleset judges.
//!
//! # Which flows are affected
//!
//! 1. An address in [`Change::gone`] does not belong to the container any more that had it. Each
//!    entry with it at any of its four ends (source and destination, original and reply) goes.
//! 2. Of every other entry, the packet that would begin that flow is walked through the ruleset
//!    before and the one after by the packet evaluator, as a new packet without an entry: the
//!    original tuple, from the host where its source is an address of the host, otherwise from the
//!    interface that its source is routed to. The entry is affected when *the old ruleset leads to
//!    what the entry has*, lets the packet through and translates it as the reply tuple says, *and
//!    the new one does not lead to the same*: it drops the packet, or translates it to somewhere
//!    else, or translates what was not, or does not translate what was.
//!
//! What that means:
//!
//! - A flow that the new ruleset would make just so stays. So does one that the old ruleset does not
//!   explain, since it came about in other ways: rules of other programs, an earlier ruleset, a
//!   helper, a mark, an asymmetric route. In doubt a flow stays, but for those of an address that is
//!   gone.
//! - A connection (TCP, SCTP, DCCP) that is not translated, where new ones now would be, stays: it
//!   belongs to the host's own process, both rulesets let it through, and no packet of it could
//!   reach another. UDP and all else goes, so that the next packet reaches the container.
//! - The source port is not compared: the kernel takes another one where the flow's is in use. Nor
//!   is which of the host's addresses masquerading took when the entry began, only that of now.
//! - Every `limit` and quota is taken as not used up, in both. What rules have put into sets is
//!   taken over from the old ruleset into the new one.
//! - Of a flow with a mark, the packet is walked without it and with it as the packet's and the
//!   flow's mark; it is affected when at least one explains it, and all that do say so.
//! - The packet of a flow that another one announced (FTP's data) is walked as a related one.
//! - A flow between two ports of a bridge is walked as a bridged packet.
//! - An entry with a zone is judged like one without: our rulesets make no zones. That one is
//!   deleted with its zone.
//!
//! A packet of a TCP connection that arrives after its entry was deleted begins a flow again
//! (`net.netfilter.nf_conntrack_tcp_loose`), in whichever direction it goes. Where only the way to
//! a container is closed, what the container sends next may begin one the other way; see
//! `docs/reliability.md`.

mod carry;
mod judge;
mod report;
mod scope;
mod world;

use std::collections::BTreeSet;
use std::net::IpAddr;

use dockfw_ir::Verified;
use dockfw_netlink::conntrack::Deleted;
use dockfw_netlink::{Conntrack, ConntrackError, Entry, RouteError, Routes, Tuple};

use judge::Judge;
use scope::Scope;
pub use world::World;

/// How often the table is listed when the kernel has no memory for it.
const ATTEMPTS: usize = 4;

/// What changes.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// What was in force before; `None` and an empty ruleset are the same: everything passes.
    pub old: Option<&'a Verified>,
    /// What is in force now, best as it reads when it comes back from the kernel like `old`:
    /// otherwise the two differ in form, and more has to be looked at.
    pub new: &'a Verified,
    /// Addresses that do not belong to the container any more that had them.
    pub gone: &'a BTreeSet<IpAddr>,
}

/// Why a flow is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its container does not have this address any more.
    Gone(IpAddr),
    /// The rules drop its packets, or reject them.
    Forbidden,
    /// Its packets go to another address or port, or come from another address.
    Elsewhere,
    /// Its packets are not translated any more.
    Untranslated,
    /// Its packets are translated now, and were not before.
    Translated,
}

/// A flow that was cut, or is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The entry, as it was found.
    pub entry: Entry,
    /// Why.
    pub why: Why,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Pruned {
    /// How many entries conntrack's table had; 0 when nothing could be affected and it was not
    /// listed.
    pub looked_at: usize,
    /// How many were walked through the rulesets.
    pub judged: usize,
    /// The flows that were cut.
    pub deleted: Vec<Cut>,
    /// Flows that could not be cut, and what the kernel said.
    pub failed: Vec<(Tuple, ConntrackError)>,
}

/// Why flows were not looked at. The ruleset is in force all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tracked flows.
    #[error("list the tracked flows: {0}")]
    Conntrack(#[from] ConntrackError),
    /// Interfaces, addresses and routes.
    #[error("read the routes: {0}")]
    Route(#[from] RouteError),
}

/// The sockets that are needed, in the network namespace of the thread that opened them.
#[derive(Debug)]
pub struct Sockets {
    conntrack: Conntrack,
    routes: Routes,
}

impl Sockets {
    /// Opens both.
    ///
    /// # Errors
    ///
    /// [`Error`], when the kernel has no such sockets.
    pub fn open() -> Result<Self, Error> {
        Ok(Self {
            conntrack: Conntrack::open()?,
            routes: Routes::open()?,
        })
    }
}

/// Whether a change can affect any flow: without, [`prune`] asks the kernel nothing.
pub fn needs_look(change: &Change<'_>) -> bool {
    !change.gone.is_empty() || !matches!(Scope::of(change), Scope::Nothing)
}

/// Which of these entries a change affects.
pub fn affected(
    change: &Change<'_>,
    world: &World,
    entries: impl IntoIterator<Item = Entry>,
) -> Vec<Cut> {
    let scope = Scope::of(change);
    let touched: Vec<Entry> = entries
        .into_iter()
        .filter(|entry| is_gone(change, entry).is_some() || scope.touches(entry))
        .collect();
    judged(change, &scope, world, touched).1
}

/// Cuts the flows that a change affects. To be called when the kernel has the new ruleset.
///
/// # Errors
///
/// [`Error`]; nothing was cut then, but for the flows of addresses that are gone. That a single flow could not be cut is told in
/// [`Pruned::failed`].
pub fn prune(sockets: &mut Sockets, change: &Change<'_>) -> Result<Pruned, Error> {
    let scope = Scope::of(change);
    let mut pruned = Pruned::default();
    if change.gone.is_empty() && matches!(scope, Scope::Nothing) {
        return Ok(pruned);
    }
    if sockets.conntrack.count()? == 0 {
        return Ok(pruned);
    }
    // Judged when the listing is through: it is the less consistent the longer it takes.
    let mut touched = Vec::new();
    let mut attempt = 1;
    loop {
        touched.clear();
        let listed = sockets.conntrack.each(|entry| {
            if is_gone(change, &entry).is_some() || scope.touches(&entry) {
                touched.push(entry);
            }
        });
        match listed {
            Ok(dumped) => {
                pruned.looked_at = dumped.entries;
                break;
            }
            Err(ConntrackError::Lost) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
    if touched.is_empty() {
        return Ok(pruned);
    }
    // What is gone needs no look at routes, which may be changing.
    let (gone, touched): (Vec<Entry>, Vec<Entry>) = touched
        .into_iter()
        .partition(|entry| is_gone(change, entry).is_some());
    let cuts = gone.into_iter().filter_map(|entry| {
        let why = is_gone(change, &entry)?;
        Some(Cut { entry, why })
    });
    delete(&mut sockets.conntrack, cuts, &mut pruned);
    if touched.is_empty() {
        return Ok(pruned);
    }
    let world = World::new(&sockets.routes.network()?, crate::state::now().into());
    let (judged, cuts) = judged(change, &scope, &world, touched);
    pruned.judged = judged;
    delete(&mut sockets.conntrack, cuts, &mut pruned);
    Ok(pruned)
}

fn delete(conntrack: &mut Conntrack, cuts: impl IntoIterator<Item = Cut>, pruned: &mut Pruned) {
    for cut in cuts {
        match conntrack.delete(&cut.entry) {
            Ok(Deleted::Now) => pruned.deleted.push(cut),
            Ok(Deleted::Before) => {}
            Err(error) => pruned.failed.push((cut.entry.original, error)),
        }
    }
}

/// How many entries were walked through the rulesets, and which are affected.
fn judged(
    change: &Change<'_>,
    scope: &Scope,
    world: &World,
    entries: Vec<Entry>,
) -> (usize, Vec<Cut>) {
    if entries.is_empty() {
        return (0, Vec::new());
    }
    let rulesets = carry::rulesets(change);
    let judge = rulesets.as_ref().map(|both| Judge::new(both, world));
    let mut walked = 0;
    let mut cuts = Vec::new();
    for entry in entries {
        let why = is_gone(change, &entry).or_else(|| {
            if !scope.touches(&entry) || !scope.reaches(&entry, world) {
                return None;
            }
            walked += 1;
            judge.as_ref()?.why(&entry)
        });
        cuts.extend(why.map(|why| Cut { entry, why }));
    }
    (walked, cuts)
}

/// The address of the entry that is gone.
fn is_gone(change: &Change<'_>, entry: &Entry) -> Option<Why> {
    if change.gone.is_empty() {
        return None;
    }
    let (original, reply) = (&entry.original, &entry.reply);
    [
        original.source,
        original.destination,
        reply.source,
        reply.destination,
    ]
    .into_iter()
    .find(|address| change.gone.contains(address))
    .map(Why::Gone)
}

#[cfg(test)]
mod tests;
