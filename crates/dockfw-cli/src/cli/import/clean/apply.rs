//! The removal.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use dockfw_ir::table::Family;
use dockfw_netlink::foreign::Removal;
use dockfw_netlink::xtables::{XtRemoval, XtTable};
use dockfw_netlink::{CommitError, Executor, Expect};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::plan::Plan;
use super::{CleanArgs, CleanError};
use crate::cli::apply::ATTEMPTS;
use crate::cli::output::Failure;
use crate::cli::tables;
use crate::leftover::{DOCKER_BRIDGES, Scan, Stored};

/// Removes what is Docker's, and says what it was.
pub(super) fn apply(executor: &mut Executor, args: &CleanArgs) -> Result<Plan, Failure> {
    let _lock = if XtTable::registered().is_empty() {
        None
    } else {
        Some(lock()?)
    };
    for _ in 0..ATTEMPTS {
        let scan = Scan::read(executor, &args.bridge)?;
        let plan = Plan::new(&scan, args.keep_policy);
        if plan.is_empty() {
            return Ok(plan);
        }
        if let Some(rules) = plan.in_the_way() {
            return Err(CleanError::InTheWay(rules.trim_end().to_owned()).into());
        }
        let present = tables::present(executor, &dockfw_lower::table_name())?;
        if !args.force && !present.contains(&Family::Inet) {
            return Err(CleanError::NotInForce.into());
        }
        match remove_nft(executor, &scan, args.keep_policy) {
            Err(Failure::Commit(CommitError::Stale { .. })) => continue,
            other => other?,
        }
        remove_legacy(&scan, args.keep_policy)?;
        return Ok(plan);
    }
    Err(Failure::Overtaken(ATTEMPTS))
}

/// Removes what is in nf_tables, in one transaction, if nothing changed since it was read.
fn remove_nft(executor: &mut Executor, scan: &Scan, keep_policy: bool) -> Result<(), Failure> {
    let mut removal = Removal::new();
    let mut is_empty = true;
    for of in &scan.tables {
        let Stored::Nft(table) = &of.kernel else {
            continue;
        };
        if of.verdict.is_empty() {
            continue;
        }
        is_empty = false;
        let (family, name) = (table.family, table.info.name.as_str());
        let accept = of.verdict.accept.filter(|_| !keep_policy);
        if let Some(chain) = accept.and_then(|chain| table.chains.get(chain)) {
            let accepted = removal.accept(family, name, &chain.name);
            accepted.map_err(Failure::Encode)?;
        }
        for (chain, index) in &of.verdict.rules {
            let chain = table.chains.get(*chain);
            let rule = chain.and_then(|chain| Some((chain, chain.rules.get(*index)?)));
            if let Some((chain, rule)) = rule {
                let place = (*index, rule.handle);
                let deleted = removal.rule(family, name, &chain.name, place);
                deleted.map_err(Failure::Encode)?;
            }
        }
        for chain in of
            .verdict
            .chains
            .iter()
            .filter_map(|of| table.chains.get(*of))
        {
            let deleted = removal.chain(family, name, &chain.name);
            deleted.map_err(Failure::Encode)?;
        }
    }
    for family in &scan.nftables {
        is_empty = false;
        let deleted = removal.table(*family, DOCKER_BRIDGES);
        deleted.map_err(Failure::Encode)?;
    }
    if is_empty {
        return Ok(());
    }
    executor.commit(&removal.build(), Expect::Generation(scan.generation))?;
    Ok(())
}

/// Removes what is in iptables-legacy, table by table.
fn remove_legacy(scan: &Scan, keep_policy: bool) -> Result<(), Failure> {
    let has_nft = !scan.nftables.is_empty()
        || scan
            .tables
            .iter()
            .any(|of| matches!(of.kernel, Stored::Nft(_)) && !of.verdict.is_empty());
    let mut is_first = !has_nft;
    for of in &scan.tables {
        let Stored::Legacy(table) = &of.kernel else {
            continue;
        };
        if of.verdict.is_empty() {
            continue;
        }
        let accept = of.verdict.accept.filter(|_| !keep_policy);
        let removal = XtRemoval {
            rules: of.verdict.rules.clone(),
            chains: of.verdict.chains.clone(),
            accept: accept.into_iter().collect(),
        };
        let removed = table.remove(&removal);
        removed.map_err(if is_first {
            CleanError::Legacy
        } else {
            CleanError::Partly
        })?;
        is_first = false;
    }
    Ok(())
}

/// The lock that keeps programs of iptables-legacy from each other; it ends with the file.
///
/// Source: iptables 1.8.9, `iptables/xshared.c`, `xtables_lock`.
fn lock() -> Result<File, Failure> {
    const PATH: &str = "/run/xtables.lock";
    const PATIENCE: Duration = Duration::from_secs(10);
    let failed = |action, source| Failure::File {
        action,
        path: Path::new(PATH).to_owned(),
        source,
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(PATH)
        .map_err(|error| failed("open", error))?;
    let started = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) if started.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(Errno::WOULDBLOCK) => return Err(CleanError::Locked.into()),
            Err(error) => return Err(failed("lock", error.into())),
        }
    }
}
