//! `dockfw check --kernel`.

use std::process::Command;

use dockfw_ir::table::Family;
use dockfw_netlink::sys::nf_tables::{
    NFT_MSG_NEWTABLE, NFT_TABLE_F_OWNER, NFTA_TABLE_FLAGS, NFTA_TABLE_NAME,
};
use dockfw_netlink::{BatchBuilder, Executor, Expect};

use super::*;

/// Runs the check with these capabilities only.
fn with_capabilities(capabilities: &str) -> Output {
    Command::new("setpriv")
        .args(["--bounding-set", capabilities, "--inh-caps", "-all", "--"])
        .args([DOCKFW, "check", "--kernel", &second()])
        .output()
        .unwrap()
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn the_kernel_accepts_and_nothing_changes() {
    in_host(|| {
        nft("add table inet foreign");
        let mut executor = Executor::open().unwrap();
        let (before, generation) = (ruleset(), executor.generation().unwrap());
        let (code, text, errors) = outcome(&run(&["check", "--kernel", &second(), &rules4()]));
        assert_eq!((code, errors.as_str()), (0, ""));
        assert!(text.contains("the kernel accepts it: "), "{text}");
        assert!(
            text.contains("a commit in a network namespace of its own"),
            "{text}"
        );
        let output = run(&["check", "--kernel", "--json", &second()]);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["kernel"]["accepted"], true);
        assert_eq!(found["kernel"]["committed_in_a_namespace"], true);
        let output = run(&["check", "--json", &second()]);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["kernel"], Value::Null);
        assert_eq!(ruleset(), before);
        assert_eq!(executor.generation().unwrap(), generation);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn what_was_not_tried_is_said() {
    in_host(|| {
        let (code, text, _) = outcome(&with_capabilities("-all,+net_admin"));
        assert_eq!(code, 0);
        assert!(
            text.contains("was not tried, because no network namespace"),
            "{text}"
        );
        let (code, text, errors) = outcome(&with_capabilities("-all,+sys_admin"));
        assert_eq!((code, text.as_str()), (5, ""));
        assert!(errors.contains("CAP_NET_ADMIN"), "{errors}");
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_refusal_is_that_of_a_commit() {
    const CREATE: u16 = 0x400;
    in_host(|| {
        let mut owner = Executor::open().unwrap();
        let mut builder = BatchBuilder::new();
        builder
            .message(NFT_MSG_NEWTABLE, CREATE, Family::Inet.nfproto(), 0, |e| {
                e.text(NFTA_TABLE_NAME, "dockfw")?;
                e.u32(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER)
            })
            .unwrap();
        owner.commit(&builder.build(), Expect::Any).unwrap();
        let (code, text, errors) = outcome(&run(&["check", "--kernel", &second()]));
        assert_eq!((code, text.as_str()), (5, ""));
        assert!(errors.contains("table dockfw belongs to"), "{errors}");
        let committed = outcome(&run(&["commit", "--no-history", &second()]));
        assert_eq!((committed.0, committed.2), (code, errors));
        let output = run(&["check", "--kernel", "--json", &second()]);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["outcome"], "refused");
        // Without the kernel the input is right.
        assert_eq!(run(&["check", &second()]).status.code(), Some(0));
    });
}
