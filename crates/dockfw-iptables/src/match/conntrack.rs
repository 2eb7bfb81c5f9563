//! `-m conntrack`: the state of the packet's connection.

use std::fmt;

use crate::value::Invertible;

/// The conntrack match.
///
/// Source: iptables 1.8.9, `extensions/libxt_conntrack.c`; linux v6.12,
/// `net/netfilter/xt_conntrack.c`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Conntrack {
    /// `--ctstate`.
    pub state: Option<Invertible<States>>,
}

impl Conntrack {
    /// `--ctstate` with these states.
    pub const fn state(states: States) -> Self {
        Self {
            state: Some(Invertible::Is(states)),
        }
    }
}

impl fmt::Display for Conntrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m conntrack")?;
        if let Some(states) = &self.state {
            states.write_option(f, "--ctstate")?;
            states.value().fmt(f)?;
        }
        Ok(())
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
        super::addrtype::write_list(f, names.map(|(_, name)| *name))
    }
}
