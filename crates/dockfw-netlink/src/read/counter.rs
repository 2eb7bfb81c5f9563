//! What elements of sets have counted.

use std::collections::BTreeMap;

use dockfw_ir::Value;
use dockfw_ir::name::{SetName, TableName};
use dockfw_ir::table::Family;

use super::{Counter, element};
use crate::commit::Executor;
use crate::dump::QueryError;
use crate::dump::request::Request;
use crate::sys::nf_tables::{
    NFT_MSG_GETSETELEM, NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_SET_ELEM_LIST_SET,
    NFTA_SET_ELEM_LIST_TABLE,
};
use crate::wire::DUMP;

/// What elements have counted, by set and key; of a range, by its first key.
pub type Counters = BTreeMap<SetName, BTreeMap<Value, Counter>>;

impl Executor {
    /// What the elements of these sets of a table have counted.
    ///
    /// Sets that do not exist are left out, and so are elements without a counter. All of it is of
    /// one generation, but not of one moment: packets go on counting meanwhile.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn counters(
        &mut self,
        family: Family,
        table: &TableName,
        sets: &[SetName],
    ) -> Result<Counters, QueryError> {
        let Some(inside) = self.inside(family, table)? else {
            return Ok(Counters::new());
        };
        let is_there = |set: &&SetName| inside.sets.iter().any(|of| of.name == set.as_str());
        let sets: Vec<&SetName> = sets.iter().filter(is_there).collect();
        let read = self.consistent(|executor, expected| {
            let mut counters = Counters::new();
            for set in &sets {
                let of_set = counters.entry((*set).clone()).or_default();
                let request = Request {
                    kind: NFT_MSG_GETSETELEM,
                    flags: DUMP,
                    family: family.nfproto(),
                    body: &|e| {
                        e.text(NFTA_SET_ELEM_LIST_TABLE, table.as_str())?;
                        e.text(NFTA_SET_ELEM_LIST_SET, set.as_str())
                    },
                };
                executor.dump(&request, expected, |_, attributes| {
                    let list = attributes.get(NFTA_SET_ELEM_LIST_ELEMENTS);
                    let elements = list.into_iter().flat_map(|list| list.attributes());
                    of_set.extend(elements.filter_map(|of| element::counted(of.attributes())));
                })?;
            }
            Ok(counters)
        });
        Ok(read?.1)
    }
}
