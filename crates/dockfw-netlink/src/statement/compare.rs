//! Matches.

use dockfw_ir::expr::fib::FibResult;
use dockfw_ir::expr::payload::Bits;
use dockfw_ir::expr::{Expr, Fib, Key, Payload};
use dockfw_ir::statement::{Match, Operator, Test};
use dockfw_ir::{DataType, Value};

use super::Result;
use crate::expr::{RuleEncoder, data, trimmed};
use crate::set::ANONYMOUS;
use crate::sys::nf_tables::{
    NFT_CMP_EQ, NFT_CMP_GT, NFT_CMP_GTE, NFT_CMP_LT, NFT_CMP_LTE, NFT_CMP_NEQ, NFT_RANGE_EQ,
    NFT_RANGE_NEQ, NFTA_RANGE_FROM_DATA, NFTA_RANGE_OP, NFTA_RANGE_SREG, NFTA_RANGE_TO_DATA,
};
use crate::wire::EncodeError;

/// `enum nft_cmp_ops`.
pub(crate) const fn operation(operator: Operator) -> u32 {
    match operator {
        Operator::Equal => NFT_CMP_EQ,
        Operator::NotEqual => NFT_CMP_NEQ,
        Operator::Less => NFT_CMP_LT,
        Operator::LessOrEqual => NFT_CMP_LTE,
        Operator::Greater => NFT_CMP_GT,
        Operator::GreaterOrEqual => NFT_CMP_GTE,
    }
}

/// Every operator.
pub(crate) const OPERATORS: [Operator; 6] = [
    Operator::Equal,
    Operator::NotEqual,
    Operator::Less,
    Operator::LessOrEqual,
    Operator::Greater,
    Operator::GreaterOrEqual,
];

const fn is_order(operator: Operator) -> bool {
    !matches!(operator, Operator::Equal | Operator::NotEqual)
}

/// The number of whole bytes that a netmask covers, when it covers whole bytes only.
fn whole_bytes(mask: &[u8]) -> Option<usize> {
    let ones = mask.iter().take_while(|byte| **byte == 0xff).count();
    let zeros = mask.iter().rev().take_while(|byte| **byte == 0).count();
    (ones > 0 && ones + zeros == mask.len()).then_some(ones)
}

impl RuleEncoder<'_, '_> {
    pub(super) fn compare(&mut self, statement: &Match) -> Result {
        let key = &statement.key;
        let types = key.data_types();
        if let &[Expr::Payload(payload)] = key.0.as_slice()
            && let Some(bits) = payload.bits()
        {
            return self.compare_bits(payload, bits, &statement.test);
        }
        match &statement.test {
            Test::Compare {
                mask: None,
                operator,
                value,
            } => {
                self.load_key(key)?;
                if let [
                    Expr::Fib(Fib {
                        result: FibResult::Exists,
                        ..
                    }),
                ] = key.0.as_slice()
                {
                    // nft(8) compares the whole register, and lists a byte of it as a prefix.
                    let exists = trimmed(value, &types)?.iter().any(|byte| *byte != 0);
                    return self.cmp(operation(*operator), &u32::from(exists).to_ne_bytes());
                }
                self.compare_value(&types, *operator, value)
            }
            Test::Compare {
                mask: Some(mask),
                operator,
                value,
            } => {
                let (mask, value) = (trimmed(mask, &types)?, trimmed(value, &types)?);
                if self.prefix(key, mask, *operator, value)? {
                    return Ok(());
                }
                if is_order(*operator) {
                    return Err(EncodeError::Form {
                        what: "an order of masked values",
                    });
                }
                self.load_key(key)?;
                let zero = [0; Value::MAX];
                let xor = zero.get(..mask.len()).ok_or(EncodeError::Registers)?;
                self.bitwise(mask, xor)?;
                self.cmp(operation(*operator), value)
            }
            Test::Range { negated, low, high } => {
                self.load_key(key)?;
                self.range(&types, *negated, low, high)
            }
            Test::Prefix { negated, prefix } => {
                self.load_key(key)?;
                let operator = if *negated { NFT_CMP_NEQ } else { NFT_CMP_EQ };
                // Fewer bytes than the register holds: the rest is not compared.
                self.cmp(operator, prefix.as_bytes())
            }
            Test::Set { negated, set } => {
                self.set(set)?;
                self.load_key(key)?;
                self.lookup(set.as_str(), None, None, *negated)
            }
            Test::OneOf { negated, .. } => {
                let id = self.next_anonymous();
                self.load_key(key)?;
                self.lookup(ANONYMOUS, Some(id), None, *negated)
            }
        }
    }

    /// A field that does not fill its bytes: the bytes, masked, and the value shifted to its place.
    fn compare_bits(&mut self, payload: Payload, bits: Bits, test: &Test) -> Result {
        let Test::Compare {
            mask: None,
            operator: operator @ (Operator::Equal | Operator::NotEqual),
            value,
        } = test
        else {
            return Err(EncodeError::Form {
                what: "anything but equality of a field of bits",
            });
        };
        let &[number] = trimmed(value, &[payload.data_type()])? else {
            return Err(EncodeError::Registers);
        };
        let shifted = (u16::from(number) << bits.shift).to_be_bytes();
        let (mask, zero) = (bits.mask.to_be_bytes(), [0; 2]);
        let len = usize::from(bits.len);
        let last = |bytes: &[u8; 2]| bytes.get(2 - len.min(2)..).map(<[u8]>::to_vec);
        let (Some(mask), Some(zero), Some(shifted)) = (last(&mask), last(&zero), last(&shifted))
        else {
            return Err(EncodeError::Registers);
        };
        self.require_for(&payload.into())?;
        self.load_payload(payload, len, crate::expr::Register::FIRST)?;
        self.bitwise(&mask, &zero)?;
        self.cmp(operation(*operator), &shifted)
    }

    fn compare_value(&mut self, types: &[DataType], operator: Operator, value: &Value) -> Result {
        let bytes = trimmed(value, types)?;
        let swapped = match types {
            // The kernel compares order with memcmp: most significant byte first.
            [one] if is_order(operator) => self.network_order(*one, &[bytes])?,
            _ => None,
        };
        match swapped.as_deref() {
            Some([turned]) => self.cmp(operation(operator), turned),
            _ => self.cmp(operation(operator), bytes),
        }
    }

    /// `range` is one expression; the two comparisons of older nft(8) mean the same and list alike.
    fn range(&mut self, types: &[DataType], negated: bool, low: &Value, high: &Value) -> Result {
        let (low, high) = (trimmed(low, types)?, trimmed(high, types)?);
        let swapped = match types {
            [one] => self.network_order(*one, &[low, high])?,
            _ => {
                return Err(EncodeError::Form {
                    what: "a range of a concatenation",
                });
            }
        };
        let (low, high) = match swapped.as_deref() {
            Some([low, high]) => (low.as_slice(), high.as_slice()),
            _ => (low, high),
        };
        self.expression("range", |e| {
            e.u32(NFTA_RANGE_SREG, crate::expr::Register::FIRST.number())?;
            e.u32(
                NFTA_RANGE_OP,
                if negated { NFT_RANGE_NEQ } else { NFT_RANGE_EQ },
            )?;
            data(e, NFTA_RANGE_FROM_DATA, low)?;
            data(e, NFTA_RANGE_TO_DATA, high)
        })
    }

    /// Turns the register and the values of a host-endian number into network byte order.
    fn network_order(&mut self, kind: DataType, values: &[&[u8]]) -> Result<Option<Vec<Vec<u8>>>> {
        if !kind.is_host_number() {
            return Ok(None);
        }
        let len = u32::try_from(kind.len())
            .ok()
            .ok_or(EncodeError::Registers)?;
        if !matches!(len, 2 | 4 | 8) {
            return Err(EncodeError::Form {
                what: "an order of host numbers of this length",
            });
        }
        self.hton(len)?;
        let turn = |bytes: &&[u8]| {
            let mut bytes = bytes.to_vec();
            if cfg!(target_endian = "little") {
                bytes.reverse();
            }
            bytes
        };
        Ok(Some(values.iter().map(turn).collect()))
    }

    /// A netmask of whole bytes on an address needs no `bitwise`: fewer bytes are loaded.
    fn prefix(&mut self, key: &Key, mask: &[u8], operator: Operator, value: &[u8]) -> Result<bool> {
        let &[ref expr @ Expr::Payload(payload)] = key.0.as_slice() else {
            return Ok(false);
        };
        let address = matches!(payload.data_type(), DataType::Ipv4Addr | DataType::Ipv6Addr);
        let Some(len) = whole_bytes(mask).filter(|_| address && !is_order(operator)) else {
            return Ok(false);
        };
        let Some(value) = value.get(..len) else {
            return Ok(false);
        };
        self.require_for(expr)?;
        self.load_payload(payload, len, crate::expr::Register::FIRST)?;
        self.cmp(operation(operator), value)?;
        Ok(true)
    }
}
