//! Expressions: what loads a register, and what changes it.

mod ct;
mod exthdr;
mod fib;
mod meta;
mod numgen;
mod payload;
mod socket;

use std::borrow::Cow;

use dockfw_ir::Value;
use dockfw_ir::expr::{Expr, Key, Rt};

use super::attribute::{Result, because, in_register, number, value};
use super::element::padded;
use super::rule::{Loaded, RuleReader};
use super::statement::verdict;
use crate::sys::nf_tables::{
    NFT_REG_VERDICT, NFT_RT_TCPMSS, NFT_RT_XFRM, NFTA_BITWISE_MASK, NFTA_BITWISE_XOR,
    NFTA_BYTEORDER_LEN, NFTA_CT_SREG, NFTA_DATA_VERDICT, NFTA_EXTHDR_SREG, NFTA_IMMEDIATE_DATA,
    NFTA_IMMEDIATE_DREG, NFTA_META_SREG, NFTA_PAYLOAD_SREG, NFTA_RT_DREG, NFTA_RT_KEY,
};
use crate::wire::Attributes;
pub(super) use ct::direction_of;
pub(super) use payload::Bytes;

/// A register and what is in it.
pub(super) struct Slot<'r> {
    pub(super) register: u32,
    pub(super) content: Content<'r>,
}

/// What is in a register.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Content<'r> {
    /// Bytes of a header, whose name depends on what is known of the packet.
    Payload(Bytes),
    /// Anything else that a key is made of.
    Expr(Expr),
    /// A constant.
    Constant(&'r [u8]),
    /// `meta iiftype`.
    InterfaceType,
    /// `rt mtu`.
    RouteMtu,
}

impl<'r> RuleReader<'r> {
    /// Reads one expression.
    pub(super) fn expression(&mut self, name: &str, data: Attributes<'r>) -> Result {
        let writes = |kind: u16| data.get(kind).is_some();
        match name {
            "payload" if writes(NFTA_PAYLOAD_SREG) => self.write_payload(data),
            "payload" => self.load_payload(data),
            "meta" if writes(NFTA_META_SREG) => self.write_meta(data),
            "meta" => self.load_meta(data),
            "ct" if writes(NFTA_CT_SREG) => self.write_ct(data),
            "ct" => self.load_ct(data),
            "exthdr" if writes(NFTA_EXTHDR_SREG) => self.write_exthdr(),
            "exthdr" => self.load_exthdr(data),
            "fib" => self.load_fib(data),
            "socket" => self.load_socket(data),
            "numgen" => self.load_numgen(data),
            "rt" => self.load_route(data),
            "immediate" => self.immediate(data),
            "bitwise" => {
                let change = (
                    value(data, NFTA_BITWISE_MASK)?,
                    value(data, NFTA_BITWISE_XOR)?,
                );
                self.once(|loaded| loaded.mask.replace(change).is_none())
            }
            "byteorder" => {
                let len = number(data, NFTA_BYTEORDER_LEN)?;
                self.once(|loaded| loaded.turned.replace(len).is_none())
            }
            _ => self.statement(name, data),
        }
    }

    /// Changes what is in the registers, which happens once.
    fn once(&mut self, change: impl FnOnce(&mut Loaded<'r>) -> bool) -> Result {
        if self.loaded.slots.is_empty() || !change(&mut self.loaded) {
            return because("a register is changed twice, or with nothing in it");
        }
        Ok(())
    }

    fn immediate(&mut self, data: Attributes<'r>) -> Result {
        let register = in_register(data, NFTA_IMMEDIATE_DREG)?;
        if register != NFT_REG_VERDICT {
            return self.put(
                register,
                Content::Constant(value(data, NFTA_IMMEDIATE_DATA)?),
            );
        }
        let verdict = data
            .get(NFTA_IMMEDIATE_DATA)
            .and_then(|nest| nest.attributes().get(NFTA_DATA_VERDICT))
            .ok_or(Cow::Borrowed("a verdict is missing"))?;
        let verdict = verdict::read(verdict.attributes())?;
        self.push(dockfw_ir::Statement::Verdict(verdict))
    }

    fn load_route(&mut self, data: Attributes<'r>) -> Result {
        let content = match number(data, NFTA_RT_KEY)? {
            NFT_RT_TCPMSS => Content::RouteMtu,
            NFT_RT_XFRM => Content::Expr(Expr::Rt(Rt::Ipsec)),
            _ => return because("a property of the route"),
        };
        self.put(in_register(data, NFTA_RT_DREG)?, content)
    }

    /// What was loaded, as a key.
    pub(super) fn key(&self, loaded: &Loaded<'_>) -> Result<Key> {
        let exprs: Result<Vec<Expr>> = loaded
            .slots
            .iter()
            .map(|slot| match &slot.content {
                Content::Expr(expr) => Ok(expr.clone()),
                Content::Payload(bytes) => self.field(*bytes),
                Content::Constant(_) | Content::InterfaceType | Content::RouteMtu => {
                    because("a key of something else than expressions")
                }
            })
            .collect();
        let exprs = exprs?;
        if exprs.is_empty() {
            return because("a key of nothing");
        }
        Ok(Key(exprs))
    }
}

impl Loaded<'_> {
    /// The only constant.
    pub(super) fn constant(&self) -> Result<&[u8]> {
        match self.slots.as_slice() {
            [
                Slot {
                    content: Content::Constant(bytes),
                    ..
                },
            ] => Ok(bytes),
            _ => because("something else than one constant"),
        }
    }

    /// The only constant, of this length.
    pub(super) fn constant_of<const N: usize>(&self) -> Result<[u8; N]> {
        let constant = self.constant()?;
        <[u8; N]>::try_from(constant)
            .ok()
            .ok_or(Cow::Borrowed("a constant of another length"))
    }

    /// The constant in this register.
    pub(super) fn constant_in(&self, register: u32) -> Result<&[u8]> {
        let slot = self.slots.iter().find(|slot| slot.register == register);
        match slot.map(|slot| &slot.content) {
            Some(Content::Constant(bytes)) => Ok(bytes),
            Some(_) | None => because("no constant in a register"),
        }
    }
}

/// A value as the kernel sends it, padded.
pub(super) fn value_of(bytes: &[u8]) -> Result<Value> {
    if bytes.is_empty() || bytes.len() > Value::MAX {
        return because("a value of no length, or of more than 64 bytes");
    }
    Ok(padded(bytes))
}
