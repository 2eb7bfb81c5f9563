//! Tables that belong to `dockfw watch`, beside programs that commit to tables of their own all the
//! time. A real dockerd without rules.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::process::{Child, Command};

use anyhow::{Result, ensure};
use dockfw_testkit::dockerd::DockerHost;
use dockfw_testkit::lab::HOST;

#[path = "dockerd/beside.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod beside;

use beside::{answers, config, host, run, watch};

const OTHERS: &str = "while nft add table ip other && nft delete table ip other; do :; done";

/// A process that is killed with the value.
struct Busy(Child);

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// To make them anew would empty the lists of `recent`, and set the counters to 0.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn what_others_commit_does_not_have_our_tables_made_anew() -> Result<()> {
    let host = host(&config())?;
    let _watch = watch(&host, &["--own"])?;
    let others = || Command::new("sh").args(["-c", OTHERS]).spawn();
    let _busy = Busy(host.lab().run_in(HOST, others)??);
    let before = made_anew(&host)?;
    for number in 0..8 {
        let (name, port) = (format!("web{number}"), 8080 + number);
        run(&host, &name, &format!("-p {port}:80"))?;
        answers(&host, &name, port)?;
    }
    let more = made_anew(&host)? - before;
    ensure!(more == 0, "{more} times more: {}", host.dockfw_log());
    Ok(())
}

/// How often our tables were made anew.
fn made_anew(host: &DockerHost) -> Result<usize> {
    let log = std::fs::read_to_string(host.folder().join("dockfw.log"))?;
    ensure!(log.contains("committed"), "{log}");
    Ok(log.matches("tables made anew").count())
}
