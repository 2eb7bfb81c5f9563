//! From a daemon's state, and what policy files say, to the host model.
//!
//! What is not understood, or what dockerd itself would not accept, is left out, object by object,
//! and so stays closed; it never makes the whole host fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use dockfw_lower::docker::check::{ContainerField, Place, Problem, Severity, check};
use dockfw_lower::host::{DEFAULT_BRIDGE, Driver, Host};

use super::{State, Unread, state};
use crate::policy::{Base, base_words};

mod container;
mod daemon;
mod network;
mod publish;
mod swarm;
#[cfg(test)]
mod tests;

pub use container::container;

/// A host made of a daemon's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The host; [`check`](fn@check) finds no error in what comes from the daemon. What the
    /// policy files have comes first, then what the daemon has, sorted by name.
    pub host: Host,
    /// What is not in it.
    pub left_out: Vec<LeftOut>,
    /// What was assumed, or is worth knowing.
    pub notes: Vec<String>,
    /// For [`container`].
    pub index: Index,
}

/// Something that is not in the host, and so stays closed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// What it is: `container web`.
    pub name: String,
    /// Why.
    pub why: String,
    /// The policy files have one of the same name.
    pub clash: bool,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is left out: {}", self.name, self.why)
    }
}

/// What has to be known of the networks of a host to convert a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Index {
    networks: BTreeMap<String, Known>,
    /// An endpoint with a gateway in both families goes before priorities.
    prefers_both_families: bool,
}

/// A network, as far as containers need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    /// Index into [`Host::networks`].
    network: usize,
    driver: Driver,
    internal: bool,
    is_default: bool,
    /// A publish without a host address means all addresses of both families.
    binds_all: bool,
}

/// What is left out of the next attempt.
#[derive(Default)]
struct Excluded {
    networks: BTreeSet<String>,
    containers: BTreeSet<String>,
    /// By container and text.
    publishes: BTreeSet<(String, String)>,
    links: BTreeSet<(String, usize)>,
    ingress: bool,
}

/// Makes a host of a daemon's state and what policy files say.
pub fn host(state: &State, base: &Base) -> Built {
    let mut left_out = Vec::new();
    let as_before = |unread: &&Unread| state.containers.contains_key(&unread.id);
    for unread in state.unread.iter().filter(|of| !as_before(of)) {
        left_out.push(LeftOut {
            name: format!("container {}", unread.name),
            why: unread.why.clone(),
            clash: false,
        });
    }
    let mut excluded = Excluded::default();
    loop {
        let mut attempt = Attempt::new(state, base, &excluded);
        let problems = check(&attempt.host);
        let before = left_out.len();
        for problem in problems.iter().filter(|of| of.severity == Severity::Error) {
            left_out.extend(attempt.exclude(problem, &mut excluded));
        }
        if left_out.len() == before {
            left_out.append(&mut attempt.left_out);
            left_out.sort();
            left_out.dedup();
            let kept = state.unread.iter().filter(as_before);
            let kept =
                kept.map(|of| format!("container {} is as it was before: {}", of.name, of.why));
            attempt.notes.extend(kept);
            return Built {
                host: attempt.host,
                left_out,
                notes: attempt.notes,
                index: attempt.index,
            };
        }
    }
}

/// A host without what is excluded.
struct Attempt<'s> {
    host: Host,
    index: Index,
    left_out: Vec<LeftOut>,
    notes: Vec<String>,
    /// How many networks and containers the files have; the daemon's come behind them.
    own: (usize, usize),
    networks: Vec<&'s state::Network>,
    containers: Vec<&'s state::Container>,
}

impl<'s> Attempt<'s> {
    fn new(state: &'s State, base: &Base, excluded: &Excluded) -> Self {
        let mut attempt = Self {
            host: base.host.clone(),
            index: Index {
                prefers_both_families: state.daemon.prefers_both_families(),
                ..Index::default()
            },
            left_out: Vec::new(),
            notes: Vec::new(),
            own: (base.host.networks.len(), base.host.containers.len()),
            networks: Vec::new(),
            containers: Vec::new(),
        };
        attempt.host.daemon = daemon::daemon(&state.daemon, base, &mut attempt.notes);
        attempt.networks(state, base, excluded);
        attempt.containers(state, base, excluded);
        attempt.links(excluded);
        attempt.host.ingress = swarm::ingress(state, base, &mut attempt.notes);
        if excluded.ingress {
            attempt.host.ingress = None;
        }
        attempt
    }

    fn leave_out(&mut self, name: String, why: impl Into<String>) {
        self.left_out.push(LeftOut {
            name,
            why: why.into(),
            clash: false,
        });
    }

    fn networks(&mut self, state: &'s State, base: &Base, excluded: &Excluded) {
        let mut sorted: Vec<&state::Network> = state.networks.values().collect();
        sorted.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        for live in sorted {
            let name = format!("network {}", live.name);
            if excluded.networks.contains(&live.id) {
                continue;
            }
            let network = match network::network(live, &state.daemon, base, &mut self.notes) {
                Ok(Some(network)) => network,
                Ok(None) => continue,
                Err(why) => {
                    self.leave_out(name, why);
                    continue;
                }
            };
            let mut own = base.host.networks.iter();
            if let Some(at) = own.position(|of| of.name == network.name) {
                let place = base.locate(network::place(at));
                self.left_out
                    .push(clash("network", &live.name, &live.id, &place));
                continue;
            }
            let known = Known {
                network: self.host.networks.len(),
                driver: network.driver,
                internal: network.internal,
                is_default: network.name == DEFAULT_BRIDGE,
                binds_all: network.host_binding == std::net::IpAddr::from([0, 0, 0, 0]),
            };
            self.index.networks.insert(live.id.clone(), known);
            self.host.networks.push(network);
            self.networks.push(live);
        }
    }

    fn containers(&mut self, state: &'s State, base: &Base, excluded: &Excluded) {
        let mut sorted: Vec<&state::Container> = state.containers.values().collect();
        sorted.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        for live in sorted {
            if excluded.containers.contains(&live.id) {
                continue;
            }
            let mut converted = match container::container(live, &self.index) {
                Ok(container) => container,
                Err(left_out) => {
                    self.left_out.push(left_out);
                    continue;
                }
            };
            if converted.endpoints.is_empty() {
                if !live.ports.is_empty() {
                    let name = format!("container {}", live.name);
                    self.leave_out(
                        name,
                        "it publishes ports, but none of its networks is known",
                    );
                }
                continue;
            }
            let mut own = base.host.containers.iter();
            if let Some(at) = own.position(|of| of.name == converted.name) {
                let place = base.locate(Place::Container {
                    container: at,
                    field: ContainerField::Name,
                });
                self.left_out
                    .push(clash("container", &live.name, &live.id, &place));
                continue;
            }
            converted.publish.retain(|publish| {
                let key = (live.id.clone(), publish.to_string());
                !excluded.publishes.contains(&key)
            });
            self.host.containers.push(converted);
            self.containers.push(live);
        }
    }

    /// Links, between containers of the default network; elsewhere they are names only.
    fn links(&mut self, excluded: &Excluded) {
        let default = self.index.networks.values().find(|of| of.is_default);
        let Some(default) = default.map(|of| of.network) else {
            return;
        };
        let is_there = |index: usize| {
            let endpoints = self.host.containers.get(index).map(|of| &of.endpoints);
            let mut endpoints = endpoints.into_iter().flatten();
            endpoints.any(|endpoint| endpoint.network == default)
        };
        let by_name: BTreeMap<&str, usize> = self
            .containers
            .iter()
            .zip(self.own.1..)
            .filter(|(_, index)| is_there(*index))
            .map(|(live, index)| (live.name.as_str(), index))
            .collect();
        let mut links = Vec::new();
        for live in &self.containers {
            let Some(client) = by_name.get(live.name.as_str()) else {
                continue;
            };
            let servers = live
                .links
                .iter()
                .filter_map(|name| by_name.get(name.as_str()));
            let mut servers: Vec<usize> = servers
                .filter(|server| *server != client)
                .filter(|server| !excluded.links.contains(&(live.id.clone(), **server)))
                .copied()
                .collect();
            servers.sort_unstable();
            if !servers.is_empty() {
                links.push((*client, servers));
            }
        }
        for (client, servers) in links {
            if let Some(container) = self.host.containers.get_mut(client) {
                container.links = servers;
            }
        }
    }

    /// Excludes what a problem is about; `None` when that is nothing of the daemon's, or excluded
    /// already.
    fn exclude(&self, problem: &Problem, excluded: &mut Excluded) -> Option<LeftOut> {
        let related = problem.related.iter().map(|of| of.0);
        let mut places = std::iter::once(problem.place).chain(related);
        let found = places.find_map(|place| self.exclude_place(place, excluded));
        let (name, is_new) = found?;
        is_new.then(|| LeftOut {
            name,
            why: base_words(problem),
            clash: false,
        })
    }

    /// Excludes what stands at a place, and says whether it was not yet; `None` when it is not the
    /// daemon's.
    fn exclude_place(&self, place: Place, excluded: &mut Excluded) -> Option<(String, bool)> {
        match place {
            Place::Network { network, .. } => {
                let live = self.networks.get(network.checked_sub(self.own.0)?)?;
                let is_new = excluded.networks.insert(live.id.clone());
                Some((format!("network {}", live.name), is_new))
            }
            Place::Container { container, field } => {
                let live = self.containers.get(container.checked_sub(self.own.1)?)?;
                let name = format!("container {}", live.name);
                let of_host = self.host.containers.get(container)?;
                match field {
                    ContainerField::Publish(at) => {
                        let publish = of_host.publish.get(at)?.to_string();
                        let text = format!("publish {publish} of {name}");
                        let key = (live.id.clone(), publish);
                        Some((text, excluded.publishes.insert(key)))
                    }
                    ContainerField::Link(at) => {
                        let server = *of_host.links.get(at)?;
                        let is_new = excluded.links.insert((live.id.clone(), server));
                        Some((format!("a link of {name}"), is_new))
                    }
                    ContainerField::Name
                    | ContainerField::Endpoint(_)
                    | ContainerField::Address(..) => {
                        let is_new = excluded.containers.insert(live.id.clone());
                        Some((name, is_new))
                    }
                }
            }
            Place::Ingress(_) => {
                let is_new = !std::mem::replace(&mut excluded.ingress, true);
                Some(("swarm's routing mesh".to_owned(), is_new))
            }
        }
    }
}

fn clash(what: &str, name: &str, id: &str, place: &crate::diagnostic::Location) -> LeftOut {
    let short = id.get(..12).unwrap_or(id);
    LeftOut {
        name: format!("{what} {name}"),
        why: format!(
            "dockerd has a {what} {name} ({short}), and so has a policy file, at {place}; remove \
             one of them"
        ),
        clash: true,
    }
}
