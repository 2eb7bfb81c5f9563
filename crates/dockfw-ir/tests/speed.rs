//! How long a large ruleset takes: 60,000 map and 60,000 set elements.
//!
//! `cargo test --release -p dockfw-ir --test speed -- --ignored --nocapture`
#![expect(clippy::unwrap_used, reason = "test helpers")]
#![expect(clippy::disallowed_types, reason = "this measures time")]

use std::time::{Duration, Instant};

use dockfw_ir::name::{SetName, TableName};
use dockfw_ir::set::{Element, Set, SetKind};
use dockfw_ir::table::{Family, Ruleset, Table};
use dockfw_ir::value::{DataType, Value};
use dockfw_ir::verify::verify;
use dockfw_ir::{json, print};

const COUNT: u16 = 60_000;

fn large() -> Ruleset {
    use DataType::{IfName, InetProto, InetService, Ipv4Addr};
    let address = |port: u16| {
        let [high, low] = port.to_be_bytes();
        [172, 18, high, low]
    };
    let set = |name: &str, key: &[DataType], kind, elements| Set {
        name: SetName::new(name).unwrap(),
        key: key.to_vec(),
        kind,
        interval: false,
        dynamic: false,
        counter: false,
        timeout: None,
        size: Some(131_072),
        comment: None,
        elements,
    };
    let bridge = Value::new().and_bytes(b"br-web\0\0\0\0\0\0\0\0\0\0");
    let map = (1..=COUNT)
        .map(|port| {
            let key = Value::new().and_u8(6).and_port(port);
            let data = Value::new().and_bytes(&address(port)).and_port(80);
            Element::mapping(key, data)
        })
        .collect();
    let published = (1..=COUNT)
        .map(|port| {
            let key = bridge.clone().and_bytes(&address(port));
            Element::member(key.and_u8(6).and_port(80))
        })
        .collect();
    let table = Table {
        family: Family::Inet,
        name: TableName::new("dockfw").unwrap(),
        comment: None,
        sets: vec![
            set(
                "publish",
                &[InetProto, InetService],
                SetKind::Map(vec![Ipv4Addr, InetService]),
                map,
            ),
            set(
                "published",
                &[IfName, Ipv4Addr, InetProto, InetService],
                SetKind::Set,
                published,
            ),
        ],
        chains: vec![],
    };
    Ruleset {
        tables: vec![table],
    }
}

fn best<T>(mut work: impl FnMut() -> T) -> Duration {
    let time = |work: &mut dyn FnMut() -> T| {
        let start = Instant::now();
        let result = work();
        let elapsed = start.elapsed();
        drop(result);
        elapsed
    };
    (0..15).map(|_| time(&mut work)).min().unwrap()
}

#[test]
#[ignore = "a measurement: cargo test --release -- --ignored"]
fn a_large_ruleset_is_quick() {
    let ruleset = large();
    let mut inputs: Vec<Ruleset> = (0..15).map(|_| ruleset.clone()).collect();
    let verifying = best(|| verify(inputs.pop().unwrap()).unwrap());
    let printing = best(|| print::nft(&ruleset));
    let json = best(|| json::libnftables(&ruleset));
    let bytes = print::nft(&ruleset).len();
    let lines = format!(
        "verify {verifying:?} (at most 5 ms), print {printing:?} (at most 30 ms) for {bytes} bytes, \
         JSON {json:?}"
    );
    // Without optimisation the figures mean nothing.
    if !cfg!(debug_assertions) {
        assert!(verifying < Duration::from_millis(5), "{lines}");
        assert!(printing < Duration::from_millis(30), "{lines}");
    }
    #[expect(clippy::print_stderr, reason = "the result of the measurement")]
    {
        eprintln!("{lines}");
    }
}
