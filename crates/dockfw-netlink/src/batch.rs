//! Batches: what one transaction does, encoded.
//!
//! A batch holds the messages between `BATCH_BEGIN` and `BATCH_END`. Those two are written when it
//! is sent, because the first carries the generation that is expected and the second is left out
//! for a trial.

mod artifact;

pub use artifact::ArtifactError;
use dockfw_ir::chain::Rule;
use dockfw_ir::diff::Counts;
use dockfw_ir::name::{Comment, SetName, TableName};
use dockfw_ir::statement::Statement;
use dockfw_ir::table::{Family, Table};
use dockfw_ir::{Ruleset, Set, Verified};

use crate::element::ElementWriter;
use crate::sys::nf_tables::{
    NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE, NFT_MSG_NEWSET, NFT_MSG_NEWSETELEM,
    NFT_MSG_NEWTABLE, NFT_TABLE_F_OWNER, NFT_TABLE_F_PERSIST, NFTA_SET_ELEM_LIST_ELEMENTS,
    NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_SET_ID, NFTA_SET_ELEM_LIST_TABLE,
};
use crate::wire::{APPEND, CREATE, EXCLUSIVE, EncodeError, Encoder, Header, REQUEST, nf_tables};
use crate::{chain, rule, set, table};

/// The sequence number of `BATCH_BEGIN`; the messages count on from it.
pub(crate) const FIRST_SEQUENCE: u32 = 1;

/// What a batch consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Tables that exist afterwards.
    pub tables: usize,
    /// Chains.
    pub chains: usize,
    /// Sets and maps with a name.
    pub sets: usize,
    /// Rules.
    pub rules: usize,
    /// Elements of those, a range counting as one.
    pub elements: usize,
    /// Messages, without `BATCH_BEGIN` and `BATCH_END`.
    pub messages: usize,
    /// Bytes, likewise.
    pub bytes: usize,
    /// What a batch of changes changes; the other numbers are then those of the tables afterwards
    /// ([`Batch::elements`] knows no tables: 0). `None` for other batches.
    pub changed: Option<Counts>,
}

/// What a batch is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The tables are afterwards what the batch says.
    Replace,
    /// The tables are gone afterwards.
    Delete,
    /// The tables are afterwards what the batch says, if they were what it was made from.
    Difference,
    /// Anything else.
    Change,
}

/// An encoded transaction. It can be sent more than once.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(crate) body: Vec<u8>,
    /// How many bytes at the start only make room for what follows.
    pub(crate) clearing: usize,
    /// For each message: the rule in its chain, or the first element in its set.
    positions: Vec<u32>,
    pub(crate) tables: Vec<TableHead>,
    pub(crate) purpose: Purpose,
    pub(crate) statistics: Statistics,
    pub(crate) difference: Difference,
    /// `NFT_TABLE_F_*` of the tables that it makes.
    pub(crate) table_flags: u32,
}

/// What a batch of changes knows besides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Difference {
    /// What the tables had in them before; [`Statistics`] has what they have afterwards.
    pub(crate) before: Contents,
    /// Tables that go.
    pub(crate) removed: Vec<(Family, TableName)>,
    /// Whether something is deleted.
    pub(crate) deletes: bool,
    /// By message, rising: the places in their set of the elements that it has.
    pub(crate) places: Vec<(u32, Vec<u32>)>,
    /// The key types of sets that the batch does not make, by table and name.
    pub(crate) key_types: Vec<(Family, TableName, SetName, u32)>,
}

/// Numbers of what is in tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Contents {
    pub(crate) chains: usize,
    pub(crate) sets: usize,
    pub(crate) rules: usize,
    pub(crate) elements: usize,
}

impl Contents {
    pub(crate) fn add(&mut self, table: &Table) {
        self.chains += table.chains.len();
        self.sets += table.sets.len();
        self.rules += table.chains.iter().map(|of| of.rules.len()).sum::<usize>();
        self.elements += table.sets.iter().map(|of| of.elements.len()).sum::<usize>();
    }
}

/// A table of a batch, as far as it matters for what is done with one of the same name.
#[derive(Debug, Clone)]
pub(crate) struct TableHead {
    pub(crate) family: Family,
    pub(crate) name: TableName,
    pub(crate) comment: Option<Comment>,
    pub(crate) bases: Vec<BaseHead>,
    /// The sequence number of its deletion.
    pub(crate) deletion: u32,
}

/// A base chain of a [`TableHead`].
#[derive(Debug, Clone)]
pub(crate) struct BaseHead {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) hook: u32,
    pub(crate) priority: i32,
    pub(crate) has_comment: bool,
}

impl Batch {
    /// The batch that makes the kernel's tables what the ruleset says, whatever they were.
    ///
    /// Each table is created if it is missing, deleted and created again: that works on every
    /// kernel, unlike `NFT_MSG_DESTROYTABLE` (6.3). The executor leaves the deletion out when no
    /// such table exists, because a transaction that deletes makes closing the socket slow, and
    /// only empties the table when its base chains are the right ones already.
    ///
    /// Sets come first, then chains, elements (verdicts name chains) and rules. Whether rules or
    /// elements come first makes no difference beyond noise on Linux 6.18, with verdict maps of
    /// 60,000 jumps too; a set's elements stay together, which does.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] for what has no wire form; the verifier refuses nearly all of it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ruleset = dockfw_ir::Ruleset::default();
    /// # let verified = dockfw_ir::verify::verify(ruleset).ok().ok_or_else(|| "refused")?;
    /// use dockfw_netlink::{Batch, Executor, Expect};
    /// let batch = Batch::replace(&verified)?;
    /// let committed = Executor::open()?.commit(&batch, Expect::Any)?;
    /// println!("generation {}", committed.generation);
    /// # Ok(())
    /// # }
    /// ```
    pub fn replace(ruleset: &Verified) -> Result<Self, EncodeError> {
        Self::replace_unverified(ruleset)
    }

    /// [`Batch::replace`] for tests of what the kernel refuses and the verifier would not let
    /// through.
    ///
    /// # Errors
    ///
    /// As [`Batch::replace`].
    #[doc(hidden)]
    pub fn replace_unverified(ruleset: &Ruleset) -> Result<Self, EncodeError> {
        Self::replacement(ruleset, 0)
    }

    fn replacement(ruleset: &Ruleset, table_flags: u32) -> Result<Self, EncodeError> {
        let mut builder = BatchBuilder::with_capacity(capacity(&ruleset.tables));
        builder.batch.table_flags = table_flags;
        for table in &ruleset.tables {
            builder.clear(table.family, &table.name)?;
            builder.describe(table);
        }
        builder.batch.clearing = builder.encoder.len();
        let mut set_id = 0;
        for table in &ruleset.tables {
            builder.table(table, &mut set_id)?;
        }
        Ok(builder.finish(Purpose::Replace))
    }

    /// [`Batch::replace`], and the tables belong to the socket that commits it: while that is open
    /// nobody else can change or delete them, and `nft flush ruleset` leaves them alone. When it is
    /// closed, whoever dies, they stay as they are and belong to nobody.
    ///
    /// Since Linux 6.9 (`NFT_TABLE_F_PERSIST`); older kernels refuse the flag.
    ///
    /// # Errors
    ///
    /// As [`Batch::replace`].
    pub fn owned(ruleset: &Verified) -> Result<Self, EncodeError> {
        let flags = NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST;
        Self::replacement(ruleset, flags)
    }

    /// The batch that deletes these tables, whether they exist or not.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], in practice never.
    pub fn delete<'a>(
        tables: impl IntoIterator<Item = (Family, &'a TableName)>,
    ) -> Result<Self, EncodeError> {
        let mut builder = BatchBuilder::new();
        for (family, name) in tables {
            builder.clear(family, name)?;
        }
        Ok(builder.finish(Purpose::Delete))
    }

    /// What the batch consists of.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// The messages, without `BATCH_BEGIN` and `BATCH_END`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.body
    }

    /// The rule or first element that a message is about.
    pub(crate) fn position(&self, sequence: u32) -> Option<u32> {
        let index = sequence.checked_sub(FIRST_SEQUENCE + 1)?;
        self.positions.get(usize::try_from(index).ok()?).copied()
    }

    /// The sequence number of `BATCH_END`.
    pub(crate) fn end_sequence(&self) -> u32 {
        let messages = u32::try_from(self.positions.len()).unwrap_or(u32::MAX);
        (FIRST_SEQUENCE + 1).saturating_add(messages)
    }
}

/// Makes a batch message by message, for changes that are no replacement.
///
/// What is written is not verified.
#[derive(Debug)]
pub struct BatchBuilder {
    encoder: Encoder,
    pub(crate) batch: Batch,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBuilder {
    /// An empty batch.
    pub fn new() -> Self {
        Self::with_capacity(4096)
    }

    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            encoder: Encoder::with_capacity(capacity),
            batch: Batch {
                body: Vec::new(),
                clearing: 0,
                positions: Vec::new(),
                tables: Vec::new(),
                purpose: Purpose::Change,
                statistics: Statistics::default(),
                difference: Difference::default(),
                table_flags: 0,
            },
        }
    }

    /// Adds a message: `kind` is an `NFT_MSG_*`, `position` the rule in its chain or the first
    /// element in its set, by which an error is reported.
    ///
    /// # Errors
    ///
    /// Those of `body`, [`EncodeError::MessageTooLong`] and [`EncodeError::TooManyMessages`].
    pub fn message(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        position: usize,
        body: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let messages = self.batch.positions.len();
        let sequence = u32::try_from(messages)
            .ok()
            .and_then(|index| index.checked_add(FIRST_SEQUENCE + 1))
            // The upper half is for requests outside of batches.
            .filter(|sequence| *sequence < u32::MAX / 2)
            .ok_or(EncodeError::TooManyMessages(messages))?;
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let (kind, flags) = (nf_tables(kind), flags | REQUEST);
        let header = Header {
            kind,
            flags,
            sequence,
            family,
            resource: 0,
        };
        self.encoder.message(header, body)?;
        self.batch.positions.push(position);
        Ok(())
    }

    /// The batch.
    pub fn build(self) -> Batch {
        self.finish(Purpose::Change)
    }

    pub(crate) fn finish(self, purpose: Purpose) -> Batch {
        let mut batch = self.batch;
        batch.purpose = purpose;
        batch.body = self.encoder.into_bytes();
        batch.statistics.messages = batch.positions.len();
        batch.statistics.bytes = batch.body.len();
        batch
    }

    /// Makes sure that the table is not there, without an error when it was not.
    pub(crate) fn clear(&mut self, family: Family, name: &TableName) -> Result<(), EncodeError> {
        let proto = family.nfproto();
        self.message(NFT_MSG_NEWTABLE, CREATE, proto, 0, |e| {
            table::name(e, name.as_str())
        })?;
        self.message(NFT_MSG_DELTABLE, 0, proto, 0, |e| {
            table::name(e, name.as_str())
        })?;
        let messages = u32::try_from(self.batch.positions.len()).unwrap_or(u32::MAX);
        self.batch.tables.push(TableHead {
            family,
            name: name.clone(),
            comment: None,
            bases: Vec::new(),
            deletion: FIRST_SEQUENCE.saturating_add(messages),
        });
        Ok(())
    }

    /// Notes that a table is there afterwards.
    pub(crate) fn note(&mut self, table: &Table) {
        self.batch.tables.push(TableHead {
            family: table.family,
            name: table.name.clone(),
            comment: None,
            bases: Vec::new(),
            deletion: FIRST_SEQUENCE,
        });
    }

    /// Notes what decides whether a table in the kernel can be kept.
    pub(crate) fn describe(&mut self, table: &Table) {
        if let Some(head) = self.batch.tables.last_mut() {
            head.comment.clone_from(&table.comment);
            head.bases = table
                .chains
                .iter()
                .filter_map(|chain| {
                    let base = chain.base?;
                    Some(BaseHead {
                        name: chain.name.to_string(),
                        kind: chain::kind(base.kind),
                        hook: chain::hook(base.hook),
                        priority: base.priority,
                        has_comment: chain.comment.is_some(),
                    })
                })
                .collect();
        }
    }

    pub(crate) fn table(&mut self, table: &Table, set_id: &mut u32) -> Result<(), EncodeError> {
        let family = table.family.nfproto();
        let name = table.name.as_str();
        let flags = self.batch.table_flags;
        self.message(NFT_MSG_NEWTABLE, CREATE, family, 0, |e| {
            table::put(e, table, flags)
        })?;
        self.batch.statistics.tables += 1;
        for set in &table.sets {
            *set_id = set_id.wrapping_add(1);
            let id = *set_id;
            self.message(NFT_MSG_NEWSET, CREATE | EXCLUSIVE, family, 0, |e| {
                set::put(e, name, set, id)
            })?;
        }
        self.batch.statistics.sets += table.sets.len();
        for chain in &table.chains {
            // A base chain may be one that is kept.
            let exclusive = if chain.base.is_none() { EXCLUSIVE } else { 0 };
            self.message(NFT_MSG_NEWCHAIN, CREATE | exclusive, family, 0, |e| {
                chain::put(e, name, chain)
            })?;
        }
        self.batch.statistics.chains += table.chains.len();
        for set in &table.sets {
            self.elements(family, name, set, None)?;
            self.batch.statistics.elements += set.elements.len();
        }
        for chain in &table.chains {
            for (index, rule) in chain.rules.iter().enumerate() {
                let anonymous = set_id.wrapping_add(1);
                self.anonymous_sets(family, name, rule, set_id)?;
                self.message(NFT_MSG_NEWRULE, CREATE | APPEND, family, index, |e| {
                    rule::put(e, table, chain.name.as_str(), rule, anonymous)
                })?;
            }
            self.batch.statistics.rules += chain.rules.len();
        }
        Ok(())
    }

    /// Adds the sets that the rule looks something up in and that have no name, in the order of its
    /// statements. The kernel wants them before the rule, and deletes them with it.
    pub(crate) fn anonymous_sets(
        &mut self,
        family: u8,
        table: &str,
        rule: &Rule,
        set_id: &mut u32,
    ) -> Result<(), EncodeError> {
        for statement in &rule.statements {
            let Statement::Match(test) = statement else {
                continue;
            };
            let Some(set) = test.anonymous_set() else {
                continue;
            };
            *set_id = set_id.wrapping_add(1);
            let id = *set_id;
            self.message(NFT_MSG_NEWSET, CREATE, family, 0, |e| {
                set::put(e, table, &set, id)
            })?;
            self.elements(family, table, &set, Some(id))?;
        }
        Ok(())
    }

    /// Adds the elements of a set, in messages of up to 64 KiB, all of them in a row.
    pub(crate) fn elements(
        &mut self,
        family: u8,
        table: &str,
        set: &Set,
        id: Option<u32>,
    ) -> Result<(), EncodeError> {
        let writer = ElementWriter::new(set)?;
        let kind = (NFT_MSG_NEWSETELEM, CREATE | EXCLUSIVE);
        self.element_lists(kind, (family, table, set), id, &writer, |_, _| {})
    }

    /// Adds messages of this kind and these flags with the elements of a set. `each` is told the
    /// places of the elements of each message in `set`.
    pub(crate) fn element_lists(
        &mut self,
        (kind, flags): (u16, u16),
        (family, table, set): (u8, &str, &Set),
        id: Option<u32>,
        writer: &ElementWriter<'_>,
        mut each: impl FnMut(&mut Difference, (u32, std::ops::Range<usize>)),
    ) -> Result<(), EncodeError> {
        let mut next = 0;
        while next < set.elements.len() {
            let first = next;
            self.message(kind, flags, family, first, |e| {
                e.text(NFTA_SET_ELEM_LIST_TABLE, table)?;
                e.text(NFTA_SET_ELEM_LIST_SET, set.name.as_str())?;
                if let Some(id) = id {
                    e.u32(NFTA_SET_ELEM_LIST_SET_ID, id)?;
                }
                e.nest(NFTA_SET_ELEM_LIST_ELEMENTS, |e| {
                    next = writer.fill(e, first)?;
                    Ok::<(), EncodeError>(())
                })
            })?;
            if next == first {
                // A single element that fills a message; values are at most 64 bytes.
                return Err(EncodeError::Form {
                    what: "an element of more than 64 KiB",
                });
            }
            let messages = u32::try_from(self.batch.positions.len()).unwrap_or(u32::MAX);
            let sequence = FIRST_SEQUENCE.saturating_add(messages);
            each(&mut self.batch.difference, (sequence, first..next));
        }
        Ok(())
    }
}

/// About how many bytes the batch will have, so that the buffer need not grow.
fn capacity(tables: &[Table]) -> usize {
    /// Headers, names and attributes of an object, and of a rule.
    const OBJECT: usize = 512;
    let of_set = |set: &Set| {
        let element = match set.elements.first() {
            None => 0,
            Some(first) => {
                let data = match &first.data {
                    dockfw_ir::set::ElementData::None => 0,
                    dockfw_ir::set::ElementData::Value(value) => 8 + value.as_bytes().len(),
                    dockfw_ir::set::ElementData::Verdict(_) => 64,
                };
                let key = 12 + first.key.as_bytes().len();
                if set.interval {
                    2 * (key + data)
                } else {
                    key + data
                }
            }
        };
        OBJECT + set.elements.len() * element * 65 / 64
    };
    tables
        .iter()
        .map(|table| {
            let sets: usize = table.sets.iter().map(of_set).sum();
            let rules: usize = table.chains.iter().map(|chain| chain.rules.len() + 1).sum();
            OBJECT + sets + rules * OBJECT
        })
        .sum()
}
