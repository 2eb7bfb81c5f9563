//! `-m owner`: the process of the host that sent the packet.

use std::fmt::{self, Write as _};

use super::Match;
use crate::parse::{Args, Bad, ErrorKind, Opt, read};
use crate::value::Invertible;

/// The owner match; only packets of the host have an owner.
///
/// Source: iptables 1.8.9, `extensions/libxt_owner.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Owner {
    /// `--socket-exists`.
    pub socket: Option<Invertible<()>>,
    /// `--uid-owner`, first and last inclusive.
    pub uid: Option<Invertible<(u32, u32)>>,
    /// `--gid-owner`, first and last inclusive.
    pub gid: Option<Invertible<(u32, u32)>>,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m owner")?;
        match self.socket {
            Some(Invertible::Is(())) => f.write_str(" --socket-exists")?,
            Some(Invertible::Not(())) => f.write_str(" ! --socket-exists")?,
            None => {}
        }
        for (ids, option) in [(&self.uid, "--uid-owner"), (&self.gid, "--gid-owner")] {
            if let Some(ids) = ids {
                ids.write_option(f, option)?;
                let (first, last) = ids.value();
                first.fmt(f)?;
                if first != last {
                    f.write_char('-')?;
                    last.fmt(f)?;
                }
            }
        }
        Ok(())
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::flag(&["socket-exists"]).invertible(),
    Opt::value(&["uid-owner"]).invertible(),
    Opt::value(&["gid-owner"]).invertible(),
    Opt::flag(&["suppl-groups"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["socket-exists", "uid-owner", "gid-owner"]);
    if args.has("suppl-groups") {
        let reason = "nftables sees the main group of a socket only";
        args.refuse(
            "suppl-groups",
            ErrorKind::Unsupported {
                extension: "owner",
                reason,
            },
            format!("--suppl-groups cannot be taken over: {reason}"),
            "leave --suppl-groups out",
        );
    }
    let owner = Owner {
        socket: args.flag("socket-exists"),
        uid: args.invertible("uid-owner", ids),
        gid: args.invertible("gid-owner", ids),
    };
    Some(owner.into())
}

/// Numbers only: the names of users are the host's. Root is the same everywhere.
fn ids(text: &str) -> Result<(u32, u32), Bad> {
    if text == "root" {
        return Ok((0, 0));
    }
    let range = read::range(text, '-', (0, u32::MAX), read::u32);
    range.map_err(|_bad| {
        Bad::new(
            format!("\"{text}\" is not a number or a range of numbers"),
            "write the number: names of users and groups are not looked up",
        )
    })
}
