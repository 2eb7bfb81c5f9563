//! Tables that belong to the running `dockfw watch --own`, while networks and policies come and go.
//! Networks are added to the tables and taken out of them; rules that change make them anew. A real
//! dockerd without rules, and dockfw beside it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; the figures are the result of a run"
)]

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dockfw_testkit::dockerd::leak::Guard;
use dockfw_testkit::dockerd::{DockerHost, REMOTE};

#[path = "dockerd/beside.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod beside;
#[path = "dockerd/blocks.rs"]
mod blocks;

use beside::{
    Flow, PATIENCE, answers, config, direct, host, network, nft, nothing_leaked, refused, run,
    serve, watch,
};
use blocks::{blocks, difference};

/// Waits until the ruleset names a bridge, or names it no more.
fn until(host: &DockerHost, bridge: &str, is_there: bool) -> Result<()> {
    let started = Instant::now();
    loop {
        let text = nft(host, &["--stateless", "list", "ruleset"])?;
        if text.contains(&format!("\"{bridge}\"")) == is_there {
            ensure!(text.contains("flags owner"), "nobody's:\n{text}");
            return Ok(());
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "{bridge}: {text}\n{}",
            host.dockfw_log()
        );
    }
}

/// Talks on a connection until it is stopped: each time there and back, within three seconds.
fn talk_on(flow: &mut Flow, stop: &AtomicBool) -> Result<u32> {
    let mut times = 0;
    while !stop.load(Ordering::Relaxed) {
        flow.talk()
            .with_context(|| format!("after {times} times"))?;
        times += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(times)
}

/// Networks come and go, with containers that publish: what is not published is never reached, not
/// for a packet, and a connection that is allowed goes on.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn networks_come_and_go() -> Result<()> {
    let host = host(&config())?;
    let _watch = watch(&host, &["--own"])?;
    run(&host, "web", "--ip 172.30.1.10 -p 8080:80 -p 8081:7000")?;
    answers(&host, "web", 8080)?;
    host.settle()?;
    let before = blocks(&host)?;
    let mut flow = Flow::open(&host, "web", 8081)?;
    let fresh = SocketAddr::from(([172, 30, 9, 10], 81));
    let mut ways = direct([10].into_iter());
    ways.push((REMOTE, fresh));
    let guard = Guard::start(host.lab(), &ways, 3000)?;
    let first = host.generation()?;
    let stop = AtomicBool::new(false);
    let times = std::thread::scope(|scope| -> Result<u32> {
        let talking = scope.spawn(|| talk_on(&mut flow, &stop));
        let changed = (0..6).try_for_each(|_| cycle(&host, fresh));
        stop.store(true, Ordering::Relaxed);
        changed?;
        talking.join().unwrap()
    })?;
    host.settle()?;
    let after = blocks(&host)?;
    ensure!(before == after, "{}", difference(&before, &after));
    println!(
        "{times} times there and back during {} commits; {:?}",
        host.generation()? - first,
        nothing_leaked(guard)?
    );
    // Somebody else cannot do anything to them, also after they were made anew.
    ensure!(nft(&host, &["delete", "table", "inet", "dockfw"]).is_err());
    Ok(())
}

/// A network, a container in it, and both are gone again.
fn cycle(host: &DockerHost, fresh: SocketAddr) -> Result<()> {
    network(host, "fresh", "172.30.9.0/24")?;
    until(host, "br-fresh", true)?;
    let inside = Guard::start(host.lab(), &[("web", fresh)], 1000)?;
    host.docker("run -d --name new --network fresh --ip 172.30.9.10 -p 8090:80 probe")?;
    serve(host, "new")?;
    answers(host, "new", 8090)?;
    answers(host, "web", 8080)?;
    let seen = inside.stop()?;
    ensure!(seen.sent > 0 && seen.leaks.is_empty(), "{seen:?}");
    host.docker("rm -f new")?;
    refused(host, 8090)?;
    host.docker("network rm fresh")?;
    until(host, "br-fresh", false)?;
    Ok(())
}

/// Many networks at once, as `docker compose` makes them, while containers come and go.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn many_networks_at_once() -> Result<()> {
    let host = host(&config())?;
    let _watch = watch(&host, &["--own"])?;
    run(&host, "web", "--ip 172.30.1.10 -p 8080:80 -p 8081:7000")?;
    answers(&host, "web", 8080)?;
    let mut flow = Flow::open(&host, "web", 8081)?;
    let at = |n: u8| SocketAddr::from(([172, 30, n, 10], 81));
    let mut ways = direct([10].into_iter());
    ways.extend((20..28).map(|n| (REMOTE, at(n))));
    let guard = Guard::start(host.lab(), &ways, 3000)?;
    let all = |line: &dyn Fn(u8) -> String| {
        let lines: Vec<String> = (20..28).map(line).collect();
        host.docker_at_once(&lines)
    };
    all(&|n| {
        format!(
            "network create --subnet 172.30.{n}.0/24 -o com.docker.network.bridge.name=br-n{n} net{n}"
        )
    })?;
    all(&|n| {
        format!("run -d --name many{n} --network net{n} --ip 172.30.{n}.10 -p 82{n}:80 probe")
    })?;
    for n in 20..28 {
        serve(&host, &format!("many{n}"))?;
    }
    for n in 20..28_u16 {
        answers(&host, &format!("many{n}"), 8200 + n)?;
    }
    flow.talk()?;
    all(&|n| format!("rm -f many{n}"))?;
    all(&|n| format!("network rm net{n}"))?;
    for n in 20..28_u16 {
        until(&host, &format!("br-n{n}"), false)?;
        refused(&host, 8200 + n)?;
    }
    flow.talk()?;
    answers(&host, "web", 8080)?;
    println!("{:?}", nothing_leaked(guard)?);
    Ok(())
}

/// Another policy makes the tables anew, again and again: what nobody publishes is not reached
/// meanwhile, connections go on, and end when the policy forbids them.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn policies_come_and_go() -> Result<()> {
    let host = host(&config())?;
    let policy = host.folder().join("policy.toml");
    let write = |rules: &str| {
        fs::write(
            &policy,
            format!("version = 1\n[docker-user]\nipv4 = '''\n{rules}'''\n"),
        )
    };
    let forbid = |port: u16| {
        write(&format!(
            "-A DOCKER-USER -i eth0 -p tcp -m conntrack --ctstate NEW --ctorigdstport {port} -j DROP\n"
        ))
    };
    forbid(9000)?;
    let watch = watch(&host, &["--own", policy.to_str().unwrap()])?;
    run(&host, "web", "--ip 172.30.1.10 -p 8080:7000 -p 8081:80")?;
    run(&host, "kept", "--ip 172.30.1.11 -p 8090:7000")?;
    answers(&host, "web", 8081)?;
    host.settle()?;
    let mut cut = Flow::open(&host, "web", 8080)?;
    let mut kept = Flow::open(&host, "kept", 8090)?;
    cut.talk()?;
    let guard = Guard::start(host.lab(), &direct(10..=11), 3000)?;
    let stop = AtomicBool::new(false);
    let times = std::thread::scope(|scope| -> Result<u32> {
        let talking = scope.spawn(|| talk_on(&mut kept, &stop));
        let changed = (9001..9011).try_for_each(|port| -> Result<()> {
            let before = host.generation()?;
            forbid(port)?;
            watch.reload()?;
            until_moved(&host, before)?;
            let last = watch.log();
            ensure!(last.contains("tables made anew"), "{last}");
            answers(&host, "web", 8081)?;
            cut.talk()
        });
        stop.store(true, Ordering::Relaxed);
        changed?;
        talking.join().unwrap()
    })?;
    println!("{times} times there and back; {:?}", nothing_leaked(guard)?);
    forbid(8080)?;
    watch.reload()?;
    let started = Instant::now();
    while cut.talk().is_ok() {
        ensure!(started.elapsed() < PATIENCE, "it goes on:\n{}", watch.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    kept.talk().context("the other connection")?;
    answers(&host, "web", 8081)?;
    Ok(())
}

/// Waits for a commit.
fn until_moved(host: &DockerHost, before: u32) -> Result<()> {
    let started = Instant::now();
    while host.generation()? == before {
        ensure!(started.elapsed() < PATIENCE, "{}", host.dockfw_log());
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
