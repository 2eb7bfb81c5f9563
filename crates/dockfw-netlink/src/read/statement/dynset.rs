//! `add @SET { … }`: elements that packets make.

use dockfw_ir::name::SetName;
use dockfw_ir::statement::{Dynset, DynsetOperation, DynsetStatement, Statement};

use super::{limit, quota};
use crate::read::attribute::{Result, because, lifetime, number, text};
use crate::read::expr::value_of;
use crate::read::rule::RuleReader;
use crate::sys::nf_tables::{
    NFT_DYNSET_OP_ADD, NFT_DYNSET_OP_DELETE, NFT_DYNSET_OP_UPDATE, NFTA_DYNSET_EXPR,
    NFTA_DYNSET_OP, NFTA_DYNSET_SET_NAME, NFTA_DYNSET_TIMEOUT, NFTA_EXPR_DATA, NFTA_EXPR_NAME,
};
use crate::wire::Attributes;

impl<'r> RuleReader<'r> {
    pub(super) fn dynset(&mut self, data: Attributes<'r>) -> Result<Statement> {
        let loaded = self.take();
        let set = SetName::new(text(data, NFTA_DYNSET_SET_NAME)?);
        let statement = match data.get(NFTA_DYNSET_EXPR) {
            None => None,
            Some(nest) => Some(kept(nest.attributes())?),
        };
        Ok(Statement::Dynset(Box::new(Dynset {
            operation: match number(data, NFTA_DYNSET_OP)? {
                NFT_DYNSET_OP_ADD => DynsetOperation::Add,
                NFT_DYNSET_OP_UPDATE => DynsetOperation::Update,
                NFT_DYNSET_OP_DELETE => DynsetOperation::Delete,
                _ => return because("another change of a set"),
            },
            set: set.map_err(|error| error.to_string())?,
            key: self.key(&loaded)?,
            mask: match loaded.mask {
                None => None,
                Some((mask, _)) => Some(value_of(mask)?),
            },
            timeout: lifetime(data, NFTA_DYNSET_TIMEOUT)?.filter(|timeout| !timeout.is_zero()),
            statement,
        })))
    }
}

fn kept(expression: Attributes<'_>) -> Result<DynsetStatement> {
    let data = expression.get(NFTA_EXPR_DATA).map(|data| data.attributes());
    let data = data.unwrap_or_default();
    match text(expression, NFTA_EXPR_NAME)? {
        "counter" => Ok(DynsetStatement::Counter),
        "limit" => limit::read(data).map(DynsetStatement::Limit),
        "quota" => quota::quota(data).map(DynsetStatement::Quota),
        "connlimit" => quota::ct_count(data).map(DynsetStatement::CtCount),
        other => Err(format!("elements that keep {other}").into()),
    }
}
