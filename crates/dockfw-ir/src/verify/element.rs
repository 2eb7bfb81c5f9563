//! Elements of sets and maps.

use super::report::Check;
use super::value::{Flags, Layout};
use crate::print::symbol;
use crate::set::{Element, ElementData, Set, SetKind};
use crate::value::Value;

/// Gives `add` the number of each element that something is wrong with.
pub(super) fn check(set: &Set, report: &mut impl FnMut(Check, usize, String)) {
    let key = Layout::new(&set.key);
    let data = match &set.kind {
        SetKind::Map(types) => Layout::new(types),
        SetKind::Set | SetKind::VerdictMap => Layout::new(&[]),
    };
    let mut previous: Option<&Element> = None;
    let mut lengths_fit = true;
    for (index, element) in set.elements.iter().enumerate() {
        let mut add = |check, message: String| {
            report(check, index, message);
        };
        lengths_fit &= check_key(set, &key, element, &mut add);
        check_data(set, &data, element, &mut add);
        if let Some(timeout) = element.timeout() {
            if set.timeout.is_none() {
                add(
                    Check::Lifetime,
                    "a lifetime in a set without timeout".to_owned(),
                );
            }
            if timeout.is_zero() || timeout.subsec_nanos() % 1_000_000 != 0 {
                add(
                    Check::Lifetime,
                    "a lifetime is whole milliseconds, at least one".to_owned(),
                );
            }
        }
        if previous.is_some_and(|previous| !follows(set, previous, element)) {
            add(
                Check::ElementOrder,
                "its key is not above that of the element before".to_owned(),
            );
        }
        previous = Some(element);
    }
    if lengths_fit && set.interval && set.key.len() > 1 {
        overlaps(set, &key, report);
    }
}

/// The last key of an element.
fn end(element: &Element) -> &Value {
    element.key_end.as_deref().unwrap_or(&element.key)
}

fn follows(set: &Set, previous: &Element, element: &Element) -> bool {
    if !set.interval {
        previous.key < element.key
    } else if set.key.len() == 1 {
        end(previous) < &element.key
    } else {
        (&previous.key, end(previous)) < (&element.key, end(element))
    }
}

fn check_key(
    set: &Set,
    layout: &Layout,
    element: &Element,
    add: &mut impl FnMut(Check, String),
) -> bool {
    if !layout.fits(&element.key) || element.key_end.as_deref().is_some_and(|e| !layout.fits(e)) {
        add(
            Check::ElementLength,
            "the key does not have the length of its types".to_owned(),
        );
        return false;
    }
    if let Some(error) = layout.error(&element.key, Flags::One) {
        add(Check::Value, error);
    }
    let Some(end) = element.key_end.as_deref() else {
        return true;
    };
    if !set.interval {
        add(
            Check::ElementRange,
            "a range in a set without interval".to_owned(),
        );
    }
    for ((data_type, low), (_, high)) in layout.fields(&element.key).zip(layout.fields(end)) {
        if low > high {
            add(
                Check::ElementRange,
                format!("a range of {data_type:?} that ends below its begin"),
            );
        } else if low != high && (data_type.is_host_endian() || symbol::is_flags(data_type)) {
            add(
                Check::ElementRange,
                format!("a range of {data_type:?}, which has none"),
            );
        }
    }
    true
}

fn check_data(set: &Set, layout: &Layout, element: &Element, add: &mut impl FnMut(Check, String)) {
    match (&set.kind, &element.data) {
        (SetKind::Set, ElementData::None) | (SetKind::VerdictMap, ElementData::Verdict(_)) => {}
        (SetKind::Map(_), ElementData::Value(value)) => {
            if !layout.fits(value) {
                add(
                    Check::ElementLength,
                    "the data does not have the length of its types".to_owned(),
                );
            } else if let Some(error) = layout.error(value, Flags::One) {
                add(Check::Value, error);
            }
        }
        (SetKind::Set, _) => add(
            Check::ElementData,
            "an element of a set has no data".to_owned(),
        ),
        (SetKind::Map(_), _) => {
            add(
                Check::ElementData,
                "an element of a map has a value".to_owned(),
            );
        }
        (SetKind::VerdictMap, _) => {
            add(
                Check::ElementData,
                "an element of a verdict map has a verdict".to_owned(),
            );
        }
    }
}

/// The first field of an element's first key.
fn head(element: &Element, length: usize) -> &[u8] {
    element.key.as_bytes().get(..length).unwrap_or_default()
}

/// The first field of an element's last key.
fn tail(element: &Element, length: usize) -> &[u8] {
    end(element).as_bytes().get(..length).unwrap_or_default()
}

/// Elements of a concatenation that share a key. They are ordered by their first fields, so that
/// only those whose first field is still open are compared.
fn overlaps(set: &Set, layout: &Layout, report: &mut impl FnMut(Check, usize, String)) {
    let first = set
        .key
        .first()
        .map_or(0, |data_type| data_type.register_len());
    let mut open: Vec<&Element> = Vec::new();
    for (index, element) in set.elements.iter().enumerate() {
        let begin = head(element, first);
        open.retain(|other| tail(other, first) >= begin);
        let common = open.iter().any(|other| {
            let others = layout.fields(&other.key).zip(layout.fields(end(other)));
            let ours = layout.fields(&element.key).zip(layout.fields(end(element)));
            others
                .zip(ours)
                .all(|(((_, a), (_, b)), ((_, c), (_, d)))| a <= d && c <= b)
        });
        if common {
            report(
                Check::ElementOrder,
                index,
                "it has keys in common with an element before".to_owned(),
            );
        }
        open.push(element);
    }
}
