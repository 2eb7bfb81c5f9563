//! What is taken out of attributes, or why it cannot be.

use std::borrow::Cow;
use std::time::Duration;

use dockfw_ir::name::Comment;

use crate::set::ANONYMOUS;
use crate::sys::nf_tables::{NFT_REG32_00, NFTA_DATA_VALUE};
use crate::userdata;
use crate::wire::Attributes;

/// Why something has no word in the IR.
pub(super) type Reason = Cow<'static, str>;

pub(super) type Result<T = ()> = std::result::Result<T, Reason>;

/// A reason that is the same for all.
pub(super) fn because<T>(reason: &'static str) -> Result<T> {
    Err(Cow::Borrowed(reason))
}

/// A number of 32 bits that must be there.
pub(super) fn number(attributes: Attributes<'_>, kind: u16) -> Result<u32> {
    optional(attributes, kind)?.ok_or(Cow::Borrowed("a number is missing"))
}

/// A number of 32 bits, if it is there.
pub(super) fn optional(attributes: Attributes<'_>, kind: u16) -> Result<Option<u32>> {
    match attributes.get(kind) {
        None => Ok(None),
        Some(attribute) if attribute.payload.len() == 4 => Ok(attribute.u32()),
        Some(_) => because("a number has another length than 32 bits"),
    }
}

/// A number of 16 bits, if it is there.
pub(super) fn short(attributes: Attributes<'_>, kind: u16) -> Result<Option<u16>> {
    match attributes.get(kind) {
        None => Ok(None),
        Some(attribute) if attribute.payload.len() == 2 => Ok(attribute.u16()),
        Some(_) => because("a number has another length than 16 bits"),
    }
}

/// A number of 64 bits, if it is there.
pub(super) fn long(attributes: Attributes<'_>, kind: u16) -> Result<Option<u64>> {
    match attributes.get(kind) {
        None => Ok(None),
        Some(attribute) if attribute.payload.len() == 8 => Ok(attribute.u64()),
        Some(_) => because("a number has another length than 64 bits"),
    }
}

/// A byte, if it is there.
pub(super) fn byte(attributes: Attributes<'_>, kind: u16) -> Result<Option<u8>> {
    match attributes.get(kind).map(|attribute| attribute.payload) {
        None => Ok(None),
        Some(&[byte]) => Ok(Some(byte)),
        Some(_) => because("a number has another length than 8 bits"),
    }
}

/// A lifetime, which the kernel counts in milliseconds.
pub(super) fn lifetime(attributes: Attributes<'_>, kind: u16) -> Result<Option<Duration>> {
    Ok(long(attributes, kind)?.map(Duration::from_millis))
}

/// A text that must be there.
pub(super) fn text(attributes: Attributes<'_>, kind: u16) -> Result<&str> {
    attributes
        .get(kind)
        .and_then(|attribute| attribute.text())
        .ok_or(Cow::Borrowed("a name is missing or not text"))
}

/// The name of a set. Sets without one of ours, all of which a batch calls the same, are told apart
/// by their numbers in it; the kernel has given them names.
pub(super) fn set_name(attributes: Attributes<'_>, kind: u16, id: u16) -> Result<Cow<'_, str>> {
    let name = text(attributes, kind)?;
    if name != ANONYMOUS {
        return Ok(Cow::Borrowed(name));
    }
    let id = optional(attributes, id)?.unwrap_or(0);
    Ok(Cow::Owned(format!("{name} {id}")))
}

/// The bytes of a datum, `NFTA_DATA_VALUE` in a nest.
pub(super) fn value(attributes: Attributes<'_>, kind: u16) -> Result<&[u8]> {
    attributes
        .get(kind)
        .and_then(|nest| nest.attributes().get(NFTA_DATA_VALUE))
        .map(|value| value.payload)
        .ok_or(Cow::Borrowed("a value is missing"))
}

/// A register, by the numbers of 32-bit registers. The kernel calls every fourth of them by the
/// number of a 128-bit register.
///
/// Source: `nft_dump_register` (v6.12).
pub(super) fn register(number: u32) -> u32 {
    match number {
        1..=4 => NFT_REG32_00 + 4 * (number - 1),
        _ => number,
    }
}

/// A register that must be there.
pub(super) fn in_register(attributes: Attributes<'_>, kind: u16) -> Result<u32> {
    number(attributes, kind).map(register)
}

/// A register, if it is there.
pub(super) fn maybe_register(attributes: Attributes<'_>, kind: u16) -> Result<Option<u32>> {
    Ok(optional(attributes, kind)?.map(register))
}

/// The comment in user data, if there is one that the IR has a word for.
pub(super) fn comment(user: Option<&[u8]>, kind: u8) -> Result<Option<Comment>> {
    let Some(text) = user.and_then(|user| userdata::find(user, kind)) else {
        return Ok(None);
    };
    let text = text.strip_suffix(&[0]).unwrap_or(text);
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| Comment::new(text).ok())
        .map(Some)
        .ok_or(Cow::Borrowed("its comment is not one of ours"))
}
