//! `packets.toml` of a scenario.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::place::Place;
use super::{Expected, Packet, Question};
use crate::lab::Protocol;
use crate::packets::OneOrMany;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What the scenario shows.
    pub case: Case,
    /// What is there beside the policy.
    #[serde(default)]
    pub lab: Setup,
    /// The rows.
    #[serde(rename = "packet", default)]
    rows: Vec<Row>,
}

/// Why a scenario is there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, in a sentence.
    pub why: String,
    /// Where the expected behaviour is written down.
    pub source: String,
    /// The scenario whose packets are sent here too. A row of this one replaces what the base
    /// says about the same packet.
    pub base: Option<String>,
}

/// What is there beside the policy.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Setup {
    /// Listeners beside those of published ports, by node: `"81/tcp"`.
    pub listen: BTreeMap<String, Vec<String>>,
    /// Link-local addresses of containers and remotes on their `eth0`, by node, instead of those
    /// by their Ethernet addresses.
    #[serde(deserialize_with = "networks")]
    pub link_local: BTreeMap<String, Vec<IpNet>>,
    /// More addresses of the host, by interface.
    #[serde(deserialize_with = "networks")]
    pub addresses: BTreeMap<String, Vec<IpNet>>,
    /// Containers of internal networks that have a default route all the same.
    pub default_route: Vec<String>,
    /// The mark of packets that come in by eth0: a foreign rule sets it first of all.
    pub mark: Option<u32>,
    /// docker-proxies that belong to no rule: address and port of the host, those of the container.
    pub relay: Vec<(SocketAddr, SocketAddr)>,
    /// Rules see what bridges pass from port to port, also where dockerd does not need it.
    pub bridge_netfilter: bool,
    /// The host takes loopback addresses from its links: `route_localnet` on `all`.
    pub route_localnet: bool,
}

/// A row: every sender to every destination, in both families where both have them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Row {
    /// Rows of docker-semantics §6: `"F1"`, or `"6.10 icc=false, proxy on"`.
    #[serde(rename = "row")]
    specification: OneOrMany,
    /// Senders; `NAME%eth0` sends from its link-local address there.
    from: OneOrMany,
    /// `NAME:PORT`, `NAME:PORT/udp`, `NAME/icmp`; an address in place of the name for one family.
    /// `NAME%eth0` is its link-local address, on that interface of the sender.
    to: OneOrMany,
    /// One family only.
    family: Option<OneFamily>,
    /// The frame is made by hand, with the source address of this name. UDP only.
    forged_as: Option<String>,
    reaches: Option<String>,
    source: Option<OneOrMany>,
    one_way: Option<String>,
    #[serde(default)]
    refused: bool,
    #[serde(default)]
    nothing: bool,
    #[serde(default)]
    unreachable: bool,
    divergence: Option<u8>,
    docker: Option<Words>,
}

/// What comes of a packet, in the words of a row.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Words {
    reaches: Option<String>,
    source: Option<OneOrMany>,
    one_way: Option<String>,
    #[serde(default)]
    refused: bool,
    #[serde(default)]
    nothing: bool,
    #[serde(default)]
    unreachable: bool,
}

/// A family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OneFamily {
    Ipv4,
    Ipv6,
}

/// Addresses with prefix lengths, by name.
fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Vec<IpNet>>, D::Error> {
    let mut all = BTreeMap::new();
    for (name, texts) in BTreeMap::<String, Vec<String>>::deserialize(from)? {
        let nets: Result<_, _> = texts.iter().map(|text| text.parse()).collect();
        all.insert(name, nets.map_err(D::Error::custom)?);
    }
    Ok(all)
}

impl Setup {
    /// The link-local addresses that a node is given.
    pub(super) fn link_local(&self, node: &str) -> Vec<IpNet> {
        self.link_local.get(node).cloned().unwrap_or_default()
    }

    /// Adds what another one has.
    pub(super) fn extend(&mut self, other: &Self) {
        for (node, ports) in &other.listen {
            self.listen
                .entry(node.clone())
                .or_default()
                .extend(ports.iter().cloned());
        }
        self.link_local.extend(other.link_local.clone());
        self.addresses.extend(other.addresses.clone());
        self.default_route
            .extend(other.default_route.iter().cloned());
        self.mark = other.mark.or(self.mark);
        self.relay.extend(&other.relay);
        self.bridge_netfilter |= other.bridge_netfilter;
        self.route_localnet |= other.route_localnet;
    }

    /// The listeners: node, protocol, port.
    pub(super) fn listeners(&self) -> Result<Vec<(&str, Protocol, u16)>> {
        let mut all = Vec::new();
        for (node, listeners) in &self.listen {
            for listener in listeners {
                let (port, protocol) = match listener.split_once('/') {
                    Some((port, "tcp")) => (port, Protocol::Tcp),
                    Some((port, "udp")) => (port, Protocol::Udp),
                    _ => bail!("a listener is PORT/tcp or PORT/udp: {listener}"),
                };
                all.push((node.as_str(), protocol, port.parse()?));
            }
        }
        Ok(all)
    }
}

impl Table {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let table: Self = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let Case { why, source, .. } = &table.case;
        ensure!(!why.is_empty() && !source.is_empty(), "no why or no source");
        Ok(table)
    }

    /// The packets of the rows, where they go in this place.
    pub(super) fn packets(&self, place: &Place<'_>) -> Result<Vec<Packet>> {
        let mut packets = Vec::new();
        for row in &self.rows {
            let before = packets.len();
            for from in row.from.as_slice() {
                for to in row.to.as_slice() {
                    row.add(place, from, to, &mut packets)
                        .with_context(|| format!("row {:?}: {from} to {to}", row.specification))?;
                }
            }
            ensure!(packets.len() > before, "a row without packets: {row:?}");
        }
        Ok(packets)
    }
}

impl Row {
    fn add(
        &self,
        place: &Place<'_>,
        from: &str,
        to: &str,
        packets: &mut Vec<Packet>,
    ) -> Result<()> {
        let (name, protocol, port) = destination(to)?;
        let (name, to_scope) = scoped(name);
        let addresses = match name.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_a_name) if to_scope.is_some() => place.link_local(name)?,
            Err(_a_name) => place.addresses(name)?,
        };
        let (from, from_scope) = scoped(from);
        let own = match from_scope {
            Some(_) => place.link_local(from)?,
            None => place.addresses(from)?,
        };
        let source = own.first().copied().filter(|_| from_scope.is_some());
        for to in addresses {
            let wanted = match self.family {
                Some(OneFamily::Ipv4) => to.is_ipv4(),
                Some(OneFamily::Ipv6) => to.is_ipv6(),
                None => true,
            };
            // Who does not speak a family sends nothing.
            if !wanted || !own.iter().any(|own| own.is_ipv4() == to.is_ipv4()) {
                continue;
            }
            let dockfw = self.words().expected(place, to)?;
            let docker = match &self.docker {
                Some(words) => words.expected(place, to)?,
                None => dockfw.clone(),
            };
            ensure!(
                (dockfw != docker) == self.divergence.is_some(),
                "`divergence` and `docker` go together, and only where the two differ"
            );
            let forged = match &self.forged_as {
                Some(name) => {
                    ensure!(protocol == Protocol::Udp, "only datagrams are forged");
                    Some(source_for(place, std::slice::from_ref(name), to)?)
                }
                None => None,
            };
            packets.push(Packet {
                rows: self.specification.as_slice().to_vec(),
                question: Question {
                    from: from.to_owned(),
                    source,
                    to,
                    scope: to_scope.or(from_scope).map(ToOwned::to_owned),
                    protocol,
                    port,
                    forged,
                },
                dockfw,
                docker,
                divergence: self.divergence,
            });
        }
        Ok(())
    }

    fn words(&self) -> Words {
        Words {
            reaches: self.reaches.clone(),
            source: self.source.clone(),
            one_way: self.one_way.clone(),
            refused: self.refused,
            nothing: self.nothing,
            unreachable: self.unreachable,
        }
    }
}

impl Words {
    fn expected(&self, place: &Place<'_>, to: IpAddr) -> Result<Expected> {
        let mut all = Vec::new();
        if let Some(node) = self.reaches.clone() {
            let source = self.source.as_ref();
            let source = source.context("a row with `reaches` says which source is seen")?;
            let source = source_for(place, source.as_slice(), to)?;
            all.push(Expected::Reaches { node, source });
        }
        if let Some(node) = self.one_way.clone() {
            all.push(Expected::OneWay { node });
        }
        for (said, expected) in [
            (self.refused, Expected::Refused),
            (self.nothing, Expected::Nothing),
            (self.unreachable, Expected::Unreachable),
        ] {
            if said {
                all.push(expected);
            }
        }
        ensure!(
            all.len() == 1,
            "a row says exactly one of reaches, one-way, refused, nothing, unreachable"
        );
        all.pop().context("nothing expected")
    }
}

/// A name or an address, and the interface behind it.
fn scoped(text: &str) -> (&str, Option<&str>) {
    match text.split_once('%') {
        Some((name, interface)) => (name, Some(interface)),
        None => (text, None),
    }
}

/// The source in the family of the destination, with `%` the link-local one. A single address
/// stands for itself: a relay may change the family.
fn source_for(place: &Place<'_>, sources: &[String], to: IpAddr) -> Result<IpAddr> {
    if let [one] = sources
        && let Ok(address) = one.parse()
    {
        return Ok(address);
    }
    for source in sources {
        let addresses = match source.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_a_name) => match scoped(source) {
                (name, Some(_)) => place.link_local(name)?,
                (name, None) => place.addresses(name)?,
            },
        };
        if let Some(address) = addresses
            .into_iter()
            .find(|address| address.is_ipv4() == to.is_ipv4())
        {
            return Ok(address);
        }
    }
    bail!("no source in the family of {to}")
}

/// Name or address, protocol, port.
fn destination(text: &str) -> Result<(&str, Protocol, u16)> {
    if let Some(name) = text.strip_suffix("/icmp") {
        return Ok((name, Protocol::Icmp, 0));
    }
    let (rest, protocol) = match text.strip_suffix("/udp") {
        Some(rest) => (rest, Protocol::Udp),
        None => (text, Protocol::Tcp),
    };
    let (name, port) = rest.rsplit_once(':').context("no port")?;
    let name = name.trim_start_matches('[').trim_end_matches(']');
    Ok((name, protocol, port.parse()?))
}
