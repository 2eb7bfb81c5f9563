//! What containers live through: restarts, moves between networks, replacements, short lives. A
//! real dockerd without rules, and `dockfw watch` beside it.
//!
//! While something happens, datagrams are sent where nothing may arrive, and every frame on a
//! bridge is looked at.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; the times are the result of a run"
)]

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dockfw_testkit::dockerd::REMOTE;
use dockfw_testkit::dockerd::leak::Guard;
use dockfw_testkit::lab::Outcome;

#[path = "dockerd/beside.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod beside;

use beside::{
    Flow, PATIENCE, answers, ask, at_host, config, direct, host, network, nothing_leaked, ports,
    rules, run, serve, watch,
};

/// Without rules the same datagrams arrive: it is dockfw that stops them, and the guard sees them.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn without_dockfw_a_guard_sees_leaks() -> Result<()> {
    let host = host(&config())?;
    run(&host, "web", "--ip 172.30.1.10 -p 8080:80")?;
    let guard = Guard::start(host.lab(), &direct(9..=11), 300)?;
    std::thread::sleep(Duration::from_millis(500));
    let seen = guard.stop()?;
    println!("{seen:?}");
    ensure!(seen.leaks.keys().any(|of| of.ends_with("172.30.1.10:81")));
    Ok(())
}

/// dockerd starts a container again: its port leads to it again, and to nobody meanwhile.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_restarted_container_answers_again() -> Result<()> {
    let host = host(&config())?;
    let _watch = watch(&host, &[])?;
    run(&host, "web", "--restart always -p 8080:80")?;
    run(&host, "other", "")?;
    answers(&host, "web", 8080)?;
    let guard = Guard::start(host.lab(), &direct(2..=6), 1000)?;
    for round in 1..=3 {
        host.kill_container("web")?;
        let started = Instant::now();
        let again = || -> Result<bool> {
            let container = host.container("web");
            Ok(container.is_ok_and(|of| of.restarts == round && !of.networks.is_empty()))
        };
        while !again()? {
            ensure!(started.elapsed() < PATIENCE, "no restart");
            std::thread::sleep(Duration::from_millis(20));
        }
        // The address is there a moment after the container.
        while serve(&host, "web").is_err() {
            ensure!(started.elapsed() < PATIENCE, "no sandbox");
            std::thread::sleep(Duration::from_millis(20));
        }
        answers(&host, "web", 8080)?;
        println!(
            "round {round}: answers {:?} after it was killed",
            started.elapsed()
        );
        let wrong = ports(&host, &[80, 81, 8081], |_, of| *of == Outcome::Refused)?;
        ensure!(wrong.is_empty(), "{wrong:?}");
    }
    println!("{:?}", nothing_leaked(guard)?);
    Ok(())
}

/// A published port moves with its container, and a network that it has left is closed to it.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_port_moves_with_its_container() -> Result<()> {
    let host = host(&config())?;
    network(&host, "two", "172.30.2.0/24")?;
    let _watch = watch(&host, &[])?;
    run(&host, "web", "--ip 172.30.1.10 -p 8080:80")?;
    answers(&host, "web", 8080)?;
    let mut ways = direct([10].into_iter());
    ways.push((REMOTE, SocketAddr::from(([172, 30, 2, 10], 81))));
    let guard = Guard::start(host.lab(), &ways, 1000)?;
    for _ in 0..3 {
        host.docker("network connect --ip 172.30.2.10 two web")?;
        host.docker("network disconnect net web")?;
        println!(
            "in the second network after {:?}",
            answers(&host, "web", 8080)?
        );
        host.docker("network connect --ip 172.30.1.10 net web")?;
        host.docker("network disconnect two web")?;
        println!(
            "in the first network after {:?}",
            answers(&host, "web", 8080)?
        );
    }
    println!("{:?}", nothing_leaked(guard)?);
    Ok(())
}

/// The address of a container that is gone, and that published, is given to one that does not.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn an_address_used_again_inherits_no_port() -> Result<()> {
    let host = host(&config())?;
    let _watch = watch(&host, &[])?;
    for round in 0..4 {
        let (old, new) = (format!("old{round}"), format!("new{round}"));
        run(&host, &old, "--ip 172.30.1.10 -p 8080:80 -p 8080:81/udp")?;
        answers(&host, &old, 8080)?;
        host.docker(&format!("rm -f {old}"))?;
        let mut ways = vec![(REMOTE, at_host(8080))];
        ways.extend(direct([10].into_iter()));
        let guard = Guard::start(host.lab(), &ways, 1000)?;
        host.docker(&format!(
            "run -d --name {new} --network net --ip 172.30.1.10 probe"
        ))?;
        serve(&host, &new)?;
        let outcome = ask(&host, 8080)?;
        ensure!(outcome == Outcome::Refused, "round {round}: {outcome}");
        println!("round {round}: {:?}", nothing_leaked(guard)?);
        host.docker(&format!("rm -f {new}"))?;
    }
    Ok(())
}

/// Containers that live for a twentieth of a second, in a network that is there and in one that is
/// new.
///
/// A neighbour may send to a bridge that dockfw has not been told of yet, as to any other link that
/// is not Docker's; it begins when the bridge is closed, which takes what is printed. The remote
/// sends all the time.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn nothing_new_is_open_for_a_moment() -> Result<()> {
    let host = host(&config())?;
    let _watch = watch(&host, &[])?;
    run(&host, "neighbour", "--ip 172.30.1.2")?;
    let fresh = SocketAddr::from(([172, 30, 9, 10], 81));
    let mut ways = direct([10, 11].into_iter());
    ways.push((REMOTE, fresh));
    let guard = Guard::start(host.lab(), &ways, 1500)?;
    for _ in 0..5 {
        host.docker("run --rm --network net --ip 172.30.1.10 probe sleep 0.05")?;
        host.docker("run --rm --network net --ip 172.30.1.11 -p 8080:80 probe sleep 0.05")?;
        network(&host, "fresh", "172.30.9.0/24")?;
        let created = Instant::now();
        while !rules(&host).contains("br-fresh") {
            ensure!(created.elapsed() < PATIENCE, "{}", host.dockfw_log());
        }
        println!(
            "closed {:?} after docker said that it is there",
            created.elapsed()
        );
        let inside = Guard::start(host.lab(), &[("neighbour", fresh)], 1000)?;
        host.docker("run --rm --network fresh --ip 172.30.9.10 -p 8081:80 probe sleep 0.05")?;
        let seen = inside.stop()?;
        ensure!(seen.sent > 0 && seen.leaks.is_empty(), "{seen:?}");
        host.docker("network rm fresh")?;
    }
    println!("{:?}", nothing_leaked(guard)?);
    Ok(())
}

/// A stricter `DOCKER-USER` holds for connections that are there already.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_stricter_policy_cuts_running_connections() -> Result<()> {
    let host = host(&config())?;
    let policy = host.folder().join("policy.toml");
    // Established connections pass first, as in most rules that operators write.
    let write = |rules: &str| {
        fs::write(
            &policy,
            format!(
                "version = 1\n[docker-user]\nipv4 = '''\n\
                 -A DOCKER-USER -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN\n{rules}'''\n"
            ),
        )
    };
    write("")?;
    let watch = watch(&host, &[policy.to_str().unwrap()])?;
    run(&host, "web", "-p 8080:7000 -p 8081:80")?;
    run(&host, "kept", "-p 8090:7000")?;
    answers(&host, "web", 8081)?;
    host.settle()?;
    let mut cut = Flow::open(&host, "web", 8080)?;
    let mut kept = Flow::open(&host, "kept", 8090)?;
    cut.talk()?;
    kept.talk()?;
    write("-A DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 8080 -j DROP\n")?;
    watch.reload()?;
    let started = Instant::now();
    while cut.talk().is_ok() {
        ensure!(started.elapsed() < PATIENCE, "it goes on:\n{}", watch.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    println!(
        "cut {:?} after SIGHUP, 3 s of waiting included",
        started.elapsed()
    );
    kept.talk().context("the other connection")?;
    answers(&host, "web", 8081)?;
    Ok(())
}

/// A client that never changes its port, and never pauses, finds the container that replaces the
/// one it spoke with.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_steady_udp_client_finds_the_new_container() -> Result<()> {
    let host = host(&config())?;
    let _watch = watch(&host, &[])?;
    let client = host
        .lab()
        .run_in(REMOTE, || UdpSocket::bind("192.0.2.2:4444"))??;
    client.connect(at_host(5000))?;
    client.set_read_timeout(Some(Duration::from_millis(20)))?;
    let ask = || {
        let mut answer = [0; 200];
        // Refusals are errors of an earlier datagram.
        let _ = client.send(b"who are you");
        let length = client.recv(&mut answer).unwrap_or(0);
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let until = |name: &str| -> Result<Duration> {
        let started = Instant::now();
        while !ask().starts_with(name) {
            ensure!(started.elapsed() < PATIENCE, "{name} does not answer");
        }
        Ok(started.elapsed())
    };
    run(&host, "one", "--ip 172.30.1.10 -p 5000:81/udp")?;
    until("one")?;
    for (old, new, address) in [("one", "two", 11), ("two", "three", 12)] {
        // It goes on asking while there is nobody, which makes an entry without translation.
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    ask();
                }
            });
            let replaced = host.docker(&format!("rm -f {old}")).and_then(|_| {
                let address = format!("--ip 172.30.1.{address} -p 5000:81/udp");
                run(&host, new, &address)
            });
            stop.store(true, Ordering::Relaxed);
            replaced
        })?;
        println!("{new} answers after {:?}", until(new)?);
    }
    Ok(())
}
