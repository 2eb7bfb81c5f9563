//! Verdicts.

use dockfw_ir::name::ChainName;
use dockfw_ir::statement::Verdict;

use crate::read::attribute::{Result, because, text};
use crate::sys::nf_tables::{
    NF_ACCEPT, NF_DROP, NFT_CONTINUE, NFT_GOTO, NFT_JUMP, NFT_RETURN, NFTA_VERDICT_CHAIN,
    NFTA_VERDICT_CODE,
};
use crate::wire::Attributes;

/// The verdict of an expression or element, without the nests around it.
pub(in crate::read) fn read(verdict: Attributes<'_>) -> Result<Verdict> {
    let chain = || {
        let name = ChainName::new(text(verdict, NFTA_VERDICT_CHAIN)?);
        name.map_err(|error| error.to_string().into())
    };
    match verdict.get(NFTA_VERDICT_CODE).and_then(|code| code.i32()) {
        Some(NF_ACCEPT) => Ok(Verdict::Accept),
        Some(NF_DROP) => Ok(Verdict::Drop),
        Some(NFT_CONTINUE) => Ok(Verdict::Continue),
        Some(NFT_RETURN) => Ok(Verdict::Return),
        Some(NFT_JUMP) => chain().map(Verdict::Jump),
        Some(NFT_GOTO) => chain().map(Verdict::Goto),
        Some(_) | None => because("a verdict that is not known"),
    }
}
