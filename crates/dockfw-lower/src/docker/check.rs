//! Would dockerd accept this host, and does everything in it have an effect?
//!
//! What dockerd refuses is an error; what it drops, or only logs, is a warning.
//! Every problem names the element and field of the host model it is about; whoever built the
//! model knows where that stands in a file.
//!
//! Source: moby docker-v29.0.0, `daemon/libnetwork/drivers/bridge/bridge_linux.go`
//! (`networkConfiguration.validate`, `conflictsWithNetworks`), `daemon/libnetwork/network.go` and
//! `daemon/libnetwork/portallocator/`.

use crate::host::{Family, Host};

mod claims;
mod endpoint;
mod ingress;
mod link;
mod name;
mod network;
mod publish;

/// Something that is wrong with a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether dockerd refuses it.
    pub severity: Severity,
    /// What it is about.
    pub place: Place,
    /// Other places that explain it, and what each has to do with it.
    pub related: Vec<(Place, String)>,
    /// What is wrong: a fragment without a full stop.
    pub message: String,
    /// What would be right, if there is something to say beyond the message.
    pub help: Option<String>,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// dockerd refuses it, or dockfw cannot know what dockerd would do.
    Error,
    /// dockerd accepts it, but a part has no effect.
    Warning,
}

/// An element of the host model, and a field of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A network.
    Network {
        /// Index into [`Host::networks`].
        network: usize,
        /// Which part of it.
        field: NetworkField,
    },
    /// A container.
    Container {
        /// Index into [`Host::containers`].
        container: usize,
        /// Which part of it.
        field: ContainerField,
    },
    /// Swarm's routing mesh.
    Ingress(IngressField),
}

/// A field of [`Network`](crate::host::Network).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetworkField {
    /// The name, or the network as a whole.
    Name,
    /// The bridge device.
    Bridge,
    /// The subnet of a family.
    Subnet(Family),
    /// The gateway of a family.
    Gateway(Family),
    /// The gateway mode of a family.
    GatewayMode(Family),
    /// `internal`.
    Internal,
}

/// A field of [`Container`](crate::host::Container).
///
/// The first number is an index into its `endpoints` or its `publish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContainerField {
    /// The name, or the container as a whole.
    Name,
    /// An endpoint as a whole.
    Endpoint(usize),
    /// An endpoint's address of a family.
    Address(usize, Family),
    /// A published port.
    Publish(usize),
    /// A link: an index into its `links`.
    Link(usize),
}

/// A field of [`Ingress`](crate::host::Ingress).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IngressField {
    /// The sandbox's address, or the mesh as a whole.
    Sandbox,
    /// A published port of a service: an index into its `publish`.
    Publish(usize),
}

/// Everything dockerd would refuse or ignore, and everything whose effect cannot be known.
///
/// Networks come first, then containers, links, swarm, then published ports that collide; each in the order of
/// the model. The time grows with n log n.
pub fn check(host: &Host) -> Vec<Problem> {
    let mut problems = Vec::new();
    name::check(host, &mut problems);
    network::check(host, &mut problems);
    endpoint::check(host, &mut problems);
    link::check(host, &mut problems);
    ingress::check(host, &mut problems);
    publish::check(host, &mut problems);
    problems
}

impl Problem {
    fn error(place: Place, message: String) -> Self {
        Self {
            severity: Severity::Error,
            place,
            related: Vec::new(),
            message,
            help: None,
        }
    }

    fn warning(place: Place, message: String) -> Self {
        Self {
            severity: Severity::Warning,
            place,
            related: Vec::new(),
            message,
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn related(mut self, place: Place, note: impl Into<String>) -> Self {
        self.related.push((place, note.into()));
        self
    }
}

impl Place {
    fn network(network: usize, field: NetworkField) -> Self {
        Self::Network { network, field }
    }

    fn container(container: usize, field: ContainerField) -> Self {
        Self::Container { container, field }
    }
}

#[cfg(test)]
pub(crate) mod tests;
