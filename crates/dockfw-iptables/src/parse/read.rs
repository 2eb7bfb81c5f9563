//! Values: numbers, marks, ports, addresses, names from tables.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::{Bad, nearest};
use super::names;
use crate::address::AddressMask;
use crate::program::Family;
use crate::value::{PortRange, Protocol};

/// A number as strtoul(3) with base 0 reads it: decimal, `0x…`, or octal with a `0` in front.
pub(crate) fn number(text: &str, max: u64) -> Result<u64, Bad> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if lower.len() > 1 && lower.starts_with('0') => (lower.as_str(), 8),
        None => (lower.as_str(), 10),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let value = u64::from_str_radix(digits, radix)
        .ok()
        .filter(|value| plain && *value <= max);
    value.ok_or_else(|| {
        Bad::new(
            format!("\"{text}\" is not a number from 0 to {max}"),
            format!("write a number from 0 to {max}"),
        )
    })
}

pub(crate) fn u8(text: &str) -> Result<u8, Bad> {
    number(text, u8::MAX.into()).map(|value| u8::try_from(value).unwrap_or(u8::MAX))
}

pub(crate) fn u16(text: &str) -> Result<u16, Bad> {
    number(text, u16::MAX.into()).map(|value| u16::try_from(value).unwrap_or(u16::MAX))
}

pub(crate) fn u32(text: &str) -> Result<u32, Bad> {
    number(text, u32::MAX.into()).map(|value| u32::try_from(value).unwrap_or(u32::MAX))
}

/// `value[/mask]`; without a mask all bits count.
pub(crate) fn masked(text: &str) -> Result<(u32, u32), Bad> {
    match text.split_once('/') {
        Some((value, mask)) => Ok((u32(value)?, u32(mask)?)),
        None => Ok((u32(text)?, u32::MAX)),
    }
}

/// `first[:last]`; either end may be left out: 0, or the greatest number.
pub(crate) fn range<T: Copy>(
    text: &str,
    separator: char,
    (min, max): (T, T),
    read: impl Fn(&str) -> Result<T, Bad>,
) -> Result<(T, T), Bad> {
    let end = |part: &str, default| {
        if part.is_empty() {
            Ok(default)
        } else {
            read(part)
        }
    };
    match text.split_once(separator) {
        Some((first, last)) => Ok((end(first, min)?, end(last, max)?)),
        None => read(text).map(|value| (value, value)),
    }
}

/// A port by number or by name.
pub(crate) fn port(text: &str) -> Result<u16, Bad> {
    if let Some(port) = names::service(text) {
        return Ok(port);
    }
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(match nearest(text, names::services()) {
            Some(near) => Bad::new(
                format!("there is no service called \"{text}\""),
                format!("did you mean {near}?"),
            ),
            None => Bad::new(
                format!("\"{text}\" is not the name of a common service"),
                "write the port as a number: /etc/services is not read",
            ),
        });
    }
    let value = u16(text);
    value.map_err(|_bad| {
        Bad::new(
            format!("\"{text}\" is not a port"),
            "write a number from 0 to 65535, or first:last",
        )
    })
}

/// `first[:last]` with names; `first` above `last` is taken, and matches nothing.
pub(crate) fn ports(text: &str) -> Result<PortRange, Bad> {
    let (first, last) = range(text, ':', (0, u16::MAX), port)?;
    Ok(PortRange { first, last })
}

/// `first[-last]` for address translation, in order.
pub(crate) fn nat_ports(text: &str) -> Result<PortRange, Bad> {
    if let Ok(port) = port(text) {
        return Ok(PortRange::one(port));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |part| {
        let bad = |_bad| {
            Bad::new(
                format!("\"{part}\" is not a port"),
                "write a number from 0 to 65535, or first-last in numbers",
            )
        };
        u16(part).map_err(bad)
    };
    let range = PortRange {
        first: number(first)?,
        last: number(last)?,
    };
    if range.first > range.last {
        return Err(Bad::new(
            format!("the range {text} ends before it begins"),
            format!("write {last}-{first}"),
        ));
    }
    Ok(range)
}

/// A protocol by number or name; `all` is 0.
pub(crate) fn protocol(text: &str) -> Result<Protocol, Bad> {
    let lower = text.to_ascii_lowercase();
    if let Some(number) = names::protocol(&lower) {
        return Ok(Protocol(number));
    }
    if text.starts_with(|c: char| c.is_ascii_digit())
        && let Ok(number) = u8(text)
    {
        return Ok(Protocol(number));
    }
    let help = match nearest(&lower, names::protocols()) {
        Some(near) => format!("did you mean {near}?"),
        None => "write a number from 0 to 255, or a name such as tcp".to_owned(),
    };
    Err(Bad::new(
        format!("there is no protocol called \"{text}\""),
        help,
    ))
}

/// One address of the family, without a mask.
pub(crate) fn address(text: &str, family: Family) -> Result<IpAddr, Bad> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .filter(|_| family == Family::Ipv6)
        .unwrap_or(text);
    match (bare.parse::<IpAddr>(), family) {
        (Ok(address @ IpAddr::V4(_)), Family::Ipv4)
        | (Ok(address @ IpAddr::V6(_)), Family::Ipv6) => Ok(address),
        (Ok(IpAddr::V6(_)), Family::Ipv4) => Err(wrong_family(text, "IPv6", "IPv4", "ip6tables")),
        (Ok(IpAddr::V4(_)), Family::Ipv6) => Err(wrong_family(text, "IPv4", "IPv6", "iptables")),
        (Err(_), _) => Err(not_an_address(text)),
    }
}

fn wrong_family(text: &str, has: &str, wanted: &str, program: &str) -> Bad {
    let mut bad = Bad::new(
        format!("{text} is an {has} address in a rule for {wanted}"),
        format!("write an {wanted} address, or move the rule to {program}"),
    );
    bad.kind = super::error::ErrorKind::Contradictory;
    bad
}

fn not_an_address(text: &str) -> Bad {
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains(':') {
        return Bad::new(
            format!("\"{text}\" is not an address"),
            "write the address itself: host names are not looked up",
        );
    }
    Bad::new(
        format!("\"{text}\" is not an address"),
        "write an address such as 192.0.2.1, or a network such as 192.0.2.0/24",
    )
}

/// `address[/length]` or `address[/mask]`; host bits are cleared.
///
/// For IPv4, octets may be left out at the end (`10/8`), and a mask of zero makes the address
/// irrelevant (`any/0`).
///
/// Source: iptables 1.8.9, `libxtables/xtables.c`, `xtables_ipparse_multiple`.
pub(crate) fn network(text: &str, family: Family) -> Result<AddressMask, Bad> {
    let (host, mask) = match text.rsplit_once('/') {
        Some((host, mask)) => (host, Some(mask)),
        None => (text, None),
    };
    match family {
        Family::Ipv4 => {
            let mask = mask.map_or(Ok(Ipv4Addr::BROADCAST), |mask| ipv4_mask(mask, text))?;
            if mask.is_unspecified() {
                return Ok(AddressMask::ipv4(mask, mask));
            }
            match address(&padded(host), family)? {
                IpAddr::V4(address) => Ok(AddressMask::ipv4(address, mask)),
                IpAddr::V6(_) => Err(not_an_address(text)),
            }
        }
        Family::Ipv6 => {
            let all = Ipv6Addr::from_bits(u128::MAX);
            let mask = mask.map_or(Ok(all), |mask| ipv6_mask(mask, text))?;
            match address(host, family)? {
                IpAddr::V6(address) => Ok(AddressMask::ipv6(address, mask)),
                IpAddr::V4(_) => Err(not_an_address(text)),
            }
        }
    }
}

/// Adds the octets that are left out at the end.
fn padded(host: &str) -> String {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = host.split('.').count();
    if parts < 4 && host.split('.').all(digits) {
        host.to_owned() + &".0".repeat(4 - parts)
    } else {
        host.to_owned()
    }
}

fn ipv4_mask(mask: &str, text: &str) -> Result<Ipv4Addr, Bad> {
    if let Ok(mask) = mask.parse() {
        return Ok(mask);
    }
    let length = prefix(mask, text, 32)?;
    let bits = u32::MAX.checked_shl(32 - length).unwrap_or_default();
    Ok(Ipv4Addr::from_bits(bits))
}

fn ipv6_mask(mask: &str, text: &str) -> Result<Ipv6Addr, Bad> {
    if let Ok(mask) = mask.parse() {
        return Ok(mask);
    }
    let length = prefix(mask, text, 128)?;
    let bits = u128::MAX.checked_shl(128 - length).unwrap_or_default();
    Ok(Ipv6Addr::from_bits(bits))
}

fn prefix(mask: &str, text: &str, max: u32) -> Result<u32, Bad> {
    let plain = mask.bytes().all(|byte| byte.is_ascii_digit());
    let length = mask.parse().ok().filter(|length| plain && *length <= max);
    length.ok_or_else(|| {
        Bad::new(
            format!("\"{mask}\" is not a mask in {text}"),
            format!("write a length from 0 to {max}, or a mask in the form of an address"),
        )
    })
}

/// `first[-last]` of addresses.
pub(crate) fn addresses(text: &str, family: Family) -> Result<(IpAddr, IpAddr), Bad> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Ok((address(first, family)?, address(last, family)?))
}

/// A name from a table, or its suggestion.
pub(crate) fn name<T: Copy>(text: &str, what: &str, table: &[(T, &str)]) -> Result<T, Bad> {
    let found = table
        .iter()
        .find(|(_, name)| name.eq_ignore_ascii_case(text));
    if let Some((value, _)) = found {
        return Ok(*value);
    }
    let names = || table.iter().map(|(_, name)| *name);
    let help = match nearest(text, names()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("write one of {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err(Bad::new(format!("\"{text}\" is not {what}"), help))
}

/// Names from a table with commas between them, put together by `or`.
pub(crate) fn list<T: Copy>(
    text: &str,
    what: &str,
    table: &[(T, &str)],
    or: impl Fn(T, T) -> T,
) -> Result<T, Bad> {
    let mut all: Option<T> = None;
    for part in text.split(',') {
        let one = name(part, what, table)?;
        all = Some(all.map_or(one, |all| or(all, one)));
    }
    all.ok_or_else(|| Bad::new(format!("there is not {what}"), "write a name"))
}

/// A text for the kernel: at most `max` bytes without control characters.
pub(crate) fn string(text: &str, max: usize) -> Result<Box<str>, Bad> {
    if text.chars().any(char::is_control) {
        return Err(Bad::new(
            "a control character cannot stand there",
            "leave it out",
        ));
    }
    if text.len() > max {
        return Err(Bad::new(
            format!("the text has {} bytes, and {max} is the most", text.len()),
            "shorten it",
        ));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let check = |text, value| assert_eq!(number(text, 255).ok(), value, "{text}");
        check("0", Some(0));
        check("0x1F", Some(31));
        check("017", Some(15));
        check("255", Some(255));
        check("256", None);
        check("-1", None);
        check("+1", None);
        check("", None);
        check("0x", None);
        check("08", None);
    }

    #[test]
    fn networks() {
        let check = |text, expected: Option<&str>| {
            let family = match text {
                text if str::contains(text, ':') => Family::Ipv6,
                _ => Family::Ipv4,
            };
            let found = network(text, family).ok().map(|mask| mask.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("192.0.2.1", Some("192.0.2.1/32"));
        check("192.0.2.1/24", Some("192.0.2.0/24"));
        check("192.0.2.1/255.255.0.0", Some("192.0.0.0/16"));
        check("10/8", Some("10.0.0.0/8"));
        check("any/0", Some("0.0.0.0/0"));
        check("192.0.2.1/33", None);
        check("192.0.2.256", None);
        check("example.org", None);
        check("2001:db8::1/32", Some("2001:db8::/32"));
        check("2001:db8::1/ffff::", Some("2001::/16"));
        check("::/129", None);
    }

    #[test]
    fn port_ranges() {
        let check = |text, expected| {
            let found = ports(text).ok().map(|range| (range.first, range.last));
            assert_eq!(found, expected, "{text}");
        };
        check("ssh", Some((22, 22)));
        check("1024:", Some((1024, 65535)));
        check(":80", Some((0, 80)));
        check("ftp-data:ssh", Some((20, 22)));
        check("60000:29", Some((60000, 29)));
        check("65536", None);
        check("-1", None);
    }
}
