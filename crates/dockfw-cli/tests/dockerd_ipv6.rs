//! What containers live through, in networks of both families, as packets of IPv6 see it. A real
//! dockerd without rules, and `dockfw watch` beside it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; the times are the result of a run"
)]

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use dockfw_testkit::dockerd::REMOTE;
use dockfw_testkit::dockerd::leak::Guard;
use dockfw_testkit::lab::{Outcome, Protocol};

#[path = "dockerd/beside.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod beside;
#[path = "dockerd/blocks.rs"]
mod blocks;
#[path = "dockerd/dual.rs"]
mod dual;

use beside::{PATIENCE, nothing_leaked, rules, serve, watch};
use blocks::{blocks, difference};
use dual::{Steady, answers, ask, at, at_host, connect, direct, forbidden, refused, run};

/// Without rules the same datagrams arrive, in both families: the guard sees them.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn without_dockfw_a_guard_sees_leaks_of_both_families() -> Result<()> {
    let host = dual::host()?;
    run(&host, "web", 10, "-p 8080:80")?;
    let guard = Guard::start(host.lab(), &direct(&[(1, 10)]), 300)?;
    std::thread::sleep(std::time::Duration::from_millis(500));
    let seen = guard.stop()?;
    for to in forbidden(1, 10) {
        let has = seen.leaks.keys().any(|of| of.ends_with(&to.to_string()));
        ensure!(has, "{to}: {seen:?}");
    }
    Ok(())
}

/// Containers that live for a twentieth of a second, in a network that is there and in one that is
/// new.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn nothing_new_is_open_for_a_moment() -> Result<()> {
    let host = dual::host()?;
    let _watch = watch(&host, &[])?;
    run(&host, "neighbour", 2, "")?;
    let guard = Guard::start(host.lab(), &direct(&[(1, 10), (1, 11), (9, 10)]), 1500)?;
    let (first, second, fresh) = (at("both", 1, 10), at("both", 1, 11), at("fresh", 9, 10));
    for _ in 0..5 {
        host.docker(&format!("run --rm {first} probe sleep 0.05"))?;
        host.docker(&format!("run --rm {second} -p 8080:80 probe sleep 0.05"))?;
        dual::network(&host, "fresh", 9)?;
        let created = Instant::now();
        while !rules(&host).contains("br-fresh") {
            ensure!(created.elapsed() < PATIENCE, "{}", host.dockfw_log());
        }
        let ways = forbidden(9, 10).map(|to| ("neighbour", to));
        let inside = Guard::start(host.lab(), &ways, 1000)?;
        host.docker(&format!("run --rm {fresh} -p 8081:80 probe sleep 0.05"))?;
        let seen = inside.stop()?;
        ensure!(seen.sent > 0 && seen.leaks.is_empty(), "{seen:?}");
        host.docker("network rm fresh")?;
    }
    println!("{:?}", nothing_leaked(guard)?);
    Ok(())
}

/// A container that is stopped and started, and others that come and go: it answers in both
/// families each time, and nothing is left in the ruleset.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn cycles_leave_nothing() -> Result<()> {
    let host = dual::host()?;
    let _watch = watch(&host, &[])?;
    // Not the guard's port: see "A commit under traffic" in docs/limits.md.
    run(&host, "web", 10, "-p 8080:80 -p 8080:80/udp")?;
    answers(&host, "web", 8080)?;
    host.settle()?;
    let before = blocks(&host)?;
    ensure!(before.iter().any(|of| of.contains("fd00:30:1::10")));
    let guard = Guard::start(host.lab(), &direct(&[(1, 10), (1, 11), (1, 12)]), 1500)?;
    for round in 0..6 {
        host.docker("stop -t 0 web")?;
        let closed = refused(&host, 8080)?;
        // Another one has its port meanwhile, with another number inside.
        let other = at("both", 1, 11 + round % 2);
        host.docker(&format!("run -d --name other {other} -p 8080:80 probe"))?;
        serve(&host, "other")?;
        answers(&host, "other", 8080)?;
        host.docker("rm -f other")?;
        host.docker("start web")?;
        serve(&host, "web")?;
        let open = answers(&host, "web", 8080)?;
        let udp = ask(&host, Protocol::Udp, 8080)?;
        ensure!(udp.iter().all(|of| of.is_reached_at("web", 80)), "{udp:?}");
        println!("round {round}: closed after {closed:?}, open after {open:?}");
    }
    host.settle()?;
    let after = blocks(&host)?;
    ensure!(before == after, "{}", difference(&before, &after));
    println!("{:?}", nothing_leaked(guard)?);
    Ok(())
}

/// The address of a container that published is given to one that does not, while a client that
/// spoke with the first goes on. dockerd itself forgets the flows of an address that it takes back,
/// but this client may begin anew before anybody can know that its port is closed.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn an_address_used_again_inherits_no_port_and_no_flow() -> Result<()> {
    let host = dual::host()?;
    let _watch = watch(&host, &[])?;
    let client = Steady::new(&host, 5000)?;
    client.hurry()?;
    for round in 0..4 {
        let (old, new) = (format!("old{round}"), format!("new{round}"));
        run(&host, &old, 10, "-p 8080:80 -p 5000:81/udp")?;
        answers(&host, &old, 8080)?;
        client.until(&old)?;
        let stop = AtomicBool::new(false);
        let heard = std::thread::scope(|scope| -> Result<Vec<String>> {
            let asking = scope.spawn(|| {
                let mut heard = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    heard.push(client.ask());
                }
                heard
            });
            let replaced = (|| {
                // Who is dead does not answer.
                host.lab().forget(&old);
                host.docker(&format!("rm -f {old}"))?;
                dual::untracked(&host, "ipv6", "fd00:30:1::10")?;
                let mut ways = at_host(8080).map(|to| (REMOTE, to)).to_vec();
                ways.extend(direct(&[(1, 10)]));
                let guard = Guard::start(host.lab(), &ways, 1000)?;
                run(&host, &new, 10, "")?;
                let outcomes = ask(&host, Protocol::Tcp, 8080)?;
                ensure!(
                    outcomes.iter().all(|of| *of == Outcome::Refused),
                    "{outcomes:?}"
                );
                println!("round {round}: {:?}", nothing_leaked(guard)?);
                Ok(())
            })();
            stop.store(true, Ordering::Relaxed);
            replaced?;
            Ok(asking.join().unwrap_or_default())
        })?;
        ensure!(!heard.contains(&new), "round {round}: {new} has answered");
        host.docker(&format!("rm -f {new}"))?;
    }
    Ok(())
}

/// A client that never pauses finds the container that replaces the one it spoke with.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_steady_udp_client_finds_the_new_container() -> Result<()> {
    let host = dual::host()?;
    let _watch = watch(&host, &[])?;
    let client = Steady::new(&host, 5000)?;
    run(&host, "one", 10, "-p 5000:81/udp")?;
    client.until("one")?;
    for (old, new, last) in [("one", "two", 11), ("two", "three", 12)] {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    client.ask();
                }
            });
            let replaced = host
                .docker(&format!("rm -f {old}"))
                .and_then(|_| run(&host, new, last, "-p 5000:81/udp"));
            stop.store(true, Ordering::Relaxed);
            replaced
        })?;
        println!("{new} answers after {:?}", client.until(new)?);
    }
    Ok(())
}

/// A container that leaves the network by which it published: its flows of TCP and UDP are cut, the
/// port moves to its other network, and flows of another container go on.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn flows_end_with_their_address() -> Result<()> {
    let host = dual::host()?;
    dual::network(&host, "two", 2)?;
    let _watch = watch(&host, &[])?;
    run(&host, "web", 10, "-p 8081:7000 -p 5000:81/udp")?;
    run(&host, "kept", 11, "-p 8091:7000")?;
    let client = Steady::new(&host, 5000)?;
    client.until("web")?;
    let tcp = connect(&host, "web", 8081)?;
    let mut kept = connect(&host, "kept", 8091)?;
    let mut talk = |what: &str| -> Result<()> {
        let [client, server] = &mut kept;
        let mut got = [0; 4];
        client.write_all(b"ping")?;
        server
            .read_exact(&mut got)
            .with_context(|| what.to_owned())?;
        server.write_all(b"pong")?;
        client.read_exact(&mut got).with_context(|| what.to_owned())
    };
    talk("at first")?;
    let flows = dual::tracked(&host, "ipv6", "fd00:30:1::10")?;
    ensure!(
        ["tcp", "udp"]
            .iter()
            .all(|of| flows.iter().any(|line| line.starts_with(of))),
        "{flows:#?}"
    );
    host.docker("network connect --ip 172.30.2.10 --ip6 fd00:30:2::10 two web")?;
    host.docker("network disconnect both web")?;
    println!(
        "cut after {:?}",
        dual::untracked(&host, "ipv6", "fd00:30:1::10")?
    );
    println!("found again after {:?}", client.until("web")?);
    talk("after the move")?;
    drop(tcp);
    // And with the container itself.
    let tcp = connect(&host, "web", 8081)?;
    host.docker("rm -f web")?;
    println!(
        "cut after {:?}",
        dual::untracked(&host, "ipv6", "fd00:30:2::10")?
    );
    talk("after its end")?;
    drop(tcp);
    let direct = SocketAddr::new(dual::six(1, 11), 80);
    let outcome = host.lab().reach(REMOTE, direct.ip(), Protocol::Tcp, 80)?;
    ensure!(!outcome.is_reached(), "{direct}: {outcome}");
    Ok(())
}
