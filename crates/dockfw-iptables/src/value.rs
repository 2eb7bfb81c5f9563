//! Small values that several parts of a rule share: negation, protocols, port ranges.

use std::fmt::{self, Write as _};

/// A condition or its opposite: iptables writes `!` in front of the option for the latter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invertible<T> {
    /// The packet has the value.
    Is(T),
    /// The packet does not have the value.
    Not(T),
}

impl<T> Invertible<T> {
    /// `Not` when `inverted` says so.
    pub const fn new(inverted: bool, value: T) -> Self {
        if inverted {
            Self::Not(value)
        } else {
            Self::Is(value)
        }
    }

    /// Whether the test is inverted, and the value.
    pub fn into_parts(self) -> (bool, T) {
        match self {
            Self::Is(value) => (false, value),
            Self::Not(value) => (true, value),
        }
    }

    /// The same test of another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Invertible<U> {
        match self {
            Self::Is(value) => Invertible::Is(change(value)),
            Self::Not(value) => Invertible::Not(change(value)),
        }
    }

    /// The value, whichever way it is tested.
    pub fn value(&self) -> &T {
        match self {
            Self::Is(value) | Self::Not(value) => value,
        }
    }

    /// Whether the test is inverted.
    pub fn is_inverted(&self) -> bool {
        matches!(self, Self::Not(_))
    }

    /// Writes ` ! --option ` or ` --option `, both blanks included.
    pub(crate) fn write_option(&self, f: &mut fmt::Formatter<'_>, option: &str) -> fmt::Result {
        f.write_str(if self.is_inverted() { " ! " } else { " " })?;
        f.write_str(option)?;
        f.write_char(' ')
    }
}

/// An IP protocol number, as `-p` tests it: the protocol of the IPv4 header, or the upper-layer
/// protocol after the IPv6 extension headers.
///
/// Printed by name where iptables-save does so on a host with the usual `/etc/protocols`.
///
/// Source: iptables 1.8.9, `libxtables/xtables.c`, `xtables_chain_protos`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6; iptables-save writes `ipv6-icmp`.
    pub const ICMPV6: Self = Self(58);
    /// SCTP.
    pub const SCTP: Self = Self(132);

    /// The name iptables-save prints, if it prints one.
    fn name(self) -> Option<&'static str> {
        let known = crate::parse::PROTOCOLS.iter();
        let mut named = known.filter(|(number, _)| *number == self.0);
        named.next().map(|(_, name)| *name)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

/// Ports from `first` to `last`, both inclusive and in host byte order.
///
/// iptables takes ranges with `first` above `last`; they match nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// The highest port.
    pub last: u16,
}

impl PortRange {
    /// A single port.
    pub const fn one(port: u16) -> Self {
        Self {
            first: port,
            last: port,
        }
    }

    /// Writes one port as a number, several with `separator` between the ends.
    pub(crate) fn write(self, f: &mut fmt::Formatter<'_>, separator: char) -> fmt::Result {
        write_number(f, self.first)?;
        if self.first != self.last {
            f.write_char(separator)?;
            write_number(f, self.last)?;
        }
        Ok(())
    }
}

/// Writes a number without the padding machinery of the standard formatter.
pub(crate) fn write_number(f: &mut fmt::Formatter<'_>, number: u16) -> fmt::Result {
    let mut divisor = 10_000;
    while divisor > 1 && number < divisor {
        divisor /= 10;
    }
    let mut rest = number;
    while divisor > 0 {
        let digit = u32::from(rest / divisor);
        f.write_char(char::from_digit(digit, 10).unwrap_or('0'))?;
        rest %= divisor;
        divisor /= 10;
    }
    Ok(())
}
