//! Tables that belong to a running dockfw, and changes that are shown as they happen.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; the times are the result of a run"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use dockfw_netlink::{Batch, Executor, Expect};
use dockfw_testkit::lab::Lab;

const DOCKFW: &str = env!("CARGO_BIN_EXE_dockfw");

fn policy(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    root.join(name).display().to_string()
}

fn run(lab: &Lab, program: &str, arguments: &[&str]) -> Output {
    let run = || {
        Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    lab.run_in("host", run).unwrap()
}

/// A process that runs on, and the lines it prints; it is killed with the value.
struct Resident {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Resident {
    fn start(lab: &Lab, arguments: &[&str]) -> Self {
        let start = || {
            Command::new(DOCKFW)
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let mut child = lab.run_in("host", start).unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    /// `kill -9`
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listed(lab: &Lab) -> String {
    let output = run(lab, "nft", &["-s", "list", "ruleset"]);
    String::from_utf8(output.stdout).unwrap()
}

/// A listing without what it says of the owner; nft 1.0.6 has no word for a table that persists.
fn without_owner(listed: &str) -> Vec<String> {
    let lines = listed.lines().filter(|line| !line.starts_with("\tflags"));
    lines
        .map(|line| line.replace(" # progname dockfw", ""))
        .collect()
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn tables_that_are_owned_outlive_a_flush_and_their_owner() {
    let lab = Lab::builder().build().unwrap();
    let (old, new) = (policy("storm/old.toml"), policy("storm/new.toml"));
    // Taken over from a commit that owned nothing, and from an owner that was killed.
    assert!(run(&lab, DOCKFW, &["commit", &old]).status.success());
    for turn in 0..2 {
        let mut owner = Resident::start(&lab, &["commit", "--own", &old]);
        let line = owner.line();
        assert!(line.starts_with("committed inet dockfw"), "{turn}: {line}");
        let before = listed(&lab);
        assert!(before.contains("flags owner"), "{before}");
        assert!(
            run(&lab, "nft", &["add", "table", "ip", "other"])
                .status
                .success()
        );
        assert!(run(&lab, "nft", &["flush", "ruleset"]).status.success());
        assert_eq!(
            listed(&lab),
            before,
            "{turn}: only the foreign table is gone"
        );
        for foreign in ["flush table inet dockfw", "delete table inet dockfw"] {
            assert!(!run(&lab, "nft", &[foreign]).status.success(), "{foreign}");
        }
        for verb in [&["commit", &new][..], &["release"]] {
            let refused = run(&lab, DOCKFW, verb);
            let errors = String::from_utf8(refused.stderr).unwrap();
            assert_eq!(refused.status.code(), Some(5), "{errors}");
            let process = owner.child.id().to_string();
            assert!(
                errors.contains(&process) && errors.contains("dockfw"),
                "{errors}"
            );
        }
        owner.kill();
        assert_eq!(
            without_owner(&listed(&lab)),
            without_owner(&before),
            "{turn}"
        );
    }
    // What belongs to nobody any more is anybody's.
    assert!(run(&lab, DOCKFW, &["commit", &new]).status.success());
    assert!(listed(&lab).contains("br-more"));
    assert!(run(&lab, DOCKFW, &["release"]).status.success());
    assert_eq!(listed(&lab), "");
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn changes_are_shown_as_they_happen() {
    let lab = Lab::builder().build().unwrap();
    let (old, new) = (policy("storm/old.toml"), policy("storm/new.toml"));
    assert!(run(&lab, DOCKFW, &["commit", &old]).status.success());
    let mut follower = Resident::start(&lab, &["status", "--follow", "--json"]);
    // The status itself, which ends with a brace of its own.
    while follower.line() != "}\n" {}
    std::thread::sleep(Duration::from_millis(50));
    let rulesets = [&old, &new].map(|path| {
        let bytes = std::fs::read(path).unwrap();
        let source = dockfw::policy::Source {
            name: path.clone(),
            bytes,
        };
        let policy = dockfw::policy::parse(vec![source]).unwrap();
        dockfw_ir::verify::verify(dockfw_lower::lower(&policy.host)).unwrap()
    });
    let mut executor = lab.run_in("host", || Executor::open().unwrap()).unwrap();
    let mut late = Vec::new();
    for turn in 1..=40 {
        let batch = Batch::replace(&rulesets[turn % 2]).unwrap();
        executor.commit(&batch, Expect::Any).unwrap();
        let committed = Instant::now();
        let line = follower.line();
        late.push(committed.elapsed());
        let news: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(news["table"], "inet dockfw");
        assert_eq!(news["change"], "changed");
        std::thread::sleep(Duration::from_millis(7));
    }
    late.sort();
    println!(
        "noticed after {:?} (median), {:?} (9 of 10), {:?} (latest)",
        late[20], late[36], late[39]
    );
    // 10 ms are for a program that is optimised, on a machine that has time for it.
    assert!(late[20] < Duration::from_millis(100), "{late:?}");
    // Foreign tables are no news.
    assert!(
        run(&lab, "nft", &["add", "table", "ip", "other"])
            .status
            .success()
    );
    assert!(run(&lab, DOCKFW, &["release"]).status.success());
    let news: serde_json::Value = serde_json::from_str(&follower.line()).unwrap();
    assert_eq!(news["change"], "gone");
}
