//! The host that the guide begins with.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dockfw_testkit::dockerd::REMOTE;
use dockfw_testkit::dockerd::machine::Machine;
use dockfw_testkit::lab::{Lab, Outcome, Probe, Protocol, Remote};

use crate::PATIENCE;

/// The host's address on its uplink.
pub(crate) const HOST4: [u8; 4] = [192, 0, 2, 1];
/// The client that `DOCKER-USER` keeps out from the beginning.
pub(crate) const BANNED: &str = "203.0.113.66";
/// The client that the guide's last rule is about.
pub(crate) const OTHER: &str = "203.0.113.67";

/// A running host.
pub(crate) struct Stock {
    machine: Machine,
    /// Identifiers of the containers, with their processes.
    containers: String,
    /// Where nothing may arrive.
    forbidden: Vec<SocketAddr>,
}

impl Stock {
    /// Docker's service, the containers `web` and `db`, and rules in `DOCKER-USER`.
    pub(crate) fn new() -> Result<Self> {
        let mut remote = Remote::default();
        for address in [BANNED, OTHER] {
            remote = remote.address(&format!("{address}/32"));
        }
        let lab = Lab::builder()
            .remote(remote)
            .host_sysctl("net.ipv4.ip_forward", "0")
            .timeout(Duration::from_millis(300))
            .build()?;
        let program = Path::new(env!("CARGO_BIN_EXE_dockfw"));
        let folder = program.parent().context("a program in no folder")?;
        let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist");
        let machine = Machine::boot(lab, &[folder, &dist.canonicalize()?])?;
        let built = Path::new("/srv").join(folder.file_name().context("no name")?);
        machine.run(&format!(
            "mkdir -p target/release\nln -s {}/dockfw target/release/dockfw\n{}",
            built.display(),
            include_str!("stock.sh")
        ))?;
        let address = "docker inspect -f '{{.NetworkSettings.Networks.shop.IPAddress}}'";
        let web: IpAddr = machine.run(&format!("{address} web"))?.trim().parse()?;
        let db: IpAddr = machine.run(&format!("{address} db"))?.trim().parse()?;
        let forbidden = [
            (web, 81),
            (db, 5432),
            (HOST4.into(), 81),
            (HOST4.into(), 5432),
        ];
        let mut host = Self {
            machine,
            containers: String::new(),
            forbidden: forbidden.map(SocketAddr::from).to_vec(),
        };
        host.containers = host.identify()?;
        Ok(host)
    }

    /// What is to be so before the first step, or the test would show nothing.
    pub(crate) fn is_as_docker_makes_it(&self) -> Result<()> {
        self.serves(8080)?;
        ensure!(
            !self.lets_in(BANNED)?,
            "the rule in DOCKER-USER is not in force"
        );
        ensure!(
            self.lets_in(OTHER)?,
            "the remote's addresses have no way back"
        );
        // Its servers are there, for who may ask them.
        for to in self
            .forbidden
            .iter()
            .filter(|of| of.ip() != IpAddr::from(HOST4))
        {
            self.run(&format!("busybox nc {} {} </dev/null", to.ip(), to.port()))?;
        }
        Ok(())
    }

    /// Runs lines with bash.
    pub(crate) fn run(&self, lines: &str) -> Result<String> {
        self.machine.run(lines).with_context(|| {
            self.machine
                .run("journalctl --no-pager --lines 40 2>&1 || true")
                .unwrap_or_default()
        })
    }

    pub(crate) fn lab(&self) -> &Lab {
        self.machine.lab()
    }

    pub(crate) fn read(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.machine.file(path)).with_context(|| path.to_owned())
    }

    /// Where nothing may arrive, and from where.
    pub(crate) fn forbidden(&self) -> Vec<(&'static str, SocketAddr)> {
        self.forbidden.iter().map(|to| (REMOTE, *to)).collect()
    }

    /// Docker's rules, and others of iptables.
    pub(crate) fn saved(&self) -> Result<String> {
        self.run("iptables-save; ip6tables-save")
    }

    /// dockfw's tables.
    pub(crate) fn ours(&self) -> Result<String> {
        self.run("for of in $(nft list tables | awk '/dockfw/ {print $2 \":\" $3}'); do nft --stateless list table ${of%:*} ${of#*:}; done")
    }

    /// Waits until a page comes from the host's port.
    pub(crate) fn serves(&self, port: u16) -> Result<()> {
        let started = Instant::now();
        loop {
            let page = self.lab().run_in(REMOTE, || page(port))?;
            match page {
                Ok(()) => return Ok(()),
                Err(error) => ensure!(started.elapsed() < PATIENCE, "{port}: {error:#}"),
            }
        }
    }

    /// What comes of a connection to the host's port.
    pub(crate) fn asks(&self, port: u16) -> Result<Outcome> {
        self.lab().reach(REMOTE, HOST4.into(), Protocol::Tcp, port)
    }

    /// Whether an address of the remote gets to the published port.
    pub(crate) fn lets_in(&self, source: &str) -> Result<bool> {
        let probe = Probe::new(REMOTE, HOST4.into(), Protocol::Tcp, 8080);
        let outcome = self.lab().probe(&[probe.from_source(source.parse()?)])?;
        Ok(outcome != [Outcome::NoAnswer])
    }

    /// No container was restarted.
    pub(crate) fn containers_are_the_same(&self) -> Result<()> {
        let now = self.identify()?;
        ensure!(now == self.containers, "{now}, not {}", self.containers);
        Ok(())
    }

    fn identify(&self) -> Result<String> {
        self.run("docker inspect -f '{{.Id}} {{.State.Pid}} {{.State.StartedAt}}' web db")
    }

    /// `dockfw watch` runs as a service, and no service has failed.
    pub(crate) fn is_followed(&self) -> Result<()> {
        self.run("systemctl is-active dockfw-watch.service docker.service")?;
        let failed = self.run("systemctl list-units --failed --no-legend")?;
        ensure!(failed.is_empty(), "{failed}");
        Ok(())
    }

    /// Waits until `dockfw status` knows of no problem.
    pub(crate) fn has_no_problem(&self) -> Result<()> {
        let started = Instant::now();
        loop {
            let status = self.run("dockfw status")?;
            if status.contains("watch: process") && !status.contains("problem") {
                return Ok(());
            }
            ensure!(started.elapsed() < PATIENCE, "{status}");
        }
    }
}

/// Asks the host for a page, and waits for the connection for less than TCP does before it tries
/// again. The kernel makes it; the server may take its time, on a machine that has much to do.
pub(crate) fn page(port: u16) -> Result<()> {
    let to = SocketAddr::from((HOST4, port));
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_millis(800))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    ensure!(text.ends_with("a page\n"), "{text:?}");
    Ok(())
}
