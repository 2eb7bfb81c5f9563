//! `log`.

use dockfw_ir::statement::{Log, LogFlags};

use super::Result;
use crate::expr::RuleEncoder;
use crate::sys::nf_tables::{
    NF_LOG_IPOPT, NF_LOG_MACDECODE, NF_LOG_TCPOPT, NF_LOG_TCPSEQ, NF_LOG_UID, NFTA_LOG_FLAGS,
    NFTA_LOG_GROUP, NFTA_LOG_LEVEL, NFTA_LOG_PREFIX, NFTA_LOG_QTHRESHOLD, NFTA_LOG_SNAPLEN,
};

fn flags(flags: LogFlags) -> u32 {
    let bit = |set: bool, bit: u32| if set { bit } else { 0 };
    bit(flags.tcp_sequence, NF_LOG_TCPSEQ)
        | bit(flags.tcp_options, NF_LOG_TCPOPT)
        | bit(flags.ip_options, NF_LOG_IPOPT)
        | bit(flags.skuid, NF_LOG_UID)
        | bit(flags.ether, NF_LOG_MACDECODE)
}

impl RuleEncoder<'_, '_> {
    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_log_attributes` (v6.12).
    pub(super) fn log(&mut self, log: &Log) -> Result {
        self.expression("log", |e| {
            if let Some(group) = log.group {
                e.u16(NFTA_LOG_GROUP, group)?;
            }
            if let Some(prefix) = &log.prefix {
                e.text(NFTA_LOG_PREFIX, prefix.as_str())?;
            }
            if let Some(snaplen) = log.snaplen {
                e.u32(NFTA_LOG_SNAPLEN, snaplen)?;
            }
            if let Some(threshold) = log.queue_threshold {
                e.u16(NFTA_LOG_QTHRESHOLD, threshold)?;
            }
            if let Some(level) = log.level {
                e.u32(NFTA_LOG_LEVEL, level.into())?;
            }
            let flags = flags(log.flags);
            if flags != 0 {
                e.u32(NFTA_LOG_FLAGS, flags)?;
            }
            Ok(())
        })
    }
}
