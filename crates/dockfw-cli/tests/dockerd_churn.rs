//! Many containers at once, and again and again. A real dockerd without rules, and `dockfw watch`
//! beside it.
//!
//! `DOCKFW_CHURN_CYCLES` and `DOCKFW_CHURN_STORM` make it longer; `docs/conformance.md` records long
//! runs.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; the figures are the result of a run"
)]

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dockfw_testkit::dockerd::DockerHost;
use dockfw_testkit::dockerd::leak::Guard;
use dockfw_testkit::lab::{Outcome, Protocol};

#[path = "dockerd/beside.rs"]
#[expect(dead_code, reason = "each file of tests uses some of it")]
mod beside;

use beside::{PATIENCE, answers, config, direct, host, nft, nothing_leaked, ports, run, watch};

/// How many commits all containers of a burst may take together.
const MOST_COMMITS: u32 = 20;

fn number(variable: &str, otherwise: u16) -> u16 {
    let text = std::env::var(variable).ok();
    text.map_or(otherwise, |text| text.parse().unwrap())
}

/// A burst of containers, as `docker compose up` makes it: all published ports answer, no other
/// does, and there are far fewer commits than containers.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn a_burst_of_containers() -> Result<()> {
    burst(50)
}

/// The same with 200, or as many as `DOCKFW_CHURN_STORM` says; on demand.
#[test]
#[ignore = "needs root, docker.io and minutes; skipped unless DOCKFW_CHURN_STORM is set"]
fn a_storm_of_containers() -> Result<()> {
    match number("DOCKFW_CHURN_STORM", 0) {
        0 => Ok(()),
        count => burst(count),
    }
}

fn burst(count: u16) -> Result<()> {
    let host = host(&config())?;
    let watching = watch(&host, &[])?;
    // The 253rd address of the network would be its last.
    ensure!(count <= 250, "more containers than addresses");
    // Made first and started then, as compose does: the daemon is the only brake.
    let name_of = |n: u16| format!("c{n:03}");
    for n in 0..count {
        let port = 8000 + n;
        let name = name_of(n);
        host.docker(&format!(
            "create --name {name} --network net -p {port}:80 probe"
        ))?;
    }
    host.settle()?;
    let guard = Guard::start(host.lab(), &direct(2..=250), 3000)?;
    let before = host.generation()?;
    let started = Instant::now();
    let all: Vec<u16> = (0..count).collect();
    let lines: Vec<String> = all
        .chunks(usize::from(count.div_ceil(10)))
        .map(|of| {
            let names: Vec<String> = of.iter().map(|n| name_of(*n)).collect();
            format!("start {}", names.join(" "))
        })
        .collect();
    host.docker_at_once(&lines)?;
    let running = started.elapsed();
    for container in host.adopt()? {
        host.lab().listen(&container.name, Protocol::Tcp, 80)?;
        host.lab().listen(&container.name, Protocol::Tcp, 81)?;
    }
    let open: Vec<u16> = (8000..8000 + count).collect();
    loop {
        let wrong = ports(&host, &open, |port, outcome| {
            outcome.is_reached_at(&name_of(port - 8000), 80)
        })?;
        if wrong.is_empty() {
            break;
        }
        ensure!(
            started.elapsed() < running + PATIENCE,
            "{wrong:?}\n{}",
            watching.log()
        );
    }
    let answering = started.elapsed();
    host.settle()?;
    let commits = host.generation()? - before;
    let closed: Vec<u16> = (7900..8000).chain(8000 + count..8100 + count).collect();
    let wrong = ports(&host, &closed, |_, of| *of == Outcome::Refused)?;
    ensure!(wrong.is_empty(), "open: {wrong:?}");
    println!(
        "{count} containers run after {running:?}, and all answer after {answering:?}; {commits} commits \
         for them; {:?}",
        nothing_leaked(guard)?
    );
    ensure!(commits <= MOST_COMMITS, "{commits} commits");
    Ok(())
}

/// Containers come and go, and nothing is left of them: no rule, no element, no memory, no
/// descriptor.
#[test]
#[ignore = "needs root, docker.io and network namespaces: cargo test -- --ignored"]
fn nothing_is_left_of_containers_that_are_gone() -> Result<()> {
    let cycles = number("DOCKFW_CHURN_CYCLES", 30);
    let host = host(&config())?;
    let watching = watch(&host, &[])?;
    run(&host, "stays", "--ip 172.30.1.250 -p 7999:80")?;
    answers(&host, "stays", 7999)?;
    let guard = Guard::start(host.lab(), &direct(2..=20), 1000)?;
    let cycle = |n: u16| -> Result<()> {
        let port = 8000 + n % 500;
        host.docker(&format!(
            "run -d --name c{n} --network net -p {port}:80 -p {port}:53/udp probe"
        ))?;
        host.docker(&format!("rm -f c{n}")).map(drop)
    };
    for n in 0..5 {
        cycle(n)?;
    }
    let before = State::without_others(&host, watching.process())?;
    let started = Instant::now();
    for n in 0..cycles {
        cycle(n)?;
        if n % 100 == 99 {
            println!(
                "{} cycles: {}",
                n + 1,
                State::of(&host, watching.process())?
            );
        }
    }
    let took = started.elapsed();
    let after = State::without_others(&host, watching.process())?;
    println!("{cycles} cycles in {took:?}\nbefore: {before}\nafter:  {after}");
    let (gone, new): (BTreeSet<_>, BTreeSet<_>) = (
        before.objects.difference(&after.objects).collect(),
        after.objects.difference(&before.objects).collect(),
    );
    ensure!(
        gone.is_empty() && new.is_empty(),
        "gone: {gone:?}, new: {new:?}"
    );
    ensure!(
        after.files <= before.files,
        "descriptors: {before}, then {after}"
    );
    // What an allocator keeps does not grow with the number of cycles.
    ensure!(
        after.memory_kib < before.memory_kib + 8192,
        "{before}, then {after}"
    );
    answers(&host, "stays", 7999)?;
    println!("{:?}", nothing_leaked(guard)?);
    Ok(())
}

/// The network, its gateway, and the container that stays.
const KNOWN: [&str; 3] = ["172.30.1.0/24", "172.30.1.1", "172.30.1.250"];

/// What dockfw holds.
struct State {
    /// Lines of the listing, without counters.
    objects: BTreeSet<String>,
    /// Open files.
    files: usize,
    /// Resident memory.
    memory_kib: u64,
}

impl State {
    /// The state once the rules name no container but the one that stays.
    fn without_others(host: &DockerHost, process: i32) -> Result<Self> {
        let started = Instant::now();
        loop {
            let state = Self::of(host, process)?;
            let mut words = state.objects.iter().flat_map(|of| of.split_whitespace());
            let other = words.find(|of| of.starts_with("172.30.1.") && !KNOWN.contains(of));
            let Some(other) = other else {
                return Ok(state);
            };
            ensure!(started.elapsed() < PATIENCE, "{other} is left");
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn of(host: &DockerHost, process: i32) -> Result<Self> {
        let listing = nft(host, &["--stateless", "list", "ruleset"])?;
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|of| of.split_whitespace().next());
        Ok(Self {
            objects: listing.lines().map(str::to_owned).collect(),
            files: fs::read_dir(format!("/proc/{process}/fd"))?.count(),
            memory_kib: memory.context("no VmRSS")?.parse()?,
        })
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            objects,
            files,
            memory_kib,
        } = self;
        let objects = objects.len();
        write!(
            f,
            "{objects} different lines, {files} files, {memory_kib} KiB"
        )
    }
}
