//! `log`.

use crate::name::Comment;

/// Writes the packet to the kernel log, or to a userspace group.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_log_attributes` (v6.12).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// `prefix "…"`: at most 127 bytes (`NF_LOG_PREFIXLEN` is 128 with the NUL).
    pub prefix: Option<Comment>,
    /// `level`: a syslog severity, 0 (emerg) to 7 (debug); `None` is warn (4). Not with `group`.
    pub level: Option<u8>,
    /// `group`: the nfnetlink_log group that gets the packet instead of the kernel log.
    pub group: Option<u16>,
    /// `snaplen`: bytes of the packet that the group gets. Only with `group`.
    pub snaplen: Option<u32>,
    /// `queue-threshold`: packets collected before the group is told. Only with `group`.
    pub queue_threshold: Option<u16>,
}
