//! `-j NETMAP`: a network is mapped to another one, address by address.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::Target;
use crate::address::AddressMask;
use crate::parse::{Args, Bad, Opt, read};

/// The netmap target: the destination in `PREROUTING` and `OUTPUT`, the source in `POSTROUTING` and
/// `INPUT`.
///
/// Source: iptables 1.8.9, `extensions/libxt_NAT.c`, `NETMAP_*`; linux v6.12,
/// `net/netfilter/xt_NETMAP.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Netmap {
    /// `--to`: the network; bits of the address behind its length stay as they are.
    pub to: IpNet,
}

impl Netmap {
    /// What an address of the same family becomes.
    pub fn map(self, address: IpAddr) -> IpAddr {
        match (self.to, address) {
            (IpNet::V4(to), IpAddr::V4(address)) => {
                let mask = to.netmask().to_bits();
                let bits = to.network().to_bits() | address.to_bits() & !mask;
                IpAddr::V4(bits.into())
            }
            (IpNet::V6(to), IpAddr::V6(address)) => {
                let mask = to.netmask().to_bits();
                let bits = to.network().to_bits() | address.to_bits() & !mask;
                IpAddr::V6(bits.into())
            }
            (IpNet::V4(_), IpAddr::V6(_)) | (IpNet::V6(_), IpAddr::V4(_)) => address,
        }
    }
}

impl fmt::Display for Netmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " -j NETMAP --to {}", self.to)
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["to"])];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    args.need(&["to"]);
    let family = args.family;
    let to = args.value("to", |text| {
        let (address, mask) = match read::network(text, family)? {
            AddressMask::Ipv4(address, mask) => (IpAddr::V4(address), IpAddr::V4(mask)),
            AddressMask::Ipv6(address, mask) => (IpAddr::V6(address), IpAddr::V6(mask)),
        };
        IpNet::with_netmask(address, mask)
            .map(|to| to.trunc())
            .map_err(|_hole| {
                Bad::new(
                    format!("the mask of {text} has holes"),
                    "write a network with a length, such as 192.0.2.0/24",
                )
            })
    })?;
    Some(Target::Netmap(Netmap { to }))
}
