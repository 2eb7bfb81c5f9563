//! `-m connbytes`: what a connection has carried.

use std::fmt;

use super::Match;
use crate::parse::{Args, Bad, Opt, read};
use crate::value::Invertible;

/// The connbytes match; a packet without a connection has carried nothing and never matches.
///
/// Source: iptables 1.8.9, `extensions/libxt_connbytes.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connbytes {
    /// `--connbytes`: first and last, both inclusive; `u64::MAX` is no end.
    pub range: Invertible<(u64, u64)>,
    /// `--connbytes-mode`.
    pub mode: Mode,
    /// `--connbytes-dir`.
    pub direction: Direction,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// `packets`.
    Packets,
    /// `bytes`: those of IP packets.
    Bytes,
    /// `avgpkt`: bytes for each packet, rounded down.
    Average,
}

/// Whose packets are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// `original`.
    Original,
    /// `reply`.
    Reply,
    /// `both`.
    Both,
}

const MODES: [(Mode, &str); 3] = [
    (Mode::Packets, "packets"),
    (Mode::Bytes, "bytes"),
    (Mode::Average, "avgpkt"),
];

const DIRECTIONS: [(Direction, &str); 3] = [
    (Direction::Original, "original"),
    (Direction::Reply, "reply"),
    (Direction::Both, "both"),
];

fn word<T: PartialEq>(table: &[(T, &'static str)], value: &T) -> &'static str {
    let found = table.iter().find(|(one, _)| one == value);
    found.map_or("", |(_, name)| name)
}

impl fmt::Display for Connbytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m connbytes")?;
        self.range.write_option(f, "--connbytes")?;
        let (first, last) = self.range.value();
        first.fmt(f)?;
        if *last != u64::MAX {
            write!(f, ":{last}")?;
        }
        let (mode, direction) = (word(&MODES, &self.mode), word(&DIRECTIONS, &self.direction));
        write!(f, " --connbytes-mode {mode} --connbytes-dir {direction}")
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["connbytes"]).invertible(),
    Opt::value(&["connbytes-mode"]),
    Opt::value(&["connbytes-dir"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    for key in ["connbytes", "connbytes-mode", "connbytes-dir"] {
        args.need(&[key]);
    }
    let range = args.invertible("connbytes", range);
    let mode = args.value("connbytes-mode", |text| exact(text, "a mode", &MODES));
    let direction = args.value("connbytes-dir", |text| {
        exact(text, "a direction", &DIRECTIONS)
    });
    let connbytes = Connbytes {
        range: range?,
        mode: mode?,
        direction: direction?,
    };
    Some(connbytes.into())
}

/// A name as it is written; iptables reads no capitals here.
fn exact<T: Copy>(text: &str, what: &str, table: &[(T, &str)]) -> Result<T, Bad> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(Bad::new(
            format!("\"{text}\" is not {what}"),
            format!("write {}", text.to_ascii_lowercase()),
        ));
    }
    read::name(text, what, table)
}

/// `first[:[last]]`, without an end when the last one is left out.
fn range(text: &str) -> Result<(u64, u64), Bad> {
    let (first, last) = text.split_once(':').unwrap_or((text, ""));
    let number = |part: &str, default| match part {
        "" => Ok(default),
        part => read::number(part, u64::MAX),
    };
    let (first, last) = (number(first, 0)?, number(last, u64::MAX)?);
    if first > last {
        return Err(Bad::new(
            format!("the range {text} ends before it begins"),
            format!("write {last}:{first}"),
        ));
    }
    Ok((first, last))
}
