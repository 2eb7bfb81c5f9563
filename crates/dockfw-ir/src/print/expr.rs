//! Expressions and keys.

use super::context::Context;
use super::{symbol, value};
use crate::expr::ct::{Counter, Direction, TupleField};
use crate::expr::exthdr::{Ipv6Field, Ipv6Header};
use crate::expr::fib::{FibAddress, FibResult};
use crate::expr::numgen::NumgenMode;
use crate::expr::payload::Base;
use crate::expr::{Ct, Expr, Exthdr, Fib, Key, Meta, Numgen, Payload, Rt, Socket};

/// A key: its expressions joined with ` . `.
pub(super) fn key(out: &mut String, key: &Key, context: Context) {
    for (index, expr) in key.0.iter().enumerate() {
        if index > 0 {
            out.push_str(" . ");
        }
        print(out, expr, context);
    }
}

fn print(out: &mut String, expr: &Expr, context: Context) {
    match expr {
        Expr::Payload(Payload::Raw(raw)) => {
            let (offset, len) = (u32::from(raw.offset) * 8, u32::from(raw.len) * 8);
            out.push('@');
            out.push_str(base_word(raw.base));
            for number in [offset, len] {
                out.push(',');
                value::decimal(out, number);
            }
        }
        Expr::Payload(payload) => {
            let (protocol, field) = payload_words(*payload, context);
            words(out, &[protocol, field]);
        }
        Expr::Meta(meta) => words(out, &[meta_word(*meta)]),
        Expr::Ct(ct) => print_ct(out, *ct),
        Expr::Fib(fib) => print_fib(out, *fib),
        Expr::Exthdr(exthdr) => print_exthdr(out, *exthdr),
        Expr::Socket(socket) => words(out, &["socket", socket_word(*socket)]),
        Expr::Numgen(numgen) => print_numgen(out, *numgen),
        Expr::Rt(Rt::Ipsec) => out.push_str("rt ipsec"),
    }
}

fn words(out: &mut String, words: &[&str]) {
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
}

/// The header and the field. A `th` field gets the name of the protocol where it is known.
pub(crate) fn payload_words(payload: Payload, context: Context) -> (&'static str, &'static str) {
    match payload {
        Payload::EtherSaddr => ("ether", "saddr"),
        Payload::IpSaddr => ("ip", "saddr"),
        Payload::IpDaddr => ("ip", "daddr"),
        Payload::IpDscp => ("ip", "dscp"),
        Payload::IpEcn => ("ip", "ecn"),
        Payload::IpTtl => ("ip", "ttl"),
        Payload::IpFragOff => ("ip", "frag-off"),
        Payload::Ip6Saddr => ("ip6", "saddr"),
        Payload::Ip6Daddr => ("ip6", "daddr"),
        Payload::Ip6Dscp => ("ip6", "dscp"),
        Payload::Ip6Ecn => ("ip6", "ecn"),
        Payload::Ip6Hoplimit => ("ip6", "hoplimit"),
        Payload::ThSport => (context.ports_of(), "sport"),
        Payload::ThDport => (context.ports_of(), "dport"),
        Payload::TcpSport => ("tcp", "sport"),
        Payload::TcpDport => ("tcp", "dport"),
        Payload::TcpFlags => ("tcp", "flags"),
        Payload::UdpSport => ("udp", "sport"),
        Payload::UdpDport => ("udp", "dport"),
        Payload::UdpLength => ("udp", "length"),
        Payload::AhSpi => ("ah", "spi"),
        Payload::EspSpi => ("esp", "spi"),
        Payload::SctpSport => ("sctp", "sport"),
        Payload::SctpDport => ("sctp", "dport"),
        Payload::IcmpType => ("icmp", "type"),
        Payload::IcmpCode => ("icmp", "code"),
        Payload::Icmpv6Type => ("icmpv6", "type"),
        Payload::Icmpv6Code => ("icmpv6", "code"),
        // It has no field, and is printed in another way.
        Payload::Raw(raw) => (base_word(raw.base), "?"),
    }
}

/// The header that a raw field counts from.
pub(crate) const fn base_word(base: Base) -> &'static str {
    match base {
        Base::Link => "ll",
        Base::Network => "nh",
        Base::Transport => "th",
    }
}

pub(crate) const fn socket_word(socket: Socket) -> &'static str {
    match socket {
        Socket::Transparent => "transparent",
        Socket::Mark => "mark",
        Socket::Wildcard => "wildcard",
    }
}

pub(crate) const fn ipv6_header_word(header: Ipv6Header) -> &'static str {
    match header {
        Ipv6Header::HopByHop => "hbh",
        Ipv6Header::Routing => "rt",
        Ipv6Header::Fragment => "frag",
        Ipv6Header::Destination => "dst",
        Ipv6Header::Mobility => "mh",
    }
}

/// The header and the field.
pub(crate) const fn ipv6_field_words(field: Ipv6Field) -> (&'static str, &'static str) {
    let name = match field {
        Ipv6Field::HopByHopLength | Ipv6Field::DestinationLength | Ipv6Field::RoutingLength => {
            "hdrlength"
        }
        Ipv6Field::RoutingType => "type",
        Ipv6Field::RoutingSegments => "seg-left",
        Ipv6Field::FragmentId => "id",
    };
    (ipv6_header_word(field.header()), name)
}

fn print_exthdr(out: &mut String, exthdr: Exthdr) {
    match exthdr {
        Exthdr::TcpOption(kind) => {
            out.push_str("tcp option ");
            match symbol::tcp_option(kind) {
                Some(name) => out.push_str(name),
                None => value::decimal(out, kind.into()),
            }
        }
        Exthdr::TcpMaxseg => out.push_str("tcp option maxseg size"),
        Exthdr::Ipv6Field(field) => {
            let (name, field) = ipv6_field_words(field);
            words(out, &[name, field]);
        }
        Exthdr::Ipv6(header) => words(out, &["exthdr", ipv6_header_word(header)]),
    }
}

pub(crate) const fn mode_word(mode: NumgenMode) -> &'static str {
    match mode {
        NumgenMode::Increment => "inc",
        NumgenMode::Random => "random",
    }
}

fn print_numgen(out: &mut String, numgen: Numgen) {
    words(out, &["numgen", mode_word(numgen.mode), "mod "]);
    value::decimal(out, numgen.modulus);
    if numgen.offset != 0 {
        out.push_str(" offset ");
        value::decimal(out, numgen.offset);
    }
}

const fn meta_word(meta: Meta) -> &'static str {
    match meta {
        Meta::Length => "meta length",
        Meta::Mark => "meta mark",
        Meta::Iifname => "iifname",
        Meta::Oifname => "oifname",
        Meta::Skuid => "meta skuid",
        Meta::Skgid => "meta skgid",
        Meta::Pkttype => "meta pkttype",
        Meta::Nfproto => "meta nfproto",
        Meta::L4proto => "meta l4proto",
        Meta::Cgroup => "meta cgroup",
        Meta::Hour => "meta hour",
        Meta::Day => "meta day",
        Meta::Time => "meta time",
        Meta::Ipsec => "meta ipsec",
    }
}

fn print_ct(out: &mut String, ct: Ct) {
    match ct {
        Ct::State => out.push_str("ct state"),
        Ct::Direction => out.push_str("ct direction"),
        Ct::Status => out.push_str("ct status"),
        Ct::Mark => out.push_str("ct mark"),
        Ct::Expiration => out.push_str("ct expiration"),
        Ct::Counter(counter, None) => words(out, &["ct", counter_word(counter)]),
        Ct::Counter(counter, Some(direction)) => {
            words(
                out,
                &["ct", direction_word(direction), counter_word(counter)],
            );
        }
        // Both directions have the same protocol, and nft lists neither.
        Ct::Tuple(_, TupleField::Protocol) => out.push_str("ct protocol"),
        Ct::Tuple(direction, field) => {
            words(out, &["ct", direction_word(direction), tuple_word(field)]);
        }
    }
}

/// `original` or `reply`.
pub(crate) const fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Original => "original",
        Direction::Reply => "reply",
    }
}

/// The key of a counter of the flow.
pub(crate) const fn counter_word(counter: Counter) -> &'static str {
    match counter {
        Counter::Packets => "packets",
        Counter::Bytes => "bytes",
        Counter::Average => "avgpkt",
    }
}

/// The key after the direction.
pub(crate) const fn tuple_word(field: TupleField) -> &'static str {
    match field {
        TupleField::IpSaddr => "ip saddr",
        TupleField::IpDaddr => "ip daddr",
        TupleField::Ip6Saddr => "ip6 saddr",
        TupleField::Ip6Daddr => "ip6 daddr",
        TupleField::Protocol => "protocol",
        TupleField::ProtoSrc => "proto-src",
        TupleField::ProtoDst => "proto-dst",
    }
}

fn print_fib(out: &mut String, fib: Fib) {
    out.push_str(match fib.address {
        FibAddress::Saddr => "fib saddr",
        FibAddress::Daddr => "fib daddr",
    });
    if fib.mark {
        out.push_str(" . mark");
    }
    if fib.iif {
        out.push_str(" . iif");
    }
    if fib.oif {
        out.push_str(" . oif");
    }
    out.push_str(match fib.result {
        FibResult::Type => " type",
        FibResult::Oifname => " oifname",
        FibResult::Exists => " oif",
    });
}
