//! `dockfw watch` as a process: its log, its memory and its time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::wait_for;

/// What it logs when it is ready.
const READY: &str = "the rules of all containers";

/// A process that ends with this.
#[derive(Debug)]
pub struct Watch {
    child: Child,
    log: PathBuf,
}

/// A transaction, by the log.
#[derive(Debug, Clone)]
pub struct Logged {
    /// How it was made.
    pub way: String,
    /// From the event to the acknowledgement in milliseconds, if it was an event.
    pub lag: Option<f64>,
    /// The kernel's part of it.
    pub kernel: Option<f64>,
}

/// What a process uses.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// On a processor, all threads.
    pub cpu: Duration,
    /// How often a thread went to sleep.
    pub sleeps: u64,
    /// The resident set, in KiB.
    pub resident: u64,
    /// The same with shared pages divided by those that share them, in KiB.
    pub proportional: u64,
    /// The largest resident set, in KiB.
    pub peak: u64,
}

impl Watch {
    /// Starts it in the namespace of this thread, and waits until the rules are in force.
    ///
    /// # Errors
    ///
    /// When it ends, or is not ready soon.
    pub fn start(program: &Path, folder: &Path, socket: &Path, daemon_json: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let log = folder.join("log");
        let child = Command::new(program)
            .args(["watch", "--log-format", "json", "--docker"])
            .arg(format!("unix://{}", socket.display()))
            .arg("--daemon-json")
            .arg(daemon_json)
            .arg("--state-dir")
            .arg(folder.join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let mut watch = Self { child, log };
        wait_for("dockfw watch", Duration::from_secs(60), || {
            let log = fs::read_to_string(&watch.log)?;
            let ended = watch.child.try_wait()?;
            ensure!(ended.is_none(), "dockfw watch ended: {log}");
            Ok(log.contains(READY).then_some(()))
        })?;
        Ok(watch)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged of transactions.
    ///
    /// # Errors
    ///
    /// When the log is none.
    pub fn commits(&self) -> Result<Vec<Logged>> {
        let mut commits = Vec::new();
        for line in fs::read_to_string(&self.log)?.lines() {
            let value: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
            if value.get("message").and_then(Value::as_str) == Some("committed") {
                let number = |name: &str| value.get(name).and_then(Value::as_f64);
                let way = value.get("way").and_then(Value::as_str);
                commits.push(Logged {
                    way: way.unwrap_or_default().to_owned(),
                    lag: number("lag_ms"),
                    kernel: number("kernel_ms"),
                });
            }
        }
        Ok(commits)
    }

    /// Warnings and errors that it logged since it was ready.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn complaints(&self) -> Result<Vec<String>> {
        let log = fs::read_to_string(&self.log)?;
        let lines = log.lines().skip_while(|line| !line.contains(READY));
        let lines = lines.filter(|line| !line.contains("\"level\":\"INFO\""));
        Ok(lines.map(str::to_owned).collect())
    }

    /// What it uses now.
    ///
    /// # Errors
    ///
    /// When it does not run any more.
    pub fn usage(&self) -> Result<Usage> {
        let folder = PathBuf::from(format!("/proc/{}", self.pid()));
        let status = fs::read_to_string(folder.join("status"))?;
        let rollup = fs::read_to_string(folder.join("smaps_rollup"))?;
        let (mut cpu, mut sleeps) = (0, 0);
        for task in fs::read_dir(folder.join("task"))? {
            let task = task?.path();
            // The time on a processor in nanoseconds comes first.
            let times = fs::read_to_string(task.join("schedstat"))?;
            cpu += times.split(' ').next().context("no time")?.parse::<u64>()?;
            let status = fs::read_to_string(task.join("status"))?;
            sleeps += number(&status, "voluntary_ctxt_switches:")?;
        }
        Ok(Usage {
            cpu: Duration::from_nanos(cpu),
            sleeps,
            resident: number(&status, "VmRSS:")?,
            proportional: number(&rollup, "Pss:")?,
            peak: number(&status, "VmHWM:")?,
        })
    }
}

/// The number of a line.
fn number(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let line = line.with_context(|| format!("no {name}"))?;
    let word = line.split_whitespace().next().context("no number")?;
    Ok(word.parse()?)
}

impl Drop for Watch {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// Ends a process as its service would, and waits for it.
pub(super) fn stop(child: &mut Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    let _ = child.wait();
}
