//! Tables that are not ours, as the kernel has them, and the removal of single things from them.
//!
//! Rules are handed out as the expressions they consist of, undecoded: what iptables-nft makes has
//! expressions that the IR has no word for (`match` and `target` of xtables). Whoever asks decides
//! what they mean; [`Removal`] then takes rules and chains away by their handles and names, in one
//! transaction, which belongs to the generation of the reading.

use dockfw_ir::table::Family;

use crate::batch::{Batch, BatchBuilder};
use crate::commit::Executor;
use crate::dump::request::Request;
use crate::dump::{QueryError, TableInfo, text};
use crate::sys::nf_tables::{
    NF_ACCEPT, NFT_MSG_DELCHAIN, NFT_MSG_DELRULE, NFT_MSG_DELTABLE, NFT_MSG_GETCHAIN,
    NFT_MSG_GETRULE, NFT_MSG_NEWCHAIN, NFTA_CHAIN_HOOK, NFTA_CHAIN_NAME, NFTA_CHAIN_POLICY,
    NFTA_CHAIN_TABLE, NFTA_EXPR_DATA, NFTA_EXPR_NAME, NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS,
    NFTA_RULE_HANDLE, NFTA_RULE_TABLE, NFTA_TABLE_NAME,
};
use crate::wire::{Attributes, DUMP, EncodeError, Encoder};

/// Tables of others, all of one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// The generation.
    pub generation: u32,
    /// The tables that were asked for and are there.
    pub tables: Vec<ForeignTable>,
}

/// A table of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignTable {
    /// Its family.
    pub family: Family,
    /// The table itself.
    pub info: TableInfo,
    /// Its chains, as the kernel orders them.
    pub chains: Vec<ForeignChain>,
}

/// A chain of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignChain {
    /// Its name.
    pub name: String,
    /// What happens at its end, if it is a base chain.
    pub policy: Option<ForeignPolicy>,
    /// Its rules in order.
    pub rules: Vec<ForeignRule>,
}

/// What happens to a packet at the end of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignPolicy {
    /// It goes on.
    Accept,
    /// It is discarded.
    Drop,
}

/// A rule of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignRule {
    /// Its number, unique in its table.
    pub handle: u64,
    /// What it consists of, in order.
    pub expressions: Vec<RawExpression>,
}

/// An expression as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawExpression {
    /// Its name: `cmp`, `payload`, `match`.
    pub name: String,
    /// Its attributes, [`RawExpression::attributes`].
    data: Vec<u8>,
}

impl RawExpression {
    /// The attributes of the expression, `NFTA_*`.
    pub fn attributes(&self) -> Attributes<'_> {
        Attributes::new(&self.data)
    }
}

/// The families in which others have tables that are asked for.
const FAMILIES: [Family; 2] = [Family::Ip, Family::Ip6];

impl Executor {
    /// The tables of the families ip and ip6 that have one of these names, with all their rules.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn foreign(&mut self, names: &[&str]) -> Result<Foreign, QueryError> {
        let read = self.consistent(|executor, expected| {
            let mut tables = executor.foreign_tables(names)?;
            for table in &mut tables {
                executor.foreign_chains(table, expected)?;
                executor.foreign_rules(table, expected)?;
            }
            Ok(tables)
        });
        let (generation, tables) = read?;
        Ok(Foreign { generation, tables })
    }

    fn foreign_tables(&mut self, names: &[&str]) -> Result<Vec<ForeignTable>, QueryError> {
        let found = self.tables()?.into_iter().filter_map(|info| {
            let family = FAMILIES
                .into_iter()
                .find(|family| family.nfproto() == info.family)?;
            let is_wanted = names.contains(&info.name.as_str());
            is_wanted.then_some(ForeignTable {
                family,
                info,
                chains: Vec::new(),
            })
        });
        Ok(found.collect())
    }

    fn foreign_chains(
        &mut self,
        table: &mut ForeignTable,
        expected: u16,
    ) -> Result<(), QueryError> {
        let request = Request {
            kind: NFT_MSG_GETCHAIN,
            flags: DUMP,
            family: table.family.nfproto(),
            body: &|_| Ok(()),
        };
        let (name, chains) = (&table.info.name, &mut table.chains);
        self.dump(&request, expected, |_, attributes| {
            if text(attributes, NFTA_CHAIN_TABLE) == Some(name.as_str()) {
                chains.extend(chain(attributes));
            }
        })
    }

    fn foreign_rules(&mut self, table: &mut ForeignTable, expected: u16) -> Result<(), QueryError> {
        let (name, chains) = (&table.info.name, &mut table.chains);
        let body = |e: &mut Encoder| e.text(NFTA_RULE_TABLE, name);
        let request = Request {
            kind: NFT_MSG_GETRULE,
            flags: DUMP,
            family: table.family.nfproto(),
            body: &body,
        };
        // Rules come chain by chain.
        let mut last = 0;
        self.dump(&request, expected, |_, attributes| {
            if text(attributes, NFTA_RULE_TABLE) != Some(name.as_str()) {
                return;
            }
            let of = text(attributes, NFTA_RULE_CHAIN);
            let is = |chain: &ForeignChain| Some(chain.name.as_str()) == of;
            if !chains.get(last).is_some_and(is) {
                last = chains.iter().position(is).unwrap_or(last);
            }
            if let Some(chain) = chains.get_mut(last) {
                chain.rules.extend(rule(attributes));
            }
        })
    }
}

fn chain(attributes: Attributes<'_>) -> Option<ForeignChain> {
    let policy = attributes.get(NFTA_CHAIN_HOOK).and_then(|_| {
        let policy = attributes.get(NFTA_CHAIN_POLICY)?.i32()?;
        Some(if policy == NF_ACCEPT {
            ForeignPolicy::Accept
        } else {
            ForeignPolicy::Drop
        })
    });
    Some(ForeignChain {
        name: text(attributes, NFTA_CHAIN_NAME)?.to_owned(),
        policy,
        rules: Vec::new(),
    })
}

fn rule(attributes: Attributes<'_>) -> Option<ForeignRule> {
    let expressions = attributes
        .get(NFTA_RULE_EXPRESSIONS)
        .map(|list| list.attributes())
        .unwrap_or_default()
        .map(|element| {
            let element = element.attributes();
            RawExpression {
                name: text(element, NFTA_EXPR_NAME).unwrap_or_default().to_owned(),
                data: element
                    .get(NFTA_EXPR_DATA)
                    .map(|data| data.payload.to_vec())
                    .unwrap_or_default(),
            }
        })
        .collect();
    Some(ForeignRule {
        handle: attributes.get(NFTA_RULE_HANDLE)?.u64()?,
        expressions,
    })
}

/// What is to go from tables of others, in the order in which it is told.
///
/// Rules go before the chains that they lead to. Commit the batch to the generation of the reading
/// only: handles are those of one generation.
#[derive(Debug, Default)]
pub struct Removal {
    builder: BatchBuilder,
}

impl Removal {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Deletes a rule: `index` is its place in the chain, counted from 0, by which an error is
    /// reported.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], in practice never.
    pub fn rule(
        &mut self,
        family: Family,
        table: &str,
        chain: &str,
        (index, handle): (usize, u64),
    ) -> Result<(), EncodeError> {
        self.builder
            .message(NFT_MSG_DELRULE, 0, family.nfproto(), index, |e| {
                e.text(NFTA_RULE_TABLE, table)?;
                e.text(NFTA_RULE_CHAIN, chain)?;
                e.u64(NFTA_RULE_HANDLE, handle)
            })
    }

    /// Deletes a chain, which has no rules by then and to which none leads.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], in practice never.
    pub fn chain(&mut self, family: Family, table: &str, chain: &str) -> Result<(), EncodeError> {
        self.builder
            .message(NFT_MSG_DELCHAIN, 0, family.nfproto(), 0, |e| {
                e.text(NFTA_CHAIN_TABLE, table)?;
                e.text(NFTA_CHAIN_NAME, chain)
            })
    }

    /// Deletes a table with all that is in it.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], in practice never.
    pub fn table(&mut self, family: Family, table: &str) -> Result<(), EncodeError> {
        self.builder
            .message(NFT_MSG_DELTABLE, 0, family.nfproto(), 0, |e| {
                e.text(NFTA_TABLE_NAME, table)
            })
    }

    /// Sets the policy of a base chain to accept.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], in practice never.
    pub fn accept(&mut self, family: Family, table: &str, chain: &str) -> Result<(), EncodeError> {
        self.builder
            .message(NFT_MSG_NEWCHAIN, 0, family.nfproto(), 0, |e| {
                e.text(NFTA_CHAIN_TABLE, table)?;
                e.text(NFTA_CHAIN_NAME, chain)?;
                e.i32(NFTA_CHAIN_POLICY, NF_ACCEPT)
            })
    }

    /// The transaction.
    pub fn build(self) -> Batch {
        self.builder.build()
    }
}
