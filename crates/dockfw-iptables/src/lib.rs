//! The iptables rule language as values: programs, their editing, and their `iptables-save` text.
//!
//! A [`Program`] is what one family's `iptables-save` prints: tables, chains, rules.
//! It is built with the operations of iptables(8) ([`Chain::append_once`] is `-C || -A`) and
//! printed, through [`Display`](std::fmt::Display), in the canonical spelling of iptables-save.
//!
//! This crate knows iptables(8) and nothing else: no Docker, no nftables, no files, no processes.
//!
//! # Examples
//!
//! ```
//! use dockfw_iptables::{Family, InterfacePattern, Program, Rule, TableName, Target};
//!
//! let mut program = Program::new(Family::Ipv4);
//! let bridge = InterfacePattern::new("docker0")?;
//! if let Some(forward) = program.table_mut(TableName::Filter).chain_mut("FORWARD") {
//!     forward.append_once(Rule::new(Target::Accept).in_interface(bridge));
//!     forward.append_once(Rule::new(Target::Accept).in_interface(bridge));
//! }
//! assert_eq!(program.to_string(), "\
//! *filter
//! :INPUT ACCEPT [0:0]
//! :FORWARD ACCEPT [0:0]
//! :OUTPUT ACCEPT [0:0]
//! -A FORWARD -i docker0 -j ACCEPT
//! COMMIT
//! ");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod address;
pub mod chain;
pub mod eval;
#[expect(
    clippy::unnecessary_wraps,
    reason = "the readers of extensions have one type"
)]
pub mod r#match;
pub mod name;
pub mod parse;
pub mod program;
pub mod rule;
#[expect(
    clippy::unnecessary_wraps,
    reason = "the readers of extensions have one type"
)]
pub mod target;
pub mod value;

pub use address::AddressMask;
pub use chain::{Chain, Policy};
pub use r#match::Match;
pub use name::{ChainName, InterfacePattern};
pub use program::{Family, Program, Table, TableName};
pub use rule::Rule;
pub use target::Target;
pub use value::{Invertible, PortRange, Protocol};
