//! Questions, each answered in a time of its own.

use std::sync::Arc;

use super::{Input, Session};
use crate::docker::client::{Inspected, Members};
use crate::docker::daemon::Swarm;
use crate::docker::follow::{Message, Stamp};

impl<F: FnMut(Message)> Session<F> {
    /// Asks about a container, whoever else has not been answered.
    pub(super) fn ask_container(&mut self, id: String, at: Stamp) {
        let question = self.tracker.ask(&id);
        let (client, inputs) = (self.client.clone(), self.inputs.clone());
        // Before anything is known of the daemon it may be in a swarm.
        let daemon = &self.state.daemon;
        let is_in_swarm = daemon.api.is_empty() || daemon.swarm != Swarm::Inactive;
        self.tasks.spawn(async move {
            let mut inspected = client.container(&id).await;
            if is_in_swarm && let Inspected::Running(container) = &mut inspected {
                match client.gateway_bridge().await {
                    Ok(members) => members.complete(container),
                    // It may have one more endpoint.
                    Err(error) => inspected = Inspected::Unread(error.to_string()),
                }
            }
            let at = Some(at);
            let _ = inputs.send(Input::Container {
                id,
                question,
                inspected,
                at,
            });
        });
    }

    /// Asks about a container of a listing, not all of them at once.
    pub(super) fn ask_listed(&mut self, id: String, members: Arc<Members>) {
        let question = self.tracker.ask(&id);
        let (client, inputs) = (self.client.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            let mut inspected = client.container_in_turn(&id).await;
            if let Inspected::Running(container) = &mut inspected {
                members.complete(container);
            }
            let at = None;
            let _ = inputs.send(Input::Container {
                id,
                question,
                inspected,
                at,
            });
        });
    }

    pub(super) fn ask_network(&mut self, id: String, at: Stamp) {
        let question = self.tracker.ask(&id);
        let (client, inputs) = (self.client.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            let network = client.network(&id).await;
            let _ = inputs.send(Input::Network {
                id,
                question,
                network,
                at,
            });
        });
    }
}
