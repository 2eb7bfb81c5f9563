//! Rules.

use dockfw_ir::chain::Rule;
use dockfw_ir::table::Table;

use crate::expr::RuleEncoder;
use crate::sys::nf_tables::{
    NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS, NFTA_RULE_TABLE, NFTA_RULE_USERDATA,
};
use crate::userdata::UserData;
use crate::wire::{EncodeError, Encoder};

/// `anonymous` is the number of the first anonymous set of the rule.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_rule_attributes` (v6.12).
pub(crate) fn put(
    encoder: &mut Encoder,
    table: &Table,
    chain: &str,
    rule: &Rule,
    anonymous: u32,
) -> Result<(), EncodeError> {
    encoder.text(NFTA_RULE_TABLE, table.name.as_str())?;
    encoder.text(NFTA_RULE_CHAIN, chain)?;
    encoder.nest(NFTA_RULE_EXPRESSIONS, |e| {
        let mut rule_encoder = RuleEncoder::new(e, table, anonymous);
        rule.statements
            .iter()
            .try_for_each(|statement| rule_encoder.statement(statement))
    })?;
    match &rule.comment {
        Some(comment) => UserData::comment(comment)?.put(encoder, NFTA_RULE_USERDATA),
        None => Ok(()),
    }
}
