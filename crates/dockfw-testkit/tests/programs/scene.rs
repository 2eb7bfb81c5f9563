//! A laboratory around a program: the host and three machines.
//!
//! They are at the two interfaces that the program names most, and at one that it does not name.
//! The program's addresses belong to the machine at the interface that their rule names, and are
//! dealt out otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use dockfw_iptables::{Family, Program};
use dockfw_testkit::docker_host::on_host;
use dockfw_testkit::equivalence::Rng;
use dockfw_testkit::equivalence::user::constants::Constants;
use dockfw_testkit::equivalence::whole::TABLES;
use dockfw_testkit::lab::{HOST, Lab, Probe, Protocol, Remote};
use ipnet::IpNet;

use super::laboratory::feed;

/// Packets for each file that go anywhere.
const ANYWHERE: usize = 400;
/// How long a packet waits for its answer.
const PATIENCE: Duration = Duration::from_millis(700);
/// The machines around the host.
const REMOTES: [&str; 3] = ["first", "second", "elsewhere"];
/// Ports and addresses of a program that are used.
const MOST_PORTS: usize = 40;
const MOST_ADDRESSES: usize = 36;
/// An interface that no program names.
const UNNAMED: &str = "wan7";

/// What is around a program.
pub(super) struct Scene {
    /// The host's interfaces, those of the remotes first.
    interfaces: Vec<String>,
    /// Addresses of the program, by node: the host is the last one.
    addresses: [Vec<IpAddr>; 4],
    ports: Vec<u16>,
    ipv6: bool,
}

/// The address in a word: also that of a network, and that in front of a port.
fn address(word: &str) -> Option<IpAddr> {
    if let Ok(net) = word.parse::<IpNet>() {
        let is_host = net.prefix_len() == net.max_prefix_len();
        let address = net.addr();
        return if is_host {
            Some(address)
        } else {
            net.hosts().nth(2)
        };
    }
    let with_port = word.parse::<SocketAddr>().map(|at| at.ip());
    word.parse().or(with_port).ok()
}

/// Whether a machine may have it.
fn is_usable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(of) => {
            let first = of.octets()[0];
            !(first == 0 || first == 127 || first >= 224 || of.is_link_local())
        }
        IpAddr::V6(of) => {
            !(of.is_loopback()
                || of.is_unspecified()
                || of.is_multicast()
                || of.is_unicast_link_local()
                || of.to_ipv4().is_some())
        }
    }
}

/// The interfaces that a rule names, with the option and whether it is negated.
fn named(rule: &str) -> Vec<(&str, bool, String)> {
    let words: Vec<&str> = rule.split_ascii_whitespace().collect();
    let mut all = Vec::new();
    for (index, pair) in words.windows(2).enumerate() {
        let name = pair[1].replace('+', "0");
        if matches!(pair[0], "-i" | "-o") && name != "lo" && name != "0" {
            let negated = index > 0 && words[index - 1] == "!";
            all.push((pair[0], negated, name));
        }
    }
    all
}

/// The host's interfaces: the two that rules name most, one that they do not name, and others.
fn interfaces(rules: &[String]) -> Vec<String> {
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for (_, _, name) in rules.iter().flat_map(|rule| named(rule)) {
        *counted.entry(name).or_default() += 1;
    }
    let mut counted: Vec<(String, usize)> = counted.into_iter().collect();
    counted.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(&other.0)));
    let mut all: Vec<String> = counted.into_iter().map(|(name, _)| name).collect();
    for other in ["eth0", "eth1"] {
        if all.len() < 2 && !all.iter().any(|name| name == other) {
            all.push(other.to_owned());
        }
    }
    all.insert(2, UNNAMED.to_owned());
    all.truncate(12);
    all
}

/// The machine at which an address of a rule belongs: sources behind `-i` or `! -o`, others behind
/// `-o` or `! -i`; what the host takes as its source is the host's.
fn owner(rule: &str, option: &str, interfaces: &[String]) -> Option<usize> {
    if option == "--to-source" {
        return Some(3);
    }
    let near = if option == "-s" { "-i" } else { "-o" };
    let all = named(rule);
    let place = |name: &String| interfaces[..3].iter().position(|of| of == name);
    let behind = |(side, negated, _): &&(&str, bool, String)| (*side == near) != *negated;
    match all.iter().find(behind) {
        Some((_, _, name)) => place(name),
        // Sources whose packets leave by this interface are not behind it.
        None if option == "-s" => all.first().and_then(|of| place(&of.2)).map(|at| 1 - at % 2),
        None => None,
    }
}

impl Scene {
    pub(super) fn new(program: &Program) -> Self {
        let rules: Vec<String> = program
            .tables()
            .flat_map(dockfw_iptables::Table::chains)
            .flat_map(|chain| chain.rules().map(ToString::to_string))
            .collect();
        let interfaces = interfaces(&rules);
        let ipv6 = program.family() == Family::Ipv6;
        // Each machine has one that is nobody's own network.
        let public = |index| {
            if ipv6 {
                format!("2001:db8:dead::{}", index + 10)
            } else {
                format!("203.0.113.{}", index + 10)
            }
        };
        let mut addresses: [Vec<IpAddr>; 4] =
            std::array::from_fn(|index| vec![public(index).parse().unwrap()]);
        let mut dealt: BTreeSet<IpAddr> = addresses.iter().flatten().copied().collect();
        // First the rules that name an interface.
        let (with, without): (Vec<&String>, Vec<&String>) =
            rules.iter().partition(|rule| !named(rule).is_empty());
        for rule in with.into_iter().chain(without) {
            let mut option = "";
            for word in rule.split_ascii_whitespace() {
                for part in word.split([',', '-']) {
                    let found = address(part).filter(|of| of.is_ipv6() == ipv6 && is_usable(*of));
                    let Some(address) = found.filter(|of| !dealt.contains(of)) else {
                        continue;
                    };
                    if dealt.len() < MOST_ADDRESSES {
                        dealt.insert(address);
                        let owner = owner(rule, option, &interfaces);
                        addresses[owner.unwrap_or(dealt.len() % 4)].push(address);
                    }
                }
                if word.starts_with('-') {
                    option = word;
                }
            }
        }
        let mut ports = Constants::of(program, &TABLES).ports;
        ports.retain(|port| *port != 0);
        // Those that are far from each other in the list are of different rules.
        let step = ports.len().div_ceil(MOST_PORTS).max(1);
        let mut ports: Vec<u16> = ports.into_iter().step_by(step).collect();
        ports.extend([22, 53, 80, 443, 8080, 40_000]);
        ports.sort_unstable();
        ports.dedup();
        Self {
            interfaces,
            addresses,
            ports,
            ipv6,
        }
    }

    /// The host's address at an interface, or that of the machine behind it.
    fn link(&self, index: usize, host: bool) -> IpAddr {
        let last = if host { 1 } else { 2 };
        let text = if self.ipv6 {
            format!("2001:db8:77:{index}::{last}")
        } else {
            format!("10.77.{index}.{last}")
        };
        text.parse().unwrap()
    }

    fn net(&self, index: usize, host: bool) -> String {
        let length = if self.ipv6 { 64 } else { 24 };
        format!("{}/{length}", self.link(index, host))
    }

    pub(super) fn lab(&self) -> Result<Lab> {
        let length = if self.ipv6 { 128 } else { 32 };
        let mut builder = Lab::builder().timeout(PATIENCE).telling_addresses();
        for (index, interface) in self.interfaces.iter().enumerate() {
            let (host, peer) = (self.net(index, true), self.net(index, false));
            let Some(name) = REMOTES.get(index) else {
                builder = builder.host_address(interface, &host);
                continue;
            };
            let mut remote = Remote::new(name, interface, &[&host], &[&peer]);
            for address in &self.addresses[index] {
                remote = remote.address(&format!("{address}/{length}"));
            }
            builder = builder.remote(remote);
        }
        for address in &self.addresses[3] {
            builder = builder.host_address(&self.interfaces[0], &format!("{address}/{length}"));
        }
        let lab = builder.build()?;
        let mut routes = String::new();
        for (interface, addresses) in self.interfaces.iter().zip(&self.addresses[..3]) {
            for address in addresses {
                writeln!(routes, "route add {address}/{length} dev {interface}")?;
            }
        }
        on_host(&lab, || feed("ip", &["-batch", "-"], &routes))?;
        for node in REMOTES.into_iter().chain([HOST]) {
            for port in &self.ports {
                lab.listen(node, Protocol::Tcp, *port)?;
                lab.listen(node, Protocol::Udp, *port)?;
            }
        }
        Ok(lab)
    }

    /// Packets of one file: the same at every run.
    pub(super) fn probes(&self) -> Vec<Probe> {
        let mut rng = Rng::new(5, u64::try_from(self.ports.len()).unwrap());
        let dealt: Vec<IpAddr> = self.addresses.iter().flatten().copied().collect();
        let mut all = Vec::new();
        // Every port from elsewhere: of the host, and of the machines behind it.
        for port in &self.ports {
            for to in [self.link(2, true), self.link(0, false), self.link(1, false)] {
                for protocol in [Protocol::Tcp, Protocol::Udp] {
                    let probe = Probe::new(REMOTES[2], to, protocol, *port);
                    all.push(probe.from_source(self.addresses[2][0]));
                }
            }
        }
        let count = all.len() + ANYWHERE;
        while all.len() < count {
            let at = *rng.weighted(&[(3, 0), (2, 1), (3, 2), (2, 3)]);
            let to = match rng.below(10) {
                0..4 => self.link(rng.below(self.interfaces.len()), true),
                4..6 => self.link(rng.below(3), false),
                _ if dealt.is_empty() => self.link(rng.below(3), false),
                _ => *rng.pick(&dealt),
            };
            let protocol =
                *rng.weighted(&[(5, Protocol::Tcp), (3, Protocol::Udp), (1, Protocol::Icmp)]);
            let port = *rng.pick(&self.ports);
            let node = REMOTES.get(at).copied().unwrap_or(HOST);
            let mut probe = Probe::new(node, to, protocol, port);
            if at < 3 {
                if to == self.link(at, false) || self.addresses[at].contains(&to) {
                    continue;
                }
                let mut sources = self.addresses[at].clone();
                sources.extend([self.link(at, false); 3]);
                probe = probe.from_source(*rng.pick(&sources));
            }
            all.push(probe);
        }
        // Machines one after the other, so that limits meet the same packets first.
        all.sort_by(|one, other| one.from.cmp(&other.from));
        all
    }
}
