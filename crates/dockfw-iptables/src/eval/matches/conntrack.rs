//! What `-m conntrack` means.

use super::{Seen, test};
use crate::eval::packet::State;
use crate::r#match::conntrack::{Conntrack, States};

/// Whether the connection is in one of the wanted states.
///
/// SNAT and DNAT are states an entry has besides its proper one, so `! --ctstate DNAT` matches
/// packets without an entry. In the raw table no packet has one yet, and it counts as INVALID.
///
/// Source: linux v6.12, `net/netfilter/xt_conntrack.c`, `conntrack_mt`.
pub(super) fn matches(wanted: &Conntrack, seen: &Seen<'_>) -> bool {
    let proper = match seen.state {
        State::New => States::NEW,
        State::Established => States::ESTABLISHED,
        State::Related => States::RELATED,
        State::Invalid => States::INVALID,
        State::Untracked => States::UNTRACKED,
    };
    let is = |states: &States| {
        states.contains(proper)
            || (seen.status.snat && states.contains(States::SNAT))
            || (seen.status.dnat && states.contains(States::DNAT))
    };
    wanted.state.is_none_or(|wanted| test(&wanted, is))
}
