//! Policy files beside a running dockerd: what they say of their own, and what they change of what
//! dockerd says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;

use dockfw_lower::docker::check::{self, Place, Problem};
use dockfw_lower::docker::publish::Publish;
use dockfw_lower::host::Host;

use super::document::Reading;
use super::options::{self, Label, Settings};
use super::places::Places;
use super::report::Report;
use super::{Source, parse_partly, read};
use crate::diagnostic::{Diagnostics, Location};
use crate::rules::Options;

/// What policy files say, where a daemon tells the rest.
///
/// By default there are no files.
#[derive(Debug, Clone, Default)]
pub struct Base {
    /// The host of the files alone, without swarm's part.
    pub host: Host,
    /// `ingress-sandbox` of `[swarm]`.
    pub sandbox: Option<Ipv4Addr>,
    /// `[host] manage-sysctls`.
    pub manage_sysctls: bool,
    /// `publish` of `[swarm]`.
    pub services: Vec<Publish>,
    sources: Vec<Source>,
    places: Places,
    keys: BTreeSet<String>,
    default_bridge: Settings,
    bridge_labels: Vec<Label>,
}

impl Base {
    /// Whether a key of `[daemon]` is set, which then counts and not what the daemon says.
    pub fn sets(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// The files.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Where an element of [`Base::host`] stands.
    pub fn locate(&self, place: Place) -> Location {
        let mut report = Report::new(&self.sources);
        report.location(self.places.find(place))
    }

    /// Whether the files have defaults for what networks do not say.
    pub(crate) fn has_network_defaults(&self) -> bool {
        !self.bridge_labels.is_empty() || ["icc", "ip-masq", "ip"].iter().any(|key| self.sets(key))
    }

    /// What the options of a bridge network mean, with the defaults of these files.
    ///
    /// # Errors
    ///
    /// A value that dockerd would not take.
    pub(crate) fn settings(
        &self,
        labels: &BTreeMap<String, String>,
        is_default: bool,
    ) -> Result<Settings, String> {
        let wrong = |wrong: options::Wrong| wrong.message().to_owned();
        let (settings, labels) = options::of_network(labels).map_err(wrong)?;
        if is_default {
            // What the files say of `icc`, `ip-masq` and `ip` counts.
            return Ok(self.default_bridge.clone().or(&settings));
        }
        let mut defaults = Settings::default();
        for label in &self.bridge_labels {
            if !labels.iter().any(|own| own.key == label.key) {
                defaults.apply(label).map_err(wrong)?;
            }
        }
        Ok(settings.or(&defaults))
    }
}

/// Reads policy files beside a running dockerd.
///
/// # Errors
///
/// Everything that is wrong in the files by themselves, sorted by file and position.
pub fn load_base(paths: &[PathBuf], options: Options) -> Result<Base, Diagnostics> {
    let (sources, unreadable) = read::sources(paths);
    if unreadable.is_empty() {
        return parse_base(sources, options);
    }
    let mut all = parse_partly(&sources);
    all.extend(unreadable);
    Err(all)
}

/// [`load_base`] of what has been read already.
///
/// # Errors
///
/// As [`load_base`].
pub fn parse_base(sources: Vec<Source>, options: Options) -> Result<Base, Diagnostics> {
    if sources.is_empty() {
        return Ok(Base::default());
    }
    let mut report = Report::new(&sources);
    let mut reading = Reading::new();
    for index in 0..sources.len() {
        reading.file(index, &mut report);
    }
    reading.version(&mut report);
    let unreliable = reading.unreliable;
    let docker_user = std::mem::take(&mut reading.docker_user);
    let (sandbox, services) = reading.swarm.parts();
    // The network that it needs may be dockerd's.
    reading.swarm = super::swarm::SwarmReading::default();
    let keys = reading.daemon.keys().map(str::to_owned).collect();
    let default_bridge = reading.daemon.default_bridge.clone();
    let bridge_labels = reading.daemon.bridge_labels.clone();
    let mut resolved = reading.resolve(&mut report);
    if !unreliable {
        resolved.host.user = docker_user.build(options, &mut report);
        for problem in check::check(&resolved.host) {
            if !resolved.is_broken(problem.place) {
                report.problem(&resolved.places, &problem);
            }
        }
    }
    if report.has_errors() {
        return Err(report.finish());
    }
    Ok(Base {
        manage_sysctls: resolved.manage_sysctls,
        host: resolved.host,
        sandbox,
        services,
        places: resolved.places,
        keys,
        default_bridge,
        bridge_labels,
        sources,
    })
}

/// Problems as one line each, for what has no place in a file.
pub(crate) fn in_words(problem: &Problem) -> String {
    match &problem.help {
        Some(help) => format!("{}; {help}", problem.message),
        None => problem.message.clone(),
    }
}
