//! `-m esp` and `-m ah`: the security parameters index of a packet of IPsec.

use std::fmt::{self, Display as _};

use super::Match;
use crate::parse::{Args, ErrorKind, Opt, read};
use crate::program::Family;
use crate::value::{Invertible, Protocol};

/// Indexes from a first to a last one.
///
/// Source: iptables 1.8.9, `extensions/libxt_esp.c`, `libipt_ah.c`, `libip6t_ah.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spi {
    /// `--espspi` or `--ahspi`, both ends inclusive; `None` is every index. With a first one above
    /// the last one it is none.
    pub range: Option<Invertible<(u32, u32)>>,
}

impl Spi {
    /// Every index.
    pub const ALL: (u32, u32) = (0, u32::MAX);

    pub(super) fn write(self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        write!(f, " -m {name}")?;
        let Some(range) = self.range else {
            return Ok(());
        };
        range.write_option(f, &format!("--{name}spi"))?;
        write_range(f, *range.value())
    }
}

/// `first[:last]`
pub(super) fn write_range(f: &mut fmt::Formatter<'_>, (first, last): (u32, u32)) -> fmt::Result {
    first.fmt(f)?;
    if first == last {
        return Ok(());
    }
    write!(f, ":{last}")
}

/// A range of numbers; all of them are as good as no option, and iptables-save prints none.
pub(super) fn range(args: &mut Args<'_>, key: &str) -> Option<Invertible<(u32, u32)>> {
    let range = args.invertible(key, |text| read::range(text, ':', Spi::ALL, read::u32));
    range.filter(|range| *range != Invertible::Is(Spi::ALL))
}

pub(super) const ESP_OPTIONS: &[Opt] = &[Opt::value(&["espspi"]).invertible()];

pub(super) fn parse_esp(args: &mut Args<'_>) -> Option<Match> {
    args.need_protocol("", &[Protocol(50)]);
    let range = range(args, "espspi");
    Some(Match::Esp(Spi { range }))
}

pub(super) const AH_OPTIONS: &[Opt] = &[
    Opt::value(&["ahspi"]).invertible(),
    Opt::value(&["ahlen"]).invertible(),
    Opt::flag(&["ahres"]),
];

/// Of IPv6 it is an extension header, and the rule needs no `-p`.
pub(super) fn parse_ah(args: &mut Args<'_>) -> Option<Match> {
    if args.family == Family::Ipv4 {
        args.need_protocol("", &[Protocol(51)]);
    }
    for key in ["ahlen", "ahres"] {
        if args.has(key) {
            let reason = "only the index of the header is taken over";
            args.refuse(
                key,
                ErrorKind::Unsupported {
                    extension: "ah",
                    reason,
                },
                format!("-m ah --{key}: {reason}"),
                "leave the rule out",
            );
        }
    }
    let range = range(args, "ahspi");
    Some(Match::Ah(Spi { range }))
}
