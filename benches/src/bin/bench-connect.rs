//! Measures how long the first packet takes through the last published port of a host.
//!
//! A remote machine connects to the last published port again and again, and the time of each
//! connect() counts: three packets through the host, of which the first walks all rules.
//! Every arm at every size has a laboratory of its own, with the rules of the whole host and the
//! one container that has the port. All of them are there at once and take turns, in an order
//! that changes from round to round, so that a slow moment of the machine hits all of them.
//!
//! Nothing leaves the laboratories, and they go away with this process.
//!
//! Needs root, `ip`, `iptables-legacy-restore`, `iptables-nft-restore` and `nft`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the result of the program")]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use dockfw_benches::connect::{Arm, MOST_CONNECTIONS, Place};
use dockfw_benches::host;

/// At least so many ports have a budget.
const BUDGET_FROM: usize = 10_000;
/// How much longer than with one port the median may take.
const BUDGET: f64 = 1.25;
/// Connections at the beginning of each turn that do not count.
const WARM_UP: usize = 30;

/// Measures the first packet through the last published port, by ruleset and number of ports.
#[derive(Debug, Parser)]
struct Args {
    /// Numbers of published ports; one port is always among them. 60000 takes half a minute more
    #[arg(long, value_delimiter = ',', default_value = "1,1000,10000")]
    ports: Vec<usize>,
    /// Connections of each ruleset at each size
    #[arg(long, default_value_t = 3_000)]
    connections: usize,
    /// Turns in which they are made
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// The most seconds for each ruleset at each size; fewer connections if they do not suffice
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Fails when a budget is missed
    #[arg(long)]
    strict: bool,
}

impl Args {
    fn check(&mut self) -> Result<()> {
        self.ports.push(1);
        self.ports.sort_unstable();
        self.ports.dedup();
        ensure!(
            self.ports.iter().all(|ports| (1..=60_000).contains(ports)),
            "1 to 60,000 ports"
        );
        ensure!(
            self.rounds > 0 && self.connections >= self.rounds,
            "at least one connection in each round"
        );
        ensure!(
            self.rounds
                .saturating_mul(WARM_UP)
                .saturating_add(self.connections)
                <= usize::from(MOST_CONNECTIONS),
            "more connections than source ports"
        );
        ensure!(
            self.seconds > 0.0 && self.seconds <= 600.0,
            "more than 0 and at most 600 seconds"
        );
        ensure!(
            nix::unistd::geteuid().is_root(),
            "needs root: it makes network namespaces"
        );
        Ok(())
    }
}

/// One arm at one size.
struct Cell {
    arm: Arm,
    ports: usize,
    place: Place,
    times: Vec<Duration>,
}

/// The result of a cell.
struct Latency {
    arm: Arm,
    ports: usize,
    connections: usize,
    median: Duration,
    late: Duration,
}

fn main() -> Result<()> {
    let mut args = Args::parse();
    args.check()?;
    let latencies = measure(&args)?;
    let missed = report(&args, &latencies)?;
    ensure!(!args.strict || missed == 0, "{missed} budgets missed");
    Ok(())
}

fn measure(args: &Args) -> Result<Vec<Latency>> {
    let mut cells = Vec::new();
    for &ports in &args.ports {
        let host = host(ports, true)?;
        for arm in Arm::ALL {
            cells.push(Cell {
                arm,
                ports,
                place: Place::new(arm, &host)?,
                times: Vec::new(),
            });
        }
    }
    let rounds = u32::try_from(args.rounds)?;
    let time = Duration::from_secs_f64(args.seconds) / rounds;
    let count = args.connections / args.rounds;
    for _ in 0..rounds {
        for cell in &mut cells {
            let times = cell.place.connect(WARM_UP, count, time);
            let times = times.with_context(|| {
                format!("{} with {} published ports", cell.arm.label(), cell.ports)
            })?;
            cell.times.extend(times);
        }
        cells.rotate_left(1);
    }
    cells.into_iter().map(Cell::latency).collect()
}

impl Cell {
    fn latency(mut self) -> Result<Latency> {
        self.times.sort_unstable();
        let connections = self.times.len();
        let at = |index: usize| self.times.get(index).copied().context("no connections");
        Ok(Latency {
            arm: self.arm,
            ports: self.ports,
            connections,
            median: at(connections / 2)?,
            late: at(connections * 99 / 100)?,
        })
    }
}

/// Prints the latencies; returns how many budgets were missed.
fn report(args: &Args, latencies: &[Latency]) -> Result<usize> {
    let of = |arm: Arm, ports: usize| {
        let found = latencies
            .iter()
            .find(|of| of.arm == arm && of.ports == ports);
        found.context("an arm is missing")
    };
    println!(
        "connect() to the last published port, {} rounds of all arms and sizes in turns",
        args.rounds
    );
    let mut missed = 0;
    for arm in Arm::ALL {
        println!("\n{}", arm.label());
        let one = of(arm, 1)?;
        for &ports in &args.ports {
            let here = of(arm, ports)?;
            let ratio = here.median.as_secs_f64() / one.median.as_secs_f64();
            let verdict = if arm != Arm::Dockfw || ports < BUDGET_FROM {
                String::new()
            } else if ratio <= BUDGET {
                format!("  (budget {BUDGET:.2}: kept)")
            } else {
                missed += 1;
                format!("  (budget {BUDGET:.2}: MISSED)")
            };
            println!(
                "  ports {ports:>6}: p50 {:>8.1} µs, p99 {:>8.1} µs, {:>6} connections, \
                 p50 / one port {ratio:>6.2}{verdict}",
                micros(here.median),
                micros(here.late),
                here.connections,
            );
        }
    }
    println!();
    for &ports in &args.ports {
        let ours = of(Arm::Dockfw, ports)?.median.as_secs_f64();
        for arm in Arm::ALL.into_iter().skip(1) {
            let ratio = ours / of(arm, ports)?.median.as_secs_f64();
            println!(
                "ports {ports:>6}: dockfw / {}, p50: {ratio:.3}",
                arm.label()
            );
        }
    }
    Ok(missed)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
