//! A namespace, the programs of iptables in it, and what they say.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use dockfw_testkit::lab::Lab;

pub(crate) const DOCKFW: &str = env!("CARGO_BIN_EXE_dockfw");

/// The two ways in which iptables keeps rules.
pub(crate) const KINDS: [&str; 2] = ["nft", "legacy"];
/// The programs of the two families.
pub(crate) const FAMILIES: [&str; 2] = ["iptables", "ip6tables"];

/// Runs a program with this input in the namespace of the host.
pub(crate) fn run_with(lab: &Lab, program: &str, arguments: &[&str], input: &str) -> Output {
    let run = || {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().unwrap()
    };
    lab.run_in("host", run).unwrap()
}

/// Runs lines of a shell, each of which must succeed.
pub(crate) fn shell(lab: &Lab, lines: &str) {
    let output = run_with(lab, "sh", &["-e"], lines);
    assert!(
        output.status.success(),
        "{lines}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs `dockfw import --clean-docker-rules`: exit code, and both outputs.
pub(crate) fn clean(lab: &Lab, arguments: &[&str]) -> (i32, String) {
    let mut all = vec!["import", "--clean-docker-rules"];
    all.extend(arguments);
    let output = run_with(lab, DOCKFW, &all, "");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

/// What iptables-save prints of the tables in which there is something, without comments and
/// without the counters of chains; tables in a fixed order.
pub(crate) fn saved(lab: &Lab, family: &str, kind: &str) -> String {
    let output = run_with(lab, &format!("{family}-{kind}-save"), &["-c"], "");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut tables: Vec<String> = Vec::new();
    let mut table = String::new();
    let mut has_something = false;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with(':') {
            let head = line.rsplit_once(" [").unwrap().0;
            has_something |= !head.ends_with(" ACCEPT");
            table += head;
        } else {
            has_something |= line.starts_with('[');
            table += line;
        }
        table.push('\n');
        if line == "COMMIT" {
            let table = std::mem::take(&mut table);
            if std::mem::take(&mut has_something) {
                tables.push(table);
            }
        }
    }
    tables.sort();
    tables.concat()
}

/// What both programs of both families say.
pub(crate) fn all_saved(lab: &Lab) -> String {
    let pairs = KINDS
        .iter()
        .flat_map(|kind| FAMILIES.map(|family| (family, kind)));
    let tables = pairs.map(|(family, kind)| {
        let saved = saved(lab, family, kind);
        format!("# {family}-{kind}\n{saved}")
    });
    tables.collect::<Vec<_>>().concat()
}

/// Loads a dump.
pub(crate) fn restore(lab: &Lab, family: &str, kind: &str, dump: &str) {
    let program = format!("{family}-{kind}-restore");
    let output = run_with(lab, &program, &["--noflush", "--counters"], dump);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{dump}\n{errors}");
}

/// Rules of an operator around Docker's, with counters.
pub(crate) fn operator(family: &str) -> &'static str {
    match family {
        "iptables" => {
            "\
*filter
:mine - [0:0]
[5:300] -A INPUT -j mine
[7:420] -A FORWARD -i wg0 -j ACCEPT
[1:60] -A FORWARD -i docker0 -o wg0 -j mine
[9:540] -A mine -p tcp -m multiport --dports 1,2,3 -j ACCEPT
COMMIT
*nat
[3:180] -A POSTROUTING -s 10.9.0.0/16 -o eth0 -j MASQUERADE
[4:240] -A POSTROUTING -s 172.17.0.0/16 -o wg0 -j MASQUERADE
COMMIT
"
        }
        _ => {
            "\
*filter
[7:420] -A FORWARD -i wg0 -j ACCEPT
[8:480] -A INPUT -i wg9 -p ipv6-icmp -j ACCEPT
COMMIT
*nat
[3:180] -A POSTROUTING -s fd09::/16 -o eth0 -j MASQUERADE
COMMIT
"
        }
    }
}
