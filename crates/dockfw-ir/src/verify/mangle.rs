//! What changes, copies and diverts packets.

use std::net::IpAddr;

use super::hook;
use super::report::Check;
use crate::chain::{BaseChain, Hook};
use crate::expr::{Payload, Socket};
use crate::print::context::{Context, TCP, UDP};
use crate::statement::nat::NatFamily;
use crate::statement::{
    Mangle, MarkSource, MarkTarget, MaxSegment, Queue, SetMark, Statement, Tproxy,
};
use crate::table::Family;

pub(super) fn check(
    statement: &Statement,
    family: Family,
    known: Context,
    bases: &[BaseChain],
    add: &mut impl FnMut(Check, String),
) {
    match statement {
        Statement::SetMark(mark) => check_mark(mark, bases, add),
        Statement::Mangle(mangle) => check_mangle(mangle, bases, add),
        Statement::Quota(quota) if i64::try_from(quota.bytes).is_err() => {
            add(Check::Limit, "a quota above 2^63 - 1 bytes".to_owned());
        }
        Statement::Queue(Queue { queues, .. }) if queues.0 > queues.1 => {
            add(
                Check::Divert,
                "the last queue is below the first".to_owned(),
            );
        }
        // The kernel has 16 bits for their number.
        Statement::Queue(Queue { queues, .. }) if *queues == (0, u16::MAX) => {
            add(Check::Divert, "more than 65535 queues".to_owned());
        }
        Statement::Dup(to) => {
            let possible = match family {
                Family::Ip => to.is_ipv4(),
                Family::Ip6 => to.is_ipv6(),
                Family::Inet => false,
            };
            if !possible {
                let message = "packets are copied in an ip or ip6 table, to an address of it";
                add(Check::Divert, message.to_owned());
            }
        }
        Statement::Tproxy(tproxy) => {
            if let Some(message) = tproxy_error(tproxy, family, known, bases) {
                add(Check::Divert, message.to_owned());
            }
        }
        Statement::Quota(_)
        | Statement::Queue(_)
        | Statement::Match(_)
        | Statement::VerdictMap(_)
        | Statement::Verdict(_)
        | Statement::Counter
        | Statement::Limit(_)
        | Statement::Log(_)
        | Statement::Reject(_)
        | Statement::Notrack
        | Statement::CtCount(_)
        | Statement::Dynset(_)
        | Statement::Nat(_)
        | Statement::Masquerade(_)
        | Statement::Redirect { .. } => {}
    }
}

fn check_mark(mark: &SetMark, bases: &[BaseChain], add: &mut impl FnMut(Check, String)) {
    let own = matches!(
        (mark.target, mark.source),
        (MarkTarget::Packet, MarkSource::Packet) | (MarkTarget::Conntrack, MarkSource::Conntrack)
    );
    if own && mark.keep == u32::MAX && mark.value == 0 {
        add(Check::Mark, "the mark stays as it is".to_owned());
    }
    if mark.source == MarkSource::Socket && mark.keep != 0 {
        hook::expr(&Socket::Mark.into(), None, bases, add);
    }
}

fn check_mangle(mangle: &Mangle, bases: &[BaseChain], add: &mut impl FnMut(Check, String)) {
    let at = |hooks: &[Hook]| bases.iter().all(|base| hooks.contains(&base.hook));
    let message = match mangle {
        Mangle::Zone { .. } if !hook::before_conntrack(bases) => {
            "a zone is set too late but at prerouting and output below -200"
        }
        Mangle::Field { field, .. } if !is_settable(*field) => "this field cannot be set",
        Mangle::Field { field, value } => {
            let most = match field.bits() {
                Some(bits) => bits.mask >> bits.shift,
                None => u16::from(u8::MAX),
            };
            if u16::from(*value) <= most {
                return;
            }
            "a value that the field does not have"
        }
        Mangle::MaxSegment(MaxSegment::RouteMtu)
            if !at(&[Hook::Forward, Hook::Output, Hook::Postrouting]) =>
        {
            "the MTU of the route is known at forward, output and postrouting"
        }
        Mangle::Priority(_) | Mangle::Zone { .. } | Mangle::MaxSegment(_) => return,
    };
    add(Check::Mangle, message.to_owned());
}

const fn is_settable(field: Payload) -> bool {
    matches!(
        field,
        Payload::IpDscp
            | Payload::IpEcn
            | Payload::IpTtl
            | Payload::Ip6Dscp
            | Payload::Ip6Ecn
            | Payload::Ip6Hoplimit
    )
}

fn tproxy_error(
    tproxy: &Tproxy,
    family: Family,
    known: Context,
    bases: &[BaseChain],
) -> Option<&'static str> {
    let of_family = match tproxy.address {
        None => true,
        Some(IpAddr::V4(_)) => tproxy.family == Some(NatFamily::Ipv4),
        Some(IpAddr::V6(_)) => tproxy.family == Some(NatFamily::Ipv6),
    };
    let number = tproxy.family.map(NatFamily::nfproto);
    if !bases.iter().all(|base| base.hook == Hook::Prerouting) {
        return Some("tproxy is for prerouting");
    }
    if !matches!(known.transport, Some(TCP | UDP)) {
        return Some("tproxy before a match of TCP or UDP");
    }
    if !of_family {
        return Some("the address of tproxy is of its family");
    }
    if tproxy.address.is_none() && tproxy.port.is_none() {
        return Some("tproxy to neither an address nor a port");
    }
    // nft refuses to read it.
    if family == Family::Inet && known.network.is_some() && number != known.network {
        return Some("tproxy says the family where a match has said it");
    }
    let of_table = match family {
        Family::Inet => true,
        Family::Ip | Family::Ip6 => number.is_none_or(|number| number == family.nfproto()),
    };
    (!of_table).then_some("the table does not have packets of this family")
}
