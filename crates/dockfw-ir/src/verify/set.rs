//! Declarations of sets and maps.

use super::element;
use super::report::{Check, Object, Report};
use crate::print::symbol;
use crate::set::{Set, SetKind};
use crate::value::{DataType, Value, register_len};

/// nft packs the types of a concatenation into 32 bits, 6 bits each.
pub(super) const MAX_FIELDS: usize = 5;

pub(super) fn check(set: &Set, report: &mut Report<'_>) {
    let mut add = |check, message: String| {
        report.add(check, Object::Set(set.name.clone()), message);
    };
    for message in types_error("key", &set.key) {
        add(Check::SetTypes, message);
    }
    if let SetKind::Map(data) = &set.kind {
        for message in types_error("data", data) {
            add(Check::SetTypes, message);
        }
    }
    match (set.interval, set.size) {
        (true, Some(_)) => add(Check::SetSize, "an interval set has no size".to_owned()),
        (false, None) => add(Check::SetSize, "an exact set needs a size".to_owned()),
        (false, Some(size)) => {
            let count = set.elements.len();
            if size == 0 || u32::try_from(count).map_or(true, |count| count > size) {
                add(
                    Check::SetSize,
                    format!("{count} elements in a size of {size}"),
                );
            }
        }
        (true, None) => {}
    }
    let bytes = set.key.iter().map(|t| t.len()).sum::<usize>();
    let plain = set.kind == SetKind::Set && !set.interval && !set.dynamic && set.timeout.is_none();
    if set.dynamic && (set.interval || set.kind != SetKind::Set) {
        let message = "a dynamic set has neither ranges nor data";
        add(Check::Dynset, message.to_owned());
    }
    if set.counter && set.dynamic {
        // The kernel wants each rule that adds to it to say so too.
        let message = "a set that packets fill has no counters of its own";
        add(Check::Dynset, message.to_owned());
    }
    if plain && bytes == 2 && set.key.len() == 1 {
        let message = "a plain set of 2-byte keys becomes a bitmap, which loads slowly";
        add(Check::SetBitmap, message.to_owned());
    }
    if let Some(message) = interval_error(set) {
        add(Check::SetInterval, message);
    }
    if set
        .timeout
        .is_some_and(|timeout| timeout.subsec_nanos() % 1_000_000 != 0)
    {
        add(
            Check::Lifetime,
            "lifetimes are whole milliseconds".to_owned(),
        );
    }
    element::check(set, &mut |check, index, message| {
        report.add(check, Object::Element(set.name.clone(), index), message);
    });
}

/// What keeps the keys of a set, with or without a name, from being ranges.
pub(super) fn interval_error(set: &Set) -> Option<String> {
    if !set.interval {
        return None;
    }
    let wrong = match set.key.as_slice() {
        [single] => Some(*single).filter(|one| one.is_host_endian() || symbol::is_flags(*one)),
        several => several.iter().copied().find(|one| one.is_host_number()),
    };
    wrong.map(|one| format!("{one:?} in a set of ranges"))
}

fn types_error(what: &str, types: &[DataType]) -> Vec<String> {
    let mut errors = Vec::new();
    if types.is_empty() || types.len() > MAX_FIELDS {
        let count = types.len();
        errors.push(format!(
            "the {what} has {count} types, not 1 to {MAX_FIELDS}"
        ));
    }
    let length = register_len(types);
    if length > Value::MAX {
        errors.push(format!(
            "the {what} has {length} bytes, more than {}",
            Value::MAX
        ));
    }
    for data_type in types {
        if !symbol::has_type_name(*data_type) {
            errors.push(format!("{data_type:?} has no name in a declaration"));
        }
    }
    errors
}
