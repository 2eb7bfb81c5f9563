//! Checks of networks: subnets, gateways, gateway modes, bridge devices.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};

use super::{NetworkField, Place, Problem};
use crate::host::{Driver, Family, GatewayMode, Host, Network};

/// One family of a network, whichever it is.
#[derive(Clone, Copy)]
pub(super) struct FamilyView {
    pub(super) family: Family,
    pub(super) subnet: IpNet,
    pub(super) gateway: Option<IpAddr>,
    pub(super) gateway_mode: GatewayMode,
}

/// A family of a network, if it has it.
pub(super) fn view(network: &Network, family: Family) -> Option<FamilyView> {
    match family {
        Family::Ipv4 => network.ipv4.map(|ipv4| FamilyView {
            family,
            subnet: ipv4.subnet.into(),
            gateway: ipv4.gateway.map(Into::into),
            gateway_mode: ipv4.gateway_mode,
        }),
        Family::Ipv6 => network.ipv6.map(|ipv6| FamilyView {
            family,
            subnet: ipv6.subnet.into(),
            gateway: ipv6.gateway.map(Into::into),
            gateway_mode: ipv6.gateway_mode,
        }),
    }
}

pub(super) fn check(host: &Host, problems: &mut Vec<Problem>) {
    for (index, network) in host.networks.iter().enumerate() {
        let needs_subnet = match network.driver {
            Driver::Bridge | Driver::Ipvlan | Driver::Macvlan => true,
            Driver::Overlay | Driver::Host | Driver::None => false,
        };
        if needs_subnet && network.ipv4.is_none() && network.ipv6.is_none() {
            problems.push(
                Problem::error(
                    Place::network(index, NetworkField::Name),
                    format!("network `{}` has no subnet", network.name),
                )
                .help(format!(
                    "write subnets = [...] as `docker network inspect {}` shows them",
                    network.name
                )),
            );
        }
        for family in [Family::Ipv4, Family::Ipv6] {
            if let Some(view) = view(network, family) {
                check_family(index, network, view, problems);
            }
        }
        if network.driver == Driver::Bridge && network.bridge.is_none() {
            problems.push(Problem::error(
                Place::network(index, NetworkField::Name),
                format!("network `{}` has no bridge device", network.name),
            ));
        }
    }
    check_bridge_names(host, problems);
    check_overlaps(host, Family::Ipv4, problems);
    check_overlaps(host, Family::Ipv6, problems);
}

fn check_family(index: usize, network: &Network, view: FamilyView, problems: &mut Vec<Problem>) {
    let FamilyView {
        family,
        subnet,
        gateway,
        gateway_mode,
    } = view;
    let name = &network.name;
    let subnet_place = Place::network(index, NetworkField::Subnet(family));
    let gateway_place = Place::network(index, NetworkField::Gateway(family));
    if subnet != subnet.trunc() {
        problems.push(
            Problem::error(
                subnet_place,
                format!("{subnet} is not a subnet: it has bits beyond the prefix length"),
            )
            .help(format!("write {}", subnet.trunc())),
        );
    } else if let IpNet::V6(ipv6) = subnet {
        check_ipv6_subnet(subnet_place, ipv6, problems);
    }
    if let Some(gateway) = gateway {
        if !subnet.contains(&gateway) {
            problems.push(
                Problem::error(
                    gateway_place,
                    format!("the gateway {gateway} is not in the subnet {subnet}"),
                )
                .related(subnet_place, "the subnet")
                .help(format!(
                    "write the bridge's address, which is in {}",
                    subnet.trunc()
                )),
            );
        } else if let Some(what) = reserved(subnet, gateway) {
            problems.push(
                Problem::error(
                    gateway_place,
                    format!("the gateway {gateway} is the {what} of {}", subnet.trunc()),
                )
                .related(subnet_place, "the subnet"),
            );
        }
    }
    if gateway_mode == GatewayMode::Isolated && !network.internal {
        problems.push(
            Problem::error(
                Place::network(index, NetworkField::GatewayMode(family)),
                format!("gateway mode `isolated` needs an internal network, `{name}` is not"),
            )
            .help("set internal = true, or use gateway mode nat, nat-unprotected or routed"),
        );
    }
}

fn check_ipv6_subnet(place: Place, subnet: Ipv6Net, problems: &mut Vec<Problem>) {
    let link_local = Ipv6Net::new_assert(std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 64);
    if subnet.network().is_multicast() {
        problems.push(
            Problem::error(place, format!("{subnet} is multicast"))
                .help("write a unicast subnet, for example fd00:0:0:1::/64"),
        );
    } else if subnet != link_local && overlap(subnet.into(), link_local.into()) {
        problems.push(
            Problem::error(
                place,
                format!("{subnet} overlaps the link-local subnet {link_local}"),
            )
            .help(format!("write {link_local} itself, or a subnet outside it")),
        );
    }
}

/// What an address is to its subnet, when dockerd gives it to nobody.
///
/// Source: moby docker-v29.0.0, `daemon/libnetwork/ipams/defaultipam/address_space.go`.
pub(super) fn reserved(subnet: IpNet, address: IpAddr) -> Option<&'static str> {
    let point_to_point = matches!(subnet, IpNet::V4(ipv4) if ipv4.prefix_len() >= 31);
    if point_to_point {
        None
    } else if address == subnet.network() {
        Some("network address")
    } else if address.is_ipv4() && address == subnet.broadcast() {
        Some("broadcast address")
    } else {
        None
    }
}

fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

fn check_bridge_names(host: &Host, problems: &mut Vec<Problem>) {
    let mut names: Vec<_> = bridges(host)
        .filter_map(|(index, network)| Some((network.bridge.as_ref()?, index)))
        .collect();
    names.sort_unstable();
    for group in names.chunk_by(|a, b| a.0 == b.0) {
        let Some(((bridge, first), rest)) = group.split_first() else {
            continue;
        };
        for (_, later) in rest {
            if same_name(host, *first, *later) {
                continue;
            }
            problems.push(
                Problem::error(
                    Place::network(*later, NetworkField::Bridge),
                    format!("the bridge device {bridge} belongs to another network already"),
                )
                .related(
                    Place::network(*first, NetworkField::Bridge),
                    "first used here",
                )
                .help("every bridge network has a device of its own"),
            );
        }
    }
}

fn check_overlaps(host: &Host, family: Family, problems: &mut Vec<Problem>) {
    let mut subnets: Vec<_> = bridges(host)
        .filter_map(|(index, network)| Some((view(network, family)?.subnet.trunc(), index)))
        .collect();
    subnets.sort_unstable_by_key(|(subnet, index)| (subnet.network(), subnet.prefix_len(), *index));
    // Two subnets either contain one another or have nothing in common, so that one that reaches
    // farthest so far is all that a later one has to be compared with.
    let mut open: Option<(IpNet, usize)> = None;
    let mut found = Vec::new();
    for (subnet, index) in subnets {
        match open {
            Some((wider, owner)) if wider.contains(&subnet.network()) => {
                found.push((owner.max(index), owner.min(index)));
            }
            Some(_) | None => open = Some((subnet, index)),
        }
    }
    found.sort_unstable();
    for (later, earlier) in found {
        let shown = |index: usize| {
            let network = host.networks.get(index)?;
            Some((network.name.as_str(), view(network, family)?.subnet.trunc()))
        };
        let (Some((_, subnet)), Some((name, other))) = (shown(later), shown(earlier)) else {
            continue;
        };
        if same_name(host, earlier, later) {
            continue;
        }
        problems.push(
            Problem::error(
                Place::network(later, NetworkField::Subnet(family)),
                format!("{subnet} overlaps the subnet {other} of network `{name}`"),
            )
            .related(
                Place::network(earlier, NetworkField::Subnet(family)),
                format!("the subnet of `{name}`"),
            )
            .help("subnets of bridge networks must not overlap"),
        );
    }
}

/// True for a network that is written twice; that is reported once, not for each of its fields.
fn same_name(host: &Host, a: usize, b: usize) -> bool {
    let name = |index: usize| {
        host.networks
            .get(index)
            .map(|network| network.name.as_str())
    };
    name(a) == name(b)
}

fn bridges(host: &Host) -> impl Iterator<Item = (usize, &Network)> {
    host.networks
        .iter()
        .enumerate()
        .filter(|(_, network)| network.driver == Driver::Bridge)
}
