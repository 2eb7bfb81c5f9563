//! The reachability matrix: who reaches what under which options of Docker, as data.
//!
//! A scenario is a folder under `fixtures/matrix`: a policy, and the packets that its rows name.
//! A scenario can build on another one ([`table::Case::base`]): it sends the same packets and
//! says only what comes out otherwise, as the specification does.
//!
//! Every packet has four answers that must be one: what [`predict`] gets from the evaluator of
//! Docker's iptables rules and from that of our ruleset, and what real packets do under both
//! ([`kernel`]). Only a row that names its number in `docs/divergences.md` may have two answers.
//!
//! Source: docker-semantics §6; each row names its rows there.

pub mod kernel;
pub mod model;
pub mod place;
pub mod predict;
pub mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use dockfw::policy;
use dockfw_lower::host::Host;

use crate::lab::Protocol;
use place::Place;
use table::{Setup, Table};

/// A folder under `fixtures/matrix`, read.
#[derive(Debug)]
pub struct Scenario {
    /// The folder's name.
    pub name: String,
    /// The policy.
    pub host: Host,
    /// What is there beside the policy.
    pub setup: Setup,
    /// What is sent, and what must come of it.
    pub packets: Vec<Packet>,
}

/// One packet of a scenario.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Its rows in the specification.
    pub rows: Vec<String>,
    /// Who sends what to whom.
    pub question: Question,
    /// What comes of it under dockfw's rules.
    pub dockfw: Expected,
    /// What comes of it under Docker's own rules; differs only where `divergence` says so.
    pub docker: Expected,
    /// The entry of `docs/divergences.md`.
    pub divergence: Option<u8>,
}

/// Who sends what to whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The node that sends.
    pub from: String,
    /// The source, where the sender does not leave it to its kernel: its link-local address.
    pub source: Option<IpAddr>,
    /// The address it sends to.
    pub to: IpAddr,
    /// The sender's interface that link-local addresses are on.
    pub scope: Option<String>,
    /// TCP, UDP or an echo request.
    pub protocol: Protocol,
    /// The port it sends to; 0 for an echo request.
    pub port: u16,
    /// The frame is made by hand, past the sender's routing, with this source.
    pub forged: Option<IpAddr>,
}

/// What must come of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// A node answers, and saw this source.
    Reaches {
        /// The node.
        node: String,
        /// The source address.
        source: IpAddr,
    },
    /// A node gets it, but its answer does not come back.
    OneWay {
        /// The node.
        node: String,
    },
    /// Nobody listens, and the sender is told.
    Refused,
    /// It is dropped silently.
    Nothing,
    /// The sender has no route.
    Unreachable,
}

/// What came of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A node answered.
    Reached {
        /// The node.
        node: String,
        /// The port on which it got it; 0 for an echo request.
        port: u16,
        /// The source address that it saw.
        source: IpAddr,
    },
    /// A node got it, but its answer did not come back.
    OneWay {
        /// The node.
        node: String,
    },
    /// A relay took a TCP connection and did not reach its own target.
    Accepted,
    /// Nobody listens, and the sender was told.
    Refused,
    /// No answer.
    Nothing,
    /// The sender had no route.
    Unreachable,
}

impl Scenario {
    /// All of them, by name.
    ///
    /// # Errors
    ///
    /// When one cannot be read.
    pub fn all() -> Result<Vec<Self>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(root()).with_context(|| root().display().to_string())? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        names.iter().map(|name| Self::read(name)).collect()
    }

    /// The one of this name.
    ///
    /// # Errors
    ///
    /// When its policy or its packets are wrong.
    pub fn read(name: &str) -> Result<Self> {
        Self::try_read(name).with_context(|| format!("fixtures/matrix/{name}"))
    }

    fn try_read(name: &str) -> Result<Self> {
        let policy = policy::load(&[root().join(name).join("policy.toml")]);
        let host = policy.map_err(|diagnostics| anyhow!("{diagnostics}"))?.host;
        // From the scenario back to its first base.
        let mut tables = vec![Table::read(&root().join(name).join("packets.toml"))?];
        while let Some(base) = tables.last().and_then(|table| table.case.base.as_ref()) {
            ensure!(tables.len() < 5, "bases in a circle");
            tables.push(Table::read(&root().join(base).join("packets.toml"))?);
        }
        let mut setup = Setup::default();
        for table in tables.iter().rev() {
            setup.extend(&table.lab);
        }
        let place = Place::new(&host, &setup);
        let mut packets: BTreeMap<Question, Packet> = BTreeMap::new();
        for table in tables.iter().rev() {
            let mut own = BTreeMap::new();
            for packet in table.packets(&place)? {
                let question = packet.question.clone();
                let twice = own.insert(question, packet);
                ensure!(twice.is_none(), "a packet is there twice: {twice:?}");
            }
            packets.append(&mut own);
        }
        Ok(Self {
            name: name.to_owned(),
            packets: packets.into_values().collect(),
            host,
            setup,
        })
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/matrix")
}

impl Expected {
    /// Whether this came of it.
    ///
    /// A TCP server learns of a connection only when its answer has arrived, so that a kernel
    /// cannot tell one way from no way.
    pub fn is(&self, seen: &Seen, protocol: Protocol) -> bool {
        match (self, seen) {
            (
                Self::Reaches { node, source },
                Seen::Reached {
                    node: at,
                    source: from,
                    ..
                },
            ) => node == at && source == from,
            (Self::OneWay { node }, Seen::OneWay { node: at }) => node == at,
            (Self::OneWay { .. }, Seen::Nothing) => protocol == Protocol::Tcp,
            (Self::Refused, Seen::Refused)
            | (Self::Nothing, Seen::Nothing)
            | (Self::Unreachable, Seen::Unreachable) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, port, .. } = self;
        let is_link_local = matches!(self.to, IpAddr::V6(to) if to.is_unicast_link_local());
        let to = match self.scope.as_ref().filter(|_| is_link_local) {
            Some(scope) => format!("{}%{scope}", self.to),
            None => self.to.to_string(),
        };
        match self.protocol {
            Protocol::Tcp => write!(f, "{from} to {to} port {port}")?,
            Protocol::Udp => write!(f, "{from} to {to} port {port}/udp")?,
            Protocol::Icmp => write!(f, "{from} pings {to}")?,
        }
        if let Some(source) = self.source {
            write!(f, " (as {source})")?;
        }
        match self.forged {
            Some(source) => write!(f, " (forged, as {source})"),
            None => Ok(()),
        }
    }
}
