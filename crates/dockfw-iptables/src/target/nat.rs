//! What DNAT and SNAT rewrite to.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use crate::address::write_address;
use crate::value::PortRange;

/// `[address[-address]][:port[-port]]`: the values one of which is chosen.
///
/// Source: iptables 1.8.9, `extensions/libxt_NAT.c`, `print_range`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct NatRange {
    /// The lowest and the highest address, of the program's family; `None` keeps the packet's.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// The ports; `None` keeps the packet's where possible.
    pub ports: Option<PortRange>,
}

impl NatRange {
    /// One address, the port stays.
    pub const fn address(address: IpAddr) -> Self {
        Self {
            addresses: Some((address, address)),
            ports: None,
        }
    }

    /// One address and port.
    pub const fn socket(address: IpAddr, port: u16) -> Self {
        Self {
            addresses: Some((address, address)),
            ports: Some(PortRange::one(port)),
        }
    }
}

impl fmt::Display for NatRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((first, last)) = self.addresses {
            let bracket = first.is_ipv6() && self.ports.is_some();
            if bracket {
                f.write_char('[')?;
            }
            write_address(f, first)?;
            if first != last {
                f.write_char('-')?;
                write_address(f, last)?;
            }
            if bracket {
                f.write_char(']')?;
            }
        }
        match self.ports {
            Some(ports) => {
                f.write_char(':')?;
                ports.write(f, '-')
            }
            None => Ok(()),
        }
    }
}
