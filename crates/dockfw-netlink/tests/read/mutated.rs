//! Messages that are not what the kernel says: no panic, and no byte of a rule that does not count.

use std::io::{ErrorKind, IoSlice};

use dockfw_ir::table::{Family, Table};
use dockfw_netlink::sys::Socket;
use dockfw_netlink::sys::nf_tables::{
    NFT_MSG_GETCHAIN, NFT_MSG_GETRULE, NFT_MSG_GETSET, NFT_MSG_GETSETELEM, NFT_MSG_NEWRULE,
    NFTA_EXPR_NAME, NFTA_NAT_FLAGS, NFTA_RULE_EXPRESSIONS, NFTA_SET_ELEM_LIST_SET,
    NFTA_SET_ELEM_LIST_TABLE,
};
use dockfw_netlink::wire::{
    Attribute, Attributes, DUMP, Encoder, Header, Messages, REQUEST, nf_tables,
};
use dockfw_netlink::{EncodeError, TableSnapshot, read};
use dockfw_testkit::equivalence::Rng;

use super::lab::in_namespace;
use super::{bytes, kept, samples, through_the_kernel};

/// `sizeof(struct nlmsghdr)` and `sizeof(struct nfgenmsg)`.
const HEADERS: usize = 20;

/// Every table of the samples.
fn tables() -> Vec<Table> {
    let samples = samples::samples().into_iter();
    samples.flat_map(|(_, ruleset)| ruleset.tables).collect()
}

/// The places of the bytes of an attribute list that say something. Left out are padding, the two
/// flags of an attribute's type, how long a name is with its NUL, how long
/// the data of an expression are (those at the end may be defaults), the type of an attribute that is
/// zero as without it, and the flags of `nat`, some of which follow from its registers.
fn places(list: Attributes<'_>, start: usize, found: &mut Vec<usize>) {
    let name = list.get(NFTA_EXPR_NAME).map(|name| name.payload);
    for attribute in list {
        let (at, payload) = (start + attribute.offset, attribute.payload);
        let is_name =
            payload.len() > 1 && payload.last() == Some(&0) && payload[0].is_ascii_lowercase();
        let is_data = name.is_some() && attribute.nested;
        if !is_name && !is_data {
            found.extend([at, at + 1]);
        }
        if payload.iter().any(|byte| *byte != 0) {
            found.push(at + 2);
        }
        if attribute.nested && name == Some(b"nat\0") {
            let flags = |attribute: &Attribute<'_>| attribute.kind == NFTA_NAT_FLAGS;
            for inner in attribute.attributes().filter(|inner| !flags(inner)) {
                let inside = at + 4 + inner.offset;
                found.extend(inside..inside + 3);
                found.extend(inside + 4..inside + 4 + inner.payload.len());
            }
        } else if attribute.nested {
            places(attribute.attributes(), at + 4, found);
        } else {
            found.extend(at + 4..at + 4 + payload.len());
        }
    }
}

/// Where the expressions of rules are in messages.
fn rule_bytes(messages: &[u8]) -> Vec<usize> {
    let (mut at, mut found) = (0, Vec::new());
    for message in Messages::new(messages) {
        let len = 16 + message.payload.len();
        if message.kind == nf_tables(NFT_MSG_NEWRULE)
            && let Some(list) = message.attributes().get(NFTA_RULE_EXPRESSIONS)
        {
            let start = at + HEADERS + list.offset + 4;
            places(list.attributes(), start, &mut found);
        }
        at += len.next_multiple_of(4);
    }
    found
}

/// Every byte of the expressions of a rule counts: whatever is changed, another rule is read, or
/// none. Otherwise the reader would take a rule for something it is not.
#[test]
fn no_byte_of_a_rule_is_without_effect() {
    let (mut changed, mut without) = (0, Vec::new());
    for (number, table) in tables().into_iter().enumerate() {
        let table = kept(&table);
        let messages = bytes(&table);
        let right = read::decode(&messages, table.family, &table.name);
        // All of them take minutes; another share in each table.
        for at in rule_bytes(&messages)
            .into_iter()
            .skip(number % 7)
            .step_by(7)
        {
            for flip in [0x01, 0x10] {
                let mut messages = messages.clone();
                messages[at] ^= flip;
                changed += 1;
                let wrong = read::decode(&messages, table.family, &table.name);
                if wrong == right {
                    without.push((table.name.clone(), at, messages[at - 8..at + 4].to_vec()));
                }
            }
        }
    }
    assert!(changed > 1_000, "{changed}");
    assert!(
        without.is_empty(),
        "{} of {changed}: {without:?}",
        without.len()
    );
}

/// Changes bytes here and there, cuts and repeats.
fn mutate(rng: &mut Rng, messages: &mut Vec<u8>) {
    for _ in 0..=rng.below(6) {
        let at = rng.below(messages.len());
        match rng.below(5) {
            0 => messages[at] = u8::try_from(rng.below(256)).unwrap(),
            1 => messages[at] ^= 1 << rng.below(8),
            2 => {
                let end = messages.len().min(at + 4 * rng.below(16));
                messages.drain(at..end);
            }
            3 => {
                let end = messages.len().min(at + 4 * rng.below(16));
                let part = messages[at..end].to_vec();
                messages.splice(at..at, part);
            }
            _ => {
                let word = [0, 1, 0xff, 0x7f][rng.below(4)];
                let end = messages.len().min(at + 4);
                messages[at..end].fill(word);
            }
        }
        if messages.is_empty() {
            messages.push(0);
        }
    }
}

/// What every snapshot is, whatever the messages were.
fn is_sound(read: &TableSnapshot) {
    for chain in &read.table.chains {
        assert_eq!(chain.rules.len(), read.rules[&chain.name].len());
    }
    // What was read has a wire form, unreadable rules aside.
    let again = read::canonical(&read.table);
    if let Ok(again) = again {
        for (chain, other) in read.table.chains.iter().zip(&again.table.chains) {
            for (rule, other) in chain.rules.iter().zip(&other.rules) {
                assert_eq!(rule.statements.len(), other.statements.len());
            }
        }
    }
}

fn mutations_are_sound(messages: &[u8], table: &Table, seed: u64, count: u64) {
    for round in 0..count {
        let mut rng = Rng::new(seed, round);
        let mut messages = messages.to_vec();
        mutate(&mut rng, &mut messages);
        is_sound(&read::decode(&messages, table.family, &table.name));
    }
}

/// Batches with mistakes.
#[test]
fn mutated_batches_are_sound() {
    for (seed, table) in (1..).zip(tables()) {
        mutations_are_sound(&bytes(&table), &table, seed, 40);
    }
}

/// The messages of a dump, as they came.
fn dump(
    socket: &Socket,
    kind: u16,
    family: Family,
    body: impl Fn(&mut Encoder) -> Result<(), EncodeError>,
) -> Vec<u8> {
    let mut encoder = Encoder::default();
    let header = Header {
        kind: nf_tables(kind),
        flags: REQUEST | DUMP,
        sequence: 1,
        family: family.nfproto(),
        resource: 0,
    };
    encoder.message(header, body).unwrap();
    socket.send(&[IoSlice::new(encoder.as_bytes())]).unwrap();
    let (mut all, mut buffer) = (Vec::new(), vec![0; 65_536]);
    loop {
        match socket.receive(&mut buffer) {
            Ok(received) => all.extend_from_slice(&buffer[..received.len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return all,
            Err(error) => panic!("{error}"),
        }
    }
}

/// All the kernel says of a table.
fn dump_table(table: &Table, sets: &[String]) -> Vec<u8> {
    let socket = Socket::open().unwrap();
    let mut all = dump(&socket, NFT_MSG_GETCHAIN, table.family, |_| Ok(()));
    all.extend(dump(&socket, NFT_MSG_GETSET, table.family, |_| Ok(())));
    for set in sets {
        all.extend(dump(&socket, NFT_MSG_GETSETELEM, table.family, |e| {
            e.text(NFTA_SET_ELEM_LIST_TABLE, table.name.as_str())?;
            e.text(NFTA_SET_ELEM_LIST_SET, set)
        }));
    }
    all.extend(dump(&socket, NFT_MSG_GETRULE, table.family, |_| Ok(())));
    all
}

/// Dumps of the kernel, read as they are and with mistakes.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn mutated_dumps_are_sound() {
    for (seed, (name, ruleset)) in (1..).zip(samples::samples()) {
        in_namespace(|| {
            let read = through_the_kernel(&ruleset);
            for (table, read) in ruleset.tables.iter().zip(read) {
                let named = table.sets.iter().map(|set| set.name.to_string());
                let sets: Vec<_> = named.chain((0..40).map(|n| format!("__set{n}"))).collect();
                let messages = dump_table(table, &sets);
                let again = read::decode(&messages, table.family, &table.name);
                assert_eq!(again.table.chains, read.table.chains, "{name}");
                assert_eq!(again.table.sets, read.table.sets, "{name}");
                mutations_are_sound(&messages, table, seed, 60);
            }
        });
    }
}
