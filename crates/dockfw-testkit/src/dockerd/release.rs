//! Which dockerd the laboratory runs: this machine's, or one of another release beside it.
//!
//! `DOCKFW_DOCKERD` names a folder in which `usr` has a dockerd with its client, containerd, runc
//! and the libraries that they need; `fetch.sh`, beside this file, makes one of a Debian release.
//! In the mount namespaces of the laboratory, and nowhere else, it is laid over this machine's
//! `/usr`: what it does not have, such as iptables, is this machine's.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// Names the folder.
const VARIABLE: &str = "DOCKFW_DOCKERD";

/// The folder that is laid over this machine.
///
/// # Errors
///
/// When there is no `usr` in it, or its path cannot be written into options of mount(8).
pub(super) fn folder() -> Result<Option<PathBuf>> {
    let Some(folder) = std::env::var_os(VARIABLE).filter(|of| !of.is_empty()) else {
        return Ok(None);
    };
    let folder = PathBuf::from(folder);
    let text = folder.to_str().context("a path that is not UTF-8")?;
    ensure!(
        folder.is_absolute() && !text.contains([':', ',', '\\']),
        "{VARIABLE}={text} is not an absolute path without colons and commas"
    );
    let is_there = folder.join("usr/sbin/dockerd").exists();
    ensure!(is_there, "{VARIABLE}={text} has no usr/sbin/dockerd");
    Ok(Some(folder))
}

/// Arguments of mount(8) that lay a folder of [`folder`] over `/usr`.
pub(super) fn mount(folder: &Path) -> [String; 5] {
    let layers = format!("lowerdir={}:/usr", folder.join("usr").display());
    ["-t", "overlay", "-o", &layers, "dockfw-lab"].map(str::to_owned)
}

/// Where a program of Docker is, for those who see the folder over `/usr`: another one of its name
/// may be in front of it on the path.
pub(super) fn program(name: &str) -> Result<PathBuf> {
    let Some(folder) = folder()? else {
        return Ok(name.into());
    };
    let of = if name == "dockerd" { "sbin" } else { "bin" };
    let path = Path::new("usr").join(of).join(name);
    let is_there = folder.join(&path).exists();
    ensure!(is_there, "no {} in {}", path.display(), folder.display());
    Ok(Path::new("/").join(path))
}

/// A command that runs a program of Docker in a mount namespace of its own; without
/// `DOCKFW_DOCKERD`, just the program.
///
/// The process that is started becomes the program.
///
/// # Errors
///
/// When there is something wrong with the folder.
pub fn command(name: &str) -> Result<Command> {
    let Some(folder) = folder()? else {
        return Ok(Command::new(name));
    };
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh", "-c"])
        .arg("mount \"$1\" \"$2\" \"$3\" \"$4\" \"$5\" /usr && shift 5 && exec \"$@\"")
        .arg("sh")
        .args(mount(&folder))
        .arg(program(name)?);
    Ok(command)
}

/// A version of dockerd: what counts is its first two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Version {
    major: u32,
    minor: u32,
}

impl FromStr for Version {
    type Err = anyhow::Error;

    /// Reads `28`, which is 28.0, `28.0`, and `28.5.2+dfsg4`.
    fn from_str(text: &str) -> Result<Self> {
        let mut numbers = text.split('.').map(str::parse);
        let wrong = || format!("{text:?} is no version");
        let major = numbers.next().with_context(wrong)?.with_context(wrong)?;
        let minor = numbers.next().unwrap_or(Ok(0)).with_context(wrong)?;
        Ok(Self { major, minor })
    }
}

impl TryFrom<String> for Version {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Version {
    /// That of the dockerd that the laboratory runs.
    ///
    /// # Errors
    ///
    /// When there is none, or it says something else.
    pub fn running() -> Result<Self> {
        let output = command("dockerd")?
            .arg("--version")
            .output()
            .context("start dockerd")?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "dockerd --version: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let version = text.strip_prefix("Docker version ");
        version
            .and_then(|of| of.split([' ', ',']).next())
            .with_context(|| format!("dockerd --version: {text}"))?
            .parse()
    }
}

/// The versions in which something is so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// The first one.
    #[serde(default)]
    pub since: Option<Version>,
    /// The first one in which it is not so any more.
    #[serde(default)]
    pub until: Option<Version>,
}

impl Versions {
    /// Whether a version is one of them.
    pub fn contain(&self, version: Version) -> bool {
        self.since.is_none_or(|of| of <= version) && self.until.is_none_or(|of| version < of)
    }
}

#[cfg(test)]
mod tests {
    use super::{Version, Versions};

    #[test]
    fn versions_are_numbers() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert_eq!(version("28.5.2+dfsg4"), version("28.5"));
        assert_eq!(version("28"), version("28.0"));
        assert!(version("20.10") < version("26.1.5+dfsg1"));
        assert!(version("28.9") < version("28.10"));
        assert_eq!(version("20.10.24").to_string(), "20.10");
        for wrong in ["", "dev", "28.x", "v28"] {
            assert!(wrong.parse::<Version>().is_err(), "{wrong}");
        }
        let old = Versions {
            since: None,
            until: Some(version("28")),
        };
        assert!(old.contain(version("27.5")) && !old.contain(version("28.0.0")));
        let new = Versions {
            since: Some(version("28")),
            until: None,
        };
        assert!(!new.contain(version("27.5")) && new.contain(version("28.0.0")));
    }
}
