//! The binary as a user meets it: output, errors, exit codes.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use dockfw_ir::table::Family;
use dockfw_netlink::sys::nf_tables::{
    NFT_MSG_NEWTABLE, NFT_TABLE_F_OWNER, NFTA_TABLE_FLAGS, NFTA_TABLE_NAME,
};
use dockfw_netlink::{BatchBuilder, Executor, Expect};
use dockfw_testkit::lab::Lab;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn policy() -> String {
    root()
        .join("fixtures/hosts/mail-suite/policy.toml")
        .display()
        .to_string()
}

/// A policy with networks of every driver.
fn swarm_node() -> String {
    root()
        .join("fixtures/policy/swarm-node/policy.toml")
        .display()
        .to_string()
}

/// The networks of [`swarm_node`] without rules, and why they have none.
const WITHOUT_RULES: [(&str, &str, &str); 5] = [
    (
        "ingress",
        "overlay",
        "its traffic stays in a network namespace of its own, and leaves it through \
         docker_gwbridge",
    ),
    (
        "lan",
        "macvlan",
        "its traffic does not pass this host's netfilter hooks",
    ),
    (
        "dmz",
        "ipvlan",
        "its traffic does not pass this host's netfilter hooks",
    ),
    (
        "host",
        "host",
        "its containers share the host's network namespace, nothing is published",
    ),
    ("none", "none", "its containers have no network"),
];

fn dockfw(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dockfw"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Code, standard output, standard error.
fn outcome(arguments: &[&str]) -> (i32, String, String) {
    let output = dockfw(arguments);
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn every_verb_has_help_with_an_example() {
    for verb in [
        "check", "compile", "commit", "snapshot", "history", "rollback", "status", "release",
    ] {
        let (code, help, errors) = outcome(&[verb, "--help"]);
        assert_eq!((code, errors.as_str()), (0, ""), "{verb}");
        assert!(
            help.contains("Example") && help.contains(&format!("dockfw {verb}")),
            "{help}"
        );
        assert!(help.contains("--json"), "{verb}");
    }
    let (code, help, _) = outcome(&["--help"]);
    assert_eq!(code, 0);
    assert!(help.contains("Exit codes:"));
}

#[test]
fn wrong_usage_is_wrong_input() {
    assert_eq!(outcome(&["comit"]).0, 2);
    assert_eq!(outcome(&["compile", "--emit", "pf", &policy()]).0, 2);
}

#[test]
fn a_valid_policy_is_counted() {
    let (code, found, errors) = outcome(&["check", &policy()]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(
        found,
        "the policy is valid: 2 networks, 6 containers, 13 published ports\n"
    );
    let output = dockfw(&["check", "--json", &policy()]);
    assert_eq!(json(&output)["outcome"], "valid");
}

#[test]
fn the_same_policy_compiles_to_the_same_bytes() {
    let expected =
        std::fs::read_to_string(root().join("fixtures/hosts/mail-suite/expected.nft")).unwrap();
    for _ in 0..2 {
        let (code, found, errors) = outcome(&["compile", &policy()]);
        assert_eq!((code, errors.as_str()), (0, ""));
        assert!(found == expected);
    }
    let output = dockfw(&["compile", "--emit", "json", &policy()]);
    assert!(json(&output)["nftables"].as_array().unwrap().len() > 100);
    assert_eq!(
        output.stdout,
        dockfw(&["compile", "--json", &policy()]).stdout
    );
}

#[test]
fn networks_without_rules_are_named_with_the_reason() {
    let (code, found, errors) = outcome(&["check", &swarm_node()]);
    assert_eq!((code, errors.as_str()), (0, ""));
    let mut expected =
        "the policy is valid: 7 networks, 4 containers, 13 published ports\n".to_owned();
    let mut comments = String::new();
    for (network, driver, reason) in WITHOUT_RULES {
        let _ = writeln!(expected, "network {network} ({driver}): no rules, {reason}");
        let _ = writeln!(
            comments,
            "# network \"{network}\" ({driver}): no rules, {reason}"
        );
    }
    assert_eq!(found, expected);

    for (emit, follows) in [
        ("nft", "table inet dockfw"),
        ("iptables", "*"),
        ("ip6tables", "*"),
    ] {
        let (code, found, errors) = outcome(&["compile", "--emit", emit, &swarm_node()]);
        assert_eq!((code, errors.as_str()), (0, ""));
        let rest = found.strip_prefix(&comments);
        assert!(
            rest.is_some_and(|rest| rest.starts_with(follows)),
            "{found}"
        );
    }
}

#[test]
fn networks_without_rules_stand_in_the_json_of_check_only() {
    let found = json(&dockfw(&["check", "--json", &swarm_node()]));
    let expected: Vec<_> = WITHOUT_RULES
        .iter()
        .map(|(network, driver, reason)| {
            serde_json::json!({ "network": network, "driver": driver, "reason": reason })
        })
        .collect();
    assert_eq!(found["without_rules"], serde_json::Value::from(expected));
    let found = json(&dockfw(&["check", "--json", &policy()]));
    assert_eq!(found["without_rules"], serde_json::json!([]));
    let ruleset = json(&dockfw(&["compile", "--json", &swarm_node()]));
    assert_eq!(ruleset.as_object().unwrap().len(), 1);
    assert!(!ruleset.to_string().contains("macvlan"));
}

#[test]
fn help_says_that_the_rules_of_docker_come_by_family() {
    let (_, help, _) = outcome(&["compile", "--help"]);
    for part in ["nothing of IPv6", "nothing of IPv4"] {
        assert!(help.contains(part), "{help}");
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn comments_about_networks_load() {
    let lab = Lab::builder().build().unwrap();
    // The longest names, with the characters whose escapes are longest.
    let name = "\\u202E".repeat(60_000);
    let long = std::env::temp_dir().join(format!("dockfw-long-{}.toml", std::process::id()));
    let text = format!("version = 1\n[[network]]\nname = \"{name}\"\ndriver = \"none\"\n");
    std::fs::write(&long, text).unwrap();
    for policy in [swarm_node(), long.display().to_string()] {
        for (emit, loader) in [
            ("nft", "nft -c -f -"),
            ("iptables", "iptables-restore --test"),
            ("ip6tables", "ip6tables-restore --test"),
        ] {
            let (code, text, errors) = inside(&lab, &["compile", "--emit", emit, &policy]);
            assert_eq!((code, errors.as_str()), (0, ""));
            assert!(text.starts_with("# network "), "{emit}");
            let output = lab.run_in("host", || feed(loader, &text)).unwrap();
            assert!(output.status.success(), "{loader}: {output:?}");
        }
    }
    std::fs::remove_file(long).unwrap();
}

/// Runs a command, whose words have single spaces between them, with this input.
fn feed(command: &str, input: &str) -> Output {
    let mut words = command.split(' ');
    let mut child = Command::new(words.next().unwrap())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn the_rules_of_docker_itself_can_be_printed() {
    let (_, ipv4, _) = outcome(&["compile", "--emit", "iptables", &policy()]);
    assert!(
        ipv4.contains("-A DOCKER ! -i br-mailcow -p tcp -m tcp --dport 25 -j DNAT"),
        "{ipv4}"
    );
    let (_, ipv6, _) = outcome(&["compile", "--emit", "ip6tables", &policy()]);
    assert!(
        ipv6.contains("--to-destination [fd4d:6169:6c63:6f77::fd]:25"),
        "{ipv6}"
    );
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dockfw"))
        .args(["compile", &policy()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(0), String::new())
    );
}

#[test]
fn a_policy_comes_from_standard_input_and_from_folders() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dockfw"))
        .args(["check", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&std::fs::read(policy()).unwrap())
        .unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    let folder = root().join("fixtures/hosts/mail-suite");
    // packets.toml is no policy.
    let (code, _, errors) = outcome(&["check", folder.to_str().unwrap()]);
    assert_eq!(code, 2);
    assert!(errors.contains("packets.toml:"), "{errors}");
}

#[test]
fn every_wrong_policy_is_refused_by_every_verb_that_reads_one() {
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("fixtures/policy-errors")).unwrap() {
        let file = entry.unwrap().path().join("policy.toml");
        let file = file.to_str().unwrap();
        for verb in ["check", "compile", "commit"] {
            let (code, found, errors) = outcome(&[verb, file]);
            assert_eq!((code, found.as_str()), (2, ""), "{verb} {file}");
            assert!(errors.contains("error"), "{verb} {file}: {errors}");
        }
        let output = dockfw(&["commit", "--json", file]);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(json(&output)["outcome"], "invalid");
        assert!(!json(&output)["diagnostics"].as_array().unwrap().is_empty());
        count += 1;
    }
    assert!(count >= 10);
}

#[test]
fn a_file_of_100_mb_is_refused_at_once() {
    let file = std::env::temp_dir().join(format!("dockfw-large-{}.toml", std::process::id()));
    std::fs::File::create(&file)
        .unwrap()
        .set_len(100 << 20)
        .unwrap();
    let started = std::time::Instant::now();
    let (code, _, errors) = outcome(&["commit", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(code, 2);
    assert!(errors.contains("16 MiB"), "{errors}");
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn a_missing_file_is_named() {
    let (code, _, errors) = outcome(&["check", "/nonexistent/policy.toml"]);
    assert_eq!(code, 2);
    assert!(errors.contains("/nonexistent/policy.toml"), "{errors}");
}

/// Runs the binary inside the host of a lab.
fn inside(lab: &Lab, arguments: &[&str]) -> (i32, String, String) {
    lab.run_in("host", || outcome(arguments)).unwrap()
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn commit_status_release() {
    let lab = Lab::builder().build().unwrap();
    let (code, found, _) = inside(&lab, &["status"]);
    assert_eq!(code, 3);
    assert!(found.starts_with("not loaded"), "{found}");
    let (code, line, errors) = inside(&lab, &["commit", &policy()]);
    assert_eq!((code, errors.as_str()), (0, ""));
    for part in [
        "committed inet dockfw: ",
        " objects, ",
        " elements, ",
        " bytes, ",
        " in user space, ",
        " in the kernel",
    ] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(line.lines().count(), 1);
    let (code, found, _) = inside(&lab, &["status"]);
    assert_eq!(code, 0);
    assert!(
        found.starts_with("loaded: table inet dockfw") && found.contains("host-ports4"),
        "{found}"
    );
    let (_, found, _) = inside(&lab, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(status["loaded"], true);
    let (code, found, _) = inside(&lab, &["commit", "--json", &policy()]);
    let committed: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(
        (code, committed["outcome"].as_str()),
        (0, Some("unchanged"))
    );
    assert_eq!(committed["elements"], status["elements"]);
    assert_eq!(
        (&committed["bytes"], &committed["generation"]),
        (&0.into(), &status["generation"]),
        "nothing is sent"
    );
    let (code, found, _) = inside(&lab, &["commit", "--replace", "--json", &policy()]);
    let committed: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(
        (code, committed["outcome"].as_str()),
        (0, Some("committed"))
    );
    assert!(committed["changed"].is_null(), "{committed}");
    assert_eq!(inside(&lab, &["release"]).0, 0);
    let (code, found, _) = inside(&lab, &["release", "--json"]);
    assert_eq!(code, 0);
    assert!(found.contains("absent"), "{found}");
    assert_eq!(inside(&lab, &["status"]).0, 3);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_wrong_policy_leaves_the_kernel_alone() {
    let lab = Lab::builder().build().unwrap();
    assert_eq!(inside(&lab, &["commit", &policy()]).0, 0);
    let (_, before, _) = inside(&lab, &["status", "--json"]);
    let wrong = root().join("fixtures/policy-errors/duplicate-publish/policy.toml");
    assert_eq!(inside(&lab, &["commit", wrong.to_str().unwrap()]).0, 2);
    assert_eq!(inside(&lab, &["status", "--json"]).1, before);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn without_the_capability_the_refusal_names_it() {
    let lab = Lab::builder().build().unwrap();
    for verb in ["commit", "status", "release"] {
        let arguments: &[&str] = if verb == "commit" {
            &[verb, &policy()]
        } else {
            &[verb]
        };
        let output = lab
            .run_in("host", || {
                Command::new("setpriv")
                    .args([
                        "--bounding-set",
                        "-net_admin",
                        "--inh-caps",
                        "-net_admin",
                        "--",
                    ])
                    .arg(env!("CARGO_BIN_EXE_dockfw"))
                    .args(arguments)
                    .output()
                    .unwrap()
            })
            .unwrap();
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{verb}: {errors}");
        assert!(errors.contains("CAP_NET_ADMIN"), "{verb}: {errors}");
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn a_table_of_someone_else_is_left_alone() {
    const CREATE: u16 = 0x400;
    let lab = Lab::builder().build().unwrap();
    lab.run_in("host", || {
        let mut owner = Executor::open().unwrap();
        let mut builder = BatchBuilder::new();
        builder
            .message(NFT_MSG_NEWTABLE, CREATE, Family::Inet.nfproto(), 0, |e| {
                e.text(NFTA_TABLE_NAME, "dockfw")?;
                e.u32(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER)
            })
            .unwrap();
        owner.commit(&builder.build(), Expect::Any).unwrap();
        let (code, _, errors) = outcome(&["commit", &policy()]);
        assert_eq!(code, 5, "{errors}");
        assert!(errors.contains("table dockfw belongs to"), "{errors}");
    })
    .unwrap();
}
