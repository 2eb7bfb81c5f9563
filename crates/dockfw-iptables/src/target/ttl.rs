//! `-j TTL` and `-j HL`: the time to live, or the hop limit.

use std::fmt;

use super::Target;
use crate::parse::{Args, Bad, Opt, read};

/// How the number changes; the packet goes on to the next rule.
///
/// Source: iptables 1.8.9, `extensions/libipt_TTL.c`, `libip6t_HL.c`; linux v6.12,
/// `net/netfilter/xt_HL.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SetTtl {
    /// `-set`: to this.
    Set(u8),
    /// `-inc`: by this, up to 255.
    Increase(u8),
    /// `-dec`: by this, down to 0.
    Decrease(u8),
}

impl SetTtl {
    /// The number afterwards.
    pub const fn apply(self, number: u8) -> u8 {
        match self {
            Self::Set(to) => to,
            Self::Increase(by) => number.saturating_add(by),
            Self::Decrease(by) => number.saturating_sub(by),
        }
    }

    pub(super) fn write(self, f: &mut fmt::Formatter<'_>, name: &str, key: &str) -> fmt::Result {
        let (how, number) = match self {
            Self::Set(to) => ("set", to),
            Self::Increase(by) => ("inc", by),
            Self::Decrease(by) => ("dec", by),
        };
        write!(f, " -j {name} --{key}-{how} {number}")
    }

    fn read(args: &mut Args<'_>, keys: [&str; 3]) -> Option<Self> {
        args.need(&keys);
        args.only_one(&keys);
        let [set, increase, decrease] = keys;
        let some = |text: &str| match read::u8(text)? {
            0 => Err(Bad::new("a change by 0 is none", "write at least 1")),
            number => Ok(number),
        };
        let set = args.value(set, read::u8).map(Self::Set);
        let increase = args.value(increase, some).map(Self::Increase);
        let decrease = args.value(decrease, some).map(Self::Decrease);
        set.or(increase).or(decrease)
    }
}

pub(super) const TTL_OPTIONS: &[Opt] = &[
    Opt::value(&["ttl-set"]),
    Opt::value(&["ttl-inc"]),
    Opt::value(&["ttl-dec"]),
];

pub(super) const HL_OPTIONS: &[Opt] = &[
    Opt::value(&["hl-set"]),
    Opt::value(&["hl-inc"]),
    Opt::value(&["hl-dec"]),
];

pub(super) fn parse_ttl(args: &mut Args<'_>) -> Option<Target> {
    SetTtl::read(args, ["ttl-set", "ttl-inc", "ttl-dec"]).map(Target::Ttl)
}

pub(super) fn parse_hl(args: &mut Args<'_>) -> Option<Target> {
    SetTtl::read(args, ["hl-set", "hl-inc", "hl-dec"]).map(Target::Hl)
}
