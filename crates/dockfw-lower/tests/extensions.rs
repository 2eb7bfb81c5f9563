//! iptables' own cases, one rule each: what becomes of every extension.
//!
//! `DOCKFW_CORPUS` names the folder with the cases; without it, `../shared/conformance` beside the
//! workspace.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "test helpers; the cases are files, and the kernel is asked"
)]

#[path = "extensions/divert.rs"]
mod divert;
#[path = "extensions/packets.rs"]
mod packets;
#[path = "extensions/recent.rs"]
mod recent;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dockfw_iptables::parse::{Assume, load};
use dockfw_iptables::{ChainName, Family, Rule, Target};
use dockfw_ir::name::TableName;
use dockfw_ir::verify::{Verified, verify};
use dockfw_ir::{Ruleset, print};
use dockfw_lower::optimize::Optimize;
use dockfw_lower::rules::{Refused, table};
use serde_json::Value;

fn corpus() -> Option<Vec<Value>> {
    let root = match std::env::var("DOCKFW_CORPUS") {
        Ok(root) => PathBuf::from(root),
        Err(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
    };
    let Ok(text) = std::fs::read_to_string(root.join("iptables/1.8.9.t.jsonl")) else {
        println!("skipped: {} is not there", root.display());
        return None;
    };
    let cases = text.lines().map(|line| serde_json::from_str(line).unwrap());
    Some(cases.collect())
}

/// A rule alone in its table.
fn compile(text: &str, family: Family) -> Option<Result<Verified, Vec<Refused>>> {
    let compiled = lower(text, family)?;
    Some(compiled.map(|ruleset| {
        let verified = verify(ruleset);
        assert!(verified.is_ok(), "{text}{verified:#?}");
        verified.unwrap()
    }))
}

/// A rule alone in its table, as it comes from the lowering.
fn lower(text: &str, family: Family) -> Option<Result<Ruleset, Vec<Refused>>> {
    let loaded = load(text, family, &Assume::default()).ok()?;
    let name = TableName::new("dockfw").unwrap();
    let compiled = match table(&loaded.program, name, Optimize::Full) {
        Ok(compiled) => compiled,
        Err(refused) => return Some(Err(refused)),
    };
    Some(Ok(Ruleset {
        tables: vec![compiled.table],
    }))
}

/// The family and the text of a case that iptables takes, if its rule is one for this family.
fn text(case: &Value) -> Option<(Family, String)> {
    let field = |name: &str| case[name].as_str().unwrap_or_default();
    let family = match field("family") {
        "ip" => Family::Ipv4,
        "ip6" => Family::Ipv6,
        _ => return None,
    };
    let (table, chain, rule) = (field("table"), field("chain"), field("rule"));
    (field("res") == "OK").then(|| (family, format!("*{table}\n-A {chain} {rule}\nCOMMIT\n")))
}

/// Every rule that is read is lowered to a ruleset that verifies, or refused with a reason.
#[test]
fn upstream_cases_verify() {
    let Some(cases) = corpus() else { return };
    let mut counts: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in &cases {
        let Some((family, text)) = text(case) else {
            continue;
        };
        let name = case["ext"].as_str().unwrap().to_owned();
        let [lowered, refused, unread] = counts.entry(name).or_default();
        match lower(&text, family) {
            None => *unread += 1,
            Some(Ok(ruleset)) => {
                *lowered += 1;
                if let Err(error) = verify(ruleset) {
                    for violation in error.violations {
                        wrong.push(format!("{text}{violation}"));
                    }
                }
            }
            Some(Err(list)) => {
                *refused += 1;
                for one in list {
                    assert!(!one.reason.help.is_empty());
                    *reasons.entry(one.reason.message).or_default() += 1;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut all = [0; 3];
    for (name, [lowered, refused, unread]) in &counts {
        println!("{name}: {lowered} lowered, {refused} refused, {unread} not read");
        all = [all[0] + lowered, all[1] + refused, all[2] + unread];
    }
    println!(
        "all: {} lowered, {} refused, {} not read",
        all[0], all[1], all[2]
    );
    for (reason, count) in reasons {
        println!("{count}: {reason}");
    }
    assert!(all[0] >= LOWERED, "{all:?}");
}

/// How many cases are lowered.
const LOWERED: usize = 1811;

/// nft reads what we print.
#[test]
#[ignore = "needs root and nft"]
fn nft_reads_upstream_cases() {
    let Some(cases) = corpus() else { return };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for case in &cases {
        let Some((family, text)) = text(case) else {
            continue;
        };
        if let Some(Ok(verified)) = compile(&text, family) {
            seen.insert(print::nft(&verified), text);
        }
    }
    let queues = nft("table ip a { chain b { queue to 0; }; }").is_ok();
    let (mut failed, mut skipped) = (Vec::new(), 0);
    for (printed, rule) in &seen {
        if let Err(error) = nft(printed) {
            // nft has read it, and the kernel knows no such expression.
            let unknown = error.contains("Could not process rule: No such file or directory");
            if !queues && unknown && printed.contains(" queue ") {
                skipped += 1;
                continue;
            }
            failed.push(format!("{rule}{printed}{error}"));
        }
    }
    println!("{} rulesets", seen.len());
    if skipped > 0 {
        println!("skipped: {skipped} with queue, which this kernel lacks (CONFIG_NFT_QUEUE)");
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// `nft -c -f -` in a namespace of its own.
fn nft(text: &str) -> Result<(), String> {
    let mut child = Command::new("unshare")
        .args(["-n", "nft", "-c", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The rules that one rule becomes, without counters.
fn lines(family: Family, table: &str, rule: &str) -> Vec<String> {
    let text = format!("*{table}\n{rule}\nCOMMIT\n");
    let text = print::nft(&compile(&text, family).unwrap().unwrap());
    let begin = text
        .lines()
        .skip_while(|line| !line.contains("type filter hook"));
    let rules = begin.skip(1).take_while(|line| *line != "\t}");
    rules
        .map(|line| line.trim().replace("counter ", "").replace(" counter", ""))
        .collect()
}

/// Family, table, rule, and what it becomes.
const FORMS: &[(Family, &str, &str, &[&str])] = &[
    (
        Family::Ipv4,
        "filter",
        "-A INPUT -f -j DROP",
        &["ip frag-off & 8191 != 0 drop"],
    ),
    (
        Family::Ipv4,
        "filter",
        "-A INPUT ! -f -j DROP",
        &["ip frag-off & 8191 == 0 drop"],
    ),
    (
        Family::Ipv4,
        "filter",
        "-A FORWARD -i br-+ -j DROP",
        &["iifname \"br-*\" drop"],
    ),
    (
        Family::Ipv4,
        "mangle",
        "-A FORWARD -j TOS --set-tos 0x1f/0xff",
        &["ip dscp set 0x07 ip ecn set ce"],
    ),
    (
        Family::Ipv6,
        "mangle",
        "-A FORWARD -j HL --hl-set 9",
        &["ip6 hoplimit set 9"],
    ),
    (
        Family::Ipv4,
        "raw",
        "-A PREROUTING -j CT --zone-orig 5",
        &["ct original zone set 5"],
    ),
    (
        Family::Ipv4,
        "filter",
        "-A INPUT -j TEE --gateway 192.0.2.1",
        &["dup to 192.0.2.1"],
    ),
    (
        Family::Ipv4,
        "mangle",
        "-A INPUT -j MARK --or-mark 0",
        &[""],
    ),
    (
        Family::Ipv4,
        "filter",
        "-A INPUT -p tcp -m tcpmss ! --mss 500:600 -j DROP",
        &[
            "meta l4proto tcp tcp option maxseg missing drop",
            "meta l4proto tcp tcp option maxseg size != 500-600 drop",
        ],
    ),
    (
        Family::Ipv6,
        "filter",
        "-A INPUT -m addrtype ! --src-type LOCAL,MULTICAST -j DROP",
        &[
            "ip6 saddr != ff00::/8 drop",
            "ip6 saddr ff00::/8 fib saddr type != local drop",
        ],
    ),
    (
        Family::Ipv4,
        "filter",
        "-A INPUT -m time --timestart 22:00 --timestop 6:00 --weekdays Fri --contiguous -j DROP",
        &[
            "meta day \"Friday\" meta hour \"22:00\"-\"23:59:59\" drop",
            "meta day \"Saturday\" meta hour \"00:00\"-\"06:00\" drop",
        ],
    ),
    (
        Family::Ipv4,
        "filter",
        "-A INPUT -m time --datestart 2026-01-01 --datestop 2026-12-31T23:59:59 -j DROP",
        &["meta time >= \"2026-01-01 00:00:00\" meta time < \"2027-01-01 00:00:00\" drop"],
    ),
    (
        Family::Ipv4,
        "filter",
        "-A INPUT -m time --kerneltz ! --weekdays Sat,Sun -j DROP",
        &["meta day != \"Saturday\" meta day != \"Sunday\" drop"],
    ),
    (
        Family::Ipv4,
        "filter",
        "-A INPUT -m quota ! --quota 1000 -j DROP",
        &["quota over 1000 bytes drop"],
    ),
    (
        Family::Ipv4,
        "filter",
        "-A INPUT -m connbytes ! --connbytes 5:9 --connbytes-mode bytes --connbytes-dir reply -j DROP",
        &["ct reply bytes != 5-9 drop"],
    ),
    (
        Family::Ipv4,
        "filter",
        "-A INPUT -m policy --dir in --pol ipsec -j ACCEPT",
        &["meta ipsec exists accept"],
    ),
    (
        Family::Ipv6,
        "filter",
        "-A FORWARD -m policy --dir out --pol none -j DROP",
        &["rt ipsec missing drop"],
    ),
    (
        Family::Ipv6,
        "filter",
        "-A INPUT -m rt --rt-type 0 -j DROP",
        &["rt type 0 drop"],
    ),
    (
        Family::Ipv6,
        "filter",
        "-A INPUT -m hbh ! --hbh-len 8 -j DROP",
        &["hbh hdrlength != 0 drop"],
    ),
    (
        Family::Ipv4,
        "filter",
        "-A INPUT -p ah -m ah --ahspi 5:9 -j DROP",
        &["ah spi 5-9 drop"],
    ),
    (
        Family::Ipv4,
        "filter",
        "-A INPUT -j NFQUEUE --queue-balance 0:3 --queue-bypass",
        &["queue flags bypass to 0-3"],
    ),
    (
        Family::Ipv6,
        "mangle",
        "-A PREROUTING -p udp -j TPROXY --on-ip 2001:db8::1 --on-port 53 --tproxy-mark 1/1",
        &[
            "meta l4proto udp tproxy to [2001:db8::1]:53 meta mark set meta mark | 0x00000001 accept",
            "meta l4proto udp drop",
        ],
    ),
];

#[test]
fn forms() {
    for (family, table, rule, wanted) in FORMS {
        let found: Vec<String> = lines(*family, table, rule);
        let wanted: Vec<&str> = wanted.to_vec();
        let found: Vec<&str> = found
            .iter()
            .map(|line| line.trim_start_matches("counter"))
            .collect();
        assert_eq!(found, wanted, "{rule}");
    }
}

#[test]
fn refusals() {
    let cases = [
        "-A INPUT -m time --monthdays 1",
        "-A INPUT -m time --timestart 5:00 --kerneltz",
        "-A INPUT -m time --datestart 2026 --kerneltz",
        "-A INPUT -m policy --dir in --pol ipsec --reqid 1",
        "-A INPUT -p udp -m multiport --ports 1,2 -m quota --quota 5",
        "COMMIT\n*mangle\n-A PREROUTING -p udp -m limit --limit 5/sec -j TPROXY --on-port 5",
        "COMMIT\n*mangle\n-A PREROUTING -p udp -m quota --quota 5 -j TPROXY --on-port 5",
        "COMMIT\n*mangle\n-A PREROUTING -p udp -j TPROXY --on-port 0",
        "COMMIT\n*nat\n-N X\n-A X -j NETMAP --to 192.0.2.0/24\n-A PREROUTING -j X\n-A POSTROUTING -j X",
        "-A INPUT -j LOG --log-prefix 'cost: $5'",
        "-A INPUT -j LOG --log-prefix 'a\"b'",
        "-A OUTPUT -m owner ! --uid-owner 0",
        "-A OUTPUT -m owner --socket-exists",
        "-A INPUT -m hashlimit --hashlimit-upto 5/sec --hashlimit-name a --hashlimit-mode dstport",
        "-A INPUT -p tcp -m hashlimit --hashlimit-upto 5/sec --hashlimit-name a --hashlimit-mode srcip,dstport --hashlimit-srcmask 24",
        "-A INPUT -m recent --update --name a",
        "-A INPUT -p udp -m multiport --ports 1,2 -m hashlimit --hashlimit-upto 5/sec --hashlimit-name a --hashlimit-mode srcip",
        "-A INPUT -m hashlimit --hashlimit-upto 5/sec --hashlimit-name a --hashlimit-mode srcip\n\
         -A INPUT -m hashlimit --hashlimit-upto 5/sec --hashlimit-name a --hashlimit-mode dstip,srcip",
    ];
    for rule in cases {
        let text = format!("*filter\n{rule}\nCOMMIT\n");
        let refused = compile(&text, Family::Ipv4).unwrap().unwrap_err();
        assert!(!refused.is_empty(), "{rule}");
    }
}

/// A program that nobody parsed can have rules where the kernel would not take them.
#[test]
fn places() {
    for (rule, hooks) in [
        (
            "-m addrtype --dst-type LOCAL --limit-iface-in",
            "PREROUTING and INPUT and FORWARD",
        ),
        (
            "-m policy --dir in --pol ipsec",
            "PREROUTING and INPUT and FORWARD",
        ),
        ("-m socket", "PREROUTING and INPUT and OUTPUT"),
    ] {
        let text =
            format!("*filter\n:X -\n-A INPUT -j X\n-A X -s 192.0.2.1\n-A X {rule}\nCOMMIT\n");
        let mut program = load(&text, Family::Ipv4, &Assume::default())
            .unwrap()
            .program;
        let name = || TableName::new("dockfw").unwrap();
        assert!(table(&program, name(), Optimize::Full).is_ok());
        let filter = program.table_mut(dockfw_iptables::TableName::Filter);
        let jump = Target::Jump(ChainName::new("X").unwrap());
        filter
            .chain_mut("FORWARD")
            .unwrap()
            .append(Rule::new(jump.clone()));
        filter.chain_mut("OUTPUT").unwrap().append(Rule::new(jump));
        let refused = table(&program, name(), Optimize::Full).unwrap_err();
        let [one] = refused.as_slice() else {
            unreachable!("{refused:?}");
        };
        assert_eq!((one.chain.as_str(), one.index), ("X", 1));
        let found = &one.reason.message;
        assert!(
            found.starts_with(&format!("this works in {hooks} only")),
            "{found}"
        );
    }
}

/// Values of a type that no set can be declared with stay rules.
#[test]
fn nameless_types_do_not_fold() {
    let values = |what: &str, values: &[&str]| -> String {
        let line = |value: &&str| format!("-A INPUT {what} {value} -j DROP\n");
        values.iter().map(line).collect()
    };
    for (family, rules) in [
        (Family::Ipv4, values("-m length --length", &["5", "6", "7"])),
        (Family::Ipv4, values("-m dscp --dscp", &["5", "6", "7"])),
        (
            Family::Ipv4,
            values("-m time --weekdays", &["Mon", "Tue", "Sun"]),
        ),
        (Family::Ipv4, values("-m ttl --ttl-eq", &["5", "6", "7"])),
        (
            Family::Ipv4,
            values("-p esp -m esp --espspi", &["5", "6", "7"]),
        ),
        (Family::Ipv6, values("-m rt --rt-type", &["0", "2", "3"])),
        (
            Family::Ipv4,
            values(
                "-m connbytes --connbytes-mode bytes --connbytes-dir both --connbytes",
                &["5:5", "6:6", "7:7"],
            ),
        ),
        (
            Family::Ipv4,
            "-A INPUT -s 192.0.2.1 -m length --length 5 -j DROP\n\
             -A INPUT -s 192.0.2.2 -m length --length 6 -j DROP\n"
                .to_owned(),
        ),
    ] {
        let text = format!("*filter\n{rules}COMMIT\n");
        let printed = print::nft(&compile(&text, family).unwrap().unwrap());
        let made = printed.lines().filter(|line| line.ends_with(" drop"));
        assert_eq!(made.count(), rules.lines().count(), "{printed}");
    }
}
