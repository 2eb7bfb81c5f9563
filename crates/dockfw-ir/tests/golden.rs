//! The samples as text and as JSON, compared with `tests/golden/`.
//!
//! `DOCKFW_BLESS=1 cargo test -p dockfw-ir --test golden` writes the files anew; that is a claim,
//! which `cargo test -p dockfw-ir --test nft -- --ignored` checks with nft(8).
#![expect(clippy::unwrap_used, reason = "test helpers")]
#![expect(
    clippy::disallowed_methods,
    reason = "the crate has no files or environment, its golden tests have"
)]

mod samples;

use std::path::Path;

use dockfw_ir::verify::verify;
use dockfw_ir::{json, print};

fn compare(file: &str, text: &str) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file);
    if std::env::var("DOCKFW_BLESS").is_ok() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let lines = expected.lines().zip(text.lines());
    match lines.enumerate().find(|(_, (expected, is))| expected != is) {
        Some((number, (expected, is))) => Err(format!(
            "{file}:{}\n expected: {expected}\n       is: {is}\n",
            number + 1
        )),
        None if expected != text => Err(format!("{file} is longer or shorter than expected\n")),
        None => Ok(()),
    }
}

#[test]
fn samples_print_as_before() {
    let mut failures = String::new();
    for (name, ruleset) in samples::samples().into_iter().chain(samples::unloadable()) {
        let text = print::nft(&ruleset);
        let document = serde_json::to_string_pretty(&json::libnftables(&ruleset)).unwrap();
        for result in [
            compare(&format!("{name}.nft"), &text),
            compare(&format!("{name}.json"), &(document + "\n")),
        ] {
            failures.push_str(&result.err().unwrap_or_default());
        }
    }
    assert!(failures.is_empty(), "\n{failures}DOCKFW_BLESS=1 accepts");
}

#[test]
fn samples_verify() {
    for (name, ruleset) in samples::samples().into_iter().chain(samples::unloadable()) {
        if let Err(error) = verify(ruleset) {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn a_replacement_adds_deletes_and_adds() {
    let (_, ruleset) = samples::samples().remove(1);
    assert_eq!(
        print::nft_replacing(&ruleset),
        "table inet dockfw\ndelete table inet dockfw\ntable inet dockfw {\n}\n"
    );
    assert_eq!(ruleset.to_string(), "table inet dockfw {\n}\n");
}
