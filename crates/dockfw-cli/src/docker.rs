//! What a running dockerd says of its networks and containers, and the host model made of it.
//!
//! [`snapshot`] has one look, [`follow`] stays and tells what changes, [`host`](host::host()) turns
//! a [`State`] and what policy files say into a [`Host`](dockfw_lower::host::Host). Only the
//! Engine API is used, over a unix socket, and only to read; besides it two files that say how
//! dockerd was started: `daemon.json` and its command line in `/proc`. No process is run.
//!
//! The published ports are those that dockerd has bound (`NetworkSettings.Ports`), not those that
//! were asked for, so ports that dockerd chose are right too.
//!
//! Source: Docker Engine API 1.41 (dockerd 20.10) to 1.53.

mod address;
mod client;
pub mod daemon;
mod error;
mod follow;
pub mod host;
mod snapshot;
mod state;
mod text;

pub use crate::policy::Base;
pub use address::{Address, AddressError, DEFAULT_ADDRESS};
pub use daemon::{Daemon, Found, Settings, Swarm, Verdict};
pub use error::Error;
pub use follow::{Message, Stamp, Stop, follow};
pub use host::{Built, Index, LeftOut, container};
pub use snapshot::snapshot;
pub use state::{Container, Endpoint, Network, Port, ServicePort, State, Subnet, Unread};
pub use text::policy;

use std::path::PathBuf;
use std::time::Duration;

/// How a daemon is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The file of the daemon's options; `None` for the one that its command line names, which is
    /// `/etc/docker/daemon.json` if it names none. It need not exist.
    pub daemon_json: Option<PathBuf>,
    /// How long one answer may take. Less than a second counts as one.
    pub timeout: Duration,
    /// How long [`follow`] waits until it lists everything again.
    pub refresh: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            daemon_json: None,
            timeout: Duration::from_secs(10),
            refresh: Duration::from_secs(60),
        }
    }
}
