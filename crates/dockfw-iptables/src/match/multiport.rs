//! `-m multiport`: up to fifteen ports, or ranges of them.

use std::fmt::{self, Write as _};

use super::Match;
use crate::parse::{Args, Bad, Opt, read};
use crate::value::{Invertible, PortRange, Protocol};

/// The multiport match; the rule has `-p` with a protocol that has ports.
///
/// Source: iptables 1.8.9, `extensions/libxt_multiport.c`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Multiport {
    /// Which port of the packet.
    pub side: Side,
    /// The ports, at least one; a range counts as two of the fifteen.
    pub ports: Invertible<Vec<PortRange>>,
}

/// Which ports are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// `--sports`.
    Source,
    /// `--dports`.
    Destination,
    /// `--ports`: either of them.
    Either,
}

impl fmt::Display for Multiport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m multiport")?;
        let option = match self.side {
            Side::Source => "--sports",
            Side::Destination => "--dports",
            Side::Either => "--ports",
        };
        self.ports.write_option(f, option)?;
        for (index, range) in self.ports.value().iter().enumerate() {
            if index > 0 {
                f.write_char(',')?;
            }
            range.write(f, ':')?;
        }
        Ok(())
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["source-ports", "sports"]).invertible(),
    Opt::value(&["destination-ports", "dports"]).invertible(),
    Opt::value(&["ports"]).invertible(),
];

const SIDES: [(&str, Side); 3] = [
    ("source-ports", Side::Source),
    ("destination-ports", Side::Destination),
    ("ports", Side::Either),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    let keys = SIDES.map(|(key, _)| key);
    args.need(&keys);
    args.only_one(&keys);
    let protocols = [
        Protocol::TCP,
        Protocol::UDP,
        Protocol(136),
        Protocol::SCTP,
        Protocol(33),
    ];
    args.need_protocol("", &protocols);
    let (key, side) = SIDES.into_iter().find(|(key, _)| args.has(key))?;
    let ports = args.invertible(key, list)?;
    Some(Multiport { side, ports }.into())
}

fn list(text: &str) -> Result<Vec<PortRange>, Bad> {
    let mut all = Vec::new();
    let mut places = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        let range = PortRange {
            first: read::port(first)?,
            last: read::port(last)?,
        };
        if range.first > range.last {
            return Err(Bad::new(
                format!("the range {part} ends before it begins"),
                format!("write {last}:{first}"),
            ));
        }
        places += if part.contains(':') { 2 } else { 1 };
        all.push(range);
    }
    if places > 15 {
        return Err(Bad::new(
            format!("these are {places} ports, a range counted as two, and 15 is the most"),
            "make it two rules",
        ));
    }
    Ok(all)
}
