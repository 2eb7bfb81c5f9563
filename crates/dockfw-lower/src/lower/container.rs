//! What one container adds to the table, without looking at any other.
//!
//! Rules, chains and sets do not depend on containers, and nearly all elements belong to one
//! container alone. So the table of a host that has only this container and its networks, less
//! that of its networks, is what the container adds to any host with these networks.

use dockfw_ir::Set;
use dockfw_ir::set::Element;

use super::link::has_links;
use super::{bridge_networks, lower};
use crate::host::{Container, Host};

/// The elements that a container adds to the table of a host, by set; the work does not grow with
/// the host.
///
/// Each set is whole but for its elements, which are only those of the container. The host gives
/// dockerd's options and the networks; its containers are not looked at, and the indexes of
/// `container` are those of the host. The same elements go when the container goes.
///
/// `None` when the elements depend on other containers: a container of the default bridge without
/// icc may have legacy links, and with the userland proxy the ports of all containers of a bridge
/// stand together. The host has to be lowered whole then.
///
/// The container must have passed [`check`](fn@crate::docker::check::check) together with the
/// others: two of them with the same address or the same host port have no meaning here.
pub fn container_elements(host: &Host, container: &Container) -> Option<Vec<Set>> {
    if host.daemon.userland_proxy && !container.publish.is_empty() {
        return None;
    }
    let mut container = container.clone();
    let mut networks = Vec::new();
    for endpoint in &mut container.endpoints {
        networks.push(host.networks.get(endpoint.network)?.clone());
        endpoint.network = networks.len() - 1;
    }
    let mut alone = Host {
        daemon: host.daemon.clone(),
        networks,
        count_publishes: host.count_publishes,
        ..Host::default()
    };
    if bridge_networks(&alone).iter().any(has_links) {
        return None;
    }
    let without = lower(&alone).tables.into_iter().next()?;
    container.links.clear();
    alone.containers.push(container);
    let with = lower(&alone).tables.into_iter().next()?;
    let mut sets = with.sets;
    for (set, old) in sets.iter_mut().zip(&without.sets) {
        subtract(&mut set.elements, &old.elements);
    }
    sets.retain(|set| !set.elements.is_empty());
    Some(sets)
}

/// Takes elements away; both are ordered by key.
fn subtract(elements: &mut Vec<Element>, old: &[Element]) {
    if !old.is_empty() {
        elements.retain(|element| old.binary_search_by(|of| of.key.cmp(&element.key)).is_err());
    }
}
