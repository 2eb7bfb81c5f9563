//! `-m addrtype`: what the host's routing tables think of an address.

use std::fmt;

use super::Match;
use crate::parse::{Args, ErrorKind, Opt, read};
use crate::value::Invertible;

/// The addrtype match.
///
/// Source: iptables 1.8.9, `extensions/libxt_addrtype.c`; linux v6.12,
/// `net/netfilter/xt_addrtype.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Addrtype {
    /// `--src-type`.
    pub source: Option<Invertible<AddressTypes>>,
    /// `--dst-type`.
    pub destination: Option<Invertible<AddressTypes>>,
    /// `--limit-iface-in` or `--limit-iface-out`: only the packet's interface is asked.
    pub limit: Option<LimitInterface>,
}

/// Which interface the question is limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitInterface {
    /// The one the packet came from.
    In,
    /// The one the packet leaves through.
    Out,
}

impl Addrtype {
    /// `--src-type`.
    pub const fn source(types: AddressTypes) -> Self {
        Self {
            source: Some(Invertible::Is(types)),
            destination: None,
            limit: None,
        }
    }

    /// `--dst-type`.
    pub const fn destination(types: AddressTypes) -> Self {
        Self {
            source: None,
            destination: Some(Invertible::Is(types)),
            limit: None,
        }
    }
}

impl fmt::Display for Addrtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m addrtype")?;
        if let Some(types) = &self.source {
            types.write_option(f, "--src-type")?;
            types.value().fmt(f)?;
        }
        if let Some(types) = &self.destination {
            types.write_option(f, "--dst-type")?;
            types.value().fmt(f)?;
        }
        match self.limit {
            Some(LimitInterface::In) => f.write_str(" --limit-iface-in"),
            Some(LimitInterface::Out) => f.write_str(" --limit-iface-out"),
            None => Ok(()),
        }
    }
}

/// A set of route types, as `RTN_*` of uapi linux/rtnetlink.h numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressTypes(u16);

impl AddressTypes {
    /// No route type, or the unspecified address.
    pub const UNSPEC: Self = Self(1);
    /// Reached through a gateway or a direct route.
    pub const UNICAST: Self = Self(1 << 1);
    /// An address of this host.
    pub const LOCAL: Self = Self(1 << 2);
    /// A broadcast address.
    pub const BROADCAST: Self = Self(1 << 3);
    /// An anycast address.
    pub const ANYCAST: Self = Self(1 << 4);
    /// A multicast address.
    pub const MULTICAST: Self = Self(1 << 5);
    /// A route that drops.
    pub const BLACKHOLE: Self = Self(1 << 6);
    /// A route that answers "unreachable".
    pub const UNREACHABLE: Self = Self(1 << 7);
    /// A route that answers "prohibited".
    pub const PROHIBIT: Self = Self(1 << 8);

    /// The names in the order of iptables-save.
    const NAMES: [(Self, &'static str); 9] = [
        (Self::UNSPEC, "UNSPEC"),
        (Self::UNICAST, "UNICAST"),
        (Self::LOCAL, "LOCAL"),
        (Self::BROADCAST, "BROADCAST"),
        (Self::ANYCAST, "ANYCAST"),
        (Self::MULTICAST, "MULTICAST"),
        (Self::BLACKHOLE, "BLACKHOLE"),
        (Self::UNREACHABLE, "UNREACHABLE"),
        (Self::PROHIBIT, "PROHIBIT"),
    ];

    /// The types of both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every type of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for AddressTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES
            .iter()
            .filter(|(value, _)| self.contains(*value));
        write_list(f, names.map(|(_, name)| *name))
    }
}

/// Writes names with commas between them.
pub(crate) fn write_list<'a>(
    f: &mut fmt::Formatter<'_>,
    names: impl Iterator<Item = &'a str>,
) -> fmt::Result {
    for (index, name) in names.enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        f.write_str(name)?;
    }
    Ok(())
}

pub(super) const OPTIONS: &[Opt] = &[
    Opt::value(&["src-type"]).invertible(),
    Opt::value(&["dst-type"]).invertible(),
    Opt::flag(&["limit-iface-in"]),
    Opt::flag(&["limit-iface-out"]),
];

pub(super) fn parse(args: &mut Args<'_>) -> Option<Match> {
    args.need(&["src-type", "dst-type"]);
    args.only_one(&["limit-iface-in", "limit-iface-out"]);
    let types = |text: &str| {
        read::list(
            text,
            "a type of address",
            &AddressTypes::NAMES,
            AddressTypes::or,
        )
    };
    let limit = if args.has("limit-iface-in") {
        Some(LimitInterface::In)
    } else if args.has("limit-iface-out") {
        Some(LimitInterface::Out)
    } else {
        None
    };
    let addrtype = Addrtype {
        source: args.invertible("src-type", types),
        destination: args.invertible("dst-type", types),
        limit,
    };
    let drops = |wanted: Option<Invertible<AddressTypes>>| {
        wanted.is_some_and(|wanted| wanted.value().contains(AddressTypes::BLACKHOLE))
    };
    if args.family == crate::Family::Ipv6 && (drops(addrtype.source) || drops(addrtype.destination))
    {
        let key = if drops(addrtype.source) {
            "src-type"
        } else {
            "dst-type"
        };
        args.refuse(
            key,
            ErrorKind::Contradictory,
            "the kernel does not tell BLACKHOLE routes of IPv6 from others",
            "leave BLACKHOLE out",
        );
    }
    Some(addrtype.into())
}
