//! Checks of published ports: does each lead somewhere, and to one container only?

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::claims::{Claims, Conflict};
use super::network::view;
use super::{ContainerField, IngressField, NetworkField, Place, Problem};
use crate::docker::binding::{Mapping, MappingKind, for_each_mapping};
use crate::docker::gateway::gateway_endpoints;
use crate::docker::publish::Publish;
use crate::host::{Container, Driver, Endpoint, Family, GatewayMode, Host, Network};

/// What becomes of one publish, over all networks and families.
#[derive(Clone, Copy, Default)]
struct Outcome {
    /// The kernel maps host ports to it.
    nat: bool,
    /// docker-proxy relays host ports to it.
    proxied: bool,
    /// The container's address is opened, host ports play no part.
    routed: bool,
}

pub(super) fn check(host: &Host, problems: &mut Vec<Problem>) {
    let mut claims = Claims::default();
    let mut outcomes = Vec::new();
    let mut first_owner = 0_u32;
    for (index, container) in host.containers.iter().enumerate() {
        if container.publish.is_empty() {
            continue;
        }
        if let Some(problem) = unpublishable(host, index, container) {
            problems.push(problem);
        } else {
            outcomes.clear();
            outcomes.resize(container.publish.len(), Outcome::default());
            for_each_mapping(host, container, |publish_index, publish, mapping| {
                note(
                    &mut outcomes,
                    &mut claims,
                    first_owner,
                    (publish_index, publish, mapping),
                );
            });
            for ((at, publish), outcome) in container.publish.iter().enumerate().zip(&outcomes) {
                let place = Place::container(index, ContainerField::Publish(at));
                problems.extend(judge(host, container, publish, *outcome, place));
            }
        }
        let count = u32::try_from(container.publish.len()).unwrap_or(u32::MAX);
        first_owner = first_owner.saturating_add(count);
    }
    let services = host.ingress.iter().flat_map(|ingress| &ingress.publish);
    for (publish, owner) in services.zip(first_owner..) {
        // dockerd listens on the port in both families, so that nobody else takes it.
        for address in [
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ] {
            if let Some(ports) = publish.definite_host_ports() {
                claims.add(address, publish.protocol, ports, owner);
            }
        }
    }
    report(host, &claims.conflicts(), problems);
}

fn note(
    outcomes: &mut [Outcome],
    claims: &mut Claims,
    first_owner: u32,
    (publish_index, publish, mapping): (usize, &Publish, Mapping),
) {
    let Some(outcome) = outcomes.get_mut(publish_index) else {
        return;
    };
    match mapping.kind {
        MappingKind::Routed => outcome.routed = true,
        MappingKind::Nat | MappingKind::Proxied => {
            outcome.nat |= mapping.kind == MappingKind::Nat;
            outcome.proxied |= mapping.kind == MappingKind::Proxied;
            if let (Some(ports), Ok(offset)) =
                (publish.definite_host_ports(), u32::try_from(publish_index))
            {
                let owner = first_owner.saturating_add(offset);
                claims.add(mapping.host_address, publish.protocol, ports, owner);
            }
        }
    }
}

/// Why none of a container's publishes can have an effect, if that is so.
fn unpublishable(host: &Host, index: usize, container: &Container) -> Option<Problem> {
    let place = Place::container(index, ContainerField::Publish(0));
    let name = &container.name;
    if container.endpoints.is_empty() {
        let message = format!("container `{name}` publishes ports but is in no network");
        let help = "write networks.<name> = [addresses] as `docker inspect` shows them";
        return Some(Problem::error(place, message).help(help));
    }
    let mut bridges = networks(host, container).filter(|network| network.driver == Driver::Bridge);
    if let Some(first) = bridges.next() {
        if !first.internal || bridges.any(|network| !network.internal) {
            return None;
        }
        let at = container
            .endpoints
            .iter()
            .find(|e| is_bridge(host, e))
            .map_or(0, |e| e.network);
        let message = format!(
            "container `{name}` publishes ports, but network `{}` is internal, so they have no effect",
            first.name
        );
        return Some(
            Problem::warning(place, message)
                .related(Place::network(at, NetworkField::Internal), "internal")
                .help("remove the publish, or connect the container to a network that is not internal"),
        );
    }
    let drivers = networks(host, container).map(|network| network.driver.to_string());
    let drivers = drivers.collect::<Vec<_>>().join(", ");
    let message = format!(
        "container `{name}` publishes ports but is in no bridge network (driver: {drivers}), so \
         they have no effect"
    );
    let help = "Docker publishes ports through bridge networks only; remove the publish";
    Some(Problem::warning(place, message).help(help))
}

fn networks<'a>(host: &'a Host, container: &'a Container) -> impl Iterator<Item = &'a Network> {
    container
        .endpoints
        .iter()
        .filter_map(|endpoint| host.networks.get(endpoint.network))
}

fn is_bridge(host: &Host, endpoint: &Endpoint) -> bool {
    host.networks
        .get(endpoint.network)
        .is_some_and(|network| network.driver == Driver::Bridge)
}

/// What is wrong with one publish of a container that has a usable bridge network.
fn judge(
    host: &Host,
    container: &Container,
    publish: &Publish,
    outcome: Outcome,
    place: Place,
) -> Option<Problem> {
    if outcome.nat {
        if publish.definite_host_ports().is_some() {
            return open_besides(host, container, publish, outcome, place);
        }
        let name = &container.name;
        let (message, help) = match publish.host_ports {
            None => (
                format!("`{publish}` names no host port, so dockerd chooses one at start"),
                format!("write the host port that `docker port {name}` shows"),
            ),
            Some(ports) => (
                format!("`{publish}` lets dockerd take any free host port of {ports}"),
                format!("write the one that `docker port {name}` shows"),
            ),
        };
        return Some(Problem::error(place, message).help(help));
    }
    if outcome.proxied {
        return open_besides(host, container, publish, outcome, place);
    }
    if outcome.routed {
        let ignored = match (publish.host, publish.host_ports) {
            (Some(address), Some(_)) if !address.is_unspecified() => {
                "host address and host port are"
            }
            (Some(address), None) if !address.is_unspecified() => "host address is",
            (_, Some(_)) => "host port is",
            (_, None) => return None,
        };
        let bare = Publish {
            host: None,
            host_ports: None,
            ..*publish
        };
        return Some(
            Problem::warning(
                place,
                format!("the {ignored} ignored, because the network's gateway mode is routed"),
            )
            .help(format!(
                "write \"{bare}\"; the port is open on the container's own address"
            )),
        );
    }
    Some(unmapped(host, container, publish, place))
}

/// Says that a host address which limits a publish in one network does not in another one, whose
/// gateway mode is routed: there the port is open to everybody.
///
/// Nothing is said of a host port alone, which the first network needs.
///
/// Source: moby docker-v29.0.0, `daemon/libnetwork/drivers/bridge/port_mapping_linux.go`: the host
/// address of a routed mapping is replaced by the unspecified one.
fn open_besides(
    host: &Host,
    container: &Container,
    publish: &Publish,
    outcome: Outcome,
    place: Place,
) -> Option<Problem> {
    let address = publish.host.filter(|of| !of.is_unspecified())?;
    if !outcome.routed {
        return None;
    }
    let family = match address {
        IpAddr::V4(_) => Family::Ipv4,
        IpAddr::V6(_) => Family::Ipv6,
    };
    let is_routed = |network: &Network| {
        let mode = view(network, family).map(|of| of.gateway_mode);
        network.driver == Driver::Bridge && !network.internal && mode == Some(GatewayMode::Routed)
    };
    let mut endpoints = container.endpoints.iter().map(|endpoint| endpoint.network);
    let at = endpoints.find(|at| host.networks.get(*at).is_some_and(is_routed))?;
    let name = &host.networks.get(at)?.name;
    let message = format!(
        "the host address is ignored in network `{name}`, because its gateway mode is routed: \
         port {} is open on the container's own address there",
        publish.container_ports
    );
    Some(
        Problem::warning(place, message)
            .related(
                Place::network(at, NetworkField::GatewayMode(family)),
                "routed",
            )
            .help("disconnect the container from that network if the port is for one address only"),
    )
}

/// Why a publish leads nowhere, although the container is in a bridge network.
fn unmapped(host: &Host, container: &Container, publish: &Publish, place: Place) -> Problem {
    let gateways = gateway_endpoints(host, container);
    let default = networks(host, container)
        .find(|network| network.driver == Driver::Bridge && !network.internal)
        .map(|network| network.host_binding);
    let address = publish.host.or(default);
    let ipv6 = address.is_some_and(|address| address.is_ipv6());
    let (family, gateway) = if ipv6 {
        ("IPv6", gateways.ipv6)
    } else {
        ("IPv4", gateways.ipv4)
    };
    let other = gateway
        .and_then(|endpoint| container.endpoints.get(endpoint))
        .and_then(|endpoint| host.networks.get(endpoint.network))
        .filter(|network| network.driver != Driver::Bridge);
    let shown = address.map_or_else(String::new, |address| match (publish.host, address) {
        (Some(_), IpAddr::V4(address)) => format!("the host address {address} is {family}"),
        (Some(_), IpAddr::V6(address)) => format!("the host address {address} is {family}"),
        (None, address) => format!("the network's default host address {address} is {family}"),
    });
    if let Some(network) = other {
        return Problem::warning(
            place,
            format!(
                "`{publish}` has no effect: the container's {family} gateway is network `{}` \
                 (driver {}), and Docker maps ports on the gateway's network",
                network.name, network.driver
            ),
        )
        .help("give the bridge network the highest gw-priority, or remove the publish");
    }
    let why = if ipv6 && gateways.ipv4.is_some() {
        "the container has only IPv4 and userland-proxy is false"
    } else if ipv6 {
        "the container has no IPv6 address to map it to"
    } else {
        "the container has no IPv4 address to map it to"
    };
    Problem::warning(
        place,
        format!("`{publish}` has no effect: {shown}, but {why}"),
    )
    .help("write a host address of the container's family, or remove the publish")
}

/// Turns conflicts into problems, one for each publish that comes too late.
fn report(host: &Host, conflicts: &[Conflict], problems: &mut Vec<Problem>) {
    if conflicts.is_empty() {
        return;
    }
    // The number of publishes before each container, and before swarm's services.
    let mut before = Vec::with_capacity(host.containers.len());
    let mut count = 0_usize;
    for container in &host.containers {
        before.push(count);
        count += container.publish.len();
    }
    before.push(count);
    let find = |owner: u32| {
        let owner = usize::try_from(owner).ok()?;
        let index = before
            .partition_point(|first| *first <= owner)
            .checked_sub(1)?;
        let at = owner - before.get(index)?;
        if let Some(container) = host.containers.get(index) {
            let place = Place::container(index, ContainerField::Publish(at));
            return Some((
                place,
                Owner::Container(container),
                container.publish.get(at)?,
            ));
        }
        let place = Place::Ingress(IngressField::Publish(at));
        let publish = host.ingress.as_ref()?.publish.get(at)?;
        Some((place, Owner::Swarm, publish))
    };
    for group in conflicts.chunk_by(|a, b| a.later == b.later) {
        let Some(first) = group.first() else { continue };
        let (Some((place, later_owner, publish)), Some((_, owner, earlier))) =
            (find(first.later), find(first.earlier))
        else {
            continue;
        };
        let Conflict { ports, address, .. } = *first;
        let on = match address {
            address if address.is_unspecified() => String::new(),
            IpAddr::V4(address) => format!(" of {address}"),
            IpAddr::V6(address) => format!(" of [{address}]"),
        };
        let what = if ports.count() == 1 { "port" } else { "ports" };
        let by = match (later_owner, owner) {
            (Owner::Container(later), Owner::Container(owner)) if std::ptr::eq(later, owner) => {
                "the same container".to_owned()
            }
            (_, owner) => owner.to_string(),
        };
        let verb = if ports.count() == 1 { "is" } else { "are" };
        let message = format!(
            "host {what} {ports}/{}{on} {verb} published by {by} already",
            publish.protocol
        );
        let mut problem = Problem::error(place, message).help(advice(publish, earlier));
        for conflict in group {
            if let Some((place, owner, _)) = find(conflict.earlier) {
                problem = problem.related(place, format!("published here, by {owner}"));
            }
        }
        problems.push(problem);
    }
}

/// Who publishes a port.
#[derive(Clone, Copy)]
enum Owner<'h> {
    Container(&'h Container),
    Swarm,
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(container) => write!(f, "container `{}`", container.name),
            Self::Swarm => f.write_str("a swarm service"),
        }
    }
}

fn advice(later: &Publish, earlier: &Publish) -> &'static str {
    let everywhere = |publish: &Publish| publish.host.is_none_or(|host| host.is_unspecified());
    match (everywhere(later), everywhere(earlier)) {
        (true, true) => "choose another host port, or give each publish a host address of its own",
        (false, false) => "choose another host port or another host address",
        (true, false) | (false, true) => {
            "a publish without a host address listens on all of them; choose another host port, or \
             give both a host address"
        }
    }
}
