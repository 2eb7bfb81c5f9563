//! Sets, maps and their elements.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{comment, insert, statement, value};
use crate::print::symbol;
use crate::set::{Element, ElementData, Set, SetKind};
use crate::table::Table;
use crate::value::DataType;

pub(super) fn set(table: &Table, set: &Set) -> Json {
    let mut object = json!({
        "family": table.family.as_str(),
        "name": set.name.as_str(),
        "table": table.name.as_str(),
        "type": key_type(&set.key),
    });
    let word = match &set.kind {
        SetKind::Set => "set",
        SetKind::Map(types) => {
            let names: Vec<&str> = types.iter().map(|t| symbol::type_name(*t)).collect();
            insert(&mut object, "map", names.join(" . "));
            "map"
        }
        SetKind::VerdictMap => {
            insert(&mut object, "map", "verdict");
            "map"
        }
    };
    if let Some(size) = set.size {
        insert(&mut object, "size", size);
    }
    let flags = [
        (set.dynamic, "dynamic"),
        (set.interval, "interval"),
        (set.timeout.is_some(), "timeout"),
    ];
    let flags: Vec<Json> = flags
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, word)| json!(word))
        .collect();
    if !flags.is_empty() {
        insert(&mut object, "flags", flags);
    }
    if let Some(timeout) = set.timeout.filter(|timeout| !timeout.is_zero()) {
        insert(&mut object, "timeout", seconds(timeout));
    }
    if set.counter {
        insert(&mut object, "stmt", json!([{ "counter": null }]));
    }
    comment(&mut object, set.comment.as_ref());
    if !set.elements.is_empty() {
        let elements: Vec<Json> = set.elements.iter().map(|each| element(set, each)).collect();
        insert(&mut object, "elem", elements);
    }
    json!({ word: object })
}

fn key_type(types: &[DataType]) -> Json {
    match types {
        [single] => json!(symbol::type_name(*single)),
        types => types.iter().map(|t| symbol::type_name(*t)).collect(),
    }
}

pub(super) fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn element(set: &Set, element: &Element) -> Json {
    let mut key = value::concatenation(&set.key, &element.key, element.key_end.as_deref());
    if set.counter || element.timeout().is_some() || element.comment().is_some() {
        let mut object = json!({"val": key});
        if set.counter {
            insert(&mut object, "counter", json!({ "packets": 0, "bytes": 0 }));
        }
        if let Some(timeout) = element.timeout() {
            insert(&mut object, "timeout", seconds(timeout));
        }
        comment(&mut object, element.comment());
        key = json!({"elem": object});
    }
    match (&element.data, &set.kind) {
        (ElementData::Value(data), SetKind::Map(types)) => {
            json!([key, value::concatenation(types, data, None)])
        }
        (ElementData::Verdict(verdict), _) => json!([key, statement::verdict(verdict)]),
        // A value elsewhere is never verified.
        (ElementData::None | ElementData::Value(_), _) => key,
    }
}
