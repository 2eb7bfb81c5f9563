//! `-m policy`, `-m esp`, `-m ah`: IPsec.

use dockfw_iptables::Invertible;
use dockfw_iptables::r#match::policy::{Element, Policy, Wanted};
use dockfw_iptables::r#match::spi::Spi;
use dockfw_ir::expr::{Expr, Meta, Payload, Rt};
use dockfw_ir::value::Value;

use super::equal;
use crate::lower::family::Family;
use crate::rules::Reason;
use crate::rules::ways::{Ways, range};

/// `meta ipsec exists`, `rt ipsec missing`
///
/// Source: linux v6.12, `net/netfilter/xt_policy.c`, `policy_mt`; `nft_meta.c`, `nft_rt.c`.
pub(super) fn policy(value: Policy) -> Result<Ways, Reason> {
    let key = if value.out {
        Expr::from(Rt::Ipsec)
    } else {
        Expr::from(Meta::Ipsec)
    };
    match value.wanted {
        Wanted::None => Ok(equal(key, false, 0)),
        Wanted::Ipsec {
            strict: false,
            element,
        } if element == Element::default() => Ok(equal(key, false, 1)),
        Wanted::Ipsec { .. } => Err(Reason::new(
            "nftables reads one transformation by its number, where policy looks for one among all \
             of them",
            "write --dir and --pol alone",
        )),
    }
}

/// `esp spi 5-9`; the protocol is tested by the rule's `-p`.
///
/// Source: linux v6.12, `net/netfilter/xt_esp.c`, `esp_mt`.
pub(super) fn esp(value: Spi) -> Ways {
    numbers(value.range, Payload::EspSpi.into())
}

/// `ah spi 5-9`; of IPv6 it is an extension header, which nft has no word for.
///
/// Source: linux v6.12, `net/ipv4/netfilter/ipt_ah.c`, `ah_mt`; `net/ipv6/netfilter/ip6t_ah.c`.
pub(super) fn ah(value: Spi, family: Family) -> Result<Ways, Reason> {
    match family {
        Family::V4 => Ok(numbers(value.range, Payload::AhSpi.into())),
        Family::V6 => Err(Reason::new(
            "the authentication header of IPv6 is an extension header that nft cannot name",
            "leave the rule out, or write it for ESP",
        )),
    }
}

/// A number of four bytes in network byte order; without a range every number will do.
pub(super) fn numbers(wanted: Option<Invertible<(u32, u32)>>, key: Expr) -> Ways {
    let Some(wanted) = wanted else {
        return Ways::always();
    };
    let (first, last) = *wanted.value();
    let negated = wanted.is_inverted();
    if first > last {
        return Ways::constant(negated);
    }
    if (first, last) == Spi::ALL {
        return Ways::constant(!negated);
    }
    let number = |number: u32| Value::new().and_bytes(&number.to_be_bytes());
    Ways::one(range(key, negated, number(first), number(last)))
}
