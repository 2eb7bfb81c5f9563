//! `dockfw watch` beside a dockerd: how long it takes until rules are in force, and what it costs.
//!
//! 1. A real dockerd, with rules of its own or with `dockfw watch`, starts a container with 1,000
//!    published udp ports and removes it; a remote machine asks the last port all the time.
//! 2. Recorded answers and events of a dockerd stand in for hosts of any size. From the write of an
//!    event until the generation of the kernel's ruleset is another one, again and again; and a storm
//!    of containers.
//! 3. The memory and the processor time of the watch on those hosts while nothing happens.
//!
//! Needs root; for the first part `dockerd`, `docker`, `tar`, `ldd` and both iptables.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the result of the program")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Parser;
use dockfw_benches::change::Space;
use dockfw_benches::watch::docker::{Docker, Rules, Times};
use dockfw_benches::watch::engine::Engine;
use dockfw_benches::watch::process::{Usage, Watch};
use dockfw_benches::watch::{elements, probe, wait_for};
use dockfw_netlink::Executor;

/// How long 99 of 100 events may take until the kernel has them, in milliseconds.
const BUDGET: f64 = 5.0;

/// On a host of this many containers.
const BUDGET_AT: usize = 1_000;

/// How many transactions a storm of 200 containers may be.
const STORM_BUDGET: u32 = 20;

/// How long a storm takes, in milliseconds.
const STORM_TIME: u64 = 2_000;

/// After the last event the watch compares everything once more.
const SETTLE: Duration = Duration::from_millis(6_500);

/// How long a listing may take.
const LISTING: Duration = Duration::from_secs(3);

/// The pause between two looks at the generation; the clock's slack comes on top.
const LOOK: Duration = Duration::from_micros(20);

/// What a watch of dockerd takes: until rules are in force, memory and time.
#[derive(Debug, Parser)]
struct Args {
    /// Numbers of running containers of the recorded hosts; none leaves them out
    #[arg(long, value_delimiter = ',', num_args = 0.., default_value = "10,100,1000")]
    containers: Vec<usize>,
    /// How often one more starts and ends
    #[arg(long, default_value_t = 200)]
    events: usize,
    /// Milliseconds between two events
    #[arg(long, default_value_t = 200)]
    pause: u64,
    /// How many containers start in two seconds
    #[arg(long, default_value_t = 200)]
    storm: usize,
    /// How many of them start at the same moment
    #[arg(long, default_value_t = 1)]
    together: u32,
    /// Milliseconds that the recorded dockerd takes to tell of a container
    #[arg(long, default_value_t = 0)]
    delay: u64,
    /// Seconds for which nothing happens
    #[arg(long, default_value_t = 20)]
    idle: u64,
    /// The recorded dockerd has its userland proxy on, which is Docker's default
    #[arg(long)]
    userland_proxy: bool,
    /// How many udp ports the container of the real dockerd publishes
    #[arg(long, default_value_t = 1_000)]
    ports: u16,
    /// How often that container comes and goes with each kind of rules; 0 leaves the real dockerd
    /// out
    #[arg(long, default_value_t = 3)]
    docker_runs: usize,
    /// A minute of all: 10 and 1,000 containers, 30 events, 100 ports once
    #[arg(long)]
    quick: bool,
    /// Fails when a budget is missed
    #[arg(long)]
    strict: bool,
    /// The dockfw program, by default the one beside this program
    #[arg(long, value_name = "PATH")]
    dockfw: Option<PathBuf>,
}

impl Args {
    fn quickly(mut self) -> Self {
        if self.quick {
            self.containers = vec![10, 1_000];
            (self.events, self.idle, self.ports, self.docker_runs) = (30, 3, 100, 1);
        }
        self
    }
}

fn main() -> Result<()> {
    // In a container of the first part.
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some("answer") {
        return probe::answer(words.next().context("no port")?.parse()?);
    }
    let args = Args::parse().quickly();
    ensure!(
        nix::unistd::geteuid().is_root(),
        "needs root: it makes network namespaces"
    );
    let dockfw = match &args.dockfw {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("dockfw"),
    };
    ensure!(dockfw.exists(), "no {}: build it", dockfw.display());
    let folder = std::env::temp_dir().join(format!("dockfw-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    // Only this thread moves between namespaces; what it starts follows it.
    let all = || -> Result<usize> {
        if args.docker_runs > 0 {
            with_dockerd(&args, &folder.join("d"), &dockfw)?;
        }
        let mut missed = 0;
        for &containers in &args.containers {
            missed += recorded(&args, containers, &folder.join("r"), &dockfw)?;
        }
        Ok(missed)
    };
    let result = thread::scope(|scope| scope.spawn(all).join());
    fs::remove_dir_all(&folder)?;
    let missed = result.map_err(|_panic| anyhow!("a run panicked"))??;
    ensure!(!args.strict || missed == 0, "{missed} budgets missed");
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The quantile of times in milliseconds, in percent.
fn quantile(times: &mut [f64], percent: usize) -> Result<f64> {
    times.sort_unstable_by(f64::total_cmp);
    let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(place).copied().context("no times")
}

fn verdict(missed: &mut usize, kept: bool) -> &'static str {
    *missed += usize::from(!kept);
    if kept { "kept" } else { "MISSED" }
}

/// One of the times of a container.
type Column = fn(&Times) -> Duration;

/// One container of a real dockerd, with rules of either side.
fn with_dockerd(args: &Args, folder: &Path, dockfw: &Path) -> Result<()> {
    let ports = args.ports;
    println!(
        "a real dockerd, docker run -p 20000-{last}:20000-{last}/udp and docker rm -f, {} runs, medians in seconds (least, most)",
        args.docker_runs,
        last = 19_999 + ports,
    );
    let columns: [(&str, Column); 4] = [
        ("docker run has returned", |times| times.run),
        ("the last port answers", |times| times.answered),
        ("docker rm -f has returned", |times| times.removed),
        ("and its rules are gone", |times| times.gone),
    ];
    let mut ours = Vec::new();
    let mut ratios = Vec::new();
    for rules in Rules::ALL {
        let docker = Docker::start(folder, rules, dockfw)?;
        let turns = (0..args.docker_runs).map(|_| docker.turn(ports));
        let turns = turns.collect::<Result<Vec<_>>>()?;
        println!("{}", rules.label());
        for (index, (name, column)) in columns.into_iter().enumerate() {
            let mut times: Vec<f64> = turns.iter().map(|of| column(of).as_secs_f64()).collect();
            let median = quantile(&mut times, 50)?;
            let (least, most) = (quantile(&mut times, 0)?, quantile(&mut times, 100)?);
            println!("  {name:<28}{median:>9.3}  ({least:.3}, {most:.3})");
            if rules == Rules::Dockfw {
                ours.push(median);
            } else if let Some(ours) = ours.get(index) {
                ratios.push(format!(
                    "dockfw / {}, {name}: {:.4}",
                    rules.label(),
                    ours / median
                ));
            }
        }
        if let Some(watch) = docker.watch() {
            complaints(watch)?;
        }
    }
    println!("\n{}\n", ratios.join("\n"));
    Ok(())
}

/// A recorded host with its watch, in a namespace of its own.
struct Host {
    // In the order in which they end.
    watch: Watch,
    engine: Engine,
    executor: Executor,
    _space: Space,
}

impl Host {
    fn start(args: &Args, containers: usize, folder: &Path, dockfw: &Path) -> Result<Self> {
        let space = Space::new()?;
        fs::create_dir_all(folder)?;
        let (socket, json) = (folder.join("s"), folder.join("daemon.json"));
        let proxy = args.userland_proxy;
        fs::write(
            &json,
            format!("{{\"iptables\": false, \"ip6tables\": false, \"userland-proxy\": {proxy}}}\n"),
        )?;
        let delay = Duration::from_millis(args.delay);
        let engine = Engine::serve(&socket, containers, delay)?;
        let watch = Watch::start(dockfw, folder, &socket, &json)?;
        engine.wait_for_listener()?;
        Ok(Self {
            watch,
            engine,
            executor: Executor::open()?,
            _space: space,
        })
    }

    /// A container starts or ends; until the kernel's ruleset is another one.
    fn event(&mut self, index: usize, starts: bool) -> Result<Duration> {
        self.engine.set(index, starts)?;
        let line = self.engine.event(index, starts)?;
        let before = self.executor.generation()?;
        let started = Instant::now();
        self.engine.send(&line)?;
        while self.executor.generation()? == before {
            ensure!(
                started.elapsed() < Duration::from_secs(10),
                "nothing was committed"
            );
            thread::sleep(LOOK);
        }
        Ok(started.elapsed())
    }

    /// Many containers start or end, the events evenly spread; returns the number of transactions
    /// and the time from the last event until as many elements are there.
    fn storm(
        &mut self,
        containers: std::ops::Range<usize>,
        starts: bool,
        until: usize,
        together: u32,
    ) -> Result<(u32, Duration)> {
        let before = self.executor.generation()?;
        let number = u64::try_from(containers.len())?.max(1);
        let pause = Duration::from_micros(STORM_TIME * 1_000 / number);
        let started = Instant::now();
        for (turn, index) in (0_u32..).zip(containers) {
            let due = started + pause * (turn - turn % together.max(1));
            thread::sleep(due.saturating_duration_since(Instant::now()));
            self.engine.set(index, starts)?;
            let line = self.engine.event(index, starts)?;
            self.engine.send(&line)?;
        }
        let last = Instant::now();
        let executor = &mut self.executor;
        wait_for("the storm", Duration::from_secs(10), || {
            Ok((elements(executor)? == until).then_some(()))
        })?;
        let took = last.elapsed();
        Ok((executor.generation()?.wrapping_sub(before), took))
    }

    /// What is used while nothing happens.
    fn idle(&self, time: Duration) -> Result<(Usage, Usage)> {
        let before = self.watch.usage()?;
        thread::sleep(time);
        Ok((before, self.watch.usage()?))
    }
}

/// A host of recorded answers; returns how many budgets were missed.
fn recorded(args: &Args, containers: usize, folder: &Path, dockfw: &Path) -> Result<usize> {
    let mut missed = 0;
    let mut host = Host::start(args, containers, folder, dockfw)?;
    let pause = Duration::from_millis(args.pause);
    let base = elements(&mut host.executor)?;
    println!(
        "{containers} recorded containers with 4 ports each, {base} elements, userland-proxy = {}",
        args.userland_proxy
    );
    thread::sleep(SETTLE);
    let begin = host.watch.commits()?.len();
    let used = host.watch.usage()?.cpu;
    let (mut comes, mut goes) = (Vec::new(), Vec::new());
    let mut each = 0;
    for turn in 0..args.events {
        comes.push(milliseconds(host.event(containers, true)?));
        thread::sleep(pause);
        if turn == 0 {
            each = elements(&mut host.executor)?.saturating_sub(base);
            ensure!(each > 0, "a container came without elements");
        }
        goes.push(milliseconds(host.event(containers, false)?));
        thread::sleep(pause);
    }
    let used = host.watch.usage()?.cpu.saturating_sub(used);
    ensure!(elements(&mut host.executor)? == base, "elements are left");
    let all = host.watch.commits()?;
    let all = all.get(begin..).unwrap_or_default();
    // As long as each event is a transaction of its own, they alternate.
    let every_other = |first: usize| {
        let lags = all.iter().skip(first).step_by(2).filter_map(|of| of.lag);
        lags.collect::<Vec<f64>>()
    };
    let (mut own_comes, mut own_goes) = (every_other(0), every_other(1));
    let mut kernel: Vec<f64> = all.iter().filter_map(|of| of.kernel).collect();
    let mut ways: BTreeMap<&str, usize> = BTreeMap::new();
    for of in all {
        *ways.entry(&of.way).or_default() += 1;
    }
    let mut both = [comes.as_slice(), &goes].concat();
    let p99 = quantile(&mut both, 99)?;
    for (name, times) in [
        ("a container starts, until the kernel has it", &mut comes),
        ("a container ends, until the kernel has it", &mut goes),
        ("    of it by dockfw's log: starts", &mut own_comes),
        ("    of it by dockfw's log: ends", &mut own_goes),
        ("    of it the kernel", &mut kernel),
    ] {
        println!(
            "  {name:<46} median {:>7.3} ms, p99 {:>7.3} ms, most {:>7.3} ms  ({} events)",
            quantile(times, 50)?,
            quantile(times, 99)?,
            quantile(times, 100)?,
            times.len(),
        );
    }
    let number = f64::from(u32::try_from(both.len())?);
    println!(
        "  {} events: {} transactions, by way {ways:?}; {:.2} ms on a processor for each",
        both.len(),
        all.len(),
        milliseconds(used) / number,
    );
    if containers == BUDGET_AT {
        println!(
            "  p99 of both {p99:.3} ms (budget {BUDGET:.1} ms: {})",
            verdict(&mut missed, p99 <= BUDGET)
        );
    }
    storms(args, &mut host, containers, base, each, &mut missed)?;
    thread::sleep(SETTLE);
    cost(args, &host)?;
    complaints(&host.watch)?;
    println!();
    drop(host);
    fs::remove_dir_all(folder)?;
    Ok(missed)
}

fn storms(
    args: &Args,
    host: &mut Host,
    containers: usize,
    base: usize,
    each: usize,
    missed: &mut usize,
) -> Result<()> {
    if args.storm == 0 {
        return Ok(());
    }
    let range = containers..containers + args.storm;
    // With the userland proxy neighbours share elements.
    let most = base + each * args.storm;
    let (commits, took) = host.storm(range.clone(), true, most, args.together)?;
    println!(
        "  {} containers start in {STORM_TIME} ms: {commits} transactions (budget {STORM_BUDGET}: {}), all in force {:.1} ms after the last",
        args.storm,
        verdict(missed, commits <= STORM_BUDGET),
        milliseconds(took),
    );
    // What opens waits in a burst; one that comes behind it is not to wait for long.
    thread::sleep(Duration::from_millis(300));
    let next = containers + args.storm;
    let took = host.event(next, true)?;
    println!(
        "  one more starts 0.3 s after that: {:.1} ms until the kernel has it",
        milliseconds(took)
    );
    host.event(next, false)?;
    thread::sleep(SETTLE);
    let (commits, took) = host.storm(range, false, base, args.together)?;
    println!(
        "  {} containers end in {STORM_TIME} ms: {commits} transactions, none in force {:.1} ms after the last",
        args.storm,
        milliseconds(took),
    );
    Ok(())
}

/// Memory and time while nothing happens, and what a listing costs.
fn cost(args: &Args, host: &Host) -> Result<()> {
    let time = Duration::from_secs(args.idle);
    let asked = host.engine.requests();
    let (before, after) = host.idle(time)?;
    let asked = host.engine.requests() - asked;
    let cpu = after.cpu.saturating_sub(before.cpu);
    let share = |cpu: Duration| cpu.as_secs_f64() / time.as_secs_f64() * 100.0;
    let mebibytes =
        |kibibytes: u64| f64::from(u32::try_from(kibibytes).unwrap_or(u32::MAX)) / 1024.0;
    println!(
        "  memory: resident {:.1} MiB, proportional {:.1} MiB, peak {:.1} MiB",
        mebibytes(after.resident),
        mebibytes(after.proportional),
        mebibytes(after.peak),
    );
    println!(
        "  idle for {} s: {:.1} ms on a processor, {:.2} % of one core, {} sleeps, {asked} questions to dockerd",
        args.idle,
        milliseconds(cpu),
        share(cpu),
        after.sleeps.saturating_sub(before.sleeps),
    );
    // What comes every minute.
    let asked = host.engine.requests();
    host.engine.send("{\"Type\":\"daemon\",\"Action\":\"reload\",\"Actor\":{\"ID\":\"x\",\"Attributes\":{}},\"scope\":\"local\",\"time\":1,\"timeNano\":1000000000}\n")?;
    let (before, after) = host.idle(LISTING)?;
    let listing = after.cpu.saturating_sub(before.cpu);
    let quiet = cpu.as_secs_f64() / time.as_secs_f64() * LISTING.as_secs_f64();
    let listing = listing.as_secs_f64() - quiet;
    println!(
        "  a listing: {} questions, {:.1} ms on a processor; one a minute is {:.2} % of one core",
        host.engine.requests() - asked,
        listing * 1e3,
        listing / 60.0 * 100.0,
    );
    Ok(())
}

/// What the watch complained about.
fn complaints(watch: &Watch) -> Result<()> {
    for line in watch.complaints()? {
        println!("  dockfw watch: {line}");
    }
    Ok(())
}
