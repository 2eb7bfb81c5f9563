//! `-m limit`: so many packets in a time, for all packets of the rule together.

use std::fmt;

use super::{Match, rate};
use crate::parse::{Args, Bad, Opt, read};

/// The limit match: a token bucket.
///
/// Source: iptables 1.8.9, `extensions/libxt_limit.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limit {
    /// `--limit`.
    pub rate: Rate,
    /// `--limit-burst`: how many packets may come at once, 1 to 10000.
    pub burst: u32,
}

impl Limit {
    const RATE: Rate = Rate {
        // Three an hour.
        period: 12_000_000,
    };
    const BURST: u32 = 5;
    const MAX_BURST: u64 = 10_000;
}

/// How often a packet may come: as the kernel keeps it, the time between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate {
    /// In units of 0.1 milliseconds, at least 1.
    ///
    /// Source: uapi linux/netfilter/xt_limit.h, `XT_LIMIT_SCALE`.
    pub period: u32,
}

/// Ticks of a period in a second.
const TICKS: u64 = 10_000;

impl Rate {
    /// How many packets in which unit, as iptables-save shows it: the largest unit in which the
    /// rounding is least.
    pub fn per(self) -> (u64, &'static str) {
        rate::per(self.period.into(), TICKS)
    }

    /// `number[/unit]`; the unit may be shortened, and is a second when it is left out.
    pub(crate) fn parse(text: &str) -> Result<Self, Bad> {
        // A day in ticks fits.
        let period = u32::try_from(rate::parse(text, TICKS)?).unwrap_or(u32::MAX);
        Ok(Self { period })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = self.per();
        write!(f, "{number}/{unit}")
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " -m limit --limit {}", self.rate)?;
        match self.burst {
            Self::BURST => Ok(()),
            burst => write!(f, " --limit-burst {burst}"),
        }
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["limit"]), Opt::value(&["limit-burst"])];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    let rate = args.value("limit", Rate::parse);
    let burst = args.value("limit-burst", |text| {
        match read::number(text, Limit::MAX_BURST)? {
            0 => Err(Bad::new("no packet could ever come", "write at least 1")),
            burst => Ok(u32::try_from(burst).unwrap_or(Limit::BURST)),
        }
    });
    let limit = Limit {
        rate: rate.unwrap_or(Limit::RATE),
        burst: burst.unwrap_or(Limit::BURST),
    };
    Some(limit.into())
}
