//! `-j NOTRACK`, which is `-j CT --notrack`: the packet gets no connection.

use std::fmt;

use super::Target;
use crate::parse::{Args, ErrorKind, Opt};

/// The notrack target, in the raw table; the packet goes on to the next rule.
///
/// Source: iptables 1.8.9, `extensions/libxt_CT.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notrack {
    /// `-j NOTRACK`.
    Plain,
    /// `-j CT --notrack`.
    Ct,
}

impl fmt::Display for Notrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => " -j NOTRACK",
            Self::Ct => " -j CT --notrack",
        })
    }
}

pub(super) fn parse(_args: &mut Args<'_>) -> Option<Target> {
    Some(Target::Notrack(Notrack::Plain))
}

pub(super) const CT_OPTIONS: &[Opt] = &[
    Opt::flag(&["notrack"]),
    Opt::value(&["helper"]),
    Opt::value(&["timeout"]),
    Opt::value(&["ctevents"]),
    Opt::value(&["expevents"]),
    Opt::value(&["zone"]),
    Opt::value(&["zone-orig"]),
    Opt::value(&["zone-reply"]),
];

pub(super) fn parse_ct(args: &mut Args<'_>) -> Option<Target> {
    for key in CT_OPTIONS.iter().skip(1).map(Opt::key) {
        if args.has(key) {
            let reason = "only --notrack is taken over";
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
    args.has("notrack").then_some(Target::Notrack(Notrack::Ct))
}
