//! A thousand changes back and forth leave objects and memory where they were.
//!
//! Alone in its process, whose memory is measured.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; the figures are the result of a run"
)]

use std::net::Ipv4Addr;
use std::process::Command;

use dockfw_ir::name::{SetName, TableName};
use dockfw_ir::set::{Element, Set, SetKind};
use dockfw_ir::table::{Family, Ruleset, Table};
use dockfw_ir::value::{DataType, Value};
use dockfw_ir::verify::verify;
use dockfw_netlink::{Batch, Executor, Expect};
use dockfw_testkit::lab::Lab;

fn addresses(count: u32) -> Ruleset {
    let element = |index: u32| {
        Element::member(Value::new().and_ipv4(Ipv4Addr::from_bits(0x0a00_0000 + index)))
    };
    let set = Set {
        name: SetName::new("endpoints4").unwrap(),
        key: vec![DataType::Ipv4Addr],
        kind: SetKind::Set,
        interval: false,
        dynamic: false,
        counter: false,
        timeout: None,
        size: Some(1024),
        comment: None,
        elements: (0..count).map(element).collect(),
    };
    let table = Table {
        family: Family::Inet,
        name: TableName::new("dockfw").unwrap(),
        comment: None,
        sets: vec![set],
        chains: Vec::new(),
    };
    Ruleset {
        tables: vec![table],
    }
}

fn commit(executor: &mut Executor, ruleset: &Ruleset) {
    let batch = Batch::replace(&verify(ruleset.clone()).unwrap()).unwrap();
    executor.commit(&batch, Expect::Any).unwrap();
}

fn listed() -> String {
    let output = Command::new("nft").args(["list", "ruleset"]).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// Resident memory of this process, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_thousand_changes_back_and_forth_leave_nothing_behind() {
    let lab = Lab::builder().build().unwrap();
    let cycle = || {
        let mut executor = Executor::open().unwrap();
        let (few, many) = (addresses(3), addresses(500));
        for _ in 0..20 {
            commit(&mut executor, &many);
            commit(&mut executor, &few);
        }
        let before = (listed(), memory());
        for _ in 0..1000 {
            commit(&mut executor, &many);
            commit(&mut executor, &few);
        }
        let after = (listed(), memory());
        assert_eq!(before.0, after.0);
        println!("resident {} KiB before, {} KiB after", before.1, after.1);
        assert!(after.1 < before.1 + 1024, "{} {}", before.1, after.1);
    };
    lab.run_in("host", cycle).unwrap();
}
