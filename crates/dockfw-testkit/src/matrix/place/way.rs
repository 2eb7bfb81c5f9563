//! How a packet of a node leaves it: over a bridge, to the host, or from the host.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Place, is_link_local};
use crate::docker_host::gateways;
use crate::lab::HOST;

/// How a packet of a node gets to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::matrix) enum Way {
    /// The node itself.
    Itself,
    /// Over a bridge from port to port, past all hooks.
    Past(String),
    /// Over a bridge from port to port, shown to the hooks by br_netfilter.
    Bridged(String),
    /// To the host, by this interface.
    Host(String),
    /// From the host, to a link-local address by this interface.
    Out(Option<String>),
}

impl Place<'_> {
    /// The way from a node to an address, and the source address that it takes by itself.
    ///
    /// A link-local address is looked for by the routes of the sender's interface `scope` only, or
    /// without one by those of all.
    ///
    /// Source: linux v6.12, `include/net/ip6_route.h`, `rt6_need_strict`.
    pub(in crate::matrix) fn way(
        &self,
        from: &str,
        to: IpAddr,
        scope: Option<&str>,
    ) -> Option<(Way, IpAddr)> {
        let scope = scope.filter(|_| is_link_local(&to));
        if from == HOST {
            let way = Way::Out(scope.map(ToOwned::to_owned));
            return Some((way, self.own_source(to, scope)?));
        }
        if let Some(remote) = self.remote(from) {
            let like = |own: &&IpNet| {
                own.addr().is_ipv4() == to.is_ipv4()
                    && is_link_local(&own.addr()) == is_link_local(&to)
            };
            let source = remote.addresses.iter().find(like)?.addr();
            let interface = remote.host_interface.clone();
            let on_link = remote.addresses.iter().any(|own| own.contains(&to));
            let way = if is_link_local(&to) && on_link && !self.has(&interface, to) {
                Way::Past(interface)
            } else {
                Way::Host(interface)
            };
            return Some((way, source));
        }
        let container = self.container(from)?;
        for (interface, network, own) in self.endpoints(container) {
            if scope.is_some_and(|scope| scope != interface) {
                continue;
            }
            let bridge = network.bridge.as_ref()?.to_string();
            if own.addr() == to {
                return Some((Way::Itself, to));
            }
            if own.contains(&to) {
                let way = if self.has(&bridge, to) {
                    Way::Host(bridge)
                } else if self.has_bridge_netfilter() {
                    Way::Bridged(bridge)
                } else {
                    Way::Past(bridge)
                };
                return Some((way, own.addr()));
            }
        }
        let forced = self.setup.default_route.iter().any(|of| of == from);
        let (_, network, own) = self.endpoints(container).find(|(_, network, own)| {
            own.addr().is_ipv4() == to.is_ipv4()
                && (forced || !network.internal)
                && gateways(network)
                    .iter()
                    .any(|gateway| own.contains(gateway))
        })?;
        Some((Way::Host(network.bridge.as_ref()?.to_string()), own.addr()))
    }

    /// Whether an interface of the host has an address.
    fn has(&self, interface: &str, address: IpAddr) -> bool {
        let all = self.interfaces();
        let mut own = all.iter().filter(|(name, _)| name == interface);
        own.any(|(_, own)| own.iter().any(|net| net.addr() == address))
    }

    /// The source address of a packet of the host.
    fn own_source(&self, to: IpAddr, scope: Option<&str>) -> Option<IpAddr> {
        let mut interfaces = self.interfaces();
        interfaces.retain(|(name, _)| scope.is_none_or(|scope| scope == name));
        let mut own = interfaces.iter().flat_map(|(_, addresses)| addresses);
        if to.is_loopback() || own.clone().any(|net| net.addr() == to) {
            return Some(to);
        }
        own.find(|net| net.contains(&to)).map(IpNet::addr)
    }
}
