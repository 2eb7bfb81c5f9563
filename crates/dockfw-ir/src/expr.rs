//! Expressions: what a rule can read from a packet, its conntrack entry or the host.

pub mod ct;
pub mod fib;
pub mod meta;
pub mod payload;

pub use ct::Ct;
pub use fib::Fib;
pub use meta::Meta;
pub use payload::Payload;

use crate::value::DataType;

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
}

impl Expr {
    /// The type of what it loads.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Payload(payload) => payload.data_type(),
            Self::Meta(meta) => meta.data_type(),
            Self::Ct(ct) => ct.data_type(),
            Self::Fib(fib) => fib.data_type(),
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
into_expr!(Payload, Meta, Ct, Fib);
