//! What others put into our table: listed as unreadable, the rest unharmed.

use std::collections::BTreeSet;
use std::time::Duration;

use dockfw_ir::name::{SetName, TableName};
use dockfw_ir::table::Family;
use dockfw_ir::{Element, Value};
use dockfw_netlink::read::{Counter, UnreadableObject};
use dockfw_netlink::{Executor, TableSnapshot};

use super::lab::{in_namespace, nft, nft_load};
use super::{samples, through_the_kernel};

fn read() -> TableSnapshot {
    let name = TableName::new("dockfw").unwrap();
    let mut executor = Executor::open().unwrap();
    let read = executor.read([(Family::Inet, &name)]).unwrap();
    read.tables.into_iter().next().unwrap()
}

/// The sample that is one `inet` table as for a Docker host.
fn docker() -> dockfw_ir::Ruleset {
    let mut samples = samples::samples().into_iter();
    samples.find(|(name, _)| *name == "docker").unwrap().1
}

fn objects(read: &TableSnapshot) -> Vec<(UnreadableObject, &str)> {
    let list = read.unreadable.iter();
    list.map(|one| (one.object.clone(), one.reason.as_str()))
        .collect()
}

/// Without additions nothing is unreadable, or the tests below prove nothing.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn nothing_is_foreign_at_first() {
    in_namespace(|| {
        let before = through_the_kernel(&docker());
        assert_eq!(objects(&before[0]), []);
        assert!(!before[0].table.chains.is_empty() && !before[0].table.sets.is_empty());
        assert_eq!(read(), before[0]);
    });
}

/// One thing after the other is added with nft(8).
#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn each_addition_is_listed() {
    let object = |name: &str| UnreadableObject::Object(name.to_owned());
    let set = |name: &str| UnreadableObject::Set(name.to_owned());
    let chain = |name: &str| UnreadableObject::Chain(name.to_owned());
    let additions = [
        ("add counter inet dockfw c1", object("c1")),
        ("add quota inet dockfw q1 { over 10 mbytes; }", object("q1")),
        ("add limit inet dockfw l1 { rate 10/second; }", object("l1")),
        (
            "add set inet dockfw s1 { type ipv4_addr; size 16; limit rate 1/second; }",
            set("s1"),
        ),
        (
            "add set inet dockfw s2 { typeof meta length; size 16; policy memory; flags constant; \
             elements = { 1 }; }",
            set("s2"),
        ),
        ("add set inet dockfw s3 { type realm; size 16; }", set("s3")),
        (
            "add map inet dockfw m1 { type ipv4_addr : counter; }",
            set("m1"),
        ),
        (
            "add map inet dockfw m2 { type ipv4_addr : verdict; flags interval; elements = { * : \
             drop }; }",
            set("m2"),
        ),
        (
            "add chain inet dockfw in { type filter hook ingress device lo priority 0; }",
            chain("in"),
        ),
    ];
    for (text, expected) in additions {
        in_namespace(|| {
            let before = through_the_kernel(&docker()).remove(0);
            if let Err(error) = super::lab::nft_try_load(text) {
                panic!("{text}: {error}");
            }
            let after = read();
            let found: Vec<_> = objects(&after).into_iter().map(|(one, _)| one).collect();
            assert_eq!(found, std::slice::from_ref(&expected), "{text}");
            assert_eq!(after.table, before.table, "{text}");
            assert_eq!(after.rules, before.rules, "{text}");
        });
    }
}

/// Rules without words stand in their chains without statements; those around them are unharmed.
#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn rules_without_words_keep_their_places() {
    let rules = [
        "meta iif lo accept",
        "meta cpu 1 drop",
        "ip protocol tcp meta random > 5 drop",
        "tcp dport { 22, 80 } ct helper \"ftp\" drop",
        "tcp flags & (syn | ack) == syn limit rate 400/minute burst 5 packets ct helper \"ftp\" drop",
        "ip saddr vmap { 192.0.2.1 : drop, 192.0.2.2 : accept }",
        "meta mark set ip saddr map { 192.0.2.1 : 1, 192.0.2.2 : 2 }",
        "meta mark set jhash ip saddr mod 2",
        "meta rtclassid 1 drop",
        "tcp option sack left 1 drop",
        "meta mark set meta mark << 8",
        "ct label 1 drop",
        "rt ip nexthop 192.0.2.1 drop",
        "ip6 nexthdr tcp meta time < \"2030-01-01\" ct state vmap { new : drop }",
        "meta iiftype ppp drop",
        "meta iiftype ether accept",
    ];
    let mut told = BTreeSet::new();
    for rule in rules {
        in_namespace(|| {
            let before = through_the_kernel(&docker()).remove(0);
            let chain = before.table.chains[0].name.clone();
            if let Err(error) =
                super::lab::nft_try_load(&format!("insert rule inet dockfw {chain} {rule}"))
            {
                panic!("{rule}: {error}");
            }
            let after = read();
            let found = objects(&after);
            assert_eq!(found.len(), 1, "{rule}: {found:?}");
            let (object, reason) = found[0].clone();
            told.insert(reason.to_owned());
            let index = 0;
            assert_eq!(
                object,
                UnreadableObject::Rule {
                    chain: chain.clone(),
                    index
                },
                "{rule}"
            );
            let mut table = after.table.clone();
            let removed = table.chains[0].rules.remove(0);
            assert_eq!(removed.statements, []);
            assert_eq!(table, before.table, "{rule}");
            let infos = &after.rules[&chain];
            assert_eq!(infos[1..], before.rules[&chain][..]);
            assert!(infos[0].handle > infos[1].handle, "{rule}: {infos:?}");
        });
    }
    assert!(told.len() > 8, "{told:?}");
}

/// A rule that looks into a map without words has none either.
#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn rules_with_unreadable_maps_are_unreadable() {
    in_namespace(|| {
        let before = through_the_kernel(&docker()).remove(0);
        let chain = before.table.chains[0].name.clone();
        nft_load(&format!(
            "add map inet dockfw m {{ type ipv4_addr : verdict; elements = {{ * : drop }}; }}\n\
             add rule inet dockfw {chain} ip saddr vmap @m\n"
        ));
        let after = read();
        let found: Vec<_> = objects(&after).into_iter().map(|(one, _)| one).collect();
        let index = before.table.chains[0].rules.len();
        let map = UnreadableObject::Set("m".to_owned());
        assert_eq!(found, [map, UnreadableObject::Rule { chain, index }]);
    });
}

/// A foreign rule that the IR can say is read, with its counter.
#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn foreign_rules_with_words_are_read() {
    in_namespace(|| {
        let before = through_the_kernel(&docker()).remove(0);
        let chain = &before.table.chains[0].name;
        nft_load(&format!(
            "add rule inet dockfw {chain} ip saddr 192.0.2.0/24 tcp dport {{ 22, 80 }} counter \
             packets 7 bytes 420 drop comment \"by hand\""
        ));
        let after = read();
        assert_eq!(objects(&after), []);
        let rule = after.table.chains[0].rules.last().unwrap();
        assert_eq!(rule.comment.as_ref().unwrap().as_str(), "by hand");
        assert_eq!(rule.statements.len(), 4);
        let counter = Counter {
            packets: 7,
            bytes: 420,
        };
        assert_eq!(after.rules[chain].last().unwrap().counter, Some(counter));
        let listed = nft(&["-a", "list", "table", "inet", "dockfw"]);
        let handle = after.rules[chain].last().unwrap().handle;
        assert!(listed.contains(&format!("\"by hand\" # handle {handle}")));
    });
}

/// A table that is switched off, and one with a comment that is not ours to write.
#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn tables_without_words_say_so() {
    in_namespace(|| {
        nft_load("add table inet dockfw { flags dormant; }");
        let reason = "it has the flags 0x1";
        assert_eq!(objects(&read()), [(UnreadableObject::Table, reason)]);
    });
    in_namespace(|| {
        nft_load("add table inet dockfw { comment \"ä\"; }");
        let read = read();
        let found = objects(&read);
        let [(UnreadableObject::Table, reason)] = found[..] else {
            panic!("{found:?}");
        };
        assert!(reason.contains("comment"), "{reason}");
    });
}

/// Lifetimes: the set's own, an element's, and what is left of both.
#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn lifetimes_are_read() {
    in_namespace(|| {
        nft_load(
            "table inet dockfw { set pending { type ipv4_addr; size 16; flags timeout; \
             timeout 60s; elements = { 192.0.2.1, 192.0.2.2 timeout 100s }; }; }",
        );
        let read = read();
        assert_eq!(objects(&read), []);
        let name = SetName::new("pending").unwrap();
        let set = read.table.set(&name).unwrap();
        assert_eq!(set.timeout, Some(Duration::from_secs(60)));
        let timeouts: Vec<_> = set.elements.iter().map(Element::timeout).collect();
        assert_eq!(timeouts, [None, Some(Duration::from_secs(100))]);
        for (last, lifetime) in [(1, 60), (2, 100)] {
            let key = Value::new().and_ipv4([192, 0, 2, last].into());
            let left = read.expiration(&name, &key).unwrap();
            let gone = Duration::from_secs(lifetime).checked_sub(left).unwrap();
            assert!(gone < Duration::from_secs(10), "{left:?} of {lifetime} s");
        }
        let other = Value::new().and_ipv4([192, 0, 2, 3].into());
        assert_eq!(read.expiration(&name, &other), None);
    });
}

/// Tables that are not there are left out, and those of others are not looked at.
#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn tables_that_are_not_there_are_left_out() {
    in_namespace(|| {
        nft_load("table ip dockfw { chain a { meta cpu 1 drop; }; }");
        let before = through_the_kernel(&docker()).remove(0);
        nft_load(
            "table inet other { counter c { }; set s { type ipv4_addr; elements = { 192.0.2.1 }; };
             chain forward { meta cpu 1 drop; }; }",
        );
        let [ours, theirs] = ["dockfw", "nothing"].map(|name| TableName::new(name).unwrap());
        let mut executor = Executor::open().unwrap();
        let read = executor
            .read([
                (Family::Inet, &theirs),
                (Family::Ip6, &ours),
                (Family::Inet, &ours),
                (Family::Ip, &ours),
            ])
            .unwrap();
        assert_eq!(read.generation, executor.generation().unwrap());
        let [inet, ip] = &read.tables[..] else {
            panic!("{read:?}");
        };
        assert_eq!(inet.table, before.table);
        assert_eq!(objects(inet), []);
        assert_eq!(ip.table.family, Family::Ip);
        assert_eq!(ip.unreadable.len(), 1);
    });
}
