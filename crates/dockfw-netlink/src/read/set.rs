//! Sets and maps, without their elements.

use std::borrow::Cow;
use std::time::Duration;

use dockfw_ir::DataType;
use dockfw_ir::name::SetName;
use dockfw_ir::set::{Set, SetKind};

use super::attribute::{Result, because, comment, lifetime, number, optional, text};
use super::same::{self, SET};
use crate::set::{TYPE_BITS, TYPES, put, type_number, wire_len};
use crate::sys::nf_tables::{
    NFT_DATA_VERDICT, NFT_SET_EVAL, NFT_SET_INTERVAL, NFT_SET_MAP, NFT_SET_OBJECT, NFT_SET_TIMEOUT,
    NFTA_SET_DATA_LEN, NFTA_SET_DATA_TYPE, NFTA_SET_DESC, NFTA_SET_DESC_SIZE, NFTA_SET_EXPR,
    NFTA_SET_FLAGS, NFTA_SET_KEY_LEN, NFTA_SET_KEY_TYPE, NFTA_SET_NAME, NFTA_SET_TIMEOUT,
    NFTA_SET_USERDATA, udata,
};
use crate::userdata;
use crate::wire::{Attributes, Encoder};

/// A set with a name, without elements.
pub(super) fn read(attributes: Attributes<'_>, table: &str) -> Result<Set> {
    let name = SetName::new(text(attributes, NFTA_SET_NAME)?);
    let flags = optional(attributes, NFTA_SET_FLAGS)?.unwrap_or(0);
    let user = attributes.get(NFTA_SET_USERDATA).map(|user| user.payload);
    let size = match attributes.get(NFTA_SET_DESC) {
        None => None,
        Some(desc) => optional(desc.attributes(), NFTA_SET_DESC_SIZE)?,
    };
    let set = Set {
        name: name.map_err(|error| error.to_string())?,
        key: types(
            number(attributes, NFTA_SET_KEY_TYPE)?,
            number(attributes, NFTA_SET_KEY_LEN)?,
            user.and_then(|user| userdata::find(user, udata::SET_KEYBYTEORDER)),
        )?,
        kind: kind(attributes, flags, user)?,
        interval: flags & NFT_SET_INTERVAL != 0,
        dynamic: flags & NFT_SET_EVAL != 0,
        counter: attributes.get(NFTA_SET_EXPR).is_some(),
        timeout: if flags & NFT_SET_TIMEOUT == 0 {
            None
        } else {
            let default = lifetime(attributes, NFTA_SET_TIMEOUT)?;
            Some(default.unwrap_or(Duration::ZERO))
        },
        size,
        comment: comment(user, udata::SET_COMMENT)?,
        elements: Vec::new(),
    };
    check(attributes, table, &set)?;
    Ok(set)
}

/// Compares what the kernel has with what would be sent for this set.
pub(super) fn check(attributes: Attributes<'_>, table: &str, set: &Set) -> Result {
    let mut encoder = Encoder::default();
    put(&mut encoder, table, set, 0).map_err(|error| error.to_string())?;
    same::attributes(&SET, Attributes::new(encoder.as_bytes()), attributes)
}

fn kind(attributes: Attributes<'_>, flags: u32, user: Option<&[u8]>) -> Result<SetKind> {
    if flags & NFT_SET_OBJECT != 0 {
        return because("a map of objects");
    }
    if flags & NFT_SET_MAP == 0 {
        return Ok(SetKind::Set);
    }
    let number = number(attributes, NFTA_SET_DATA_TYPE)?;
    if number == NFT_DATA_VERDICT {
        return Ok(SetKind::VerdictMap);
    }
    let len = optional(attributes, NFTA_SET_DATA_LEN)?;
    let len = len.ok_or(Cow::Borrowed("a map without the length of its data"))?;
    let order = user.and_then(|user| userdata::find(user, udata::SET_DATABYTEORDER));
    types(number, len, order).map(SetKind::Map)
}

/// The types of a number that nft(8) gives a concatenation, which has this length in bytes.
fn types(number: u32, len: u32, byte_order: Option<&[u8]>) -> Result<Vec<DataType>> {
    let unknown = || format!("the type {number:#x} of {len} bytes");
    let mut types = Vec::new();
    let mut rest = number;
    while rest != 0 {
        let one = rest & ((1 << TYPE_BITS) - 1);
        let known = TYPES.into_iter().find(|known| type_number(*known) == one);
        types.push(match known {
            Some(known) => known,
            // The length of an integer is that of the key.
            None if one == number && one == type_number(DataType::Integer(0)) => {
                let len = u8::try_from(len).ok().ok_or_else(unknown)?;
                if byte_order == Some(&udata::HOST_ENDIAN.to_ne_bytes()) {
                    DataType::HostInteger(len)
                } else {
                    DataType::Integer(len)
                }
            }
            None => return Err(unknown().into()),
        });
        rest >>= TYPE_BITS;
    }
    types.reverse();
    if types.is_empty() || u32::try_from(wire_len(&types)).ok() != Some(len) {
        return Err(unknown().into());
    }
    Ok(types)
}
