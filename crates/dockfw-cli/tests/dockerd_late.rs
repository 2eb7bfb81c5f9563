//! `dockfw watch` that is started before a dockerd with rules of its own, and learns of them when
//! that answers at last.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use dockfw_testkit::dockerd::watch::Watch;
use dockfw_testkit::dockerd::{Config, DockerHost};
use dockfw_testkit::lab::HOST;

#[path = "dockerd/beside.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod beside;

use beside::{answers, ask, network, nft, program, run, watch};

/// A line that systemd is never told.
const NEVER: &str = "NEVER=1";

/// A socket in front of dockerd's that takes connections, and hands nothing on until it may.
struct Late {
    may: Arc<AtomicBool>,
}

impl Late {
    fn put_before(socket: &Path) -> Result<Self> {
        let real = socket.with_extension("real");
        fs::rename(socket, &real)?;
        let listener = UnixListener::bind(socket)?;
        let may = Arc::new(AtomicBool::new(false));
        let allowed = Arc::clone(&may);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (real, may) = (real.clone(), Arc::clone(&allowed));
                thread::spawn(move || hand_on(&client, &real, &may));
            }
        });
        Ok(Self { may })
    }

    fn open(&self) {
        self.may.store(true, Ordering::Relaxed);
    }
}

fn hand_on(client: &UnixStream, real: &Path, may: &AtomicBool) -> io::Result<()> {
    while !may.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(10));
    }
    let server = UnixStream::connect(real)?;
    let copy = |mut from: UnixStream, mut to: UnixStream| {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    let (from, to) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || copy(from, to));
    copy(client.try_clone()?, server);
    Ok(())
}

/// dockerd with its own rules, and a container that they let be reached.
fn host() -> Result<DockerHost> {
    let config = Config::reference().key("userland-proxy", false);
    let host = DockerHost::start(&config)?;
    network(&host, "net", "172.30.1.0/24")?;
    run(&host, "web", "-p 8080:80")?;
    answers(&host, "web", 8080)?;
    Ok(host)
}

fn policy(host: &DockerHost) -> Result<PathBuf> {
    let path = host.folder().join("policy.toml");
    fs::write(&path, "version = 1\n")?;
    Ok(path)
}

fn dockfw(host: &DockerHost, arguments: &[&str]) -> Result<Output> {
    let state = host.folder().join("state");
    let mut command = Command::new(program());
    command.args(arguments).arg("--state-dir").arg(state);
    Ok(host.lab().run_in(HOST, || command.output())??)
}

fn has_table(host: &DockerHost) -> Result<bool> {
    Ok(nft(host, &["list", "tables"])?.contains("inet dockfw"))
}

/// The words with which it ends.
fn end(mut watch: Watch) -> Result<String> {
    let error = watch.wait_for(NEVER).err();
    let text = error.map(|of| of.to_string()).unwrap_or_default();
    ensure!(text.contains("ended: exit status: 1"), "{text}");
    ensure!(text.contains("\"iptables\": false"), "{text}");
    Ok(text)
}

/// What was committed while nobody answered is gone again, with owned tables and without.
fn gives_way(more: &[&str]) -> Result<()> {
    let host = host()?;
    let path = policy(&host)?;
    let before = nft(&host, &["--stateless", "list", "ruleset"])?;
    let late = Late::put_before(&host.socket())?;
    let mut arguments = more.to_vec();
    arguments.push(path.to_str().unwrap());
    let watch = watch(&host, &arguments)?;
    ensure!(has_table(&host)?, "{}", watch.log());
    ensure!(watch.log().contains("the policy alone"), "{}", watch.log());
    let closed = ask(&host, 8080)?;
    ensure!(!closed.is_reached(), "{closed}");
    late.open();
    let said = end(watch)?;
    ensure!(said.contains("was removed again"), "{said}");
    ensure!(before == nft(&host, &["--stateless", "list", "ruleset"])?);
    answers(&host, "web", 8080)?;
    Ok(())
}

/// dockerd takes connections, and answers when the policy alone is in force already.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn the_policy_gives_way_to_rules_of_dockerd() -> Result<()> {
    gives_way(&[])
}

/// The same with tables that are owned.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn an_owned_policy_gives_way_to_rules_of_dockerd() -> Result<()> {
    gives_way(&["--own"])
}

/// dockerd is started after dockfw.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_dockerd_that_is_started_later() -> Result<()> {
    let mut host = host()?;
    host.stop_daemon()?;
    let path = policy(&host)?;
    let watch = watch(&host, &[path.to_str().unwrap()])?;
    ensure!(has_table(&host)?, "{}", watch.log());
    host.start_daemon()?;
    let said = end(watch)?;
    ensure!(said.contains("was removed again"), "{said}");
    ensure!(!has_table(&host)?);
    host.docker("start web")?;
    beside::serve(&host, "web")?;
    answers(&host, "web", 8080)?;
    Ok(())
}

/// Rules that were there before are another's to remove, and it is said how.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn rules_that_were_there_before_stay() -> Result<()> {
    let host = host()?;
    let path = policy(&host)?;
    let path = path.to_str().unwrap();
    let committed = dockfw(&host, &["commit", path])?;
    ensure!(committed.status.success(), "{committed:?}");
    let before = nft(&host, &["--stateless", "list", "ruleset"])?;
    let late = Late::put_before(&host.socket())?;
    let watch = watch(&host, &[path])?;
    ensure!(
        watch.log().contains("the rules that were in force"),
        "{}",
        watch.log()
    );
    late.open();
    let said = end(watch)?;
    for part in ["nothing was changed", "`dockfw release` removes them"] {
        ensure!(said.contains(part), "{part} in {said}");
    }
    ensure!(before == nft(&host, &["--stateless", "list", "ruleset"])?);
    let closed = ask(&host, 8080)?;
    ensure!(!closed.is_reached(), "{closed}");
    let released = dockfw(&host, &["release"])?;
    ensure!(released.status.success(), "{released:?}");
    answers(&host, "web", 8080)?;
    Ok(())
}
