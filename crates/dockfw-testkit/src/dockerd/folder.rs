//! The folder of one dockerd, and the remains of tests that were killed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use nix::fcntl::{Flock, FlockArg};

/// Begins the name of every folder; a socket's path has at most 107 bytes.
const PREFIX: &str = "dfl-";

/// A folder that only one test has; it goes away with this value.
///
/// A lock on a file inside says that its test still runs: the kernel takes the lock away from who
/// is killed. Containers are in cgroups of the folder's name.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Folder {
    /// Makes one, and removes those that nobody holds any more.
    pub(super) fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        sweep();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", process::id());
        let path = std::env::temp_dir().join(name);
        // Another sweep leaves a folder without a lock file alone.
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        let file = File::create(path.join("lock.new"))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| errno)
            .context("lock a new file")?;
        fs::rename(path.join("lock.new"), path.join("lock"))?;
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder's last part, which is also the name of the containers' cgroup.
    pub(super) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.path, &self.name());
    }
}

/// Removes the folders of tests that are gone; what they ran has died with them.
fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(PREFIX) {
            continue;
        }
        let Ok(file) = File::open(entry.path().join("lock")) else {
            continue;
        };
        if let Ok(_lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            remove(&entry.path(), &name);
        }
    }
}

fn remove(path: &Path, name: &str) {
    let _ = fs::remove_dir_all(path);
    let root = Path::new("/sys/fs/cgroup");
    remove_cgroups(root, name, 5);
}

/// Removes the cgroups of a name wherever they are; they are not above `depth` folders deep.
///
/// With version 1, each controller has a tree of its own, and the machine may itself be a cgroup.
fn remove_cgroups(at: &Path, name: &str, depth: u32) {
    let Ok(entries) = fs::read_dir(at) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_type().is_ok_and(|of| of.is_dir()) {
            continue;
        }
        if entry.file_name().to_string_lossy() == name {
            remove_tree(&entry.path());
        } else if depth > 0 {
            remove_cgroups(&entry.path(), name, depth - 1);
        }
    }
}

/// Removes a cgroup and those below it; their files are the kernel's and go with them.
fn remove_tree(at: &Path) {
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|of| of.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _ = fs::remove_dir(at);
}

/// The end of a log, for messages.
pub(super) fn tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(15).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
