//! `meta`: the packet's metadata.

use dockfw_ir::expr::Expr;

use super::Content;
use crate::expr::meta::{KEYS, key};
use crate::read::attribute::{Result, in_register, number};
use crate::read::rule::RuleReader;
use crate::sys::nf_tables::{NFT_META_IFTYPE, NFTA_META_DREG, NFTA_META_KEY};
use crate::wire::Attributes;

impl<'r> RuleReader<'r> {
    pub(super) fn load_meta(&mut self, data: Attributes<'r>) -> Result {
        let wanted = number(data, NFTA_META_KEY)?;
        let known = KEYS.into_iter().find(|one| key(*one) == wanted);
        let content = match known {
            Some(meta) => Content::Expr(Expr::Meta(meta)),
            None if wanted == NFT_META_IFTYPE => Content::InterfaceType,
            None => return Err(format!("the meta key {wanted}").into()),
        };
        self.put(in_register(data, NFTA_META_DREG)?, content)
    }
}
