//! Networks of both families, and what tests ask over IPv6.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dockfw_testkit::dockerd::{DockerHost, REMOTE};
use dockfw_testkit::lab::{HOST, Outcome, Protocol};

use super::beside::{HOST4, PATIENCE, config, serve};

/// The host's address on the link to the remote.
pub(crate) const HOST6: &str = "2001:db8:ffff::1";

/// dockerd with the network `both` on br-both: 172.30.1.0/24 and fd00:30:1::/64.
pub(crate) fn host() -> Result<DockerHost> {
    let host = DockerHost::start(&config())?;
    network(&host, "both", 1)?;
    Ok(host)
}

/// Makes a network of both families with a bridge of its own name.
pub(crate) fn network(host: &DockerHost, name: &str, number: u8) -> Result<()> {
    host.docker(&format!(
        "network create --ipv6 --subnet 172.30.{number}.0/24 --subnet fd00:30:{number}::/64 -o \
         com.docker.network.bridge.name=br-{name} {name}"
    ))?;
    Ok(())
}

/// Options that give a container these addresses in a network.
pub(crate) fn at(network: &str, number: u8, last: u8) -> String {
    format!("--network {network} --ip 172.30.{number}.{last} --ip6 fd00:30:{number}::{last}")
}

/// Starts a container of `both` with these last parts of its addresses, and servers.
pub(crate) fn run(host: &DockerHost, name: &str, last: u8, options: &str) -> Result<()> {
    let at = at("both", 1, last);
    host.docker(&format!("run -d --name {name} {at} {options} probe"))?;
    serve(host, name)
}

/// The IPv6 address of [`at`], whose last part is read as it is written.
pub(crate) fn six(number: u8, last: u8) -> IpAddr {
    format!("fd00:30:{number}::{last}").parse().unwrap()
}

/// Port 81 of the addresses of [`at`], which nobody publishes.
pub(crate) fn forbidden(number: u8, last: u8) -> [SocketAddr; 2] {
    [
        SocketAddr::from(([172, 30, number, last], 81)),
        SocketAddr::new(six(number, last), 81),
    ]
}

/// The remote's forbidden ways to [`forbidden`].
pub(crate) fn direct(places: &[(u8, u8)]) -> Vec<(&'static str, SocketAddr)> {
    let both = places
        .iter()
        .flat_map(|(number, last)| forbidden(*number, *last));
    both.map(|to| (REMOTE, to)).collect()
}

/// A port of the host, in each family.
pub(crate) fn at_host(port: u16) -> [SocketAddr; 2] {
    [HOST4, HOST6].map(|address| SocketAddr::new(address.parse().unwrap(), port))
}

/// Asks a port of the host in both families.
pub(crate) fn ask(host: &DockerHost, protocol: Protocol, port: u16) -> Result<[Outcome; 2]> {
    let [four, six] = at_host(port).map(|to| host.lab().reach(REMOTE, to.ip(), protocol, port));
    Ok([four?, six?])
}

/// Waits until a container answers on the host's port, in both families, by TCP.
pub(crate) fn answers(host: &DockerHost, name: &str, port: u16) -> Result<Duration> {
    until(host, port, |of| of.is_reached_at(name, 80))
}

/// Waits until nobody listens on the host's port, in both families.
pub(crate) fn refused(host: &DockerHost, port: u16) -> Result<Duration> {
    until(host, port, |of| *of == Outcome::Refused)
}

fn until(host: &DockerHost, port: u16, is: impl Fn(&Outcome) -> bool) -> Result<Duration> {
    let started = Instant::now();
    loop {
        let outcomes = ask(host, Protocol::Tcp, port)?;
        if outcomes.iter().all(&is) {
            return Ok(started.elapsed());
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "{port}: {outcomes:?}\n{}",
            host.dockfw_log()
        );
    }
}

/// What conntrack(8) lists of a family that has a word, without the counters of a moment.
pub(crate) fn tracked(host: &DockerHost, family: &str, word: &str) -> Result<Vec<String>> {
    let list = || {
        Command::new("conntrack")
            .args(["-L", "-f", family])
            .output()
    };
    let output = host.lab().run_in(HOST, list)?.context("start conntrack")?;
    ensure!(
        output.status.success(),
        "conntrack: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|line| {
        let mut words = line.split_whitespace();
        words.any(|of| of.split('=').any(|part| part == word))
    });
    Ok(lines.map(str::to_owned).collect())
}

/// Waits until conntrack(8) lists nothing of a family that has a word.
pub(crate) fn untracked(host: &DockerHost, family: &str, word: &str) -> Result<Duration> {
    let started = Instant::now();
    loop {
        let lines = tracked(host, family, word)?;
        if lines.is_empty() {
            return Ok(started.elapsed());
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "{lines:#?}\n{}",
            host.dockfw_log()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A client of the remote that never changes its port.
#[derive(Debug)]
pub(crate) struct Steady(UdpSocket);

impl Steady {
    /// One that speaks with a port of the host over IPv6.
    pub(crate) fn new(host: &DockerHost, port: u16) -> Result<Self> {
        let bind = || UdpSocket::bind("[2001:db8:ffff::2]:4444");
        let socket = host.lab().run_in(REMOTE, bind)??;
        socket.connect((HOST6, port))?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        Ok(Self(socket))
    }

    /// Asks as often as it can: a thousand times a second, if nobody answers.
    pub(crate) fn hurry(&self) -> Result<()> {
        Ok(self.0.set_read_timeout(Some(Duration::from_millis(1)))?)
    }

    /// Who answers; empty when nobody does.
    pub(crate) fn ask(&self) -> String {
        let mut answer = [0; 200];
        // Refusals are errors of an earlier datagram.
        let _ = self.0.send(b"who are you");
        let length = self.0.recv(&mut answer).unwrap_or(0);
        let text = String::from_utf8_lossy(answer.get(..length).unwrap_or_default());
        text.split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits for a container's answer.
    pub(crate) fn until(&self, name: &str) -> Result<Duration> {
        let started = Instant::now();
        while self.ask() != name {
            ensure!(started.elapsed() < PATIENCE, "{name:?} does not answer");
        }
        Ok(started.elapsed())
    }
}

/// Opens a TCP connection of the remote over IPv6 to port 7000 of a container: both ends.
pub(crate) fn connect(host: &DockerHost, node: &str, port: u16) -> Result<[TcpStream; 2]> {
    let listen = || TcpListener::bind("[::]:7000");
    let listener = host.lab().run_in(node, listen)??;
    let to = SocketAddr::new(HOST6.parse()?, port);
    let connect = || TcpStream::connect_timeout(&to, Duration::from_secs(3));
    let client = host.lab().run_in(REMOTE, connect)?.context("connect")?;
    let (server, _) = listener.accept()?;
    for end in [&client, &server] {
        end.set_nodelay(true)?;
        end.set_read_timeout(Some(Duration::from_secs(3)))?;
    }
    Ok([client, server])
}
