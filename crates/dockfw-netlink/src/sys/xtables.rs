//! The interface of iptables-legacy: options of an internet socket.
//!
//! Source: uapi `linux/netfilter_ipv4/ip_tables.h`, `linux/netfilter_ipv6/ip6_tables.h`,
//! `linux/netfilter/x_tables.h` (v6.12).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use libc::{c_int, socklen_t};

/// `IPT_SO_GET_INFO`, `IP6T_SO_GET_INFO`.
const GET_INFO: c_int = 64;
/// `IPT_SO_GET_ENTRIES`, `IP6T_SO_GET_ENTRIES`.
const GET_ENTRIES: c_int = 65;
/// `IPT_SO_SET_REPLACE`, `IP6T_SO_SET_REPLACE`.
const SET_REPLACE: c_int = 64;
/// `IPT_SO_SET_ADD_COUNTERS`, `IP6T_SO_SET_ADD_COUNTERS`.
const SET_ADD_COUNTERS: c_int = 65;
/// Bytes of a `struct xt_counters`.
pub(crate) const COUNTER: usize = 16;
/// Where the address of the old counters stands in a `struct ipt_replace` with 64-bit pointers.
pub(crate) const COUNTERS_POINTER: usize = 88;

/// A socket through which the tables of iptables-legacy are read and replaced.
#[derive(Debug)]
pub(crate) struct XtSocket {
    fd: OwnedFd,
    level: c_int,
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn length(len: usize) -> io::Result<socklen_t> {
    socklen_t::try_from(len).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

impl XtSocket {
    /// Opens a socket for IPv6 or IPv4 in the network namespace of this thread.
    pub(crate) fn open(ipv6: bool) -> io::Result<Self> {
        let (domain, level) = if ipv6 {
            (libc::AF_INET6, libc::IPPROTO_IPV6)
        } else {
            (libc::AF_INET, libc::IPPROTO_IP)
        };
        // Every socket of the family has these options; a raw one would need CAP_NET_RAW besides.
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
        // SAFETY: no pointers.
        let fd = unsafe { libc::socket(domain, kind, 0) };
        check(fd)?;
        // SAFETY: `fd` was just returned by socket(2) and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd, level })
    }

    /// Fills in a `struct ipt_getinfo` that begins with the name of a table.
    ///
    /// The kernel loads the module of the table if it has to.
    pub(crate) fn info(&self, info: &mut [u8]) -> io::Result<()> {
        self.get(GET_INFO, info)
    }

    /// Fills in a `struct ipt_get_entries` that begins with the name of a table and its size.
    pub(crate) fn entries(&self, entries: &mut [u8]) -> io::Result<()> {
        self.get(GET_ENTRIES, entries)
    }

    fn get(&self, option: c_int, value: &mut [u8]) -> io::Result<()> {
        let mut len = length(value.len())?;
        let (value, len) = (value.as_mut_ptr(), &raw mut len);
        // SAFETY: `value` has `len` bytes, and the kernel writes no more than `len`.
        check(unsafe {
            libc::getsockopt(self.fd.as_raw_fd(), self.level, option, value.cast(), len)
        })
    }

    /// Replaces a table: `replace` is a `struct ipt_replace` with its entries, for as many old
    /// counters as `counters` has room for, which is where the kernel writes them.
    pub(crate) fn replace(&self, replace: &mut [u8], counters: &mut [u8]) -> io::Result<()> {
        // SAFETY-relevant: the kernel writes 16 bytes for each of `num_counters`, which stands in
        // front of the pointer.
        let number = replace
            .get(COUNTERS_POINTER - 4..COUNTERS_POINTER)
            .and_then(|bytes| bytes.first_chunk().copied())
            .map(u32::from_ne_bytes)
            .and_then(|number| usize::try_from(number).ok());
        let room = counters.len() / COUNTER;
        let pointer = counters.as_mut_ptr().expose_provenance().to_ne_bytes();
        let place = replace.get_mut(COUNTERS_POINTER..COUNTERS_POINTER + pointer.len());
        let (Some(number), Some(place), 8) = (number, place, pointer.len()) else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        if number > room {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        place.copy_from_slice(&pointer);
        self.set(SET_REPLACE, replace)
    }

    /// Adds to the counters of a table: a `struct xt_counters_info` with its counters.
    pub(crate) fn add_counters(&self, counters: &[u8]) -> io::Result<()> {
        self.set(SET_ADD_COUNTERS, counters)
    }

    fn set(&self, option: c_int, value: &[u8]) -> io::Result<()> {
        let len = length(value.len())?;
        let value = value.as_ptr();
        // SAFETY: `value` has `len` bytes; a pointer inside of it is one that `replace` has put
        // there, to memory that it holds exclusively and that is long enough.
        check(unsafe {
            libc::setsockopt(self.fd.as_raw_fd(), self.level, option, value.cast(), len)
        })
    }
}

/// `SO_IP_SET`
const IP_SET: c_int = 83;

/// Fills in a `struct ip_set_req_get_set`. Without ip_set there is no such option: `ENOPROTOOPT`.
pub(crate) fn ip_set(request: &mut [u8]) -> io::Result<()> {
    XtSocket::open(false)?.get(IP_SET, request)
}
