//! `DSCP`, `TOS`, `TTL` and `HL`: fields of the IP header.

use dockfw_iptables::target::tos::SetTos;
use dockfw_iptables::target::ttl::SetTtl;
use dockfw_ir::expr::Payload;
use dockfw_ir::statement::{Mangle, Statement};

use crate::lower::family::Family;
use crate::rules::Reason;

fn set(field: Payload, value: u8) -> Statement {
    Statement::Mangle(Mangle::Field { field, value })
}

/// `ip dscp set 46`
///
/// Source: linux v6.12, `net/netfilter/xt_DSCP.c`, `dscp_tg`.
pub(super) fn dscp(point: u8, family: Family) -> Vec<Statement> {
    vec![set(fields(family).0, point)]
}

/// `ip dscp set 4 ip ecn set 0`, of which each can be missing.
///
/// Source: linux v6.12, `net/netfilter/xt_DSCP.c`, `tos_tg`.
pub(super) fn tos(value: SetTos, family: Family) -> Result<Vec<Statement>, Reason> {
    let SetTos { value, mask } = value;
    let (dscp, ecn) = fields(family);
    let whole = |part: u8| mask & part == part;
    let untouched = |part: u8| (mask | value) & part == 0;
    let mut statements = Vec::new();
    for (field, part, number) in [(dscp, 0xfc, value >> 2), (ecn, 0x03, value & 3)] {
        if whole(part) {
            statements.push(set(field, number));
        } else if !untouched(part) {
            return Err(Reason::new(
                "nftables sets the six bits of DSCP or the two of ECN, and not some of them",
                "write --set-tos with a value and the mask 0xff, 0xfc or 0x03",
            ));
        }
    }
    Ok(statements)
}

const fn fields(family: Family) -> (Payload, Payload) {
    match family {
        Family::V4 => (Payload::IpDscp, Payload::IpEcn),
        Family::V6 => (Payload::Ip6Dscp, Payload::Ip6Ecn),
    }
}

/// `ip ttl set 64`
///
/// Source: linux v6.12, `net/netfilter/xt_HL.c`, `ttl_tg`, `hl_tg6`.
pub(super) fn ttl(value: SetTtl, field: Payload) -> Result<Vec<Statement>, Reason> {
    match value {
        SetTtl::Set(to) => Ok(vec![set(field, to)]),
        SetTtl::Increase(_) | SetTtl::Decrease(_) => Err(Reason::new(
            "nftables sets the time to live, but does not count it up or down",
            "write --ttl-set or --hl-set",
        )),
    }
}
