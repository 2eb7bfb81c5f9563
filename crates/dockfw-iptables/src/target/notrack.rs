//! `-j NOTRACK`, which is `-j CT --notrack`: the packet gets no connection.

use std::fmt;

use super::Target;
use crate::parse::Args;

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
