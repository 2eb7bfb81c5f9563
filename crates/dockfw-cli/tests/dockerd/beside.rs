//! A dockerd without rules with `dockfw watch` beside it, and what tests ask of both.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use dockfw_testkit::dockerd::leak::{Guard, Seen};
use dockfw_testkit::dockerd::watch::Watch;
use dockfw_testkit::dockerd::{Config, DockerHost, REMOTE};
use dockfw_testkit::lab::{HOST, Outcome, Probe, Protocol};

/// The host's address on the link to the remote.
pub(crate) const HOST4: &str = "192.0.2.1";
/// How long a change may take to be seen on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The program under test; `DOCKFW_PROGRAM` names another build of it.
pub(crate) fn program() -> PathBuf {
    let other = std::env::var_os("DOCKFW_PROGRAM");
    other.map_or_else(
        || Path::new(env!("CARGO_BIN_EXE_dockfw")).into(),
        PathBuf::from,
    )
}

/// dockerd without rules and without its proxy, so that only dockfw lets anything through.
pub(crate) fn config() -> Config {
    Config {
        timeout: Duration::from_millis(500),
        ..Config::without_rules().key("userland-proxy", false)
    }
}

/// dockerd with the network `net`, 172.30.1.0/24 on br-net.
pub(crate) fn host(config: &Config) -> Result<DockerHost> {
    let host = DockerHost::start(config)?;
    network(&host, "net", "172.30.1.0/24")?;
    Ok(host)
}

/// Makes a network with a bridge of its own name.
pub(crate) fn network(host: &DockerHost, name: &str, subnet: &str) -> Result<()> {
    let bridge = format!("com.docker.network.bridge.name=br-{name}");
    host.docker(&format!(
        "network create --subnet {subnet} -o {bridge} {name}"
    ))?;
    Ok(())
}

/// Starts dockfw.
pub(crate) fn watch(host: &DockerHost, more: &[&str]) -> Result<Watch> {
    Watch::start(host, &program(), more)
}

/// A destination on the host.
pub(crate) fn at_host(port: u16) -> SocketAddr {
    SocketAddr::new(HOST4.parse().unwrap(), port)
}

/// Starts a container with these options in `net`, and a server on 80 and 81, TCP and UDP.
pub(crate) fn run(host: &DockerHost, name: &str, options: &str) -> Result<()> {
    host.docker(&format!(
        "run -d --name {name} --network net {options} probe"
    ))?;
    serve(host, name)
}

/// Takes a running container into the lab, with servers.
pub(crate) fn serve(host: &DockerHost, name: &str) -> Result<()> {
    host.adopt_one(&host.container(name)?)?;
    for port in [80, 81] {
        host.lab().listen(name, Protocol::Tcp, port)?;
        host.lab().listen(name, Protocol::Udp, port)?;
    }
    Ok(())
}

/// Asks the host's port from the remote, by TCP.
pub(crate) fn ask(host: &DockerHost, port: u16) -> Result<Outcome> {
    host.lab()
        .reach(REMOTE, HOST4.parse()?, Protocol::Tcp, port)
}

/// Waits until a container answers on the host's port, and says how long that took.
pub(crate) fn answers(host: &DockerHost, name: &str, port: u16) -> Result<Duration> {
    let started = Instant::now();
    loop {
        let outcome = ask(host, port)?;
        if outcome.is_reached_at(name, 80) {
            return Ok(started.elapsed());
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "{name} at {port}: {outcome}\n{}",
            host.dockfw_log()
        );
    }
}

/// Waits until nobody listens on the host's port.
pub(crate) fn refused(host: &DockerHost, port: u16) -> Result<()> {
    let started = Instant::now();
    loop {
        let outcome = ask(host, port)?;
        if outcome == Outcome::Refused {
            return Ok(());
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "{port}: {outcome}\n{}",
            host.dockfw_log()
        );
    }
}

/// Asks all of these ports of the host at once; those whose outcome is not as wanted.
pub(crate) fn ports(
    host: &DockerHost,
    ports: &[u16],
    wanted: impl Fn(u16, &Outcome) -> bool,
) -> Result<Vec<String>> {
    let probe = |port: &u16| Probe::new(REMOTE, HOST4.parse().unwrap(), Protocol::Tcp, *port);
    let probes: Vec<Probe> = ports.iter().map(probe).collect();
    let outcomes = host.lab().probe(&probes)?;
    let wrong = ports.iter().zip(outcomes);
    let wrong = wrong.filter(|(port, outcome)| !wanted(**port, outcome));
    Ok(wrong.map(|(port, of)| format!("{port}: {of}")).collect())
}

/// Forbidden ways: from the remote to port 81 of these addresses of `net`.
pub(crate) fn direct(last: impl Iterator<Item = u8>) -> Vec<(&'static str, SocketAddr)> {
    let to = |last| SocketAddr::from(([172, 30, 1, last], 81));
    last.map(|last| (REMOTE, to(last))).collect()
}

/// Ends a guard: nothing got through, and it would have seen it.
pub(crate) fn nothing_leaked(guard: Guard) -> Result<Seen> {
    let seen = guard.stop()?;
    ensure!(seen.leaks.is_empty(), "leaks: {seen:?}");
    ensure!(
        seen.sent > 0 && seen.came > seen.sent / 2,
        "blind: {seen:?}"
    );
    Ok(seen)
}

/// dockfw's rules in the kernel, for messages.
pub(crate) fn rules(host: &DockerHost) -> String {
    nft(host, &["list", "ruleset"]).unwrap_or_else(|error| format!("{error:#}"))
}

/// Runs nft in the host's network.
pub(crate) fn nft(host: &DockerHost, arguments: &[&str]) -> Result<String> {
    let run = || Command::new("nft").args(arguments).output();
    let output = host.lab().run_in(HOST, run)??;
    if !output.status.success() {
        bail!("nft: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A TCP connection of the remote that goes back and forth.
#[derive(Debug)]
pub(crate) struct Flow {
    client: TcpStream,
    server: TcpStream,
}

impl Flow {
    /// Connects to a port of the host, behind which `node` is on its port 7000.
    pub(crate) fn open(host: &DockerHost, node: &str, port: u16) -> Result<Self> {
        let listener = host
            .lab()
            .run_in(node, || TcpListener::bind("0.0.0.0:7000"))??;
        let connect = || TcpStream::connect_timeout(&at_host(port), Duration::from_secs(3));
        let client = host.lab().run_in(REMOTE, connect)?.context("connect")?;
        let (server, _) = listener.accept()?;
        for end in [&client, &server] {
            end.set_nodelay(true)?;
            end.set_read_timeout(Some(Duration::from_secs(3)))?;
        }
        Ok(Self { client, server })
    }

    /// Says something in both directions.
    pub(crate) fn talk(&mut self) -> Result<()> {
        let mut got = [0; 4];
        self.client.write_all(b"ping")?;
        self.server.read_exact(&mut got).context("to the server")?;
        self.server.write_all(b"pong")?;
        self.client.read_exact(&mut got).context("to the client")?;
        Ok(())
    }
}
