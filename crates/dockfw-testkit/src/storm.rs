//! A storm: thousands of forbidden packets a second and established flows, while something is done
//! to the ruleset.
//!
//! Forbidden packets are UDP datagrams that each begin a flow, since what is dropped leaves no
//! conntrack entry. They carry the number of their way, and whoever receives one has seen a leak.
//! Allowed flows are TCP connections that go back and forth without pause, and UDP requests.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::lab::Lab;

/// Source ports for each forbidden way.
const SOURCES: usize = 16;
/// A datagram that asks for an answer, instead of the number of a way.
const REQUEST: u8 = u8::MAX;
/// How long an established connection may be silent before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// A way that no packet may take.
#[derive(Debug, Clone)]
pub struct Forbidden {
    /// What it shows.
    pub name: &'static str,
    /// The node that sends.
    pub from: &'static str,
    /// Where to.
    pub to: SocketAddr,
}

/// A flow that must live on.
#[derive(Debug, Clone)]
pub struct Allowed {
    /// The node that connects.
    pub from: &'static str,
    /// Where to; the node behind it serves TCP and UDP on the port in [`Storm::servers`].
    pub to: SocketAddr,
}

/// What is sent, and who listens.
#[derive(Debug, Clone, Default)]
pub struct Storm {
    /// Ways that are closed.
    pub forbidden: Vec<Forbidden>,
    /// Connections.
    pub tcp: Vec<Allowed>,
    /// Requests.
    pub udp: Vec<Allowed>,
    /// Node and port of everybody who listens, on UDP and TCP.
    pub servers: Vec<(&'static str, u16)>,
    /// Forbidden packets a second, all ways together.
    pub rate: u64,
}

/// What a storm was.
#[derive(Debug, Clone)]
pub struct Report {
    /// How long it was.
    pub time: Duration,
    /// Forbidden ways: name, sent, arrived.
    pub forbidden: Vec<(&'static str, u64, u64)>,
    /// Rounds of TCP connections.
    pub rounds: u64,
    /// TCP connections that broke, with the reason.
    pub broken: Vec<String>,
    /// The longest that a connection waited for an answer.
    pub longest: Duration,
    /// UDP requests and answers.
    pub udp: (u64, u64),
}

impl Report {
    /// Forbidden packets in all.
    pub fn sent(&self) -> u64 {
        self.forbidden.iter().map(|of| of.1).sum()
    }

    /// Forbidden packets that arrived.
    pub fn leaks(&self) -> u64 {
        self.forbidden.iter().map(|of| of.2).sum()
    }
}

/// Counters that the threads share.
struct Counters {
    sent: Vec<AtomicU64>,
    arrived: Vec<AtomicU64>,
    rounds: AtomicU64,
    longest_us: AtomicU64,
    asked: AtomicU64,
    answered: AtomicU64,
    stop: AtomicBool,
}

impl Counters {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn unspecified(of: IpAddr) -> SocketAddr {
    let any: IpAddr = if of.is_ipv4() {
        [0, 0, 0, 0].into()
    } else {
        [0_u16; 8].into()
    };
    SocketAddr::new(any, 0)
}

impl Storm {
    /// Sends while `act` is called again and again, for a time.
    ///
    /// # Errors
    ///
    /// What `act` says, or a socket that cannot be made.
    pub fn run(
        &self,
        lab: &Lab,
        time: Duration,
        mut act: impl FnMut() -> Result<()>,
    ) -> Result<Report> {
        let counters = Counters {
            sent: self.forbidden.iter().map(|_| AtomicU64::new(0)).collect(),
            arrived: self.forbidden.iter().map(|_| AtomicU64::new(0)).collect(),
            rounds: AtomicU64::new(0),
            longest_us: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        };
        let counters = &counters;
        let receivers = self.receivers(lab)?;
        let senders = self.senders(lab)?;
        let listeners = self.listeners(lab)?;
        let askers = askers(lab, &self.udp)?;
        let streams = streams(lab, &self.tcp, &listeners)?;
        let started = Instant::now();
        let (outcome, broken) = thread::scope(|scope| {
            scope.spawn(|| receive(&receivers, counters));
            scope.spawn(|| self.send(&senders, counters));
            scope.spawn(|| ask(&askers, counters));
            let flows: Vec<_> = streams
                .into_iter()
                .map(|(client, server)| {
                    scope.spawn(move || echo(server));
                    scope.spawn(move || converse(client, counters))
                })
                .collect();
            let mut outcome = Ok(());
            while outcome.is_ok() && started.elapsed() < time {
                outcome = act();
            }
            counters.stop.store(true, Ordering::Relaxed);
            let broken: Vec<String> = flows
                .into_iter()
                .filter_map(|of| match of.join() {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(format!("{error:#}")),
                    Err(_) => Some("a panic".to_owned()),
                })
                .collect();
            (outcome, broken)
        });
        outcome?;
        let get = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let ways = self
            .forbidden
            .iter()
            .zip(counters.sent.iter().zip(&counters.arrived));
        Ok(Report {
            time: started.elapsed(),
            forbidden: ways
                .map(|(of, (sent, arrived))| (of.name, get(sent), get(arrived)))
                .collect(),
            rounds: get(&counters.rounds),
            broken,
            longest: Duration::from_micros(get(&counters.longest_us)),
            udp: (get(&counters.asked), get(&counters.answered)),
        })
    }

    fn receivers(&self, lab: &Lab) -> Result<Vec<UdpSocket>> {
        let open = |(node, port): &(&'static str, u16)| {
            let bind = || -> Result<UdpSocket> {
                let socket = UdpSocket::bind(("::", *port))?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            };
            lab.run_in(node, bind)?
                .with_context(|| format!("{node} {port}"))
        };
        self.servers.iter().map(open).collect()
    }

    fn listeners(&self, lab: &Lab) -> Result<Vec<TcpListener>> {
        let open = |(node, port): &(&'static str, u16)| {
            let listener = lab.run_in(node, || TcpListener::bind(("::", *port)))??;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        self.servers.iter().map(open).collect()
    }

    fn senders(&self, lab: &Lab) -> Result<Vec<Vec<UdpSocket>>> {
        let open = |way: &Forbidden| {
            let bind = || -> Result<Vec<UdpSocket>> {
                let socket = |_| {
                    let socket = UdpSocket::bind(unspecified(way.to.ip()))?;
                    socket.set_nonblocking(true)?;
                    Ok(socket)
                };
                (0..SOURCES).map(socket).collect()
            };
            lab.run_in(way.from, bind)?
        };
        self.forbidden.iter().map(open).collect()
    }

    /// Keeps to the rate on average, in small bursts.
    fn send(&self, senders: &[Vec<UdpSocket>], counters: &Counters) {
        let started = Instant::now();
        let (mut total, mut turn) = (0_u64, 0_usize);
        let ways = self.forbidden.iter().zip(senders).zip(&counters.sent);
        let ways: Vec<_> = ways.enumerate().collect();
        while !counters.is_over() && !ways.is_empty() {
            let due = started.elapsed().as_micros() * u128::from(self.rate) / 1_000_000;
            if u128::from(total) >= due {
                thread::sleep(Duration::from_micros(500));
                continue;
            }
            turn += 1;
            for (number, ((way, sockets), sent)) in &ways {
                let number = u8::try_from(*number).unwrap_or(REQUEST - 1);
                let socket = sockets.get(turn % SOURCES);
                if socket.is_some_and(|of| of.send_to(&[number], way.to).is_ok()) {
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                total += 1;
            }
        }
    }
}

/// Counts leaks, and answers requests.
fn receive(sockets: &[UdpSocket], counters: &Counters) {
    let mut byte = [0_u8; 1];
    while !counters.is_over() {
        let mut idle = true;
        for socket in sockets {
            while let Ok((_, from)) = socket.recv_from(&mut byte) {
                idle = false;
                if byte == [REQUEST] {
                    let _ = socket.send_to(&byte, from);
                } else if let Some(arrived) = counters.arrived.get(usize::from(byte[0])) {
                    arrived.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        if idle {
            thread::sleep(Duration::from_micros(200));
        }
    }
}

fn askers(lab: &Lab, flows: &[Allowed]) -> Result<Vec<UdpSocket>> {
    let open = |flow: &Allowed| {
        let connect = || -> Result<UdpSocket> {
            let socket = UdpSocket::bind(unspecified(flow.to.ip()))?;
            socket.connect(flow.to)?;
            socket.set_read_timeout(Some(Duration::from_millis(100)))?;
            Ok(socket)
        };
        lab.run_in(flow.from, connect)?
    };
    flows.iter().map(open).collect()
}

/// One request after the other; what is not answered in time is lost.
fn ask(sockets: &[UdpSocket], counters: &Counters) {
    let mut byte = [REQUEST];
    while !counters.is_over() && !sockets.is_empty() {
        for socket in sockets {
            counters.asked.fetch_add(1, Ordering::Relaxed);
            if socket.send(&byte).is_ok() && socket.recv(&mut byte).is_ok() {
                counters.answered.fetch_add(1, Ordering::Relaxed);
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Connections, each with the end that serves it.
fn streams(
    lab: &Lab,
    flows: &[Allowed],
    listeners: &[TcpListener],
) -> Result<Vec<(TcpStream, TcpStream)>> {
    let open = |flow: &Allowed| {
        let connect = || TcpStream::connect_timeout(&flow.to, Duration::from_secs(3));
        let client = lab.run_in(flow.from, connect)?.context("connect")?;
        for _ in 0..200 {
            for listener in listeners {
                if let Ok((server, _)) = listener.accept() {
                    return Ok((client, server));
                }
            }
            thread::sleep(Duration::from_millis(5));
        }
        anyhow::bail!("nobody got the connection to {}", flow.to)
    };
    flows.iter().map(open).collect()
}

fn echo(mut stream: TcpStream) {
    let mut byte = [0_u8; 1];
    let _ = stream.set_nonblocking(false);
    let _ = stream.set_nodelay(true);
    while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
}

/// Back and forth until the storm is over, and once more afterwards.
fn converse(mut stream: TcpStream, counters: &Counters) -> Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut byte = [7_u8; 1];
    let mut is_last = false;
    while !is_last {
        is_last = counters.is_over();
        let asked = Instant::now();
        stream.write_all(&byte).context("send")?;
        stream.read_exact(&mut byte).context("wait for an answer")?;
        let waited = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
        counters.longest_us.fetch_max(waited, Ordering::Relaxed);
        counters.rounds.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_micros(500));
    }
    Ok(())
}
