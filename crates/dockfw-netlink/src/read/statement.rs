//! Statements: what ends a run of expressions.

mod compare;
mod divert;
mod dynset;
mod limit;
mod log;
mod mangle;
mod nat;
mod quota;
mod reject;
pub(super) mod verdict;

use dockfw_ir::statement::Statement;

use super::attribute::Result;
use super::rule::RuleReader;
use crate::wire::Attributes;

impl<'r> RuleReader<'r> {
    /// Reads an expression that makes a statement.
    pub(super) fn statement(&mut self, name: &str, data: Attributes<'r>) -> Result {
        let statement = match name {
            "cmp" => return self.cmp(data),
            "range" => self.range(data)?,
            "lookup" => return self.lookup(data),
            "counter" => Statement::Counter,
            "limit" => Statement::Limit(limit::read(data)?),
            "log" => Statement::Log(log::read(data)?),
            "reject" => Statement::Reject(reject::read(data, self.known)?),
            "notrack" => Statement::Notrack,
            "quota" => Statement::Quota(quota::quota(data)?),
            "connlimit" => Statement::CtCount(quota::ct_count(data)?),
            "queue" => Statement::Queue(divert::queue(data)?),
            "dup" => self.dup(data)?,
            "tproxy" => self.tproxy(data)?,
            "dynset" => self.dynset(data)?,
            "nat" => self.nat(data)?,
            "masq" => self.masquerade(data)?,
            "redir" => self.redirect(data)?,
            other => return Err(format!("the expression {other}").into()),
        };
        self.push(statement)
    }
}
