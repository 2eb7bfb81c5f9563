//! Probes: many at once from each namespace, without blocking.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use nix::errno::Errno;
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{
    MsgFlags, SockProtocol, SockType, SockaddrStorage, bind, connect, getpeername, recv, send,
    sendto, setsockopt, sockopt,
};

use super::{Lab, Outcome, Protocol, server, socket};

/// ICMP type of an echo request (RFC 792).
pub(super) const ECHO_REQUEST_V4: u8 = 8;
/// ICMPv6 type of an echo request (RFC 4443 §4.1).
pub(super) const ECHO_REQUEST_V6: u8 = 128;
/// Bytes of an echo message before its payload.
pub(super) const ECHO_HEADER: usize = 8;

/// Probes of one node in flight at a time; each takes up to two file descriptors.
const CHUNK: usize = 1000;

/// One question to the network: does this get through?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The node that sends.
    pub from: String,
    /// The source address, one of the sender's own; the kernel chooses if not set.
    pub source: Option<IpAddr>,
    /// The destination.
    pub to: IpAddr,
    /// The sender's interface that link-local addresses, source and destination, are on: `%eth0`.
    ///
    /// Without one, the kernel refuses to connect to a link-local address (`EINVAL`), and an echo
    /// request takes the first interface that has a route, as `ping` of busybox does.
    pub scope: Option<String>,
    /// What to send.
    pub protocol: Protocol,
    /// The destination port; ignored for ICMP.
    pub port: u16,
}

impl Probe {
    /// A probe with a source of the kernel's choice.
    pub fn new(from: &str, to: IpAddr, protocol: Protocol, port: u16) -> Self {
        Self {
            from: from.to_owned(),
            source: None,
            to,
            scope: None,
            protocol,
            port,
        }
    }

    /// Sets the interface of link-local addresses.
    #[must_use]
    pub fn scope(self, interface: &str) -> Self {
        Self {
            scope: Some(interface.to_owned()),
            ..self
        }
    }

    /// Sets the source address.
    #[must_use]
    pub fn from_source(self, source: IpAddr) -> Self {
        Self {
            source: Some(source),
            ..self
        }
    }
}

impl Probe {
    /// Whether it is for a link-local address and does not say on which interface, which only a raw
    /// socket that is not connected can send.
    ///
    /// Source: linux v6.12, `net/ipv6/datagram.c`, `__ip6_datagram_connect`; `net/ipv6/ping.c`,
    /// `ping_v6_sendmsg`; `net/ipv6/raw.c`, `rawv6_sendmsg`.
    fn is_unscoped_echo(&self) -> bool {
        let is_link_local = matches!(self.to, IpAddr::V6(to) if to.is_unicast_link_local());
        self.protocol == Protocol::Icmp && is_link_local && self.scope.is_none()
    }
}

/// Runs probes, those of each node on a thread in its namespace.
pub(super) fn run(lab: &Lab, probes: &[Probe]) -> Result<Vec<Outcome>> {
    let mut by_node: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, probe) in probes.iter().enumerate() {
        by_node.entry(&probe.from).or_default().push(index);
    }
    let batches: Vec<Result<Vec<(usize, Outcome)>>> = thread::scope(|scope| {
        let start = |(node, indexes): (&str, Vec<usize>)| {
            let node = node.to_owned();
            scope.spawn(move || {
                let mut outcomes = Vec::new();
                for chunk in indexes.chunks(CHUNK) {
                    outcomes.extend(lab.run_in(&node, || run_chunk(lab, probes, chunk))??);
                }
                Ok(outcomes)
            })
        };
        let threads: Vec<_> = by_node.into_iter().map(start).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .unwrap_or_else(|_| Err(anyhow!("a thread of probes has panicked")))
        };
        threads.into_iter().map(join).collect()
    });
    let mut outcomes = vec![Outcome::NoAnswer; probes.len()];
    for batch in batches {
        for (index, outcome) in batch? {
            if let Some(slot) = outcomes.get_mut(index) {
                *slot = outcome;
            }
        }
    }
    Ok(outcomes)
}

/// Sends some probes of one node and waits for them, in the namespace of the calling thread.
fn run_chunk(lab: &Lab, probes: &[Probe], indexes: &[usize]) -> Result<Vec<(usize, Outcome)>> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut outcomes = Vec::with_capacity(indexes.len());
    let mut flights: BTreeMap<u64, Flight<'_>> = BTreeMap::new();
    for (key, &index) in (0..).zip(indexes) {
        let probe = probes.get(index).context("no such probe")?;
        let mut flight = Flight::open(index, probe).with_context(|| format!("{probe:?}"))?;
        if let Some(outcome) = flight.launch() {
            outcomes.push((index, outcome));
            continue;
        }
        epoll.add(&flight.socket, EpollEvent::new(EpollFlags::EPOLLIN, key))?;
        flights.insert(key, flight);
    }

    let start = Instant::now();
    let mut repeat = Some(start + lab.timeout / 2);
    let deadline = start + lab.timeout;
    let mut events = vec![EpollEvent::empty(); 256];
    while !flights.is_empty() {
        let now = Instant::now();
        if now >= deadline {
            break;
        }
        if repeat.is_some_and(|time| now >= time) {
            repeat = None;
            flights.values_mut().for_each(Flight::repeat);
        }
        let wake = repeat.unwrap_or(deadline).saturating_duration_since(now);
        // Rounded up, so that the loop does not spin in the last millisecond.
        let wait = EpollTimeout::try_from(wake + Duration::from_millis(1))?;
        let count = match epoll.wait(&mut events, wait) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        for event in events.iter().take(count) {
            let Some(flight) = flights.get_mut(&event.data()) else {
                continue;
            };
            if let Some(outcome) = flight.ready(lab) {
                outcomes.push((flight.index, outcome));
                flights.remove(&event.data());
            }
        }
    }
    outcomes.extend(
        flights
            .into_values()
            .map(|flight| (flight.index, flight.give_up(lab))),
    );
    Ok(outcomes)
}

/// A probe on its way.
#[derive(Debug)]
struct Flight<'a> {
    index: usize,
    probe: &'a Probe,
    /// Where it goes, as the sender's kernel wants it.
    to: SockaddrStorage,
    socket: OwnedFd,
    /// Tells this probe from all others; the payload of datagrams.
    tag: String,
    /// What came back on a TCP connection so far.
    line: Vec<u8>,
}

impl<'a> Flight<'a> {
    /// Makes the socket; failure here is a mistake of the test.
    fn open(index: usize, probe: &'a Probe) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let tag = format!("probe-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (kind, protocol) = match (probe.protocol, probe.to) {
            (Protocol::Tcp, _) => (SockType::Stream, None),
            (Protocol::Udp, _) => (SockType::Datagram, None),
            (Protocol::Icmp, IpAddr::V4(_)) => (SockType::Datagram, Some(SockProtocol::Icmp)),
            (Protocol::Icmp, IpAddr::V6(_)) => (SockType::Datagram, Some(SockProtocol::IcmpV6)),
        };
        let kind = if probe.is_unscoped_echo() {
            SockType::Raw
        } else {
            kind
        };
        let scope = probe.scope.as_deref();
        let port = match probe.protocol {
            Protocol::Tcp | Protocol::Udp => probe.port,
            Protocol::Icmp => 0,
        };
        let to = socket::scoped(probe.to, port, scope)?;
        let socket = socket::open(socket::family(probe.to), kind, protocol)?;
        if !probe.is_unscoped_echo() {
            // A raw socket is told of the errors of all.
            socket::report_errors(&socket, probe.to)?;
        }
        if let Some(source) = probe.source {
            bind(socket.as_raw_fd(), &socket::scoped(source, 0, scope)?)?;
        }
        if probe.protocol == Protocol::Tcp {
            // Closing resets the connection, so that neither side keeps state of it.
            let reset = libc::linger {
                l_onoff: 1,
                l_linger: 0,
            };
            setsockopt(&socket, sockopt::Linger, &reset)?;
        }
        Ok(Self {
            index,
            probe,
            to,
            socket,
            tag,
            line: Vec::new(),
        })
    }

    /// Sends the probe; an outcome if it is decided at once.
    fn launch(&mut self) -> Option<Outcome> {
        if self.probe.is_unscoped_echo() {
            return self.send().err().map(Outcome::of_error);
        }
        let sent = match connect(self.socket.as_raw_fd(), &self.to) {
            Ok(()) | Err(Errno::EINPROGRESS) => self.send(),
            Err(errno) => Err(errno),
        };
        sent.err().map(Outcome::of_error)
    }

    /// Sends the datagram, if it is one.
    fn send(&self) -> nix::Result<()> {
        let mut payload = Vec::new();
        match (self.probe.protocol, self.probe.to) {
            (Protocol::Tcp, _) => return Ok(()),
            (Protocol::Udp, _) => {}
            // The kernel fills in checksum and identifier.
            (Protocol::Icmp, IpAddr::V4(_)) => {
                payload.extend([ECHO_REQUEST_V4, 0, 0, 0, 0, 0, 0, 1]);
            }
            (Protocol::Icmp, IpAddr::V6(_)) => {
                payload.extend([ECHO_REQUEST_V6, 0, 0, 0, 0, 0, 0, 1]);
            }
        }
        payload.extend_from_slice(self.tag.as_bytes());
        let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
        if self.probe.is_unscoped_echo() {
            return sendto(fd, &payload, &self.to, flags).map(drop);
        }
        send(fd, &payload, flags).map(drop)
    }

    /// Sends a datagram once more; the kernel does so itself for TCP, after a second.
    fn repeat(&mut self) {
        // An error here has been reported for the first one, or will be by the next receive.
        let _ = self.send();
    }

    /// Reads what came back; an outcome if that decides the probe.
    fn ready(&mut self, lab: &Lab) -> Option<Outcome> {
        let mut buffer = [0; 2048];
        let length = match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(length) => length,
            Err(Errno::EAGAIN) => {
                return socket::queued_error(&self.socket).map(Outcome::of_error);
            }
            Err(Errno::ECONNRESET) => return Some(Outcome::Accepted),
            Err(errno) => return Some(Outcome::of_error(errno)),
        };
        let data = buffer.get(..length)?;
        match self.probe.protocol {
            Protocol::Tcp => {
                self.line.extend_from_slice(data);
                let answer = server::parse_answer(&self.line);
                let reached =
                    answer.map(|(node, port, source, _)| Outcome::Reached { node, port, source });
                reached.or_else(|| data.is_empty().then_some(Outcome::Accepted))
            }
            Protocol::Udp => {
                let (node, port, source, payload) = server::parse_answer(data)?;
                (payload == self.tag).then_some(Outcome::Reached { node, port, source })
            }
            Protocol::Icmp => {
                if data.get(ECHO_HEADER..)? != self.tag.as_bytes() {
                    return None;
                }
                // The reply says nothing about who answered, and can be faster than the log.
                let log = lab
                    .reactor
                    .handle()
                    .log()
                    .wait(self.tag.as_bytes(), None, lab.timeout);
                let seen = log.into_iter().next()?;
                Some(Outcome::Reached {
                    node: seen.node,
                    port: seen.port,
                    source: seen.source,
                })
            }
        }
    }

    /// Decides a probe whose time is over.
    fn give_up(self, lab: &Lab) -> Outcome {
        if self.probe.protocol == Protocol::Tcp {
            // A peer is known only once the connection stands.
            let connected = getpeername::<SockaddrStorage>(self.socket.as_raw_fd()).is_ok();
            return if connected {
                Outcome::Accepted
            } else {
                Outcome::NoAnswer
            };
        }
        let log = lab
            .reactor
            .handle()
            .log()
            .wait(self.tag.as_bytes(), None, Duration::ZERO);
        match log.into_iter().next() {
            Some(seen) => Outcome::OneWay {
                node: seen.node,
                port: seen.port,
                source: seen.source,
            },
            None => Outcome::NoAnswer,
        }
    }
}
