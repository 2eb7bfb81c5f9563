//! Elements of sets and maps.
//!
//! The kernel keeps ranges of one field as a tree of boundaries: where a range begins, and where
//! the space behind it begins. Everything else comes element by element.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use dockfw_ir::Value;
use dockfw_ir::set::{Element, ElementData, ElementExtra};

use super::Counter;
use super::attribute::{Reason, Result, because, comment};
use super::statement::verdict;
use crate::sys::nf_tables::{
    NFT_SET_ELEM_INTERVAL_END, NFTA_COUNTER_BYTES, NFTA_COUNTER_PACKETS, NFTA_DATA_VALUE,
    NFTA_DATA_VERDICT, NFTA_EXPR_DATA, NFTA_EXPR_NAME, NFTA_SET_ELEM_DATA,
    NFTA_SET_ELEM_EXPIRATION, NFTA_SET_ELEM_EXPR, NFTA_SET_ELEM_EXPRESSIONS, NFTA_SET_ELEM_FLAGS,
    NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_KEY_END, NFTA_SET_ELEM_OBJREF, NFTA_SET_ELEM_TIMEOUT,
    NFTA_SET_ELEM_USERDATA, udata,
};
use crate::wire::{Attribute, Attributes};

/// How the elements of a set look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are properties of a set, each by itself"
)]
pub(super) struct Shape {
    /// The length of a key in bytes, without the padding of a single field.
    pub(super) key_len: usize,
    /// The length of a datum, likewise; `None` when it is a verdict or there is none.
    pub(super) data_len: Option<usize>,
    pub(super) verdicts: bool,
    /// Ranges of one field.
    pub(super) boundaries: bool,
    /// Elements that packets made, which may have a statement with a state.
    pub(super) dynamic: bool,
    /// Each element counts.
    pub(super) counter: bool,
}

/// An element as the kernel keeps it.
#[derive(Debug)]
pub(super) struct Item {
    element: Element,
    /// Where the space behind a range begins.
    end: bool,
    /// What is left of its lifetime.
    expiration: Option<Duration>,
}

/// The elements of a set.
#[derive(Debug)]
pub(super) struct Elements {
    /// In the order of the IR.
    pub(super) elements: Vec<Element>,
    /// What is left of their lifetimes.
    pub(super) expirations: BTreeMap<Value, Duration>,
}

/// Reads one element of a list.
pub(super) fn read(attributes: Attributes<'_>, shape: Shape) -> Result<Item> {
    let (mut key, mut key_end, mut data, mut user) = (None, None, None, None);
    let (mut flags, mut timeout, mut expiration) = (0, None, None);
    for attribute in attributes {
        match attribute.kind {
            NFTA_SET_ELEM_KEY => key = Some(bytes(attribute, shape.key_len)?),
            NFTA_SET_ELEM_KEY_END => key_end = Some(bytes(attribute, shape.key_len)?),
            NFTA_SET_ELEM_DATA => data = Some(attribute),
            NFTA_SET_ELEM_FLAGS => {
                flags = attribute.u32().ok_or(Cow::Borrowed("element flags"))?;
            }
            NFTA_SET_ELEM_TIMEOUT => timeout = Some(milliseconds(attribute)?),
            NFTA_SET_ELEM_EXPIRATION => expiration = Some(milliseconds(attribute)?),
            NFTA_SET_ELEM_USERDATA => user = Some(attribute.payload),
            NFTA_SET_ELEM_OBJREF => return because("an element with an object"),
            NFTA_SET_ELEM_EXPR if shape.counter && counter(attribute).is_some() => {}
            NFTA_SET_ELEM_EXPR | NFTA_SET_ELEM_EXPRESSIONS if !shape.dynamic => {
                return because("an element with a statement");
            }
            // What the kernel knows and we do not.
            _ => {}
        }
    }
    if flags & !NFT_SET_ELEM_INTERVAL_END != 0 {
        return because("an element with other flags, as the one that catches all");
    }
    let end = flags & NFT_SET_ELEM_INTERVAL_END != 0;
    if end && !shape.boundaries {
        return because("the end of a range in a set without ranges");
    }
    let key = key.ok_or(Cow::Borrowed("an element without a key"))?;
    let data = match data {
        _ if end => ElementData::None,
        Some(data) => self::data(data, shape)?,
        None if shape.verdicts || shape.data_len.is_some() => {
            return because("an element without data in a map");
        }
        None => ElementData::None,
    };
    let comment = comment(user, udata::COMMENT)?;
    let extra = (timeout.is_some() || comment.is_some())
        .then(|| Box::new(ElementExtra { timeout, comment }));
    let key_end = key_end.filter(|key_end| *key_end != key).map(Box::new);
    if key_end.is_some() && shape.boundaries {
        return because("both ends of a range in one element");
    }
    Ok(Item {
        element: Element {
            key,
            key_end,
            data,
            extra,
        },
        end,
        expiration,
    })
}

/// What a statement has counted, if it is `counter`.
fn counter(statement: Attribute<'_>) -> Option<Counter> {
    let statement = statement.attributes();
    let is_counter = statement.get(NFTA_EXPR_NAME)?.text() == Some("counter");
    let data = statement.get(NFTA_EXPR_DATA)?.attributes();
    let number = |kind| data.get(kind).and_then(|number| number.u64());
    is_counter.then_some(())?;
    Some(Counter {
        packets: number(NFTA_COUNTER_PACKETS)?,
        bytes: number(NFTA_COUNTER_BYTES)?,
    })
}

/// The first key of an element and what it has counted; `None` when it has no counter.
pub(super) fn counted(attributes: Attributes<'_>) -> Option<(Value, Counter)> {
    let statement = attributes.get(NFTA_SET_ELEM_EXPR)?;
    let key = attributes.get(NFTA_SET_ELEM_KEY)?.attributes();
    let key = padded(key.get(NFTA_DATA_VALUE)?.payload);
    Some((key, counter(statement)?))
}

fn milliseconds(attribute: Attribute<'_>) -> Result<Duration> {
    let number = attribute.u64().map(Duration::from_millis);
    number.ok_or(Cow::Borrowed("a lifetime that is no number"))
}

fn bytes(nest: Attribute<'_>, len: usize) -> Result<Value> {
    match nest.attributes().get(NFTA_DATA_VALUE) {
        Some(value) if value.payload.len() == len => Ok(padded(value.payload)),
        Some(_) | None => because("a value of another length than its type"),
    }
}

/// The value of these bytes, padded as in registers.
pub(super) fn padded(bytes: &[u8]) -> Value {
    if bytes.len().is_multiple_of(4) {
        Value::from_registers(bytes)
    } else {
        Value::new().and_bytes(bytes)
    }
}

fn data(nest: Attribute<'_>, shape: Shape) -> Result<ElementData> {
    if shape.verdicts {
        let verdict = nest.attributes().get(NFTA_DATA_VERDICT);
        let verdict = verdict.ok_or(Cow::Borrowed("an element without a verdict"))?;
        return verdict::read(verdict.attributes()).map(ElementData::Verdict);
    }
    match shape.data_len {
        Some(len) => bytes(nest, len).map(ElementData::Value),
        None => because("an element with data in a set"),
    }
}

/// Makes what the kernel keeps the elements of the IR.
pub(super) fn finish(mut items: Vec<Item>, shape: Shape) -> Result<Elements> {
    if shape.boundaries {
        items = ranges(items, shape.key_len)?;
    } else {
        items.sort_unstable_by(|a, b| {
            let (a, b) = (&a.element, &b.element);
            (&a.key, last(a)).cmp(&(&b.key, last(b)))
        });
    }
    let expirations = items
        .iter()
        .filter_map(|item| Some((item.element.key.clone(), item.expiration?)))
        .collect();
    let elements = items.into_iter().map(|item| item.element).collect();
    Ok(Elements {
        elements,
        expirations,
    })
}

/// The last key of an element.
fn last(element: &Element) -> &Value {
    element.key_end.as_deref().unwrap_or(&element.key)
}

/// Makes ranges of boundaries.
fn ranges(mut items: Vec<Item>, key_len: usize) -> Result<Vec<Item>> {
    let twice = || -> Reason { Cow::Borrowed("two boundaries of ranges at one key") };
    // At one key, the end of a range comes before the begin of the next.
    items.sort_unstable_by(|a, b| (&a.element.key, !a.end).cmp(&(&b.element.key, !b.end)));
    let mut ranges: Vec<Item> = Vec::with_capacity(items.len() / 2 + 1);
    let mut open: Option<Item> = None;
    let mut last_end: Option<Value> = None;
    for item in items {
        if let Some(mut begun) = open.take() {
            let last = preceding(&item.element.key, key_len)
                .filter(|last| *last >= begun.element.key)
                .ok_or_else(twice)?;
            if last != begun.element.key {
                begun.element.key_end = Some(Box::new(last));
            }
            ranges.push(begun);
        } else if item.end {
            // Space in front of the first range, or between two: said more than once.
            if last_end.as_ref() == Some(&item.element.key) {
                return Err(twice());
            }
        }
        if item.end {
            last_end = Some(item.element.key);
        } else {
            open = Some(item);
        }
    }
    if let Some(mut begun) = open {
        let last = padded(&vec![0xff; key_len]);
        if last != begun.element.key {
            begun.element.key_end = Some(Box::new(last));
        }
        ranges.push(begun);
    }
    Ok(ranges)
}

/// The key in front of this one, counting in network byte order; `None` in front of the first.
fn preceding(key: &Value, len: usize) -> Option<Value> {
    let mut bytes = key.as_bytes().get(..len)?.to_vec();
    for byte in bytes.iter_mut().rev() {
        let (less, borrow) = byte.overflowing_sub(1);
        *byte = less;
        if !borrow {
            return Some(padded(&bytes));
        }
    }
    None
}
