//! `dockfw watch` as a command: what it refuses, what it says, what it does without a dockerd.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests; what JSON does not have is null"
)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dockfw_testkit::dockerd::release::Version;
use dockfw_testkit::dockerd::{Config, DockerHost};
use dockfw_testkit::lab::{HOST, Protocol};
use serde_json::Value;

#[path = "dockerd/beside.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod beside;

use beside::{HOST4, answers, ask, config, host, nft, program, run, watch};

/// Runs dockfw on the host.
fn dockfw(host: &DockerHost, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(program());
    command.args(arguments);
    Ok(host.lab().run_in(HOST, || command.output())??)
}

/// Runs a verb that keeps its state where the watch does.
fn with_state(host: &DockerHost, verb: &[&str]) -> Result<Output> {
    let state = host.folder().join("state");
    let state = state.display().to_string();
    let mut arguments = verb.to_vec();
    arguments.extend(["--state-dir", &state]);
    dockfw(host, &arguments)
}

/// What `dockfw status` says of the watch.
fn status(host: &DockerHost) -> Result<Value> {
    let output = with_state(host, &["status", "--json"])?;
    let value: Value = serde_json::from_slice(&output.stdout).context("status --json")?;
    Ok(value["watch"].clone())
}

/// Waits until the watch says something of itself.
fn says(host: &DockerHost, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
    let started = Instant::now();
    loop {
        let status = status(host)?;
        if is(&status) {
            return Ok(status);
        }
        ensure!(
            started.elapsed() < Duration::from_secs(10),
            "{what}: {status:#}\n{}",
            host.dockfw_log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn policy(host: &DockerHost, text: &str) -> Result<PathBuf> {
    let path = host.folder().join("policy.toml");
    fs::write(&path, text)?;
    Ok(path)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_dockerd_with_rules_of_its_own_is_refused() -> Result<()> {
    let host = DockerHost::start(&Config::reference())?;
    let (socket, file) = (host.socket(), host.daemon_json());
    let output = with_state(
        &host,
        &[
            "watch",
            "--docker",
            socket.to_str().unwrap(),
            "--daemon-json",
            file.to_str().unwrap(),
        ],
    )?;
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["nothing was changed", "\"iptables\": false", "daemon.json"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!nft(&host, &["list", "tables"])?.contains("dockfw"));
    Ok(())
}

#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn other_verbs_know_that_it_runs() -> Result<()> {
    let host = host(&config())?;
    let watch = watch(&host, &[])?;
    run(&host, "web", "-p 8080:80")?;
    answers(&host, "web", 8080)?;
    let said = says(&host, "a container", |said| said["containers"] == 1)?;
    assert_eq!(said["runs"], true);
    assert_eq!(said["daemon"]["connected"], true);
    assert_eq!(said["problems"], Value::Array(Vec::new()), "{said:#}");
    assert!(said["last_event"]["lag_ms"].as_f64().is_some(), "{said:#}");
    let text = String::from_utf8(with_state(&host, &["status"])?.stdout)?;
    let daemon = format!("  dockerd {}.", Version::running()?);
    assert!(
        text.contains("watch: process ") && text.contains(&daemon),
        "{text}"
    );
    let policy = policy(&host, "version = 1\n")?;
    let policy = policy.to_str().unwrap();
    let before = nft(&host, &["-s", "list", "table", "inet", "dockfw"])?;
    for verb in [
        &["commit", policy][..],
        &["rollback"],
        &["confirm"],
        &["release"],
    ] {
        let output = with_state(&host, verb)?;
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{verb:?}: {text}");
        assert!(text.contains("a dockfw watch runs"), "{verb:?}: {text}");
    }
    let socket = host.socket();
    let second = with_state(&host, &["watch", "--docker", socket.to_str().unwrap()])?;
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("another dockfw watch runs"));
    assert!(before == nft(&host, &["-s", "list", "table", "inet", "dockfw"])?);
    watch.terminate()?;
    assert_eq!(status(&host)?["runs"], false);
    answers(&host, "web", 8080).context("after its end")?;
    let release = with_state(&host, &["release"])?;
    assert_eq!(release.status.code(), Some(0), "{}", stderr(&release));
    Ok(())
}

#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_policy_that_is_wrong_changes_nothing() -> Result<()> {
    let host = host(&config())?;
    let path = policy(&host, "version = 1\n[host]\ncount-publishes = true\n")?;
    let metrics = host.folder().join("metrics");
    let watch = watch(
        &host,
        &[
            "--metrics",
            metrics.to_str().unwrap(),
            path.to_str().unwrap(),
        ],
    )?;
    run(&host, "web", "-p 8080:80")?;
    answers(&host, "web", 8080)?;
    for wrong in ["version = 1\n[host]\ncount-publish = true\n", "vers"] {
        fs::write(&path, wrong)?;
        watch.reload()?;
        says(&host, "a problem", |said| {
            said["problems"].as_array().is_some_and(|of| !of.is_empty())
        })?;
        answers(&host, "web", 8080)?;
    }
    fs::remove_file(&path)?;
    watch.reload()?;
    says(&host, "a problem", |said| {
        said["problems"].to_string().contains("No such file")
    })?;
    let drop = "[docker-user]\nipv4 = '''\n-A DOCKER-USER -p tcp -j DROP\n'''\n";
    fs::write(
        &path,
        format!("version = 1\n[host]\ncount-publishes = true\n{drop}"),
    )?;
    watch.reload()?;
    says(&host, "no problem", |said| {
        said["problems"] == Value::Array(Vec::new())
    })?;
    let outcome = ask(&host, 8080)?;
    assert!(!outcome.is_reached_at("web", 80), "{outcome}");
    // Every 15 seconds.
    let started = Instant::now();
    let counted = |text: &str| {
        text.lines().any(|line| {
            line.starts_with(
                "dockfw_publish_packets_total{container=\"web\",published=\"0.0.0.0:8080\"",
            ) && !line.ends_with(" 0")
        })
    };
    loop {
        let text = fs::read_to_string(&metrics).unwrap_or_default();
        if counted(&text) {
            assert!(text.ends_with("# EOF\n"));
            return Ok(());
        }
        ensure!(started.elapsed() < Duration::from_secs(25), "{text}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn without_dockerd_the_policy_alone_is_in_force() -> Result<()> {
    let mut host = host(&config())?;
    host.stop_daemon()?;
    let path = policy(&host, "version = 1\n")?;
    let _watch = watch(&host, &[path.to_str().unwrap()])?;
    assert!(nft(&host, &["list", "tables"])?.contains("inet dockfw"));
    says(&host, "no dockerd", |said| {
        said["daemon"]["error"].is_string()
    })?;
    nft(&host, &["flush", "ruleset"])?;
    let started = Instant::now();
    while !nft(&host, &["list", "tables"])?.contains("inet dockfw") {
        ensure!(
            started.elapsed() < Duration::from_secs(5),
            "{}",
            host.dockfw_log()
        );
    }
    host.start_daemon()?;
    run(&host, "web", "-p 8080:80")?;
    answers(&host, "web", 8080)?;
    let outcome = host
        .lab()
        .reach("remote", HOST4.parse()?, Protocol::Tcp, 81)?;
    assert!(!outcome.is_reached_at("web", 81), "{outcome}");
    Ok(())
}
