//! Namespaces for mounts and processes that end with the test, however it ends.
//!
//! The first process of the process namespace reads a pipe from the test. When the test is gone,
//! the pipe ends, and so does the reader; the kernel then kills everything in the namespace, and
//! the mounts go with the last process.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::folder::Folder;
use super::release;

/// The namespaces.
#[derive(Debug)]
pub(super) struct Holder {
    child: Child,
    /// The first process, as the test sees it.
    first: u32,
}

impl Holder {
    /// Makes them, with file systems in memory for dockerd's data, and the dockerd of another
    /// release if that is asked for.
    pub(super) fn new(folder: &Folder) -> Result<Self> {
        // Who ignores SIGCHLD leaves no zombies: orphans end up here.
        let mut child = Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .args(["--pid", "--fork", "--mount-proc"])
            .args(["env", "--ignore-signal=CHLD", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start unshare (util-linux)")?;
        // What comes back shows that the reader is there.
        if let Some(stdin) = &mut child.stdin {
            stdin.write_all(b"!")?;
        }
        let mut byte = [0];
        if let Some(stdout) = &mut child.stdout {
            std::io::Read::read_exact(stdout, &mut byte).context("make namespaces")?;
        }
        let first = only_child(child.id())?;
        let holder = Self { child, first };
        let memory = folder.path().join("mem");
        fs::create_dir(&memory)?;
        fs::create_dir_all("/etc/docker")?;
        let tmpfs = ["-t", "tmpfs", "dockfw-lab"].map(str::to_owned);
        for place in [memory.as_path(), "/etc/docker".as_ref()] {
            holder.mount(&tmpfs, place)?;
        }
        if let Some(release) = release::folder()? {
            holder.mount(&release::mount(&release), "/usr".as_ref())?;
        }
        Ok(holder)
    }

    fn mount(&self, what: &[String], place: &Path) -> Result<()> {
        let output = self.enter("mount").args(what).arg(place).output()?;
        ensure!(
            output.status.success(),
            "mount {what:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// A command that runs inside; the network namespace is that of who starts it.
    pub(super) fn enter(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.first))
            .args(["--mount", "--pid", "--"])
            .arg(program)
            .stdin(Stdio::null());
        command
    }

    /// A path as it is inside, for processes outside.
    pub(super) fn outside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.first))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        // The kernel takes veths away in the background; nobody has to wait for that.
    }
}

/// The only child of a process, once it is there.
pub(super) fn only_child(process: u32) -> Result<u32> {
    for _ in 0..200 {
        let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"))?;
        if let Some(child) = children.split_whitespace().next() {
            return Ok(child.parse()?);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    anyhow::bail!("process {process} has no child")
}
