//! `-m dscp`: the differentiated services code point.

use std::fmt;

use super::Match;
use crate::parse::{Args, Bad, Opt, read};
use crate::value::Invertible;

/// The dscp match: 0 to 63, the upper six bits of the type of service or traffic class.
///
/// Source: iptables 1.8.9, `extensions/libxt_dscp.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dscp {
    /// `--dscp`.
    pub point: Invertible<u8>,
}

impl fmt::Display for Dscp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m dscp")?;
        self.point.write_option(f, "--dscp")?;
        write!(f, "0x{:02x}", self.point.value())
    }
}

/// Source: RFC 2474, RFC 2597, RFC 3246, RFC 5865.
const CLASSES: [(u8, &str); 23] = [
    (0, "CS0"),
    (8, "CS1"),
    (16, "CS2"),
    (24, "CS3"),
    (32, "CS4"),
    (40, "CS5"),
    (48, "CS6"),
    (56, "CS7"),
    (0, "BE"),
    (10, "AF11"),
    (12, "AF12"),
    (14, "AF13"),
    (18, "AF21"),
    (20, "AF22"),
    (22, "AF23"),
    (26, "AF31"),
    (28, "AF32"),
    (30, "AF33"),
    (34, "AF41"),
    (36, "AF42"),
    (38, "AF43"),
    (46, "EF"),
    (44, "VA"),
];

/// A code point by number.
pub(crate) fn point(text: &str) -> Result<u8, Bad> {
    read::number(text, 63).map(|point| u8::try_from(point).unwrap_or_default())
}

/// A code point by class.
pub(crate) fn class(text: &str) -> Result<u8, Bad> {
    read::name(text, "a class", &CLASSES)
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["dscp"]).invertible(),
    Opt::value(&["dscp-class"]).invertible(),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["dscp", "dscp-class"]);
    args.only_one(&["dscp", "dscp-class"]);
    let number = args.invertible("dscp", point);
    let class = args.invertible("dscp-class", class);
    let point = number.or(class)?;
    Some(Dscp { point }.into())
}
