//! Values: bytes to the text nft has for their type.
//!
//! Everything is pushed onto one string: a large set prints without an allocation per element.

use std::fmt::Write;
use std::net::Ipv6Addr;
use std::time::Duration;

use super::{set, symbol, time};
use crate::value::{DataType, Value};

/// A concatenation, or a range of one.
pub(crate) fn concatenation(
    out: &mut String,
    types: &[DataType],
    low: &Value,
    high: Option<&Value>,
) {
    let mut low = low.as_bytes();
    let mut high = high.map(Value::as_bytes);
    for (index, &data_type) in types.iter().enumerate() {
        if index > 0 {
            out.push_str(" . ");
        }
        let first = take(&mut low, data_type);
        match high.as_mut() {
            Some(high) => range(out, data_type, first, take(high, data_type)),
            None => single(out, data_type, first),
        }
    }
}

/// Gives each field of a range of a concatenation; both ends are the same where there is no range.
pub(crate) fn each_field(
    types: &[DataType],
    low: &Value,
    high: &Value,
    mut each: impl FnMut(DataType, &[u8], &[u8]),
) {
    let (mut low, mut high) = (low.as_bytes(), high.as_bytes());
    for &data_type in types {
        each(
            data_type,
            take(&mut low, data_type),
            take(&mut high, data_type),
        );
    }
}

/// The bytes of the next field; too short ones (never verified) give what is there.
fn take<'a>(bytes: &mut &'a [u8], data_type: DataType) -> &'a [u8] {
    let (field, rest) = bytes
        .split_at_checked(data_type.register_len())
        .unwrap_or((bytes, &[]));
    *bytes = rest;
    field.get(..data_type.len()).unwrap_or(field)
}

/// The field of a value that is not a concatenation.
pub(crate) fn field(data_type: DataType, value: &Value) -> &[u8] {
    take(&mut value.as_bytes(), data_type)
}

/// `LOW-HIGH`, a prefix where nft lists one, or a single value when the ends are equal.
fn range(out: &mut String, data_type: DataType, low: &[u8], high: &[u8]) {
    if low == high {
        return single(out, data_type, low);
    }
    if matches!(data_type, DataType::Ipv4Addr | DataType::Ipv6Addr)
        && let Some(length) = prefix_of_range(low, high)
    {
        single(out, data_type, low);
        out.push('/');
        return decimal(out, length);
    }
    ends(out, data_type, low, high);
}

/// `LOW-HIGH`; nft prints the ends of enumerated types as numbers.
pub(crate) fn ends(out: &mut String, data_type: DataType, low: &[u8], high: &[u8]) {
    for (index, bytes) in [low, high].into_iter().enumerate() {
        if index > 0 {
            out.push('-');
        }
        match (symbol::table(data_type), symbol::number(data_type, bytes)) {
            // The ends are seconds only.
            (_, Some(ms)) if data_type == DataType::Duration && ms.is_multiple_of(1000) => {
                decimal(out, ms / 1000);
                out.push('s');
            }
            ([_, ..], Some(number)) => decimal(out, number),
            _ => single(out, data_type, bytes),
        }
    }
}

/// One field.
pub(crate) fn single(out: &mut String, data_type: DataType, bytes: &[u8]) {
    match (data_type, bytes) {
        (DataType::Ipv4Addr, [_, _, _, _]) => ipv4(out, bytes),
        (DataType::Ipv6Addr, bytes) => match <[u8; 16]>::try_from(bytes) {
            Ok(octets) => ipv6(out, octets.into()),
            Err(_) => hexadecimal(out, bytes),
        },
        (DataType::EtherAddr, _) => {
            for (index, &byte) in bytes.iter().enumerate() {
                if index > 0 {
                    out.push(':');
                }
                hex_byte(out, byte);
            }
        }
        (DataType::IfName, _) => interface(out, bytes),
        (DataType::Mark, [_, _, _, _]) => {
            out.push_str("0x");
            for &byte in &symbol::number(data_type, bytes)
                .unwrap_or_default()
                .to_be_bytes()
            {
                hex_byte(out, byte);
            }
        }
        (DataType::Duration, [a, b, c, d]) => {
            let milliseconds = u32::from_ne_bytes([*a, *b, *c, *d]);
            set::duration(out, Duration::from_millis(milliseconds.into()));
        }
        (DataType::TimeOfDay, [a, b, c, d]) => {
            time::of_day(out, u32::from_ne_bytes([*a, *b, *c, *d]));
        }
        (DataType::Timestamp, bytes) => match <[u8; 8]>::try_from(bytes) {
            Ok(bytes) => time::point(out, u64::from_ne_bytes(bytes)),
            Err(_) => hexadecimal(out, bytes),
        },
        (DataType::HostInteger(_), bytes) if bytes.len() == 8 => {
            if let Ok(bytes) = <[u8; 8]>::try_from(bytes) {
                let _ = write!(out, "{}", u64::from_ne_bytes(bytes));
            }
        }
        (DataType::Raw(_), bytes) => match symbol::number(data_type, bytes) {
            Some(number) => hex_number(out, number),
            None => hexadecimal(out, bytes),
        },
        (DataType::Weekday, &[day]) => match symbol::name(data_type, day.into()) {
            Some(name) => {
                let _ = write!(out, "\"{name}\"");
            }
            None => decimal(out, day.into()),
        },
        (DataType::Dscp, &[dscp]) if symbol::name(data_type, dscp.into()).is_none() => {
            out.push_str("0x");
            hex_byte(out, dscp);
        }
        _ => match symbol::number(data_type, bytes) {
            Some(number) => match symbol::name(data_type, number) {
                Some(name) => out.push_str(name),
                None if symbol::is_flags(data_type) => hex_number(out, number),
                None => decimal(out, number),
            },
            None => hexadecimal(out, bytes),
        },
    }
}

/// Flags joined with `,`: known bits by name, others in hexadecimal.
pub(crate) fn flags(out: &mut String, data_type: DataType, bits: u32) {
    let mut first = true;
    let mut separate = |out: &mut String| {
        if !first {
            out.push(',');
        }
        first = false;
    };
    for bit in (0..u32::BITS).map(|shift| 1 << shift) {
        if bits & bit != 0 {
            separate(out);
            match symbol::name(data_type, bit) {
                Some(name) => out.push_str(name),
                None => hex_number(out, bit),
            }
        }
    }
    if bits == 0 {
        out.push_str("0x0");
    }
}

/// The length of the prefix that covers exactly this range.
pub(crate) fn prefix_of_range(low: &[u8], high: &[u8]) -> Option<u32> {
    let mut length = 0;
    let mut open = false;
    for (&low, &high) in low.iter().zip(high) {
        let differ = low ^ high;
        let tail = if open { 0xff } else { differ };
        // What differs must be all of the low bits, zero at the low end and one at the high end.
        if differ != tail
            || low & tail != 0
            || high & tail != tail
            || u32::from(tail).count_ones() != u8::BITS - tail.leading_zeros()
        {
            return None;
        }
        length += tail.leading_zeros();
        open |= differ != 0;
    }
    Some(length)
}

/// The length of a prefix mask, if the bytes are one.
pub(crate) fn prefix_of_mask(mask: &[u8]) -> Option<u32> {
    let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let mut leading = 0;
    for byte in mask {
        leading += byte.leading_ones();
        if *byte != 0xff {
            break;
        }
    }
    (ones == leading).then_some(ones)
}

/// A number without the machinery of `fmt`.
pub(crate) fn decimal(out: &mut String, number: u32) {
    let mut divisor = 1;
    while number / divisor >= 10 {
        divisor *= 10;
    }
    while divisor > 0 {
        out.push(digit(number / divisor % 10));
        divisor /= 10;
    }
}

fn digit(digit: u32) -> char {
    char::from_digit(digit, 16).unwrap_or('?')
}

fn hex_byte(out: &mut String, byte: u8) {
    out.push(digit(u32::from(byte >> 4)));
    out.push(digit(u32::from(byte & 0xf)));
}

pub(crate) fn hex_number(out: &mut String, number: u32) {
    // Writing to a string cannot fail.
    let _ = write!(out, "0x{number:x}");
}

fn hexadecimal(out: &mut String, bytes: &[u8]) {
    out.push_str("0x");
    for &byte in bytes {
        hex_byte(out, byte);
    }
    if bytes.is_empty() {
        out.push('0');
    }
}

fn ipv4(out: &mut String, bytes: &[u8]) {
    for (index, &byte) in bytes.iter().enumerate() {
        if index > 0 {
            out.push('.');
        }
        decimal(out, byte.into());
    }
}

/// As `inet_ntop` of glibc, which nft uses, has it.
pub(crate) fn ipv6(out: &mut String, address: Ipv6Addr) {
    if let [0, 0, 0, 0, 0, 0, high, _] = address.segments()
        && high != 0
    {
        // Rust prints `::c000:201` where glibc prints `::192.0.2.1`.
        out.push_str("::");
        let octets = address.octets();
        return ipv4(out, octets.get(12..).unwrap_or_default());
    }
    let _ = write!(out, "{address}");
}

/// A name in quotes, without its padding; what cannot stand in a name (never verified) becomes `?`.
fn interface(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for &byte in bytes.iter().take_while(|byte| **byte != 0) {
        let good = byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'*');
        out.push(if good { char::from(byte) } else { '?' });
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(types: &[DataType], low: &Value, high: Option<&Value>) -> String {
        let mut out = String::new();
        concatenation(&mut out, types, low, high);
        out
    }

    #[test]
    fn numbers() {
        for number in [0, 1, 9, 10, 99, 100, 65535, u32::MAX] {
            let mut out = String::new();
            decimal(&mut out, number);
            assert_eq!(out, number.to_string());
        }
    }

    #[test]
    fn ranges_that_are_prefixes() {
        let check = |low: [u8; 4], high: [u8; 4], expect: &str| {
            let (low, high) = (Value::new().and_bytes(&low), Value::new().and_bytes(&high));
            assert_eq!(text(&[DataType::Ipv4Addr], &low, Some(&high)), expect);
        };
        check([10, 0, 0, 0], [10, 255, 255, 255], "10.0.0.0/8");
        check([10, 0, 0, 0], [11, 255, 255, 255], "10.0.0.0/7");
        check([10, 0, 0, 1], [10, 0, 0, 1], "10.0.0.1");
        check([10, 0, 0, 1], [10, 0, 0, 2], "10.0.0.1-10.0.0.2");
        check([10, 0, 0, 0], [10, 0, 0, 2], "10.0.0.0-10.0.0.2");
        check([10, 0, 0, 0], [10, 0, 2, 255], "10.0.0.0-10.0.2.255");
        check([10, 0, 0, 0], [10, 0, 1, 255], "10.0.0.0/23");
        check([10, 0, 1, 0], [10, 0, 2, 255], "10.0.1.0-10.0.2.255");
        check([10, 0, 0, 0], [10, 0, 255, 0], "10.0.0.0-10.0.255.0");
        check([0, 0, 0, 0], [255, 255, 255, 255], "0.0.0.0/0");
    }

    #[test]
    fn wrong_lengths_print_something() {
        let short = Value::from_registers(&[1, 2]);
        assert_eq!(
            text(&[DataType::Ipv4Addr, DataType::Mark], &short, None),
            "258 . 0x0"
        );
    }

    #[test]
    fn addresses_as_glibc_prints_them() {
        for (address, expect) in [
            ("::c000:201", "::192.0.2.1"),
            ("::1", "::1"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
            ("64:ff9b::102:304", "64:ff9b::102:304"),
        ] {
            let mut out = String::new();
            ipv6(&mut out, address.parse().unwrap());
            assert_eq!(out, expect);
        }
    }
}
