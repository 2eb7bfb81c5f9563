//! `docs/divergences.md` as code: what must become of a packet where we differ from Docker.

use std::net::{IpAddr, Ipv6Addr};

use dockfw_lower::docker::binding::bindings;
use dockfw_lower::host::{Host, Network};

use super::case::{Alternative, Judge};
use super::packet::{Outcome, Packet, Verdict};
use super::world::{LOOPBACK, bridge_of, subnets};

/// An entry of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Divergence {
    /// 1: internal networks leak with Docker's nftables backend.
    InternalLeak,
    /// 2: the drop of direct access loses answers.
    StatelessDrop,
    /// 3: ports that are published on `::1` are open to remote packets.
    RemoteLoopback,
    /// 4: marked packets are accepted to anywhere.
    MarkAnywhere,
    /// 5: forged sources open an internal network, and so do routes of its subnet that lead
    /// elsewhere.
    ForgedSource,
    /// 6: a bridge is open in the family that its network does not have.
    OtherFamily,
    /// 7: who enabled forwarding decides about the policy.
    PolicyOwner,
    /// 8: a family without networks keeps the policy accept.
    PolicyFamily,
    /// 9: the order of networks decides between two rules for the source address.
    SourceOrder,
    /// 10: a service's published port is accepted wherever a packet goes.
    MeshAnywhere,
}

impl Divergence {
    /// Every entry, by number.
    pub const ALL: [Self; 10] = [
        Self::InternalLeak,
        Self::StatelessDrop,
        Self::RemoteLoopback,
        Self::MarkAnywhere,
        Self::ForgedSource,
        Self::OtherFamily,
        Self::PolicyOwner,
        Self::PolicyFamily,
        Self::SourceOrder,
        Self::MeshAnywhere,
    ];

    /// The order in which entries apply to one packet: those that ask Docker's rules again come
    /// before those that drop.
    const IN_ORDER: [Self; 8] = [
        Self::StatelessDrop,
        Self::MeshAnywhere,
        Self::MarkAnywhere,
        Self::SourceOrder,
        Self::RemoteLoopback,
        Self::ForgedSource,
        Self::OtherFamily,
        Self::PolicyFamily,
    ];

    /// The number in the ledger.
    pub const fn number(self) -> usize {
        match self {
            Self::InternalLeak => 1,
            Self::StatelessDrop => 2,
            Self::RemoteLoopback => 3,
            Self::MarkAnywhere => 4,
            Self::ForgedSource => 5,
            Self::OtherFamily => 6,
            Self::PolicyOwner => 7,
            Self::PolicyFamily => 8,
            Self::SourceOrder => 9,
            Self::MeshAnywhere => 10,
        }
    }

    /// Whether a packet can show it here.
    ///
    /// Not 1, which is about Docker's other backend, and not 7: the reference is a dockerd that
    /// enabled forwarding itself.
    pub const fn is_about_packets(self) -> bool {
        !matches!(self, Self::InternalLeak | Self::PolicyOwner)
    }

    /// Whether this entry alone explains what our rules do.
    ///
    /// Never where the two agree.
    pub fn explains(
        self,
        judge: &Judge<'_>,
        packet: &Packet,
        docker: &Outcome,
        ours: &Outcome,
    ) -> bool {
        let mut view = Alternative::default();
        let amended = self.amend(judge, packet, docker, &mut view);
        !docker.agrees(ours) && amended.is_some_and(|amended| amended.agrees(ours))
    }

    /// What must become of a packet that would otherwise end like this; `None` where the entry
    /// has nothing to say.
    fn amend(
        self,
        judge: &Judge<'_>,
        packet: &Packet,
        outcome: &Outcome,
        view: &mut Alternative,
    ) -> Option<Outcome> {
        let host = &judge.case.host;
        let passes = Passage::of(judge, packet, outcome, *view);
        match self {
            Self::InternalLeak | Self::PolicyOwner => None,
            Self::StatelessDrop => {
                let early = outcome.verdict == (Verdict::Dropped { prerouting: true });
                if !early || !packet.is_answer() {
                    return None;
                }
                view.direct = true;
                Some(judge.docker(packet, *view))
            }
            Self::MarkAnywhere => {
                let passes = passes?;
                if host.daemon.bridge_accept_fwmark.is_none() || passes.to_open {
                    return None;
                }
                view.unmarked = true;
                Some(judge.docker(packet, *view))
            }
            Self::SourceOrder => {
                let to = outcome.forwarded_to()?;
                let (place, network) = network_of(host, to)?;
                let other = host.networks.iter().enumerate().any(|(index, other)| {
                    index != place && subnets(other).any(|net| net.contains(&packet.source))
                });
                let local = judge.case.world.is_local(packet.source);
                if host.daemon.userland_proxy || network.internal || !other || !local {
                    return None;
                }
                view.last = Some(place);
                Some(judge.docker(packet, *view))
            }
            Self::MeshAnywhere => {
                let passes = passes?;
                if host.mesh().is_none() || is_for_service(host, &passes, packet, outcome) {
                    return None;
                }
                view.no_mesh = true;
                Some(judge.docker(packet, *view))
            }
            Self::RemoteLoopback => {
                let remote = packet.input().is_some_and(|input| input != LOOPBACK);
                let closed = remote && is_published_on_loopback(host, packet);
                closed.then(|| outcome.clone().dropped())
            }
            Self::ForgedSource => {
                let passes = passes.filter(|of| !of.operator)?;
                let closed = |of: &Network| of.internal && has_family(of, packet);
                let into = passes.to.is_some_and(closed);
                let out = !passes.bridged && passes.from.is_some_and(closed);
                let closed = into || (out && !passes.is_early(packet));
                closed.then(|| outcome.clone().dropped())
            }
            Self::OtherFamily => {
                let passes = passes.filter(|of| !of.operator)?;
                let lacks = |network: &Network| !has_family(network, packet);
                let closed = match (passes.from, passes.to) {
                    (Some(from), _) if passes.bridged => lacks(from) && !from.icc,
                    (_, Some(to)) if lacks(to) => true,
                    (Some(from), _) => lacks(from) && from.internal && !passes.is_early(packet),
                    (None, _) => false,
                };
                closed.then(|| outcome.clone().dropped())
            }
            Self::PolicyFamily => {
                passes?;
                let none = !host
                    .networks
                    .iter()
                    .any(|network| bridge_of(network).is_some() && has_family(network, packet));
                let drops = host.daemon.ip_forward && !host.daemon.ip_forward_no_drop;
                if !none || !drops {
                    return None;
                }
                view.closed = true;
                Some(judge.docker(packet, *view))
            }
        }
    }
}

/// What must become of a packet, and the entries that make it differ from Docker's end.
pub fn expected(
    judge: &Judge<'_>,
    packet: &Packet,
    docker: &Outcome,
) -> (Outcome, Vec<Divergence>) {
    let mut view = Alternative::default();
    let mut outcome = docker.clone();
    let mut entries = Vec::new();
    for entry in Divergence::IN_ORDER {
        if let Some(amended) = entry.amend(judge, packet, &outcome, &mut view) {
            if !amended.agrees(&outcome) {
                entries.push(entry);
            }
            outcome = amended;
        }
    }
    (outcome, entries)
}

/// A packet's way through FORWARD.
struct Passage<'h> {
    /// The network whose bridge it came from.
    from: Option<&'h Network>,
    /// The network to whose bridge it goes, if that is another one.
    to: Option<&'h Network>,
    /// It stays on a bridge.
    bridged: bool,
    /// The bridge it goes to is that of a network with the family that is not internal.
    to_open: bool,
    marked: bool,
    /// The operator's rules accept it before Docker's and ours see it: no entry is about that.
    operator: bool,
}

impl<'h> Passage<'h> {
    fn of(
        judge: &Judge<'h>,
        packet: &Packet,
        outcome: &Outcome,
        view: Alternative,
    ) -> Option<Self> {
        let host = &judge.case.host;
        let input = packet.input()?;
        let output = outcome.forwarded_to()?;
        let network = |name| network_of(host, name).map(|(_, network)| network);
        let bridged = input == output;
        let to = network(output);
        // Where it comes to Docker's rules, and with which mark.
        let before = host
            .user
            .is_some()
            .then(|| judge.docker(packet, Alternative { deaf: true, ..view }));
        Some(Self {
            from: network(input),
            to: to.filter(|_| !bridged),
            bridged,
            to_open: to.is_some_and(|to| !to.internal && has_family(to, packet)),
            marked: is_marked(host, before.as_ref().map_or(packet.mark, |of| of.mark)),
            operator: before.is_some_and(|of| of.forwarded_to().is_some()),
        })
    }

    /// Whether Docker and we accept it before internal networks have a say.
    fn is_early(&self, packet: &Packet) -> bool {
        self.to_open && (self.marked || packet.is_answer())
    }
}

/// The network of a bridge, with its index.
fn network_of<'h>(host: &'h Host, device: &str) -> Option<(usize, &'h Network)> {
    let mut networks = host.networks.iter().enumerate();
    networks.find(|(_, network)| bridge_of(network) == Some(device))
}

/// Whether a packet goes to swarm's sandbox for a published port, and may.
fn is_for_service(host: &Host, passes: &Passage<'_>, packet: &Packet, outcome: &Outcome) -> bool {
    let Some((ingress, _, gateway)) = host.mesh() else {
        return false;
    };
    let confined = !passes.bridged && passes.from.is_some_and(|from| from.internal);
    let to_sandbox = outcome.forwarded_to() == bridge_of(gateway)
        && outcome.destination == IpAddr::V4(ingress.sandbox);
    let (Some((_, port)), false, true) = (outcome.ports, confined, to_sandbox) else {
        return false;
    };
    ingress.publish.iter().any(|publish| {
        let published = publish.definite_host_ports();
        publish.protocol.number() == packet.protocol
            && published.is_some_and(|ports| (ports.first()..=ports.last()).contains(&port))
    })
}

fn has_family(network: &Network, packet: &Packet) -> bool {
    match packet.destination {
        IpAddr::V4(_) => network.ipv4.is_some(),
        IpAddr::V6(_) => network.ipv6.is_some(),
    }
}

/// As iptables compares: a value with bits outside of the mask is never equal.
fn is_marked(host: &Host, mark: u32) -> bool {
    let fwmark = host.daemon.bridge_accept_fwmark;
    fwmark.is_some_and(|of| mark & of.mask == of.mark)
}

fn is_published_on_loopback(host: &Host, packet: &Packet) -> bool {
    let Some((_, port)) = packet
        .ports
        .filter(|_| packet.destination == Ipv6Addr::LOCALHOST)
    else {
        return false;
    };
    bindings(host).iter().any(|binding| {
        binding.host_address == packet.destination
            && binding.protocol.number() == packet.protocol
            && binding
                .host_ports
                .is_some_and(|ports| (ports.first()..=ports.last()).contains(&port))
    })
}
