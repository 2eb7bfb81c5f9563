//! `-m rt`: the routing header of an IPv6 packet.

use std::fmt;

use super::Match;
use super::spi::{range, write_range};
use crate::parse::{Args, ErrorKind, Opt, read};
use crate::value::Invertible;

/// The rt match; a packet without the header never matches.
///
/// Source: iptables 1.8.9, `extensions/libip6t_rt.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Rt {
    /// `--rt-type`.
    pub kind: Option<Invertible<u32>>,
    /// `--rt-segsleft`: first and last, both inclusive.
    pub segments: Option<Invertible<(u32, u32)>>,
    /// `--rt-len`: bytes of the header.
    pub length: Option<Invertible<u32>>,
    /// `--rt-0-res`: the reserved field of type 0 is 0.
    pub reserved: bool,
}

impl fmt::Display for Rt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m rt")?;
        if let Some(kind) = self.kind {
            kind.write_option(f, "--rt-type")?;
            kind.value().fmt(f)?;
        }
        if let Some(segments) = self.segments {
            segments.write_option(f, "--rt-segsleft")?;
            write_range(f, *segments.value())?;
        }
        if let Some(length) = self.length {
            length.write_option(f, "--rt-len")?;
            length.value().fmt(f)?;
        }
        if self.reserved {
            f.write_str(" --rt-0-res")?;
        }
        Ok(())
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["rt-type"]).invertible(),
    Opt::value(&["rt-segsleft"]).invertible(),
    Opt::value(&["rt-len"]).invertible(),
    Opt::flag(&["rt-0-res"]),
    Opt::value(&["rt-0-addrs"]),
    Opt::flag(&["rt-0-not-strict"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    for key in ["rt-0-addrs", "rt-0-not-strict"] {
        if args.has(key) {
            let reason = "the addresses in a routing header are not looked at";
            args.refuse(
                key,
                ErrorKind::Unsupported {
                    extension: "rt",
                    reason,
                },
                format!("-m rt --{key}: {reason}"),
                "leave the rule out",
            );
        }
    }
    let rt = Rt {
        kind: args.invertible("rt-type", read::u32),
        segments: range(args, "rt-segsleft"),
        length: args.invertible("rt-len", read::u32),
        reserved: args.has("rt-0-res"),
    };
    if rt.reserved && rt.kind != Some(Invertible::Is(0)) {
        args.refuse(
            "rt-0-res",
            ErrorKind::Missing,
            "--rt-0-res needs --rt-type 0 besides",
            "add --rt-type 0",
        );
    }
    Some(rt.into())
}
