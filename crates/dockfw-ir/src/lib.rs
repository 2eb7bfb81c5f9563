//! nftables rules as values: types, verifier, text and JSON printers.
//!
//! The terms are those of nft(8). A [`Ruleset`] holds tables, a [`Table`] holds
//! sets, maps and chains, a rule is a list of statements, and what a statement compares or looks
//! up is a [`Key`](expr::Key): one expression or a concatenation.
//!
//! Two conventions make rules short and are kept by every consumer:
//!
//! - **A field of a header that the packet does not have ends the rule without a match.**
//!   `ip daddr` on an IPv6 packet, `tcp dport` on a UDP packet: the statement does not match, negated
//!   or not. The wire form spells the test out (`meta nfproto ipv4` before `ip daddr`), as nft does.
//! - **A [`Value`] is the bytes that the kernel compares**: network byte order for
//!   addresses, ports and protocol numbers, host byte order for marks and flags, every field of a
//!   concatenation padded with zeros to a multiple of 4 bytes; of fields that do not fill their bytes
//!   ([`Payload::bits`](expr::Payload::bits)) it is the number.
//!
//! Printers take any ruleset; whoever acts on one takes a [`Verified`] ruleset only.

#![forbid(unsafe_code)]

pub mod name;
pub mod value;

pub mod expr;
pub mod statement;

pub mod chain;
pub mod set;
pub mod table;

pub mod json;
pub mod print;
pub mod verify;

pub mod diff;

pub mod eval;

pub mod pending;

pub use chain::{BaseChain, Chain, Rule};
pub use set::{Element, Set, SetKind};
pub use statement::Statement;
pub use table::{Ruleset, Table};
pub use value::{DataType, Value};
pub use verify::Verified;
