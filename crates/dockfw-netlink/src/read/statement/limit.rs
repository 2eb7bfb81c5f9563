//! `limit rate`.

use std::borrow::Cow;

use dockfw_ir::statement::{Limit, Measure, TimeUnit};

use crate::read::attribute::{Result, because, long, optional};
use crate::sys::nf_tables::{
    NFT_LIMIT_F_INV, NFT_LIMIT_PKT_BYTES, NFT_LIMIT_PKTS, NFTA_LIMIT_BURST, NFTA_LIMIT_FLAGS,
    NFTA_LIMIT_RATE, NFTA_LIMIT_TYPE, NFTA_LIMIT_UNIT,
};
use crate::wire::Attributes;

const UNITS: [TimeUnit; 5] = [
    TimeUnit::Second,
    TimeUnit::Minute,
    TimeUnit::Hour,
    TimeUnit::Day,
    TimeUnit::Week,
];

pub(super) fn read(data: Attributes<'_>) -> Result<Limit> {
    let rate = long(data, NFTA_LIMIT_RATE)?;
    let seconds = long(data, NFTA_LIMIT_UNIT)?;
    let unit = UNITS
        .into_iter()
        .find(|unit| Some(unit.seconds()) == seconds);
    let flags = optional(data, NFTA_LIMIT_FLAGS)?.unwrap_or(0);
    Ok(Limit {
        rate: rate.ok_or(Cow::Borrowed("a limit without a rate"))?,
        measure: match optional(data, NFTA_LIMIT_TYPE)?.unwrap_or(NFT_LIMIT_PKTS) {
            NFT_LIMIT_PKTS => Measure::Packets,
            NFT_LIMIT_PKT_BYTES => Measure::Bytes,
            _ => return because("a limit of something else"),
        },
        unit: unit.ok_or(Cow::Borrowed("a limit with a unit that has no name"))?,
        burst: optional(data, NFTA_LIMIT_BURST)?.unwrap_or(0),
        over: flags & NFT_LIMIT_F_INV != 0,
    })
}
