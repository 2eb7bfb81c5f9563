//! `-m recent`: lists of addresses that have been seen.

use std::fmt;
use std::net::IpAddr;

use super::Match;
use crate::address::write_address;
use crate::parse::{Args, Bad, Opt, read};
use crate::program::Family;
use crate::value::Invertible;

/// The recent match.
///
/// Source: iptables 1.8.9, `extensions/libxt_recent.c`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recent {
    /// What is done with the list.
    pub action: Invertible<Action>,
    /// `--seconds`: only packets so long ago, at least 1.
    pub seconds: Option<u32>,
    /// `--reap`: older entries are deleted.
    pub reap: bool,
    /// `--hitcount`: at least so many packets, 1 to 255.
    pub hits: Option<u32>,
    /// `--rttl`: only packets with the same time to live.
    pub same_ttl: bool,
    /// `--name`: the list.
    pub name: Box<str>,
    /// `--mask`: the bits of the address that count.
    pub mask: IpAddr,
    /// Which address is looked for.
    pub side: Side,
}

/// What a rule does with a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// `--set`: add the address.
    Set,
    /// `--rcheck`: look for it.
    Check,
    /// `--update`: look for it, and note the time.
    Update,
    /// `--remove`: take it out.
    Remove,
}

/// An address of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// `--rsource`.
    Source,
    /// `--rdest`.
    Destination,
}

impl fmt::Display for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.action.is_inverted() { " !" } else { "" };
        let action = match self.action.value() {
            Action::Set => "set",
            Action::Check => "rcheck",
            Action::Update => "update",
            Action::Remove => "remove",
        };
        write!(f, " -m recent{not} --{action}")?;
        if let Some(seconds) = self.seconds {
            write!(f, " --seconds {seconds}")?;
        }
        if self.reap {
            f.write_str(" --reap")?;
        }
        if let Some(hits) = self.hits {
            write!(f, " --hitcount {hits}")?;
        }
        if self.same_ttl {
            f.write_str(" --rttl")?;
        }
        f.write_str(" --name ")?;
        f.write_str(&self.name)?;
        f.write_str(" --mask ")?;
        write_address(f, self.mask)?;
        f.write_str(match self.side {
            Side::Source => " --rsource",
            Side::Destination => " --rdest",
        })
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::flag(&["set"]).invertible(),
    Opt::flag(&["rcheck"]).invertible(),
    Opt::flag(&["update"]).invertible(),
    Opt::flag(&["remove"]).invertible(),
    Opt::value(&["seconds"]),
    Opt::flag(&["reap"]),
    Opt::value(&["hitcount"]),
    Opt::flag(&["rttl"]),
    Opt::value(&["name"]),
    Opt::value(&["mask"]),
    Opt::flag(&["rsource"]),
    Opt::flag(&["rdest"]),
];

const ACTIONS: [(&str, Action); 4] = [
    ("set", Action::Set),
    ("rcheck", Action::Check),
    ("update", Action::Update),
    ("remove", Action::Remove),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    let keys = ACTIONS.map(|(key, _)| key);
    args.need(&keys);
    args.only_one(&keys);
    for key in ["seconds", "hitcount", "rttl"] {
        for other in ["set", "remove"] {
            args.only_one(&[key, other]);
        }
    }
    args.requires("reap", "seconds");
    args.only_one(&["rsource", "rdest"]);
    let family = args.family;
    let seconds = args.value("seconds", |text| at_least_one(text, u32::MAX.into()));
    // The kernel keeps at most so many times for an address.
    let hits = args.value("hitcount", |text| at_least_one(text, 255));
    let name = args.value("name", |text| {
        let text = read::string(text, 199)?;
        if text.is_empty() || text.contains([' ', '/', '"', '\'']) {
            return Err(Bad::new(
                format!("\"{text}\" is not the name of a list"),
                "write a name without blanks, slashes and quotes",
            ));
        }
        Ok(text)
    });
    let mask = args.value("mask", |text| read::address(text, family));
    let all = match family {
        Family::Ipv4 => IpAddr::from([u8::MAX; 4]),
        Family::Ipv6 => IpAddr::from([u8::MAX; 16]),
    };
    let (key, action) = ACTIONS.into_iter().find(|(key, _)| args.has(key))?;
    let action = args.flag(key)?.map(|()| action);
    let recent = Recent {
        action,
        seconds,
        reap: args.has("reap"),
        hits,
        same_ttl: args.has("rttl"),
        name: name.unwrap_or_else(|| "DEFAULT".into()),
        mask: mask.unwrap_or(all),
        side: if args.has("rdest") {
            Side::Destination
        } else {
            Side::Source
        },
    };
    Some(recent.into())
}

fn at_least_one(text: &str, max: u64) -> Result<u32, Bad> {
    match read::number(text, max)? {
        0 => Err(Bad::new("0 is too little", "write at least 1")),
        number => Ok(u32::try_from(number).unwrap_or(u32::MAX)),
    }
}
