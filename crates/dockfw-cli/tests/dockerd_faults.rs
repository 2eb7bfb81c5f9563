//! What fails beside containers: dockerd is stopped or killed, dockfw is killed, somebody flushes
//! the ruleset. A real dockerd without rules, and `dockfw watch` beside it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; the times are the result of a run"
)]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dockfw_testkit::dockerd::leak::Guard;

#[path = "dockerd/beside.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod beside;

use beside::{
    Flow, PATIENCE, answers, ask, config, direct, host, nft, nothing_leaked, refused, rules, run,
    serve, watch,
};

/// With live-restore, neither containers nor rules notice that dockerd is stopped.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn dockerd_restarts_with_live_restore() -> Result<()> {
    let mut host = host(&config().key("live-restore", true))?;
    let watch = watch(&host, &[])?;
    run(&host, "web", "--ip 172.30.1.10 -p 8080:80 -p 8081:7000")?;
    answers(&host, "web", 8080)?;
    let mut flow = Flow::open(&host, "web", 8081)?;
    flow.talk()?;
    let guard = Guard::start(host.lab(), &direct(9..=11), 1000)?;
    let before = rules(&host);
    host.stop_daemon()?;
    std::thread::sleep(Duration::from_millis(700));
    flow.talk().context("while dockerd is down")?;
    answers(&host, "web", 8080).context("while dockerd is down")?;
    ensure!(without_counters(&before) == without_counters(&rules(&host)));
    host.start_daemon()?;
    host.settle()?;
    flow.talk().context("after the restart")?;
    answers(&host, "web", 8080).context("after the restart")?;
    ensure!(without_counters(&before) == without_counters(&rules(&host)));
    // It listens to the new dockerd.
    run(&host, "late", "-p 8090:80")?;
    println!(
        "a container of the new dockerd answers after {:?}",
        answers(&host, "late", 8090)?
    );
    flow.talk()?;
    println!("{:?}", nothing_leaked(guard)?);
    drop(watch);
    Ok(())
}

/// Without it, dockerd stops its containers when it starts again, and starts those that restart.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn dockerd_is_killed() -> Result<()> {
    let mut host = host(&config())?;
    let _watch = watch(&host, &[])?;
    run(&host, "web", "--restart always -p 8080:80")?;
    run(&host, "gone", "-p 8090:80")?;
    answers(&host, "web", 8080)?;
    answers(&host, "gone", 8090)?;
    let guard = Guard::start(host.lab(), &direct(2..=6), 1000)?;
    let before = rules(&host);
    host.kill_daemon()?;
    std::thread::sleep(Duration::from_millis(700));
    ensure!(
        without_counters(&before) == without_counters(&rules(&host)),
        "the rules have changed: {}",
        rules(&host)
    );
    answers(&host, "web", 8080).context("while dockerd is dead")?;
    host.start_daemon()?;
    let started = Instant::now();
    while serve(&host, "web").is_err() {
        ensure!(started.elapsed() < PATIENCE, "no restart");
        std::thread::sleep(Duration::from_millis(50));
    }
    answers(&host, "web", 8080).context("after the restart")?;
    refused(&host, 8090).context("a container that is gone")?;
    println!("{:?}", nothing_leaked(guard)?);
    Ok(())
}

/// dockfw is killed: what it allows stays allowed, what it forbids stays forbidden, and the next
/// one takes over without a gap.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn dockfw_is_killed() -> Result<()> {
    let host = host(&config())?;
    let mut watching = watch(&host, &[])?;
    run(&host, "web", "-p 8080:80 -p 8081:7000")?;
    run(&host, "old", "-p 8090:80")?;
    answers(&host, "web", 8080)?;
    let mut flow = Flow::open(&host, "web", 8081)?;
    let guard = Guard::start(host.lab(), &direct(2..=8), 1000)?;
    for round in 0..3 {
        watching.kill()?;
        flow.talk().context("while dockfw is dead")?;
        answers(&host, "web", 8080).context("while dockfw is dead")?;
        // What happens meanwhile is not open, and is made good afterwards.
        let (name, port) = (format!("new{round}"), 8100 + round);
        run(&host, &name, &format!("-p {port}:80"))?;
        let early = ask(&host, port)?;
        ensure!(!early.is_reached(), "nobody has opened {port}: {early}");
        if round == 0 {
            host.docker("rm -f old")?;
        }
        watching = watch(&host, &[])?;
        let took = answers(&host, &name, port)?;
        println!("round {round}: {name} answers {took:?} after the first commit");
        flow.talk().context("after the restart")?;
        refused(&host, 8090).context("a container that is gone")?;
    }
    watching.terminate()?;
    answers(&host, "web", 8080).context("after SIGTERM")?;
    flow.talk().context("after SIGTERM")?;
    println!("{:?}", nothing_leaked(guard)?);
    Ok(())
}

/// Somebody else flushes everything. Without ownership dockfw makes it good, and ends what began
/// meanwhile; how long packets got through is printed, for it depends on the machine.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn the_ruleset_is_flushed() -> Result<()> {
    let host = host(&config())?;
    let _watch = watch(&host, &[])?;
    run(&host, "web", "--ip 172.30.1.10 -p 8080:80 -p 8081:7000")?;
    answers(&host, "web", 8080)?;
    let mut flow = Flow::open(&host, "web", 8081)?;
    let guard = Guard::start(host.lab(), &direct([10].into_iter()), 2000)?;
    let mut rounds = Vec::new();
    for _ in 0..10 {
        let before = guard.leaked();
        nft(&host, &["flush", "ruleset"])?;
        let flushed = Instant::now();
        while !rules(&host).contains("table inet dockfw") {
            ensure!(flushed.elapsed() < PATIENCE, "not made good");
        }
        let made_good = flushed.elapsed();
        closes(&guard)?;
        rounds.push((made_good, guard.leaked() - before));
    }
    answers(&host, "web", 8080)?;
    flow.talk()?;
    println!(
        "made good, as seen by nft, and the datagrams that got through, of 2000 a second: {rounds:?}"
    );
    // The guard is not blind: without rules its datagrams arrive.
    ensure!(guard.stop()?.leaks.values().sum::<u64>() > 0, "no gap");
    Ok(())
}

/// Waits until nothing leaks any more: flows that began in a gap are ended too, though they are
/// established by then.
fn closes(guard: &Guard) -> Result<()> {
    let started = Instant::now();
    loop {
        let before = guard.leaked();
        std::thread::sleep(Duration::from_millis(300));
        if guard.leaked() == before {
            return Ok(());
        }
        ensure!(started.elapsed() < PATIENCE, "it goes on leaking");
    }
}

/// With ownership a flush does nothing at all.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn the_ruleset_is_flushed_but_owned() -> Result<()> {
    let host = host(&config())?;
    let watching = watch(&host, &["--own"])?;
    run(&host, "web", "--ip 172.30.1.10 -p 8080:80 -p 8081:7000")?;
    answers(&host, "web", 8080)?;
    let mut flow = Flow::open(&host, "web", 8081)?;
    let guard = Guard::start(host.lab(), &direct([10].into_iter()), 2000)?;
    for _ in 0..10 {
        // nft says that it may not, or leaves the table out; both are well.
        let _ = nft(&host, &["flush", "ruleset"]);
        ensure!(rules(&host).contains("table inet dockfw"));
        answers(&host, "web", 8080)?;
        flow.talk()?;
    }
    // Owned or not: the rules outlive the process.
    watching.kill()?;
    answers(&host, "web", 8080).context("after dockfw was killed")?;
    flow.talk().context("after dockfw was killed")?;
    println!("{:?}", nothing_leaked(guard)?);
    Ok(())
}

/// A listing whose counters are all the same.
fn without_counters(rules: &str) -> String {
    let mut was_counter = false;
    let word = |word: &str| {
        let is_number = was_counter && word.bytes().all(|of| of.is_ascii_digit());
        was_counter = matches!(word, "packets" | "bytes");
        if is_number {
            "N".to_owned()
        } else {
            word.to_owned()
        }
    };
    rules
        .split_whitespace()
        .map(word)
        .collect::<Vec<_>>()
        .join(" ")
}
