//! Tables and rulesets.

use crate::chain::Chain;
use crate::name::{Comment, SetName, TableName};
use crate::set::Set;

/// What one commit makes of our tables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ruleset {
    /// Our tables; nothing else is touched.
    pub tables: Vec<Table>,
}

/// A table: a namespace of sets, maps and chains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Which packets its base chains see.
    pub family: Family,
    /// Unique in the family.
    pub name: TableName,
    /// Who made it.
    pub comment: Option<Comment>,
    /// Sets and maps.
    pub sets: Vec<Set>,
    /// Chains. Of base chains with the same hook and priority the kernel runs the last one first.
    pub chains: Vec<Chain>,
}

/// The address family of a table.
///
/// Source: uapi `linux/netfilter.h`, `NFPROTO_*` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// `inet`: IPv4 and IPv6.
    Inet,
    /// `ip`
    Ip,
    /// `ip6`
    Ip6,
}

impl Family {
    /// The word of nft(8).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
        }
    }

    /// The `NFPROTO_*` number.
    pub const fn nfproto(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Ip6 => 10,
        }
    }
}

impl Table {
    /// The set or map of this name.
    pub fn set(&self, name: &SetName) -> Option<&Set> {
        self.sets.iter().find(|set| set.name == *name)
    }
}
