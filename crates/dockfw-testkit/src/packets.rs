//! Packet tables of fixtures: who can reach what, and as whom.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::lab::{Lab, Outcome, Probe, Protocol};

/// `packets.toml` of a fixture.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PacketTable {
    /// What the fixture shows.
    pub case: Case,
    /// Listeners beside those of published ports, by node: `"3306/tcp"`.
    #[serde(default)]
    pub listen: std::collections::BTreeMap<String, Vec<String>>,
    /// The rows.
    #[serde(rename = "packet")]
    pub packets: Vec<Row>,
}

/// Why a fixture is there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, in a sentence.
    pub why: String,
    /// Where the expected behaviour is written down.
    pub source: String,
}

/// A row: every sender to every destination, with one expectation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Senders: `remote`, `host` or containers.
    pub from: OneOrMany,
    /// Destinations: `ADDRESS:PORT`, or `ADDRESS` for ICMP.
    pub to: OneOrMany,
    /// `tcp` (default), `udp` or `icmp`.
    #[serde(default)]
    pub protocol: RowProtocol,
    /// The node that answers.
    pub reaches: Option<String>,
    /// The source address that it saw.
    pub source: Option<IpAddr>,
    /// The port it got it on, when that is worth saying.
    pub port: Option<u16>,
    /// Nothing listens, and the sender is told.
    #[serde(default)]
    pub refused: bool,
    /// The packet is dropped silently.
    #[serde(default)]
    pub nothing: bool,
    /// The packet passes the hooks only with br_netfilter.
    #[serde(default)]
    pub bridged: bool,
    /// What the row shows.
    pub why: Option<String>,
}

/// A string or a list of strings.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// The protocol of a row.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowProtocol {
    /// A TCP connection.
    #[default]
    Tcp,
    /// A UDP datagram.
    Udp,
    /// An echo request.
    Icmp,
}

impl OneOrMany {
    /// All of them.
    pub(crate) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl From<RowProtocol> for Protocol {
    fn from(protocol: RowProtocol) -> Self {
        match protocol {
            RowProtocol::Tcp => Self::Tcp,
            RowProtocol::Udp => Self::Udp,
            RowProtocol::Icmp => Self::Icmp,
        }
    }
}

impl PacketTable {
    /// Reads a table.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is not a packet table.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let table: Self = toml::from_str(&text).with_context(|| path.display().to_string())?;
        for row in &table.packets {
            let expectations =
                u8::from(row.reaches.is_some()) + u8::from(row.refused) + u8::from(row.nothing);
            ensure!(
                expectations == 1,
                "a row says exactly one of reaches, refused, nothing: {row:?}"
            );
        }
        Ok(table)
    }

    /// Starts the table's own listeners.
    ///
    /// # Errors
    ///
    /// When a socket cannot be opened.
    pub fn listen(&self, lab: &Lab) -> Result<()> {
        for (node, listeners) in &self.listen {
            for listener in listeners {
                let (port, protocol) = listener
                    .split_once('/')
                    .context("a listener is PORT/PROTOCOL")?;
                let protocol = match protocol {
                    "tcp" => Protocol::Tcp,
                    "udp" => Protocol::Udp,
                    other => bail!("unknown protocol {other}"),
                };
                lab.listen(node, protocol, port.parse()?)?;
            }
        }
        // Rows that leave the host need somebody at the other end.
        let mut open = Vec::new();
        for row in self
            .packets
            .iter()
            .filter(|row| row.reaches.as_deref() == Some("remote"))
        {
            for to in row.to.as_slice() {
                let port = to.parse::<SocketAddr>()?.port();
                if !open.contains(&port) {
                    lab.listen("remote", row.protocol.into(), port)?;
                    open.push(port);
                }
            }
        }
        Ok(())
    }

    /// Sends every row's probes and returns what differs from the expectation, a line each.
    ///
    /// # Errors
    ///
    /// When a probe cannot be sent at all.
    pub fn run(&self, lab: &Lab) -> Result<Vec<String>> {
        let mut probes = Vec::new();
        let mut rows = Vec::new();
        for row in &self.packets {
            for from in row.from.as_slice() {
                for to in row.to.as_slice() {
                    let (address, port) = match to.parse::<SocketAddr>() {
                        Ok(to) => (to.ip(), to.port()),
                        Err(_no_port) => (
                            to.parse().with_context(|| format!("{to} is no address"))?,
                            0,
                        ),
                    };
                    probes.push(Probe::new(from, address, row.protocol.into(), port));
                    rows.push(row);
                }
            }
        }
        let outcomes = lab.probe(&probes)?;
        let wrong = rows
            .iter()
            .zip(&probes)
            .zip(outcomes)
            .filter_map(|((row, probe), outcome)| {
                let wrong = row.disagrees(&outcome)?;
                let Probe {
                    from,
                    to,
                    protocol,
                    port,
                    ..
                } = probe;
                let why = row.why.as_deref().unwrap_or_default();
                Some(format!(
                    "{from} to {to} port {port} {protocol:?}: {wrong}, got {outcome} {why}"
                ))
            });
        Ok(wrong.collect())
    }

    /// How many probes a run sends.
    pub fn probe_count(&self) -> usize {
        self.packets
            .iter()
            .map(|row| row.from.as_slice().len() * row.to.as_slice().len())
            .sum()
    }
}

impl Row {
    /// What was expected instead of this outcome; nothing when it is as expected.
    fn disagrees(&self, outcome: &Outcome) -> Option<String> {
        match outcome {
            Outcome::Reached { node, port, source } => {
                let Some(wanted) = &self.reaches else {
                    return Some("expected not to be reached".to_owned());
                };
                let as_expected = node == wanted
                    && self.port.is_none_or(|wanted| wanted == *port)
                    && self
                        .source
                        .is_none_or(|wanted| wanted == source.ip().to_canonical());
                (!as_expected).then(|| {
                    format!(
                        "expected {wanted} port {:?} source {:?}",
                        self.port, self.source
                    )
                })
            }
            Outcome::Refused if self.refused => None,
            Outcome::NoAnswer if self.nothing => None,
            Outcome::OneWay { .. }
            | Outcome::Accepted
            | Outcome::Refused
            | Outcome::NoAnswer
            | Outcome::Unreachable(_) => Some(match &self.reaches {
                Some(wanted) => format!("expected {wanted}"),
                None if self.refused => "expected a refusal".to_owned(),
                None => "expected silence".to_owned(),
            }),
        }
    }
}
