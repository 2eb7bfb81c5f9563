//! `… set …`: marks, fields of headers and what else a rule changes.

use std::borrow::Cow;

use dockfw_ir::expr::{Ct, Expr, Meta, Socket};
use dockfw_ir::statement::{Mangle, MarkSource, MarkTarget, MaxSegment, SetMark, Statement};

use crate::expr::payload::FIELDS;
use crate::read::attribute::{Result, because, number};
use crate::read::expr::{Bytes, Content, Slot, direction_of};
use crate::read::rule::{Loaded, RuleReader};
use crate::statement::mangle::window;
use crate::sys::nf_tables::{
    NFT_CT_MARK, NFT_CT_ZONE, NFT_META_MARK, NFT_META_PRIORITY, NFTA_CT_KEY, NFTA_META_KEY,
};
use crate::wire::Attributes;

impl<'r> RuleReader<'r> {
    pub(in crate::read) fn write_meta(&mut self, data: Attributes<'r>) -> Result {
        let loaded = self.take();
        match number(data, NFTA_META_KEY)? {
            NFT_META_MARK => self.push(set_mark(&loaded, MarkTarget::Packet)?),
            NFT_META_PRIORITY => {
                let priority = u32::from_ne_bytes(loaded.constant_of()?);
                self.push(Statement::Mangle(Mangle::Priority(priority)))
            }
            other => Err(format!("the meta key {other} is set").into()),
        }
    }

    pub(in crate::read) fn write_ct(&mut self, data: Attributes<'r>) -> Result {
        let loaded = self.take();
        match number(data, NFTA_CT_KEY)? {
            NFT_CT_MARK => self.push(set_mark(&loaded, MarkTarget::Conntrack)?),
            NFT_CT_ZONE => {
                let zone = u16::from_ne_bytes(loaded.constant_of()?);
                let direction = direction_of(data)?;
                self.push(Statement::Mangle(Mangle::Zone { direction, zone }))
            }
            other => Err(format!("the ct key {other} is set").into()),
        }
    }

    /// Only the maximum segment size is written.
    pub(in crate::read) fn write_exthdr(&mut self) -> Result {
        let loaded = self.take();
        let size = match loaded.slots.as_slice() {
            [
                Slot {
                    content: Content::RouteMtu,
                    ..
                },
            ] => MaxSegment::RouteMtu,
            _ => MaxSegment::Bytes(u16::from_be_bytes(loaded.constant_of()?)),
        };
        self.push(Statement::Mangle(Mangle::MaxSegment(size)))
    }

    /// A field is written with the bytes around it, which were loaded before.
    pub(in crate::read) fn write_payload(&mut self, data: Attributes<'r>) -> Result {
        let loaded = self.take();
        let bytes = Bytes::of(data)?;
        let (keep, value) = match (loaded.slots.as_slice(), loaded.mask) {
            (
                [
                    Slot {
                        content: Content::Constant(value),
                        ..
                    },
                ],
                None,
            ) => (0, short_of(value)?),
            (
                [
                    Slot {
                        content: Content::Payload(from),
                        ..
                    },
                ],
                Some((keep, value)),
            ) if *from == bytes => (short_of(keep)?, short_of(value)?),
            (_, _) => return because("bytes of a header that are set to something else"),
        };
        let field = FIELDS.into_iter().find_map(|field| {
            let window = window(field)?;
            let is = window.offset == bytes.offset
                && window.len == bytes.len
                // One byte is the second of the pair.
                && window.keep & if window.len == 1 { 0xff } else { 0xffff } == keep
                && self.has(field);
            is.then_some((field, window.shift))
        });
        let (field, shift) = field.ok_or(Cow::Borrowed("bytes of a header are set"))?;
        let value = u8::try_from(value >> shift).ok();
        self.push(Statement::Mangle(Mangle::Field {
            field,
            value: value.ok_or(Cow::Borrowed("a value that does not fit its field"))?,
        }))
    }
}

/// The number of one or two bytes in network byte order.
pub(super) fn short_of(bytes: &[u8]) -> Result<u16> {
    match *bytes {
        [low] => Ok(low.into()),
        [high, low] => Ok(u16::from_be_bytes([high, low])),
        _ => because("a field of more than two bytes"),
    }
}

fn set_mark(loaded: &Loaded<'_>, target: MarkTarget) -> Result<Statement> {
    let own = match target {
        MarkTarget::Packet => MarkSource::Packet,
        MarkTarget::Conntrack => MarkSource::Conntrack,
    };
    let word = |bytes: &[u8]| {
        let word = <[u8; 4]>::try_from(bytes).ok().map(u32::from_ne_bytes);
        word.ok_or(Cow::Borrowed("a mark of another length"))
    };
    let [slot] = loaded.slots.as_slice() else {
        return because("a mark of something else");
    };
    let source = match &slot.content {
        Content::Constant(_) => {
            return Ok(Statement::SetMark(SetMark {
                target,
                source: own,
                keep: 0,
                value: word(loaded.constant()?)?,
            }));
        }
        Content::Expr(Expr::Meta(Meta::Mark)) => MarkSource::Packet,
        Content::Expr(Expr::Ct(Ct::Mark)) => MarkSource::Conntrack,
        Content::Expr(Expr::Socket(Socket::Mark)) => MarkSource::Socket,
        Content::Expr(_) | Content::Payload(_) | Content::InterfaceType | Content::RouteMtu => {
            return because("a mark of something else");
        }
    };
    let (keep, value) = match loaded.mask {
        None => (u32::MAX, 0),
        Some((keep, value)) => (word(keep)?, word(value)?),
    };
    Ok(Statement::SetMark(SetMark {
        target,
        source,
        keep,
        value,
    }))
}
