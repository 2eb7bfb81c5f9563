//! Settings of the host's kernel, without which the ruleset does not do what it says.
//!
//! They are no rules: bridged packets do not meet a ruleset, and a host does not forward, unless
//! sysctl(8) says so. dockerd makes some of them only together with its own rules.
//! What is asked for is the least that the host at hand needs; nothing is ever switched off.
//!
//! Source: moby docker-v29.0.0, `daemon/libnetwork/drivers/bridge/setup_ip_forwarding.go`,
//! `setup_bridgenetfiltering.go` and `setup_device_linux.go`; linux v6.12,
//! `Documentation/networking/ip-sysctl.rst`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use dockfw_ir::name::IfName;

use crate::docker::binding::{Binding, for_each_binding};
use crate::host::{DOCKER_GWBRIDGE, Family, Host, Network};
use crate::lower::bridge_networks;

/// A setting that the ruleset needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Which one. Its wanted value is 1; the kernel takes any other than 0 for on.
    pub key: Key,
    /// Packets that the policy forbids get through without it. Otherwise packets that it allows
    /// do not.
    pub protects: bool,
    /// What it is needed for, in words that name the networks.
    pub why: String,
}

/// A kernel setting, by its place below `/proc/sys`.
///
/// The order is that in which settings are made: what closes comes before what opens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// `net/bridge/bridge-nf-call-iptables`: bridged IPv4 packets meet the ruleset. It needs the
    /// module `br_netfilter`.
    BridgeNfCallIptables,
    /// `net/bridge/bridge-nf-call-ip6tables`: the same for IPv6.
    BridgeNfCallIp6tables,
    /// `net/ipv4/conf/BRIDGE/route_localnet`: packets with a loopback address may come from and go
    /// to this bridge.
    RouteLocalnet(IfName),
    /// `net/ipv4/ip_forward`: the host forwards IPv4.
    Ipv4Forward,
    /// `net/ipv6/conf/all/forwarding`: the host forwards IPv6.
    ///
    /// Set from 0 to 1 it reaches every interface, those to come included.
    Ipv6Forwarding,
}

impl Key {
    /// The path below `/proc/sys`, which sysctl(8) takes too.
    pub fn path(&self) -> String {
        match self {
            Self::BridgeNfCallIptables => "net/bridge/bridge-nf-call-iptables".to_owned(),
            Self::BridgeNfCallIp6tables => "net/bridge/bridge-nf-call-ip6tables".to_owned(),
            Self::RouteLocalnet(bridge) => format!("net/ipv4/conf/{bridge}/route_localnet"),
            Self::Ipv4Forward => "net/ipv4/ip_forward".to_owned(),
            Self::Ipv6Forwarding => "net/ipv6/conf/all/forwarding".to_owned(),
        }
    }

    /// Another path that has the same effect when it is on.
    ///
    /// Source: linux v6.12, `include/linux/inetdevice.h`, `IN_DEV_ROUTE_LOCALNET`.
    pub fn instead(&self) -> Option<&'static str> {
        match self {
            Self::RouteLocalnet(_) => Some("net/ipv4/conf/all/route_localnet"),
            Self::BridgeNfCallIptables
            | Self::BridgeNfCallIp6tables
            | Self::Ipv4Forward
            | Self::Ipv6Forwarding => None,
        }
    }
}

impl fmt::Display for Key {
    /// With dots, as sysctl(8) shows it; with slashes when the name of the interface has a dot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        if path.contains('.') {
            f.write_str(&path)
        } else {
            f.write_str(&path.replace('/', "."))
        }
    }
}

/// The settings that the ruleset of a host needs, each once, in the order of [`Key`].
///
/// The host must have passed [`check`](mod@crate::docker::check).
pub fn settings(host: &Host) -> Vec<Setting> {
    let mut needs = Needs::default();
    for network in bridge_networks(host).into_iter().map(|of| of.network) {
        for family in families(network) {
            if !network.icc {
                needs.add(bridged(family), Why::Icc, &network.name);
            }
            if !network.internal && host.daemon.ip_forward {
                needs.add(forwarding(family), Why::Forward, &network.name);
            }
        }
    }
    if !host.daemon.userland_proxy {
        for_each_binding(host, |binding| hairpin(host, &binding, &mut needs));
    }
    if let Some((ingress, _, network)) = host.mesh()
        && let Some(bridge) = network
            .bridge
            .as_ref()
            .filter(|_| !ingress.publish.is_empty())
        && let Some(key) = route_localnet(bridge)
    {
        needs.add(key, Why::Loopback, DOCKER_GWBRIDGE);
    }
    needs.into_settings()
}

/// Without docker-proxy the kernel rewrites what a container, or the host by a loopback address,
/// sends to a published port.
///
/// The answer to a container of the same bridge is bridged to it: only by `br_netfilter` does
/// conntrack see it, and put back the address that was asked.
fn hairpin<'a>(host: &'a Host, binding: &Binding, needs: &mut Needs<'a>) {
    let Some(network) = host.networks.get(binding.network) else {
        return;
    };
    if binding.host_ports.is_none() {
        return;
    }
    let family = if binding.container_address.is_ipv4() {
        Family::Ipv4
    } else {
        Family::Ipv6
    };
    needs.add(bridged(family), Why::Hairpin, &network.name);
    let address = binding.host_address;
    let answers_on_loopback = address.is_unspecified() || address.is_loopback();
    if family == Family::Ipv4
        && answers_on_loopback
        && let Some(key) = network.bridge.as_ref().and_then(route_localnet)
    {
        needs.add(key, Why::Loopback, &network.name);
    }
}

/// The key of a bridge.
///
/// `None` for the names that mean more than one interface there; no interface with such a name
/// has IPv4 settings (linux v6.12, `net/ipv4/devinet.c`, `devinet_sysctl_register`).
fn route_localnet(bridge: &IfName) -> Option<Key> {
    let is_one = !matches!(bridge.as_str(), "all" | "default");
    is_one.then(|| Key::RouteLocalnet(bridge.clone()))
}

const fn bridged(family: Family) -> Key {
    match family {
        Family::Ipv4 => Key::BridgeNfCallIptables,
        Family::Ipv6 => Key::BridgeNfCallIp6tables,
    }
}

const fn forwarding(family: Family) -> Key {
    match family {
        Family::Ipv4 => Key::Ipv4Forward,
        Family::Ipv6 => Key::Ipv6Forwarding,
    }
}

fn families(network: &Network) -> impl Iterator<Item = Family> {
    let ipv4 = network.ipv4.map(|_| Family::Ipv4);
    let ipv6 = network.ipv6.map(|_| Family::Ipv6);
    ipv4.into_iter().chain(ipv6)
}

/// What a setting is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Icc,
    Hairpin,
    Loopback,
    Forward,
}

/// The networks that need a setting, by setting and reason.
#[derive(Default)]
struct Needs<'a>(BTreeMap<Key, BTreeMap<Why, BTreeSet<&'a str>>>);

/// More networks than this are counted, not named.
const NAMED: usize = 3;

impl<'a> Needs<'a> {
    fn add(&mut self, key: Key, why: Why, network: &'a str) {
        let of_key = self.0.entry(key).or_default();
        of_key.entry(why).or_default().insert(network);
    }

    fn into_settings(self) -> Vec<Setting> {
        let setting = |(key, reasons): (Key, BTreeMap<Why, BTreeSet<&str>>)| {
            let words = reasons.iter().map(|(why, networks)| why.words(networks));
            Setting {
                key,
                protects: reasons.contains_key(&Why::Icc),
                why: words.collect::<Vec<_>>().join("; "),
            }
        };
        self.0.into_iter().map(setting).collect()
    }
}

impl Why {
    fn words(self, networks: &BTreeSet<&str>) -> String {
        let of = names(networks);
        match self {
            Self::Icc => format!(
                "icc is off on {of}: packets between its containers meet the ruleset only with it"
            ),
            Self::Hairpin => format!(
                "containers reach published ports of their own network through the host, on {of}"
            ),
            Self::Loopback => format!("127.0.0.1 of this host leads to published ports of {of}"),
            Self::Forward => format!("packets from and to containers are forwarded, on {of}"),
        }
    }
}

/// `network a`, `networks a, b and c`, `networks a, b, c and 4 more`
fn names(networks: &BTreeSet<&str>) -> String {
    let named: Vec<&str> = networks.iter().copied().take(NAMED).collect();
    let more = networks.len() - named.len();
    match named.as_slice() {
        [one] => format!("network {one}"),
        all if more > 0 => format!("networks {} and {more} more", all.join(", ")),
        [first @ .., last] => format!("networks {} and {last}", first.join(", ")),
        [] => "no network".to_owned(),
    }
}

#[cfg(test)]
mod tests;
