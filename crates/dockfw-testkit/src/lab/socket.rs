//! Sockets that do not block, answer from the right address, and report every ICMP error.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol,
    SockType, SockaddrIn6, SockaddrStorage, bind, listen, recvmsg, sendmsg, setsockopt, socket,
    sockopt,
};

use super::Protocol;

/// The wildcard address, of IPv4 too.
pub(super) const ANY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// A new socket that does not block and is not inherited by child processes.
pub(super) fn open(
    family: AddressFamily,
    kind: SockType,
    protocol: Option<SockProtocol>,
) -> nix::Result<OwnedFd> {
    socket(
        family,
        kind,
        SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
        protocol,
    )
}

/// The family of an address.
pub(super) fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    }
}

/// An address and port; a link-local address with the interface of the calling thread's namespace
/// that it is on.
pub(super) fn scoped(
    address: IpAddr,
    port: u16,
    interface: Option<&str>,
) -> Result<SockaddrStorage> {
    let address = match (address, interface) {
        (IpAddr::V6(address), Some(interface)) if address.is_unicast_link_local() => {
            let index = if_nametoindex(interface).with_context(|| interface.to_owned())?;
            SocketAddrV6::new(address, port, 0, index).into()
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => SocketAddr::new(address, port),
    };
    Ok(SockaddrStorage::from(address))
}

/// Whether a socket at `::` takes what comes by IPv4 too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wildcard {
    /// It does.
    BothFamilies,
    /// It does not.
    OneFamily,
}

/// A socket that takes connections or datagrams at `address`.
pub(super) fn serve(
    protocol: Protocol,
    address: SocketAddr,
    wildcard: Wildcard,
) -> Result<OwnedFd> {
    let kind = match protocol {
        Protocol::Tcp => SockType::Stream,
        Protocol::Udp => SockType::Datagram,
        Protocol::Icmp => bail!("the kernel answers ICMP, there is nothing to listen on"),
    };
    let socket = open(family(address.ip()), kind, None)?;
    if address.is_ipv6() {
        setsockopt(
            &socket,
            sockopt::Ipv6V6Only,
            &(wildcard == Wildcard::OneFamily || !address.ip().is_unspecified()),
        )?;
        if protocol == Protocol::Udp {
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
    } else if protocol == Protocol::Udp {
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    }
    match protocol {
        // Connections of an earlier server may still wait for their end.
        Protocol::Tcp => setsockopt(&socket, sockopt::ReuseAddr, &true)?,
        Protocol::Udp | Protocol::Icmp => widen(&socket),
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    if protocol == Protocol::Tcp {
        // A batch of probes arrives at once; the kernel lowers this to its own limit.
        listen(&socket, Backlog::new(4096)?)?;
    }
    Ok(socket)
}

/// Makes room for a burst of datagrams: the usual buffer holds fewer than 300.
pub(super) fn widen(socket: &impl AsFd) {
    // Refused in a user namespace; then a large burst loses some datagrams.
    let _ = setsockopt(socket, sockopt::RcvBufForce, &(4 << 20));
}

/// Reports ICMP errors that the kernel would keep to itself, such as host unreachable for UDP.
pub(super) fn report_errors(socket: &impl AsFd, address: IpAddr) -> nix::Result<()> {
    match address {
        IpAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true),
        IpAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true),
    }
}

/// Takes an ICMP error from the error queue.
///
/// On a veth the error comes back while `connect` still holds the TCP socket; then the kernel keeps
/// it as a soft error until the next SYN, and only this queue has it in time.
pub(super) fn queued_error(socket: &impl AsFd) -> Option<Errno> {
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    let mut data = [0; 64];
    let mut iov = [IoSliceMut::new(&mut data)];
    let (fd, flags) = (socket.as_fd().as_raw_fd(), MsgFlags::MSG_ERRQUEUE);
    let message = recvmsg::<SockaddrStorage>(fd, &mut iov, Some(&mut control), flags).ok()?;
    message.cmsgs().ok()?.find_map(|control| {
        if let ControlMessageOwned::Ipv4RecvErr(error, _)
        | ControlMessageOwned::Ipv6RecvErr(error, _) = control
        {
            Some(Errno::from_raw(i32::try_from(error.ee_errno).ok()?))
        } else {
            None
        }
    })
}

/// Where a datagram came from, and how to answer it.
#[derive(Debug, Clone)]
pub(super) struct Correspondent {
    /// Its source.
    pub(super) peer: SocketAddr,
    /// The local address it was sent to, if the socket has more than one.
    local: Option<Local>,
}

/// A local address as the kernel's control messages have it.
#[derive(Debug, Clone, Copy)]
enum Local {
    V4(libc::in_addr),
    V6(libc::in6_addr),
}

impl Correspondent {
    /// The local address it was sent to, if it is known.
    pub(super) fn at(&self) -> Option<IpAddr> {
        self.local.map(|local| match local {
            Local::V4(address) => Ipv4Addr::from_bits(u32::from_be(address.s_addr)).into(),
            Local::V6(address) => Ipv6Addr::from(address.s6_addr).into(),
        })
    }
}

/// Takes one datagram from the queue; `None` when there is none.
pub(super) fn receive(
    socket: &impl AsFd,
    buffer: &mut [u8],
) -> nix::Result<Option<(usize, Correspondent)>> {
    let mut control = nix::cmsg_space!(libc::in6_pktinfo, libc::in_pktinfo);
    let mut iov = [IoSliceMut::new(buffer)];
    let fd = socket.as_fd().as_raw_fd();
    let message =
        match recvmsg::<SockaddrStorage>(fd, &mut iov, Some(&mut control), MsgFlags::empty()) {
            Ok(message) => message,
            Err(Errno::EAGAIN) => return Ok(None),
            Err(errno) => return Err(errno),
        };
    let local = message.cmsgs()?.find_map(|control| {
        if let ControlMessageOwned::Ipv6PacketInfo(info) = control {
            Some(Local::V6(info.ipi6_addr))
        } else if let ControlMessageOwned::Ipv4PacketInfo(info) = control {
            // The address the kernel would answer from; for unicast the one that was spoken to.
            Some(Local::V4(info.ipi_spec_dst))
        } else {
            None
        }
    });
    let peer = message
        .address
        .as_ref()
        .and_then(address_of)
        .ok_or(Errno::EAFNOSUPPORT)?;
    Ok(Some((message.bytes, Correspondent { peer, local })))
}

/// Answers from the address that was spoken to.
pub(super) fn answer(socket: &impl AsFd, payload: &[u8], to: &Correspondent) -> nix::Result<usize> {
    let fd = socket.as_fd().as_raw_fd();
    let iov = [IoSlice::new(payload)];
    // The interface is left to routing, as for any server.
    let (mut v4, mut v6) = (None, None);
    match to.local {
        Some(Local::V4(address)) => {
            v4 = Some(libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: address,
                ipi_addr: libc::in_addr { s_addr: 0 },
            });
        }
        Some(Local::V6(address)) => {
            v6 = Some(libc::in6_pktinfo {
                ipi6_addr: address,
                ipi6_ifindex: 0,
            });
        }
        None => {}
    }
    let control = v4.as_ref().map(ControlMessage::Ipv4PacketInfo);
    let control = control.or(v6.as_ref().map(ControlMessage::Ipv6PacketInfo));
    let (address, flags) = (SockaddrStorage::from(to.peer), MsgFlags::empty());
    sendmsg(fd, &iov, control.as_slice(), flags, Some(&address))
}

/// The address of an IP socket.
fn address_of(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address
        .as_sockaddr_in()
        .map(|address| SocketAddr::from(*address));
    v4.or_else(|| {
        address
            .as_sockaddr_in6()
            .map(|address: &SockaddrIn6| (*address).into())
    })
}

/// An address as a person writes it: IPv4 as IPv4, without a scope.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
