//! A folder that only its owner can write, and files that are there as a whole or not at all.
//!
//! Everything goes through a descriptor of the folder, so that nobody can put another one in its
//! place after it was looked at.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::StateError;

/// What is being written.
const INCOMING: &str = ".incoming";

/// The largest file that is read, in bytes: 1 GiB, more than any ruleset that a kernel takes.
const LARGEST: u64 = 1 << 30;

#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    fd: OwnedFd,
}

impl Directory {
    /// Makes the folder if it is missing, for its owner only.
    pub(super) fn create(path: &Path) -> Result<(), StateError> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(failed("create", path.to_owned(), error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn open(path: &Path) -> Result<Self, StateError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Err(StateError::Missing(path.to_owned())),
            Err(error) => return Err(failed("open", path.to_owned(), error)),
        };
        let directory = Self {
            path: path.to_owned(),
            fd,
        };
        let stat = rustix::fs::fstat(&directory.fd);
        let stat = stat.map_err(|error| failed("look at", path.to_owned(), error))?;
        check_owner(&stat).map_err(|why| StateError::Unsafe {
            path: path.to_owned(),
            why,
        })?;
        Ok(directory)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of what is in the folder, as far as they are UTF-8.
    pub(super) fn names(&self) -> Result<Vec<String>, StateError> {
        let failed = |error| failed("list", self.path.clone(), error);
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            names.extend(entry.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }

    /// Reads a regular file.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, StateError> {
        let path = || self.path.join(name);
        let failed = |error: io::Error| failed("read", path(), error);
        // Not blocking: somebody may have put a pipe there.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty())
            .map_err(|error| failed(error.into()))?;
        let stat = rustix::fs::fstat(&fd).map_err(|error| failed(error.into()))?;
        let owner = check_owner(&stat);
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        let problem = if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            Err("it is no regular file")
        } else if size > LARGEST {
            Err("it is larger than 1 GiB")
        } else {
            owner
        };
        problem.map_err(|why| StateError::Unsafe { path: path(), why })?;
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        let mut file = File::from(fd).take(LARGEST);
        file.read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// Writes a file, which is there as a whole afterwards, on disk and not only in memory.
    ///
    /// Needs the lock, for there is one place for what is coming.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let result = self.try_write(name, bytes);
        if result.is_err() {
            let _ = self.remove(INCOMING);
        }
        result.map_err(|error| failed("write", self.path.join(name), error))
    }

    /// Writes a file, which is there as a whole afterwards, but perhaps not after a crash.
    ///
    /// Only one process may do so with the same `incoming`.
    pub(super) fn write_unsynced(
        &self,
        incoming: &str,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), StateError> {
        self.put(incoming, name, bytes, |_| Ok(()))
            .map_err(|error| failed("write", self.path.join(name), error))
    }

    fn try_write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.put(INCOMING, name, bytes, File::sync_all)?;
        rustix::fs::fsync(&self.fd)?;
        Ok(())
    }

    /// Writes a file beside its place, and renames it.
    fn put(
        &self,
        incoming: &str,
        name: &str,
        bytes: &[u8],
        sync: impl FnOnce(&File) -> io::Result<()>,
    ) -> io::Result<()> {
        // Left by a process that was killed.
        match self.remove(incoming) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let mut file = File::from(rustix::fs::openat(&self.fd, incoming, flags, mode)?);
        file.write_all(bytes)?;
        sync(&file)?;
        rustix::fs::renameat(&self.fd, incoming, &self.fd, name)?;
        Ok(())
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// The lock, or `None` when another process has it.
    pub(super) fn try_lock(&self, name: &str) -> Result<Option<OwnedFd>, StateError> {
        let failed = |error| failed("lock", self.path.join(name), error);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let fd = rustix::fs::openat(&self.fd, name, flags, mode).map_err(failed)?;
        match rustix::fs::flock(fd.as_fd(), FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(fd)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

/// Whether only we and root can have written something.
fn check_owner(stat: &Stat) -> Result<(), &'static str> {
    let owner = stat.st_uid;
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err("it belongs to another user");
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.intersects(Mode::WGRP | Mode::WOTH) {
        return Err("others than its owner may write it");
    }
    Ok(())
}

fn failed(action: &'static str, path: PathBuf, source: impl Into<io::Error>) -> StateError {
    StateError::Io {
        action,
        path,
        source: source.into(),
    }
}
