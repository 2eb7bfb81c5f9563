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
use super::{Memory, Message, Stamp};
use crate::docker::client::{Action, Client, Event, Inspected};
use crate::docker::{Address, Container, Error, Network, Options, State};

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
    /// There was a [`Message::State`], of this connection or an earlier one.
    is_told: bool,
    /// How long one answer may take.
    timeout: Duration,
    round: Option<Round>,
    /// Another listing is needed after this one.
    again: bool,
    /// Containers in networks that are not known yet.
    waiting: Vec<Waiting>,
    /// Containers that could not be read and are asked about again in a moment; once each, however
    /// often they were asked about.
    unreadable: BTreeSet<String>,
    /// The last event of each container that was asked about.
    stamps: BTreeMap<String, Stamp>,
    /// Networks of the listing that is under way which nobody was told of.
    untold: BTreeSet<String>,
    /// The last event that was not understood, which is why the stream of them ends.
    wrong_event: Option<Error>,
}

/// A container in networks that are being asked about.
struct Waiting {
    /// Those that have not been answered about.
    networks: BTreeSet<String>,
    container: Box<Container>,
    at: Stamp,
}

/// Follows until the connection ends; says why. What is known then is left in `memory`.
pub(super) async fn run(
    address: &Address,
    options: &Options,
    memory: &mut Memory,
    send: impl FnMut(Message),
) -> Error {
    let client = match Client::connect(address, options, &memory.known).await {
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
        state: std::mem::take(&mut memory.state),
        is_sent: false,
        is_told: memory.is_told,
        timeout: options.timeout.max(Duration::from_secs(1)),
        round: None,
        again: false,
        waiting: Vec::new(),
        unreadable: BTreeSet::new(),
        stamps: BTreeMap::new(),
        untold: BTreeSet::new(),
        wrong_event: None,
    };
    session.list();
    let error = match session.run(received, options.refresh).await {
        Ok(never) => match never {},
        Err(error) => error,
    };
    memory.state = session.state;
    memory.is_told = session.is_told;
    error
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
            Input::Again { id, at } => {
                self.unreadable.remove(&id);
                self.ask_container(id, at);
            }
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
        let is_new = match inspected {
            Inspected::Running(_) | Inspected::Gone => self.tracker.answer(id, question),
            Inspected::Unread(_) => self.tracker.unanswered(id, question),
        };
        let is_read = !matches!(inspected, Inspected::Unread(_));
        if let (true, true, Some(round)) = (is_new, is_read, &mut self.round) {
            round.unread.remove(id);
        }
        let stamp = match (at, &self.round) {
            // dockerd answers about a container that is being started when it has, so it is the
            // event of that which the answer belongs to.
            (Some(at), _) => self.stamps.get(id).unwrap_or(at).clone(),
            (None, Some(round)) => round.at.clone(),
            (None, None) => listing(),
        };
        // What a listing finds different is told as soon as what an event does: an address that is
        // another's by now must not wait for who does not answer.
        match inspected {
            _ if !is_new => {}
            Inspected::Running(container) => self.hold_or_set(container, stamp),
            Inspected::Gone => self.set_container(id.to_owned(), None, stamp),
            Inspected::Unread(why) => {
                if let Some(round) = &mut self.round {
                    round.unread.insert(id.to_owned(), why);
                }
                if self.unreadable.insert(id.to_owned()) {
                    let (inputs, id) = (self.inputs.clone(), id.to_owned());
                    self.tasks.spawn(async move {
                        tokio::time::sleep(AGAIN).await;
                        let _ = inputs.send(Input::Again { id, at: stamp });
                    });
                }
            }
        }
        if at.is_none() {
            self.answered(id);
        }
    }

    /// Tells of a container, after the networks that it is in.
    fn hold_or_set(&mut self, container: Box<Container>, at: Stamp) {
        // Its networks were asked about already: each listing would do so again.
        let is_known = self.state.containers.get(&container.id) == Some(&container);
        if self.waiting.iter().any(|of| of.container == container) {
            return;
        }
        let unknown: BTreeSet<String> = container
            .endpoints
            .iter()
            .map(|endpoint| &endpoint.network_id)
            .filter(|id| !id.is_empty() && !self.state.networks.contains_key(*id))
            .cloned()
            .collect();
        if is_known || unknown.is_empty() || !self.is_sent {
            self.set_container(container.id.clone(), Some(container), at);
            return;
        }
        for network in &unknown {
            self.ask_network(network.clone(), at.clone());
        }
        // What waited was older.
        self.waiting.retain(|of| of.container.id != container.id);
        self.waiting.push(Waiting {
            networks: unknown,
            container,
            at,
        });
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
        self.waiting.retain(|of| of.container.id != id);
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
        let is_new = match network {
            Ok(_) => self.tracker.answer(id, question),
            Err(_) => self.tracker.unanswered(id, question),
        };
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
        for waiting in &mut self.waiting {
            waiting.networks.remove(id);
        }
        // A network that stays unknown, though it was asked about, is not waited for.
        let (ready, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|of: &Waiting| of.networks.is_empty());
        self.waiting = waiting;
        for Waiting { container, at, .. } in ready {
            self.set_container(container.id.clone(), Some(container), at);
        }
        if self.again && self.round.is_none() {
            self.list();
        }
    }
}
