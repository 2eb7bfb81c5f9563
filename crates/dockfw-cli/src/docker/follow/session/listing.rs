//! Listings: everything that a daemon has, told all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Input, Session};
use crate::docker::client::{Client, Members, Summary, by_id};
use crate::docker::daemon::Daemon;
use crate::docker::follow::{Message, Stamp};
use crate::docker::{Error, Network, ServicePort, Unread};

/// How long a listing waits for containers that do not answer: one that is being stopped or
/// started must not hold up the others. The first one of all waits longer, since what it does not
/// have is closed.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a listing found; the containers are asked about one by one.
pub(super) struct Listed {
    daemon: Daemon,
    networks: Vec<Network>,
    containers: Vec<Summary>,
    members: Arc<Members>,
    services: Result<Vec<ServicePort>, Error>,
}

/// A listing that is under way.
pub(super) struct Round {
    /// Everything after this number is newer than the listing.
    pub(super) since: u64,
    pub(super) at: Stamp,
    /// Containers of the list, by id; `None` before it has come.
    pub(super) listed: Option<BTreeMap<String, Summary>>,
    /// Those that have not answered.
    pub(super) open: BTreeSet<String>,
    /// Those that could not be read, and why.
    pub(super) unread: BTreeMap<String, String>,
    /// How long after the last answer it is over; `None` when answers do not matter.
    patience: Option<Duration>,
    /// When it is over, whoever has answered.
    pub(super) deadline: Option<Instant>,
}

impl<F: FnMut(Message)> Session<F> {
    /// Lists everything, after the listing that is under way if there is one.
    pub(super) fn list(&mut self) {
        if self.round.is_some() {
            self.again = true;
            return;
        }
        self.again = false;
        self.round = Some(Round {
            since: self.tracker.tick(),
            at: listing(),
            listed: None,
            open: BTreeSet::new(),
            unread: BTreeMap::new(),
            patience: (!self.is_told).then_some(self.timeout),
            deadline: None,
        });
        let (client, inputs) = (self.client.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            let listed = everything(&client).await;
            let _ = inputs.send(Input::Listed(listed.map(Box::new)));
        });
    }

    pub(super) fn listed(&mut self, listed: Listed) {
        let Some(round) = &mut self.round else {
            return;
        };
        let since = round.since;
        let state = &mut self.state;
        state.daemon = listed.daemon;
        state.ingress_sandbox.clone_from(&listed.members.sandbox);
        state.note_services(listed.services);
        let mut networks = by_id(listed.networks);
        networks.retain(|id, _| !self.tracker.is_gone_since(id, since));
        let told = std::mem::take(&mut state.networks);
        for (id, network) in &told {
            if self.tracker.is_taken_since(id, since) {
                networks.insert(id.clone(), network.clone());
            }
        }
        let untold = networks
            .iter()
            .filter(|(id, of)| told.get(*id) != Some(*of));
        self.untold = untold.map(|(id, _)| id.clone()).collect();
        state.networks = networks;
        let all = listed.containers.into_iter();
        let all: BTreeMap<String, Summary> = all
            .filter(|of| !self.tracker.is_gone_since(&of.id, since))
            .map(|of| (of.id.clone(), of))
            .collect();
        let ids: BTreeSet<String> = all.keys().cloned().collect();
        round.open.clone_from(&ids);
        round.listed = Some(all);
        round.deadline = Some(Instant::now() + round.patience.unwrap_or(PATIENCE));
        for id in ids {
            self.ask_listed(id, Arc::clone(&listed.members));
        }
        self.finish_round_if_complete();
    }

    /// Takes note that a container of the list need not be waited for any more.
    pub(super) fn answered(&mut self, id: &str) {
        let Some(round) = &mut self.round else {
            return;
        };
        if round.open.remove(id)
            && let Some(patience) = round.patience
        {
            // dockerd is at work, or there is room for the next question.
            round.deadline = Some(Instant::now() + patience);
        }
        self.finish_round_if_complete();
    }

    pub(super) fn finish_round_if_complete(&mut self) {
        let is_complete = |round: &Round| round.listed.is_some() && round.open.is_empty();
        if self.round.as_ref().is_some_and(is_complete) {
            self.finish_round();
        }
    }

    /// Sends everything, whether or not all containers have answered.
    pub(super) fn finish_round(&mut self) {
        let Some(round) = self.round.take() else {
            return;
        };
        let listed = round.listed.unwrap_or_default();
        let mut unread = round.unread;
        // An event may have asked about one that the listing still waits for.
        let is_waited_for = |id: &String| !self.tracker.is_taken_since(id, round.since);
        for id in round.open.into_iter().filter(is_waited_for) {
            unread.entry(id).or_insert_with(|| {
                "dockerd has not answered yet: it may be being started or stopped".to_owned()
            });
        }
        unread.retain(|id, _| !self.tracker.is_gone_since(id, round.since));
        let tracker = &self.tracker;
        self.state.containers.retain(|id, known| {
            let is_there = |of: &Summary| {
                !tracker.is_gone_since(id, round.since)
                    && (!unread.contains_key(id) || of.allows(known))
            };
            listed.get(id).is_some_and(is_there) || tracker.is_taken_since(id, round.since)
        });
        let unread = unread.into_iter().map(|(id, why)| {
            let listed = listed.get(&id).map(|of| of.name.clone());
            let name = listed.filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| id.get(..12).unwrap_or(&id).to_owned());
            Unread { name, id, why }
        });
        self.state.unread = unread.collect();
        self.state.unread.sort();
        self.tracker.forget_before(round.since);
        let containers = &self.state.containers;
        self.stamps.retain(|id, _| containers.contains_key(id));
        self.is_sent = true;
        self.is_told = true;
        self.untold.clear();
        (self.send)(Message::State {
            state: Box::new(self.state.clone()),
            at: round.at,
        });
        if self.again {
            self.list();
        }
    }
}

/// When and why a listing begins.
pub(super) fn listing() -> Stamp {
    Stamp {
        received: Instant::now(),
        event: None,
        what: "listing".to_owned(),
    }
}

async fn everything(client: &Client) -> Result<Listed, Error> {
    let daemon = client.daemon().await?;
    let listing = client.list().await?;
    let (members, services) = client.swarm(daemon.swarm).await?;
    Ok(Listed {
        daemon,
        networks: listing.networks,
        containers: listing.containers,
        members: Arc::new(members),
        services,
    })
}
