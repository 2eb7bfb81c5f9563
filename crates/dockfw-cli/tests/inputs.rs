//! Rules files on the command line, alone and beside a policy.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dockfw_testkit::lab::Lab;

fn fixture(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    root.join(path).display().to_string()
}

fn rules4() -> String {
    fixture("rules/server/rules.v4")
}

fn rules6() -> String {
    fixture("rules/server/rules.v6")
}

fn policy() -> String {
    fixture("policy/docker-user/policy.toml")
}

/// Code, standard output, standard error.
fn outcome(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dockfw"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// A file that goes away with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dockfw-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn the_examples_of_docker_compile() {
    let (code, found, errors) = outcome(&["compile", &policy()]);
    assert_eq!((code, errors.as_str()), (0, ""));
    for part in [
        "chain DOCKER-USER4 {",
        "chain DOCKER-USER6 {",
        "ct original ip daddr 198.51.100.2",
        "ip saddr != 192.0.2.0/24",
        "ip6 saddr != 2001:db8:2::/64",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
    let (_, found, _) = outcome(&["compile", "--emit", "iptables", &policy()]);
    assert!(
        found.contains("-A DOCKER-USER ! -s 192.0.2.0/24 -i eth0 -j DROP"),
        "{found}"
    );
}

#[test]
fn a_dump_becomes_a_table_of_its_family() {
    let (code, found, errors) = outcome(&["compile", &rules4()]);
    assert_eq!((code, errors.as_str()), (0, ""));
    for part in [
        "table ip dockfw {",
        "chain raw-PREROUTING {",
        "chain mangle-FORWARD {",
        "chain nat-POSTROUTING {",
        "chain filter-INPUT {",
        "chain filter-log-and-drop {",
        "type filter hook input priority filter; policy drop;",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
    assert!(!found.contains("table inet"), "{found}");
    let (_, found, _) = outcome(&["compile", &rules6()]);
    assert!(found.contains("table ip6 dockfw {"), "{found}");
    let (_, found, _) = outcome(&["compile", &policy(), &rules6(), &rules4()]);
    for table in [
        "table inet dockfw {",
        "table ip dockfw {",
        "table ip6 dockfw {",
    ] {
        assert!(found.contains(table), "{found}");
    }
}

#[test]
fn the_forms_of_the_output() {
    let (code, found, _) = outcome(&["compile", "--json", &rules4()]);
    let value: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(code, 0);
    assert!(value["nftables"].as_array().unwrap().len() > 10);

    let (code, found, errors) = outcome(&["compile", "--emit", "iptables", &rules4()]);
    assert_eq!((code, errors.as_str()), (0, ""));
    let given = std::fs::read_to_string(rules4()).unwrap();
    let mut given: Vec<_> = given
        .lines()
        .filter(|line| line.starts_with("-A"))
        .collect();
    let mut found: Vec<_> = found
        .lines()
        .filter(|line| line.starts_with("-A"))
        .collect();
    given.sort_unstable();
    found.sort_unstable();
    assert_eq!(given, found);

    assert_eq!(outcome(&["compile", "--emit", "ip6tables", &rules4()]).0, 2);
    assert_eq!(
        outcome(&["compile", "--emit", "iptables", &policy(), &rules4()]).0,
        2
    );
    assert_eq!(
        outcome(&["compile", "--emit", "ip6tables", &policy(), &rules4()]).0,
        0
    );
}

#[test]
fn check_counts_rules() {
    let (code, found, errors) = outcome(&["check", "--optimize", "none", &rules6()]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(
        found.ends_with("is valid: IPv6, 4 rules, 4 native ones\n"),
        "{found}"
    );
    let (code, found, _) = outcome(&["check", &policy(), &rules4()]);
    assert_eq!(code, 0);
    assert!(found.starts_with("the policy is valid: "), "{found}");
}

#[test]
fn the_family_of_a_file() {
    let file = Scratch::new("family", "-A INPUT -p tcp -j ACCEPT\n");
    let table = |arguments: &[&str]| {
        let (code, found, errors) = outcome(arguments);
        assert_eq!((code, errors.as_str()), (0, ""));
        found.contains("table ip6 dockfw")
    };
    assert!(!table(&["compile", file.path()]));
    assert!(table(&["compile", "--family", "ipv6", file.path()]));
    let (code, _, errors) = outcome(&["check", file.path(), &rules4()]);
    assert_eq!(code, 2);
    assert!(
        errors.contains("IPv4 rules stand in another file"),
        "{errors}"
    );
}

#[test]
fn lenient_lists_what_it_leaves_out() {
    let file = fixture("rules/lenient/rules.v4");
    for verb in ["check", "compile", "commit"] {
        assert_eq!(outcome(&[verb, &file]).0, 2);
        assert_eq!(outcome(&[verb, "--strict", &file]).0, 2);
    }
    let (code, found, errors) = outcome(&["compile", "--lenient", &file]);
    assert_eq!(code, 0);
    assert_eq!(errors.matches("left out: -A INPUT").count(), 3, "{errors}");
    assert!(errors.contains("rules.v4:6:1"), "{errors}");
    assert!(found.contains("tcp dport 22"), "{found}");
    assert_eq!(outcome(&["check", "--strict", "--lenient", &file]).0, 2);

    let text = "version = 1\n[docker-user]\nipv4 = \"\"\"\n\
        -A DOCKER-USER -m u32 --u32 0=1 -j ACCEPT\n-A DOCKER-USER -i eth0 -j DROP\n\"\"\"\n";
    let accepts = Scratch::new("accepts.toml", text);
    let (code, found, errors) = outcome(&["compile", "--lenient", accepts.path()]);
    assert_eq!(code, 0);
    assert!(errors.contains("accepts.toml:4:1"), "{errors}");
    assert!(found.contains("iifname \"eth0\""), "{found}");
    let drops = Scratch::new("drops.toml", &text.replace("0=1 -j ACCEPT", "0=1 -j DROP"));
    let (code, _, errors) = outcome(&["compile", "--lenient", drops.path()]);
    assert_eq!(code, 2);
    assert!(errors.contains("more could be accepted"), "{errors}");
}

#[test]
fn mistakes_of_policies_and_rules_files_are_shown_together() {
    let wrong = fixture("policy-errors/docker-user-unknown-option/policy.toml");
    let rules = fixture("rules/errors/rules.v4");
    let (code, _, errors) = outcome(&["check", &rules, &wrong]);
    assert_eq!(code, 2);
    let (policy, dump) = (
        errors.find("policy.toml:5:31"),
        errors.find("rules.v4:5:17"),
    );
    assert!(policy.is_some() && policy < dump, "{errors}");
}

fn inside(lab: &Lab, arguments: &[&str]) -> (i32, String, String) {
    lab.run_in("host", || outcome(arguments)).unwrap()
}

/// What nft says there is of ours.
fn tables(lab: &Lab) -> Vec<String> {
    let output = lab
        .run_in("host", || {
            Command::new("nft")
                .args(["list", "tables"])
                .output()
                .unwrap()
        })
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut tables: Vec<_> = text.lines().map(str::to_owned).collect();
    tables.sort();
    tables
}

/// The table as nft lists it.
fn listed(lab: &Lab, family: &str) -> String {
    let output = lab
        .run_in("host", || {
            Command::new("nft")
                .args(["-s", "list", "table", family, "dockfw"])
                .output()
                .unwrap()
        })
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn policy_and_rules_files_are_committed_together() {
    let lab = Lab::builder().build().unwrap();
    let (code, line, errors) = inside(&lab, &["commit", &policy(), &rules4(), &rules6()]);
    assert_eq!((code, errors.as_str()), (0, ""));
    let names = "committed inet dockfw, ip dockfw, ip6 dockfw: ";
    assert!(line.starts_with(names), "{line}");
    let all = ["table inet dockfw", "table ip dockfw", "table ip6 dockfw"];
    assert_eq!(tables(&lab), all);
    let ip = listed(&lab, "ip");
    for part in [
        "chain filter-INPUT",
        "policy drop;",
        "jump filter-log-and-drop",
        "dnat to 192.0.2.10:80",
        "masquerade",
    ] {
        assert!(ip.contains(part), "{part}: {ip}");
    }
    assert!(listed(&lab, "inet").contains("chain DOCKER-USER4"));
    let (code, found, _) = inside(&lab, &["status"]);
    assert_eq!((code, found.matches("loaded: table ").count()), (0, 3));
    let (_, found, _) = inside(&lab, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(status["tables"].as_array().unwrap().len(), 3);

    // Again: the tables are replaced, not added to.
    assert_eq!(
        inside(&lab, &["commit", &policy(), &rules4(), &rules6()]).0,
        0
    );
    // The base chains were kept, so that others come behind them.
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&listed(&lab, "ip")), sorted(&ip));

    let (code, found, _) = inside(&lab, &["release"]);
    assert_eq!(code, 0);
    assert!(
        found.contains("released inet dockfw, ip dockfw, ip6 dockfw"),
        "{found}"
    );
    assert!(tables(&lab).is_empty());
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_table_that_the_input_does_not_have_is_removed() {
    let lab = Lab::builder().build().unwrap();
    let other = "add table ip other; add table ip6 dockfw-not";
    let added = lab
        .run_in("host", || Command::new("nft").arg(other).output().unwrap())
        .unwrap();
    assert!(added.status.success(), "{added:?}");
    assert_eq!(
        inside(&lab, &["commit", &policy(), &rules4(), &rules6()]).0,
        0
    );
    let (code, line, _) = inside(&lab, &["commit", "--json", &rules4()]);
    assert_eq!(code, 0);
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["committed"], serde_json::json!(["ip dockfw"]));
    assert_eq!(
        value["removed"],
        serde_json::json!(["inet dockfw", "ip6 dockfw"])
    );
    assert_eq!(value["tables"], 1);
    let left = ["table ip dockfw", "table ip other", "table ip6 dockfw-not"];
    assert_eq!(tables(&lab), left);
    assert!(listed(&lab, "ip").contains("chain filter-INPUT"));
    let (_, line, _) = inside(&lab, &["commit", &policy()]);
    assert!(line.ends_with("removed ip dockfw\n"), "{line}");
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_wrong_rules_file_leaves_the_kernel_alone() {
    let lab = Lab::builder().build().unwrap();
    assert_eq!(inside(&lab, &["commit", &rules4()]).0, 0);
    let before = listed(&lab, "ip");
    let wrong = fixture("rules/errors/rules.v4");
    assert_eq!(inside(&lab, &["commit", &wrong]).0, 2);
    assert_eq!(inside(&lab, &["commit", &policy(), &wrong]).0, 2);
    assert_eq!(listed(&lab, "ip"), before);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn the_output_loads_with_nft() {
    let lab = Lab::builder().build().unwrap();
    let script = Scratch::new("both.nft", "");
    for optimize in ["none", "full"] {
        let arguments = [
            "compile",
            "--optimize",
            optimize,
            &policy(),
            &rules4(),
            &rules6(),
        ];
        let (code, text, _) = inside(&lab, &arguments);
        assert_eq!(code, 0);
        std::fs::write(&script.0, text).unwrap();
        let output = lab
            .run_in("host", || {
                Command::new("nft")
                    .args(["-f", script.path()])
                    .output()
                    .unwrap()
            })
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}
