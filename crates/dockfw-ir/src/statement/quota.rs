//! `quota` and `ct count`: what has been used up.

/// `quota [over] N bytes`: goes on while fewer bytes than that came to the rule.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_quota_attributes` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of IP packets.
    pub bytes: u64,
    /// `over`: goes on when they are used up.
    pub over: bool,
}

/// `ct count [over] N`: goes on while at most this many flows that came to the rule, or to the
/// element of a [`Dynset`](super::Dynset), are open.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_connlimit_attributes` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CtCount {
    /// Flows.
    pub count: u32,
    /// `over`: goes on when there are more.
    pub over: bool,
}
