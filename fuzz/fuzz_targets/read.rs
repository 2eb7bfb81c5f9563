//! Any bytes as what the kernel says of a table: no panic, and every rule has its handle.

#![no_main]

use dockfw_ir::name::TableName;
use dockfw_ir::table::Family;
use dockfw_netlink::read::{canonical, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let name = TableName::new("dockfw").expect("the name of a table");
    for family in [Family::Inet, Family::Ip, Family::Ip6] {
        let read = decode(bytes, family, &name);
        for chain in &read.table.chains {
            let infos = read.rules.get(&chain.name).expect("every chain has its list");
            assert_eq!(chain.rules.len(), infos.len());
        }
        // What was read is what comes back of it, where it has a wire form.
        if let Ok(again) = canonical(&read.table) {
            for (one, other) in read.table.chains.iter().zip(&again.table.chains) {
                assert_eq!(one.rules, other.rules);
            }
        }
    }
});
