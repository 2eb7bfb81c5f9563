//! `-m hl`: the hop limit of an IPv6 packet.

use std::fmt;

use super::Match;
use super::ttl::Comparison;
use crate::parse::{Args, Opt};

/// The hl match.
///
/// Source: iptables 1.8.9, `extensions/libip6t_hl.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hl(pub Comparison);

impl fmt::Display for Hl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, "hl")
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["hl-eq", "hl"]).invertible(),
    Opt::value(&["hl-lt"]),
    Opt::value(&["hl-gt"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    let comparison = Comparison::read(args, ["hl-eq", "hl-lt", "hl-gt"])?;
    Some(Hl(comparison).into())
}
