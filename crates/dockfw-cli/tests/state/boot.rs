//! `dockfw commit --boot`: the input, the last good ruleset, or a closed host.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dockfw::state::State;
use dockfw_ir::table::Family;
use dockfw_netlink::sys::nf_tables::{
    NFT_MSG_NEWTABLE, NFT_TABLE_F_OWNER, NFTA_TABLE_FLAGS, NFTA_TABLE_NAME,
};
use dockfw_netlink::{BatchBuilder, Executor, Expect};

use super::*;

const ENCODED: &str = "LOADED: the input, as it was encoded when it was committed last\n";
const COMPILED: &str = "LOADED: the input\n";

/// A boot begins with an empty ruleset.
fn boot(scratch: &Scratch, arguments: &[&str]) -> (i32, String, String) {
    nft("flush ruleset");
    let mut all = vec!["commit", "--boot"];
    all.extend(arguments);
    scratch.outcome(&all)
}

fn is_closed() -> bool {
    let status = run(&["status", "--json"]);
    assert_eq!(status.status.code(), Some(0));
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    status["closed"].as_bool().unwrap()
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn the_input_is_loaded_encoded_if_it_is_what_was_committed_last() {
    let scratch = Scratch::new();
    in_host(|| {
        let (code, line, errors) = boot(&scratch, &[&second()]);
        assert_eq!((code, errors.as_str()), (0, COMPILED));
        assert!(line.ends_with("recorded as 1\n"), "{line}");
        let compiled = content();
        let (code, line, errors) = boot(&scratch, &[&second()]);
        assert_eq!((code, errors.as_str()), (0, ENCODED));
        assert!(line.ends_with("recorded as 1\n"), "{line}");
        assert!(content() == compiled);
        let status = scratch.json(&["status", "--json"]);
        assert_eq!(status["boot"]["outcome"], "loaded");
        assert_eq!(status["closed"], false);
        assert!(!scratch.succeed(&["status"]).contains("boot"));
        let list = scratch.json(&["history", "--json"]);
        assert_eq!(list["generations"][0]["how"], "boot");
        assert_eq!(list["generations"][0]["in_force"], true);

        // Rules files too, and both tables.
        assert_eq!(boot(&scratch, &[&second(), &rules4()]).0, 0);
        let compiled = content();
        let (code, _, errors) = boot(&scratch, &[&second(), &rules4()]);
        assert_eq!((code, errors.as_str()), (0, ENCODED));
        assert!(content() == compiled);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn another_input_option_or_program_is_compiled() {
    let scratch = Scratch::new();
    let text = std::fs::read_to_string(second()).unwrap();
    let file = scratch.file("policy.toml", &text);
    in_host(|| {
        assert_eq!(boot(&scratch, &[&file]).2, COMPILED);
        assert_eq!(boot(&scratch, &[&file]).2, ENCODED);
        std::fs::write(&file, format!("{text}# a comment\n")).unwrap();
        assert_eq!(boot(&scratch, &[&file]).2, COMPILED);
        assert_eq!(boot(&scratch, &["--optimize", "none", &file]).2, COMPILED);
        assert_eq!(boot(&scratch, &[&file]).2, COMPILED);
        assert_eq!(boot(&scratch, &["--lenient", &file]).2, COMPILED);
        assert_eq!(boot(&scratch, &[&file]).2, COMPILED);
        assert_eq!(boot(&scratch, &[&file]).2, ENCODED);
        // The same text under another name.
        let other = scratch.file("other.toml", &format!("{text}# a comment\n"));
        assert_eq!(boot(&scratch, &[&other]).2, COMPILED);
        assert_eq!(boot(&scratch, &[&other]).2, ENCODED);

        // Another build of the program: it compiles anew, and keeps what it made.
        let copy = scratch.0.join("dockfw");
        std::fs::copy(DOCKFW, &copy).unwrap();
        let folder = scratch.history().display().to_string();
        for expected in [COMPILED, ENCODED] {
            nft("flush ruleset");
            let output = Command::new(&copy)
                .args(["commit", "--boot", "--state-dir", &folder, &other])
                .output()
                .unwrap();
            assert_eq!(outcome(&output).2, expected);
        }
        // The encoded form is damaged inside of a file that is whole.
        let locked = State::open(&scratch.history()).unwrap().lock().unwrap();
        let number = *locked.numbers().unwrap().last().unwrap();
        let mut newest = locked.generation(number).unwrap();
        let middle = newest.artifact.len() / 2;
        newest.artifact[middle] ^= 1;
        locked.renew(&newest).unwrap();
        drop(locked);
        nft("flush ruleset");
        let output = Command::new(&copy)
            .args(["commit", "--boot", "--state-dir", &folder, &other])
            .output()
            .unwrap();
        assert_eq!(outcome(&output).2, COMPILED);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_broken_input_falls_back_on_the_last_good_ruleset() {
    let scratch = Scratch::new();
    in_host(|| {
        scratch.succeed(&["commit", &first()]);
        let older = content();
        scratch.succeed(&["commit", &second()]);
        let good = content();
        for broken in [wrong(), "/nonexistent/policy.toml".to_owned()] {
            let (code, line, errors) = boot(&scratch, &[&broken]);
            assert_eq!(code, 7, "{errors}");
            assert!(errors.contains("\nFALLBACK: generation 2 of "), "{errors}");
            assert!(errors.contains(&broken), "{errors}");
            assert!(line.starts_with("committed inet dockfw"), "{line}");
            assert!(content() == good);
        }
        let status = scratch.succeed(&["status"]);
        assert!(status.contains("\nboot: fallback, "), "{status}");
        let list = scratch.json(&["history", "--json"]);
        assert_eq!(list["generations"][0]["in_force"], true);

        scratch.damage(2);
        nft("flush ruleset");
        let found = scratch.dockfw(&["commit", "--boot", "--json", &wrong()]);
        assert_eq!(found.status.code(), Some(7));
        let errors = String::from_utf8(found.stderr).unwrap();
        assert!(errors.contains("generation-2 is damaged"), "{errors}");
        assert!(errors.contains("FALLBACK: generation 1 of "), "{errors}");
        let found: Value = serde_json::from_slice(&found.stdout).unwrap();
        assert_eq!(found["boot"], "fallback");
        assert_eq!(found["history"], 1);
        assert!(found["reason"].as_str().unwrap().contains("policy.toml:"));
        assert!(content() == older);
        // The ruleset that is in force is the one that a rollback goes back from.
        let (code, _, errors) = scratch.outcome(&["rollback"]);
        assert_eq!(code, 1);
        assert!(errors.contains("none before it"), "{errors}");

        // Every generation is damaged in another way.
        std::fs::write(scratch.generation(1), "").unwrap();
        let (code, line, errors) = boot(&scratch, &[&wrong()]);
        assert_eq!((code, line.as_str()), (8, ""));
        assert!(
            errors.contains("generation-1 is damaged: it is empty"),
            "{errors}"
        );
        assert!(errors.contains("\nCLOSED: "), "{errors}");
        assert!(is_closed());
        // A good policy opens it again.
        assert_eq!(boot(&scratch, &[&second()]).0, 0);
        assert!(content() == good);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn without_a_history_the_host_is_closed() {
    let scratch = Scratch::new();
    in_host(|| {
        let (code, line, errors) = boot(&scratch, &[&wrong()]);
        assert_eq!((code, line.as_str()), (8, ""));
        assert!(
            errors.contains("\nCLOSED: nothing new is forwarded"),
            "{errors}"
        );
        assert!(is_closed());
        let status = scratch.succeed(&["status"]);
        assert!(
            status.starts_with("closed: no policy could be loaded"),
            "{status}"
        );
        assert!(status.contains("\nboot: closed, "), "{status}");
        let status = scratch.json(&["status", "--json"]);
        assert_eq!(status["boot"]["outcome"], "closed");

        // Likewise with a folder that cannot be used, and without one.
        std::fs::set_permissions(scratch.history(), std::fs::Permissions::from_mode(0o777))
            .unwrap();
        let (code, _, errors) = boot(&scratch, &[&wrong()]);
        assert_eq!(code, 8);
        assert!(
            errors.contains("others than its owner may write it"),
            "{errors}"
        );
        assert!(is_closed());
        nft("flush ruleset");
        let output = run(&["commit", "--boot", "--no-history", "--json", &wrong()]);
        assert_eq!(output.status.code(), Some(8));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (found["boot"].as_str(), found["recorded"].as_bool()),
            (Some("closed"), Some(false))
        );
        assert!(is_closed());
        // Closed stays closed, and a good policy ends it whatever the folder is.
        let output = run(&["commit", "--boot", "--no-history", &wrong()]);
        assert_eq!(output.status.code(), Some(8));
        let (code, _, errors) = scratch.outcome(&["commit", "--boot", &second()]);
        assert_eq!(code, 0, "{errors}");
        assert!(errors.contains("not recorded"), "{errors}");
        assert!(!is_closed());
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn wrong_arguments_close_too() {
    in_host(|| {
        let output = run(&["commit", "--boot", "--kep", "3"]);
        assert_eq!(output.status.code(), Some(2));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains("\nCLOSED: "), "{errors}");
        assert!(is_closed());
        nft("flush ruleset");
        for harmless in [
            &["commit", "--boot", "--help"][..],
            &["check", "--boot"],
            &["comit"],
        ] {
            run(harmless);
            assert_eq!(ruleset(), "", "{harmless:?}");
        }
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_ruleset_that_is_loaded_already_is_not_closed() {
    let scratch = Scratch::new();
    in_host(|| {
        run(&["commit", "--no-history", &second(), &rules4()]);
        let before = content();
        let (code, _, errors) = scratch.outcome(&["commit", "--boot", &wrong()]);
        assert_eq!(code, 7, "{errors}");
        assert!(errors.contains("\nKEPT: "), "{errors}");
        assert!(content() == before);
        assert!(scratch.succeed(&["status"]).contains("\nboot: kept, "));
        // The table of the policy is gone: closed, and the rules of the host stay.
        nft("delete table inet dockfw");
        assert_eq!(scratch.outcome(&["commit", "--boot", &wrong()]).0, 8);
        assert!(is_closed());
        assert!(ruleset().contains("chain filter-INPUT"));
        // An empty table of that name protects nothing.
        nft("flush ruleset; add table inet dockfw");
        assert_eq!(scratch.outcome(&["commit", "--boot", &wrong()]).0, 8);
        assert!(ruleset().contains("hook forward"));
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn who_is_killed_while_it_reads_leaves_a_closed_host() {
    let scratch = Scratch::new();
    let pipe = scratch.0.join("policy.toml").display().to_string();
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    in_host(|| {
        let mut child = Command::new(DOCKFW)
            .args(["commit", "--boot", "--no-history", &pipe])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while !ruleset().contains("hook forward") && started.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_closed());
    });
}

/// Takes a table of ours, which the kernel lets nobody else change as long as the value lives.
fn own(family: Family) -> Executor {
    const CREATE: u16 = 0x400;
    let mut owner = Executor::open().unwrap();
    let mut builder = BatchBuilder::new();
    builder
        .message(NFT_MSG_NEWTABLE, CREATE, family.nfproto(), 0, |e| {
            e.text(NFTA_TABLE_NAME, "dockfw")?;
            e.u32(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER)
        })
        .unwrap();
    owner.commit(&builder.build(), Expect::Any).unwrap();
    owner
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn an_input_that_the_kernel_refuses_ends_closed() {
    let scratch = Scratch::new();
    in_host(|| {
        scratch.outcome(&["commit", &second()]);
        scratch.outcome(&["commit", &second(), &rules4()]);
        run(&["release"]);
        // Neither compiled nor encoded can the table of the rules file be replaced or removed.
        let _owner = own(Family::Ip);
        for last in [&rules4(), &fixture("rules/server/rules.v6")] {
            let (code, _, errors) = scratch.outcome(&["commit", "--boot", &second(), last]);
            assert_eq!(code, 8, "{errors}");
            assert!(errors.contains("\nCLOSED: "), "{errors}");
            assert!(errors.contains("belongs to"), "{errors}");
            assert!(is_closed());
        }
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_kernel_that_takes_nothing_is_a_failure() {
    let scratch = Scratch::new();
    in_host(|| {
        let _owner = own(Family::Inet);
        let (code, _, errors) = scratch.outcome(&["commit", "--boot", &second()]);
        assert_eq!(code, 5, "{errors}");
        assert!(
            errors.contains("FAILED: the kernel took no ruleset"),
            "{errors}"
        );
        assert!(errors.contains("belongs to"), "{errors}");
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn the_capability_of_the_unit_is_enough() {
    let scratch = Scratch::new();
    let folder = scratch.history().display().to_string();
    in_host(|| {
        for (expected, file) in [(0, second()), (0, second()), (7, wrong())] {
            nft("flush ruleset");
            let output = Command::new("setpriv")
                .args([
                    "--no-new-privs",
                    "--bounding-set",
                    "-all,+net_admin",
                    "--inh-caps",
                    "-all",
                    "--",
                    DOCKFW,
                    "commit",
                    "--boot",
                    "--state-dir",
                    &folder,
                    &file,
                ])
                .output()
                .unwrap();
            let (code, _, errors) = outcome(&output);
            assert_eq!(code, expected, "{errors}");
            assert!(!errors.contains("warning"), "{errors}");
        }
        assert!(scratch.succeed(&["history"]).contains(", in force"));
    });
}
