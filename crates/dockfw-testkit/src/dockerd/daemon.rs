//! The daemon's process.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::folder::{self, Folder};
use super::holder::{Holder, only_child};
use super::release;
use crate::lab::{HOST, Lab};

/// How long dockerd may take to start or to stop on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running dockerd.
#[derive(Debug)]
pub(super) struct Daemon {
    /// nsenter, which waits for dockerd.
    child: Child,
    /// dockerd itself.
    process: Pid,
}

impl Daemon {
    /// Starts it in the namespaces of the host, and waits until it answers.
    pub(super) fn start(lab: &Lab, holder: &Holder, folder: &Folder) -> Result<Self> {
        let at = folder.path();
        let log = File::options()
            .create(true)
            .append(true)
            .open(at.join("log"))?;
        let socket = at.join("docker.sock");
        let mut command = holder.enter(release::program("dockerd")?);
        command
            .arg("--data-root")
            .arg(at.join("mem/data"))
            .arg("--exec-root")
            .arg(at.join("mem/exec"))
            .arg("--pidfile")
            .arg(at.join("pid"))
            .arg("--config-file")
            .arg(at.join("daemon.json"))
            .args(["--cgroup-parent", &folder.name()])
            .arg("-H")
            .arg(format!("unix://{}", socket.display()))
            .stdout(Stdio::null())
            .stderr(log);
        let mut child = lab
            .run_in(HOST, || command.spawn())?
            .context("start nsenter (util-linux)")?;
        let started = Instant::now();
        while !answers(&socket) {
            if let Some(status) = child.try_wait()? {
                bail!("dockerd ended: {status}\n{}", folder::tail(&at.join("log")));
            }
            if started.elapsed() > PATIENCE {
                let _ = child.kill();
                bail!(
                    "dockerd does not answer:\n{}",
                    folder::tail(&at.join("log"))
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let process = Pid::from_raw(only_child(child.id())?.try_into()?);
        Ok(Self { child, process })
    }

    /// SIGTERM, and wait.
    pub(super) fn stop(mut self) -> Result<()> {
        kill(self.process, Signal::SIGTERM).context("end dockerd")?;
        let started = Instant::now();
        while self.child.try_wait()?.is_none() {
            if started.elapsed() > PATIENCE {
                bail!("dockerd does not end");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// SIGKILL, and wait.
    pub(super) fn kill(mut self) -> Result<()> {
        kill(self.process, Signal::SIGKILL).context("kill dockerd")?;
        self.child.wait()?;
        Ok(())
    }
}

/// Whether the API answers a ping.
fn answers(socket: &Path) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(head.ends_with(b"200"))
    };
    ask().unwrap_or(false)
}
