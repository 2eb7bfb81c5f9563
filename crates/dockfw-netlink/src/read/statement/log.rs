//! `log`.

use std::borrow::Cow;

use dockfw_ir::name::Comment;
use dockfw_ir::statement::{Log, LogFlags};

use crate::read::attribute::{Result, optional, short, text};
use crate::sys::nf_tables::{
    NF_LOG_IPOPT, NF_LOG_MACDECODE, NF_LOG_TCPOPT, NF_LOG_TCPSEQ, NF_LOG_UID, NFTA_LOG_FLAGS,
    NFTA_LOG_GROUP, NFTA_LOG_LEVEL, NFTA_LOG_PREFIX, NFTA_LOG_QTHRESHOLD, NFTA_LOG_SNAPLEN,
};
use crate::wire::Attributes;

/// `LOGLEVEL_WARNING`, which the kernel takes and says for no level.
const WARNING: u8 = 4;

pub(super) fn read(data: Attributes<'_>) -> Result<Log> {
    let prefix = if data.get(NFTA_LOG_PREFIX).is_some() {
        let prefix = Comment::new(text(data, NFTA_LOG_PREFIX)?);
        Some(prefix.map_err(|error| error.to_string())?)
    } else {
        None
    };
    let level = match optional(data, NFTA_LOG_LEVEL)? {
        None => None,
        Some(level) => {
            let level = u8::try_from(level).ok();
            Some(level.ok_or(Cow::Borrowed("a log level that there is not"))?)
        }
    };
    let threshold = short(data, NFTA_LOG_QTHRESHOLD)?;
    Ok(Log {
        prefix,
        level: level.filter(|level| *level != WARNING),
        group: short(data, NFTA_LOG_GROUP)?,
        snaplen: optional(data, NFTA_LOG_SNAPLEN)?.filter(|snaplen| *snaplen != 0),
        queue_threshold: threshold.filter(|threshold| *threshold != 0),
        flags: flags(optional(data, NFTA_LOG_FLAGS)?.unwrap_or(0)),
    })
}

fn flags(flags: u32) -> LogFlags {
    let has = |flag: u32| flags & flag != 0;
    LogFlags {
        tcp_sequence: has(NF_LOG_TCPSEQ),
        tcp_options: has(NF_LOG_TCPOPT),
        ip_options: has(NF_LOG_IPOPT),
        skuid: has(NF_LOG_UID),
        ether: has(NF_LOG_MACDECODE),
    }
}
