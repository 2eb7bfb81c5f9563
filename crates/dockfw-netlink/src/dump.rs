//! Reading the kernel's ruleset: its generation, its tables, and what is in one of them.
//!
//! Dumps are consistent: every dumped message carries the low 16 bits of the generation, and a
//! dump that began in one generation and ended in another is read again.

pub(crate) mod request;

use std::io;

use dockfw_ir::name::TableName;
use dockfw_ir::table::Family;

use crate::commit::Executor;
use crate::errno::Errno;
use crate::sys::nf_tables::{
    NFT_MSG_GETCHAIN, NFT_MSG_GETGEN, NFT_MSG_GETRULE, NFT_MSG_GETSET, NFT_MSG_GETSETELEM,
    NFT_MSG_GETTABLE, NFT_SET_ELEM_INTERVAL_END, NFT_SET_INTERVAL, NFTA_CHAIN_HOOK,
    NFTA_CHAIN_NAME, NFTA_CHAIN_TABLE, NFTA_CHAIN_TYPE, NFTA_GEN_ID, NFTA_HOOK_HOOKNUM,
    NFTA_HOOK_PRIORITY, NFTA_RULE_CHAIN, NFTA_RULE_TABLE, NFTA_SET_COUNT, NFTA_SET_DESC,
    NFTA_SET_DESC_SIZE, NFTA_SET_ELEM_FLAGS, NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_SET_ELEM_LIST_SET,
    NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_FLAGS, NFTA_SET_NAME, NFTA_SET_TABLE, NFTA_TABLE_FLAGS,
    NFTA_TABLE_HANDLE, NFTA_TABLE_NAME, NFTA_TABLE_OWNER, NFTA_TABLE_USE, NFTA_TABLE_USERDATA,
    udata,
};
use crate::userdata;
use crate::wire::{Attributes, DUMP, EncodeError, Encoder};
use request::Request;

/// How often a dump is tried while others keep committing.
const ATTEMPTS: usize = 16;

/// Why the ruleset could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// No `CAP_NET_ADMIN` in the user namespace that owns the network namespace.
    #[error("not permitted: CAP_NET_ADMIN over the network namespace is needed")]
    Denied,
    /// The kernel has no nf_tables.
    #[error("this kernel has no nf_tables (CONFIG_NF_TABLES)")]
    Unsupported,
    /// The kernel refused the request.
    #[error("read the ruleset: {0}")]
    Refused(Errno),
    /// Others committed during each attempt.
    #[error("the ruleset changed during each of {ATTEMPTS} attempts to read it")]
    Unstable,
    /// The kernel's answer was missing or not what was asked for.
    #[error("read the ruleset: no answer")]
    NoAnswer,
    /// A system call failed.
    #[error("use the netlink socket")]
    Socket(#[source] io::Error),
    /// The request could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    /// `NFPROTO_*`: 1 inet, 2 ip, 3 arp, 5 netdev, 7 bridge, 10 ip6.
    pub family: u8,
    /// Its name.
    pub name: String,
    /// Its number; a replaced table has a new one.
    pub handle: u64,
    /// `NFT_TABLE_F_*`.
    pub flags: u32,
    /// The address of the socket that owns it, if one does.
    pub owner: Option<u32>,
    /// How many chains, sets and so on it has.
    pub uses: u32,
    /// Its comment.
    pub comment: Option<String>,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainInfo {
    /// Its name.
    pub name: String,
    /// Hook number and priority of a base chain.
    pub hook: Option<(u32, i32)>,
    /// The type of a base chain: filter, nat or route.
    pub kind: Option<String>,
    /// How many rules it has.
    pub rules: usize,
}

/// A set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetInfo {
    /// Its name.
    pub name: String,
    /// `NFT_SET_*`.
    pub flags: u32,
    /// The most elements it can hold, if it has a limit.
    pub size: Option<u32>,
    /// How many elements it has, a range counting as one.
    pub elements: usize,
}

/// What is in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSummary {
    /// The table.
    pub table: TableInfo,
    /// Its chains, as the kernel orders them.
    pub chains: Vec<ChainInfo>,
    /// Its sets and maps, likewise.
    pub sets: Vec<SetInfo>,
    /// The generation of all of this.
    pub generation: u32,
}

/// The names of what is in a table.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) table: TableInfo,
    /// Chains without the numbers of their rules.
    pub(crate) chains: Vec<ChainInfo>,
    /// Sets without the numbers of their elements.
    pub(crate) sets: Vec<SetInfo>,
}

impl TableSummary {
    /// How many rules it has.
    pub fn rules(&self) -> usize {
        self.chains.iter().map(|chain| chain.rules).sum()
    }

    /// How many elements it has.
    pub fn elements(&self) -> usize {
        self.sets.iter().map(|set| set.elements).sum()
    }
}

impl Executor {
    /// The generation of the ruleset of this network namespace: one more with each commit.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn generation(&mut self) -> Result<u32, QueryError> {
        let mut generation = None;
        let request = Request {
            kind: NFT_MSG_GETGEN,
            flags: 0,
            family: 0,
            body: &|_| Ok(()),
        };
        self.request(&request, |_, attributes| {
            generation = attributes.get(NFTA_GEN_ID).and_then(|id| id.u32());
        })?;
        generation.ok_or(QueryError::NoAnswer)
    }

    /// All tables of this network namespace.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn tables(&mut self) -> Result<Vec<TableInfo>, QueryError> {
        let request = Request {
            kind: NFT_MSG_GETTABLE,
            flags: DUMP,
            family: 0,
            body: &|_| Ok(()),
        };
        self.consistent(|executor, expected| {
            let mut tables = Vec::new();
            executor.dump(&request, expected, |family, attributes| {
                tables.extend(table_info(family, attributes));
            })?;
            Ok(tables)
        })
        .map(|(_, tables)| tables)
    }

    /// The table of this name, or `None`.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn table(
        &mut self,
        family: Family,
        name: &TableName,
    ) -> Result<Option<TableInfo>, QueryError> {
        let mut table = None;
        let request = Request {
            kind: NFT_MSG_GETTABLE,
            flags: 0,
            family: family.nfproto(),
            body: &|e| e.text(NFTA_TABLE_NAME, name.as_str()),
        };
        let asked = self.request(&request, |family, attributes| {
            table = table_info(family, attributes);
        });
        match asked {
            Err(QueryError::Refused(Errno(libc::ENOENT))) => Ok(None),
            Err(error) => Err(error),
            Ok(_) => table.map(Some).ok_or(QueryError::NoAnswer),
        }
    }

    /// What is in a table, or `None` when there is none of this name.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn summary(
        &mut self,
        family: Family,
        name: &TableName,
    ) -> Result<Option<TableSummary>, QueryError> {
        let read = self.consistent(|executor, expected| {
            let Some(table) = executor.table(family, name)? else {
                return Ok(None);
            };
            let chains = executor.chains(family, name, expected)?;
            let sets = executor.sets(family, name, expected)?;
            Ok(Some((table, chains, sets)))
        });
        let (generation, found) = read?;
        Ok(found.map(|(table, chains, sets)| TableSummary {
            table,
            chains,
            sets,
            generation,
        }))
    }

    /// The names of what is in a table, or `None` when there is none of this name.
    pub(crate) fn inside(
        &mut self,
        family: Family,
        name: &TableName,
    ) -> Result<Option<Inside>, QueryError> {
        let read = self.consistent(|executor, expected| {
            let Some(table) = executor.table(family, name)? else {
                return Ok(None);
            };
            let chains = executor.chain_heads(family, name, expected)?;
            let sets = executor.set_heads(family, name, expected)?;
            let sets = sets.into_iter().map(|(set, _)| set).collect();
            Ok(Some(Inside {
                table,
                chains,
                sets,
            }))
        });
        Ok(read?.1)
    }

    /// Chains without the numbers of their rules.
    fn chain_heads(
        &mut self,
        family: Family,
        table: &TableName,
        expected: u16,
    ) -> Result<Vec<ChainInfo>, QueryError> {
        let mut chains: Vec<ChainInfo> = Vec::new();
        // The kernel has no filter by table here.
        let request = Request {
            kind: NFT_MSG_GETCHAIN,
            flags: DUMP,
            family: family.nfproto(),
            body: &|_| Ok(()),
        };
        self.dump(&request, expected, |_, attributes| {
            if text(attributes, NFTA_CHAIN_TABLE) == Some(table.as_str()) {
                chains.extend(chain_info(attributes));
            }
        })?;
        Ok(chains)
    }

    fn chains(
        &mut self,
        family: Family,
        table: &TableName,
        expected: u16,
    ) -> Result<Vec<ChainInfo>, QueryError> {
        let mut chains = self.chain_heads(family, table, expected)?;
        let family = family.nfproto();
        let body = |e: &mut Encoder| e.text(NFTA_RULE_TABLE, table.as_str());
        let request = Request {
            kind: NFT_MSG_GETRULE,
            flags: DUMP,
            family,
            body: &body,
        };
        // Rules come chain by chain.
        let mut last = 0;
        self.dump(&request, expected, |_, attributes| {
            let name = text(attributes, NFTA_RULE_CHAIN);
            if text(attributes, NFTA_RULE_TABLE) != Some(table.as_str()) {
                return;
            }
            let is = |chain: &ChainInfo| Some(chain.name.as_str()) == name;
            if !chains.get(last).is_some_and(is) {
                last = chains.iter().position(is).unwrap_or(last);
            }
            if let Some(chain) = chains.get_mut(last) {
                chain.rules += 1;
            }
        })?;
        Ok(chains)
    }

    /// Sets, and whether the kernel told their numbers of elements.
    fn set_heads(
        &mut self,
        family: Family,
        table: &TableName,
        expected: u16,
    ) -> Result<Vec<(SetInfo, bool)>, QueryError> {
        let mut sets: Vec<(SetInfo, bool)> = Vec::new();
        let body = |e: &mut Encoder| e.text(NFTA_SET_TABLE, table.as_str());
        let request = Request {
            kind: NFT_MSG_GETSET,
            flags: DUMP,
            family: family.nfproto(),
            body: &body,
        };
        self.dump(&request, expected, |_, attributes| {
            if text(attributes, NFTA_SET_TABLE) == Some(table.as_str()) {
                sets.extend(set_info(attributes));
            }
        })?;
        Ok(sets)
    }

    fn sets(
        &mut self,
        family: Family,
        table: &TableName,
        expected: u16,
    ) -> Result<Vec<SetInfo>, QueryError> {
        let mut sets = self.set_heads(family, table, expected)?;
        let family = family.nfproto();
        for (set, counted) in &mut sets {
            if !*counted {
                set.elements = self.count(family, table, &set.name, expected)?;
            }
        }
        Ok(sets.into_iter().map(|(set, _)| set).collect())
    }

    /// Counts elements by dumping them.
    fn count(
        &mut self,
        family: u8,
        table: &TableName,
        set: &str,
        expected: u16,
    ) -> Result<usize, QueryError> {
        let mut count = 0;
        let body = |e: &mut Encoder| {
            e.text(NFTA_SET_ELEM_LIST_TABLE, table.as_str())?;
            e.text(NFTA_SET_ELEM_LIST_SET, set)
        };
        let request = Request {
            kind: NFT_MSG_GETSETELEM,
            flags: DUMP,
            family,
            body: &body,
        };
        self.dump(&request, expected, |_, attributes| {
            let Some(list) = attributes.get(NFTA_SET_ELEM_LIST_ELEMENTS) else {
                return;
            };
            let is_element = |attributes: Attributes<'_>| {
                let flags = attributes
                    .get(NFTA_SET_ELEM_FLAGS)
                    .and_then(|flags| flags.u32());
                flags.is_none_or(|flags| flags & NFT_SET_ELEM_INTERVAL_END == 0)
            };
            count += list
                .attributes()
                .filter(|element| is_element(element.attributes()))
                .count();
        })?;
        Ok(count)
    }

    /// Reads until nothing changed meanwhile, and says of which generation it is.
    pub(crate) fn consistent<T>(
        &mut self,
        mut read: impl FnMut(&mut Self, u16) -> Result<T, QueryError>,
    ) -> Result<(u32, T), QueryError> {
        for _ in 0..ATTEMPTS {
            let before = self.generation()?;
            match read(self, low(before)) {
                // Something went away while it was read.
                Err(QueryError::Unstable | QueryError::Refused(Errno(libc::ENOENT))) => {}
                Err(error) => return Err(error),
                Ok(value) if self.generation()? == before => return Ok((before, value)),
                Ok(_) => {}
            }
        }
        Err(QueryError::Unstable)
    }
}

/// The low 16 bits, which dumped messages carry.
fn low(generation: u32) -> u16 {
    let [_, _, high, low] = generation.to_be_bytes();
    u16::from_be_bytes([high, low])
}

pub(crate) fn text(attributes: Attributes<'_>, kind: u16) -> Option<&str> {
    attributes.get(kind)?.text()
}

pub(crate) fn table_info(family: u8, attributes: Attributes<'_>) -> Option<TableInfo> {
    let number = |kind| attributes.get(kind).and_then(|attribute| attribute.u32());
    let user = attributes
        .get(NFTA_TABLE_USERDATA)
        .map_or(&[][..], |user| user.payload);
    let comment = userdata::find(user, udata::COMMENT)
        .and_then(|text| std::str::from_utf8(text).ok())
        .map(|text| text.trim_end_matches('\0').to_owned());
    Some(TableInfo {
        family,
        name: text(attributes, NFTA_TABLE_NAME)?.to_owned(),
        handle: attributes
            .get(NFTA_TABLE_HANDLE)
            .and_then(|handle| handle.u64())
            .unwrap_or(0),
        flags: number(NFTA_TABLE_FLAGS).unwrap_or(0),
        owner: number(NFTA_TABLE_OWNER),
        uses: number(NFTA_TABLE_USE).unwrap_or(0),
        comment,
    })
}

fn chain_info(attributes: Attributes<'_>) -> Option<ChainInfo> {
    let hook = attributes.get(NFTA_CHAIN_HOOK).and_then(|hook| {
        let hook = hook.attributes();
        Some((
            hook.get(NFTA_HOOK_HOOKNUM)?.u32()?,
            hook.get(NFTA_HOOK_PRIORITY)?.i32()?,
        ))
    });
    let name = text(attributes, NFTA_CHAIN_NAME)?.to_owned();
    Some(ChainInfo {
        name,
        hook,
        kind: text(attributes, NFTA_CHAIN_TYPE).map(str::to_owned),
        rules: 0,
    })
}

/// A set, and whether the kernel said how many elements it has. It counts both ends of a range.
fn set_info(attributes: Attributes<'_>) -> Option<(SetInfo, bool)> {
    let number = |kind| attributes.get(kind).and_then(|attribute| attribute.u32());
    let flags = number(NFTA_SET_FLAGS).unwrap_or(0);
    let count = number(NFTA_SET_COUNT).filter(|_| flags & NFT_SET_INTERVAL == 0);
    let size = attributes
        .get(NFTA_SET_DESC)
        .and_then(|desc| desc.attributes().get(NFTA_SET_DESC_SIZE))
        .and_then(|size| size.u32());
    let set = SetInfo {
        name: text(attributes, NFTA_SET_NAME)?.to_owned(),
        flags,
        size,
        elements: count
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(0),
    };
    Some((set, count.is_some()))
}
