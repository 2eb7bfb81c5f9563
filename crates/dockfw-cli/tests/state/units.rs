//! The units of systemd, as systemd itself reads them.

use std::process::Command;

use super::*;

/// The highest exposure that `systemd-analyze security` may find, in tenths; 100 is the worst.
const EXPOSURE: &str = "15";

fn unit(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist/systemd");
    std::fs::read_to_string(root.join(name)).unwrap()
}

/// The unit with the binary that was built, which is where nobody installed it.
fn service(scratch: &Scratch) -> String {
    let text = unit("dockfw.service").replace("/usr/sbin/dockfw", DOCKFW);
    scratch.file("dockfw.service", &text)
}

#[test]
#[ignore = "needs systemd-analyze: cargo test -- --ignored"]
fn systemd_understands_the_unit() {
    let scratch = Scratch::new();
    let verify = |file: &str| {
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no", file])
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), errors)
    };
    assert_eq!(verify(&service(&scratch)), (true, String::new()));
    // Mistakes are noticed.
    let text = unit("dockfw.service").replace("ProtectSystem=strict", "ProtectSistem=strict");
    let (_, errors) = verify(&scratch.file("wrong.service", &text));
    assert!(errors.contains("ProtectSistem"), "{errors}");
}

#[test]
#[ignore = "needs systemd-analyze: cargo test -- --ignored"]
fn the_unit_is_hardened() {
    let scratch = Scratch::new();
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold", EXPOSURE])
        .arg(service(&scratch))
        .output()
        .unwrap();
    let found = String::from_utf8(output.stdout).unwrap();
    let last = found.lines().last().unwrap_or_default();
    assert!(output.status.success(), "{last}");
}

#[test]
fn the_unit_knows_the_exit_codes_and_the_verbs() {
    let text = unit("dockfw.service");
    for line in [
        "SuccessExitStatus=7 8",
        "CapabilityBoundingSet=CAP_NET_ADMIN",
        "Before=network-pre.target docker.service shutdown.target",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
    // The commands are ones that this binary has: with --help they succeed.
    let both = [text, unit("docker.service.d/dockfw.conf")].join("\n");
    let mut commands = 0;
    for line in both.lines() {
        let Some((key, command)) = line.split_once('=') else {
            continue;
        };
        if !key.starts_with("Exec") || !command.starts_with("/usr/sbin/dockfw ") {
            continue;
        }
        if key == "ExecPaths" {
            continue;
        }
        let mut words: Vec<_> = command.split(' ').skip(1).collect();
        words.push("--help");
        let output = run(&words);
        assert_eq!(output.status.code(), Some(0), "{line}");
        commands += 1;
    }
    assert_eq!(commands, 3);
}
