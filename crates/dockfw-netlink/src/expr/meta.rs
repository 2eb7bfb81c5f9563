//! `meta`: the packet's metadata.

use dockfw_ir::expr::Meta;

use super::{Register, Result, RuleEncoder};
use crate::sys::nf_tables::{
    NFT_META_CGROUP, NFT_META_IIFNAME, NFT_META_L4PROTO, NFT_META_LEN, NFT_META_MARK,
    NFT_META_NFPROTO, NFT_META_OIFNAME, NFT_META_PKTTYPE, NFT_META_SECPATH, NFT_META_SKGID,
    NFT_META_SKUID, NFT_META_TIME_DAY, NFT_META_TIME_HOUR, NFT_META_TIME_NS, NFTA_META_DREG,
    NFTA_META_KEY,
};

/// `ARPHRD_ETHER`, 2 bytes in host byte order. Source: uapi `linux/if_arp.h` (v6.12).
pub(crate) const ARPHRD_ETHER: u16 = 1;

/// The kernel's number of a key.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_meta_keys` (v6.12).
pub(crate) const fn key(meta: Meta) -> u32 {
    match meta {
        Meta::Length => NFT_META_LEN,
        Meta::Mark => NFT_META_MARK,
        Meta::Iifname => NFT_META_IIFNAME,
        Meta::Oifname => NFT_META_OIFNAME,
        Meta::Skuid => NFT_META_SKUID,
        Meta::Skgid => NFT_META_SKGID,
        Meta::Pkttype => NFT_META_PKTTYPE,
        Meta::Nfproto => NFT_META_NFPROTO,
        Meta::L4proto => NFT_META_L4PROTO,
        Meta::Cgroup => NFT_META_CGROUP,
        Meta::Hour => NFT_META_TIME_HOUR,
        Meta::Day => NFT_META_TIME_DAY,
        Meta::Time => NFT_META_TIME_NS,
        Meta::Ipsec => NFT_META_SECPATH,
    }
}

/// Every key.
pub(crate) const KEYS: [Meta; 14] = [
    Meta::Length,
    Meta::Mark,
    Meta::Iifname,
    Meta::Oifname,
    Meta::Skuid,
    Meta::Skgid,
    Meta::Pkttype,
    Meta::Nfproto,
    Meta::L4proto,
    Meta::Cgroup,
    Meta::Hour,
    Meta::Day,
    Meta::Time,
    Meta::Ipsec,
];

impl RuleEncoder<'_, '_> {
    pub(crate) fn load_meta(&mut self, key: u32, to: Register) -> Result {
        self.expression("meta", |e| {
            e.u32(NFTA_META_DREG, to.number())?;
            e.u32(NFTA_META_KEY, key)
        })
    }
}
