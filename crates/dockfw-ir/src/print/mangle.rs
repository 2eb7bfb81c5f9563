//! Statements that change, count and divert packets.

use std::fmt::Write;

use super::context::Context;
use super::{chain, expr, set, statement, symbol, value};
use crate::expr::Key;
use crate::expr::ct::Direction;
use crate::statement::nat::NatFamily;
use crate::statement::{
    CtCount, Dynset, DynsetOperation, DynsetStatement, Mangle, MaxSegment, Queue, Quota, Tproxy,
};
use crate::table::Table;
use crate::value::DataType;

pub(super) fn mangle(out: &mut String, mangle: &Mangle, context: Context) {
    match mangle {
        Mangle::Priority(priority) => {
            out.push_str("meta priority set ");
            out.push_str(&priority_words(*priority));
        }
        Mangle::Zone { direction, zone } => {
            out.push_str(match direction {
                None => "ct zone set ",
                Some(Direction::Original) => "ct original zone set ",
                Some(Direction::Reply) => "ct reply zone set ",
            });
            value::decimal(out, (*zone).into());
        }
        Mangle::Field { field, value } => {
            expr::key(out, &Key::from(*field), context);
            out.push_str(" set ");
            value::single(out, field.data_type(), &[*value]);
        }
        Mangle::MaxSegment(MaxSegment::Bytes(bytes)) => {
            out.push_str("tcp option maxseg size set ");
            value::decimal(out, (*bytes).into());
        }
        Mangle::MaxSegment(MaxSegment::RouteMtu) => {
            out.push_str("tcp option maxseg size set rt mtu");
        }
    }
}

/// `1:10`, in hexadecimal; two values have names.
pub(crate) fn priority_words(priority: u32) -> String {
    match priority {
        0 => "none".to_owned(),
        u32::MAX => "root".to_owned(),
        _ => format!("{:x}:{:x}", priority >> 16, priority & 0xffff),
    }
}

/// A number of bytes in the largest unit that leaves it whole.
///
/// Source: nftables v1.0.6, `src/statement.c`, `get_rate`.
pub(crate) fn bytes_words(bytes: u64) -> (u64, &'static str) {
    const UNIT: u64 = 1024;
    if bytes == 0 || !bytes.is_multiple_of(UNIT) {
        (bytes, "bytes")
    } else if !bytes.is_multiple_of(UNIT * UNIT) {
        (bytes / UNIT, "kbytes")
    } else {
        (bytes / UNIT / UNIT, "mbytes")
    }
}

pub(super) fn quota(out: &mut String, quota: Quota) {
    let (number, unit) = bytes_words(quota.bytes);
    let over = if quota.over { "over " } else { "" };
    // Writing to a string cannot fail.
    let _ = write!(out, "quota {over}{number} {unit}");
}

pub(super) fn ct_count(out: &mut String, count: CtCount) {
    out.push_str("ct count ");
    if count.over {
        out.push_str("over ");
    }
    value::decimal(out, count.count);
}

pub(super) fn queue(out: &mut String, queue: Queue) {
    out.push_str("queue");
    let mut separator = " flags ";
    for (set, word) in [(queue.bypass, "bypass"), (queue.fanout, "fanout")] {
        if set {
            out.push_str(separator);
            out.push_str(word);
            separator = ",";
        }
    }
    out.push_str(" to ");
    let (first, last) = queue.queues;
    value::decimal(out, first.into());
    if first != last {
        out.push('-');
        value::decimal(out, last.into());
    }
}

pub(super) fn tproxy(out: &mut String, tproxy: &Tproxy, table: &Table) {
    out.push_str("tproxy");
    if chain::says_family(table.family) {
        out.push_str(match tproxy.family {
            None => "",
            Some(NatFamily::Ipv4) => " ip",
            Some(NatFamily::Ipv6) => " ip6",
        });
    }
    out.push_str(" to ");
    match tproxy.address {
        None => {}
        Some(std::net::IpAddr::V4(address)) => {
            value::single(out, DataType::Ipv4Addr, &address.octets());
        }
        Some(std::net::IpAddr::V6(address)) => {
            out.push_str(if tproxy.port.is_some() { "[" } else { "" });
            value::ipv6(out, address);
            out.push_str(if tproxy.port.is_some() { "]" } else { "" });
        }
    }
    if let Some(port) = tproxy.port {
        out.push(':');
        value::decimal(out, port.into());
    }
}

pub(crate) const fn operation_word(operation: DynsetOperation) -> &'static str {
    match operation {
        DynsetOperation::Add => "add",
        DynsetOperation::Update => "update",
        DynsetOperation::Delete => "delete",
    }
}

pub(super) fn dynset(out: &mut String, dynset: &Dynset, context: Context) {
    out.push_str(operation_word(dynset.operation));
    out.push(' ');
    statement::set_name(out, &dynset.set);
    out.push_str(" { ");
    expr::key(out, &dynset.key, context);
    if let ([one], Some(mask)) = (dynset.key.0.as_slice(), &dynset.mask) {
        out.push_str(" & ");
        let data_type = one.data_type();
        let mask = value::field(data_type, mask);
        match symbol::number(data_type, mask).filter(|_| symbol::is_flags(data_type)) {
            Some(bits) => value::flags(out, data_type, bits),
            None => value::single(out, data_type, mask),
        }
    }
    if let Some(timeout) = dynset.timeout {
        out.push_str(" timeout ");
        set::duration(out, timeout);
    }
    match dynset.statement {
        None => {}
        Some(kept) => {
            out.push(' ');
            match kept {
                DynsetStatement::Counter => out.push_str("counter"),
                DynsetStatement::Limit(limit) => statement::print_limit(out, limit),
                DynsetStatement::Quota(kept) => quota(out, kept),
                DynsetStatement::CtCount(count) => ct_count(out, count),
            }
        }
    }
    out.push_str(" }");
}
