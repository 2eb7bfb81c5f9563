//! Any bytes as a policy file: no panic, and what passes compiles to a ruleset that verifies.

#![no_main]

use dockfw::policy::{Source, parse};
use dockfw_ir::verify::verify;
use dockfw_lower::lower;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let source = Source { name: "policy.toml".to_owned(), bytes: bytes.to_vec() };
    match parse(vec![source]) {
        Ok(policy) => {
            let ruleset = verify(lower(&policy.host)).expect("what passes the checks verifies");
            let _ = dockfw_ir::print::nft_replacing(&ruleset);
        }
        Err(diagnostics) => assert!(!diagnostics.is_empty()),
    }
});
