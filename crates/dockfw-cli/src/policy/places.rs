//! Where the elements of the host model stand in the policy files.

use std::collections::BTreeMap;

use dockfw_lower::docker::check::{ContainerField, IngressField, NetworkField, Place};
use dockfw_lower::host::Family;

use super::report::Span;

/// Where the elements of a host stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    pub(super) networks: Vec<NetworkPlaces>,
    pub(super) containers: Vec<ContainerPlaces>,
    /// Links, by container and index into its links; few containers have any.
    pub(super) links: BTreeMap<(usize, usize), Span>,
    pub(super) ingress: IngressPlaces,
}

/// Where swarm's routing mesh stands, which may be in several files.
#[derive(Debug, Clone, Default)]
pub(super) struct IngressPlaces {
    pub(super) sandbox: Option<Span>,
    pub(super) publish: Vec<Span>,
}

/// Where a network and its fields stand.
#[derive(Debug, Clone)]
pub(super) struct NetworkPlaces {
    /// The name, or the table's header when it has none.
    pub(super) name: Span,
    /// The fields that are written.
    pub(super) fields: Vec<(NetworkField, Span)>,
}

/// Where a container and its parts stand; 8 bytes for each publish.
#[derive(Debug, Clone)]
pub(super) struct ContainerPlaces {
    /// The name, or the table's header when it has none.
    pub(super) name: Span,
    pub(super) endpoints: Vec<EndpointPlaces>,
    /// The first byte and the byte after the last of each publish, in the source of `name`.
    pub(super) publish: Vec<(u32, u32)>,
}

/// Where a container's connection to a network stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct EndpointPlaces {
    /// The name of the network.
    pub(super) network: Span,
    pub(super) ipv4: Option<Span>,
    pub(super) ipv6: Option<Span>,
}

impl Places {
    /// Where an element stands; a field that is not written stands where its owner does.
    pub(super) fn find(&self, place: Place) -> Span {
        match place {
            Place::Network { network, field } => self
                .networks
                .get(network)
                .map(|network| network.find(field)),
            Place::Container { container, field } => {
                let link = match field {
                    ContainerField::Link(link) => self.links.get(&(container, link)).copied(),
                    ContainerField::Name
                    | ContainerField::Endpoint(_)
                    | ContainerField::Address(..)
                    | ContainerField::Publish(_) => None,
                };
                link.or_else(|| Some(self.containers.get(container)?.find(field)))
            }
            Place::Ingress(field) => self.ingress.find(field),
        }
        .unwrap_or_default()
    }
}

impl NetworkPlaces {
    fn find(&self, field: NetworkField) -> Span {
        let written = self.fields.iter().find(|(written, _)| *written == field);
        written.map_or(self.name, |(_, span)| *span)
    }
}

impl IngressPlaces {
    fn find(&self, field: IngressField) -> Option<Span> {
        let publish = match field {
            IngressField::Sandbox => None,
            IngressField::Publish(publish) => self.publish.get(publish).copied(),
        };
        publish.or(self.sandbox)
    }
}

impl ContainerPlaces {
    fn find(&self, field: ContainerField) -> Span {
        let found = match field {
            ContainerField::Name | ContainerField::Link(_) => None,
            ContainerField::Endpoint(endpoint) => {
                self.endpoints.get(endpoint).map(|places| places.network)
            }
            ContainerField::Address(endpoint, family) => {
                self.endpoints
                    .get(endpoint)
                    .and_then(|places| match family {
                        Family::Ipv4 => places.ipv4,
                        Family::Ipv6 => places.ipv6,
                    })
            }
            ContainerField::Publish(publish) => {
                let span = self.publish.get(publish).copied();
                span.map(|(start, end)| Span {
                    start,
                    end,
                    ..self.name
                })
            }
        };
        found.unwrap_or(self.name)
    }
}
