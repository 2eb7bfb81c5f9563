//! What the list says of a container, without waiting for it.

use std::collections::BTreeSet;

use bollard::models::{ContainerSummary, PortSummaryTypeEnum};

use super::{GATEWAY_BRIDGE, convert};
use crate::docker::Container;

/// A container of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::docker) struct Summary {
    /// The full id.
    pub(in crate::docker) id: String,
    /// The name, without the slash; empty when it has none.
    pub(in crate::docker) name: String,
    /// Ids of networks with its IPv4 and IPv6 addresses there; `None` when dockerd does not say.
    endpoints: Option<BTreeSet<(String, String, String)>>,
    /// Bound ports, `80/tcp` and the host port; `None` when dockerd does not say.
    ports: Option<BTreeSet<(String, String)>>,
}

impl Summary {
    /// Reads a line of the list; `None` without an id.
    pub(super) fn new(of: ContainerSummary) -> Option<Self> {
        let names = of.names.unwrap_or_default();
        // The others are what those that link to it call it: `/client/alias`.
        let mut own = names.iter().map(|name| convert::bare(name));
        let name = own.find(|name| !name.contains('/')).map(str::to_owned);
        let networks = of.network_settings.and_then(|settings| settings.networks);
        let endpoints = networks.map(|networks| {
            let endpoints = networks.into_values().map(|of| {
                (
                    of.network_id.unwrap_or_default(),
                    of.ip_address.unwrap_or_default(),
                    of.global_ipv6_address.unwrap_or_default(),
                )
            });
            endpoints.collect()
        });
        let ports = of.ports.map(|ports| {
            let bound = ports.into_iter().filter_map(|of| {
                let protocol = match of.typ {
                    Some(PortSummaryTypeEnum::UDP) => "udp",
                    Some(PortSummaryTypeEnum::SCTP) => "sctp",
                    Some(PortSummaryTypeEnum::TCP | PortSummaryTypeEnum::EMPTY) | None => "tcp",
                };
                let port = of.public_port?.to_string();
                Some((format!("{}/{protocol}", of.private_port), port))
            });
            bound.collect()
        });
        Some(Self {
            id: of.id?,
            name: name.unwrap_or_default(),
            endpoints,
            ports,
        })
    }

    /// Whether what was known of it may still be true: it has the addresses and the ports that it
    /// had. Others may have got those that it has not got any more.
    pub(in crate::docker) fn allows(&self, known: &Container) -> bool {
        let has_addresses = self.endpoints.as_ref().is_none_or(|endpoints| {
            // The list does not tell of swarm's bridge.
            let told = known.endpoints.iter();
            let mut told = told.filter(|of| of.network_name != GATEWAY_BRIDGE);
            told.all(|of| {
                let endpoint = (of.network_id.clone(), of.ipv4.clone(), of.ipv6.clone());
                endpoints.contains(&endpoint)
            })
        });
        let has_ports = self.ports.as_ref().is_none_or(|ports| {
            // A routed port has no host port, and takes nothing from others.
            let mut bound = known.ports.iter().filter(|of| !of.host_port.is_empty());
            bound.all(|of| ports.contains(&(of.container.clone(), of.host_port.clone())))
        });
        has_addresses && has_ports
    }
}
