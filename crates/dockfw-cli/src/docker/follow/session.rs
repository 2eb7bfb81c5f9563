//! One connection to a daemon, from the first listing to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

mod ask;
mod listing;

use self::listing::{Listed, Round, listing};
use super::tracker::Tracker;
use super::{Message, Stamp};
use crate::docker::client::{Action, Client, Event, Inspected};
use crate::docker::{Address, Container, Error, Network, Options, State, Unread};

/// How long it takes until an object that could not be read is asked about again.
const AGAIN: Duration = Duration::from_secs(1);

/// Something to be dealt with.
enum Input {
    Event(Result<Event, Error>),
    Listed(Result<Box<Listed>, Error>),
    Container {
        id: String,
        question: u64,
        inspected: Inspected,
        /// `None` for a question of a listing.
        at: Option<Stamp>,
    },
    Network {
        id: String,
        question: u64,
        network: Result<Option<Network>, Error>,
        at: Stamp,
    },
    /// Ask again.
    Again {
        id: String,
        at: Stamp,
    },
}

struct Session<F> {
    client: Client,
    send: F,
    tasks: JoinSet<()>,
    inputs: UnboundedSender<Input>,
    tracker: Tracker,
    /// What was sent; before the first [`Message::State`], what will be.
    state: State,
    is_sent: bool,
    round: Option<Round>,
    /// Another listing is needed after this one.
    again: bool,
    /// Containers in networks that are not known yet.
    waiting: Vec<(String, Box<Container>, Stamp)>,
    /// The last event of each container that was asked about.
    stamps: BTreeMap<String, Stamp>,
    /// Networks of the listing that is under way which nobody was told of.
    untold: BTreeSet<String>,
    /// The last event that was not understood, which is why the stream of them ends.
    wrong_event: Option<Error>,
}

/// Follows until the connection ends; says why.
pub(super) async fn run(address: &Address, options: &Options, send: impl FnMut(Message)) -> Error {
    let client = match Client::connect(address, options).await {
        Ok(client) => client,
        Err(error) => return error,
    };
    let (inputs, received) = unbounded_channel();
    let mut tasks = JoinSet::new();
    let events = client.events();
    let sender = inputs.clone();
    tasks.spawn(async move {
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            if sender.send(Input::Event(event)).is_err() {
                return;
            }
        }
        let _ = sender.send(Input::Event(Err(Error::Ended)));
    });
    let mut session = Session {
        client,
        send,
        tasks,
        inputs,
        tracker: Tracker::default(),
        state: State::default(),
        is_sent: false,
        round: None,
        again: false,
        waiting: Vec::new(),
        stamps: BTreeMap::new(),
        untold: BTreeSet::new(),
        wrong_event: None,
    };
    session.list();
    match session.run(received, options.refresh).await {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

impl<F: FnMut(Message)> Session<F> {
    async fn run(
        &mut self,
        mut received: UnboundedReceiver<Input>,
        refresh: Duration,
    ) -> Result<std::convert::Infallible, Error> {
        let mut next_listing = Instant::now() + refresh;
        loop {
            let deadline = match &self.round {
                Some(round) => round.deadline.unwrap_or(next_listing),
                None => next_listing,
            };
            match tokio::time::timeout_at(deadline.into(), received.recv()).await {
                Ok(Some(input)) => self.take(input)?,
                Ok(None) => return Err(Error::Ended),
                Err(_) => match &self.round {
                    Some(round) if round.deadline.is_some() => self.finish_round(),
                    // The list itself comes, or fails, in time.
                    Some(_) => next_listing = Instant::now() + refresh,
                    None => {
                        self.list();
                        next_listing = Instant::now() + refresh;
                    }
                },
            }
            // Finished tasks are of no more use.
            while self.tasks.try_join_next().is_some() {}
        }
    }

    fn take(&mut self, input: Input) -> Result<(), Error> {
        match input {
            Input::Event(Ok(event)) => self.event(event),
            // Not understood: it may have been about anything.
            Input::Event(Err(error @ Error::Answer { .. })) => {
                self.wrong_event = Some(error);
                self.list();
            }
            Input::Event(Err(error)) => return Err(self.wrong_event.take().unwrap_or(error)),
            Input::Listed(listed) => self.listed(*listed?),
            Input::Container {
                id,
                question,
                inspected,
                at,
            } => self.container(&id, question, inspected, at.as_ref()),
            Input::Network {
                id,
                question,
                network,
                at,
            } => self.network(&id, question, network, at),
            Input::Again { id, at } => self.ask_container(id, at),
        }
        Ok(())
    }

    fn event(&mut self, event: Event) {
        let at = Stamp {
            received: event.received,
            event: event.at,
            what: event.what,
        };
        match event.action {
            Action::Container(id) => {
                self.stamps.insert(id.clone(), at.clone());
                self.ask_container(id, at);
            }
            Action::ContainerGone(id) => {
                self.tracker.gone(&id);
                self.stamps.remove(&id);
                self.set_container(id, None, at);
            }
            Action::Network(id) => self.ask_network(id, at),
            Action::NetworkGone(id) => {
                self.tracker.gone(&id);
                if self.state.networks.remove(&id).is_some() && self.is_sent {
                    let network = None;
                    (self.send)(Message::Network { id, network, at });
                }
            }
            Action::Everything => self.list(),
            Action::Nothing => {}
        }
    }

    fn container(&mut self, id: &str, question: u64, inspected: Inspected, at: Option<&Stamp>) {
        let is_new = self.tracker.answer(id, question);
        let stamp = match (at, &self.round) {
            // dockerd answers about a container that is being started when it has, so it is the
            // event of that which the answer belongs to.
            (Some(at), _) => self.stamps.get(id).unwrap_or(at).clone(),
            (None, Some(round)) => round.at.clone(),
            (None, None) => listing(),
        };
        // What a listing finds is told at its end, all at once.
        let is_listed = |round: &Round| at.is_none() && round.open.contains(id);
        let is_silent = self.round.as_ref().is_some_and(is_listed);
        match inspected {
            _ if !is_new => {}
            Inspected::Running(container) if is_silent => {
                self.note_container(id, Some(&container));
            }
            Inspected::Gone if is_silent => {
                self.note_container(id, None);
            }
            Inspected::Running(container) => self.hold_or_set(container, stamp),
            Inspected::Gone => self.set_container(id.to_owned(), None, stamp),
            Inspected::Unread(why) => {
                if let Some(round) = &mut self.round {
                    let name = id.get(..12).unwrap_or(id).to_owned();
                    round.unread.push(Unread { name, why });
                }
                let (inputs, id) = (self.inputs.clone(), id.to_owned());
                self.tasks.spawn(async move {
                    tokio::time::sleep(AGAIN).await;
                    let _ = inputs.send(Input::Again { id, at: stamp });
                });
            }
        }
        if at.is_none()
            && let Some(round) = &mut self.round
        {
            round.open.remove(id);
            self.finish_round_if_complete();
        }
    }

    /// Tells of a container, after the networks that it is in.
    fn hold_or_set(&mut self, container: Box<Container>, at: Stamp) {
        let unknown: Vec<String> = container
            .endpoints
            .iter()
            .map(|endpoint| &endpoint.network_id)
            .filter(|id| !id.is_empty() && !self.state.networks.contains_key(*id))
            .cloned()
            .collect();
        let (Some(network), true) = (unknown.first(), self.is_sent) else {
            self.set_container(container.id.clone(), Some(container), at);
            return;
        };
        self.ask_network(network.clone(), at.clone());
        self.waiting.push((network.clone(), container, at));
    }

    fn set_container(&mut self, id: String, container: Option<Box<Container>>, at: Stamp) {
        if !self.note_container(&id, container.as_deref()) || !self.is_sent {
            return;
        }
        let endpoints = container.iter().flat_map(|of| &of.endpoints);
        for endpoint in endpoints {
            let id = endpoint.network_id.clone();
            if self.untold.remove(&id) {
                let network = self.state.networks.get(&id).cloned().map(Box::new);
                let at = at.clone();
                (self.send)(Message::Network { id, network, at });
            }
        }
        let others = self.tracker.others(&id);
        (self.send)(Message::Container {
            id,
            container,
            others,
            at,
        });
    }

    /// Notes what a container is; false when that is known.
    fn note_container(&mut self, id: &str, container: Option<&Container>) -> bool {
        self.waiting.retain(|(_, waiting, _)| waiting.id != id);
        let containers = &mut self.state.containers;
        if containers.get(id) == container {
            return false;
        }
        match container {
            Some(new) => {
                containers.insert(id.to_owned(), new.clone());
            }
            None => {
                containers.remove(id);
            }
        }
        true
    }

    fn network(
        &mut self,
        id: &str,
        question: u64,
        network: Result<Option<Network>, Error>,
        at: Stamp,
    ) {
        let is_new = self.tracker.answer(id, question);
        match network {
            Ok(network) if is_new => {
                let is_known = self.state.networks.get(id) == network.as_ref();
                match &network {
                    Some(new) => {
                        self.state.networks.insert(id.to_owned(), new.clone());
                    }
                    None => {
                        self.state.networks.remove(id);
                    }
                }
                if self.is_sent && !is_known {
                    (self.send)(Message::Network {
                        id: id.to_owned(),
                        network: network.map(Box::new),
                        at,
                    });
                }
            }
            Ok(_) => {}
            // The next listing has it.
            Err(_) => self.again = true,
        }
        let (ready, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(network, ..)| network == id);
        self.waiting = waiting;
        for (_, container, at) in ready {
            let mut endpoints = container.endpoints.iter();
            let next = endpoints.find(|of| {
                of.network_id != id
                    && !of.network_id.is_empty()
                    && !self.state.networks.contains_key(&of.network_id)
            });
            if next.is_some() {
                self.hold_or_set(container, at);
            } else {
                self.set_container(container.id.clone(), Some(container), at);
            }
        }
        if self.again && self.round.is_none() {
            self.list();
        }
    }
}
