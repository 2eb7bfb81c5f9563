//! `[host] count-publishes`: packets and bytes of published ports, in both directions.
//!
//! Look-ups without a verdict, in sets whose elements count: nothing here changes what becomes of
//! a packet. Only packets of flows whose destination was rewritten are looked up, by the
//! container's side of the flow, where they have passed every filter:
//!
//! - `count-postrouting`, before source NAT: what goes to a container, from wherever, and its
//!   answers to others than this host;
//! - `count-input`, before the answer's source is put back: answers to this host.
//!
//! Docker's own chains see no more than the first packet of a flow (nat), or accept answers
//! before they know of which port they are (filter).

use std::collections::BTreeMap;
use std::net::IpAddr;

use dockfw_ir::Table;
use dockfw_ir::chain::{ChainKind, Hook, Rule};
use dockfw_ir::expr::ct::status;
use dockfw_ir::expr::{Ct, Expr, Meta, Payload};
use dockfw_ir::name::SetName;
use dockfw_ir::statement::{Operator, Statement};
use dockfw_ir::value::Value;

use super::family::Family;
use super::make::{base_chain, chain, dispatch, jump, key};
use super::names;
use super::ports::PortKeys;
use crate::docker::binding::for_each_binding;
use crate::docker::publish::{PortRange, Protocol};
use crate::host::Host;

/// Just before `srcnat`, behind every filter.
const PRIORITY: i32 = 99;

/// `ct direction`
const ORIGINAL: u8 = 0;
const REPLY: u8 = 1;

/// One side of the published flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Packets to containers.
    To,
    /// Their answers.
    From,
}

impl Side {
    pub(crate) const ALL: [Self; 2] = [Self::To, Self::From];

    const fn stem(self) -> &'static str {
        match self {
            Self::To => "published-to",
            Self::From => "published-from",
        }
    }

    const fn chain(self) -> &'static str {
        match self {
            Self::To => "PUBLISHED-TO",
            Self::From => "PUBLISHED-FROM",
        }
    }

    const fn direction(self) -> u8 {
        match self {
            Self::To => ORIGINAL,
            Self::From => REPLY,
        }
    }

    const fn address(self, family: Family) -> Payload {
        match self {
            Self::To => family.daddr(),
            Self::From => family.saddr(),
        }
    }

    const fn port(self) -> Payload {
        match self {
            Self::To => Payload::ThDport,
            Self::From => Payload::ThSport,
        }
    }

    const fn why(self, suffix: &str) -> &'static str {
        match (self, suffix.is_empty()) {
            (Self::To, true) => "what goes to published ports, by container port",
            (Self::To, false) => "what goes to ranges of published ports",
            (Self::From, true) => "what published ports answer, by container port",
            (Self::From, false) => "what ranges of published ports answer",
        }
    }

    /// The set in which ports of containers count.
    pub(crate) fn set(self, family: Family, suffix: &'static str) -> SetName {
        names::family_set(self.stem(), family, suffix)
    }
}

/// Ports of one container that the same publishes lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) address: IpAddr,
    pub(crate) protocol: Protocol,
    pub(crate) first: u16,
    pub(crate) last: u16,
    /// Indexes into [`Way`]s; never empty.
    pub(crate) ways: Vec<usize>,
}

/// A host address and ports that lead to ports of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    /// Index of the container; `None` for swarm's ingress sandbox.
    pub(crate) container: Option<usize>,
    pub(crate) host_address: IpAddr,
    pub(crate) host_ports: PortRange,
    address: IpAddr,
    protocol: Protocol,
    pub(crate) first: u16,
    last: u16,
}

/// Everything that is rewritten, and the ports of containers, cut where publishes begin and end:
/// ordered by address, protocol and port, and disjoint.
pub(crate) fn segments(host: &Host) -> (Vec<Way>, Vec<Segment>) {
    let ways = ways(host);
    let mut targets: BTreeMap<(IpAddr, Protocol), Vec<usize>> = BTreeMap::new();
    for (index, way) in ways.iter().enumerate() {
        let target = targets.entry((way.address, way.protocol)).or_default();
        target.push(index);
    }
    let mut segments = Vec::with_capacity(ways.len());
    for ((address, protocol), indexes) in targets {
        cut(&ways, &indexes, |first, last, of| {
            segments.push(Segment {
                address,
                protocol,
                first,
                last,
                ways: of,
            });
        });
    }
    (ways, segments)
}

fn ways(host: &Host) -> Vec<Way> {
    let mut ways = Vec::new();
    for_each_binding(host, |binding| {
        if let Some(host_ports) = binding.host_ports {
            ways.push(Way {
                container: Some(binding.container),
                host_address: binding.host_address,
                host_ports,
                address: binding.container_address,
                protocol: binding.protocol,
                first: binding.container_ports.first(),
                last: binding.container_ports.last(),
            });
        }
    });
    if let Some((ingress, ..)) = host.mesh() {
        for publish in &ingress.publish {
            if let Some(ports) = publish.definite_host_ports() {
                ways.push(Way {
                    container: None,
                    host_address: std::net::Ipv4Addr::UNSPECIFIED.into(),
                    host_ports: ports,
                    address: ingress.sandbox.into(),
                    protocol: publish.protocol,
                    first: ports.first(),
                    last: ports.last(),
                });
            }
        }
    }
    ways
}

/// Cuts the ports of ways to one address into stretches with the same ways.
fn cut(ways: &[Way], indexes: &[usize], mut each: impl FnMut(u16, u16, Vec<usize>)) {
    // Ports as 32 bits: a range may end at the last port.
    let mut events: Vec<(u32, bool, usize)> = Vec::with_capacity(2 * indexes.len());
    for index in indexes {
        if let Some(way) = ways.get(*index) {
            events.push((way.first.into(), true, *index));
            events.push((u32::from(way.last) + 1, false, *index));
        }
    }
    events.sort_unstable();
    let mut open: Vec<usize> = Vec::new();
    let mut from = 0;
    for (port, begins, index) in events {
        let last = port
            .checked_sub(1)
            .and_then(|last| u16::try_from(last).ok());
        if let (Some(last), Ok(first)) = (last, u16::try_from(from))
            && !open.is_empty()
            && port > from
        {
            let mut of = open.clone();
            of.sort_unstable();
            each(first, last, of);
        }
        from = port;
        if begins {
            open.push(index);
        } else {
            open.retain(|of| *of != index);
        }
    }
}

/// The elements of a segment, for either side: single ports, or one range.
pub(crate) fn keys(segment: &Segment) -> PortKeys {
    let mut keys = PortKeys::default();
    push(&mut keys, segment);
    keys
}

fn push(keys: &mut PortKeys, segment: &Segment) {
    let address = Value::new().and_ip(segment.address);
    keys.push(address, segment.protocol, segment.first, segment.last);
}

pub(super) fn add(table: &mut Table, host: &Host) {
    if !host.count_publishes {
        return;
    }
    let (_, segments) = segments(host);
    for family in Family::ALL {
        for side in Side::ALL {
            let mut keys = PortKeys::default();
            for segment in &segments {
                if Family::of(segment.address) == family {
                    push(&mut keys, segment);
                }
            }
            let why = [side.why(""), side.why("-range")];
            let mut sets = keys.into_sets(side.stem(), family, why);
            for set in &mut sets {
                set.counter = true;
            }
            table.sets.extend(sets);
        }
    }
    for side in Side::ALL {
        let rules = Family::ALL.into_iter().flat_map(|family| {
            ["", "-range"].map(|suffix| {
                let fields: [Expr; 3] = [
                    side.address(family).into(),
                    Meta::L4proto.into(),
                    side.port().into(),
                ];
                let found = Statement::in_set(key(fields), &side.set(family, suffix));
                dispatch(vec![found], "the element counts")
            })
        });
        let why = "counts packets of published ports and decides nothing";
        table
            .chains
            .push(chain(names::chain(side.chain()), rules.collect(), why));
    }
    let postrouting = Side::ALL.map(of_rewritten).to_vec();
    let input = vec![of_rewritten(Side::From)];
    for (name, hook, rules) in [
        ("count-postrouting", Hook::Postrouting, postrouting),
        ("count-input", Hook::Input, input),
    ] {
        let name = names::chain(name);
        let base = base_chain(name, ChainKind::Filter, hook, PRIORITY, rules);
        table.chains.push(base);
    }
}

/// `ct status dnat ct direction original jump PUBLISHED-TO`
fn of_rewritten(side: Side) -> Rule {
    let dnat = Value::new().and_host_u32(status::DNAT);
    let zero = Value::new().and_host_u32(0);
    let direction = Value::new().and_u8(side.direction());
    let why = match side {
        Side::To => "to a container whose port was rewritten to",
        Side::From => "answers of such a container",
    };
    dispatch(
        vec![
            Statement::masked(Ct::Status, dnat, Operator::NotEqual, zero),
            Statement::equal(Ct::Direction, direction),
            jump(&names::chain(side.chain())),
        ],
        why,
    )
}
