//! `-m conntrack` and `-m state`: the conntrack entry.
//!
//! A packet without an entry is `INVALID` or `UNTRACKED`. For such a packet xt_conntrack looks at
//! `--ctstate` alone: when that holds, the other options count as fulfilled; without it they do
//! not. In nftables every other `ct` expression ends the rule then.
//!
//! Source: linux v6.12, `net/netfilter/xt_conntrack.c`, `conntrack_mt`; `xt_state.c`, `state_mt`.

use dockfw_iptables::r#match::conntrack::{Conntrack, Direction, States, StatusBits};
use dockfw_iptables::{AddressMask, Invertible, PortRange};
use dockfw_ir::expr::Ct;
use dockfw_ir::expr::ct::{self, TupleField, state as bits, status};
use dockfw_ir::value::Value;

use super::equal;
use super::ports::port;
use crate::lower::family::Family;
use crate::rules::Place;
use crate::rules::header::{address, protocol};
use crate::rules::ways::{Ways, any_bit, one_of, range};

/// The states of packets without an entry.
const NO_ENTRY: u32 = bits::INVALID | bits::UNTRACKED;

pub(super) fn ways(wanted: &Conntrack, place: Place) -> Ways {
    let entry = entry(wanted, place);
    let Some(wanted) = &wanted.state else {
        return entry.unwrap_or_else(Ways::always);
    };
    let states = state(*wanted);
    let Some(entry) = entry else {
        return states;
    };
    // Packets without an entry for which the state holds: they do not satisfy `entry`.
    let named = state_bits(*wanted.value());
    let without = if wanted.is_inverted() {
        NO_ENTRY & !named
    } else {
        NO_ENTRY & named
    };
    let without = if without == 0 {
        Ways::never()
    } else {
        Ways::one(any_bit(Ct::State, false, without))
    };
    states.and(&entry).or(without)
}

/// The options besides the state; `None` when there is none. They do not hold without an entry.
fn entry(wanted: &Conntrack, place: Place) -> Option<Ways> {
    use ct::Direction::{Original, Reply};
    let (source, destination) = match place.family {
        Family::V4 => (TupleField::IpSaddr, TupleField::IpDaddr),
        Family::V6 => (TupleField::Ip6Saddr, TupleField::Ip6Daddr),
    };
    let mut all: Vec<Ways> = Vec::new();
    if let Some(wanted) = wanted.protocol {
        all.push(protocol(
            wanted,
            Ct::Tuple(Original, TupleField::Protocol).into(),
        ));
    }
    let addresses: [(&Option<Invertible<AddressMask>>, _, _); 4] = [
        (&wanted.original_source, Original, source),
        (&wanted.original_destination, Original, destination),
        (&wanted.reply_source, Reply, source),
        (&wanted.reply_destination, Reply, destination),
    ];
    for (wanted, direction, field) in addresses {
        if let Some(wanted) = wanted {
            all.push(address(wanted, Ct::Tuple(direction, field).into()));
        }
    }
    let ports: [(Option<Invertible<PortRange>>, _, _); 4] = [
        (wanted.original_source_port, Original, TupleField::ProtoSrc),
        (
            wanted.original_destination_port,
            Original,
            TupleField::ProtoDst,
        ),
        (wanted.reply_source_port, Reply, TupleField::ProtoSrc),
        (wanted.reply_destination_port, Reply, TupleField::ProtoDst),
    ];
    for (wanted, direction, field) in ports {
        if let Some(wanted) = wanted {
            let PortRange { first, last } = *wanted.value();
            if first > last {
                all.push(Ways::constant(wanted.is_inverted()));
                continue;
            }
            let key = Ct::Tuple(direction, field);
            let negated = wanted.is_inverted();
            all.push(Ways::one(range(key, negated, port(first), port(last))));
        }
    }
    if let Some(wanted) = wanted.status {
        let named = [
            (StatusBits::EXPECTED, status::EXPECTED),
            (StatusBits::SEEN_REPLY, status::SEEN_REPLY),
            (StatusBits::ASSURED, status::ASSURED),
            (StatusBits::CONFIRMED, status::CONFIRMED),
        ];
        let named = named
            .iter()
            .filter(|(one, _)| wanted.value().intersects(*one));
        let named = named.fold(0, |all, (_, bit)| all | bit);
        all.push(if named == 0 {
            Ways::constant(wanted.is_inverted())
        } else {
            Ways::one(any_bit(Ct::Status, wanted.is_inverted(), named))
        });
    }
    if let Some(wanted) = wanted.expire {
        let (first, last) = *wanted.value();
        let milliseconds = |seconds: u32, more: u32| {
            let number = seconds.saturating_mul(1000).saturating_add(more);
            Value::new().and_host_u32(number)
        };
        let negated = wanted.is_inverted();
        let (low, high) = (milliseconds(first, 0), milliseconds(last, 999));
        all.push(if first > last {
            Ways::constant(negated)
        } else {
            Ways::one(range(Ct::Expiration, negated, low, high))
        });
    }
    if let Some(direction) = wanted.direction {
        let number = match direction {
            Direction::Original => 0,
            Direction::Reply => 1,
        };
        all.push(equal(Ct::Direction.into(), false, number));
    }
    for ways in &mut all {
        // What any entry fulfils is still not fulfilled without one.
        if *ways == Ways::always() {
            *ways = has_entry();
        }
    }
    all.into_iter().reduce(|a, b| a.and(&b))
}

/// `ct direction { original, reply }`
pub(super) fn has_entry() -> Ways {
    let direction = |number| {
        let value = Value::new().and_u8(number);
        (value.clone(), value)
    };
    let both = vec![direction(0), direction(1)];
    Ways::one(one_of(Ct::Direction, false, both))
}

/// The state alone.
pub(super) fn state(wanted: Invertible<States>) -> Ways {
    let states = state_bits(*wanted.value());
    let translated = status_bits(*wanted.value());
    let is = |bits: u32, negated| match bits {
        0 => Ways::constant(negated),
        bits => Ways::one(any_bit(Ct::State, negated, bits)),
    };
    if translated == 0 {
        return is(states, wanted.is_inverted());
    }
    let is_translated = |negated| Ways::one(any_bit(Ct::Status, negated, translated));
    if wanted.is_inverted() {
        // The status of a packet without an entry does not load.
        let without = is(NO_ENTRY & !states, false);
        is(states, true).and(&is_translated(true)).or(without)
    } else {
        is(states, false).or(is(states, true).and(&is_translated(false)))
    }
}

fn state_bits(states: States) -> u32 {
    let all = [
        (States::INVALID, bits::INVALID),
        (States::NEW, bits::NEW),
        (States::RELATED, bits::RELATED),
        (States::ESTABLISHED, bits::ESTABLISHED),
        (States::UNTRACKED, bits::UNTRACKED),
    ];
    let named = all.iter().filter(|(one, _)| states.contains(*one));
    named.fold(0, |all, (_, bit)| all | bit)
}

/// `SNAT` and `DNAT`, which are bits of the status.
fn status_bits(states: States) -> u32 {
    let all = [(States::SNAT, status::SNAT), (States::DNAT, status::DNAT)];
    let named = all.iter().filter(|(one, _)| states.contains(*one));
    named.fold(0, |all, (_, bit)| all | bit)
}
