//! `-m conntrack`: the state of the packet's connection.

use std::fmt::{self, Write as _};

use super::Match;
use super::addrtype::write_list;
use crate::address::{AddressMask, write_host_or_network};
use crate::parse::{Args, Bad, ErrorKind, Opt, read};
use crate::value::{Invertible, PortRange, Protocol};

/// The conntrack match; all options must hold.
///
/// Addresses and ports are those that conntrack has on record: the original direction before any
/// rewriting, and what it expects of replies.
///
/// Source: iptables 1.8.9, `extensions/libxt_conntrack.c`; linux v6.12,
/// `net/netfilter/xt_conntrack.c`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Conntrack {
    /// `--ctstate`.
    pub state: Option<Invertible<States>>,
    /// `--ctproto`.
    pub protocol: Option<Invertible<Protocol>>,
    /// `--ctorigsrc`.
    pub original_source: Option<Invertible<AddressMask>>,
    /// `--ctorigdst`.
    pub original_destination: Option<Invertible<AddressMask>>,
    /// `--ctreplsrc`.
    pub reply_source: Option<Invertible<AddressMask>>,
    /// `--ctrepldst`.
    pub reply_destination: Option<Invertible<AddressMask>>,
    /// `--ctorigsrcport`.
    pub original_source_port: Option<Invertible<PortRange>>,
    /// `--ctorigdstport`.
    pub original_destination_port: Option<Invertible<PortRange>>,
    /// `--ctreplsrcport`.
    pub reply_source_port: Option<Invertible<PortRange>>,
    /// `--ctrepldstport`.
    pub reply_destination_port: Option<Invertible<PortRange>>,
    /// `--ctstatus`: one of these bits is set; the empty set, `NONE`, never matches.
    pub status: Option<Invertible<StatusBits>>,
    /// `--ctexpire`: the seconds until the entry goes, first and last inclusive.
    pub expire: Option<Invertible<(u32, u32)>>,
    /// `--ctdir`.
    pub direction: Option<Direction>,
}

/// The direction of a packet in its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// As the first packet.
    Original,
    /// The other way.
    Reply,
}

impl Conntrack {
    const EMPTY: Self = Self {
        state: None,
        protocol: None,
        original_source: None,
        original_destination: None,
        reply_source: None,
        reply_destination: None,
        original_source_port: None,
        original_destination_port: None,
        reply_source_port: None,
        reply_destination_port: None,
        status: None,
        expire: None,
        direction: None,
    };

    /// `--ctstate` with these states.
    pub const fn state(states: States) -> Self {
        let mut conntrack = Self::EMPTY;
        conntrack.state = Some(Invertible::Is(states));
        conntrack
    }
}

impl fmt::Display for Conntrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m conntrack")?;
        if let Some(states) = &self.state {
            states.write_option(f, "--ctstate")?;
            states.value().fmt(f)?;
        }
        if let Some(protocol) = &self.protocol {
            protocol.write_option(f, "--ctproto")?;
            protocol.value().0.fmt(f)?;
        }
        let addresses = [
            (&self.original_source, "--ctorigsrc"),
            (&self.original_destination, "--ctorigdst"),
            (&self.reply_source, "--ctreplsrc"),
            (&self.reply_destination, "--ctrepldst"),
        ];
        for (address, option) in addresses {
            if let Some(address) = address {
                address.write_option(f, option)?;
                write_host_or_network(f, *address.value())?;
            }
        }
        let ports = [
            (&self.original_source_port, "--ctorigsrcport"),
            (&self.original_destination_port, "--ctorigdstport"),
            (&self.reply_source_port, "--ctreplsrcport"),
            (&self.reply_destination_port, "--ctrepldstport"),
        ];
        for (ports, option) in ports {
            if let Some(ports) = ports {
                ports.write_option(f, option)?;
                ports.value().write(f, ':')?;
            }
        }
        if let Some(status) = &self.status {
            status.write_option(f, "--ctstatus")?;
            status.value().fmt(f)?;
        }
        if let Some(expire) = &self.expire {
            expire.write_option(f, "--ctexpire")?;
            let (first, last) = expire.value();
            first.fmt(f)?;
            if first != last {
                f.write_char(':')?;
                last.fmt(f)?;
            }
        }
        match self.direction {
            Some(Direction::Original) => f.write_str(" --ctdir ORIGINAL"),
            Some(Direction::Reply) => f.write_str(" --ctdir REPLY"),
            None => Ok(()),
        }
    }
}

/// A set of status bits of an entry.
///
/// Source: uapi linux/netfilter/nf_conntrack_common.h, `enum ip_conntrack_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct StatusBits(u8);

impl StatusBits {
    /// Expected by a helper.
    pub const EXPECTED: Self = Self(1);
    /// Packets have been seen both ways.
    pub const SEEN_REPLY: Self = Self(2);
    /// Never dropped early.
    pub const ASSURED: Self = Self(4);
    /// The first packet has left the host.
    pub const CONFIRMED: Self = Self(8);

    /// The names in the order of iptables-save; `NONE` is the empty set.
    const NAMES: [(Self, &'static str); 5] = [
        (Self(0), "NONE"),
        (Self::EXPECTED, "EXPECTED"),
        (Self::SEEN_REPLY, "SEEN_REPLY"),
        (Self::ASSURED, "ASSURED"),
        (Self::CONFIRMED, "CONFIRMED"),
    ];

    /// The bits of both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a bit is in both.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl fmt::Display for StatusBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("NONE");
        }
        let names = Self::NAMES.iter().filter(|(bit, _)| self.intersects(*bit));
        write_list(f, names.map(|(_, name)| *name))
    }
}

/// A set of connection states; a packet matches when its connection is in one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct States(u8);

impl States {
    /// Not part of any connection.
    pub const INVALID: Self = Self(1);
    /// The first packet of a connection.
    pub const NEW: Self = Self(2);
    /// A new connection, or an ICMP error, that belongs to a known one.
    pub const RELATED: Self = Self(4);
    /// Part of a connection that has seen packets both ways.
    pub const ESTABLISHED: Self = Self(8);
    /// Not tracked on purpose.
    pub const UNTRACKED: Self = Self(16);
    /// Its source is rewritten.
    pub const SNAT: Self = Self(32);
    /// Its destination is rewritten.
    pub const DNAT: Self = Self(64);

    /// The names in the order of iptables-save.
    const NAMES: [(Self, &'static str); 7] = [
        (Self::INVALID, "INVALID"),
        (Self::NEW, "NEW"),
        (Self::RELATED, "RELATED"),
        (Self::ESTABLISHED, "ESTABLISHED"),
        (Self::UNTRACKED, "UNTRACKED"),
        (Self::SNAT, "SNAT"),
        (Self::DNAT, "DNAT"),
    ];

    /// The states of both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Reads a list of states.
    pub(super) fn parse(text: &str) -> Result<Self, Bad> {
        read::list(text, "a state", &Self::NAMES, Self::or)
    }

    /// Reads a list of the states that exclude each other, as `-m state` takes them.
    pub(super) fn parse_proper(text: &str) -> Result<Self, Bad> {
        let proper = Self::NAMES.get(..5).unwrap_or_default();
        read::list(text, "a state", proper, Self::or)
    }

    /// Whether every state of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES
            .iter()
            .filter(|(state, _)| self.contains(*state));
        write_list(f, names.map(|(_, name)| *name))
    }
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["ctstate"]).invertible(),
    Opt::value(&["ctproto"]).invertible(),
    Opt::value(&["ctorigsrc"]).invertible(),
    Opt::value(&["ctorigdst"]).invertible(),
    Opt::value(&["ctreplsrc"]).invertible(),
    Opt::value(&["ctrepldst"]).invertible(),
    Opt::value(&["ctorigsrcport"]).invertible(),
    Opt::value(&["ctorigdstport"]).invertible(),
    Opt::value(&["ctreplsrcport"]).invertible(),
    Opt::value(&["ctrepldstport"]).invertible(),
    Opt::value(&["ctstatus"]).invertible(),
    Opt::value(&["ctexpire"]).invertible(),
    Opt::value(&["ctdir"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    if args.given.is_empty() {
        args.refuse(
            "",
            ErrorKind::Missing,
            "conntrack does nothing without an option",
            "add --ctstate or another of its options",
        );
    }
    let family = args.family;
    let network = |text: &str| read::network(text, family);
    let status = |text: &str| {
        read::list(
            text,
            "a status of a connection",
            &StatusBits::NAMES,
            StatusBits::or,
        )
    };
    let expire = |text: &str| read::range(text, ':', (0, u32::MAX), read::u32);
    let direction = |text: &str| {
        let names = [
            (Direction::Original, "ORIGINAL"),
            (Direction::Reply, "REPLY"),
        ];
        read::name(text, "a direction", &names)
    };
    let conntrack = Conntrack {
        state: args.invertible("ctstate", States::parse),
        protocol: args.invertible("ctproto", read::protocol),
        original_source: args.invertible("ctorigsrc", network),
        original_destination: args.invertible("ctorigdst", network),
        reply_source: args.invertible("ctreplsrc", network),
        reply_destination: args.invertible("ctrepldst", network),
        original_source_port: args.invertible("ctorigsrcport", read::ports),
        original_destination_port: args.invertible("ctorigdstport", read::ports),
        reply_source_port: args.invertible("ctreplsrcport", read::ports),
        reply_destination_port: args.invertible("ctrepldstport", read::ports),
        status: args.invertible("ctstatus", status),
        expire: args.invertible("ctexpire", expire),
        direction: args.value("ctdir", direction),
    };
    Some(conntrack.into())
}
