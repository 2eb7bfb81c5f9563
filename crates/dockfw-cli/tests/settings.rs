//! Settings of the host: what needs them, with packets, and who makes them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use dockfw_testkit::lab::{Bridge, Container, HOST, Lab, Protocol};
use serde_json::Value;

const DOCKFW: &str = env!("CARGO_BIN_EXE_dockfw");
const FORWARD: &str = "net/ipv4/ip_forward";
const FORWARD6: &str = "net/ipv6/conf/all/forwarding";
const NF: &str = "net/bridge/bridge-nf-call-iptables";
const NF6: &str = "net/bridge/bridge-nf-call-ip6tables";
const LOOPBACK: &str = "net/ipv4/conf/br-web/route_localnet";

/// Leaves the settings to dockfw.
const MANAGED: &str = "[host]\nmanage-sysctls = true\n";
const NO_PROXY: &str = "[daemon]\nuserland-proxy = false\n";

/// The address of the host that its remote reaches.
const HOST4: &str = "192.0.2.1";

/// A Docker host with a network `web` of two containers, in which every setting is off.
struct Site {
    lab: Lab,
    folder: PathBuf,
}

impl Site {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("dockfw-sys-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let lab = Lab::builder()
            .bridge(Bridge::new("br-web", &["172.18.0.1/16", "2001:db8:18::1/64"]).hairpin())
            .container(Container::new("c1").on("br-web", &["172.18.0.2/16", "2001:db8:18::2/64"]))
            .container(Container::new("c2").on("br-web", &["172.18.0.3/16", "2001:db8:18::3/64"]))
            .host_sysctl("net.ipv4.conf.all.rp_filter", "0")
            .build()
            .unwrap();
        for key in [NF, NF6, LOOPBACK, FORWARD, FORWARD6] {
            lab.host_sysctl(key, "0").unwrap();
        }
        for container in ["c1", "c2"] {
            lab.listen(container, Protocol::Tcp, 80).unwrap();
        }
        Self { lab, folder }
    }

    /// A policy of this host: its head, the options of `web`, and what `c1` publishes.
    fn policy(&self, name: &str, head: &str, icc: bool, publish: &str) -> String {
        let path = self.folder.join(name);
        let text = format!(
            "version = 1\n{head}[[network]]\nname = \"web\"\nbridge = \"br-web\"\n\
             subnets = [\"172.18.0.0/16\", \"2001:db8:18::/64\"]\n\
             options = {{ \"com.docker.network.bridge.enable_icc\" = \"{icc}\" }}\n\
             [[container]]\nname = \"c1\"\nnetworks.web = [\"172.18.0.2\", \"2001:db8:18::2\"]\n\
             publish = [{publish}]\n\
             [[container]]\nname = \"c2\"\nnetworks.web = [\"172.18.0.3\", \"2001:db8:18::3\"]\n"
        );
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn get(&self, key: &'static str) -> String {
        let read = move || std::fs::read_to_string(format!("/proc/sys/{key}"));
        self.lab
            .run_in(HOST, read)
            .unwrap()
            .unwrap()
            .trim()
            .to_owned()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> (i32, String, String) {
        let run = || -> Output {
            let mut command = Command::new(program);
            command.args(arguments).stdin(Stdio::null());
            command.output().unwrap()
        };
        let output = self.lab.run_in(HOST, run).unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    fn dockfw(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run(DOCKFW, arguments)
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let (_, found, errors) = self.dockfw(&[arguments, &["--json"]].concat());
        serde_json::from_str(&found).unwrap_or_else(|_| Value::from(errors))
    }

    /// Runs dockfw where files below `/proc/sys` are as `mount` makes them.
    fn in_mounts(&self, mount: &str, arguments: &str) -> (i32, String, String) {
        let script = format!("set -e; {mount}; exec {DOCKFW} {arguments}");
        self.run("unshare", &["--mount", "sh", "-c", &script])
    }

    fn reaches(&self, from: &str, to: &str, port: u16) -> bool {
        let outcome = self
            .lab
            .reach(from, to.parse().unwrap(), Protocol::Tcp, port);
        outcome.unwrap().is_reached_at("c1", 80)
    }

    fn history(&self) -> String {
        self.folder.join("history").display().to_string()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const READ_ONLY: &str = "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys";
const NO_BRIDGE: &str = "mount -t tmpfs none /proc/sys/net/bridge";

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn nothing_is_forwarded_until_the_ruleset_is_there_and_the_operator_lets_it() {
    let site = Site::new("forward");
    let unmanaged = site.policy("a.toml", "", true, "\"8080:80\"");
    let managed = site.policy("b.toml", MANAGED, true, "\"8080:80\"");
    let (code, found, notes) = site.dockfw(&["plan", &unmanaged]);
    assert_eq!(code, 3, "the ruleset is not there");
    assert!(!found.contains("settings"), "{found}");
    assert!(
        notes.contains("note: net.ipv4.ip_forward is 0: "),
        "{notes}"
    );
    let (code, _, notes) = site.dockfw(&["commit", &unmanaged]);
    assert_eq!(code, 0);
    assert_eq!(notes.matches("sysctl -w").count(), 2, "{notes}");
    assert_eq!(
        (site.get(FORWARD).as_str(), site.get(FORWARD6).as_str()),
        ("0", "0")
    );
    assert!(!site.reaches("remote", HOST4, 8080));
    // The ruleset is the same, and the note changes no exit code.
    assert_eq!(site.dockfw(&["plan", &unmanaged]).0, 0);

    let (code, found, notes) = site.dockfw(&["plan", &managed]);
    assert_eq!((code, notes.as_str()), (3, ""));
    assert!(found.starts_with("unchanged: "), "{found}");
    assert!(
        found.contains("\n  ~ net.ipv6.conf.all.forwarding: 0 to 1; "),
        "{found}"
    );
    let json = site.json(&["plan", &managed]);
    assert_eq!(
        (&json["changes"], &json["settings"]["managed"]),
        (&true.into(), &true.into())
    );
    assert_eq!(site.get(FORWARD), "0", "a plan changes nothing");
    let (code, found, notes) = site.dockfw(&["commit", &managed]);
    assert_eq!((code, notes.as_str()), (0, ""));
    assert!(
        found.contains("\nset net.ipv4.ip_forward: 0 to 1; "),
        "{found}"
    );
    assert_eq!(
        (site.get(FORWARD).as_str(), site.get(FORWARD6).as_str()),
        ("1", "1")
    );
    assert_eq!(
        (site.get(NF).as_str(), site.get(LOOPBACK).as_str()),
        ("0", "0")
    );
    assert!(site.reaches("remote", HOST4, 8080));
    assert!(
        !site.reaches("remote", "172.18.0.2", 80),
        "forwarding opens nothing"
    );
    assert_eq!(site.dockfw(&["plan", &managed]).0, 0);
    assert_eq!(site.dockfw(&["commit", &managed]).2, "");
    // Nothing is set back.
    assert_eq!(site.dockfw(&["release"]).0, 0);
    assert_eq!(site.get(FORWARD), "1");
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn icc_off_holds_only_where_bridged_packets_meet_the_ruleset() {
    let site = Site::new("icc");
    let head = "[daemon]\nip-forward = false\n";
    let unmanaged = site.policy("a.toml", head, false, "");
    let managed = site.policy("b.toml", &format!("{MANAGED}{head}"), false, "");
    let (code, _, notes) = site.dockfw(&["commit", &unmanaged]);
    assert_eq!(code, 0);
    assert_eq!(notes.matches("warning: ").count(), 2, "{notes}");
    assert_eq!(
        notes.matches("the policy does not hold without it").count(),
        2,
        "{notes}"
    );
    for to in ["172.18.0.2", "2001:db8:18::2"] {
        assert!(site.reaches("c2", to, 80), "{to}: the policy does not hold");
    }
    assert_eq!(site.dockfw(&["commit", &managed]).0, 0);
    for to in ["172.18.0.2", "2001:db8:18::2"] {
        assert!(!site.reaches("c2", to, 80), "{to}");
    }
    assert_eq!(site.get(FORWARD), "0", "ip-forward = false asks for none");
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn published_ports_without_a_proxy_need_two_settings() {
    let site = Site::new("hairpin");
    let unmanaged = site.policy("a.toml", NO_PROXY, true, "\"8080:80\"");
    let managed = site.policy(
        "b.toml",
        &format!("{MANAGED}{NO_PROXY}"),
        true,
        "\"8080:80\"",
    );
    assert_eq!(site.dockfw(&["commit", &unmanaged]).0, 0);
    site.lab.host_sysctl(FORWARD, "1").unwrap();
    site.lab.host_sysctl(FORWARD6, "1").unwrap();
    let (host4, host6) = ("172.18.0.1", "2001:db8:18::1");
    assert!(site.reaches("remote", HOST4, 8080), "this needs neither");
    assert!(!site.reaches(HOST, "127.0.0.1", 8080), "route_localnet");
    assert!(!site.reaches("c2", host4, 8080), "bridge-nf-call-iptables");
    assert!(!site.reaches("c2", host6, 8080), "bridge-nf-call-ip6tables");
    // Each is needed for one of them.
    site.lab.host_sysctl(NF, "1").unwrap();
    assert!(site.reaches("c2", host4, 8080));
    assert!(!site.reaches(HOST, "127.0.0.1", 8080));
    assert!(!site.reaches("c2", host6, 8080));
    site.lab.host_sysctl(NF, "0").unwrap();

    assert_eq!(site.dockfw(&["commit", &managed]).0, 0);
    for key in [NF, NF6, LOOPBACK] {
        assert_eq!(site.get(key), "1", "{key}");
    }
    assert!(site.reaches(HOST, "127.0.0.1", 8080));
    assert!(site.reaches("c2", host4, 8080));
    assert!(site.reaches("c2", host6, 8080));
    assert!(site.reaches("c1", host4, 8080), "a container and itself");
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn what_cannot_be_set_is_an_error_although_the_ruleset_is_in_force() {
    let site = Site::new("refused");
    let managed = site.policy("a.toml", MANAGED, true, "\"8080:80\"");
    let unmanaged = site.policy("b.toml", "", true, "\"8080:80\"");
    let (code, found, errors) = site.in_mounts(READ_ONLY, &format!("commit {managed}"));
    assert_eq!(code, 1, "{errors}");
    assert!(found.starts_with("committed inet dockfw"), "{found}");
    let message = "error: the ruleset is in force, but net.ipv4.ip_forward is 0 and could not be \
                   set to 1: Read-only file system";
    assert!(errors.contains(message), "{errors}");
    assert_eq!(site.dockfw(&["status"]).0, 0);
    assert_eq!(site.get(FORWARD), "0");
    let (code, found, errors) = site.in_mounts(READ_ONLY, &format!("commit --json {managed}"));
    assert_eq!((code, errors.as_str()), (1, ""));
    let json: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(json["settings"]["failed"], true);
    assert_eq!(json["settings"]["settings"][0]["state"], "refused");
    // To look is allowed.
    assert_eq!(site.in_mounts(READ_ONLY, &format!("plan {managed}")).0, 3);
    assert_eq!(
        site.in_mounts(READ_ONLY, &format!("commit {unmanaged}")).0,
        0
    );
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn what_does_not_exist_is_no_error() {
    let site = Site::new("absent");
    let managed = site.policy("a.toml", MANAGED, false, "\"8080:80\"");
    let (code, _, errors) = site.in_mounts(NO_BRIDGE, &format!("commit {managed}"));
    assert_eq!(code, 0, "{errors}");
    assert_eq!(errors.matches("warning: ").count(), 2, "{errors}");
    assert!(
        errors.contains("the module br_netfilter is not loaded"),
        "{errors}"
    );
    assert_eq!(site.get(FORWARD), "1", "the others are made");
    let (code, _, errors) = site.in_mounts(NO_BRIDGE, &format!("plan {managed}"));
    assert_eq!(code, 0, "a commit would not change it");
    assert!(errors.contains("modprobe br_netfilter"), "{errors}");

    // A bridge that Docker has not made yet.
    let text = std::fs::read_to_string(&managed).unwrap();
    let other = site.folder.join("other.toml");
    let text = text.replace("br-web", "br-new") + NO_PROXY;
    std::fs::write(&other, text).unwrap();
    let other = other.display().to_string();
    let (code, found, errors) = site.dockfw(&["commit", &other]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(!found.contains("br-new.route_localnet"), "{found}");
    let json = site.json(&["commit", &other]);
    let states = json["settings"]["settings"].as_array().unwrap();
    assert!(
        states.iter().any(|of| of["state"] == "no-interface"),
        "{json}"
    );
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_commit_that_may_go_back_sets_nothing_before_it_is_confirmed() {
    let site = Site::new("confirm");
    let history = site.history();
    let managed = site.policy("a.toml", MANAGED, true, "\"8080:80\"");
    let commit = [
        "commit",
        "--state-dir",
        &history,
        "--confirm",
        "1h",
        &managed,
    ];
    let (code, _, notes) = site.dockfw(&commit);
    assert_eq!(code, 0);
    assert!(
        notes.contains("is set to 1 when the commit is confirmed"),
        "{notes}"
    );
    assert_eq!(site.get(FORWARD), "0");
    assert_eq!(site.dockfw(&["rollback", "--state-dir", &history]).0, 0);
    assert_eq!(site.get(FORWARD), "0");
    assert_eq!(site.dockfw(&commit).0, 0);
    let (code, found, _) = site.dockfw(&["confirm", "--state-dir", &history]);
    assert_eq!(code, 0);
    assert!(
        found.contains("\nset net.ipv4.ip_forward: 0 to 1; "),
        "{found}"
    );
    assert_eq!(site.get(FORWARD), "1");
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_saved_plan_holds_for_settings_too() {
    let site = Site::new("saved");
    let plan = site.folder.join("plan.json").display().to_string();
    let managed = site.policy("a.toml", MANAGED, true, "\"8080:80\"");
    assert_eq!(site.dockfw(&["plan", "--out", &plan, &managed]).0, 3);
    site.lab.host_sysctl(FORWARD, "1").unwrap();
    let (code, _, errors) = site.dockfw(&["commit", "--plan", &plan, &managed]);
    assert_eq!(code, 6);
    assert!(errors.contains("settings of the host"), "{errors}");
    assert_eq!(site.dockfw(&["status"]).0, 3, "nothing was committed");
    site.lab.host_sysctl(FORWARD, "0").unwrap();
    assert_eq!(site.dockfw(&["commit", "--plan", &plan, &managed]).0, 0);
    assert_eq!(site.get(FORWARD), "1");
}

/// Boot and rollback make the settings of what they load, if that says so, and unset none.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn boot_and_rollback_make_the_settings_of_what_they_load() {
    let site = Site::new("boot");
    let history = site.history();
    let with = |verb: &[&str]| {
        let (verb, rest) = verb.split_first().unwrap();
        site.dockfw(&[&[*verb, "--state-dir", &history], rest].concat())
    };
    let off = || {
        site.lab.host_sysctl(FORWARD, "0").unwrap();
        site.lab.host_sysctl(FORWARD6, "0").unwrap();
    };
    let policy = site.policy("host.toml", MANAGED, true, "\"8080:80\"");
    // Compiled, and as it was encoded.
    for turn in 0..2 {
        let (code, _, errors) = with(&["commit", "--boot", &policy]);
        assert_eq!(code, 0, "{errors}");
        assert_eq!(site.get(FORWARD), "1", "{turn}");
        off();
    }
    // The unit of systemd has them read-only unless it is told otherwise; dockerd shall start.
    let boot = format!("commit --boot --state-dir {history} {policy}");
    let (code, _, errors) = site.in_mounts(READ_ONLY, &boot);
    assert_eq!((code, errors.contains("error: ")), (0, true), "{errors}");
    // What this boot falls back on.
    std::fs::write(&policy, "version = 2").unwrap();
    assert_eq!(with(&["commit", "--boot", &policy]).0, 7);
    assert_eq!(site.get(FORWARD), "1");
    off();
    // One that does not say so.
    site.policy("host.toml", "", true, "\"8081:80\"");
    let (code, _, errors) = with(&["commit", "--boot", &policy]);
    assert_eq!(
        (code, errors.contains("ip_forward")),
        (0, false),
        "{errors}"
    );
    assert_eq!(site.get(FORWARD), "0");
    let (code, _, errors) = with(&["rollback"]);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(site.get(FORWARD), "1");
    let (code, _, errors) = with(&["rollback"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(site.get(FORWARD), "1", "nothing is set back");
}
