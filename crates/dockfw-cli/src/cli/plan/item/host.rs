//! Publishes, networks and containers: the facts of two tables, compared.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use super::{Item, Sign, printable};
use crate::cli::plan::fact::{Facts, HostPort};

fn protocol(number: u8) -> String {
    match number {
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        132 => "sctp".to_owned(),
        other => other.to_string(),
    }
}

/// `192.0.2.1:80-82`
fn ports(address: IpAddr, first: u16, last: u16) -> String {
    let text = SocketAddr::new(address, first).to_string();
    if first == last {
        text
    } else {
        format!("{text}-{last}")
    }
}

/// Neighbouring ports that lead to neighbouring ports.
struct Run {
    host: HostPort,
    last: u16,
    to: Option<(IpAddr, u16)>,
    was: Option<(IpAddr, u16)>,
}

/// Whether `next` is `steps` ports behind `first`.
fn in_step(first: Option<(IpAddr, u16)>, next: Option<(IpAddr, u16)>, steps: u16) -> bool {
    match (first, next) {
        (None, None) => true,
        (Some((a, first)), Some((b, next))) => a == b && first.checked_add(steps) == Some(next),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

pub(super) fn publishes(old: &Facts, new: &Facts) -> Vec<Item> {
    let all: BTreeSet<&HostPort> = old.publishes.keys().chain(new.publishes.keys()).collect();
    let mut runs: Vec<Run> = Vec::new();
    for &host in all {
        let (was, to) = (old.publishes.get(&host), new.publishes.get(&host));
        let (was, to) = (was.copied(), to.copied());
        if was == to {
            continue;
        }
        if let Some(run) = runs.last_mut() {
            let steps = host.2.wrapping_sub(run.host.2);
            let follows = (run.host.0, run.host.1) == (host.0, host.1)
                && run.last.checked_add(1) == Some(host.2)
                && in_step(run.to, to, steps)
                && in_step(run.was, was, steps);
            if follows {
                run.last = host.2;
                continue;
            }
        }
        runs.push(Run {
            host,
            last: host.2,
            to,
            was,
        });
    }
    runs.iter().map(|run| publish(run, old, new)).collect()
}

fn publish(run: &Run, old: &Facts, new: &Facts) -> Item {
    let (address, number, first) = run.host;
    let length = run.last - first;
    let target = |to: Option<(IpAddr, u16)>, facts: &Facts| {
        let (address, first) = to?;
        let name = facts
            .containers
            .get(&address)
            .filter(|name| !name.is_empty());
        let name_text = name.map_or_else(String::new, |name| format!(" ({})", printable(name)));
        let text = ports(address, first, first.saturating_add(length)) + &name_text;
        let fields = json!({ "address": address.to_string(), "port": first, "name": name });
        Some((text, fields))
    };
    let (to, was) = (target(run.to, new), target(run.was, old));
    let host = format!("{}/{}", ports(address, first, run.last), protocol(number));
    let sign = match (&to, &was) {
        (Some(_), None) => Sign::Added,
        (None, _) => Sign::Removed,
        (Some(_), Some(_)) => Sign::Changed,
    };
    let text = match (&to, &was) {
        (Some((to, _)), None) => format!("{host} -> {to}"),
        (Some((to, _)), Some((was, _))) => format!("{host} -> {to}, was {was}"),
        (None, Some((was, _))) => format!("{host} -> {was}"),
        (None, None) => host,
    };
    let fields = json!({
        "address": address.to_string(), "protocol": protocol(number), "first": first,
        "last": run.last, "to": to.map(|(_, fields)| fields), "was": was.map(|(_, fields)| fields),
    });
    Item {
        sign,
        kind: "publish",
        text,
        fields,
    }
}

/// Ports of containers that are open without a publish: `routed` networks.
pub(super) fn open(old: &Facts, new: &Facts) -> Vec<Item> {
    let unpublished = |facts: &Facts| -> BTreeSet<HostPort> {
        let published: BTreeSet<HostPort> = facts
            .publishes
            .iter()
            .map(|((_, protocol, _), (address, port))| (*address, *protocol, *port))
            .collect();
        facts.open.difference(&published).copied().collect()
    };
    let (before, after) = (unpublished(old), unpublished(new));
    let mut items = Vec::new();
    for (sign, ports_of, facts) in [
        (Sign::Removed, before.difference(&after), old),
        (Sign::Added, after.difference(&before), new),
    ] {
        let mut runs: Vec<(HostPort, u16)> = Vec::new();
        for &(address, number, port) in ports_of {
            match runs.last_mut() {
                Some(((of, protocol, _), last))
                    if (*of, *protocol) == (address, number)
                        && last.checked_add(1) == Some(port) =>
                {
                    *last = port;
                }
                Some(_) | None => runs.push(((address, number, port), port)),
            }
        }
        items.extend(runs.into_iter().map(|((address, number, first), last)| {
            let name = facts
                .containers
                .get(&address)
                .filter(|name| !name.is_empty());
            let of = name.map_or_else(String::new, |name| format!(" ({})", printable(name)));
            let protocol = protocol(number);
            Item {
                sign,
                kind: "open",
                text: format!("{}/{protocol}{of}", ports(address, first, last)),
                fields: json!({
                    "address": address.to_string(), "protocol": protocol, "first": first,
                    "last": last, "name": name,
                }),
            }
        }));
    }
    items
}

/// `web (br-web)`
fn network(name: &str, device: &str) -> String {
    if name.is_empty() || name == device {
        printable(device)
    } else {
        format!("{} ({})", printable(name), printable(device))
    }
}

pub(super) fn networks(old: &Facts, new: &Facts) -> Vec<Item> {
    both(&old.networks, &new.networks, |device, was, is| {
        let name = is.or(was).map_or("", String::as_str);
        let text = match (was, is) {
            (Some(was), Some(is)) => {
                format!("{}: renamed, was {}", network(is, device), printable(was))
            }
            (Some(_), None) | (None, Some(_) | None) => network(name, device),
        };
        (
            "network",
            text,
            json!({ "bridge": device, "name": name, "was": was }),
        )
    })
}

pub(super) fn containers(old: &Facts, new: &Facts) -> Vec<Item> {
    both(&old.containers, &new.containers, |address, was, is| {
        let name = is.or(was).map_or("", String::as_str);
        let mut text = format!("{} {address}", printable(name));
        if let (Some(was), Some(_)) = (was, is) {
            text = format!("{text}, was {}", printable(was));
        }
        let fields = json!({ "address": address.to_string(), "name": name, "was": was });
        ("container", text.trim_start().to_owned(), fields)
    })
}

/// What is on one side only, or on both with another name.
fn both<K: Ord>(
    old: &BTreeMap<K, String>,
    new: &BTreeMap<K, String>,
    show: impl Fn(&K, Option<&String>, Option<&String>) -> (&'static str, String, Value),
) -> Vec<Item> {
    let all: BTreeSet<&K> = old.keys().chain(new.keys()).collect();
    let changed = all.into_iter().filter_map(|key| {
        let (was, is) = (old.get(key), new.get(key));
        let sign = match (was, is) {
            (Some(was), Some(is)) if was == is => return None,
            (Some(_), Some(_)) => Sign::Changed,
            (None, _) => Sign::Added,
            (Some(_), None) => Sign::Removed,
        };
        let (kind, text, fields) = show(key, was, is);
        Some(Item {
            sign,
            kind,
            text,
            fields,
        })
    });
    changed.collect()
}
