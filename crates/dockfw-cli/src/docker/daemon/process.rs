//! The process of a daemon, and its command line.

use std::path::{Path, PathBuf};

/// What the command line is called in messages.
pub(super) const COMMAND_LINE: &str = "dockerd's command line";

/// Where dockerd writes its process id, unless it is told otherwise.
const PID_FILE: &str = "/var/run/docker.pid";

/// The field of `/proc/PID/stat` with the start of the process, counted from the state, which is
/// the first behind the name. Source: proc_pid_stat(5), `starttime`.
const STARTED: usize = 22 - 3;

/// A process of dockerd.
#[derive(Debug)]
pub(super) struct Process {
    pid: u32,
    /// Its command line, without the program.
    pub(super) arguments: Vec<String>,
}

/// What no other process has: process ids are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pid: u32,
    /// Ticks of the clock from the start of the system to its own.
    started: u64,
}

impl Identity {
    /// That of a process, if it is there.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let started = started(pid)?;
        Some(Self { pid, started })
    }

    /// Whether the process is still there.
    pub(super) fn is_alive(&self) -> bool {
        started(self.pid) == Some(self.started)
    }
}

/// When a process was started, in ticks of the clock.
fn started(pid: u32) -> Option<u64> {
    let bytes = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // The name may have anything in it, also parentheses.
    let (_, behind) = text.rsplit_once(')')?;
    let started = behind.split_ascii_whitespace().nth(STARTED)?;
    started.parse().ok()
}

impl Process {
    /// Finds the process behind a socket, `peer` if that is dockerd.
    ///
    /// With socket activation the socket is systemd's; then the file with dockerd's process id
    /// tells.
    pub(super) fn find(peer: Option<u32>) -> Result<Self, String> {
        if let Some(Ok(process)) = peer.map(Self::read) {
            return Ok(process);
        }
        let text = std::fs::read_to_string(PID_FILE)
            .map_err(|error| format!("no process of dockerd is known ({PID_FILE}: {error})"))?;
        let pid = text.trim().parse::<u32>();
        let pid = pid.map_err(|_error| format!("{PID_FILE} has no process id"))?;
        Self::read(pid)
    }

    fn read(pid: u32) -> Result<Self, String> {
        let path = format!("/proc/{pid}/cmdline");
        let bytes = std::fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
        let text = String::from_utf8_lossy(&bytes);
        let mut words = text.split_terminator('\0').map(str::to_owned);
        let program = words.next().unwrap_or_default();
        let name = Path::new(&program).file_name();
        if name.is_none_or(|name| name != "dockerd") {
            return Err(format!("process {pid} is not dockerd"));
        }
        Ok(Self {
            pid,
            arguments: words.collect(),
        })
    }

    /// What tells it from every other process; `None` when that cannot be read.
    pub(super) fn identity(&self) -> Option<Identity> {
        Identity::of(self.pid)
    }

    /// An absolute path as the process sees it.
    pub(super) fn sees(&self, path: &Path) -> PathBuf {
        let mut root = PathBuf::from(format!("/proc/{}/root", self.pid));
        root.extend(path.components().skip(1));
        root
    }
}
