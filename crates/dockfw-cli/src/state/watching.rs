//! What a running `dockfw watch` says of itself.

use std::os::fd::OwnedFd;

use super::{State, StateError};

/// Locked while one runs.
const LOCK: &str = "watch.lock";

/// What it says, as JSON.
const STATUS: &str = "watch.json";

/// What is being written of it; apart from what needs the other lock.
const INCOMING: &str = ".watch.incoming";

/// The right to be the one that watches, until it is dropped.
#[derive(Debug)]
pub struct Watching {
    state: State,
    _lock: OwnedFd,
}

impl State {
    /// The right to be the one that watches; `None` when another process has it.
    ///
    /// # Errors
    ///
    /// Those of opening the lock.
    pub fn watching(self) -> Result<Option<Watching>, StateError> {
        let lock = self.directory.try_lock(LOCK)?;
        Ok(lock.map(|lock| Watching {
            state: self,
            _lock: lock,
        }))
    }

    /// Whether a `dockfw watch` runs that keeps its status here.
    ///
    /// # Errors
    ///
    /// Those of opening the lock.
    pub fn is_watched(&self) -> Result<bool, StateError> {
        if !self.directory.names()?.iter().any(|name| name == LOCK) {
            return Ok(false);
        }
        Ok(self.directory.try_lock(LOCK)?.is_none())
    }

    /// What the running watch, or the last one, says of itself; `None` when there was none.
    ///
    /// # Errors
    ///
    /// Those of reading the file.
    pub fn watch_status(&self) -> Result<Option<Vec<u8>>, StateError> {
        if !self.directory.names()?.iter().any(|name| name == STATUS) {
            return Ok(None);
        }
        self.directory.read(STATUS).map(Some)
    }
}

impl Watching {
    /// Says what is so now. It need not survive a crash of the host.
    ///
    /// # Errors
    ///
    /// Those of writing the file.
    pub fn say(&self, status: &[u8]) -> Result<(), StateError> {
        let directory = &self.state.directory;
        directory.write_unsynced(INCOMING, STATUS, status)
    }
}
