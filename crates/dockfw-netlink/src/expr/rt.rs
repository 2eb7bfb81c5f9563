//! `rt`: the route that the packet takes.

use dockfw_ir::expr::Rt;

use super::{Register, Result, RuleEncoder};
use crate::sys::nf_tables::{NFT_RT_XFRM, NFTA_RT_DREG, NFTA_RT_KEY};

impl RuleEncoder<'_, '_> {
    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_rt_attributes` (v6.12).
    pub(super) fn load_rt(&mut self, rt: Rt, to: Register) -> Result {
        let key = match rt {
            Rt::Ipsec => NFT_RT_XFRM,
        };
        self.expression("rt", |e| {
            e.u32(NFTA_RT_DREG, to.number())?;
            e.u32(NFTA_RT_KEY, key)
        })
    }
}
