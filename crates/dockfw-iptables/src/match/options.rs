//! `-m hbh` and `-m dst`: the headers of IPv6 with options for hops and for the destination.

use std::fmt::{self, Display as _};

use super::Match;
use crate::parse::{Args, ErrorKind, Opt, read};
use crate::value::Invertible;

/// A header with options; a packet without it never matches.
///
/// Source: iptables 1.8.9, `extensions/libip6t_hbh.c`, `libip6t_dst.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Options {
    /// `--hbh-len` or `--dst-len`: bytes of the header.
    pub length: Option<Invertible<u32>>,
}

impl Options {
    pub(super) fn write(self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        write!(f, " -m {name}")?;
        let Some(length) = self.length else {
            return Ok(());
        };
        length.write_option(f, &format!("--{name}-len"))?;
        length.value().fmt(f)
    }

    fn read(args: &mut Args<'_>, length: &str, options: &str) -> Self {
        if args.has(options) {
            let reason = "the options in a header are not looked at";
            let extension = args.name;
            args.refuse(
                options,
                ErrorKind::Unsupported { extension, reason },
                format!("-m {extension} --{options}: {reason}"),
                "leave the rule out",
            );
        }
        Self {
            length: args.invertible(length, read::u32),
        }
    }
}

pub(super) const HBH_OPTIONS: &[Opt] = &[
    Opt::value(&["hbh-len"]).invertible(),
    Opt::value(&["hbh-opts"]),
];

pub(super) fn parse_hbh(args: &mut Args<'_>) -> Option<Match> {
    Some(Match::Hbh(Options::read(args, "hbh-len", "hbh-opts")))
}

pub(super) const DST_OPTIONS: &[Opt] = &[
    Opt::value(&["dst-len"]).invertible(),
    Opt::value(&["dst-opts"]),
];

pub(super) fn parse_dst(args: &mut Args<'_>) -> Option<Match> {
    Some(Match::Dst(Options::read(args, "dst-len", "dst-opts")))
}
