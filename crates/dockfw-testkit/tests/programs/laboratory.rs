//! Real hosts' files in laboratories: one under iptables, others under our table, folded and not,
//! and the same packets in all of them. One without any rules tells what the rules decide.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use dockfw_iptables::{Family, Program};
use dockfw_ir::Verified;
use dockfw_lower::optimize::Optimize;
use dockfw_netlink::{Batch, Executor, Expect};
use dockfw_testkit::docker_host::on_host;
use dockfw_testkit::lab::{Lab, Outcome, Probe};

use super::real::{files, folder, read, refusal};
use super::scene::Scene;

/// Files that are in the kernel at a time; they mostly wait.
const AT_ONCE: usize = 4;
/// How many files are compared.
const COMPARED: usize = 40;
/// How many of the files decide about a packet.
const DECIDING: usize = 36;
/// How often packets are sent again that were lost here and not there: a busy machine loses some.
const RETRIES: usize = 3;
/// Runs a program that reads its input to the end.
pub(super) fn feed(program: &str, arguments: &[&str], input: &str) -> Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {program}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let first: Vec<&str> = errors.lines().take(2).collect();
    ensure!(output.status.success(), "{program}: {}", first.join(" "));
    Ok(())
}

/// What came of a packet, without what no two laboratories share: the sender's own port.
fn end(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Reached { node, port, source } => {
            format!(
                "reached {node} port {port} from {}",
                source.ip().to_canonical()
            )
        }
        Outcome::OneWay { node, port, source } => {
            format!(
                "one way to {node} port {port} from {}",
                source.ip().to_canonical()
            )
        }
        other @ (Outcome::Accepted
        | Outcome::Refused
        | Outcome::NoAnswer
        | Outcome::Unreachable(_)) => other.to_string(),
    }
}

/// Sends packets, those of one machine after those of another.
fn ask(lab: &Lab, probes: &[Probe]) -> Result<Vec<Outcome>> {
    let mut all = Vec::new();
    for of_one in probes.chunk_by(|one, other| one.from == other.from) {
        all.extend(lab.probe(of_one)?);
    }
    Ok(all)
}

/// How a file fared.
#[derive(Default)]
struct Found {
    /// Packets by what became of them under iptables.
    ends: BTreeMap<&'static str, usize>,
    packets: usize,
    /// iptables-legacy-restore takes the file too.
    legacy: bool,
    /// Packets that end otherwise without any rules.
    decided: usize,
    /// Packets that were lost on one side at first.
    again: usize,
    wrong: String,
}

fn kind(probe: &Probe, outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Reached { node, port, source } => {
            let at = node
                .split_once('@')
                .and_then(|(_, at)| at.parse::<IpAddr>().ok());
            let moved =
                at.is_some_and(|at| at != probe.to) || (at.is_some() && *port != probe.port);
            let masked = probe
                .source
                .is_some_and(|from| from != source.ip().to_canonical());
            match (moved, masked) {
                (false, false) => "reached",
                (true, false) => "other destination",
                (false, true) => "other source",
                (true, true) => "both rewritten",
            }
        }
        Outcome::OneWay { .. } => "one way",
        Outcome::Accepted => "accepted",
        Outcome::Refused => "refused",
        Outcome::NoAnswer => "nothing",
        Outcome::Unreachable(_) => "unreachable",
    }
}

/// Whether a busy machine may have lost a packet or its answer.
fn is_lost(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::NoAnswer | Outcome::OneWay { .. } | Outcome::Accepted
    )
}

/// Sends packets in all laboratories at once.
fn ask_all(labs: &[Lab], probes: &[Probe]) -> Result<Vec<Vec<Outcome>>> {
    std::thread::scope(|scope| {
        let start = |lab| scope.spawn(move || ask(lab, probes));
        let asked: Vec<_> = labs.iter().map(start).collect();
        asked.into_iter().map(|of| of.join().unwrap()).collect()
    })
}

/// The same packets under iptables and under us.
fn compare(family: Family, text: &str, program: &Program, ours: &[Verified]) -> Result<Found> {
    let scene = Scene::new(program);
    let (theirs_lab, open_lab) = (scene.lab()?, scene.lab()?);
    let [nft, legacy] = match family {
        Family::Ipv4 => ["iptables-nft-restore", "iptables-legacy-restore"],
        Family::Ipv6 => ["ip6tables-nft-restore", "ip6tables-legacy-restore"],
    };
    // Files that refer to chains of other files are loaded with those chains, as they were read.
    let load = |lab: &Lab, restore| {
        on_host(lab, || {
            feed(restore, &[], text).or_else(|_| feed(restore, &[], &program.to_string()))
        })
    };
    load(&theirs_lab, nft)?;
    let mut labs = vec![theirs_lab];
    // The other back end, where it takes the file, is one more that must do the same.
    let legacy_lab = scene.lab()?;
    let is_legacy = load(&legacy_lab, legacy).is_ok();
    labs.extend(is_legacy.then_some(legacy_lab));
    for ruleset in ours {
        let lab = scene.lab()?;
        let commit = || {
            let batch = Batch::replace(ruleset)?;
            Executor::open()?.commit(&batch, Expect::Any)?;
            Ok(())
        };
        on_host(&lab, commit).context("BUG: the kernel does not take our table")?;
        labs.push(lab);
    }
    let mut left = scene.probes();
    let mut found = Found {
        packets: left.len(),
        legacy: is_legacy,
        ..Found::default()
    };
    let open = ask(&open_lab, &left)?;
    for retry in 0..=RETRIES {
        let outcomes = ask_all(&labs, &left)?;
        let (theirs, ours) = outcomes.split_first().unwrap();
        let mut again = Vec::new();
        for (index, (probe, theirs)) in left.iter().zip(theirs).enumerate() {
            if retry == 0 {
                *found.ends.entry(kind(probe, theirs)).or_default() += 1;
                found.decided += usize::from(end(theirs) != end(&open[index]));
            }
            let ours = ours.iter().map(|of| &of[index]);
            let texts: Vec<String> = ours.clone().map(end).collect();
            if texts.iter().all(|of| *of == end(theirs)) {
                continue;
            }
            let Probe {
                from,
                source,
                to,
                protocol,
                port,
                ..
            } = probe;
            let source = source.map_or(String::new(), |of| format!(" ({of})"));
            let theirs_text = end(theirs);
            let line = format!(
                "  {from}{source} to {to} {protocol:?} {port}: iptables-nft: {theirs_text}; \
                 legacy, if there, folded, unfolded: {texts:?}\n"
            );
            // Whatever is not a loss is sure.
            if retry < RETRIES && ours.chain([theirs]).any(is_lost) {
                again.push(probe.clone());
            } else {
                found.wrong += &line;
            }
        }
        if retry == 0 {
            found.again = again.len();
        }
        left = again;
        if left.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// Fragments that Docker or ufw would jump to, with that jump.
fn hooked(text: &str) -> String {
    let tables: Vec<&str> = text.lines().filter(|line| line.starts_with('*')).collect();
    let mut text = text.to_owned();
    if tables != ["*filter"] {
        return text;
    }
    for (chain, hook) in [
        ("DOCKER-USER", "FORWARD"),
        ("ufw-user-input", "INPUT"),
        ("ufw6-user-input", "INPUT"),
        ("ufw-user-limit", "INPUT"),
        ("ufw6-user-limit", "INPUT"),
    ] {
        let leads = ["-j", "-g"].map(|option| format!("{option} {chain}\n"));
        if text.contains(&format!(":{chain} ")) && !leads.iter().any(|jump| text.contains(jump)) {
            text = text.replacen("\nCOMMIT", &format!("\n-A {hook} -j {chain}\nCOMMIT"), 1);
        }
    }
    text
}

/// What is printed about a file; `None` when it cannot be compared.
fn row(family: Family, text: &str) -> (String, Option<Found>) {
    let text = &hooked(text);
    let compiled = read(text, family).and_then(|program| {
        let ours = [Optimize::Full, Optimize::None].map(|how| refusal(&program, how));
        let ours: Result<Vec<_>, String> = ours.into_iter().collect();
        Ok((program, ours?))
    });
    let (program, ours) = match compiled {
        Ok(compiled) => compiled,
        Err(why) => return (format!("skipped: {why}"), None),
    };
    match compare(family, text, &program, &ours) {
        Ok(found) => {
            let Found {
                ends,
                packets,
                decided,
                again,
                ..
            } = &found;
            let row = format!("{packets} packets, {decided} decided, {again} again, {ends:?}");
            (row, Some(found))
        }
        Err(error) => {
            let why = format!("{error:#}");
            let wrong = why.contains("BUG").then(|| Found {
                wrong: format!("  {why}\n"),
                ..Found::default()
            });
            (format!("skipped: {why}"), wrong)
        }
    }
}

/// Every file that compiles and that iptables takes here: what arrives where, what is refused and
/// how, and what is rewritten, is the same under iptables and under us.
#[test]
#[ignore = "needs root, iptables and network namespaces: cargo test -- --ignored"]
fn the_kernel_does_with_our_table_what_it_does_with_theirs() {
    let Some(folder) = folder() else { return };
    let started = Instant::now();
    let only = std::env::var("DOCKFW_SCENARIO").ok();
    let mut all = files(&folder);
    all.retain(|(name, ..)| {
        only.as_ref()
            .is_none_or(|wanted| name.contains(wanted.as_str()))
    });
    let rows = Mutex::new(BTreeMap::new());
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((name, family, text)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let row = row(*family, text);
            rows.lock().unwrap().insert(name, row);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    let (mut compared, mut legacy, mut deciding, mut packets, mut decided) = (0, 0, 0, 0, 0);
    let mut wrong = String::new();
    for (name, (row, found)) in rows.into_inner().unwrap() {
        println!("{name}: {row}");
        let Some(found) = found else { continue };
        compared += 1;
        legacy += usize::from(found.legacy);
        deciding += usize::from(found.decided > 0);
        packets += found.packets;
        decided += found.decided;
        if !found.wrong.is_empty() {
            wrong += &format!("{name}:\n{}", found.wrong);
        }
    }
    println!(
        "{compared} files, {legacy} under iptables-legacy too, {deciding} of which decide; {packets} packets under each, {decided} of \
         which the rules decide; {:?}",
        started.elapsed()
    );
    assert!(wrong.is_empty(), "{wrong}");
    assert!(compared >= COMPARED || only.is_some(), "{compared}");
    assert!(legacy >= COMPARED || only.is_some(), "{legacy}");
    assert!(deciding >= DECIDING || only.is_some(), "{deciding}");
}
