//! `limit rate`.

/// A token bucket shared by all packets of the rule.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_limit_attributes` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Packets or bytes per `unit`; not 0.
    pub rate: u64,
    /// What is counted.
    pub measure: Measure,
    /// The unit of the rate.
    pub unit: TimeUnit,
    /// Packets or bytes that may come at once on top; 5 packets or 0 bytes unless told, as in
    /// nft(8).
    pub burst: u32,
    /// `limit rate over`: goes on when the rate is exceeded.
    pub over: bool,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Measure {
    /// Packets.
    #[default]
    Packets,
    /// Bytes of IP packets.
    Bytes,
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// 1 s
    Second,
    /// 60 s
    Minute,
    /// 3,600 s
    Hour,
    /// 86,400 s
    Day,
    /// 604,800 s
    Week,
}

impl TimeUnit {
    /// The length in seconds.
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
            Self::Week => 604_800,
        }
    }
}
