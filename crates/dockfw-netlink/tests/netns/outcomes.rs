//! What a commit comes to: done, replaced, refused, stale, denied, too big.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test helpers")]

use std::process::{Command, Stdio};

use dockfw_ir::table::{Family, Ruleset};
use dockfw_netlink::sys::nf_tables::*;
use dockfw_netlink::wire::{CREATE, EncodeError, Encoder};
use dockfw_netlink::{
    Batch, BatchBuilder, CommitError, Confirmation, Denial, Executor, Expect, Origin, Part, Refusal,
};

use super::lab::*;
use super::{commit, forwarding, ports, table_name, verified};

const INET: u8 = 1;

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn replacing_and_deleting_leave_foreign_tables_alone() {
    in_namespace(|| {
        nft_load(
            "table inet foreign { comment \"not ours\"; set s { type ipv4_addr; elements = { 192.0.2.1 } }
             chain c { type filter hook input priority 0
               ip saddr @s counter drop
             }
             }
             table ip dockfw { chain c { }
             }",
        );
        let foreign = list();
        let mut executor = Executor::open().unwrap();
        commit(&mut executor, &ports("dockfw", 10));
        let first = executor
            .table(Family::Inet, &table_name("dockfw"))
            .unwrap()
            .unwrap();
        commit(&mut executor, &ports("dockfw", 3));
        let summary = executor
            .summary(Family::Inet, &table_name("dockfw"))
            .unwrap()
            .unwrap();
        assert_eq!(
            (summary.sets.len(), summary.elements(), summary.rules()),
            (1, 3, 0)
        );
        assert_eq!(summary.table.handle, first.handle, "emptied, not deleted");
        assert!(list().starts_with(foreign.trim_end()));
        for _ in 0..2 {
            let table = table_name("dockfw");
            let batch = Batch::delete([(Family::Inet, &table)]).unwrap();
            executor.commit(&batch, Expect::Any).unwrap();
            assert_eq!(list(), foreign);
        }
    });
}

/// A table with a base chain that the new one does not have cannot be kept.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_table_with_other_base_chains_is_replaced_all_the_same() {
    in_namespace(|| {
        nft_load(
            "table inet dockfw {
               map m { type ipv4_addr : verdict; elements = { 192.0.2.1 : jump other } }
               chain other { }
               chain old { type filter hook forward priority 7; policy drop
                 ip saddr vmap @m
               }
             }",
        );
        let mut executor = Executor::open().unwrap();
        let name = table_name("dockfw");
        let first = executor.table(Family::Inet, &name).unwrap().unwrap();
        commit(&mut executor, &ports("dockfw", 3));
        let summary = executor.summary(Family::Inet, &name).unwrap().unwrap();
        assert_ne!(summary.table.handle, first.handle);
        assert_eq!((summary.chains.len(), summary.elements()), (0, 3));
    });
}

/// What an administrator adds to our table by hand is gone after the next commit, whatever it is.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn what_others_add_to_the_table_does_not_stop_a_commit() {
    for foreign in [
        "add rule inet dockfw forward ip saddr { 192.0.2.1, 192.0.2.2 } counter drop",
        "add rule inet dockfw forward tcp dport vmap { 80 : accept, 81 : drop }",
        "add map inet dockfw more { type ipv4_addr : verdict; elements = { 192.0.2.1 : drop }; }
         add chain inet dockfw extra
         add rule inet dockfw forward ip saddr vmap @more
         add rule inet dockfw extra jump more2",
        "add counter inet dockfw hits
         add rule inet dockfw forward counter name hits",
        "add chain inet dockfw other { type filter hook input priority 5; policy drop; }",
    ] {
        // The third one needs the chain that it jumps to.
        let foreign = foreign.replace(
            "add chain inet dockfw extra",
            "add chain inet dockfw more2\nadd chain inet dockfw extra",
        );
        in_namespace(|| {
            let ruleset = forwarding("dockfw");
            let mut executor = Executor::open().unwrap();
            commit(&mut executor, &ruleset);
            // A base chain that was kept is listed first.
            let sorted = || {
                let mut lines: Vec<_> = list().lines().map(str::to_owned).collect();
                lines.sort_unstable();
                lines
            };
            let clean = sorted();
            nft_load(&foreign);
            assert_ne!(sorted(), clean);
            commit(&mut executor, &ruleset);
            assert_eq!(sorted(), clean, "{foreign}");
        });
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_commit_is_one_generation_and_a_stale_one_is_refused() {
    in_namespace(|| {
        let mut executor = Executor::open().unwrap();
        let batch = Batch::replace(&verified(ports("dockfw", 5000))).unwrap();
        for _ in 0..3 {
            let before = executor.generation().unwrap();
            let committed = executor.commit(&batch, Expect::Generation(before)).unwrap();
            assert_eq!(committed.generation_before, before);
            assert_eq!(committed.generation, before + 1);
            assert_eq!(committed.confirmation, Confirmation::Acknowledged);
            assert_eq!(committed.statistics.elements, 5000);
        }
        let now = executor.generation().unwrap();
        nft(&["add", "table", "inet", "other"]);
        let error = executor
            .commit(&batch, Expect::Generation(now))
            .unwrap_err();
        assert!(
            matches!(error, CommitError::Stale { expected, found: Some(found) }
                if expected == now && found == now + 1),
            "{error:?}"
        );
        assert_eq!(executor.generation().unwrap(), now + 1);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_large_batch_needs_the_capability() {
    in_namespace(|| {
        let batch = Batch::replace(&verified(ports("dockfw", 40_000))).unwrap();
        assert!(batch.statistics().bytes > 212_960);
        let mut executor = Executor::open().unwrap();
        executor.commit(&batch, Expect::Any).unwrap();
        let summary = executor
            .summary(Family::Inet, &table_name("dockfw"))
            .unwrap()
            .unwrap();
        assert_eq!(summary.elements(), 40_000);
        let denied = without_capabilities(|| {
            let mut executor = Executor::open().unwrap();
            executor.commit(&batch, Expect::Any).map(|_| ())
        });
        assert!(
            matches!(denied, Err(CommitError::Denied(Denial::Capability))),
            "{denied:?}"
        );
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_batch_above_the_unforced_buffer_is_too_big() {
    in_namespace(|| {
        let socket = without_capabilities(|| {
            let socket = dockfw_netlink::sys::Socket::open().unwrap();
            let most: usize = std::fs::read_to_string("/proc/sys/net/core/wmem_max")
                .unwrap()
                .trim()
                .parse()
                .unwrap();
            let limit = socket.reserve_send(4 * most).unwrap();
            assert!(!limit.forced);
            assert_eq!(limit.bytes, 2 * most - 32);
            socket
        });
        let limit = socket.reserve_send(100 << 20).unwrap();
        assert!(limit.forced && limit.bytes >= 100 << 20, "{limit:?}");
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn no_capability_is_said_so() {
    in_namespace(|| {
        let errors = without_capabilities(|| {
            let mut executor = Executor::open().unwrap();
            let batch = Batch::replace(&verified(ports("dockfw", 5))).unwrap();
            let commit = executor.commit(&batch, Expect::Any).unwrap_err();
            (
                commit.to_string(),
                executor.tables().unwrap_err().to_string(),
            )
        });
        let expected = "not permitted: CAP_NET_ADMIN over the network namespace is needed";
        assert_eq!(errors, (expected.to_owned(), expected.to_owned()));
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_table_owned_by_another_socket_is_named() {
    in_namespace(|| {
        let mut owner = Executor::open().unwrap();
        let mut builder = BatchBuilder::new();
        builder
            .message(NFT_MSG_NEWTABLE, CREATE, INET, 0, |e| {
                e.text(NFTA_TABLE_NAME, "dockfw")?;
                e.u32(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER)
            })
            .unwrap();
        owner.commit(&builder.build(), Expect::Any).unwrap();
        let before = list();
        let mut executor = Executor::open().unwrap();
        let batch = Batch::replace(&verified(ports("dockfw", 5))).unwrap();
        let error = executor.commit(&batch, Expect::Any).unwrap_err();
        let CommitError::Denied(Denial::Owned {
            table,
            owner: address,
            ..
        }) = &error
        else {
            panic!("{error:?}");
        };
        assert_eq!(table, "dockfw");
        let table = executor
            .table(Family::Inet, &table_name("dockfw"))
            .unwrap()
            .unwrap();
        assert_eq!(table.owner, Some(*address));
        assert_eq!(list(), before);
    });
}

/// Adds a table and a chain, and then what is to be refused.
fn refused(add: impl FnOnce(&mut BatchBuilder) -> Result<(), EncodeError> + Send) -> CommitError {
    in_namespace(|| {
        let mut builder = BatchBuilder::new();
        let table = |e: &mut Encoder| e.text(NFTA_TABLE_NAME, "t");
        builder
            .message(NFT_MSG_NEWTABLE, CREATE, INET, 0, table)
            .unwrap();
        builder
            .message(NFT_MSG_NEWCHAIN, CREATE, INET, 0, |e| {
                e.text(NFTA_CHAIN_TABLE, "t")?;
                e.text(NFTA_CHAIN_NAME, "c")?;
                e.nest(NFTA_CHAIN_HOOK, |e| {
                    e.u32(NFTA_HOOK_HOOKNUM, 2)?;
                    e.u32(NFTA_HOOK_PRIORITY, 0)
                })?;
                e.text(NFTA_CHAIN_TYPE, "filter")
            })
            .unwrap();
        add(&mut builder).unwrap();
        let error = Executor::open()
            .unwrap()
            .commit(&builder.build(), Expect::Any)
            .unwrap_err();
        assert_eq!(list(), "", "nothing is left of a refused batch");
        error
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "anything else fails the test"
)]
fn refusal(error: CommitError) -> Refusal {
    match error {
        CommitError::Refused(refusal) | CommitError::Unsupported { refusal, .. } => *refusal,
        other => panic!("{other:?}"),
    }
}

/// Writes the attributes of an expression.
type Body<'a> = &'a dyn Fn(&mut Encoder) -> Result<(), EncodeError>;

fn rule(
    builder: &mut BatchBuilder,
    chain: &str,
    expressions: &[(&str, Body<'_>)],
) -> Result<(), EncodeError> {
    builder.message(NFT_MSG_NEWRULE, CREATE, INET, 4, |e| {
        e.text(NFTA_RULE_TABLE, "t")?;
        e.text(NFTA_RULE_CHAIN, chain)?;
        e.nest(NFTA_RULE_EXPRESSIONS, |e| {
            expressions.iter().try_for_each(|(name, body)| {
                e.nest(NFTA_LIST_ELEM, |e| {
                    e.text(NFTA_EXPR_NAME, name)?;
                    e.nest(NFTA_EXPR_DATA, |e| body(e))
                })
            })
        })
    })
}

const COUNTER: (&str, Body<'static>) = ("counter", &|_| Ok(()));

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_missing_chain_is_an_attribute_of_the_rule() {
    let refusal = refusal(refused(|b| rule(b, "missing", &[COUNTER])));
    assert_eq!(refusal.errno.name(), Some("ENOENT"));
    assert_eq!(refusal.location.part, Part::Attribute(NFTA_RULE_CHAIN));
    assert_eq!(
        refusal.to_string(),
        "rule 5 of chain missing, attribute 2: does not exist (ENOENT)"
    );
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn an_unknown_expression_is_a_missing_feature() {
    let error = refused(|b| rule(b, "c", &[COUNTER, ("dockfw", &|_| Ok(()))]));
    let CommitError::Unsupported { feature, refusal } = error else {
        panic!("{error:?}")
    };
    assert_eq!(feature, "expression dockfw");
    let expected = Part::Expression {
        index: 1,
        name: "dockfw".to_owned(),
    };
    assert_eq!(refusal.location.part, expected);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_register_nobody_wrote_is_the_expression_that_reads_it() {
    let cmp = |e: &mut Encoder| {
        e.u32(NFTA_CMP_SREG, 15)?;
        e.u32(NFTA_CMP_OP, 0)?;
        e.nest(NFTA_CMP_DATA, |e| e.u32(NFTA_DATA_VALUE, 0))
    };
    let refusal = refusal(refused(|b| {
        rule(b, "c", &[COUNTER, COUNTER, ("cmp", &cmp)])
    }));
    assert_eq!(refusal.errno.name(), Some("ENODATA"));
    assert_eq!(
        refusal.to_string(),
        "rule 5 of chain c, expression 3 (cmp): reads a register that nothing wrote (ENODATA)"
    );
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_missing_set_or_jump_target_is_no_missing_feature() {
    let lookup = |e: &mut Encoder| {
        e.text(NFTA_LOOKUP_SET, "missing")?;
        e.u32(NFTA_LOOKUP_SREG, NFT_REG32_00)
    };
    let meta = |e: &mut Encoder| {
        e.u32(NFTA_META_DREG, NFT_REG32_00)?;
        e.u32(NFTA_META_KEY, NFT_META_MARK)
    };
    let error = refused(|b| rule(b, "c", &[("meta", &meta), ("lookup", &lookup)]));
    assert_eq!(
        error.to_string(),
        "rule 5 of chain c, expression 2 (lookup): does not exist (ENOENT)"
    );
    let jump = |e: &mut Encoder| {
        e.u32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT)?;
        e.nest(NFTA_IMMEDIATE_DATA, |e| {
            e.nest(NFTA_DATA_VERDICT, |e| {
                e.i32(NFTA_VERDICT_CODE, NFT_JUMP)?;
                e.text(NFTA_VERDICT_CHAIN, "missing")
            })
        })
    };
    let error = refused(|b| rule(b, "c", &[("immediate", &jump)]));
    assert_eq!(
        error.to_string(),
        "rule 5 of chain c, expression 1 (immediate): does not exist (ENOENT)"
    );
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn masquerade_in_a_filter_chain_is_refused_on_the_rule() {
    let refusal = refusal(refused(|b| rule(b, "c", &[("masq", &|_| Ok(()))])));
    assert_eq!(refusal.errno.name(), Some("EOPNOTSUPP"));
    assert!(
        matches!(&refusal.location.origin, Origin::Rule { chain, index: 4, .. } if chain == "c")
    );
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_missing_handle_is_an_attribute_of_the_rule() {
    let refusal = refusal(refused(|b| {
        b.message(NFT_MSG_DELRULE, 0, INET, 4, |e| {
            e.text(NFTA_RULE_TABLE, "t")?;
            e.text(NFTA_RULE_CHAIN, "c")?;
            e.u64(NFTA_RULE_HANDLE, 4711)
        })
    }));
    assert_eq!(refusal.errno.name(), Some("ENOENT"));
    assert_eq!(refusal.location.part, Part::Attribute(NFTA_RULE_HANDLE));
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn chains_that_lead_in_a_circle_are_refused_on_the_rule() {
    let jump = |e: &mut Encoder| {
        e.u32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT)?;
        e.nest(NFTA_IMMEDIATE_DATA, |e| {
            e.nest(NFTA_DATA_VERDICT, |e| {
                e.i32(NFTA_VERDICT_CODE, NFT_JUMP)?;
                e.text(NFTA_VERDICT_CHAIN, "d")
            })
        })
    };
    let refusal = refusal(refused(|b| {
        b.message(NFT_MSG_NEWCHAIN, CREATE, INET, 0, |e| {
            e.text(NFTA_CHAIN_TABLE, "t")?;
            e.text(NFTA_CHAIN_NAME, "d")
        })?;
        rule(b, "c", &[("immediate", &jump)])?;
        rule(b, "d", &[("immediate", &jump)])
    }));
    assert_eq!(refusal.errno.name(), Some("EMLINK"));
    assert!(
        matches!(refusal.location.origin, Origin::Rule { .. }),
        "{refusal}"
    );
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_set_without_a_key_is_refused_by_its_name() {
    let refusal = refusal(refused(|b| {
        b.message(NFT_MSG_NEWSET, CREATE, INET, 0, |e| {
            e.text(NFTA_SET_TABLE, "t")?;
            e.text(NFTA_SET_NAME, "s")
        })
    }));
    assert_eq!(refusal.errno.name(), Some("EINVAL"));
    assert!(
        matches!(&refusal.location.origin, Origin::Set { set, .. } if set == "s"),
        "{refusal}"
    );
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_short_key_is_found_at_its_element() {
    let refusal = refusal(refused(|b| {
        b.message(NFT_MSG_NEWSET, CREATE, INET, 0, |e| {
            e.text(NFTA_SET_TABLE, "t")?;
            e.text(NFTA_SET_NAME, "s")?;
            e.u32(NFTA_SET_KEY_LEN, 4)?;
            e.u32(NFTA_SET_ID, 1)
        })?;
        b.message(NFT_MSG_NEWSETELEM, CREATE, INET, 0, |e| {
            e.text(NFTA_SET_ELEM_LIST_TABLE, "t")?;
            e.text(NFTA_SET_ELEM_LIST_SET, "s")?;
            e.nest(NFTA_SET_ELEM_LIST_ELEMENTS, |e| {
                for len in [4_usize, 2] {
                    e.nest(NFTA_LIST_ELEM, |e| {
                        e.nest(NFTA_SET_ELEM_KEY, |e| {
                            e.bytes(NFTA_DATA_VALUE, &[1, 2, 3, 4][..len])
                        })
                    })?;
                }
                Ok(())
            })
        })
    }));
    assert_eq!(refusal.errno.name(), Some("EINVAL"));
    assert!(
        matches!(&refusal.location.part, Part::Element { index: 1, .. }),
        "{refusal}"
    );
}

/// Each error that was provoked here has a meaning, and a hint for whoever meets it.
#[test]
fn every_error_of_the_kernel_says_what_it_means_and_what_to_look_at() {
    for errno in [
        libc::EPERM,
        libc::ENOENT,
        libc::EEXIST,
        libc::EBUSY,
        libc::EINVAL,
        libc::ENFILE,
        libc::EMLINK,
        libc::ENODATA,
        libc::EOPNOTSUPP,
    ] {
        let errno = dockfw_netlink::Errno(errno);
        assert!(errno.name().is_some() && errno.hint().is_some(), "{errno}");
    }
}

/// Our own encoding of a ruleset that the verifier would refuse.
fn refused_ruleset(change: impl FnOnce(&mut Ruleset) + Send) -> CommitError {
    in_namespace(|| {
        let mut ruleset = ports("dockfw", 2000);
        change(&mut ruleset);
        // The messages are what is tested; building them needs no verified ruleset in this test.
        let batch = super::unverified(&ruleset);
        Executor::open()
            .unwrap()
            .commit(&batch, Expect::Any)
            .unwrap_err()
    })
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_duplicate_element_is_found_exactly() {
    let error = refused_ruleset(|ruleset| {
        let elements = &mut ruleset.tables[0].sets[0].elements;
        let mut again = elements[3].clone();
        again.extra = None;
        elements[1499] = again;
    });
    // EXCL makes it an error; without it the kernel takes the same element twice in silence.
    assert_eq!(
        error.to_string(),
        "element 1500 of set published4 (172.18.0.0 . tcp . 4): exists already (EEXIST)"
    );
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_full_set_is_found_at_the_element_that_did_not_fit() {
    let error = refused_ruleset(|ruleset| ruleset.tables[0].sets[0].size = Some(1234));
    assert_eq!(
        error.to_string(),
        "element 1235 of set published4 (172.18.0.0 . tcp . 1235): the set is full (ENFILE)"
    );
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn many_acknowledgements_do_not_hide_the_one_that_counts() {
    in_namespace(|| {
        let mut builder = BatchBuilder::new();
        for i in 0..300 {
            // NLM_F_ACK
            builder
                .message(NFT_MSG_NEWTABLE, CREATE | 4, INET, 0, |e| {
                    e.text(NFTA_TABLE_NAME, &format!("t{i}"))
                })
                .unwrap();
        }
        let mut executor = Executor::open().unwrap();
        let outcome = executor.commit(&builder.build(), Expect::Any);
        // 256 acknowledgements fit, the one of BATCH_END is lost: the kernel committed, and for a
        // batch that is no replacement nothing can be read back.
        assert!(
            matches!(outcome, Err(CommitError::Unknown { before, after }) if after == before + 1),
            "{outcome:?}"
        );
        assert_eq!(executor.tables().unwrap().len(), 300);
        commit(&mut executor, &ports("dockfw", 10));
        assert_eq!(executor.tables().unwrap().len(), 301);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_check_changes_nothing_and_finds_what_a_message_has_wrong() {
    in_namespace(|| {
        let mut executor = Executor::open().unwrap();
        commit(&mut executor, &ports("dockfw", 7));
        let (before, generation) = (list(), executor.generation().unwrap());
        let good = Batch::replace(&verified(ports("dockfw", 2000))).unwrap();
        executor
            .check(&good, Expect::Generation(generation))
            .unwrap();
        let mut bad = ports("dockfw", 2000);
        bad.tables[0].sets[0].size = Some(10);
        let error = executor
            .check(&super::unverified(&bad), Expect::Any)
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("element 11 of set published4"),
            "{error}"
        );
        assert_eq!(
            (list(), executor.generation().unwrap()),
            (before, generation)
        );
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_listener_disturbs_nothing() {
    in_namespace(|| {
        let mut monitor = Command::new("nft")
            .arg("monitor")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(200));
        let mut executor = Executor::open().unwrap();
        let batch = Batch::replace(&verified(ports("dockfw", 10_000))).unwrap();
        for _ in 0..3 {
            let committed = executor.commit(&batch, Expect::Any).unwrap();
            assert_eq!(committed.confirmation, Confirmation::Acknowledged);
        }
        let summary = executor
            .summary(Family::Inet, &table_name("dockfw"))
            .unwrap()
            .unwrap();
        assert_eq!(summary.elements(), 10_000);
        monitor.kill().unwrap();
        monitor.wait().unwrap();
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn summaries_count_ranges_once() {
    in_namespace(|| {
        nft_load(
            "table inet dockfw { comment \"ours\"
               set i { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1-192.0.2.9, 255.255.255.255 } }
               map v { type ipv4_addr : verdict; size 64; elements = { 192.0.2.1 : drop } }
               chain a {
               accept
             }
             chain b { type filter hook input priority 5
               drop
               jump a
             }
             chain c { }
             }
             table ip dockfw { chain a {
               drop
             }
             }",
        );
        let mut executor = Executor::open().unwrap();
        let summary = executor
            .summary(Family::Inet, &table_name("dockfw"))
            .unwrap()
            .unwrap();
        assert_eq!(summary.table.comment.as_deref(), Some("ours"));
        let sets: Vec<_> = summary
            .sets
            .iter()
            .map(|s| (s.name.as_str(), s.elements, s.size))
            .collect();
        assert_eq!(sets, [("i", 3, None), ("v", 1, Some(64))]);
        let chains: Vec<_> = summary
            .chains
            .iter()
            .map(|c| (c.name.as_str(), c.rules, c.hook))
            .collect();
        assert_eq!(
            chains,
            [("a", 1, None), ("b", 2, Some((1, 5))), ("c", 0, None)]
        );
        assert_eq!(
            executor
                .summary(Family::Ip6, &table_name("dockfw"))
                .unwrap(),
            None
        );
        assert_eq!(executor.tables().unwrap().len(), 2);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_socket_closed_in_the_background_is_closed_and_holds_nothing_of_ours() {
    use std::io::Read;
    in_namespace(|| {
        let mut owner = Executor::open().unwrap();
        let mut builder = BatchBuilder::new();
        builder
            .message(NFT_MSG_NEWTABLE, CREATE, INET, 0, |e| {
                e.text(NFTA_TABLE_NAME, "owned")?;
                e.u32(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER)
            })
            .unwrap();
        owner.commit(&builder.build(), Expect::Any).unwrap();
        commit(&mut owner, &ports("dockfw", 1000));
        commit(&mut owner, &ports("dockfw", 1000));
        let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        owner.close_in_background();
        drop(theirs);
        // The child has a copy of `theirs` only until its first system call.
        ours.set_read_timeout(Some(std::time::Duration::from_secs(5)))
            .unwrap();
        assert_eq!(ours.read(&mut [0]).unwrap(), 0);
        // The kernel deletes the table of a socket that is closed.
        let mut executor = Executor::open().unwrap();
        for _ in 0..200 {
            if executor.tables().unwrap().len() == 1 {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("the socket is still open");
    });
}
