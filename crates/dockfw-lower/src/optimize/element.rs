//! Elements of folded sets: none of them may overlap another one.

use dockfw_ir::value::Value;

use super::Unreachable;
use super::shape::Range;

/// What becomes an element: a range for each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) fields: Vec<Range>,
    /// The number of the source rule.
    pub(super) source: usize,
}

impl Item {
    /// First and last value of a field; nothing when there is no such field.
    fn field(&self, at: usize) -> (Option<&Value>, Option<&Value>) {
        let range = self.fields.get(at);
        (range.map(|(first, _)| first), range.map(|(_, last)| last))
    }

    pub(super) fn is_exact(&self) -> bool {
        self.fields.iter().all(|(first, last)| first == last)
    }

    /// Whether every value of `other` is one of this item.
    fn contains(&self, other: &Self) -> bool {
        let mut pairs = self.fields.iter().zip(&other.fields);
        pairs.all(|(own, other)| own.0 <= other.0 && other.1 <= own.1)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let mut pairs = self.fields.iter().zip(&other.fields);
        pairs.all(|(own, other)| own.0 <= other.1 && other.0 <= own.1)
    }
}

/// Items spread over sets so that no set has two that overlap.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// One list for each set.
    pub(super) sets: Vec<Vec<Item>>,
    /// Items that others contain.
    pub(super) contained: Vec<Unreachable>,
    /// Whether any two items have a value in common.
    pub(super) overlap: bool,
}

/// The most sets that one group of rules may become; beyond that it stays as it is.
const MAX_LAYERS: usize = 4;
/// The most comparisons of two items.
const MAX_COMPARISONS: usize = 20_000_000;

/// Spreads items over sets; `None` when that takes too many sets or too long.
pub(super) fn layers(mut items: Vec<Item>) -> Option<Layers> {
    let by = sweep_field(&items);
    items.sort_unstable_by(|a, b| {
        let ((a_first, a_last), (b_first, b_last)) = (a.field(by), b.field(by));
        let wide_first = b_last.cmp(&a_last);
        let rest = || a.fields.cmp(&b.fields).then(a.source.cmp(&b.source));
        a_first.cmp(&b_first).then(wide_first).then_with(rest)
    });
    let mut all = Layers::default();
    // Items that reach the current start, with their layers; the others are in their sets.
    let mut active: Vec<(Item, usize)> = Vec::new();
    let mut comparisons = 0_usize;
    for item in items {
        let from = item.field(by).0;
        let mut at = 0;
        while let Some((of, _)) = active.get(at) {
            if of.field(by).1 < from {
                let (done, layer) = active.swap_remove(at);
                all.keep(done, layer);
            } else {
                at += 1;
            }
        }
        comparisons += active.len();
        if comparisons > MAX_COMPARISONS {
            return None;
        }
        if let Some((by, _)) = active.iter().find(|(of, _)| of.contains(&item)) {
            all.note(item.source, by.source);
            continue;
        }
        active.retain(|(of, _)| {
            let swallowed = item.contains(of);
            if swallowed {
                all.note(of.source, item.source);
            }
            !swallowed
        });
        let mut taken = [false; MAX_LAYERS];
        for (_, layer) in active.iter().filter(|(of, _)| of.overlaps(&item)) {
            all.overlap = true;
            if let Some(taken) = taken.get_mut(*layer) {
                *taken = true;
            }
        }
        let layer = taken.iter().position(|taken| !taken)?;
        active.push((item, layer));
    }
    for (item, layer) in active {
        all.keep(item, layer);
    }
    Some(all)
}

impl Layers {
    fn keep(&mut self, item: Item, layer: usize) {
        while self.sets.len() <= layer {
            self.sets.push(Vec::new());
        }
        if let Some(set) = self.sets.get_mut(layer) {
            set.push(item);
        }
    }

    /// Notes that an item is part of another one; of two equal ones the later is.
    fn note(&mut self, inner: usize, outer: usize) {
        self.overlap = true;
        if outer < inner {
            self.contained.push(Unreachable {
                source: inner,
                because: outer,
            });
        }
    }
}

/// The field with the most different first values: the fewest items meet there.
fn sweep_field(items: &[Item]) -> usize {
    let fields = items.first().map_or(0, |item| item.fields.len());
    let different = |field: usize| {
        let mut values: Vec<_> = items
            .iter()
            .filter_map(|item| item.fields.get(field).map(|(first, _)| first))
            .collect();
        values.sort_unstable();
        values.dedup();
        values.len()
    };
    (0..fields)
        .max_by_key(|field| different(*field))
        .unwrap_or(0)
}
