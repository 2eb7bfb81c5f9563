//! `-m tcpmss`: the segment size that a TCP SYN offers.

use std::fmt;

use super::Match;
use crate::parse::{Args, Bad, Opt, read};
use crate::value::{Invertible, Protocol};

/// The tcpmss match; a packet without the option has no size.
///
/// Source: iptables 1.8.9, `extensions/libxt_tcpmss.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tcpmss {
    /// `--mss`: bytes, first and last inclusive.
    pub bytes: Invertible<(u16, u16)>,
}

impl fmt::Display for Tcpmss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m tcpmss")?;
        self.bytes.write_option(f, "--mss")?;
        let (first, last) = self.bytes.value();
        if first == last {
            first.fmt(f)
        } else {
            write!(f, "{first}:{last}")
        }
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["mss"]).invertible()];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["mss"]);
    args.need_protocol("", &[Protocol::TCP]);
    let bytes = args.invertible("mss", |text| {
        let (first, last) = read::range(text, ':', (0, u16::MAX), read::u16)?;
        if first > last {
            return Err(Bad::new(
                format!("the range {text} ends before it begins"),
                format!("write {last}:{first}"),
            ));
        }
        Ok((first, last))
    })?;
    Some(Tcpmss { bytes }.into())
}
