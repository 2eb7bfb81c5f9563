//! Values and their types.

use crate::print::symbol;
use crate::value::{DataType, Value, register_len};

/// Where the padding of these types is: bytes that must be zero.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    types: Vec<DataType>,
    length: usize,
    padding: Vec<u8>,
    /// Whether some type does not take every value.
    selective: bool,
}

impl Layout {
    pub(super) fn new(types: &[DataType]) -> Self {
        let mut padding = Vec::with_capacity(register_len(types));
        for data_type in types {
            padding.resize(padding.len() + data_type.len(), 0);
            padding.resize(padding.len().next_multiple_of(4), 0xff);
        }
        Self {
            types: types.to_vec(),
            length: padding.len(),
            padding,
            selective: types.iter().any(|t| is_selective(*t)),
        }
    }

    /// Whether the value has the length of the types and zeros as padding.
    pub(super) fn fits(&self, value: &Value) -> bool {
        let bytes = value.as_bytes();
        // Without an early end, so that the compiler can take many bytes at once.
        let outside = |bits, (byte, padding): (&u8, &u8)| bits | (byte & padding);
        bytes.len() == self.length && bytes.iter().zip(&self.padding).fold(0, outside) == 0
    }

    /// The first thing wrong with the values of the fields; the length is right.
    pub(super) fn error(&self, value: &Value, flags: Flags) -> Option<String> {
        if !self.selective {
            return None;
        }
        self.fields(value)
            .find_map(|(data_type, bytes)| error(data_type, bytes, flags))
    }

    /// The fields of a value, without padding.
    pub(super) fn fields<'a>(
        &'a self,
        value: &'a Value,
    ) -> impl Iterator<Item = (DataType, &'a [u8])> {
        let mut rest = value.as_bytes();
        self.types.iter().map_while(move |&data_type| {
            let (field, tail) = rest.split_at_checked(data_type.register_len())?;
            rest = tail;
            Some((data_type, field.get(..data_type.len())?))
        })
    }
}

/// How many flags a value may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flags {
    /// In a set: exactly one.
    One,
    /// In a masked comparison: any that exist.
    Any,
}

const fn is_selective(data_type: DataType) -> bool {
    match data_type {
        DataType::NfProto
        | DataType::IfName
        | DataType::CtState
        | DataType::CtDir
        | DataType::CtStatus
        | DataType::FibAddrtype
        | DataType::PktType
        | DataType::TcpFlag
        | DataType::Boolean
        | DataType::Dscp
        | DataType::Ecn
        | DataType::TimeOfDay
        | DataType::Weekday
        | DataType::Timestamp => true,
        DataType::Ipv4Addr
        | DataType::Ipv6Addr
        | DataType::EtherAddr
        | DataType::InetProto
        | DataType::InetService
        | DataType::IcmpType
        | DataType::Icmpv6Type
        | DataType::IcmpCode
        | DataType::Icmpv6Code
        | DataType::Mark
        | DataType::Uid
        | DataType::Gid
        | DataType::Duration
        | DataType::Raw(_)
        | DataType::Integer(_)
        | DataType::HostInteger(_) => false,
    }
}

/// Nanoseconds of a second.
const NANOSECONDS: u64 = 1_000_000_000;
/// Seconds of a day.
const SECONDS_OF_DAY: u32 = 86_400;

#[expect(clippy::wildcard_enum_match_arm, reason = "types with a largest value")]
fn error(data_type: DataType, bytes: &[u8], flags: Flags) -> Option<String> {
    if !is_selective(data_type) {
        return None;
    }
    if data_type == DataType::IfName {
        return interface_error(bytes);
    }
    if data_type == DataType::Timestamp {
        let time = u64::from_ne_bytes(bytes.try_into().ok()?);
        return (!time.is_multiple_of(NANOSECONDS))
            .then(|| format!("{time} is no whole number of seconds"));
    }
    let number = symbol::number(data_type, bytes)?;
    let most = match data_type {
        DataType::Dscp => Some(63),
        DataType::TimeOfDay => Some(SECONDS_OF_DAY - 1),
        _ => None,
    };
    if let Some(most) = most {
        return (number > most).then(|| format!("{number} is no {data_type:?}"));
    }
    if symbol::is_flags(data_type) {
        let known: u32 = symbol::table(data_type).iter().map(|(bit, _)| bit).sum();
        if number & !known != 0 {
            return Some(format!(
                "{number:#x} has bits that {data_type:?} does not have"
            ));
        }
        return (flags == Flags::One && !number.is_power_of_two())
            .then(|| format!("{number:#x} is not one flag of {data_type:?}"));
    }
    symbol::name(data_type, number)
        .is_none()
        .then(|| format!("{number} is no {data_type:?}"))
}

/// An interface name: 1 to 15 bytes that can be in one, then zeros.
fn interface_error(bytes: &[u8]) -> Option<String> {
    let length = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    let (name, padding) = bytes.split_at_checked(length)?;
    // Nearly all names, without making one.
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    if !name.is_empty() && !padding.is_empty() && name.iter().all(plain) && is_zero(padding) {
        return None;
    }
    let text = String::from_utf8_lossy(name);
    if padding.is_empty() || !is_zero(padding) {
        return Some(format!("{text:?} is not padded with zeros"));
    }
    name_error(&text)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// What is wrong with an interface name or its prefix.
pub(super) fn name_error(name: &str) -> Option<String> {
    crate::name::IfName::new(name)
        .err()
        .map(|error| error.to_string())
}
