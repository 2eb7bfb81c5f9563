//! A policy that is right by itself, and that the kernel does not take: it lacks what a rule needs.
//! A real dockerd without rules, and `dockfw watch` beside it.
//!
//! `NFQUEUE` is such a rule where the kernel has no `nft_queue`; with one that has it there is
//! nothing to see here, and the tests say so.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests; the figures are the result of a run"
)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use dockfw_testkit::dockerd::DockerHost;
use dockfw_testkit::dockerd::leak::Guard;
use dockfw_testkit::dockerd::watch::Watch;
use dockfw_testkit::lab::HOST;
use serde_json::Value;

#[path = "dockerd/beside.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod beside;
#[path = "dockerd/blocks.rs"]
mod blocks;

use beside::{
    Flow, PATIENCE, answers, ask, config, direct, host, network, nft, nothing_leaked, program,
    refused, run, serve, watch,
};
use blocks::{blocks, difference};

/// A rule that this kernel does not take.
const QUEUE: &str = "-A DOCKER-USER -p tcp --dport 1 -j NFQUEUE --queue-num 1\n";

/// Whether the kernel takes [`QUEUE`].
fn has_queue(host: &DockerHost) -> Result<bool> {
    let has = nft(
        host,
        &["add table t { chain c { queue num 1; }; }; delete table t"],
    );
    if has.is_ok() {
        println!("skipped: this kernel has queues");
    }
    // What failed for another reason fails here too.
    nft(
        host,
        &["add table t { chain c { accept; }; }; delete table t"],
    )?;
    Ok(has.is_ok())
}

fn policy(host: &DockerHost, rules: &str) -> Result<PathBuf> {
    let path = host.folder().join("policy.toml");
    let text = format!("version = 1\n[docker-user]\nipv4 = '''\n{rules}'''\n");
    fs::write(&path, text)?;
    Ok(path)
}

/// Waits until the problems that `dockfw status` shows are as wanted.
fn problems(host: &DockerHost, is: impl Fn(&str) -> bool) -> Result<String> {
    let started = Instant::now();
    let state = host.folder().join("state");
    loop {
        let ask = || {
            Command::new(program())
                .args(["status", "--json", "--state-dir"])
                .arg(&state)
                .output()
        };
        let output = host.lab().run_in(HOST, ask)??;
        let status: Value = serde_json::from_slice(&output.stdout).context("status --json")?;
        let text = status["watch"]["problems"].to_string();
        if is(&text) {
            return Ok(text);
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "{text}\n{}",
            host.dockfw_log()
        );
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

fn is_empty(text: &str) -> bool {
    text == "[]"
}

/// The rules that were there stay, containers come and go beside them, and the next policy that the
/// kernel takes is taken.
fn refused_policy(more: &[&str]) -> Result<()> {
    let host = host(&config())?;
    if has_queue(&host)? {
        return Ok(());
    }
    let old = "-A DOCKER-USER -p tcp -m conntrack --ctorigdstport 8082 -j DROP\n";
    let path = policy(&host, old)?;
    let mut arguments = more.to_vec();
    arguments.push(path.to_str().unwrap());
    let watch = watch(&host, &arguments)?;
    run(
        &host,
        "web",
        "--ip 172.30.1.10 -p 8080:80 -p 8081:7000 -p 8082:80",
    )?;
    answers(&host, "web", 8080)?;
    problems(&host, is_empty)?;
    host.settle()?;
    let before = blocks(&host)?;
    let mut flow = Flow::open(&host, "web", 8081)?;
    let guard = Guard::start(host.lab(), &direct(9..=12), 1000)?;
    for round in 0..3 {
        host.settle()?;
        let after = blocks(&host)?;
        ensure!(before == after, "{}", difference(&before, &after));
        let generation = host.generation()?;
        policy(&host, QUEUE)?;
        watch.reload()?;
        let said = problems(&host, |text| !is_empty(text))?;
        ensure!(said.contains("queue") || said.contains("ENOENT"), "{said}");
        println!("round {round}: {said}");
        let log = watch.log();
        ensure!(
            log.contains("the policy is wrong, and stays as it was"),
            "{log}"
        );
        host.settle()?;
        ensure!(generation == host.generation()?, "committed:\n{log}");
        goes_on(&host, &watch, round)?;
        flow.talk()?;
        problems(&host, |text| !is_empty(text)).context("after that")?;
    }
    policy(
        &host,
        "-A DOCKER-USER -p tcp -m conntrack --ctorigdstport 8080 -j DROP\n",
    )?;
    watch.reload()?;
    problems(&host, is_empty)?;
    answers(&host, "web", 8082)?;
    let outcome = ask(&host, 8080)?;
    ensure!(!outcome.is_reached(), "{outcome}");
    flow.talk()?;
    println!("{:?}", nothing_leaked(guard)?);
    Ok(())
}

/// What dockerd does is committed as ever, by elements and with networks.
fn goes_on(host: &DockerHost, watch: &Watch, round: u16) -> Result<()> {
    let port = 8090 + round;
    run(host, "new", &format!("--ip 172.30.1.11 -p {port}:80"))?;
    answers(host, "new", port).with_context(|| watch.log())?;
    network(host, "fresh", "172.30.9.0/24")?;
    host.docker("run -d --name second --network fresh -p 8099:80 probe")?;
    serve(host, "second")?;
    answers(host, "second", 8099)?;
    let outcome = ask(host, 8082)?;
    ensure!(!outcome.is_reached(), "{outcome}");
    host.docker("rm -f new second")?;
    refused(host, port)?;
    refused(host, 8099)?;
    host.docker("network rm fresh")?;
    let started = Instant::now();
    while nft(host, &["list", "ruleset"])?.contains("br-fresh") {
        ensure!(started.elapsed() < PATIENCE, "{}", watch.log());
    }
    answers(host, "web", 8080)?;
    Ok(())
}

/// The kernel refuses a policy that was read again.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_policy_that_the_kernel_refuses() -> Result<()> {
    refused_policy(&[])
}

/// The same with tables that are owned.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_policy_that_the_kernel_refuses_beside_owned_tables() -> Result<()> {
    refused_policy(&["--own"])
}

/// The kernel refuses the policy of the start: what an earlier run left in force stays so, and what
/// is published anew stays closed, until there is a better one.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_first_policy_that_the_kernel_refuses() -> Result<()> {
    let host = host(&config())?;
    if has_queue(&host)? {
        return Ok(());
    }
    let path = policy(&host, "")?;
    let first = watch(&host, &[path.to_str().unwrap()])?;
    run(&host, "web", "--ip 172.30.1.10 -p 8080:80")?;
    answers(&host, "web", 8080)?;
    first.terminate()?;
    let before = blocks(&host)?;
    policy(&host, QUEUE)?;
    let mut watch = Watch::begin(&host, &program(), &[path.to_str().unwrap()])?;
    let guard = Guard::start(host.lab(), &direct(9..=12), 1000)?;
    let said = problems(&host, |text| {
        text.contains("queue") || text.contains("ENOENT")
    })?;
    println!("{said}");
    run(&host, "new", "--ip 172.30.1.11 -p 8090:80")?;
    let outcome = ask(&host, 8090)?;
    ensure!(!outcome.is_reached(), "nobody has opened it: {outcome}");
    answers(&host, "web", 8080)?;
    let after = blocks(&host)?;
    ensure!(before == after, "{}", difference(&before, &after));
    policy(&host, "")?;
    watch.reload()?;
    watch.wait_for("READY=1")?;
    answers(&host, "new", 8090)?;
    problems(&host, is_empty)?;
    println!("{:?}", nothing_leaked(guard)?);
    Ok(())
}
