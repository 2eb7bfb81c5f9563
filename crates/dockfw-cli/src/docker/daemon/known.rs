//! What was read of a process of dockerd, which is true as long as it runs.
//!
//! dockerd reads its command line and `daemon.json` when it starts. A file that is edited, or
//! broken, afterwards says nothing about the process that runs. On SIGHUP it reads the file again
//! and takes over some options (`live-restore`, which `docker info` tells, logs, labels,
//! registries, runtimes), but none of those in [`Settings`], which stay as they are.
//!
//! Source: moby v20.10 and docker-v29.0.0, `daemon/reload.go`, `Daemon.Reload`.

use std::path::{Path, PathBuf};

use super::process::{self, Identity, Process};
use super::{DEFAULT_DAEMON_JSON, Daemon, Settings, Source, file, flags};
use crate::docker::Error;

/// What was read of a process of dockerd.
#[derive(Debug, Default)]
pub(in crate::docker) struct Known {
    /// Whose options these are; `None` when that cannot be told.
    identity: Option<Identity>,
    /// What its command line and its file say.
    options: Option<Read>,
    /// The daemon as the last `docker info` had it, without those.
    info: Option<Daemon>,
}

/// What stands on the command line and in the file of a daemon.
#[derive(Debug, Clone, Default)]
struct Read {
    settings: Settings,
    command_line: Source,
    file: Source,
}

impl Known {
    /// Begins a connection whose other end is `peer`, if known. What was read of another process,
    /// or of one that cannot be told, is forgotten.
    pub(in crate::docker) fn begin(&mut self, peer: Option<u32>) {
        let process = Process::find(peer).ok();
        self.begin_with(process.and_then(|process| process.identity()));
    }

    pub(super) fn begin_with(&mut self, identity: Option<Identity>) {
        if identity.is_none() || identity != self.identity {
            *self = Self {
                identity,
                ..Self::default()
            };
        }
    }

    /// The daemon, of an answer to `docker info` and how it was started. What an answer that did
    /// not come would have said is as it was before.
    ///
    /// `peer` and `file` are those of [`Read::of`].
    ///
    /// # Errors
    ///
    /// The process is not there any more, or nothing is known of what did not come.
    pub(in crate::docker) fn daemon(
        &mut self,
        info: Result<Daemon, Error>,
        peer: Option<u32>,
        file: Option<&Path>,
    ) -> Result<Daemon, Error> {
        if self.identity.is_some_and(|identity| !identity.is_alive()) {
            return Err(Error::Ended);
        }
        let mut daemon = match (info, &self.info) {
            (Ok(info), _) => info,
            (Err(_), Some(before)) => before.clone(),
            (Err(error), None) => return Err(error),
        };
        self.info = Some(daemon.clone());
        let read = match self.options.take() {
            // One that cannot be read has not said anything that could be kept.
            Some(read) if read.file.is_known() => read,
            Some(_) | None => Read::of(peer, file),
        };
        daemon.command_line.clone_from(&read.command_line);
        daemon.file.clone_from(&read.file);
        daemon.settings.fill(read.settings.clone());
        self.options = Some(read);
        Ok(daemon)
    }
}

impl Read {
    /// Reads the command line of a daemon and its file of options.
    ///
    /// `peer` is the process at the other end of its socket, if known; `file` is a file that was
    /// named, instead of the one that the command line names.
    fn of(peer: Option<u32>, file: Option<&Path>) -> Self {
        let mut read = Self::default();
        let mut named = None;
        let mut process = None;
        match Process::find(peer) {
            Ok(found) => {
                let flags = flags::parse(&found.arguments);
                named = flags.config_file.map(PathBuf::from);
                read.settings = flags.settings;
                read.command_line = Source::Read(process::COMMAND_LINE.to_owned());
                process = Some(found);
            }
            Err(why) => {
                read.command_line = Source::Unread {
                    name: process::COMMAND_LINE.to_owned(),
                    why,
                };
            }
        }
        let path = match (file, named) {
            (Some(path), _) => path.to_owned(),
            (None, Some(path)) => path,
            // Elsewhere for a rootless daemon; without its command line nobody knows.
            (None, None) => PathBuf::from(DEFAULT_DAEMON_JSON),
        };
        let process = process.filter(|_| file.is_none());
        let (source, settings) = file::read(&path, process.as_ref());
        read.file = source;
        read.settings.fill(settings);
        read
    }
}
