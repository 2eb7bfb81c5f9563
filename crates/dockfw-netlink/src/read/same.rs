//! Whether the kernel has what we would send.
//!
//! What was read is encoded again and compared, attribute by attribute, with what the kernel said.
//! Whatever the reader misunderstood or left out makes a difference here, and what differs is
//! unreadable rather than wrong. Left aside are what the kernel counts, what it adds by rules that
//! are known, defaults, and attributes that are newer than our table of numbers.

use std::borrow::Cow;

use super::attribute::{Result, because, register};
use crate::set::ANONYMOUS;
use crate::sys::nf_tables::{
    NF_NAT_RANGE_MAP_IPS, NF_NAT_RANGE_PROTO_SPECIFIED, NFT_CT_PROTOCOL, NFTA_CT_KEY,
    NFTA_DYNSET_EXPR, NFTA_EXPR_DATA, NFTA_EXPR_NAME, NFTA_LIST_ELEM, NFTA_LOOKUP_SET,
    NFTA_LOOKUP_SET_ID, NFTA_NAT_FLAGS, NFTA_NAT_REG_ADDR_MAX, NFTA_NAT_REG_ADDR_MIN,
    NFTA_NAT_REG_PROTO_MAX, NFTA_NAT_REG_PROTO_MIN, NFTA_SET_EXPR,
};
use crate::wire::{Attribute, Attributes, Encoder};

/// What is known of the attributes of an object or expression.
///
/// Source: the `*_dump` and `nf_tables_fill_*_info` functions of `net/netfilter` (v6.12).
pub(super) struct Shape {
    name: &'static str,
    /// Those that name a register.
    registers: &'static [u16],
    /// What is not compared: what the kernel counts or names, and user data.
    aside: &'static [u16],
    /// What the kernel says though we do not, or the other way round.
    defaults: &'static [(u16, u64)],
    /// The highest number in our table; what is above is newer than we are.
    newest: u16,
}

impl Shape {
    const fn of(name: &'static str, registers: &'static [u16], newest: u16) -> Self {
        Self {
            name,
            registers,
            aside: &[],
            defaults: &[],
            newest,
        }
    }

    const fn aside(mut self, aside: &'static [u16]) -> Self {
        self.aside = aside;
        self
    }

    const fn defaults(mut self, defaults: &'static [(u16, u64)]) -> Self {
        self.defaults = defaults;
        self
    }
}

/// Names, handle, number of uses, counters, number in the batch; `NFT_CHAIN_BASE`.
pub(super) const CHAIN: Shape = Shape::of("chain", &[], 12)
    .aside(&[1, 2, 3, 6, 8, 9, 11, 12])
    .defaults(&[(10, 0), (10, 1)]);

/// Names, policy, number in the batch, interval of garbage collection, padding, handle.
pub(super) const SET: Shape = Shape::of("set", &[], 18)
    .aside(&[1, 2, 8, 10, 12, 13, 14, 16])
    .defaults(&[(3, 0), (9, 0), (11, 0)]);

/// A key of `ct` that has a direction only on its way to the kernel.
const CT_PROTOCOL: Shape = Shape::of("ct", &[1, 4], 4).aside(&[3]);

const EXPRESSIONS: &[Shape] = &[
    Shape::of("bitwise", &[1, 2], 7).defaults(&[(6, 0)]),
    Shape::of("byteorder", &[1, 2], 5),
    Shape::of("cmp", &[1], 3),
    Shape::of("connlimit", &[], 2).defaults(&[(2, 0)]),
    Shape::of("counter", &[], 3).aside(&[1, 2, 3]),
    Shape::of("ct", &[1, 4], 4),
    Shape::of("dup", &[1, 2], 2),
    Shape::of("dynset", &[4, 5], 10)
        .aside(&[8])
        .defaults(&[(6, 0), (9, 0)]),
    Shape::of("exthdr", &[1, 7], 7).defaults(&[(5, 0), (6, 0)]),
    Shape::of("fib", &[1], 3),
    Shape::of("immediate", &[1], 2),
    Shape::of("limit", &[], 6)
        .aside(&[6])
        .defaults(&[(3, 0), (4, 0), (5, 0)]),
    Shape::of("log", &[], 6).defaults(&[(3, 0), (4, 0), (5, 4), (6, 0)]),
    Shape::of("lookup", &[2, 3], 5)
        .aside(&[NFTA_LOOKUP_SET_ID])
        .defaults(&[(5, 0)]),
    Shape::of("masq", &[2, 3], 3).defaults(&[(1, 0)]),
    Shape::of("meta", &[1, 3], 3),
    Shape::of("nat", &[3, 4, 5, 6], 7).defaults(&[(7, 0)]),
    Shape::of("notrack", &[], 0),
    Shape::of("numgen", &[1], 4).defaults(&[(4, 0)]),
    Shape::of("payload", &[1, 5], 8).defaults(&[(6, 0), (7, 0), (8, 0)]),
    Shape::of("queue", &[4], 4).defaults(&[(3, 0)]),
    Shape::of("quota", &[], 4)
        .aside(&[3, 4])
        .defaults(&[(2, 0)]),
    Shape::of("range", &[1], 4),
    Shape::of("redir", &[1, 2], 3).defaults(&[(3, 0)]),
    Shape::of("reject", &[], 2).defaults(&[(2, 0)]),
    Shape::of("rt", &[1], 2),
    Shape::of("socket", &[2], 3).defaults(&[(3, 0)]),
    Shape::of("tproxy", &[2, 3], 3),
];

/// Compares two lists of expressions: ours, and the kernel's.
pub(super) fn expressions(mut ours: Attributes<'_>, mut theirs: Attributes<'_>) -> Result {
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) if theirs.rest().is_empty() => return Ok(()),
            (Some(ours), Some(theirs)) if theirs.kind == NFTA_LIST_ELEM => {
                expression(ours.attributes(), theirs.attributes())?;
            }
            (_, _) => return because("it has another number of expressions than would be sent"),
        }
    }
}

fn name(expression: Attributes<'_>) -> Option<&[u8]> {
    let name = expression.get(NFTA_EXPR_NAME)?;
    Some(without_nul(name.payload))
}

fn data(expression: Attributes<'_>) -> &[u8] {
    expression
        .get(NFTA_EXPR_DATA)
        .map_or(&[], |data| data.payload)
}

/// Compares two expressions, each a name and data.
fn expression(ours: Attributes<'_>, theirs: Attributes<'_>) -> Result {
    if !is_whole(theirs) {
        return because("attributes that are cut off");
    }
    let Some(shape) = EXPRESSIONS
        .iter()
        .find(|shape| name(theirs) == Some(shape.name.as_bytes()))
    else {
        return because("an expression that is not known");
    };
    if name(ours) != name(theirs) {
        return Err(format!("the expression {} is not what would be sent", shape.name).into());
    }
    let (ours, theirs) = (data(ours), data(theirs));
    // The protocol of a flow is that of both directions, and the kernel does not keep which.
    let key = Attributes::new(ours).get(NFTA_CT_KEY);
    if shape.name == "ct" && key.and_then(|key| key.u32()) == Some(NFT_CT_PROTOCOL) {
        return attributes(&CT_PROTOCOL, Attributes::new(ours), Attributes::new(theirs));
    }
    let complete = |bytes: &[u8]| match shape.name {
        "nat" => {
            const REGISTERS: [(u16, u16); 2] = [
                (NFTA_NAT_REG_ADDR_MIN, NFTA_NAT_REG_ADDR_MAX),
                (NFTA_NAT_REG_PROTO_MIN, NFTA_NAT_REG_PROTO_MAX),
            ];
            completed(bytes, &REGISTERS, Some(NFTA_NAT_FLAGS)).map(Some)
        }
        "masq" => completed(bytes, &[(2, 3)], None).map(Some),
        "redir" => completed(bytes, &[(1, 2)], Some(3)).map(Some),
        _ => Ok(None),
    };
    let completed = (complete(ours)?, complete(theirs)?);
    let ours = completed.0.as_ref().map_or(ours, Encoder::as_bytes);
    let theirs = completed.1.as_ref().map_or(theirs, Encoder::as_bytes);
    attributes(shape, Attributes::new(ours), Attributes::new(theirs))
}

/// What the kernel makes of a translation: the second register of a range that has only one is the
/// first, and the flags say what is there.
///
/// Source: `nft_nat_init`, `nft_masq_init`, `nft_redir_init` (v6.12).
fn completed(ours: &[u8], ranges: &[(u16, u16)], flags: Option<u16>) -> Result<Encoder> {
    let mut encoder = Encoder::with_capacity(ours.len() + 24);
    let attributes = Attributes::new(ours);
    let mut implied = 0;
    for attribute in attributes {
        if Some(attribute.kind) != flags {
            let written = encoder.bytes(attribute.kind, attribute.payload);
            written.map_err(|error| error.to_string())?;
        }
        let range = ranges.iter().find(|(low, _)| *low == attribute.kind);
        if let Some((low, high)) = range {
            implied |= if *low == NFTA_NAT_REG_ADDR_MIN {
                NF_NAT_RANGE_MAP_IPS
            } else {
                NF_NAT_RANGE_PROTO_SPECIFIED
            };
            if attributes.get(*high).is_none() {
                let written = encoder.bytes(*high, attribute.payload);
                written.map_err(|error| error.to_string())?;
            }
        }
    }
    if !is_whole(attributes) {
        return because("attributes that are cut off");
    }
    if let Some(kind) = flags {
        let own = attributes.get(kind).and_then(|flags| flags.u32());
        let written = encoder.u32(kind, own.unwrap_or(0) | implied);
        written.map_err(|error| error.to_string())?;
    }
    Ok(encoder)
}

/// Compares the attributes of one thing: ours, and the kernel's.
pub(super) fn attributes(shape: &Shape, ours: Attributes<'_>, theirs: Attributes<'_>) -> Result {
    let differs = |kind: u16, how: &str| {
        let name = shape.name;
        Err(Cow::Owned(format!("{name}: attribute {kind} {how}")))
    };
    if !is_whole(theirs) {
        return Err(format!("{}: attributes that are cut off", shape.name).into());
    }
    for own in ours.filter(|own| !shape.aside.contains(&own.kind)) {
        match theirs.get(own.kind) {
            Some(their) if same(shape, own, their)? => {}
            None if is_default(shape, own) => {}
            Some(_) => return differs(own.kind, "is not what would be sent"),
            None => return differs(own.kind, "would be sent and is not there"),
        }
    }
    for their in theirs.filter(|their| !shape.aside.contains(&their.kind)) {
        let known = ours.get(their.kind).is_some() || their.kind > shape.newest;
        if !known && !is_default(shape, their) {
            return differs(their.kind, "has no word");
        }
    }
    Ok(())
}

/// Whether the list ends with an attribute and not inside of one.
fn is_whole(mut attributes: Attributes<'_>) -> bool {
    attributes.by_ref().for_each(drop);
    attributes.rest().is_empty()
}

fn is_default(shape: &Shape, attribute: Attribute<'_>) -> bool {
    let number = attribute.payload.iter().try_fold(0_u64, |sum, byte| {
        Some(sum.checked_mul(256)? + u64::from(*byte))
    });
    number.is_some_and(|number| shape.defaults.contains(&(attribute.kind, number)))
}

fn same(shape: &Shape, ours: Attribute<'_>, theirs: Attribute<'_>) -> Result<bool> {
    let kind = ours.kind;
    if shape.registers.contains(&kind) {
        let of = |attribute: Attribute<'_>| attribute.u32().map(register);
        return Ok(of(ours) == of(theirs));
    }
    let is_expression = match shape.name {
        "dynset" => kind == NFTA_DYNSET_EXPR,
        "set" => kind == NFTA_SET_EXPR,
        _ => false,
    };
    if is_expression {
        expression(ours.attributes(), theirs.attributes())?;
        return Ok(true);
    }
    if shape.name == "lookup" && kind == NFTA_LOOKUP_SET {
        // The kernel has given it a name; which set it is was seen when it was read.
        let ours = without_nul(ours.payload);
        return Ok(ours == ANONYMOUS.as_bytes() || ours == without_nul(theirs.payload));
    }
    // The length of a verdict in the kernel's memory.
    if shape.name == "set" && kind == 7 && ours.u32() == Some(0) {
        return Ok(true);
    }
    Ok(same_tree(ours, theirs))
}

/// Values, and nests of them in the same order.
fn same_tree(ours: Attribute<'_>, theirs: Attribute<'_>) -> bool {
    if !ours.nested {
        return ours.payload == theirs.payload;
    }
    let (mut ours, mut theirs) = (ours.attributes(), theirs.attributes());
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return theirs.rest().is_empty(),
            (Some(a), Some(b)) if a.kind == b.kind && same_tree(a, b) => {}
            (_, _) => return false,
        }
    }
}

fn without_nul(text: &[u8]) -> &[u8] {
    text.strip_suffix(&[0]).unwrap_or(text)
}
