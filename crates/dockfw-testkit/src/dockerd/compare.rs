//! A scenario with dockerd's own rules and with dockfw's, and what differs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::scenario::{Divergence, Row, Scenario, Step, Verdict, port};
use super::watch::Watch;
use super::{Config, DockerHost, REMOTE, uplink_addresses};
use crate::lab::{Forged, HOST, Outcome, Probe};

/// Who makes the rules.
#[derive(Debug, Clone, Copy)]
pub enum Side<'p> {
    /// dockerd, with iptables.
    Reference,
    /// `dockfw watch`: the program.
    Dockfw(&'p Path),
    /// Nobody, so that a test can see that rules matter.
    Nobody,
}

/// What came of one packet.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its row.
    pub row: Row,
    /// Who sent what to whom.
    pub label: String,
    /// What came of it.
    pub outcome: Outcome,
}

impl Scenario {
    /// Does everything on one side.
    ///
    /// # Errors
    ///
    /// When docker or dockfw fails, or a name in the scenario is wrong.
    pub fn run(&self, side: Side<'_>) -> Result<Vec<Answer>> {
        self.try_run(side)
            .with_context(|| format!("{} with {side:?}", self.name))
    }

    fn try_run(&self, side: Side<'_>) -> Result<Vec<Answer>> {
        let mut config = match side {
            Side::Reference => Config::reference(),
            Side::Dockfw(_) | Side::Nobody => Config::without_rules(),
        };
        config.addresses.clone_from(&self.addresses);
        config.daemon.extend(self.daemon.clone());
        if matches!(side, Side::Reference) {
            config.daemon.extend(self.reference.clone());
        }
        let host = DockerHost::start(&config)?;
        let policy = host.folder().join("policy.toml");
        let mut more = Vec::new();
        if let Some(text) = &self.policy {
            fs::write(&policy, text)?;
            more.push(policy.to_str().context("a path")?);
        }
        let start = || match side {
            Side::Dockfw(program) => Watch::start(&host, program, &more).map(Some),
            Side::Reference | Side::Nobody => Ok(None),
        };
        let mut watch = start()?;
        let mut answers = Vec::new();
        for step in &self.steps {
            for command in &step.commands {
                host.docker(command)?;
            }
            if step.restart {
                drop(watch.take());
                watch = start()?;
            }
            answers.extend(self.step(&host, step, watch.is_some())?);
        }
        Ok(answers)
    }

    /// Sends the packets of a step, whose commands are done.
    fn step(&self, host: &DockerHost, step: &Step, settles: bool) -> Result<Vec<Answer>> {
        let containers = host.adopt()?;
        for (node, lines) in &step.shell {
            for line in lines {
                let run = || Command::new("sh").args(["-ec", line]).status();
                let status = host.lab().run_in(node, run)??;
                ensure!(status.success(), "{line} in {node}: {status}");
            }
        }
        // Adopted anew, containers have no servers: those of all steps so far are started again.
        let servers = self.steps.iter().take_while(|of| !std::ptr::eq(*of, step));
        let servers = servers.chain([step]).flat_map(|of| &of.listen);
        let of_now = |node: &str| step.listen.contains_key(node) && [HOST, REMOTE].contains(&node);
        for (node, ports) in servers {
            if !of_now(node) && !containers.iter().any(|of| of.name == *node) {
                continue;
            }
            for text in ports {
                let (protocol, number) = port(text)?;
                host.lab().listen(node, protocol, number)?;
            }
        }
        if settles {
            host.settle()?;
        }
        let mut rows = Vec::new();
        let mut probes = Vec::new();
        let mut answers = Vec::new();
        for row in &step.rows {
            for (label, probe) in row.probes(&containers)? {
                if let Some(at) = &row.forged {
                    let outcome = forge(host, &probe, at)?;
                    let row = row.clone();
                    answers.push(Answer {
                        row,
                        label,
                        outcome,
                    });
                } else {
                    rows.push((row, label));
                    probes.push(probe);
                }
            }
        }
        let outcomes = twice(host, &probes)?;
        let rest = rows.into_iter().zip(outcomes);
        answers.extend(rest.map(|((row, label), outcome)| Answer {
            row: row.clone(),
            label,
            outcome,
        }));
        Ok(answers)
    }
}

/// Sends a frame by hand; it has no answer, so it goes one way or is dropped.
fn forge(host: &DockerHost, probe: &Probe, at: &str) -> Result<Outcome> {
    let source = uplink_addresses(REMOTE).first().copied();
    let source = source.context("the remote has no address")?;
    let payload = format!("forged for {at}:{}", probe.port);
    let packet = Forged::new(
        SocketAddr::new(source, 40_000),
        SocketAddr::new(probe.to, probe.port),
        &payload,
    );
    host.lab().send_forged(&packet)?;
    let received = host.lab().received(at, &payload).into_iter().next();
    Ok(received.map_or(Outcome::NoAnswer, |of| Outcome::OneWay {
        node: of.node,
        port: of.port,
        source: of.source,
    }))
}

/// Sends probes, and those that nothing came of once more: a busy machine loses packets too, and
/// what gets through at times gets through.
fn twice(host: &DockerHost, probes: &[Probe]) -> Result<Vec<Outcome>> {
    let mut outcomes = host.lab().probe(probes)?;
    let silent = |outcome: &Outcome| !outcome.is_reached();
    let again: Vec<Probe> = probes
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| silent(outcome))
        .map(|(probe, _)| probe.clone())
        .collect();
    let slots = outcomes.iter_mut().filter(|of| silent(of));
    for (slot, outcome) in slots.zip(host.lab().probe(&again)?) {
        *slot = outcome;
    }
    Ok(outcomes)
}

/// A line for each packet, and what is wrong.
#[derive(Debug, Default)]
pub struct Comparison {
    /// One line for each packet.
    pub lines: Vec<String>,
    /// Those that are not as they should be.
    pub wrong: Vec<String>,
    /// How many differ with an entry that says so.
    pub divergent: usize,
}

impl Comparison {
    /// Holds one side's answers against the other's; `entries` are those of [`entries`].
    pub fn of(reference: &[Answer], dockfw: &[Answer], entries: &BTreeMap<String, String>) -> Self {
        let mut all = Self::default();
        if reference.len() != dockfw.len() {
            all.wrong
                .push("the sides sent different packets".to_owned());
        }
        for (reference, dockfw) in reference.iter().zip(dockfw) {
            all.add(reference, dockfw, entries);
        }
        all
    }

    fn add(&mut self, reference: &Answer, dockfw: &Answer, entries: &BTreeMap<String, String>) {
        let row = &dockfw.row;
        let (theirs, ours) = (said(&reference.outcome), said(&dockfw.outcome));
        let mut line = format!("{:5} {:48}", row.id, dockfw.label);
        // Writing to a string does not fail.
        let _ = write!(line, " reference {theirs:38} dockfw {ours:38} ");
        let mut is_wrong = reference.label != dockfw.label;
        let entry = row.divergence.as_ref().map(Divergence::entry);
        match (entry, theirs == ours) {
            (None, true) => line.push_str("equal"),
            (None, false) => {
                is_wrong = true;
                line.push_str("DIFFERENT");
            }
            (Some(number), false) => {
                self.divergent += 1;
                if let Some(title) = entries.get(number) {
                    let _ = write!(line, "entry {number}: {title}");
                } else {
                    is_wrong = true;
                    let _ = write!(line, "entry {number}, WHICH IS NOT THERE");
                }
            }
            (Some(number), true) => {
                is_wrong = true;
                let _ = write!(line, "equal, BUT ENTRY {number} SAYS OTHERWISE");
            }
        }
        let expected = row
            .expected()
            .is_none_or(|of| of == Verdict::of(&dockfw.outcome));
        if !expected {
            is_wrong = true;
            let _ = write!(line, ", EXPECTED {:?}", row.expected());
        }
        if is_wrong {
            self.wrong.push(line.clone());
        }
        self.lines.push(line);
    }
}

/// An outcome as it is printed and compared: with who got it, and the source that it saw.
fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Reached {
            node,
            port: 0,
            source,
        } => format!("REACH {node} from {}", source.ip()),
        Outcome::Reached { node, port, source } => {
            format!("REACH {node}:{port} from {}", source.ip())
        }
        Outcome::OneWay { node, source, .. } => format!("ONE WAY to {node} from {}", source.ip()),
        Outcome::Accepted => "TAKEN BY NOBODY".to_owned(),
        Outcome::Refused => "REFUSED".to_owned(),
        Outcome::NoAnswer => "DROP".to_owned(),
        Outcome::Unreachable(errno) => format!("UNREACH {errno:?}"),
    }
}

/// The entries of `docs/divergences.md`: what Docker does, by number.
///
/// # Errors
///
/// When the file cannot be read.
pub fn entries() -> Result<BTreeMap<String, String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/divergences.md");
    let text = fs::read_to_string(path)?;
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (number, docker) = (cells.next()?, cells.next()?);
        // Tables of tests have two columns.
        cells.next()?;
        let title = docker.split(['.', ';']).next().unwrap_or_default();
        Some((number.to_owned(), title.to_owned()))
    });
    Ok(rows.collect())
}
