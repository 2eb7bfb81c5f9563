//! `dockfw watch`: follows a dockerd, and keeps the kernel's ruleset what its containers need.
//!
//! One loop owns everything; threads for dockerd and for signals only send it messages. It folds
//! them into what is wanted ([`model`]), decides when to commit ([`pace`]), and commits
//! ([`enforce`]). What dockerd does not say any more, because it is down or restarts, changes
//! nothing: the rules stay, and the next full answer is compared with what is in force.
//!
//! | what fails | what happens |
//! |---|---|
//! | dockerd is lost | the rules stay; it is tried again until it is back |
//! | an event is missed | dockerd is listed again at each connection and every minute |
//! | others change our tables | the generation moves; they are read and put right |
//! | a commit is refused | logged, the old rules stay, and it is tried again after a pause |
//! | a container is described in a way that cannot be | it is left out, and so closed |
//! | this process is killed | the rules stay; the next one begins with a comparison |

mod changes;
mod cut;
mod enforce;
mod log;
mod metrics;
mod model;
mod notify;
mod pace;
mod run;
mod signals;
mod status;
mod tell;

use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use clap::Args;

use super::Exit;
use super::input::InputArgs;
use super::journal::PlaceArgs;
use super::output::Failure;
use crate::docker::{self, Address, Message, Options, Stop};
use crate::state::{State, Watching};
use log::LogArgs;
use run::{Wake, Watch};
pub(super) use status::{read as read_status, to_text as status_to_text};

/// How often the right to watch is asked for.
const ATTEMPTS: u32 = 5;

/// The pause between two attempts.
const MOMENT: Duration = Duration::from_millis(50);

/// What is followed, and how.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,
    #[command(flatten)]
    pub(super) place: PlaceArgs,
    /// Own the tables: while this runs nobody else can change them, and `nft flush ruleset` leaves
    /// them alone
    ///
    /// When it ends, whatever the reason, the rules stay in force and belong to nobody. Since
    /// Linux 6.9.
    #[arg(long)]
    own: bool,
    /// Write metrics in the OpenMetrics format into this file, every 15 seconds
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
}

/// Follows until a signal comes.
pub(super) fn run(mut arguments: WatchArgs) -> Result<Exit, Failure> {
    arguments.log.begin();
    arguments.input.with_daemon();
    let arguments = &arguments;
    let files = arguments.input.files();
    if files.iter().any(|path| path.as_os_str() == "-") {
        return Err(Failure::Usage(
            "a policy on standard input cannot be read again: name its file",
        ));
    }
    let place = place(&arguments.place)?;
    let (sender, receiver) = mpsc::channel();
    let (address, options) = arguments.input.daemon()?;
    let mut watch = Watch::new(arguments, place, &address)?;
    let signals = sender.clone();
    signals::follow(move |signal| signals.send(Wake::Signal(signal)).is_ok())
        .map_err(Failure::Thread)?;
    let stop = Stop::new();
    let follower = {
        let stop = stop.clone();
        let follow = move || follow(&address, &options, &sender, &stop);
        thread::Builder::new()
            .name("docker".to_owned())
            .spawn(follow)
            .map_err(Failure::Thread)?
    };
    let result = watch.run(&receiver);
    stop.stop();
    drop(receiver);
    // It ends by itself; a question that hangs is not waited for.
    drop(follower);
    result
}

/// The thread that follows dockerd.
fn follow(address: &Address, options: &Options, sender: &Sender<Wake>, stop: &Stop) {
    // Who does not listen any more ends.
    let send = |message: Message| drop(sender.send(Wake::Docker(message)));
    if let Err(error) = docker::follow(address, options, send, stop) {
        drop(sender.send(Wake::Docker(Message::Lost { error })));
    }
}

/// The place of the status, and the right to be the one that watches.
fn place(arguments: &PlaceArgs) -> Result<Option<Watching>, Failure> {
    let Some(folder) = arguments.folder() else {
        return Ok(None);
    };
    for _ in 0..ATTEMPTS {
        if let Some(watching) = State::open_or_create(&folder)?.watching()? {
            return Ok(Some(watching));
        }
        // Who only asks whether one runs has the lock for a moment.
        thread::sleep(MOMENT);
    }
    Err(Failure::Watched(folder))
}

/// Refuses to do what a watch of the same folder would undo.
pub(super) fn refuse_if_watched(arguments: &PlaceArgs) -> Result<(), Failure> {
    let Some(folder) = arguments.folder() else {
        return Ok(());
    };
    // A folder that is not there, or not safe, is no watch's; who needs it says so.
    let Ok(state) = State::open(&folder) else {
        return Ok(());
    };
    if state.is_watched()? {
        return Err(Failure::WouldBeUndone(folder));
    }
    Ok(())
}
