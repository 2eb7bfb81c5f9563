//! Netlink messages as bytes: an encoder over one buffer and a decoder that borrows.
//!
//! Source: uapi `linux/netlink.h`, `linux/netfilter/nfnetlink.h` (v6.12).

pub mod decode;
pub mod encode;

pub use decode::{Attribute, Attributes, Message, Messages, Reply};
pub use encode::{EncodeError, Encoder, Header};

/// `sizeof(struct nlmsghdr)`.
pub(crate) const MESSAGE_HEADER: usize = 16;
/// `sizeof(struct nfgenmsg)`.
pub(crate) const FAMILY_HEADER: usize = 4;
/// `sizeof(struct nlattr)`.
pub(crate) const ATTRIBUTE_HEADER: usize = 4;

/// `NLM_F_REQUEST`
pub const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`
pub const ACK: u16 = 0x4;
/// `NLM_F_DUMP_INTR`: the dump mixes two generations.
pub const DUMP_INTERRUPTED: u16 = 0x10;
/// `NLM_F_DUMP`
pub const DUMP: u16 = 0x300;
/// `NLM_F_REPLACE`
pub const REPLACE: u16 = 0x100;
/// `NLM_F_EXCL`
pub const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_CREATE`
pub const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`
pub const APPEND: u16 = 0x800;
/// `NLA_F_NESTED`
pub(crate) const NESTED: u16 = 0x8000;

/// The type of an nf_tables message: `NFNL_SUBSYS_NFTABLES << 8 | kind`.
pub const fn nf_tables(kind: u16) -> u16 {
    crate::sys::nf_tables::NFNL_SUBSYS_NFTABLES << 8 | kind
}

#[cfg(test)]
mod tests;
