//! Read-back: our tables in the kernel, as the IR that they were made from.
//!
//! Everything is of one generation. What was read is encoded again and compared with what the
//! kernel said, so that whatever has no word in the IR (somebody else's rule, an expression or
//! attribute that is newer than we are, a mistake of this module) is listed as
//! [unreadable](TableSnapshot::unreadable) and never taken for something else. Attributes above
//! the highest number of Linux 6.12 are ignored.
//!
//! Some rules are the same to the kernel though they are not in the IR. What comes back is the
//! shortest of them:
//!
//! - a test that the next statement needs anyway is left out: `meta l4proto tcp tcp dport 80`;
//! - bytes of a header have the name of the protocol that the packet is known to have: `tcp dport`
//!   behind `meta l4proto tcp`, not `th dport` or `@th,16,16`;
//! - a mask of all bits is none, and a range of one key is a key;
//! - `log level warn` is `log`, and so are `snaplen` and `queue-threshold` of zero;
//! - the protocol of a flow is that of its original direction;
//! - the source of a mark that is set to a constant is the mark itself;
//! - `tproxy` without an address in a table of one family names no family.
//!
//! Besides, the kernel does not keep: a lifetime of an element that is the set's own, parts of
//! lifetimes below its timer's tick (4 ms where `CONFIG_HZ` is 250), and which byte order a
//! concatenation has.

mod attribute;
mod chain;
mod counter;
mod element;
mod expr;
mod reader;
mod rule;
mod same;
mod set;
mod statement;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use dockfw_ir::Value;
use dockfw_ir::name::{ChainName, SetName, TableName};
use dockfw_ir::table::{Family, Ruleset, Table};

use crate::batch::Batch;
use crate::commit::Executor;
use crate::dump::request::Request;
use crate::dump::{QueryError, TableInfo};
use crate::sys::nf_tables::{
    NFT_MSG_GETCHAIN, NFT_MSG_GETFLOWTABLE, NFT_MSG_GETOBJ, NFT_MSG_GETRULE, NFT_MSG_GETSET,
    NFT_MSG_GETSETELEM, NFT_MSG_NEWCHAIN, NFT_MSG_NEWFLOWTABLE, NFT_MSG_NEWOBJ, NFT_MSG_NEWRULE,
    NFT_MSG_NEWSET, NFT_MSG_NEWSETELEM, NFTA_FLOWTABLE_TABLE, NFTA_OBJ_TABLE, NFTA_RULE_TABLE,
    NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_TABLE,
};
use crate::wire::{DUMP, EncodeError, Encoder};
pub use counter::Counters;
use reader::Reader;

/// What the kernel had at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The generation of all of it.
    pub generation: u32,
    /// The tables that exist, in the order they were asked for.
    pub tables: Vec<TableSnapshot>,
}

/// A table in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSnapshot {
    /// What of it has words: sets, chains and rules in the kernel's order, elements by key.
    ///
    /// Sets and chains that are unreadable are not in it. A rule that is unreadable stands in its
    /// chain without statements.
    pub table: Table,
    /// Its handle, flags and owner.
    pub info: TableInfo,
    /// Handle and counter of each rule of each chain of `table`, in the same order.
    pub rules: BTreeMap<ChainName, Vec<RuleInfo>>,
    /// What is left of the lifetimes of elements, by set and key. Only elements that have one.
    pub expirations: BTreeMap<SetName, BTreeMap<Value, Duration>>,
    /// What has no word in the IR.
    pub unreadable: Vec<Unreadable>,
}

/// What the kernel knows of a rule beside its statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its number in the table.
    pub handle: u64,
    /// Its first counter.
    pub counter: Option<Counter>,
}

/// What a rule, or an element of a set, has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes of IP packets.
    pub bytes: u64,
}

/// Something that has no word in the IR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What.
    pub object: UnreadableObject,
    /// Why, for an operator: a lowercase fragment.
    pub reason: String,
}

/// Which object of a table is unreadable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnreadableObject {
    /// The table itself: its flags or comment.
    Table,
    /// A chain, with all its rules.
    Chain(String),
    /// A rule.
    Rule {
        /// Its chain.
        chain: ChainName,
        /// Its place in the chain, counted from 0.
        index: usize,
    },
    /// A set or map, with all its elements.
    Set(String),
    /// A stateful object or flowtable.
    Object(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.reason)
    }
}

impl fmt::Display for UnreadableObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table => f.write_str("the table itself"),
            Self::Chain(name) => write!(f, "chain {name}"),
            Self::Rule { chain, index } => write!(f, "rule {} of chain {chain}", index + 1),
            Self::Set(name) => write!(f, "set {name}"),
            Self::Object(name) => write!(f, "object {name}"),
        }
    }
}

impl TableSnapshot {
    /// How long an element lives on, in milliseconds; `None` when it does not expire or is not
    /// there.
    pub fn expiration(&self, set: &SetName, key: &Value) -> Option<Duration> {
        self.expirations.get(set)?.get(key).copied()
    }
}

impl Executor {
    /// Our tables as the kernel has them, all of one generation; tables that do not exist are left
    /// out.
    ///
    /// # Errors
    ///
    /// [`QueryError`]. What has no word in the IR is no error.
    pub fn read<'a>(
        &mut self,
        tables: impl IntoIterator<Item = (Family, &'a TableName)>,
    ) -> Result<Snapshot, QueryError> {
        let wanted: Vec<_> = tables.into_iter().collect();
        let (generation, tables) = self.consistent(|executor, expected| {
            let mut tables = Vec::new();
            for (family, name) in &wanted {
                tables.extend(executor.read_table(*family, name, expected)?);
            }
            Ok(tables)
        })?;
        Ok(Snapshot { generation, tables })
    }

    fn read_table(
        &mut self,
        family: Family,
        name: &TableName,
        expected: u16,
    ) -> Result<Option<TableSnapshot>, QueryError> {
        let Some(info) = self.table(family, name)? else {
            return Ok(None);
        };
        let mut reader = Reader::new(family, name, info);
        let of_table = |kind: u16| move |e: &mut Encoder| e.text(kind, name.as_str());
        let all = |_: &mut Encoder| Ok(());
        // The kernel has no filter by table for chains.
        let mut dump = |kind, object, body: &dyn Fn(&mut Encoder) -> Result<(), EncodeError>| {
            let request = Request {
                kind,
                flags: DUMP,
                family: family.nfproto(),
                body,
            };
            self.dump(&request, expected, |_, attributes| {
                reader.object(object, attributes);
            })?;
            Ok::<(), QueryError>(())
        };
        dump(NFT_MSG_GETCHAIN, NFT_MSG_NEWCHAIN, &all)?;
        dump(NFT_MSG_GETSET, NFT_MSG_NEWSET, &of_table(NFTA_SET_TABLE))?;
        for set in reader.sets() {
            let request = Request {
                kind: NFT_MSG_GETSETELEM,
                flags: DUMP,
                family: family.nfproto(),
                body: &|e| {
                    e.text(NFTA_SET_ELEM_LIST_TABLE, name.as_str())?;
                    e.text(NFTA_SET_ELEM_LIST_SET, &set)
                },
            };
            self.dump(&request, expected, |_, attributes| {
                reader.object(NFT_MSG_NEWSETELEM, attributes);
            })?;
        }
        let mut dump = |kind, object, body: &dyn Fn(&mut Encoder) -> Result<(), EncodeError>| {
            let request = Request {
                kind,
                flags: DUMP,
                family: family.nfproto(),
                body,
            };
            self.dump(&request, expected, |_, attributes| {
                reader.object(object, attributes);
            })
        };
        dump(NFT_MSG_GETRULE, NFT_MSG_NEWRULE, &of_table(NFTA_RULE_TABLE))?;
        dump(NFT_MSG_GETOBJ, NFT_MSG_NEWOBJ, &of_table(NFTA_OBJ_TABLE))?;
        let flowtables = of_table(NFTA_FLOWTABLE_TABLE);
        match dump(NFT_MSG_GETFLOWTABLE, NFT_MSG_NEWFLOWTABLE, &flowtables) {
            // A kernel without them has none.
            Ok(()) | Err(QueryError::Unsupported) => {}
            Err(error) => return Err(error),
        }
        Ok(Some(reader.finish()))
    }
}

/// A table as [`Executor::read`] gives it back after a commit: of rules that are the same to the
/// kernel, the shortest.
///
/// # Errors
///
/// [`EncodeError`] for what has no wire form.
pub fn canonical(table: &Table) -> Result<TableSnapshot, EncodeError> {
    let (family, name) = (table.family, table.name.clone());
    let ruleset = Ruleset {
        tables: vec![table.clone()],
    };
    let batch = Batch::replace_unverified(&ruleset)?;
    Ok(decode(batch.as_bytes(), family, &name))
}

/// What messages, of a dump or of a batch that makes the table, say of a table. Never panics,
/// whatever the bytes are.
#[doc(hidden)]
pub fn decode(messages: &[u8], family: Family, name: &TableName) -> TableSnapshot {
    reader::decode(messages, family, name)
}
