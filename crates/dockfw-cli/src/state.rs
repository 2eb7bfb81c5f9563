//! What was committed before, on disk: the generations of the history, and what is in force.
//!
//! A folder, as a rule `/var/lib/dockfw`, has these files:
//!
//! | file | what |
//! |---|---|
//! | `generation-N` | what was compiled, in full, with the encoded ruleset; N counts up from 1 |
//! | `current` | which generation was committed last, and how the kernel looked afterwards |
//! | `unconfirmed` | what was committed with `--confirm` last, like a generation; not part of the history |
//! | `boot` | how the last `dockfw commit --boot` ended |
//! | `lock` | locked by who writes |
//! | `watch.json` | what a running `dockfw watch` says of itself |
//! | `watch.lock` | locked while one runs |
//! | `.incoming`, `.watch.incoming` | what is being written; it means nothing |
//!
//! Every file is written beside its place and renamed into it, so that it is there as a whole or
//! not at all. It carries its length and a checksum; one that is damaged is named and never used,
//! and does no harm to the others. What others put into the folder is left alone.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

mod directory;
mod generation;
mod program;
mod record;
mod sealed;
mod time;
mod watching;

use directory::Directory;
pub use generation::{Generation, How, Recipe};
pub use program::Program;
pub use record::{Boot, BootOutcome, Current};
pub use sealed::Damage;
pub use time::{now, utc};
pub use watching::Watching;

/// Where the state is kept when nobody says otherwise.
pub const DEFAULT_DIRECTORY: &str = "/var/lib/dockfw";

/// How many generations are kept when nobody says otherwise.
pub const KEEP: usize = 10;

/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(5);

const GENERATION: &str = "generation-";
const CURRENT: &str = "current";
const BOOT: &str = "boot";
const UNCONFIRMED: &str = "unconfirmed";
const LOCK: &str = "lock";

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// There is no such folder.
    #[error("there is no folder {}", .0.display())]
    Missing(PathBuf),
    /// Others than its owner and root could have written it.
    #[error("{} is not used: {why}", .path.display())]
    Unsafe {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Another process writes, and does not end.
    #[error("{} is locked by another dockfw", .0.display())]
    Locked(PathBuf),
    /// A file is not what was written.
    #[error("{} is damaged: {damage}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// A system call failed.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which folder or file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// A folder with the state, to be read.
#[derive(Debug)]
pub struct State {
    directory: Directory,
}

/// A folder with the state, to be written, while no other process does.
#[derive(Debug)]
pub struct Locked {
    state: State,
    /// Gives the lock back when it is closed.
    _lock: std::os::fd::OwnedFd,
}

impl std::ops::Deref for Locked {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl State {
    /// Opens a folder that exists.
    ///
    /// # Errors
    ///
    /// [`StateError::Missing`]; [`StateError::Unsafe`] when others than this user and root may
    /// write there.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let directory = Directory::open(path)?;
        Ok(Self { directory })
    }

    /// Opens a folder, which is made if it is missing, but not those above it.
    ///
    /// # Errors
    ///
    /// As [`State::open`].
    pub fn open_or_create(path: &Path) -> Result<Self, StateError> {
        Directory::create(path)?;
        Self::open(path)
    }

    /// Keeps others from writing, until the value is dropped.
    ///
    /// # Errors
    ///
    /// [`StateError::Locked`] when another process holds the lock for five seconds.
    pub fn lock(self) -> Result<Locked, StateError> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(lock) = self.directory.try_lock(LOCK)? {
                return Ok(Locked {
                    state: self,
                    _lock: lock,
                });
            }
            if Instant::now() >= until {
                return Err(StateError::Locked(self.path().to_owned()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The numbers of the generations, damaged ones too, from the oldest.
    ///
    /// # Errors
    ///
    /// Those of reading the folder.
    pub fn numbers(&self) -> Result<Vec<u64>, StateError> {
        let names = self.directory.names()?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// A generation.
    ///
    /// # Errors
    ///
    /// [`StateError::Damaged`], and those of reading the file.
    pub fn generation(&self, number: u64) -> Result<Generation, StateError> {
        let name = generation_name(number);
        let bytes = self.directory.read(&name)?;
        let read = Generation::from_bytes(&bytes).and_then(|generation| {
            let is_itself = generation.number == number;
            is_itself.then_some(generation).ok_or(Damage::Renamed)
        });
        read.map_err(|damage| self.damaged(&name, damage))
    }

    /// What was committed last; `None` when nothing was.
    ///
    /// # Errors
    ///
    /// As [`State::generation`].
    pub fn current(&self) -> Result<Option<Current>, StateError> {
        self.record(CURRENT, Current::from_bytes)
    }

    /// How the last boot ended; `None` when there was none.
    ///
    /// # Errors
    ///
    /// As [`State::generation`].
    pub fn boot(&self) -> Result<Option<Boot>, StateError> {
        self.record(BOOT, Boot::from_bytes)
    }

    /// What was committed with `--confirm` last, if nothing was committed since.
    ///
    /// # Errors
    ///
    /// As [`State::generation`].
    pub fn unconfirmed(&self) -> Result<Option<Generation>, StateError> {
        self.record(UNCONFIRMED, Generation::from_bytes)
    }

    fn record<T>(
        &self,
        name: &str,
        read: impl FnOnce(&[u8]) -> Result<T, Damage>,
    ) -> Result<Option<T>, StateError> {
        match self.directory.read(name) {
            Ok(bytes) => {
                let record = read(&bytes).map_err(|damage| self.damaged(name, damage))?;
                Ok(Some(record))
            }
            Err(StateError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn damaged(&self, name: &str, damage: Damage) -> StateError {
        let path = self.path().join(name);
        StateError::Damaged { path, damage }
    }
}

impl Locked {
    /// Adds a generation under the next number, which is returned, and forgets all but the newest
    /// `keep`.
    ///
    /// The number in `generation` does not matter.
    ///
    /// # Errors
    ///
    /// Those of writing; then nothing was changed.
    pub fn add(&self, generation: &Generation, keep: usize) -> Result<u64, StateError> {
        let numbers = self.numbers()?;
        let number = numbers.last().map_or(1, |newest| newest.saturating_add(1));
        self.put(number, generation)?;
        let known = numbers.len() + 1;
        for old in numbers.iter().take(known.saturating_sub(keep.max(1))) {
            // What could not be removed is tried again the next time.
            let _ = self.directory.remove(&generation_name(*old));
        }
        Ok(number)
    }

    /// Writes a generation anew, under its number.
    ///
    /// # Errors
    ///
    /// Those of writing; then the old one is still there.
    pub fn renew(&self, generation: &Generation) -> Result<(), StateError> {
        self.put(generation.number, generation)
    }

    fn put(&self, number: u64, generation: &Generation) -> Result<(), StateError> {
        let bytes = generation.to_bytes(number);
        self.directory.write(&generation_name(number), &bytes)
    }

    /// Notes what was committed last.
    ///
    /// # Errors
    ///
    /// Those of writing; then the old note is still there.
    pub fn set_current(&self, current: &Current) -> Result<(), StateError> {
        self.directory.write(CURRENT, &current.to_bytes())
    }

    /// Keeps what waits to be confirmed.
    ///
    /// # Errors
    ///
    /// As [`Locked::set_current`].
    pub fn set_unconfirmed(&self, generation: &Generation) -> Result<(), StateError> {
        self.directory.write(UNCONFIRMED, &generation.to_bytes(0))
    }

    /// Forgets what waited to be confirmed.
    ///
    /// # Errors
    ///
    /// Those of removing the file.
    pub fn clear_unconfirmed(&self) -> Result<(), StateError> {
        match self.directory.remove(UNCONFIRMED) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(StateError::Io {
                action: "remove",
                path: self.path().join(UNCONFIRMED),
                source,
            }),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Notes how a boot ended.
    ///
    /// # Errors
    ///
    /// As [`Locked::set_current`].
    pub fn set_boot(&self, boot: &Boot) -> Result<(), StateError> {
        self.directory.write(BOOT, &boot.to_bytes())
    }
}

fn generation_name(number: u64) -> String {
    format!("{GENERATION}{number}")
}

/// The number in the name of a generation's file.
fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(GENERATION)?;
    let number: u64 = digits.parse().ok()?;
    // No other spelling, such as one with zeros in front.
    (generation_name(number) == name && number > 0).then_some(number)
}

#[cfg(test)]
mod tests;
