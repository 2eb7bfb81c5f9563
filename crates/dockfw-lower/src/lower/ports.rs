//! Published ports as runs: ranges of ports that share everything but the port.
//!
//! Runs do not depend on how the ports were written: `-p 8000-8001:80-81` and two `-p` options
//! give the same runs, and so do the thousands of single bindings into which dockerd splits a
//! range. A run becomes one range element when it is long, and one element a port when it is not.

use std::net::IpAddr;

use dockfw_ir::Value;
use dockfw_ir::set::{Element, Set, SetKind};

use super::family::Family;
use super::make::{and_port_types, exact_set, if_value, interval_set};
use super::names;
use crate::docker::binding::for_each_binding;
use crate::docker::publish::Protocol;
use crate::host::{Host, Network};

/// The shortest run that becomes a range element.
///
/// A range element costs the kernel as much to load as four or five single ones, and a set of
/// ranges is searched more slowly the more ranges it has; see `docs/decisions/0003-ranges.md`.
const SHORTEST_RANGE: u16 = 16;

/// Host ports that lead to consecutive ports of one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HostRun {
    /// The host address; unspecified is any local address of the family.
    pub(super) host: IpAddr,
    pub(super) protocol: Protocol,
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) container: IpAddr,
    /// Where `first` leads.
    pub(super) container_first: u16,
    /// Index of the network.
    pub(super) network: usize,
    /// Index of the container that was written first, for the comment.
    pub(super) owner: usize,
}

/// Open ports of a container's own address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContainerRun {
    pub(super) container: IpAddr,
    pub(super) protocol: Protocol,
    pub(super) first: u16,
    pub(super) last: u16,
}

/// All published ports of a host.
pub(super) struct Ports {
    /// What DNAT rewrites, ordered by host address, protocol, port.
    pub(super) host: Vec<HostRun>,
    /// What the filter accepts, ordered by container address, protocol, port.
    pub(super) container: Vec<ContainerRun>,
}

impl Ports {
    pub(super) fn collect(host: &Host) -> Self {
        let mut host_runs = Vec::new();
        let mut container_runs = Vec::new();
        for_each_binding(host, |binding| {
            container_runs.push(ContainerRun {
                container: binding.container_address,
                protocol: binding.protocol,
                first: binding.container_ports.first(),
                last: binding.container_ports.last(),
            });
            if let Some(ports) = binding.host_ports {
                host_runs.push(HostRun {
                    host: binding.host_address,
                    protocol: binding.protocol,
                    first: ports.first(),
                    last: ports.last(),
                    container: binding.container_address,
                    container_first: binding.container_ports.first(),
                    network: binding.network,
                    owner: binding.container,
                });
            }
        });
        sort(&mut host_runs, |run| (run.host, run.protocol, run.first));
        host_runs.dedup_by(|next, run| run.continue_with(next));
        sort(&mut container_runs, |run| {
            (run.container, run.protocol, run.first)
        });
        container_runs.dedup_by(|next, run| run.continue_with(*next));
        Self {
            host: host_runs,
            container: container_runs,
        }
    }
}

/// Sorts by address, protocol and port, IPv4 first.
///
/// IPv4 keys fit a machine word, and most runs are IPv4.
fn sort<T>(runs: &mut [T], key: impl Fn(&T) -> (IpAddr, Protocol, u16)) {
    let low = |protocol: Protocol, port: u16| u32::from(protocol.number()) << 16 | u32::from(port);
    let all_ipv4 = runs.iter().all(|run| key(run).0.is_ipv4());
    if all_ipv4 {
        runs.sort_unstable_by_key(|run| match key(run) {
            (IpAddr::V4(address), protocol, port) => {
                u64::from(address.to_bits()) << 32 | u64::from(low(protocol, port))
            }
            (IpAddr::V6(_), protocol, port) => u64::from(low(protocol, port)),
        });
    } else {
        runs.sort_unstable_by_key(|run| match key(run) {
            (IpAddr::V4(address), protocol, port) => {
                (false, u128::from(address.to_bits()), low(protocol, port))
            }
            (IpAddr::V6(address), protocol, port) => (true, address.to_bits(), low(protocol, port)),
        });
    }
}

/// The port that follows, unless there is none.
fn after(port: u16) -> Option<u16> {
    port.checked_add(1)
}

impl HostRun {
    /// Swallows the run that follows if it goes on in step.
    fn continue_with(&mut self, next: &Self) -> bool {
        let in_step = self.host == next.host
            && self.protocol == next.protocol
            && self.container == next.container
            && after(self.last) == Some(next.first)
            && after(self.container_last()) == Some(next.container_first);
        if in_step {
            self.last = next.last;
        }
        in_step
    }

    fn container_last(&self) -> u16 {
        self.container_first.saturating_add(self.last - self.first)
    }

    /// Whether it is one element: long, and with the same ports on both sides, because an element
    /// of a range map can name an address but no port offset.
    pub(super) fn is_range(&self) -> bool {
        self.first == self.container_first && self.last - self.first >= SHORTEST_RANGE - 1
    }

    /// The single ports: host port and container port.
    pub(super) fn each(self) -> impl Iterator<Item = (u16, u16)> {
        (self.first..=self.last).zip(self.container_first..=self.container_last())
    }
}

impl ContainerRun {
    fn continue_with(&mut self, next: Self) -> bool {
        let touches = self.container == next.container
            && self.protocol == next.protocol
            && after(self.last).is_none_or(|port| next.first <= port);
        if touches {
            self.last = self.last.max(next.last);
        }
        touches
    }
}

/// Keys that are a few fields followed by `inet_proto . inet_service`, split by kind of element.
#[derive(Default)]
pub(crate) struct PortKeys {
    /// Elements with one port.
    pub(crate) exact: Vec<Element>,
    /// Elements with a range of ports.
    pub(crate) range: Vec<Element>,
}

impl PortKeys {
    /// The two sets of a family whose keys are an address, a protocol and a port.
    pub(super) fn into_sets(
        self,
        stem: &'static str,
        family: Family,
        [why, why_ranges]: [&str; 2],
    ) -> [Set; 2] {
        let types = and_port_types(&[family.address_type()]);
        let exact = names::family_set(stem, family, "");
        let range = names::family_set(stem, family, "-range");
        [
            exact_set(exact, types.clone(), SetKind::Set, self.exact, why),
            interval_set(range, types, SetKind::Set, self.range, why_ranges),
        ]
    }

    /// Adds the ports of a run behind the fields in `before`.
    pub(super) fn push(&mut self, before: Value, protocol: Protocol, first: u16, last: u16) {
        let start = before.and_u8(protocol.number());
        if last - first >= SHORTEST_RANGE - 1 {
            let end = start.clone().and_port(last);
            self.range
                .push(Element::member(start.and_port(first)).until(end));
            return;
        }
        for port in first..last {
            self.exact
                .push(Element::member(start.clone().and_port(port)));
        }
        self.exact.push(Element::member(start.and_port(last)));
    }

    /// Adds runs of one protocol, ordered by port, as one range if they have enough ports.
    fn push_span(&mut self, before: &Value, runs: &[&HostRun]) {
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
            return;
        };
        let ports = runs
            .iter()
            .map(|run| u32::from(run.last - run.first) + 1)
            .sum::<u32>();
        if ports >= u32::from(SHORTEST_RANGE) {
            self.push(before.clone(), first.protocol, first.first, last.last);
        } else {
            for run in runs {
                self.push(before.clone(), run.protocol, run.first, run.last);
            }
        }
    }
}

/// The ports that are published on loopback addresses, by address.
pub(super) fn loopback_ports(runs: &[HostRun], family: Family) -> PortKeys {
    let mut keys = PortKeys::default();
    for run in runs
        .iter()
        .filter(|run| Family::of(run.host) == family && run.host.is_loopback())
    {
        keys.push(
            Value::new().and_ip(run.host),
            run.protocol,
            run.first,
            run.last,
        );
    }
    keys
}

/// The ports that each bridge's own containers publish, which docker-proxy serves when the packet
/// comes from that bridge: by host address, and on any.
///
/// A range may span ports that nobody publishes, because those are not rewritten anyway; it ends
/// where another bridge's port comes. The usual host has one range for each bridge.
pub(super) fn proxied_ports(
    runs: &[HostRun],
    networks: &[Network],
    family: Family,
) -> (PortKeys, PortKeys) {
    let mut of_family: Vec<&HostRun> = runs
        .iter()
        .filter(|run| Family::of(run.host) == family)
        .collect();
    of_family.sort_by_key(|run| (run.protocol, run.first));
    let (mut by_address, mut any) = (PortKeys::default(), PortKeys::default());
    // Neighbours of one bridge and protocol.
    for stretch in of_family.chunk_by(|a, b| a.network == b.network && a.protocol == b.protocol) {
        let bridge = stretch
            .first()
            .and_then(|run| networks.get(run.network)?.bridge.as_ref())
            .map(if_value);
        let Some(bridge) = bridge else {
            continue;
        };
        let mut by_host: Vec<&HostRun> = stretch.to_vec();
        by_host.sort_by_key(|run| run.host);
        for same_host in by_host.chunk_by(|a, b| a.host == b.host) {
            let Some(run) = same_host.first() else {
                continue;
            };
            if run.host.is_unspecified() {
                any.push_span(&bridge, same_host);
            } else {
                by_address.push_span(&bridge.clone().and_ip(run.host), same_host);
            }
        }
    }
    for keys in [&mut by_address, &mut any] {
        keys.exact.sort_by(|a, b| a.key.cmp(&b.key));
        keys.range.sort_by(|a, b| a.key.cmp(&b.key));
    }
    (by_address, any)
}
