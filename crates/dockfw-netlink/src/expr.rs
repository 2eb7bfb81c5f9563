//! Expressions: what loads a register.
//!
//! A key is loaded into consecutive 32-bit registers from the first one, every field padded to
//! 4 bytes. Registers hold nothing from one statement to the next.

pub(crate) mod ct;
pub(crate) mod exthdr;
pub(crate) mod fib;
pub(crate) mod known;
pub(crate) mod meta;
pub(crate) mod numgen;
pub(crate) mod payload;
mod rt;
pub(crate) mod socket;

use dockfw_ir::expr::payload::Requires;
use dockfw_ir::expr::{Expr, Key};
use dockfw_ir::set::SetKind;
use dockfw_ir::statement::Statement;
use dockfw_ir::table::Table;
use dockfw_ir::value::register_len;
use dockfw_ir::{DataType, Set, Value};

use crate::sys::nf_tables::{
    NFT_BYTEORDER_HTON, NFT_CMP_EQ, NFT_LOOKUP_F_INV, NFT_META_IFTYPE, NFT_META_L4PROTO,
    NFT_META_NFPROTO, NFT_REG_VERDICT, NFT_REG32_00, NFT_REG32_15, NFTA_BITWISE_DREG,
    NFTA_BITWISE_LEN, NFTA_BITWISE_MASK, NFTA_BITWISE_SREG, NFTA_BITWISE_XOR, NFTA_BYTEORDER_DREG,
    NFTA_BYTEORDER_LEN, NFTA_BYTEORDER_OP, NFTA_BYTEORDER_SIZE, NFTA_BYTEORDER_SREG, NFTA_CMP_DATA,
    NFTA_CMP_OP, NFTA_CMP_SREG, NFTA_DATA_VALUE, NFTA_EXPR_DATA, NFTA_EXPR_NAME,
    NFTA_IMMEDIATE_DATA, NFTA_IMMEDIATE_DREG, NFTA_LIST_ELEM, NFTA_LOOKUP_DREG, NFTA_LOOKUP_FLAGS,
    NFTA_LOOKUP_SET, NFTA_LOOKUP_SET_ID, NFTA_LOOKUP_SREG,
};
use crate::wire::{EncodeError, Encoder};
use known::{Known, ProtocolTest, required};

type Result<T = ()> = std::result::Result<T, EncodeError>;

/// A 32-bit register, or the verdict register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Register(u32);

impl Register {
    /// Where verdicts go.
    pub(crate) const VERDICT: Self = Self(NFT_REG_VERDICT);
    /// Where every key begins.
    pub(crate) const FIRST: Self = Self(NFT_REG32_00);

    /// The register behind `bytes` bytes from this one.
    ///
    /// Source: `nft_parse_register_store`, `nft_validate_register_store` (v6.12): 16 registers.
    pub(crate) fn after(self, bytes: usize) -> Result<Self> {
        let count = u32::try_from(bytes.div_ceil(4))
            .ok()
            .ok_or(EncodeError::Registers)?;
        let register = self.0.checked_add(count).ok_or(EncodeError::Registers)?;
        // One past the last may be named but not used; `fits` looks at what is used.
        if register > NFT_REG32_15 + 1 {
            return Err(EncodeError::Registers);
        }
        Ok(Self(register))
    }

    /// The number on the wire.
    pub(crate) const fn number(self) -> u32 {
        self.0
    }
}

/// Writes the expressions of one rule, and remembers what the packet is known to be.
pub(crate) struct RuleEncoder<'e, 't> {
    pub(crate) encoder: &'e mut Encoder,
    pub(crate) table: &'t Table,
    known: Known,
    /// The number of the next anonymous set that the rule looks something up in.
    anonymous: u32,
}

impl<'e, 't> RuleEncoder<'e, 't> {
    /// For a rule of this table, whose anonymous sets are numbered from `anonymous` on.
    pub(crate) fn new(encoder: &'e mut Encoder, table: &'t Table, anonymous: u32) -> Self {
        Self {
            encoder,
            table,
            known: Known::new(table.family),
            anonymous,
        }
    }

    /// The number of the next anonymous set.
    pub(crate) fn next_anonymous(&mut self) -> u32 {
        let id = self.anonymous;
        self.anonymous = id.wrapping_add(1);
        id
    }

    /// Writes one expression with the attributes that `body` writes.
    pub(crate) fn expression(
        &mut self,
        name: &str,
        body: impl FnOnce(&mut Encoder) -> Result,
    ) -> Result {
        self.encoder.nest(NFTA_LIST_ELEM, |e| {
            e.text(NFTA_EXPR_NAME, name)?;
            e.nest(NFTA_EXPR_DATA, body)
        })
    }

    /// Writes an expression that has no attributes.
    pub(crate) fn bare_expression(&mut self, name: &str) -> Result {
        self.encoder
            .nest(NFTA_LIST_ELEM, |e| e.text(NFTA_EXPR_NAME, name))
    }

    /// The set of this name.
    pub(crate) fn set(&self, name: &dockfw_ir::name::SetName) -> Result<&'t Set> {
        self.table.set(name).ok_or_else(|| EncodeError::NoSuchSet {
            table: self.table.name.to_string(),
            set: name.to_string(),
        })
    }

    /// The types of a map's data.
    pub(crate) fn map_data(&self, name: &dockfw_ir::name::SetName) -> Result<&'t [DataType]> {
        match &self.set(name)?.kind {
            SetKind::Map(data) => Ok(data),
            SetKind::Set | SetKind::VerdictMap => Err(EncodeError::Form {
                what: "an address from a set that is not a data map",
            }),
        }
    }

    /// Loads a key from the first register on, after the tests it needs.
    pub(crate) fn load_key(&mut self, key: &Key) -> Result {
        for expr in &key.0 {
            self.require_for(expr)?;
        }
        let mut register = Register::FIRST;
        for expr in &key.0 {
            let next = register.after(expr.data_type().len())?;
            self.load(expr, register)?;
            register = next;
        }
        Ok(())
    }

    fn load(&mut self, expr: &Expr, to: Register) -> Result {
        match expr {
            Expr::Payload(payload) if payload.bits().is_some() => Err(EncodeError::Form {
                what: "a field of bits in a key",
            }),
            Expr::Payload(payload) => self.load_payload(*payload, payload.data_type().len(), to),
            Expr::Meta(meta) => self.load_meta(meta::key(*meta), to),
            Expr::Ct(ct) => self.load_ct(*ct, to),
            Expr::Fib(fib) => self.load_fib(*fib, to),
            Expr::Exthdr(exthdr) => self.load_exthdr(*exthdr, to),
            Expr::Socket(socket) => self.load_socket(*socket, to),
            Expr::Numgen(numgen) => self.load_numgen(*numgen, to),
            Expr::Rt(rt) => self.load_rt(*rt, to),
        }
    }

    /// Writes the tests that an expression's field needs to exist, unless made already.
    pub(crate) fn require_for(&mut self, expr: &Expr) -> Result {
        required(expr)
            .into_iter()
            .try_for_each(|requires| self.require(requires))
    }

    /// Writes a test of what the packet is, unless the rule made it already.
    pub(crate) fn require(&mut self, requires: Requires) -> Result {
        match self.known.missing(requires) {
            None => Ok(()),
            Some(ProtocolTest::Nfproto(nfproto)) => self.test(NFT_META_NFPROTO, &[nfproto]),
            Some(ProtocolTest::L4proto(l4proto)) => self.test(NFT_META_L4PROTO, &[l4proto]),
            Some(ProtocolTest::Ethernet) => {
                self.test(NFT_META_IFTYPE, &meta::ARPHRD_ETHER.to_ne_bytes())
            }
        }
    }

    fn test(&mut self, key: u32, value: &[u8]) -> Result {
        self.load_meta(key, Register::FIRST)?;
        self.cmp(NFT_CMP_EQ, value)
    }

    /// Remembers what an explicit match says about the packet.
    pub(crate) fn learn(&mut self, statement: &Statement) {
        self.known.learn(statement);
    }

    /// Compares what lies from the first register on.
    pub(crate) fn cmp(&mut self, operator: u32, value: &[u8]) -> Result {
        self.expression("cmp", |e| {
            e.u32(NFTA_CMP_SREG, Register::FIRST.number())?;
            e.u32(NFTA_CMP_OP, operator)?;
            data(e, NFTA_CMP_DATA, value)
        })
    }

    /// `register = (register & mask) ^ xor`.
    pub(crate) fn bitwise(&mut self, mask: &[u8], xor: &[u8]) -> Result {
        let len = u32::try_from(mask.len())
            .ok()
            .ok_or(EncodeError::Registers)?;
        self.expression("bitwise", |e| {
            e.u32(NFTA_BITWISE_SREG, Register::FIRST.number())?;
            e.u32(NFTA_BITWISE_DREG, Register::FIRST.number())?;
            e.u32(NFTA_BITWISE_LEN, len)?;
            data(e, NFTA_BITWISE_MASK, mask)?;
            data(e, NFTA_BITWISE_XOR, xor)
        })
    }

    /// Turns 2 or 4 bytes from host into network byte order.
    pub(crate) fn hton(&mut self, len: u32) -> Result {
        self.expression("byteorder", |e| {
            e.u32(NFTA_BYTEORDER_SREG, Register::FIRST.number())?;
            e.u32(NFTA_BYTEORDER_DREG, Register::FIRST.number())?;
            e.u32(NFTA_BYTEORDER_OP, NFT_BYTEORDER_HTON)?;
            e.u32(NFTA_BYTEORDER_LEN, len)?;
            e.u32(NFTA_BYTEORDER_SIZE, len)
        })
    }

    /// Puts constant bytes into a register.
    pub(crate) fn immediate(&mut self, to: Register, value: &[u8]) -> Result {
        to.after(value.len())?;
        self.expression("immediate", |e| {
            e.u32(NFTA_IMMEDIATE_DREG, to.number())?;
            data(e, NFTA_IMMEDIATE_DATA, value)
        })
    }

    /// Looks up what lies from the first register on. A set without a name has a number.
    pub(crate) fn lookup(
        &mut self,
        set: &str,
        id: Option<u32>,
        to: Option<Register>,
        negated: bool,
    ) -> Result {
        self.expression("lookup", |e| {
            e.text(NFTA_LOOKUP_SET, set)?;
            e.u32(NFTA_LOOKUP_SREG, Register::FIRST.number())?;
            if let Some(id) = id {
                e.u32(NFTA_LOOKUP_SET_ID, id)?;
            }
            if let Some(to) = to {
                e.u32(NFTA_LOOKUP_DREG, to.number())?;
            }
            if negated {
                e.u32(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV)?;
            }
            Ok(())
        })
    }
}

/// Writes `NFTA_DATA_VALUE` in a nest.
pub(crate) fn data(encoder: &mut Encoder, kind: u16, value: &[u8]) -> Result {
    encoder.nest(kind, |e| e.bytes(NFTA_DATA_VALUE, value))
}

/// A value's bytes as the kernel wants them: one field without its padding, several with it.
pub(crate) fn trimmed<'v>(value: &'v Value, types: &[DataType]) -> Result<&'v [u8]> {
    let bytes = value.as_bytes();
    let expected = register_len(types);
    let wrong = || EncodeError::ValueLength {
        len: bytes.len(),
        expected,
    };
    if bytes.len() != expected {
        return Err(wrong());
    }
    match types {
        [one] => bytes.get(..one.len()).ok_or_else(wrong),
        _ => Ok(bytes),
    }
}
