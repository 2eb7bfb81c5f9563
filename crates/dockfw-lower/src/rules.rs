//! iptables rules as native nftables rules.
//!
//! One rule becomes a few: a match of iptables that is an *or* has several ways to hold, and
//! each of them is a rule with the same action. No packet takes two ways of one rule, so that
//! actions that go on, such as `LOG`, happen once.
//!
//! Every match and target says the same as the kernel's xt extension, or is refused with a
//! [`Reason`]; nothing is left out.
//!
//! Source: the behaviour of linux v6.12, `net/netfilter/xt_*.c`, `net/ipv4/netfilter/ipt_*.c`,
//! `net/ipv6/netfilter/ip6t_*.c`; each file names its own.

mod chain;
mod header;
mod hooks;
mod matches;
mod program;
mod recent;
mod targets;
pub(crate) mod user;
mod ways;

use std::fmt;

use dockfw_iptables::{ChainName, TableName};

pub use chain::ChainNames;
pub use program::{Compiled, table};
pub use user::{UserProblem, UserRules, UserText};

use crate::lower::family::Family;
use hooks::Hooks;

/// Where a rule stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The family of its addresses.
    pub(crate) family: Family,
    /// Its table.
    pub(crate) table: TableName,
    /// The hooks from which packets get to its chain.
    pub(crate) hooks: Hooks,
}

/// Why a rule has no native form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What cannot be said: a fragment without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl Reason {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
        }
    }
}

/// A rule of a program that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The table it stands in.
    pub table: TableName,
    /// The chain it stands in.
    pub chain: ChainName,
    /// Its index in the chain; the first one is 0.
    pub index: usize,
    /// Why.
    pub reason: Reason,
}

/// A rule that does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    /// The table it stands in.
    pub table: TableName,
    /// The chain it stands in.
    pub chain: ChainName,
    /// Its index in the chain; the first one is 0.
    pub index: usize,
    /// Why nothing comes to it.
    pub why: Why,
}

/// Why a rule does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The rule with this index takes all its packets.
    Covered(usize),
    /// No packet can match it.
    Impossible,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} rule {}: {}",
            self.table.as_str(),
            self.chain,
            self.index + 1,
            self.reason.message
        )
    }
}
