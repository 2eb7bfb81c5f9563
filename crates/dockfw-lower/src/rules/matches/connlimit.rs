//! `-m connlimit`: how many connections an address has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_iptables::r#match::connlimit::{Connlimit, Side};
use dockfw_ir::expr::Key;
use dockfw_ir::set::{Set, SetKind};
use dockfw_ir::statement::{CtCount, Dynset, DynsetOperation, DynsetStatement, Statement};
use dockfw_ir::value::Value;

use super::set_name;
use crate::lower::family::Family;
use crate::rules::ways::Ways;
use crate::rules::{Place, Reason};

/// The most addresses that have connections at a time; beyond that a rule does not match.
pub(super) const SIZE: u32 = 65_535;

/// `add @connlimit4-filter-0 { ip saddr & 255.255.255.0 ct count over 3 }`
///
/// Each rule counts for itself, as xt_connlimit does.
///
/// Source: linux v6.12, `net/netfilter/xt_connlimit.c`, `connlimit_mt`; `nft_connlimit.c`.
pub(super) fn ways(value: Connlimit, place: Place, sets: &mut Vec<Set>) -> Result<Ways, Reason> {
    let count = CtCount {
        count: value.count,
        over: value.above,
    };
    if value.prefix == 0 {
        return Ok(Ways::one(Statement::CtCount(count)));
    }
    let key = Key::from(match value.side {
        Side::Source => place.family.saddr(),
        Side::Destination => place.family.daddr(),
    });
    let own = format!("{}-{}", place.table.as_str(), sets.len());
    let name = set_name("connlimit", place.family, &own)?;
    sets.push(Set {
        name: name.clone(),
        key: key.data_types(),
        kind: SetKind::Set,
        interval: false,
        dynamic: true,
        counter: false,
        timeout: None,
        size: Some(SIZE),
        comment: None,
        elements: Vec::new(),
    });
    Ok(Ways::one(Statement::Dynset(Box::new(Dynset {
        operation: DynsetOperation::Add,
        set: name,
        key,
        mask: mask(value.prefix, place.family),
        timeout: None,
        statement: Some(DynsetStatement::CtCount(count)),
    }))))
}

/// The mask of a prefix; `None` when all bits count.
pub(super) fn mask(prefix: u8, family: Family) -> Option<Value> {
    let address = match family {
        Family::V4 if prefix >= 32 => return None,
        Family::V6 if prefix >= 128 => return None,
        Family::V4 => {
            let bits = u32::MAX.checked_shl(32 - u32::from(prefix));
            IpAddr::V4(Ipv4Addr::from_bits(bits.unwrap_or_default()))
        }
        Family::V6 => {
            let bits = u128::MAX.checked_shl(128 - u32::from(prefix));
            IpAddr::V6(Ipv6Addr::from_bits(bits.unwrap_or_default()))
        }
    };
    Some(Value::new().and_ip(address))
}
