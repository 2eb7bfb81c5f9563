//! `queue`, `dup` and `tproxy`.

use std::borrow::Cow;
use std::net::IpAddr;

use dockfw_ir::statement::nat::NatFamily;
use dockfw_ir::statement::{Queue, Statement, Tproxy};
use dockfw_ir::table::Family;

use crate::read::attribute::{Result, because, in_register, maybe_register, number, short};
use crate::read::rule::RuleReader;
use crate::sys::nf_tables::{
    NFT_QUEUE_FLAG_BYPASS, NFT_QUEUE_FLAG_CPU_FANOUT, NFTA_DUP_SREG_ADDR, NFTA_QUEUE_FLAGS,
    NFTA_QUEUE_NUM, NFTA_QUEUE_TOTAL, NFTA_TPROXY_FAMILY, NFTA_TPROXY_REG_ADDR,
    NFTA_TPROXY_REG_PORT,
};
use crate::wire::Attributes;

pub(super) fn queue(data: Attributes<'_>) -> Result<Queue> {
    let first = short(data, NFTA_QUEUE_NUM)?.ok_or(Cow::Borrowed("a queue without a number"))?;
    let total = short(data, NFTA_QUEUE_TOTAL)?.unwrap_or(1);
    let last = total
        .checked_sub(1)
        .and_then(|more| first.checked_add(more))
        .ok_or(Cow::Borrowed("a range of queues that there is not"))?;
    let flags = short(data, NFTA_QUEUE_FLAGS)?.unwrap_or(0);
    Ok(Queue {
        queues: (first, last),
        bypass: flags & NFT_QUEUE_FLAG_BYPASS != 0,
        fanout: flags & NFT_QUEUE_FLAG_CPU_FANOUT != 0,
    })
}

fn address(bytes: &[u8]) -> Result<IpAddr> {
    if let Ok(address) = <[u8; 4]>::try_from(bytes) {
        Ok(address.into())
    } else if let Ok(address) = <[u8; 16]>::try_from(bytes) {
        Ok(address.into())
    } else {
        because("an address of another length")
    }
}

impl<'r> RuleReader<'r> {
    pub(super) fn dup(&mut self, data: Attributes<'r>) -> Result<Statement> {
        let loaded = self.take();
        let register = in_register(data, NFTA_DUP_SREG_ADDR)?;
        address(loaded.constant_in(register)?).map(Statement::Dup)
    }

    /// A table of one family is for that family, so it is only said with an address.
    pub(super) fn tproxy(&mut self, data: Attributes<'r>) -> Result<Statement> {
        let loaded = self.take();
        let address = match maybe_register(data, NFTA_TPROXY_REG_ADDR)? {
            None => None,
            Some(register) => Some(address(loaded.constant_in(register)?)?),
        };
        let port = match maybe_register(data, NFTA_TPROXY_REG_PORT)? {
            None => None,
            Some(register) => {
                let port = <[u8; 2]>::try_from(loaded.constant_in(register)?).ok();
                Some(u16::from_be_bytes(
                    port.ok_or(Cow::Borrowed("a port of another length"))?,
                ))
            }
        };
        let family = number(data, NFTA_TPROXY_FAMILY)?;
        let family = [NatFamily::Ipv4, NatFamily::Ipv6]
            .into_iter()
            .find(|one| u32::from(one.nfproto()) == family);
        let says = self.table.family == Family::Inet || address.is_some();
        Ok(Statement::Tproxy(Tproxy {
            family: family.filter(|_| says),
            address,
            port,
        }))
    }
}
