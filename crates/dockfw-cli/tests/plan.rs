//! `plan`, the smallest commit, `--plan`, `--confirm` and the guard of the SSH session, as an
//! operator meets them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use dockfw_testkit::lab::Lab;
use serde_json::Value;

fn fixture(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    root.join(path).display().to_string()
}

/// A namespace, and a folder for what is written.
struct Host {
    lab: Lab,
    folder: PathBuf,
}

impl Host {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("dockfw-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let lab = Lab::builder().build().unwrap();
        Self { lab, folder }
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Code, standard output, standard error.
    fn run(&self, arguments: &[&str], session: Option<&str>) -> (i32, String, String) {
        let run = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_dockfw"));
            command.args(arguments).stdin(Stdio::null());
            if let Some(session) = session {
                command.env("SSH_CONNECTION", session);
            }
            command.output().unwrap()
        };
        let output = self.lab.run_in("host", run).unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    fn dockfw(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run(arguments, None)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (_, found, errors) = self.dockfw(&[arguments, &["--json"]].concat());
        serde_json::from_str(&found).unwrap_or_else(|_| Value::from(format!("{found}{errors}")))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_plan_says_what_a_commit_does_and_nothing_else() {
    let host = Host::new("plan");
    let (old, new) = (fixture("storm/old.toml"), fixture("storm/new.toml"));
    let (code, found, _) = host.dockfw(&["plan", &old]);
    assert_eq!(code, 3);
    assert!(found.contains("+ publish 0.0.0.0:8080/tcp -> 10.10.1.2:80 (web)"));
    assert_eq!(host.dockfw(&["status"]).0, 3, "nothing was changed");
    assert_eq!(host.dockfw(&["commit", &old]).0, 0);
    assert_eq!(host.dockfw(&["plan", &old]).0, 0);
    let unchanged = host.json(&["commit", &old]);
    assert_eq!(unchanged["outcome"], "unchanged", "{unchanged}");

    let planned = host.json(&["plan", &new]);
    let changed = host.json(&["commit", &new]);
    assert_eq!(changed["outcome"], "committed", "{changed}");
    assert_eq!(planned["counts"], changed["changed"]);
    let back = host.dockfw(&["plan", "--nft", &old]);
    assert_eq!(back.0, 3);
    assert!(
        back.1.contains("\n-\t\t\t10.10.4.2 comment \"many\","),
        "{}",
        back.1
    );
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_saved_plan_is_committed_as_it_was_looked_at_or_not_at_all() {
    let host = Host::new("saved");
    let (old, new) = (fixture("storm/old.toml"), fixture("storm/new.toml"));
    let plan = host.file("plan.json");
    assert_eq!(host.dockfw(&["commit", &old]).0, 0);
    assert_eq!(host.dockfw(&["plan", "--out", &plan, &new]).0, 3);
    let (code, _, errors) = host.dockfw(&["commit", "--plan", &plan, &old]);
    assert_eq!(code, 6);
    assert!(errors.contains("compiles to another ruleset"), "{errors}");
    assert_eq!(host.dockfw(&["commit", "--plan", &plan, &new]).0, 0);
    let (code, _, errors) = host.dockfw(&["commit", "--plan", &plan, &new]);
    assert_eq!(code, 6);
    assert!(errors.contains("generation"), "{errors}");
    let text = std::fs::read_to_string(&plan).unwrap();
    std::fs::write(&plan, text.replace("\"generation\": ", "\"generation\": 1")).unwrap();
    let (code, _, errors) = host.dockfw(&["commit", "--plan", &plan, &new]);
    assert_eq!(code, 2);
    assert!(errors.contains("was changed since"), "{errors}");
    let (code, _, errors) = host.dockfw(&["commit", "--plan", "/nonexistent", &new]);
    assert_eq!(code, 1);
    assert!(errors.contains("/nonexistent"), "{errors}");
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_commit_goes_back_by_itself_unless_it_is_confirmed() {
    let host = Host::new("confirm");
    let (old, new) = (fixture("storm/old.toml"), fixture("storm/new.toml"));
    let folder = host.file("state");
    let state = ["--state-dir", &folder];
    let (code, _, errors) = host.dockfw(&["confirm"]);
    assert_eq!(code, 1);
    assert!(errors.contains("nothing is pending"), "{errors}");
    assert_eq!(host.dockfw(&[&["commit", &old], &state[..]].concat()).0, 0);

    let pending = |time| [&["commit", "--confirm", time, &new], &state[..]].concat();
    let (code, found, _) = host.dockfw(&pending("1h"));
    assert_eq!(code, 0);
    assert!(found.contains("recorded when it is confirmed"), "{found}");
    assert_eq!(host.json(&["status"])["pending"][0]["state"], "pending");
    assert_eq!(host.dockfw(&[&["confirm"], &state[..]].concat()).0, 0);
    assert_eq!(host.dockfw(&["plan", &new]).0, 0);
    let history = host.json(&[&["history"], &state[..]].concat());
    assert_eq!(history["generations"].as_array().unwrap().len(), 2);

    // The kernel goes back, and says so; the next commit clears what is left away.
    assert_eq!(host.dockfw(&["commit", &old]).0, 0);
    assert_eq!(host.dockfw(&pending("100ms")).0, 0);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(host.json(&["status"])["pending"][0]["state"], "expired");
    let (code, _, errors) = host.dockfw(&["confirm"]);
    assert_eq!(code, 7);
    assert!(errors.contains("too late"), "{errors}");
    assert_eq!(host.dockfw(&["commit", &old]).0, 0);
    assert_eq!(
        host.json(&["status"])["pending"].as_array().unwrap().len(),
        0
    );

    // By hand, before the time is over.
    assert_eq!(host.dockfw(&pending("1h")).0, 0);
    let (code, found, _) = host.dockfw(&[&["rollback"], &state[..]].concat());
    assert_eq!(code, 0);
    assert!(found.starts_with("taken back"), "{found}");
    assert_eq!(host.dockfw(&["plan", &old]).0, 0);
    // What was taken back, or committed without a history, does not get into it.
    let unrecorded = ["commit", "--no-history", "--confirm", "1h", &old];
    assert_eq!(host.dockfw(&["commit", "--no-history", &new]).0, 0);
    assert_eq!(host.dockfw(&unrecorded).0, 0);
    let confirmed = host.json(&[&["confirm"], &state[..]].concat());
    assert_eq!(confirmed["history"], Value::Null, "{confirmed}");
    // Asking again begins the time anew, also for the same ruleset.
    assert_eq!(host.dockfw(&pending("3s")).0, 0);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(host.dockfw(&pending("3s")).0, 0);
    let left = &host.json(&["status"])["pending"][0]["seconds_left"];
    assert!(left.as_f64().unwrap() > 2.0, "{left}");
    std::thread::sleep(Duration::from_millis(1700));
    assert_eq!(host.json(&["status"])["pending"][0]["state"], "pending");
    for wrong in ["0s", "soon", "25h"] {
        assert_eq!(
            host.dockfw(&["commit", "--confirm", wrong, &new]).0,
            2,
            "{wrong}"
        );
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_commit_that_cuts_its_own_session_is_refused() {
    let host = Host::new("session");
    let policy = host.file("ssh.toml");
    let text = "version = 1\n[[network]]\nname = \"web\"\nbridge = \"br-web\"\n\
                subnets = [\"172.18.0.0/16\"]\n[[container]]\nname = \"git\"\n\
                networks.web = [\"172.18.0.2\"]\npublish = [\"22:22\"]\n";
    std::fs::write(&policy, text).unwrap();
    let session = Some("192.0.2.2 50000 192.0.2.1 22");
    let (code, _, errors) = host.run(&["commit", &policy], session);
    assert_eq!(code, 1, "{errors}");
    assert!(
        errors.contains("SSH session") && errors.contains("--force"),
        "{errors}"
    );
    assert_eq!(host.dockfw(&["status"]).0, 3, "nothing was changed");
    assert_eq!(host.run(&["commit", "--force", &policy], session).0, 0);
    let closed = host.file("rules.v4");
    std::fs::write(&closed, "*filter\n:INPUT DROP [0:0]\nCOMMIT\n").unwrap();
    assert_eq!(host.run(&["commit", &closed], session).0, 1);
    let open = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n";
    std::fs::write(&closed, open).unwrap();
    assert_eq!(host.run(&["commit", &closed], session).0, 0);
}
