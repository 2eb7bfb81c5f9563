//! Messages as trees of attributes, in a form that does not depend on who wrote them.

use std::fmt;

use dockfw_netlink::sys::nf_tables::*;
use dockfw_netlink::wire::{Attributes, Message};

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Object {
    kind: u16,
    family: u8,
    attributes: Vec<Node>,
}

/// An attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    kind: u16,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Value(Vec<u8>),
    Nest(Vec<Node>),
}

/// Reads messages and takes out what has no meaning: the order of attributes, the numbers of list
/// members, defaults that are spelled out, and where an element list is cut.
pub(crate) fn normalise<'a>(messages: impl Iterator<Item = Message<'a>>) -> Vec<Object> {
    let mut objects: Vec<Object> = Vec::new();
    for message in messages {
        let mut object = Object {
            kind: message.kind,
            family: message.payload.first().copied().unwrap_or(0),
            attributes: nodes(message.attributes()),
        };
        match message.kind & 0xff {
            NFT_MSG_NEWSETELEM => {
                number_list(&mut object.attributes, NFTA_SET_ELEM_LIST_ELEMENTS);
                if let Some(last) = objects.last_mut().filter(|last| same_set(last, &object)) {
                    append(last, object);
                    continue;
                }
            }
            NFT_MSG_NEWRULE => expressions(&mut object.attributes),
            NFT_MSG_NEWTABLE => drop_zero(&mut object.attributes, &[NFTA_TABLE_FLAGS]),
            NFT_MSG_NEWSET => drop_zero(&mut object.attributes, &[NFTA_SET_DATA_LEN]),
            _ => {}
        }
        objects.push(object);
    }
    objects
}

fn nodes(attributes: Attributes<'_>) -> Vec<Node> {
    let mut nodes: Vec<Node> = attributes
        .map(|attribute| Node {
            kind: attribute.kind,
            content: if attribute.nested {
                Content::Nest(nodes(attribute.attributes()))
            } else {
                Content::Value(attribute.payload.to_vec())
            },
        })
        .collect();
    // Stable: the members of a list, which all have the same number, keep their order.
    nodes.sort_by_key(|node| node.kind);
    nodes
}

fn list(nodes: &mut [Node], kind: u16) -> Option<&mut Vec<Node>> {
    nodes
        .iter_mut()
        .find(|node| node.kind == kind)
        .and_then(|node| match &mut node.content {
            Content::Nest(list) => Some(list),
            Content::Value(_) => None,
        })
}

/// libnftnl numbers elements, we do not; the kernel does not look.
fn number_list(nodes: &mut [Node], kind: u16) {
    for node in list(nodes, kind).into_iter().flatten() {
        node.kind = NFTA_LIST_ELEM;
    }
}

fn same_set(last: &Object, next: &Object) -> bool {
    let names = |object: &Object| -> Vec<Node> {
        let is_name = |node: &&Node| node.kind != NFTA_SET_ELEM_LIST_ELEMENTS;
        object.attributes.iter().filter(is_name).cloned().collect()
    };
    (last.kind, last.family, names(last)) == (next.kind, next.family, names(next))
}

fn append(last: &mut Object, mut next: Object) {
    let more = list(&mut next.attributes, NFTA_SET_ELEM_LIST_ELEMENTS).map(std::mem::take);
    if let Some(list) = list(&mut last.attributes, NFTA_SET_ELEM_LIST_ELEMENTS) {
        list.extend(more.into_iter().flatten());
    }
}

fn drop_zero(nodes: &mut Vec<Node>, kinds: &[u16]) {
    nodes.retain(|node| {
        let zero = matches!(&node.content, Content::Value(value) if value.iter().all(|b| *b == 0));
        !(zero && kinds.contains(&node.kind))
    });
}

/// Drops zeros that say nothing: counters begin at zero, no flag is no flag.
fn expressions(rule: &mut [Node]) {
    for expression in list(rule, NFTA_RULE_EXPRESSIONS).into_iter().flatten() {
        let Content::Nest(parts) = &mut expression.content else {
            continue;
        };
        let name = parts.first().and_then(|part| match &part.content {
            Content::Value(name) => Some(name.clone()),
            Content::Nest(_) => None,
        });
        let optional: &[u16] = match name.as_deref() {
            Some(b"counter\0") => &[1, 2],
            // NFTA_BITWISE_OP: NFT_BITWISE_MASK_XOR
            Some(b"bitwise\0") => &[6],
            Some(b"nat\0") => &[NFTA_NAT_FLAGS],
            Some(b"masq\0") => &[NFTA_MASQ_FLAGS],
            Some(b"redir\0") => &[NFTA_REDIR_FLAGS],
            Some(b"lookup\0") => &[NFTA_LOOKUP_FLAGS],
            _ => &[],
        };
        if let Some(data) = list(parts, NFTA_EXPR_DATA) {
            drop_zero(data, optional);
        }
        parts.retain(|part| part.content != Content::Nest(Vec::new()));
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x} family {}", self.kind, self.family)?;
        self.attributes
            .iter()
            .try_for_each(|node| write!(f, " {node}"))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.kind)?;
        match &self.content {
            Content::Value(value) if value.len() > 4 && value.is_ascii() => {
                write!(f, "{:?}", String::from_utf8_lossy(value))
            }
            Content::Value(value) => value.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Content::Nest(nodes) => {
                f.write_str("{")?;
                nodes.iter().try_for_each(|node| write!(f, " {node}"))?;
                f.write_str(" }")
            }
        }
    }
}
