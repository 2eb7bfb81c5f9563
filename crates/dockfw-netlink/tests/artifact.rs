//! Batches that are kept as bytes: the same afterwards, and damage is noticed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers")]

#[expect(
    clippy::allow_attributes,
    reason = "whose lints these are differs by who includes it"
)]
#[allow(clippy::pedantic, reason = "a list of samples, linted where it lives")]
#[path = "../../dockfw-ir/tests/samples/mod.rs"]
mod samples;

use dockfw_ir::name::TableName;
use dockfw_ir::table::Family;
use dockfw_ir::verify::verify;
use dockfw_netlink::{ArtifactError, Batch};

fn batches() -> Vec<(String, Batch)> {
    let batch = |(name, ruleset): (&str, dockfw_ir::Ruleset)| {
        let batch = Batch::replace(&verify(ruleset).unwrap()).unwrap();
        (name.to_string(), batch)
    };
    samples::samples().into_iter().map(batch).collect()
}

/// The sample with the fewest bytes that has a rule.
fn small() -> Batch {
    let with_rules = batches().into_iter().map(|(_, batch)| batch);
    with_rules
        .filter(|batch| batch.statistics().rules > 0)
        .min_by_key(|batch| batch.as_bytes().len())
        .unwrap()
}

/// The same bytes with a checksum that is right.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

#[test]
fn every_sample_comes_back_as_it_was() {
    for (name, batch) in batches() {
        let bytes = batch.to_bytes().unwrap();
        let read = Batch::from_bytes(&bytes).unwrap();
        // All fields, private ones too.
        assert_eq!(format!("{read:?}"), format!("{batch:?}"), "{name}");
        assert_eq!(read.to_bytes().unwrap(), bytes, "{name}");
    }
}

#[test]
fn only_replacements_are_kept() {
    let name = TableName::new("dockfw").unwrap();
    let batch = Batch::delete([(Family::Inet, &name)]).unwrap();
    assert_eq!(batch.to_bytes(), None);
}

#[test]
fn every_flipped_bit_and_every_truncation_is_noticed() {
    let bytes = small().to_bytes().unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        Batch::from_bytes(&damaged).unwrap_err();
    }
    for len in 0..bytes.len() {
        Batch::from_bytes(&bytes[..len]).unwrap_err();
    }
    let mut long = bytes;
    long.push(0);
    assert_eq!(Batch::from_bytes(&long).unwrap_err(), ArtifactError::Length);
}

#[test]
fn what_has_a_right_checksum_is_looked_at_all_the_same() {
    let batch = small();
    let bytes = batch.to_bytes().unwrap();
    let is_error = |bytes: Vec<u8>| {
        matches!(
            Batch::from_bytes(&sealed(bytes)),
            Err(ArtifactError::Inconsistent(_))
        )
    };
    // A message about another table.
    let body = batch.as_bytes().len();
    let start = bytes.len() - 4 - body;
    // Behind the headers of the message, of nfnetlink, and of the attribute.
    let name = start + 16 + 4 + 4;
    let mut other = bytes.clone();
    other[name] = b'Z';
    assert!(is_error(other));
    // Any other byte: either noticed, or of a field that stands for itself. Never a panic.
    let mut accepted = 0;
    for index in 0..bytes.len() - 4 {
        let mut changed = bytes.clone();
        changed[index] ^= 0xff;
        accepted += usize::from(Batch::from_bytes(&sealed(changed)).is_ok());
    }
    assert!(accepted > 0 && accepted < bytes.len());
    // Lengths that claim more than there is.
    for index in 20..bytes.len() - 8 {
        let mut changed = bytes.clone();
        changed[index..index + 4].fill(0xff);
        let _ = Batch::from_bytes(&sealed(changed));
    }
    // A body that is cut at any place, with lengths that agree.
    for len in 0..body {
        let mut cut = bytes[..start + len].to_vec();
        cut[start - 8..start].copy_from_slice(&u64::try_from(len).unwrap().to_le_bytes());
        cut.extend_from_slice(&[0; 4]);
        let whole = u64::try_from(cut.len()).unwrap();
        cut[12..20].copy_from_slice(&whole.to_le_bytes());
        assert!(is_error(cut), "{len}");
    }
}

#[test]
fn other_versions_are_named() {
    let mut bytes = small().to_bytes().unwrap();
    bytes[8] = 2;
    assert_eq!(
        Batch::from_bytes(&sealed(bytes)).unwrap_err(),
        ArtifactError::Version { found: 2 }
    );
    assert_eq!(Batch::from_bytes(b"").unwrap_err(), ArtifactError::Foreign);
    assert_eq!(
        Batch::from_bytes(b"#!/bin/sh\n").unwrap_err(),
        ArtifactError::Foreign
    );
}

#[test]
fn more_tables_can_be_deleted_with_it() {
    let batch = small();
    let (family, name) = batch.tables().next().unwrap();
    let (own, other) = ((family, &name.clone()), TableName::new("other").unwrap());
    let more = batch
        .clone()
        .deleting([own, (Family::Ip6, &other)])
        .unwrap();
    assert!(more.as_bytes().starts_with(batch.as_bytes()));
    assert_eq!(
        more.statistics().messages,
        batch.statistics().messages + 2,
        "its own table is not deleted"
    );
    assert_eq!(more.tables().count(), batch.tables().count());
}
