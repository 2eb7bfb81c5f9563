//! Links of containers on docker0, where containers may not speak with each other otherwise. A real
//! dockerd without rules, and `dockfw watch` beside it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; the times are the result of a run"
)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dockfw_testkit::dockerd::DockerHost;
use dockfw_testkit::dockerd::leak::Guard;
use dockfw_testkit::dockerd::watch::Watch;
use dockfw_testkit::lab::Protocol;

#[path = "dockerd/beside.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod beside;

use beside::{PATIENCE, config, nft, rules, serve, watch};

/// dockerd with docker0 at 172.30.0.1, and dockfw, which is told `icc = false`: dockerd refuses that
/// without rules of its own.
fn start() -> Result<(DockerHost, Watch)> {
    let host = DockerHost::start(&config().key("bip", "172.30.0.1/24"))?;
    let policy = host.folder().join("policy.toml");
    fs::write(&policy, "version = 1\n[daemon]\nicc = false\n")?;
    let watch = watch(&host, &[policy.to_str().unwrap()])?;
    Ok((host, watch))
}

/// Starts a container on docker0; without `--ip`, dockerd gives the first address that is free.
fn run(host: &DockerHost, name: &str, options: &str) -> Result<SocketAddr> {
    host.docker(&format!("run -d --name {name} {options} probe"))?;
    serve(host, name)?;
    address(host, name)
}

fn address(host: &DockerHost, name: &str) -> Result<SocketAddr> {
    Ok(SocketAddr::new(host.container(name)?.ipv4()?, 80))
}

fn reaches(host: &DockerHost, from: &str, to: SocketAddr) -> Result<bool> {
    let outcome = host.lab().reach(from, to.ip(), Protocol::Tcp, to.port())?;
    Ok(outcome.is_reached())
}

/// Waits until a way is open, or closed.
fn until(
    host: &DockerHost,
    from: &str,
    to: SocketAddr,
    open: bool,
    limit: Duration,
) -> Result<Duration> {
    let started = Instant::now();
    while reaches(host, from, to)? != open {
        ensure!(
            started.elapsed() < limit,
            "{from} to {to}, open: {}\n{}\n{}",
            !open,
            host.dockfw_log(),
            rules(host)
        );
    }
    Ok(started.elapsed())
}

/// Whether the rules let anything through because of a link.
fn has_links(host: &DockerHost) -> Result<bool> {
    let links = nft(host, &["list", "set", "inet", "dockfw", "links"])?;
    Ok(links.contains("elements"))
}

/// What is linked is open on the ports that the other exposes, from one side, as long as both run.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_link_lives_and_dies_with_its_containers() -> Result<()> {
    let (host, _watch) = start()?;
    let db = run(&host, "db", "--expose 80")?;
    let web = run(&host, "web", "--link db:store")?;
    let other = run(&host, "other", "--expose 80")?;
    let closed = |from: &str, to: SocketAddr| -> Result<()> {
        ensure!(
            !reaches(&host, from, to)?,
            "{from} to {to}\n{}",
            rules(&host)
        );
        Ok(())
    };
    let others = || -> Result<()> {
        closed("web", SocketAddr::new(db.ip(), 81))?;
        closed("db", web)?;
        closed("other", db)?;
        closed("web", other)
    };
    println!("open after {:?}", until(&host, "web", db, true, PATIENCE)?);
    others()?;
    for round in 0..3 {
        // Whoever gets the address is not the one that was linked.
        host.docker("stop -t 0 db")?;
        let to = SocketAddr::new(db.ip(), 80);
        let guard = Guard::start(host.lab(), &[("web", to), ("other", to)], 1000)?;
        let thief = run(&host, "thief", "--expose 80")?;
        ensure!(thief == db, "{thief} is not the address of {db}");
        closed("web", thief)?;
        let seen = guard.stop()?;
        ensure!(seen.sent > 0 && seen.leaks.is_empty(), "{seen:?}");
        ensure!(!has_links(&host)?, "{}", rules(&host));
        host.docker("rm -f thief")?;
        host.docker("start db")?;
        serve(&host, "db")?;
        ensure!(db == address(&host, "db")?);
        println!(
            "round {round}: open after {:?}",
            until(&host, "web", db, true, PATIENCE)?
        );
        others()?;
        // And the one that has the link.
        host.docker("restart -t 0 web")?;
        serve(&host, "web")?;
        until(&host, "web", db, true, PATIENCE)?;
    }
    host.docker("rm -f web")?;
    let heir = run(&host, "heir", "")?;
    ensure!(heir == web, "{heir} is not the address of {web}");
    closed("heir", db)?;
    Ok(())
}

/// `docker rm --link` has no event: the next listing finds it, and what the link allowed ends.
#[test]
#[ignore = "needs root, docker.io and a minute: cargo test -- --ignored"]
fn a_link_that_is_removed() -> Result<()> {
    let (host, watch) = start()?;
    let db = run(&host, "db", "--expose 80 --expose 7000")?;
    run(&host, "web", "--link db:store")?;
    until(&host, "web", db, true, PATIENCE)?;
    let listen = || TcpListener::bind("0.0.0.0:7000");
    let listener = host.lab().run_in("db", listen)??;
    let to = SocketAddr::new(db.ip(), 7000);
    let connect = || TcpStream::connect_timeout(&to, Duration::from_secs(3));
    let mut client = host.lab().run_in("web", connect)?.context("connect")?;
    let (mut server, _) = listener.accept()?;
    client.set_read_timeout(Some(Duration::from_secs(1)))?;
    server.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut talk = || -> Result<()> {
        let mut got = [0; 4];
        client.write_all(b"ping")?;
        server.read_exact(&mut got)?;
        server.write_all(b"pong")?;
        Ok(client.read_exact(&mut got)?)
    };
    talk()?;
    host.docker("rm --link /web/store")?;
    // dockerd takes the container out of its network for that, and puts it in again.
    until(&host, "web", db, true, PATIENCE)?;
    // It is listed every minute.
    let removed = Instant::now();
    while has_links(&host)? {
        let log = host.dockfw_log();
        ensure!(
            removed.elapsed() < Duration::from_secs(90),
            "it stays\n{log}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("closed after {:?}", removed.elapsed());
    ensure!(!reaches(&host, "web", db)?);
    let started = Instant::now();
    while talk().is_ok() {
        ensure!(started.elapsed() < PATIENCE, "it goes on:\n{}", watch.log());
    }
    Ok(())
}
