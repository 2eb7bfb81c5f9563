//! Expressions: what a rule can read from a packet, its conntrack entry or the host.

pub mod ct;
pub mod exthdr;
pub mod fib;
pub mod meta;
pub mod numgen;
pub mod payload;
pub mod rt;
pub mod socket;

pub use ct::Ct;
pub use exthdr::Exthdr;
pub use fib::Fib;
pub use meta::Meta;
pub use numgen::Numgen;
pub use payload::Payload;
pub use rt::Rt;
pub use socket::Socket;

use crate::value::DataType;
use payload::Requires;

/// One expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// A field of a header.
    Payload(Payload),
    /// Metadata of the packet.
    Meta(Meta),
    /// The conntrack entry.
    Ct(Ct),
    /// The routing table.
    Fib(Fib),
    /// A TCP option or an IPv6 extension header.
    Exthdr(Exthdr),
    /// The socket that would get the packet.
    Socket(Socket),
    /// A number that is made for the rule.
    Numgen(Numgen),
    /// The route.
    Rt(Rt),
}

impl Expr {
    /// The type of what it loads.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Payload(payload) => payload.data_type(),
            Self::Meta(meta) => meta.data_type(),
            Self::Ct(ct) => ct.data_type(),
            Self::Fib(fib) => fib.data_type(),
            Self::Exthdr(exthdr) => exthdr.data_type(),
            Self::Socket(socket) => socket.data_type(),
            Self::Numgen(numgen) => numgen.data_type(),
            Self::Rt(rt) => rt.data_type(),
        }
    }

    /// What must be true of the packet for it to load.
    pub const fn requires(&self) -> Requires {
        match self {
            Self::Payload(payload) => payload.requires(),
            Self::Exthdr(exthdr) => exthdr.requires(),
            Self::Meta(_)
            | Self::Ct(_)
            | Self::Fib(_)
            | Self::Socket(_)
            | Self::Numgen(_)
            | Self::Rt(_) => Requires::Nothing,
        }
    }
}

/// What a statement compares or looks up: one expression, or several concatenated with `.`.
///
/// Never empty; the verifier refuses an empty key and one above 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(pub Vec<Expr>);

impl Key {
    /// The types of the fields, in order.
    pub fn data_types(&self) -> Vec<DataType> {
        self.0.iter().map(Expr::data_type).collect()
    }
}

impl<E: Into<Expr>> From<E> for Key {
    fn from(expr: E) -> Self {
        Self(vec![expr.into()])
    }
}

macro_rules! into_expr {
    ($($variant:ident),*) => {$(
        impl From<$variant> for Expr {
            fn from(inner: $variant) -> Self {
                Self::$variant(inner)
            }
        }
    )*};
}
into_expr!(Payload, Meta, Ct, Fib, Exthdr, Socket, Numgen, Rt);
