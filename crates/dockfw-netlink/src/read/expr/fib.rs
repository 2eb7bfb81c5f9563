//! `fib`: a look into the routing table.

use dockfw_ir::expr::fib::{FibAddress, FibResult};
use dockfw_ir::expr::{Expr, Fib};

use super::Content;
use crate::read::attribute::{Result, because, in_register, number};
use crate::read::rule::RuleReader;
use crate::sys::nf_tables::{
    NFT_FIB_RESULT_ADDRTYPE, NFT_FIB_RESULT_OIF, NFT_FIB_RESULT_OIFNAME, NFTA_FIB_DREG,
    NFTA_FIB_F_DADDR, NFTA_FIB_F_IIF, NFTA_FIB_F_MARK, NFTA_FIB_F_OIF, NFTA_FIB_F_PRESENT,
    NFTA_FIB_FLAGS, NFTA_FIB_RESULT,
};
use crate::wire::Attributes;

impl<'r> RuleReader<'r> {
    pub(super) fn load_fib(&mut self, data: Attributes<'r>) -> Result {
        let flags = number(data, NFTA_FIB_FLAGS)?;
        let has = |flag: u32| flags & flag != 0;
        let fib = Fib {
            address: if has(NFTA_FIB_F_DADDR) {
                FibAddress::Daddr
            } else {
                FibAddress::Saddr
            },
            iif: has(NFTA_FIB_F_IIF),
            oif: has(NFTA_FIB_F_OIF),
            mark: has(NFTA_FIB_F_MARK),
            result: match number(data, NFTA_FIB_RESULT)? {
                NFT_FIB_RESULT_ADDRTYPE => FibResult::Type,
                NFT_FIB_RESULT_OIFNAME => FibResult::Oifname,
                NFT_FIB_RESULT_OIF if has(NFTA_FIB_F_PRESENT) => FibResult::Exists,
                _ => return because("a result of a route lookup"),
            },
        };
        let register = in_register(data, NFTA_FIB_DREG)?;
        self.put(register, Content::Expr(Expr::Fib(fib)))
    }
}
