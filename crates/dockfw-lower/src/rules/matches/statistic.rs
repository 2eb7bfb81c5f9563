//! `-m statistic`: some of the packets.

use dockfw_iptables::r#match::statistic::Statistic;
use dockfw_ir::expr::Expr;
use dockfw_ir::expr::numgen::{Numgen, NumgenMode};
use dockfw_ir::statement::{Operator, Statement};
use dockfw_ir::value::Value;

use crate::rules::ways::Ways;

/// What a probability of 1 is.
const ONE: u32 = 1 << 31;

/// `numgen inc mod 3 0`, `numgen random mod 2147483648 < 1073741824`
///
/// Of `--every 3 --packet 0` the first packet matches, then the fourth: `numgen inc` begins with 0
/// too. Both were tried with packets, on Linux 6.18.
///
/// Source: linux v6.12, `net/netfilter/xt_statistic.c`; `nft_numgen.c`.
pub(super) fn ways(value: &Statistic) -> Ways {
    let (mode, modulus, operator, value) = match value {
        // Every number is below 2³¹, and none is below 0.
        Statistic::Random(share) if matches!(*share.value(), 0 | ONE..) => {
            return Ways::constant((*share.value() != 0) != share.is_inverted());
        }
        Statistic::Random(share) => {
            let operator = if share.is_inverted() {
                Operator::GreaterOrEqual
            } else {
                Operator::Less
            };
            (NumgenMode::Random, ONE, operator, *share.value())
        }
        Statistic::Nth { every, packet } => {
            let operator = if every.is_inverted() {
                Operator::NotEqual
            } else {
                Operator::Equal
            };
            (NumgenMode::Increment, *every.value(), operator, *packet)
        }
    };
    let numgen = Numgen {
        mode,
        modulus,
        offset: 0,
    };
    let value = Value::new().and_host_u32(value);
    Ways::one(Statement::compare(Expr::from(numgen), operator, value))
}
