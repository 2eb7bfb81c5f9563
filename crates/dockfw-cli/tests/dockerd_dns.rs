//! Names, through dockerd's own resolver in each container: rows G3 and G4. A real dockerd without
//! rules, and `dockfw watch` beside it.
//!
//! That resolver asks the name servers from the container's network, so that rules decide whether
//! it reaches them. dockerd 20.10 has no networks with IPv6 only, and its resolver asks no name
//! server by an IPv6 address, with rules or without: what is seen of G4 is that containers can.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use dockfw_testkit::dockerd::{DockerHost, REMOTE};

#[path = "dockerd/beside.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod beside;
#[path = "dockerd/dns.rs"]
mod dns;
#[path = "dockerd/dual.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod dual;

use beside::watch;
use dns::{ANSWER, Names};

/// Looks a name up inside a container, with dockerd's resolver: what nslookup prints.
fn look_up(host: &DockerHost, container: &str, name: &str) -> Result<String> {
    look_up_at(host, container, name, "127.0.0.11")
}

/// The same with a name server that is asked directly.
fn look_up_at(host: &DockerHost, container: &str, name: &str, server: &str) -> Result<String> {
    let output = host
        .command()?
        .args(["exec", container, "busybox", "nslookup", name, server])
        .stdin(Stdio::null())
        .output()
        .context("start docker")?;
    Ok([output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat())
}

fn has_answer(text: &str) -> bool {
    let [a, b, c, d] = ANSWER;
    text.contains(&format!("{a}.{b}.{c}.{d}"))
}

/// A network with a way out, and the internal network `inside`.
fn host() -> Result<DockerHost> {
    let host = dual::host()?;
    host.docker(
        "network create --internal --subnet 172.30.3.0/24 -o com.docker.network.bridge.name=br-inside \
         inside",
    )?;
    Ok(host)
}

/// Inside, names of containers are found and no others, until the container has a way out too.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn an_internal_network_resolves_only_its_own() -> Result<()> {
    let host = host()?;
    let _watch = watch(&host, &[])?;
    let names = Names::start(&host, REMOTE, "192.0.2.2:53")?;
    let at = "192.0.2.2";
    host.docker(&format!(
        "run -d --name out --network both --dns {at} probe"
    ))?;
    host.docker(&format!(
        "run -d --name in1 --network inside --dns {at} probe"
    ))?;
    host.docker("run -d --name in2 --network inside --ip 172.30.3.77 probe")?;
    host.settle()?;
    let text = look_up(&host, "out", "out.example")?;
    ensure!(has_answer(&text), "{text}\n{}", host.dockfw_log());
    // Masqueraded.
    let from = names.asked("out.example");
    ensure!(
        !from.is_empty() && from.iter().all(|of| of.ip().to_string() == "192.0.2.1"),
        "{from:?}"
    );
    let text = look_up(&host, "in1", "in2")?;
    ensure!(text.contains("172.30.3.77"), "{text}");
    let text = look_up(&host, "in1", "in.example")?;
    ensure!(!has_answer(&text), "{text}");
    ensure!(names.asked("in.example").is_empty());
    host.docker("network connect both in1")?;
    host.settle()?;
    let text = look_up(&host, "in1", "both.example")?;
    ensure!(has_answer(&text), "{text}\n{}", host.dockfw_log());
    let text = look_up(&host, "in1", "in2")?;
    ensure!(text.contains("172.30.3.77"), "{text}");
    host.docker("network disconnect both in1")?;
    host.settle()?;
    let text = look_up(&host, "in1", "again.example")?;
    ensure!(!has_answer(&text), "{text}");
    ensure!(names.asked("again.example").is_empty());
    Ok(())
}

/// A name server with an IPv6 address: reached from a network with a way out, masqueraded, and not
/// from an internal one.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_name_server_of_ipv6() -> Result<()> {
    let host = dual::host()?;
    host.docker(
        "network create --internal --ipv6 --subnet 172.30.3.0/24 --subnet fd00:30:3::/64 -o \
         com.docker.network.bridge.name=br-inside inside",
    )?;
    let _watch = watch(&host, &[])?;
    let names = Names::start(&host, REMOTE, "[2001:db8:ffff::2]:53")?;
    let at = "2001:db8:ffff::2";
    host.docker("run -d --name out --network both probe")?;
    host.docker("run -d --name in1 --network inside probe")?;
    host.settle()?;
    let text = look_up_at(&host, "out", "six.example", at)?;
    ensure!(has_answer(&text), "{text}\n{}", host.dockfw_log());
    let from = names.asked("six.example");
    ensure!(
        !from.is_empty() && from.iter().all(|of| of.ip().to_string() == dual::HOST6),
        "{from:?}"
    );
    let text = look_up_at(&host, "in1", "in.example", at)?;
    ensure!(!has_answer(&text), "{text}");
    ensure!(names.asked("in.example").is_empty());
    Ok(())
}
