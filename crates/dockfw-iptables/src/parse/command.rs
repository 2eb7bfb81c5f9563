//! What a line does.

use super::read;
use crate::chain::Policy;
use crate::name::ChainName;
use crate::program::TableName;
use crate::rule::Rule;

/// The packets and bytes a rule or a policy has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Counters {
    /// How many packets.
    pub packets: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// What one line does to its table.
///
/// A command with rules has several when `-s` or `-d` lists addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `*table`: the table begins anew.
    Table,
    /// `COMMIT`.
    Commit,
    /// `:CHAIN POLICY [packets:bytes]`: the chain is there, and empty.
    Chain {
        /// Its name.
        name: ChainName,
        /// `None`, written `-`, for a user chain.
        policy: Option<Policy>,
        /// The policy's counters.
        counters: Option<Counters>,
    },
    /// `-A CHAIN rule`.
    Append {
        /// The chain.
        chain: ChainName,
        /// The rules in order.
        rules: Vec<Rule>,
        /// `[packets:bytes]` or `-c`.
        counters: Option<Counters>,
    },
    /// `-I CHAIN [position] rule`.
    Insert {
        /// The chain.
        chain: ChainName,
        /// Where each rule goes in turn, so the last one ends up first; the head is 1.
        position: usize,
        /// The rules in the order of the address lists.
        rules: Vec<Rule>,
        /// `[packets:bytes]` or `-c`.
        counters: Option<Counters>,
    },
    /// `-R CHAIN position rule`.
    Replace {
        /// The chain.
        chain: ChainName,
        /// Which rule; the first one is 1.
        position: usize,
        /// What takes its place.
        rule: Rule,
        /// `-c`.
        counters: Option<Counters>,
    },
    /// `-D CHAIN rule`: the first rule that is equal.
    Delete {
        /// The chain.
        chain: ChainName,
        /// The rules in order.
        rules: Vec<Rule>,
    },
    /// `-D CHAIN position`.
    DeleteAt {
        /// The chain.
        chain: ChainName,
        /// Which rule; the first one is 1.
        position: usize,
    },
    /// `-C CHAIN rule`: changes nothing.
    Check {
        /// The chain.
        chain: ChainName,
        /// The rules in order.
        rules: Vec<Rule>,
    },
    /// `-N CHAIN`.
    NewChain(ChainName),
    /// `-X [CHAIN]`; `None` for every user chain.
    DeleteChain(Option<ChainName>),
    /// `-F [CHAIN]`; `None` for every chain.
    Flush(Option<ChainName>),
    /// `-P CHAIN POLICY`.
    Policy {
        /// The built-in chain.
        chain: ChainName,
        /// What becomes of packets at its end.
        policy: Policy,
    },
    /// `-E OLD NEW`.
    Rename {
        /// The chain.
        from: ChainName,
        /// Its new name.
        to: ChainName,
    },
    /// `-Z`, `-L`, `-S`: no rule changes.
    Look,
}

/// A table by name.
pub(super) fn table(text: &str) -> Result<TableName, super::error::Bad> {
    const NAMES: [(TableName, &str); 5] = [
        (TableName::Filter, "filter"),
        (TableName::Nat, "nat"),
        (TableName::Mangle, "mangle"),
        (TableName::Raw, "raw"),
        (TableName::Security, "security"),
    ];
    read::name(text, "a table", &NAMES)
}
