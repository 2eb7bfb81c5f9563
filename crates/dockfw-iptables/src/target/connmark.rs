//! `-j CONNMARK`: changes the connection's mark, or copies between it and the packet's.

use std::fmt;

use super::Target;
use super::mark::SetMark;
use crate::parse::{Args, ErrorKind, Opt, read};

/// The connmark target; the packet goes on to the next rule.
///
/// Source: iptables 1.8.9, `extensions/libxt_CONNMARK.c`; linux v6.12,
/// `net/netfilter/xt_connmark.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Connmark {
    /// `--set-xmark`: changes the connection's mark.
    Set(SetMark),
    /// `--save-mark`: `connection = (connection & !connection_mask) ^ (packet & packet_mask)`.
    Save {
        /// `--nfmask`.
        packet_mask: u32,
        /// `--ctmask`.
        connection_mask: u32,
    },
    /// `--restore-mark`: `packet = (packet & !packet_mask) ^ (connection & connection_mask)`.
    Restore {
        /// `--nfmask`.
        packet_mask: u32,
        /// `--ctmask`.
        connection_mask: u32,
    },
}

impl fmt::Display for Connmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (option, packet, connection) = match self {
            Self::Set(mark) => return write!(f, " -j CONNMARK{mark}"),
            Self::Save {
                packet_mask,
                connection_mask,
            } => ("save", packet_mask, connection_mask),
            Self::Restore {
                packet_mask,
                connection_mask,
            } => ("restore", packet_mask, connection_mask),
        };
        write!(
            f,
            " -j CONNMARK --{option}-mark --nfmask {packet:#x} --ctmask {connection:#x}"
        )
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["set-xmark"]),
    Opt::value(&["set-mark"]),
    Opt::value(&["and-mark"]),
    Opt::value(&["or-mark"]),
    Opt::value(&["xor-mark"]),
    Opt::flag(&["save-mark"]),
    Opt::flag(&["restore-mark"]),
    Opt::value(&["nfmask"]),
    Opt::value(&["ctmask"]),
    Opt::value(&["mask"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    let mut keys = SetMark::KEYS.to_vec();
    keys.extend(["save-mark", "restore-mark"]);
    args.need(&keys);
    args.only_one(&keys);
    let copies = args.has("save-mark") || args.has("restore-mark");
    for key in ["mask", "nfmask", "ctmask"] {
        if args.has(key) && !copies {
            args.refuse(
                key,
                ErrorKind::Contradictory,
                format!("--{key} is for --save-mark and --restore-mark only"),
                "write the mask behind a slash, as in --set-xmark 1/0xff",
            );
        }
    }
    args.only_one(&["mask", "nfmask"]);
    args.only_one(&["mask", "ctmask"]);
    let both = args.value("mask", read::u32);
    let mut mask = |key| args.value(key, read::u32).or(both).unwrap_or(u32::MAX);
    let (packet_mask, connection_mask) = (mask("nfmask"), mask("ctmask"));
    let connmark = if args.has("save-mark") {
        Connmark::Save {
            packet_mask,
            connection_mask,
        }
    } else if args.has("restore-mark") {
        Connmark::Restore {
            packet_mask,
            connection_mask,
        }
    } else {
        Connmark::Set(SetMark::read(args)?)
    };
    Some(Target::Connmark(connmark))
}
