//! `-m hashlimit`: a limit for each address or port.

use std::fmt;

use super::addrtype::write_list;
use super::{Match, rate};
use crate::parse::{Args, Bad, ErrorKind, Opt, read};
use crate::program::Family;

/// The hashlimit match: a token bucket for each combination of the parts that `by` names.
///
/// Source: iptables 1.8.9, `extensions/libxt_hashlimit.c`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hashlimit {
    /// Whether packets above the rate match; else those up to it do.
    pub above: bool,
    /// The rate.
    pub rate: Rate,
    /// `--hashlimit-burst`: how many packets may come at once, at least 1.
    pub burst: u32,
    /// `--hashlimit-mode`.
    pub by: Parts,
    /// `--hashlimit-name`.
    pub name: Box<str>,
    /// `--hashlimit-htable-size`: buckets of the table.
    pub size: Option<u32>,
    /// `--hashlimit-htable-max`: entries of the table.
    pub max: Option<u32>,
    /// `--hashlimit-htable-gcinterval`, in milliseconds.
    pub collect: Option<u32>,
    /// `--hashlimit-htable-expire`, in milliseconds.
    pub expire: Option<u32>,
    /// `--hashlimit-srcmask`: how many bits of the source count; `None` for all.
    pub source_prefix: Option<u8>,
    /// `--hashlimit-dstmask`.
    pub destination_prefix: Option<u8>,
}

/// How often a packet may come, as the time between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate {
    /// In microseconds, at least 1.
    ///
    /// Source: uapi linux/netfilter/xt_hashlimit.h, `XT_HASHLIMIT_SCALE_v2`.
    pub period: u64,
}

/// Ticks of a period in a second.
const TICKS: u64 = 1_000_000;

impl Rate {
    /// How many packets in which unit, as iptables-save shows it.
    pub fn per(self) -> (u64, &'static str) {
        rate::per(self.period, TICKS)
    }

    fn parse(text: &str) -> Result<Self, Bad> {
        let (number, unit) = text.split_once('/').unwrap_or((text, "second"));
        let unit = unit.to_ascii_lowercase();
        if unit == "s" && number.ends_with('b') {
            return Err(Bad::unsupported(
                "hashlimit",
                "rates of bytes are not written yet",
                "write a rate of packets",
            ));
        }
        let period = rate::parse(text, TICKS)?;
        Ok(Self { period })
    }
}

/// Parts of a packet that tell buckets apart; without any, all packets share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Parts(u8);

impl Parts {
    /// The destination address.
    pub const DESTINATION: Self = Self(1);
    /// The destination port.
    pub const DESTINATION_PORT: Self = Self(2);
    /// The source address.
    pub const SOURCE: Self = Self(4);
    /// The source port.
    pub const SOURCE_PORT: Self = Self(8);

    const NAMES: [(Self, &'static str); 4] = [
        (Self::SOURCE, "srcip"),
        (Self::SOURCE_PORT, "srcport"),
        (Self::DESTINATION, "dstip"),
        (Self::DESTINATION_PORT, "dstport"),
    ];

    /// The parts of both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every part of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES.iter().filter(|(part, _)| self.contains(*part));
        write_list(f, names.map(|(_, name)| *name))
    }
}

impl fmt::Display for Hashlimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.above { "above" } else { "upto" };
        let (number, unit) = self.rate.per();
        write!(f, " -m hashlimit --hashlimit-{how} {number}/{unit}")?;
        write!(f, " --hashlimit-burst {}", self.burst)?;
        if self.by != Parts::default() {
            write!(f, " --hashlimit-mode {}", self.by)?;
        }
        f.write_str(" --hashlimit-name ")?;
        f.write_str(&self.name)?;
        let numbers = [
            ("htable-size", self.size),
            ("htable-max", self.max),
            ("htable-gcinterval", self.collect),
            ("htable-expire", self.expire),
            ("srcmask", self.source_prefix.map(u32::from)),
            ("dstmask", self.destination_prefix.map(u32::from)),
        ];
        for (option, number) in numbers {
            if let Some(number) = number {
                write!(f, " --hashlimit-{option} {number}")?;
            }
        }
        Ok(())
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["hashlimit-upto", "hashlimit"]).invertible(),
    Opt::value(&["hashlimit-above"]).invertible(),
    Opt::value(&["hashlimit-burst"]),
    Opt::value(&["hashlimit-mode"]),
    Opt::value(&["hashlimit-name"]),
    Opt::value(&["hashlimit-htable-size"]),
    Opt::value(&["hashlimit-htable-max"]),
    Opt::value(&["hashlimit-htable-gcinterval"]),
    Opt::value(&["hashlimit-htable-expire"]),
    Opt::value(&["hashlimit-srcmask"]),
    Opt::value(&["hashlimit-dstmask"]),
    Opt::flag(&["hashlimit-rate-match"]),
    Opt::value(&["hashlimit-rate-interval"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["hashlimit-upto", "hashlimit-above"]);
    args.only_one(&["hashlimit-upto", "hashlimit-above"]);
    args.need(&["hashlimit-name"]);
    if args.has("hashlimit-rate-match") {
        let reason = "nftables limits have no rate match";
        args.refuse(
            "hashlimit-rate-match",
            ErrorKind::Unsupported {
                extension: "hashlimit",
                reason,
            },
            format!("--hashlimit-rate-match cannot be taken over: {reason}"),
            "leave --hashlimit-rate-match out",
        );
    }
    let longest: u8 = match args.family {
        Family::Ipv4 => 32,
        Family::Ipv6 => 128,
    };
    let prefix = |text: &str| match read::number(text, longest.into()) {
        Ok(prefix) => Ok(u8::try_from(prefix)
            .ok()
            .filter(|prefix| *prefix != longest)),
        Err(bad) => Err(bad),
    };
    let burst = args.value("hashlimit-burst", |text| match read::u32(text)? {
        0 => Err(Bad::new("no packet could ever come", "write at least 1")),
        burst => Ok(burst),
    });
    let by = args.value("hashlimit-mode", |text| {
        read::list(text, "a part of a packet", &Parts::NAMES, Parts::or)
    });
    let name = args.value("hashlimit-name", |text| {
        let text = read::string(text, 15)?;
        if text.is_empty() || text.contains([' ', '/', '"', '\'']) {
            return Err(Bad::new(
                format!("\"{text}\" is not the name of a table"),
                "write a name without blanks, slashes and quotes",
            ));
        }
        Ok(text)
    });
    let size = args.value("hashlimit-htable-size", read::u32);
    let max = args.value("hashlimit-htable-max", read::u32);
    let collect = args.value("hashlimit-htable-gcinterval", read::u32);
    let expire = args.value("hashlimit-htable-expire", read::u32);
    let source_prefix = args.value("hashlimit-srcmask", prefix).flatten();
    let destination_prefix = args.value("hashlimit-dstmask", prefix).flatten();
    let upto = args.invertible("hashlimit-upto", Rate::parse);
    let above = args.invertible("hashlimit-above", Rate::parse);
    let (inverted, rate) = upto.or(above)?.into_parts();
    let hashlimit = Hashlimit {
        above: above.is_some() != inverted,
        rate,
        burst: burst.unwrap_or(5),
        by: by.unwrap_or_default(),
        name: name?,
        size,
        max,
        collect,
        expire,
        source_prefix,
        destination_prefix,
    };
    Some(hashlimit.into())
}
