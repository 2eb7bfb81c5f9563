//! `-m iprange`: addresses from one to another.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use super::Match;
use crate::address::write_address;
use crate::parse::{Args, Opt, read};
use crate::value::Invertible;

/// The iprange match.
///
/// Source: iptables 1.8.9, `extensions/libxt_iprange.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Iprange {
    /// `--src-range`.
    pub source: Option<Invertible<AddressRange>>,
    /// `--dst-range`.
    pub destination: Option<Invertible<AddressRange>>,
}

/// Addresses from `first` to `last`, both inclusive and of the program's family; none when
/// `first` is above `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressRange {
    /// The lowest address.
    pub first: IpAddr,
    /// The highest address.
    pub last: IpAddr,
}

impl AddressRange {
    /// Whether an address is in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        (self.first..=self.last).contains(&address)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_address(f, self.first)?;
        f.write_char('-')?;
        write_address(f, self.last)
    }
}

impl fmt::Display for Iprange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m iprange")?;
        if let Some(range) = &self.source {
            range.write_option(f, "--src-range")?;
            range.value().fmt(f)?;
        }
        if let Some(range) = &self.destination {
            range.write_option(f, "--dst-range")?;
            range.value().fmt(f)?;
        }
        Ok(())
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["src-range"]).invertible(),
    Opt::value(&["dst-range"]).invertible(),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["src-range", "dst-range"]);
    let family = args.family;
    let range = |text: &str| {
        let (first, last) = read::addresses(text, family)?;
        Ok(AddressRange { first, last })
    };
    let iprange = Iprange {
        source: args.invertible("src-range", range),
        destination: args.invertible("dst-range", range),
    };
    Some(iprange.into())
}
