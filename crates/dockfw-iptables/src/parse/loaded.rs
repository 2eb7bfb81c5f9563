//! What comes of a text.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::error::Span;
use crate::name::{ChainName, NameError};
use crate::program::{Program, TableName};

/// Chains that are there although no line makes them.
///
/// Such a chain appears, empty, in the table that first names it.
#[derive(Debug, Clone, Default)]
pub struct Assume {
    pub(super) chains: BTreeSet<ChainName>,
}

impl Assume {
    /// Adds a chain.
    ///
    /// # Errors
    ///
    /// [`NameError`] when that is no name for a chain.
    pub fn chain(mut self, name: &str) -> Result<Self, NameError> {
        self.chains.insert(ChainName::new(name)?);
        Ok(self)
    }
}

/// A program, and where in the text each of its rules comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The tables after the last line.
    pub program: Program,
    pub(super) origins: Origins,
}

impl Loaded {
    /// The line of a rule; the first rule of a chain is 0.
    pub fn origin(&self, table: TableName, chain: &str, rule: usize) -> Option<Span> {
        self.origins.of(table, chain)?.get(rule).copied()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Origins(pub(super) BTreeMap<TableName, BTreeMap<ChainName, VecDeque<Span>>>);

impl Origins {
    pub(super) fn of(&self, table: TableName, chain: &str) -> Option<&VecDeque<Span>> {
        self.0.get(&table)?.get(chain)
    }

    pub(super) fn of_mut(&mut self, table: TableName, chain: &ChainName) -> &mut VecDeque<Span> {
        let chains = self.0.entry(table).or_default();
        chains.entry(chain.clone()).or_default()
    }
}
