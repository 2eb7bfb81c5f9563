//! `-m rpfilter`: whether an answer would take the same way.

use dockfw_iptables::r#match::rpfilter::Rpfilter;
use dockfw_ir::expr::fib::{FibAddress, FibResult, addrtype};
use dockfw_ir::expr::{Expr, Fib};
use dockfw_ir::statement::Statement;
use dockfw_ir::value::Value;

use super::equal;
use crate::lower::family::Family;
use crate::rules::Reason;
use crate::rules::ways::Ways;

/// `fib saddr . iif oif exists fib saddr type != broadcast`
///
/// xt_rpfilter finds no way back to a broadcast address, the route lookup of nftables does; hence
/// the second test, for IPv4. What is left: a directed broadcast that the host itself sent as
/// source, of an interface that is not the one asked.
///
/// Source: linux v6.12, `net/ipv4/netfilter/ipt_rpfilter.c`, `rpfilter_lookup_reverse`;
/// `net/ipv4/netfilter/nft_fib_ipv4.c`, `nft_fib4_eval`.
pub(super) fn ways(value: Rpfilter, family: Family) -> Result<Ways, Reason> {
    if value.accept_local {
        return Err(Reason::new(
            "rpfilter --accept-local has no native form",
            "write the rule without --accept-local",
        ));
    }
    let fib = Fib {
        address: FibAddress::Saddr,
        iif: !value.loose,
        oif: false,
        mark: value.valid_mark,
        result: FibResult::Exists,
    };
    let exists = |exists: bool| equal(fib.into(), false, exists.into());
    let broadcast = Value::new().and_host_u32(addrtype::BROADCAST);
    let kind = Expr::from(Fib::saddr_type());
    Ok(match (family, value.invert) {
        (Family::V6, invert) => exists(!invert),
        (Family::V4, false) => exists(true).and(&Ways::one(Statement::not_equal(kind, broadcast))),
        (Family::V4, true) => {
            let found = exists(true).and(&Ways::one(Statement::equal(kind, broadcast)));
            exists(false).or(found)
        }
    })
}
