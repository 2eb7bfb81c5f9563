//! `ct`: the packet's conntrack entry.

use std::borrow::Cow;

use dockfw_ir::expr::ct::{Direction, TupleField};
use dockfw_ir::expr::{Ct, Expr};

use super::Content;
use crate::expr::ct::{COUNTERS, FIELDS, KEYS, direction, key};
use crate::read::attribute::{Result, byte, in_register, number};
use crate::read::rule::RuleReader;
use crate::sys::nf_tables::{NFT_CT_PROTOCOL, NFTA_CT_DIRECTION, NFTA_CT_DREG, NFTA_CT_KEY};
use crate::wire::Attributes;

/// The direction that an expression names.
pub(in crate::read) fn direction_of(data: Attributes<'_>) -> Result<Option<Direction>> {
    let Some(number) = byte(data, NFTA_CT_DIRECTION)? else {
        return Ok(None);
    };
    [Direction::Original, Direction::Reply]
        .into_iter()
        .find(|one| direction(*one) == number)
        .map(Some)
        .ok_or(Cow::Borrowed("a direction of a flow that there is not"))
}

impl<'r> RuleReader<'r> {
    pub(super) fn load_ct(&mut self, data: Attributes<'r>) -> Result {
        let wanted = number(data, NFTA_CT_KEY)?;
        let ct = match direction_of(data)? {
            // The same in both directions, and the kernel does not keep which.
            _ if wanted == NFT_CT_PROTOCOL => {
                Some(Ct::Tuple(Direction::Original, TupleField::Protocol))
            }
            direction => {
                let counters = COUNTERS.map(|of| Ct::Counter(of, direction)).into_iter();
                let fields = direction.map(|of| FIELDS.map(|field| Ct::Tuple(of, field)));
                let keys = direction.is_none().then_some(KEYS);
                let known = fields
                    .into_iter()
                    .flatten()
                    .chain(keys.into_iter().flatten());
                known.chain(counters).find(|one| key(*one) == wanted)
            }
        };
        let ct = ct.ok_or_else(|| format!("the ct key {wanted}"))?;
        let register = in_register(data, NFTA_CT_DREG)?;
        self.put(register, Content::Expr(Expr::Ct(ct)))
    }
}
