//! Listings: everything that a daemon has, told all at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Input, Session};
use crate::docker::client::{Client, Members, by_id};
use crate::docker::daemon::Daemon;
use crate::docker::follow::{Message, Stamp};
use crate::docker::{Error, Network, ServicePort, Unread};

/// How long a listing waits for containers that do not answer: one that is being stopped or
/// started must not hold up the others.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a listing found; the containers are asked about one by one.
pub(super) struct Listed {
    daemon: Daemon,
    networks: Vec<Network>,
    containers: Vec<(String, String)>,
    members: Arc<Members>,
    services: Vec<ServicePort>,
}

/// A listing that is under way.
pub(super) struct Round {
    /// Everything after this number is newer than the listing.
    pub(super) since: u64,
    pub(super) at: Stamp,
    /// Containers of the list; `None` before it has come.
    pub(super) listed: Option<BTreeSet<String>>,
    /// Those that have not answered.
    pub(super) open: BTreeSet<String>,
    pub(super) unread: Vec<Unread>,
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
            unread: Vec::new(),
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
        state.services = listed.services;
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
        let ids = listed.containers.into_iter().map(|(id, _)| id);
        let ids: BTreeSet<String> = ids
            .filter(|id| !self.tracker.is_gone_since(id, since))
            .collect();
        round.open.clone_from(&ids);
        round.listed = Some(ids.clone());
        round.deadline = Some(Instant::now() + PATIENCE);
        for id in ids {
            self.ask_listed(id, Arc::clone(&listed.members));
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
        let tracker = &self.tracker;
        self.state.containers.retain(|id, _| {
            listed.contains(id) && !tracker.is_gone_since(id, round.since)
                || tracker.is_taken_since(id, round.since)
        });
        self.state.unread = round.unread;
        for id in round.open {
            let name = id.get(..12).unwrap_or(&id).to_owned();
            let why = "dockerd has not answered yet: it may be being started or stopped".to_owned();
            self.state.unread.push(Unread { name, why });
        }
        self.state.unread.sort();
        self.tracker.forget_before(round.since);
        let containers = &self.state.containers;
        self.stamps.retain(|id, _| containers.contains_key(id));
        self.is_sent = true;
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
    let daemon = client.daemon().await;
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
