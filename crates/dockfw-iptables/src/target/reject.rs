//! `-j REJECT`: the packet is discarded and its sender told.

use std::fmt;

use super::Target;
use crate::parse::{Args, Opt, read};
use crate::program::Family;
use crate::value::Protocol;

/// How the sender is told.
///
/// Source: iptables 1.8.9, `extensions/libipt_REJECT.c` and `libip6t_REJECT.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reject {
    /// ICMP type 3 with this code, 0 to 3, 9, 10 or 13; IPv4.
    Icmp(u8),
    /// ICMPv6 type 1 with this code, 0, 1 or 3 to 6; IPv6.
    Icmpv6(u8),
    /// A TCP segment with RST; the rule has `-p tcp`.
    TcpReset,
}

const V4: [(Reject, &str); 16] = [
    (Reject::Icmp(0), "icmp-net-unreachable"),
    (Reject::Icmp(1), "icmp-host-unreachable"),
    (Reject::Icmp(2), "icmp-proto-unreachable"),
    (Reject::Icmp(3), "icmp-port-unreachable"),
    (Reject::Icmp(9), "icmp-net-prohibited"),
    (Reject::Icmp(10), "icmp-host-prohibited"),
    (Reject::Icmp(13), "icmp-admin-prohibited"),
    (Reject::TcpReset, "tcp-reset"),
    (Reject::Icmp(0), "net-unreach"),
    (Reject::Icmp(1), "host-unreach"),
    (Reject::Icmp(2), "proto-unreach"),
    (Reject::Icmp(3), "port-unreach"),
    (Reject::Icmp(9), "net-prohib"),
    (Reject::Icmp(10), "host-prohib"),
    (Reject::Icmp(13), "admin-prohib"),
    (Reject::TcpReset, "tcp-rst"),
];

const V6: [(Reject, &str); 13] = [
    (Reject::Icmpv6(0), "icmp6-no-route"),
    (Reject::Icmpv6(1), "icmp6-adm-prohibited"),
    (Reject::Icmpv6(3), "icmp6-addr-unreachable"),
    (Reject::Icmpv6(4), "icmp6-port-unreachable"),
    (Reject::Icmpv6(5), "icmp6-policy-fail"),
    (Reject::Icmpv6(6), "icmp6-reject-route"),
    (Reject::TcpReset, "tcp-reset"),
    (Reject::Icmpv6(0), "no-route"),
    (Reject::Icmpv6(1), "adm-prohibited"),
    (Reject::Icmpv6(3), "addr-unreach"),
    (Reject::Icmpv6(4), "port-unreach"),
    (Reject::Icmpv6(5), "policy-fail"),
    (Reject::Icmpv6(6), "reject-route"),
];

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = V4.iter().chain(&V6);
        let name = names.find(|(how, _)| how == self);
        f.write_str(" -j REJECT --reject-with ")?;
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["reject-with"])];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    let (names, default): (&[(Reject, &str)], _) = match args.family {
        Family::Ipv4 => (&V4, Reject::Icmp(3)),
        Family::Ipv6 => (&V6, Reject::Icmpv6(4)),
    };
    if !args.has("reject-with") {
        return Some(Target::Reject(default));
    }
    let how = args.value("reject-with", |text| {
        let mut begin = names.iter().filter(|(_, name)| name.starts_with(text));
        match (begin.next(), begin.next()) {
            (Some((how, _)), None) => Ok(*how),
            _ => read::name(text, "an answer", names),
        }
    })?;
    if how == Reject::TcpReset {
        args.need_protocol("reject-with", &[Protocol::TCP]);
    }
    Some(Target::Reject(how))
}
