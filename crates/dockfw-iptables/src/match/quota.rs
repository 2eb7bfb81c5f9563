//! `-m quota`: until so many bytes have come.

use std::fmt;

use super::Match;
use crate::parse::{Args, Opt, read};
use crate::value::Invertible;

/// The quota match: bytes of the packets that came to the rule.
///
/// Source: iptables 1.8.9, `extensions/libxt_quota.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quota {
    /// `--quota`.
    pub bytes: Invertible<u64>,
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m quota")?;
        self.bytes.write_option(f, "--quota")?;
        self.bytes.value().fmt(f)
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["quota"]).invertible()];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["quota"]);
    let bytes = args.invertible("quota", |text| read::number(text, u64::MAX))?;
    Some(Quota { bytes }.into())
}
