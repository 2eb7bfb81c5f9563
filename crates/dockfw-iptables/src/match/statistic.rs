//! `-m statistic`: some of the packets.

use std::fmt;

use super::Match;
use crate::parse::{Args, Bad, ErrorKind, Opt, read};
use crate::value::Invertible;

/// The statistic match.
///
/// Source: iptables 1.8.9, `extensions/libxt_statistic.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statistic {
    /// `--mode random --probability`: a share of 2³¹, from 0 to 2³¹.
    Random(Invertible<u32>),
    /// `--mode nth --every`: one packet of each `every`, at least 1, beginning with number
    /// `packet`, which is below `every`.
    Nth {
        /// `--every`.
        every: Invertible<u32>,
        /// `--packet`.
        packet: u32,
    },
}

/// What a probability of 1 is.
const ONE: u32 = 1 << 31;

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random(share) => {
                f.write_str(" -m statistic --mode random")?;
                share.write_option(f, "--probability")?;
                write!(f, "{:.11}", f64::from(*share.value()) / f64::from(ONE))
            }
            Self::Nth { every, packet } => {
                f.write_str(" -m statistic --mode nth")?;
                every.write_option(f, "--every")?;
                write!(f, "{} --packet {packet}", every.value())
            }
        }
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["mode"]),
    Opt::value(&["probability"]).invertible(),
    Opt::value(&["every"]).invertible(),
    Opt::value(&["packet"]),
];

#[derive(Clone, Copy)]
enum Mode {
    Random,
    Nth,
}

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["mode"]);
    let mode = args.value("mode", |text| {
        read::name(
            text,
            "a mode",
            &[(Mode::Random, "random"), (Mode::Nth, "nth")],
        )
    })?;
    match mode {
        Mode::Random => {
            args.need(&["probability"]);
            let share = args.invertible("probability", share)?;
            Some(Statistic::Random(share).into())
        }
        Mode::Nth => {
            args.need(&["every"]);
            args.requires("every", "packet");
            let every = args.invertible("every", |text| match read::u32(text)? {
                0 => Err(Bad::new("every 0th packet is none", "write at least 1")),
                every => Ok(every),
            })?;
            let packet = args.value("packet", read::u32)?;
            if packet >= *every.value() {
                let message = format!("packet {packet} never comes: they are counted from 0");
                let help = format!("write a number below {}", every.value());
                args.refuse("packet", ErrorKind::Contradictory, message, help);
            }
            Some(Statistic::Nth { every, packet }.into())
        }
    }
}

fn share(text: &str) -> Result<u32, Bad> {
    let number: Option<f64> = text.parse().ok();
    let number = number.filter(|number| (0.0..=1.0).contains(number));
    let number = number.ok_or_else(|| {
        Bad::new(
            format!("\"{text}\" is not a probability"),
            "write a number from 0 to 1, such as 0.5",
        )
    })?;
    // The share that is nearest, found without a conversion that could truncate.
    let mut share = 0;
    for bit in (0..=31).rev() {
        let more = share | (1_u32 << bit);
        if more <= ONE && f64::from(more) - 0.5 <= number * f64::from(ONE) {
            share = more;
        }
    }
    Ok(share)
}
