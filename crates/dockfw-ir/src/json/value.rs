//! Values, ranges and concatenations.

use serde_json::{Value as Json, json};

use crate::print::{symbol, value};
use crate::value::{DataType, Value};

/// A concatenation, or a range of one; a single field is not wrapped.
pub(super) fn concatenation(types: &[DataType], low: &Value, high: Option<&Value>) -> Json {
    let highs = high.unwrap_or(low);
    let mut fields: Vec<Json> = Vec::with_capacity(types.len());
    value::each_field(types, low, highs, |data_type, low, high| {
        fields.push(range(data_type, low, high));
    });
    if fields.len() == 1 {
        fields.pop().unwrap_or_default()
    } else {
        json!({"concat": fields})
    }
}

fn range(data_type: DataType, low: &[u8], high: &[u8]) -> Json {
    if low == high {
        return single(data_type, low);
    }
    if matches!(data_type, DataType::Ipv4Addr | DataType::Ipv6Addr)
        && let Some(length) = value::prefix_of_range(low, high)
    {
        return prefix(data_type, low, length);
    }
    ends(data_type, low, high)
}

pub(super) fn prefix(data_type: DataType, address: &[u8], length: u32) -> Json {
    json!({"prefix": {"addr": single(data_type, address), "len": length}})
}

/// `LOW-HIGH`; the ends of enumerated types are numbers.
pub(super) fn ends(data_type: DataType, low: &[u8], high: &[u8]) -> Json {
    let end = |bytes| match (symbol::table(data_type), symbol::number(data_type, bytes)) {
        ([_, ..], Some(number)) => json!(number),
        _ => single(data_type, bytes),
    };
    json!({"range": [end(low), end(high)]})
}

/// One field: a number, or the text that nft has for it.
pub(super) fn single(data_type: DataType, bytes: &[u8]) -> Json {
    let text = match data_type {
        DataType::Ipv4Addr
        | DataType::Ipv6Addr
        | DataType::EtherAddr
        | DataType::IfName
        | DataType::TimeOfDay
        | DataType::Timestamp => true,
        DataType::Boolean => return json!(bytes.first().is_some_and(|byte| *byte != 0)),
        DataType::HostInteger(8) => {
            return json!(<[u8; 8]>::try_from(bytes).map(u64::from_ne_bytes).ok());
        }
        DataType::Duration => return json!(symbol::number(data_type, bytes).map(|ms| ms / 1000)),
        DataType::NfProto
        | DataType::InetProto
        | DataType::InetService
        | DataType::IcmpType
        | DataType::Icmpv6Type
        | DataType::IcmpCode
        | DataType::Icmpv6Code
        | DataType::TcpFlag
        | DataType::Mark
        | DataType::CtState
        | DataType::CtDir
        | DataType::CtStatus
        | DataType::FibAddrtype
        | DataType::PktType
        | DataType::Uid
        | DataType::Gid
        | DataType::Dscp
        | DataType::Ecn
        | DataType::Weekday
        | DataType::Raw(_)
        | DataType::Integer(_)
        | DataType::HostInteger(_) => false,
    };
    if !text && let Some(number) = symbol::number(data_type, bytes) {
        return symbol::name(data_type, number).map_or_else(|| json!(number), |name| json!(name));
    }
    let mut out = String::new();
    value::single(&mut out, data_type, bytes);
    // The text has quotes around names, JSON has its own.
    json!(out.trim_matches('"'))
}

/// Flags: one word, or a list of them.
pub(super) fn flags(data_type: DataType, bits: u32) -> Json {
    let mut words: Vec<Json> = (0..u32::BITS)
        .map(|shift| 1 << shift)
        .filter(|bit| bits & bit != 0)
        .map(|bit| symbol::name(data_type, bit).map_or_else(|| json!(bit), |name| json!(name)))
        .collect();
    match words.len() {
        0 => json!(0),
        1 => words.pop().unwrap_or_default(),
        _ => Json::Array(words),
    }
}
