//! Checks of a container's addresses: in the subnet, free, and used once.

use std::net::IpAddr;

use super::network::{FamilyView, reserved, view};
use super::{ContainerField, NetworkField, Place, Problem};
use crate::host::{Driver, Endpoint, Family, Host, Network};

/// An address in use: network, address, container, endpoint.
type Used = (usize, IpAddr, usize, usize);

pub(super) fn check(host: &Host, problems: &mut Vec<Problem>) {
    let mut used: Vec<Used> = Vec::new();
    for (container_index, container) in host.containers.iter().enumerate() {
        for (endpoint_index, endpoint) in container.endpoints.iter().enumerate() {
            let place = |field| Place::container(container_index, field);
            let Some(network) = host.networks.get(endpoint.network) else {
                let message = format!(
                    "container `{}` is in a network that is not there",
                    container.name
                );
                problems.push(Problem::error(
                    place(ContainerField::Endpoint(endpoint_index)),
                    message,
                ));
                continue;
            };
            if network.driver == Driver::Bridge {
                check_presence(
                    endpoint,
                    network,
                    place(ContainerField::Endpoint(endpoint_index)),
                    problems,
                );
            }
            for (family, address) in addresses(endpoint) {
                used.push((endpoint.network, address, container_index, endpoint_index));
                let place = place(ContainerField::Address(endpoint_index, family));
                match view(network, family) {
                    Some(view) => {
                        check_address(endpoint.network, network, view, address, place, problems);
                    }
                    None => problems.push(
                        Problem::error(
                            place,
                            format!(
                                "network `{}` has no {family}, so {address} cannot be in it",
                                network.name
                            ),
                        )
                        .related(
                            Place::network(endpoint.network, NetworkField::Name),
                            "the network",
                        )
                        .help(format!(
                            "remove the address, or give the network its {family} subnet"
                        )),
                    ),
                }
            }
        }
    }
    check_unique(host, used, problems);
}

fn addresses(endpoint: &Endpoint) -> impl Iterator<Item = (Family, IpAddr)> {
    let ipv4 = endpoint.ipv4.map(|address| (Family::Ipv4, address.into()));
    let ipv6 = endpoint.ipv6.map(|address| (Family::Ipv6, address.into()));
    ipv4.into_iter().chain(ipv6)
}

/// dockerd gives every endpoint an IPv4 address when the network has IPv4; IPv6 can be switched
/// off by a sysctl of the container.
fn check_presence(
    endpoint: &Endpoint,
    network: &Network,
    place: Place,
    problems: &mut Vec<Problem>,
) {
    let help = "write the address that `docker inspect` shows for this network";
    if endpoint.ipv4.is_none() && endpoint.ipv6.is_none() {
        problems.push(
            Problem::error(
                place,
                format!("the container has no address in network `{}`", network.name),
            )
            .help(help),
        );
    } else if endpoint.ipv4.is_none() && network.ipv4.is_some() {
        problems.push(
            Problem::warning(
                place,
                format!(
                    "the container has no IPv4 address in network `{}`, although the network has \
                     IPv4; no IPv4 rule is made for it",
                    network.name
                ),
            )
            .help(help),
        );
    }
}

/// Whether a container, or swarm's sandbox, may have an address.
pub(super) fn check_address(
    network_index: usize,
    network: &Network,
    view: FamilyView,
    address: IpAddr,
    place: Place,
    problems: &mut Vec<Problem>,
) {
    let subnet = view.subnet.trunc();
    let at = |field| Place::network(network_index, field);
    let name = &network.name;
    if !subnet.contains(&address) {
        problems.push(
            Problem::error(
                place,
                format!("{address} is not in the subnet {subnet} of network `{name}`"),
            )
            .related(at(NetworkField::Subnet(view.family)), "the subnet")
            .help(format!(
                "write an address of {subnet}; `docker inspect` shows the container's"
            )),
        );
    } else if let Some(what) = reserved(subnet, address) {
        problems.push(
            Problem::error(place, format!("{address} is the {what} of {subnet}"))
                .related(at(NetworkField::Subnet(view.family)), "the subnet")
                .help("Docker gives it to no container"),
        );
    } else if view.gateway == Some(address) {
        problems.push(
            Problem::error(
                place,
                format!("{address} is the gateway of network `{name}`"),
            )
            .related(at(NetworkField::Gateway(view.family)), "the gateway")
            .help("the bridge has this address; write the container's own"),
        );
    }
}

fn check_unique(host: &Host, mut used: Vec<Used>, problems: &mut Vec<Problem>) {
    used.sort_unstable();
    let same = |a: &Used, b: &Used| (a.0, a.1) == (b.0, b.1);
    let mut found = Vec::new();
    for group in used.chunk_by(same) {
        if let Some((first, rest)) = group.split_first() {
            found.extend(
                rest.iter()
                    .map(|later| (later.2, later.3, later.1, first.2, first.3)),
            );
        }
    }
    found.sort_unstable();
    for (container, endpoint, address, first_container, first_endpoint) in found {
        let family = if address.is_ipv4() {
            Family::Ipv4
        } else {
            Family::Ipv6
        };
        let owner = host
            .containers
            .get(first_container)
            .map_or("", |c| c.name.as_str());
        let field = |endpoint| ContainerField::Address(endpoint, family);
        problems.push(
            Problem::error(
                Place::container(container, field(endpoint)),
                format!("{address} is the address of container `{owner}` already"),
            )
            .related(
                Place::container(first_container, field(first_endpoint)),
                format!("the address of `{owner}`"),
            )
            .help("every container has an address of its own"),
        );
    }
}
