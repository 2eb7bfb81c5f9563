//! From the rules of a running Docker back to the host they were made for.
//!
//! [`import`] recognises Docker's own rules, of 20.10 to 29, by their structure; it rebuilds
//! networks, container addresses, published ports and daemon options from them, keeps the
//! operator's rules around Docker's as text, and lists everything else. Every rule of the dump
//! ends in exactly one of these three groups.
//!
//! A rule counts as Docker's only when [`reference`](fn@crate::reference::reference) makes it of
//! the host that was rebuilt, or when it belongs to an older layout and its bridge is one of the
//! networks. So the rebuilt host says what the dump says, and where it does not, there is a
//! leftover or an assumption.
//!
//! | from | comes |
//! |------|-------|
//! | `-o BR -j DOCKER`, `DOCKER-CT`, isolation | bridges |
//! | `POSTROUTING -s SUB ! -o BR`, `DOCKER-INTERNAL` | subnets, masquerading, source addresses |
//! | `DOCKER ! -i BR -o BR`, `DOCKER -o BR -p icmp` | gateway modes |
//! | raw `PREROUTING -d EP ! -i BR -j DROP` | containers, trusted interfaces, `allow-direct-routing` |
//! | nat `DOCKER … -j DNAT`, filter `DOCKER -d EP …` | published ports, links |
//! | nat `OUTPUT … -j DOCKER` | `userland-proxy` |
//!
//! Names are not in the rules: a network takes that of its bridge, a container that of its
//! address.
//!
//! Source: moby docker-v29.0.0, `daemon/libnetwork/drivers/bridge/internal/iptabler/`; moby
//! v20.10.24 and v27.5.1, `libnetwork/drivers/bridge/setup_ip_tables.go`.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each step asks for few kinds of facts and targets; the others have no say in it"
)]

pub mod clean;
mod container;
mod gather;
mod network;
mod order;
mod publish;
mod read;
mod template;
mod trusted;
mod user;
mod verify;

use std::net::IpAddr;

use dockfw_iptables::{Family, Program, TableName};

pub use read::{Dumped, Unread, read};
pub use user::UserTexts;

use crate::docker::check::{Severity, check};
use crate::host::{GatewayMode, Host};
use gather::{Class, Dump, Entry};
use template::Fact;

/// What a dump says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The host that Docker's rules were made for, with the operator's rules in
    /// [`Host::user`].
    pub host: Host,
    /// For each network of the host, the rule that shows it.
    pub network_origins: Vec<String>,
    /// For each container of the host, the rule that shows it.
    pub container_origins: Vec<String>,
    /// The operator's rules, in the form that `[docker-user]` of a policy file takes.
    pub docker_user: UserTexts,
    /// The rules that have no place in a policy, in the order of the dump.
    pub leftovers: Vec<Leftover>,
    /// What was assumed, each a sentence without a full stop.
    pub assumptions: Vec<String>,
    /// How many rules became what.
    pub score: Score,
}

/// A rule that has no place in a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Whose rule it is.
    pub family: Family,
    /// Its table.
    pub table: TableName,
    /// Its chain.
    pub chain: String,
    /// Its place in the chain; the first rule is 0.
    pub index: usize,
    /// The rule as iptables-save writes it, `-A CHAIN …`.
    pub text: String,
    /// Why it has no place: a fragment without a full stop.
    pub why: String,
}

/// How many rules of the dump became what; the three parts add up to all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Score {
    /// Docker's own, which follow from the host.
    pub docker: usize,
    /// The operator's, in [`Imported::docker_user`].
    pub user: usize,
    /// Those in [`Imported::leftovers`].
    pub leftover: usize,
}

impl Score {
    /// How many rules the dump has.
    pub const fn all(self) -> usize {
        self.docker + self.user + self.leftover
    }
}

/// Rebuilds a host from the rules of one family or both.
///
/// `None` says nothing about the family: networks then have what the other one shows.
///
/// # Examples
///
/// ```
/// use dockfw_lower::import::{import, read};
/// use dockfw_iptables::Family;
///
/// let dump = read("\
/// *filter
/// :FORWARD DROP [0:0]
/// :DOCKER - [0:0]
/// :DOCKER-FORWARD - [0:0]
/// -A FORWARD -i wg0 -j ACCEPT
/// -A FORWARD -j DOCKER-FORWARD
/// -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
/// COMMIT
/// *nat
/// :DOCKER - [0:0]
/// -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
/// -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
/// COMMIT
/// ", Family::Ipv4).map_err(|errors| format!("{errors:?}"))?;
/// let imported = import(Some(&dump.program), None);
/// assert_eq!(imported.host.networks[0].name, "bridge");
/// assert_eq!(imported.host.containers[0].publish[0].to_string(), "8080:80");
/// assert_eq!(imported.docker_user.ipv4.as_deref(), Some("-I FORWARD 1 -i wg0 -j ACCEPT\n"));
/// assert_eq!(imported.leftovers, []);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn import(ipv4: Option<&Program>, ipv6: Option<&Program>) -> Imported {
    let mut dump = Dump::new(ipv4.into_iter().chain(ipv6).collect());
    let mut notes = Vec::new();
    network::version_notes(&dump, &mut notes);
    let found = network::networks(&dump);
    let ingress = container::ingress(&dump);
    let sandbox = ingress.as_ref().map(|ingress| ingress.sandbox);
    let addresses = container::addresses(&dump, &found, sandbox);
    let homes: Vec<_> = addresses.iter().map(|(at, of)| (of.bridge, *at)).collect();
    let mut host = Host {
        daemon: network::daemon(&dump, &found, &mut notes),
        networks: network::model(&dump, &found, &homes, &mut notes),
        ingress,
        wsl2_mirrored: dump.entries.iter().any(|of| {
            matches!(
                of.fact,
                Some(Fact::Mirrored | Fact::Loopback { mirrored: true, .. })
            )
        }),
        ..Host::default()
    };
    let trusted = trusted::trusted(&dump);
    for (network, of) in host.networks.iter_mut().zip(&found) {
        let names = trusted.get(&of.bridge).cloned();
        network.trusted_host_interfaces = names.unwrap_or_default();
    }
    let (containers, container_origins) =
        container::containers(&dump, &host.networks, &found, &addresses);
    host.containers = containers;
    host.daemon.allow_direct_routing = is_directly_routed(&dump, &host);
    verify::verify(&mut dump, &host, &mut notes);
    let (docker_user, user) = user::place(&mut dump, &mut notes);
    host.user = user;
    for problem in check(&host) {
        if problem.severity == Severity::Error {
            notes.push(format!(
                "`dockfw check` will refuse this: {}",
                problem.message
            ));
        }
    }
    network::policy_notes(&dump, &mut notes);
    let (leftovers, score) = leftovers(dump.entries);
    Imported {
        network_origins: found.into_iter().map(|of| of.origin).collect(),
        host,
        container_origins,
        docker_user,
        leftovers,
        assumptions: notes,
        score,
    }
}

/// Whether Docker 28 or later made no rule against packets straight to container addresses,
/// although there are such addresses.
fn is_directly_routed(dump: &Dump<'_>, host: &Host) -> bool {
    let closes = |of: &IpAddr, network: usize| {
        let mode = host.networks.get(network).and_then(|network| match of {
            IpAddr::V4(_) => network.ipv4.map(|family| family.gateway_mode),
            IpAddr::V6(_) => network.ipv6.map(|family| family.gateway_mode),
        });
        mode == Some(GatewayMode::Nat)
    };
    let endpoints = host.containers.iter().flat_map(|of| &of.endpoints);
    let mut addresses = endpoints.flat_map(|of| {
        let ipv4 = of.ipv4.map(IpAddr::V4);
        let ipv6 = of.ipv6.map(IpAddr::V6);
        ipv4.into_iter().chain(ipv6).map(|at| (at, of.network))
    });
    let is_new = dump
        .programs
        .iter()
        .any(|of| dump.layout(of.family()) == gather::Layout::DockerForward);
    let has_drop = |of: &Entry<'_>| matches!(of.fact, Some(Fact::Direct { .. }));
    // A dump of the table filter alone does not show it.
    let whole = dump
        .programs
        .iter()
        .any(|of| of.table(TableName::Nat).is_some());
    is_new
        && whole
        && addresses.any(|(at, network)| closes(&at, network))
        && !dump.entries.iter().any(has_drop)
}

/// The rules without a place, and the counts.
fn leftovers(entries: Vec<Entry<'_>>) -> (Vec<Leftover>, Score) {
    let mut score = Score::default();
    let mut leftovers = Vec::new();
    for entry in entries {
        let why = match entry.class {
            Class::Docker => {
                score.docker += 1;
                continue;
            }
            Class::User => {
                score.user += 1;
                continue;
            }
            Class::Leftover(why) => why,
            Class::Open => hint(entry.table, entry.chain.as_str()),
        };
        score.leftover += 1;
        leftovers.push(Leftover {
            family: entry.family,
            table: entry.table,
            text: format!("-A {}{}", entry.chain, entry.rule),
            chain: entry.chain.to_string(),
            index: entry.index,
            why,
        });
    }
    (leftovers, score)
}

fn hint(table: TableName, chain: &str) -> String {
    if chain.starts_with("DOCKER") {
        return format!("Docker makes no such rule in {chain}");
    }
    if table == TableName::Filter {
        return "it is not on the way of forwarded packets; keep it in a rules file".to_owned();
    }
    let table = table.as_str();
    format!("rules of {table} that are not Docker's belong into a rules file")
}
