//! Expressions and keys.

use super::context::Context;
use crate::expr::ct::{Direction, TupleField};
use crate::expr::fib::{FibAddress, FibResult};
use crate::expr::{Ct, Expr, Fib, Key, Meta, Payload};

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
        Expr::Payload(payload) => {
            let (protocol, field) = payload_words(*payload, context);
            words(out, &[protocol, field]);
        }
        Expr::Meta(meta) => words(out, &[meta_word(*meta)]),
        Expr::Ct(ct) => print_ct(out, *ct),
        Expr::Fib(fib) => print_fib(out, *fib),
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
        Payload::Ip6Saddr => ("ip6", "saddr"),
        Payload::Ip6Daddr => ("ip6", "daddr"),
        Payload::ThSport => (context.ports_of(), "sport"),
        Payload::ThDport => (context.ports_of(), "dport"),
        Payload::TcpSport => ("tcp", "sport"),
        Payload::TcpDport => ("tcp", "dport"),
        Payload::TcpFlags => ("tcp", "flags"),
        Payload::UdpSport => ("udp", "sport"),
        Payload::UdpDport => ("udp", "dport"),
        Payload::SctpSport => ("sctp", "sport"),
        Payload::SctpDport => ("sctp", "dport"),
        Payload::IcmpType => ("icmp", "type"),
        Payload::IcmpCode => ("icmp", "code"),
        Payload::Icmpv6Type => ("icmpv6", "type"),
        Payload::Icmpv6Code => ("icmpv6", "code"),
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
    }
}

fn print_ct(out: &mut String, ct: Ct) {
    match ct {
        Ct::State => out.push_str("ct state"),
        Ct::Direction => out.push_str("ct direction"),
        Ct::Status => out.push_str("ct status"),
        Ct::Mark => out.push_str("ct mark"),
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
    if fib.iif {
        out.push_str(" . iif");
    }
    if fib.oif {
        out.push_str(" . oif");
    }
    out.push_str(match fib.result {
        FibResult::Type => " type",
        FibResult::Oifname => " oifname",
    });
}
