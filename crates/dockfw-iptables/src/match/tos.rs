//! `-m tos`: bits of the type of service, or of the traffic class.

use std::fmt;

use super::Match;
use crate::parse::{Args, Bad, Opt, read};
use crate::value::Invertible;

/// The tos match: `byte & mask == value`.
///
/// Source: iptables 1.8.9, `extensions/libxt_tos.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tos {
    /// `--tos`: the value and the mask.
    pub value: Invertible<(u8, u8)>,
}

impl fmt::Display for Tos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m tos")?;
        self.value.write_option(f, "--tos")?;
        let (value, mask) = self.value.value();
        write!(f, "0x{value:02x}/0x{mask:02x}")
    }
}

/// Source: RFC 1349.
const NAMES: [(u8, &str); 5] = [
    (0x10, "Minimize-Delay"),
    (0x08, "Maximize-Throughput"),
    (0x04, "Maximize-Reliability"),
    (0x02, "Minimize-Cost"),
    (0x00, "Normal-Service"),
];

/// `value[/mask]` or a name, which is about six bits.
pub(crate) fn value(text: &str) -> Result<(u8, u8), Bad> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return read::name(text, "a type of service", &NAMES).map(|value| (value, 0x3f));
    }
    match text.split_once('/') {
        Some((value, mask)) => Ok((read::u8(value)?, read::u8(mask)?)),
        None => Ok((read::u8(text)?, u8::MAX)),
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["tos"]).invertible()];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["tos"]);
    let value = args.invertible("tos", value)?;
    Some(Tos { value }.into())
}
