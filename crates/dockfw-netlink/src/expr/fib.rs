//! `fib`: a look into the routing table.

use dockfw_ir::expr::Fib;
use dockfw_ir::expr::fib::{FibAddress, FibResult};

use super::{Register, Result, RuleEncoder};
use crate::sys::nf_tables::{
    NFT_FIB_RESULT_ADDRTYPE, NFT_FIB_RESULT_OIF, NFT_FIB_RESULT_OIFNAME, NFTA_FIB_DREG,
    NFTA_FIB_F_DADDR, NFTA_FIB_F_IIF, NFTA_FIB_F_MARK, NFTA_FIB_F_OIF, NFTA_FIB_F_PRESENT,
    NFTA_FIB_F_SADDR, NFTA_FIB_FLAGS, NFTA_FIB_RESULT,
};

impl RuleEncoder<'_, '_> {
    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_fib_attributes` (v6.12).
    pub(super) fn load_fib(&mut self, fib: Fib, to: Register) -> Result {
        let result = match fib.result {
            FibResult::Type => NFT_FIB_RESULT_ADDRTYPE,
            FibResult::Oifname => NFT_FIB_RESULT_OIFNAME,
            FibResult::Exists => NFT_FIB_RESULT_OIF,
        };
        let mut flags = match fib.address {
            FibAddress::Saddr => NFTA_FIB_F_SADDR,
            FibAddress::Daddr => NFTA_FIB_F_DADDR,
        };
        if fib.iif {
            flags |= NFTA_FIB_F_IIF;
        }
        if fib.mark {
            flags |= NFTA_FIB_F_MARK;
        }
        if fib.result == FibResult::Exists {
            flags |= NFTA_FIB_F_PRESENT;
        }
        if fib.oif {
            flags |= NFTA_FIB_F_OIF;
        }
        self.expression("fib", |e| {
            e.u32(NFTA_FIB_DREG, to.number())?;
            e.u32(NFTA_FIB_RESULT, result)?;
            e.u32(NFTA_FIB_FLAGS, flags)
        })
    }
}
