//! Faults at every system call: whatever fails or dies, the kernel has the old ruleset or the new
//! one, and the next start converges.
//!
//! strace(1) injects them: it makes one system call of the process fail, or kills the process at
//! it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
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

/// Makes some system calls of a verb fail, or be the last one; with `DOCKFW_FAULTS=all` each of
/// them, in every way.
///
/// `before` makes the old ruleset, the verb makes the new one.
///
/// `again` is what an operator does next, and makes the new ruleset whatever has happened.
fn inject(before: &[&[&str]], verb: &[&str], errors: &[&str], again: impl Fn(&Machine)) -> Tally {
    let machine = Machine::new();
    let prepare = || before.iter().for_each(|of| machine.done(of));
    prepare();
    let old = machine.ruleset();
    let calls = machine.calls(verb);
    let new = machine.ruleset();
    assert!(old != new, "{verb:?} changes something");
    let all = std::env::var("DOCKFW_FAULTS").is_ok_and(|of| of == "all");
    let (mut tally, mut turn) = (Tally::default(), 0_usize);
    for (name, count) in calls {
        for when in 1..=count {
            let faults = errors.iter().map(|errno| format!("error={errno}"));
            let faults: Vec<_> = faults.chain(["signal=KILL".to_owned()]).collect();
            turn += 1;
            if !all && !turn.is_multiple_of(EACH) {
                continue;
            }
            let some = (!all).then(|| &faults[turn / EACH % faults.len()..][..1]);
            for fault in some.unwrap_or(&faults) {
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
                    let is_killed = *fault == "signal=KILL";
                    tally.unsaid += usize::from(!is_killed && !output.status.success());
                } else {
                    assert!(found == old, "neither old nor new: {inject}: {output:?}");
                    assert!(!output.status.success(), "{inject}: {output:?}");
                    tally.old += 1;
                }
                again(&machine);
                assert!(machine.ruleset() == new, "no convergence after {inject}");
            }
        }
    }
    println!("{verb:?}: {tally:?}");
    tally
}

/// A folder that goes away with the value.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dockfw-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn path(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Every how many system calls one fails.
const EACH: usize = 5;
const ERRORS: [&str; 2] = ["EIO", "EINTR"];

fn old() -> String {
    fixture("hosts/no-proxy/policy.toml")
}

fn new() -> String {
    fixture("hosts/reverse-proxy/policy.toml")
}

#[test]
#[ignore = "needs root, network namespaces and strace: cargo test -- --ignored"]
fn commit_leaves_the_old_ruleset_or_the_new_one() {
    let folder = Folder::new("commit");
    let state = ["--state-dir", &folder.path()];
    let commit = |policy| [&["commit"], &state[..], &[policy]].concat();
    let (old, new) = (old(), new());
    let again = |machine: &Machine| machine.done(&commit(&new));
    let tally = inject(&[&commit(&old)], &commit(&new), &ERRORS, again);
    assert!(tally.old > 5 && tally.new > 5, "{tally:?}");
}

#[test]
#[ignore = "needs root, network namespaces and strace: cargo test -- --ignored"]
fn rollback_leaves_the_old_ruleset_or_the_new_one() {
    let folder = Folder::new("rollback");
    let state = ["--state-dir", &folder.path()];
    let commit = |policy| [&["commit"], &state[..], &[policy]].concat();
    let (old, new) = (old(), new());
    // Whatever became of the history, the policy is there to be committed again.
    let again = |machine: &Machine| machine.done(&["commit", "--no-history", &old]);
    let before = [&commit(&old)[..], &commit(&new)];
    let rollback = [&["rollback"], &state[..]].concat();
    let tally = inject(&before, &rollback, &ERRORS, again);
    assert!(tally.old > 5 && tally.new > 5, "{tally:?}");
}

#[test]
#[ignore = "needs root, network namespaces and strace: cargo test -- --ignored"]
fn confirm_leaves_what_is_pending_or_makes_it_permanent() {
    let (old, new) = (old(), new());
    let before = [
        &["commit", "--no-history", "--replace", &old][..],
        &["commit", "--no-history", "--confirm", "1h", &new],
    ];
    let again = |machine: &Machine| machine.done(&["commit", "--no-history", &new]);
    let tally = inject(&before, &["confirm"], &ERRORS, again);
    assert!(tally.old > 5 && tally.new > 5, "{tally:?}");
}

#[test]
#[ignore = "needs root, network namespaces and strace: cargo test -- --ignored"]
fn boot_leaves_the_old_ruleset_or_the_new_one() {
    let folder = Folder::new("boot");
    let state = ["--state-dir", &folder.path()];
    let (old, new) = (old(), new());
    let boot = [&["commit", "--boot"], &state[..], &[&new]].concat();
    let again = |machine: &Machine| machine.done(&["commit", "--no-history", &new]);
    let tally = inject(&[&["commit", "--no-history", &old]], &boot, &ERRORS, again);
    assert!(tally.old > 5 && tally.new > 5, "{tally:?}");
}
