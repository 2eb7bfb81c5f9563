//! `socket`: the local socket that would get the packet.

use dockfw_ir::expr::Expr;

use super::Content;
use crate::expr::socket::{KEYS, key};
use crate::read::attribute::{Result, in_register, number};
use crate::read::rule::RuleReader;
use crate::sys::nf_tables::{NFTA_SOCKET_DREG, NFTA_SOCKET_KEY};
use crate::wire::Attributes;

impl<'r> RuleReader<'r> {
    pub(super) fn load_socket(&mut self, data: Attributes<'r>) -> Result {
        let wanted = number(data, NFTA_SOCKET_KEY)?;
        let known = KEYS.into_iter().find(|one| key(*one) == wanted);
        let socket = known.ok_or_else(|| format!("the socket key {wanted}"))?;
        let register = in_register(data, NFTA_SOCKET_DREG)?;
        self.put(register, Content::Expr(Expr::Socket(socket)))
    }
}
