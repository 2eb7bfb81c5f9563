//! Where the history is kept, and what a verb that commits writes into it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use dockfw_ir::diff::diff;
use dockfw_ir::{Table, Verified};
use dockfw_netlink::Batch;
use dockfw_netlink::read::decode;

use super::apply::Applied;
use super::output::Failure;
use crate::state::{
    Boot, Current, DEFAULT_DIRECTORY, Generation, How, KEEP, Locked, Program, Recipe, State,
    StateError, now,
};

/// Where the history is.
#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    /// The folder of the history [default: /var/lib/dockfw in the network namespace of init, none
    /// in any other, or when it cannot be told]
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
}

/// Whether and where a history is kept.
#[derive(Debug, Args)]
pub(super) struct StateArgs {
    #[command(flatten)]
    pub(super) place: PlaceArgs,
    /// Keep no history of this commit: `dockfw rollback` does not know it
    #[arg(long, conflicts_with_all = ["state_dir", "keep"])]
    no_history: bool,
    /// How many generations the history keeps, this one included
    #[arg(long, value_name = "N", default_value_t = u16::try_from(KEEP).unwrap_or(u16::MAX))]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    keep: u16,
}

impl PlaceArgs {
    /// The folder; `None` when there is none by default.
    ///
    /// What is committed in a network namespace of its own says nothing about the host, and must
    /// not come back at its next boot.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        let default = || is_namespace_of_init().then(|| DEFAULT_DIRECTORY.into());
        self.state_dir.clone().or_else(default)
    }

    /// The state, to be read.
    pub(super) fn open(&self) -> Result<State, Failure> {
        let folder = self.folder().ok_or(NO_HISTORY)?;
        Ok(State::open(&folder)?)
    }
}

const NO_HISTORY: Failure = Failure::Usage(
    "this is not known to be the network namespace of init, and in others no history is kept by \
     default: name its folder with --state-dir",
);

/// Whether it is known that this is the network namespace of process 1.
///
/// Who may not look is no root of the host, or a service with few capabilities: it names a folder.
fn is_namespace_of_init() -> bool {
    let of = |process: &str| std::fs::read_link(Path::new("/proc").join(process).join("ns/net"));
    match (of("self"), of("1")) {
        (Ok(own), Ok(init)) => own == init,
        _ => false,
    }
}

/// The history while a commit is made. It is locked, so that the order of its generations is that
/// of the commits.
#[derive(Debug)]
pub(super) struct Journal {
    state: Opened,
    keep: usize,
}

#[derive(Debug)]
enum Opened {
    /// Nobody wants a history.
    Off,
    Locked(Locked),
    Failed(StateError),
}

/// What became of the record of a commit.
#[derive(Debug)]
pub(super) struct Recorded {
    /// The number of the generation; `None` when there is no record.
    pub(super) number: Option<u64>,
    /// Why there is none, though there should be one.
    pub(super) failure: Option<StateError>,
}

impl Journal {
    /// Opens the history, without which a commit does its work too.
    pub(super) fn open(args: &StateArgs) -> Self {
        let folder = args.place.folder().filter(|_| !args.no_history);
        let state = match folder {
            None => Opened::Off,
            Some(folder) => match State::open_or_create(&folder).and_then(State::lock) {
                Ok(locked) => Opened::Locked(locked),
                Err(error) => Opened::Failed(error),
            },
        };
        Self {
            state,
            keep: args.keep.into(),
        }
    }

    /// The history of a verb that cannot do without.
    pub(super) fn require(place: &PlaceArgs) -> Result<Self, Failure> {
        let state = Opened::Locked(place.open()?.lock()?);
        Ok(Self { state, keep: KEEP })
    }

    /// The history of a verb that commits, and can do without.
    pub(super) fn of_place(place: &PlaceArgs) -> Self {
        let state = match place.folder().map(|folder| State::open(&folder)) {
            None | Some(Err(StateError::Missing(_))) => Opened::Off,
            Some(opened) => match opened.and_then(State::lock) {
                Ok(locked) => Opened::Locked(locked),
                Err(error) => Opened::Failed(error),
            },
        };
        Self { state, keep: KEEP }
    }

    /// The history, if it could be opened.
    pub(super) fn state(&self) -> Option<&State> {
        match &self.state {
            Opened::Locked(locked) => Some(locked),
            Opened::Off | Opened::Failed(_) => None,
        }
    }

    /// Why it could not be opened.
    pub(super) fn failure(&self) -> Option<&StateError> {
        match &self.state {
            Opened::Failed(error) => Some(error),
            Opened::Off | Opened::Locked(_) => None,
        }
    }

    /// Records a commit that has happened.
    ///
    /// The newest generation is not repeated when it was made of the same input: what differs then
    /// is who encoded it.
    pub(super) fn record(
        self,
        recipe: Recipe,
        applied: &Applied,
        program: Program,
        how: How,
    ) -> Recorded {
        let locked = match self.state {
            Opened::Locked(locked) => locked,
            Opened::Off => return Recorded::none(None),
            Opened::Failed(error) => return Recorded::none(Some(error)),
        };
        let generation = generation(recipe, applied, program, how);
        // What was pending is not any more.
        let cleared = locked.clear_unconfirmed();
        match cleared.and_then(|()| write(&locked, generation, self.keep, applied.generation)) {
            Ok(number) => Recorded {
                number: Some(number),
                failure: None,
            },
            Err(error) => Recorded::none(Some(error)),
        }
    }

    /// Keeps a commit that is pending, for [`Journal::confirm`].
    pub(super) fn record_unconfirmed(
        self,
        recipe: Recipe,
        applied: &Applied,
        program: Program,
    ) -> Recorded {
        match self.state {
            Opened::Off => Recorded::none(None),
            Opened::Failed(error) => Recorded::none(Some(error)),
            Opened::Locked(locked) => {
                let generation = generation(recipe, applied, program, How::Commit);
                Recorded::none(locked.set_unconfirmed(&generation).err())
            }
        }
    }

    /// Records the commit that was pending and is permanent now, if it is the one that was kept:
    /// one that was made without a history is not. With the record comes its input.
    pub(super) fn confirm(
        self,
        ruleset: &Verified,
        kernel_generation: u32,
    ) -> (Recorded, Option<Recipe>) {
        let locked = match self.state {
            Opened::Locked(locked) => locked,
            Opened::Off => return (Recorded::none(None), None),
            Opened::Failed(error) => return (Recorded::none(Some(error)), None),
        };
        let add = || match locked.unconfirmed()? {
            None => Ok(None),
            Some(generation) if !has_become(&generation, ruleset) => Ok(None),
            Some(generation) => {
                let recipe = generation.recipe.clone();
                let number = write(&locked, generation, self.keep, kernel_generation)?;
                locked.clear_unconfirmed()?;
                Ok(Some((number, recipe)))
            }
        };
        match add() {
            Ok(added) => {
                let (number, recipe) = added.unzip();
                let failure = None;
                (Recorded { number, failure }, recipe)
            }
            Err(error) => (Recorded::none(Some(error)), None),
        }
    }

    /// Notes that a generation of the history is in force again, as it is.
    pub(super) fn note_current(&self, number: u64, applied: &Applied) -> Result<(), StateError> {
        match &self.state {
            Opened::Locked(locked) => locked.set_current(&Current::new(number, applied.generation)),
            Opened::Off | Opened::Failed(_) => Ok(()),
        }
    }

    /// Notes how a boot ended.
    pub(super) fn note_boot(&self, boot: &Boot) -> Result<(), StateError> {
        match &self.state {
            Opened::Locked(locked) => locked.set_boot(boot),
            Opened::Off | Opened::Failed(_) => Ok(()),
        }
    }
}

/// A commit, as the history keeps it.
fn generation(recipe: Recipe, applied: &Applied, program: Program, how: How) -> Generation {
    Generation {
        number: 0,
        time: now(),
        how,
        program,
        tables: applied.tables.clone(),
        recipe,
        artifact: applied.batch.to_bytes().unwrap_or_default(),
    }
}

/// Whether what was encoded of a generation is this ruleset, as it reads in the kernel.
fn has_become(generation: &Generation, ruleset: &Verified) -> bool {
    let Ok(batch) = Batch::from_bytes(&generation.artifact) else {
        return false;
    };
    let is_same = |table: &Table| {
        let encoded = decode(batch.as_bytes(), table.family, &table.name);
        diff(&encoded.table, table).is_empty()
    };
    batch.tables().count() == ruleset.tables.len() && ruleset.tables.iter().all(is_same)
}

/// The number under which the commit stands in the history.
fn write(
    locked: &Locked,
    mut generation: Generation,
    keep: usize,
    kernel_generation: u32,
) -> Result<u64, StateError> {
    let numbers = locked.numbers()?;
    // A damaged one is no reason to fail: this one is added behind it.
    let newest = numbers
        .last()
        .and_then(|number| locked.generation(*number).ok())
        .filter(|newest| newest.recipe == generation.recipe);
    let number = match newest {
        Some(newest) => {
            if newest.artifact != generation.artifact || newest.program != generation.program {
                generation.number = newest.number;
                generation.time = newest.time;
                generation.how = newest.how;
                locked.renew(&generation)?;
            }
            newest.number
        }
        None => locked.add(&generation, keep)?,
    };
    locked.set_current(&Current::new(number, kernel_generation))?;
    Ok(number)
}

impl Recorded {
    /// There was nothing to record.
    pub(super) const fn nothing() -> Self {
        Self::none(None)
    }

    const fn none(failure: Option<StateError>) -> Self {
        Self {
            number: None,
            failure,
        }
    }

    /// Says on standard error what it means that there is no record.
    pub(super) fn warn(&self) {
        if let Some(failure) = &self.failure {
            let _ = writeln!(
                std::io::stderr().lock(),
                "warning: the ruleset is in force, but it was not recorded: {failure}; `dockfw \
                 rollback` cannot return to it, and `dockfw commit --boot` cannot fall back on it",
            );
        }
    }
}
