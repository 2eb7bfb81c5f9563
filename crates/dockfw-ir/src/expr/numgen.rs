//! `numgen`: a number that is made, not read.

use crate::value::DataType;

/// `numgen inc|random mod M [offset O]`: a number from `offset` to `offset + modulus - 1`.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_ng_attributes`, `enum nft_ng_types`
/// (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numgen {
    /// How the next number is found.
    pub mode: NumgenMode,
    /// How many numbers there are; not 0.
    pub modulus: u32,
    /// The smallest one; the largest fits 32 bits (`EOVERFLOW`).
    pub offset: u32,
}

/// How `numgen` finds its next number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumgenMode {
    /// `inc`: one after the other, over all packets that come to the rule.
    Increment,
    /// `random`.
    Random,
}

impl Numgen {
    /// The type of what it loads: 4 bytes, host byte order.
    pub const fn data_type(self) -> DataType {
        DataType::HostInteger(4)
    }
}
