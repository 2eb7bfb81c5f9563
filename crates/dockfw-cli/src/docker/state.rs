//! A daemon's networks and containers, as it reports them.

use std::collections::BTreeMap;

use super::Error;
use super::daemon::Daemon;

/// What a dockerd says of itself and its objects.
///
/// Texts are as the API has them; [`host`](super::host::host()) parses them, so that one that is
/// not understood concerns its object only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The daemon and its options.
    pub daemon: Daemon,
    /// Networks, by their full ids.
    pub networks: BTreeMap<String, Network>,
    /// Running containers, by their full ids.
    pub containers: BTreeMap<String, Container>,
    /// The address of swarm's ingress sandbox in the network `docker_gwbridge`, if it is there.
    pub ingress_sandbox: Option<String>,
    /// What services publish through the routing mesh; empty unless this node is a manager.
    pub services: Vec<ServicePort>,
    /// Why [`services`](Self::services) are as they were before, and none before the first answer:
    /// a manager without a leader does not know them.
    pub services_unread: Option<String>,
    /// Running containers that dockerd did not describe, and why, by name. One that is in
    /// [`containers`](Self::containers) all the same is there as it was before.
    pub unread: Vec<Unread>,
}

impl State {
    /// Takes what services publish; without an answer it stays as it was.
    pub(super) fn note_services(&mut self, answer: Result<Vec<ServicePort>, Error>) {
        match answer {
            Ok(services) => {
                self.services = services;
                self.services_unread = None;
            }
            Err(error) => self.services_unread = Some(error.to_string()),
        }
    }
}

/// A container that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unread {
    /// Its name, or the beginning of its id when that is not known.
    pub name: String,
    /// Its full id.
    pub id: String,
    /// Why.
    pub why: String,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the API has them")]
pub struct Network {
    /// The name.
    pub name: String,
    /// The full id.
    pub id: String,
    /// The driver: `bridge`, `macvlan`, ..., or the name of a plugin.
    pub driver: String,
    /// Whether it has IPv4; daemons before API 1.47 do not say and always have it.
    pub ipv4: bool,
    /// Whether it has IPv6.
    pub ipv6: bool,
    /// `--internal`.
    pub internal: bool,
    /// It holds options for other networks only.
    pub config_only: bool,
    /// Its address pools.
    pub subnets: Vec<Subnet>,
    /// Its driver options.
    pub options: BTreeMap<String, String>,
}

/// An address pool of a network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subnet {
    /// Address and prefix length.
    pub subnet: String,
    /// The gateway; empty when dockerd does not say.
    pub gateway: String,
}

/// A running container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Container {
    /// The name, without the slash.
    pub name: String,
    /// The full id.
    pub id: String,
    /// Its connections to networks, in the order of the networks' names.
    pub endpoints: Vec<Endpoint>,
    /// Its published ports, as dockerd bound them.
    pub ports: Vec<Port>,
    /// The ports that it exposes: `80/tcp`.
    pub exposed: Vec<String>,
    /// The names of the containers that it is linked to.
    pub links: Vec<String>,
}

/// A container's connection to a network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endpoint {
    /// The name of the network.
    pub network_name: String,
    /// The full id of the network.
    pub network_id: String,
    /// Its IPv4 address, without prefix length; empty when it has none.
    pub ipv4: String,
    /// Its IPv6 address, without prefix length; empty when it has none.
    pub ipv6: String,
    /// `gw-priority`; 0 before API 1.48.
    pub gw_priority: i64,
}

/// A port that dockerd has bound.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// The container's port and the protocol: `80/tcp`.
    pub container: String,
    /// The host address, of one family; empty for all of both.
    pub host_ip: String,
    /// The host port; empty in gateway mode `routed`, where there is none.
    pub host_port: String,
}

/// A port that a service publishes through the routing mesh.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServicePort {
    /// The port on every node.
    pub published: u16,
    /// The port of the tasks.
    pub target: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}
