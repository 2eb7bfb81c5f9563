//! `dockfw watch` beside a dockerd, real or played back.

pub mod docker;
pub mod engine;
pub mod probe;
pub mod process;
pub mod recorded;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use dockfw_ir::table::Family;
use dockfw_lower::table_name;
use dockfw_netlink::Executor;

/// Repeats a question until it is answered.
///
/// # Errors
///
/// When it fails, or has no answer for so long.
pub fn wait_for<T>(
    what: &str,
    patience: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        ensure!(started.elapsed() < patience, "waited for {what} in vain");
        thread::sleep(Duration::from_millis(5));
    }
}

/// How many elements our table has, in the namespace of the socket; none without the table.
///
/// # Errors
///
/// When the kernel does not say.
pub fn elements(executor: &mut Executor) -> Result<usize> {
    let name = table_name();
    if executor.table(Family::Inet, &name)?.is_none() {
        return Ok(0);
    }
    let read = executor.read([(Family::Inet, &name)])?;
    let sets = read.tables.iter().flat_map(|of| &of.table.sets);
    Ok(sets.map(|set| set.elements.len()).sum())
}
