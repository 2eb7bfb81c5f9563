//! `payload`: fields of headers.

use std::borrow::Cow;

use dockfw_ir::DataType;
use dockfw_ir::expr::payload::{Base, Bits, Raw};
use dockfw_ir::expr::{Expr, Payload};

use super::Content;
use crate::expr::known::required;
use crate::expr::payload::{FIELDS, base};
use crate::read::attribute::{Result, in_register, number};
use crate::read::rule::RuleReader;
use crate::sys::nf_tables::{
    NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_DREG, NFTA_PAYLOAD_LEN, NFTA_PAYLOAD_OFFSET,
};
use crate::wire::Attributes;

/// Bytes of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::read) struct Bytes {
    pub(in crate::read) base: u32,
    pub(in crate::read) offset: u32,
    pub(in crate::read) len: u32,
}

impl Bytes {
    /// Which bytes an expression is about.
    pub(in crate::read) fn of(data: Attributes<'_>) -> Result<Self> {
        Ok(Self {
            base: number(data, NFTA_PAYLOAD_BASE)?,
            offset: number(data, NFTA_PAYLOAD_OFFSET)?,
            len: number(data, NFTA_PAYLOAD_LEN)?,
        })
    }

    fn begins(self, field: Payload) -> bool {
        base(field.base()) == self.base && field.offset() == self.offset
    }

    fn is_as_long_as(self, len: usize) -> bool {
        usize::try_from(self.len).is_ok_and(|own| own == len)
    }
}

impl<'r> RuleReader<'r> {
    pub(super) fn load_payload(&mut self, data: Attributes<'r>) -> Result {
        let register = in_register(data, NFTA_PAYLOAD_DREG)?;
        self.put(register, Content::Payload(Bytes::of(data)?))
    }

    /// Whether every packet that comes here has the field.
    pub(in crate::read) fn has(&self, field: Payload) -> bool {
        required(&Expr::Payload(field))
            .into_iter()
            .all(|requires| self.known.has(requires))
    }

    /// Fields that every packet here has and that begin where the bytes do; those of a certain
    /// protocol first.
    fn candidates(&self, bytes: Bytes) -> impl Iterator<Item = Payload> {
        FIELDS
            .into_iter()
            .filter(move |field| bytes.begins(*field) && self.has(*field))
    }

    /// The field of these bytes, by its name if it has one.
    pub(super) fn field(&self, bytes: Bytes) -> Result<Expr> {
        let named = self
            .candidates(bytes)
            .find(|field| field.bits().is_none() && bytes.is_as_long_as(field.data_type().len()));
        let field = named.map_or_else(|| raw(bytes), Ok)?;
        Ok(Expr::Payload(field))
    }

    /// The address that begins with these bytes and has more of them.
    pub(in crate::read) fn prefix_of(&self, bytes: Bytes) -> Option<Payload> {
        self.candidates(bytes).find(|field| {
            matches!(field.data_type(), DataType::Ipv4Addr | DataType::Ipv6Addr)
                && usize::try_from(bytes.len).is_ok_and(|len| len < field.data_type().len())
        })
    }

    /// The field that these bytes under this mask are.
    pub(in crate::read) fn bits_of(&self, bytes: Bytes, mask: u16) -> Option<(Payload, Bits)> {
        self.candidates(bytes).find_map(|field| {
            let bits = field.bits()?;
            let is = bytes.is_as_long_as(bits.len.into()) && bits.mask == mask;
            is.then_some((field, bits))
        })
    }
}

/// Bytes without a name.
fn raw(bytes: Bytes) -> Result<Payload> {
    let header = [Base::Link, Base::Network, Base::Transport]
        .into_iter()
        .find(|one| base(*one) == bytes.base);
    let raw = header.and_then(|base| {
        Some(Raw {
            base,
            offset: u16::try_from(bytes.offset).ok()?,
            len: u8::try_from(bytes.len)
                .ok()
                .filter(|len| matches!(len, 1 | 2 | 4))?,
        })
    });
    raw.map(Payload::Raw)
        .ok_or(Cow::Borrowed("bytes of a header that have no name"))
}
