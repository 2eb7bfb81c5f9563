//! A scenario with real packets, under either ruleset.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dockfw_lower::reference::{Reference, reference};
use dockfw_netlink::{Batch, Executor, Expect};

use super::model::ruleset;
use super::place::{Place, UPLINK, remotes};
use super::{Expected, Packet, Question, Scenario, Seen};
use crate::docker_host::{Extra, SANDBOX, lab_with, on_host, start};
use crate::lab::{Forged, HOST, Lab, Outcome, Probe, Protocol};

/// How long a probe waits.
const PATIENCE: Duration = Duration::from_millis(600);
/// How often a packet that was to arrive, and did not, is sent again.
const RETRIES: usize = 2;

/// Whose rules are in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Docker's own, loaded by iptables-restore.
    Docker,
    /// Ours, committed over netlink.
    Dockfw,
    /// Nobody's: everything is open, and nothing is rewritten.
    None,
}

impl Scenario {
    /// Sends every packet in a laboratory of its own and says what came of each, in order.
    ///
    /// # Errors
    ///
    /// When the laboratory cannot be built, the kernel refuses the rules, or a packet cannot be
    /// sent at all.
    pub fn run(&self, rules: Rules) -> Result<Vec<Seen>> {
        let lab = self.lab()?;
        match rules {
            Rules::Docker => on_host(&lab, || restore(&reference(&self.host)))?,
            Rules::Dockfw => on_host(&lab, || {
                let batch = Batch::replace(&ruleset(&self.host)?)?;
                Executor::open()?.commit(&batch, Expect::Any)?;
                Ok(())
            })?,
            Rules::None => {}
        }
        let mut all = Vec::new();
        let packets = || self.packets.iter().enumerate();
        let asked: Vec<_> = packets()
            .filter(|(_, packet)| packet.question.forged.is_none())
            .collect();
        for (index, seen) in ask(&lab, &asked)? {
            all.push((index, seen));
        }
        for _ in 0..RETRIES {
            let again: Vec<_> = asked
                .iter()
                .copied()
                .filter(|(index, packet)| {
                    let seen = all.iter().find(|(of, _)| of == index);
                    seen.is_some_and(|(_, seen)| is_lost(packet, rules, seen))
                })
                .collect();
            for (index, again) in ask(&lab, &again)? {
                if let Some((_, seen)) = all.iter_mut().find(|(of, _)| *of == index) {
                    *seen = again;
                }
            }
        }
        for (index, packet) in packets() {
            if let Some(source) = packet.question.forged {
                all.push((index, self.forge(&lab, &packet.question, source, index)?));
            }
        }
        all.sort_by_key(|(index, _)| *index);
        Ok(all.into_iter().map(|(_, seen)| seen).collect())
    }

    fn lab(&self) -> Result<Lab> {
        let place = Place::new(&self.host, &self.setup);
        let mut builder = lab_with(&self.host, |name| Extra {
            addresses: self.setup.link_local(name),
            routes: place.extra_routes(name),
        });
        for remote in remotes(&self.host, &self.setup) {
            builder = builder.remote(remote);
        }
        for (interface, addresses) in &self.setup.addresses {
            for address in addresses {
                builder = builder.host_address(interface, &address.to_string());
            }
        }
        if self.setup.route_localnet {
            builder = builder.host_sysctl("net.ipv4.conf.all.route_localnet", "1");
        }
        let lab = builder.timeout(PATIENCE).build()?;
        for key in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
            let wanted = place.has_bridge_netfilter();
            let set = lab.host_sysctl(&format!("net.bridge.{key}"), if wanted { "1" } else { "0" });
            // Where br_netfilter is there it is on from the start, otherwise there is no such key.
            if wanted {
                set.context("br_netfilter")?;
            }
        }
        start(&lab, &self.host)?;
        for (node, protocol, port) in self.setup.listeners()? {
            lab.listen(node, protocol, port)?;
        }
        for (at, target) in &self.setup.relay {
            lab.proxy(*at, Protocol::Tcp, *target)?;
        }
        if let Some(mark) = self.setup.mark {
            let text = format!(
                "table inet foreign {{\nchain marking {{\n\
                 type filter hook prerouting priority -310\n\
                 iifname {UPLINK} meta mark set {mark}\n}}\n}}\n"
            );
            on_host(&lab, || feed("nft", &["-f", "-"], &text))?;
        }
        Ok(lab)
    }

    /// Sends a frame made by hand, and looks who got it.
    fn forge(&self, lab: &Lab, question: &Question, source: IpAddr, index: usize) -> Result<Seen> {
        let source = SocketAddr::new(source, 40000);
        let to = SocketAddr::new(question.to, question.port);
        let payload = format!("forged-{index}");
        lab.send_forged(&Forged::new(source, to, &payload).sent_by(&question.from, "eth0"))?;
        let mut nodes: Vec<&str> = self.host.containers.iter().map(|of| &*of.name).collect();
        nodes.extend(
            [SANDBOX, HOST]
                .iter()
                .skip(usize::from(self.host.mesh().is_none())),
        );
        for node in nodes {
            if !lab.received(node, &payload).is_empty() {
                let node = node.to_owned();
                return Ok(Seen::OneWay { node });
            }
        }
        Ok(Seen::Nothing)
    }
}

impl Packet {
    /// What must come of it under these rules; without rules, what would under ours.
    pub fn expected(&self, rules: Rules) -> &Expected {
        match rules {
            Rules::Docker => &self.docker,
            Rules::Dockfw | Rules::None => &self.dockfw,
        }
    }
}

/// Whether something that should have got through did not: a busy machine does that too.
fn is_lost(packet: &Packet, rules: Rules, seen: &Seen) -> bool {
    if rules == Rules::None {
        return *seen == Seen::Nothing;
    }
    match packet.expected(rules) {
        Expected::Reaches { .. } => {
            matches!(seen, Seen::Nothing | Seen::OneWay { .. } | Seen::Accepted)
        }
        Expected::OneWay { .. } | Expected::Refused | Expected::Unreachable => {
            *seen == Seen::Nothing
        }
        Expected::Nothing => false,
    }
}

/// Sends packets, all at once.
fn ask(lab: &Lab, packets: &[(usize, &Packet)]) -> Result<Vec<(usize, Seen)>> {
    if packets.is_empty() {
        return Ok(Vec::new());
    }
    let probes: Vec<_> = packets
        .iter()
        .map(|(_, packet)| {
            let Question {
                from,
                source,
                to,
                scope,
                protocol,
                port,
                ..
            } = packet.question.clone();
            Probe {
                source,
                scope,
                ..Probe::new(&from, to, protocol, port)
            }
        })
        .collect();
    let outcomes = lab.probe(&probes)?;
    let numbers = packets.iter().map(|(index, _)| *index);
    Ok(numbers.zip(outcomes.into_iter().map(seen)).collect())
}

fn seen(outcome: Outcome) -> Seen {
    match outcome {
        Outcome::Reached { node, port, source } => Seen::Reached {
            node,
            port,
            source: source.ip().to_canonical(),
        },
        Outcome::OneWay { node, .. } => Seen::OneWay { node },
        Outcome::Accepted => Seen::Accepted,
        Outcome::Refused => Seen::Refused,
        Outcome::NoAnswer => Seen::Nothing,
        Outcome::Unreachable(_) => Seen::Unreachable,
    }
}

/// Loads dockerd's rules in the namespace of the calling thread.
fn restore(reference: &Reference) -> Result<()> {
    for (program, rules) in [
        ("iptables-nft-restore", &reference.ipv4),
        ("ip6tables-nft-restore", &reference.ipv6),
    ] {
        feed(program, &[], &rules.to_string())?;
    }
    Ok(())
}

/// Runs a program that reads its input to the end.
fn feed(program: &str, arguments: &[&str], input: &str) -> Result<()> {
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
    ensure!(output.status.success(), "{program}: {errors}\n{input}");
    Ok(())
}
