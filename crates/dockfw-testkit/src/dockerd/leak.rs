//! Packets that nobody may get, and an eye on every bridge of the host.
//!
//! A [`Guard`] sends UDP datagrams where nothing may arrive, again and again, and looks at every
//! frame that the host sends. One of its datagrams on the port of a bridge is a leak, whether or
//! not a server listens behind it, and before a test could have found out that there is a
//! container. On the bridge alone it is none: nobody is there.

use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::net::if_::{if_nameindex, if_nametoindex};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg, setsockopt,
    socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::lab::{HOST, Lab};

/// What every forbidden datagram begins with.
const MARK: &[u8] = b"dockfw: nobody may get this";
/// The kernel's `PACKET_OUTGOING` (uapi linux/if_packet.h).
const OUTGOING: u8 = 4;
/// How long a frame may lie in the queue of the socket that sees it.
const LATEST: Duration = Duration::from_millis(200);
/// Source ports for each sender and family.
const SOURCES: usize = 8;

/// Sends and looks until it is stopped.
#[derive(Debug)]
pub struct Guard {
    shared: Arc<Shared>,
    sender: JoinHandle<()>,
    watcher: JoinHandle<BTreeMap<String, u64>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    sent: AtomicU64,
    /// Came in from the uplink.
    came: AtomicU64,
    /// Left by the port of a bridge.
    leaked: AtomicU64,
}

/// What a guard saw.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams that the host got from the remote: whoever looks, sees.
    pub came: u64,
    /// Datagrams on the port of a bridge: its name, source and destination, and how many.
    pub leaks: BTreeMap<String, u64>,
}

impl Guard {
    /// Sends `rate` datagrams a second in all, to each of `ways` in turn: node and destination.
    ///
    /// # Errors
    ///
    /// When there is no such node, or sockets cannot be made.
    pub fn start(lab: &Lab, ways: &[(&str, SocketAddr)], rate: u64) -> Result<Self> {
        let mut sockets: BTreeMap<(&str, bool), Arc<Vec<UdpSocket>>> = BTreeMap::new();
        let mut senders = Vec::new();
        for (node, to) in ways {
            let key = (*node, to.is_ipv4());
            let of = if let Some(of) = sockets.get(&key) {
                Arc::clone(of)
            } else {
                let of = Arc::new(lab.run_in(node, || open_sources(to.ip()))??);
                sockets.insert(key, Arc::clone(&of));
                of
            };
            senders.push((of, *to));
        }
        let shared = Arc::new(Shared::default());
        // A thread begins in the namespace of the one that starts it: names are those there.
        let watcher = lab.run_in(HOST, || -> Result<_> {
            let (eye, shared) = (open_eye()?, Arc::clone(&shared));
            let eth0 = if_nametoindex("eth0").context("no uplink")?;
            Ok(thread::spawn(move || watch(&eye, eth0, &shared)))
        })??;
        let sender = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || send(&senders, rate, &shared))
        };
        Ok(Self {
            shared,
            sender,
            watcher,
        })
    }

    /// How many datagrams have leaked until now.
    pub fn leaked(&self) -> u64 {
        self.shared.leaked.load(Ordering::Relaxed)
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// When a thread has panicked.
    pub fn stop(self) -> Result<Seen> {
        // What is on its way arrives within this time.
        thread::sleep(Duration::from_millis(50));
        self.shared.stop.store(true, Ordering::Relaxed);
        let (Ok(()), Ok(leaks)) = (self.sender.join(), self.watcher.join()) else {
            bail!("a thread of the guard has panicked");
        };
        Ok(Seen {
            sent: self.shared.sent.load(Ordering::Relaxed),
            came: self.shared.came.load(Ordering::Relaxed),
            leaks,
        })
    }
}

fn open_sources(to: IpAddr) -> Result<Vec<UdpSocket>> {
    let any: IpAddr = if to.is_ipv4() {
        [0, 0, 0, 0].into()
    } else {
        [0_u16; 8].into()
    };
    let open = |_| {
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    (0..SOURCES).map(open).collect()
}

fn send(ways: &[(Arc<Vec<UdpSocket>>, SocketAddr)], rate: u64, shared: &Shared) {
    let started = Instant::now();
    let mut total = 0_u64;
    for turn in 0.. {
        for (sockets, to) in ways {
            loop {
                if shared.stop.load(Ordering::Relaxed) {
                    return;
                }
                let due = started.elapsed().as_micros() * u128::from(rate) / 1_000_000;
                if u128::from(total) < due {
                    break;
                }
                thread::sleep(Duration::from_micros(500));
            }
            total += 1;
            // Errors are what ICMP has said about earlier ones.
            if let Some(socket) = sockets.get(turn % SOURCES)
                && (socket.send_to(MARK, to).is_ok() || socket.send_to(MARK, to).is_ok())
            {
                shared.sent.fetch_add(1, Ordering::Relaxed);
            }
        }
        if ways.is_empty() {
            return;
        }
    }
}

/// A socket that gets every packet of the namespace of the calling thread, without its frame.
fn open_eye() -> Result<OwnedFd> {
    let eye = socket(
        AddressFamily::Packet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )
    .context("open a packet socket")?;
    setsockopt(&eye, sockopt::ReceiveTimeout, &TimeVal::new(0, 20_000))?;
    setsockopt(&eye, sockopt::RcvBufForce, &(16 << 20))?;
    Ok(eye)
}

fn watch(eye: &OwnedFd, eth0: u32, shared: &Shared) -> BTreeMap<String, u64> {
    let mut leaks = BTreeMap::new();
    let mut names: BTreeMap<u32, Option<String>> = BTreeMap::new();
    let mut buffer = [0_u8; 256];
    let mut end = None;
    loop {
        // Others may go on sending: what was there at the end has been seen after this time.
        if shared.stop.load(Ordering::Relaxed) {
            let end = *end.get_or_insert_with(|| Instant::now() + LATEST);
            if Instant::now() > end {
                return leaks;
            }
        }
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let got = recvmsg::<LinkAddr>(eye.as_raw_fd(), &mut parts, None, MsgFlags::empty());
        let (length, from) = match got {
            Ok(of) => (of.bytes, of.address),
            // There is nothing more to see.
            Err(Errno::EAGAIN) if end.is_some() => return leaks,
            Err(_) => continue,
        };
        let packet = buffer.get(..length).unwrap_or_default();
        let (Some((source, to)), Some(from)) = (marked(packet), from) else {
            continue;
        };
        let index = u32::try_from(from.ifindex()).unwrap_or(0);
        if from.pkttype() == OUTGOING {
            let name = names.entry(index).or_insert_with(|| name_of(index));
            // Docker's ports are named so; one that is gone already was one.
            let name = name.as_deref().unwrap_or("veth, gone");
            if name.starts_with("veth") {
                *leaks
                    .entry(format!("{name} from {source} to {to}"))
                    .or_default() += 1;
                shared.leaked.fetch_add(1, Ordering::Relaxed);
            }
        } else if index == eth0 {
            shared.came.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The name of an interface in the namespace of the calling thread, if it is still there.
fn name_of(index: u32) -> Option<String> {
    let all = if_nameindex().ok()?;
    let found = all.iter().find(|of| of.index() == index)?;
    Some(found.name().to_string_lossy().into_owned())
}

/// Where a packet comes from and goes to, if it is a UDP datagram of ours.
///
/// What an ICMP error quotes of one is not one.
fn marked(packet: &[u8]) -> Option<(IpAddr, SocketAddr)> {
    /// The number of UDP as an IP protocol.
    const UDP: u8 = 17;
    let (source, to, datagram): (IpAddr, IpAddr, &[u8]) = match packet.first()? >> 4 {
        4 => {
            let words = usize::from(packet.first()? & 0x0f);
            let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
            let to: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            let is_udp = *packet.get(9)? == UDP;
            let datagram = packet.get(words * 4..).filter(|_| is_udp)?;
            (source.into(), to.into(), datagram)
        }
        6 => {
            let source: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
            let to: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            let is_udp = *packet.get(6)? == UDP;
            let datagram = packet.get(40..).filter(|_| is_udp)?;
            (source.into(), to.into(), datagram)
        }
        _ => return None,
    };
    let port: [u8; 2] = datagram.get(2..4)?.try_into().ok()?;
    let is_ours = datagram.get(8..)?.starts_with(MARK);
    is_ours.then(|| (source, SocketAddr::new(to, u16::from_be_bytes(port))))
}
