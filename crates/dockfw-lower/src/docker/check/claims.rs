//! Which published ports claim the same host address, port and protocol.
//!
//! A sweep over sorted intervals, per family and protocol: n log n, and 8 bytes for each publish
//! without a host address.
//!
//! Source: moby docker-v29.0.0, `daemon/libnetwork/portallocator/portallocator.go`: the
//! unspecified address conflicts with every address of its family.

use std::net::IpAddr;

use crate::docker::publish::{PortRange, Protocol};

/// Host ports claimed by published ports.
#[derive(Default)]
pub(super) struct Claims {
    /// IPv4 tcp, udp, sctp, then IPv6 tcp, udp, sctp.
    groups: [Group; 6],
}

/// The claims of one family and protocol.
#[derive(Default)]
struct Group {
    /// On every address of the family.
    any: Vec<Claim>,
    /// On one address.
    specific: Vec<(IpAddr, Claim)>,
}

/// One claimed range. `owner` counts all publishes of the host.
#[derive(Clone, Copy)]
struct Claim {
    first: u16,
    last: u16,
    owner: u32,
}

/// Two publishes that claim the same ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Conflict {
    /// The publish that comes later in the model.
    pub(super) later: u32,
    /// The one that comes first.
    pub(super) earlier: u32,
    /// A host address on which they collide; unspecified when both claim every address.
    pub(super) address: IpAddr,
    /// The ports that both claim.
    pub(super) ports: PortRange,
}

impl Claims {
    /// Notes that a publish claims host ports.
    pub(super) fn add(
        &mut self,
        address: IpAddr,
        protocol: Protocol,
        ports: PortRange,
        owner: u32,
    ) {
        let [tcp4, udp4, sctp4, tcp6, udp6, sctp6] = &mut self.groups;
        let group = match (address.is_ipv4(), protocol) {
            (true, Protocol::Tcp) => tcp4,
            (true, Protocol::Udp) => udp4,
            (true, Protocol::Sctp) => sctp4,
            (false, Protocol::Tcp) => tcp6,
            (false, Protocol::Udp) => udp6,
            (false, Protocol::Sctp) => sctp6,
        };
        let claim = Claim {
            first: ports.first(),
            last: ports.last(),
            owner,
        };
        if address.is_unspecified() {
            group.any.push(claim);
        } else {
            group.specific.push((address, claim));
        }
    }

    /// Every publish that collides with another one, at least once for each; sorted by the later
    /// one, then the earlier one, without repetition.
    pub(super) fn conflicts(mut self) -> Vec<Conflict> {
        let mut found = Vec::new();
        let unspecified = |ipv6: bool| -> IpAddr {
            if ipv6 {
                std::net::Ipv6Addr::UNSPECIFIED.into()
            } else {
                std::net::Ipv4Addr::UNSPECIFIED.into()
            }
        };
        for (index, group) in self.groups.iter_mut().enumerate() {
            group.any.sort_unstable_by_key(|claim| claim.key());
            group
                .specific
                .sort_unstable_by_key(|(address, claim)| (*address, claim.key()));
            sweep(
                unspecified(index >= 3),
                group.any.iter().copied(),
                &mut found,
            );
            for same in group.specific.chunk_by(|a, b| a.0 == b.0) {
                if let Some((address, _)) = same.first() {
                    sweep(*address, same.iter().map(|(_, claim)| *claim), &mut found);
                }
            }
            if !group.any.is_empty() && !group.specific.is_empty() {
                group.any_with_specific(&mut found);
            }
        }
        // IPv4 sorts before IPv6: the family that is shown when both collide.
        found.sort_unstable();
        found.dedup_by_key(|conflict| (conflict.later, conflict.earlier));
        found
    }
}

impl Group {
    /// Finds, for each claim on one address, a claim on every address that collides with it.
    fn any_with_specific(&self, found: &mut Vec<Conflict>) {
        // reach[i] is the claim that reaches farthest among the first i + 1.
        let reach: Vec<Claim> = self
            .any
            .iter()
            .scan(None::<Claim>, |best, claim| {
                let farther = match *best {
                    Some(best) if best.last >= claim.last => best,
                    Some(_) | None => *claim,
                };
                *best = Some(farther);
                Some(farther)
            })
            .collect();
        for (address, claim) in &self.specific {
            let begun = self.any.partition_point(|any| any.first <= claim.last);
            if let Some(any) = begun.checked_sub(1).and_then(|last| reach.get(last)) {
                found.extend(Conflict::between(*any, *claim, *address));
            }
        }
    }
}

/// Finds the claims on one address, sorted, that collide with one before them.
fn sweep(address: IpAddr, claims: impl Iterator<Item = Claim>, found: &mut Vec<Conflict>) {
    let mut farthest: Option<Claim> = None;
    for claim in claims {
        match farthest {
            Some(reached) => {
                found.extend(Conflict::between(reached, claim, address));
                if claim.last > reached.last {
                    farthest = Some(claim);
                }
            }
            None => farthest = Some(claim),
        }
    }
}

impl Claim {
    /// Orders claims by first port.
    fn key(self) -> u64 {
        (u64::from(self.first) << 48) | (u64::from(self.last) << 32) | u64::from(self.owner)
    }
}

impl Conflict {
    /// The collision of two claims, if they have a port in common.
    fn between(a: Claim, b: Claim, address: IpAddr) -> Option<Self> {
        let ports = PortRange::new(a.first.max(b.first), a.last.min(b.last))?;
        let (earlier, later) = (a.owner.min(b.owner), a.owner.max(b.owner));
        Some(Self {
            later,
            earlier,
            address,
            ports,
        })
    }
}
