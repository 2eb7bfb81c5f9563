//! The grammar of `docker run -p`.

use std::fmt;
use std::net::IpAddr;

mod error;
mod parse;

pub use error::{PortRole, PublishError, PublishErrorKind};

/// A published port or range, as `-p` writes it:
/// `[[ip]:[hostPort[-end]]:]containerPort[-end][/proto]`.
///
/// Parsed by [`FromStr`](std::str::FromStr), without allocating; printed by [`fmt::Display`] in
/// the shortest spelling that means the same.
///
/// Source: docker/go-connections v0.5.0, `nat/nat.go`, `ParsePortSpec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish {
    /// The host address; `None` takes the network's default.
    ///
    /// An IPv4-mapped IPv6 address is stored as IPv4, as Docker does.
    pub host: Option<IpAddr>,
    /// The host port or ports; `None` lets dockerd choose.
    ///
    /// As many as container ports, or several for one container port: dockerd takes a free one.
    pub host_ports: Option<PortRange>,
    /// The container port or ports.
    pub container_ports: PortRange,
    /// The transport protocol, `tcp` by default.
    pub protocol: Protocol,
}

impl Publish {
    /// The host ports when the policy alone decides them: as many as container ports.
    ///
    /// `None` when dockerd chooses, because no host port is written or one out of a range is
    /// wanted.
    pub fn definite_host_ports(&self) -> Option<PortRange> {
        self.host_ports
            .filter(|ports| ports.count() == self.container_ports.count())
    }
}

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Some(IpAddr::V4(address)) => write!(f, "{address}:")?,
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:")?,
            None => {}
        }
        match self.host_ports {
            Some(ports) => write!(f, "{ports}:")?,
            None if self.host.is_some() => f.write_str(":")?,
            None => {}
        }
        write!(f, "{}", self.container_ports)?;
        match self.protocol {
            Protocol::Tcp => Ok(()),
            Protocol::Udp | Protocol::Sctp => write!(f, "/{}", self.protocol),
        }
    }
}

/// One port or several that follow each other; both ends belong to it, neither is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// A transport protocol that can be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// IP protocol 6.
    Tcp,
    /// IP protocol 17.
    Udp,
    /// IP protocol 132.
    Sctp,
}

impl PortRange {
    /// A range; `None` when it is empty or holds port 0.
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first != 0 && first <= last).then_some(Self { first, last })
    }

    /// The lowest port.
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest port, which belongs to the range.
    pub fn last(self) -> u16 {
        self.last
    }

    /// How many ports: 1 to 65,535.
    pub fn count(self) -> u16 {
        self.last - self.first + 1
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl Protocol {
    /// The IP protocol number.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

#[cfg(test)]
mod tests;
