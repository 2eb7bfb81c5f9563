//! `-m tos`: the whole byte, DSCP and ECN.

use dockfw_iptables::Invertible;
use dockfw_ir::expr::Payload;
use dockfw_ir::expr::payload::{Base, Raw};
use dockfw_ir::value::Value;

use super::equal;
use crate::lower::family::Family;
use crate::rules::ways::{Ways, masked};

/// `@nh,8,8 & 0x1e == 0x10`, `ip dscp 4`, `ip ecn 1`; of IPv6 `@nh,0,16 & 0x01e0 == 0x0100`.
///
/// A mask of exactly a field is that field: to the kernel both are the same, and nft lists the
/// field.
///
/// Source: linux v6.12, `net/netfilter/xt_dscp.c`, `tos_mt`; RFC 791 §3.1, RFC 8200 §3.
pub(super) fn ways(wanted: Invertible<(u8, u8)>, family: Family) -> Ways {
    let (value, mask) = *wanted.value();
    let negated = wanted.is_inverted();
    if value & !mask != 0 || mask == 0 {
        return Ways::constant((value & !mask == 0) != negated);
    }
    let (dscp, ecn, (offset, len)) = match family {
        Family::V4 => (Payload::IpDscp, Payload::IpEcn, (1, 1)),
        Family::V6 => (Payload::Ip6Dscp, Payload::Ip6Ecn, (0, 2)),
    };
    match mask {
        0b1111_1100 => return equal(dscp.into(), negated, value >> 2),
        0b0000_0011 => return equal(ecn.into(), negated, value),
        _ => {}
    }
    let raw = Payload::Raw(Raw {
        base: Base::Network,
        offset,
        len,
    });
    let field = |byte: u8| match family {
        Family::V4 => Value::new().and_u8(byte),
        // Behind the four bits of the version.
        Family::V6 => Value::new().and_bytes(&(u16::from(byte) << 4).to_be_bytes()),
    };
    Ways::one(masked(raw, negated, field(mask), field(value)))
}
