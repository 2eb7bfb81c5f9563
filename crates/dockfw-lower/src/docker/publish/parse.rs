//! The parser of `-p` strings: hand-written, one pass, no allocation unless the text is wrong.

use std::net::IpAddr;
use std::str::FromStr;

use super::{PortRange, PortRole, Protocol, Publish, PublishError, PublishErrorKind};

/// A piece of the text and where it begins.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> Part<'a> {
    fn error(self, kind: PublishErrorKind) -> PublishError {
        PublishError {
            kind,
            start: self.start,
            end: self.start + self.text.len(),
        }
    }

    /// Splits at the first `separator`, which belongs to neither half.
    fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let (left, right) = self.text.split_once(separator)?;
        Some(self.halves(left, right))
    }

    /// Splits at the last `separator`, which belongs to neither half.
    fn rsplit_once(self, separator: char) -> Option<(Self, Self)> {
        let (left, right) = self.text.rsplit_once(separator)?;
        Some(self.halves(left, right))
    }

    fn halves(self, left: &'a str, right: &'a str) -> (Self, Self) {
        let right_start = self.start + self.text.len() - right.len();
        (
            Self {
                text: left,
                start: self.start,
            },
            Self {
                text: right,
                start: right_start,
            },
        )
    }
}

impl FromStr for Publish {
    type Err = PublishError;

    /// Parses `[[ip]:[hostPort[-end]]:]containerPort[-end][/proto]`.
    ///
    /// # Errors
    ///
    /// [`PublishError`] names the first rule the text breaks, and the bytes that break it.
    fn from_str(text: &str) -> Result<Self, PublishError> {
        let whole = Part { text, start: 0 };
        if text.is_empty() {
            return Err(whole.error(PublishErrorKind::Empty));
        }
        let (address, ports) = split_address(whole)?;
        let (host, container) = match ports.rsplit_once(':') {
            Some((host, container)) => (Some(host), container),
            None => (None, ports),
        };
        let (container, protocol) = match container.split_once('/') {
            Some((container, protocol)) => (container, protocol_of(protocol)?),
            None => (container, Protocol::Tcp),
        };
        let parsed_address = address.map(address_of).transpose()?;
        let host_ports = match host {
            Some(part) if !part.text.is_empty() => Some(host_ports_of(part)?),
            Some(_) | None => None,
        };
        if container.text.is_empty() {
            return Err(spaces_first(
                whole,
                container,
                PublishErrorKind::NoContainerPort,
            ));
        }
        let (first, last) = ends_of(container, PortRole::Container)?;
        let container_ports = PortRange::new(first, last)
            .ok_or_else(|| container.error(PublishErrorKind::PortZero(PortRole::Container)))?;
        if let Some((count, _)) = host_ports
            && container_ports.count() != 1
            && container_ports.count() != count
        {
            let kind = PublishErrorKind::UnequalRanges {
                host: count,
                container: container_ports.count(),
            };
            let start = host.map_or(container.start, |part| part.start);
            let end = container.start + container.text.len();
            return Err(PublishError { kind, start, end });
        }
        Ok(Self {
            host: parsed_address,
            host_ports: host_ports.and_then(|(_, ports)| ports),
            container_ports,
            protocol,
        })
    }
}

/// Splits the host address off: `None` when there is none, the rest has at most one colon.
fn split_address(whole: Part<'_>) -> Result<(Option<Part<'_>>, Part<'_>), PublishError> {
    if let Some(inside) = whole.text.strip_prefix('[') {
        let open = || whole.error(PublishErrorKind::OpenBracket);
        let (address, rest) = inside.split_once(']').ok_or_else(open)?;
        let end = 1 + address.len() + 1;
        let ports = rest.strip_prefix(':').ok_or_else(open)?;
        let address = Part {
            text: address,
            start: 1,
        };
        let ports = Part {
            text: ports,
            start: end + 1,
        };
        // The grammar has a colon between the host port and the container port, even if the host
        // port is left out.
        if !ports.text.contains(':') {
            let kind = PublishErrorKind::NoContainerPort;
            return Err(PublishError {
                kind,
                start: whole.text.len(),
                end: whole.text.len(),
            });
        }
        if ports.text.split(':').count() > 2 {
            return Err(ports.error(PublishErrorKind::TooManyColons));
        }
        return Ok((Some(address), ports));
    }
    let Some((left, _)) = whole.rsplit_once(':') else {
        return Ok((None, whole));
    };
    let Some((address, host)) = left.rsplit_once(':') else {
        return Ok((None, whole));
    };
    let ports = Part {
        text: whole.text.get(host.start..).unwrap_or_default(),
        start: host.start,
    };
    if address.text.contains(':') {
        // "2001:db8::1" alone, or the same with ports: an address whose brackets are missing.
        let bare = |part: Part<'_>| part.text.parse::<std::net::Ipv6Addr>().is_ok();
        if bare(whole) {
            return Err(whole.error(PublishErrorKind::NoBrackets));
        }
        if bare(left) {
            return Err(left.error(PublishErrorKind::NoBrackets));
        }
        if bare(address) {
            return Err(address.error(PublishErrorKind::NoBrackets));
        }
        return Err(address.error(PublishErrorKind::TooManyColons));
    }
    Ok((Some(address).filter(|part| !part.text.is_empty()), ports))
}

fn address_of(part: Part<'_>) -> Result<IpAddr, PublishError> {
    if let Ok(address) = part.text.parse::<IpAddr>() {
        return Ok(address.to_canonical());
    }
    Err(match part.text.find('%') {
        Some(at) => PublishError {
            kind: PublishErrorKind::Zone,
            start: part.start + at,
            end: part.start + part.text.len(),
        },
        None => spaces_first(part, part, PublishErrorKind::BadAddress),
    })
}

/// The number of host ports as written, and the ports unless they are the single `0`.
fn host_ports_of(part: Part<'_>) -> Result<(u16, Option<PortRange>), PublishError> {
    let (first, last) = ends_of(part, PortRole::Host)?;
    if let Some(ports) = PortRange::new(first, last) {
        return Ok((ports.count(), Some(ports)));
    }
    if last == 0 && !part.text.contains('-') {
        return Ok((1, None));
    }
    Err(part.error(PublishErrorKind::PortZero(PortRole::Host)))
}

/// The two ends of a port or range, in order; either can still be 0.
fn ends_of(part: Part<'_>, role: PortRole) -> Result<(u16, u16), PublishError> {
    let Some((first_part, last_part)) = part.split_once('-') else {
        let single = port_of(part, role)?;
        return Ok((single, single));
    };
    if first_part.text.is_empty() || last_part.text.is_empty() {
        return Err(part.error(PublishErrorKind::OpenRange(role)));
    }
    let (first, last) = (port_of(first_part, role)?, port_of(last_part, role)?);
    if first > last {
        return Err(part.error(PublishErrorKind::ReversedRange { role, first, last }));
    }
    Ok((first, last))
}

fn port_of(part: Part<'_>, role: PortRole) -> Result<u16, PublishError> {
    let mut number = 0_u32;
    for byte in part.text.bytes() {
        if !byte.is_ascii_digit() {
            return Err(spaces_first(part, part, PublishErrorKind::NotANumber(role)));
        }
        // Saturates just above the largest port, whatever follows.
        number = (number * 10 + u32::from(byte - b'0')).min(1 << 16);
    }
    u16::try_from(number)
        .ok()
        .ok_or_else(|| part.error(PublishErrorKind::PortTooLarge(role)))
}

fn protocol_of(part: Part<'_>) -> Result<Protocol, PublishError> {
    let is = |name: &str| part.text.eq_ignore_ascii_case(name);
    if is("tcp") {
        Ok(Protocol::Tcp)
    } else if is("udp") {
        Ok(Protocol::Udp)
    } else if is("sctp") {
        Ok(Protocol::Sctp)
    } else {
        Err(spaces_first(part, part, PublishErrorKind::UnknownProtocol))
    }
}

/// The error for `part`; a space in `searched` is the better explanation if there is one.
fn spaces_first(searched: Part<'_>, part: Part<'_>, kind: PublishErrorKind) -> PublishError {
    match searched
        .text
        .char_indices()
        .find(|(_, c)| c.is_whitespace())
    {
        Some((at, c)) => PublishError {
            kind: PublishErrorKind::Space,
            start: searched.start + at,
            end: searched.start + at + c.len_utf8(),
        },
        None => part.error(kind),
    }
}
