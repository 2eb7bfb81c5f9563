//! One container more on a host: what it is, and how the tools are told of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use dockfw_ir::Set;
use dockfw_ir::print;
use dockfw_ir::set::{Element, ElementData, SetKind};
use dockfw_lower::docker::check::check;
use dockfw_lower::host::{Container, Host};
use dockfw_lower::reference::reference;
use dockfw_lower::table_name;
use nix::sched::{CloneFlags, setns, unshare};

/// Above the host ports of [`host`](crate::host).
const FIRST_PORT: usize = 62_100;

/// A network namespace that lives as long as this.
#[derive(Debug)]
pub struct Space(File);

impl Space {
    /// Makes one and moves this thread into it.
    ///
    /// # Errors
    ///
    /// When there are no rights to do so.
    pub fn new() -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET).context("no network namespace")?;
        Ok(Self(File::open("/proc/thread-self/ns/net")?))
    }

    /// Its file, for as long as this lives; for ip(8) and other processes.
    pub fn path(&self) -> PathBuf {
        let (process, file) = (std::process::id(), self.0.as_raw_fd());
        PathBuf::from(format!("/proc/{process}/fd/{file}"))
    }

    /// Moves this thread into it.
    ///
    /// # Errors
    ///
    /// When there are no rights to do so.
    pub fn enter(&self) -> Result<()> {
        setns(&self.0, CloneFlags::CLONE_NEWNET).context("enter a network namespace")
    }
}

/// A container with 32 published ports that a [`host`](crate::host) has room for.
///
/// # Errors
///
/// When dockerd would not accept it there, which would be a bug here.
pub fn newcomer(host: &Host) -> Result<Container> {
    let mut container = host.containers.first().context("no container")?.clone();
    "newcomer".clone_into(&mut container.name);
    let endpoint = container.endpoints.first_mut().context("no endpoint")?;
    endpoint.ipv4 = Some(Ipv4Addr::new(172, 18, 200, 2));
    container.publish.clear();
    for port in 0..crate::PORTS_EACH {
        let publish = format!("{}:{}", FIRST_PORT + port, 1_000 + port * 3);
        container.publish.push(publish.parse()?);
    }
    let problems = check(&with(host, &container));
    ensure!(problems.is_empty(), "{problems:?}");
    Ok(container)
}

/// The host with a container more.
pub fn with(host: &Host, container: &Container) -> Host {
    let mut host = host.clone();
    host.containers.push(container.clone());
    host
}

/// The commands of nft(8) that add elements, and those that delete them.
pub fn nft_commands(sets: &[Set]) -> (String, String) {
    let (mut add, mut delete) = (String::new(), String::new());
    for set in sets {
        let all = set.elements.iter().map(|one| print::element(set, one));
        let all: Vec<_> = all.collect();
        let head = |verb| format!("{verb} element inet {} {}", table_name(), set.name);
        let _ = writeln!(add, "{} {{ {} }}", head("add"), all.join(", "));
        let keys = Set {
            kind: SetKind::Set,
            ..set.clone()
        };
        let bare = |one: &Element| Element {
            data: ElementData::None,
            ..one.clone()
        };
        let all = set.elements.iter();
        let all: Vec<_> = all.map(|one| print::element(&keys, &bare(one))).collect();
        let _ = writeln!(delete, "{} {{ {} }}", head("delete"), all.join(", "));
    }
    (add, delete)
}

/// Docker's IPv4 rules of a host for iptables-restore.
pub fn docker_rules(host: &Host) -> String {
    reference(host).ipv4.to_string()
}

/// Rules that iptables-restore adds to those of a host, or takes away again.
#[derive(Debug)]
pub struct MoreRules {
    /// For `--noflush`.
    pub add: String,
    /// For `--noflush`.
    pub delete: String,
    /// How many they are.
    pub rules: usize,
}

/// What Docker's rules of one host have more than those of another.
///
/// The accept rules of chain `DOCKER` come first there, as Docker has them; all others last.
///
/// # Errors
///
/// When they have other tables or chains.
pub fn more_rules(before: &str, after: &str) -> Result<MoreRules> {
    let before = by_table(before);
    let mut more = MoreRules {
        add: String::new(),
        delete: String::new(),
        rules: 0,
    };
    for (table, lines) in by_table(after) {
        let mut old: BTreeMap<&str, usize> = BTreeMap::new();
        for line in before.get(table).context("a table that is new")? {
            *old.entry(line).or_default() += 1;
        }
        for out in [&mut more.add, &mut more.delete] {
            let _ = writeln!(out, "*{table}");
        }
        for line in lines {
            if let Some(count) = old.get_mut(line).filter(|count| **count > 0) {
                *count -= 1;
                continue;
            }
            let rule = line.strip_prefix("-A ").context("a chain that is new")?;
            let verb = if table == "filter" && rule.starts_with("DOCKER ") {
                "-I"
            } else {
                "-A"
            };
            let _ = writeln!(more.add, "{verb} {rule}");
            let _ = writeln!(more.delete, "-D {rule}");
            more.rules += 1;
        }
        for out in [&mut more.add, &mut more.delete] {
            out.push_str("COMMIT\n");
        }
    }
    Ok(more)
}

/// The lines of chains and rules, by table.
fn by_table(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut tables: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut table = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if line.starts_with(':') || line.starts_with("-A ") {
            tables.entry(table).or_default().push(line);
        }
    }
    tables
}

/// Runs a tool in the namespace of this thread.
///
/// # Errors
///
/// When it is not installed, or fails.
pub fn run(command: &mut Command) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let name = command.get_program().to_owned();
    let status = command.status();
    let status = status.with_context(|| format!("{} is not installed", name.display()))?;
    ensure!(status.success(), "{} failed", name.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_of_32_ports_has_97_rules() -> Result<()> {
        let host = crate::host(100, false)?;
        let after = with(&host, &newcomer(&host)?);
        let more = more_rules(&docker_rules(&host), &docker_rules(&after))?;
        // DNAT, accept and masquerade for each port; its address is protected in raw.
        assert_eq!(more.rules, 3 * 32 + 1);
        let count = |text: &str, what: &str| text.lines().filter(|l| l.contains(what)).count();
        for target in ["DNAT", "ACCEPT", "MASQUERADE"] {
            assert_eq!(count(&more.add, target), 32, "{target}");
            assert_eq!(count(&more.delete, target), 32, "{target}");
        }
        assert_eq!(count(&more.add, "-I DOCKER -d 172.18.200.2/32 "), 32);
        // What is there twice is not new.
        let none = more_rules(&docker_rules(&after), &docker_rules(&after))?;
        assert_eq!(none.rules, 0);
        assert!(more_rules("*nat\nCOMMIT\n", &docker_rules(&host)).is_err());
        Ok(())
    }

    #[test]
    fn what_goes_is_told_by_its_keys() -> Result<()> {
        let host = crate::host(100, false)?;
        let sets = dockfw_lower::container_elements(&host, &newcomer(&host)?);
        let (add, delete) = nft_commands(&sets.context("no elements")?);
        assert!(add.contains("tcp . 62100 : 172.18.200.2 . 1000"), "{add}");
        assert!(delete.contains("tcp . 62131 }"), "{delete}");
        assert_eq!(add.lines().count(), delete.lines().count());
        Ok(())
    }
}
