//! Sets and maps.

use std::time::Duration;

use dockfw_ir::set::{Set, SetKind};
use dockfw_ir::value::{DataType, register_len};

use crate::sys::nf_tables::{
    NFT_DATA_VERDICT, NFT_SET_ANONYMOUS, NFT_SET_CONCAT, NFT_SET_CONSTANT, NFT_SET_EVAL,
    NFT_SET_INTERVAL, NFT_SET_MAP, NFT_SET_TIMEOUT, NFTA_EXPR_DATA, NFTA_EXPR_NAME, NFTA_LIST_ELEM,
    NFTA_SET_DATA_LEN, NFTA_SET_DATA_TYPE, NFTA_SET_DESC, NFTA_SET_DESC_CONCAT, NFTA_SET_DESC_SIZE,
    NFTA_SET_EXPR, NFTA_SET_FIELD_LEN, NFTA_SET_FLAGS, NFTA_SET_ID, NFTA_SET_KEY_LEN,
    NFTA_SET_KEY_TYPE, NFTA_SET_NAME, NFTA_SET_TABLE, NFTA_SET_TIMEOUT, NFTA_SET_USERDATA, udata,
};
use crate::userdata::UserData;
use crate::wire::{EncodeError, Encoder};

/// What the kernel makes the name of an anonymous set from; no set with a name is called so.
pub(crate) const ANONYMOUS: &str = "__set%d";

/// `TYPE_BITS` of nft(8): a concatenation's type is those of its fields, 6 bits each.
pub(crate) const TYPE_BITS: u32 = 6;

/// The number nft(8) gives a type, by which it prints a set.
///
/// Source: nftables v1.0.6, `include/datatype.h`, `enum datatypes`.
pub(crate) const fn type_number(data_type: DataType) -> u32 {
    match data_type {
        DataType::NfProto => 2,
        DataType::Integer(_) | DataType::HostInteger(_) | DataType::Raw(_) => 4,
        DataType::Ipv4Addr => 7,
        DataType::Ipv6Addr => 8,
        DataType::EtherAddr => 9,
        DataType::InetProto => 12,
        DataType::InetService => 13,
        DataType::IcmpType => 14,
        DataType::TcpFlag => 15,
        DataType::Duration => 18,
        DataType::Mark => 19,
        DataType::Uid => 24,
        DataType::Gid => 25,
        DataType::CtState => 26,
        DataType::CtDir => 27,
        DataType::CtStatus => 28,
        DataType::Icmpv6Type => 29,
        DataType::PktType => 31,
        DataType::IcmpCode => 32,
        DataType::Icmpv6Code => 33,
        DataType::FibAddrtype => 38,
        DataType::Boolean => 39,
        DataType::Dscp => 36,
        DataType::Ecn => 37,
        DataType::IfName => 41,
        DataType::Timestamp => 43,
        DataType::TimeOfDay => 44,
        DataType::Weekday => 45,
    }
}

/// Every type whose number says its length.
pub(crate) const TYPES: [DataType; 27] = [
    DataType::NfProto,
    DataType::Ipv4Addr,
    DataType::Ipv6Addr,
    DataType::EtherAddr,
    DataType::InetProto,
    DataType::InetService,
    DataType::IcmpType,
    DataType::TcpFlag,
    DataType::Duration,
    DataType::Mark,
    DataType::Uid,
    DataType::Gid,
    DataType::CtState,
    DataType::CtDir,
    DataType::CtStatus,
    DataType::Icmpv6Type,
    DataType::PktType,
    DataType::IcmpCode,
    DataType::Icmpv6Code,
    DataType::FibAddrtype,
    DataType::Boolean,
    DataType::Dscp,
    DataType::Ecn,
    DataType::IfName,
    DataType::Timestamp,
    DataType::TimeOfDay,
    DataType::Weekday,
];

/// The number of a concatenation. Of more than five fields the first are shifted out, as nft(8)
/// does: such a set works, but only nft 1.0.7 and later, which look at the key's length, list it.
pub(crate) fn concatenation_number(types: &[DataType]) -> u32 {
    types
        .iter()
        .fold(0, |number, one| number << TYPE_BITS | type_number(*one))
}

/// The length of a key or datum: one field without padding, several with it.
pub(crate) fn wire_len(types: &[DataType]) -> usize {
    match types {
        [one] => one.len(),
        _ => register_len(types),
    }
}

fn wire_len_u32(types: &[DataType]) -> Result<u32, EncodeError> {
    u32::try_from(wire_len(types))
        .ok()
        .ok_or(EncodeError::Registers)
}

/// The byte order that nft(8) must know to print a type.
fn byte_order(types: &[DataType]) -> u32 {
    match types {
        [one] if one.is_host_endian() => udata::HOST_ENDIAN,
        [_] => udata::BIG_ENDIAN,
        _ => udata::NO_BYTE_ORDER,
    }
}

/// Milliseconds, as the kernel counts lifetimes; less than one is one, since zero means forever.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    let rounded = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rounded == 0 && !duration.is_zero() {
        1
    } else {
        rounded
    }
}

/// Whether keys are ranges of several fields, which the kernel calls a concatenation.
pub(crate) fn is_concatenated_interval(set: &Set) -> bool {
    set.interval && set.key.len() > 1
}

/// Whether keys are ranges of one field, which the kernel keeps as a start and an end.
pub(crate) fn is_single_interval(set: &Set) -> bool {
    set.interval && set.key.len() == 1
}

pub(crate) fn flags(set: &Set) -> u32 {
    let bit = |is: bool, bit: u32| if is { bit } else { 0 };
    bit(set.interval, NFT_SET_INTERVAL)
        | bit(set.kind != SetKind::Set, NFT_SET_MAP)
        | bit(set.timeout.is_some(), NFT_SET_TIMEOUT)
        | bit(set.dynamic, NFT_SET_EVAL)
        | bit(
            set.name.as_str() == ANONYMOUS,
            NFT_SET_ANONYMOUS | NFT_SET_CONSTANT,
        )
        | bit(is_concatenated_interval(set), NFT_SET_CONCAT)
}

/// Refuses what nft(8) keeps in another byte order than we have it in: it turns such a field in
/// each lookup, and lists an element that was not turned as another number, from which it then
/// makes a set that does not match.
fn check(set: &Set) -> Result<(), EncodeError> {
    if set.interval && set.key.iter().any(|one| one.is_host_number()) {
        return Err(EncodeError::Form {
            what: "a host-endian number in a set of ranges",
        });
    }
    Ok(())
}

/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_set_attributes` (v6.12).
///
/// `id` names the set inside the batch.
pub(crate) fn put(
    encoder: &mut Encoder,
    table: &str,
    set: &Set,
    id: u32,
) -> Result<(), EncodeError> {
    check(set)?;
    encoder.text(NFTA_SET_TABLE, table)?;
    encoder.text(NFTA_SET_NAME, set.name.as_str())?;
    encoder.u32(NFTA_SET_FLAGS, flags(set))?;
    encoder.u32(NFTA_SET_KEY_TYPE, concatenation_number(&set.key))?;
    encoder.u32(NFTA_SET_KEY_LEN, wire_len_u32(&set.key)?)?;
    let mut user = UserData::new().and_u32(udata::SET_KEYBYTEORDER, byte_order(&set.key))?;
    match &set.kind {
        SetKind::Set => {}
        SetKind::Map(data) => {
            encoder.u32(NFTA_SET_DATA_TYPE, concatenation_number(data))?;
            encoder.u32(NFTA_SET_DATA_LEN, wire_len_u32(data)?)?;
            user = user.and_u32(udata::SET_DATABYTEORDER, byte_order(data))?;
        }
        SetKind::VerdictMap => {
            encoder.u32(NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT)?;
            encoder.u32(NFTA_SET_DATA_LEN, 0)?;
            user = user.and_u32(udata::SET_DATABYTEORDER, udata::NO_BYTE_ORDER)?;
        }
    }
    encoder.u32(NFTA_SET_ID, id)?;
    if set.size.is_some() || is_concatenated_interval(set) {
        encoder.nest(NFTA_SET_DESC, |e| put_description(e, set))?;
    }
    if let Some(timeout) = set.timeout.filter(|timeout| !timeout.is_zero()) {
        encoder.u64(NFTA_SET_TIMEOUT, milliseconds(timeout))?;
    }
    if set.counter {
        encoder.nest(NFTA_SET_EXPR, |e| {
            e.text(NFTA_EXPR_NAME, "counter")?;
            e.nest(NFTA_EXPR_DATA, |_| Ok(()))
        })?;
    }
    if let Some(comment) = &set.comment {
        user = user.and_comment(udata::SET_COMMENT, comment)?;
    }
    user.put(encoder, NFTA_SET_USERDATA)
}

/// The size makes the kernel allocate a hash table once; the field lengths are in bytes, whatever
/// the comment in the header says, and only concatenated ranges have them.
fn put_description(encoder: &mut Encoder, set: &Set) -> Result<(), EncodeError> {
    if let Some(size) = set.size {
        encoder.u32(NFTA_SET_DESC_SIZE, size)?;
    }
    if !is_concatenated_interval(set) {
        return Ok(());
    }
    encoder.nest(NFTA_SET_DESC_CONCAT, |e| {
        set.key.iter().try_for_each(|field| {
            let len = u32::try_from(field.len())
                .ok()
                .ok_or(EncodeError::Registers)?;
            e.nest(NFTA_LIST_ELEM, |e| e.u32(NFTA_SET_FIELD_LEN, len))
        })
    })
}
