//! `… set …`: marks, fields of headers and what else a rule changes.

use dockfw_ir::expr::ct::Direction;
use dockfw_ir::expr::{Ct, Payload, Socket};
use dockfw_ir::statement::{Mangle, MarkSource, MarkTarget, MaxSegment, SetMark};

use super::Result;
use crate::expr::{Register, RuleEncoder, ct};
use crate::sys::nf_tables::{
    NFT_CT_MARK, NFT_CT_ZONE, NFT_META_MARK, NFT_META_PRIORITY, NFT_PAYLOAD_CSUM_INET,
    NFT_PAYLOAD_NETWORK_HEADER, NFT_RT_TCPMSS, NFTA_CT_DIRECTION, NFTA_CT_KEY, NFTA_CT_SREG,
    NFTA_META_KEY, NFTA_META_SREG, NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_CSUM_OFFSET,
    NFTA_PAYLOAD_CSUM_TYPE, NFTA_PAYLOAD_DREG, NFTA_PAYLOAD_LEN, NFTA_PAYLOAD_OFFSET,
    NFTA_PAYLOAD_SREG, NFTA_RT_DREG, NFTA_RT_KEY,
};
use crate::wire::EncodeError;

/// The bytes of the network header that a field is written with.
///
/// nft(8) takes 2 bytes for what the IPv4 checksum covers, because it is a sum of such pairs.
pub(crate) struct Window {
    pub(crate) offset: u32,
    /// 1 or 2.
    pub(crate) len: u32,
    /// The bits that stay.
    pub(crate) keep: u16,
    /// How far the value is shifted to the left.
    pub(crate) shift: u8,
    /// Whether the IPv4 header checksum covers it.
    checksum: bool,
}

/// Source: RFC 791 §3.1, RFC 8200 §3.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others cannot be set")]
pub(crate) const fn window(field: Payload) -> Option<Window> {
    let (offset, len, keep, shift, checksum) = match field {
        Payload::IpDscp => (0, 2, 0xff03, 2, true),
        Payload::IpEcn => (0, 2, 0xfffc, 0, true),
        Payload::IpTtl => (8, 2, 0x00ff, 8, true),
        Payload::Ip6Dscp => (0, 2, 0xf03f, 6, false),
        Payload::Ip6Ecn => (1, 1, 0xcf, 4, false),
        Payload::Ip6Hoplimit => (7, 1, 0, 0, false),
        _ => return None,
    };
    Some(Window {
        offset,
        len,
        keep,
        shift,
        checksum,
    })
}

/// Where the checksum is in the IPv4 header.
const CHECKSUM: u32 = 10;

impl RuleEncoder<'_, '_> {
    pub(super) fn set_mark(&mut self, mark: &SetMark) -> Result {
        if mark.keep == 0 {
            self.immediate(Register::FIRST, &mark.value.to_ne_bytes())?;
        } else {
            match mark.source {
                MarkSource::Packet => self.load_meta(NFT_META_MARK, Register::FIRST)?,
                MarkSource::Conntrack => self.load_ct(Ct::Mark, Register::FIRST)?,
                MarkSource::Socket => self.load_socket(Socket::Mark, Register::FIRST)?,
            }
            if mark.keep != u32::MAX || mark.value != 0 {
                self.bitwise(&mark.keep.to_ne_bytes(), &mark.value.to_ne_bytes())?;
            }
        }
        match mark.target {
            MarkTarget::Packet => self.write_meta(NFT_META_MARK),
            MarkTarget::Conntrack => self.write_ct(NFT_CT_MARK, None),
        }
    }

    fn write_meta(&mut self, key: u32) -> Result {
        self.expression("meta", |e| {
            e.u32(NFTA_META_KEY, key)?;
            e.u32(NFTA_META_SREG, Register::FIRST.number())
        })
    }

    fn write_ct(&mut self, key: u32, direction: Option<Direction>) -> Result {
        self.expression("ct", |e| {
            e.u32(NFTA_CT_KEY, key)?;
            if let Some(direction) = direction {
                e.u8(NFTA_CT_DIRECTION, ct::direction(direction))?;
            }
            e.u32(NFTA_CT_SREG, Register::FIRST.number())
        })
    }

    pub(super) fn mangle(&mut self, mangle: &Mangle) -> Result {
        match mangle {
            Mangle::Priority(priority) => {
                self.immediate(Register::FIRST, &priority.to_ne_bytes())?;
                self.write_meta(NFT_META_PRIORITY)
            }
            Mangle::Zone { direction, zone } => {
                self.immediate(Register::FIRST, &zone.to_ne_bytes())?;
                self.write_ct(NFT_CT_ZONE, *direction)
            }
            Mangle::Field { field, value } => self.set_field(*field, *value),
            Mangle::MaxSegment(MaxSegment::Bytes(bytes)) => {
                self.immediate(Register::FIRST, &bytes.to_be_bytes())?;
                self.write_maxseg()
            }
            Mangle::MaxSegment(MaxSegment::RouteMtu) => {
                self.expression("rt", |e| {
                    e.u32(NFTA_RT_DREG, Register::FIRST.number())?;
                    e.u32(NFTA_RT_KEY, NFT_RT_TCPMSS)
                })?;
                self.hton(2)?;
                self.write_maxseg()
            }
        }
    }

    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_payload_attributes` (v6.12).
    fn set_field(&mut self, field: Payload, value: u8) -> Result {
        let Some(window) = window(field) else {
            return Err(EncodeError::Form {
                what: "setting this field",
            });
        };
        self.require_for(&field.into())?;
        let value = u16::from(value) << window.shift;
        // One byte is the second of the pair.
        let skip = usize::from(window.len == 1);
        let (keep, value) = (window.keep.to_be_bytes(), value.to_be_bytes());
        let (Some(keep), Some(value)) = (keep.get(skip..), value.get(skip..)) else {
            return Err(EncodeError::Registers);
        };
        if keep.iter().all(|byte| *byte == 0) {
            self.immediate(Register::FIRST, value)?;
        } else {
            self.expression("payload", |e| {
                e.u32(NFTA_PAYLOAD_DREG, Register::FIRST.number())?;
                e.u32(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER)?;
                e.u32(NFTA_PAYLOAD_OFFSET, window.offset)?;
                e.u32(NFTA_PAYLOAD_LEN, window.len)
            })?;
            self.bitwise(keep, value)?;
        }
        self.expression("payload", |e| {
            e.u32(NFTA_PAYLOAD_SREG, Register::FIRST.number())?;
            e.u32(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER)?;
            e.u32(NFTA_PAYLOAD_OFFSET, window.offset)?;
            e.u32(NFTA_PAYLOAD_LEN, window.len)?;
            if window.checksum {
                e.u32(NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET)?;
                e.u32(NFTA_PAYLOAD_CSUM_OFFSET, CHECKSUM)?;
            }
            Ok(())
        })
    }
}
