//! What is known to be Docker's.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::shape::{Shape, address_of};
use crate::docker::publish::Protocol;
use crate::import::gather::{bridge_of, certain};
use crate::import::template::{Fact, Rewrite};

/// Bridges, subnets, addresses and ports of Docker.
#[derive(Debug, Default)]
pub(super) struct Known {
    bridges: BTreeSet<String>,
    subnets: Vec<IpNet>,
    addresses: BTreeSet<IpAddr>,
    /// Addresses that only their bridge may reach.
    direct: BTreeSet<IpAddr>,
    /// Published on these addresses of the host.
    published: BTreeSet<(IpAddr, u16)>,
    /// SCTP ports of containers.
    sctp: BTreeSet<u16>,
}

impl Known {
    pub(super) fn new<'s>(shapes: impl Iterator<Item = &'s Shape>, bridges: &[String]) -> Self {
        let facts: Vec<Fact> = shapes
            .filter_map(|shape| match shape {
                Shape::Fact(fact) => Some(*fact),
                Shape::Outgoing { .. }
                | Shape::DirectPort { .. }
                | Shape::Checksum { .. }
                | Shape::Sets
                | Shape::OldIsolation => None,
            })
            .collect();
        let mut known = Self {
            bridges: bridges.iter().cloned().collect(),
            ..Self::default()
        };
        let named = facts.iter().filter_map(certain);
        // A pattern is no bridge.
        let named = named.filter(|bridge| !bridge.as_str().ends_with('+'));
        known
            .bridges
            .extend(named.map(|bridge| bridge.as_str().to_owned()));
        for fact in &facts {
            known.learn(fact);
        }
        known
    }

    fn learn(&mut self, fact: &Fact) {
        let is_known = bridge_of(fact).is_none_or(|of| self.has_bridge(of.as_str()));
        match fact {
            _ if !is_known => {}
            Fact::Masquerade { subnet, .. } | Fact::Internal { subnet, .. } => {
                self.subnets.push(*subnet);
            }
            Fact::Direct { address, .. } => {
                self.direct.insert(*address);
                self.addresses.insert(*address);
            }
            Fact::Published {
                address,
                protocol,
                port,
                ..
            } => {
                self.addresses.insert(*address);
                if *protocol == Protocol::Sctp {
                    self.sctp.insert(*port);
                }
            }
            Fact::Rewrite(Rewrite {
                host,
                protocol,
                host_port,
                address,
                port,
                ..
            }) => {
                self.addresses.insert(*address);
                self.published.extend(host.map(|host| (host, *host_port)));
                if *protocol == Protocol::Sctp {
                    self.sctp.insert(*port);
                }
            }
            _ => {}
        }
    }

    /// Whether a bridge is Docker's.
    fn has_bridge(&self, name: &str) -> bool {
        let is_hex =
            |of: &str| of.len() == 12 && of.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        matches!(name, "docker0" | "docker_gwbridge")
            || name.strip_prefix("br-").is_some_and(is_hex)
            || self.bridges.contains(name)
    }

    /// Why a rule of Docker's form may still not be Docker's; `None` when it is.
    pub(super) fn doubt(&self, shape: &Shape) -> Option<String> {
        let bridge = match shape {
            Shape::Outgoing { bridge } | Shape::DirectPort { bridge } => Some(*bridge),
            Shape::Fact(fact) => bridge_of(fact),
            Shape::Checksum { .. } | Shape::Sets | Shape::OldIsolation => None,
        };
        if let Some(bridge) = bridge
            && !self.has_bridge(bridge.as_str())
        {
            return Some(format!(
                "it has the form of one of Docker's, but nothing says that {bridge} was a bridge of \
                 Docker; if it was, `--bridge {bridge}` takes it along"
            ));
        }
        let lacking = match shape {
            Shape::Fact(Fact::Trusted { address, .. }) => {
                (!self.direct.contains(address)).then_some("address")
            }
            Shape::Fact(Fact::Loopback { host, port, .. }) => {
                (!self.published.contains(&(*host, *port))).then_some("published port")
            }
            Shape::Fact(fact) => match address_of(fact) {
                Some(address) => (!self.has_address(address)).then_some("address"),
                None => None,
            },
            Shape::Checksum { port } => (!self.sctp.contains(port)).then_some("published port"),
            Shape::Outgoing { .. }
            | Shape::DirectPort { .. }
            | Shape::Sets
            | Shape::OldIsolation => None,
        };
        lacking.map(|what| {
            format!(
                "it has the form of one of Docker's, but no rule of Docker's has this {what} any \
                 more; delete it by hand if nothing else needs it"
            )
        })
    }

    fn has_address(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address) || self.subnets.iter().any(|of| of.contains(&address))
    }
}
