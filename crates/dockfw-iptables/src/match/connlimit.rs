//! `-m connlimit`: how many connections an address has.

use std::fmt;

use super::Match;
use crate::parse::{Args, Opt, read};
use crate::program::Family;

/// The connlimit match.
///
/// Source: iptables 1.8.9, `extensions/libxt_connlimit.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connlimit {
    /// `--connlimit-upto` or, when `above`, `--connlimit-above`.
    pub count: u32,
    /// Whether there must be more than `count`; else there must not.
    pub above: bool,
    /// `--connlimit-mask`: how many bits of an address count, up to 32 or 128.
    pub prefix: u8,
    /// Whose connections.
    pub side: Side,
}

/// Which address of the packet is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// `--connlimit-saddr`.
    Source,
    /// `--connlimit-daddr`.
    Destination,
}

impl fmt::Display for Connlimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.above { "above" } else { "upto" };
        let side = match self.side {
            Side::Source => "saddr",
            Side::Destination => "daddr",
        };
        write!(
            f,
            " -m connlimit --connlimit-{how} {} --connlimit-mask {} --connlimit-{side}",
            self.count, self.prefix
        )
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["connlimit-upto"]).invertible(),
    Opt::value(&["connlimit-above"]).invertible(),
    Opt::value(&["connlimit-mask"]),
    Opt::flag(&["connlimit-saddr"]),
    Opt::flag(&["connlimit-daddr"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["connlimit-upto", "connlimit-above"]);
    args.only_one(&["connlimit-upto", "connlimit-above"]);
    args.only_one(&["connlimit-saddr", "connlimit-daddr"]);
    let longest = match args.family {
        Family::Ipv4 => 32,
        Family::Ipv6 => 128,
    };
    let prefix = args.value("connlimit-mask", |text| read::number(text, longest.into()));
    let upto = args.invertible("connlimit-upto", read::u32);
    let above = args.invertible("connlimit-above", read::u32);
    let (inverted, count) = upto.or(above)?.into_parts();
    let connlimit = Connlimit {
        count,
        above: above.is_some() != inverted,
        prefix: prefix.map_or(longest, |prefix| u8::try_from(prefix).unwrap_or(longest)),
        side: if args.has("connlimit-daddr") {
            Side::Destination
        } else {
            Side::Source
        },
    };
    Some(connlimit.into())
}
