//! The files of sysctl(8).

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;

use dockfw_lower::settings::Key;

use super::State;

/// Where they are.
const ROOT: &str = "/proc/sys";

/// There in every network namespace where there is anything.
const ALWAYS: &str = "net/ipv4/conf/all";

/// The folder of the settings.
pub(super) struct Proc {
    root: PathBuf,
}

impl Default for Proc {
    fn default() -> Self {
        Self { root: ROOT.into() }
    }
}

impl Proc {
    /// Settings in a folder of a test.
    #[cfg(test)]
    pub(super) fn in_folder(root: &std::path::Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// How a setting is.
    pub(super) fn read(&self, key: &Key) -> State {
        let instead = key.instead().and_then(|path| self.value(path).ok());
        if instead.is_some_and(|value| is_on(&value)) && self.exists(&key.path()) {
            return State::AsWanted;
        }
        match self.value(&key.path()) {
            Ok(value) if is_on(&value) => State::AsWanted,
            Ok(value) => State::Differs(value),
            Err(error) if error.kind() == ErrorKind::NotFound && self.exists(ALWAYS) => match key {
                Key::BridgeNfCallIptables | Key::BridgeNfCallIp6tables => State::NoModule,
                Key::RouteLocalnet(_) => State::NoInterface,
                Key::Ipv6Forwarding => State::NoFamily,
                Key::Ipv4Forward => State::Unreadable(error.to_string()),
            },
            Err(error) => State::Unreadable(error.to_string()),
        }
    }

    /// Makes a setting that was found with a value.
    pub(super) fn write(&self, key: &Key, found: String) -> State {
        let set = || -> io::Result<()> {
            let path = self.root.join(key.path());
            // It is never created.
            OpenOptions::new().write(true).open(path)?.write_all(b"1\n")
        };
        match set() {
            Ok(()) => {
                let now = self.read(key);
                if now == State::AsWanted {
                    State::Written(found)
                } else if let State::Differs(left) = now {
                    State::Refused(left, "it did not change".to_owned())
                } else {
                    now
                }
            }
            // The interface went away meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => self.read(key),
            Err(error) => State::Refused(found, error.to_string()),
        }
    }

    fn value(&self, path: &str) -> io::Result<String> {
        let text = std::fs::read_to_string(self.root.join(path))?;
        Ok(text.trim().to_owned())
    }

    fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }
}

/// The kernel takes every number other than 0 for on.
fn is_on(value: &str) -> bool {
    value.parse::<i64>().is_ok_and(|number| number != 0)
}
