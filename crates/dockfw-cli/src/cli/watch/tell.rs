//! Log lines about what was done, in the words of Docker.

use std::time::Duration;

use dockfw_lower::host::{Container, Host};
use tracing::{debug, info};

use super::super::commit::words;
use super::changes::Changes;
use super::enforce::Enforced;
use crate::flows::Pruned;

/// How many ports of a container are named in a log line.
const PORTS: usize = 16;

/// How many flows are named.
const FLOWS: usize = 20;

/// Says what has come and gone.
pub(super) fn changes(
    changes: &Changes,
    host: Option<&Host>,
    lag: Option<Duration>,
    enforced: &Enforced,
) {
    for network in &changes.networks_went {
        if !changes.networks_came.contains(network) {
            info!(network, "network removed");
        }
    }
    for network in &changes.networks_came {
        info!(network, "network guarded");
    }
    for container in &changes.went {
        if !changes.came.iter().any(|of| of.name == container.name) {
            info!(
                container = container.name,
                ports = ports(container),
                "closed"
            );
        }
    }
    for container in &changes.came {
        info!(
            container = container.name,
            ports = ports(container),
            addresses = addresses(container, host),
            "open"
        );
    }
    if let Some(committed) = &enforced.committed {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        info!(
            way = enforced.way.word(),
            changes = counts(enforced),
            generation = committed.generation,
            kernel_ms = milliseconds(committed.kernel_time),
            lag_ms = lag.map(milliseconds),
            "committed"
        );
    } else if !changes.is_empty() {
        debug!("the kernel had it already");
    }
}

/// What changed, in words.
pub(super) fn counts(enforced: &Enforced) -> String {
    enforced
        .counts
        .as_ref()
        .map_or_else(|| "tables made anew".to_owned(), words)
}

/// Says which flows were cut.
pub(super) fn cut(pruned: &Pruned) {
    for cut in pruned.deleted.iter().take(FLOWS) {
        info!(flow = %cut.entry.original, why = %cut.why, "flow cut");
    }
    if let Some(more) = pruned
        .deleted
        .len()
        .checked_sub(FLOWS)
        .filter(|more| *more > 0)
    {
        info!(more, "flows cut");
    }
    for (tuple, error) in pruned.failed.iter().take(FLOWS) {
        tracing::warn!(flow = %tuple, %error, "flow not cut");
    }
}

/// `0.0.0.0:8080->80/tcp` and so on, as `docker ps` shows them.
fn ports(container: &Container) -> String {
    let mut texts: Vec<String> = container
        .publish
        .iter()
        .take(PORTS)
        .map(ToString::to_string)
        .collect();
    let more = container.publish.len().saturating_sub(PORTS);
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    texts.join(", ")
}

/// `web 172.18.0.2` and so on.
fn addresses(container: &Container, host: Option<&Host>) -> String {
    let texts = container.endpoints.iter().map(|of| {
        let network = host.and_then(|host| host.networks.get(of.network));
        let mut text = network.map_or("", |network| &network.name).to_owned();
        for address in [
            of.ipv4.map(|of| of.to_string()),
            of.ipv6.map(|of| of.to_string()),
        ]
        .into_iter()
        .flatten()
        {
            text.push(' ');
            text.push_str(&address);
        }
        text
    });
    texts.collect::<Vec<_>>().join(", ")
}
