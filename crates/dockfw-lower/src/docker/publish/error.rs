//! Why a `-p` string is wrong, where, and what would be right.

use std::fmt;
use std::ops::Range;

/// Why a text is not a `-p` string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct PublishError {
    /// The rule it breaks.
    pub kind: PublishErrorKind,
    /// The first byte that is wrong.
    pub start: usize,
    /// The byte after the last one that is wrong; equal to `start` where something is missing.
    pub end: usize,
}

/// The rules of the `-p` grammar that a text can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishErrorKind {
    /// No text at all.
    #[error("the port mapping is empty")]
    Empty,
    /// A space, tab or line break.
    #[error("a port mapping has no spaces")]
    Space,
    /// Nothing after the last colon.
    #[error("the container port is missing")]
    NoContainerPort,
    /// Something else than digits where a port is expected.
    #[error("the {0} is not a number")]
    NotANumber(PortRole),
    /// A range with one end only: `9090-` or `-9090`.
    #[error("the {0} range has only one end")]
    OpenRange(PortRole),
    /// A port above 65,535.
    #[error("the {0} is above 65535")]
    PortTooLarge(PortRole),
    /// Port 0, or a range that begins with it.
    #[error("the {0} is 0")]
    PortZero(PortRole),
    /// The first port of a range is above the last.
    #[error("the {role} range runs backwards, from {first} to {last}")]
    ReversedRange {
        /// Which port.
        role: PortRole,
        /// The first port as written.
        first: u16,
        /// The last port as written.
        last: u16,
    },
    /// Several container ports and another number of host ports.
    #[error("{host} host ports cannot be mapped to {container} container ports")]
    UnequalRanges {
        /// How many host ports.
        host: u16,
        /// How many container ports.
        container: u16,
    },
    /// Not an IP address where one is expected.
    #[error("the host address is not an IP address")]
    BadAddress,
    /// An IPv6 address without brackets.
    #[error("an IPv6 host address must stand in brackets")]
    NoBrackets,
    /// `[` without `]`, or something other than a colon after `]`.
    #[error("the bracket of the host address is not closed")]
    OpenBracket,
    /// `%` in an address.
    #[error("a host address cannot have a zone")]
    Zone,
    /// More parts than address, host port and container port.
    #[error("too many colons")]
    TooManyColons,
    /// Not tcp, udp or sctp.
    #[error("the protocol is not tcp, udp or sctp")]
    UnknownProtocol,
}

/// Which of the two ports of a mapping an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortRole {
    /// The port on the host.
    Host,
    /// The port in the container.
    Container,
}

impl fmt::Display for PortRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host port",
            Self::Container => "container port",
        })
    }
}

impl PublishError {
    /// The bytes of the text that are wrong; empty where something is missing.
    pub fn span(&self) -> Range<usize> {
        self.start..self.end
    }

    /// What would be right, as a sentence without a full stop.
    pub fn help(&self) -> String {
        let fixed = match self.kind {
            PublishErrorKind::Empty => {
                "write what docker run -p takes, for example \"8080:80\" or \"127.0.0.1:53:53/udp\""
            }
            PublishErrorKind::Space => "remove it",
            PublishErrorKind::NoContainerPort => {
                "write the container's port after the last colon, for example \"8080:80\""
            }
            PublishErrorKind::NotANumber(_) | PublishErrorKind::PortTooLarge(_) => {
                "ports are numbers from 1 to 65535"
            }
            PublishErrorKind::OpenRange(_) => {
                "write both ends, for example 9090-9099, or a single port"
            }
            PublishErrorKind::PortZero(PortRole::Container) => {
                "write the port on which the container listens, 1 to 65535"
            }
            PublishErrorKind::PortZero(PortRole::Host) => {
                "a range begins at 1 or above; 0 alone lets dockerd choose a port"
            }
            PublishErrorKind::ReversedRange { first, last, .. } => {
                return format!("write {last}-{first}");
            }
            PublishErrorKind::UnequalRanges { container, .. } => {
                return format!("write {container} host ports, one for each container port");
            }
            PublishErrorKind::BadAddress => {
                "write an IPv4 address, or an IPv6 address in brackets; names are not looked up"
            }
            PublishErrorKind::NoBrackets => "write for example \"[2001:db8::1]:8080:80\"",
            PublishErrorKind::OpenBracket => {
                "write the address between [ and ] and a colon after it, for example \"[::1]:8080:80\""
            }
            PublishErrorKind::Zone => {
                "write the address without % and what follows it; Docker binds no scoped address"
            }
            PublishErrorKind::TooManyColons => {
                "the order is [address:][host port:]container port[/protocol]"
            }
            PublishErrorKind::UnknownProtocol => "write /tcp, /udp or /sctp; without it, tcp",
        };
        fixed.to_owned()
    }
}
