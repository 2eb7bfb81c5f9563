//! One host in both forms, ready to judge packets.

use std::cell::OnceCell;
use std::fmt::Write as _;

use dockfw_iptables::eval as docker;
use dockfw_iptables::{Chain, Policy, Program, Rule, TableName, Target};
use dockfw_ir::eval as ours;
use dockfw_ir::verify::{VerifyError, verify};
use dockfw_ir::{Ruleset, Verified};
use dockfw_lower::host::Host;
use dockfw_lower::lower;
use dockfw_lower::reference::{Reference, reference};

use super::ledger::{self, Divergence};
use super::packet::{Outcome, Packet};
use super::world::World;

/// How Docker's rules are looked at: as they are, or without what an entry of the ledger is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Alternative {
    /// Without the drop of direct access.
    pub direct: bool,
    /// Without the accept of marked packets.
    pub unmarked: bool,
    /// Without the accepts of swarm's published ports.
    pub no_mesh: bool,
    /// With a policy of FORWARD that drops.
    pub closed: bool,
    /// With everything dropped that comes to Docker's own rules in FORWARD.
    pub deaf: bool,
    /// With this network made last.
    pub last: Option<usize>,
}

/// A host, its machine, and its rules in both forms.
#[derive(Debug)]
pub struct Case {
    /// The host.
    pub host: Host,
    /// Its machine.
    pub world: World,
    ruleset: Verified,
    references: Vec<OnceCell<Reference>>,
    docker_host: docker::Host,
    our_host: ours::Host,
}

impl Case {
    /// Lowers a host.
    pub fn new(host: Host) -> Self {
        let ruleset = lower(&host);
        Self::with_ruleset(host, ruleset).unwrap()
    }

    /// A host with another ruleset in place of the lowered one.
    ///
    /// # Errors
    ///
    /// When the verifier refuses the ruleset.
    pub fn with_ruleset(host: Host, ruleset: Ruleset) -> Result<Self, VerifyError> {
        let mut world = World::new(&host);
        if host.user.is_some() {
            let reference = reference(&host);
            let programs = [&reference.ipv4, &reference.ipv6];
            world.without_icmp = programs.into_iter().any(compares_any_ports);
        }
        let alternatives = 32 * (host.networks.len() + 1);
        Ok(Self {
            ruleset: verify(ruleset)?,
            references: (0..alternatives).map(|_| OnceCell::new()).collect(),
            docker_host: world.docker(),
            our_host: world.ours(),
            world,
            host,
        })
    }

    /// Prepares the evaluators.
    pub fn judge(&self) -> Judge<'_> {
        Judge {
            case: self,
            docker: self.references.iter().map(|_| OnceCell::new()).collect(),
            ours: ours::Evaluator::new(&self.ruleset),
        }
    }

    fn reference(&self, alternative: Alternative) -> &Reference {
        self.references[alternative.index()].get_or_init(|| {
            let mut reference = reference(&alternative.of(&self.host));
            if alternative.no_mesh {
                forget_mesh(&mut reference.ipv4);
            }
            for program in [&mut reference.ipv4, &mut reference.ipv6] {
                if alternative.closed {
                    close(program);
                }
            }
            if alternative.deaf {
                let mut host = alternative.of(&self.host);
                host.user = None;
                let dockers = dockfw_lower::reference::reference(&host);
                let mut dockers = [dockers.ipv4, dockers.ipv6];
                if alternative.no_mesh {
                    forget_mesh(&mut dockers[0]);
                }
                deafen(&mut reference.ipv4, &dockers[0]);
                deafen(&mut reference.ipv6, &dockers[1]);
            }
            reference
        })
    }
}

impl Alternative {
    fn index(self) -> usize {
        let last = self.last.map_or(0, |last| last + 1);
        let flags = [
            self.direct,
            self.unmarked,
            self.no_mesh,
            self.closed,
            self.deaf,
        ];
        let number = |number, flag| 2 * number + usize::from(flag);
        flags.into_iter().fold(last, number)
    }

    fn of(self, host: &Host) -> Host {
        let mut host = host.clone();
        host.daemon.allow_direct_routing |= self.direct;
        if self.unmarked {
            host.daemon.bridge_accept_fwmark = None;
        }
        if let Some(last) = self.last {
            let network = host.networks.remove(last);
            host.networks.push(network);
            let endpoints = host.containers.iter_mut().flat_map(|of| &mut of.endpoints);
            for endpoint in endpoints {
                if endpoint.network == last {
                    endpoint.network = host.networks.len() - 1;
                } else if endpoint.network > last {
                    endpoint.network -= 1;
                }
            }
        }
        host
    }
}

/// Whether a rule compares ports of the conntrack entry without saying of which protocol, or the
/// entry's protocol, which for an ICMP error is not that of the packet.
pub(super) fn compares_any_ports(program: &Program) -> bool {
    let rules = program
        .tables()
        .flat_map(|table| table.chains().flat_map(Chain::rules));
    rules.into_iter().any(|rule| {
        let text = rule.to_string();
        let ports = ["origsrc", "origdst", "replsrc", "repldst"];
        let compares = ports
            .iter()
            .any(|of| text.contains(&format!("--ct{of}port")));
        let names = |of: &str| text.contains(&format!("-p {of} ")) && !text.contains("! -p");
        let protocol = text.contains("--ctproto");
        protocol || compares && !names("tcp") && !names("udp") && !names("sctp")
    })
}

/// Makes the policy of FORWARD a drop.
fn close(program: &mut Program) {
    let filter = program.table_mut(TableName::Filter);
    if let Some(chain) = filter.chain_mut("FORWARD") {
        chain.set_policy(Policy::Drop);
    }
}

/// Puts a drop in front of Docker's own rules; what stands before them is the operator's.
fn deafen(program: &mut Program, dockers: &Program) {
    let rules = |program: &Program| -> Vec<Rule> {
        let filter = program.table(TableName::Filter);
        let chain = filter.and_then(|filter| filter.chain("DOCKER-FORWARD"));
        chain.into_iter().flat_map(Chain::rules).cloned().collect()
    };
    let (all, own) = (rules(program), rules(dockers));
    let mut places = all.windows(own.len().max(1));
    let place = places.position(|window| window == own).unwrap();
    let filter = program.table_mut(TableName::Filter);
    if let Some(chain) = filter.chain_mut("DOCKER-FORWARD") {
        chain.insert(place + 1, Rule::new(Target::Drop));
    }
}

/// Takes the accepts of published ports of services out of the filter table.
fn forget_mesh(program: &mut Program) {
    let filter = program.table_mut(TableName::Filter);
    let Some(chain) = filter.chain_mut("DOCKER-INGRESS") else {
        return;
    };
    let accepts: Vec<_> = chain
        .rules()
        .filter(|rule| rule.target != Some(Target::Return))
        .cloned()
        .collect();
    for rule in &accepts {
        chain.delete(rule);
    }
}

/// The evaluators of a case.
#[derive(Debug)]
pub struct Judge<'c> {
    /// The case.
    pub case: &'c Case,
    docker: Vec<OnceCell<[docker::Evaluator<'c>; 2]>>,
    ours: ours::Evaluator<'c>,
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// With Docker's rules.
    pub docker: Outcome,
    /// What the ledger makes of that.
    pub expected: Outcome,
    /// The entries that did so.
    pub entries: Vec<Divergence>,
    /// With ours.
    pub ours: Outcome,
}

impl Judgement {
    /// Whether our rules do what they should.
    pub fn is_right(&self) -> bool {
        self.expected.agrees(&self.ours)
    }
}

impl Judge<'_> {
    /// Walks a packet through both.
    pub fn judge(&self, packet: &Packet) -> Judgement {
        let docker = self.docker(packet, Alternative::default());
        let (expected, entries) = ledger::expected(self, packet, &docker);
        Judgement {
            docker,
            expected,
            entries,
            ours: self.ours(packet),
        }
    }

    /// What Docker's rules do.
    pub fn docker(&self, packet: &Packet, alternative: Alternative) -> Outcome {
        self.docker_walk(packet, alternative).into()
    }

    /// What our rules do.
    pub fn ours(&self, packet: &Packet) -> Outcome {
        self.ours.eval(&self.case.our_host, &packet.ours()).into()
    }

    fn docker_walk(&self, packet: &Packet, alternative: Alternative) -> docker::Outcome {
        let [ipv4, ipv6] = self.docker[alternative.index()].get_or_init(|| {
            let reference = self.case.reference(alternative);
            [&reference.ipv4, &reference.ipv6].map(docker::Evaluator::new)
        });
        let evaluator = if packet.destination.is_ipv6() {
            ipv6
        } else {
            ipv4
        };
        evaluator.eval(&self.case.docker_host, &packet.docker())
    }

    /// Whether the operator's rules in front of Docker's decide about a packet.
    pub fn is_operators(&self, packet: &Packet) -> bool {
        let deaf = Alternative {
            deaf: true,
            ..Alternative::default()
        };
        let walk = self.docker_walk(packet, deaf);
        let mut steps = walk.trail.iter();
        steps.any(|step| {
            let ends = matches!(
                step.effect,
                docker::Effect::Accept | docker::Effect::Drop | docker::Effect::Reject
            );
            let marker = &*step.text == "-A DOCKER-FORWARD -j DROP";
            let forward = step.hook == docker::Hook::Forward && step.table == TableName::Filter;
            ends && forward && !marker && step.rule.is_some()
        })
    }

    /// The rules that did something, on both sides, one a line.
    pub fn trails(&self, packet: &Packet) -> String {
        let mut text = String::from("Docker:\n");
        for step in self.docker_walk(packet, Alternative::default()).trail {
            let _ = writeln!(text, "  {step}");
        }
        text += "dockfw:\n";
        for step in self.ours.eval(&self.case.our_host, &packet.ours()).trail {
            let comment = step.comment.as_ref().map_or("", |of| of.as_str());
            let rule = step.rule.map_or("policy".to_owned(), |at| at.to_string());
            let _ = writeln!(
                text,
                "  {} {rule} ({comment}): {:?}",
                step.chain, step.action
            );
        }
        text
    }
}
