//! Published ports of SCTP, in both families. A real dockerd without rules, and `dockfw watch`
//! beside it.
//!
//! dockerd takes every published port for itself, or has its proxy do so: with a kernel that has no
//! SCTP, that is only possible with another proxy, which takes nothing.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests; the times are the result of a run"
)]

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use dockfw_testkit::dockerd::{DockerHost, REMOTE};
use dockfw_testkit::lab::HOST;

#[path = "dockerd/beside.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod beside;
#[path = "dockerd/dual.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod dual;
#[path = "dockerd/sctp.rs"]
mod sctp;

use beside::{PATIENCE, config, watch};
use dual::{HOST6, network, run, six};
use sctp::{Client, DATA, Server};

/// dockerd with the network `both`, and a proxy that only says that it is there.
fn host() -> Result<DockerHost> {
    let mut host = DockerHost::start(&config())?;
    let proxy = host.folder().join("proxy");
    fs::write(&proxy, "#!/bin/sh\nprintf '0\\n' >&3\nexec sleep 1000000\n")?;
    fs::set_permissions(&proxy, fs::Permissions::from_mode(0o755))?;
    host.stop_daemon()?;
    let config = config()
        .key("userland-proxy", true)
        .key("userland-proxy-path", proxy.display().to_string());
    host.write_daemon_json(&config.daemon)?;
    host.start_daemon()?;
    network(&host, "both", 1)?;
    Ok(host)
}

/// The host and the container `web`, in each family.
fn addresses() -> [(IpAddr, IpAddr); 2] {
    [
        ([192, 0, 2, 1].into(), [172, 30, 1, 10].into()),
        (HOST6.parse().unwrap(), six(1, 10)),
    ]
}

/// Associates, as soon as the port is open.
fn associates(host: &DockerHost, client: &Client) -> Result<()> {
    let started = Instant::now();
    loop {
        match client.associate() {
            Ok(()) => return Ok(()),
            Err(error) if started.elapsed() > PATIENCE => {
                return Err(error.context(format!(
                    "{}\n{}",
                    host.dockfw_log(),
                    beside::rules(host)
                )));
            }
            Err(_) => {}
        }
    }
}

/// A published port leads to the container, with a checksum that is right; no other does.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_published_port_and_no_other() -> Result<()> {
    let host = host()?;
    let _watch = watch(&host, &[])?;
    run(
        &host,
        "web",
        10,
        "-p 9000:80/sctp -p 9001:81/udp -p 9001:81",
    )?;
    run(&host, "other", 11, "")?;
    let server = Server::start(&host, "web")?;
    for (at_host, at_web) in addresses() {
        let open = Client::new(&host, REMOTE, 4000, (at_host, 9000))?;
        associates(&host, &open)?;
        open.talk()?;
        // In a network, everything is open.
        let beside = Client::new(&host, "other", 4002, (at_web, 81))?;
        beside.associate().context("in the network")?;
        let before = server.got().len();
        for (from, to) in [
            (REMOTE, (at_host, 80)),
            (REMOTE, (at_host, 9001)),
            (REMOTE, (at_web, 80)),
            (REMOTE, (at_web, 81)),
            (HOST, (at_host, 9001)),
        ] {
            let closed = Client::new(&host, from, 4003, to)?;
            ensure!(closed.associate().is_err(), "{from} to {to:?} is open");
        }
        let got = server.got();
        ensure!(got.len() == before, "{:?}", &got[before..]);
        ensure!(
            got.iter().all(|(_, packet)| packet.is_some()),
            "checksums: {got:?}"
        );
        let first = got
            .iter()
            .find(|(from, _)| from.is_ipv4() == at_host.is_ipv4());
        let (from, packet) = first.context("nothing came")?;
        // The client is not masqueraded.
        let remote: IpAddr = if at_host.is_ipv4() {
            "192.0.2.2"
        } else {
            "2001:db8:ffff::2"
        }
        .parse()?;
        ensure!(
            *from == remote && packet.as_ref().is_some_and(|of| of.to == 80),
            "{from}: {packet:?}"
        );
    }
    Ok(())
}

/// An association ends with its container: what it goes on sending does not reach the next one of
/// that address, which publishes nothing.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn an_association_ends_with_its_container() -> Result<()> {
    let host = host()?;
    let _watch = watch(&host, &[])?;
    run(&host, "kept", 11, "-p 9100:80/sctp")?;
    let server = Server::start(&host, "kept")?;
    let kept: Vec<Client> = addresses()
        .iter()
        .map(|(at_host, _)| Client::new(&host, REMOTE, 4100, (*at_host, 9100)))
        .collect::<Result<_>>()?;
    for client in &kept {
        associates(&host, client)?;
    }
    for round in 0..2 {
        let (old, new) = (format!("old{round}"), format!("new{round}"));
        run(&host, &old, 10, "-p 9000:80/sctp")?;
        let first = Server::start(&host, &old)?;
        let mut clients = Vec::new();
        for (at_host, _) in addresses() {
            let client = Client::new(&host, REMOTE, 4000, (at_host, 9000))?;
            associates(&host, &client)?;
            client.talk()?;
            clients.push(client);
        }
        drop(first);
        host.docker(&format!("rm -f {old}"))?;
        run(&host, &new, 10, "")?;
        let second = Server::start(&host, &new)?;
        for client in &clients {
            ensure!(
                client.talk().is_err(),
                "{new} goes on with what {old} began"
            );
            ensure!(client.associate().is_err(), "{new} publishes nothing");
        }
        ensure!(second.got().is_empty(), "{:?}", second.got());
        for (family, (_, at_web)) in ["ipv4", "ipv6"].iter().zip(addresses()) {
            let cut = dual::untracked(&host, family, &at_web.to_string())?;
            println!("round {round}: {family} cut after {cut:?}");
        }
        drop(second);
        host.docker(&format!("rm -f {new}"))?;
        for client in &kept {
            client.talk().context("another container's association")?;
        }
    }
    let data = server
        .got()
        .iter()
        .flat_map(|(_, of)| of)
        .filter(|of| of.chunk == DATA)
        .count();
    ensure!(data >= 4, "{data}");
    Ok(())
}
