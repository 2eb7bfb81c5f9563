//! One entry, and the packet that would begin its flow, in the ruleset before and the one after.

use dockfw_ir::eval::{Conntrack, Evaluator, From, Outcome, Packet, State};
use dockfw_netlink::Entry;
use dockfw_netlink::sys::conntrack::IPS_EXPECTED;

use super::carry::Rulesets;
use super::{Why, World};

/// `IPPROTO_TCP`, `IPPROTO_DCCP`, `IPPROTO_SCTP`: what has a connection that one peer holds.
const CONNECTIONS: [u8; 3] = [6, 33, 132];

/// Both rulesets, ready for packets.
pub(super) struct Judge<'r> {
    old: Evaluator<'r>,
    new: Evaluator<'r>,
    world: &'r World,
}

/// What is to be said of a packet that would begin a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    /// The old ruleset does not lead to what the entry has.
    Unexplained,
    /// It does, and the flow is not affected.
    Stays,
    /// It does, and the new one does not.
    Affected(Why),
}

impl Judged {
    const fn why(self) -> Option<Why> {
        match self {
            Self::Affected(why) => Some(why),
            Self::Unexplained | Self::Stays => None,
        }
    }
}

impl<'r> Judge<'r> {
    pub(super) fn new(rulesets: &'r Rulesets<'_>, world: &'r World) -> Self {
        Self {
            old: Evaluator::new(&rulesets.old),
            new: Evaluator::new(&rulesets.new),
            world,
        }
    }

    /// Why the flow is affected; `None` when it is not, or cannot be judged.
    pub(super) fn why(&self, entry: &Entry) -> Option<Why> {
        let packet = self.first_packet(entry)?;
        let plain = self.compare(entry, &packet);
        if entry.mark == 0 {
            return plain.why();
        }
        let marked = Packet {
            mark: entry.mark,
            ct: Conntrack {
                mark: entry.mark,
                ..packet.ct.clone()
            },
            ..packet
        };
        match (plain, self.compare(entry, &marked)) {
            (Judged::Stays, _) | (_, Judged::Stays) => None,
            (Judged::Unexplained, other) | (other, _) => other.why(),
        }
    }

    /// The packet that would begin the flow; `None` where nobody can tell how it would come in.
    fn first_packet(&self, entry: &Entry) -> Option<Packet> {
        let original = &entry.original;
        let world = self.world;
        let mut bridge = None;
        let from = if world.is_own(original.source) {
            From::Host
        } else {
            let input = world.interface_to(original.source)?;
            let output = world.interface_to(original.destination);
            bridge = output
                .filter(|output| *output == input && world.is_bridge(output))
                .map(str::to_owned);
            From::Interface(input.to_owned())
        };
        let state = if entry.status & IPS_EXPECTED == 0 {
            State::New
        } else {
            State::Related
        };
        Some(Packet {
            to: bridge,
            ports: original.ports,
            icmp: original.icmp.map(|icmp| (icmp.kind, icmp.code)),
            time: world.now,
            ct: Conntrack {
                state,
                ..Conntrack::default()
            },
            ..Packet::new(
                from,
                original.source,
                original.destination,
                original.protocol,
            )
        })
    }

    /// What both rulesets do to a packet, against what the entry has.
    fn compare(&self, entry: &Entry, packet: &Packet) -> Judged {
        let new = self.new.eval(&self.world.host, packet);
        // Most entries are just what the new ruleset makes: then the old one does not matter.
        if leads_to(&new, entry) && new.source == entry.reply.destination {
            return Judged::Stays;
        }
        let old = self.old.eval(&self.world.host, packet);
        if !(leads_to(&old, entry) && self.is_source(&old, entry)) {
            return Judged::Unexplained;
        }
        difference(&old, &new, entry).map_or(Judged::Stays, Judged::Affected)
    }

    /// Whether the source is rewritten as the entry says, or to another address of the host: the
    /// kernel chose it when the flow began.
    fn is_source(&self, outcome: &Outcome, entry: &Entry) -> bool {
        let (before, has) = (entry.original.source, entry.reply.destination);
        outcome.source == has
            || (outcome.source != before
                && has != before
                && self.world.is_own(outcome.source)
                && self.world.is_own(has))
    }
}

/// Whether the packet gets through, to where the entry says.
fn leads_to(outcome: &Outcome, entry: &Entry) -> bool {
    let port = outcome.ports.map(|(_, destination)| destination);
    outcome.verdict.is_pass()
        && outcome.destination == entry.reply.source
        && port == entry.reply.ports.map(|(source, _)| source)
}

/// How the new outcome differs from the old one, which the entry has.
fn difference(old: &Outcome, new: &Outcome, entry: &Entry) -> Option<Why> {
    if !new.verdict.is_pass() {
        return Some(Why::Forbidden);
    }
    let destination = |of: &Outcome| (of.destination, of.ports.map(|(_, to)| to));
    let original = &entry.original;
    let plain = (original.destination, original.ports.map(|(_, to)| to));
    // Each end: as it was in the packet, in the old outcome, and in the new one.
    let ends = [
        end(&plain, &destination(old), &destination(new)),
        end(&original.source, &old.source, &new.source),
    ];
    let is_connection = CONNECTIONS.contains(&original.protocol);
    ends.into_iter()
        .flatten()
        .find(|why| !(is_connection && *why == Why::Translated))
}

fn end<T: PartialEq>(plain: &T, old: &T, new: &T) -> Option<Why> {
    if old == new {
        None
    } else if old == plain {
        Some(Why::Translated)
    } else if new == plain {
        Some(Why::Untranslated)
    } else {
        Some(Why::Elsewhere)
    }
}
