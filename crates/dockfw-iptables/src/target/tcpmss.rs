//! `-j TCPMSS`: the largest segment that the ends of a TCP connection may send.

use std::fmt;

use super::Target;
use crate::parse::{Args, Opt, read};
use crate::value::Protocol;

/// The tcpmss target; the packet goes on to the next rule.
///
/// Source: iptables 1.8.9, `extensions/libxt_TCPMSS.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tcpmss {
    /// `--set-mss`, in bytes.
    Set(u16),
    /// `--clamp-mss-to-pmtu`: what the way to the destination takes.
    Clamp,
}

impl fmt::Display for Tcpmss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(bytes) => write!(f, " -j TCPMSS --set-mss {bytes}"),
            Self::Clamp => f.write_str(" -j TCPMSS --clamp-mss-to-pmtu"),
        }
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["set-mss"]), Opt::flag(&["clamp-mss-to-pmtu"])];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    args.need(&["set-mss", "clamp-mss-to-pmtu"]);
    args.only_one(&["set-mss", "clamp-mss-to-pmtu"]);
    args.need_protocol("", &[Protocol::TCP]);
    if args.has("clamp-mss-to-pmtu") {
        return Some(Target::Tcpmss(Tcpmss::Clamp));
    }
    let bytes = args.value("set-mss", read::u16)?;
    Some(Target::Tcpmss(Tcpmss::Set(bytes)))
}
