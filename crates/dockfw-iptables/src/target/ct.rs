//! `-j CT`: how conntrack is to treat the packet.

use std::fmt;

use super::Target;
use super::notrack::Notrack;
use crate::parse::{Args, ErrorKind, Opt, read};

/// `-j CT --zone`, in the raw table: entries of different zones do not know of each other. The
/// packet goes on to the next rule.
///
/// Zone 0 is that of all other packets; iptables-save writes `-j CT` alone then.
///
/// Source: iptables 1.8.9, `extensions/libxt_CT.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Zone {
    /// The number.
    pub zone: u16,
    /// Which direction is told apart; zone 0 is for both.
    pub side: Side,
}

/// The directions of a connection that a zone is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// `--zone`.
    Both,
    /// `--zone-orig`.
    Original,
    /// `--zone-reply`.
    Reply,
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -j CT")?;
        let side = match self.side {
            Side::Both if self.zone == 0 => return Ok(()),
            Side::Both => "",
            Side::Original => "-orig",
            Side::Reply => "-reply",
        };
        write!(f, " --zone{side} {}", self.zone)
    }
}

const ZONES: [(&str, Side); 3] = [
    ("zone", Side::Both),
    ("zone-orig", Side::Original),
    ("zone-reply", Side::Reply),
];

pub(super) const OPTIONS: &[Opt] = &[
    Opt::flag(&["notrack"]),
    Opt::value(&["zone"]),
    Opt::value(&["zone-orig"]),
    Opt::value(&["zone-reply"]),
    Opt::value(&["helper"]),
    Opt::value(&["timeout"]),
    Opt::value(&["ctevents"]),
    Opt::value(&["expevents"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    const OBJECT: &str = "nftables needs an object in the table for it, which is not written yet";
    const EVENTS: &str = "only --notrack and zones are taken over";
    for (key, reason) in [
        ("helper", OBJECT),
        ("timeout", OBJECT),
        ("ctevents", EVENTS),
        ("expevents", EVENTS),
    ] {
        if args.has(key) {
            args.refuse(
                key,
                ErrorKind::Unsupported {
                    extension: "CT",
                    reason,
                },
                format!("-j CT --{key}: {reason}"),
                "leave the rule out",
            );
        }
    }
    args.only_one(&["notrack", "zone", "zone-orig", "zone-reply"]);
    if args.has("notrack") {
        return Some(Target::Notrack(Notrack::Ct));
    }
    let Some((key, side)) = ZONES.into_iter().find(|(key, _)| args.has(key)) else {
        let (zone, side) = (0, Side::Both);
        return Some(Target::Zone(Zone { zone, side }));
    };
    let zone = args.value(key, read::u16)?;
    if zone == 0 && side != Side::Both {
        args.refuse(
            key,
            ErrorKind::Contradictory,
            "zone 0 is for both directions",
            "write --zone 0, or a number of at least 1",
        );
    }
    Some(Target::Zone(Zone { zone, side }))
}
