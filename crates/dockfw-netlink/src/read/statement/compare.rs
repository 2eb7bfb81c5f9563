//! Matches: what is compared or looked up.

use std::borrow::Cow;

use dockfw_ir::expr::fib::FibResult;
use dockfw_ir::expr::{Expr, Fib};
use dockfw_ir::name::SetName;
use dockfw_ir::set::SetKind;
use dockfw_ir::statement::{Match, Operator, Statement, Test, VerdictMap};
use dockfw_ir::{DataType, Value};

use super::mangle::short_of;
use crate::expr::meta::ARPHRD_ETHER;
use crate::read::attribute::{Result, because, maybe_register, number, optional, set_name, value};
use crate::read::expr::{Bytes, Content, Slot, value_of};
use crate::read::rule::{Loaded, RuleReader};
use crate::statement::compare::{OPERATORS, operation};
use crate::sys::nf_tables::{
    NFT_LOOKUP_F_INV, NFT_RANGE_EQ, NFT_RANGE_NEQ, NFT_REG_VERDICT, NFTA_CMP_DATA, NFTA_CMP_OP,
    NFTA_LOOKUP_DREG, NFTA_LOOKUP_FLAGS, NFTA_LOOKUP_SET, NFTA_LOOKUP_SET_ID, NFTA_RANGE_FROM_DATA,
    NFTA_RANGE_OP, NFTA_RANGE_TO_DATA,
};
use crate::wire::Attributes;

impl<'r> RuleReader<'r> {
    pub(super) fn cmp(&mut self, data: Attributes<'r>) -> Result {
        let loaded = self.take();
        let wanted = number(data, NFTA_CMP_OP)?;
        let operator = OPERATORS.into_iter().find(|one| operation(*one) == wanted);
        let operator = operator.ok_or(Cow::Borrowed("a comparison that is not known"))?;
        let bytes = value(data, NFTA_CMP_DATA)?;
        let statement = match loaded.slots.as_slice() {
            [
                Slot {
                    content: Content::InterfaceType,
                    ..
                },
            ] => {
                if operator != Operator::Equal || bytes != ARPHRD_ETHER.to_ne_bytes() {
                    return because("a test of the interface's type");
                }
                self.ethernet();
                return Ok(());
            }
            [
                Slot {
                    content: Content::Payload(field),
                    ..
                },
            ] => match self.part_of_field(&loaded, *field, operator, bytes)? {
                Some(statement) => statement,
                None => self.whole(&loaded, operator, bytes)?,
            },
            _ => self.whole(&loaded, operator, bytes)?,
        };
        self.push(statement)
    }

    /// A field that does not fill its bytes, or the first bytes of an address.
    fn part_of_field(
        &self,
        loaded: &Loaded<'_>,
        field: Bytes,
        operator: Operator,
        bytes: &[u8],
    ) -> Result<Option<Statement>> {
        if let Some((mask, _)) = loaded.mask {
            let Ok(mask) = short_of(mask) else {
                return Ok(None);
            };
            let Some((field, bits)) = self.bits_of(field, mask) else {
                return Ok(None);
            };
            let value = short_of(bytes)?;
            // Bits outside of the field are a comparison that is never true.
            let number = u8::try_from(value >> bits.shift).ok();
            let number = number.filter(|number| u16::from(*number) << bits.shift == value);
            return Ok(number
                .map(|number| Statement::compare(field, operator, Value::new().and_u8(number))));
        }
        let Some(address) = self.prefix_of(field) else {
            return Ok(None);
        };
        let whole = address.data_type().len();
        let mut mask = vec![0xff; bytes.len().min(whole)];
        mask.resize(whole, 0);
        let mut network = bytes.to_vec();
        network.resize(whole, 0);
        Ok(Some(Statement::masked(
            address,
            value_of(&mask)?,
            operator,
            value_of(&network)?,
        )))
    }

    fn whole(&self, loaded: &Loaded<'_>, operator: Operator, bytes: &[u8]) -> Result<Statement> {
        let key = self.key(loaded)?;
        if let [Expr::Fib(Fib { result, .. })] = key.0.as_slice()
            && *result == FibResult::Exists
        {
            // The whole register is compared with a number.
            let exists = match <[u8; 4]>::try_from(bytes).map(u32::from_ne_bytes) {
                Ok(0) => 0,
                Ok(1) => 1,
                Ok(_) | Err(_) => return because("the number of an interface"),
            };
            return Ok(Statement::compare(
                key,
                operator,
                Value::new().and_u8(exists),
            ));
        }
        let types = key.data_types();
        if types.as_slice() == [DataType::IfName] && bytes.len() < DataType::IfName.len() {
            let negated = match operator {
                Operator::Equal => false,
                Operator::NotEqual => true,
                Operator::Less
                | Operator::LessOrEqual
                | Operator::Greater
                | Operator::GreaterOrEqual => return because("an order of names"),
            };
            let prefix = std::str::from_utf8(bytes).ok();
            let prefix = prefix.ok_or(Cow::Borrowed("a name that is not text"))?;
            return Ok(Statement::Match(Match {
                key,
                test: Test::Prefix {
                    negated,
                    prefix: prefix.to_owned(),
                },
            }));
        }
        let mask = match loaded.mask {
            None => None,
            Some((mask, _)) => Some(value_of(mask)?),
        };
        Ok(Statement::Match(Match {
            key,
            test: Test::Compare {
                mask,
                operator,
                value: turned(loaded, bytes)?,
            },
        }))
    }

    pub(super) fn range(&mut self, data: Attributes<'r>) -> Result<Statement> {
        let loaded = self.take();
        let negated = match number(data, NFTA_RANGE_OP)? {
            NFT_RANGE_EQ => false,
            NFT_RANGE_NEQ => true,
            _ => return because("a range that is compared in another way"),
        };
        Ok(Statement::Match(Match {
            key: self.key(&loaded)?,
            test: Test::Range {
                negated,
                low: turned(&loaded, value(data, NFTA_RANGE_FROM_DATA)?)?,
                high: turned(&loaded, value(data, NFTA_RANGE_TO_DATA)?)?,
            },
        }))
    }

    pub(super) fn lookup(&mut self, data: Attributes<'r>) -> Result {
        let name = &*set_name(data, NFTA_LOOKUP_SET, NFTA_LOOKUP_SET_ID)?;
        let negated = optional(data, NFTA_LOOKUP_FLAGS)?.unwrap_or(0) & NFT_LOOKUP_F_INV != 0;
        let to = maybe_register(data, NFTA_LOOKUP_DREG)?;
        let set = || SetName::new(name).map_err(|error| error.to_string());
        if self.anonymous.contains_key(name) {
            if to.is_some() {
                return because("a map of the rule's own");
            }
            let loaded = self.take();
            let test = self.one_of(name, self.key(&loaded)?, negated)?;
            return self.push(Statement::Match(test));
        }
        match to {
            None => {
                let loaded = self.take();
                let (key, set) = (self.key(&loaded)?, set()?);
                self.push(Statement::Match(Match {
                    key,
                    test: Test::Set { negated, set },
                }))
            }
            Some(NFT_REG_VERDICT) => {
                let loaded = self.take();
                let (key, map) = (self.key(&loaded)?, set()?);
                let readable = self.table.set(&map);
                if !readable.is_some_and(|set| set.kind == SetKind::VerdictMap) {
                    return because("a verdict map that is unreadable itself");
                }
                self.push(Statement::VerdictMap(VerdictMap { key, map }))
            }
            Some(_) => match self.loaded.map.replace(set()?) {
                None => Ok(()),
                Some(_) => because("a lookup of what was looked up"),
            },
        }
    }
}

/// A value in the byte order of the IR.
fn turned(loaded: &Loaded<'_>, bytes: &[u8]) -> Result<Value> {
    if loaded.turned.is_some() && cfg!(target_endian = "little") {
        let mut bytes = bytes.to_vec();
        bytes.reverse();
        return value_of(&bytes);
    }
    value_of(bytes)
}
