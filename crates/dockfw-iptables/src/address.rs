//! Addresses with masks, as `-s` and `-d` take them, and the spelling of addresses.

use std::fmt::{self, Display as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::value::write_number;

/// An address and the bits of it that are compared.
///
/// The mask need not be contiguous; bits outside it are zero in the address, as iptables stores
/// it. Both have the same family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressMask {
    /// IPv4.
    Ipv4(Ipv4Addr, Ipv4Addr),
    /// IPv6.
    Ipv6(Ipv6Addr, Ipv6Addr),
}

impl AddressMask {
    /// An IPv4 address under a mask; host bits are cleared.
    pub fn ipv4(address: Ipv4Addr, mask: Ipv4Addr) -> Self {
        Self::Ipv4(
            Ipv4Addr::from_bits(address.to_bits() & mask.to_bits()),
            mask,
        )
    }

    /// An IPv6 address under a mask; host bits are cleared.
    pub fn ipv6(address: Ipv6Addr, mask: Ipv6Addr) -> Self {
        Self::Ipv6(
            Ipv6Addr::from_bits(address.to_bits() & mask.to_bits()),
            mask,
        )
    }

    /// Whether every address of the family matches.
    pub fn is_any(&self) -> bool {
        match self {
            Self::Ipv4(_, mask) => mask.is_unspecified(),
            Self::Ipv6(_, mask) => mask.is_unspecified(),
        }
    }

    /// Whether an address matches; never when the families differ.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::Ipv4(wanted, mask), IpAddr::V4(address)) => {
                address.to_bits() & mask.to_bits() == wanted.to_bits()
            }
            (Self::Ipv6(wanted, mask), IpAddr::V6(address)) => {
                address.to_bits() & mask.to_bits() == wanted.to_bits()
            }
            (Self::Ipv4(..), IpAddr::V6(_)) | (Self::Ipv6(..), IpAddr::V4(_)) => false,
        }
    }
}

impl From<IpNet> for AddressMask {
    fn from(net: IpNet) -> Self {
        match net {
            IpNet::V4(net) => Self::ipv4(net.addr(), net.netmask()),
            IpNet::V6(net) => Self::ipv6(net.addr(), net.netmask()),
        }
    }
}

impl From<IpAddr> for AddressMask {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::ipv4(address, Ipv4Addr::BROADCAST),
            IpAddr::V6(address) => Self::ipv6(address, Ipv6Addr::from_bits(u128::MAX)),
        }
    }
}

impl fmt::Display for AddressMask {
    /// Writes `address/prefix`, or `address/mask` when the mask has holes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Ipv4(address, mask) => {
                write_ipv4(f, address)?;
                f.write_char('/')?;
                let bits = mask.to_bits();
                if bits.leading_ones() + bits.trailing_zeros().min(32) < 32 {
                    return write_ipv4(f, mask);
                }
                bits.leading_ones().fmt(f)
            }
            Self::Ipv6(address, mask) => {
                write_ipv6(f, address)?;
                f.write_char('/')?;
                let bits = mask.to_bits();
                if bits.leading_ones() + bits.trailing_zeros() < 128 {
                    return write_ipv6(f, mask);
                }
                bits.leading_ones().fmt(f)
            }
        }
    }
}

/// Writes an address as inet_ntop(3) spells it.
pub(crate) fn write_address(f: &mut fmt::Formatter<'_>, address: IpAddr) -> fmt::Result {
    match address {
        IpAddr::V4(address) => write_ipv4(f, address),
        IpAddr::V6(address) => write_ipv6(f, address),
    }
}

/// Writes an address, and `/prefix` or `/mask` behind it unless all bits count.
pub(crate) fn write_host_or_network(
    f: &mut fmt::Formatter<'_>,
    address: AddressMask,
) -> fmt::Result {
    match address {
        AddressMask::Ipv4(address, Ipv4Addr::BROADCAST) => write_ipv4(f, address),
        AddressMask::Ipv6(address, mask) if mask.to_bits() == u128::MAX => write_ipv6(f, address),
        AddressMask::Ipv4(..) | AddressMask::Ipv6(..) => address.fmt(f),
    }
}

fn write_ipv4(f: &mut fmt::Formatter<'_>, address: Ipv4Addr) -> fmt::Result {
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            f.write_char('.')?;
        }
        write_number(f, octet.into())?;
    }
    Ok(())
}

/// Unlike the standard library, inet_ntop(3) writes the last 32 bits of `::/96` as IPv4 when the
/// upper half of them is not zero: `::192.0.2.1`.
fn write_ipv6(f: &mut fmt::Formatter<'_>, address: Ipv6Addr) -> fmt::Result {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, upper, lower] if upper != 0 => {
            f.write_str("::")?;
            write_ipv4(
                f,
                Ipv4Addr::from_bits((u32::from(upper) << 16) | u32::from(lower)),
            )
        }
        _ => address.fmt(f),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling() {
        let check = |value: AddressMask, expected: &str| assert_eq!(value.to_string(), expected);
        check(IpAddr::from([192, 0, 2, 1]).into(), "192.0.2.1/32");
        check(
            AddressMask::ipv4([192, 0, 2, 1].into(), [255, 0, 255, 0].into()),
            "192.0.2.0/255.0.255.0",
        );
        check(AddressMask::ipv4([0; 4].into(), [0; 4].into()), "0.0.0.0/0");
        check(
            "2001:db8::1/64".parse::<IpNet>().unwrap().into(),
            "2001:db8::/64",
        );
        check(
            "::192.0.2.1".parse::<IpAddr>().unwrap().into(),
            "::192.0.2.1/128",
        );
        check("::1".parse::<IpAddr>().unwrap().into(), "::1/128");
        check("::/0".parse::<IpNet>().unwrap().into(), "::/0");
        check(AddressMask::ipv6(1.into(), 1.into()), "::1/::1");
    }
}
