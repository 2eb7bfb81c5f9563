//! A real dockerd in a network of its own: the host and a remote machine of the packet
//! laboratory, with containers that Docker itself has made.
//!
//! ```text
//!   remote ──eth0─────eth0── host: dockerd, `dockfw watch`
//!                              ├── docker0 ── containers
//!                              └── br-… ───── containers
//! ```
//!
//! A [`DockerHost`] is a [`Lab`] with a host and a remote, and a dockerd of its own beside it:
//! its mounts and processes are in namespaces that die with the test, also when it is killed, and
//! its files are in memory. Containers become nodes of the lab with [`DockerHost::adopt`], so that
//! servers and probes are those of every other test: containers themselves only sleep.
//!
//! [`release`] says which dockerd that is.
//!
//! Needs root, Debian's docker.io (or another dockerd), `busybox` linked statically, iptables,
//! and `unshare` and `nsenter` of util-linux.

mod client;
pub mod compare;
mod daemon;
mod expect;
mod folder;
mod holder;
pub mod leak;
pub mod machine;
pub mod release;
pub mod scenario;
pub mod watch;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use crate::lab::Lab;

pub use client::{Container, Endpoint};

use daemon::Daemon;
use folder::Folder;
use holder::Holder;

/// The image that every container runs: busybox, and a command that sleeps.
pub const IMAGE: &str = "probe";
/// The node on the other side of the uplink.
pub const REMOTE: &str = "remote";

/// What is to be started.
#[derive(Debug, Clone)]
pub struct Config {
    /// Keys of daemon.json.
    pub daemon: Map<String, Value>,
    /// More addresses of the host: interface and address with prefix length.
    pub addresses: Vec<(String, String)>,
    /// How long a probe waits for an answer.
    pub timeout: Duration,
}

impl Config {
    /// dockerd as people have it: its own rules for both families.
    pub fn reference() -> Self {
        Self::with(&[
            ("iptables", true.into()),
            ("ip6tables", true.into()),
            // Until 27.0, ip6tables was an experiment.
            ("experimental", true.into()),
        ])
    }

    /// dockerd that leaves the rules to another.
    pub fn without_rules() -> Self {
        Self::with(&[
            ("iptables", false.into()),
            ("ip6tables", false.into()),
            ("experimental", true.into()),
        ])
    }

    /// Sets a key of daemon.json.
    #[must_use]
    pub fn key(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.daemon.insert(key.to_owned(), value.into());
        self
    }

    fn with(keys: &[(&str, Value)]) -> Self {
        let keys = keys.iter();
        Self {
            daemon: keys.map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
            addresses: Vec::new(),
            timeout: Duration::from_secs(1),
        }
    }
}

/// A running dockerd and its network; dropping it ends and removes all of it.
#[derive(Debug)]
pub struct DockerHost {
    // In the order in which they have to go.
    daemon: Option<Daemon>,
    holder: Holder,
    lab: Lab,
    folder: Folder,
}

impl DockerHost {
    /// Starts dockerd and gives it [`IMAGE`].
    ///
    /// Forwarding is off before: dockerd turns it on, and closes FORWARD with it.
    ///
    /// # Errors
    ///
    /// When a program is missing, or dockerd does not start; then the end of its log is shown.
    pub fn start(config: &Config) -> Result<Self> {
        let mut builder = Lab::builder()
            .timeout(config.timeout)
            .host_sysctl("net.ipv4.ip_forward", "0")
            .host_sysctl("net.ipv6.conf.all.forwarding", "0")
            .host_sysctl("net.ipv6.conf.default.forwarding", "0");
        for (interface, address) in &config.addresses {
            builder = builder.host_address(interface, address);
        }
        let lab = builder.build().context("make the lab")?;
        let folder = Folder::new()?;
        let holder = Holder::new(&folder)?;
        let mut host = Self {
            daemon: None,
            holder,
            lab,
            folder,
        };
        host.write_daemon_json(&config.daemon)?;
        host.start_daemon()?;
        host.import_image()?;
        Ok(host)
    }

    /// Writes daemon.json anew; dockerd reads it when it starts.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write_daemon_json(&self, keys: &Map<String, Value>) -> Result<()> {
        let text = serde_json::to_string_pretty(keys)?;
        std::fs::write(self.daemon_json(), text).context("write daemon.json")
    }

    /// Starts dockerd, which must not be running, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it ends, or does not answer in time.
    pub fn start_daemon(&mut self) -> Result<()> {
        self.daemon = Some(Daemon::start(&self.lab, &self.holder, &self.folder)?);
        Ok(())
    }

    /// Ends dockerd as an operator does, and waits for it.
    ///
    /// # Errors
    ///
    /// When it is not running, or does not end in time.
    pub fn stop_daemon(&mut self) -> Result<()> {
        self.daemon.take().context("no dockerd runs")?.stop()
    }

    /// Kills dockerd with SIGKILL; containers, containerd and proxies go on.
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn kill_daemon(&mut self) -> Result<()> {
        self.daemon.take().context("no dockerd runs")?.kill()
    }

    /// The network: the nodes `host` and [`REMOTE`], and the containers that were adopted.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// A folder for what belongs to this host; its path is short.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// dockerd's API.
    pub fn socket(&self) -> PathBuf {
        self.folder().join("docker.sock")
    }

    /// dockerd's options.
    pub fn daemon_json(&self) -> PathBuf {
        self.folder().join("daemon.json")
    }

    /// The end of the log of `dockfw watch`.
    pub fn dockfw_log(&self) -> String {
        folder::tail(&self.folder().join(watch::LOG))
    }

    /// The end of dockerd's log.
    pub fn daemon_log(&self) -> String {
        folder::tail(&self.folder().join("log"))
    }
}

/// The addresses of the host, or of the remote, on the link between them.
pub fn uplink_addresses(node: &str) -> Vec<IpAddr> {
    let remote = crate::lab::Remote::default();
    let of = if node == crate::lab::HOST {
        remote.host_addresses
    } else {
        remote.addresses
    };
    of.iter().map(ipnet::IpNet::addr).collect()
}
