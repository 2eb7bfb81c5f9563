//! The tables of iptables-legacy: read, edited and replaced, each in one step.
//!
//! A table is one block of entries. Chains are ranges in it: a built-in one begins where its hook
//! enters and ends with its policy; a user's one begins behind an entry that has its name and ends
//! with a return. Jumps name offsets, which all change when an entry goes.
//!
//! Only tables that are registered already are looked at: to ask for another one would load its
//! module.
//!
//! Source: uapi `linux/netfilter/x_tables.h`, `linux/netfilter_ipv4/ip_tables.h`,
//! `linux/netfilter_ipv6/ip6_tables.h`; `net/ipv4/netfilter/ip_tables.c` (v6.12).

mod edit;
mod parse;

use std::io;

use dockfw_ir::table::Family;

use crate::foreign::ForeignPolicy;
use crate::sys::xtables::{COUNTER, COUNTERS_POINTER, XtSocket, ip_set};

/// Why a table of iptables-legacy could not be read or replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum XtError {
    /// A system call failed. `EAGAIN` means that the table was changed since it was read.
    #[error("{action} the iptables-legacy table {table} of {}", .family.as_str())]
    Socket {
        /// What was tried.
        action: &'static str,
        /// The family.
        family: Family,
        /// The table.
        table: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The kernel's answer is not what we understand.
    #[error("the iptables-legacy table {table} of {} cannot be read", .family.as_str())]
    Malformed {
        /// The family.
        family: Family,
        /// The table.
        table: String,
    },
}

/// A table of iptables-legacy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XtTable {
    /// Ip or ip6.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// Its chains, in the order of the block.
    pub chains: Vec<XtChain>,
    valid_hooks: u32,
    hook_entry: [u32; HOOKS],
    underflow: [u32; HOOKS],
    block: Vec<u8>,
    entries: Vec<Entry>,
}

/// A chain of iptables-legacy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XtChain {
    /// Its name.
    pub name: String,
    /// What happens at its end, if it is built in.
    pub policy: Option<ForeignPolicy>,
    /// Its rules in order.
    pub rules: Vec<XtRule>,
    /// The entry with its name, of a user's chain.
    head: Option<usize>,
    /// The entry with its policy or return.
    tail: usize,
}

/// A rule of iptables-legacy, as the bytes of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XtRule {
    /// `struct ipt_ip` (84 bytes) or `struct ip6t_ip6` (136).
    pub header: Vec<u8>,
    /// Its matches in order.
    pub matches: Vec<XtExtension>,
    /// What it does.
    pub target: XtTarget,
    entry: usize,
}

/// A match or target with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XtExtension {
    /// Its name.
    pub name: String,
    /// Its revision.
    pub revision: u8,
    /// Its options, in the layout of this kernel, padding included.
    pub data: Vec<u8>,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum XtTarget {
    /// The packet goes on.
    Accept,
    /// It is discarded.
    Drop,
    /// Back to the chain that led here.
    Return,
    /// Nothing: on to the next rule.
    Continue,
    /// To a chain, by its name.
    Jump(String),
    /// To a chain, without return.
    Goto(String),
    /// Any other verdict.
    Other(i32),
    /// A target with a name.
    Extension(XtExtension),
}

/// How many hooks there are.
const HOOKS: usize = 5;

/// An entry: where it lies in the block, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    offset: usize,
    target: usize,
    next: usize,
}

/// What is to go from a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct XtRemoval {
    /// Rules, by chain and place in it, both counted from 0.
    pub rules: Vec<(usize, usize)>,
    /// User's chains with all their rules, counted from 0.
    pub chains: Vec<usize>,
    /// Built-in chains whose policy becomes accept, counted from 0.
    pub accept: Vec<usize>,
}

impl XtTable {
    /// The tables of iptables-legacy that are there in the network namespace of this thread. No
    /// module is loaded.
    pub fn registered() -> Vec<(Family, String)> {
        let files = [
            (Family::Ip, "/proc/thread-self/net/ip_tables_names"),
            (Family::Ip6, "/proc/thread-self/net/ip6_tables_names"),
        ];
        let names = files.into_iter().flat_map(|(family, path)| {
            // Without the module there is no such file.
            let names = std::fs::read_to_string(path).unwrap_or_default();
            let names: Vec<String> = names.lines().map(str::to_owned).collect();
            names.into_iter().map(move |name| (family, name))
        });
        names.collect()
    }

    /// Reads a table that is [`registered`](Self::registered).
    ///
    /// # Errors
    ///
    /// [`XtError`]; needs `CAP_NET_ADMIN`.
    pub fn read(family: Family, name: &str) -> Result<Self, XtError> {
        let failed = |action, source| XtError::Socket {
            action,
            family,
            table: name.to_owned(),
            source,
        };
        let malformed = || XtError::Malformed {
            family,
            table: name.to_owned(),
        };
        let socket = XtSocket::open(family == Family::Ip6).map_err(|e| failed("read", e))?;
        for _ in 0..ATTEMPTS {
            let mut info = vec![0; INFO];
            put(&mut info, 0, name.as_bytes()).ok_or_else(malformed)?;
            socket.info(&mut info).map_err(|e| failed("read", e))?;
            let size = parse::u32_at(&info, 80).ok_or_else(malformed)?;
            let len = usize::try_from(size).ok().ok_or_else(malformed)?;
            let mut entries = vec![0; ENTRIES_HEADER + len];
            put(&mut entries, 0, name.as_bytes()).ok_or_else(malformed)?;
            put(&mut entries, 32, &size.to_ne_bytes()).ok_or_else(malformed)?;
            match socket.entries(&mut entries) {
                // It has another size by now.
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => continue,
                other => other.map_err(|e| failed("read", e))?,
            }
            let block = entries.split_off(ENTRIES_HEADER);
            return parse::table(family, name, &info, block).ok_or_else(malformed);
        }
        let busy = io::Error::from_raw_os_error(libc::EAGAIN);
        Err(failed("read", busy))
    }

    /// Replaces the table by one without what is named; the counters of what stays are kept.
    ///
    /// Packets meet the old table or the new one. The kernel refuses with `EAGAIN` when the number
    /// of entries is no more the one that was read; who changes the table should hold iptables'
    /// lock, `/run/xtables.lock`, from the reading on.
    ///
    /// # Errors
    ///
    /// [`XtError`]; the table is then what it was, but for counters.
    pub fn remove(&self, removal: &XtRemoval) -> Result<(), XtError> {
        let failed = |action, source| XtError::Socket {
            action,
            family: self.family,
            table: self.name.clone(),
            source,
        };
        let malformed = || XtError::Malformed {
            family: self.family,
            table: self.name.clone(),
        };
        let edited = self.edited(removal).ok_or_else(malformed)?;
        let socket = XtSocket::open(self.family == Family::Ip6).map_err(|e| failed("open", e))?;
        let number = |len: usize| u32::try_from(len).ok();
        let mut message = vec![0; REPLACE_HEADER];
        let write = |message: &mut Vec<u8>| {
            put(message, 0, self.name.as_bytes())?;
            put(message, 32, &self.valid_hooks.to_ne_bytes())?;
            put(message, 36, &number(edited.kept.len())?.to_ne_bytes())?;
            put(message, 40, &number(edited.block.len())?.to_ne_bytes())?;
            for (hook, (entry, underflow)) in
                edited.hook_entry.iter().zip(edited.underflow).enumerate()
            {
                put(message, 44 + 4 * hook, &entry.to_ne_bytes())?;
                put(message, 64 + 4 * hook, &underflow.to_ne_bytes())?;
            }
            put(
                message,
                COUNTERS_POINTER - 4,
                &number(self.entries.len())?.to_ne_bytes(),
            )
        };
        write(&mut message).ok_or_else(malformed)?;
        message.extend_from_slice(&edited.block);
        let mut old = vec![0; COUNTER * self.entries.len()];
        socket
            .replace(&mut message, &mut old)
            .map_err(|e| failed("replace", e))?;
        // A new table counts from zero.
        let mut counters = vec![0; COUNTERS_HEADER];
        let write = |counters: &mut Vec<u8>| {
            put(counters, 0, self.name.as_bytes())?;
            put(counters, 32, &number(edited.kept.len())?.to_ne_bytes())
        };
        write(&mut counters).ok_or_else(malformed)?;
        for entry in edited.kept {
            let counter = old.get(entry * COUNTER..(entry + 1) * COUNTER);
            counters.extend_from_slice(counter.ok_or_else(malformed)?);
        }
        // Numbers only: the rules are in force.
        let _ = socket.add_counters(&counters);
        Ok(())
    }
}

/// The name of the ipset with this number in the network namespace of this thread; `None` without
/// one, without ip_set, or without `CAP_NET_ADMIN`.
///
/// Source: uapi `linux/netfilter/ipset/ip_set.h`, `struct ip_set_req_get_set` (v6.12).
pub fn set_name(index: u16) -> Option<String> {
    /// `IP_SET_OP_GET_BYINDEX`
    const GET_BY_INDEX: u32 = 7;
    /// `IPSET_PROTOCOL_MIN`
    const PROTOCOL: u32 = 6;
    let mut request = vec![0; 40];
    put(&mut request, 0, &GET_BY_INDEX.to_ne_bytes())?;
    put(&mut request, 4, &PROTOCOL.to_ne_bytes())?;
    put(&mut request, 8, &index.to_ne_bytes())?;
    ip_set(&mut request).ok()?;
    let name = request.get(8..)?.split(|byte| *byte == 0).next()?;
    let name = std::str::from_utf8(name).ok()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// How often a table is read while others change it.
const ATTEMPTS: usize = 16;
/// Bytes of a `struct ipt_getinfo`.
const INFO: usize = 84;
/// Bytes in front of the entries of a `struct ipt_get_entries`.
const ENTRIES_HEADER: usize = 40;
/// Bytes in front of the entries of a `struct ipt_replace`.
const REPLACE_HEADER: usize = 96;
/// Bytes in front of the counters of a `struct xt_counters_info`.
const COUNTERS_HEADER: usize = 40;

/// Writes bytes at a place that must be there.
fn put(to: &mut [u8], at: usize, bytes: &[u8]) -> Option<()> {
    to.get_mut(at..at.checked_add(bytes.len())?)?
        .copy_from_slice(bytes);
    Some(())
}
