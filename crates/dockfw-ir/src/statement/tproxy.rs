//! `tproxy`.

use std::net::IpAddr;

use super::nat::NatFamily;

/// Gives the packet to a transparent local socket without rewriting it. Only at prerouting, after
/// a match of TCP or UDP.
///
/// The rule goes on when there is a socket and does not match otherwise; a mark and policy routing
/// must lead the packet to the host.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_tproxy_attributes` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tproxy {
    /// Packets of this family; `None` is any that the table sees, without an address.
    pub family: Option<NatFamily>,
    /// The address of the socket; `None` is that of the input interface.
    pub address: Option<IpAddr>,
    /// The port of the socket; `None` is the destination port. One of both is there.
    pub port: Option<u16>,
}
