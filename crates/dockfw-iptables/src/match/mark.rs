//! `-m mark`: the packet's mark.

use std::fmt;

use super::Match;
use crate::parse::{Args, Opt, read};
use crate::value::Invertible;

/// `--mark value[/mask]`: `packet mark & mask == value`.
///
/// Source: iptables 1.8.9, `extensions/libxt_mark.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The value and the mask, in host byte order.
    pub value: Invertible<(u32, u32)>,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m mark")?;
        write_mark(f, &self.value)
    }
}

/// Writes `--mark value[/mask]`.
pub(super) fn write_mark(
    f: &mut fmt::Formatter<'_>,
    wanted: &Invertible<(u32, u32)>,
) -> fmt::Result {
    wanted.write_option(f, "--mark")?;
    let (value, mask) = wanted.value();
    write!(f, "{value:#x}")?;
    if *mask == u32::MAX {
        Ok(())
    } else {
        write!(f, "/{mask:#x}")
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["mark"]).invertible()];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["mark"]);
    let value = args.invertible("mark", read::masked)?;
    Some(Mark { value }.into())
}
