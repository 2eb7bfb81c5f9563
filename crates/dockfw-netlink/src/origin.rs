//! From a sequence number and an offset back to what was sent.
//!
//! The messages themselves say which object they are about; only the position of a rule in its
//! chain and of an element in its set is kept beside them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::batch::Batch;
use crate::sys::nf_tables::{
    NFT_MSG_DELCHAIN, NFT_MSG_DELRULE, NFT_MSG_DELSET, NFT_MSG_DELSETELEM, NFT_MSG_DELTABLE,
    NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE, NFT_MSG_NEWSET, NFT_MSG_NEWSETELEM, NFT_MSG_NEWTABLE,
    NFT_SET_ELEM_INTERVAL_END, NFTA_CHAIN_NAME, NFTA_CHAIN_TABLE, NFTA_DATA_VALUE, NFTA_EXPR_NAME,
    NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS, NFTA_RULE_HANDLE, NFTA_RULE_TABLE, NFTA_SET_ELEM_FLAGS,
    NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_SET_ELEM_LIST_SET,
    NFTA_SET_ELEM_LIST_SET_ID, NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ID, NFTA_SET_KEY_TYPE,
    NFTA_SET_NAME, NFTA_SET_TABLE, NFTA_TABLE_NAME,
};
use crate::wire::{Attributes, FAMILY_HEADER, MESSAGE_HEADER, Message, Messages};

/// The object that a message is about. Names are as sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// No single message: the transaction as a whole.
    Batch,
    /// A table.
    Table {
        /// Its name.
        table: String,
    },
    /// A chain.
    Chain {
        /// Its table.
        table: String,
        /// Its name.
        chain: String,
    },
    /// A set or map.
    Set {
        /// Its table.
        table: String,
        /// Its name.
        set: String,
    },
    /// A rule.
    Rule {
        /// Its table.
        table: String,
        /// Its chain.
        chain: String,
        /// Its place in the chain, counted from 0.
        index: usize,
    },
    /// A rule that is deleted.
    OldRule {
        /// Its table.
        table: String,
        /// Its chain.
        chain: String,
        /// Its place in the chain as the kernel had it, counted from 0.
        index: usize,
    },
    /// Elements of a set or map.
    Elements {
        /// The table.
        table: String,
        /// The set.
        set: String,
        /// The place of the message's first element in the set, counted from 0.
        first: usize,
    },
    /// Elements of a set or map that are deleted.
    OldElements {
        /// The table.
        table: String,
        /// The set.
        set: String,
        /// The place of the message's first element in the set as the kernel had it, counted from
        /// 0.
        first: usize,
    },
}

/// The part of an object that an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The kernel named none.
    Whole,
    /// One attribute, by its number.
    Attribute(u16),
    /// An expression of a rule.
    Expression {
        /// Its place in the rule as it was sent, counted from 0.
        index: usize,
        /// Its name: `lookup`, `nat`.
        name: String,
    },
    /// An element of a set.
    Element {
        /// Its place in the set, counted from 0.
        index: usize,
        /// Its key as nft(8) would write it.
        key: String,
    },
}

/// Where an error lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The object.
    pub origin: Origin,
    /// The part of it.
    pub part: Part,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch => f.write_str("the transaction"),
            Self::Table { table } => write!(f, "table {table}"),
            Self::Chain { chain, .. } => write!(f, "chain {chain}"),
            Self::Set { set, .. } => write!(f, "set {set}"),
            Self::Rule { chain, index, .. } => write!(f, "rule {} of chain {chain}", index + 1),
            Self::OldRule { chain, index, .. } => {
                write!(f, "deletion of rule {} of chain {chain}", index + 1)
            }
            Self::Elements { set, .. } => write!(f, "elements of set {set}"),
            Self::OldElements { set, .. } => write!(f, "deletion of elements of set {set}"),
        }
    }
}

/// Rules, expressions and elements are counted from 1 in text.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, &self.part) {
            (Origin::Elements { set, .. }, Part::Element { index, key }) => {
                write!(f, "element {} of set {set} ({key})", index + 1)
            }
            (Origin::OldElements { set, .. }, Part::Element { index, key }) => {
                write!(f, "deletion of element {} of set {set} ({key})", index + 1)
            }
            (origin, Part::Expression { index, name }) => {
                write!(f, "{origin}, expression {} ({name})", index + 1)
            }
            (origin, Part::Attribute(number)) => write!(f, "{origin}, attribute {number}"),
            (origin, Part::Whole | Part::Element { .. }) => origin.fmt(f),
        }
    }
}

impl Batch {
    /// What the message of this sequence number is about, and which part of it lies at this
    /// offset.
    pub fn locate(&self, sequence: u32, offset: Option<u32>) -> Location {
        let whole = |origin| Location {
            origin,
            part: Part::Whole,
        };
        let Some(position) = self.position(sequence) else {
            return whole(Origin::Batch);
        };
        let found = Messages::new(&self.body).find(|message| message.sequence == sequence);
        let Some(message) = found else {
            return whole(Origin::Batch);
        };
        let position = self
            .places(sequence)
            .and_then(|places| places.first().copied())
            .unwrap_or(position);
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        let origin = origin(&message, position);
        let offset = offset
            .and_then(|offset| usize::try_from(offset).ok())
            .and_then(|offset| offset.checked_sub(MESSAGE_HEADER + FAMILY_HEADER));
        let part = offset.map_or(Part::Whole, |offset| self.part(&message, &origin, offset));
        Location { origin, part }
    }

    fn part(&self, message: &Message<'_>, origin: &Origin, offset: usize) -> Part {
        let Some(attribute) = message
            .attributes()
            .take_while(|attribute| attribute.offset <= offset)
            .last()
        else {
            return Part::Whole;
        };
        let inside = offset.checked_sub(attribute.offset + crate::wire::ATTRIBUTE_HEADER);
        let part = inside.and_then(|inside| match (origin, attribute.kind) {
            (Origin::Rule { .. }, NFTA_RULE_EXPRESSIONS) => {
                expression(attribute.attributes(), inside)
            }
            (
                Origin::Elements { first, .. } | Origin::OldElements { first, .. },
                NFTA_SET_ELEM_LIST_ELEMENTS,
            ) => {
                let types = self
                    .key_type(message)
                    .or_else(|| self.old_key_type(message))
                    .unwrap_or(0);
                let places = self.places(message.sequence);
                let place = |index: usize| {
                    let place = places.and_then(|places| places.get(index).copied());
                    place
                        .and_then(|place| usize::try_from(place).ok())
                        .unwrap_or(first.saturating_add(index))
                };
                element(attribute.attributes(), inside, place, types)
            }
            _ => None,
        });
        part.unwrap_or(Part::Attribute(attribute.kind))
    }

    /// The places of the elements of a message, where they are not one after the other.
    fn places(&self, sequence: u32) -> Option<&[u32]> {
        let places = &self.difference.places;
        let found = places.binary_search_by_key(&sequence, |(of, _)| *of).ok()?;
        places.get(found).map(|(_, places)| places.as_slice())
    }

    /// The key type of the set whose elements a message carries, if the set stays.
    fn old_key_type(&self, elements: &Message<'_>) -> Option<u32> {
        let attributes = elements.attributes();
        let table = attributes.get(NFTA_SET_ELEM_LIST_TABLE)?.text()?;
        let set = attributes.get(NFTA_SET_ELEM_LIST_SET)?.text()?;
        let known = self.difference.key_types.iter();
        known
            .filter(|(family, ..)| elements.payload.first() == Some(&family.nfproto()))
            .find(|(_, of, name, _)| of.as_str() == table && name.as_str() == set)
            .map(|(.., types)| *types)
    }

    /// The key type of the set whose elements a message carries, if the batch makes that set.
    fn key_type(&self, elements: &Message<'_>) -> Option<u32> {
        let attributes = elements.attributes();
        let table = attributes.get(NFTA_SET_ELEM_LIST_TABLE)?.payload;
        let set = attributes.get(NFTA_SET_ELEM_LIST_SET)?.payload;
        // Anonymous sets all have the same name.
        let id = attributes.get(NFTA_SET_ELEM_LIST_SET_ID);
        Messages::new(&self.body)
            .filter(|message| message.kind & 0xff == NFT_MSG_NEWSET)
            .map(|message| message.attributes())
            .find(|this| {
                this.get(NFTA_SET_TABLE)
                    .is_some_and(|name| name.payload == table)
                    && this
                        .get(NFTA_SET_NAME)
                        .is_some_and(|name| name.payload == set)
                    && id.is_none_or(|id| {
                        this.get(NFTA_SET_ID)
                            .is_some_and(|this| this.payload == id.payload)
                    })
            })?
            .get(NFTA_SET_KEY_TYPE)?
            .u32()
    }
}

fn origin(message: &Message<'_>, position: usize) -> Origin {
    let attributes = message.attributes();
    let text = |kind: u16| {
        let attribute = attributes.get(kind);
        attribute
            .and_then(|attribute| attribute.text())
            .unwrap_or("?")
            .to_owned()
    };
    match message.kind & 0xff {
        NFT_MSG_NEWTABLE | NFT_MSG_DELTABLE => Origin::Table {
            table: text(NFTA_TABLE_NAME),
        },
        NFT_MSG_NEWCHAIN | NFT_MSG_DELCHAIN => Origin::Chain {
            table: text(NFTA_CHAIN_TABLE),
            chain: text(NFTA_CHAIN_NAME),
        },
        NFT_MSG_NEWRULE => Origin::Rule {
            table: text(NFTA_RULE_TABLE),
            chain: text(NFTA_RULE_CHAIN),
            index: position,
        },
        // All of a chain are deleted without a handle.
        NFT_MSG_DELRULE if attributes.get(NFTA_RULE_HANDLE).is_none() => Origin::Chain {
            table: text(NFTA_RULE_TABLE),
            chain: text(NFTA_RULE_CHAIN),
        },
        NFT_MSG_DELRULE => Origin::OldRule {
            table: text(NFTA_RULE_TABLE),
            chain: text(NFTA_RULE_CHAIN),
            index: position,
        },
        NFT_MSG_NEWSET | NFT_MSG_DELSET => Origin::Set {
            table: text(NFTA_SET_TABLE),
            set: text(NFTA_SET_NAME),
        },
        NFT_MSG_NEWSETELEM => Origin::Elements {
            table: text(NFTA_SET_ELEM_LIST_TABLE),
            set: text(NFTA_SET_ELEM_LIST_SET),
            first: position,
        },
        NFT_MSG_DELSETELEM => Origin::OldElements {
            table: text(NFTA_SET_ELEM_LIST_TABLE),
            set: text(NFTA_SET_ELEM_LIST_SET),
            first: position,
        },
        _ => Origin::Batch,
    }
}

fn expression(list: Attributes<'_>, offset: usize) -> Option<Part> {
    let (index, attribute) = list
        .enumerate()
        .take_while(|(_, attribute)| attribute.offset <= offset)
        .last()?;
    let name = attribute
        .attributes()
        .get(NFTA_EXPR_NAME)?
        .text()?
        .to_owned();
    Some(Part::Expression { index, name })
}

fn element(
    list: Attributes<'_>,
    offset: usize,
    place: impl Fn(usize) -> usize,
    types: u32,
) -> Option<Part> {
    let mut before = 0;
    let mut found = None;
    for attribute in list.take_while(|attribute| attribute.offset <= offset) {
        let attributes = attribute.attributes();
        let flags = attributes
            .get(NFTA_SET_ELEM_FLAGS)
            .and_then(|flags| flags.u32());
        // The end of a range belongs to the element in front of it.
        if flags.is_none_or(|flags| flags & NFT_SET_ELEM_INTERVAL_END == 0) {
            found = Some((before, attributes));
            before += 1;
        }
    }
    let (index, attributes) = found?;
    let key = attributes
        .get(NFTA_SET_ELEM_KEY)?
        .attributes()
        .get(NFTA_DATA_VALUE)?
        .payload;
    Some(Part::Element {
        index: place(index),
        key: describe(key, types),
    })
}

/// A key as nft(8) writes it: by its type number, which holds 6 bits per field.
pub(crate) fn describe(key: &[u8], types: u32) -> String {
    let mut numbers: Vec<u32> = (0..5_u32)
        .map(|field| types >> (6 * field) & 0x3f)
        .take_while(|number| *number != 0)
        .collect();
    numbers.reverse();
    let mut rest = key;
    let mut fields = Vec::with_capacity(numbers.len());
    for number in &numbers {
        let len = match number {
            8 | 41 => 16,
            9 if numbers.len() > 1 => 8,
            9 => 6,
            13 if numbers.len() == 1 => 2,
            2 | 12 | 14 | 15 | 27 | 29 | 31 | 32 | 33 if numbers.len() == 1 => 1,
            _ => 4,
        };
        let Some((field, tail)) = rest.split_at_checked(len) else {
            break;
        };
        fields.push(describe_field(*number, field));
        rest = tail;
    }
    if !rest.is_empty() || fields.is_empty() {
        return hex(key);
    }
    fields.join(" . ")
}

fn describe_field(number: u32, field: &[u8]) -> String {
    let text = match (number, field) {
        (7, field) => field
            .first_chunk()
            .map(|bytes: &[u8; 4]| Ipv4Addr::from(*bytes).to_string()),
        (8, field) => field
            .first_chunk()
            .map(|bytes: &[u8; 16]| Ipv6Addr::from(*bytes).to_string()),
        (12, [protocol, ..]) => Some(match protocol {
            1 => "icmp".to_owned(),
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            58 => "icmpv6".to_owned(),
            132 => "sctp".to_owned(),
            other => other.to_string(),
        }),
        (13, [high, low, ..]) => Some(u16::from_be_bytes([*high, *low]).to_string()),
        (19 | 24 | 25, field) => field
            .first_chunk()
            .map(|bytes| format!("{:#010x}", u32::from_ne_bytes(*bytes))),
        (41, field) => {
            let name = field.split(|byte| *byte == 0).next().unwrap_or(&[]);
            std::str::from_utf8(name)
                .ok()
                .map(|name| format!("{name:?}"))
        }
        _ => None,
    };
    text.unwrap_or_else(|| hex(field))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold("0x".to_owned(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_nft_writes_them() {
        let concatenation = (7 * 64 + 12) * 64 + 13;
        let key = [172, 18, 0, 2, 6, 0, 0, 0, 0, 80, 0, 0];
        assert_eq!(describe(&key, concatenation), "172.18.0.2 . tcp . 80");
        assert_eq!(describe(&[0, 80], 13), "80");
        assert_eq!(describe(&[17], 12), "udp");
        assert_eq!(describe(b"br-web\0\0\0\0\0\0\0\0\0\0", 41), "\"br-web\"");
        assert_eq!(describe(&[0; 16], 8), "::");
        // A type that is unknown, or a key of another length, is shown as it is.
        assert_eq!(describe(&[1, 2, 3], 0), "0x010203");
        assert_eq!(describe(&[1, 2, 3], 7), "0x010203");
    }

    #[test]
    fn what_is_not_in_the_batch_is_the_batch() {
        let batch = crate::BatchBuilder::new().build();
        for sequence in [0, 1, 2, 3, u32::MAX] {
            let location = batch.locate(sequence, Some(u32::MAX));
            assert_eq!(location.origin, Origin::Batch);
        }
    }
}
