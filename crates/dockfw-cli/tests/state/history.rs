//! `dockfw history` and `dockfw rollback`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use dockfw::state::State;

use super::*;

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_rollback_loads_what_was_before_and_can_be_undone() {
    let scratch = Scratch::new();
    in_host(|| {
        let (code, _, errors) = scratch.outcome(&["rollback"]);
        assert_eq!(code, 1);
        assert!(errors.contains("there is no folder"), "{errors}");
        assert_eq!(
            scratch.succeed(&["history"]),
            "no history: nothing was committed yet\n"
        );

        let line = scratch.succeed(&["commit", &first()]);
        assert!(line.ends_with(", recorded as 1\n"), "{line}");
        let before = content();
        let (code, _, errors) = scratch.outcome(&["rollback"]);
        assert_eq!(code, 1);
        assert!(errors.contains("none before it"), "{errors}");
        // What the history has is what was compiled, not what stands in the file now.
        let file = scratch.file("policy.toml", &std::fs::read_to_string(second()).unwrap());
        let committed = scratch.json(&["commit", "--json", &file]);
        assert_eq!(committed["recorded"], true);
        assert_eq!(committed["history"], 2);
        std::fs::write(&file, "version = 7").unwrap();
        let after = content();
        assert!(before != after);

        let text = scratch.succeed(&["rollback"]);
        assert!(
            text.starts_with("rolled back to generation 1 of "),
            "{text}"
        );
        assert!(content() == before);
        let back = scratch.json(&["rollback", "--json"]);
        assert_eq!(back["rolled_back_to"], 2);
        assert!(content() == after);
        assert_eq!(back["outcome"], "committed");
        scratch.succeed(&["rollback", "1"]);
        assert!(content() == before);

        let list = scratch.json(&["history", "--json"]);
        let list = list["generations"].as_array().unwrap();
        let how: Vec<_> = list.iter().map(|of| of["how"].as_str().unwrap()).collect();
        assert_eq!(
            how,
            [
                "rollback to 1",
                "rollback to 2",
                "rollback to 1",
                "commit",
                "commit"
            ]
        );
        let in_force: Vec<_> = list.iter().map(|of| of["in_force"].as_bool()).collect();
        assert_eq!(in_force[0], Some(true));
        assert!(in_force[1..].iter().all(|of| *of == Some(false)));
        let text = scratch.succeed(&["history"]);
        assert_eq!(text.lines().count(), 5);
        assert!(
            text.lines().next().unwrap().ends_with(", in force"),
            "{text}"
        );
        assert!(text.contains("docker-user") || text.contains("policy.toml"));

        // Somebody else changes something: then it is not known any more.
        nft("add table ip foreign");
        let list = scratch.json(&["history", "--json"]);
        assert_eq!(list["generations"][0]["in_force"], Value::Null);
        assert_eq!(list["generations"][0]["last"], true);
        run(&["release"]);
        let list = scratch.json(&["history", "--json"]);
        assert_eq!(list["generations"][0]["in_force"], false);

        for wanted in ["0", "6"] {
            let (code, _, errors) = scratch.outcome(&["rollback", wanted]);
            assert_eq!(code, 1);
            assert!(errors.contains("the history has 1 to 5"), "{errors}");
        }
        assert_eq!(scratch.outcome(&["rollback", "-1"]).0, 2);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn options_and_rules_files_come_back_too() {
    let scratch = Scratch::new();
    in_host(|| {
        let arguments = [
            "commit",
            "--optimize",
            "none",
            "--lenient",
            &second(),
            &rules4(),
        ];
        scratch.outcome(&arguments);
        let before = content();
        assert!(ruleset().contains("table ip dockfw"));
        scratch.succeed(&["commit", &first()]);
        assert!(!ruleset().contains("table ip dockfw"));
        assert_eq!(scratch.outcome(&["rollback"]).0, 0);
        assert!(content() == before);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn the_same_input_again_is_no_new_generation() {
    let scratch = Scratch::new();
    in_host(|| {
        for _ in 0..3 {
            let found = scratch.json(&["commit", "--json", &first()]);
            assert_eq!(found["history"], 1);
        }
        let found = scratch.json(&["commit", "--json", "--optimize", "none", &first()]);
        assert_eq!(found["history"], 2);
        for expected in [3, 4, 5] {
            let file = if expected % 2 == 1 { second() } else { first() };
            let found = scratch.json(&["commit", "--json", "--keep", "2", &file]);
            assert_eq!(found["history"], expected);
        }
        let list = scratch.json(&["history", "--json"]);
        assert_eq!(list["generations"].as_array().unwrap().len(), 2);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_damaged_generation_is_named_and_the_others_are_of_use() {
    let scratch = Scratch::new();
    in_host(|| {
        scratch.succeed(&["commit", &second()]);
        scratch.succeed(&["commit", &first()]);
        scratch.succeed(&["commit", &second()]);
        let before = content();
        scratch.damage(2);
        let (code, _, errors) = scratch.outcome(&["rollback"]);
        assert_eq!(code, 1);
        assert!(
            errors.contains("generation-2 is damaged: its checksum is wrong"),
            "{errors}"
        );
        assert!(content() == before, "nothing was committed");
        let text = scratch.succeed(&["history"]);
        assert!(text.contains("     2  DAMAGED: "), "{text}");
        assert_eq!(text.lines().count(), 3);
        let list = scratch.json(&["history", "--json"]);
        assert_eq!(list["generations"][1]["damaged"], true);
        scratch.succeed(&["rollback", "1"]);
        assert!(content() == before);
        // The newest damaged, and the note: commits go on behind them.
        scratch.damage(3);
        std::fs::write(scratch.history().join("current"), "").unwrap();
        let found = scratch.json(&["commit", "--json", &first()]);
        assert_eq!(
            (found["recorded"].as_bool(), found["history"].as_u64()),
            (Some(true), Some(4))
        );
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn texts_that_do_not_compile_any_more_are_sent_as_they_were_encoded() {
    let scratch = Scratch::new();
    in_host(|| {
        scratch.succeed(&["commit", &first()]);
        let before = content();
        scratch.outcome(&["commit", &second(), &rules4()]);
        let locked = State::open(&scratch.history()).unwrap().lock().unwrap();
        let mut old = locked.generation(1).unwrap();
        old.recipe.policies.as_mut().unwrap()[0].bytes = b"version = 0".to_vec();
        old.program.version = "0.0.9".to_owned();
        locked.renew(&old).unwrap();
        drop(locked);
        let (code, _, errors) = scratch.outcome(&["rollback"]);
        assert_eq!(code, 0);
        assert!(errors.contains("as dockfw 0.0.9 encoded it"), "{errors}");
        // The table of the rules file went with it, in the same transaction.
        assert!(content() == before);
        // The encoded form is damaged inside of a file that is whole: refused, nothing changes.
        let locked = State::open(&scratch.history()).unwrap().lock().unwrap();
        let middle = old.artifact.len() / 2;
        old.artifact[middle] ^= 1;
        locked.renew(&old).unwrap();
        drop(locked);
        let (code, _, errors) = scratch.outcome(&["rollback", "1"]);
        assert_eq!(code, 2, "{errors}");
        assert!(content() == before);
    });
}

/// Commits with a history on a file system of its own.
fn commit_on(scratch: &Scratch, options: &str, and_then: &str) -> (i32, String, String) {
    let folder = scratch.history();
    std::fs::create_dir_all(&folder).unwrap();
    let folder = folder.display();
    let script = format!(
        "mount -t tmpfs -o {options} none {folder} && {DOCKFW} commit --json --state-dir {folder} \
         {}; code=$?; {and_then}; exit $code",
        first()
    );
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    outcome(&output)
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_commit_that_cannot_be_recorded_is_a_commit_with_a_warning() {
    let scratch = Scratch::new();
    in_host(|| {
        let folder = scratch.history();
        let list = format!("ls -A {} >&2", folder.display());
        for (options, why) in [
            ("size=20k,mode=0700", "No space left on device"),
            ("ro,mode=0700", "Read-only file system"),
            ("mode=0770", "others than its owner may write it"),
            ("mode=0700,uid=12345", "it belongs to another user"),
        ] {
            run(&["release"]);
            let (code, found, errors) = commit_on(&scratch, options, &list);
            assert_eq!(code, 0, "{options}: {errors}");
            let found: Value = serde_json::from_str(&found).unwrap();
            assert_eq!(found["outcome"], "committed");
            assert_eq!(found["recorded"], false, "{options}");
            assert!(
                errors.contains("warning: the ruleset is in force, but"),
                "{errors}"
            );
            assert!(errors.contains(why), "{errors}");
            assert!(errors.contains("cannot return to it"), "{errors}");
            assert!(!errors.contains("incoming"), "{options}: {errors}");
            assert!(!errors.contains("\ngeneration"), "{options}: {errors}");
            assert!(ruleset().contains("table inet dockfw"));
        }
        // The folder above is missing.
        let folder = scratch.0.join("no/such").display().to_string();
        let (code, _, errors) = outcome(&run(&["commit", "--state-dir", &folder, &first()]));
        assert_eq!(code, 0);
        assert!(errors.contains("cannot create"), "{errors}");
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_history_of_others_is_not_read() {
    let scratch = Scratch::new();
    in_host(|| {
        scratch.succeed(&["commit", &first()]);
        scratch.succeed(&["commit", &second()]);
        let before = content();
        let folder = scratch.history();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        for verb in ["rollback", "history"] {
            let (code, _, errors) = scratch.outcome(&[verb]);
            assert_eq!(code, 1, "{verb}");
            assert!(
                errors.contains("others than its owner may write it"),
                "{errors}"
            );
        }
        assert!(content() == before);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn commits_at_once_are_recorded_in_the_order_of_the_kernel() {
    let scratch = Scratch::new();
    in_host(|| {
        let files: Vec<_> = (0..6)
            .map(|index| {
                let text = format!(
                    "version = 1\n[[network]]\nname = \"n\"\nbridge = \"br-n{index}\"\n\
                     subnets = [\"10.0.{index}.0/24\"]\n"
                );
                scratch.file(&format!("{index}.toml"), &text)
            })
            .collect();
        let folder = scratch.history().display().to_string();
        let start = |file: &String| {
            Command::new(DOCKFW)
                .args(["commit", "--state-dir", &folder, file])
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        };
        let children: Vec<_> = files.iter().map(start).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        let list = scratch.json(&["history", "--json"]);
        let list = list["generations"].as_array().unwrap();
        assert_eq!(list.len(), files.len());
        assert_eq!(list[0]["in_force"], true);
        let newest = list[0]["files"][0].as_str().unwrap();
        let index = files.iter().position(|file| file == newest).unwrap();
        assert!(ruleset().contains(&format!("br-n{index}\"")));
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn in_a_namespace_of_its_own_nothing_is_recorded_by_default() {
    let default = Path::new("/var/lib/dockfw");
    let existed = default.exists();
    in_host(|| {
        for arguments in [&["commit", "--json"][..], &["commit", "--json", "--boot"]] {
            let mut all = arguments.to_vec();
            let file = first();
            all.push(&file);
            let output = run(&all);
            let found: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(found["recorded"], false);
        }
        let (code, _, errors) = outcome(&run(&["rollback"]));
        assert_eq!(code, 2);
        assert!(errors.contains("--state-dir"), "{errors}");
        let scratch = Scratch::new();
        let output = run(&["commit", "--json", "--no-history", &first()]);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["recorded"], false);
        assert!(!scratch.history().exists());
    });
    assert_eq!(default.exists(), existed);
}
