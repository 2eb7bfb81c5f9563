//! The process of a daemon, and its command line.

use std::path::{Path, PathBuf};

/// What the command line is called in messages.
pub(super) const COMMAND_LINE: &str = "dockerd's command line";

/// Where dockerd writes its process id, unless it is told otherwise.
const PID_FILE: &str = "/var/run/docker.pid";

/// A process of dockerd.
#[derive(Debug)]
pub(super) struct Process {
    pid: u32,
    /// Its command line, without the program.
    pub(super) arguments: Vec<String>,
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

    /// An absolute path as the process sees it.
    pub(super) fn sees(&self, path: &Path) -> PathBuf {
        let mut root = PathBuf::from(format!("/proc/{}/root", self.pid));
        root.extend(path.components().skip(1));
        root
    }
}
