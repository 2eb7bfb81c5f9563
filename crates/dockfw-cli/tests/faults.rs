//! Faults at every system call: whatever fails or dies, the kernel has the old ruleset or the new
//! one, and the next start converges.
//!
//! strace(1) injects them: it makes one system call of the process fail, or kills the process at
//! it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; the table is the result of a run"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use dockfw_testkit::lab::Lab;

const DOCKFW: &str = env!("CARGO_BIN_EXE_dockfw");

fn fixture(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    root.join(path).display().to_string()
}

/// What the kernel has.
#[derive(PartialEq, Eq)]
struct Ruleset(Vec<String>);

/// A namespace, and what is run in it.
struct Machine(Lab);

impl Machine {
    fn new() -> Self {
        Self(Lab::builder().build().unwrap())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let run = || {
            Command::new(program)
                .args(arguments)
                .stdin(Stdio::null())
                .output()
                .unwrap()
        };
        self.0.run_in("host", run).unwrap()
    }

    /// Runs it, and it must succeed.
    fn done(&self, arguments: &[&str]) {
        let output = self.run(DOCKFW, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    /// All chains and sets, without what changes by itself and in an order of their own: base
    /// chains that stay come first in the kernel's.
    fn ruleset(&self) -> Ruleset {
        let output = self.run("nft", &["-s", "list", "ruleset"]);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let mut objects: Vec<_> = text
            .split("\n\n")
            .map(|of| of.trim_matches(['\n', '}']).to_owned())
            .collect();
        objects.sort();
        Ruleset(objects)
    }

    /// Runs it under strace.
    fn traced(&self, options: &[&str], arguments: &[&str]) -> Output {
        let mut all = vec!["-f", "-qq"];
        all.extend(options);
        all.push(DOCKFW);
        all.extend(arguments);
        self.run("strace", &all)
    }

    /// How often each system call is made, by name.
    fn calls(&self, arguments: &[&str]) -> BTreeMap<String, usize> {
        let path = std::env::temp_dir().join(format!(
            "dockfw-calls-{}-{}",
            std::process::id(),
            arguments.join("").len()
        ));
        let log = path.display().to_string();
        let output = self.traced(&["-o", &log], arguments);
        assert!(output.status.success(), "{output:?}");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut calls = BTreeMap::new();
        for line in text.lines() {
            // `PID name(...) = ...`, and `PID <... name resumed>` for the rest of a line.
            let call = line.split_once(' ').unwrap().1.trim_start();
            let name: String = call
                .chars()
                .take_while(|of| of.is_alphanumeric() || *of == '_')
                .collect();
            if call.get(name.len()..).is_some_and(|of| of.starts_with('(')) {
                *calls.entry(name).or_default() += 1;
            }
        }
        // The process begins with the one and ends with the other.
        calls.remove("execve");
        calls.remove("exit_group");
        calls
    }
}

/// What became of the runs of a verb.
#[derive(Debug, Default)]
struct Tally {
    faults: usize,
    old: usize,
    new: usize,
    /// New, and the exit code says that something failed.
    unsaid: usize,
}

/// Makes each system call of a verb fail and be the last one, in turn.
///
/// `before` makes the old ruleset, the verb makes the new one.
fn inject(before: &[&[&str]], verb: &[&str], errors: &[&str]) -> Tally {
    let machine = Machine::new();
    let prepare = || before.iter().for_each(|of| machine.done(of));
    prepare();
    let old = machine.ruleset();
    let calls = machine.calls(verb);
    let new = machine.ruleset();
    assert!(old != new, "{verb:?} changes something");
    let mut tally = Tally::default();
    for (name, count) in calls {
        for when in 1..=count {
            let faults = errors.iter().map(|errno| format!("error={errno}"));
            for fault in faults.chain(["signal=KILL".to_owned()]) {
                prepare();
                assert!(machine.ruleset() == old, "before {name} {when}");
                let inject = format!("inject={name}:{fault}:when={when}");
                let options = [
                    "-o",
                    "/dev/null",
                    "-e",
                    &format!("trace={name}"),
                    "-e",
                    &inject,
                ];
                let output = machine.traced(&options, verb);
                let found = machine.ruleset();
                tally.faults += 1;
                if found == new {
                    tally.new += 1;
                    let is_killed = fault == "signal=KILL";
                    tally.unsaid += usize::from(!is_killed && !output.status.success());
                } else {
                    assert!(found == old, "neither old nor new: {inject}: {output:?}");
                    assert!(!output.status.success(), "{inject}: {output:?}");
                    tally.old += 1;
                }
                machine.done(verb);
                assert!(machine.ruleset() == new, "no convergence after {inject}");
            }
        }
    }
    println!("{verb:?}: {tally:?}");
    tally
}

#[test]
#[ignore = "needs root, network namespaces and strace: cargo test -- --ignored"]
fn commit_leaves_the_old_ruleset_or_the_new_one() {
    let old = fixture("hosts/no-proxy/policy.toml");
    let new = fixture("hosts/reverse-proxy/policy.toml");
    let tally = inject(&[&["commit", &old]], &["commit", &new], &["EIO", "EINTR"]);
    assert!(tally.old > 50 && tally.new > 5, "{tally:?}");
}
