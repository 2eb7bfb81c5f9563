//! A batch as bytes that can be kept and sent later.
//!
//! ```text
//! magic      8 bytes, "dockfwB" and a NUL
//! version    u32, 1
//! length     u64, of everything from the magic to the checksum, in bytes
//! clearing   u64, as in the batch
//! statistics 5 times u64: tables, chains, sets, rules, elements
//! positions  u32 their number, then each as u32
//! tables     u32 their number, then each:
//!              family u8 (`NFPROTO_*`), name, comment ("" for none), deletion u32,
//!              u32 the number of base chains, then each:
//!                name, kind, hook u32, priority i32, has_comment u8
//! body       u64 its length in bytes, then the messages
//! checksum   u32, CRC-32 (IEEE) of everything before it
//! ```
//!
//! Numbers are little-endian, texts are UTF-8 behind their length as u32. The messages are as they
//! are sent, in the byte order of the machine: an artefact is for the machine that made it.
//!
//! The checksum is against damage, not against somebody who writes one on purpose; whoever can
//! write where artefacts are kept must be trusted like the program itself. All the same, what is
//! read is looked at as far as that is cheap: bounds, names, the frame of each message, and that
//! each is about a table of the batch.

use dockfw_ir::chain::ChainKind;
use dockfw_ir::name::{Comment, TableName};
use dockfw_ir::table::Family;

use super::{
    BaseHead, Batch, BatchBuilder, Difference, FIRST_SEQUENCE, Purpose, Statistics, TableHead,
};
use crate::chain;
use crate::sys::nf_tables::{
    NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE, NFT_MSG_NEWSET, NFT_MSG_NEWSETELEM,
    NFT_MSG_NEWTABLE,
};
use crate::wire::{EncodeError, Messages, REQUEST, Reply, nf_tables};

const MAGIC: [u8; 8] = *b"dockfwB\0";
const VERSION: u32 = 1;

/// Every message names its table by its first attribute: `NFTA_TABLE_NAME`, `NFTA_CHAIN_TABLE`,
/// `NFTA_SET_TABLE`, `NFTA_SET_ELEM_LIST_TABLE` and `NFTA_RULE_TABLE` are all 1.
const TABLE: u16 = 1;

/// Why bytes are no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// It does not begin as one.
    #[error("it is no encoded batch")]
    Foreign,
    /// It is of another form than this program knows.
    #[error("it is an encoded batch of version {found}, and this program reads version {VERSION}")]
    Version {
        /// The version it says.
        found: u32,
    },
    /// It has not the length it says.
    #[error("it is truncated or too long")]
    Length,
    /// Its checksum is another one.
    #[error("its checksum is wrong")]
    Checksum,
    /// Its parts do not go together.
    #[error("it is inconsistent: {0}")]
    Inconsistent(&'static str),
}

impl Batch {
    /// The batch as bytes, for [`Batch::from_bytes`].
    ///
    /// `None` when it is no replacement of tables ([`Batch::replace`]): nothing else can be sent at
    /// any later time with the same result.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        if self.purpose != Purpose::Replace || self.table_flags != 0 {
            return None;
        }
        let room = self.body.len() + 4 * self.positions.len() + 4096;
        let mut to = Writer(Vec::with_capacity(room));
        to.0.extend_from_slice(&MAGIC);
        to.u32(VERSION);
        to.u64(0);
        to.len64(self.clearing);
        let Statistics {
            tables,
            chains,
            sets,
            rules,
            elements,
            // They follow from the body.
            messages: _,
            bytes: _,
            // A replacement has none.
            changed: _,
        } = self.statistics;
        for number in [tables, chains, sets, rules, elements] {
            to.len64(number);
        }
        to.len32(self.positions.len());
        for position in &self.positions {
            to.u32(*position);
        }
        to.len32(self.tables.len());
        for table in &self.tables {
            to.0.push(table.family.nfproto());
            to.text(table.name.as_str());
            to.text(table.comment.as_ref().map_or("", Comment::as_str));
            to.u32(table.deletion);
            to.len32(table.bases.len());
            for base in &table.bases {
                to.text(&base.name);
                to.text(base.kind);
                to.u32(base.hook);
                to.0.extend_from_slice(&base.priority.to_le_bytes());
                to.0.push(u8::from(base.has_comment));
            }
        }
        to.len64(self.body.len());
        to.0.extend_from_slice(&self.body);
        let length = u64::try_from(to.0.len() + 4).unwrap_or(u64::MAX);
        if let Some(field) = to.0.get_mut(12..20) {
            field.copy_from_slice(&length.to_le_bytes());
        }
        let checksum = crc32fast::hash(&to.0);
        to.u32(checksum);
        Some(to.0)
    }

    /// The batch of [`Batch::to_bytes`].
    ///
    /// # Errors
    ///
    /// [`ArtifactError`] when the bytes are damaged, of another version or not of a batch.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let mut from = Reader(bytes);
        if from.take(MAGIC.len()) != Some(MAGIC.as_slice()) {
            return Err(ArtifactError::Foreign);
        }
        let found = from.u32().ok_or(ArtifactError::Length)?;
        if found != VERSION {
            return Err(ArtifactError::Version { found });
        }
        if from.len64() != Some(bytes.len()) {
            return Err(ArtifactError::Length);
        }
        let (content, checksum) = bytes.split_last_chunk::<4>().ok_or(ArtifactError::Length)?;
        if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
            return Err(ArtifactError::Checksum);
        }
        let batch = from.batch().ok_or(ArtifactError::Inconsistent(
            "a field reaches beyond its end",
        ))?;
        if from.0.len() != checksum.len() {
            return Err(ArtifactError::Inconsistent("there is more than a batch"));
        }
        batch.validate().map_err(ArtifactError::Inconsistent)?;
        Ok(batch)
    }

    /// The same batch, which also deletes these tables, whether they exist or not.
    ///
    /// Tables that the batch makes are left alone.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], in practice never.
    pub fn deleting<'a>(
        self,
        tables: impl IntoIterator<Item = (Family, &'a TableName)>,
    ) -> Result<Self, EncodeError> {
        let (heads, purpose) = (self.tables.clone(), self.purpose);
        let mut builder = BatchBuilder::with_capacity(self.body.len() + 1024);
        builder.encoder.raw(&self.body);
        builder.batch = self;
        for (family, name) in tables {
            let is_made = heads
                .iter()
                .any(|head| (head.family, &head.name) == (family, name));
            if !is_made {
                builder.clear(family, name)?;
            }
        }
        // What is only deleted has no base chains to keep.
        builder.batch.tables = heads;
        Ok(builder.finish(purpose))
    }

    /// The tables that are afterwards what the batch says.
    pub fn tables(&self) -> impl Iterator<Item = (Family, &TableName)> {
        self.tables.iter().map(|head| (head.family, &head.name))
    }

    /// Whether the messages are those of a batch with these heads.
    fn validate(&self) -> Result<(), &'static str> {
        let mut messages = Messages::new(&self.body);
        let mut count = 0;
        let mut is_boundary = self.clearing == 0;
        while let Some(message) = messages.next() {
            let index = u32::try_from(count).ok().ok_or("too many messages")?;
            if message.sequence != FIRST_SEQUENCE.saturating_add(1).saturating_add(index) {
                return Err("a message is out of sequence");
            }
            let is_known = KINDS.iter().any(|kind| nf_tables(*kind) == message.kind);
            if !is_known || message.flags & REQUEST == 0 {
                return Err("a message is none that a batch has");
            }
            let Reply::Object {
                family, attributes, ..
            } = message.reply()
            else {
                return Err("a message has no header");
            };
            let table = attributes.get(TABLE).and_then(|name| name.text());
            let is_ours = self
                .tables
                .iter()
                .any(|head| head.family.nfproto() == family && Some(head.name.as_str()) == table);
            if !is_ours {
                return Err("a message is about another table");
            }
            count += 1;
            is_boundary |= self.body.len() - messages.rest().len() == self.clearing;
        }
        if !messages.rest().is_empty() {
            return Err("a message is not whole");
        }
        if count != self.positions.len() {
            return Err("the number of messages is another one");
        }
        if !is_boundary {
            return Err("the deletions end inside of a message");
        }
        Ok(())
    }
}

/// The messages of a replacement.
const KINDS: [u16; 6] = [
    NFT_MSG_NEWTABLE,
    NFT_MSG_DELTABLE,
    NFT_MSG_NEWCHAIN,
    NFT_MSG_NEWSET,
    NFT_MSG_NEWSETELEM,
    NFT_MSG_NEWRULE,
];

struct Writer(Vec<u8>);

impl Writer {
    fn u32(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// A number beyond the field cannot be read again; the kernel takes no batch of 4 GiB.
    fn len32(&mut self, number: usize) {
        self.u32(u32::try_from(number).unwrap_or(u32::MAX));
    }

    fn len64(&mut self, number: usize) {
        self.u64(u64::try_from(number).unwrap_or(u64::MAX));
    }

    fn text(&mut self, text: &str) {
        self.len32(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn len32(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    fn len64(&mut self) -> Option<usize> {
        usize::try_from(u64::from_le_bytes(self.array()?)).ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = self.len32()?;
        std::str::from_utf8(self.take(len)?).ok()
    }

    fn batch(&mut self) -> Option<Batch> {
        let clearing = self.len64()?;
        let mut statistics = Statistics {
            tables: self.len64()?,
            chains: self.len64()?,
            sets: self.len64()?,
            rules: self.len64()?,
            elements: self.len64()?,
            messages: 0,
            bytes: 0,
            changed: None,
        };
        let count = self.len32()?;
        let positions: Vec<u32> = self
            .take(count.checked_mul(4)?)?
            .as_chunks()
            .0
            .iter()
            .map(|position| u32::from_le_bytes(*position))
            .collect();
        let count = self.len32()?;
        // Not reserved: the number is not to be trusted.
        let mut tables = Vec::new();
        for _ in 0..count {
            tables.push(self.table()?);
        }
        let len = self.len64()?;
        let body = self.take(len)?.to_vec();
        statistics.messages = positions.len();
        statistics.bytes = body.len();
        Some(Batch {
            body,
            clearing,
            positions,
            tables,
            purpose: Purpose::Replace,
            difference: Difference::default(),
            table_flags: 0,
            statistics,
        })
    }

    fn table(&mut self) -> Option<TableHead> {
        let family = family(self.u8()?)?;
        let name = TableName::new(self.text()?).ok()?;
        let comment = match self.text()? {
            "" => None,
            text => Some(Comment::new(text).ok()?),
        };
        let deletion = self.u32()?;
        let count = self.len32()?;
        let mut bases = Vec::new();
        for _ in 0..count {
            bases.push(self.base()?);
        }
        Some(TableHead {
            family,
            name,
            comment,
            bases,
            deletion,
        })
    }

    fn base(&mut self) -> Option<BaseHead> {
        let name = self.text()?.to_owned();
        let kind = self.text()?;
        let kind = [ChainKind::Filter, ChainKind::Nat, ChainKind::Route]
            .map(chain::kind)
            .into_iter()
            .find(|known| *known == kind)?;
        Some(BaseHead {
            name,
            kind,
            hook: self.u32()?,
            priority: i32::from_le_bytes(self.array()?),
            has_comment: self.u8()? != 0,
        })
    }
}

/// The family of an `NFPROTO_*`.
fn family(nfproto: u8) -> Option<Family> {
    [Family::Inet, Family::Ip, Family::Ip6]
        .into_iter()
        .find(|family| family.nfproto() == nfproto)
}
