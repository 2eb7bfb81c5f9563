//! What a commit changes, in the words of Docker.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use dockfw_lower::docker::publish::{Protocol, Publish};
use dockfw_lower::host::{Container, Host};

/// What a commit changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Containers that are new or different.
    pub(super) came: Vec<Container>,
    /// Containers that are gone or different, as they were.
    pub(super) went: Vec<Container>,
    /// Networks that are new or different.
    pub(super) networks_came: Vec<String>,
    /// Networks that are gone, or different.
    pub(super) networks_went: Vec<String>,
    /// More than containers: networks, options, the operator's rules.
    pub(super) skeleton: bool,
    /// Addresses that do not belong to the container any more that had them, whatever it is called.
    pub(super) gone: BTreeSet<IpAddr>,
}

/// A container as others see it: what it is does not depend on the places of networks.
#[derive(PartialEq)]
struct Seen<'h> {
    endpoints: Vec<(&'h str, Vec<IpAddr>, i64)>,
    publish: &'h [Publish],
}

impl<'h> Seen<'h> {
    fn of(host: &'h Host, container: &'h Container) -> Self {
        let endpoints = container.endpoints.iter().map(|of| {
            let network = host.networks.get(of.network);
            let name = network.map_or("", |network| network.name.as_str());
            (name, addresses_of(of).collect(), of.gw_priority)
        });
        Self {
            endpoints: endpoints.collect(),
            publish: &container.publish,
        }
    }
}

fn addresses_of(endpoint: &dockfw_lower::host::Endpoint) -> impl Iterator<Item = IpAddr> {
    let ipv4 = endpoint.ipv4.map(IpAddr::V4);
    ipv4.into_iter().chain(endpoint.ipv6.map(IpAddr::V6))
}

impl Changes {
    /// From one host to another.
    pub(super) fn between(old: Option<&Host>, new: &Host) -> Self {
        let nothing = Host::default();
        let was = old.unwrap_or(&nothing);
        let by_name = |host: &'_ Host| -> BTreeMap<String, usize> {
            let names = host.containers.iter().map(|of| of.name.clone());
            names.zip(0..).collect()
        };
        let (before, after) = (by_name(was), by_name(new));
        let differ = |from: (&Host, &BTreeMap<String, usize>),
                      to: (&Host, &BTreeMap<String, usize>)| {
            let is_other = |container: &&Container| {
                let other = to.1.get(&container.name);
                let other = other.and_then(|place| to.0.containers.get(*place));
                other.is_none_or(|other| Seen::of(to.0, other) != Seen::of(from.0, container))
            };
            from.0.containers.iter().filter(is_other).cloned().collect()
        };
        let networks = |from: &Host, to: &Host| {
            let missing = from.networks.iter().filter(|of| !to.networks.contains(of));
            missing.map(|of| of.name.clone()).collect()
        };
        Self {
            came: differ((new, &after), (was, &before)),
            went: differ((was, &before), (new, &after)),
            networks_came: networks(new, was),
            networks_went: networks(was, new),
            skeleton: old.is_none_or(|old| {
                (&old.networks, &old.daemon, &old.ingress, &old.user)
                    != (&new.networks, &new.daemon, &new.ingress, &new.user)
            }),
            gone: BTreeSet::new(),
        }
    }

    /// Whether flows of addresses that stay may be affected: rules have changed, a container has
    /// other ports than before, or something without connections is published, whose clients may
    /// have begun before.
    pub(super) fn may_affect_others(&self) -> bool {
        let stays = |came: &Container| self.went.iter().any(|went| went.name == came.name);
        let connectionless =
            |publish: &Publish| matches!(publish.protocol, Protocol::Udp | Protocol::Sctp);
        self.skeleton
            || self
                .came
                .iter()
                .any(|came| stays(came) || came.publish.iter().any(connectionless))
    }

    /// Whether there is nothing to be told.
    pub(super) fn is_empty(&self) -> bool {
        self.came.is_empty()
            && self.went.is_empty()
            && self.networks_came.is_empty()
            && self.networks_went.is_empty()
    }
}
