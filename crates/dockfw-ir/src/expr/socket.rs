//! `socket`: the local socket that would get the packet.

use crate::value::DataType;

/// A property of the socket. Without one it ends the rule without a match.
///
/// Only at prerouting, input and output.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_socket_keys` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Socket {
    /// `socket transparent`: 1 when `IP_TRANSPARENT` is set, else 0.
    Transparent,
    /// `socket mark`: `SO_MARK`.
    Mark,
    /// `socket wildcard`: 1 when it is bound to any address, else 0. Since Linux 5.10.
    Wildcard,
}

impl Socket {
    /// The type of what it loads.
    pub const fn data_type(self) -> DataType {
        match self {
            Self::Transparent | Self::Wildcard => DataType::HostInteger(1),
            Self::Mark => DataType::Mark,
        }
    }
}
