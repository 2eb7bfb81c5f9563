//! Elements: full sets, ranges that overlap with those that go, sets that outgrow their size.

use super::*;

fn only(set: Set) -> Verified {
    table(
        vec![set],
        vec![chain(
            "c",
            vec![counter("before"), looks(), counter("after")],
        )],
    )
}

/// What is deleted in a transaction leaves room in it.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn all_elements_of_a_full_set_change_at_once() {
    let full = |first| only(addresses(Some(1000), members(first..first + 1000)));
    ends_like_a_replacement(&full(0), &full(5000));
    ends_like_a_replacement(&full(0), &full(1));
}

/// Ranges may overlap those that go in the same transaction, and may touch those that stay.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn ranges_change() {
    let ranges = |of: &[(u32, u32)]| {
        let of = of
            .iter()
            .map(|(first, last)| Element::member(address(*first)).until(address(*last)));
        only(addresses(None, of.collect()))
    };
    let lists: [&[(u32, u32)]; 8] = [
        &[],
        &[(1, 5), (6, 9), (20, 29)],
        &[(1, 9), (20, 29)],
        &[(1, 7), (8, 9), (15, 40)],
        &[(1, 5), (6, 9), (10, 19), (20, 29)],
        &[(2, 5), (20, 24), (25, 29)],
        &[(0, 0), (29, 0x00ff_ffff)],
        &[(5, 6), (30, 0xf5ff_ffff)],
    ];
    for from in lists {
        for to in lists {
            if from != to {
                ends_like_a_replacement(&ranges(from), &ranges(to));
            }
        }
    }
}

/// Where the first range begins is said when the set is made, and not again: kernels differ in what
/// they make of it.
#[test]
fn a_change_of_ranges_has_its_own_ends_only() {
    use dockfw_netlink::sys::nf_tables::NFTA_SET_ELEM_LIST_ELEMENTS;
    use dockfw_netlink::wire::Messages;
    let ranges = |of: &[u32]| {
        let of = of
            .iter()
            .map(|first| Element::member(address(*first)).until(address(first + 5)));
        only(addresses(None, of.collect()))
    };
    let (from, to) = (ranges(&[10, 20]), ranges(&[20, 30]));
    let batch = Batch::change(&diff::rulesets(&from.tables, &to), &RuleHandles::new()).unwrap();
    let ends = Messages::new(batch.as_bytes()).map(|message| {
        let list = message
            .attributes()
            .get(NFTA_SET_ELEM_LIST_ELEMENTS)
            .unwrap();
        list.attributes().count()
    });
    // One range goes and one comes, a begin and an end each.
    assert_eq!(ends.collect::<Vec<_>>(), [2, 2]);
}

/// The same for ranges of several fields, which the kernel keeps in another way.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn concatenated_ranges_change() {
    let ranges = |of: &[(u16, u16, u8)]| {
        let elements = of.iter().map(|(first, last, data)| {
            let key = |port| Value::new().and_u8(6).and_port(port);
            Element::mapping(key(*first), address(u32::from(*data))).until(key(*last))
        });
        let set = Set {
            key: vec![DataType::InetProto, DataType::InetService],
            kind: SetKind::Map(vec![DataType::Ipv4Addr]),
            ..addresses(None, elements.collect())
        };
        table(vec![set], vec![])
    };
    let lists: [&[(u16, u16, u8)]; 6] = [
        &[],
        &[(1, 5, 1), (6, 9, 2), (20, 29, 3)],
        &[(1, 5, 1), (6, 9, 3), (20, 29, 3)],
        &[(1, 9, 1), (20, 40, 3)],
        &[(0, 65_535, 1)],
        &[(2, 7, 1), (8, 25, 2), (26, 30, 3)],
    ];
    for from in lists {
        for to in lists {
            if from != to {
                ends_like_a_replacement(&ranges(from), &ranges(to));
            }
        }
    }
}

/// A set that has no room is swapped, and the rule that looks into it made again in its place.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_set_outgrows_its_size() {
    let small = only(addresses(Some(1024), members(0..1000)));
    let large = only(addresses(Some(16_384), members(0..5000)));
    let changes = diff::rulesets(&small.tables, &large);
    let counts = changes.counts();
    assert_eq!((counts.sets_swapped, counts.rules_remade), (1, 1));
    ends_like_a_replacement(&small, &large);
    // It stays when it is larger than need be.
    let counts = diff::rulesets(&large.tables, &small).counts();
    assert_eq!((counts.sets_swapped, counts.elements_removed), (0, 4000));
}

/// An element with a new comment or lifetime is the same key twice in one transaction.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn comments_of_elements_change() {
    let set = |comment: &str| {
        let mut elements = members(0..3000);
        for element in &mut elements {
            *element = element.clone().with_comment(Comment::lossy(comment));
        }
        only(addresses(Some(4096), elements))
    };
    ends_like_a_replacement(&set("old"), &set("new"));
}

/// Elements that packets made are left alone.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn dynamic_elements_stay() {
    let dynamic = |comment: &str| {
        let set = Set {
            dynamic: true,
            counter: false,
            timeout: Some(std::time::Duration::from_secs(3600)),
            ..addresses(Some(1024), vec![])
        };
        table(vec![set], vec![chain("c", vec![counter(comment)])])
    };
    lab::in_namespace(|| {
        let (from, to) = (dynamic("old"), dynamic("new"));
        let mut executor = Executor::open().unwrap();
        load(&mut executor, &from);
        lab::nft_load("add element inet t s { 192.0.2.7 }");
        change(&mut executor, &from, &to);
        assert!(lab::list().contains("192.0.2.7"));
    });
}

/// Prints bytes and kernel time of 32 ports more among ten thousand.
#[test]
#[ignore = "measures: cargo test --release -p dockfw-netlink --test change -- --ignored --nocapture"]
#[expect(clippy::print_stdout, reason = "this measures time")]
fn time_of_32_ports() {
    let ports = |count: u16| {
        let elements = (1..=count).map(|port| {
            let key = Value::new().and_u8(6).and_port(port);
            Element::mapping(key, address(u32::from(port)).and_port(80))
        });
        let map = Set {
            key: vec![DataType::InetProto, DataType::InetService],
            kind: SetKind::Map(vec![DataType::Ipv4Addr, DataType::InetService]),
            ..addresses(Some(131_072), elements.collect())
        };
        let elements = (1..=count)
            .map(|port| Element::member(address(u32::from(port)).and_u8(6).and_port(80)));
        let set = Set {
            name: SetName::new("container-ports4").unwrap(),
            key: vec![
                DataType::Ipv4Addr,
                DataType::InetProto,
                DataType::InetService,
            ],
            ..addresses(Some(131_072), elements.collect())
        };
        table(vec![map, set], vec![chain("c", vec![counter("1")])])
    };
    for count in [10_000, 60_000] {
        lab::in_namespace(|| {
            let (from, to) = (ports(count), ports(count + 32));
            let mut executor = Executor::open().unwrap();
            let replaced = load(&mut executor, &from);
            let handles = handles(&from);
            let mut times = Vec::new();
            let mut bytes = Vec::new();
            for _ in 0..20 {
                for (from, to) in [(&from, &to), (&to, &from)] {
                    let changes = diff::rulesets(&from.tables, to);
                    let committed = commit(&mut executor, &changes, &handles).unwrap();
                    bytes.push(committed.statistics.bytes);
                    times.push(committed.kernel_time);
                }
            }
            let added: Vec<_> = times.iter().step_by(2).collect();
            let removed: Vec<_> = times.iter().skip(1).step_by(2).collect();
            let median = |times: Vec<&std::time::Duration>| {
                let mut times = times;
                times.sort();
                *times[times.len() / 2]
            };
            println!(
                "{count} ports: replacement {} bytes, {:?}; 32 more: {} bytes, {:?}; 32 less: {} bytes, {:?}",
                replaced.statistics.bytes,
                replaced.kernel_time,
                bytes[0],
                median(added),
                bytes[1],
                median(removed),
            );
        });
    }
}
