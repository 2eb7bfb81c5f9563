//! Starts, restarts and starts that fail: rows D6, H11, I5, I6, I9 and I14 of what Docker's own
//! tests check. A real dockerd without rules, and `dockfw watch` beside it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; the times are the result of a run"
)]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dockfw_testkit::dockerd::leak::Guard;
use dockfw_testkit::dockerd::{DockerHost, REMOTE};
use dockfw_testkit::lab::{HOST, Protocol};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};

#[path = "dockerd/beside.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod beside;
#[path = "dockerd/dual.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod dual;

use beside::{PATIENCE, answers, ask, config, nft, nothing_leaked, refused, rules, run, watch};
use dual::{HOST6, at_host};

/// The port of every client.
const PORT: u16 = 4242;

/// A connection from [`PORT`] to port 7000 of a container, both ends; it ends with a reset, so that
/// the port is free at once.
struct Again {
    client: TcpStream,
    server: TcpStream,
}

impl Again {
    fn open(host: &DockerHost, (node, from): (&str, IpAddr), to: SocketAddr) -> Result<Self> {
        let listen = || TcpListener::bind("[::]:7000");
        let listener = host.lab().run_in("web", listen)??;
        listener.set_nonblocking(true)?;
        let open = || -> Result<TcpStream> {
            let family = if from.is_ipv4() {
                AddressFamily::INET
            } else {
                AddressFamily::INET6
            };
            let client = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
            sockopt::set_socket_reuseaddr(&client, true)?;
            sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
            // Also for connect(2).
            let patience = Some(Duration::from_secs(3));
            sockopt::set_socket_timeout(&client, sockopt::Timeout::Send, patience)?;
            sockopt::set_socket_timeout(&client, sockopt::Timeout::Recv, patience)?;
            bind(&client, &SocketAddr::new(from, PORT)).context("bind")?;
            connect(&client, &to).context("connect")?;
            Ok(client.into())
        };
        let client = host.lab().run_in(node, open)??;
        // A proxy takes the connection before it has one to the server.
        let started = Instant::now();
        let server = loop {
            match listener.accept() {
                Ok((server, _)) => break server,
                Err(error) if started.elapsed() > PATIENCE => return Err(error.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        server.set_nonblocking(false)?;
        server.set_read_timeout(Some(Duration::from_secs(3)))?;
        Ok(Self { client, server })
    }

    fn talk(&mut self) -> Result<()> {
        let mut got = [0; 4];
        self.client.write_all(b"ping")?;
        self.server.read_exact(&mut got).context("to the server")?;
        self.server.write_all(b"pong")?;
        self.client.read_exact(&mut got).context("to the client")?;
        Ok(())
    }
}

/// A container with open connections is restarted, and replaced at another address: the start works
/// at once, and the same clients, from the same ports, reach it at once, in both families.
fn under_2msl(proxy: bool) -> Result<()> {
    let host = DockerHost::start(&config().key("userland-proxy", proxy))?;
    dual::network(&host, "both", 1)?;
    let _watch = watch(&host, &[])?;
    let [four, six] = at_host(1780);
    let mut ways = vec![
        ((REMOTE, "192.0.2.2".parse()?), four),
        ((REMOTE, "2001:db8:ffff::2".parse()?), six),
        ((HOST, "192.0.2.1".parse()?), four),
    ];
    if proxy {
        let loopback = "127.0.0.1".parse()?;
        ways.push(((HOST, loopback), SocketAddr::new(loopback, 1780)));
        let loopback = "::1".parse()?;
        ways.push(((HOST, loopback), SocketAddr::new(loopback, 1780)));
    } else {
        ways.push(((HOST, HOST6.parse()?), six));
    }
    dual::run(&host, "web", 10, "-p 1780:7000 -p 1781:80")?;
    dual::answers(&host, "web", 1781)?;
    let guard = Guard::start(host.lab(), &dual::direct(&[(1, 10), (1, 11)]), 1000)?;
    let all = || -> Result<Vec<Again>> {
        let open = |(from, to): &((&str, IpAddr), SocketAddr)| {
            let mut of =
                Again::open(&host, *from, *to).with_context(|| format!("{from:?} to {to}"))?;
            of.talk().with_context(|| format!("{from:?} to {to}"))?;
            Ok(of)
        };
        ways.iter().map(open).collect()
    };
    let mut open = all()?;
    for round in 0..4_u8 {
        let started = Instant::now();
        if round % 2 == 0 {
            host.docker("restart -t 0 web")?;
            beside::serve(&host, "web")?;
        } else {
            host.docker("rm -f web")?;
            dual::run(
                &host,
                "web",
                10 + round / 2 % 2 + 1,
                "-p 1780:7000 -p 1781:80",
            )?;
        }
        let running = started.elapsed();
        dual::answers(&host, "web", 1781)?;
        open.clear();
        open = all().with_context(|| format!("round {round}\n{}", host.dockfw_log()))?;
        println!(
            "round {round}: runs again after {running:?}, all clients are back after {:?}",
            started.elapsed()
        );
    }
    println!("{:?}", nothing_leaked(guard)?);
    Ok(())
}

/// D6, where all goes through the rules.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_restart_with_open_connections() -> Result<()> {
    under_2msl(false)
}

/// D6, where dockerd's proxy has connections of the host.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_restart_with_open_connections_of_the_proxy() -> Result<()> {
    under_2msl(true)
}

/// H11: a container whose port is another's does not start, and leaves nothing.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_port_that_is_taken() -> Result<()> {
    let host = beside::host(&config())?;
    let _watch = watch(&host, &[])?;
    run(&host, "web", "--ip 172.30.1.10 -p 8080:80")?;
    answers(&host, "web", 8080)?;
    host.settle()?;
    let before = nft(&host, &["--stateless", "list", "ruleset"])?;
    for round in 0..3 {
        let failed = host.docker(&format!(
            "run -d --restart=always --name two{round} --network net --ip 172.30.1.11 -p 8090:81 -p 8080:80 probe"
        ));
        let error = format!("{:#}", failed.err().context("it runs")?);
        ensure!(error.contains("port is already allocated"), "{error}");
        answers(&host, "web", 8080)?;
        refused(&host, 8090)?;
        host.settle()?;
        ensure!(
            before == nft(&host, &["--stateless", "list", "ruleset"])?,
            "{}",
            rules(&host)
        );
    }
    // As soon as the port is free it starts, and has it.
    host.docker("rm -f web")?;
    host.docker("start two0")?;
    beside::serve(&host, "two0")?;
    answers(&host, "two0", 8080)?;
    Ok(())
}

/// I6: what is gone never comes back, neither with a reload nor with a restart.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn what_is_gone_does_not_come_back() -> Result<()> {
    let mut host = beside::host(&config().key("live-restore", true))?;
    let mut watching = watch(&host, &[])?;
    run(&host, "web", "--ip 172.30.1.10 -p 8080:80")?;
    beside::network(&host, "gone", "172.30.9.0/24")?;
    host.docker("run -d --name lost --network gone --ip 172.30.9.10 -p 8090:80 probe")?;
    answers(&host, "web", 8080)?;
    host.docker("rm -f lost")?;
    host.docker("network rm gone")?;
    let is_gone = |what: &str| -> Result<()> {
        host_is_without(&host, ["br-gone", "172.30.9.", "8090"]).context(what.to_owned())
    };
    is_gone("at first")?;
    watching.reload()?;
    host.settle()?;
    is_gone("after SIGHUP")?;
    nft(&host, &["flush", "ruleset"])?;
    host.settle()?;
    is_gone("after a flush")?;
    watching.terminate()?;
    watching = watch(&host, &[])?;
    is_gone("after a restart of dockfw")?;
    host.stop_daemon()?;
    host.start_daemon()?;
    host.settle()?;
    host_is_without(&host, ["br-gone", "172.30.9.", "8090"]).context("after one of dockerd")?;
    answers(&host, "web", 8080)?;
    drop(watching);
    Ok(())
}

/// Waits until the rules name nothing of this.
fn host_is_without(host: &DockerHost, words: [&str; 3]) -> Result<()> {
    let started = Instant::now();
    loop {
        let text = rules(host);
        ensure!(text.contains("table inet dockfw"), "{text}");
        if !words.iter().any(|of| text.contains(of)) {
            return Ok(());
        }
        ensure!(started.elapsed() < PATIENCE, "{text}");
    }
}

/// I9: the ruleset is flushed while dockerd is down, and a container runs on.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_flush_while_dockerd_is_down() -> Result<()> {
    let mut host = beside::host(&config().key("live-restore", true))?;
    let _watch = watch(&host, &[])?;
    run(&host, "web", "--ip 172.30.1.10 -p 8080:80")?;
    answers(&host, "web", 8080)?;
    host.stop_daemon()?;
    for _ in 0..3 {
        nft(&host, &["flush", "ruleset"])?;
        answers(&host, "web", 8080)?;
        let direct = host
            .lab()
            .reach(REMOTE, "172.30.1.10".parse()?, Protocol::Tcp, 81)?;
        ensure!(!direct.is_reached(), "{direct}");
    }
    host.start_daemon()?;
    answers(&host, "web", 8080)?;
    run(&host, "late", "-p 8090:80")?;
    answers(&host, "late", 8090)?;
    Ok(())
}

/// I14: a dockerd without docker0.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_dockerd_without_its_own_bridge() -> Result<()> {
    let host = beside::host(&config().key("bridge", "none"))?;
    let watch = watch(&host, &[])?;
    ensure!(!rules(&host).contains("docker0"), "{}", rules(&host));
    run(&host, "web", "--ip 172.30.1.10 -p 8080:80")?;
    answers(&host, "web", 8080)?;
    let outcome = ask(&host, 81)?;
    ensure!(!outcome.is_reached(), "{outcome}");
    let direct = host
        .lab()
        .reach(REMOTE, "172.30.1.10".parse()?, Protocol::Tcp, 81)?;
    ensure!(!direct.is_reached(), "{direct}");
    ensure!(!watch.log().contains("WARN"), "{}", watch.log());
    Ok(())
}

/// I2 and I5: forwarding is closed unless dockerd is told to leave it alone, and then it is.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn forwarding_is_left_alone_if_dockerd_is_to() -> Result<()> {
    for (forwards, policy) in [(true, "policy drop"), (false, "policy accept")] {
        let host = beside::host(&config().key("ip-forward", forwards))?;
        let _watch = watch(&host, &[])?;
        let listing = rules(&host);
        let forward = listing
            .lines()
            .find(|line| line.contains("hook forward priority filter"));
        let forward = forward.with_context(|| listing.clone())?;
        ensure!(forward.contains(policy), "{forward}");
        let value = host.lab().run_in(HOST, || {
            std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward")
        })??;
        ensure!((value.trim() == "1") == forwards, "{value}");
    }
    Ok(())
}
