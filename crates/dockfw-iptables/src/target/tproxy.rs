//! `-j TPROXY`: a transparent socket of the host gets the packet.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Target;
use crate::address::write_address;
use crate::parse::{Args, Opt, read};
use crate::program::Family;
use crate::value::Protocol;

/// The tproxy target: the packet is accepted when there is such a socket, and dropped otherwise.
///
/// Source: iptables 1.8.9, `extensions/libxt_TPROXY.c`; linux v6.12, `net/netfilter/xt_TPROXY.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tproxy {
    /// `--on-port`; 0 is the packet's own.
    pub port: u16,
    /// `--on-ip`; the unspecified one is that of the input interface.
    pub address: IpAddr,
    /// `--tproxy-mark`: what is xored onto the mark, and the bits that are cleared before.
    pub mark: (u32, u32),
}

impl Tproxy {
    /// What a mark becomes.
    pub fn apply(self, mark: u32) -> u32 {
        (mark & !self.mark.1) ^ self.mark.0
    }
}

impl fmt::Display for Tproxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " -j TPROXY --on-port {} --on-ip ", self.port)?;
        write_address(f, self.address)?;
        let (value, mask) = self.mark;
        write!(f, " --tproxy-mark {value:#x}/{mask:#x}")
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["on-port"]),
    Opt::value(&["on-ip"]),
    Opt::value(&["tproxy-mark"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    args.need(&["on-port"]);
    args.need_protocol("", &[Protocol::TCP, Protocol::UDP]);
    let family = args.family;
    let address = args.value("on-ip", |text| read::address(text, family));
    let mark = args.value("tproxy-mark", read::masked);
    let tproxy = Tproxy {
        port: args.value("on-port", read::port)?,
        address: address.unwrap_or(match family {
            Family::Ipv4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }),
        mark: mark.unwrap_or((0, 0)),
    };
    Some(Target::Tproxy(tproxy))
}
