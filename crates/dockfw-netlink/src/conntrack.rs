//! The flows that the kernel tracks, over ctnetlink: all of them listed, single ones deleted.
//!
//! Bytes on the wire are in network byte order; every number here is in that of the host.
//!
//! The table is never consistent: flows begin and end while it is listed, and one that the kernel
//! moves in its table meanwhile (it does so when it resizes it, and when a flow that is listed last
//! in a part of the dump ends) can be missing from a listing or be in it twice. Whoever deletes what
//! it found can be sure of nothing that began after the listing did.
//!
//! Where ctnetlink is a module (`nf_conntrack_netlink`), the kernel loads it with the first request,
//! if it may.
//!
//! Source: `net/netfilter/nf_conntrack_netlink.c` (v6.12).

mod decode;
mod entry;
mod error;

pub use entry::{Counter, Entry, Icmp, Tuple};
pub use error::ConntrackError;

use crate::channel::{Channel, ChannelError};
use crate::sys::Socket;
use crate::sys::conntrack::{
    CTA_ID, CTA_STATS_GLOBAL_ENTRIES, CTA_TUPLE_ORIG, CTA_ZONE, IPCTNL_MSG_CT_DELETE,
    IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_GET_STATS, NFNL_SUBSYS_CTNETLINK,
};
use crate::wire::Encoder;

/// How often a listing is tried when the kernel has no memory for it.
const ATTEMPTS: usize = 4;

/// `AF_UNSPEC`: both families.
const BOTH: u8 = 0;

/// A socket for ctnetlink in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Conntrack(Channel);

/// What a listing was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dumped {
    /// How many entries were handed over.
    pub entries: usize,
    /// How many the kernel sent that could not be read: of no family or protocol that has addresses.
    pub unreadable: usize,
}

/// What became of an entry that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Now,
    /// It was gone already; another flow may have taken its place, and stays.
    Before,
}

impl Conntrack {
    /// Opens a socket.
    ///
    /// # Errors
    ///
    /// [`ConntrackError::Socket`], [`ConntrackError::Unsupported`]. That the kernel has no
    /// ctnetlink is told by the first request.
    pub fn open() -> Result<Self, ConntrackError> {
        let socket = Socket::open().map_err(ConntrackError::from_open)?;
        Ok(Self(Channel::new(socket)))
    }

    /// How many entries this network namespace has, those that are about to be freed included.
    ///
    /// Costs next to nothing, where a listing looks at the whole table of the machine: with 262,144
    /// buckets, some 10 ms even if there is nothing in it.
    ///
    /// # Errors
    ///
    /// [`ConntrackError`].
    pub fn count(&mut self) -> Result<u32, ConntrackError> {
        let mut count = None;
        let kind = message(IPCTNL_MSG_CT_GET_STATS);
        let asked = self.0.ask(
            kind,
            BOTH,
            |_| Ok(()),
            |message| {
                let entries = message.attributes().get(CTA_STATS_GLOBAL_ENTRIES);
                count = entries.and_then(|entries| entries.u32());
            },
        );
        asked.map_err(ConntrackError::from_channel)?;
        count.ok_or(ConntrackError::NoAnswer)
    }

    /// Hands over every entry of both families and all zones.
    ///
    /// # Errors
    ///
    /// [`ConntrackError`]. With [`ConntrackError::Lost`] some were handed over, and listing again
    /// may help.
    pub fn each(&mut self, mut visit: impl FnMut(Entry)) -> Result<Dumped, ConntrackError> {
        let mut dumped = Dumped {
            entries: 0,
            unreadable: 0,
        };
        let kind = message(IPCTNL_MSG_CT_GET);
        self.0
            .dump(kind, BOTH, |message| {
                if let Some(entry) = decode::entry(message.attributes()) {
                    dumped.entries += 1;
                    visit(entry);
                } else {
                    dumped.unreadable += 1;
                }
            })
            .map_err(ConntrackError::from_channel)?;
        Ok(dumped)
    }

    /// Every entry of both families and all zones, in the order of the kernel's table, which says
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`ConntrackError`].
    pub fn entries(&mut self) -> Result<Vec<Entry>, ConntrackError> {
        let mut attempt = 1;
        loop {
            let mut entries = Vec::new();
            match self.each(|entry| entries.push(entry)) {
                Ok(_) => return Ok(entries),
                Err(ConntrackError::Lost) if attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Deletes this entry and no other.
    ///
    /// The kernel finds it by original tuple and zone, and compares the identifier. A later flow with
    /// the same tuple has another one, unless its entry lies at the same place in memory: the
    /// identifier is a hash of the two.
    ///
    /// Source: `net/netfilter/nf_conntrack_core.c`, `nf_ct_get_id`; `ctnetlink_del_conntrack`
    /// (v6.12).
    ///
    /// # Errors
    ///
    /// [`ConntrackError`].
    pub fn delete(&mut self, entry: &Entry) -> Result<Deleted, ConntrackError> {
        let family = entry.original.family();
        let body = |e: &mut Encoder| {
            e.nest(CTA_TUPLE_ORIG, |e| entry.original.encode(e))?;
            if entry.zone != 0 {
                e.u16(CTA_ZONE, entry.zone)?;
            }
            e.u32(CTA_ID, entry.id)
        };
        let asked = self
            .0
            .ask(message(IPCTNL_MSG_CT_DELETE), family, body, |_| {});
        match asked {
            Ok(()) => Ok(Deleted::Now),
            Err(ChannelError::Refused(libc::ENOENT)) => Ok(Deleted::Before),
            Err(error) => Err(ConntrackError::from_channel(error)),
        }
    }
}

const fn message(kind: u16) -> u16 {
    NFNL_SUBSYS_CTNETLINK << 8 | kind
}
