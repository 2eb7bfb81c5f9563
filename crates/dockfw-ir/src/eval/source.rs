//! The addresses that `masquerade` and `redirect` choose.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::host::{Host, LOOPBACK};

impl Host {
    /// The source of a masqueraded packet that leaves by `output`; without one it is dropped.
    ///
    /// IPv4: the first address of the interface whose subnet has the next hop, else its first
    /// address, else the first address of any interface. Routes here have no gateway, so the next
    /// hop is the destination; where the kernel would choose by the gateway, this is the first
    /// address.
    ///
    /// IPv6: the address of the best scope for the destination, then one of the interface, then
    /// the one with the longest common prefix, then the first (RFC 6724 §5 rules 2, 5 and 8;
    /// labels, deprecated and temporary addresses are not modelled).
    ///
    /// Source: `net/netfilter/nf_nat_masquerade.c`, `nf_nat_masquerade_ipv4`,
    /// `nat_ipv6_dev_get_saddr`; `net/ipv4/devinet.c`, `inet_select_addr`; `net/ipv6/addrconf.c`,
    /// `ipv6_dev_get_saddr` (v6.12).
    pub(super) fn masquerade_source(&self, output: &str, destination: IpAddr) -> Option<IpAddr> {
        match destination {
            IpAddr::V4(_) => self.select4(output, destination),
            IpAddr::V6(destination) => self.select6(output, destination),
        }
    }

    fn select4(&self, output: &str, destination: IpAddr) -> Option<IpAddr> {
        let usable = || {
            self.addresses()
                .filter(|(_, own)| own.addr().is_ipv4() && !own.addr().is_loopback())
        };
        let mut first = None;
        for (_, own) in usable().filter(|(name, _)| *name == output) {
            if own.contains(&destination) {
                return Some(own.addr());
            }
            first = first.or(Some(own.addr()));
        }
        first.or_else(|| usable().next().map(|(_, own)| own.addr()))
    }

    fn select6(&self, output: &str, destination: Ipv6Addr) -> Option<IpAddr> {
        let local = scope(destination) == Scope::Link;
        if local && output == LOOPBACK {
            // Only the addresses of that interface are candidates.
            return Some(Ipv6Addr::LOCALHOST.into());
        }
        let mut best = None;
        for (name, own) in self.addresses() {
            let IpAddr::V6(address) = own.addr() else {
                continue;
            };
            if name == LOOPBACK || (local && name != output) {
                continue;
            }
            let scope_fits = if local {
                scope(address) == Scope::Link
            } else {
                scope(address) == Scope::Global
            };
            let common = (u128::from(address) ^ u128::from(destination)).leading_zeros();
            let common = common.min(u32::from(own.prefix_len()));
            let score = (scope_fits, name == output, common);
            if best.is_none_or(|(other, _)| other < score) {
                best = Some((score, IpAddr::V6(address)));
            }
        }
        best.map(|(_, address)| address)
    }

    /// The new destination of a redirected packet: loopback for the host's own packets, else the
    /// primary address of the input interface; without one the packet is dropped.
    ///
    /// IPv6: a link-local destination asks for a link-local address; otherwise the first global
    /// one is taken before any other, as the kernel keeps addresses ordered by scope.
    ///
    /// Source: `net/netfilter/nf_nat_redirect.c`, `nf_nat_redirect_ipv4`, `nf_nat_redirect_ipv6`
    /// (v6.12).
    pub(super) fn redirect_target(
        &self,
        input: Option<&str>,
        destination: IpAddr,
    ) -> Option<IpAddr> {
        let Some(input) = input else {
            return Some(match destination {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        };
        let own = || {
            let own = self.addresses().filter(|(name, _)| *name == input);
            own.map(|(_, own)| own.addr())
        };
        match destination {
            IpAddr::V4(_) => {
                let loopback = || (input == LOOPBACK).then_some(Ipv4Addr::LOCALHOST.into());
                own().find(IpAddr::is_ipv4).or_else(loopback)
            }
            IpAddr::V6(_) if input == LOOPBACK => Some(Ipv6Addr::LOCALHOST.into()),
            IpAddr::V6(destination) => {
                let of = |wanted| {
                    own().find(|own| match own {
                        IpAddr::V4(_) => false,
                        IpAddr::V6(own) => scope(*own) == wanted,
                    })
                };
                match scope(destination) {
                    Scope::Link => of(Scope::Link),
                    Scope::Global => of(Scope::Global).or_else(|| of(Scope::Link)),
                }
            }
        }
    }
}

/// How far an address reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Link,
    Global,
}

fn scope(address: Ipv6Addr) -> Scope {
    let [_, second, ..] = address.octets();
    let link_group = address.is_multicast() && second & 0xf <= 2;
    if address.is_unicast_link_local() || address.is_loopback() || link_group {
        Scope::Link
    } else {
        Scope::Global
    }
}
