//! `-m time`: when a packet comes.

use std::fmt::{self, Write as _};

use super::Match;
use crate::parse::{Args, Bad, ErrorKind, Opt, read};

/// The time match. All of it must hold; times are in UTC, or in the kernel's time zone.
///
/// Source: iptables 1.8.9, `extensions/libxt_time.c`; linux v6.12, `net/netfilter/xt_time.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// `--timestart` and `--timestop`: seconds since midnight, both inclusive. With a start behind
    /// the stop it is the time around midnight.
    pub day: (u32, u32),
    /// `--datestart` and `--datestop`: seconds since 1970, both inclusive.
    pub date: (u32, u32),
    /// `--monthdays`: bit 1 is the first day, up to bit 31.
    pub month_days: u32,
    /// `--weekdays`: bit 1 is Monday, up to bit 7 for Sunday.
    pub week_days: u8,
    /// `--kerneltz`: times are in the kernel's time zone.
    pub kernel_zone: bool,
    /// `--contiguous`: the hours behind midnight count to the day before.
    pub contiguous: bool,
}

impl Time {
    /// Every time of day.
    pub const WHOLE_DAY: (u32, u32) = (0, 86_399);
    /// The last second that iptables can say, in 2038. It stands for no end.
    pub const NO_END: u32 = 0x7fff_ffff;
    /// Every day of the month.
    pub const MONTH: u32 = 0xffff_fffe;
    /// Every day of the week.
    pub const WEEK: u8 = 0xfe;

    /// Whether a time, in seconds since 1970 of the zone that is meant, is as wanted.
    pub fn holds(&self, seconds: u64) -> bool {
        let (first, last) = self.date;
        let ended = self.date.1 != Self::NO_END && seconds > last.into();
        if seconds < first.into() || ended {
            return false;
        }
        let (start, stop) = (u64::from(self.day.0), u64::from(self.day.1));
        let of_day = seconds % 86_400;
        let mut days = seconds / 86_400;
        if start < stop {
            if !(start..=stop).contains(&of_day) {
                return false;
            }
        } else {
            if stop < of_day && of_day < start {
                return false;
            }
            if self.contiguous && of_day <= stop {
                days = days.saturating_sub(1);
            }
        }
        // 1970 began with a Thursday.
        let week_day = (days + 3) % 7 + 1;
        let (_, _, day) = date(days);
        self.week_days >> week_day & 1 == 1 && self.month_days >> day & 1 == 1
    }
}

const WEEK_DAYS: [(u8, &str); 7] = [
    (1, "Mon"),
    (2, "Tue"),
    (3, "Wed"),
    (4, "Thu"),
    (5, "Fri"),
    (6, "Sat"),
    (7, "Sun"),
];

/// Year, month and day of a number of days since 1970: years begin with March here.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// The days from 1970 to a date; a day behind the end of its month is one of the next.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, march) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_year = (153 * march + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

fn write_date(f: &mut fmt::Formatter<'_>, seconds: u32) -> fmt::Result {
    let (year, month, day) = date(u64::from(seconds) / 86_400);
    write!(f, "{year:04}-{month:02}-{day:02}T")?;
    write_time(f, seconds % 86_400)
}

fn write_time(f: &mut fmt::Formatter<'_>, seconds: u32) -> fmt::Result {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    write!(f, "{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m time")?;
        if self.day != Self::WHOLE_DAY {
            for (option, of) in [("start", self.day.0), ("stop", self.day.1)] {
                write!(f, " --time{option} ")?;
                write_time(f, of)?;
            }
        }
        if self.month_days != Self::MONTH {
            let set = (1..=31_u32).filter(|day| self.month_days >> day & 1 == 1);
            f.write_str(" --monthdays ")?;
            for (index, day) in set.enumerate() {
                if index > 0 {
                    f.write_char(',')?;
                }
                day.fmt(f)?;
            }
        }
        if self.week_days != Self::WEEK {
            let set = WEEK_DAYS.iter();
            let set = set.filter(|(day, _)| self.week_days >> day & 1 == 1);
            f.write_str(" --weekdays ")?;
            super::addrtype::write_list(f, set.map(|(_, name)| *name))?;
        }
        if self.date.0 != 0 {
            f.write_str(" --datestart ")?;
            write_date(f, self.date.0)?;
        }
        // iptables-save prints its default.
        f.write_str(" --datestop ")?;
        write_date(f, self.date.1)?;
        if self.kernel_zone {
            f.write_str(" --kerneltz")?;
        }
        if self.contiguous {
            f.write_str(" --contiguous")?;
        }
        Ok(())
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["timestart"]),
    Opt::value(&["timestop"]),
    Opt::value(&["datestart"]),
    Opt::value(&["datestop"]),
    Opt::value(&["monthdays"]).invertible(),
    Opt::value(&["weekdays"]).invertible(),
    Opt::flag(&["kerneltz", "localtz"]),
    Opt::flag(&["utc"]),
    Opt::flag(&["contiguous"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.only_one(&["kerneltz", "utc"]);
    let (first, last) = Time::WHOLE_DAY;
    let month_days = args.invertible("monthdays", month_days);
    let week_days = args.invertible("weekdays", week_days);
    let time = Time {
        day: (
            args.value("timestart", time_of_day).unwrap_or(first),
            args.value("timestop", time_of_day).unwrap_or(last),
        ),
        date: (
            args.value("datestart", point).unwrap_or(0),
            args.value("datestop", point).unwrap_or(Time::NO_END),
        ),
        month_days: month_days.map_or(Time::MONTH, |days| {
            let (inverted, days) = days.into_parts();
            if inverted { Time::MONTH & !days } else { days }
        }),
        week_days: week_days.map_or(Time::WEEK, |days| {
            let (inverted, days) = days.into_parts();
            if inverted { Time::WEEK & !days } else { days }
        }),
        kernel_zone: args.has("kerneltz"),
        contiguous: args.has("contiguous"),
    };
    if time.contiguous && time.day.0 < time.day.1 {
        args.refuse(
            "contiguous",
            ErrorKind::Contradictory,
            "--contiguous is for a --timestop before --timestart",
            "leave --contiguous out",
        );
    }
    Some(Match::Time(time))
}

/// A decimal number; iptables takes no other here, and zeros in front.
fn decimal(text: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| plain)?;
    range.contains(&number).then_some(number)
}

/// `hh:mm[:ss]`
fn time_of_day(text: &str) -> Result<u32, Bad> {
    let parts: Vec<&str> = text.split(':').collect();
    let seconds = match *parts.as_slice() {
        [hours, minutes] => seconds(hours, minutes, "0"),
        [hours, minutes, rest] => seconds(hours, minutes, rest),
        _ => None,
    };
    seconds.ok_or_else(|| {
        Bad::new(
            format!("\"{text}\" is not a time of day"),
            "write hh:mm or hh:mm:ss, up to 23:59:59",
        )
    })
}

fn seconds(hours: &str, minutes: &str, seconds: &str) -> Option<u32> {
    let hours = decimal(hours, 0..=23)?;
    Some(hours * 3600 + decimal(minutes, 0..=59)? * 60 + decimal(seconds, 0..=59)?)
}

/// `YYYY[-MM[-DD[Thh[:mm[:ss]]]]]`
fn point(text: &str) -> Result<u32, Bad> {
    let read = || {
        let (date, time) = text.split_once('T').unwrap_or((text, "0"));
        let date: Vec<&str> = date.split('-').collect();
        let (year, month, day) = match *date.as_slice() {
            [year] if !text.contains('T') => (year, "1", "1"),
            [year, month] if !text.contains('T') => (year, month, "1"),
            [year, month, day] => (year, month, day),
            _ => return None,
        };
        let time: Vec<&str> = time.split(':').collect();
        let of_day = match *time.as_slice() {
            [hours] => seconds(hours, "0", "0"),
            [hours, minutes] => seconds(hours, minutes, "0"),
            [hours, minutes, rest] => seconds(hours, minutes, rest),
            _ => None,
        }?;
        let (year, month) = (decimal(year, 1970..=2038)?, decimal(month, 1..=12)?);
        let day = decimal(day, 1..=31)?;
        let days = days(year.into(), month.into(), day.into());
        u32::try_from(days * 86_400 + u64::from(of_day)).ok()
    };
    read().ok_or_else(|| {
        Bad::new(
            format!("\"{text}\" is not a date"),
            "write YYYY-MM-DDThh:mm:ss, from 1970 to 2038; what is behind the year may be left out \
             from the end",
        )
    })
}

fn month_days(text: &str) -> Result<u32, Bad> {
    let mut all = 0;
    for part in text.split(',') {
        let day = decimal(part, 1..=31).ok_or_else(|| {
            Bad::new(
                format!("\"{part}\" is not a day of a month"),
                "write numbers from 1 to 31 with commas",
            )
        })?;
        all |= 1 << day;
    }
    Ok(all)
}

/// Names by their first two letters, or numbers from 1 for Monday.
fn week_days(text: &str) -> Result<u8, Bad> {
    let mut all = 0;
    for part in text.split(',') {
        let named = WEEK_DAYS
            .iter()
            .find(|(_, name)| part.len() > 1 && name.get(..2) == part.get(..2));
        let day = match (named, read::number(part, 7)) {
            (Some((day, _)), _) => *day,
            (None, Ok(day @ 1..=7)) => u8::try_from(day).unwrap_or(7),
            (None, _) => {
                return Err(Bad::new(
                    format!("\"{part}\" is not a day of the week"),
                    "write Mon, Tue, Wed, Thu, Fri, Sat, Sun, or 1 for Monday to 7 for Sunday",
                ));
            }
        };
        all |= 1 << day;
    }
    Ok(all)
}
