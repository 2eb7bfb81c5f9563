//! Every host fixture in the kernel: our commit is what nft lists, and packets obey it.
//!
//! These tests need root, network namespaces and nft; they make namespaces of their own.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dockfw_ir::print;
use dockfw_netlink::{Batch, Executor, Expect};
use dockfw_testkit::docker_host::{lab, on_host, start};
use dockfw_testkit::fixture::{HostFixture, difference, normalise};
use dockfw_testkit::lab::{Forged, Lab, Protocol};
use dockfw_testkit::packets::PacketTable;

fn commit(fixture: &HostFixture) -> Result<()> {
    let batch = Batch::replace(&fixture.ruleset()?)?;
    Executor::open()?.commit(&batch, Expect::Any)?;
    Ok(())
}

fn nft(arguments: &[&str]) -> Result<String> {
    let output = Command::new("nft")
        .args(arguments)
        .stdin(Stdio::null())
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "nft {arguments:?}: {errors}");
    Ok(String::from_utf8(output.stdout)?)
}

fn list() -> Result<String> {
    nft(&["-s", "list", "table", "inet", "dockfw"])
}

fn each(test: impl Fn(&HostFixture) -> Result<()> + Sync) {
    let fixtures = HostFixture::all().unwrap();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = fixtures
            .iter()
            .map(|fixture| (fixture, scope.spawn(|| test(fixture))))
            .collect();
        running
            .into_iter()
            .filter_map(|(fixture, thread)| match thread.join() {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("{}: {error:?}", fixture.name())),
                Err(_panic) => Some(format!("{}: panicked", fixture.name())),
            })
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Our bytes and our text make the same table, and nft lists it as we print it.
#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn nft_lists_what_was_committed() {
    each(|fixture| {
        let by_netlink = on_host(&Lab::builder().build()?, || {
            commit(fixture)?;
            list()
        })?;
        let path = fixture.path("expected.nft");
        let path = path.to_str().context("a path in UTF-8")?;
        let by_text = on_host(&Lab::builder().build()?, || {
            nft(&["-f", path])?;
            list()
        })?;
        let differs = difference(&normalise(&by_text), &normalise(&by_netlink));
        ensure!(
            differs.is_empty(),
            "the commit is not what `nft -f` makes of our text: {differs}"
        );
        let ruleset = fixture.ruleset()?;
        let printed = print::nft(&ruleset);
        let differs = difference(&normalise(&printed), &normalise(&by_netlink));
        ensure!(
            differs.is_empty(),
            "nft lists it otherwise than it is printed: {differs}"
        );
        Ok(())
    });
}

/// `nft -c` takes the text as it stands in the fixture.
#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn nft_takes_the_text() {
    each(|fixture| {
        let path = fixture.path("expected.nft");
        let path = path.to_str().context("a path in UTF-8")?;
        on_host(&Lab::builder().build()?, || {
            nft(&["-c", "-f", path]).map(drop)
        })
    });
}

/// The packet table of each fixture, with real packets.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn packets_obey() {
    each(|fixture| {
        let host = fixture.policy()?.host;
        let table = PacketTable::read(&fixture.path("packets.toml"))?;
        let lab = lab(&host).build()?;
        start(&lab, &host)?;
        table.listen(&lab)?;
        on_host(&lab, || commit(fixture))?;
        let wrong = table.run(&lab)?;
        ensure!(
            wrong.is_empty(),
            "{} of {} probes:\n{}",
            wrong.len(),
            table.probe_count(),
            wrong.join("\n")
        );
        println!(
            "{}: {} probes as expected",
            fixture.name(),
            table.probe_count()
        );
        Ok(())
    });
}

/// Without a ruleset the same lab lets through what the tables call closed: the packets prove
/// something.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn without_a_ruleset_the_packet_tables_fail() {
    each(|fixture| {
        let host = fixture.policy()?.host;
        let table = PacketTable::read(&fixture.path("packets.toml"))?;
        let lab = lab(&host).build()?;
        start(&lab, &host)?;
        table.listen(&lab)?;
        let wrong = table.run(&lab)?;
        ensure!(
            wrong.len() >= 5,
            "only {} probes notice that there is no ruleset",
            wrong.len()
        );
        Ok(())
    });
}

/// A neighbour that sends frames for 127.0.0.1 or a container's address to the host's MAC.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn forged_frames_reach_nobody() {
    let fixture = HostFixture::named("no-proxy");
    let host = fixture.policy().unwrap().host;
    let lab = lab(&host).build().unwrap();
    // As wide open as a host can be: martian addresses are routed on every interface.
    for interface in ["all", "eth0", "br-tenant-b"] {
        lab.host_sysctl(&format!("net/ipv4/conf/{interface}/route_localnet"), "1")
            .unwrap();
    }
    lab.listen("b1", Protocol::Udp, 443).unwrap();
    lab.listen("host", Protocol::Udp, 9443).unwrap();
    let forge = |to: &str, payload: &str| {
        let forged = Forged::new(
            "192.0.2.2:4000".parse().unwrap(),
            to.parse().unwrap(),
            payload,
        );
        lab.send_forged(&forged).unwrap();
        lab.received("b1", payload).len() + lab.received("host", payload).len()
    };
    assert_eq!(
        forge("127.0.0.1:9443", "open"),
        1,
        "without rules the frame arrives"
    );
    let udp = "
        version = 1
        [daemon]
        userland-proxy = false
        [[network]]
        name = \"tenant-b\"
        bridge = \"br-tenant-b\"
        subnets = [\"10.10.2.0/24\"]
        [[container]]
        name = \"b1\"
        networks.tenant-b = [\"10.10.2.2\"]
        publish = [\"127.0.0.1:9443:443/udp\"]
    ";
    let source = dockfw::policy::Source {
        name: "forged".to_owned(),
        bytes: udp.as_bytes().to_vec(),
    };
    let policy = dockfw::policy::parse(vec![source]).unwrap();
    let ruleset = dockfw_ir::verify::verify(dockfw_lower::lower(&policy.host)).unwrap();
    on_host(&lab, || {
        Executor::open()?.commit(&Batch::replace(&ruleset)?, Expect::Any)?;
        Ok(())
    })
    .unwrap();
    assert_eq!(forge("127.0.0.1:9443", "loopback"), 0);
    assert_eq!(forge("10.10.2.2:443", "direct"), 0);
    let outcome = lab
        .reach("host", "127.0.0.1".parse().unwrap(), Protocol::Udp, 9443)
        .unwrap();
    assert!(
        outcome.is_reached_at("b1", 443),
        "the host itself reaches it: {outcome}"
    );
}

/// While the ruleset is replaced again and again, every allowed probe arrives and no forbidden
/// one does.
///
/// A packet that is inside the old rules when the kernel switches may be lost, since their maps
/// are empty from then on (`docs/limits.md`); so there is time for TCP to send it again.
#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn replacing_under_traffic_neither_leaks_nor_breaks() {
    let fixture = HostFixture::named("mail-suite");
    let host = fixture.policy().unwrap().host;
    let table = PacketTable::read(&fixture.path("packets.toml")).unwrap();
    let lab = lab(&host)
        .timeout(Duration::from_millis(1500))
        .build()
        .unwrap();
    start(&lab, &host).unwrap();
    table.listen(&lab).unwrap();
    let batch = Batch::replace(&fixture.ruleset().unwrap()).unwrap();
    on_host(&lab, || commit(&fixture)).unwrap();
    let stop = AtomicBool::new(false);
    let (wrong, commits) = std::thread::scope(|scope| {
        let committer = scope.spawn(|| {
            on_host(&lab, || {
                let mut executor = Executor::open()?;
                let mut commits = 0;
                while !stop.load(Ordering::Relaxed) {
                    executor.commit(&batch, Expect::Any)?;
                    commits += 1;
                }
                Ok(commits)
            })
        });
        let wrong: Vec<String> = (0..3).flat_map(|_| table.run(&lab).unwrap()).collect();
        stop.store(true, Ordering::Relaxed);
        (wrong, committer.join().unwrap().unwrap())
    });
    assert!(commits >= 20, "only {commits} commits");
    assert!(
        wrong.is_empty(),
        "after {commits} commits:\n{}",
        wrong.join("\n")
    );
}
