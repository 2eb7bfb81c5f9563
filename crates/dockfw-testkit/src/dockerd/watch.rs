//! `dockfw watch` beside a dockerd.

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use dockfw_netlink::Executor;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::holder::only_child;
use super::{DockerHost, folder};
use crate::lab::HOST;

/// How long the first commit may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);
/// Without a commit for this long, there is nothing more to do.
const QUIET: Duration = Duration::from_millis(400);

/// Its log, in the host's folder.
pub(super) const LOG: &str = "dockfw.log";

/// A running `dockfw watch`; dropping it kills it, and its rules stay.
#[derive(Debug)]
pub struct Watch {
    /// nsenter, which waits for dockfw.
    child: Child,
    /// dockfw itself.
    process: Pid,
    said: Arc<Said>,
    log: PathBuf,
}

/// What it tells the service manager.
#[derive(Debug, Default)]
struct Said {
    lines: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Said {
    /// Reads whatever comes, as systemd does: a sender waits for a reader who does not.
    fn listen(&self, socket: &UnixDatagram) {
        let mut buffer = [0; 4096];
        while !self.is_over.load(Ordering::Relaxed) {
            if let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
                let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.extend(text.lines().map(str::to_owned));
            }
        }
    }

    fn has(&self, line: &str) -> bool {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().any(|of| of == line)
    }
}

impl Watch {
    /// Starts `program watch` in the host's network, and waits until its first commit is made.
    ///
    /// `more` are arguments, among them policy files.
    ///
    /// # Errors
    ///
    /// When it ends, or is not ready in time; with the end of its log.
    pub fn start(host: &DockerHost, program: &Path, more: &[&str]) -> Result<Self> {
        let watch = Self::begin(host, program, more)?;
        watch.ready()
    }

    /// Starts it and does not wait.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn begin(host: &DockerHost, program: &Path, more: &[&str]) -> Result<Self> {
        let at = host.folder();
        let (notify_at, log) = (at.join("notify"), at.join(LOG));
        let _ = fs::remove_file(&notify_at);
        let notify = UnixDatagram::bind(&notify_at).context("bind a socket for sd_notify")?;
        notify.set_read_timeout(Some(Duration::from_millis(100)))?;
        let file = File::options().create(true).append(true).open(&log)?;
        // In the namespace of dockerd's processes, so that it ends with the test as they do.
        let mut command = host.holder.enter(program);
        command
            .arg("watch")
            .arg("--docker")
            .arg(format!("unix://{}", host.socket().display()))
            .arg("--state-dir")
            .arg(at.join("state"))
            .arg("--daemon-json")
            .arg(host.daemon_json())
            .args(more)
            .env("NOTIFY_SOCKET", &notify_at)
            .stdout(Stdio::null())
            .stderr(file);
        let mut child = host
            .lab()
            .run_in(HOST, || command.spawn())?
            .context("start nsenter (util-linux)")?;
        let process = match only_child(child.id()) {
            Ok(process) => Pid::from_raw(process.try_into()?),
            Err(_) => bail!(
                "{} ended: {}\n{}",
                program.display(),
                child.wait()?,
                folder::tail(&log)
            ),
        };
        let said = Arc::new(Said::default());
        let listener = Arc::clone(&said);
        std::thread::spawn(move || listener.listen(&notify));
        Ok(Self {
            child,
            process,
            said,
            log,
        })
    }

    /// Waits for the first commit.
    ///
    /// # Errors
    ///
    /// As [`Watch::start`].
    pub fn ready(mut self) -> Result<Self> {
        self.wait_for("READY=1")?;
        Ok(self)
    }

    /// Waits until it has sent a line to the service manager.
    ///
    /// # Errors
    ///
    /// As [`Watch::start`].
    pub fn wait_for(&mut self, line: &str) -> Result<()> {
        let started = Instant::now();
        while !self.said.has(line) {
            if let Some(status) = self.child.try_wait()? {
                bail!("dockfw watch ended: {status}\n{}", self.log());
            }
            if started.elapsed() > PATIENCE {
                bail!("dockfw watch sent no {line:?}:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Reads its files again.
    ///
    /// # Errors
    ///
    /// When it runs no more.
    pub fn reload(&self) -> Result<()> {
        self.signal(Signal::SIGHUP)
    }

    /// SIGTERM, and wait.
    ///
    /// # Errors
    ///
    /// When it runs no more, or does not end.
    pub fn terminate(mut self) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        let started = Instant::now();
        while self.child.try_wait()?.is_none() {
            if started.elapsed() > PATIENCE {
                bail!("dockfw watch does not end:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// SIGKILL, and wait.
    ///
    /// # Errors
    ///
    /// When it has ended before.
    pub fn kill(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("dockfw watch has ended: {status}\n{}", self.log());
        }
        self.signal(Signal::SIGKILL)?;
        self.child.wait()?;
        Ok(())
    }

    /// Its process.
    pub const fn process(&self) -> i32 {
        self.process.as_raw()
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        folder::tail(&self.log)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.process, signal).with_context(|| format!("{signal} to dockfw watch"))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Once it was waited for, its number may be another's.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.signal(Signal::SIGKILL);
            let _ = self.child.wait();
        }
        self.said.is_over.store(true, Ordering::Relaxed);
    }
}

impl DockerHost {
    /// The generation of the host's ruleset: how many commits there were.
    ///
    /// # Errors
    ///
    /// When the kernel does not say.
    pub fn generation(&self) -> Result<u32> {
        let mut executor = self.lab().run_in(HOST, Executor::open)??;
        Ok(executor.generation()?)
    }

    /// Waits until nobody has committed anything for a while.
    ///
    /// # Errors
    ///
    /// When commits go on and on, or the kernel does not answer.
    pub fn settle(&self) -> Result<()> {
        let mut executor = self.lab().run_in(HOST, Executor::open)??;
        let started = Instant::now();
        let (mut last, mut since) = (executor.generation()?, Instant::now());
        while since.elapsed() < QUIET {
            std::thread::sleep(Duration::from_millis(20));
            let now = executor.generation()?;
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if started.elapsed() > PATIENCE {
                bail!("the ruleset changes again and again");
            }
        }
        Ok(())
    }
}
