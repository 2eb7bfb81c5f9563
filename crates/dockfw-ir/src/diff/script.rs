//! The edit script of a chain's rules: as few changes as make one list of the other.
//!
//! What begins and ends equal is set aside. Of the rest a longest common subsequence stays, found
//! by the algorithm of Hunt and Szymanski: it looks at all pairs of equal rules and finds the
//! longest chain of them that rises in both lists, in `O(pairs log rules)`. Rules of a firewall are
//! nearly all different, so there are about as many pairs as rules. Where rules are repeated so
//! often that the pairs would become too many, the n-th copy is paired with the n-th copy only,
//! which finds a common subsequence that may not be the longest.
//!
//! Source: J. W. Hunt, T. G. Szymanski, "A fast algorithm for computing longest common
//! subsequences", CACM 20 (1977).

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::ops::Range;

use super::{Going, RuleEdit};
use crate::chain::Rule;

/// How many pairs of equal rules are looked at, 24 bytes each.
const PAIRS: usize = 1 << 20;

/// The edits that make `new` of `old`.
///
/// Rules that refer to what goes are deleted and inserted, equal or not.
pub(super) fn edits(old: &[Rule], new: &[Rule], going: &Going<'_>) -> Vec<RuleEdit> {
    let mut script = Script {
        edits: Vec::new(),
        waiting: 0,
        inserting: false,
    };
    let is_bound = |place: usize| old.get(place).is_some_and(|rule| going.binds(rule));
    let (mut from, mut to) = (0, 0);
    for (old_place, new_place) in common(old, new) {
        script.gap(from..old_place, to..new_place, is_bound);
        if is_bound(old_place) {
            script.remake(old_place, new_place);
        } else {
            script.stays(old_place);
        }
        (from, to) = (old_place + 1, new_place + 1);
    }
    script.gap(from..old.len(), to..new.len(), is_bound);
    script.edits
}

/// A script that is being made.
///
/// What is inserted is put before the next rule that stays. So it comes behind whatever stands
/// there already, and a rule is not replaced in its place any more once something in front of it
/// is inserted.
struct Script {
    edits: Vec<RuleEdit>,
    /// The first edit since the last rule that stays.
    waiting: usize,
    /// Whether something is inserted since then.
    inserting: bool,
}

impl Script {
    /// Between two rules that both lists have: replaces as many as there are on both sides, and
    /// deletes or inserts the rest.
    fn gap(&mut self, from: Range<usize>, mut to: Range<usize>, is_bound: impl Fn(usize) -> bool) {
        for from in from {
            let replaced = if is_bound(from) || self.inserting {
                None
            } else {
                to.next()
            };
            self.edits.push(match replaced {
                Some(to) => RuleEdit::Replace { from, to },
                None => RuleEdit::Delete { from },
            });
        }
        for to in to {
            self.edits.push(RuleEdit::Insert { to, before: None });
            self.inserting = true;
        }
    }

    fn remake(&mut self, from: usize, to: usize) {
        let before = None;
        self.edits.push(RuleEdit::Remake { from, to, before });
        self.inserting = true;
    }

    /// The rule of this place stays: what waits is inserted before it.
    fn stays(&mut self, place: usize) {
        for edit in self.edits.iter_mut().skip(self.waiting) {
            match edit {
                RuleEdit::Insert { before, .. } | RuleEdit::Remake { before, .. } => {
                    *before = Some(place);
                }
                RuleEdit::Replace { .. } | RuleEdit::Delete { .. } => {}
            }
        }
        self.waiting = self.edits.len();
        self.inserting = false;
    }
}

/// Places of rules that are in both lists, rising on both sides.
fn common(old: &[Rule], new: &[Rule]) -> Vec<(usize, usize)> {
    let front = old
        .iter()
        .zip(new)
        .take_while(|(a, b)| is_equal(a, b))
        .count();
    let (old_rest, new_rest) = (
        old.get(front..).unwrap_or(&[]),
        new.get(front..).unwrap_or(&[]),
    );
    let back = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(|(a, b)| is_equal(a, b))
        .count();
    let (old_middle, new_middle) = (old_rest.len() - back, new_rest.len() - back);
    let middle = longest(
        old_rest.get(..old_middle).unwrap_or(&[]),
        new_rest.get(..new_middle).unwrap_or(&[]),
    );
    let mut pairs: Vec<_> = (0..front).map(|place| (place, place)).collect();
    pairs.extend(middle.into_iter().map(|(a, b)| (front + a, front + b)));
    pairs.extend((0..back).map(|place| (front + old_middle + place, front + new_middle + place)));
    pairs
}

fn is_equal(a: &Rule, b: &Rule) -> bool {
    a == b && !a.statements.is_empty()
}

/// A longest common subsequence.
fn longest(old: &[Rule], new: &[Rule]) -> Vec<(usize, usize)> {
    /// The end of a common subsequence, and its member before that.
    struct Link {
        from: usize,
        to: usize,
        before: Option<usize>,
    }
    if old.is_empty() || new.is_empty() {
        return Vec::new();
    }
    let copies = Copies::new(old, new);
    let all = copies.pairs() <= PAIRS;
    let mut links: Vec<Link> = Vec::new();
    // For each length the link that ends a common subsequence of it earliest in `new`.
    let mut ends: Vec<usize> = Vec::new();
    for (from, (class, rank)) in copies.old.iter().enumerate() {
        let places = copies.of_new(*class);
        let places = if all {
            places
        } else {
            places.get(*rank..=*rank).unwrap_or(&[])
        };
        // From behind, so that no two of them come into one subsequence.
        for &to in places.iter().rev() {
            let is_before = |end: &usize| links.get(*end).is_some_and(|link| link.to < to);
            let length = ends.partition_point(is_before);
            let before = length
                .checked_sub(1)
                .and_then(|last| ends.get(last))
                .copied();
            let link = links.len();
            match ends.get_mut(length) {
                Some(end) => *end = link,
                None => ends.push(link),
            }
            links.push(Link { from, to, before });
        }
    }
    let mut pairs = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(link) = next.and_then(|link| links.get(link)) {
        pairs.push((link.from, link.to));
        next = link.before;
    }
    pairs.reverse();
    pairs
}

/// Which rules are equal.
struct Copies {
    /// Of each rule of `old` its class and how many copies stand before it.
    old: Vec<(usize, usize)>,
    /// Of each class the places in `new`.
    new: Vec<Vec<usize>>,
}

impl Copies {
    fn new(old: &[Rule], new: &[Rule]) -> Self {
        let mut classes: BTreeMap<u64, Vec<(usize, &Rule)>> = BTreeMap::new();
        let mut places: Vec<Vec<usize>> = Vec::new();
        for (place, rule) in new.iter().enumerate() {
            let alike = classes.entry(fingerprint(rule)).or_default();
            let class = alike.iter().find(|(_, other)| is_equal(other, rule));
            let known = class.and_then(|(class, _)| places.get_mut(*class));
            if let Some(known) = known {
                known.push(place);
            } else {
                alike.push((places.len(), rule));
                places.push(vec![place]);
            }
        }
        let mut seen = vec![0_usize; places.len()];
        let unknown = places.len();
        let class_of = |rule: &Rule| {
            let alike = classes.get(&fingerprint(rule))?;
            let found = alike.iter().find(|(_, other)| is_equal(other, rule));
            found.map(|(class, _)| *class)
        };
        let old = old.iter().map(|rule| {
            let class = class_of(rule).unwrap_or(unknown);
            let rank = seen.get_mut(class).map_or(0, |seen| {
                *seen += 1;
                *seen - 1
            });
            (class, rank)
        });
        Self {
            old: old.collect(),
            new: places,
        }
    }

    fn of_new(&self, class: usize) -> &[usize] {
        self.new.get(class).map_or(&[], Vec::as_slice)
    }

    fn pairs(&self) -> usize {
        self.old
            .iter()
            .map(|(class, _)| self.of_new(*class).len())
            .sum()
    }
}

/// The same for equal rules, and most likely different for others.
fn fingerprint(rule: &Rule) -> u64 {
    /// FNV-1a.
    struct Fold(u64);
    impl Write for Fold {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for byte in text.bytes() {
                self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            Ok(())
        }
    }
    let mut fold = Fold(0xcbf2_9ce4_8422_2325);
    // Writing to it does not fail.
    let _ = write!(fold, "{rule:?}");
    fold.0
}
