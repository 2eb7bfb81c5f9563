//! What became of a probe.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use nix::errno::Errno;

/// What became of a probe, as its sender and the servers of the lab know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A node got it, and its answer came back.
    Reached {
        /// The node that answered.
        node: String,
        /// The port its server listens on, after any translation; 0 for ICMP.
        port: u16,
        /// The source its server saw; port 0 for ICMP.
        source: SocketAddr,
    },
    /// A node got it, but its answer did not come back. UDP and ICMP only: a TCP server learns of a
    /// connection only when the client has its answer.
    OneWay {
        /// The node that got it.
        node: String,
        /// The port its server listens on; 0 for ICMP.
        port: u16,
        /// The source its server saw; port 0 for ICMP.
        source: SocketAddr,
    },
    /// A TCP connection was accepted, but no server spoke: a relay whose target did not answer.
    Accepted,
    /// A TCP reset, or an ICMP port unreachable error.
    Refused,
    /// Nothing came back in time.
    NoAnswer,
    /// The sender's kernel or an ICMP error says that there is no way: `ENETUNREACH` without a
    /// route, `EPERM` if the output of a datagram was dropped at the sender, `EHOSTUNREACH`,
    /// `EACCES` and so on.
    Unreachable(Errno),
}

impl Outcome {
    /// Whether a node got it and its answer came back.
    pub fn is_reached(&self) -> bool {
        matches!(self, Self::Reached { .. })
    }

    /// Whether this node got it on this port, and its answer came back.
    pub fn is_reached_at(&self, name: &str, number: u16) -> bool {
        matches!(self, Self::Reached { node, port, .. } if node == name && *port == number)
    }

    /// The source address the receiver saw, if there was one.
    pub fn source(&self) -> Option<IpAddr> {
        match self {
            Self::Reached { source, .. } | Self::OneWay { source, .. } => Some(source.ip()),
            Self::Accepted | Self::Refused | Self::NoAnswer | Self::Unreachable(_) => None,
        }
    }

    /// What an error of the sender's socket means.
    pub(super) fn of_error(error: Errno) -> Self {
        if error == Errno::ECONNREFUSED {
            Self::Refused
        } else {
            Self::Unreachable(error)
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reached { node, port, source } => {
                write!(f, "reached {node} port {port}, source {source}")
            }
            Self::OneWay { node, port, source } => {
                write!(
                    f,
                    "reached {node} port {port}, source {source}, but the answer was lost"
                )
            }
            Self::Accepted => f.write_str("accepted, but no server spoke"),
            Self::Refused => f.write_str("refused"),
            Self::NoAnswer => f.write_str("no answer"),
            Self::Unreachable(errno) => write!(f, "unreachable: {errno}"),
        }
    }
}
