//! `reject`.

use std::borrow::Cow;

use dockfw_ir::statement::Reject;
use dockfw_ir::statement::reject::Icmpx;

use crate::expr::known::Known;
use crate::read::attribute::{Result, because, byte, number};
use crate::statement::reject::icmpx;
use crate::sys::nf_tables::{
    NFPROTO_IPV4, NFPROTO_IPV6, NFT_REJECT_ICMP_UNREACH, NFT_REJECT_ICMPX_UNREACH,
    NFT_REJECT_TCP_RST, NFTA_REJECT_ICMP_CODE, NFTA_REJECT_TYPE,
};
use crate::wire::Attributes;

const REASONS: [Icmpx; 4] = [
    Icmpx::NoRoute,
    Icmpx::PortUnreachable,
    Icmpx::HostUnreachable,
    Icmpx::AdminProhibited,
];

/// An ICMP code is one of the family that the packet is known to be of.
pub(super) fn read(data: Attributes<'_>, known: Known) -> Result<Reject> {
    let code = byte(data, NFTA_REJECT_ICMP_CODE)?.unwrap_or(0);
    match number(data, NFTA_REJECT_TYPE)? {
        NFT_REJECT_TCP_RST => Ok(Reject::TcpReset),
        NFT_REJECT_ICMP_UNREACH => match known.nfproto() {
            Some(NFPROTO_IPV4) => Ok(Reject::Icmp(code)),
            Some(NFPROTO_IPV6) => Ok(Reject::Icmpv6(code)),
            Some(_) | None => because("a rejection by an ICMP message of either family"),
        },
        NFT_REJECT_ICMPX_UNREACH => REASONS
            .into_iter()
            .find(|reason| icmpx(*reason) == code)
            .map(Reject::Icmpx)
            .ok_or(Cow::Borrowed("a rejection for a reason that is not known")),
        _ => because("another way of rejecting"),
    }
}
