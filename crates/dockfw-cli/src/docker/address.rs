//! Where a daemon listens.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where dockerd listens unless it is told otherwise.
pub const DEFAULT_ADDRESS: &str = "unix:///var/run/docker.sock";

/// The unix socket of a daemon: `unix:///var/run/docker.sock`, or the path alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(PathBuf);

/// Why a text is no address of a daemon that can be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The daemon is reached over a network, or by a program.
    #[error(
        "dockfw reads a dockerd of its own host only, by its unix socket, not {0}://; write \
         unix:///var/run/docker.sock"
    )]
    Scheme(String),
    /// No absolute path.
    #[error("{0:?} is not an absolute path of a unix socket; write unix:///var/run/docker.sock")]
    Relative(String),
}

impl Address {
    /// The path of the socket.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for Address {
    fn default() -> Self {
        Self(PathBuf::from("/var/run/docker.sock"))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let path = match text.split_once("://") {
            Some(("unix", path)) => path,
            Some((scheme, _)) => return Err(AddressError::Scheme(scheme.to_owned())),
            None => text,
        };
        if !path.starts_with('/') {
            return Err(AddressError::Relative(text.to_owned()));
        }
        Ok(Self(PathBuf::from(path)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix://{}", self.0.display())
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, AddressError};

    #[test]
    fn addresses_are_unix_sockets() {
        let path = |text: &str| text.parse::<Address>().map(|of| of.to_string());
        assert_eq!(path("unix:///a/b"), Ok("unix:///a/b".to_owned()));
        assert_eq!(path("/a/b"), Ok("unix:///a/b".to_owned()));
        assert_eq!(Address::default().to_string(), super::DEFAULT_ADDRESS);
        assert_eq!(
            path("tcp://127.0.0.1:2375"),
            Err(AddressError::Scheme("tcp".to_owned()))
        );
        assert!(path("docker.sock").is_err());
        assert!(path("unix://docker.sock").is_err());
        assert!(path("").is_err());
    }
}
