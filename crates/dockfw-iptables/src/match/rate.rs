//! Rates of packets, as `limit` and `hashlimit` write them: `5/minute`.
//!
//! The kernel keeps the time between two packets, in ticks whose length the extension says.

use crate::parse::{Bad, read};

/// Seconds, name, and what iptables-save prints.
const UNITS: [(u64, &str, &str); 4] = [
    (86_400, "day", "day"),
    (3_600, "hour", "hour"),
    (60, "minute", "min"),
    (1, "second", "sec"),
];

/// How many packets in which unit, as iptables-save shows it: the smallest unit before the
/// rounding becomes larger than the number.
pub(super) fn per(period: u64, ticks_a_second: u64) -> (u64, &'static str) {
    let period = period.max(1);
    let mut shown = (0, "day");
    for (index, (seconds, _, short)) in UNITS.into_iter().enumerate() {
        let unit = seconds * ticks_a_second;
        if index > 0 && (period > unit || unit / period < unit % period) {
            break;
        }
        shown = (unit / period, short);
    }
    shown
}

/// The period of `number[/unit]`; the unit may be shortened, and is a second when it is left out.
pub(super) fn parse(text: &str, ticks_a_second: u64) -> Result<u64, Bad> {
    let (number, unit) = text.split_once('/').unwrap_or((text, "second"));
    let unit = unit.to_ascii_lowercase();
    let unit = UNITS
        .iter()
        .find(|(_, name, _)| !unit.is_empty() && name.starts_with(&unit));
    let number = read::u32(number).ok().filter(|number| *number > 0);
    let (Some((seconds, _, _)), Some(number)) = (unit, number) else {
        return Err(Bad::new(
            format!("\"{text}\" is not a rate"),
            "write a number and second, minute, hour or day, such as 5/minute",
        ));
    };
    match seconds * ticks_a_second / u64::from(number) {
        0 => Err(Bad::new(
            format!("the rate {text} is too fast"),
            format!("write at most {ticks_a_second}/second"),
        )),
        period => Ok(period),
    }
}
