//! `queue`.

/// Hands the packet to a program. Ends the rule.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_queue_attributes` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// First and last queue; a flow stays in one.
    pub queues: (u16, u16),
    /// `bypass`: accepts the packet where no program listens, instead of dropping it.
    pub bypass: bool,
    /// `fanout`: chooses among the queues by the CPU that has the packet.
    pub fanout: bool,
}
