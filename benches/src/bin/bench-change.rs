//! Adds one container with 32 published ports to a host of any size, and takes it away again.
//!
//! Ours is measured inside of this process, as a program that follows dockerd would do it: from the
//! container as a value to the kernel's acknowledgement, with a socket that is open and the
//! generation of the commit before. Between two of these it sleeps, as such a program would.
//! `nft -f` gets the same elements, and the restore tools (`--noflush`) the rules that Docker
//! programs for that container, in one process each; Docker itself runs one for each rule.
//!
//! All sizes are there at once, each ruleset in a network namespace of its own, and they take
//! turns, so that a slow moment of the machine hits all of them.
//!
//! With the userland proxy a container's elements depend on others: there the whole host is
//! lowered and compared with what was committed. That is measured too, with and without proxy.
//!
//! Needs root, `nft`, `iptables-legacy-restore` and `iptables-nft-restore`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the result of the program")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Parser;
use dockfw_benches::change::{Space, docker_rules, more_rules, newcomer, nft_commands, run, with};
use dockfw_benches::host;
use dockfw_ir::diff;
use dockfw_ir::table::Family;
use dockfw_ir::verify::{Verified, verify};
use dockfw_lower::host::{Container, Host};
use dockfw_lower::{container_elements, lower, table_name};
use dockfw_netlink::{Batch, Committed, Executor, Expect, RuleHandles};

/// How long adding the container may take, in milliseconds.
const BUDGET: f64 = 1.0;

/// How much that may differ from the time at the least size, either way.
const TOLERANCE: f64 = 0.25;

/// Where both hold.
const BUDGET_AT: usize = 10_000;

/// Adds a container with 32 ports and takes it away: dockfw, nft -f, iptables-restore --noflush.
#[derive(Debug, Parser)]
struct Args {
    /// Numbers of ports that are published already
    #[arg(long, value_delimiter = ',', default_value = "100,10000")]
    ports: Vec<usize>,
    /// How often the container comes and goes
    #[arg(long, default_value_t = 200)]
    runs: usize,
    /// How often with the other tools, and for the whole host
    #[arg(long, default_value_t = 7)]
    peer_runs: usize,
    /// Milliseconds between two commits
    #[arg(long, default_value_t = 2)]
    pause: u64,
    /// Fails when a budget is missed
    #[arg(long)]
    strict: bool,
}

/// Times by what they are of, in the order of the report.
type Times = BTreeMap<&'static str, Vec<Duration>>;

const ADD: &str = "1  dockfw: container comes";
const REMOVE: &str = "2  dockfw: container goes";

/// A host that is committed.
struct Committer {
    space: Space,
    executor: Executor,
    generation: u32,
    host: Host,
    verified: Verified,
    container: Container,
}

impl Committer {
    fn new(ports: usize, userland_proxy: bool) -> Result<Self> {
        let host = host(ports, userland_proxy)?;
        let container = newcomer(&host)?;
        let verified = verify(lower(&host)).map_err(|error| anyhow!("{error}"))?;
        let space = Space::new()?;
        let mut executor = Executor::open()?;
        let committed = executor.commit(&Batch::replace(&verified)?, Expect::Any)?;
        Ok(Self {
            space,
            executor,
            generation: committed.generation,
            host,
            verified,
            container,
        })
    }

    /// The container comes or goes: elements alone.
    fn elements(&mut self, comes: bool, times: &mut Times) -> Result<()> {
        let started = Instant::now();
        let sets = container_elements(&self.host, &self.container)
            .context("the container's elements depend on others")?;
        let lowered = started.elapsed();
        let (removed, added): (&[_], &[_]) = if comes { (&[], &sets) } else { (&sets, &[]) };
        let batch = Batch::elements(Family::Inet, &table_name(), removed, added)?;
        let encoded = started.elapsed();
        let committed = self.commit(&batch)?;
        let wall = started.elapsed();
        if comes {
            note(times, ADD, wall);
            note(times, "1a   lowering", lowered);
            note(times, "1b   batch", encoded.saturating_sub(lowered));
            note(times, "1c   kernel, in send", committed.kernel_time);
            let rest = wall.saturating_sub(encoded + committed.kernel_time);
            note(times, "1d   the rest of the commit", rest);
        } else {
            note(times, REMOVE, wall);
            note(times, "2c   kernel, in send", committed.kernel_time);
        }
        Ok(())
    }

    fn commit(&mut self, batch: &Batch) -> Result<Committed> {
        let expect = Expect::Generation(self.generation);
        let committed = self.executor.commit(batch, expect)?;
        // Nobody else is in this namespace.
        ensure!(committed.generation == self.generation.wrapping_add(1));
        self.generation = committed.generation;
        Ok(committed)
    }

    /// The container comes and goes: the whole host, compared with what it was.
    fn whole(&mut self, labels: [&'static str; 4], times: &mut Times) -> Result<()> {
        let [total, lowering, comparing, kernel] = labels;
        let larger = with(&self.host, &self.container);
        let started = Instant::now();
        let to = verify(lower(&larger)).map_err(|error| anyhow!("{error}"))?;
        let lowered = started.elapsed();
        let changes = diff::rulesets(&self.verified.tables, &to);
        // No rule changes, so that no handle is needed.
        let batch = Batch::change(&changes, &RuleHandles::new())?;
        let encoded = started.elapsed();
        let committed = self.commit(&batch)?;
        note(times, total, started.elapsed());
        note(times, lowering, lowered);
        note(times, comparing, encoded.saturating_sub(lowered));
        note(times, kernel, committed.kernel_time);
        let back = diff::rulesets(&to.tables, &self.verified);
        self.commit(&Batch::change(&back, &RuleHandles::new())?)?;
        Ok(())
    }

    /// Whether the kernel has the elements of this host.
    fn holds(&mut self, host: &Host) -> Result<()> {
        let name = table_name();
        let read = self.executor.read([(Family::Inet, &name)])?;
        let read = read.tables.first().context("no table came back")?;
        let intended = lower(host);
        let intended = intended.tables.first().context("no table")?;
        ensure!(read.table.sets.len() == intended.sets.len(), "other sets");
        for (read, intended) in read.table.sets.iter().zip(&intended.sets) {
            ensure!(read.name == intended.name, "other sets");
            ensure!(read.elements == intended.elements, "{}", read.name);
        }
        Ok(())
    }
}

/// Another tool, with what it is given for the container to come and to go.
struct Peer {
    space: Space,
    labels: [&'static str; 2],
    command: fn(&Path) -> Command,
    files: [PathBuf; 2],
}

impl Peer {
    fn turn(&self, times: &mut Times) -> Result<()> {
        self.space.enter()?;
        for (label, file) in self.labels.into_iter().zip(&self.files) {
            let mut command = (self.command)(file);
            let started = Instant::now();
            run(&mut command)?;
            note(times, label, started.elapsed());
        }
        Ok(())
    }
}

/// A size with all its namespaces.
struct Size {
    ports: usize,
    ours: Committer,
    proxy: Committer,
    peers: Vec<Peer>,
    rules: usize,
    times: Times,
}

impl Size {
    fn new(ports: usize, folder: &Path) -> Result<Self> {
        let mut ours = Committer::new(ports, false)?;
        let file = |name: &str, text: &str| -> Result<PathBuf> {
            let path = folder.join(format!("{ports}-{name}"));
            fs::write(&path, text)?;
            Ok(path)
        };
        // Once, to see that it is right.
        let larger = with(&ours.host, &ours.container);
        let mut unused = Times::new();
        ours.elements(true, &mut unused)?;
        ours.holds(&larger)?;
        ours.elements(false, &mut unused)?;
        ours.holds(&ours.host.clone())?;

        let sets = container_elements(&ours.host, &ours.container).context("no elements")?;
        let (add, delete) = nft_commands(&sets);
        let space = Space::new()?;
        let replace = Batch::replace(&ours.verified)?;
        Executor::open()?.commit(&replace, Expect::Any)?;
        let nft = Peer {
            space,
            labels: ["3  nft -f: comes", "4  nft -f: goes"],
            command: |file| {
                let mut command = Command::new("nft");
                command.arg("-f").arg(file);
                command
            },
            files: [file("add.nft", &add)?, file("delete.nft", &delete)?],
        };

        let before = docker_rules(&ours.host);
        let more = more_rules(&before, &docker_rules(&larger))?;
        let all = file("docker.rules", &before)?;
        let files = [
            file("add.rules", &more.add)?,
            file("delete.rules", &more.delete)?,
        ];
        let legacy = Peer {
            space: Space::new()?,
            labels: ["5  iptables-legacy: comes", "6  iptables-legacy: goes"],
            command: |file| {
                let mut command = Command::new("iptables-legacy-restore");
                command.arg("--noflush").arg(file);
                command
            },
            files: files.clone(),
        };
        run(Command::new("iptables-legacy-restore").arg(&all))?;
        let iptables_nft = Peer {
            space: Space::new()?,
            labels: ["7  iptables-nft: comes", "8  iptables-nft: goes"],
            command: |file| {
                let mut command = Command::new("iptables-nft-restore");
                command.arg("--noflush").arg(file);
                command
            },
            files,
        };
        run(Command::new("iptables-nft-restore").arg(&all))?;
        Ok(Self {
            ports,
            ours,
            proxy: Committer::new(ports, true)?,
            peers: vec![nft, legacy, iptables_nft],
            rules: more.rules,
            times: Times::new(),
        })
    }

    fn turn(&mut self, with_peers: bool, pause: Duration) -> Result<()> {
        self.ours.space.enter()?;
        for comes in [true, false] {
            thread::sleep(pause);
            self.ours.elements(comes, &mut self.times)?;
        }
        if !with_peers {
            return Ok(());
        }
        for peer in &self.peers {
            peer.turn(&mut self.times)?;
        }
        let without = [
            "9  dockfw, the whole host compared",
            "9a   lowering and verifying",
            "9b   comparing, batch",
            "9c   kernel, in send",
        ];
        // What the tools left behind is cleaned up meanwhile.
        thread::sleep(10 * pause);
        self.ours.whole(without, &mut self.times)?;
        let with = [
            "A  the same with userland proxy",
            "Aa   lowering and verifying",
            "Ab   comparing, batch",
            "Ac   kernel, in send",
        ];
        thread::sleep(pause);
        self.proxy.whole(with, &mut self.times)
    }
}

fn note(times: &mut Times, label: &'static str, time: Duration) {
    times.entry(label).or_default().push(time);
}

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(
        nix::unistd::geteuid().is_root(),
        "needs root: it makes network namespaces"
    );
    let folder = std::env::temp_dir().join(format!("dockfw-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    // Only this thread moves between namespaces; what it starts follows it.
    let result = thread::scope(|scope| scope.spawn(|| compare(&args, &folder)).join());
    fs::remove_dir_all(&folder)?;
    let missed = result.map_err(|_panic| anyhow!("a run panicked"))??;
    ensure!(!args.strict || missed == 0, "{missed} budgets missed");
    Ok(())
}

fn compare(args: &Args, folder: &Path) -> Result<usize> {
    let sizes = args.ports.iter().map(|&ports| Size::new(ports, folder));
    let mut sizes = sizes.collect::<Result<Vec<_>>>()?;
    let pause = Duration::from_millis(args.pause);
    let every = args.runs.div_ceil(args.peer_runs.max(1)).max(1);
    for index in 0..args.runs {
        for size in &mut sizes {
            size.turn(index % every == 0, pause)?;
        }
    }
    for size in &mut sizes {
        report(size)?;
    }
    budgets(&sizes)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The median of sorted times.
fn median(times: &Times, label: &str) -> Result<f64> {
    let times = times.get(label).context("no runs")?;
    let median = times.get(times.len() / 2).copied();
    Ok(milliseconds(median.context("no runs")?))
}

fn report(size: &mut Size) -> Result<()> {
    println!(
        "\n{} published ports, and a container with 32 more ({} rules of Docker's): median, least, 90th percentile in ms",
        size.ports, size.rules
    );
    for (label, times) in &mut size.times {
        times.sort_unstable();
        let at = |index: usize| times.get(index).copied().context("no runs");
        let (median, least) = (at(times.len() / 2)?, at(0)?);
        let most = at(times.len() * 9 / 10)?;
        // Without what only orders them.
        println!(
            "  {:<36} {:>9.3} {:>9.3} {:>9.3}  ({} runs)",
            label.get(3..).unwrap_or(label),
            milliseconds(median),
            milliseconds(least),
            milliseconds(most),
            times.len(),
        );
    }
    Ok(())
}

/// Prints ratios; returns how many budgets were missed.
fn budgets(sizes: &[Size]) -> Result<usize> {
    let mut missed = 0;
    let mut verdict = |kept: bool| {
        missed += usize::from(!kept);
        if kept { "kept" } else { "MISSED" }
    };
    println!();
    let least = sizes.iter().min_by_key(|size| size.ports);
    let least = least.context("no sizes")?;
    for size in sizes {
        let ports = size.ports;
        let (comes, goes) = (median(&size.times, ADD)?, median(&size.times, REMOVE)?);
        let ratio = comes / median(&least.times, ADD)?;
        if ports == BUDGET_AT {
            println!(
                "ports {ports:>6}: comes {comes:.3} ms (budget {BUDGET:.1} ms: {})",
                verdict(comes <= BUDGET)
            );
        } else {
            println!("ports {ports:>6}: comes {comes:.3} ms");
        }
        if ports == BUDGET_AT && least.ports < ports {
            println!(
                "ports {ports:>6}: comes, / that at {} ports: {ratio:.3} (budget 1 ± {TOLERANCE}: {})",
                least.ports,
                verdict((ratio - 1.0).abs() <= TOLERANCE)
            );
        } else if least.ports < ports {
            println!(
                "ports {ports:>6}: comes, / that at {} ports: {ratio:.3}",
                least.ports
            );
        }
        for peer in &size.peers {
            let [theirs, theirs_goes] = peer.labels;
            println!(
                "ports {ports:>6}: dockfw / {}: {:.4}, goes: {:.4}",
                theirs.get(3..).unwrap_or(theirs),
                comes / median(&size.times, theirs)?,
                goes / median(&size.times, theirs_goes)?,
            );
        }
    }
    Ok(missed)
}
