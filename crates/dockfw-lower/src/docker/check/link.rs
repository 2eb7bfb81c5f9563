//! Checks of legacy links: do they connect two containers, and do they open anything?

use super::{ContainerField, Place, Problem};
use crate::docker::link::exposed;
use crate::host::{Container, DEFAULT_BRIDGE, Host};

pub(super) fn check(host: &Host, problems: &mut Vec<Problem>) {
    for (index, container) in host.containers.iter().enumerate() {
        for (at, server) in container.links.iter().enumerate() {
            let place = Place::container(index, ContainerField::Link(at));
            let found = match host.containers.get(*server) {
                _ if *server == index => Some(
                    Problem::error(
                        place,
                        format!("container `{}` is linked to itself", container.name),
                    )
                    .help("a link leads to another container; remove it"),
                ),
                Some(server) => pair(host, container, server, place),
                None => Some(Problem::error(
                    place,
                    format!(
                        "container `{}` is linked to a container that is not there",
                        container.name
                    ),
                )),
            };
            problems.extend(found);
        }
    }
}

/// What is wrong with a link from a client to a server.
///
/// Source: moby docker-v29.0.0, `daemon/container_operations_unix.go`,
/// `setupLinkedContainers`; on other networks a link is an alias only,
/// `daemon/container_operations.go`, `buildEndpointOptions`.
fn pair(host: &Host, client: &Container, server: &Container, place: Place) -> Option<Problem> {
    let is_default = |at: usize| {
        let network = host.networks.get(at);
        network.is_some_and(|network| network.name == DEFAULT_BRIDGE)
    };
    let has_default = |container: &Container| {
        let mut endpoints = container.endpoints.iter();
        endpoints.any(|endpoint| is_default(endpoint.network))
    };
    if !has_default(client) {
        let message = format!(
            "the link has no effect on packets: container `{}` is not in Docker's default network \
             `{DEFAULT_BRIDGE}`",
            client.name
        );
        let help = "on other networks a link is a name for the resolver only; remove it here";
        return Some(Problem::warning(place, message).help(help));
    }
    if !has_default(server) {
        let message = format!(
            "container `{}` is linked to, but is not in Docker's default network \
             `{DEFAULT_BRIDGE}`",
            server.name
        );
        let help = format!(
            "write networks.{DEFAULT_BRIDGE} = [...] for `{}`, or remove the link",
            server.name
        );
        return Some(Problem::error(place, message).help(help));
    }
    let mut networks = host.networks.iter();
    let is_closed = networks.any(|network| network.name == DEFAULT_BRIDGE && !network.icc);
    if is_closed && exposed(server).is_empty() {
        let message = format!(
            "the link opens nothing: container `{}` exposes no port",
            server.name
        );
        let help = format!(
            "write expose = [...] for `{}` as `docker inspect` shows its ExposedPorts",
            server.name
        );
        return Some(Problem::warning(place, message).help(help));
    }
    None
}
