//! Our messages against those that the C library libnftnl makes of the same ruleset.
//!
//! `cargo test -p dockfw-netlink --features oracle`. The expectation is written by code of its own
//! (`oracle/rule.rs`, `oracle/object.rs`); what it shares with the encoder is the IR only.
#![cfg(feature = "oracle")]

#[path = "oracle/compare.rs"]
mod compare;
#[path = "oracle/ffi.rs"]
mod ffi;
#[path = "oracle/header.rs"]
mod header;
#[path = "oracle/object.rs"]
mod object;
#[path = "oracle/rule.rs"]
mod rule;
#[expect(
    clippy::allow_attributes,
    reason = "whose lints these are differs by who includes it"
)]
#[allow(clippy::pedantic, reason = "a list of samples, linted where it lives")]
#[path = "../../dockfw-ir/tests/samples/mod.rs"]
mod samples;
#[path = "oracle/tree.rs"]
mod tree;

#[test]
fn every_sample_is_encoded_as_libnftnl_does() {
    let mut different = Vec::new();
    for (name, ruleset) in samples::samples().into_iter().chain(samples::unloadable()) {
        if let Err(difference) = compare::compare(&ruleset) {
            different.push(format!("== {name}\n{difference}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn every_host_fixture_is_encoded_as_libnftnl_does() {
    let fixtures = dockfw_testkit::fixture::HostFixture::all().unwrap();
    assert!(fixtures.len() >= 4);
    for fixture in fixtures {
        let ruleset = fixture.ruleset().unwrap();
        if let Err(difference) = compare::compare(&ruleset) {
            panic!("== {}\n{difference}", fixture.name());
        }
    }
}

#[test]
fn the_comparison_sees_a_difference() {
    use dockfw_ir::set::Element;
    use dockfw_ir::value::Value;
    let mut samples = samples::samples().into_iter();
    let (_, mut ruleset) = samples.find(|(name, _)| *name == "docker").unwrap();
    let messages = object::messages(&ruleset);
    let set = ruleset.tables[0]
        .sets
        .iter_mut()
        .find(|set| !set.elements.is_empty())
        .unwrap();
    let key = set.elements[0]
        .key
        .as_bytes()
        .iter()
        .map(|byte| byte ^ 1)
        .collect::<Vec<_>>();
    set.elements[0] = Element {
        key: Value::from_registers(&key),
        ..set.elements[0].clone()
    };
    assert!(compare::compare_with(&ruleset, &messages).is_err());
}
