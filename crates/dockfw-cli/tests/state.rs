//! The history, the boot, the kernel's opinion and the units of systemd, with real commits.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

#[path = "state/boot.rs"]
mod boot;
#[path = "state/closed.rs"]
mod closed;
#[path = "state/history.rs"]
mod history;
#[path = "state/kernel.rs"]
mod kernel;
#[path = "state/units.rs"]
mod units;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use dockfw_testkit::lab::Lab;
use serde_json::Value;

const DOCKFW: &str = env!("CARGO_BIN_EXE_dockfw");

fn fixture(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    root.join(path).display().to_string()
}

/// Two policies that compile to different rulesets.
fn first() -> String {
    fixture("hosts/mail-suite/policy.toml")
}

fn second() -> String {
    fixture("policy/docker-user/policy.toml")
}

fn rules4() -> String {
    fixture("rules/server/rules.v4")
}

/// A policy that no dockfw of this version accepts.
fn wrong() -> String {
    fixture("policy-errors/duplicate-publish/policy.toml")
}

/// A folder that goes away with the value, and the folder of a history in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dockfw-history-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn history(&self) -> PathBuf {
        self.0.join("history")
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Runs the binary with this history.
    fn dockfw(&self, arguments: &[&str]) -> Output {
        let folder = self.history().display().to_string();
        let (verb, rest) = arguments.split_first().unwrap();
        let mut all = vec![*verb, "--state-dir", &folder];
        all.extend(rest);
        run(&all)
    }

    /// Its exit code, what it printed, what it complained about.
    fn outcome(&self, arguments: &[&str]) -> (i32, String, String) {
        outcome(&self.dockfw(arguments))
    }

    #[track_caller]
    fn succeed(&self, arguments: &[&str]) -> String {
        let (code, found, errors) = self.outcome(arguments);
        assert_eq!((code, errors.as_str()), (0, ""), "{arguments:?}");
        found
    }

    /// Its result as JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.dockfw(arguments);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn generation(&self, number: u64) -> PathBuf {
        self.history().join(format!("generation-{number}"))
    }

    /// Flips a bit in the middle of a generation.
    fn damage(&self, number: u64) {
        let path = self.generation(number);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        std::fs::write(&path, bytes).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(DOCKFW)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn outcome(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Runs a test in the namespace of a host.
fn in_host<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    let lab = Lab::builder().build().unwrap();
    lab.run_in("host", test).unwrap()
}

/// The ruleset of the namespace, as nft(8) lists it.
fn ruleset() -> String {
    let output = Command::new("nft")
        .args(["-s", "list", "ruleset"])
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// What the ruleset is made of. The order in which it is listed depends on what was there before:
/// base chains that are kept come first, and elements come as they were hashed.
fn content() -> Vec<String> {
    let listed = ruleset();
    let words = listed.split([' ', '\t', '\n', ',']);
    let mut words: Vec<_> = words.map(str::to_owned).collect();
    words.retain(|word| !word.is_empty());
    words.sort();
    words
}

/// Makes a change with nft(8).
fn nft(arguments: &str) {
    let output = Command::new("nft").arg(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
