//! Statements, as the expressions the kernel evaluates one after the other.

mod compare;
mod limit;
mod log;
mod nat;
mod reject;
pub(crate) mod verdict;

use dockfw_ir::statement::{MarkTarget, SetMark, Statement};

use crate::expr::{Register, RuleEncoder};
use crate::sys::nf_tables::{
    NFT_CT_MARK, NFT_META_MARK, NFTA_CT_DREG, NFTA_CT_KEY, NFTA_CT_SREG, NFTA_META_DREG,
    NFTA_META_KEY, NFTA_META_SREG,
};
use crate::wire::EncodeError;

type Result<T = ()> = std::result::Result<T, EncodeError>;

impl RuleEncoder<'_, '_> {
    /// Writes the expressions of one statement.
    pub(crate) fn statement(&mut self, statement: &Statement) -> Result {
        match statement {
            Statement::Match(test) => self.compare(test)?,
            Statement::VerdictMap(map) => {
                self.load_key(&map.key)?;
                self.lookup(&map.map, Some(Register::VERDICT), false)?;
            }
            Statement::Verdict(verdict) => self.verdict(verdict)?,
            Statement::Counter => self.bare_expression("counter")?,
            Statement::Limit(limit) => self.limit(*limit)?,
            Statement::Log(log) => self.log(log)?,
            Statement::Reject(reject) => self.reject(*reject)?,
            Statement::Notrack => self.bare_expression("notrack")?,
            Statement::SetMark(mark) => self.set_mark(mark)?,
            Statement::Nat(nat) => self.nat(nat)?,
            Statement::Masquerade(masquerade) => self.masquerade(*masquerade)?,
            Statement::Redirect { ports } => self.redirect(*ports)?,
        }
        self.learn(statement);
        Ok(())
    }

    fn set_mark(&mut self, mark: &SetMark) -> Result {
        let (name, key, dreg, sreg, number) = match mark.target {
            MarkTarget::Packet => (
                "meta",
                NFTA_META_KEY,
                NFTA_META_DREG,
                NFTA_META_SREG,
                NFT_META_MARK,
            ),
            MarkTarget::Conntrack => ("ct", NFTA_CT_KEY, NFTA_CT_DREG, NFTA_CT_SREG, NFT_CT_MARK),
        };
        if mark.keep == 0 {
            self.immediate(Register::FIRST, &mark.value.to_ne_bytes())?;
        } else {
            self.expression(name, |e| {
                e.u32(dreg, Register::FIRST.number())?;
                e.u32(key, number)
            })?;
            self.bitwise(&mark.keep.to_ne_bytes(), &mark.value.to_ne_bytes())?;
        }
        self.expression(name, |e| {
            e.u32(key, number)?;
            e.u32(sreg, Register::FIRST.number())
        })
    }
}
