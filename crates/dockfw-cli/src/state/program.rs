//! Which program made something, and on which machine it runs.

use std::os::unix::fs::MetadataExt as _;

/// A program, told apart from every other build of it as far as that is possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// `0.1.0`
    pub version: String,
    /// The file of the program: its length in bytes and when it was last changed. Two builds of a
    /// version differ in it. Empty when it is not known; then it is equal to nothing.
    pub file: String,
}

impl Program {
    /// This one.
    pub fn this() -> Self {
        let file = std::fs::metadata("/proc/self/exe").map(|file| {
            let (seconds, nanoseconds) = (file.mtime(), file.mtime_nsec());
            format!("{}-{seconds}-{nanoseconds}", file.len())
        });
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            file: file.unwrap_or_default(),
        }
    }

    /// Whether both compile the same input to the same ruleset.
    pub fn is_same(&self, other: &Self) -> bool {
        !self.file.is_empty() && self == other
    }
}

/// What names this run of the kernel; empty when it is not known.
pub(super) fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map(|id| id.trim_end().to_owned()).unwrap_or_default()
}

/// What names this network namespace while it exists; empty when it is not known.
pub(super) fn namespace() -> String {
    let link = std::fs::read_link("/proc/self/ns/net");
    link.map(|link| link.display().to_string())
        .unwrap_or_default()
}
