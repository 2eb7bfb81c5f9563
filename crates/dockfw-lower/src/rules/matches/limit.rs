//! `-m limit`: so many packets in a time.

use dockfw_iptables::r#match::limit::Limit as XtLimit;
use dockfw_ir::statement::limit::{Measure, TimeUnit};
use dockfw_ir::statement::{Limit, Statement};

use crate::rules::Reason;
use crate::rules::ways::Ways;

/// `limit rate 3/hour burst 5 packets`: the rate as it is printed.
///
/// Source: linux v6.12, `net/netfilter/xt_limit.c`; `nft_limit.c`: both begin with `burst` tokens
/// and take one for each packet.
pub(super) fn ways(value: XtLimit) -> Result<Ways, Reason> {
    let limit = of(value.rate.per(), value.burst, false)?;
    Ok(Ways::one(Statement::Limit(limit)))
}

/// A limit of packets; `over` goes on when there are more.
pub(super) fn of(
    (rate, unit): (impl Into<u64>, &str),
    burst: u32,
    over: bool,
) -> Result<Limit, Reason> {
    let rate = rate.into();
    let unit = match unit {
        "sec" => Some(TimeUnit::Second),
        "min" => Some(TimeUnit::Minute),
        "hour" => Some(TimeUnit::Hour),
        "day" => Some(TimeUnit::Day),
        _ => None,
    };
    let (Some(unit), 1.., 1..) = (unit, rate, burst) else {
        return Err(Reason::new(
            "a limit of no packets has no native form",
            "write a rate and a burst of at least 1",
        ));
    };
    Ok(Limit {
        rate,
        measure: Measure::Packets,
        unit,
        burst,
        over,
    })
}
