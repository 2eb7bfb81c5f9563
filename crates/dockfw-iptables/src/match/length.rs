//! `-m length`: the length of the packet.

use std::fmt::{self, Write as _};

use super::Match;
use crate::parse::{Args, Bad, Opt, read};
use crate::value::Invertible;

/// The length match: bytes of the whole packet, IP header included, first and last inclusive.
///
/// Source: iptables 1.8.9, `extensions/libxt_length.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length {
    /// `--length`.
    pub bytes: Invertible<(u16, u16)>,
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m length")?;
        self.bytes.write_option(f, "--length")?;
        let (first, last) = self.bytes.value();
        first.fmt(f)?;
        if first != last {
            f.write_char(':')?;
            last.fmt(f)?;
        }
        Ok(())
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["length"]).invertible()];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["length"]);
    let bytes = args.invertible("length", |text| {
        let (first, last) = read::range(text, ':', (0, u16::MAX), read::u16)?;
        if first > last {
            return Err(Bad::new(
                format!("the range {text} ends before it begins"),
                format!("write {last}:{first}"),
            ));
        }
        Ok((first, last))
    })?;
    Some(Length { bytes }.into())
}
