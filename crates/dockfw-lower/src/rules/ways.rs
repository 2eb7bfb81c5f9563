//! The ways in which a rule can match.

use dockfw_ir::expr::Key;
use dockfw_ir::set::Element;
use dockfw_ir::statement::{Match, Operator, Statement, Test};
use dockfw_ir::value::Value;

/// Lists of tests: a packet matches when one list holds, and no packet satisfies two of them.
///
/// An empty list always holds; without any list nothing matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ways(pub(super) Vec<Vec<Statement>>);

impl Ways {
    /// Every packet.
    pub(super) fn always() -> Self {
        Self(vec![Vec::new()])
    }

    /// No packet.
    pub(super) const fn never() -> Self {
        Self(Vec::new())
    }

    /// Packets for which this holds.
    pub(super) fn one(test: Statement) -> Self {
        Self(vec![vec![test]])
    }

    /// Every packet or none.
    pub(super) fn constant(holds: bool) -> Self {
        if holds { Self::always() } else { Self::never() }
    }

    /// Packets for which both hold.
    pub(super) fn and(self, other: &Self) -> Self {
        let both = |a: &Vec<Statement>| {
            let a = a.clone();
            other
                .0
                .iter()
                .map(move |b| [a.as_slice(), b.as_slice()].concat())
        };
        Self(self.0.iter().flat_map(both).collect())
    }

    /// Packets for which one of the two holds; the caller knows that no packet has both.
    pub(super) fn or(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

/// `KEY FIRST-LAST`, or `!=`; one value when they are equal.
pub(super) fn range(key: impl Into<Key>, negated: bool, first: Value, last: Value) -> Statement {
    if first == last {
        let operator = if negated {
            Operator::NotEqual
        } else {
            Operator::Equal
        };
        return Statement::compare(key, operator, first);
    }
    Statement::Match(Match {
        key: key.into(),
        test: Test::Range {
            negated,
            low: first,
            high: last,
        },
    })
}

/// `KEY { A, B-C }`, or `!=`. Ranges may overlap; they are merged.
pub(super) fn one_of(
    key: impl Into<Key>,
    negated: bool,
    mut ranges: Vec<(Value, Value)>,
) -> Statement {
    ranges.sort_unstable();
    let mut merged: Vec<(Value, Value)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if *end >= first => {
                if last > *end {
                    *end = last;
                }
            }
            _ => merged.push((first, last)),
        }
    }
    if let [(first, last)] = merged.as_slice() {
        return range(key, negated, first.clone(), last.clone());
    }
    let exact = merged.iter().all(|(first, last)| first == last);
    let element = |(first, last): (Value, Value)| {
        let element = Element::member(first);
        if exact { element } else { element.until(last) }
    };
    Statement::Match(Match {
        key: key.into(),
        test: Test::OneOf {
            negated,
            elements: merged.into_iter().map(element).collect(),
        },
    })
}

/// `KEY & MASK == VALUE`, or `!=`; without a mask when it is all ones.
pub(super) fn masked(key: impl Into<Key>, negated: bool, mask: Value, value: Value) -> Statement {
    let operator = if negated {
        Operator::NotEqual
    } else {
        Operator::Equal
    };
    if mask.as_bytes().iter().all(|byte| *byte == 0xff) {
        Statement::compare(key, operator, value)
    } else {
        Statement::masked(key, mask, operator, value)
    }
}

/// `KEY & BITS != 0`, or `== 0`: any of some flags, or none of them.
pub(super) fn any_bit(key: impl Into<Key>, negated: bool, bits: u32) -> Statement {
    let operator = if negated {
        Operator::Equal
    } else {
        Operator::NotEqual
    };
    let zero = Value::new().and_host_u32(0);
    Statement::masked(key, Value::new().and_host_u32(bits), operator, zero)
}
