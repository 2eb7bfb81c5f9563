//! Any text as rules, in both families: no panic, and what is printed reads back as the same.

#![no_main]

use dockfw_iptables::Family;
use dockfw_iptables::parse::{Assume, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for family in [Family::Ipv4, Family::Ipv6] {
        let assume = Assume::default();
        let assume = assume.chain("DOCKER-USER").expect("the name of a chain");
        match load(text, family, &assume) {
            Ok(loaded) => {
                let printed = loaded.program.to_string();
                let again = load(&printed, family, &Assume::default());
                let again = again.expect("what is printed reads");
                assert_eq!(again.program, loaded.program);
                assert_eq!(again.program.to_string(), printed);
            }
            Err(errors) => assert!(!errors.is_empty()),
        }
    }
});
