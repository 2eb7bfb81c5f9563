//! Times the way from a policy file's bytes to a checked host: 60,000 published ports.
//!
//! `cargo run --release -p dockfw --example policy-timing [one|many]`

#![expect(
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a tool for measuring"
)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use dockfw::policy::{self, Source};
use dockfw_lower::docker::check::check;
use dockfw_lower::docker::publish::Publish;

/// How often each step is done; the fastest and the median are printed.
const ROUNDS: usize = 15;

fn main() {
    let which = std::env::args().nth(1);
    let wanted = |name| which.as_deref().is_none_or(|which| which == name);
    let ports = || (1..=30_000).flat_map(|port| [(port, "tcp"), (port, "udp")]);
    let mut one = head();
    let _ = writeln!(one, "{}publish = [", container(0));
    for (port, protocol) in ports() {
        let _ = writeln!(one, "  \"{port}:{port}/{protocol}\",");
    }
    one.push_str("]\n");
    let mut many = head();
    for (index, (port, protocol)) in ports().enumerate() {
        let _ = writeln!(
            many,
            "{}publish = [\"{port}:80/{protocol}\"]",
            container(index)
        );
    }
    let strings: Vec<String> = ports()
        .map(|(port, proto)| format!("{port}:{port}/{proto}"))
        .collect();

    time("60,000 -p strings", || {
        strings
            .iter()
            .filter(|s| s.parse::<Publish>().is_ok())
            .count()
    });
    for (name, text) in [("one", &one), ("many", &many)] {
        if !wanted(name) {
            continue;
        }
        let parse = || {
            let source = Source {
                name: "policy.toml".to_owned(),
                bytes: text.clone().into_bytes(),
            };
            policy::parse(vec![source])
                .map_or_else(|errors| panic!("{errors}"), |policy| policy.host)
        };
        let host = parse();
        println!(
            "{name}: {} containers, {} bytes of TOML",
            host.containers.len(),
            text.len()
        );
        time("  parse and check", parse);
        time("  of which the TOML parser", || {
            toml::de::DeTable::parse_recoverable(text).1.len()
        });
        time("  of which check", || check(&host));
    }
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let peak = status.lines().find(|line| line.starts_with("VmHWM"));
        println!("peak {}", peak.unwrap_or("unknown"));
    }
}

fn head() -> String {
    "version = 1\n[[network]]\nname = \"web\"\nbridge = \"br-web\"\n\
     subnets = [\"10.0.0.0/8\", \"2001:db8:1::/64\"]\n"
        .to_owned()
}

fn container(index: usize) -> String {
    let index = index + 2;
    let (high, middle, low) = (index >> 16, index >> 8 & 255, index & 255);
    format!(
        "[[container]]\nname = \"c{index}\"\nnetworks.web = [\"10.{high}.{middle}.{low}\", \
         \"2001:db8:1::{index:x}\"]\n"
    )
}

fn time<T>(what: &str, mut work: impl FnMut() -> T) {
    let mut all: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed()
        })
        .collect();
    all.sort_unstable();
    println!("{what}: least {:?}, median {:?}", all[0], all[ROUNDS / 2]);
}
