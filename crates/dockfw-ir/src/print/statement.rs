//! Statements.

use std::fmt::Write;
use std::net::IpAddr;

use super::context::Context;
use super::{chain, compare, expr, mangle, symbol, value};
use crate::name::SetName;
use crate::statement::nat::{NatFamily, NatFlags};
use crate::statement::reject::Icmpx;
use crate::statement::{
    Limit, Log, LogFlags, MarkSource, MarkTarget, Measure, Nat, NatKind, NatTarget, Reject,
    SetMark, Statement, TimeUnit, Verdict,
};
use crate::table::Table;
use crate::value::DataType;

/// A match of every transport protocol, which tells nft 1.0.6 that there is one.
///
/// nft takes `ct original proto-dst 80` and `dnat ip to 192.0.2.1:80` only after a match of the
/// transport protocol. A rule for any protocol gets this one. The protocol in the middle is the
/// one nft then assumes: a later statement that asks for another would be refused, so it is
/// replaced by that.
pub const TAUTOLOGY: &str = "meta l4proto { 0-5, tcp, 7-255 }";

/// [`TAUTOLOGY`], with the protocol of a later statement.
///
/// The parts are ranges even where they are one number: a number would be a protocol of its own.
pub(super) fn tautology(out: &mut String, later: Option<u8>) {
    let Some(protocol @ 1..=254) = later else {
        return out.push_str(TAUTOLOGY);
    };
    out.push_str("meta l4proto { 0-");
    value::decimal(out, u32::from(protocol) - 1);
    out.push_str(", ");
    value::single(out, DataType::InetProto, &[protocol]);
    out.push_str(", ");
    value::decimal(out, u32::from(protocol) + 1);
    out.push_str("-255 }");
}

pub(super) fn print(out: &mut String, statement: &Statement, table: &Table, context: Context) {
    match statement {
        Statement::Match(test) => compare::print(out, test, context),
        Statement::VerdictMap(lookup) => {
            expr::key(out, &lookup.key, context);
            out.push_str(" vmap ");
            set_name(out, &lookup.map);
        }
        Statement::Verdict(verdict) => print_verdict(out, verdict),
        Statement::Counter => out.push_str("counter"),
        Statement::Limit(limit) => print_limit(out, *limit),
        Statement::Log(log) => print_log(out, log),
        Statement::Reject(reject) => print_reject(out, *reject, table, context),
        Statement::Notrack => out.push_str("notrack"),
        Statement::SetMark(mark) => print_mark(out, mark),
        Statement::Mangle(each) => mangle::mangle(out, each, context),
        Statement::Quota(quota) => mangle::quota(out, *quota),
        Statement::CtCount(count) => mangle::ct_count(out, *count),
        Statement::Queue(queue) => mangle::queue(out, *queue),
        Statement::Dup(to) => {
            out.push_str("dup to ");
            match to {
                IpAddr::V4(to) => value::single(out, DataType::Ipv4Addr, &to.octets()),
                IpAddr::V6(to) => value::ipv6(out, *to),
            }
        }
        Statement::Tproxy(tproxy) => mangle::tproxy(out, tproxy, table),
        Statement::Dynset(dynset) => mangle::dynset(out, dynset, context),
        Statement::Nat(nat) => print_nat(out, nat, table, context),
        Statement::Masquerade(masquerade) => {
            out.push_str("masquerade");
            to_ports(out, masquerade.ports);
            flags(out, masquerade.flags);
        }
        Statement::Redirect { ports, flags } => {
            out.push_str("redirect");
            to_ports(out, *ports);
            self::flags(out, *flags);
        }
    }
}

pub(super) fn set_name(out: &mut String, name: &SetName) {
    out.push('@');
    out.push_str(name.as_str());
}

pub(super) fn print_verdict(out: &mut String, verdict: &Verdict) {
    match verdict {
        Verdict::Accept => out.push_str("accept"),
        Verdict::Drop => out.push_str("drop"),
        Verdict::Continue => out.push_str("continue"),
        Verdict::Return => out.push_str("return"),
        Verdict::Jump(chain) => {
            out.push_str("jump ");
            out.push_str(chain.as_str());
        }
        Verdict::Goto(chain) => {
            out.push_str("goto ");
            out.push_str(chain.as_str());
        }
    }
}

pub(crate) const fn unit_word(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "second",
        TimeUnit::Minute => "minute",
        TimeUnit::Hour => "hour",
        TimeUnit::Day => "day",
        TimeUnit::Week => "week",
    }
}

pub(super) fn print_limit(out: &mut String, limit: Limit) {
    /// What nft assumes, and leaves out.
    const BURST: u32 = 5;
    out.push_str("limit rate ");
    if limit.over {
        out.push_str("over ");
    }
    match limit.measure {
        Measure::Packets => {
            // Writing to a string cannot fail.
            let _ = write!(out, "{}/{}", limit.rate, unit_word(limit.unit));
            if limit.burst != BURST {
                let _ = write!(out, " burst {} packets", limit.burst);
            }
        }
        Measure::Bytes => {
            let (rate, unit) = mangle::bytes_words(limit.rate);
            let _ = write!(out, "{rate} {unit}/{}", unit_word(limit.unit));
            if limit.burst != 0 {
                let (burst, unit) = mangle::bytes_words(limit.burst.into());
                let _ = write!(out, " burst {burst} {unit}");
            }
        }
    }
}

fn print_log(out: &mut String, log: &Log) {
    /// `LOG_WARNING`, which nft assumes and leaves out.
    const WARN: u8 = 4;
    out.push_str("log");
    if let Some(prefix) = &log.prefix {
        out.push_str(" prefix \"");
        out.push_str(prefix.as_str());
        out.push('"');
    }
    if let Some(level) = log.level.filter(|level| *level != WARN) {
        out.push_str(" level ");
        match symbol::log_level(level) {
            Some(name) => out.push_str(name),
            None => value::decimal(out, level.into()),
        }
    }
    let numbers = [
        (" group ", log.group.map(u32::from)),
        (" snaplen ", log.snaplen),
        (" queue-threshold ", log.queue_threshold.map(u32::from)),
    ];
    for (word, number) in numbers {
        if let Some(number) = number {
            out.push_str(word);
            value::decimal(out, number);
        }
    }
    print_log_flags(out, log.flags);
}

fn print_log_flags(out: &mut String, flags: LogFlags) {
    if flags == LogFlags::ALL {
        return out.push_str(" flags all");
    }
    match (flags.tcp_sequence, flags.tcp_options) {
        (true, true) => out.push_str(" flags tcp sequence,options"),
        (true, false) => out.push_str(" flags tcp sequence"),
        (false, true) => out.push_str(" flags tcp options"),
        (false, false) => {}
    }
    let rest = [
        (flags.ip_options, "ip options"),
        (flags.skuid, "skuid"),
        (flags.ether, "ether"),
    ];
    for (_, word) in rest.into_iter().filter(|(set, _)| *set) {
        out.push_str(" flags ");
        out.push_str(word);
    }
}

pub(crate) const fn icmpx_word(reason: Icmpx) -> &'static str {
    match reason {
        Icmpx::NoRoute => "no-route",
        Icmpx::PortUnreachable => "port-unreachable",
        Icmpx::HostUnreachable => "host-unreachable",
        Icmpx::AdminProhibited => "admin-prohibited",
    }
}

fn print_reject(out: &mut String, reject: Reject, table: &Table, context: Context) {
    out.push_str("reject");
    let (kind, code, name) = match reject {
        Reject::TcpReset => return out.push_str(" with tcp reset"),
        // A plain `reject` means this where the family is not known.
        Reject::Icmpx(Icmpx::PortUnreachable) if context.network.is_none() => return,
        // And this in a table of one family.
        Reject::Icmp(3) | Reject::Icmpv6(4) if !chain::says_family(table.family) => return,
        Reject::Icmpx(reason) => ("icmpx", 0, Some(icmpx_word(reason))),
        Reject::Icmp(code) => ("icmp", code, symbol::icmp_code(code)),
        Reject::Icmpv6(code) => ("icmpv6", code, symbol::icmpv6_code(code)),
    };
    out.push_str(" with ");
    out.push_str(kind);
    out.push(' ');
    match name {
        Some(name) => out.push_str(name),
        None => value::decimal(out, code.into()),
    }
}

/// The parts of a mark's new value: `old & and ^ xor | or`.
///
/// Source: nftables v1.0.6, `src/netlink_delinearize.c`, `netlink_parse_bitwise_bool`.
pub(crate) struct MarkParts {
    pub(crate) and: u32,
    pub(crate) xor: u32,
    pub(crate) or: u32,
}

impl MarkParts {
    pub(crate) const fn new(mark: &SetMark) -> Self {
        let or = mark.value & !mark.keep;
        Self {
            and: mark.keep | or,
            xor: mark.value & mark.keep,
            or,
        }
    }
}

fn print_mark(out: &mut String, mark: &SetMark) {
    let target = match mark.target {
        MarkTarget::Packet => "meta mark",
        MarkTarget::Conntrack => "ct mark",
    };
    let hex = |out: &mut String, number: u32| {
        value::single(out, DataType::Mark, &number.to_ne_bytes());
    };
    out.push_str(target);
    out.push_str(" set ");
    if mark.keep == 0 {
        return hex(out, mark.value);
    }
    out.push_str(match mark.source {
        MarkSource::Packet => "meta mark",
        MarkSource::Conntrack => "ct mark",
        MarkSource::Socket => "socket mark",
    });
    let MarkParts { and, xor, or } = MarkParts::new(mark);
    for (word, number, neutral) in [(" & ", and, u32::MAX), (" ^ ", xor, 0), (" | ", or, 0)] {
        if number != neutral {
            out.push_str(word);
            hex(out, number);
        }
    }
}

fn print_nat(out: &mut String, nat: &Nat, table: &Table, context: Context) {
    out.push_str(match nat.kind {
        NatKind::Snat => "snat",
        NatKind::Dnat => "dnat",
    });
    if chain::says_family(table.family) {
        out.push_str(match nat.target.family() {
            Some(NatFamily::Ipv4) => " ip",
            Some(NatFamily::Ipv6) => " ip6",
            None => "",
        });
    }
    if matches!(nat.target, NatTarget::Prefix(_)) {
        out.push_str(" prefix");
    }
    out.push_str(" to ");
    match &nat.target {
        NatTarget::Ipv4 { addresses, ports } => {
            let (first, last) = (addresses.0.octets(), addresses.1.octets());
            value::single(out, DataType::Ipv4Addr, &first);
            if first != last {
                out.push('-');
                value::single(out, DataType::Ipv4Addr, &last);
            }
            if let Some(ports) = ports {
                print_ports(out, *ports);
            }
        }
        NatTarget::Ipv6 { addresses, ports } => {
            let bracket = |out: &mut String, address| {
                let (open, close) = if ports.is_some() {
                    ("[", "]")
                } else {
                    ("", "")
                };
                out.push_str(open);
                value::ipv6(out, address);
                out.push_str(close);
            };
            bracket(out, addresses.0);
            if addresses.0 != addresses.1 {
                out.push('-');
                bracket(out, addresses.1);
            }
            if let Some(ports) = ports {
                print_ports(out, *ports);
            }
        }
        NatTarget::Prefix(prefix) => {
            match prefix.addr() {
                IpAddr::V4(address) => {
                    value::single(out, DataType::Ipv4Addr, &address.octets());
                }
                IpAddr::V6(address) => value::ipv6(out, address),
            }
            out.push('/');
            value::decimal(out, prefix.prefix_len().into());
        }
        NatTarget::Ports(first, last) => print_ports(out, (*first, *last)),
        NatTarget::Map { key, map, .. } => {
            expr::key(out, key, context);
            out.push_str(" map ");
            set_name(out, map);
        }
    }
    flags(out, nat.flags);
}

fn to_ports(out: &mut String, ports: Option<(u16, u16)>) {
    if let Some(ports) = ports {
        out.push_str(" to ");
        print_ports(out, ports);
    }
}

fn print_ports(out: &mut String, (first, last): (u16, u16)) {
    out.push(':');
    value::decimal(out, first.into());
    if first != last {
        out.push('-');
        value::decimal(out, last.into());
    }
}

fn flags(out: &mut String, flags: NatFlags) {
    let mut separator = ' ';
    for (set, word) in flag_words(flags) {
        if set {
            out.push(separator);
            out.push_str(word);
            separator = ',';
        }
    }
}

pub(crate) const fn flag_words(flags: NatFlags) -> [(bool, &'static str); 3] {
    [
        (flags.random, "random"),
        (flags.fully_random, "fully-random"),
        (flags.persistent, "persistent"),
    ]
}
