//! The shapes of Docker's rules in nat and raw, and those of swarm's ports.

use std::net::{IpAddr, Ipv6Addr};

use dockfw_iptables::r#match::addrtype::{AddressTypes, Addrtype};
use dockfw_iptables::target::masquerade::Masquerade;
use dockfw_iptables::target::nat::NatRange;
use dockfw_iptables::{AddressMask, Family, Invertible, Match, TableName, Target};

use Invertible::{Is, Not};

use super::{Fact, Parts, Rewrite, host_address, is_established, loopback, net};

impl Parts<'_> {
    pub(super) fn raw(&self) -> Option<Fact> {
        let Some(Is(destination)) = self.destination else {
            return None;
        };
        let address = host_address(destination)?;
        if self.source.is_some() || self.output.is_some() {
            return None;
        }
        let is_loopback = matches!(address, IpAddr::V4(address) if address.is_loopback());
        match (self.input, self.target, self.matches) {
            (Some(Is(from)), Target::Accept, []) if self.protocol.is_none() => {
                Some(Fact::Trusted { address, from })
            }
            (Some(Not(bridge)), Target::Drop, []) if self.protocol.is_none() => {
                Some(Fact::Direct { address, bridge })
            }
            (Some(Not(lo)), Target::Drop, [_]) if is_loopback && lo.as_str() == "lo" => {
                self.loopback(address, false)
            }
            (Some(Is(of)), Target::Accept, [_]) if is_loopback && of.as_str() == "loopback0" => {
                self.loopback(address, true)
            }
            _ => None,
        }
    }

    pub(super) fn loopback(&self, host: IpAddr, mirrored: bool) -> Option<Fact> {
        let (protocol, port) = self.destination_port()?;
        Some(Fact::Loopback {
            host,
            protocol,
            port,
            mirrored,
        })
    }

    pub(super) fn nat_jump(&self, family: Family, chain: &str) -> Option<Fact> {
        let [Match::Addrtype(addrtype)] = self.matches else {
            return None;
        };
        let is_bare = self.source.is_none()
            && self.input.is_none()
            && self.output.is_none()
            && self.protocol.is_none();
        if !is_bare || *addrtype != Addrtype::destination(AddressTypes::LOCAL) {
            return None;
        }
        let loopback = loopback(family);
        match (self.jump()?, chain, self.destination) {
            ("DOCKER", "PREROUTING", None) | ("DOCKER-INGRESS", _, None) => Some(Fact::Skeleton),
            ("DOCKER", "OUTPUT", None) => Some(Fact::OutputJump { hairpin: true }),
            ("DOCKER", "OUTPUT", Some(Not(of))) if of == loopback => {
                Some(Fact::OutputJump { hairpin: false })
            }
            _ => None,
        }
    }

    pub(super) fn postrouting(&self) -> Option<Fact> {
        let to = match self.target {
            Target::Masquerade(masquerade) if *masquerade == Masquerade::default() => None,
            Target::Snat(range) => match range.addresses {
                Some((address, _)) if *range == NatRange::address(address) => Some(address),
                _ => return None,
            },
            _ => return None,
        };
        if self.input.is_some() {
            return None;
        }
        match (self.source, self.destination, self.output, self.matches) {
            (Some(Is(subnet)), None, Some(Not(bridge)), []) if self.protocol.is_none() => {
                let subnet = net(subnet)?;
                Some(Fact::Masquerade { bridge, subnet, to })
            }
            (None, None, Some(Is(bridge)), [Match::Addrtype(addrtype)])
                if self.protocol.is_none()
                    && *addrtype == Addrtype::source(AddressTypes::LOCAL) =>
            {
                Some(Fact::MasqueradeHost { bridge, to })
            }
            (Some(Is(from)), Some(Is(back)), None, [_]) if from == back && to.is_none() => {
                let (protocol, port) = self.destination_port()?;
                let address = host_address(from)?;
                Some(Fact::MasqueradeSelf {
                    address,
                    protocol,
                    port,
                })
            }
            _ => None,
        }
    }

    pub(super) fn rewrite(&self, family: Family) -> Option<Fact> {
        if self.output.is_some() {
            return None;
        }
        let Target::Dnat(range) = self.target else {
            return match (
                self.target,
                self.source,
                self.destination,
                self.input,
                self.matches,
            ) {
                (Target::Return, None, None, Some(Is(bridge)), []) if self.protocol.is_none() => {
                    Some(Fact::Isolated { bridge })
                }
                (Target::Return, None, Some(Is(of)), Some(Is(from)), [])
                    if self.protocol.is_none()
                        && of == loopback(family)
                        && from.as_str() == "loopback0" =>
                {
                    Some(Fact::Mirrored)
                }
                _ => None,
            };
        };
        let link_local = AddressMask::ipv6(
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0),
            Ipv6Addr::new(0xffc0, 0, 0, 0, 0, 0, 0, 0),
        );
        // Before 28 there was no exception for link-local sources.
        if self.source.is_some_and(|source| source != Not(link_local)) {
            return None;
        }
        let (protocol, host_port) = self.destination_port()?;
        let (address, _) = range.addresses?;
        let port = range.ports?.first;
        if *range != NatRange::socket(address, port) {
            return None;
        }
        let host = match self.destination {
            Some(Is(host)) => Some(host_address(host)?),
            Some(Not(_)) => return None,
            None => None,
        };
        let bridge = match self.input {
            Some(Not(bridge)) => Some(bridge),
            Some(Is(_)) => return None,
            None => None,
        };
        Some(Fact::Rewrite(Rewrite {
            bridge,
            host,
            protocol,
            host_port,
            address,
            port,
        }))
    }

    pub(super) fn ingress(&self, table: TableName) -> Option<Fact> {
        let only_ports = self.source.is_none()
            && self.destination.is_none()
            && self.input.is_none()
            && self.output.is_none();
        if !only_ports {
            return None;
        }
        match (self.target, self.matches) {
            (Target::Return, []) if self.protocol.is_none() => Some(Fact::Skeleton),
            (Target::Dnat(range), _) if table == TableName::Nat => {
                let (protocol, port) = self.destination_port()?;
                let (sandbox, _) = range.addresses?;
                let is_same = *range == NatRange::socket(sandbox, port);
                is_same.then_some(Fact::Service {
                    protocol,
                    port,
                    sandbox,
                })
            }
            (Target::Accept, [_]) if table == TableName::Filter => {
                self.destination_port().map(|_| Fact::Skeleton)
            }
            (Target::Accept, [_, Match::Conntrack(state)])
                if table == TableName::Filter && is_established(state) =>
            {
                Some(Fact::Skeleton)
            }
            _ => None,
        }
    }
}
