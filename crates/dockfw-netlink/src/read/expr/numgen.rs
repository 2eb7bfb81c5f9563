//! `numgen`: a number that is made, not read.

use dockfw_ir::expr::numgen::NumgenMode;
use dockfw_ir::expr::{Expr, Numgen};

use super::Content;
use crate::read::attribute::{Result, because, in_register, number, optional};
use crate::read::rule::RuleReader;
use crate::sys::nf_tables::{
    NFT_NG_INCREMENTAL, NFT_NG_RANDOM, NFTA_NG_DREG, NFTA_NG_MODULUS, NFTA_NG_OFFSET, NFTA_NG_TYPE,
};
use crate::wire::Attributes;

impl<'r> RuleReader<'r> {
    pub(super) fn load_numgen(&mut self, data: Attributes<'r>) -> Result {
        let numgen = Numgen {
            mode: match number(data, NFTA_NG_TYPE)? {
                NFT_NG_INCREMENTAL => NumgenMode::Increment,
                NFT_NG_RANDOM => NumgenMode::Random,
                _ => return because("another way of making numbers"),
            },
            modulus: number(data, NFTA_NG_MODULUS)?,
            offset: optional(data, NFTA_NG_OFFSET)?.unwrap_or(0),
        };
        let register = in_register(data, NFTA_NG_DREG)?;
        self.put(register, Content::Expr(Expr::Numgen(numgen)))
    }
}
