//! Checks of swarm's routing mesh: where its sandbox is, and what services publish.

use std::net::IpAddr;

use super::endpoint::check_address;
use super::network::view;
use super::{IngressField, NetworkField, Place, Problem};
use crate::docker::publish::Publish;
use crate::host::{DOCKER_GWBRIDGE, Family, Host};

/// Where an operator finds the address.
const WHERE: &str = "`docker network inspect docker_gwbridge` shows the sandbox as ingress-sbox";

pub(super) fn check(host: &Host, problems: &mut Vec<Problem>) {
    let Some(ingress) = &host.ingress else {
        return;
    };
    let sandbox = Place::Ingress(IngressField::Sandbox);
    match host.mesh() {
        None => problems.push(
            Problem::error(
                sandbox,
                format!("the ingress sandbox needs a bridge network `{DOCKER_GWBRIDGE}`"),
            )
            .help(format!(
                "add it as [[network]] with bridge = \"{DOCKER_GWBRIDGE}\" and its subnet and \
                 options, as `docker network inspect {DOCKER_GWBRIDGE}` shows them"
            )),
        ),
        Some((_, index, network)) => {
            let name = Place::network(index, NetworkField::Name);
            match view(network, Family::Ipv4) {
                Some(view) if !network.internal => {
                    let address = ingress.sandbox.into();
                    let before = problems.len();
                    check_address(index, network, view, address, sandbox, problems);
                    for problem in problems.iter_mut().skip(before) {
                        problem.help = Some(WHERE.to_owned());
                    }
                    check_free(host, index, address, problems);
                }
                Some(_) => problems.push(
                    Problem::error(name, format!("network `{DOCKER_GWBRIDGE}` is internal"))
                        .help("services are reached through it; remove `internal`"),
                ),
                None => problems.push(
                    Problem::error(name, format!("network `{DOCKER_GWBRIDGE}` has no IPv4"))
                        .help("swarm publishes ports by IPv4; add the network's IPv4 subnet"),
                ),
            }
        }
    }
    for (at, publish) in ingress.publish.iter().enumerate() {
        let place = Place::Ingress(IngressField::Publish(at));
        problems.extend(check_publish(publish, place));
    }
}

fn check_free(host: &Host, network: usize, address: IpAddr, problems: &mut Vec<Problem>) {
    for container in &host.containers {
        let mut endpoints = container.endpoints.iter();
        let taken = endpoints.any(|endpoint| {
            endpoint.network == network && endpoint.ipv4.map(IpAddr::V4) == Some(address)
        });
        if taken {
            let message = format!(
                "{address} is the address of container `{}` already",
                container.name
            );
            let place = Place::Ingress(IngressField::Sandbox);
            problems.push(Problem::error(place, message).help(WHERE));
        }
    }
}

/// Source: docker/cli v29.0.0, `opts/swarmopts/port.go`: a host address is refused.
fn check_publish(publish: &Publish, place: Place) -> Option<Problem> {
    let bare = Publish {
        host: None,
        ..*publish
    };
    if publish.host.is_some() {
        let message = format!("`{publish}` names a host address, which a service cannot choose");
        let help = format!("write \"{bare}\"; the routing mesh listens on every address");
        return Some(Problem::error(place, message).help(help));
    }
    if publish.definite_host_ports().is_none() {
        let message = format!("`{publish}` does not say which host port swarm chose");
        let help = "write the published port that `docker service inspect` shows";
        return Some(Problem::error(place, message).help(help));
    }
    None
}
