//! A minimal stand-in for docker-proxy.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::socket::{SockType, SockaddrStorage, connect};

use super::Protocol;
use super::reactor::{Handle, Next, Source};
use super::socket::{self, Correspondent, Wildcard};

/// Opens a relay in the namespace of the calling thread. One at `::` is for IPv6 only, as
/// docker-proxy is.
///
/// Its connections to `target` are made by the thread of the reactor.
pub(super) fn open(
    protocol: Protocol,
    bind: SocketAddr,
    target: SocketAddr,
) -> Result<Arc<dyn Source>> {
    let socket = socket::serve(protocol, bind, Wildcard::OneFamily)?;
    Ok(match protocol {
        Protocol::Tcp => Arc::new(TcpRelay {
            listener: socket.into(),
            target,
        }),
        Protocol::Udp | Protocol::Icmp => {
            let front = Arc::new(UdpFront {
                socket,
                sessions: Mutex::default(),
            });
            Arc::new(UdpRelay { front, target })
        }
    })
}

/// A socket on its way to `target`.
fn dial(kind: SockType, target: SocketAddr) -> nix::Result<OwnedFd> {
    let socket = socket::open(socket::family(target.ip()), kind, None)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(target)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(socket),
        Err(errno) => Err(errno),
    }
}

/// Accepts connections.
#[derive(Debug)]
struct TcpRelay {
    listener: TcpListener,
    target: SocketAddr,
}

impl Source for TcpRelay {
    fn socket(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    fn ready(&self, _: &Handle) -> Next {
        let mut added: Vec<Arc<dyn Source>> = Vec::new();
        while let Ok((client, _)) = self.listener.accept() {
            // On failure the client sees its connection end, as with docker-proxy.
            if client.set_nonblocking(true).is_ok()
                && let Ok(server) = dial(SockType::Stream, self.target)
            {
                let (client, server) = (Arc::new(client), Arc::new(server.into()));
                added.push(Arc::new(TcpDial { client, server }));
            }
        }
        Next::Add(added)
    }
}

/// A connection to the target that is being made.
#[derive(Debug)]
struct TcpDial {
    client: Arc<TcpStream>,
    server: Arc<TcpStream>,
}

impl Source for TcpDial {
    fn socket(&self) -> BorrowedFd<'_> {
        self.server.as_fd()
    }

    fn awaits_connection(&self) -> bool {
        true
    }

    fn ready(&self, _: &Handle) -> Next {
        if self.server.peer_addr().is_err() {
            return Next::Become(Vec::new());
        }
        let half = |from: &Arc<TcpStream>, to: &Arc<TcpStream>| -> Arc<dyn Source> {
            Arc::new(TcpHalf {
                from: Arc::clone(from),
                to: Arc::clone(to),
            })
        };
        Next::Become(vec![
            half(&self.client, &self.server),
            half(&self.server, &self.client),
        ])
    }
}

/// One direction of a connection.
#[derive(Debug)]
struct TcpHalf {
    from: Arc<TcpStream>,
    to: Arc<TcpStream>,
}

impl Source for TcpHalf {
    fn socket(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }

    fn ready(&self, _: &Handle) -> Next {
        let mut buffer = [0; 4096];
        loop {
            let length = match self.from.as_ref().read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Next::Stay,
                Err(_) => {
                    let _ = self.to.shutdown(Shutdown::Both);
                    return Next::Become(Vec::new());
                }
            };
            let data = buffer.get(..length).unwrap_or_default();
            // A line at a time never fills a send buffer; this is no relay for bulk data.
            if length == 0 || self.to.as_ref().write_all(data).is_err() {
                let _ = self.to.shutdown(Shutdown::Write);
                return Next::Become(Vec::new());
            }
        }
    }
}

/// Takes datagrams.
#[derive(Debug)]
struct UdpRelay {
    front: Arc<UdpFront>,
    target: SocketAddr,
}

/// The side of a UDP relay that clients see.
#[derive(Debug)]
struct UdpFront {
    socket: OwnedFd,
    /// Sockets towards the target, by client; they end with the first answer.
    sessions: Mutex<BTreeMap<SocketAddr, Arc<UdpSocket>>>,
}

impl UdpFront {
    /// Sends a datagram of a client on; a new client also gets a source for the answer.
    fn forward(
        self: &Arc<Self>,
        data: &[u8],
        client: Correspondent,
        target: SocketAddr,
    ) -> Option<Arc<dyn Source>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = sessions.get(&client.peer) {
            let _ = session.send(data);
            return None;
        }
        let socket = UdpSocket::from(dial(SockType::Datagram, target).ok()?);
        let socket = Arc::new(socket);
        let _ = socket.send(data);
        sessions.insert(client.peer, Arc::clone(&socket));
        Some(Arc::new(UdpSession {
            front: Arc::clone(self),
            socket,
            client,
        }))
    }
}

impl Source for UdpRelay {
    fn socket(&self) -> BorrowedFd<'_> {
        self.front.socket.as_fd()
    }

    fn ready(&self, _: &Handle) -> Next {
        let mut buffer = [0; 4096];
        let mut added = Vec::new();
        while let Ok(Some((length, client))) = socket::receive(&self.front.socket, &mut buffer) {
            let data = buffer.get(..length).unwrap_or_default();
            added.extend(self.front.forward(data, client, self.target));
        }
        Next::Add(added)
    }
}

/// Waits for the answer to a client.
#[derive(Debug)]
struct UdpSession {
    front: Arc<UdpFront>,
    socket: Arc<UdpSocket>,
    client: Correspondent,
}

impl Source for UdpSession {
    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn ready(&self, _: &Handle) -> Next {
        let mut buffer = [0; 4096];
        // An error, such as a refused port, ends the session without an answer.
        if let Ok(length) = self.socket.recv(&mut buffer) {
            let data = buffer.get(..length).unwrap_or_default();
            let _ = socket::answer(&self.front.socket, data, &self.client);
        }
        let mut sessions = self
            .front
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&self.client.peer);
        Next::Become(Vec::new())
    }
}
