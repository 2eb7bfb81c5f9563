//! Sets and maps: which stay, which go, and what becomes of their elements.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{ElementChanges, Going, SetChange, Swap};
use crate::name::SetName;
use crate::set::{Element, Set};
use crate::table::Table;
use crate::value::Value;

/// What becomes of a set as a whole, by its places.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    Removed { from: usize },
    Added { to: usize },
    Swapped { from: usize, to: usize, why: Swap },
    Stays { from: usize, to: usize },
}

impl Fate {
    /// The name, if the set of `from` goes.
    pub(super) fn going<'a>(&self, from: &'a Table) -> Option<&'a SetName> {
        match *self {
            Self::Removed { from: place } | Self::Swapped { from: place, .. } => {
                from.sets.get(place).map(|set| &set.name)
            }
            Self::Added { .. } | Self::Stays { .. } => None,
        }
    }
}

/// What becomes of each set: those that go first.
pub(super) fn fates(from: &Table, to: &Table) -> Vec<Fate> {
    let places = |table: &Table| -> BTreeMap<SetName, usize> {
        let named = table.sets.iter().enumerate();
        named
            .map(|(place, set)| (set.name.clone(), place))
            .collect()
    };
    let (old_places, new_places) = (places(from), places(to));
    let removed = from
        .sets
        .iter()
        .enumerate()
        .filter(|(_, old)| !new_places.contains_key(&old.name))
        .map(|(from, _)| Fate::Removed { from });
    let others = to.sets.iter().enumerate().map(|(to, new)| {
        let place = old_places.get(&new.name).copied();
        let found = place.and_then(|place| Some((place, from.sets.get(place)?)));
        match found {
            None => Fate::Added { to },
            Some((from, old)) => match swap(old, new) {
                Some(why) => Fate::Swapped { from, to, why },
                None => Fate::Stays { from, to },
            },
        }
    });
    removed.chain(others).collect()
}

/// Why a set cannot become the other in place, if it cannot.
fn swap(old: &Set, new: &Set) -> Option<Swap> {
    let flags = |set: &Set| (set.interval, set.dynamic, set.counter, set.size.is_some());
    let room = old.size.and_then(|size| usize::try_from(size).ok());
    if (&old.key, &old.kind) != (&new.key, &new.kind) {
        Some(Swap::Type)
    } else if flags(old) != flags(new) || !same_lifetime(old.timeout, new.timeout) {
        Some(Swap::Flags)
    } else if old.comment != new.comment {
        Some(Swap::Comment)
    } else if !has_room(old, new, room) {
        Some(Swap::Size)
    } else {
        None
    }
}

/// Packets fill a dynamic set up to its size, so there it is the size itself that must suffice.
fn has_room(old: &Set, new: &Set, room: Option<usize>) -> bool {
    if new.dynamic {
        old.size == new.size
    } else {
        room.is_none_or(|room| new.elements.len() <= room)
    }
}

/// The kernel keeps lifetimes in ticks of 1 to 10 ms.
fn same_lifetime(a: Option<Duration>, b: Option<Duration>) -> bool {
    const TICK: Duration = Duration::from_millis(10);
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.is_zero() == b.is_zero() && a.abs_diff(b) < TICK,
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// The changes of sets of these fates.
pub(super) fn changes(
    old: &Table,
    new: &Table,
    fates: Vec<Fate>,
    going: &Going<'_>,
) -> Vec<SetChange> {
    let change = |fate| match fate {
        Fate::Removed { from } => Some(SetChange::Removed { from }),
        Fate::Added { to } => Some(SetChange::Added { to }),
        Fate::Swapped { from, to, why } => Some(SetChange::Swapped { from, to, why }),
        Fate::Stays { from, to } => {
            let (old, new) = (old.sets.get(from)?, new.sets.get(to)?);
            let elements = elements(old, new, going);
            (!elements.is_empty()).then_some(SetChange::Changed { from, to, elements })
        }
    };
    fates.into_iter().filter_map(change).collect()
}

/// The first and the last key of an element.
fn range(element: &Element) -> (&Value, &Value) {
    let last = element.key_end.as_deref().unwrap_or(&element.key);
    (&element.key, last)
}

/// The elements with their places, ordered by the bytes of their keys.
fn ordered(set: &Set) -> Vec<(usize, &Element)> {
    let mut elements: Vec<_> = set.elements.iter().enumerate().collect();
    // Nearly always they are in this order already, which the sort sees at once.
    elements.sort_by(|(_, a), (_, b)| range(a).cmp(&range(b)));
    elements
}

fn elements(old: &Set, new: &Set, going: &Going<'_>) -> ElementChanges {
    let mut changes = ElementChanges::default();
    let mut olds = ordered(old).into_iter().peekable();
    let mut news = ordered(new).into_iter().peekable();
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((_, old)), Some((_, new))) => range(old).cmp(&range(new)),
        };
        match order {
            Ordering::Less => changes.removed.extend(olds.next().map(|(place, _)| place)),
            Ordering::Greater => changes.added.extend(news.next().map(|(place, _)| place)),
            Ordering::Equal => {
                let (Some((from, old)), Some((to, new))) = (olds.next(), news.next()) else {
                    break;
                };
                if !same(old, new) || going.ties(old) {
                    changes.changed.push((from, to));
                }
            }
        }
    }
    if new.dynamic {
        // What packets made.
        changes.removed.clear();
        changes.changed.clear();
    }
    changes
}

/// Whether elements of the same key are equal.
fn same(old: &Element, new: &Element) -> bool {
    old.data == new.data
        && old.comment() == new.comment()
        && same_lifetime(old.timeout(), new.timeout())
}
