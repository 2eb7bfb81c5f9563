//! `-m icmp`: type and code of an ICMP message.

use std::fmt;

use super::Match;
use crate::parse::{Args, Bad, Opt, read};
use crate::value::{Invertible, Protocol};

/// The icmp match; the rule has `-p icmp`.
///
/// Source: iptables 1.8.9, `extensions/libipt_icmp.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Icmp {
    /// `--icmp-type`; type 255 is any message.
    pub kind: Invertible<IcmpType>,
}

/// A type, and a code if one is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IcmpType {
    /// The type of the message.
    pub kind: u8,
    /// The code; `None` for every code.
    pub code: Option<u8>,
}

impl fmt::Display for IcmpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{}/{code}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

impl Icmp {
    /// The type that stands for any message.
    pub const ANY: u8 = 255;
}

impl fmt::Display for Icmp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m icmp")?;
        self.kind.write_option(f, "--icmp-type")?;
        match self.kind.value().kind {
            Self::ANY => f.write_str("any"),
            _ => self.kind.value().fmt(f),
        }
    }
}

/// The names with type and code.
///
/// The same names in the same order as `iptables -p icmp -h` of 1.8.9 lists them; the numbers are
/// those of IANA, "ICMP Parameters".
const NAMES: &[(IcmpType, &str)] = &[
    (of(Icmp::ANY), "any"),
    (of(0), "echo-reply"),
    (of(0), "pong"),
    (of(3), "destination-unreachable"),
    (with(3, 0), "network-unreachable"),
    (with(3, 1), "host-unreachable"),
    (with(3, 2), "protocol-unreachable"),
    (with(3, 3), "port-unreachable"),
    (with(3, 4), "fragmentation-needed"),
    (with(3, 5), "source-route-failed"),
    (with(3, 6), "network-unknown"),
    (with(3, 7), "host-unknown"),
    (with(3, 9), "network-prohibited"),
    (with(3, 10), "host-prohibited"),
    (with(3, 11), "TOS-network-unreachable"),
    (with(3, 12), "TOS-host-unreachable"),
    (with(3, 13), "communication-prohibited"),
    (with(3, 14), "host-precedence-violation"),
    (with(3, 15), "precedence-cutoff"),
    (of(4), "source-quench"),
    (of(5), "redirect"),
    (with(5, 0), "network-redirect"),
    (with(5, 1), "host-redirect"),
    (with(5, 2), "TOS-network-redirect"),
    (with(5, 3), "TOS-host-redirect"),
    (of(8), "echo-request"),
    (of(8), "ping"),
    (of(9), "router-advertisement"),
    (of(10), "router-solicitation"),
    (of(11), "time-exceeded"),
    (of(11), "ttl-exceeded"),
    (with(11, 0), "ttl-zero-during-transit"),
    (with(11, 1), "ttl-zero-during-reassembly"),
    (of(12), "parameter-problem"),
    (with(12, 0), "ip-header-bad"),
    (with(12, 1), "required-option-missing"),
    (of(13), "timestamp-request"),
    (of(14), "timestamp-reply"),
    (of(17), "address-mask-request"),
    (of(18), "address-mask-reply"),
];

/// A type with every code.
pub(super) const fn of(kind: u8) -> IcmpType {
    IcmpType { kind, code: None }
}

/// A type with one code.
pub(super) const fn with(kind: u8, code: u8) -> IcmpType {
    IcmpType {
        kind,
        code: Some(code),
    }
}

/// `type[/code]` in numbers, or a name, which may be shortened as long as it is the only one.
pub(super) fn read_type(text: &str, names: &[(IcmpType, &str)]) -> Result<IcmpType, Bad> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let (kind, code) = match text.split_once('/') {
            Some((kind, code)) => (kind, Some(code)),
            None => (text, None),
        };
        return Ok(IcmpType {
            kind: read::u8(kind)?,
            code: code.map(read::u8).transpose()?,
        });
    }
    let lower = text.to_ascii_lowercase();
    let begins = |name: &str| name.to_ascii_lowercase().starts_with(&lower);
    let mut found: Vec<IcmpType> = names
        .iter()
        .filter(|(_, name)| begins(name))
        .map(|(kind, _)| *kind)
        .collect();
    found.dedup();
    match found.as_slice() {
        [one] if !text.is_empty() => Ok(*one),
        _ => read::name(text, "an ICMP type", names),
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["icmp-type"]).invertible()];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["icmp-type"]);
    args.need_protocol("", &[Protocol::ICMP]);
    let kind = args.invertible("icmp-type", |text| read_type(text, NAMES))?;
    let kind = kind.map(|value| match value.kind {
        Icmp::ANY => of(Icmp::ANY),
        _ => value,
    });
    Some(Icmp { kind }.into())
}
