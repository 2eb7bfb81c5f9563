//! `-m time`: when a packet comes.

use dockfw_iptables::r#match::time::Time;
use dockfw_ir::expr::Meta;
use dockfw_ir::statement::{Operator, Statement};
use dockfw_ir::value::Value;

use crate::rules::Reason;
use crate::rules::ways::{Ways, range};

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;
/// The last second of a day.
const LAST: u32 = 86_399;

/// `meta time >= "2026-01-01 00:00:00" meta day != "Sunday" meta hour "08:00"-"17:59:59"`
///
/// `meta hour` and `meta time` are in UTC, `meta day` is in the time zone of the kernel. So days
/// without `--kerneltz` are the same where the kernel's zone is UTC, which it is unless the hardware
/// clock runs in local time.
///
/// Source: linux v6.12, `net/netfilter/xt_time.c`, `time_mt`; `nft_meta.c`, `nft_meta_weekday`,
/// `nft_meta_hour`.
pub(super) fn ways(value: &Time) -> Result<Ways, Reason> {
    let whole = value.day == Time::WHOLE_DAY || (value.day.0 == value.day.1 && !value.contiguous);
    let dated = value.date != (0, Time::NO_END);
    if value.month_days != Time::MONTH {
        return Err(Reason::new(
            "nftables does not know the days of a month",
            "write the rule without --monthdays, with --datestart and --datestop for each month",
        ));
    }
    if value.kernel_zone && (!whole || dated) {
        return Err(Reason::new(
            "nftables compares times in UTC, not in the kernel's time zone",
            "write the times in UTC, without --kerneltz",
        ));
    }
    if value.date.1 != Time::NO_END && value.date.0 > value.date.1 {
        return Ok(Ways::never());
    }
    let mut date = Ways::always();
    let time = |operator, seconds: u64| {
        let value = Value::new().and_host_u64(seconds * SECOND);
        Ways::one(Statement::compare(Meta::Time, operator, value))
    };
    if value.date.0 > 0 {
        date = date.and(&time(Operator::GreaterOrEqual, value.date.0.into()));
    }
    if value.date.1 != Time::NO_END {
        // The last second counts to its end.
        date = date.and(&time(Operator::Less, u64::from(value.date.1) + 1));
    }
    Ok(date.and(&daily(value)))
}

/// The days of the week and the hours.
fn daily(value: &Time) -> Ways {
    let (start, stop) = value.day;
    let week = |days| week_days(days);
    if start < stop {
        return week(value.week_days).and(&hours(start, stop));
    }
    // The rest of the day behind the start, and the beginning of one up to the stop.
    let evening = |first| {
        if first > LAST {
            Ways::never()
        } else {
            week(value.week_days).and(&hours(first, LAST))
        }
    };
    if value.contiguous && value.week_days != Time::WEEK {
        let morning = week(next_days(value.week_days)).and(&hours(0, stop));
        return evening(start.max(stop + 1)).or(morning);
    }
    if stop + 1 >= start {
        return week(value.week_days);
    }
    let hour = |seconds| Value::new().and_host_u32(seconds);
    let between = range(Meta::Hour, true, hour(stop + 1), hour(start - 1));
    week(value.week_days).and(&Ways::one(between))
}

/// Seconds from midnight, both ends inclusive.
fn hours(first: u32, last: u32) -> Ways {
    if (first, last) == (0, LAST) {
        return Ways::always();
    }
    let hour = |seconds| Value::new().and_host_u32(seconds);
    Ways::one(range(Meta::Hour, false, hour(first), hour(last)))
}

/// Days, bit 1 for Monday up to bit 7 for Sunday.
fn week_days(days: u8) -> Ways {
    // nftables counts from 0 for Sunday.
    let number = |day: u8| Value::new().and_u8(day % 7);
    let test = |operator, day| Ways::one(Statement::compare(Meta::Day, operator, number(day)));
    let (set, unset): (Vec<u8>, Vec<u8>) = (1..=7).partition(|day| days >> day & 1 == 1);
    match *set.as_slice() {
        [] => Ways::never(),
        [only] => test(Operator::Equal, only),
        _ => unset.iter().fold(Ways::always(), |ways, day| {
            ways.and(&test(Operator::NotEqual, *day))
        }),
    }
}

/// The day behind each.
const fn next_days(days: u8) -> u8 {
    let sunday = days >> 7 & 1;
    days << 1 | sunday << 1
}
