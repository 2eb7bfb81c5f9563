//! Batches of elements alone: where they end, what they are made of, and what the kernel refuses.

use dockfw_netlink::sys::nf_tables::{
    NFT_MSG_DELSETELEM, NFT_MSG_NEWSETELEM, NFTA_SET_ELEM_DATA, NFTA_SET_ELEM_LIST_ELEMENTS,
    NFTA_SET_ELEM_LIST_SET,
};
use dockfw_netlink::wire::Messages;
use dockfw_netlink::{EncodeError, Location, Origin, Part};

use super::*;

fn batch(removed: &[Set], added: &[Set]) -> Batch {
    let name = TableName::new("t").unwrap();
    Batch::elements(Family::Inet, &name, removed, added).unwrap()
}

/// The set with these elements only.
fn with(set: &Set, elements: Vec<Element>) -> Set {
    Set {
        elements,
        ..set.clone()
    }
}

fn named(name: &str, set: Set) -> Set {
    Set {
        name: SetName::new(name).unwrap(),
        ..set
    }
}

fn port(number: u16) -> Value {
    Value::new().and_u8(6).and_port(number)
}

/// A map of ports to addresses, exact or of ranges.
fn map(interval: bool, of: &[(u16, u16, u32)]) -> Set {
    let elements = of.iter().map(|(first, last, to)| {
        let element = Element::mapping(port(*first), address(*to));
        if interval {
            element.until(port(*last))
        } else {
            element
        }
    });
    Set {
        key: vec![DataType::InetProto, DataType::InetService],
        kind: SetKind::Map(vec![DataType::Ipv4Addr]),
        ..addresses((!interval).then_some(1024), elements.collect())
    }
}

/// Loads `from`, changes elements of its sets, and compares with `to` loaded alone. What goes and
/// comes is told by comparing elements, not by the diff of the IR.
fn ends_at(from: Vec<Set>, to: Vec<Set>) {
    let less = |these: &[Set], those: &[Set]| -> Vec<Set> {
        let pairs = these.iter().zip(those);
        pairs
            .map(|(these, those)| {
                let rest = these.elements.iter();
                let rest = rest.filter(|element| !those.elements.contains(element));
                with(these, rest.cloned().collect())
            })
            .collect()
    };
    let batch = batch(&less(&from, &to), &less(&to, &from));
    let to_chain = || vec![chain("c", vec![counter("stays")]), chain("d", vec![])];
    let (from, to) = (table(from, to_chain()), table(to, to_chain()));
    let changed = lab::in_namespace(|| {
        let mut executor = Executor::open().unwrap();
        let generation = load(&mut executor, &from).generation;
        let committed = executor
            .commit(&batch, Expect::Generation(generation))
            .unwrap();
        assert_eq!(committed.generation, generation + 1);
        lab::list()
    });
    let alone = lab::in_namespace(|| {
        load(&mut Executor::open().unwrap(), &to);
        lab::list()
    });
    assert_eq!(parts(&changed), parts(&alone));
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn elements_come_and_go_in_sets_of_every_kind() {
    let set = |elements| addresses(Some(16_384), elements);
    ends_at(vec![set(members(0..10))], vec![set(members(5..9000))]);
    ends_at(vec![set(members(0..9000))], vec![set(vec![])]);
    // A datum that changes is the same key, gone and come.
    ends_at(
        vec![map(false, &[(1, 1, 1), (2, 2, 2)])],
        vec![map(false, &[(2, 2, 7), (3, 3, 3)])],
    );
    ends_at(
        vec![map(true, &[(1, 5, 1), (6, 9, 2)])],
        vec![map(true, &[(1, 5, 1), (6, 8, 2), (10, 20, 3)])],
    );
    let ranges = |of: &[(u32, u32)]| {
        let of = of.iter().map(|(first, last)| {
            let element = Element::member(address(*first)).until(address(*last));
            element.with_comment(Comment::lossy("range"))
        });
        addresses(None, of.collect())
    };
    ends_at(
        vec![ranges(&[(1, 5), (6, 9), (20, 29)])],
        vec![ranges(&[(1, 5), (7, 9), (10, 12), (20, 29)])],
    );
    let verdicts = |of: &[(u32, &str)]| {
        let of = of.iter().map(|(number, to)| {
            let to = Verdict::Jump(ChainName::new(to).unwrap());
            Element::verdict(address(*number), to)
        });
        Set {
            kind: SetKind::VerdictMap,
            ..addresses(Some(16), of.collect())
        }
    };
    ends_at(
        vec![verdicts(&[(1, "c"), (2, "c")])],
        vec![verdicts(&[(1, "c"), (2, "d"), (3, "d")])],
    );
}

/// All that goes first, since room and keys are free only then; of that, the keys alone.
#[test]
fn a_batch_has_nothing_but_its_elements() {
    let (ports, hosts) = (
        map(false, &[(1, 1, 1)]),
        named("hosts", addresses(Some(16), members(0..2))),
    );
    let batch = batch(&[ports.clone(), hosts.clone()], &[hosts, ports]);
    let told: Vec<_> = Messages::new(batch.as_bytes())
        .map(|message| {
            let attributes = message.attributes();
            let set = attributes.get(NFTA_SET_ELEM_LIST_SET).unwrap().text();
            let list = attributes.get(NFTA_SET_ELEM_LIST_ELEMENTS).unwrap();
            let data = list
                .attributes()
                .filter(|element| element.attributes().get(NFTA_SET_ELEM_DATA).is_some());
            (message.kind & 0xff, set.unwrap().to_owned(), data.count())
        })
        .collect();
    let expected = [
        (NFT_MSG_DELSETELEM, "s".to_owned(), 0),
        (NFT_MSG_DELSETELEM, "hosts".to_owned(), 0),
        (NFT_MSG_NEWSETELEM, "hosts".to_owned(), 0),
        (NFT_MSG_NEWSETELEM, "s".to_owned(), 1),
    ];
    assert_eq!(told, expected);
    let changed = batch.statistics().changed.unwrap();
    assert_eq!((changed.elements_removed, changed.elements_added), (3, 3));
}

/// The space in front of the first range is the set's, not that of the ranges that come or go.
#[test]
fn ranges_have_their_own_ends_only() {
    let range = Element::member(address(10)).until(address(15));
    let ranges = [addresses(None, vec![range])];
    let batch = batch(&ranges, &ranges);
    let ends = Messages::new(batch.as_bytes()).map(|message| {
        let list = message.attributes().get(NFTA_SET_ELEM_LIST_ELEMENTS);
        list.unwrap().attributes().count()
    });
    assert_eq!(ends.collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn no_elements_make_an_empty_batch() {
    let empty = addresses(Some(16), vec![]);
    for sets in [vec![], vec![empty]] {
        assert!(batch(&sets, &sets).as_bytes().is_empty());
    }
}

/// What has no wire form is named by its place in what was given.
#[test]
fn an_element_of_another_kind_is_an_error() {
    let mut wrong = addresses(Some(16), members(0..3));
    wrong.elements[2] = Element::mapping(address(9), address(9));
    let name = TableName::new("t").unwrap();
    let error = Batch::elements(Family::Inet, &name, &[], &[wrong]).unwrap_err();
    assert!(
        matches!(&error, EncodeError::ElementKind { set, index: 2 } if set == "s"),
        "{error}"
    );
}

/// What the kernel says about a batch when the set has `there`.
fn refusal(there: &Set, removed: &[Set], added: &[Set]) -> (i32, Location) {
    let ruleset = table(
        vec![
            named("other", addresses(Some(16), members(0..3))),
            there.clone(),
        ],
        vec![],
    );
    // The batch does something in another set first: nothing of that may be left.
    let other = |elements| named("other", addresses(Some(16), elements));
    let removed = [vec![other(members(0..1))], removed.to_vec()].concat();
    let added = [vec![other(members(7..9))], added.to_vec()].concat();
    let batch = batch(&removed, &added);
    lab::in_namespace(|| {
        let mut executor = Executor::open().unwrap();
        let generation = load(&mut executor, &ruleset).generation;
        let before = lab::list();
        let error = executor
            .commit(&batch, Expect::Generation(generation))
            .unwrap_err();
        assert_eq!(lab::list(), before, "nothing was changed");
        assert_eq!(executor.generation().unwrap(), generation);
        match error {
            CommitError::Refused(refusal) => (refusal.errno.0, refusal.location),
            other => panic!("{other:?}"),
        }
    })
}

/// Of several thousand, in a message that is not the first of its set.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_key_that_is_there_is_named() {
    let set = |elements| addresses(Some(16_384), elements);
    let (errno, location) = refusal(
        &set(vec![Element::member(address(7001))]),
        &[],
        &[set(members(1000..8000))],
    );
    assert_eq!(errno, libc::EEXIST);
    let expected = Part::Element {
        index: 6001,
        key: "10.0.27.89".to_owned(),
    };
    assert_eq!(location.part, expected);
    assert_eq!(location.to_string(), "element 6002 of set s (10.0.27.89)");
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_key_that_is_not_there_is_named() {
    let set = |elements| addresses(Some(16_384), elements);
    let mut there = members(0..8000);
    there.remove(7001);
    let (errno, location) = refusal(&set(there), &[set(members(1000..8000))], &[]);
    assert_eq!(errno, libc::ENOENT);
    let text = "deletion of element 6002 of set s (10.0.27.89)";
    assert_eq!(location.to_string(), text);
    assert!(matches!(location.origin, Origin::OldElements { .. }));
}

/// The first that has no room. What goes in the same batch leaves room.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_full_set_is_named() {
    let set = |elements| addresses(Some(1024), elements);
    let (errno, location) = refusal(
        &set(members(0..1000)),
        &[set(members(0..6))],
        &[set(members(2000..2040))],
    );
    assert_eq!(errno, libc::ENFILE);
    // 24 were free and 6 become so.
    assert_eq!(location.to_string(), "element 31 of set s (10.0.7.238)");
    ends_at(
        vec![set(members(0..1000))],
        vec![set([members(6..1000), members(2000..2030)].concat())],
    );
}

/// Who does not know the ruleset cannot say what is in it.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn elements_belong_to_their_generation() {
    lab::in_namespace(|| {
        let set = |elements| addresses(Some(1024), elements);
        let batch = batch(&[], &[set(members(5..6))]);
        let mut executor = Executor::open().unwrap();
        let from = table(vec![set(members(0..3))], vec![]);
        let generation = load(&mut executor, &from).generation;
        for result in [
            executor.commit(&batch, Expect::Any).map(|_| ()),
            executor.check(&batch, Expect::Any),
        ] {
            assert!(matches!(result, Err(CommitError::Unguarded)));
        }
        lab::nft_load("table ip other { }");
        let error = executor
            .commit(&batch, Expect::Generation(generation))
            .unwrap_err();
        assert!(matches!(error, CommitError::Stale { expected, .. } if expected == generation));
        assert!(!lab::list().contains("10.0.0.5"));
    });
}
