//! Packet laboratory: a small network of namespaces on one machine, and real probes between them.
//!
//! A [`Lab`] is a Docker host, its bridges and containers, and one or more remote machines, each in
//! a network namespace of its own:
//!
//! ```text
//!   remote ──eth0─────eth0── host ──br-a──┬─ veth0n0 ── eth0 container "a1"
//!                                         └─ veth1n0 ── eth0 container "a2"
//! ```
//!
//! The lab makes no firewall: a test commits one inside [`Lab::run_in`] and then asks with
//! [`Lab::probe`] what gets through, to whom, and with which source address.
//! Namespaces are anonymous: only file descriptors and threads of this process hold them, so they
//! and their interfaces go away with the [`Lab`], with a panic, and with a killed process.
//! Nothing is ever sent outside of these namespaces.
//!
//! Every interface has a link-local IPv6 address by its Ethernet address; one that has a link-local
//! address in its description has that one instead. A probe to such an address says on which
//! interface of the sender it is: [`Probe::scope`].
//!
//! Needs `CAP_NET_ADMIN`, `CAP_NET_RAW` and `CAP_SYS_ADMIN` (root, or root of a user namespace), and
//! `ip` of iproute2.
//!
//! # Examples
//!
//! ```no_run
//! use dockfw_testkit::lab::{Bridge, Container, Lab, Protocol};
//!
//! let lab = Lab::builder()
//!     .bridge(Bridge::new("br-a", &["172.18.0.1/16"]))
//!     .container(Container::new("a1").on("br-a", &["172.18.0.2/16"]))
//!     .build()?;
//! lab.listen("a1", Protocol::Tcp, 80)?;
//! lab.run_in("host", || std::process::Command::new("nft").args(["-f", "x.nft"]).status())??;
//! let outcome = lab.reach("remote", "192.0.2.1".parse()?, Protocol::Tcp, 8080)?;
//! assert!(outcome.is_reached_at("a1", 80), "{outcome}");
//! # anyhow::Ok(())
//! ```

mod build;
mod frame;
mod log;
mod namespace;
mod outcome;
mod probe;
mod reactor;
mod relay;
mod server;
mod socket;
mod spec;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

pub use frame::{Forged, Mac};
pub use log::Received;
pub use nix::errno::Errno;
pub use outcome::Outcome;
pub use probe::Probe;
pub use spec::{Attachment, Bridge, Builder, Container, Remote};

use namespace::Namespace;
use reactor::Reactor;

/// Name of the node that stands for the Docker host.
pub const HOST: &str = "host";

/// What a probe or a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// A TCP connection.
    Tcp,
    /// A UDP datagram and its answer.
    Udp,
    /// An ICMP or ICMPv6 echo request; the kernel answers, so there is nothing to listen on.
    Icmp,
}

/// A machine of the lab.
#[derive(Debug)]
struct Node {
    name: Arc<str>,
    namespace: Namespace,
    /// Interfaces of this node, each with the interface of the host it sends to.
    uplinks: Vec<(String, String)>,
    /// Its sockets in the reactor.
    sockets: Mutex<Vec<u64>>,
}

/// A running laboratory; dropping it removes everything it made.
#[derive(Debug)]
pub struct Lab {
    // Declared first, so dropped first: its thread and sockets hold the namespaces.
    reactor: Reactor,
    nodes: RwLock<Vec<Arc<Node>>>,
    timeout: Duration,
    tells_addresses: bool,
}

impl Lab {
    /// Starts the description of a lab.
    ///
    /// Without further calls it has the host and one remote, see [`Remote::default`].
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Runs `f` on a fresh thread inside the namespace of `node` and returns its value.
    ///
    /// Sockets made by `f` belong to that namespace for good, processes started by it run there,
    /// and `/proc/sys/net` shows its settings. A panic in `f` goes on in the caller.
    ///
    /// # Errors
    ///
    /// When there is no such node, or the namespace cannot be entered.
    pub fn run_in<T: Send>(&self, node: &str, f: impl FnOnce() -> T + Send) -> Result<T> {
        self.node(node)?.namespace.run(f)
    }

    /// A path that names the namespace of `node` while the lab lives.
    ///
    /// For `ip link set … netns PATH` and `nsenter --net=PATH` while debugging.
    ///
    /// # Errors
    ///
    /// When there is no such node.
    pub fn namespace_path(&self, node: &str) -> Result<PathBuf> {
        Ok(self.node(node)?.namespace.path())
    }

    /// Writes a sysctl of the host, see [`Lab::sysctl`].
    ///
    /// # Errors
    ///
    /// As [`Lab::sysctl`].
    pub fn host_sysctl(&self, key: &str, value: &str) -> Result<()> {
        self.sysctl(HOST, key, value)
    }

    /// Writes a `net.` sysctl of a node, such as `net.ipv4.conf.br-a.route_localnet`.
    ///
    /// A key with a slash is taken as a path below `/proc/sys`, for interface names with a dot.
    ///
    /// # Errors
    ///
    /// When there is no such node or key, or the kernel refuses the value.
    pub fn sysctl(&self, node: &str, key: &str, value: &str) -> Result<()> {
        self.run_in(node, || namespace::write_sysctl(key, value))?
    }

    /// Starts a server on `port`, on all IPv4 and IPv6 addresses of `node`.
    ///
    /// It answers every connection or datagram with its node, its port and the source it saw, from
    /// the address that was spoken to. It runs until the lab is dropped.
    ///
    /// # Errors
    ///
    /// When there is no such node, the port is taken, or `protocol` is [`Protocol::Icmp`].
    pub fn listen(&self, node: &str, protocol: Protocol, port: u16) -> Result<()> {
        self.listen_range(node, protocol, port..=port)
    }

    /// Starts a server on each port of a range, see [`Lab::listen`].
    ///
    /// Costs one file descriptor per port, no thread.
    ///
    /// # Errors
    ///
    /// As [`Lab::listen`].
    pub fn listen_range(
        &self,
        node: &str,
        protocol: Protocol,
        ports: RangeInclusive<u16>,
    ) -> Result<()> {
        let node = self.node(node)?;
        let reactor = self.reactor.handle();
        node.namespace.run(|| {
            for port in ports {
                let address = SocketAddr::new(socket::ANY, port);
                let source = server::open(&node.name, protocol, address, self.tells_addresses)
                    .with_context(|| format!("{}: listen on {protocol:?} {port}", node.name))?;
                let key = reactor.add(&source)?;
                node.keep(key);
            }
            Ok(())
        })?
    }

    /// Takes in a namespace that somebody else made, such as that of a running container.
    ///
    /// `path` names the namespace (`/proc/PID/ns/net`, or a file that it is mounted on). A node of
    /// the same name is forgotten first. The lab holds the namespace until it is forgotten or the
    /// lab is dropped.
    ///
    /// # Errors
    ///
    /// When there is no namespace at `path`, or sockets cannot be made in it.
    pub fn adopt(&self, name: &str, path: &Path) -> Result<()> {
        ensure!(name != HOST, "the host is there already");
        self.forget(name);
        let node = Arc::new(Node {
            name: Arc::from(name),
            namespace: Namespace::open(path)?,
            uplinks: Vec::new(),
            sockets: Mutex::default(),
        });
        build::tap(&node, self.reactor.handle())?;
        let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        nodes.push(node);
        Ok(())
    }

    /// Closes the servers of a node and lets its namespace go; nothing if there is no such node.
    pub fn forget(&self, name: &str) {
        let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let (gone, rest) = nodes.drain(..).partition(|node| &*node.name == name);
        *nodes = rest;
        let gone: Vec<Arc<Node>> = gone;
        for node in gone {
            for key in node.taken() {
                self.reactor.handle().remove(key);
            }
        }
    }

    /// Relays connections or datagrams from an address of the host to `target`, as docker-proxy
    /// does: the server sees an address of the host as the source.
    ///
    /// A bind address of `::` also takes IPv4; `target` may be of the other family.
    ///
    /// # Errors
    ///
    /// When the address is taken, or `protocol` is [`Protocol::Icmp`].
    pub fn proxy(&self, bind: SocketAddr, protocol: Protocol, target: SocketAddr) -> Result<()> {
        let reactor = self.reactor.handle();
        self.run_in(HOST, || {
            let source = relay::open(protocol, bind, target)
                .with_context(|| format!("relay {protocol:?} {bind} to {target}"))?;
            reactor.add(&source).map(drop)
        })?
    }

    /// Sends all probes at once and waits until each is decided, at most the timeout of the lab.
    ///
    /// The outcomes are in the order of the probes.
    ///
    /// # Errors
    ///
    /// When a node does not exist, a source address is not one of its own, or the process has no
    /// file descriptors left: mistakes of the test, not answers of the network.
    pub fn probe(&self, probes: &[Probe]) -> Result<Vec<Outcome>> {
        probe::run(self, probes)
    }

    /// Sends one probe from any address of `from`, see [`Lab::probe`].
    ///
    /// # Errors
    ///
    /// As [`Lab::probe`].
    pub fn reach(&self, from: &str, to: IpAddr, protocol: Protocol, port: u16) -> Result<Outcome> {
        let mut outcomes = self.probe(&[Probe::new(from, to, protocol, port)])?;
        outcomes.pop().context("no outcome for the probe")
    }

    /// Sends a hand-made UDP packet past the routing of the sender, see [`Forged`].
    ///
    /// # Errors
    ///
    /// When the node or interface does not exist, the families differ, or the frame cannot be sent.
    pub fn send_forged(&self, packet: &Forged) -> Result<()> {
        frame::send(self, packet)
    }

    /// The datagrams and echo requests that `node` got with exactly this payload.
    ///
    /// Returns as soon as there is one, or with none when the timeout of the lab is over.
    pub fn received(&self, node: &str, payload: &str) -> Vec<Received> {
        let log = self.reactor.handle().log();
        log.wait(payload.as_bytes(), Some(node), self.timeout)
    }

    /// The node of a name.
    fn node(&self, name: &str) -> Result<Arc<Node>> {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        let found = nodes.iter().find(|node| &*node.name == name).cloned();
        found.with_context(|| format!("the lab has no node {name:?}"))
    }
}

impl Node {
    /// Remembers a socket of the reactor.
    fn keep(&self, key: u64) {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.push(key);
    }

    /// Its sockets in the reactor, which it then has no more.
    fn taken(&self) -> Vec<u64> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *sockets)
    }
}
