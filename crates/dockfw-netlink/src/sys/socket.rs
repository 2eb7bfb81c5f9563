//! The AF_NETLINK socket.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, socklen_t};

/// What a message takes of the send buffer besides its bytes.
///
/// Source: `netlink_sendmsg` (v6.12): `len > sk->sk_sndbuf - 32` is `EMSGSIZE`.
const OVERHEAD: usize = 32;

/// Length of the option values used here.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "4, in a const"
)]
const OPTION_LEN: socklen_t = size_of::<c_int>() as socklen_t;

/// A socket for nfnetlink or rtnetlink in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Socket(OwnedFd);

/// A datagram that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Bytes that are in the buffer.
    pub len: usize,
    /// Whether the datagram was longer than the buffer and its end is lost.
    pub truncated: bool,
}

/// The largest batch the socket takes after its send buffer was raised as far as allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferLimit {
    /// In bytes.
    pub bytes: usize,
    /// Whether the limit was lifted with `CAP_NET_ADMIN`, beyond `net.core.wmem_max`.
    pub forced: bool,
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

impl Socket {
    /// Opens a close-on-exec socket, lets the kernel choose its address, and asks for extended
    /// error reports without the message that caused them.
    ///
    /// # Errors
    ///
    /// Those of socket(2); `EPROTONOSUPPORT` and `EAFNOSUPPORT` mean a kernel without nfnetlink.
    pub fn open() -> io::Result<Self> {
        Self::of_protocol(libc::NETLINK_NETFILTER)
    }

    /// [`Socket::open`] for rtnetlink: links, addresses and routes.
    ///
    /// # Errors
    ///
    /// Those of socket(2).
    pub fn open_route() -> io::Result<Self> {
        Self::of_protocol(libc::NETLINK_ROUTE)
    }

    fn of_protocol(protocol: c_int) -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: no pointers.
        let fd = check(unsafe { libc::socket(libc::AF_NETLINK, kind, protocol) })?;
        // SAFETY: `fd` was just returned by socket(2) and nobody else owns it.
        let socket = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        // Both: EXT_ACK for the offset, CAP_ACK because a report that echoes a 64 KiB message
        // would not fit the receive buffer. Offsets stay relative to the whole message.
        socket.set_option(libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, 1)?;
        socket.set_option(libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1)?;
        socket.bind()?;
        Ok(socket)
    }

    fn bind(&self) -> io::Result<()> {
        // SAFETY: all fields of sockaddr_nl are integers, for which zero is a value.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "16 fits"
        )]
        let (family, len) = (
            libc::AF_NETLINK as libc::sa_family_t,
            size_of::<libc::sockaddr_nl>() as socklen_t,
        );
        address.nl_family = family;
        // SAFETY: `address` lives through the call and `len` is its size.
        check(unsafe { libc::bind(self.fd(), (&raw const address).cast(), len) })?;
        Ok(())
    }

    fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    fn set_option(&self, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
        let value: *const c_int = &raw const value;
        // SAFETY: `value` points to a c_int that lives through the call.
        let result = unsafe { libc::setsockopt(self.fd(), level, name, value.cast(), OPTION_LEN) };
        check(result).map(|_| ())
    }

    fn option(&self, level: c_int, name: c_int) -> io::Result<c_int> {
        let mut value: c_int = 0;
        let mut len = OPTION_LEN;
        let (to, to_len): (*mut c_int, *mut socklen_t) = (&raw mut value, &raw mut len);
        // SAFETY: both pointers are to locals that live through the call; `len` is the value's.
        check(unsafe { libc::getsockopt(self.fd(), level, name, to.cast(), to_len) })?;
        Ok(value)
    }

    /// The largest batch that one [`Socket::send`] takes now, in bytes.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn send_limit(&self) -> io::Result<usize> {
        let size = self.option(libc::SOL_SOCKET, libc::SO_SNDBUF)?;
        Ok(usize::try_from(size).unwrap_or(0).saturating_sub(OVERHEAD))
    }

    /// Raises the send buffer so that a batch of `len` bytes fits, as far as allowed.
    ///
    /// What was reached is read back: the kernel caps `SO_SNDBUF` silently. A buffer is never made
    /// smaller.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2). That the batch does not fit is not an error here.
    pub fn reserve_send(&self, len: usize) -> io::Result<BufferLimit> {
        let bytes = self.send_limit()?;
        if bytes >= len {
            return Ok(BufferLimit {
                bytes,
                forced: false,
            });
        }
        // The kernel doubles the number it is given.
        let half = len.saturating_add(OVERHEAD).div_ceil(2);
        let half = c_int::try_from(half).unwrap_or(c_int::MAX);
        let forced = self
            .set_option(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, half)
            .is_ok();
        if !forced {
            // Without CAP_NET_ADMIN over the namespace's owner: up to twice net.core.wmem_max.
            self.set_option(libc::SOL_SOCKET, libc::SO_SNDBUF, half)?;
        }
        Ok(BufferLimit {
            bytes: self.send_limit()?,
            forced,
        })
    }

    /// Sets the size of the receive buffer, which the kernel doubles and keeps above about 2 KiB.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_receive_buffer(&self, bytes: u32) -> io::Result<()> {
        let bytes = c_int::try_from(bytes).unwrap_or(c_int::MAX);
        self.set_option(libc::SOL_SOCKET, libc::SO_RCVBUF, bytes)
    }

    /// Sends the parts as one datagram and returns how many bytes the kernel took.
    ///
    /// The kernel has processed the datagram when this returns.
    ///
    /// # Errors
    ///
    /// Those of sendmsg(2); `EMSGSIZE` when the datagram is larger than [`Socket::send_limit`].
    pub fn send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        // SAFETY: all fields of msghdr are integers and pointers that may be null.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        // IoSlice has the layout of iovec (its documentation); sendmsg does not write to it.
        header.msg_iov = parts.as_ptr().cast_mut().cast();
        #[expect(
            clippy::allow_attributes,
            reason = "the type of msg_iovlen depends on the libc"
        )]
        #[allow(clippy::useless_conversion, reason = "likewise")]
        {
            header.msg_iovlen = parts
                .len()
                .try_into()
                .ok()
                .ok_or_else(|| libc_error(libc::EINVAL))?;
        }
        loop {
            // SAFETY: `header` points to `parts`, both live through the call.
            let sent = unsafe { libc::sendmsg(self.fd(), &raw const header, 0) };
            if let Ok(sent) = usize::try_from(sent) {
                return Ok(sent);
            }
            let error = io::Error::last_os_error();
            // Nothing was taken when a signal came before the kernel began.
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// Receives a datagram if there is one.
    ///
    /// # Errors
    ///
    /// `EAGAIN` ([`io::ErrorKind::WouldBlock`]) when there is none; `ENOBUFS` once when the kernel
    /// had to drop some, after which the earlier ones can still be read.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        loop {
            // SAFETY: the kernel writes at most `buffer.len()` bytes to `buffer`.
            let len =
                unsafe { libc::recv(self.fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) };
            if let Ok(len) = usize::try_from(len) {
                let truncated = len > buffer.len();
                return Ok(Received {
                    len: len.min(buffer.len()),
                    truncated,
                });
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// Closes the socket without waiting for the kernel to clean up.
    ///
    /// The last close of an nfnetlink socket after a transaction that deleted something waits for
    /// an RCU grace period, 7 to 35 ms, and so does the exit of a process that holds it. Here a
    /// forked child becomes the last holder: it closes everything else it inherited (so that
    /// nobody who reads our pipes waits for it, and no lock or listening socket outlives us),
    /// waits until this process has closed its copy or has died, closes the socket and exits.
    /// Nothing is executed, and the child neither allocates nor runs code of ours beyond a few
    /// system calls, so that a lock held by another thread at the fork cannot hang it.
    ///
    /// The child is not waited for. Made for a process that ends soon: init reaps it. A daemon
    /// keeps its socket.
    ///
    /// When fork fails the socket is closed here, which is only slower.
    pub fn close_in_background(self) {
        let Ok((release, hold)) = pipe() else { return };
        // SAFETY: the child calls only async-signal-safe functions and `_exit`; see `last_holder`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            last_holder(self.fd(), release.as_raw_fd(), hold.as_raw_fd());
        }
        // In this order: the socket first, then the end of the pipe that the child waits for.
        drop(release);
        drop(self);
        drop(hold);
    }
}

/// A close-on-exec pipe: the end to read, the end to write.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [c_int; 2] = [-1; 2];
    // SAFETY: the kernel writes two descriptors to `ends`.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    let [read, write] = ends;
    // SAFETY: pipe2 returned it and nobody else owns it.
    let read = unsafe { OwnedFd::from_raw_fd(read) };
    // SAFETY: likewise.
    let write = unsafe { OwnedFd::from_raw_fd(write) };
    Ok((read, write))
}

/// What the child of [`Socket::close_in_background`] does.
fn last_holder(socket: RawFd, release: RawFd, hold: RawFd) -> ! {
    // Its own copy would keep it waiting, should close_range fail.
    // SAFETY: a plain number; the child closes its own copy.
    unsafe { libc::close(hold) };
    let (low, high) = (socket.min(release), socket.max(release));
    close_range(0, low - 1);
    close_range(low + 1, high - 1);
    close_range(high + 1, c_int::MAX);
    let mut byte = 0_u8;
    loop {
        // SAFETY: the kernel writes at most one byte to `byte`.
        let got = unsafe { libc::read(release, (&raw mut byte).cast(), 1) };
        // End of file: the parent has closed its socket or is gone. Nobody writes to the pipe.
        if got >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
    // SAFETY: the descriptor is the child's own copy; this is the close that waits.
    unsafe { libc::close(socket) };
    // SAFETY: ends the child without running destructors or exit handlers of the parent.
    unsafe { libc::_exit(0) }
}

/// Closes the descriptors from `first` to `last`; on kernels before 5.9 one by one, and only as
/// many as a process may have open as a rule.
fn close_range(first: c_int, last: c_int) {
    if first > last {
        return;
    }
    // SAFETY: plain numbers; the child closes its own copies of descriptors.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result != 0 {
        for fd in first..=last.min(1023) {
            // SAFETY: likewise.
            unsafe { libc::close(fd) };
        }
    }
}

fn libc_error(errno: c_int) -> io::Error {
    io::Error::from_raw_os_error(errno)
}
