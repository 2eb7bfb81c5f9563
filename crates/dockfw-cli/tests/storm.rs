//! Under fire: no forbidden packet is delivered and no established flow breaks, whatever is done
//! to the ruleset meanwhile.
//!
//! `DOCKFW_STORM_SECONDS` makes it longer; `docs/reliability.md` records long runs.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; the report is the result of a run"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use dockfw_testkit::lab::{Bridge, Container, Lab};
use dockfw_testkit::storm::{Allowed, Forbidden, Report, Storm};

const DOCKFW: &str = env!("CARGO_BIN_EXE_dockfw");

/// How many forbidden packets a second are asked for, and how many there must have been on a
/// machine that is busy with other tests.
const RATE: u64 = 24_000;
const LEAST_RATE: u64 = 10_000;

fn fixture(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    root.join(path).display().to_string()
}

/// The host of `fixtures/storm`.
fn lab() -> Lab {
    Lab::builder()
        .bridge(Bridge::new("br-front", &["10.10.1.1/24", "2001:db8:a::1/64"]).hairpin())
        .bridge(Bridge::new("br-back", &["10.10.2.1/24"]).hairpin())
        .bridge(Bridge::new("br-inner", &["10.10.3.1/24"]).internal())
        .container(Container::new("web").on("br-front", &["10.10.1.2/24", "2001:db8:a::2/64"]))
        .container(Container::new("db").on("br-back", &["10.10.2.2/24"]))
        .container(
            Container::new("vault")
                .on("br-inner", &["10.10.3.2/24"])
                .route("0.0.0.0/0", "10.10.3.1"),
        )
        .build()
        .unwrap()
}

fn storm() -> Storm {
    let forbidden = |name, from, to: &str| Forbidden {
        name,
        from,
        to: to.parse().unwrap(),
    };
    let allowed = |from, to: &str| Allowed {
        from,
        to: to.parse().unwrap(),
    };
    Storm {
        forbidden: vec![
            forbidden("direct, published", "remote", "10.10.1.2:80"),
            forbidden("direct, unpublished", "remote", "10.10.1.2:81"),
            forbidden("direct, IPv6", "remote", "[2001:db8:a::2]:81"),
            forbidden("loopback-bound", "remote", "192.0.2.1:9443"),
            forbidden("across networks", "web", "10.10.2.2:5432"),
            forbidden("into the internal network", "remote", "10.10.3.2:90"),
            forbidden("out of the internal network", "vault", "192.0.2.2:90"),
            forbidden("internal to another network", "vault", "10.10.2.2:5432"),
        ],
        tcp: vec![
            allowed("remote", "192.0.2.1:8080"),
            allowed("remote", "[2001:db8:ffff::1]:8080"),
            allowed("web", "192.0.2.2:90"),
            allowed("host", "192.0.2.1:8080"),
        ],
        udp: vec![allowed("remote", "192.0.2.1:8080")],
        servers: vec![
            ("web", 80),
            ("web", 81),
            ("web", 443),
            ("db", 5432),
            ("vault", 90),
            ("remote", 90),
        ],
        rate: RATE,
    }
}

fn run(lab: &Lab, program: &str, arguments: &[&str]) -> bool {
    let output = lab.run_in("host", || {
        Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    });
    let output = output.unwrap();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        println!("{program} {arguments:?}: {} {errors}", output.status);
    }
    output.status.success()
}

/// Starts a commit and kills it after a while; often enough it is done before.
fn killed(lab: &Lab, policy: &str, after: Duration) {
    let child = lab.run_in("host", || {
        Command::new(DOCKFW)
            .args(["commit", policy])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    });
    let mut child = child.unwrap();
    std::thread::sleep(after);
    let _ = child.kill();
    child.wait().unwrap();
}

fn seconds(standard: u64) -> Duration {
    let asked = std::env::var("DOCKFW_STORM_SECONDS").ok();
    Duration::from_secs(asked.map_or(standard, |text| text.parse().unwrap()))
}

fn print(report: &Report, what: &str) {
    println!(
        "{what}: {:.1} s, {} forbidden packets ({}/s), {} leaks, {} rounds of TCP, {} broken, \
         longest wait {:?}, UDP {} of {} answered",
        report.time.as_secs_f64(),
        report.sent(),
        report.sent() / report.time.as_secs().max(1),
        report.leaks(),
        report.rounds,
        report.broken.len(),
        report.longest,
        report.udp.1,
        report.udp.0,
    );
    for (name, sent, arrived) in &report.forbidden {
        println!("  {name}: {sent} sent, {arrived} arrived");
    }
}

fn assert_tight(report: &Report) {
    assert_eq!(report.leaks(), 0, "{report:?}");
    assert_eq!(report.broken, Vec::<String>::new());
    assert!(report.rounds > 100, "{report:?}");
    let rate = report.sent() / report.time.as_secs().max(1);
    assert!(rate >= LEAST_RATE, "{rate} packets a second");
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn nothing_leaks_while_rulesets_change() {
    let lab = lab();
    let storm = storm();
    // Without rules the ways are open: the storm can see a leak.
    let open = Storm {
        tcp: Vec::new(),
        udp: Vec::new(),
        ..storm.clone()
    };
    let wait = || {
        std::thread::sleep(Duration::from_millis(50));
        Ok(())
    };
    let report = open.run(&lab, Duration::from_millis(500), wait).unwrap();
    print(&report, "without rules");
    let seen = report.forbidden.iter().filter(|of| of.2 > 0).count();
    assert!(seen >= 6, "{report:?}");

    let (old, new) = (fixture("storm/old.toml"), fixture("storm/new.toml"));
    let folder = std::env::temp_dir().join(format!("dockfw-storm-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let state = ["--state-dir", folder.to_str().unwrap()];
    let dockfw = |arguments: &[&str]| run(&lab, DOCKFW, &[arguments, &state].concat());
    assert!(dockfw(&["commit", &new]));
    assert!(dockfw(&["commit", &old]));
    let (mut turn, mut counts) = (0_u64, [0_u32; 8]);
    let act = || {
        turn += 1;
        let policy = if turn.is_multiple_of(2) { &old } else { &new };
        let kind = usize::try_from(turn % 11).unwrap().min(7);
        counts[kind] += 1;
        match kind {
            0 => killed(&lab, policy, Duration::from_millis(turn % 23)),
            1 => {
                assert!(run(&lab, "iptables", &["-F"]));
                assert!(run(&lab, "iptables", &["-t", "nat", "-F"]));
            }
            2 => assert!(dockfw(&["rollback"])),
            3 => {
                assert!(dockfw(&["commit", "--confirm", "100ms", policy]));
                std::thread::sleep(Duration::from_millis(turn % 150));
            }
            4 => {
                assert!(dockfw(&["commit", "--confirm", "1m", policy]));
                assert!(dockfw(&["confirm"]));
            }
            5 => assert!(dockfw(&["commit", "--boot", policy])),
            6 => assert!(dockfw(&["commit", "--replace", policy])),
            _ => assert!(dockfw(&["commit", policy])),
        }
        Ok(())
    };
    let report = storm.run(&lab, seconds(15), act).unwrap();
    println!(
        "{} commits killed, {} flushes of iptables, {} rollbacks, {} reverted by the kernel, {} \
         confirmed, {} boots, {} replacements, {} commits",
        counts[0], counts[1], counts[2], counts[3], counts[4], counts[5], counts[6], counts[7]
    );
    print(&report, "while rulesets change");
    std::fs::remove_dir_all(&folder).unwrap();
    assert_tight(&report);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn nothing_leaks_while_others_flush_the_ruleset() {
    let lab = lab();
    let (old, new) = (fixture("storm/old.toml"), fixture("storm/new.toml"));
    assert!(run(&lab, DOCKFW, &["commit", &old]));
    let mut owner = own(&lab, &old);
    let (mut turn, mut flushes, mut owners) = (0_u64, 0, 1);
    let act = || {
        turn += 1;
        if turn.is_multiple_of(10) {
            // kill -9; what it owned belongs to nobody until the next one takes it over.
            owner.kill().unwrap();
            owner.wait().unwrap();
            owner = own(&lab, if turn.is_multiple_of(20) { &old } else { &new });
            owners += 1;
        } else {
            assert!(run(&lab, "nft", &["add", "table", "ip", "other"]));
            assert!(run(&lab, "nft", &["flush", "ruleset"]));
            flushes += 1;
        }
        Ok(())
    };
    let report = storm().run(&lab, seconds(10), act).unwrap();
    owner.kill().unwrap();
    owner.wait().unwrap();
    println!("{flushes} flushes of the whole ruleset, {owners} owners");
    print(&report, "while others flush");
    assert_tight(&report);
}

/// A dockfw that owns the tables, from when it says so.
fn own(lab: &Lab, policy: &str) -> std::process::Child {
    use std::io::BufRead as _;
    let start = || {
        Command::new(DOCKFW)
            .args(["commit", "--own", policy])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut child = lab.run_in("host", start).unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.as_mut().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.starts_with("committed"), "{line}");
    child
}
