//! SCTP without a kernel that has it: packets of associations (RFC 9260) through raw sockets.
//!
//! A server takes every packet of its node whose checksum is right, answers as the start of an
//! association wants, and notes what it got. The kernel of a node where such a socket is open does
//! not say that it lacks the protocol.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use dockfw_testkit::dockerd::DockerHost;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a raw socket waits for a packet.
const MOMENT: Duration = Duration::from_millis(20);

/// The chunks that are used here, section 3.2.
pub(crate) const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const SACK: u8 = 3;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;

/// The tag that the peer has to use, of each side.
const CLIENT_TAG: u32 = 0x0c11_e471;
const SERVER_TAG: u32 = 0x5e7f_e701;

/// A packet with one chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    from: u16,
    pub(crate) to: u16,
    tag: u32,
    pub(crate) chunk: u8,
    body: Vec<u8>,
}

impl Packet {
    /// The common header and the chunk, with its checksum.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.from.to_be_bytes());
        bytes.extend(self.to.to_be_bytes());
        bytes.extend(self.tag.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend([self.chunk, u8::from(self.chunk == DATA) * 3]);
        bytes.extend(u16::try_from(self.body.len() + 4).unwrap().to_be_bytes());
        bytes.extend(&self.body);
        // The only field that is sent as it lies in a little-endian register, appendix A.
        let sum = crc32c(&bytes).to_le_bytes();
        bytes[8..12].copy_from_slice(&sum);
        bytes
    }

    /// `None` if the checksum is wrong, or the packet too short.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut zeroed = bytes.to_vec();
        zeroed.get_mut(8..12)?.fill(0);
        if bytes[8..12] != crc32c(&zeroed).to_le_bytes() {
            return None;
        }
        Some(Self {
            from: u16::from_be_bytes(bytes.get(0..2)?.try_into().ok()?),
            to: u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?),
            tag: u32::from_be_bytes(bytes.get(4..8)?.try_into().ok()?),
            chunk: *bytes.get(12)?,
            body: bytes.get(16..)?.to_vec(),
        })
    }

    fn answer(&self, chunk: u8, body: Vec<u8>) -> Self {
        Self {
            from: self.to,
            to: self.from,
            tag: CLIENT_TAG,
            chunk,
            body,
        }
    }
}

/// The checksum of Castagnoli.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0x82f6_3b78 * (sum & 1));
        }
    }
    !sum
}

/// What begins an association: tag, window, streams and the first number.
fn init(tag: u32) -> Vec<u8> {
    let mut body = tag.to_be_bytes().to_vec();
    body.extend(65_536_u32.to_be_bytes());
    body.extend([0, 1, 0, 1]);
    body.extend(1_u32.to_be_bytes());
    body
}

/// Where a packet came from, and the packet unless its checksum was wrong.
pub(crate) type Got = (IpAddr, Option<Packet>);

/// A raw socket of one family.
#[derive(Debug)]
struct Raw(UdpSocket);

impl Raw {
    fn open(host: &DockerHost, node: &str, like: IpAddr) -> Result<Self> {
        let family = if like.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let open = || {
            socket_with(
                family,
                SocketType::RAW,
                SocketFlags::CLOEXEC,
                Some(ipproto::SCTP),
            )
        };
        let socket = UdpSocket::from(host.lab().run_in(node, open)??);
        socket.set_read_timeout(Some(MOMENT))?;
        Ok(Self(socket))
    }

    fn send(&self, to: IpAddr, packet: &Packet) {
        // Errors are what ICMP has said about earlier ones.
        let to = SocketAddr::new(to, 0);
        let bytes = packet.encode();
        let _ = self
            .0
            .send_to(&bytes, to)
            .or_else(|_| self.0.send_to(&bytes, to));
    }

    fn receive(&self) -> Option<Got> {
        let mut buffer = [0; 512];
        let (length, from) = self.0.recv_from(&mut buffer).ok()?;
        let bytes = &buffer[..length];
        // Only IPv4 comes with its header.
        let header = if from.is_ipv4() {
            usize::from(bytes.first()? & 15) * 4
        } else {
            0
        };
        Some((from.ip(), Packet::decode(bytes.get(header..)?)))
    }
}

/// A server on every SCTP port of a node.
#[derive(Debug)]
pub(crate) struct Server {
    stop: Arc<AtomicBool>,
    got: Arc<Mutex<Vec<Got>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts it for both families.
    pub(crate) fn start(host: &DockerHost, node: &str) -> Result<Self> {
        let mut server = Self {
            stop: Arc::default(),
            got: Arc::default(),
            threads: Vec::new(),
        };
        for like in [IpAddr::from([0; 4]), IpAddr::from([0_u8; 16])] {
            let raw = Raw::open(host, node, like)?;
            let (stop, got) = (Arc::clone(&server.stop), Arc::clone(&server.got));
            server.threads.push(thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let Some((from, packet)) = raw.receive() else {
                        continue;
                    };
                    got.lock().unwrap().push((from, packet.clone()));
                    if let Some(answer) = packet.as_ref().and_then(answer) {
                        raw.send(from, &answer);
                    }
                }
            }));
        }
        Ok(server)
    }

    /// What came until now: source, and the packet unless its checksum was wrong.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn answer(packet: &Packet) -> Option<Packet> {
    match packet.chunk {
        INIT => {
            let mut body = init(SERVER_TAG);
            // The parameter of the cookie.
            body.extend([0, 7, 0, 8]);
            body.extend(b"COOK");
            Some(packet.answer(INIT_ACK, body))
        }
        COOKIE_ECHO => Some(packet.answer(COOKIE_ACK, Vec::new())),
        DATA => Some(packet.answer(SACK, [[0; 4]; 3].concat())),
        _ => None,
    }
}

/// An association, or what would like to be one.
#[derive(Debug)]
pub(crate) struct Client {
    raw: Raw,
    from: u16,
    to: IpAddr,
    port: u16,
}

impl Client {
    /// A client of a node with this port of its own.
    pub(crate) fn new(
        host: &DockerHost,
        node: &str,
        from: u16,
        (to, port): (IpAddr, u16),
    ) -> Result<Self> {
        let raw = Raw::open(host, node, to)?;
        Ok(Self {
            raw,
            from,
            to,
            port,
        })
    }

    /// The four packets that make an association; what was not answered fails.
    pub(crate) fn associate(&self) -> Result<()> {
        self.ask(INIT, 0, init(CLIENT_TAG), INIT_ACK)
            .context("INIT")?;
        let cookie = b"COOK".to_vec();
        self.ask(COOKIE_ECHO, SERVER_TAG, cookie, COOKIE_ACK)
            .context("COOKIE ECHO")
    }

    /// Data of an association, and its acknowledgement.
    pub(crate) fn talk(&self) -> Result<()> {
        let mut body = 1_u32.to_be_bytes().to_vec();
        body.extend([0; 8]);
        body.extend(b"ping");
        self.ask(DATA, SERVER_TAG, body, SACK).context("DATA")
    }

    /// Sends a chunk until it is answered, or was not for a while.
    fn ask(&self, chunk: u8, tag: u32, body: Vec<u8>, answer: u8) -> Result<()> {
        let packet = Packet {
            from: self.from,
            to: self.port,
            tag,
            chunk,
            body,
        };
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            self.raw.send(self.to, &packet);
            while let Some((from, got)) = self.raw.receive() {
                let Some(got) = got else {
                    bail!("an answer whose checksum is wrong");
                };
                if from == self.to
                    && (got.from, got.to) == (self.port, self.from)
                    && got.chunk == answer
                {
                    return Ok(());
                }
            }
        }
        bail!("no answer")
    }
}
