//! The operator's own rules, as lines of text: read, printed, and made at random.

use std::fmt::Write as _;
use std::net::IpAddr;

use dockfw_lower::docker::binding::bindings;
use dockfw_lower::host::Host;
use dockfw_lower::optimize::Optimize;
use dockfw_lower::rules::{UserRules, UserText};

use super::rng::Rng;
use super::world::World;
use matches::Writer;

pub mod constants;
mod matches;
mod targets;

/// An operator's rules, line by line, and how they are compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Lines for iptables.
    pub ipv4: Vec<String>,
    /// Lines for ip6tables.
    pub ipv6: Vec<String>,
    /// How far they may be folded.
    pub optimize: Optimize,
}

impl User {
    /// Compiles the lines.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn read(&self) -> Result<UserRules, String> {
        let [ipv4, ipv6] = [&self.ipv4, &self.ipv6].map(|lines| lines.join("\n"));
        let text = UserText {
            ipv4: Some(&ipv4),
            ipv6: Some(&ipv6),
        };
        let (rules, problems) = UserRules::read(text, self.optimize);
        rules.ok_or_else(|| {
            let errors = problems.iter().filter(|problem| problem.is_error);
            errors.fold(String::new(), |mut all, of| {
                let text = if of.family == dockfw_iptables::Family::Ipv4 {
                    &ipv4
                } else {
                    &ipv6
                };
                let line = text.get(of.span.start..of.span.end).unwrap_or_default();
                let _ = writeln!(all, "{line}: {} ({})", of.message, of.help);
                all
            })
        })
    }

    /// The host with these rules; `None` when they are wrong.
    pub fn on(&self, host: &Host) -> Option<Host> {
        Some(Host {
            user: Some(self.read().ok()?),
            ..host.clone()
        })
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.ipv4.is_empty() && self.ipv6.is_empty()
    }

    /// As a table of a policy file.
    pub fn toml(&self) -> String {
        let mut text = String::from("\n[docker-user]\n");
        for (key, lines) in [("ipv4", &self.ipv4), ("ipv6", &self.ipv6)] {
            if !lines.is_empty() {
                let _ = writeln!(text, "{key} = '''\n{}\n'''", lines.join("\n"));
            }
        }
        text
    }
}

/// What random rules are about: some of it is there, some lies beside it, some is far away.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    /// Interfaces, also some with `+`.
    pub interfaces: Vec<String>,
    /// Addresses of both families.
    pub addresses: [Vec<IpAddr>; 2],
    /// Ports.
    pub ports: Vec<u16>,
}

impl Pool {
    /// What a Docker host is about.
    pub fn of(host: &Host, world: &World) -> Self {
        let mut pool = Self::around(world);
        for endpoint in host.containers.iter().flat_map(|of| &of.endpoints) {
            pool.addresses[0].extend(endpoint.ipv4.map(IpAddr::V4));
            pool.addresses[1].extend(endpoint.ipv6.map(IpAddr::V6));
        }
        for binding in bindings(host) {
            let ports = binding.host_ports.iter().chain([&binding.container_ports]);
            pool.ports.extend(ports.map(|range| range.first()));
        }
        pool
    }

    /// What any machine is about.
    pub fn around(world: &World) -> Self {
        let mut pool = Self {
            ports: vec![80, 81, 443, 8080, 8081, 40_000, 1, 65_535, 0],
            ..Self::default()
        };
        for interface in &world.interfaces {
            let name = &interface.name;
            pool.interfaces.push(name.clone());
            pool.interfaces.push(name.clone());
            let prefix = name.get(..name.len() - 1).unwrap_or(name);
            pool.interfaces.push(format!("{prefix}+"));
            for net in &interface.addresses {
                let family = usize::from(net.addr().is_ipv6());
                pool.addresses[family].push(net.addr());
                pool.addresses[family].extend(net.hosts().nth(1));
            }
        }
        pool.interfaces
            .extend(["br+", "wg0", "+"].map(str::to_owned));
        let far = [
            "203.0.113.9",
            "203.0.113.200",
            "198.51.100.9",
            "192.0.2.77",
            "10.9.0.17",
            "2001:db8:dead::9",
            "2001:db8:eeee::9",
            "fe80::9",
        ];
        for address in far {
            let address: IpAddr = address.parse().unwrap();
            pool.addresses[usize::from(address.is_ipv6())].push(address);
        }
        pool
    }
}

/// Random rules of an operator for a host.
pub fn random(rng: &mut Rng, host: &Host, world: &World) -> User {
    let pool = Pool::of(host, world);
    let optimize = if rng.chance(75) {
        Optimize::Full
    } else {
        Optimize::None
    };
    let [ipv4, ipv6] = [false, true].map(|ipv6| {
        if rng.chance(15) {
            return Vec::new();
        }
        let names = ["LOGGING", "f2b-ssh", "u.1", "allow~list", "A"];
        let chains: Vec<String> = names[..rng.below(4)]
            .iter()
            .map(ToString::to_string)
            .collect();
        let mut lines: Vec<String> = chains.iter().map(|name| format!("-N {name}")).collect();
        for (index, chain) in chains.iter().enumerate() {
            let onward = chains[index + 1..].to_vec();
            blocks(rng, &pool, ipv6, chain, &onward, &mut lines);
        }
        blocks(rng, &pool, ipv6, "DOCKER-USER", &chains, &mut lines);
        for chain in ["FORWARD", "DOCKER-FORWARD"] {
            if rng.chance(20) {
                blocks(rng, &pool, ipv6, chain, &chains, &mut lines);
            }
        }
        lines
    });
    User {
        ipv4,
        ipv6,
        optimize,
    }
}

/// Appends rules of one chain, which may lead to others; a built-in chain gets some in front.
fn blocks(
    rng: &mut Rng,
    pool: &Pool,
    ipv6: bool,
    chain: &str,
    chains: &[String],
    lines: &mut Vec<String>,
) {
    for _ in 0..=rng.below(3) {
        let rules = block(rng, pool, ipv6, chains);
        for rule in rules {
            let insert = rng.chance(if chain.ends_with("FORWARD") { 60 } else { 5 });
            let verb = if insert { "-I" } else { "-A" };
            lines.push(format!("{verb} {chain}{rule}"));
        }
    }
}

/// Random conditions of one rule; true when they ask for TCP.
pub fn conditions(rng: &mut Rng, pool: &Pool, ipv6: bool) -> (String, bool) {
    let mut writer = Writer {
        rng,
        pool,
        ipv6,
        chains: &[],
    };
    writer.conditions()
}

/// One rule, or some that differ only in values.
pub fn block(rng: &mut Rng, pool: &Pool, ipv6: bool, chains: &[String]) -> Vec<String> {
    let mut writer = Writer {
        rng,
        pool,
        ipv6,
        chains,
    };
    if writer.rng.chance(45) {
        return (0..=writer.rng.below(3)).map(|_| writer.rule()).collect();
    }
    writer.run()
}
