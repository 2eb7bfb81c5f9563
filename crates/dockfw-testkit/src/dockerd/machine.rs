//! A machine of its own: systemd, and the services of this machine's packages, in the laboratory.
//!
//! systemd runs as the first process of namespaces for mounts, processes, cgroups, names and the
//! lab's network. It sees this machine's files below `/`; what is written is in memory, and goes
//! with the machine, as everything that runs there does, also when the test is killed.
//! `/etc/docker`, `/etc/dockfw`, `/etc/systemd/system` and dockerd's data are empty.
//!
//! dockerd and containers have version 2 of cgroups, whatever this machine has. Clock, kernel
//! settings outside of the network, and devices are this machine's.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::folder::{self, Folder};
use super::holder::{Holder, only_child};
use crate::lab::{HOST, Lab};

/// How long it may take to boot on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running machine; dropping it ends and removes all of it.
#[derive(Debug)]
pub struct Machine {
    /// systemd, as the test sees it.
    first: u32,
    // In the order in which they have to go.
    child: Child,
    _holder: Holder,
    lab: Lab,
    folder: Folder,
}

impl Machine {
    /// Boots a machine on the host of a lab; `folders` are seen below `/srv`, by their last part.
    ///
    /// # Errors
    ///
    /// When a program is missing, no cgroups of version 2 are mounted, or systemd does not start;
    /// then its output is shown.
    pub fn boot(lab: Lab, folders: &[&Path]) -> Result<Self> {
        let folder = Folder::new()?;
        let holder = Holder::new(&folder)?;
        let group = cgroups()?.join(folder.name());
        fs::create_dir(&group).with_context(|| group.display().to_string())?;
        let log = folder.path().join("log");
        let output = fs::File::create(&log)?;
        let script = folder.path().join("machine.sh");
        fs::write(&script, include_str!("machine.sh"))?;
        let mut command = holder.enter("sh");
        command
            .args([
                "-c",
                "echo 0 >\"$1/cgroup.procs\"; shift; exec \"$@\"",
                "sh",
            ])
            .arg(&group)
            .args(["unshare", "--mount", "--propagation", "private"])
            .args(["--pid", "--fork", "--cgroup", "--uts", "--ipc", "bash"])
            .arg(&script)
            .arg(folder.path().join("mem"))
            .args(folders)
            .stdout(output.try_clone()?)
            .stderr(output)
            // What is typed at a terminal is for the test.
            .process_group(0);
        let child = lab.run_in(HOST, || command.spawn())?;
        let child = child.context("start nsenter (util-linux)")?;
        let mut machine = Self {
            first: 0,
            child,
            _holder: holder,
            lab,
            folder,
        };
        // nsenter, which has become unshare; systemd.
        let unshare = only_child(machine.child.id())?;
        machine.first = only_child(unshare)?;
        machine.wait().with_context(|| folder::tail(&log))?;
        Ok(machine)
    }

    /// Until all units of the boot are there.
    fn wait(&mut self) -> Result<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("systemd ended: {status}");
            }
            let mut question = self.enter("systemctl");
            let question = question.arg("is-system-running").stderr(Stdio::null());
            if question.output()?.stdout == b"running\n" {
                return Ok(());
            }
            ensure!(started.elapsed() < PATIENCE, "systemd does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A command that runs on the machine, in `/srv`.
    pub fn enter(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.first))
            .args(["--mount", "--pid", "--net", "--cgroup", "--uts", "--ipc"])
            .args(["--wdns=/srv", "--"])
            .arg(program)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
            .env("HOME", "/root")
            .stdin(Stdio::null());
        command
    }

    /// Runs lines with bash, which ends at the first that fails, and returns what they print on
    /// standard output and standard error.
    ///
    /// # Errors
    ///
    /// When one fails; with what was printed.
    pub fn run(&self, lines: &str) -> Result<String> {
        let log = self.folder.path().join("output");
        let output = fs::File::create(&log)?;
        let mut command = self.enter("bash");
        let command = command.args(["-euo", "pipefail", "-c", lines]);
        let status = command
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()
            .context("start nsenter (util-linux)")?;
        let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        ensure!(status.success(), "{status}\n{lines}\n{text}");
        Ok(text)
    }

    /// The network: the machine is the node `host`.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// A file of the machine, for processes outside.
    pub fn file(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.first))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The first process takes all others along.
        if let Ok(Some(_)) = self.child.try_wait() {
            return;
        }
        let first = i32::try_from(self.first).unwrap_or(0);
        if first > 0 {
            let first = nix::unistd::Pid::from_raw(first);
            let _ = nix::sys::signal::kill(first, nix::sys::signal::Signal::SIGKILL);
        } else {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Where version 2 of cgroups is mounted.
fn cgroups() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mut all = mounts.lines().map(|of| of.split(' ').collect::<Vec<_>>());
    let found = all.find(|of| of.get(2) == Some(&"cgroup2"));
    let path = found.and_then(|of| of.get(1).copied());
    path.map(PathBuf::from)
        .context("no cgroups of version 2 are mounted")
}
