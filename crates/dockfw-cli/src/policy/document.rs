//! One policy file after the other: from text to networks and containers, then all together.

use std::collections::BTreeMap;

use dockfw_lower::docker::check::{ContainerField, Place};
use dockfw_lower::host::{Container, DOCKER_GWBRIDGE, Host};
use toml::de::DeTable;

use super::daemon::DaemonReading;
use super::docker_user::DockerUserReading;
use super::host::HostReading;
use super::link::{self, RawLink};
use super::network::RawNetwork;
use super::places::{ContainerPlaces, Places};
use super::report::{Draft, Report, Span};
use super::suggest::unknown;
use super::swarm::{Swarm, SwarmReading};
use super::syntax::{syntax_errors, text_of};
use super::value::{Cursor, Expected, Value};

const KEYS: [&str; 7] = [
    "version",
    "daemon",
    "host",
    "network",
    "container",
    "swarm",
    "docker-user",
];

/// What has been read so far.
pub(super) struct Reading {
    pub(super) daemon: DaemonReading,
    host: HostReading,
    pub(super) swarm: SwarmReading,
    pub(super) docker_user: DockerUserReading,
    networks: Vec<RawNetwork>,
    /// Containers, whose endpoints count in the names of `mentions` as long as the networks are not
    /// all known.
    containers: Vec<RawContainer>,
    mentions: Mentions,
    version: bool,
    /// The first source with something in it.
    first: Option<usize>,
    /// A document has syntax errors, or a source is missing: what is not there proves nothing.
    pub(super) unreliable: bool,
}

/// A container as it is written.
pub(super) struct RawContainer {
    pub(super) container: Container,
    pub(super) places: ContainerPlaces,
    /// A part is wrong and was left out.
    pub(super) broken: bool,
}

/// What containers mention, and what may stand in a file that is read later.
#[derive(Default)]
pub(super) struct Mentions {
    pub(super) networks: Names,
    pub(super) links: Vec<RawLink>,
}

/// Names of networks that containers mention, each once.
#[derive(Default)]
pub(super) struct Names {
    numbers: BTreeMap<String, usize>,
    next: usize,
}

impl Names {
    /// The number of a name.
    pub(super) fn number(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.next;
        self.numbers.insert(name.to_owned(), number);
        self.next += 1;
        number
    }
}

/// A host and where its elements stand.
pub(super) struct Resolved {
    pub(super) host: Host,
    pub(super) manage_sysctls: bool,
    pub(super) places: Places,
    broken_networks: Vec<bool>,
    broken_containers: Vec<bool>,
    broken_ingress: bool,
}

impl Resolved {
    /// True when a part of the element, or of a network it needs, is wrong and was left out.
    pub(super) fn is_broken(&self, place: Place) -> bool {
        let network = |index: usize| self.broken_networks.get(index).copied().unwrap_or(true);
        let container = |index: usize| {
            let endpoints = self.host.containers.get(index).map(|of| &of.endpoints);
            self.broken_containers.get(index).copied().unwrap_or(true)
                || endpoints
                    .into_iter()
                    .flatten()
                    .any(|endpoint| network(endpoint.network))
        };
        match place {
            Place::Network { network: index, .. } => network(index),
            Place::Container {
                container: index,
                field,
            } => {
                let server = match field {
                    ContainerField::Link(link) => {
                        let links = self.host.containers.get(index).map(|client| &client.links);
                        links.and_then(|links| links.get(link))
                    }
                    ContainerField::Name
                    | ContainerField::Endpoint(_)
                    | ContainerField::Address(..)
                    | ContainerField::Publish(_) => None,
                };
                container(index) || server.is_some_and(|server| container(*server))
            }
            Place::Ingress(_) => {
                // A network whose name is wrong may be the one of the ingress sandbox.
                let is_meant = |name: &str| name == DOCKER_GWBRIDGE || name.is_empty();
                self.broken_ingress
                    || self
                        .host
                        .networks
                        .iter()
                        .enumerate()
                        .any(|(index, of)| is_meant(&of.name) && network(index))
            }
        }
    }
}

impl Reading {
    pub(super) fn new() -> Self {
        Self {
            daemon: DaemonReading::default(),
            host: HostReading::default(),
            swarm: SwarmReading::default(),
            docker_user: DockerUserReading::default(),
            networks: Vec::new(),
            containers: Vec::new(),
            mentions: Mentions::default(),
            version: false,
            first: None,
            unreliable: false,
        }
    }

    /// Reads one source.
    pub(super) fn file(&mut self, index: usize, report: &mut Report<'_>) {
        let Some(source) = report.source(index) else {
            return;
        };
        let Some(text) = text_of(index, source, report) else {
            self.unreliable = true;
            return;
        };
        let (document, errors) = DeTable::parse_recoverable(text);
        let document = document.get_ref();
        let damaged_lines = syntax_errors(index, text, document, &errors, report);
        self.unreliable |= !damaged_lines.is_empty();
        if document.is_empty() && errors.is_empty() {
            let message = if text.trim().is_empty() {
                "the file is empty"
            } else {
                "the file has nothing but comments"
            };
            let draft = Draft::error(Span::new(index, 0..0), message)
                .help("a policy begins with `version = 1`");
            report.push(draft);
            self.unreliable = true;
            return;
        }
        self.first.get_or_insert(index);
        let mut cursor = Cursor {
            source: index,
            damaged_lines,
            report,
        };
        self.document(document, &mut cursor);
    }

    fn document(&mut self, document: &DeTable<'_>, cursor: &mut Cursor<'_, '_>) {
        for (key, value) in document {
            match key.get_ref().as_ref() {
                "version" => self.version |= version(value, cursor),
                "daemon" => {
                    if let Some(table) = cursor.table("daemon", value, table_like("[daemon]")) {
                        self.daemon.read(table, cursor);
                    }
                }
                "host" => {
                    if let Some(table) = cursor.table("host", value, table_like("[host]")) {
                        self.host.read(table, cursor);
                    }
                }
                "swarm" => {
                    if let Some(table) = cursor.table("swarm", value, table_like("[swarm]")) {
                        self.swarm.read(table, cursor);
                    }
                }
                "network" => {
                    for (header, table) in tables("network", value, cursor) {
                        self.networks.push(RawNetwork::read(header, table, cursor));
                    }
                }
                "container" => {
                    let tables = tables("container", value, cursor);
                    self.containers.reserve(tables.len());
                    for (header, table) in tables {
                        let index = self.containers.len();
                        let mentions = &mut self.mentions;
                        let container = RawContainer::read(header, table, index, mentions, cursor);
                        self.containers.push(container);
                    }
                }
                "docker-user" => {
                    let expected = table_like("[docker-user]");
                    if let Some(table) = cursor.table("docker-user", value, expected) {
                        self.docker_user.read(table, cursor);
                    }
                }
                _ => cursor.unknown_key(key, "the policy", &KEYS),
            }
        }
    }

    /// Says so when no file has a version.
    pub(super) fn version(&self, report: &mut Report<'_>) {
        match self.first {
            Some(first) if !self.version && !self.unreliable => {
                let draft = Draft::error(Span::new(first, 0..0), "the version is missing")
                    .help("write `version = 1` at the top, before the first table");
                report.push(draft);
            }
            None if report.source(0).is_none() => {
                report.push(Draft::error(Span::default(), "there is no policy"));
            }
            Some(_) | None => {}
        }
    }

    /// Puts everything together, once every file is read.
    pub(super) fn resolve(self, report: &mut Report<'_>) -> Resolved {
        let mut host = Host::default();
        let mut places = Places::default();
        let mut broken_networks = Vec::new();
        for raw in self.networks {
            let (network, network_places, broken) = raw.build(&self.daemon, report);
            host.networks.push(network);
            places.networks.push(network_places);
            broken_networks.push(broken);
        }
        self.daemon.without_effect(&host, self.unreliable, report);
        self.daemon.refused(report);
        host.daemon = self.daemon.daemon;
        host.wsl2_mirrored = self.host.wsl2_mirrored;
        host.count_publishes = self.host.count_publishes;
        let manage_sysctls = self.host.manage_sysctls;
        let Swarm {
            ingress,
            places: ingress_places,
            broken: broken_ingress,
        } = self.swarm.build(self.unreliable, report);
        host.ingress = ingress;
        places.ingress = ingress_places;

        let mut indexes: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, network) in host.networks.iter().enumerate() {
            indexes.entry(network.name.as_str()).or_insert(index);
        }
        let mut resolved: Vec<Result<usize, &str>> = vec![Err(""); self.mentions.networks.next];
        for (name, number) in &self.mentions.networks.numbers {
            if let Some(slot) = resolved.get_mut(*number) {
                *slot = indexes.get(name.as_str()).copied().ok_or(name.as_str());
            }
        }
        let mut broken_containers = Vec::new();
        for mut raw in self.containers {
            let endpoints = raw
                .container
                .endpoints
                .iter_mut()
                .zip(&raw.places.endpoints);
            for (endpoint, endpoint_places) in endpoints {
                match resolved.get(endpoint.network) {
                    Some(Ok(index)) => endpoint.network = *index,
                    Some(Err(name)) => {
                        endpoint.network = usize::MAX;
                        raw.broken = true;
                        if !self.unreliable {
                            let known = || indexes.keys().copied();
                            report.push(unknown("network", name, endpoint_places.network, known));
                        }
                    }
                    None => raw.broken = true,
                }
            }
            host.containers.push(raw.container);
            places.containers.push(raw.places);
            broken_containers.push(raw.broken);
        }
        link::resolve(
            self.mentions.links,
            self.unreliable,
            &mut host,
            &mut places,
            report,
        );
        Resolved {
            host,
            manage_sysctls,
            places,
            broken_networks,
            broken_containers,
            broken_ingress,
        }
    }
}

/// What a table must be that stands once in a file.
const fn table_like(example: &'static str) -> Expected {
    Expected {
        what: "a table",
        example,
    }
}

/// The tables of `[[key]]` with their headers.
fn tables<'t, 'i>(
    key: &'static str,
    value: &'t Value<'i>,
    cursor: &mut Cursor<'_, '_>,
) -> Vec<(Span, &'t DeTable<'i>)> {
    let (what, example) = match key {
        "network" => ("an array of tables", "[[network]]"),
        _ => ("an array of tables", "[[container]]"),
    };
    let expected = Expected { what, example };
    let Some(array) = cursor.array(key, value, expected) else {
        return Vec::new();
    };
    let mut found = Vec::with_capacity(array.len());
    for element in array {
        if let Some(table) = cursor.table(key, element, expected) {
            found.push((cursor.span(element), table));
        }
    }
    found
}

/// Checks the version; true when one is written, even a wrong one.
fn version(value: &Value<'_>, cursor: &mut Cursor<'_, '_>) -> bool {
    if let Some(number) = cursor.integer("version", value)
        && number != 1
    {
        let message = format!("version {number} is not known to this dockfw");
        let help = "write version = 1; a later version needs a later dockfw";
        let draft = Draft::error(cursor.span(value), message).help(help);
        cursor.push(draft);
    }
    true
}
