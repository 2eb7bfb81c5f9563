//! Match extensions, `-m`: one file each, named like the extension.
//!
//! A new extension is a file with its type, its `Display` (the save text with a blank in front:
//! ` -m name --option value`), a variant here, and an arm in `Display` below.

pub mod addrtype;
pub mod comment;
pub mod conntrack;
pub mod mark;
pub mod transport;

use std::fmt;

use addrtype::Addrtype;
use comment::Comment;
use conntrack::Conntrack;
use mark::Mark;
use transport::Ports;

/// A match extension with its options.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// `addrtype`: what the host's routing thinks of an address.
    Addrtype(Addrtype),
    /// `comment`: always matches.
    Comment(Comment),
    /// `conntrack`: the state of the connection.
    Conntrack(Conntrack),
    /// `mark`: the packet's mark.
    Mark(Mark),
    /// `sctp`: ports.
    Sctp(Ports),
    /// `tcp`: ports.
    Tcp(Ports),
    /// `udp`: ports.
    Udp(Ports),
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addrtype(value) => value.fmt(f),
            Self::Comment(value) => value.fmt(f),
            Self::Conntrack(value) => value.fmt(f),
            Self::Mark(value) => value.fmt(f),
            Self::Sctp(ports) => ports.write(f, " -m sctp"),
            Self::Tcp(ports) => ports.write(f, " -m tcp"),
            Self::Udp(ports) => ports.write(f, " -m udp"),
        }
    }
}

macro_rules! from_extension {
    ($($variant:ident)*) => { $(
        impl From<$variant> for Match {
            fn from(value: $variant) -> Self {
                Self::$variant(value)
            }
        }
    )* };
}

from_extension!(Addrtype Comment Conntrack Mark);
