//! The neighbours of an interface: addresses on it, and what the kernel knows of who has them.
//!
//! While it asks who has an address (ARP, neighbour solicitation), the kernel keeps the packets that
//! are for it, and sends them when somebody answers. That is behind every hook of netfilter: a
//! ruleset that is committed meanwhile does not see them.
//!
//! Only an entry in `NUD_INCOMPLETE` keeps packets. `__neigh_event_send` puts them there, three
//! solicitations a second apart long by default; in each other state it sends them at once or drops
//! them. The queue is emptied by whatever ends the state: sent when the address is resolved
//! (`__neigh_update`), dropped when it is not (`neigh_timer_handler`, `neigh_invalidate`).
//! `NUD_PROBE` still has the link-layer address that it asks about, and `NUD_FAILED` is what an
//! entry becomes when its packets were dropped.
//!
//! Source: `net/core/neighbour.c`, uapi `linux/neighbour.h` (v6.12).

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{ATTEMPTS, BOTH, INET, INET6, RouteError, Routes, decode};
use crate::channel::ChannelError;
use crate::sys::route::{
    IFINFOMSG, IFLA_IFNAME, IFNAMSIZ, NDA_DST, NDA_IFINDEX, NDMSG, NUD_INCOMPLETE, RTM_DELNEIGH,
    RTM_GETLINK, RTM_GETNEIGH,
};
use crate::wire::{Encoder, FAMILY_HEADER};

/// An entry of the neighbour table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Neighbour {
    /// The link that it is on.
    pub(super) link: u32,
    /// `NUD_*`
    pub(super) state: u16,
    /// Its address.
    pub(super) address: IpAddr,
}

impl Routes {
    /// Deletes the neighbours of an interface, of both families, that nobody has answered for yet
    /// (`NUD_INCOMPLETE`), and with them the packets that wait for the answer; returns how many were
    /// deleted. Those in other states stay: they keep no packets.
    ///
    /// The senders of the packets that are dropped are told that the host is unreachable, as when
    /// nobody answers in time; a connect(2) that waits fails. A later packet to the same address
    /// begins a new entry. Nothing that waited when this was called is sent after it returned;
    /// what was resolved before its turn came was sent then.
    ///
    /// A packet that a processor had in its hands when rules were committed may pass by the old ones
    /// and begin to wait after this has listed. Whoever has to be sure calls this once more some
    /// milliseconds later.
    ///
    /// An entry that is resolved, or made permanent, between listing and deleting is deleted too.
    /// The kernel may leave an entry out of a listing of several parts when others are deleted
    /// meanwhile, so that it is listed again, at most four times, until nothing new is found; what
    /// began again after it was deleted is left alone. An interface that does not exist has no
    /// neighbours.
    ///
    /// Needs `CAP_NET_ADMIN`, but only if there is something to delete.
    ///
    /// Source: `net/core/neighbour.c`, `neigh_delete`: `__neigh_update` to `NUD_FAILED` calls
    /// `neigh_invalidate`, which reports and drops each packet of `arp_queue`; then
    /// `neigh_remove_one` (v6.12).
    ///
    /// # Errors
    ///
    /// [`RouteError`]; [`RouteError::Refused`] with `EPERM` without the capability. The others are
    /// deleted even if one cannot be.
    pub fn forget_unresolved(&mut self, interface: &str) -> Result<usize, RouteError> {
        let Some(link) = self.index_of(interface)? else {
            return Ok(0);
        };
        let mut seen = BTreeSet::new();
        let mut deleted = 0;
        for _ in 0..ATTEMPTS {
            let unresolved = self.unresolved(link)?;
            let mut first = Ok(());
            let before = seen.len();
            for address in unresolved {
                if seen.insert(address) {
                    match self.delete_neighbour(link, address) {
                        Ok(now) => deleted += usize::from(now),
                        Err(error) => first = first.and(Err(error)),
                    }
                }
            }
            first?;
            if seen.len() == before {
                break;
            }
        }
        Ok(deleted)
    }

    /// The number of the interface with this name.
    fn index_of(&mut self, interface: &str) -> Result<Option<u32>, RouteError> {
        // No interface has such a name, and the kernel would not say so but call it malformed, or
        // take another one for it.
        if interface.is_empty() || interface.len() >= IFNAMSIZ || interface.contains('\0') {
            return Ok(None);
        }
        let mut index = None;
        let body = |e: &mut Encoder| {
            e.raw(&[0; IFINFOMSG - FAMILY_HEADER]);
            e.text(IFLA_IFNAME, interface)
        };
        let asked = self.0.ask(RTM_GETLINK, BOTH, body, |message| {
            index = decode::link(message.payload).map(|link| link.index);
        });
        match asked {
            Ok(()) => index.map(Some).ok_or(RouteError::NoAnswer),
            Err(ChannelError::Refused(libc::ENODEV)) => Ok(None),
            Err(error) => Err(RouteError::from_channel(error)),
        }
    }

    /// The addresses on a link that packets wait for.
    fn unresolved(&mut self, link: u32) -> Result<Vec<IpAddr>, RouteError> {
        // The kernel filters by this attribute (v4.4), not by the field of the header, which has to
        // be 0.
        let body = |e: &mut Encoder| {
            e.raw(&[0; NDMSG - FAMILY_HEADER]);
            e.bytes(NDA_IFINDEX, &link.to_ne_bytes())
        };
        let neighbours = self.all_of(RTM_GETNEIGH, body, decode::neighbour)?;
        let wanted = |of: &Neighbour| of.link == link && of.state & NUD_INCOMPLETE != 0;
        Ok(neighbours
            .into_iter()
            .filter(wanted)
            .map(|of| of.address)
            .collect())
    }

    /// Deletes a neighbour; says whether there was one.
    fn delete_neighbour(&mut self, link: u32, address: IpAddr) -> Result<bool, RouteError> {
        let (family, bytes) = match address {
            IpAddr::V4(address) => (INET, address.octets().to_vec()),
            IpAddr::V6(address) => (INET6, address.octets().to_vec()),
        };
        // `struct ndmsg` behind the family: index (4), state (2), flags, type.
        let body = |e: &mut Encoder| {
            e.raw(&link.to_ne_bytes());
            e.raw(&[0; 4]);
            e.bytes(NDA_DST, &bytes)
        };
        match self.0.ask(RTM_DELNEIGH, family, body, |_| {}) {
            Ok(()) => Ok(true),
            // It, or the interface, is gone.
            Err(ChannelError::Refused(libc::ENOENT | libc::ENODEV)) => Ok(false),
            Err(error) => Err(RouteError::from_channel(error)),
        }
    }
}
