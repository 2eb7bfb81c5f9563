//! Hostile neighbours: what others have in the kernel, do at the same time, or leave us to work
//! with, does not spoil a commit.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test helpers; the times are the result of a run"
)]

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dockfw_ir::table::Family;
use dockfw_netlink::sys::nf_tables::{NFT_MSG_NEWRULE, NFTA_RULE_CHAIN, NFTA_RULE_TABLE};
use dockfw_netlink::wire::CREATE;
use dockfw_netlink::{BatchBuilder, CommitError, Confirmation, Executor, Expect, Refusal};

use super::lab::*;
use super::samples::samples;
use super::{commit, forwarding, ports, table_name, unverified, verified};

/// The table that all of our tests commit, as nft lists it.
fn listed() -> String {
    nft(&["-s", "list", "table", "inet", "dockfw"])
}

/// All tables, in an order of their own: base chains that stay come first in the kernel's.
fn sorted() -> Vec<String> {
    let mut blocks: Vec<_> = list()
        .split("\n\n")
        .map(|of| of.trim_matches(['}', '\n', ' ']).to_owned())
        .collect();
    blocks.sort();
    blocks
}

/// The median of a few commits that alternate between two rulesets.
fn time(executor: &mut Executor) -> Duration {
    let mut times: Vec<Duration> = (0..9)
        .map(|turn| {
            let ruleset = ports("dockfw", 100 + turn);
            let batch = dockfw_netlink::Batch::replace(&verified(ruleset)).unwrap();
            let started = Instant::now();
            executor.commit(&batch, Expect::Any).unwrap();
            started.elapsed()
        })
        .collect();
    times.sort();
    times.get(times.len() / 2).copied().unwrap()
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_million_foreign_elements_and_foreign_expressions_cost_nothing() {
    in_namespace(|| {
        let mut executor = Executor::open().unwrap();
        let alone = time(&mut executor);
        commit(&mut executor, &ports("foreign", 1_000_000));
        // A match of xtables, for which the IR has no word.
        let rule = "-A INPUT -m string --algo bm --string x -j DROP";
        let output = Command::new("iptables-nft")
            .args(rule.split(' '))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let beside = time(&mut executor);
        println!("a commit alone {alone:?}, beside a million foreign elements {beside:?}");
        // Looking at a million elements takes several times as long.
        assert!(beside < 5 * alone + Duration::from_millis(200));
        let name = table_name("foreign");
        let foreign = executor.summary(Family::Inet, &name).unwrap().unwrap();
        assert_eq!(foreign.elements(), 1_000_000);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn names_of_ours_that_others_took_are_ours_afterwards() {
    let alone = in_namespace(|| {
        commit(&mut Executor::open().unwrap(), &forwarding("dockfw"));
        listed()
    });
    for taken in [
        // A set where a map is wanted, of another type, with elements and a rule that holds it.
        "set published4 { type mark; size 4; elements = { 1 } }
         chain x { meta mark @published4 drop
         }",
        "map published4 { type ipv4_addr : verdict; flags interval; elements = { 10.0.0.0/8 : jump x } }
         chain x { ip saddr vmap @published4
         }",
        // A regular chain where a base chain is wanted, and the other way round.
        "chain forward { drop
         }
         chain x { jump forward
         }",
        "chain inner { type filter hook input priority 0; policy drop
         }",
        "chain forward { type filter hook output priority -5; policy drop
         }",
        // What no ruleset of ours has.
        "counter published4 { }
         quota forward { 10 mbytes }
         chain x { counter name published4
         }",
        "comment \"somebody else's\"",
    ] {
        let found = in_namespace(|| {
            nft_load(&format!("table inet dockfw {{\n{taken}\n}}"));
            commit(&mut Executor::open().unwrap(), &forwarding("dockfw"));
            listed()
        });
        assert_eq!(found, alone, "after {taken}");
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_receive_buffer_of_four_kilobytes_is_enough() {
    for (name, ruleset) in samples() {
        let wide = in_namespace(|| {
            let mut executor = Executor::open().unwrap();
            let first = executor.commit(&unverified(&ruleset), Expect::Any);
            first.map(|_| sorted())
        });
        let narrow = in_namespace(|| {
            let mut executor = Executor::open().unwrap();
            executor.set_receive_buffer(4096).unwrap();
            // Twice: the second one has to find out what is there.
            let first = executor.commit(&unverified(&ruleset), Expect::Any);
            first.and_then(|_| {
                executor
                    .commit(&unverified(&ruleset), Expect::Any)
                    .map(|_| sorted())
            })
        });
        match (wide, narrow) {
            (Ok(wide), Ok(narrow)) => assert!(wide == narrow, "{name}"),
            (Err(_), Err(_)) => {}
            (wide, narrow) => panic!("{name}: {:?}, {:?}", wide.is_ok(), narrow.err()),
        }
    }
}

fn refusal(outcome: Result<dockfw_netlink::Committed, CommitError>) -> Refusal {
    let Err(CommitError::Refused(refusal)) = outcome else {
        panic!("{outcome:?}");
    };
    *refusal
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn three_hundred_errors_are_one_refusal_that_names_the_first() {
    for buffer in [None, Some(4096)] {
        in_namespace(|| {
            let mut executor = Executor::open().unwrap();
            commit(&mut executor, &forwarding("dockfw"));
            let before = list();
            let mut builder = BatchBuilder::new();
            for index in 0..300 {
                let wrong = |e: &mut dockfw_netlink::wire::Encoder| {
                    e.text(NFTA_RULE_TABLE, "dockfw")?;
                    e.text(NFTA_RULE_CHAIN, "missing")
                };
                builder
                    .message(NFT_MSG_NEWRULE, CREATE, 1, index, wrong)
                    .unwrap();
            }
            if let Some(bytes) = buffer {
                executor.set_receive_buffer(bytes).unwrap();
            }
            let outcome = executor.commit(&builder.build(), Expect::Any);
            let refusal = refusal(outcome);
            assert_eq!(refusal.errno.0, libc::ENOENT);
            assert!(refusal.to_string().contains("missing"), "{refusal}");
            assert_eq!(list(), before);
        });
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn somebody_who_commits_all_the_time_does_not_keep_us_out() {
    in_namespace(|| {
        let stop = AtomicBool::new(false);
        let (mut done, mut slowest, mut foreign) = (0, Duration::ZERO, 0);
        thread::scope(|scope| {
            // A thread is in the namespace of the one that starts it.
            let other = scope.spawn(|| {
                let mut executor = Executor::open().unwrap();
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    let ruleset = ports("other", 1 + count % 7);
                    let batch = unverified(&ruleset);
                    executor.commit(&batch, Expect::Any).unwrap();
                    count += 1;
                }
                count
            });
            let mut executor = Executor::open().unwrap();
            let until = Instant::now() + Duration::from_secs(2);
            while Instant::now() < until {
                let started = Instant::now();
                let ruleset = forwarding("dockfw");
                let batch = dockfw_netlink::Batch::replace(&verified(ruleset)).unwrap();
                let committed = executor.commit(&batch, Expect::Any).unwrap();
                assert_eq!(committed.confirmation, Confirmation::Acknowledged);
                slowest = slowest.max(started.elapsed());
                done += 1;
            }
            stop.store(true, Ordering::Relaxed);
            foreign = other.join().unwrap();
        });
        println!("{done} commits beside {foreign} foreign ones, the slowest took {slowest:?}");
        assert!(done > 10 && foreign > 10, "{done}, {foreign}");
    });
}
