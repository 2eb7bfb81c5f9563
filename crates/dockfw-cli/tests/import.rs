//! `dockfw import`: dumps become policies that mean the same.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs the program in a folder, so that file names in its output do not depend on where it is.
fn dockfw(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dockfw"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder of its own for a test.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The output without comment lines.
fn rules(output: &Output) -> String {
    let text = stdout(output);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

#[test]
fn hosts_survive_the_way_through_dockers_rules() {
    for host in folders(&root().join("fixtures/hosts")) {
        let name = host.file_name().unwrap().to_str().unwrap().to_owned();
        let folder = scratch(&format!("import-{name}"));
        let policy = host.join("policy.toml").display().to_string();
        let mut before = Vec::new();
        for (emit, file) in [("iptables", "rules.v4"), ("ip6tables", "rules.v6")] {
            let output = dockfw(&folder, &["compile", "--emit", emit, &policy]);
            assert!(output.status.success(), "{name}: {}", stderr(&output));
            std::fs::write(folder.join(file), stdout(&output)).unwrap();
            before.push((emit, rules(&output)));
        }
        let output = dockfw(
            &folder,
            &["import", "iptables-save", "rules.v4", "rules.v6"],
        );
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        assert!(
            stderr(&output).contains(" 0 left over"),
            "{name}: {}",
            stderr(&output)
        );
        std::fs::write(folder.join("policy.toml"), stdout(&output)).unwrap();
        for (emit, expected) in before {
            let output = dockfw(&folder, &["compile", "--emit", emit, "policy.toml"]);
            assert!(output.status.success(), "{name}: {}", stderr(&output));
            assert!(rules(&output) == expected, "{name}: {emit} differs");
        }
    }
}

#[test]
fn fixtures() {
    for folder in folders(&root().join("fixtures/import")) {
        let mut arguments = vec!["import", "iptables-save", "rules.v4"];
        if folder.join("rules.v6").exists() {
            arguments.push("rules.v6");
        }
        let output = dockfw(&folder, &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        for (file, found) in [
            ("policy.toml", stdout(&output)),
            ("summary.txt", stderr(&output)),
        ] {
            let expected = folder.join(file);
            if std::env::var_os("DOCKFW_BLESS").is_some() {
                std::fs::write(&expected, &found).unwrap();
            }
            let expected = std::fs::read_to_string(&expected).unwrap_or_default();
            assert_eq!(
                found,
                expected,
                "{}: read the difference, then run again with DOCKFW_BLESS=1",
                folder.display()
            );
        }
        let output = dockfw(&folder, &["check", "policy.toml"]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
}

#[test]
fn what_is_no_dump_is_an_error_with_its_line() {
    let folder = scratch("import-broken");
    std::fs::write(
        folder.join("rules.v4"),
        "*filter\n-A INPUT -p tcp --dprot 22\n-A NOWHERE -j DROP\n",
    )
    .unwrap();
    let output = dockfw(&folder, &["import", "iptables-save", "rules.v4"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    assert!(
        stderr(&output).contains("rules.v4:3:"),
        "{}",
        stderr(&output)
    );
    let output = dockfw(&folder, &["import", "iptables-save", "missing.v4"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn json_holds_the_policy_and_what_is_left_over() {
    let folder = root().join("fixtures/import/docker-27-tailnet");
    let output = dockfw(&folder, &["import", "iptables-save", "--json", "rules.v4"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["outcome"], "imported");
    let text = std::fs::read_to_string(folder.join("policy.toml")).unwrap();
    assert_eq!(value["policy"], text);
    let rules = &value["rules"];
    let count = |key: &str| rules[key].as_u64().unwrap();
    assert_eq!(
        count("docker") + count("operator") + count("left_over"),
        count("all")
    );
    let first = &value["leftovers"][0];
    assert_eq!(first["line"], 13, "{first}");
    assert_eq!(first["rule"], "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT");
}

#[test]
fn nothing_in_a_dump_becomes_policy_by_itself() {
    let folder = scratch("import-quotes");
    let text = "*filter\n:DOCKER-USER - [0:0]\n\
        -A DOCKER-USER -m comment --comment \"'''\\\" [daemon] \u{202e} é\" -j RETURN\n\
        -A DOCKER-USER -i eth0 -j DROP\n\
        -A INPUT -m comment --comment \"\u{2028}version = 2 [x]\" -j DROP\nCOMMIT\n";
    std::fs::write(folder.join("rules.v4"), text).unwrap();
    let output = dockfw(&folder, &["import", "iptables-save", "rules.v4"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let policy = stdout(&output);
    assert!(
        !policy.contains(['\u{202e}', '\u{2028}', '\u{85}']),
        "{policy}"
    );
    std::fs::write(folder.join("policy.toml"), &policy).unwrap();
    let output = dockfw(&folder, &["check", "policy.toml"]);
    assert!(output.status.success(), "{policy}{}", stderr(&output));
}
