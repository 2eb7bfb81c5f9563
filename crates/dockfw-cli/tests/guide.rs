//! Every command of `docs/guide.md`, as it stands there and in its order, on a machine with
//! systemd, the units that are installed, and a dockerd that programs iptables.
//!
//! All the time a remote asks the published port, and sends where nothing may arrive.

#![expect(
    clippy::print_stdout,
    reason = "which dockerd it was, and how long services did not answer, is the result of a run"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use dockfw_testkit::dockerd::leak::Guard;
use dockfw_testkit::lab::Outcome;

#[path = "guide/blocks.rs"]
mod blocks;
#[path = "guide/eyes.rs"]
mod eyes;
#[path = "guide/stock.rs"]
mod stock;

use eyes::{Eyes, Slow};
use stock::{BANNED, OTHER, Stock};

/// How long something may take to be so.
const PATIENCE: Duration = Duration::from_secs(5);

/// The guide's blocks, with what is to be true after each.
#[test]
#[ignore = "needs root, systemd, docker.io and network namespaces: cargo test -- --ignored"]
fn the_guide_leads_there_and_back() -> Result<()> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide.md");
    let blocks = blocks::read(&std::fs::read_to_string(guide)?);
    let host = Stock::new()?;
    println!("{}", host.run("dockerd --version")?.trim());
    host.is_as_docker_makes_it()?;
    let guard = Guard::start(host.lab(), &host.forbidden(), 1000)?;
    let eyes = Eyes::open(host.lab(), &host.forbidden())?;
    let long = Slow::open(host.lab())?;
    let mut done = Vec::new();
    for block in &blocks {
        let name = format!("{}, block {}", block.heading, block.number);
        let slow = Slow::open(host.lab())?;
        let started = Instant::now();
        let said = host.run(&block.text).with_context(|| name.clone())?;
        let took = started.elapsed();
        slow.finish()
            .with_context(|| format!("a connection during {name}\n{said}"))?;
        println!("{name}: {took:?}, {:?}", eyes.silence(&name));
        let step = block.heading.split(['.', ' ']).next().unwrap_or_default();
        check(&host, step, block.number, &said).with_context(|| format!("after {name}\n{said}"))?;
        host.serves(8080)
            .with_context(|| format!("after {name}\n{said}"))?;
        // What the checks have done is not the guide's.
        eyes.forget();
        done.push((step, block.number));
    }
    ensure!(
        done.last() == Some(&("Back", 3)) && done.len() == 15,
        "the guide has other blocks: {done:?}"
    );
    long.finish()
        .context("a connection from the first step to the last")?;
    for (name, silence) in eyes.close()? {
        ensure!(silence.lost == 0, "{name}: {silence:?}");
    }
    let seen = guard.stop()?;
    ensure!(seen.leaks.is_empty(), "leaks: {seen:?}");
    ensure!(
        seen.came > seen.sent / 2 && seen.sent > 0,
        "blind: {seen:?}"
    );
    println!("{seen:?}");
    Ok(())
}

/// What the guide promises after a block.
fn check(host: &Stock, step: &str, number: usize, said: &str) -> Result<()> {
    let saved = host.saved()?;
    let ours = host.ours()?;
    let docker = saved.contains("-j DOCKER\n") && saved.contains("--to-destination");
    match (step, number) {
        ("1", 1) | ("2", 1 | 2) => ensure!(docker && ours.is_empty(), "{saved}"),
        ("1", 2) => {
            ensure!(docker && ours.is_empty(), "{saved}");
            let policy = host.read("/root/seen.toml")?;
            for part in ["\"shop\"", "\"web\"", "\"db\"", "8080"] {
                ensure!(policy.contains(part), "no {part} in\n{policy}");
            }
        }
        ("3", 1) => {
            ensure!(docker && ours.contains("policy drop"), "{saved}\n{ours}");
            let imported = host.read("/root/imported.toml")?;
            ensure!(imported.contains(BANNED), "{imported}");
        }
        ("4", 1) => ensure!(docker && !ours.is_empty(), "{saved}\n{ours}"),
        // The containers that were there, and not others of their name.
        ("4", 2) => {
            ensure!(!ours.is_empty());
            host.containers_are_the_same()?;
        }
        ("5", 1) => {
            host.is_followed()?;
            // Docker's service wants dockfw's, which has not run in this boot.
            host.run("systemctl restart docker; systemctl is-active dockfw.service")?;
            host.run("journalctl --unit dockfw.service | grep KEPT")?;
            host.containers_are_the_same()?;
            host.is_followed()?;
            ensure!(host.ours()? == ours, "other rules: {}", host.ours()?);
        }
        ("6", 1) => {
            // The operator's chain stays; nothing else does.
            for line in saved.lines().filter(|of| of.starts_with("-A")) {
                ensure!(line.contains("DOCKER-USER"), "{line} is left in\n{saved}");
            }
            ensure!(
                saved.contains(BANNED) && !saved.contains("DROP ["),
                "{saved}"
            );
            host.is_followed()?;
            host.has_no_problem()?;
        }
        ("7", 1) => host.serves(8081)?,
        ("7", 2) => {
            ensure!(host.asks(8081)? == Outcome::Refused, "8081 is open");
            host.is_followed()?;
        }
        ("Every", 1) => {
            let started = Instant::now();
            while host.lets_in(OTHER)? {
                ensure!(started.elapsed() < PATIENCE, "{OTHER} gets in");
            }
            host.is_followed()?;
        }
        ("Back", 1) => {
            ensure!(docker && !ours.is_empty(), "{saved}\n{ours}");
            host.containers_are_the_same()?;
        }
        ("Back", 2) => {
            let mut rules = saved.lines().filter(|of| of.starts_with("-A FORWARD"));
            ensure!(rules.next() == Some("-A FORWARD -j DOCKER-USER"), "{saved}");
            ensure!(saved.contains(":FORWARD DROP"), "{saved}");
        }
        ("Back", 3) => {
            ensure!(docker && ours.is_empty(), "{saved}\n{ours}");
            host.run("test -z \"$(systemctl list-unit-files 'dockfw*' --no-legend)\"")?;
            host.run("systemctl restart docker")?;
            host.containers_are_the_same()?;
            ensure!(host.lets_in(OTHER)?, "{OTHER} is still kept out");
        }
        _ => bail!("the guide has a block that nobody looks at; it says\n{said}"),
    }
    ensure!(!host.lets_in(BANNED)?, "{BANNED} gets in\n{saved}\n{ours}");
    Ok(())
}
