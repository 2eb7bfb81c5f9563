//! Which entries a change can affect at all, so that not all of them have to be walked.
//!
//! As long as a packet meets nothing that changed, both rulesets do the same to it. Where the old
//! one leads to what an entry has, what the packet has on its way are the addresses and ports of the
//! entry, and the interfaces that lead to them. So a changed element of a set or map concerns an
//! entry only if each address, port and interface in its key is one of the entry. Not all of them
//! are looked at: to look at fewer is to walk a few entries more.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_ir::Table;
use dockfw_ir::diff::{ChainChange, Changes, ElementChanges, SetChange, TableChange, rulesets};
use dockfw_ir::set::{Element, Set};
use dockfw_ir::value::DataType;
use dockfw_netlink::Entry;

use super::{Change, World};

/// What a change concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// No flow.
    Nothing,
    /// Any flow may be concerned.
    Everything,
    /// Flows with any of these.
    Some(Keys),
}

/// Parts of keys of changed elements, those that fewest entries have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Keys {
    pairs: BTreeSet<(IpAddr, u16)>,
    addresses: BTreeSet<IpAddr>,
    ports: BTreeSet<u16>,
    interfaces: BTreeSet<String>,
    /// First and last address.
    ranges: Vec<(IpAddr, IpAddr)>,
}

/// With more ranges than these, walking is as cheap as looking.
const RANGES: usize = 256;

impl Scope {
    pub(super) fn of(change: &Change<'_>) -> Self {
        let old = change.old.map_or(&[][..], |old| old.tables.as_slice());
        let mut keys = Keys::default();
        for change in rulesets(old, change.new).tables() {
            let concerned = match change {
                TableChange::Created(table) | TableChange::Removed(table) => idle(table),
                TableChange::Changed(changes) => keys.changes(changes),
            };
            if concerned.is_none() || keys.ranges.len() > RANGES {
                return Self::Everything;
            }
        }
        if keys == Keys::default() {
            Self::Nothing
        } else {
            Self::Some(keys)
        }
    }

    /// Whether an entry may be concerned, as far as it tells itself.
    pub(super) fn touches(&self, entry: &Entry) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Some(keys) => !keys.interfaces.is_empty() || keys.has(entry),
        }
    }

    /// Whether an entry that [`Scope::touches`] is concerned, with the interfaces that its addresses
    /// lead to.
    pub(super) fn reaches(&self, entry: &Entry, world: &World) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Some(keys) => {
                let passes = |address| {
                    let interface = world.interface_to(address);
                    // Unknown ones cannot be ruled out.
                    interface.is_none_or(|name| keys.interfaces.contains(name))
                };
                keys.has(entry) || addresses(entry).into_iter().any(passes)
            }
        }
    }
}

/// A whole table that comes or goes; `None` when any flow may be concerned, which is so when it has
/// chains at hooks.
fn idle(table: &Table) -> Option<()> {
    let mut chains = table.chains.iter();
    chains.all(|chain| chain.base.is_none()).then_some(())
}

fn addresses(entry: &Entry) -> [IpAddr; 4] {
    let (original, reply) = (&entry.original, &entry.reply);
    [
        original.source,
        original.destination,
        reply.source,
        reply.destination,
    ]
}

impl Keys {
    /// Whether addresses and ports of an entry are among them.
    fn has(&self, entry: &Entry) -> bool {
        let ports = [entry.original.ports, entry.reply.ports];
        let ports = || {
            ports
                .into_iter()
                .flatten()
                .flat_map(|(from, to)| [from, to])
        };
        ports().any(|port| self.ports.contains(&port))
            || addresses(entry).into_iter().any(|address| {
                let within = |(first, last): &(IpAddr, IpAddr)| (first..=last).contains(&&address);
                self.addresses.contains(&address)
                    || self.ranges.iter().any(within)
                    || ports().any(|port| self.pairs.contains(&(address, port)))
            })
    }

    /// The changes of a table; `None` when any flow may be concerned.
    ///
    /// What a chain does that is not at a hook matters to who comes to it: by a rule or an element,
    /// which changes too when the chain comes or goes.
    fn changes(&mut self, changes: &Changes<'_>) -> Option<()> {
        if changes.replace {
            return None;
        }
        let base = |table: &Table, place: usize| {
            let chain = table.chains.get(place);
            chain.is_none_or(|chain| chain.base.is_some())
        };
        for change in &changes.chains {
            let concerns = match change {
                ChainChange::Removed { from } => base(changes.from, *from),
                ChainChange::Added { to } => base(changes.to, *to),
                ChainChange::Replaced { .. } => true,
                ChainChange::Changed { policy, rules, .. } => *policy || !rules.is_empty(),
            };
            if concerns {
                return None;
            }
        }
        for change in &changes.sets {
            self.set(changes, change)?;
        }
        Some(())
    }

    fn set(&mut self, changes: &Changes<'_>, change: &SetChange) -> Option<()> {
        let old = |place: usize| changes.from.sets.get(place);
        let new = |place: usize| changes.to.sets.get(place);
        match change {
            // Only rules that change too refer to it.
            SetChange::Removed { .. } | SetChange::Added { .. } => Some(()),
            SetChange::Swapped { from, to, .. } => {
                let (old, new) = (old(*from)?, new(*to)?);
                if old.dynamic && new.dynamic {
                    return Some(());
                }
                self.all(old, &old.elements)?;
                self.all(new, &new.elements)
            }
            SetChange::Changed { from, to, elements } => {
                let (old, new) = (old(*from)?, new(*to)?);
                if new.dynamic {
                    return Some(());
                }
                self.elements(old, new, elements)
            }
        }
    }

    fn elements(&mut self, old: &Set, new: &Set, changes: &ElementChanges) -> Option<()> {
        let ElementChanges {
            removed,
            added,
            changed,
        } = changes;
        self.all(old, removed.iter().filter_map(|of| old.elements.get(*of)))?;
        self.all(new, added.iter().filter_map(|of| new.elements.get(*of)))?;
        for (from, to) in changed {
            let (from, to) = (old.elements.get(*from)?, new.elements.get(*to)?);
            if from.data != to.data || from.key_end != to.key_end {
                self.element(old, from)?;
                self.element(new, to)?;
            }
        }
        Some(())
    }

    fn all<'e>(
        &mut self,
        set: &Set,
        elements: impl IntoIterator<Item = &'e Element>,
    ) -> Option<()> {
        let mut elements = elements.into_iter();
        elements.try_for_each(|element| self.element(set, element))
    }

    /// Takes the part of a key that fewest flows have: an address with a port, else one of the two,
    /// else an interface, else a range of addresses. `None` when it has none of them.
    fn element(&mut self, set: &Set, element: &Element) -> Option<()> {
        let first = element.key.fields(&set.key)?;
        let last = match &element.key_end {
            Some(end) => end.fields(&set.key)?,
            None => first.clone(),
        };
        let mut range = None;
        let mut own = None;
        let mut port = None;
        let mut interface = None;
        for ((kind, first), (_, last)) in first.into_iter().zip(last) {
            match kind {
                DataType::Ipv4Addr | DataType::Ipv6Addr => {
                    let (first, last) = (address(first)?, address(last)?);
                    if first == last {
                        own = Some(first);
                    } else {
                        range = Some((first, last));
                    }
                }
                DataType::InetService if first == last => {
                    port = first.first_chunk().copied().map(u16::from_be_bytes);
                }
                DataType::IfName if first == last => {
                    let end = first.iter().position(|byte| *byte == 0);
                    let name = first.get(..end.unwrap_or(first.len()))?;
                    interface = Some(std::str::from_utf8(name).ok()?.to_owned());
                }
                DataType::InetService
                | DataType::IfName
                | DataType::NfProto
                | DataType::EtherAddr
                | DataType::InetProto
                | DataType::IcmpType
                | DataType::Icmpv6Type
                | DataType::IcmpCode
                | DataType::Icmpv6Code
                | DataType::TcpFlag
                | DataType::Mark
                | DataType::CtState
                | DataType::CtDir
                | DataType::CtStatus
                | DataType::FibAddrtype
                | DataType::PktType
                | DataType::Uid
                | DataType::Gid
                | DataType::Boolean
                | DataType::Dscp
                | DataType::Ecn
                | DataType::Duration
                | DataType::TimeOfDay
                | DataType::Weekday
                | DataType::Timestamp
                | DataType::Raw(_)
                | DataType::Integer(_)
                | DataType::HostInteger(_) => {}
            }
        }
        match (own, port, interface) {
            (Some(address), Some(port), _) => {
                self.pairs.insert((address, port));
            }
            (Some(address), None, _) => {
                self.addresses.insert(address);
            }
            (None, Some(port), _) => {
                self.ports.insert(port);
            }
            (None, None, Some(interface)) => {
                self.interfaces.insert(interface);
            }
            (None, None, None) => self.ranges.push(range?),
        }
        Some(())
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
        16 => Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into()),
        _ => None,
    }
}
