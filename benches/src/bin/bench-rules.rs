//! Measures many rules of the shape "from these addresses to this published port" in DOCKER-USER:
//! how long a new connection takes through the last of them, and how long their dump takes to
//! compile.
//!
//! Latency: as in `bench-connect`, a remote machine connects to a published port again and again;
//! the rule that lets it in is the last one, and behind it is a drop. Each ruleset at each size has
//! a laboratory of its own, and they take turns.
//!
//! Compiling: whole processes with the dump in a file on disk, `dockfw compile` against
//! `iptables-nft-restore --test` and `iptables-legacy-restore --test`, interleaved.
//!
//! Needs root, `ip`, `iptables-legacy-restore` and `iptables-nft-restore`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the result of the program")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use dockfw_benches::connect::{Arm, Place};
use dockfw_benches::host;
use dockfw_lower::host::Host;
use dockfw_lower::optimize::Optimize;
use dockfw_lower::reference::reference;
use dockfw_lower::rules::{UserRules, UserText};

/// How much longer a connection may take than with one rule.
const LATENCY_BUDGET: f64 = 1.25;
/// At least so many rules have budgets.
const BUDGET_FROM: usize = 10_000;
/// Connections at the beginning of each turn that do not count.
const WARM_UP: usize = 30;

/// Measures many DOCKER-USER rules that differ in values only.
#[derive(Debug, Parser)]
struct Args {
    /// Numbers of rules; one rule is always among them
    #[arg(long, value_delimiter = ',', default_value = "1,1000,10000")]
    rules: Vec<usize>,
    /// Connections of each ruleset at each size
    #[arg(long, default_value_t = 3_000)]
    connections: usize,
    /// Turns in which they are made
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// The most seconds for each ruleset at each size; fewer connections if they do not suffice
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Runs of each program that reads the dump; the median counts
    #[arg(long, default_value_t = 7)]
    runs: usize,
    /// Fails when a budget is missed
    #[arg(long)]
    strict: bool,
}

/// A way to have the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rules {
    Folded,
    Plain,
    Legacy,
    IptablesNft,
}

impl Rules {
    const ALL: [Self; 4] = [Self::Folded, Self::Plain, Self::Legacy, Self::IptablesNft];

    const fn label(self) -> &'static str {
        match self {
            Self::Folded => "dockfw",
            Self::Plain => "dockfw --optimize none",
            Self::Legacy => "iptables-legacy",
            Self::IptablesNft => "iptables-nft",
        }
    }

    const fn arm(self) -> Arm {
        match self {
            Self::Folded | Self::Plain => Arm::Dockfw,
            Self::Legacy => Arm::Legacy,
            Self::IptablesNft => Arm::IptablesNft,
        }
    }

    const fn optimize(self) -> Optimize {
        match self {
            Self::Plain => Optimize::None,
            Self::Folded | Self::Legacy | Self::IptablesNft => Optimize::Full,
        }
    }
}

/// The rules as an operator writes them: who may reach which published port, and a drop behind.
///
/// The remote machine of the laboratory, 192.0.2.2, is let in by the last one.
fn rules(number: usize) -> String {
    let mut text =
        String::from("-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n");
    let allow = |text: &mut String, from: &str, port: usize| {
        let _ = writeln!(
            text,
            "-A DOCKER-USER -s {from} -p tcp -m conntrack --ctorigdst 192.0.2.1 --ctorigdstport \
             {port} --ctdir ORIGINAL -j ACCEPT"
        );
    };
    for index in 0..number.saturating_sub(1) {
        let from = format!("10.{}.{}.0/24", index / 250, index % 250);
        allow(&mut text, &from, 3_000 + index % 50_000);
    }
    allow(&mut text, "192.0.2.0/28", 2_000);
    text.push_str("-A DOCKER-USER -p tcp -m conntrack --ctstate NEW --ctdir ORIGINAL -j DROP\n");
    text
}

/// A host with one published port, 2000, and these rules.
fn host_with(number: usize, optimize: Optimize) -> Result<Host> {
    let text = rules(number);
    let (user, problems) = UserRules::read(
        UserText {
            ipv4: Some(&text),
            ipv6: None,
        },
        optimize,
    );
    let user = user.with_context(|| format!("the benchmark's own rules: {problems:?}"))?;
    Ok(Host {
        user: Some(user),
        ..host(1, true)?
    })
}

fn main() -> Result<()> {
    let mut args = Args::parse();
    args.rules.push(1);
    args.rules.sort_unstable();
    args.rules.dedup();
    ensure!(
        args.rules
            .iter()
            .all(|number| (1..=60_000).contains(number)),
        "1 to 60,000 rules"
    );
    ensure!(
        args.rounds > 0 && args.connections >= args.rounds && args.runs > 0,
        "nothing to do"
    );
    ensure!(
        nix::unistd::geteuid().is_root(),
        "needs root: it makes network namespaces"
    );
    let missed = latency(&args)? + compile(&args)?;
    ensure!(!args.strict || missed == 0, "{missed} budgets missed");
    Ok(())
}

/// One way at one size.
struct Cell {
    rules: Rules,
    number: usize,
    place: Place,
    times: Vec<Duration>,
}

fn latency(args: &Args) -> Result<usize> {
    let mut cells = Vec::new();
    for &number in &args.rules {
        for rules in Rules::ALL {
            cells.push(Cell {
                rules,
                number,
                place: Place::new(rules.arm(), &host_with(number, rules.optimize())?)?,
                times: Vec::new(),
            });
        }
    }
    let rounds = u32::try_from(args.rounds)?;
    let time = Duration::from_secs_f64(args.seconds) / rounds;
    for _ in 0..rounds {
        for cell in &mut cells {
            let count = args.connections / args.rounds;
            cell.times.extend(cell.place.connect(WARM_UP, count, time)?);
        }
        cells.rotate_left(1);
    }
    println!("connect() through the last of so many DOCKER-USER rules, p50");
    let mut medians = Vec::new();
    for cell in &mut cells {
        medians.push((cell.rules, cell.number, median(&mut cell.times)?));
    }
    let of = |rules, number| {
        let found = medians.iter().find(|(a, b, _)| (*a, *b) == (rules, number));
        found
            .map(|(_, _, time)| time.as_secs_f64())
            .context("a cell is missing")
    };
    let mut missed = 0;
    for rules in Rules::ALL {
        println!("\n{}", rules.label());
        for &number in &args.rules {
            let (here, one) = (of(rules, number)?, of(rules, 1)?);
            let verdict = if rules == Rules::Folded && number >= BUDGET_FROM {
                judge(here / one, LATENCY_BUDGET, &mut missed)
            } else {
                String::new()
            };
            println!(
                "  rules {number:>6}: {:>8.1} µs, / one rule {:>7.2}{verdict}",
                here * 1e6,
                here / one
            );
        }
    }
    println!();
    for &number in &args.rules {
        for rules in [Rules::Plain, Rules::Legacy, Rules::IptablesNft] {
            let ratio = of(Rules::Folded, number)? / of(rules, number)?;
            println!("rules {number:>6}: dockfw / {}: {ratio:.3}", rules.label());
        }
    }
    Ok(missed)
}

fn judge(ratio: f64, budget: f64, missed: &mut usize) -> String {
    if ratio <= budget {
        format!("  (budget {budget:.2}: kept)")
    } else {
        *missed += 1;
        format!("  (budget {budget:.2}: MISSED)")
    }
}

fn median(times: &mut [Duration]) -> Result<Duration> {
    times.sort_unstable();
    times
        .get(times.len() / 2)
        .copied()
        .context("no measurement")
}

/// A program that reads the dump and changes nothing.
const READERS: [(&str, &[&str]); 3] = [
    ("dockfw", &["compile"]),
    ("iptables-nft-restore", &["--test"]),
    ("iptables-legacy-restore", &["--test"]),
];

fn compile(args: &Args) -> Result<usize> {
    let folder = std::env::temp_dir().join(format!("dockfw-bench-rules-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let result = compile_in(args, &folder);
    fs::remove_dir_all(&folder)?;
    result
}

fn compile_in(args: &Args, folder: &Path) -> Result<usize> {
    let this = std::env::current_exe()?;
    let binaries = this.parent().context("the folder of this program")?;
    let dockfw = binaries.with_file_name("release").join("dockfw");
    ensure!(
        dockfw.exists(),
        "build the tool first: cargo build --release"
    );
    let mut missed = 0;
    println!("\nreading a dump of Docker's rules and so many DOCKER-USER rules, whole process");
    for &number in &args.rules {
        let dump = folder.join(format!("{number}.v4"));
        fs::write(
            &dump,
            reference(&host_with(number, Optimize::None)?)
                .ipv4
                .to_string(),
        )?;
        let mut times: [Vec<Duration>; 3] = Default::default();
        for _ in 0..args.runs {
            for (times, (program, arguments)) in times.iter_mut().zip(READERS) {
                let program = if program == "dockfw" {
                    dockfw.clone()
                } else {
                    PathBuf::from(program)
                };
                times.push(read(&program, arguments, &dump)?);
            }
        }
        let [ours, nft, legacy] = &mut times;
        let [ours, nft, legacy] =
            [median(ours)?, median(nft)?, median(legacy)?].map(|t| t.as_secs_f64());
        println!(
            "  rules {number:>6}: dockfw compile {:>7.1} ms, iptables-nft-restore --test {:>7.1} ms, \
             iptables-legacy-restore --test {:>7.1} ms",
            ours * 1e3,
            nft * 1e3,
            legacy * 1e3
        );
        let verdict = if number >= BUDGET_FROM {
            judge(ours / nft, 1.0, &mut missed)
        } else {
            String::new()
        };
        println!(
            "  rules {number:>6}: dockfw compile / iptables-nft-restore --test: {:.3}{verdict}",
            ours / nft
        );
    }
    Ok(missed)
}

/// Runs a reader in a namespace of its own, where it sees no rules of the host.
fn read(program: &Path, arguments: &[&str], dump: &Path) -> Result<Duration> {
    let started = Instant::now();
    let status = Command::new("unshare")
        .arg("--net")
        .arg(program)
        .args(arguments)
        .arg(dump)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("{} is not installed", program.display()))?;
    ensure!(status.success(), "{} failed", program.display());
    Ok(started.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_fold_into_one_set() {
        let folded = host_with(100, Optimize::Full).unwrap();
        let table = dockfw_lower::lower(&folded).tables.remove(0);
        let chain = table
            .chains
            .iter()
            .find(|chain| chain.name.as_str() == "DOCKER-USER4")
            .unwrap();
        assert_eq!(chain.rules.len(), 3);
    }
}
