//! Sets, maps and their elements.

use std::time::Duration;

use super::{quoted_comment, statement, symbol, value};
use crate::set::{Element, ElementData, Set, SetKind};
use crate::value::DataType;

pub(super) fn print(out: &mut String, set: &Set) {
    out.push_str(match set.kind {
        SetKind::Set => "\tset ",
        SetKind::Map(_) | SetKind::VerdictMap => "\tmap ",
    });
    out.push_str(set.name.as_str());
    out.push_str(" {\n\t\ttype ");
    types(out, &set.key);
    match &set.kind {
        SetKind::Set => {}
        SetKind::Map(data) => {
            out.push_str(" : ");
            types(out, data);
        }
        SetKind::VerdictMap => out.push_str(" : verdict"),
    }
    out.push('\n');
    if let Some(size) = set.size {
        out.push_str("\t\tsize ");
        value::decimal(out, size);
        out.push('\n');
    }
    flags(out, set);
    if set.counter {
        out.push_str("\t\tcounter\n");
    }
    if let Some(comment) = &set.comment {
        out.push_str("\t\t");
        quoted_comment(out, comment);
        out.push('\n');
    }
    elements(out, set);
    out.push_str("\t}\n");
}

fn types(out: &mut String, types: &[DataType]) {
    for (index, data_type) in types.iter().enumerate() {
        if index > 0 {
            out.push_str(" . ");
        }
        out.push_str(symbol::type_name(*data_type));
    }
}

/// nft leaves `flags timeout` out where a default lifetime says it, unless there are other flags.
fn flags(out: &mut String, set: &Set) {
    let lifetime = set.timeout.filter(|timeout| !timeout.is_zero());
    let others = set.dynamic || set.interval;
    let words = [
        (set.dynamic, "dynamic"),
        (set.interval, "interval"),
        (
            set.timeout.is_some() && (others || lifetime.is_none()),
            "timeout",
        ),
    ];
    let mut separator = "\t\tflags ";
    for (_, word) in words.into_iter().filter(|(is, _)| *is) {
        out.push_str(separator);
        out.push_str(word);
        separator = ",";
    }
    if separator == "," {
        out.push('\n');
    }
    if let Some(lifetime) = lifetime {
        out.push_str("\t\ttimeout ");
        duration(out, lifetime);
        out.push('\n');
    }
}

fn elements(out: &mut String, set: &Set) {
    match set.elements.as_slice() {
        [] => {}
        [only] if only.comment().is_none() => {
            out.push_str("\t\telements = { ");
            element(out, set, only);
            out.push_str(" }\n");
        }
        elements => {
            out.push_str("\t\telements = {\n");
            for each in elements {
                out.push_str("\t\t\t");
                element(out, set, each);
                out.push_str(",\n");
            }
            out.push_str("\t\t}\n");
        }
    }
}

pub(super) fn element(out: &mut String, set: &Set, element: &Element) {
    value::concatenation(out, &set.key, &element.key, element.key_end.as_deref());
    if set.counter {
        out.push_str(" counter");
    }
    if let Some(timeout) = element.timeout() {
        out.push_str(" timeout ");
        duration(out, timeout);
    }
    if let Some(comment) = element.comment() {
        out.push(' ');
        quoted_comment(out, comment);
    }
    match (&element.data, &set.kind) {
        (ElementData::None, _) => {}
        (ElementData::Value(data), SetKind::Map(types)) => {
            out.push_str(" : ");
            value::concatenation(out, types, data, None);
        }
        // Never verified.
        (ElementData::Value(_), SetKind::Set | SetKind::VerdictMap) => out.push_str(" : ?"),
        (ElementData::Verdict(verdict), _) => {
            out.push_str(" : ");
            statement::print_verdict(out, verdict);
        }
    }
}

/// `1d1h1m1s1ms`; parts that are zero are left out.
pub(super) fn duration(out: &mut String, duration: Duration) {
    let seconds = duration.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (u64::from(duration.subsec_millis()), "ms"),
    ];
    let start = out.len();
    for (number, unit) in parts {
        if number != 0 {
            out.push_str(&number.to_string());
            out.push_str(unit);
        }
    }
    if out.len() == start {
        out.push_str("0s");
    }
}
