//! Points in time, in UTC.
//!
//! nft reads and lists them in the time zone of its process; ours is UTC, as the kernel's.

use std::fmt::Write;

/// `"10:00"`, with seconds where there are some.
pub(super) fn of_day(out: &mut String, seconds: u32) {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    // Writing to a string cannot fail.
    let _ = write!(out, "\"{hours:02}:{minutes:02}");
    if !seconds.is_multiple_of(60) {
        let _ = write!(out, ":{:02}", seconds % 60);
    }
    out.push('"');
}

/// `"2026-11-21 10:00:00"`, of nanoseconds since 1970.
pub(super) fn point(out: &mut String, nanoseconds: u64) {
    let seconds = nanoseconds / 1_000_000_000;
    let (year, month, day) = date(seconds / 86_400);
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    let _ = write!(
        out,
        "\"{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{:02}\"",
        seconds % 60
    );
}

/// Year, month and day of a number of days since 1970 in the Gregorian calendar.
///
/// Years begin with March here, so that the odd day comes last: 400 of them have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, expect) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_704_103_205, "2024-01-01 10:00:05"),
            (4_107_542_399, "2100-02-28 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            let mut out = String::new();
            point(&mut out, seconds * 1_000_000_000);
            assert_eq!(out, format!("\"{expect}\""));
        }
    }

    #[test]
    fn hours() {
        for (seconds, expect) in [(0, "\"00:00\""), (36_005, "\"10:00:05\"")] {
            let mut out = String::new();
            of_day(&mut out, seconds);
            assert_eq!(out, expect);
        }
    }
}
