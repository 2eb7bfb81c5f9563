//! `fib`: a look into the routing table.

use crate::value::DataType;

/// A route lookup with an address of the packet.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_fib_result`, `enum nft_fib_flags` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fib {
    /// Which address is looked up.
    pub address: FibAddress,
    /// Restricts the lookup to the input interface (`. iif`).
    pub iif: bool,
    /// Restricts the lookup to the output interface (`. oif`).
    pub oif: bool,
    /// Looks up with the packet's mark (`. mark`), where policy routing depends on it.
    pub mark: bool,
    /// What is returned.
    pub result: FibResult,
}

/// The address of a [`Fib`] lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FibAddress {
    /// `fib saddr`.
    Saddr,
    /// `fib daddr`.
    Daddr,
}

/// The result of a [`Fib`] lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FibResult {
    /// `type`: the address type, see [`addrtype`].
    Type,
    /// `oifname`: the interface of the route.
    Oifname,
    /// `oif exists` or `missing`: 1 when there is a route, else 0 (`NFTA_FIB_F_PRESENT`). With
    /// `iif`, a route by the input interface: reverse path filtering.
    Exists,
}

impl Fib {
    /// `fib daddr type`.
    pub const fn daddr_type() -> Self {
        Self {
            address: FibAddress::Daddr,
            iif: false,
            oif: false,
            mark: false,
            result: FibResult::Type,
        }
    }

    /// `fib saddr type`.
    pub const fn saddr_type() -> Self {
        Self {
            address: FibAddress::Saddr,
            iif: false,
            oif: false,
            mark: false,
            result: FibResult::Type,
        }
    }

    /// The type of what it loads.
    pub const fn data_type(self) -> DataType {
        match self.result {
            FibResult::Type => DataType::FibAddrtype,
            FibResult::Oifname => DataType::IfName,
            FibResult::Exists => DataType::Boolean,
        }
    }
}

/// Address types.
///
/// Source: uapi `linux/rtnetlink.h`, `RTN_*` (v6.12).
pub mod addrtype {
    /// `unspec`.
    pub const UNSPEC: u32 = 0;
    /// `unicast`.
    pub const UNICAST: u32 = 1;
    /// `local`: an address of the host.
    pub const LOCAL: u32 = 2;
    /// `broadcast`.
    pub const BROADCAST: u32 = 3;
    /// `anycast`.
    pub const ANYCAST: u32 = 4;
    /// `multicast`.
    pub const MULTICAST: u32 = 5;
    /// `blackhole`.
    pub const BLACKHOLE: u32 = 6;
    /// `unreachable`.
    pub const UNREACHABLE: u32 = 7;
    /// `prohibit`.
    pub const PROHIBIT: u32 = 8;
}
