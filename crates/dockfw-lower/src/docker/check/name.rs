//! Names of networks and containers: present, plain, and used once.

use super::{ContainerField, NetworkField, Place, Problem};
use crate::host::Host;

pub(super) fn check(host: &Host, problems: &mut Vec<Problem>) {
    for (index, network) in host.networks.iter().enumerate() {
        let place = Place::network(index, NetworkField::Name);
        let name = network.name.as_str();
        if name.trim().is_empty() {
            problems.push(Problem::error(
                place,
                "the name of the network is empty".to_owned(),
            ));
        } else if name.chars().any(char::is_control) {
            let message = format!("the network name {name:?} contains control characters");
            problems.push(Problem::error(place, message));
        }
    }
    for (index, container) in host.containers.iter().enumerate() {
        let place = Place::container(index, ContainerField::Name);
        let name = container.name.as_str();
        let first = name.bytes().next();
        if first.is_none() {
            problems.push(Problem::error(
                place,
                "the name of the container is empty".to_owned(),
            ));
            continue;
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if name.bytes().all(plain) && first.is_some_and(|b| b.is_ascii_alphanumeric()) {
            continue;
        }
        let message = format!("{name:?} is not a container name");
        let help = match name.strip_prefix('/') {
            Some(rest) if !rest.is_empty() && rest.bytes().all(plain) => {
                format!("write {rest}; docker inspect puts the slash before it")
            }
            Some(_) | None => {
                "Docker's names begin with a letter or digit, then letters, digits, _ . -"
                    .to_owned()
            }
        };
        problems.push(Problem::error(place, message).help(help));
    }

    let networks = host.networks.iter().map(|network| network.name.as_str());
    for (earlier, later) in repeated(networks) {
        let name = host
            .networks
            .get(later)
            .map_or("", |network| network.name.as_str());
        problems.push(
            Problem::error(
                Place::network(later, NetworkField::Name),
                format!("network `{name}` is written twice"),
            )
            .related(
                Place::network(earlier, NetworkField::Name),
                "first written here",
            )
            .help("give one of them another name, or remove it"),
        );
    }
    let containers = host
        .containers
        .iter()
        .map(|container| container.name.as_str());
    for (earlier, later) in repeated(containers) {
        let name = host
            .containers
            .get(later)
            .map_or("", |container| container.name.as_str());
        problems.push(
            Problem::error(
                Place::container(later, ContainerField::Name),
                format!("container `{name}` is written twice"),
            )
            .related(
                Place::container(earlier, ContainerField::Name),
                "first written here",
            )
            .help("give one of them another name, or remove it"),
        );
    }
}

/// For each item that equals an earlier one: the index of the first such item, and its own.
fn repeated<'a>(items: impl Iterator<Item = &'a str>) -> Vec<(usize, usize)> {
    let mut sorted: Vec<_> = items
        .enumerate()
        .map(|(index, name)| (name, index))
        .collect();
    sorted.sort_unstable();
    let mut pairs: Vec<_> = sorted
        .chunk_by(|a, b| a.0 == b.0)
        .filter_map(|group| group.split_first())
        .flat_map(|((_, first), rest)| rest.iter().map(|(_, later)| (*first, *later)))
        .collect();
    pairs.sort_unstable_by_key(|(_, later)| *later);
    pairs
}
