//! Every host fixture compiles to the ruleset that stands beside it.

use std::fs;

use dockfw_ir::print;
use dockfw_testkit::fixture::{HostFixture, difference};
use dockfw_testkit::packets::PacketTable;

#[test]
fn hosts_compile_to_what_is_expected() {
    let bless = std::env::var_os("DOCKFW_BLESS").is_some();
    let mut wrong = Vec::new();
    let fixtures = HostFixture::all().unwrap();
    assert!(fixtures.len() >= 4);
    for fixture in fixtures {
        let text = print::nft_replacing(&fixture.ruleset().unwrap());
        let path = fixture.path("expected.nft");
        if bless {
            fs::write(&path, text).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        let difference = difference(&expected, &text);
        if !difference.is_empty() {
            wrong.push((path, difference));
        }
    }
    assert!(
        wrong.is_empty(),
        "{wrong:#?}\nif this is right: DOCKFW_BLESS=1 cargo test --workspace --test golden"
    );
}

#[test]
fn packet_tables_are_well_formed() {
    for fixture in HostFixture::all().unwrap() {
        let table = PacketTable::read(&fixture.path("packets.toml")).unwrap();
        assert!(
            table.probe_count() >= 10,
            "{} has few packets",
            fixture.name()
        );
        assert!(!table.case.why.is_empty() && !table.case.source.is_empty());
    }
}
