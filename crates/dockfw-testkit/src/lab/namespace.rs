//! One anonymous network namespace, and how to work inside it.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail};
use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace that lives as long as this descriptor and the sockets made inside it.
#[derive(Debug)]
pub(super) struct Namespace {
    fd: OwnedFd,
}

impl Namespace {
    /// Makes an empty namespace.
    pub(super) fn new() -> Result<Self> {
        // Only the new thread moves; it ends at once and leaves the descriptor as the only holder.
        let fd = on_thread(|| -> Result<OwnedFd> {
            unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace")?;
            Ok(File::open("/proc/thread-self/ns/net")?.into())
        })??;
        Ok(Self { fd })
    }

    /// One that is there already.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        Ok(Self { fd: file.into() })
    }

    /// Runs `f` on a thread inside the namespace.
    pub(super) fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T> {
        on_thread(|| {
            setns(&self.fd, CloneFlags::CLONE_NEWNET).context("enter a network namespace")?;
            Ok(f())
        })?
    }

    /// A path of the namespace, valid for other processes of the same user too.
    pub(super) fn path(&self) -> PathBuf {
        let (process, fd) = (std::process::id(), self.fd.as_raw_fd());
        PathBuf::from(format!("/proc/{process}/fd/{fd}"))
    }

    /// Runs lines of `ip -batch` inside the namespace.
    pub(super) fn ip(&self, script: &str) -> Result<()> {
        self.run(|| ip_batch(script))?
    }
}

/// Runs `f` on a thread of its own, with the name of this one; a panic goes on in the caller.
fn on_thread<T: Send>(f: impl FnOnce() -> T + Send) -> Result<T> {
    // The name shows in messages of panics, as the name of the test.
    let name = thread::current().name().unwrap_or("lab").to_owned();
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(name).spawn_scoped(scope, f);
        match thread.context("start a thread")?.join() {
            Ok(value) => Ok(value),
            Err(payload) => resume_unwind(payload),
        }
    })
}

/// Runs `ip -batch` in the namespace of the calling thread.
fn ip_batch(script: &str) -> Result<()> {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start ip (iproute2)")?;
    // The pipe takes 64 KiB, far more than a lab needs, and `ip` prints only on failure.
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(script.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("ip -batch: {stderr}\nscript:\n{script}");
    }
    Ok(())
}

/// Writes a sysctl in the namespace of the calling thread; `key` with dots or with slashes.
pub(super) fn write_sysctl(key: &str, value: &str) -> Result<()> {
    let path = if key.contains('/') {
        key.to_owned()
    } else {
        key.replace('.', "/")
    };
    let path = Path::new("/proc/sys").join(path);
    fs::write(&path, value).with_context(|| format!("write {value:?} to {}", path.display()))
}
