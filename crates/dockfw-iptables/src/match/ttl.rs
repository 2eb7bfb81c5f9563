//! `-m ttl`: the time to live of an IPv4 packet.

use std::fmt;

use super::Match;
use crate::parse::{Args, Opt, read};
use crate::value::Invertible;

/// The ttl match.
///
/// Source: iptables 1.8.9, `extensions/libipt_ttl.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ttl(pub Comparison);

/// How a number is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Comparison {
    /// `-eq`.
    Equal(Invertible<u8>),
    /// `-lt`.
    Below(u8),
    /// `-gt`.
    Above(u8),
}

impl Comparison {
    /// Whether a number is as wanted.
    pub fn holds(self, number: u8) -> bool {
        match self {
            Self::Equal(Invertible::Is(wanted)) => number == wanted,
            Self::Equal(Invertible::Not(wanted)) => number != wanted,
            Self::Below(wanted) => number < wanted,
            Self::Above(wanted) => number > wanted,
        }
    }

    pub(super) fn write(self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let (not, how, number) = match self {
            Self::Equal(value) => (value.is_inverted(), "eq", *value.value()),
            Self::Below(number) => (false, "lt", number),
            Self::Above(number) => (false, "gt", number),
        };
        let not = if not { " !" } else { "" };
        write!(f, " -m {name}{not} --{name}-{how} {number}")
    }

    pub(super) fn read(args: &mut Args<'_>, [equal, below, above]: [&str; 3]) -> Option<Self> {
        args.need(&[equal, below, above]);
        args.only_one(&[equal, below, above]);
        let equal = args.invertible(equal, read::u8).map(Self::Equal);
        let below = args.value(below, read::u8).map(Self::Below);
        let above = args.value(above, read::u8).map(Self::Above);
        equal.or(below).or(above)
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, "ttl")
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["ttl-eq", "ttl"]).invertible(),
    Opt::value(&["ttl-lt"]),
    Opt::value(&["ttl-gt"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    let comparison = Comparison::read(args, ["ttl-eq", "ttl-lt", "ttl-gt"])?;
    Some(Ttl(comparison).into())
}
