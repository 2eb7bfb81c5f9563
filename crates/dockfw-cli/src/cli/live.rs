//! `--docker`: the state of a running dockerd as a part of the input.

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::Failure;
use crate::diagnostic::{Diagnostic, Diagnostics, Location, Severity};
use crate::docker::{self, Address, Base, Built, State};
use crate::policy::{self, Policy, Source};
use crate::rules::Options;

/// Which daemon is read.
#[derive(Debug, Clone, Args)]
pub(super) struct DockerArgs {
    /// Add the networks, containers and published ports of a running dockerd to the policies
    ///
    /// ADDRESS is its unix socket, unix:///var/run/docker.sock unless it is written; what ends in
    /// .toml, a folder, and - are no addresses but files. Without files, the policies of
    /// /etc/dockfw count if there are any.
    #[arg(
        long,
        value_name = "ADDRESS",
        num_args = 0..=1,
        default_missing_value = docker::DEFAULT_ADDRESS,
    )]
    docker: Option<String>,
    /// The file of dockerd's options, instead of the one that its command line names
    #[arg(long, value_name = "PATH", requires = "docker")]
    daemon_json: Option<PathBuf>,
}

/// A running daemon, and what policy files say beside it.
pub(super) struct Live {
    address: Address,
    state: State,
    base: Base,
    pub(super) built: Built,
}

impl DockerArgs {
    /// Those that always mean a daemon.
    pub(super) fn new(docker: String, daemon_json: Option<PathBuf>) -> Self {
        Self {
            docker: Some(docker),
            daemon_json,
        }
    }

    /// Takes the default daemon if none is named.
    pub(super) fn want(&mut self) {
        if self.docker.is_none() {
            self.docker = Some(docker::DEFAULT_ADDRESS.to_owned());
        }
    }

    /// Whether a daemon is wanted.
    pub(super) fn is_wanted(&self) -> bool {
        self.docker.is_some()
    }

    /// A file that was taken for the address.
    pub(super) fn file(&self) -> Option<PathBuf> {
        let text = self.docker.as_deref()?;
        is_file(text).then(|| PathBuf::from(text))
    }

    /// The address.
    ///
    /// # Errors
    ///
    /// It is none.
    pub(super) fn address(&self) -> Result<Address, Failure> {
        match self.docker.as_deref() {
            Some(text) if !is_file(text) => text.parse().map_err(Failure::Address),
            Some(_) | None => Ok(Address::default()),
        }
    }

    /// How the daemon is looked at.
    pub(super) fn options(&self) -> docker::Options {
        docker::Options {
            daemon_json: self.daemon_json.clone(),
            ..docker::Options::default()
        }
    }

    /// Reads the policies, and then the daemon.
    pub(super) fn read(&self, policies: &[PathBuf], options: Options) -> Result<Live, Failure> {
        let address = self.address()?;
        let base = if policies.is_empty() {
            Base::default()
        } else {
            policy::load_base(policies, options).map_err(Failure::Input)?
        };
        let state = docker::snapshot(&address, &self.options()).map_err(Failure::Docker)?;
        let built = docker::host::host(&state, &base);
        let live = Live {
            address,
            state,
            base,
            built,
        };
        let clashes = live.warnings(Severity::Error, |of| of.clash);
        if clashes.is_empty() {
            Ok(live)
        } else {
            Err(Failure::Input(Diagnostics::new(clashes)))
        }
    }
}

/// Whether an argument names a file rather than a socket.
fn is_file(text: &str) -> bool {
    let path = Path::new(text);
    text == "-" || path.extension().is_some_and(|of| of == "toml") || path.is_dir()
}

/// The policies of the default folder, if there are any.
pub(super) fn default_policies(folder: &str) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        // Whoever reads it says why it cannot be read.
        Err(_) => return vec![PathBuf::from(folder)],
    };
    let mut paths = entries.flatten().map(|entry| entry.path());
    let has_any = paths.any(|path| path.extension().is_some_and(|of| of == "toml"));
    has_any.then(|| PathBuf::from(folder)).into_iter().collect()
}

impl Live {
    /// What the daemon has, as a policy file.
    pub(super) fn source(&self) -> Source {
        docker::policy(&self.address, &self.state, &self.base, &self.built)
    }

    /// The daemon.
    pub(super) fn daemon(&self) -> &docker::Daemon {
        &self.state.daemon
    }

    /// All of it as a policy, as if the files had been written by hand.
    pub(super) fn policy(&self, options: Options) -> Result<Policy, Failure> {
        let mut sources = self.base.sources().to_vec();
        sources.push(self.source());
        let mut policy = policy::parse_with(sources, options).map_err(Failure::Input)?;
        policy.warnings.extend(self.notes());
        Ok(policy)
    }

    /// What is left out, assumed, or worth knowing, as warnings.
    pub(super) fn notes(&self) -> Diagnostics {
        let mut all = self.warnings(Severity::Warning, |_| true);
        let at = self.place();
        for note in &self.built.notes {
            all.push(Diagnostic::new(Severity::Warning, at.clone(), note));
        }
        Diagnostics::new(all)
    }

    fn warnings(
        &self,
        severity: Severity,
        wanted: impl Fn(&docker::LeftOut) -> bool,
    ) -> Vec<Diagnostic> {
        let left_out = self.built.left_out.iter().filter(|of| wanted(of));
        left_out
            .map(|of| Diagnostic::new(severity, self.place(), &of.to_string()))
            .collect()
    }

    fn place(&self) -> Location {
        let name = format!("docker {}", self.address);
        Location::whole(&name, self.base.sources().len())
    }
}

#[cfg(test)]
mod tests {
    use super::is_file;

    #[test]
    fn a_file_is_no_address() {
        for file in ["-", "a.toml", "/etc", "."] {
            assert!(is_file(file), "{file}");
        }
        for address in ["unix:///x", "/var/run/docker.sock", "tcp://a:1"] {
            assert!(!is_file(address), "{address}");
        }
    }
}
