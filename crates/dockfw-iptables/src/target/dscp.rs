//! `-j DSCP`: the differentiated services code point.

use std::fmt;

use super::Target;
use crate::r#match::dscp::{class, point};
use crate::parse::{Args, Opt};

/// The new code point, 0 to 63; the packet goes on to the next rule.
///
/// Source: iptables 1.8.9, `extensions/libxt_DSCP.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SetDscp(pub u8);

impl fmt::Display for SetDscp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " -j DSCP --set-dscp 0x{:02x}", self.0)
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["set-dscp"]), Opt::value(&["set-dscp-class"])];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Target> {
    args.need(&["set-dscp", "set-dscp-class"]);
    args.only_one(&["set-dscp", "set-dscp-class"]);
    let number = args.value("set-dscp", point);
    let class = args.value("set-dscp-class", class);
    number.or(class).map(SetDscp).map(Target::Dscp)
}
