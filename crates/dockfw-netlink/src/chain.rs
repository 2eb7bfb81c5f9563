//! Chains.

use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy};

use crate::sys::nf_tables::{
    NF_ACCEPT, NF_DROP, NFTA_CHAIN_HOOK, NFTA_CHAIN_NAME, NFTA_CHAIN_POLICY, NFTA_CHAIN_TABLE,
    NFTA_CHAIN_TYPE, NFTA_CHAIN_USERDATA, NFTA_HOOK_HOOKNUM, NFTA_HOOK_PRIORITY,
};
use crate::userdata::UserData;
use crate::wire::{EncodeError, Encoder};

/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_chain_attributes` (v6.12).
pub(crate) fn put(encoder: &mut Encoder, table: &str, chain: &Chain) -> Result<(), EncodeError> {
    encoder.text(NFTA_CHAIN_TABLE, table)?;
    encoder.text(NFTA_CHAIN_NAME, chain.name.as_str())?;
    if let Some(base) = chain.base {
        put_base(encoder, base)?;
    }
    match &chain.comment {
        Some(comment) => UserData::comment(comment)?.put(encoder, NFTA_CHAIN_USERDATA),
        None => Ok(()),
    }
}

/// The number of a hook.
///
/// Source: uapi `linux/netfilter.h`, `enum nf_inet_hooks` (v6.12).
pub(crate) const fn hook(hook: Hook) -> u32 {
    match hook {
        Hook::Prerouting => 0,
        Hook::Input => 1,
        Hook::Forward => 2,
        Hook::Output => 3,
        Hook::Postrouting => 4,
    }
}

/// The word for a chain type.
pub(crate) const fn kind(kind: ChainKind) -> &'static str {
    match kind {
        ChainKind::Filter => "filter",
        ChainKind::Nat => "nat",
        ChainKind::Route => "route",
    }
}

/// Every hook.
pub(crate) const HOOKS: [Hook; 5] = [
    Hook::Prerouting,
    Hook::Input,
    Hook::Forward,
    Hook::Output,
    Hook::Postrouting,
];

/// Every type.
pub(crate) const KINDS: [ChainKind; 3] = [ChainKind::Filter, ChainKind::Nat, ChainKind::Route];

fn put_base(encoder: &mut Encoder, base: BaseChain) -> Result<(), EncodeError> {
    encoder.nest(NFTA_CHAIN_HOOK, |e| {
        e.u32(NFTA_HOOK_HOOKNUM, hook(base.hook))?;
        e.i32(NFTA_HOOK_PRIORITY, base.priority)
    })?;
    let policy = match base.policy {
        Policy::Accept => NF_ACCEPT,
        Policy::Drop => NF_DROP,
    };
    encoder.i32(NFTA_CHAIN_POLICY, policy)?;
    encoder.text(NFTA_CHAIN_TYPE, kind(base.kind))
}
