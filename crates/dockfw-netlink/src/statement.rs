//! Statements, as the expressions the kernel evaluates one after the other.

pub(crate) mod compare;
mod divert;
mod dynset;
mod limit;
mod log;
pub(crate) mod mangle;
mod nat;
mod quota;
pub(crate) mod reject;
pub(crate) mod verdict;

use dockfw_ir::statement::Statement;

use crate::expr::{Register, RuleEncoder};
use crate::wire::EncodeError;

type Result<T = ()> = std::result::Result<T, EncodeError>;

impl RuleEncoder<'_, '_> {
    /// Writes the expressions of one statement.
    pub(crate) fn statement(&mut self, statement: &Statement) -> Result {
        match statement {
            Statement::Match(test) => self.compare(test)?,
            Statement::VerdictMap(map) => {
                self.load_key(&map.key)?;
                self.lookup(map.map.as_str(), None, Some(Register::VERDICT), false)?;
            }
            Statement::Verdict(verdict) => self.verdict(verdict)?,
            Statement::Counter => self.bare_expression("counter")?,
            Statement::Limit(limit) => self.expression("limit", |e| limit::put(e, *limit))?,
            Statement::Log(log) => self.log(log)?,
            Statement::Reject(reject) => self.reject(*reject)?,
            Statement::Notrack => self.bare_expression("notrack")?,
            Statement::SetMark(mark) => self.set_mark(mark)?,
            Statement::Mangle(mangle) => self.mangle(mangle)?,
            Statement::Quota(quota) => self.expression("quota", |e| quota::quota(e, *quota))?,
            Statement::CtCount(count) => {
                self.expression("connlimit", |e| quota::ct_count(e, *count))?;
            }
            Statement::Queue(queue) => self.queue(*queue)?,
            Statement::Dup(to) => self.dup(*to)?,
            Statement::Tproxy(tproxy) => self.tproxy(tproxy)?,
            Statement::Dynset(dynset) => self.dynset(dynset)?,
            Statement::Nat(nat) => self.nat(nat)?,
            Statement::Masquerade(masquerade) => self.masquerade(*masquerade)?,
            Statement::Redirect { ports, flags } => self.redirect(*ports, *flags)?,
        }
        self.learn(statement);
        Ok(())
    }
}
