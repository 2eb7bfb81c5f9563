//! The packet's conntrack entry during the walk.

use super::packet::{Conntrack, Direction, ICMP, ICMPV6, Packet, State, Tuple};
use crate::expr::ct::{state, status};
use crate::statement::NatKind;

/// `IPS_SRC_NAT_DONE` and `IPS_DST_NAT_DONE`: this end of the flow is settled, translated or not.
///
/// Source: uapi `linux/netfilter/nf_conntrack_common.h`, `enum ip_conntrack_status` (v6.12).
pub(super) const fn settled_bit(kind: NatKind) -> u32 {
    match kind {
        NatKind::Snat => 1 << 7,
        NatKind::Dnat => 1 << 8,
    }
}

/// The bit of `ct status` that says that this end is rewritten.
pub(super) const fn nat_bit(kind: NatKind) -> u32 {
    match kind {
        NatKind::Snat => status::SNAT,
        NatKind::Dnat => status::DNAT,
    }
}

/// What the packet carries of conntrack.
#[derive(Debug)]
pub(super) enum Tracking {
    /// Nothing: conntrack has not run, or could make nothing of it. The kernel cannot tell the two
    /// apart either, and calls both invalid.
    None,
    /// Left alone.
    Untracked,
    /// An entry.
    Entry(Entry),
}

/// A conntrack entry, and the packet's part in it.
#[derive(Debug)]
pub(super) struct Entry {
    /// The bit of `ct state`.
    pub(super) state: u32,
    pub(super) direction: Direction,
    pub(super) original: Tuple,
    pub(super) reply: Tuple,
    pub(super) status: u32,
    pub(super) mark: u32,
    /// Whether the packet begins the flow, so that nat chains are asked.
    pub(super) begins: bool,
}

impl Tracking {
    /// Conntrack's hook.
    ///
    /// Source: `net/netfilter/nf_conntrack_core.c`, `nf_conntrack_in` (v6.12).
    pub(super) fn find(packet: &Packet) -> Self {
        let ct = &packet.ct;
        let bit = match ct.state {
            State::New => state::NEW,
            State::Established => state::ESTABLISHED,
            State::Related => state::RELATED,
            State::Invalid => return Self::None,
            State::Untracked => return Self::Untracked,
        };
        Self::Entry(Entry::new(packet, ct, bit))
    }

    /// The bits of `ct state`.
    ///
    /// Source: `net/netfilter/nft_ct.c`, `nft_ct_get_eval` (v6.12).
    pub(super) const fn state(&self) -> u32 {
        match self {
            Self::None => state::INVALID,
            Self::Untracked => state::UNTRACKED,
            Self::Entry(entry) => entry.state,
        }
    }

    pub(super) const fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::None | Self::Untracked => None,
        }
    }

    pub(super) const fn entry_mut(&mut self) -> Option<&mut Entry> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::None | Self::Untracked => None,
        }
    }
}

impl Entry {
    fn new(packet: &Packet, ct: &Conntrack, state: u32) -> Self {
        let own = Tuple {
            source: packet.source,
            destination: packet.destination,
            protocol: packet.protocol,
            ports: packet.ports.or_else(|| {
                let (kind, code) = packet.icmp?;
                Some((0, u16::from_be_bytes([kind, code])))
            }),
        };
        let icmp = matches!(packet.protocol, ICMP | ICMPV6);
        let begins = match ct.state {
            State::New => true,
            // An ICMP error is of a flow that has been through NAT.
            State::Related => ct.original.is_none() && ct.reply.is_none() && !icmp,
            State::Established | State::Invalid | State::Untracked => false,
        };
        if begins {
            return Self {
                state,
                direction: Direction::Original,
                original: own,
                reply: own.inverted(),
                status: ct.status & !(settled_bit(NatKind::Snat) | settled_bit(NatKind::Dnat)),
                mark: ct.mark,
                begins,
            };
        }
        let original = ct
            .original
            .unwrap_or_else(|| match (ct.reply, ct.direction) {
                (Some(reply), _) => reply.inverted(),
                (None, Direction::Original) => own,
                (None, Direction::Reply) => own.inverted(),
            });
        let reply = ct.reply.unwrap_or_else(|| original.inverted());
        let plain = original.inverted();
        let ports = |tuple: Tuple| tuple.ports.unzip();
        let (from, to) = (ports(reply), ports(plain));
        let mut status = ct.status | settled_bit(NatKind::Snat) | settled_bit(NatKind::Dnat);
        if reply.source != plain.source || from.0 != to.0 {
            status |= status::DNAT;
        }
        if reply.destination != plain.destination || from.1 != to.1 {
            status |= status::SNAT;
        }
        Self {
            state,
            direction: ct.direction,
            original,
            reply,
            status,
            mark: ct.mark,
            begins,
        }
    }

    /// Whether this end has been decided about.
    pub(super) const fn is_settled(&self, kind: NatKind) -> bool {
        self.status & settled_bit(kind) != 0
    }

    /// The tuple of a direction.
    pub(super) const fn tuple(&self, direction: Direction) -> Tuple {
        match direction {
            Direction::Original => self.original,
            Direction::Reply => self.reply,
        }
    }

    /// What the packet becomes when both ends are rewritten: the inverse of the other direction.
    pub(super) fn rewritten(&self) -> Tuple {
        let other = match self.direction {
            Direction::Original => self.reply,
            Direction::Reply => self.original,
        };
        other.inverted()
    }
}
