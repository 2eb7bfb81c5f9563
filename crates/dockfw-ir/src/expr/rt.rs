//! `rt`: the route that the packet takes.

use crate::value::DataType;

/// An `rt` key.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_rt_keys` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rt {
    /// `rt ipsec`: 1 where a policy of IPsec will transform the packet, else 0 (`NFT_RT_XFRM`). Only
    /// at forward, output and postrouting.
    Ipsec,
}

impl Rt {
    /// The type of what it loads.
    pub const fn data_type(self) -> DataType {
        match self {
            Self::Ipsec => DataType::Boolean,
        }
    }
}
