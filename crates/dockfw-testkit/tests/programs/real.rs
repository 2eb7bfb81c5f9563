//! Files of real hosts.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use dockfw_iptables::parse::{Assume, load};
use dockfw_iptables::{Family, Program, TableName};
use dockfw_ir::print;
use dockfw_lower::optimize::Optimize;
use dockfw_lower::rules::{UserRules, UserText};
use dockfw_netlink::{Batch, Executor, Expect};
use dockfw_testkit::docker_host::on_host;
use dockfw_testkit::equivalence::Rng;
use dockfw_testkit::equivalence::emit;
use dockfw_testkit::equivalence::whole::{Failure, compare, compile};
use dockfw_testkit::lab::Lab;

/// How many files are compiled; the others are refused with a rule and a reason.
const COMPILED: usize = 47;

pub(super) fn folder() -> Option<PathBuf> {
    let root = match std::env::var("DOCKFW_CORPUS") {
        Ok(root) => PathBuf::from(root),
        Err(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
    };
    let folder = root.join("realworld");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

/// Name, family and text of every dump.
pub(super) fn files(folder: &Path) -> Vec<(String, Family, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let family = match path.extension().and_then(|name| name.to_str()) {
            Some("rules") => Family::Ipv4,
            Some("rules6") => Family::Ipv6,
            _ => continue,
        };
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        all.push((name, family, std::fs::read_to_string(&path).unwrap()));
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

fn assume() -> Assume {
    let chains = ["DOCKER-USER", "ufw-user-forward", "ufw6-user-forward"];
    let assume = Assume::default();
    chains
        .iter()
        .fold(assume, |assume, name| assume.chain(name).unwrap())
}

/// Reads a dump, or says why not.
pub(super) fn read(text: &str, family: Family) -> Result<Program, String> {
    match load(text, family, &assume()) {
        Ok(loaded) => Ok(loaded.program),
        Err(errors) => {
            let first = errors.first().unwrap();
            let line = first.span.line(text);
            let words = first.span.of(text);
            Err(format!(
                "{} errors; line {line}: {first} [{words}]",
                errors.len()
            ))
        }
    }
}

fn rules(program: &Program) -> usize {
    let chains = program
        .tables()
        .flat_map(|table| table.chains().map(|chain| chain.rules().len()));
    chains.sum()
}

/// What a program compiles to, or the first reason against it.
pub(super) fn refusal(
    program: &Program,
    optimize: Optimize,
) -> Result<dockfw_ir::Verified, String> {
    compile(program, optimize).map_err(|failure| match failure {
        Failure::Refused(refused) => {
            let first = refused.first().unwrap();
            assert!(!first.reason.message.is_empty() && !first.reason.help.is_empty());
            format!("{} rules; {first}", refused.len())
        }
        Failure::Unverified(wrong) => {
            let lines: Vec<_> = wrong.lines().skip(1).collect();
            format!("BUG: not verified: {}", lines.first().unwrap_or(&""))
        }
    })
}

#[test]
fn real_programs_compile_or_are_refused_with_a_reason() {
    let Some(folder) = folder() else { return };
    let (mut table, mut compiled, mut all, mut wrong) = (String::new(), 0, 0, String::new());
    for (name, family, text) in files(&folder) {
        all += 1;
        let row = match read(&text, family) {
            Err(why) => format!("| {name} | - | not read | {why} |"),
            Ok(program) => {
                let count = rules(&program);
                let results = [Optimize::Full, Optimize::None].map(|how| refusal(&program, how));
                assert_eq!(results[0].is_ok(), results[1].is_ok(), "{name}");
                match &results[0] {
                    Err(why) => format!("| {name} | {count} | refused | {why} |"),
                    Ok(native) => {
                        compiled += 1;
                        let lines = |of: &dockfw_ir::Verified| -> usize {
                            of.tables
                                .iter()
                                .flat_map(|of| &of.chains)
                                .map(|of| of.rules.len())
                                .sum()
                        };
                        for (how, ruleset) in [Optimize::Full, Optimize::None].iter().zip(&results)
                        {
                            let ruleset = ruleset.as_ref().unwrap();
                            for limits in [true, false] {
                                let mut rng = Rng::new(11, u64::from(limits));
                                if let Some(found) =
                                    compare(&program, ruleset, limits, &mut rng, 2000)
                                {
                                    let _ = writeln!(
                                        wrong,
                                        "{name} {how:?} limits {limits}\n{}{:?}\n{:?}\n{}",
                                        emit::packet(&found.packet),
                                        found.ends.0,
                                        found.ends.1,
                                        found.trails
                                    );
                                }
                            }
                        }
                        format!("| {name} | {count} | {} | |", lines(native))
                    }
                }
            }
        };
        let _ = writeln!(table, "{row}");
    }
    println!("| file | rules | native rules | why not |\n|---|---|---|---|\n{table}");
    println!("{compiled} of {all} files compile");
    assert!(wrong.is_empty(), "{wrong}");
    assert!(compiled >= COMPILED, "{compiled}");
}

/// Every rule of `DOCKER-USER` that anybody has published, each by itself.
#[test]
fn nearly_all_rules_of_operators_compile() {
    let Some(folder) = folder() else { return };
    let commands = std::fs::read_to_string(folder.join("docker_user_cmds.txt")).unwrap();
    let mut lines: Vec<(Family, String)> = Vec::new();
    let is_rule = |line: &&str| {
        line.contains("DOCKER-USER ") && (line.contains("-A ") || line.contains("-I "))
    };
    lines.extend(
        commands
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter(is_rule)
            .map(|line| (Family::Ipv4, line.to_owned())),
    );
    for (_, family, text) in files(&folder) {
        let rules = text
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("-A DOCKER-USER "));
        lines.extend(rules.map(|line| (family, line.to_owned())));
    }
    let (mut compiled, mut refused) = (0, String::new());
    for (family, line) in &lines {
        // A rule with a position stands behind others.
        let line = line.replace("DOCKER-USER 2 ", "DOCKER-USER ");
        let mut words = line
            .split_ascii_whitespace()
            .skip_while(|word| !matches!(*word, "-j" | "-g"));
        let target = words.nth(1).unwrap_or_default();
        let builtin =
            target.chars().all(|letter| letter.is_ascii_uppercase()) && !target.is_empty();
        let text = if builtin {
            line.clone()
        } else {
            format!("-N {target}\n{line}")
        };
        let of_family = |wanted| (*family == wanted).then_some(text.as_str());
        let texts = UserText {
            ipv4: of_family(Family::Ipv4),
            ipv6: of_family(Family::Ipv6),
        };
        let (rules, problems) = UserRules::read(texts, Optimize::Full);
        if rules.is_some() {
            compiled += 1;
        } else {
            let first = problems.iter().find(|problem| problem.is_error).unwrap();
            let _ = writeln!(refused, "  {line}\n    {}; {}", first.message, first.help);
        }
    }
    println!(
        "{compiled} of {} rules compile; not:\n{refused}",
        lines.len()
    );
    assert!(
        compiled * 100 >= lines.len() * 95,
        "{compiled} of {}\n{refused}",
        lines.len()
    );
}

/// The kernel takes what we make of every dump, and nft takes our text.
#[test]
#[ignore = "needs root and nft: cargo test -- --ignored"]
fn the_kernel_takes_real_programs() {
    let Some(folder) = folder() else { return };
    let (mut taken, mut wrong) = (0, String::new());
    for (name, family, text) in files(&folder) {
        let Ok(program) = read(&text, family) else {
            continue;
        };
        assert!(
            program.table(TableName::Filter).is_some() || rules(&program) > 0 || name.is_empty()
        );
        for how in [Optimize::Full, Optimize::None] {
            let Ok(ruleset) = refusal(&program, how) else {
                continue;
            };
            let done = on_host(&Lab::builder().build().unwrap(), || {
                let batch = Batch::replace(&ruleset)?;
                Executor::open()?.commit(&batch, Expect::Any)?;
                super::nft_checks(&print::nft(&ruleset))
            });
            match done {
                Ok(()) => taken += 1,
                Err(error) => {
                    let _ = writeln!(wrong, "{name} {how:?}: {error:?}");
                }
            }
        }
    }
    println!("{taken} tables taken by kernel and nft");
    assert!(wrong.is_empty(), "{wrong}");
}
