//! Chains.

use std::borrow::Cow;

use dockfw_ir::chain::{BaseChain, Chain, Policy};
use dockfw_ir::name::ChainName;

use super::attribute::{Result, because, comment, number, text};
use super::same::{self, CHAIN};
use crate::chain::{HOOKS, KINDS, hook, kind, put};
use crate::sys::nf_tables::{
    NF_ACCEPT, NF_DROP, NFTA_CHAIN_HOOK, NFTA_CHAIN_NAME, NFTA_CHAIN_POLICY, NFTA_CHAIN_TYPE,
    NFTA_CHAIN_USERDATA, NFTA_HOOK_HOOKNUM, NFTA_HOOK_PRIORITY, udata,
};
use crate::wire::{Attributes, Encoder};

/// A chain without its rules.
pub(super) fn read(attributes: Attributes<'_>, table: &str) -> Result<Chain> {
    let name = ChainName::new(text(attributes, NFTA_CHAIN_NAME)?);
    let user = attributes.get(NFTA_CHAIN_USERDATA).map(|user| user.payload);
    let chain = Chain {
        name: name.map_err(|error| error.to_string())?,
        base: base(attributes)?,
        rules: Vec::new(),
        comment: comment(user, udata::COMMENT)?,
    };
    let mut encoder = Encoder::default();
    put(&mut encoder, table, &chain).map_err(|error| error.to_string())?;
    same::attributes(&CHAIN, Attributes::new(encoder.as_bytes()), attributes)?;
    Ok(chain)
}

fn base(attributes: Attributes<'_>) -> Result<Option<BaseChain>> {
    let Some(nest) = attributes.get(NFTA_CHAIN_HOOK) else {
        return Ok(None);
    };
    let (nest, word) = (nest.attributes(), text(attributes, NFTA_CHAIN_TYPE)?);
    let hook_number = number(nest, NFTA_HOOK_HOOKNUM)?;
    let known = HOOKS.into_iter().find(|one| hook(*one) == hook_number);
    let priority = nest
        .get(NFTA_HOOK_PRIORITY)
        .and_then(|priority| priority.i32());
    let policy = attributes
        .get(NFTA_CHAIN_POLICY)
        .and_then(|policy| policy.i32());
    Ok(Some(BaseChain {
        kind: KINDS
            .into_iter()
            .find(|one| kind(*one) == word)
            .ok_or_else(|| format!("the chain type {word}"))?,
        hook: known.ok_or_else(|| format!("the hook {hook_number}"))?,
        priority: priority.ok_or(Cow::Borrowed("a base chain without a priority"))?,
        policy: match policy {
            Some(NF_ACCEPT) => Policy::Accept,
            Some(NF_DROP) => Policy::Drop,
            Some(_) | None => return because("a base chain without a policy that is known"),
        },
    }))
}
