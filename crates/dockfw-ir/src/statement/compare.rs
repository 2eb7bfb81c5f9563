//! Matches: a key against a value, a range or a set.

use crate::expr::Key;
use crate::name::SetName;
use crate::set::{Element, Set, SetKind};
use crate::value::Value;

/// A test of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// What is read.
    pub key: Key,
    /// What it must be.
    pub test: Test,
}

/// What a key must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// Compares the key, masked first if there is a mask, with a constant.
    ///
    /// `ct state new,established` is a mask of those bits, `NotEqual`, zero; an address prefix is
    /// a netmask, `Equal`, the network. Only single fields can be masked.
    Compare {
        /// The bits that are compared; `None` compares all.
        mask: Option<Value>,
        /// How.
        operator: Operator,
        /// With what; bits outside the mask are zero.
        value: Value,
    },
    /// `KEY LOW-HIGH`, both ends included; single fields that are numbers.
    Range {
        /// `!=`
        negated: bool,
        /// The lowest value.
        low: Value,
        /// The highest value.
        high: Value,
    },
    /// `iifname "PREFIX*"`: the leading bytes of an interface name.
    Prefix {
        /// `!=`
        negated: bool,
        /// 1 to 15 bytes, checked by the verifier like a name.
        prefix: String,
    },
    /// `KEY @SET`.
    Set {
        /// `!=`
        negated: bool,
        /// A set of the same table with the key's type.
        set: SetName,
    },
    /// `KEY { A, B-C, … }`: a constant set of the rule's own.
    ///
    /// Encoded as an anonymous set (`NFT_SET_ANONYMOUS | NFT_SET_CONSTANT`) that goes away with the
    /// rule. A single field has at least two elements: nft reads one as a comparison.
    OneOf {
        /// `!=`
        negated: bool,
        /// As in a [`Set`]: members of the key's types, ordered by key, without
        /// comments and lifetimes. Ranges are of numbers in network byte order only.
        elements: Vec<Element>,
    },
}

impl Match {
    /// The set that a [`Test::OneOf`] stands for, under a name that no other set has.
    pub fn anonymous_set(&self) -> Option<Set> {
        let Test::OneOf { elements, .. } = &self.test else {
            return None;
        };
        let interval = elements.iter().any(|element| element.key_end.is_some());
        Some(Set {
            name: SetName::anonymous(),
            key: self.key.data_types(),
            kind: SetKind::Set,
            interval,
            dynamic: false,
            counter: false,
            timeout: None,
            size: u32::try_from(elements.len()).ok().filter(|_| !interval),
            comment: None,
            elements: elements.clone(),
        })
    }
}

/// A comparison. Less and greater compare numbers; those of the host are put into network byte
/// order before.
///
/// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_cmp_ops` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `==`, which nft(8) leaves out.
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}
