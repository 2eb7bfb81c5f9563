//! The loop.

mod begin;
mod keep;
mod say;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use dockfw_ir::Verified;
use tracing::{debug, error, info};

use super::super::Exit;
use super::super::output::Failure;
use super::cut::Cuts;
use super::enforce::{Enforced, Enforcer, Way};
use super::metrics::Metrics;
use super::model::{Effect, Model, Next};
use super::notify::Manager;
use super::pace::Pace;
use super::signals::Signal;
use super::status::{Daemon, LastEvent, Writer};
use super::{WatchArgs, tell};
use crate::docker::{Address, Message, Stamp};
use crate::state::Watching;
use begin::Beginning;

/// How often the generation of the kernel's ruleset is asked for.
const LOOK: Duration = Duration::from_millis(10);

/// What the looks may cost: one part in this many of the time.
const SHARE: u32 = 5;

/// After a commit of elements the whole ruleset is compared with the kernel's, when nothing has
/// happened for this long.
const SETTLE: Duration = Duration::from_secs(5);

/// The pause after a commit that failed; it doubles.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest pause after commits that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How often metrics are written.
const METRICS: Duration = Duration::from_secs(15);

/// How long dockerd is waited for before the service counts as ready with what is in force.
const PATIENCE: Duration = Duration::from_secs(1);

/// What wakes the loop.
#[derive(Debug)]
pub(super) enum Wake {
    Docker(Message),
    Signal(Signal),
}

/// Everything that the loop owns.
pub(super) struct Watch<'a> {
    arguments: &'a WatchArgs,
    started: Instant,
    since: SystemTime,
    model: Model,
    enforcer: Enforcer,
    cuts: Cuts,
    pace: Pace,
    pause: Duration,
    next_look: Instant,
    /// When the whole is compared.
    settle: Option<Instant>,
    next_metrics: Option<Instant>,
    manager: Manager,
    ready: bool,
    metrics: Metrics,
    status: Writer,
    daemon: Daemon,
    beginning: Beginning,
    /// The policy files.
    files: Vec<PathBuf>,
    /// Events that the next commit answers.
    stamps: Vec<Stamp>,
    last_event: Option<LastEvent>,
    /// Why the last commit failed.
    failure: Option<String>,
    /// Why the last look at the kernel's ruleset failed.
    look_failure: Option<String>,
    look_pause: Duration,
    /// What is wrong with dockerd's options.
    firewall: Option<String>,
    /// Why the policy could not be read again.
    policy: Option<String>,
    /// What was told of what is left out and assumed.
    told: BTreeSet<String>,
    /// Settings of the host that are not as they should be.
    settings: Vec<String>,
    /// What an earlier dockerd has left.
    leftovers: Option<String>,
    generation: u32,
}

impl<'a> Watch<'a> {
    /// Reads the policy and opens the sockets.
    pub(super) fn new(
        arguments: &'a WatchArgs,
        place: Option<Watching>,
        address: &Address,
    ) -> Result<Self, Failure> {
        let now = Instant::now();
        let mut model = Model::default();
        let (base, programs) = arguments.input.base()?;
        model.policy(base, programs);
        Ok(Self {
            arguments,
            started: now,
            since: SystemTime::now(),
            model,
            enforcer: Enforcer::open(arguments.own)?,
            cuts: Cuts::open(),
            pace: Pace::default(),
            pause: PAUSE,
            next_look: now,
            settle: None,
            next_metrics: arguments.metrics.as_ref().map(|_| now),
            manager: Manager::new(now),
            ready: false,
            metrics: Metrics::default(),
            status: Writer::new(place),
            daemon: Daemon {
                address: address.to_string(),
                ..Daemon::default()
            },
            beginning: Beginning::Unanswered { alone: false },
            files: arguments.input.files(),
            stamps: Vec::new(),
            last_event: None,
            failure: None,
            look_failure: None,
            look_pause: PAUSE,
            firewall: None,
            policy: None,
            told: BTreeSet::new(),
            settings: Vec::new(),
            leftovers: None,
            generation: 0,
        })
    }

    /// Until a signal comes.
    pub(super) fn run(&mut self, receiver: &Receiver<Wake>) -> Result<Exit, Failure> {
        info!(dockerd = %self.daemon.address, "watching");
        loop {
            let now = Instant::now();
            let timeout = self.next_wake(now).saturating_duration_since(now);
            match receiver.recv_timeout(timeout) {
                Ok(wake) => {
                    // All that is there belongs to one commit.
                    for wake in std::iter::once(wake).chain(receiver.try_iter()) {
                        if self.wake(wake)? {
                            return Ok(self.stop());
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Exit::Failed),
            }
            self.work();
        }
    }

    /// When something is to be done without a message.
    fn next_wake(&self, now: Instant) -> Instant {
        let times = [
            self.pace.due(),
            self.cuts.due(),
            self.settle,
            self.next_metrics,
            self.manager.due(),
            self.status.due(now),
        ];
        let times = times.into_iter().flatten();
        times.fold(self.next_look, Instant::min)
    }

    /// What is due.
    fn work(&mut self) {
        let now = Instant::now();
        if self.pace.is_due(now) {
            self.commit();
        }
        if self.cuts.due().is_some_and(|due| due <= now) {
            self.cut();
        }
        if self.next_look <= now {
            self.look();
        }
        if self.settle.is_some_and(|due| due <= now) {
            self.settle();
        }
        if !self.ready && now.saturating_duration_since(self.started) > PATIENCE {
            self.ready_without_dockerd();
        }
        if self.next_metrics.is_some_and(|due| due <= now) {
            self.next_metrics = Some(now + METRICS);
            self.write_metrics();
        }
        self.manager.alive(now);
        if self.status.due(now).is_some_and(|due| due <= now) {
            self.write_status(now);
        }
    }

    /// Takes a message; true to end.
    fn wake(&mut self, wake: Wake) -> Result<bool, Failure> {
        match wake {
            Wake::Signal(Signal::Stop) => return Ok(true),
            Wake::Signal(Signal::Reload) => self.reload(),
            Wake::Docker(message) => self.docker(message)?,
        }
        self.status.touch();
        Ok(false)
    }

    fn docker(&mut self, message: Message) -> Result<(), Failure> {
        let now = Instant::now();
        let mut starting = 0;
        let (kind, stamp) = match &message {
            Message::State { state, at } => {
                self.found(state)?;
                if !self.settings.is_empty() {
                    self.look_at_settings();
                }
                ("listing", Some(at.clone()))
            }
            Message::Container { at, others, .. } => {
                starting = *others;
                ("container", Some(at.clone()))
            }
            Message::Network { at, .. } => ("network", Some(at.clone())),
            Message::Lost { error } => {
                self.lost(error);
                ("lost", None)
            }
        };
        *self.metrics.events.entry(kind).or_default() += 1;
        match self.model.fold(message) {
            Effect::Nothing => return Ok(()),
            Effect::Opens => self.pace.opens(now, starting),
            Effect::Closes => self.pace.closes(now),
        }
        self.stamps.extend(stamp);
        Ok(())
    }

    /// The policy is read again.
    fn reload(&mut self) {
        self.manager.reloading();
        let result = self.try_reload();
        self.policy = match result {
            Ok(()) => None,
            Err(failure) => {
                let text = failure.brief();
                error!(error = text, "the policy is wrong, and stays as it was");
                Some(text)
            }
        };
        self.manager.ready();
    }

    fn try_reload(&mut self) -> Result<(), Failure> {
        let input = &self.arguments.input;
        let (before, now) = (self.files.is_empty(), input.files());
        if !before && now.is_empty() {
            return Err(Failure::Usage("the policy that was there is gone"));
        }
        let (base, programs) = input.base()?;
        let (base, programs) = self.model.policy(base, programs);
        // Without dockerd's word, what it said before is not known to be wrong.
        if self.model.host().is_some() || self.daemon.connected {
            match self.try_commit() {
                Err(failure) if failure.is_of_ruleset() => {
                    self.model.policy(base, programs);
                    self.commit();
                    return Err(failure);
                }
                result => self.outcome(result),
            }
        }
        self.files = now;
        info!("the policy was read again");
        Ok(())
    }

    /// Ends; the rules stay.
    fn stop(&mut self) -> Exit {
        self.manager.stopping();
        self.status.hurry();
        self.write_status(Instant::now());
        info!("stopped; the rules stay in force");
        Exit::Done
    }

    /// Puts into force what is not.
    fn commit(&mut self) {
        let result = self.try_commit();
        self.outcome(result);
    }

    fn outcome(&mut self, result: Result<bool, Failure>) {
        let now = Instant::now();
        match result {
            Ok(true) => {
                self.pace.committed(now);
                self.settled_or_failed(None);
            }
            Ok(false) => {
                self.pace.nothing();
                self.settled_or_failed(None);
            }
            Err(failure) => {
                self.failed(&failure);
                self.pace.again(now, self.pause);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
        }
        self.status.touch();
    }

    fn settled_or_failed(&mut self, failure: Option<String>) {
        if self.failure.is_some() && failure.is_none() {
            info!("committing works again");
        }
        if failure.is_none() {
            self.pause = PAUSE;
        }
        self.failure = failure;
    }

    fn failed(&mut self, failure: &Failure) {
        let text = failure.brief();
        self.metrics.errors += 1;
        error!(
            error = text,
            "not committed; the rules that were in force stay"
        );
        self.settled_or_failed(Some(text));
    }

    /// Whether there was something to commit.
    fn try_commit(&mut self) -> Result<bool, Failure> {
        let next = self.model.next()?;
        let (enforced, after) = match next {
            Next::Nothing => {
                self.model.nothing();
                self.stamps.clear();
                return Ok(false);
            }
            Next::Elements {
                removed,
                added,
                after,
            } => {
                if let Some(enforced) = self.enforcer.elements(&removed, &added)? {
                    (enforced, after)
                } else {
                    debug!("the elements alone do not do; everything is compared");
                    self.model.doubt();
                    match self.model.whole()? {
                        Next::Whole { ruleset, after } => (self.whole(ruleset)?, after),
                        // It does not give anything else.
                        Next::Nothing | Next::Elements { .. } => return Ok(false),
                    }
                }
            }
            Next::Whole { ruleset, after } => (self.whole(ruleset)?, after),
        };
        let acknowledged = Instant::now();
        let old = if after.changes.may_affect_others() && enforced.change.is_none() {
            self.model.ruleset()?
        } else {
            None
        };
        let changes = self.model.committed(after);
        let lag = self.answered(acknowledged);
        let was_sent = self.note(&enforced);
        tell::changes(&changes, self.model.host(), lag, &enforced);
        self.tell_left_out();
        self.apply_settings(&changes);
        match self.beginning {
            // What runs is not known yet, and its flows are not cut for that.
            Beginning::Unanswered { .. } => {
                self.set_ready("the rules of the policy alone, until dockerd answers");
            }
            Beginning::Answered | Beginning::Over => {
                self.set_ready("the rules of all containers");
                self.cut_later(enforced.change, old, &changes);
                if matches!(self.beginning, Beginning::Answered) {
                    self.beginning = Beginning::Over;
                    self.look_for_leftovers();
                }
            }
        }
        match enforced.way {
            Way::Elements if !self.enforcer.owns() => {
                self.settle.get_or_insert(acknowledged + SETTLE);
            }
            Way::Elements | Way::Compared => {}
            Way::Read => self.settle = None,
        }
        Ok(was_sent)
    }

    fn whole(&mut self, ruleset: Verified) -> Result<Enforced, Failure> {
        let model = &self.model;
        let last = || model.ruleset().ok().flatten();
        self.enforcer.whole(ruleset, last)
    }

    /// Notes a commit; true if something was sent.
    fn note(&mut self, enforced: &Enforced) -> bool {
        let Some(committed) = &enforced.committed else {
            return false;
        };
        self.generation = committed.generation;
        self.metrics.commit(enforced.way, committed.kernel_time);
        true
    }

    /// How long the events waited that this commit answers; the longest.
    fn answered(&mut self, acknowledged: Instant) -> Option<Duration> {
        let mut longest = None;
        for stamp in self.stamps.drain(..) {
            let lag = acknowledged.saturating_duration_since(stamp.received);
            // A listing is no event.
            if stamp.event.is_some() {
                self.metrics.lag.add(lag);
                longest = longest.max(Some(lag));
            }
            self.last_event = Some(LastEvent {
                at: stamp.event.unwrap_or_else(SystemTime::now),
                what: stamp.what,
                lag: stamp.event.map(|_| lag),
            });
        }
        longest
    }
}
