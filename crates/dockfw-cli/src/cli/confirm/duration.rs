//! How long a commit may wait for its confirmation, as it is written on the command line.

use std::time::Duration;

/// The shortest time: less than that, and even a script is not sure to confirm in time.
pub const SHORTEST: Duration = Duration::from_millis(100);
/// The longest time: a day.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a text is no time to wait for a confirmation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// Not numbers with units.
    #[error("`{0}` is not a time; write whole numbers with units, such as 60s, 2m, 1m30s or 500ms")]
    Syntax(String),
    /// Below [`SHORTEST`].
    #[error("{0} ms is too short to confirm anything; the shortest time is 100ms")]
    TooShort(u128),
    /// Above [`LONGEST`].
    #[error("`{0}` is too long; the longest time is 24h")]
    TooLong(String),
}

/// Reads `60s`, `2m`, `1h`, `500ms`, or several of them behind each other.
///
/// # Errors
///
/// [`DurationError`], for what is no time and for what is shorter or longer than makes sense.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let syntax = || DurationError::Syntax(text.to_owned());
    let too_long = || DurationError::TooLong(text.to_owned());
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .ok_or_else(syntax)?;
        let (number, unit) = rest.split_at(digits);
        let letters = unit
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(unit.len());
        let (unit, behind) = unit.split_at(letters);
        let unit = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(syntax()),
        };
        if number.is_empty() {
            return Err(syntax());
        }
        let number: u64 = number.parse().ok().ok_or_else(too_long)?;
        let part = number.checked_mul(unit).ok_or_else(too_long)?;
        total = total
            .checked_add(Duration::from_millis(part))
            .ok_or_else(too_long)?;
        rest = behind;
    }
    if text.is_empty() {
        Err(syntax())
    } else if total > LONGEST {
        Err(too_long())
    } else if total < SHORTEST {
        Err(DurationError::TooShort(total.as_millis()))
    } else {
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_units() {
        for (text, milliseconds) in [
            ("60s", 60_000),
            ("2m", 120_000),
            ("500ms", 500),
            ("1h", 3_600_000),
            ("1m30s", 90_000),
            ("24h", 86_400_000),
            ("100ms", 100),
        ] {
            let expected = Duration::from_millis(milliseconds);
            assert_eq!(parse_duration(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "", "60", "s", "1.5s", "-1s", "+1s", " 60s", "60 s", "60S", "1d", "60sx", "5m3", "ß",
        ] {
            let error = parse_duration(text);
            assert_eq!(error, Err(DurationError::Syntax(text.to_owned())));
        }
    }

    #[test]
    fn times_have_bounds() {
        assert_eq!(parse_duration("99ms"), Err(DurationError::TooShort(99)));
        assert_eq!(parse_duration("0s"), Err(DurationError::TooShort(0)));
        for text in [
            "86400001ms",
            "25h",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            let error = parse_duration(text);
            assert_eq!(error, Err(DurationError::TooLong(text.to_owned())));
        }
    }
}
