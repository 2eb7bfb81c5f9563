//! Any text as a `-p` string: no panic, and what is printed reads back as the same.

#![no_main]

use dockfw_lower::docker::publish::Publish;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(publish) = text.parse::<Publish>() {
        assert_eq!(publish.to_string().parse::<Publish>(), Ok(publish));
    }
});
