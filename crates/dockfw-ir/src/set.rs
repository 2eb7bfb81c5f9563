//! Sets, maps and their elements.

use std::time::Duration;

use crate::name::{Comment, SetName};
use crate::statement::Verdict;
use crate::value::{DataType, Value};

/// A set or map with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Unique among the sets and maps of the table.
    pub name: SetName,
    /// The type of its keys: one type, or several for a concatenation.
    pub key: Vec<DataType>,
    /// Set, map or verdict map.
    pub kind: SetKind,
    /// `flags interval`: keys are ranges. Kept small: the kernel copies it at each commit.
    pub interval: bool,
    /// `flags dynamic`: rules add to it with [`Dynset`](crate::statement::Dynset).
    pub dynamic: bool,
    /// `counter`: each element counts the packets and bytes that found it. What they have counted
    /// is no part of the set; elements that stay in a change go on counting.
    pub counter: bool,
    /// `flags timeout`, with the default lifetime of elements; zero is no default.
    pub timeout: Option<Duration>,
    /// `size`: the most elements it can ever hold. Every exact set has one, because it makes the
    /// kernel allocate the hash table once; an interval set has none.
    pub size: Option<u32>,
    /// Why the set is there.
    pub comment: Option<Comment>,
    /// Its elements, ordered by key, no two of them with a common key.
    pub elements: Vec<Element>,
}

/// What a set gives for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetKind {
    /// Membership only.
    Set,
    /// A datum of these types.
    Map(Vec<DataType>),
    /// A verdict.
    VerdictMap,
}

/// An element of a set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// The key, or the first key of a range.
    pub key: Value,
    /// The last key of a range, which belongs to it; in a concatenation each field is a range of
    /// its own. Only in sets with `interval`; `None` there is a range of one key.
    pub key_end: Option<Box<Value>>,
    /// What the key maps to.
    pub data: ElementData,
    /// What few elements have.
    pub extra: Option<Box<ElementExtra>>,
}

/// What an element maps its key to; the same variant as the set's [`SetKind`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElementData {
    /// In a set.
    None,
    /// In a map.
    Value(Value),
    /// In a verdict map.
    Verdict(Verdict),
}

/// The rarer attributes of an element.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ElementExtra {
    /// `timeout`: the element goes away by itself after this time.
    pub timeout: Option<Duration>,
    /// Why the element is there.
    pub comment: Option<Comment>,
}

impl Element {
    /// A member of a set.
    pub fn member(key: Value) -> Self {
        Self {
            key,
            key_end: None,
            data: ElementData::None,
            extra: None,
        }
    }

    /// An element of a map.
    pub fn mapping(key: Value, data: Value) -> Self {
        Self {
            key,
            key_end: None,
            data: ElementData::Value(data),
            extra: None,
        }
    }

    /// An element of a verdict map.
    pub fn verdict(key: Value, verdict: Verdict) -> Self {
        Self {
            key,
            key_end: None,
            data: ElementData::Verdict(verdict),
            extra: None,
        }
    }

    /// Makes the key a range that ends with `end`.
    #[must_use]
    pub fn until(mut self, end: Value) -> Self {
        self.key_end = Some(Box::new(end));
        self
    }

    /// Gives the element a comment.
    #[must_use]
    pub fn with_comment(mut self, comment: Option<Comment>) -> Self {
        if comment.is_some() {
            self.extra.get_or_insert_default().comment = comment;
        }
        self
    }

    /// The element's comment.
    pub fn comment(&self) -> Option<&Comment> {
        self.extra.as_deref()?.comment.as_ref()
    }

    /// The element's lifetime.
    pub fn timeout(&self) -> Option<Duration> {
        self.extra.as_deref()?.timeout
    }
}
