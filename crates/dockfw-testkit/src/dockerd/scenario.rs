//! Scenarios as data: what docker is told, and who then sends what to whom.
//!
//! A scenario is a file under `fixtures/dockerd`. It has steps; in each one commands are run, then
//! servers are started in containers, then all packets of the step are sent at once.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::client::Container;
pub use super::expect::{Divergence, Expect, Verdict};
use super::release::Version;
use super::{REMOTE, uplink_addresses};
use crate::lab::{HOST, Probe, Protocol};

/// A file under `fixtures/dockerd`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's name without its end.
    #[serde(skip)]
    pub name: String,
    /// What it is for.
    pub why: String,
    /// Where the behaviour is described.
    pub source: String,
    /// The first version of dockerd that has what it is about.
    #[serde(default)]
    pub since: Option<Version>,
    /// More addresses of the host: interface and address.
    #[serde(default)]
    pub addresses: Vec<(String, String)>,
    /// Keys of daemon.json on both sides.
    #[serde(default)]
    pub daemon: Map<String, Value>,
    /// Keys of daemon.json that dockerd takes only when it makes rules itself.
    #[serde(default)]
    pub reference: Map<String, Value>,
    /// dockfw's policy, instead of those keys.
    #[serde(default)]
    pub policy: Option<String>,
    /// What is done.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// Commands, and what can be reached afterwards.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Lines for `docker`.
    #[serde(default)]
    pub commands: Vec<String>,
    /// Lines for a shell in the network of a node, after those.
    #[serde(default)]
    pub shell: BTreeMap<String, Vec<String>>,
    /// dockerd has no event for what the commands do: dockfw is started again, and learns it then.
    #[serde(default)]
    pub restart: bool,
    /// Servers by node: `80`, `5000/udp`.
    #[serde(default)]
    pub listen: BTreeMap<String, Vec<String>>,
    /// What is sent.
    #[serde(rename = "row", default)]
    pub rows: Vec<Row>,
}

/// Packets that belong together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its row in the specification, or a name of its own.
    pub id: String,
    /// Nodes that send.
    pub from: Vec<String>,
    /// Where to, each of `NAME:PORT`, `NAME:PORT/udp`, `NAME/icmp`; a name stands for its address
    /// of each family.
    pub to: Vec<String>,
    /// Addresses of this family only: 4 or 6.
    #[serde(default)]
    pub family: Option<u8>,
    /// The frame is made by hand, past the sender's routing; this container would get it. From
    /// the remote, UDP over IPv4 only.
    #[serde(default)]
    pub forged: Option<String>,
    /// What must come of it under dockfw.
    #[serde(default)]
    pub expect: Option<Expect>,
    /// The entry of `docs/divergences.md` that says why the sides differ.
    #[serde(default)]
    pub divergence: Option<Divergence>,
}

impl Scenario {
    /// All of them, by name.
    ///
    /// # Errors
    ///
    /// When one cannot be read.
    pub fn all() -> Result<Vec<Self>> {
        let root = root();
        let mut files = Vec::new();
        for entry in fs::read_dir(&root).with_context(|| root.display().to_string())? {
            files.push(entry?.path());
        }
        files.sort();
        files.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        let mut scenario: Self =
            toml::from_str(&text).with_context(|| path.display().to_string())?;
        let name = path.file_stem().context("a file without a name")?;
        scenario.name = name.to_string_lossy().into_owned();
        Ok(scenario)
    }

    /// Says of each row what is so with this version of dockerd; returns the version that it
    /// needs if this one cannot show it.
    pub fn fit(&mut self, version: Version) -> Option<Version> {
        if let Some(since) = self.since.filter(|of| *of > version) {
            return Some(since);
        }
        for row in self.steps.iter_mut().flat_map(|of| &mut of.rows) {
            let entry = row.divergence.take().and_then(|of| of.in_version(version));
            row.divergence = entry.map(Divergence::Always);
            let verdict = row.expect.take().and_then(|of| of.in_version(version));
            row.expect = verdict.map(Expect::Always);
        }
        None
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dockerd")
}

/// A port and its protocol: `80`, `5000/udp`.
///
/// # Errors
///
/// When it is neither TCP nor UDP, or no port.
pub fn port(text: &str) -> Result<(Protocol, u16)> {
    let (port, protocol) = match text.split_once('/') {
        None | Some((_, "tcp")) => (text.trim_end_matches("/tcp"), Protocol::Tcp),
        Some((port, "udp")) => (port, Protocol::Udp),
        Some(_) => bail!("{text:?} is neither TCP nor UDP"),
    };
    Ok((protocol, port.parse().with_context(|| text.to_owned())?))
}

impl Row {
    /// What must come of it, once its scenario fits a version.
    pub fn expected(&self) -> Option<Verdict> {
        match self.expect {
            Some(Expect::Always(verdict)) => Some(verdict),
            Some(Expect::Since(_)) | None => None,
        }
    }

    /// Its packets, each with the words that name it.
    ///
    /// # Errors
    ///
    /// When a name stands for nothing.
    pub fn probes(&self, containers: &[Container]) -> Result<Vec<(String, Probe)>> {
        let mut probes = Vec::new();
        for from in &self.from {
            for to in &self.to {
                let (name, protocol, number, what) = destination(to)?;
                for address in addresses(name, containers).with_context(|| to.clone())? {
                    let family = if address.is_ipv4() { 4 } else { 6 };
                    if self.family.is_some_and(|only| only != family) {
                        continue;
                    }
                    let label = if name.parse::<IpAddr>().is_ok() {
                        format!("{from}->{to}")
                    } else {
                        format!("{from}->{name}{what} ({address})")
                    };
                    probes.push((label, Probe::new(from, address, protocol, number)));
                }
            }
        }
        ensure!(!probes.is_empty(), "row {} sends nothing", self.id);
        Ok(probes)
    }
}

/// Name, protocol, port, and the words after the name.
fn destination(text: &str) -> Result<(&str, Protocol, u16, &str)> {
    if let Some(name) = text.strip_suffix("/icmp") {
        return Ok((bare(name), Protocol::Icmp, 0, "/icmp"));
    }
    let (name, number) = text.rsplit_once(':').context("no port")?;
    let (protocol, number) = port(number)?;
    let what = text.get(name.len()..).unwrap_or_default();
    Ok((bare(name), protocol, number, what))
}

/// An IPv6 address is in brackets.
fn bare(name: &str) -> &str {
    name.trim_start_matches('[').trim_end_matches(']')
}

/// What a name stands for: an address, `host`, `remote`, `gw-NETWORK`, a container, or a container
/// in one of its networks, `CONTAINER@NETWORK`.
fn addresses(name: &str, containers: &[Container]) -> Result<Vec<IpAddr>> {
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    if name == HOST || name == REMOTE {
        return Ok(uplink_addresses(name));
    }
    let mut found: Vec<IpAddr> = Vec::new();
    let (wanted, network) = match name.split_once('@') {
        Some((wanted, network)) => (wanted, Some(network)),
        None => (name, None),
    };
    for container in containers {
        for (in_network, endpoint) in &container.networks {
            if wanted.strip_prefix("gw-") == Some(in_network.as_str()) {
                found.extend(&endpoint.gateways);
            } else if container.name == wanted && network.is_none_or(|of| of == in_network) {
                found.extend(&endpoint.addresses);
            }
        }
    }
    found.sort();
    found.dedup();
    ensure!(!found.is_empty(), "{name:?} has no address");
    Ok(found)
}
