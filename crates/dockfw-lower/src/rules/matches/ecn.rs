//! `-m ecn`: explicit congestion notification.

use dockfw_iptables::Invertible;
use dockfw_iptables::r#match::ecn::Ecn;
use dockfw_ir::expr::Payload;
use dockfw_ir::value::Value;

use super::equal;
use crate::lower::family::Family;
use crate::rules::ways::{Ways, masked};

/// `tcp flags & ecn == ecn ip ecn 1`
///
/// Source: linux v6.12, `net/netfilter/xt_ecn.c`.
pub(super) fn ways(wanted: Ecn, family: Family) -> Ways {
    const ECE: u8 = 0x40;
    const CWR: u8 = 0x80;
    let mut ways = Ways::always();
    for (flag, bit) in [(wanted.ece, ECE), (wanted.cwr, CWR)] {
        if let Some(flag) = flag {
            let set = if flag == Invertible::Is(()) { bit } else { 0 };
            let byte = |bits| Value::new().and_u8(bits);
            let test = masked(Payload::TcpFlags, false, byte(bit), byte(set));
            ways = ways.and(&Ways::one(test));
        }
    }
    if let Some(codepoint) = wanted.codepoint {
        let key = match family {
            Family::V4 => Payload::IpEcn,
            Family::V6 => Payload::Ip6Ecn,
        };
        let (negated, codepoint) = codepoint.into_parts();
        ways = ways.and(&equal(key.into(), negated, codepoint));
    }
    ways
}
