//! `-m connmark`: the connection's mark.

use std::fmt;

use super::Match;
use super::mark::write_mark;
use crate::parse::{Args, Opt, read};
use crate::value::Invertible;

/// `--mark value[/mask]`: `connection mark & mask == value`.
///
/// Source: iptables 1.8.9, `extensions/libxt_connmark.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connmark {
    /// The value and the mask, in host byte order.
    pub value: Invertible<(u32, u32)>,
}

impl fmt::Display for Connmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m connmark")?;
        write_mark(f, &self.value)
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["mark"]).invertible()];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["mark"]);
    let value = args.invertible("mark", read::masked)?;
    Some(Connmark { value }.into())
}
