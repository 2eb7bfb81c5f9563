//! `-m quota` and `-m connbytes`: bytes and packets that have come before.

use dockfw_iptables::r#match::connbytes::{Connbytes, Direction as XtDirection, Mode};
use dockfw_iptables::r#match::quota::Quota as XtQuota;
use dockfw_ir::expr::Ct;
use dockfw_ir::expr::ct::{Counter, Direction};
use dockfw_ir::statement::{Operator, Quota, Statement};
use dockfw_ir::value::Value;

use super::conntrack;
use crate::rules::ways::{Ways, range};

/// `quota 1000 bytes`, `quota over 1000 bytes`
///
/// Since 6.16 the packet that uses up the last byte still matches, as in xt_quota.
///
/// Source: linux v6.12, `net/netfilter/xt_quota.c`, `quota_mt`; `nft_quota.c`, `nft_overquota`.
pub(super) fn quota(value: XtQuota) -> Ways {
    let over = value.bytes.is_inverted();
    let bytes = *value.bytes.value();
    match bytes {
        // Every packet has bytes.
        0 => Ways::constant(over),
        // More than the kernel takes, and than ever comes.
        0x8000_0000_0000_0000.. => Ways::constant(!over),
        _ => Ways::one(Statement::Quota(Quota { bytes, over })),
    }
}

/// `ct original bytes 1000-2000`
///
/// Both switch the counters of conntrack on. Of a connection that is older nothing is known:
/// xt_connbytes never matches then, and nftables counts 0.
///
/// Source: linux v6.12, `net/netfilter/xt_connbytes.c`, `connbytes_mt`; `nft_ct.c`,
/// `nft_ct_get_eval`, `nft_ct_get_init`.
pub(super) fn connbytes(value: Connbytes) -> Ways {
    let counter = match value.mode {
        Mode::Packets => Counter::Packets,
        Mode::Bytes => Counter::Bytes,
        Mode::Average => Counter::Average,
    };
    let direction = match value.direction {
        XtDirection::Original => Some(Direction::Original),
        XtDirection::Reply => Some(Direction::Reply),
        XtDirection::Both => None,
    };
    let key = Ct::Counter(counter, direction);
    let number = |number| Value::new().and_host_u64(number);
    let (first, last) = *value.range.value();
    let negated = value.range.is_inverted();
    let compare = |operator, value| Ways::one(Statement::compare(key, operator, number(value)));
    match (first, last, negated) {
        (0, u64::MAX, false) => conntrack::has_entry(),
        (0, u64::MAX, true) => Ways::never(),
        (0, last, false) => compare(Operator::LessOrEqual, last),
        (0, last, true) => compare(Operator::Greater, last),
        (first, u64::MAX, false) => compare(Operator::GreaterOrEqual, first),
        (first, u64::MAX, true) => compare(Operator::Less, first),
        (first, last, negated) => Ways::one(range(key, negated, number(first), number(last))),
    }
}
