//! Why a daemon cannot be read.

use std::io;
use std::path::PathBuf;

/// Why a daemon cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no socket.
    #[error("no dockerd listens: there is no {}", .0.display())]
    Missing(PathBuf),
    /// The file is something else.
    #[error("{} is not a unix socket", .0.display())]
    NotASocket(PathBuf),
    /// A socket without a program behind it.
    #[error("dockerd does not listen at {}: connection refused", .0.display())]
    Refused(PathBuf),
    /// The socket may not be used.
    #[error("no permission to connect to {}", .0.display())]
    Permission(PathBuf),
    /// Another reason why there is no connection.
    #[error("cannot connect to {}: {source}", .path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The daemon speaks an API that lacks what is needed.
    #[error("dockerd {version} is too old: its API is {api}, and dockfw needs 1.41 or later")]
    TooOld {
        /// The version of dockerd.
        version: String,
        /// The newest API that it speaks.
        api: String,
    },
    /// No answer in time.
    #[error("dockerd did not answer {what} within {} s", .seconds)]
    TimedOut {
        /// What was asked.
        what: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// An answer that says no, or that is not understood.
    #[error("dockerd did not answer {what}: {why}")]
    Answer {
        /// What was asked.
        what: &'static str,
        /// What came instead.
        why: String,
    },
    /// The stream of events ended.
    #[error("dockerd ended the connection")]
    Ended,
    /// The machinery could not be set up.
    #[error("cannot wait for dockerd: {0}")]
    Runtime(io::Error),
}

impl Error {
    /// What would be right, where that is known.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Missing(_) | Self::Refused(_) => Some(
                "start dockerd (systemctl start docker), or name its socket: --docker unix:///PATH",
            ),
            Self::NotASocket(_) => Some("name the socket of dockerd: --docker unix:///PATH"),
            Self::Permission(_) => {
                Some("run dockfw as root, or as a member of the group that owns the socket")
            }
            Self::TooOld { .. } => Some("Docker 20.10 is the oldest that is understood"),
            Self::TimedOut { .. } => {
                Some("look whether dockerd works: docker version, journalctl -u docker")
            }
            Self::Connect { .. } | Self::Answer { .. } | Self::Ended | Self::Runtime(_) => None,
        }
    }
}
