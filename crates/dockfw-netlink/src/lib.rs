//! nf_tables over netlink: a ruleset in, one transaction out, and every error traced back to the
//! object, rule or element that caused it.
//!
//! ```text
//! Batch::replace(&Verified) -> Result<Batch, EncodeError>        pure; tables become the ruleset
//! Batch::delete([(Family, &TableName)]) -> Result<Batch, EncodeError>
//! Batch::change(&RulesetChanges, &RuleHandles) -> Result<Batch, EncodeError>   the smallest commit
//! Batch::elements(Family, &TableName, removed: &[Set], added: &[Set])   elements of sets that stay
//! Batch::statistics(&self) -> Statistics                         tables, chains, sets, rules,
//!                                                                elements, messages, bytes
//! Batch::to_bytes(&self) -> Option<Vec<u8>>                      to be kept, and sent later
//! Batch::from_bytes(&[u8]) -> Result<Batch, ArtifactError>       checksum and bounds checked
//! Executor::open() -> Result<Executor, OpenError>                namespace of this thread
//! Executor::generation(&mut self) -> Result<u32, QueryError>
//! Executor::commit(&mut self, &Batch, Expect) -> Result<Committed, CommitError>
//! Executor::check(&mut self, &Batch, Expect) -> Result<(), CommitError>
//! Executor::tables(&mut self) -> Result<Vec<TableInfo>, QueryError>
//! Executor::table(&mut self, Family, &TableName) -> Result<Option<TableInfo>, QueryError>
//! Executor::summary(&mut self, Family, &TableName) -> Result<Option<TableSummary>, QueryError>
//! Executor::read(&mut self, [(Family, &TableName)]) -> Result<Snapshot, QueryError>
//! Executor::counters(&mut self, Family, &TableName, &[SetName]) -> Result<Counters, QueryError>
//! Executor::close_in_background(self)                            one-shot processes only
//! read::canonical(&Table) -> Result<TableSnapshot, EncodeError>   what read gives back of a table
//! Expect::{Any, Generation(u32)}
//! Committed { generation_before, generation, confirmation, statistics, kernel_time }
//! CommitError::{Refused, Stale, Denied, TooBig, Unsupported, NotCommitted, ShortSend, Unknown,
//!               Unguarded, Socket, Query, Encode}
//! Refusal { errno, location: Location { origin, part }, text, others }
//! ```
//!
//! [`foreign`] and [`xtables`] read and thin out tables of others: those of nf_tables, whose rules
//! it does not decode, and those of iptables-legacy.
//! Beside the ruleset:
//!
//! ```text
//! Conntrack::open() -> Result<Conntrack, ConntrackError>         what the kernel tracks
//! Conntrack::count(&mut self) -> Result<u32, ConntrackError>      cheap
//! Conntrack::each(&mut self, FnMut(Entry)) -> Result<Dumped, ConntrackError>
//! Conntrack::entries(&mut self) -> Result<Vec<Entry>, ConntrackError>
//! Conntrack::delete(&mut self, &Entry) -> Result<Deleted, ConntrackError>   that entry only
//! Routes::open() -> Result<Routes, RouteError>                   what the kernel routes by
//! Routes::network(&mut self) -> Result<Network, RouteError>      links, addresses, routes
//! Routes::forget_unresolved(&mut self, &str) -> Result<usize, RouteError>   packets that wait for
//!                                                                an address are dropped
//! ```
//!
//! [`wire`], [`sys::nf_tables`] and [`BatchBuilder`] are the layers below, for tests and for
//! messages that the IR has no word for.
//!
//! One transaction is one datagram: the kernel takes all of it or nothing. Only `BATCH_END` asks
//! for an acknowledgement, since those of single messages do not prove a commit.
//!
//! No process is executed and no file is written; `CAP_NET_ADMIN` over the network namespace is
//! enough.

#![deny(unsafe_code)]

pub mod sys;
pub mod wire;

mod chain;
mod channel;
mod element;
mod expr;
mod rule;
mod set;
mod statement;
mod table;
mod userdata;

pub mod batch;
pub mod change;
pub mod commit;
pub mod conntrack;
pub mod dump;
pub mod errno;
pub mod foreign;
pub mod origin;
pub mod read;
pub mod route;
pub mod xtables;

pub use batch::{ArtifactError, Batch, BatchBuilder, Statistics};
pub use change::RuleHandles;
pub use commit::{
    CommitError, Committed, Confirmation, Denial, Executor, Expect, OpenError, Refusal,
};
pub use conntrack::{Conntrack, ConntrackError, Entry, Tuple};
pub use dump::{ChainInfo, QueryError, SetInfo, TableInfo, TableSummary};
pub use errno::Errno;
pub use origin::{Location, Origin, Part};
pub use read::{Snapshot, TableSnapshot, Unreadable, UnreadableObject};
pub use route::{Network, RouteError, Routes};
pub use wire::EncodeError;
