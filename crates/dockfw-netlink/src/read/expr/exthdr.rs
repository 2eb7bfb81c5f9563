//! `exthdr`: TCP options and IPv6 extension headers.

use std::borrow::Cow;

use dockfw_ir::expr::exthdr::{Ipv6Field, Ipv6Header};
use dockfw_ir::expr::{Expr, Exthdr};

use super::Content;
use crate::expr::exthdr::MAXSEG;
use crate::read::attribute::{Result, because, byte, in_register, number, optional};
use crate::read::rule::RuleReader;
use crate::sys::nf_tables::{
    NFT_EXTHDR_F_PRESENT, NFT_EXTHDR_OP_IPV6, NFT_EXTHDR_OP_TCPOPT, NFTA_EXTHDR_DREG,
    NFTA_EXTHDR_FLAGS, NFTA_EXTHDR_LEN, NFTA_EXTHDR_OFFSET, NFTA_EXTHDR_OP, NFTA_EXTHDR_TYPE,
};
use crate::wire::Attributes;

const HEADERS: [Ipv6Header; 5] = [
    Ipv6Header::HopByHop,
    Ipv6Header::Routing,
    Ipv6Header::Fragment,
    Ipv6Header::Destination,
    Ipv6Header::Mobility,
];

const FIELDS: [Ipv6Field; 6] = [
    Ipv6Field::HopByHopLength,
    Ipv6Field::DestinationLength,
    Ipv6Field::RoutingLength,
    Ipv6Field::RoutingType,
    Ipv6Field::RoutingSegments,
    Ipv6Field::FragmentId,
];

impl<'r> RuleReader<'r> {
    pub(super) fn load_exthdr(&mut self, data: Attributes<'r>) -> Result {
        let kind = byte(data, NFTA_EXTHDR_TYPE)?;
        let kind = kind.ok_or(Cow::Borrowed("a header without a number"))?;
        let operation = optional(data, NFTA_EXTHDR_OP)?.unwrap_or(NFT_EXTHDR_OP_IPV6);
        let flags = optional(data, NFTA_EXTHDR_FLAGS)?.unwrap_or(0);
        let header = HEADERS.into_iter().find(|one| one.number() == kind);
        let exthdr = match (operation, flags, header) {
            (NFT_EXTHDR_OP_TCPOPT, NFT_EXTHDR_F_PRESENT, _) => Exthdr::TcpOption(kind),
            (NFT_EXTHDR_OP_TCPOPT, 0, _) if kind == MAXSEG => Exthdr::TcpMaxseg,
            (NFT_EXTHDR_OP_IPV6, NFT_EXTHDR_F_PRESENT, Some(header)) => Exthdr::Ipv6(header),
            (NFT_EXTHDR_OP_IPV6, 0, Some(header)) => {
                let place = (
                    number(data, NFTA_EXTHDR_OFFSET)?,
                    number(data, NFTA_EXTHDR_LEN)?,
                );
                let field = FIELDS.into_iter().find(|one| {
                    one.header() == header && (one.offset().into(), one.len().into()) == place
                });
                Exthdr::Ipv6Field(field.ok_or(Cow::Borrowed("a part of an extension header"))?)
            }
            (_, _, _) => return because("a part of an option or extension header"),
        };
        let register = in_register(data, NFTA_EXTHDR_DREG)?;
        self.put(register, Content::Expr(Expr::Exthdr(exthdr)))
    }
}
