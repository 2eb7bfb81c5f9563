//! Many hosts, many packets.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dockfw_ir::verify::verify;
use dockfw_lower::host::Host;
use dockfw_lower::lower;

use super::aim::Aim;
use super::case::{Case, Judge, Judgement};
use super::emit;
use super::generate::Generator;
use super::ledger::Divergence;
use super::packet::{Packet, Verdict};
use super::rng::Rng;
use super::shrink::{fewer, shrink};
use super::user::{self, User};
use super::world::World;

/// Operators' rules have random numbers of their own.
const OPERATORS: u64 = 0x6f70_6572;

/// How much to run.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Same seed, same hosts and packets.
    pub seed: u64,
    /// Packets altogether, at least.
    pub packets: u64,
    /// Packets for each host.
    pub per_host: u64,
    /// In how many of a hundred hosts the operator has rules.
    pub operators: usize,
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Hosts.
    pub hosts: u64,
    /// Packets.
    pub packets: u64,
    /// Lines of operators' rules.
    pub rules: u64,
    /// Packets on hosts with operators' rules.
    pub with_rules: u64,
    /// Packets that those rules decided.
    pub operators: u64,
    /// Networks, containers and publishes that the generator tried.
    pub tried: usize,
    /// Those that dockerd would accept.
    pub kept: usize,
    /// Packets by what our rules made of them.
    pub ends: BTreeMap<&'static str, u64>,
    /// Packets by entry of the ledger.
    pub entries: BTreeMap<Divergence, u64>,
    /// The difference that no entry explains, of the first host that has one.
    pub finding: Option<Finding>,
    /// How long it took.
    pub elapsed: Duration,
    seed: u64,
}

/// A difference, made small.
#[derive(Debug)]
pub struct Finding {
    /// Which host of the run.
    pub index: u64,
    /// The small host.
    pub host: Host,
    /// The operator's rules, few of them.
    pub user: Option<User>,
    /// The small packet.
    pub packet: Packet,
}

/// Makes the hosts of a run and judges their packets, on every core.
///
/// Ends after the first host with a difference that the ledger does not explain.
pub fn run(run: Run) -> Report {
    let started = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let report = Mutex::new(Report {
        seed: run.seed,
        ..Report::default()
    });
    let hosts = run.packets.div_ceil(run.per_host);
    let work = || {
        let mut part = Report::default();
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= hosts {
                break;
            }
            one_host(run, index, &mut part);
            if part.finding.is_some() {
                stop.store(true, Ordering::Relaxed);
            }
        }
        report.lock().unwrap().add(part);
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut report = report.into_inner().unwrap();
    report.elapsed = started.elapsed();
    report
}

fn one_host(run: Run, index: u64, report: &mut Report) {
    let mut generator = Generator::new(Rng::new(run.seed, 2 * index));
    let mut host = generator.host();
    let mut rng = Rng::new(run.seed ^ OPERATORS, index);
    let user = rng
        .chance(run.operators)
        .then(|| user::random(&mut rng, &host, &World::new(&host)));
    if let Some(user) = &user {
        let rules = match user.read() {
            Ok(rules) => rules,
            Err(wrong) => {
                let user = fewer(user.clone(), &|user| user.read().is_err());
                panic!("{wrong}\n{}", user.toml())
            }
        };
        report.rules += u64::try_from(user.ipv4.len() + user.ipv6.len()).unwrap();
        host.user = Some(rules);
    }
    if let Err(wrong) = verify(lower(&host)) {
        let plain = host.clone();
        let is_wrong = |user: &User| {
            user.on(&plain)
                .is_some_and(|of| verify(lower(&of)).is_err())
        };
        let user = user.map(|user| fewer(user, &is_wrong));
        panic!(
            "{wrong}\n{}",
            user.map(|user| user.toml()).unwrap_or_default()
        );
    }
    report.hosts += 1;
    report.tried += generator.tried;
    report.kept += generator.kept;
    let case = Case::new(host);
    let judge = case.judge();
    let mut wrong = None;
    let mut rng = Rng::new(run.seed, 2 * index + 1);
    play(&judge, &mut rng, run.per_host, &mut |packet, judgement| {
        report.packets += 1;
        report.with_rules += u64::from(user.is_some());
        report.operators += u64::from(judge.case.host.user.is_some() && judge.is_operators(packet));
        *report.ends.entry(end(judgement, packet)).or_default() += 1;
        for entry in &judgement.entries {
            *report.entries.entry(*entry).or_default() += 1;
        }
        if !judgement.is_right() {
            wrong = Some(packet.clone());
        }
        wrong.is_none()
    });
    if let Some(packet) = wrong {
        let differs = |host: &Host, packet: &Packet| {
            let case = Case::new(host.clone());
            !case.judge().judge(packet).is_right()
        };
        let still = |user: &User| {
            user.on(&case.host)
                .is_some_and(|host| differs(&host, &packet))
        };
        let user = user.map(|user| fewer(user, &still));
        let host = user.as_ref().and_then(|user| user.on(&case.host));
        let host = host.unwrap_or(case.host.clone());
        let (host, packet) = shrink(&host, &packet, &differs);
        report.finding = Some(Finding {
            index,
            host,
            user,
            packet,
        });
    }
}

/// Sends packets to a host until there are enough, or until `each` says false.
pub fn play(
    judge: &Judge<'_>,
    rng: &mut Rng,
    count: u64,
    each: &mut dyn FnMut(&Packet, &Judgement) -> bool,
) {
    let aim = Aim::new(&judge.case.host, &judge.case.world);
    let mut left = count;
    let mut ask = |packet: &Packet| {
        if left == 0 {
            return None;
        }
        left -= 1;
        let judgement = judge.judge(packet);
        each(packet, &judgement).then_some(judgement)
    };
    loop {
        let mut packet = aim.packet(rng);
        if rng.chance(6) {
            packet = Aim::stray(rng, &packet);
        }
        if !judge.case.world.is_modelled(&packet) {
            continue;
        }
        let Some(judgement) = ask(&packet) else {
            return;
        };
        if rng.chance(40) {
            for later in aim.later(rng, &packet, &judgement.docker) {
                if judge.case.world.is_modelled(&later) && ask(&later).is_none() {
                    return;
                }
            }
        }
    }
}

/// A few words about a packet, to see that the generator reaches every end.
fn end(judgement: &Judgement, packet: &Packet) -> &'static str {
    let ours = &judgement.ours;
    let moved = ours.destination != packet.destination;
    let masked = ours.source != packet.source;
    match (&ours.verdict, moved, masked) {
        (Verdict::Delivered, false, _) => "delivered",
        (Verdict::Delivered, true, _) => "delivered, rewritten",
        (Verdict::Forwarded(_), false, false) => "forwarded",
        (Verdict::Forwarded(_), true, false) => "forwarded, other destination",
        (Verdict::Forwarded(_), false, true) => "forwarded, other source",
        (Verdict::Forwarded(_), true, true) => "forwarded, both rewritten",
        (Verdict::Dropped { prerouting: true }, ..) => "dropped in prerouting",
        (Verdict::Dropped { prerouting: false }, ..) => "dropped later",
        (Verdict::NoRoute, ..) => "no route",
    }
}

impl Report {
    fn add(&mut self, part: Self) {
        self.hosts += part.hosts;
        self.packets += part.packets;
        self.rules += part.rules;
        self.with_rules += part.with_rules;
        self.operators += part.operators;
        self.tried += part.tried;
        self.kept += part.kept;
        for (end, count) in part.ends {
            *self.ends.entry(end).or_default() += count;
        }
        for (entry, count) in part.entries {
            *self.entries.entry(entry).or_default() += count;
        }
        let first = |of: &Option<Finding>| of.as_ref().map_or(u64::MAX, |of| of.index);
        if first(&part.finding) < first(&self.finding) {
            self.finding = part.finding;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            hosts,
            packets,
            tried,
            kept,
            seed,
            ..
        } = self;
        let milliseconds = self.elapsed.as_millis().max(1);
        let rate = u128::from(*packets) * 1000 / milliseconds;
        writeln!(
            f,
            "seed {seed}: {hosts} hosts, {packets} packets in {milliseconds} ms, {rate} packets/s"
        )?;
        let percent = kept * 100 / tried.max(&1);
        writeln!(
            f,
            "  dockerd takes {kept} of {tried} generated parts: {percent} %"
        )?;
        let (lines, with, decided) = (self.rules, self.with_rules, self.operators);
        writeln!(
            f,
            "  {with} packets on hosts with {lines} lines of operators' rules, which decide {decided}"
        )?;
        for (end, count) in &self.ends {
            writeln!(f, "  {count:>8} {end}")?;
        }
        for entry in Divergence::ALL {
            let count = self.entries.get(&entry).copied().unwrap_or_default();
            writeln!(f, "  {count:>8} by entry {} ({entry:?})", entry.number())?;
        }
        if let Some(Finding {
            index,
            host,
            user,
            packet,
        }) = &self.finding
        {
            writeln!(f, "host {index} has a difference that no entry explains:")?;
            f.write_str(&emit::finding(host, user.as_ref(), packet))?;
        }
        Ok(())
    }
}
