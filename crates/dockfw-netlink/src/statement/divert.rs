//! `queue`, `dup` and `tproxy`: where else a packet goes.

use std::net::IpAddr;

use dockfw_ir::statement::{Queue, Tproxy};
use dockfw_ir::table::Family;

use super::Result;
use crate::expr::{Register, RuleEncoder};
use crate::sys::nf_tables::{
    NFT_QUEUE_FLAG_BYPASS, NFT_QUEUE_FLAG_CPU_FANOUT, NFTA_DUP_SREG_ADDR, NFTA_QUEUE_FLAGS,
    NFTA_QUEUE_NUM, NFTA_QUEUE_TOTAL, NFTA_TPROXY_FAMILY, NFTA_TPROXY_REG_ADDR,
    NFTA_TPROXY_REG_PORT,
};
use crate::wire::EncodeError;

impl RuleEncoder<'_, '_> {
    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_queue_attributes` (v6.12).
    pub(super) fn queue(&mut self, queue: Queue) -> Result {
        let (first, last) = queue.queues;
        let total = last
            .checked_sub(first)
            .and_then(|more| more.checked_add(1))
            .ok_or(EncodeError::Form {
                what: "this range of queues",
            })?;
        let mut flags = 0;
        if queue.bypass {
            flags |= NFT_QUEUE_FLAG_BYPASS;
        }
        if queue.fanout {
            flags |= NFT_QUEUE_FLAG_CPU_FANOUT;
        }
        self.expression("queue", |e| {
            e.u16(NFTA_QUEUE_NUM, first)?;
            e.u16(NFTA_QUEUE_TOTAL, total)?;
            if flags == 0 {
                return Ok(());
            }
            e.u16(NFTA_QUEUE_FLAGS, flags)
        })
    }

    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_dup_attributes` (v6.12).
    pub(super) fn dup(&mut self, to: IpAddr) -> Result {
        self.address(Register::FIRST, to)?;
        self.expression("dup", |e| {
            e.u32(NFTA_DUP_SREG_ADDR, Register::FIRST.number())
        })
    }

    /// Puts an address into a register and returns the next one.
    fn address(&mut self, to: Register, address: IpAddr) -> Result<Register> {
        match address {
            IpAddr::V4(address) => {
                self.immediate(to, &address.octets())?;
                to.after(4)
            }
            IpAddr::V6(address) => {
                self.immediate(to, &address.octets())?;
                to.after(16)
            }
        }
    }

    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_tproxy_attributes` (v6.12).
    pub(super) fn tproxy(&mut self, tproxy: &Tproxy) -> Result {
        let family = match (tproxy.family, self.table.family) {
            (Some(family), _) => family.nfproto(),
            // `NFPROTO_UNSPEC`: both.
            (None, Family::Inet) => 0,
            (None, family @ (Family::Ip | Family::Ip6)) => family.nfproto(),
        };
        let mut next = Register::FIRST;
        let address = tproxy.address.map(|address| (next, address));
        if let Some((to, address)) = address {
            next = self.address(to, address)?;
        }
        if let Some(port) = tproxy.port {
            self.immediate(next, &port.to_be_bytes())?;
        }
        self.expression("tproxy", |e| {
            e.u32(NFTA_TPROXY_FAMILY, family.into())?;
            if let Some((register, _)) = address {
                e.u32(NFTA_TPROXY_REG_ADDR, register.number())?;
            }
            if tproxy.port.is_some() {
                e.u32(NFTA_TPROXY_REG_PORT, next.number())?;
            }
            Ok(())
        })
    }
}
