//! Policy files: from TOML to a host model, with every mistake named by file, line and column.
//!
//! [`load`] reads files, directories and standard input; [`parse`] is the pure part behind it.
//! Several files merge into one [`Host`]. All errors of a run are reported, not the first: a part
//! that is wrong is left out, and what depends on it is not complained about.
//!
//! ```toml
//! version = 1
//!
//! [daemon]                              # keys and defaults of daemon.json
//! userland-proxy = false
//!
//! [[network]]
//! name = "web"
//! bridge = "br-web"                     # com.docker.network.bridge.name
//! subnets = ["172.18.0.0/16", "2001:db8:1::/64"]
//!
//! [[container]]
//! name = "nginx"
//! networks.web = ["172.18.0.2", "2001:db8:1::2"]
//! publish = ["8080:80", "127.0.0.1:8443:443"]
//!
//! [docker-user]                         # iptables rules, verbatim
//! ipv4 = "-A DOCKER-USER -i eth0 ! -s 192.0.2.0/24 -j DROP"
//! ```

use std::path::PathBuf;

use dockfw_lower::docker::check::{self, Place, Problem};
use dockfw_lower::host::Host;

use crate::diagnostic::{Diagnostics, Location};
use crate::rules::Options;

mod base;
mod container;
mod daemon;
mod docker_user;
mod document;
mod host;
mod link;
mod network;
mod offsets;
mod once;
mod options;
mod places;
mod ports;
pub(crate) mod read;
pub(crate) mod report;
mod suggest;
mod swarm;
pub(crate) mod syntax;
mod value;
pub(crate) mod write;

pub(crate) use base::in_words as base_words;
pub use base::{Base, load_base, parse_base};
pub(crate) use daemon::parse_fwmark;
use document::Reading;
use places::Places;
use report::Report;

/// The largest policy file in bytes: 16 MiB.
pub const MAX_BYTES: usize = 16 << 20;

/// A policy file that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name under which it is reported, as a rule the path.
    pub name: String,
    /// What stands in it.
    pub bytes: Vec<u8>,
}

/// A host, as one or more policy files describe it.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The host; [`check`](fn@check::check) finds no error in it.
    pub host: Host,
    /// `[host] manage-sysctls`, default false: a commit also makes the settings of the kernel that
    /// the ruleset needs ([`settings`](dockfw_lower::settings::settings)).
    pub manage_sysctls: bool,
    /// What has no effect, or another one than it seems.
    pub warnings: Diagnostics,
    sources: Vec<Source>,
    places: Places,
}

impl Policy {
    /// Where an element of the host stands in the policy files.
    pub fn locate(&self, place: Place) -> Location {
        let mut report = Report::new(&self.sources);
        report.location(self.places.find(place))
    }

    /// Problems of the host as diagnostics that point into the policy files.
    pub fn diagnose(&self, problems: &[Problem]) -> Diagnostics {
        let mut report = Report::new(&self.sources);
        for problem in problems {
            report.problem(&self.places, problem);
        }
        report.finish()
    }

    /// The policy files as they were read, in order.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The policy files as they were read, without the host.
    pub fn into_sources(self) -> Vec<Source> {
        self.sources
    }
}

/// Reads and merges policy files.
///
/// A directory stands for its `*.toml` files, sorted by name, without subdirectories and hidden
/// files; `-` is standard input.
///
/// # Errors
///
/// Everything that is wrong, sorted by file and position.
pub fn load(paths: &[PathBuf]) -> Result<Policy, Diagnostics> {
    load_with(paths, Options::default())
}

/// [`load`], with a say in how operators' rules are read.
///
/// # Errors
///
/// As [`load`].
pub fn load_with(paths: &[PathBuf], options: Options) -> Result<Policy, Diagnostics> {
    let (sources, unreadable) = read::sources(paths);
    if unreadable.is_empty() {
        return parse_with(sources, options);
    }
    // What could be read is reported too, but files may be missing from the picture.
    let mut all = parse_partly(&sources);
    all.extend(unreadable);
    Err(all)
}

/// Merges policy files that have been read already.
///
/// Reads no file, no clock and no environment: the same sources give the same result.
///
/// # Errors
///
/// Everything that is wrong, sorted by file and position.
pub fn parse(sources: Vec<Source>) -> Result<Policy, Diagnostics> {
    parse_with(sources, Options::default())
}

/// [`parse`], with a say in how operators' rules are read.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_with(sources: Vec<Source>, options: Options) -> Result<Policy, Diagnostics> {
    let mut report = Report::new(&sources);
    let mut reading = Reading::new();
    for index in 0..sources.len() {
        reading.file(index, &mut report);
    }
    reading.version(&mut report);
    let unreliable = reading.unreliable;
    let docker_user = std::mem::take(&mut reading.docker_user);
    let mut resolved = reading.resolve(&mut report);
    if !unreliable {
        resolved.host.user = docker_user.build(options, &mut report);
        for problem in check::check(&resolved.host) {
            if !resolved.is_broken(problem.place) {
                report.problem(&resolved.places, &problem);
            }
        }
    }
    let failed = report.has_errors();
    let diagnostics = report.finish();
    if failed {
        return Err(diagnostics);
    }
    let (host, places) = (resolved.host, resolved.places);
    Ok(Policy {
        host,
        manage_sysctls: resolved.manage_sysctls,
        warnings: diagnostics,
        sources,
        places,
    })
}

/// The mistakes inside each file, when other files are missing.
fn parse_partly(sources: &[Source]) -> Diagnostics {
    let mut report = Report::new(sources);
    let mut reading = Reading::new();
    for index in 0..sources.len() {
        reading.file(index, &mut report);
    }
    report.finish()
}

#[cfg(test)]
mod tests;
