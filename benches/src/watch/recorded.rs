//! Answers and events of a dockerd 20.10.24, recorded, and filled in for any number of containers.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

/// The first published port.
const FIRST_PORT: usize = 20_000;

/// What each container publishes.
const PORTS: [&str; 4] = ["80/tcp", "443/tcp", "53/udp", "80/udp"];

/// How many containers there can be: each has host ports of its own.
pub const MOST: usize = (65_536 - FIRST_PORT) / PORTS.len();

/// Containers of one network, as far as there are networks.
const CONTAINERS_EACH: usize = 100;

/// A host of this many containers, each with two tcp and two udp ports.
#[derive(Debug)]
pub struct Recorded {
    networks: usize,
    info: Value,
    all_networks: Value,
    summary: Value,
    container: Value,
    start: Value,
    die: Value,
}

impl Recorded {
    /// Reads what was recorded, for a host of this many containers.
    ///
    /// # Errors
    ///
    /// When a file is not what it was.
    pub fn new(containers: usize) -> Result<Self> {
        let read = |text: &str| serde_json::from_str::<Value>(text).context("a recorded answer");
        let networks = (containers / CONTAINERS_EACH).clamp(2, 10);
        let recorded = read(include_str!("../../recorded/networks.json"))?;
        let recorded = recorded.as_array().context("no networks")?;
        let (last, others) = recorded.split_last().context("no networks")?;
        let made = (0..networks).map(|index| {
            let mut network = last.clone();
            set(&mut network, "/Name", format!("net{index}"))?;
            set(&mut network, "/Id", network_id(index))?;
            set(
                &mut network,
                "/IPAM/Config/0/Subnet",
                format!("172.{}.0.0/16", 18 + index),
            )?;
            set(
                &mut network,
                "/IPAM/Config/0/Gateway",
                format!("172.{}.0.1", 18 + index),
            )?;
            Ok(network)
        });
        let made = made.collect::<Result<Vec<_>>>()?;
        Ok(Self {
            networks,
            info: read(include_str!("../../recorded/info.json"))?,
            all_networks: Value::Array([others, &made].concat()),
            summary: read(include_str!("../../recorded/summary.json"))?,
            container: read(include_str!("../../recorded/container.json"))?,
            start: read(include_str!("../../recorded/start.json"))?,
            die: read(include_str!("../../recorded/die.json"))?,
        })
    }

    /// `/version`
    pub const fn version() -> &'static str {
        include_str!("../../recorded/version.json")
    }

    /// `/info`
    pub fn info(&self) -> String {
        self.info.to_string()
    }

    /// `/networks`
    pub fn networks(&self) -> String {
        self.all_networks.to_string()
    }

    /// `/networks/ID`, if it is there.
    pub fn network(&self, id: &str) -> Option<String> {
        let networks = self.all_networks.as_array()?;
        let found = networks
            .iter()
            .find(|of| of.get("Id").and_then(Value::as_str) == Some(id));
        found.map(ToString::to_string)
    }

    /// One of `/containers/json`.
    ///
    /// # Errors
    ///
    /// When there is no place for so many.
    pub fn summary(&self, index: usize) -> Result<String> {
        let mut summary = self.summary.clone();
        set(&mut summary, "/Id", container_id(index))?;
        set(&mut summary, "/Names/0", format!("/c{index}"))?;
        let endpoint = self.endpoint(&summary, "/NetworkSettings/Networks/web", index)?;
        set(&mut summary, "/NetworkSettings/Networks", endpoint)?;
        for (port, place) in [(0, 1), (1, 3), (2, 0), (3, 2)] {
            let number = host_port(index, port)?;
            set(&mut summary, &format!("/Ports/{place}/PublicPort"), number)?;
        }
        Ok(summary.to_string())
    }

    /// `/containers/ID/json` of one that runs.
    ///
    /// # Errors
    ///
    /// When there is no place for so many.
    pub fn container(&self, index: usize) -> Result<String> {
        let mut container = self.container.clone();
        set(&mut container, "/Id", container_id(index))?;
        set(&mut container, "/Name", format!("/c{index}"))?;
        set(
            &mut container,
            "/HostConfig/NetworkMode",
            self.network_name(index),
        )?;
        let endpoint = self.endpoint(&container, "/NetworkSettings/Networks/web", index)?;
        set(&mut container, "/NetworkSettings/Networks", endpoint)?;
        let mut bound = Map::new();
        for (port, name) in PORTS.into_iter().enumerate() {
            let port = host_port(index, port)?.to_string();
            bound.insert(
                name.to_owned(),
                json!([{ "HostIp": "0.0.0.0", "HostPort": port }]),
            );
        }
        set(&mut container, "/HostConfig/PortBindings", bound.clone())?;
        set(&mut container, "/NetworkSettings/Ports", bound)?;
        Ok(container.to_string())
    }

    /// The line of a `start` or `die` event, just now.
    ///
    /// # Errors
    ///
    /// When what was recorded is no event.
    pub fn event(&self, index: usize, starts: bool) -> Result<String> {
        let mut event = if starts {
            self.start.clone()
        } else {
            self.die.clone()
        };
        set(&mut event, "/id", container_id(index))?;
        set(&mut event, "/Actor/ID", container_id(index))?;
        set(&mut event, "/Actor/Attributes/name", format!("c{index}"))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        set(&mut event, "/time", now.as_secs())?;
        set(&mut event, "/timeNano", u64::try_from(now.as_nanos())?)?;
        let mut line = event.to_string();
        line.push('\n');
        Ok(line)
    }

    fn network_name(&self, index: usize) -> String {
        format!("net{}", index % self.networks)
    }

    fn endpoint(&self, of: &Value, place: &str, index: usize) -> Result<Map<String, Value>> {
        let mut endpoint = of.pointer(place).context("no endpoint")?.clone();
        let (network, member) = (index % self.networks, index / self.networks);
        let [_, _, high, low] = u32::try_from(member + 2)?.to_be_bytes();
        let address = Ipv4Addr::new(172, u8::try_from(18 + network)?, high, low);
        set(&mut endpoint, "/NetworkID", network_id(network))?;
        set(
            &mut endpoint,
            "/Gateway",
            format!("172.{}.0.1", 18 + network),
        )?;
        set(&mut endpoint, "/IPAddress", address.to_string())?;
        Ok(Map::from_iter([(self.network_name(index), endpoint)]))
    }
}

/// The id of a container.
pub fn container_id(index: usize) -> String {
    id("c", index)
}

fn network_id(index: usize) -> String {
    id("e", index)
}

/// 64 hexadecimal digits that differ in the first twelve.
fn id(kind: &str, index: usize) -> String {
    let mut id = format!("{kind}{index:011x}");
    while id.len() < 64 {
        let _ = write!(id, "{kind}");
    }
    id
}

fn host_port(index: usize, port: usize) -> Result<usize> {
    ensure!(index < MOST, "no ports for so many containers");
    Ok(FIRST_PORT + index * PORTS.len() + port)
}

fn set(value: &mut Value, place: &str, to: impl Into<Value>) -> Result<()> {
    let found = value.pointer_mut(place);
    *found.with_context(|| format!("a recorded answer has no {place}"))? = to.into();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_have_addresses_and_ports_of_their_own() -> Result<()> {
        let recorded = Recorded::new(1_000)?;
        let (mut addresses, mut ports) = (Vec::new(), Vec::new());
        for index in 0..1_000 {
            let of: Value = serde_json::from_str(&recorded.container(index)?)?;
            let place = format!("/NetworkSettings/Networks/{}", recorded.network_name(index));
            let endpoint = of.pointer(&place).context("no endpoint")?;
            addresses.push(endpoint["IPAddress"].to_string());
            let id = endpoint["NetworkID"].as_str().context("no network")?;
            assert!(recorded.network(id).is_some(), "{id}");
            let bound = of["NetworkSettings"]["Ports"]
                .as_object()
                .context("no ports")?;
            ports.extend(bound.values().map(|one| one[0]["HostPort"].to_string()));
            assert_eq!(of["Id"], container_id(index));
            let summary: Value = serde_json::from_str(&recorded.summary(index)?)?;
            assert_eq!(summary["Id"], of["Id"]);
        }
        for (mut all, number) in [(addresses, 1_000), (ports, 4_000)] {
            all.sort();
            all.dedup();
            assert_eq!(all.len(), number);
        }
        assert!(recorded.container(MOST).is_err());
        Ok(())
    }
}
