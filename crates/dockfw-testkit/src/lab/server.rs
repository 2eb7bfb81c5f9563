//! Servers that tell who they are and whom they saw.
//!
//! An answer is one line: node, port, source address, and the payload of the request (`-` for TCP).

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use anyhow::Result;
use nix::sys::socket::{AddressFamily, SockProtocol, SockType};

use super::log::Received;
use super::reactor::{Handle, Next, Source};
use super::{Protocol, socket};

/// The longest payload a probe or test sends.
const LONGEST: usize = 2048;

/// Opens a server in the namespace of the calling thread.
pub(super) fn open(
    node: &Arc<str>,
    protocol: Protocol,
    address: SocketAddr,
    tells: bool,
) -> Result<Arc<dyn Source>> {
    let socket = socket::serve(protocol, address, socket::Wildcard::BothFamilies)?;
    let (node, port) = (Arc::clone(node), address.port());
    Ok(match protocol {
        Protocol::Tcp => Arc::new(TcpServer {
            node,
            port,
            tells,
            listener: socket.into(),
        }),
        Protocol::Udp | Protocol::Icmp => Arc::new(UdpServer {
            node,
            port,
            tells,
            socket,
        }),
    })
}

/// Opens the two sockets that see the echo requests the kernel answers.
pub(super) fn open_taps(node: &Arc<str>) -> Result<Vec<Arc<dyn Source>>> {
    let families = [
        (AddressFamily::Inet, SockProtocol::Icmp),
        (AddressFamily::Inet6, SockProtocol::IcmpV6),
    ];
    let mut taps: Vec<Arc<dyn Source>> = Vec::new();
    for (family, protocol) in families {
        let socket = socket::open(family, SockType::Raw, Some(protocol))?;
        socket::widen(&socket);
        taps.push(Arc::new(IcmpTap {
            node: Arc::clone(node),
            socket,
        }));
    }
    Ok(taps)
}

/// The name of a server, with its address if it tells that.
fn named(node: &str, at: Option<IpAddr>) -> String {
    match at {
        Some(address) => format!("{node}@{}", address.to_canonical()),
        None => node.to_owned(),
    }
}

/// Formats an answer.
fn answer(node: &str, port: u16, source: SocketAddr, payload: &str) -> String {
    format!("{node} {port} {source} {payload}\n")
}

/// Reads an answer: the receiver, and the payload it got.
pub(super) fn parse_answer(line: &[u8]) -> Option<(String, u16, SocketAddr, &str)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let mut parts = line.splitn(4, ' ');
    let node = parts.next()?.to_owned();
    let port = parts.next()?.parse().ok()?;
    let source = parts.next()?.parse().ok()?;
    Some((node, port, source, parts.next()?))
}

/// Answers each connection with a line and closes it.
#[derive(Debug)]
struct TcpServer {
    node: Arc<str>,
    port: u16,
    tells: bool,
    listener: TcpListener,
}

impl Source for TcpServer {
    fn socket(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    fn ready(&self, _: &Handle) -> Next {
        while let Ok((mut stream, peer)) = self.listener.accept() {
            let at = stream.local_addr().ok().filter(|_| self.tells);
            let node = named(&self.node, at.map(|at| at.ip()));
            let line = answer(&node, self.port, socket::plain(peer), "-");
            // An empty send buffer takes a line; a client that has gone needs none.
            let _ = stream.write_all(line.as_bytes());
        }
        Next::Stay
    }
}

/// Notes and answers each datagram.
#[derive(Debug)]
struct UdpServer {
    node: Arc<str>,
    port: u16,
    tells: bool,
    socket: OwnedFd,
}

impl Source for UdpServer {
    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn ready(&self, handle: &Handle) -> Next {
        let mut buffer = [0; LONGEST];
        while let Ok(Some((length, from))) = socket::receive(&self.socket, &mut buffer) {
            let payload = buffer.get(..length).unwrap_or_default();
            let source = socket::plain(from.peer);
            let node = named(&self.node, from.at().filter(|_| self.tells));
            let received = Received {
                node: node.clone(),
                protocol: Protocol::Udp,
                port: self.port,
                source,
            };
            handle.log().push(payload, received);
            let line = answer(&node, self.port, source, &String::from_utf8_lossy(payload));
            // The answer may be dropped by a firewall here: that is for the probe to notice.
            let _ = socket::answer(&self.socket, line.as_bytes(), &from);
        }
        Next::Stay
    }
}

/// Notes each echo request.
#[derive(Debug)]
struct IcmpTap {
    node: Arc<str>,
    socket: OwnedFd,
}

impl Source for IcmpTap {
    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn ready(&self, handle: &Handle) -> Next {
        let mut buffer = [0; LONGEST];
        while let Ok(Some((length, from))) = socket::receive(&self.socket, &mut buffer) {
            let packet = buffer.get(..length).unwrap_or_default();
            if let Some(payload) = echo_request(packet, from.peer.is_ipv4()) {
                let received = Received {
                    node: self.node.to_string(),
                    protocol: Protocol::Icmp,
                    port: 0,
                    source: SocketAddr::new(from.peer.ip(), 0),
                };
                handle.log().push(payload, received);
            }
        }
        Next::Stay
    }
}

/// The payload of an echo request as a raw socket gives it: with the IP header for IPv4 only.
fn echo_request(packet: &[u8], ipv4: bool) -> Option<&[u8]> {
    let (header, request) = if ipv4 {
        let words = packet.first()? & 0x0f;
        (usize::from(words) * 4, super::probe::ECHO_REQUEST_V4)
    } else {
        (0, super::probe::ECHO_REQUEST_V6)
    };
    let message = packet.get(header..)?;
    if *message.first()? != request {
        return None;
    }
    message.get(super::probe::ECHO_HEADER..)
}
