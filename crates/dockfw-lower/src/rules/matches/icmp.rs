//! `-m icmp`: type and code.

use dockfw_iptables::r#match::icmp::{Icmp, IcmpType};
use dockfw_ir::expr::Payload;

use super::equal;
use crate::rules::ways::Ways;

/// Source: linux v6.12, `net/ipv4/netfilter/ip_tables.c`, `icmp_type_code_match`.
pub(super) fn ways(wanted: Icmp) -> Ways {
    let negated = wanted.kind.is_inverted();
    let kind = *wanted.kind.value();
    if kind.kind == Icmp::ANY {
        return Ways::constant(!negated);
    }
    message(kind, negated, Payload::IcmpType, Payload::IcmpCode)
}

/// A message, or any other one.
pub(super) fn message(wanted: IcmpType, negated: bool, kind: Payload, code: Payload) -> Ways {
    let is_kind = |negated| equal(kind.into(), negated, wanted.kind);
    let Some(wanted_code) = wanted.code else {
        return is_kind(negated);
    };
    let is_code = |negated| equal(code.into(), negated, wanted_code);
    if negated {
        is_kind(true).or(is_kind(false).and(&is_code(true)))
    } else {
        is_kind(false).and(&is_code(false))
    }
}
