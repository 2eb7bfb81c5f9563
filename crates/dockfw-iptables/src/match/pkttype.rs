//! `-m pkttype`: to whom the frame of the packet was sent.

use std::fmt;

use super::Match;
use crate::parse::{Args, Opt, read};
use crate::value::Invertible;

/// The pkttype match.
///
/// Source: iptables 1.8.9, `extensions/libxt_pkttype.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pkttype {
    /// `--pkt-type`.
    pub kind: Invertible<PacketType>,
}

/// To whom a frame was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PacketType {
    /// To this host.
    Unicast,
    /// To all.
    Broadcast,
    /// To a group.
    Multicast,
}

const NAMES: [(PacketType, &str); 6] = [
    (PacketType::Unicast, "unicast"),
    (PacketType::Broadcast, "broadcast"),
    (PacketType::Multicast, "multicast"),
    (PacketType::Unicast, "host"),
    (PacketType::Broadcast, "bcast"),
    (PacketType::Multicast, "mcast"),
];

impl fmt::Display for Pkttype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m pkttype")?;
        self.kind.write_option(f, "--pkt-type")?;
        let name = NAMES.iter().find(|(kind, _)| kind == self.kind.value());
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

pub(super) const OPTIONS: &[Opt] = &[Opt::value(&["pkt-type"]).invertible()];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["pkt-type"]);
    let kind = args.invertible("pkt-type", |text| {
        read::name(text, "a type of packet", &NAMES)
    })?;
    Some(Pkttype { kind }.into())
}
