//! Loads the same host with `dockfw commit` and with the restore tools, in fresh namespaces.
//!
//! Every arm is a whole process: from its start, with the input in a file on disk, to its exit.
//! Arms are interleaved, so that a slow moment of the machine hits all of them. Each run has a
//! network namespace of its own. The budgets are those the project has set itself.
//!
//! Needs root, `iptables-legacy-restore`, `iptables-nft-restore` and `nft`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the result of the program")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Parser;
use dockfw_benches::{host, policy_text};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;
use wait4::Wait4 as _;

/// Compares `dockfw commit` with iptables-restore (legacy and nft) and `nft -f`.
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
    /// Fails when a budget is missed
    #[arg(long)]
    strict: bool,
    /// Only writes the inputs for the first number of ports into this folder
    #[arg(long, hide = true)]
    prepare: Option<PathBuf>,
}

/// A way to load the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arm {
    Dockfw,
    DockfwReplace,
    DockfwUnchanged,
    Legacy,
    LegacyReplace,
    IptablesNft,
    Nft,
}

impl Arm {
    const ALL: [Self; 7] = [
        Self::Dockfw,
        Self::Legacy,
        Self::IptablesNft,
        Self::Nft,
        Self::DockfwReplace,
        Self::LegacyReplace,
        Self::DockfwUnchanged,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Dockfw => "dockfw commit",
            Self::DockfwReplace => "dockfw commit, replacing",
            Self::DockfwUnchanged => "dockfw commit, unchanged",
            Self::Legacy => "iptables-legacy-restore",
            Self::LegacyReplace => "iptables-legacy-restore, replacing",
            Self::IptablesNft => "iptables-nft-restore",
            Self::Nft => "nft -f of our text",
        }
    }

    const fn replaces(self) -> bool {
        matches!(
            self,
            Self::DockfwReplace | Self::DockfwUnchanged | Self::LegacyReplace
        )
    }

    fn command(self, inputs: &Inputs) -> Command {
        let mut command = match self {
            Self::Dockfw | Self::DockfwReplace | Self::DockfwUnchanged => {
                let mut command = Command::new(&inputs.dockfw);
                command.arg("commit").arg(&inputs.policy);
                if self == Self::DockfwReplace {
                    command.arg("--replace");
                }
                command
            }
            Self::Legacy | Self::LegacyReplace => {
                let mut command = Command::new("iptables-legacy-restore");
                command.arg(&inputs.iptables);
                command
            }
            Self::IptablesNft => {
                let mut command = Command::new("iptables-nft-restore");
                command.arg(&inputs.iptables);
                command
            }
            Self::Nft => {
                let mut command = Command::new("nft");
                command.arg("-f").arg(&inputs.nft);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

/// The same host in the three languages, and our binary.
struct Inputs {
    ports: usize,
    userland_proxy: bool,
    dockfw: PathBuf,
    policy: PathBuf,
    iptables: PathBuf,
    nft: PathBuf,
}

impl Inputs {
    fn new(folder: &Path, ports: usize, userland_proxy: bool) -> Result<Self> {
        let this = std::env::current_exe()?;
        let binaries = this.parent().context("the folder of this program")?;
        Ok(Self {
            ports,
            userland_proxy,
            dockfw: binaries.with_file_name("release").join("dockfw"),
            policy: folder.join("policy.toml"),
            iptables: folder.join("docker.rules"),
            nft: folder.join("dockfw.nft"),
        })
    }

    /// Writes the inputs in a process of its own: memory that this one had before it starts a
    /// tool would count as the tool's.
    fn prepare(&self, folder: &Path) -> Result<()> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("--prepare")
            .arg(folder)
            .arg("--ports")
            .arg(self.ports.to_string());
        if self.userland_proxy {
            command.arg("--userland-proxy");
        }
        ensure!(
            command.status()?.success(),
            "the inputs could not be written"
        );
        Ok(())
    }

    fn write(&self) -> Result<()> {
        fs::write(&self.policy, policy_text(self.ports, self.userland_proxy))?;
        let host = host(self.ports, self.userland_proxy)?;
        let rules = dockfw_lower::reference::reference(&host).ipv4.to_string();
        fs::write(&self.iptables, rules)?;
        let text = Command::new(&self.dockfw)
            .arg("compile")
            .arg(&self.policy)
            .output()?;
        ensure!(text.status.success(), "dockfw compile failed");
        fs::write(&self.nft, text.stdout)?;
        Ok(())
    }
}

/// One run.
#[derive(Debug, Clone, Copy)]
struct Sample {
    wall: Duration,
    /// Peak resident memory in bytes.
    memory: u64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let (Some(folder), Some(&ports)) = (&args.prepare, args.ports.first()) {
        return Inputs::new(folder, ports, args.userland_proxy)?.write();
    }
    ensure!(
        nix::unistd::geteuid().is_root(),
        "needs root: it makes network namespaces"
    );
    let folder = std::env::temp_dir().join(format!("dockfw-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let result = compare(&args, &folder);
    fs::remove_dir_all(&folder)?;
    let missed = result?;
    ensure!(!args.strict || missed == 0, "{missed} budgets missed");
    Ok(())
}

fn compare(args: &Args, folder: &Path) -> Result<usize> {
    build()?;
    println!(
        "userland-proxy = {}, {} runs of each arm, medians",
        args.userland_proxy, args.runs
    );
    let mut missed = 0;
    for &ports in &args.ports {
        let inputs = Inputs::new(folder, ports, args.userland_proxy)?;
        inputs.prepare(folder)?;
        let mut samples = vec![Vec::new(); Arm::ALL.len()];
        for _ in 0..args.runs {
            for (arm, samples) in Arm::ALL.iter().zip(&mut samples) {
                samples.push(run(*arm, &inputs)?);
            }
        }
        missed += report(ports, &samples)?;
        missed += shares(ports, &inputs, args.runs)?;
    }
    Ok(missed)
}

/// Builds the binary that is measured, beside this one.
fn build() -> Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "-p", "dockfw"])
        .status()?;
    ensure!(status.success(), "the build of dockfw failed");
    Ok(())
}

/// Runs an arm in a network namespace of its own.
fn run(arm: Arm, inputs: &Inputs) -> Result<Sample> {
    let worker = || -> Result<Sample> {
        // Only this thread moves; what it starts follows it.
        unshare(CloneFlags::CLONE_NEWNET).context("no network namespace")?;
        if arm.replaces() {
            timed(arm, inputs)?;
            // Let the kernel finish with what the first load left behind.
            thread::sleep(Duration::from_millis(60));
        }
        timed(arm, inputs)
    };
    thread::scope(|scope| scope.spawn(worker).join()).map_err(|_panic| anyhow!("a run panicked"))?
}

fn timed(arm: Arm, inputs: &Inputs) -> Result<Sample> {
    let mut command = arm.command(inputs);
    let started = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("{} is not installed", arm.label()))?;
    let ended = child.wait4()?;
    let wall = started.elapsed();
    ensure!(ended.status.success(), "{} failed", arm.label());
    Ok(Sample {
        wall,
        memory: ended.rusage.maxrss,
    })
}

fn median<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Result<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().context("no runs")
}

/// Prints medians and ratios; returns how many budgets were missed.
fn report(ports: usize, samples: &[Vec<Sample>]) -> Result<usize> {
    println!("\n{ports} published ports");
    let mut walls = Vec::new();
    for (arm, samples) in Arm::ALL.iter().zip(samples) {
        let wall = median(samples.iter().map(|sample| sample.wall))?;
        let least = samples
            .iter()
            .map(|sample| sample.wall)
            .min()
            .context("no runs")?;
        let memory = median(samples.iter().map(|sample| sample.memory))?;
        println!(
            "  {:<36} {:>9.1} ms  (least {:>8.1})  {:>7.1} MiB",
            arm.label(),
            wall.as_secs_f64() * 1e3,
            least.as_secs_f64() * 1e3,
            mebibytes(memory),
        );
        walls.push((*arm, wall, memory));
    }
    let of = |arm: Arm| {
        walls
            .iter()
            .find(|(one, ..)| *one == arm)
            .map(|(_, wall, memory)| (*wall, *memory))
    };
    let mut missed = 0;
    let budgets = [
        (Arm::Dockfw, Arm::Legacy, 0.33, 10_000),
        (Arm::Dockfw, Arm::IptablesNft, 0.05, 10_000),
        (Arm::Dockfw, Arm::Nft, 0.30, 10_000),
        (Arm::DockfwReplace, Arm::LegacyReplace, 0.33, 10_000),
    ];
    for (ours, theirs, budget, from) in budgets {
        let ((our_wall, _), (their_wall, _)) =
            of(ours).zip(of(theirs)).context("an arm is missing")?;
        let ratio = our_wall.as_secs_f64() / their_wall.as_secs_f64();
        let verdict = if ports < from {
            "no budget at this size"
        } else if ratio <= budget {
            "kept"
        } else {
            missed += 1;
            "MISSED"
        };
        println!(
            "  {} / {}: {ratio:.3} (budget {budget:.2}: {verdict})",
            ours.label(),
            theirs.label()
        );
    }
    let (_, memory) = of(Arm::Dockfw).context("an arm is missing")?;
    let kept = memory <= 40 << 20;
    missed += usize::from(!kept);
    let verdict = if kept { "kept" } else { "MISSED" };
    println!(
        "  peak memory {:.1} MiB (budget 40 MiB: {verdict})",
        mebibytes(memory)
    );
    Ok(missed)
}

/// How a commit's time is shared between user space and the kernel's `send`, as dockfw says.
fn shares(ports: usize, inputs: &Inputs, runs: usize) -> Result<usize> {
    let mut samples = Vec::new();
    for _ in 0..runs {
        let worker = || -> Result<(f64, f64)> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let mut command = Command::new(&inputs.dockfw);
            let output = command
                .args(["commit", "--json"])
                .arg(&inputs.policy)
                .output()?;
            let outcome: Value = serde_json::from_slice(&output.stdout)?;
            let of = |key: &str| outcome.get(key).and_then(Value::as_f64).context("no time");
            Ok((of("user_ms")?, of("kernel_ms")?))
        };
        let sample = thread::scope(|scope| scope.spawn(worker).join());
        samples.push(sample.map_err(|_panic| anyhow!("a run panicked"))??);
    }
    samples.sort_by(|a, b| (a.0 + a.1).total_cmp(&(b.0 + b.1)));
    let (user, kernel) = samples.get(runs / 2).copied().context("no runs")?;
    let share = user / (user + kernel);
    let budget = match ports {
        10_000 => Some(0.50),
        60_000 => Some(0.35),
        _ => None,
    };
    let verdict = match budget {
        None => "no budget at this size".to_owned(),
        Some(budget) if share <= budget => format!("budget {budget:.2}: kept"),
        Some(budget) => format!("budget {budget:.2}: MISSED"),
    };
    println!("  user space {user:.1} ms, kernel {kernel:.1} ms: share {share:.2} ({verdict})");
    Ok(usize::from(budget.is_some_and(|budget| share > budget)))
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "for printing"
)]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
