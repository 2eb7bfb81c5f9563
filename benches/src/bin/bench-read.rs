//! Reads a committed host back, and lets `nft list table inet dockfw` do the same.
//!
//! Both read the same table in the same namespace, in turn. Ours is measured inside of this
//! process, from the first request to the finished IR, with a socket that is open; `nft` is a
//! whole process that formats what it read, written to nowhere. The share of the comparison with
//! what would be sent is measured by reading a batch of the same table without a kernel.
//!
//! Needs root and `nft`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the result of the program")]

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Parser;
use dockfw_benches::host;
use dockfw_ir::table::Table;
use dockfw_ir::verify::verify;
use dockfw_lower::lower;
use dockfw_netlink::{Batch, Executor, Expect, read};
use nix::sched::{CloneFlags, unshare};

/// Compares read-back with `nft list table`.
#[derive(Debug, Parser)]
struct Args {
    /// Numbers of published ports
    #[arg(long, value_delimiter = ',', default_value = "100,1000,10000,60000")]
    ports: Vec<usize>,
    /// Runs of each arm; the median counts
    #[arg(long, default_value_t = 7)]
    runs: usize,
    /// Docker's default; more rules without it, more elements with it
    #[arg(long)]
    userland_proxy: bool,
}

/// What one size gave.
#[derive(Debug, Default)]
struct Samples {
    ours: Vec<Duration>,
    decode: Vec<Duration>,
    nft: Vec<Duration>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(
        nix::unistd::geteuid().is_root(),
        "needs root: it makes network namespaces"
    );
    println!(
        "userland-proxy = {}, {} runs of each arm, medians",
        args.userland_proxy, args.runs
    );
    for &ports in &args.ports {
        let worker = || {
            // Only this thread moves; what it starts follows it.
            unshare(CloneFlags::CLONE_NEWNET).context("no network namespace")?;
            size(ports, &args)
        };
        let ended = thread::scope(|scope| scope.spawn(worker).join());
        ended.map_err(|_panic| anyhow!("a run panicked"))??;
    }
    Ok(())
}

fn size(ports: usize, args: &Args) -> Result<()> {
    let ruleset = verify(lower(&host(ports, args.userland_proxy)?));
    let ruleset = ruleset.map_err(|error| anyhow!("{error}"))?;
    let batch = Batch::replace(&ruleset)?;
    let mut executor = Executor::open()?;
    executor.commit(&batch, Expect::Any)?;
    let table = ruleset.tables.first().context("no table")?;
    let mut samples = Samples::default();
    for _ in 0..args.runs {
        samples.ours.push(ours(&mut executor, table)?);
        samples.decode.push(decoded(&batch, table)?);
        samples.nft.push(nft()?);
    }
    let elements: usize = table.sets.iter().map(|set| set.elements.len()).sum();
    let rules: usize = table.chains.iter().map(|chain| chain.rules.len()).sum();
    println!("\n{ports} published ports: {elements} elements, {rules} rules");
    let ours = report("Executor::read", &mut samples.ours)?;
    report("  of it without the kernel", &mut samples.decode)?;
    let nft = report("nft list table", &mut samples.nft)?;
    println!("  ratio {:.3}", ours.as_secs_f64() / nft.as_secs_f64());
    Ok(())
}

/// Reads the table back; what comes back must be all of it.
fn ours(executor: &mut Executor, table: &Table) -> Result<Duration> {
    let started = Instant::now();
    let snapshot = executor.read([(table.family, &table.name)])?;
    let wall = started.elapsed();
    let read = snapshot.tables.first().context("no table came back")?;
    ensure!(read.unreadable.is_empty(), "{:?}", read.unreadable);
    ensure!(read.table.sets == table.sets, "other sets came back");
    Ok(wall)
}

/// The same work on messages that are in memory.
fn decoded(batch: &Batch, table: &Table) -> Result<Duration> {
    let started = Instant::now();
    let read = read::decode(batch.as_bytes(), table.family, &table.name);
    let wall = started.elapsed();
    ensure!(read.table.sets == table.sets, "other sets were read");
    Ok(wall)
}

fn nft() -> Result<Duration> {
    let started = Instant::now();
    let status = Command::new("nft")
        .args(["list", "table", "inet", "dockfw"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    let wall = started.elapsed();
    ensure!(status.success(), "nft failed");
    Ok(wall)
}

/// Prints the median and returns it.
fn report(label: &str, walls: &mut [Duration]) -> Result<Duration> {
    walls.sort_unstable();
    let median = walls.get(walls.len() / 2).copied().context("no runs")?;
    let least = walls.first().copied().context("no runs")?;
    println!(
        "  {label:<28} {:>9.2} ms  (least {:>8.2})",
        median.as_secs_f64() * 1e3,
        least.as_secs_f64() * 1e3
    );
    Ok(median)
}
