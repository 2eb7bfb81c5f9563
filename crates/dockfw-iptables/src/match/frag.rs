//! `-m frag`: the fragment header of an IPv6 packet.

use std::fmt;

use super::Match;
use super::spi::{range, write_range};
use crate::parse::{Args, Opt, read};
use crate::value::Invertible;

/// The frag match; a packet without the header never matches.
///
/// Source: iptables 1.8.9, `extensions/libip6t_frag.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each option")]
pub struct Frag {
    /// `--fragid`: first and last, both inclusive.
    pub id: Option<Invertible<(u32, u32)>>,
    /// `--fraglen`.
    pub length: Option<Invertible<u32>>,
    /// `--fragres`: the reserved bits are 0.
    pub reserved: bool,
    /// `--fragfirst`: it is the first fragment.
    pub first: bool,
    /// `--fragmore`: more fragments follow.
    pub more: bool,
    /// `--fraglast`: it is the last fragment.
    pub last: bool,
}

impl fmt::Display for Frag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m frag")?;
        if let Some(id) = self.id {
            id.write_option(f, "--fragid")?;
            write_range(f, *id.value())?;
        }
        if let Some(length) = self.length {
            length.write_option(f, "--fraglen")?;
            length.value().fmt(f)?;
        }
        let flags = [
            (self.reserved, " --fragres"),
            (self.first, " --fragfirst"),
            (self.more, " --fragmore"),
            (self.last, " --fraglast"),
        ];
        let mut set = flags.iter().filter(|(set, _)| *set);
        set.try_for_each(|(_, option)| f.write_str(option))
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["fragid"]).invertible(),
    Opt::value(&["fraglen"]).invertible(),
    Opt::flag(&["fragres"]),
    Opt::flag(&["fragfirst"]),
    Opt::flag(&["fragmore"]),
    Opt::flag(&["fraglast"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.only_one(&["fragmore", "fraglast"]);
    let frag = Frag {
        id: range(args, "fragid"),
        length: args.invertible("fraglen", read::u32),
        reserved: args.has("fragres"),
        first: args.has("fragfirst"),
        more: args.has("fragmore"),
        last: args.has("fraglast"),
    };
    Some(frag.into())
}
