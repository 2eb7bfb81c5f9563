//! `-m icmp6`: type and code of an ICMPv6 message.

use std::fmt;

use super::Match;
use super::icmp::{IcmpType, of, read_type, with};
use crate::parse::{Args, Opt};
use crate::value::{Invertible, Protocol};

/// The icmp6 match; the rule has `-p ipv6-icmp`.
///
/// Source: iptables 1.8.9, `extensions/libip6t_icmp6.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Icmp6 {
    /// `--icmpv6-type`.
    pub kind: Invertible<IcmpType>,
}

impl fmt::Display for Icmp6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m icmp6")?;
        self.kind.write_option(f, "--icmpv6-type")?;
        self.kind.value().fmt(f)
    }
}

/// The names that `ip6tables -p icmpv6 -h` of 1.8.9 lists; the numbers are those of IANA, "ICMPv6
/// Parameters".
const NAMES: &[(IcmpType, &str)] = &[
    (of(1), "destination-unreachable"),
    (with(1, 0), "no-route"),
    (with(1, 1), "communication-prohibited"),
    (with(1, 2), "beyond-scope"),
    (with(1, 3), "address-unreachable"),
    (with(1, 4), "port-unreachable"),
    (with(1, 5), "failed-policy"),
    (with(1, 6), "reject-route"),
    (of(2), "packet-too-big"),
    (of(3), "time-exceeded"),
    (of(3), "ttl-exceeded"),
    (with(3, 0), "ttl-zero-during-transit"),
    (with(3, 1), "ttl-zero-during-reassembly"),
    (of(4), "parameter-problem"),
    (with(4, 0), "bad-header"),
    (with(4, 1), "unknown-header-type"),
    (with(4, 2), "unknown-option"),
    (of(128), "echo-request"),
    (of(128), "ping"),
    (of(129), "echo-reply"),
    (of(129), "pong"),
    (of(133), "router-solicitation"),
    (of(134), "router-advertisement"),
    (of(135), "neighbour-solicitation"),
    (of(135), "neighbor-solicitation"),
    (of(136), "neighbour-advertisement"),
    (of(136), "neighbor-advertisement"),
    (of(137), "redirect"),
];

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["icmpv6-type"]).invertible()];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["icmpv6-type"]);
    args.need_protocol("", &[Protocol::ICMPV6]);
    let kind = args.invertible("icmpv6-type", |text| read_type(text, NAMES))?;
    Some(Icmp6 { kind }.into())
}
