//! Any bytes as what the kernel sends: no panic, every attribute inside its message.

#![no_main]

use dockfw_netlink::wire::{Attributes, Messages};
use libfuzzer_sys::fuzz_target;

/// Walks nested attributes as deep as the bytes say, up to a limit.
fn walk(attributes: Attributes<'_>, depth: usize) -> usize {
    let mut count = 0;
    for attribute in attributes {
        let _ = (attribute.u8(), attribute.u16(), attribute.u32(), attribute.u64(), attribute.text());
        count += 1;
        if depth < 8 {
            count += walk(attribute.attributes(), depth + 1);
        }
    }
    count
}

fuzz_target!(|bytes: &[u8]| {
    for message in Messages::new(bytes) {
        let _ = message.reply();
        walk(message.attributes(), 0);
    }
});
