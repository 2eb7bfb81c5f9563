//! What the verifier reports: which rule is broken, where, and how.

use std::fmt;

use crate::name::{ChainName, SetName, TableName};
use crate::table::{Family, Ruleset};

macro_rules! checks {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// The rules of the list in [`verify`](super), by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Check {
            $($(#[$doc])* $name,)*
        }

        impl Check {
            /// All rules, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number in the list.
            pub const fn number(self) -> u8 {
                match self {
                    $(Self::$name => $number,)*
                }
            }
        }
    };
}

checks! {
    /// 1: a table is there once.
    TableUnique = 1,
    /// 2: a chain is there once.
    ChainUnique = 2,
    /// 3: a set or map is there once.
    SetUnique = 3,
    /// 4: type, hook, priority and policy of a base chain go together.
    BaseChain = 4,
    /// 5: jumps lead to regular chains.
    JumpTarget = 5,
    /// 6: jumps do not lead back.
    JumpLoop = 6,
    /// 7: jumps are not nested too deeply.
    JumpDepth = 7,
    /// 8: a rule has statements.
    RuleEmpty = 8,
    /// 9: nothing follows a statement that ends the rule.
    AfterEnd = 9,
    /// 10: a set that is looked up is there and is of the right kind.
    SetReference = 10,
    /// 11: a key has the types of the set it is looked up in.
    KeyTypes = 11,
    /// 12: a key can be loaded.
    Key = 12,
    /// 13: a set's types can be declared.
    SetTypes = 13,
    /// 14: exact sets have a size that suffices, interval sets have none.
    SetSize = 14,
    /// 15: no plain set of ports.
    SetBitmap = 15,
    /// 16: sets of ranges are of types in network byte order.
    SetInterval = 16,
    /// 17: keys and data have the length of their types.
    ElementLength = 17,
    /// 18: elements give what the set is for.
    ElementData = 18,
    /// 19: ends of ranges.
    ElementRange = 19,
    /// 20: elements are in order and have no common key.
    ElementOrder = 20,
    /// 21: values are values of their types.
    Value = 21,
    /// 22: lifetimes.
    Lifetime = 22,
    /// 23: comparisons.
    Compare = 23,
    /// 24: ranges in rules.
    Range = 24,
    /// 25: interface name prefixes.
    Prefix = 25,
    /// 26: address translation stands where the kernel does it.
    NatPlace = 26,
    /// 27: targets of address translation.
    NatTarget = 27,
    /// 28: maps of address translation.
    NatMap = 28,
    /// 29: `notrack` stands before conntrack.
    Notrack = 29,
    /// 30: metadata that the hook has.
    MetaHook = 30,
    /// 31: route lookups that the hook allows.
    FibHook = 31,
    /// 32: rejections.
    Reject = 32,
    /// 33: a rule does not contradict itself.
    Contradiction = 33,
    /// 34: limits.
    Limit = 34,
    /// 35: logging.
    Log = 35,
    /// 36: marks.
    Mark = 36,
    /// 37: sets in rules.
    OneOf = 37,
    /// 38: `set` statements.
    Mangle = 38,
    /// 39: queues, copies and proxies.
    Divert = 39,
    /// 40: elements that rules make.
    Dynset = 40,
}

/// Where a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The family of the table.
    pub family: Family,
    /// The table.
    pub table: TableName,
    /// The object in the table.
    pub object: Object,
}

/// An object in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// The table itself.
    Table,
    /// A set or map.
    Set(SetName),
    /// An element of a set or map, counted from 0.
    Element(SetName, usize),
    /// A chain.
    Chain(ChainName),
    /// A rule of a chain, counted from 0.
    Rule(ChainName, usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {} {}", self.family.as_str(), self.table)?;
        match &self.object {
            Object::Table => Ok(()),
            Object::Set(set) => write!(f, ", set {set}"),
            Object::Element(set, index) => write!(f, ", set {set}, element {index}"),
            Object::Chain(chain) => write!(f, ", chain {chain}"),
            Object::Rule(chain, index) => write!(f, ", chain {chain}, rule {index}"),
        }
    }
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub check: Check,
    /// Where.
    pub place: Place,
    /// How, as a fragment of a sentence.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            check,
            place,
            message,
        } = self;
        write!(f, "{place}: {message} (rule {})", check.number())
    }
}

/// A ruleset that the verifier refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct VerifyError {
    /// Everything that is wrong; not empty.
    pub violations: Vec<Violation>,
    /// The ruleset, for a dump.
    pub ruleset: Ruleset,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("verify the ruleset")?;
        for violation in &self.violations {
            write!(f, "\n  {violation}")?;
        }
        Ok(())
    }
}

/// Collects violations of one table.
pub(super) struct Report<'a> {
    pub(super) family: Family,
    pub(super) table: &'a TableName,
    pub(super) violations: &'a mut Vec<Violation>,
}

impl Report<'_> {
    pub(super) fn add(&mut self, check: Check, object: Object, message: impl Into<String>) {
        self.violations.push(Violation {
            check,
            place: Place {
                family: self.family,
                table: self.table.clone(),
                object,
            },
            message: message.into(),
        });
    }
}
