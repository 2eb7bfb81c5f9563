//! `log`.

use dockfw_ir::statement::Log;

use super::Result;
use crate::expr::RuleEncoder;
use crate::sys::nf_tables::{
    NFTA_LOG_GROUP, NFTA_LOG_LEVEL, NFTA_LOG_PREFIX, NFTA_LOG_QTHRESHOLD, NFTA_LOG_SNAPLEN,
};

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
            Ok(())
        })
    }
}
