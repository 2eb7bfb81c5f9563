//! What a table says about the host: its publishes, networks and containers, from the contents of
//! maps and the comments of chains and elements.
//!
//! The names are those that the lowering gives (`dockfw_lower::lower`). A table without them says
//! nothing, and is shown by its chains and sets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_ir::set::{Element, ElementData, Set, SetKind};
use dockfw_ir::table::Table;
use dockfw_ir::value::{DataType, Value};

/// A port of the host: address, protocol and port.
pub(super) type HostPort = (IpAddr, u8, u16);

/// What a table says.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Published ports: to address and port of a container.
    pub(super) publishes: BTreeMap<HostPort, (IpAddr, u16)>,
    /// Ports of containers that are open, published or not.
    pub(super) open: BTreeSet<HostPort>,
    /// Networks by bridge device: their names.
    pub(super) networks: BTreeMap<String, String>,
    /// Containers by address: their names. Those whose addresses anybody may reach are not known.
    pub(super) containers: BTreeMap<IpAddr, String>,
}

/// The fields of a key or datum that matter here.
#[derive(Debug, Default, Clone, Copy)]
struct Fields {
    address: Option<IpAddr>,
    protocol: Option<u8>,
    port: Option<u16>,
}

impl Facts {
    /// What the table says.
    pub(super) fn of(table: &Table) -> Self {
        let mut facts = Self::default();
        for set in &table.sets {
            let stem = set.name.as_str();
            for (prefix, family) in [("4", Family::V4), ("6", Family::V6)] {
                let is = |stem_of: &str| {
                    let rest = stem.strip_prefix(stem_of)?.strip_prefix(prefix)?;
                    matches!(rest, "" | "-range" | "-address" | "-address-range").then_some(())
                };
                if is("host-ports").is_some() {
                    set.elements
                        .iter()
                        .for_each(|of| facts.publish(set, of, family));
                } else if is("container-ports").is_some() {
                    set.elements.iter().for_each(|of| facts.opens(set, of));
                } else if is("endpoints").is_some() {
                    set.elements.iter().for_each(|of| facts.container(set, of));
                }
            }
        }
        for chain in &table.chains {
            if let Some(device) = device(chain.name.as_str()) {
                let name = chain
                    .comment
                    .as_ref()
                    .map_or("", |comment| comment.as_str());
                let known = facts.networks.entry(device).or_default();
                if known.is_empty() {
                    name.clone_into(known);
                }
            }
        }
        facts
    }

    fn publish(&mut self, set: &Set, element: &Element, family: Family) {
        let SetKind::Map(types) = &set.kind else {
            return;
        };
        let ElementData::Value(data) = &element.data else {
            return;
        };
        let (key, target) = (fields(&element.key, &set.key), fields(data, types));
        let (Some(protocol), Some(first), Some(container)) =
            (key.protocol, key.port, target.address)
        else {
            return;
        };
        let host = key.address.unwrap_or(family.any());
        for port in first..=last_port(set, element, first) {
            let to = (container, target.port.unwrap_or(port));
            self.publishes.insert((host, protocol, port), to);
        }
        if let Some(comment) = element.comment() {
            let name = self.containers.entry(container).or_default();
            if name.is_empty() {
                comment.as_str().clone_into(name);
            }
        }
    }

    fn opens(&mut self, set: &Set, element: &Element) {
        let key = fields(&element.key, &set.key);
        if let (Some(address), Some(protocol), Some(first)) = (key.address, key.protocol, key.port)
        {
            let ports = first..=last_port(set, element, first);
            self.open
                .extend(ports.map(|port| (address, protocol, port)));
        }
    }

    fn container(&mut self, set: &Set, element: &Element) {
        if let Some(address) = fields(&element.key, &set.key).address {
            let name = element.comment().map_or("", |comment| comment.as_str());
            self.containers.insert(address, name.to_owned());
        }
    }
}

/// The family of a set's name.
#[derive(Debug, Clone, Copy)]
enum Family {
    V4,
    V6,
}

impl Family {
    /// Every address of the host.
    const fn any(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }
}

fn last_port(set: &Set, element: &Element, first: u16) -> u16 {
    let end = element.key_end.as_deref();
    end.and_then(|end| fields(end, &set.key).port)
        .unwrap_or(first)
}

fn fields(value: &Value, types: &[DataType]) -> Fields {
    let mut found = Fields::default();
    for (data_type, bytes) in value.fields(types).unwrap_or_default() {
        if data_type == DataType::Ipv4Addr {
            let octets: Option<[u8; 4]> = bytes.try_into().ok();
            found.address = octets.map(IpAddr::from);
        } else if data_type == DataType::Ipv6Addr {
            let octets: Option<[u8; 16]> = bytes.try_into().ok();
            found.address = octets.map(IpAddr::from);
        } else if data_type == DataType::InetProto {
            found.protocol = bytes.first().copied();
        } else if data_type == DataType::InetService {
            found.port = bytes.try_into().ok().map(u16::from_be_bytes);
        }
    }
    found
}

/// The bridge device that a chain's name ends in: `DOCKER__br-web`. A dot and two hexadecimal
/// digits stand for what cannot be in a name.
pub(super) fn device(chain: &str) -> Option<String> {
    const PREFIXES: [&str; 5] = [
        "DOCKER",
        "DOCKER-ISOLATION",
        "DOCKER-INTERNAL",
        "MASQUERADE",
        "HAIRPIN",
    ];
    let (prefix, escaped) = chain.split_once("__")?;
    if !PREFIXES.contains(&prefix) {
        return None;
    }
    let mut parts = escaped.split('.');
    let mut device = parts.next()?.to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        device.push(char::from(u8::from_str_radix(digits, 16).ok()?));
        device.push_str(rest);
    }
    Some(device)
}
