//! Following a daemon: everything once, then what changes.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::select;
use tokio::sync::Notify;

use super::daemon::Known;
use super::{Address, Container, Error, Network, Options, State};

mod session;
#[cfg(test)]
mod tests;
mod tracker;

/// The shortest pause before the daemon is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest one: while there is no daemon, one that begins may give an address to another container.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// What is known anew.
#[derive(Debug)]
pub enum Message {
    /// Everything; what is not in it does not exist.
    State {
        /// What there is.
        state: Box<State>,
        /// When it was asked for.
        at: Stamp,
    },
    /// A container.
    Container {
        /// Its full id.
        id: String,
        /// What it is now; `None` when it does not run (any more).
        container: Option<Box<Container>>,
        /// How many other containers are being asked about: dockerd answers when they have started.
        others: usize,
        /// The newest event about it.
        at: Stamp,
    },
    /// A network. It comes before the containers that are in it.
    Network {
        /// Its full id.
        id: String,
        /// What it is now; `None` when it does not exist (any more).
        network: Option<Box<Network>>,
        /// The event.
        at: Stamp,
    },
    /// There is no daemon, or it does not answer. It is tried again; a different reason is told
    /// anew, and a [`Message::State`] comes when it is there.
    Lost {
        /// Why.
        error: Error,
    },
}

/// What one connection leaves to the next.
#[derive(Debug, Default)]
struct Memory {
    /// What was told last, and what was learned since.
    state: State,
    /// There was a [`Message::State`].
    is_told: bool,
    /// What was read of the process of dockerd.
    known: Arc<Mutex<Known>>,
}

/// What a message goes back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// When the event was read from the socket, or when the listing began.
    pub received: Instant,
    /// When it happened, by dockerd's clock; `None` for a listing.
    pub event: Option<SystemTime>,
    /// In words: `start web`, `listing`.
    pub what: String,
}

/// Ends [`follow`] from another thread; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Notify>);

impl Stop {
    /// One that has not been used.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has [`follow`] return, also when it begins later.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

/// Follows a daemon on this thread until it is stopped.
///
/// At first, at every reconnection, every [`Options::refresh`] and whenever events may have been
/// missed there is a [`Message::State`]. In between, containers and networks are looked at when an
/// event names them, all at the same time: dockerd answers about a container that is being started
/// only when it has started. What ends is told without asking. An answer that is older than what
/// was told is dropped.
///
/// A container that a listing finds different is told of as soon as dockerd has answered about it,
/// before the [`Message::State`], unless that is the first one of a connection.
///
/// A [`Message::State`] does not wait long for containers that do not answer: those that were told
/// of before are in it as they were, also after a reconnection, unless the list says that their
/// addresses or ports are not theirs any more; all of them are in [`State::unread`]. Before the
/// first one nothing is known, so that one waits until nothing has come for
/// [`Options::timeout`].
///
/// # Errors
///
/// Only what keeps it from waiting at all; everything else is a [`Message::Lost`].
pub fn follow(
    address: &Address,
    options: &Options,
    mut send: impl FnMut(Message),
    stop: &Stop,
) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    runtime.block_on(async {
        let following = pin!(forever(address, options, &mut send));
        let stopped = pin!(stop.0.notified());
        select(following, stopped).await;
    });
    // Questions that nobody waits for any more may hang.
    runtime.shutdown_background();
    Ok(())
}

async fn forever(address: &Address, options: &Options, send: &mut impl FnMut(Message)) {
    let mut pause = FIRST_PAUSE;
    let mut told: Option<String> = None;
    let mut memory = Memory::default();
    loop {
        let mut was_there = false;
        let error = session::run(address, options, &mut memory, |message| {
            was_there = true;
            send(message);
        })
        .await;
        if was_there {
            pause = FIRST_PAUSE;
            told = None;
        }
        let text = error.to_string();
        if told.as_ref() != Some(&text) {
            told = Some(text);
            send(Message::Lost { error });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
