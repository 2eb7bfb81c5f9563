//! What `-m conntrack` means.

use super::{Seen, test};
use crate::address::AddressMask;
use crate::eval::packet::{self, State};
use crate::r#match::conntrack::{Conntrack, Direction, States, StatusBits};
use crate::value::{Invertible, PortRange};

/// Whether the connection is in one of the wanted states.
///
/// SNAT and DNAT are states an entry has besides its proper one, so `! --ctstate DNAT` matches
/// packets without an entry. In the raw table no packet has one yet, and it counts as INVALID.
///
/// Source: linux v6.12, `net/netfilter/xt_conntrack.c`, `conntrack_mt`.
pub(super) fn in_state(states: States, seen: &Seen<'_>) -> bool {
    let proper = match seen.state {
        State::New => States::NEW,
        State::Established => States::ESTABLISHED,
        State::Related => States::RELATED,
        State::Invalid => States::INVALID,
        State::Untracked => States::UNTRACKED,
    };
    states.contains(proper)
        || (seen.status.snat && states.contains(States::SNAT))
        || (seen.status.dnat && states.contains(States::DNAT))
}

/// Whether every option of the match holds; without an entry only the state is looked at.
///
/// Source: linux v6.12, `net/netfilter/xt_conntrack.c`, `conntrack_mt`.
pub(super) fn matches(wanted: &Conntrack, seen: &Seen<'_>) -> bool {
    let state = wanted
        .state
        .is_none_or(|wanted| test(&wanted, |states| in_state(*states, seen)));
    if !state {
        return false;
    }
    let (Some(original), Some(reply), true) = (seen.original, seen.reply, seen.has_entry()) else {
        return wanted.state.is_some();
    };
    let is = |wanted: Option<Invertible<AddressMask>>, address| {
        wanted.is_none_or(|wanted| test(&wanted, |mask| mask.contains(address)))
    };
    // A tuple without ports has zeros there.
    let (original_ports, reply_ports) = (
        original.ports.unwrap_or_default(),
        reply.ports.unwrap_or_default(),
    );
    let within = |wanted: Option<Invertible<PortRange>>, port| {
        wanted
            .is_none_or(|wanted| test(&wanted, |range| (range.first..=range.last).contains(&port)))
    };
    let direction = match seen.packet.ct.direction {
        packet::Direction::Original => Direction::Original,
        packet::Direction::Reply => Direction::Reply,
    };
    let expire = seen.packet.details.expire;
    wanted.direction.is_none_or(|wanted| wanted == direction)
        && is(wanted.original_source, original.source)
        && is(wanted.original_destination, original.destination)
        && is(wanted.reply_source, reply.source)
        && is(wanted.reply_destination, reply.destination)
        && wanted
            .protocol
            .is_none_or(|wanted| test(&wanted, |protocol| protocol.0 == seen.protocol))
        && within(wanted.original_source_port, original_ports.0)
        && within(wanted.original_destination_port, original_ports.1)
        && within(wanted.reply_source_port, reply_ports.0)
        && within(wanted.reply_destination_port, reply_ports.1)
        && wanted
            .status
            .is_none_or(|wanted| test(&wanted, |bits| bits.intersects(status(seen.state))))
        && wanted
            .expire
            .is_none_or(|wanted| test(&wanted, |(first, last)| (*first..=*last).contains(&expire)))
}

/// The status bits besides those of translation: an entry that is not new has seen both
/// directions. Whether it is assured or was expected is not modelled; it is not.
fn status(state: State) -> StatusBits {
    match state {
        State::Established | State::Related => StatusBits::SEEN_REPLY.or(StatusBits::CONFIRMED),
        State::New | State::Invalid | State::Untracked => StatusBits::default(),
    }
}
