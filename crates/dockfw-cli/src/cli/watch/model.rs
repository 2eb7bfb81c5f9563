//! What is wanted: the policy files and what dockerd says, folded into one host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use dockfw_ir::verify::verify;
use dockfw_ir::{Ruleset, Set, Table, Verified};
use dockfw_lower::host::{Container, Host};
use dockfw_lower::{container_elements, lower};

use super::super::output::Failure;
use super::changes::Changes;
use crate::docker::{self, Built, LeftOut, Message, State};
use crate::policy::Base;

/// Of how many containers at once the elements are committed without a look at the whole.
const FEW: usize = 64;

/// What a message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: it is so already.
    Nothing,
    /// More is to be allowed.
    Opens,
    /// Less is to be allowed, or it cannot be told.
    Closes,
}

/// The policy, dockerd's state, and what of both is in force.
#[derive(Debug, Default)]
pub(super) struct Model {
    base: Base,
    /// The tables of rules files.
    programs: Vec<Table>,
    state: State,
    in_force: Option<Built>,
    /// Which container had each address when it was committed, by id.
    owners: BTreeMap<IpAddr, String>,
    stale: Stale,
}

/// What is not in force yet.
#[derive(Debug, Default)]
struct Stale {
    /// Networks, options or the policy.
    whole: bool,
    /// Containers, by id, with the names under which they are in force.
    containers: BTreeMap<String, Option<String>>,
}

/// What is to be committed.
#[derive(Debug)]
pub(super) enum Next {
    /// Nothing: everything is in force.
    Nothing,
    /// Elements of containers.
    Elements {
        removed: Vec<Set>,
        added: Vec<Set>,
        after: After,
    },
    /// Everything.
    Whole { ruleset: Verified, after: After },
}

/// What is in force after a commit; for [`Model::committed`].
#[derive(Debug)]
pub(super) struct After {
    pub(super) changes: Changes,
    what: What,
}

#[derive(Debug)]
enum What {
    Containers,
    Whole(Box<Built>),
}

impl Model {
    /// Takes another policy; returns the one before.
    pub(super) fn policy(&mut self, base: Base, programs: Vec<Table>) -> (Base, Vec<Table>) {
        self.stale.whole = true;
        let base = std::mem::replace(&mut self.base, base);
        (base, std::mem::replace(&mut self.programs, programs))
    }

    /// Everything has to be looked at, whatever seems to be in force.
    pub(super) fn doubt(&mut self) {
        self.stale.whole = true;
    }

    /// Takes what dockerd says; [`Message::Lost`] changes nothing.
    pub(super) fn fold(&mut self, message: Message) -> Effect {
        match message {
            Message::State { state, .. } => {
                if self.in_force.is_some() && self.state == *state && self.is_in_force() {
                    return Effect::Nothing;
                }
                self.state = *state;
                self.stale.whole = true;
                Effect::Closes
            }
            Message::Container { id, container, .. } => {
                let now = container.as_deref();
                let before = self.state.containers.get(&id);
                if before == now {
                    return Effect::Nothing;
                }
                let name = before.map(|of| of.name.clone());
                let effect = if before.is_some() {
                    Effect::Closes
                } else {
                    Effect::Opens
                };
                // What did not answer has.
                self.state.unread.retain(|of| of.id != id);
                // A name that is noted already is the one in force.
                self.stale.containers.entry(id.clone()).or_insert(name);
                match container {
                    Some(container) => self.state.containers.insert(id, *container),
                    None => self.state.containers.remove(&id),
                };
                effect
            }
            Message::Network { id, network, .. } => {
                if self.state.networks.get(&id) == network.as_deref() {
                    return Effect::Nothing;
                }
                match network {
                    Some(network) => self.state.networks.insert(id, *network),
                    None => self.state.networks.remove(&id),
                };
                self.stale.whole = true;
                Effect::Closes
            }
            Message::Lost { .. } => Effect::Nothing,
        }
    }

    /// Whether everything is in force, as far as is known.
    pub(super) fn is_in_force(&self) -> bool {
        !self.stale.whole && self.stale.containers.is_empty()
    }

    /// What is to be committed for everything to be in force.
    pub(super) fn next(&self) -> Result<Next, Failure> {
        if self.is_in_force() && self.in_force.is_some() {
            return Ok(Next::Nothing);
        }
        match self.elements() {
            Some(next) => Ok(next),
            None => self.whole(),
        }
    }

    /// The elements of the containers that came or went; `None` when more than that has to be
    /// looked at.
    fn elements(&self) -> Option<Next> {
        let built = self.in_force.as_ref()?;
        let host = &built.host;
        // What is left out may fit now. Links name containers by their places. What the files have
        // is not known to be apart from what dockerd has.
        if self.stale.whole
            || self.stale.containers.len() > FEW
            || !built.left_out.is_empty()
            || host.containers.iter().any(|of| !of.links.is_empty())
            || !self.base.host.containers.is_empty()
            || host.ingress.is_some()
            || self.shares_names()
        {
            return None;
        }
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        let mut changes = Changes::default();
        for (id, name) in &self.stale.containers {
            let old = name.as_ref().and_then(|name| find(host, name));
            let new = match self.state.containers.get(id) {
                Some(container) => docker::host::container(container, &built.index).ok()?,
                None => Container::default(),
            };
            if new.endpoints.is_empty() && !new.publish.is_empty() {
                return None;
            }
            let new = (!new.endpoints.is_empty()).then_some(new);
            if new.as_ref().is_some_and(|new| !fits(host, new)) {
                return None;
            }
            if old == new.as_ref() {
                continue;
            }
            if let Some(old) = old {
                removed.extend(container_elements(host, old)?);
                changes.went.push(old.clone());
            }
            if let Some(new) = new {
                added.extend(container_elements(host, &new)?);
                changes.came.push(new);
            }
        }
        Some(if changes.is_empty() {
            Next::Nothing
        } else {
            let what = What::Containers;
            Next::Elements {
                removed,
                added,
                after: After { changes, what },
            }
        })
    }

    /// Whether a container that came or went has, or had, a name that is another's too: then a name
    /// does not say what is in force of whom. That is so until an earlier owner is known to have
    /// been renamed.
    fn shares_names(&self) -> bool {
        let stale = &self.stale.containers;
        let before = stale.values().flatten();
        let now = stale.keys().filter_map(|id| self.state.containers.get(id));
        let before: Vec<&str> = before.map(String::as_str).collect();
        let now: Vec<&str> = now.map(|of| of.name.as_str()).collect();
        [before, now].into_iter().any(|names| {
            let distinct: BTreeSet<&str> = names.iter().copied().collect();
            let has_another = |(id, of): (&String, &docker::Container)| {
                distinct.contains(of.name.as_str()) && !stale.contains_key(id)
            };
            distinct.len() < names.len() || self.state.containers.iter().any(has_another)
        })
    }

    /// The whole ruleset.
    pub(super) fn whole(&self) -> Result<Next, Failure> {
        let built = docker::host::host(&self.state, &self.base);
        let ruleset = self.compile(&built.host)?;
        let old = self.in_force.as_ref().map(|built| &built.host);
        let changes = Changes::between(old, &built.host);
        let what = What::Whole(Box::new(built));
        Ok(Next::Whole {
            ruleset,
            after: After { changes, what },
        })
    }

    /// The ruleset of a host, with the tables of rules files.
    fn compile(&self, host: &Host) -> Result<Verified, Failure> {
        let mut tables = lower(host).tables;
        tables.extend(self.programs.iter().cloned());
        verify(Ruleset { tables }).map_err(|error| Failure::Bug(Box::new(error)))
    }

    /// The ruleset that was committed last, if there was one.
    pub(super) fn ruleset(&self) -> Result<Option<Verified>, Failure> {
        let built = self.in_force.as_ref();
        built.map(|built| self.compile(&built.host)).transpose()
    }

    /// The host that was committed last.
    pub(super) fn host(&self) -> Option<&Host> {
        self.in_force.as_ref().map(|built| &built.host)
    }

    /// Whether settings of the host are dockfw's to make.
    pub(super) const fn manages_sysctls(&self) -> bool {
        self.base.manage_sysctls
    }

    /// What is left out of it.
    pub(super) fn left_out(&self) -> &[LeftOut] {
        self.in_force.as_ref().map_or(&[], |built| &built.left_out)
    }

    /// What was assumed for it.
    pub(super) fn notes(&self) -> &[String] {
        self.in_force.as_ref().map_or(&[], |built| &built.notes)
    }

    /// Which container has each address now, of those with which flows pass the host. What is in an
    /// overlay or on a macvlan does not, and others that do may have the same address: the manager
    /// of a swarm does not know the networks of this host.
    fn owners(&self) -> BTreeMap<IpAddr, String> {
        let containers = self.state.containers.iter();
        let passes = |endpoint: &&docker::Endpoint| {
            let network = self.state.networks.get(&endpoint.network_id);
            network.is_none_or(|of| !matches!(of.driver.as_str(), "overlay" | "macvlan"))
        };
        let of = |(id, container): (&String, &docker::Container)| {
            let endpoints = container.endpoints.iter().filter(passes);
            let texts = endpoints.flat_map(|of| [&of.ipv4, &of.ipv6]);
            let addresses = texts.filter_map(|text| text.parse::<IpAddr>().ok());
            addresses
                .map(|address| (address, id.clone()))
                .collect::<Vec<_>>()
        };
        containers.flat_map(of).collect()
    }

    /// Notes that there was nothing to commit.
    pub(super) fn nothing(&mut self) {
        self.stale = Stale::default();
    }

    /// Notes what is in force.
    pub(super) fn committed(&mut self, after: After) -> Changes {
        let After { mut changes, what } = after;
        let owners = self.owners();
        let before = std::mem::replace(&mut self.owners, owners);
        let is_lost = |(address, id): &(IpAddr, String)| self.owners.get(address) != Some(id);
        changes.gone = before
            .into_iter()
            .filter(is_lost)
            .map(|(address, _)| address)
            .collect();
        match (what, &mut self.in_force) {
            (What::Whole(built), _) => self.in_force = Some(*built),
            (What::Containers, Some(built)) => {
                let containers = &mut built.host.containers;
                containers.retain(|of| !changes.went.iter().any(|gone| gone.name == of.name));
                containers.extend(changes.came.iter().cloned());
            }
            (What::Containers, None) => {}
        }
        self.stale = Stale::default();
        changes
    }
}

/// Whether the container's addresses are in the subnets of its networks.
fn fits(host: &Host, container: &Container) -> bool {
    container.endpoints.iter().all(|of| {
        let Some(network) = host.networks.get(of.network) else {
            return false;
        };
        let in_ipv4 = |address| {
            network
                .ipv4
                .is_some_and(|family| family.subnet.contains(&address))
        };
        let in_ipv6 = |address| {
            network
                .ipv6
                .is_some_and(|family| family.subnet.contains(&address))
        };
        of.ipv4.is_none_or(in_ipv4) && of.ipv6.is_none_or(in_ipv6)
    })
}

fn find<'h>(host: &'h Host, name: &str) -> Option<&'h Container> {
    host.containers.iter().find(|of| of.name == name)
}

#[cfg(test)]
mod tests;
