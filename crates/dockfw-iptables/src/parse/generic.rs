//! The options of iptables(8) itself: commands, and the parts that every rule can have.

use super::args::Opt;

/// An option that belongs to no extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generic {
    Append,
    Delete,
    Insert,
    Replace,
    Check,
    NewChain,
    DeleteChain,
    Flush,
    Zero,
    Policy,
    Rename,
    List,
    ListRules,
    Source,
    Destination,
    Protocol,
    In,
    Out,
    Jump,
    Goto,
    Match,
    Fragment,
    SetCounters,
    Table,
    Wait,
    WaitInterval,
    Ipv4,
    Ipv6,
    /// Changes what is shown, or how the program works, and never a rule.
    Quiet,
}

impl Generic {
    /// How many words may follow the values, if they do not look like options.
    pub(super) const fn optional_values(self) -> usize {
        match self {
            Self::Delete
            | Self::Insert
            | Self::Replace
            | Self::DeleteChain
            | Self::Flush
            | Self::Policy
            | Self::Rename
            | Self::SetCounters
            | Self::Wait
            | Self::WaitInterval => 1,
            Self::Zero | Self::List | Self::ListRules => 2,
            Self::Append
            | Self::Check
            | Self::NewChain
            | Self::Source
            | Self::Destination
            | Self::Protocol
            | Self::In
            | Self::Out
            | Self::Jump
            | Self::Goto
            | Self::Match
            | Self::Fragment
            | Self::Table
            | Self::Ipv4
            | Self::Ipv6
            | Self::Quiet => 0,
        }
    }

    pub(super) const fn is_repeatable(self) -> bool {
        matches!(
            self,
            Self::Quiet | Self::Wait | Self::WaitInterval | Self::Ipv4 | Self::Ipv6
        )
    }

    pub(super) const fn is_command(self) -> bool {
        matches!(
            self,
            Self::Append
                | Self::Delete
                | Self::Insert
                | Self::Replace
                | Self::Check
                | Self::NewChain
                | Self::DeleteChain
                | Self::Flush
                | Self::Zero
                | Self::Policy
                | Self::Rename
                | Self::List
                | Self::ListRules
        )
    }

    /// Whether it is a part of a rule.
    pub(super) const fn is_rule(self) -> bool {
        matches!(
            self,
            Self::Source
                | Self::Destination
                | Self::Protocol
                | Self::In
                | Self::Out
                | Self::Goto
                | Self::Fragment
                | Self::SetCounters
        )
    }
}

/// The options with their letters.
///
/// Source: iptables 1.8.9, `iptables/iptables.c`, `original_opts`.
pub(super) const OPTIONS: &[(Generic, Option<char>, Opt)] = &[
    (Generic::Append, Some('A'), Opt::value(&["append"])),
    (Generic::Delete, Some('D'), Opt::value(&["delete"])),
    (Generic::Check, Some('C'), Opt::value(&["check"])),
    (Generic::Insert, Some('I'), Opt::value(&["insert"])),
    (Generic::Replace, Some('R'), Opt::value(&["replace"])),
    (Generic::List, Some('L'), Opt::flag(&["list"])),
    (Generic::ListRules, Some('S'), Opt::flag(&["list-rules"])),
    (Generic::Flush, Some('F'), Opt::flag(&["flush"])),
    (Generic::Zero, Some('Z'), Opt::flag(&["zero"])),
    (Generic::NewChain, Some('N'), Opt::value(&["new-chain"])),
    (
        Generic::DeleteChain,
        Some('X'),
        Opt::flag(&["delete-chain"]),
    ),
    (Generic::Rename, Some('E'), Opt::value(&["rename-chain"])),
    (Generic::Policy, Some('P'), Opt::value(&["policy"])),
    (
        Generic::Source,
        Some('s'),
        Opt::value(&["source", "src"]).invertible(),
    ),
    (
        Generic::Destination,
        Some('d'),
        Opt::value(&["destination", "dst"]).invertible(),
    ),
    (
        Generic::Protocol,
        Some('p'),
        Opt::value(&["protocol", "proto"]).invertible(),
    ),
    (
        Generic::In,
        Some('i'),
        Opt::value(&["in-interface"]).invertible(),
    ),
    (
        Generic::Out,
        Some('o'),
        Opt::value(&["out-interface"]).invertible(),
    ),
    (Generic::Jump, Some('j'), Opt::value(&["jump"])),
    (Generic::Goto, Some('g'), Opt::value(&["goto"])),
    (Generic::Match, Some('m'), Opt::value(&["match"])),
    (
        Generic::Fragment,
        Some('f'),
        Opt::flag(&["fragments"]).invertible(),
    ),
    (
        Generic::SetCounters,
        Some('c'),
        Opt::value(&["set-counters"]),
    ),
    (Generic::Table, Some('t'), Opt::value(&["table"])),
    (Generic::Wait, Some('w'), Opt::flag(&["wait"])),
    (
        Generic::WaitInterval,
        Some('W'),
        Opt::flag(&["wait-interval"]),
    ),
    (Generic::Ipv4, Some('4'), Opt::flag(&["ipv4"])),
    (Generic::Ipv6, Some('6'), Opt::flag(&["ipv6"])),
    (Generic::Quiet, Some('n'), Opt::flag(&["numeric"])),
    (Generic::Quiet, Some('v'), Opt::flag(&["verbose"])),
    (Generic::Quiet, Some('x'), Opt::flag(&["exact"])),
    (Generic::Quiet, None, Opt::flag(&["line-numbers"])),
    (Generic::Quiet, None, Opt::value(&["modprobe"])),
];
