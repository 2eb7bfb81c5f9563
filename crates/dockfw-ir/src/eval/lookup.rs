//! Comparisons, and lookups in sets and maps.

use std::cmp::Ordering;

use super::hooks::Index;
use super::walk::Walk;
use crate::expr::Key;
use crate::name::SetName;
use crate::set::{Element, ElementData, Set};
use crate::statement::{Match, Operator, Test};
use crate::value::{DataType, Value};

impl<'e> Walk<'e> {
    /// Whether a match holds; `None` when its key does not load, negated or not.
    pub(super) fn test(&mut self, index: &Index<'e>, test: &Match) -> Option<bool> {
        let value = self.load_key(&test.key)?;
        if matches!(test.test, Test::Set { .. } | Test::OneOf { .. }) {
            self.cost.lookups += 1;
        }
        satisfied(test, &value, |set| index.set(set))
    }

    /// What a map has for a key; `None` too when the key does not load.
    pub(super) fn look_up(
        &mut self,
        index: &Index<'e>,
        key: &Key,
        map: &SetName,
    ) -> Option<&'e ElementData> {
        let value = self.load_key(key)?;
        self.cost.lookups += 1;
        let element = find(index.set(map)?, &value)?;
        Some(&element.data)
    }
}

/// Whether the value of a key passes a test. A set that is not there is empty.
///
/// Source: `net/netfilter/nft_cmp.c`, `nft_bitwise.c`, `nft_range.c`, `nft_lookup.c` (v6.12).
pub(super) fn satisfied<'r>(
    test: &Match,
    value: &Value,
    sets: impl Fn(&SetName) -> Option<&'r Set>,
) -> Option<bool> {
    Some(match &test.test {
        Test::Compare {
            mask,
            operator,
            value: constant,
        } => {
            let ordering = match (operator, test.key.0.as_slice()) {
                (Operator::Equal | Operator::NotEqual, _) | (_, [] | [_, _, ..]) => {
                    compare(value, mask.as_ref(), constant)
                }
                (_, [one]) => order(one.data_type(), value, constant),
            };
            holds(*operator, ordering)
        }
        Test::Range { negated, low, high } => {
            let data_type = test.key.0.first()?.data_type();
            let inside =
                order(data_type, low, value).is_le() && order(data_type, value, high).is_le();
            inside != *negated
        }
        Test::OneOf { negated, elements } => {
            let interval = elements.iter().any(|element| element.key_end.is_some());
            let found = search(&test.key.data_types(), interval, elements, value);
            found.is_some() != *negated
        }
        Test::Prefix { negated, prefix } => {
            value.as_bytes().starts_with(prefix.as_bytes()) != *negated
        }
        Test::Set { negated, set } => {
            let found = sets(set).and_then(|set| find(set, value));
            found.is_some() != *negated
        }
    })
}

/// Whether a set has a key.
pub(super) fn is_element(index: &Index<'_>, set: &SetName, key: &Value) -> bool {
    index.set(set).is_some_and(|set| find(set, key).is_some())
}

/// Orders numbers, those of the host by what they mean.
fn order(data_type: DataType, left: &Value, right: &Value) -> Ordering {
    let length = data_type.len();
    match (
        left.as_bytes().get(..length),
        right.as_bytes().get(..length),
    ) {
        (Some(left), Some(right)) => data_type.order(left, right),
        _ => left.cmp(right),
    }
}

/// Orders bytes as `memcmp` does, the masked value against the constant.
fn compare(value: &Value, mask: Option<&Value>, constant: &Value) -> Ordering {
    let Some(mask) = mask else {
        return value.as_bytes().cmp(constant.as_bytes());
    };
    let masked = value.as_bytes().iter().zip(mask.as_bytes());
    masked
        .map(|(v, m)| v & m)
        .cmp(constant.as_bytes().iter().copied())
}

const fn holds(operator: Operator, ordering: Ordering) -> bool {
    match operator {
        Operator::Equal => ordering.is_eq(),
        Operator::NotEqual => ordering.is_ne(),
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::Greater => ordering.is_gt(),
        Operator::GreaterOrEqual => ordering.is_ge(),
    }
}

/// The element that has a key. Elements are ordered by key and have none in common, which the
/// verifier has checked.
pub(super) fn find<'r>(set: &'r Set, key: &Value) -> Option<&'r Element> {
    search(&set.key, set.interval, &set.elements, key)
}

fn search<'r>(
    types: &[DataType],
    interval: bool,
    elements: &'r [Element],
    key: &Value,
) -> Option<&'r Element> {
    if !interval {
        let found = elements.binary_search_by(|element| element.key.cmp(key));
        return elements.get(found.ok()?);
    }
    if types.len() == 1 {
        // The last range that does not begin above the key.
        let after = elements.partition_point(|element| element.key <= *key);
        let element = elements.get(after.checked_sub(1)?)?;
        return (key <= end(element)).then_some(element);
    }
    // In a concatenation each field is a range of its own; elements whose first field begins above
    // that of the key come last.
    let first = types.first()?.register_len();
    let head = key.as_bytes().get(..first)?;
    let mut candidates = elements.iter().take_while(|element| {
        element
            .key
            .as_bytes()
            .get(..first)
            .is_some_and(|own| own <= head)
    });
    candidates.find(|element| has_fields(types, element, key))
}

fn end(element: &Element) -> &Value {
    element.key_end.as_deref().unwrap_or(&element.key)
}

fn has_fields(types: &[DataType], element: &Element, key: &Value) -> bool {
    let mut low = element.key.as_bytes();
    let mut high = end(element).as_bytes();
    let mut rest = key.as_bytes();
    for data_type in types {
        let length = data_type.register_len();
        let split = (
            low.split_at_checked(length),
            high.split_at_checked(length),
            rest.split_at_checked(length),
        );
        let (Some((first, low_rest)), Some((last, high_rest)), Some((field, key_rest))) = split
        else {
            return false;
        };
        if field < first || last < field {
            return false;
        }
        (low, high, rest) = (low_rest, high_rest, key_rest);
    }
    true
}
