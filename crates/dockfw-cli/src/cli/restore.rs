//! A generation of the history into the kernel: by its texts, or else as it was encoded.

use std::io::Write as _;

use dockfw_netlink::{Batch, Executor};

use super::apply::{Applied, How, apply, apply_batch};
use super::input::Input;
use super::output::Failure;
use super::settings::Wanted;
use crate::state::{Generation, Program};

/// A generation that is in force again.
pub(super) struct Restored {
    pub(super) applied: Applied,
    /// Who encoded what was sent.
    pub(super) program: Program,
    /// What it needs of the host's kernel; nothing when its texts are not accepted any more.
    pub(super) settings: Wanted,
}

/// Commits a generation: compiled by this program, or as it was encoded back then, when this
/// program does not accept the texts any more or the kernel refuses what it makes of them.
///
/// With `before`, and in the first way, what was there before is part of the result.
///
/// # Errors
///
/// Those of the first way, when there is no second or it fails too.
pub(super) fn restore(
    executor: &mut Executor,
    generation: &Generation,
    before: bool,
) -> Result<Restored, Failure> {
    let this = Program::this();
    let compiled = Input::from_recipe(&generation.recipe)
        .and_then(|input| Ok((input.ruleset()?, input.settings())));
    let how = How {
        before,
        ..How::default()
    };
    let loaded =
        compiled.and_then(|(ruleset, settings)| Ok((apply(executor, &ruleset, &how)?, settings)));
    let failure = match loaded {
        Ok((applied, settings)) => {
            return Ok(Restored {
                applied,
                program: this,
                settings,
            });
        }
        Err(failure) => failure,
    };
    let Ok(batch) = Batch::from_bytes(&generation.artifact) else {
        return Err(failure);
    };
    let Ok(applied) = apply_batch(executor, &batch) else {
        return Err(failure);
    };
    let _ = writeln!(
        std::io::stderr().lock(),
        "warning: generation {} was sent as dockfw {} encoded it, because this dockfw {} could \
         not commit its texts: {}",
        generation.number,
        generation.program.version,
        this.version,
        failure.brief(),
    );
    Ok(Restored {
        applied,
        program: generation.program.clone(),
        settings: Wanted::default(),
    })
}
