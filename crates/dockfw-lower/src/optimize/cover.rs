//! Rules that no packet reaches, because a rule before them takes all their packets.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use dockfw_ir::statement::{Statement, Verdict};
use dockfw_ir::value::Value;

use super::shape::{Kind, Part, Shaped};
use super::{Numbered, Unreachable};

/// Rules with more tests are not compared with others: the subsets of tests are looked up.
const MAX_PARTS: usize = 8;
/// Rules with ranges are compared with so many that come before.
const MAX_WIDE: usize = 32;

/// The rules that packets can reach, taken apart, and those that they cannot.
pub(super) fn reached(rules: Vec<Numbered>) -> (Vec<Shaped>, Vec<Unreachable>) {
    let mut kept: Vec<Shaped> = Vec::with_capacity(rules.len());
    let mut unreachable = Vec::new();
    let mut covers = Covers::default();
    for Numbered { rule, source } in rules {
        let shaped = Shaped::new(rule, source);
        if let Some(because) = covers.of(&shaped, &kept) {
            // Several rules of one source rule: it is unreachable only as a whole.
            if because != source {
                unreachable.push(Unreachable { source, because });
            }
            continue;
        }
        if shaped.may_untrack() {
            covers.forget_connections(&kept);
        }
        covers.add(&shaped, kept.len());
        kept.push(shaped);
    }
    let alive: Vec<usize> = kept.iter().map(|shaped| shaped.source).collect();
    unreachable.retain(|of| alive.binary_search(&of.source).is_err());
    (kept, unreachable)
}

/// Final rules by the hash of their tests, whatever the order.
#[derive(Default)]
struct Covers {
    by_tests: BTreeMap<u64, usize>,
    catch_all: Option<usize>,
    /// The first rules that match more than one value of something.
    wide: Vec<usize>,
}

impl Covers {
    fn add(&mut self, shaped: &Shaped, index: usize) {
        let decides = matches!(
            shaped.tail.last(),
            Some(Statement::Verdict(
                Verdict::Accept | Verdict::Drop | Verdict::Return | Verdict::Goto(_)
            ))
        );
        if shaped.kind != Kind::Final || !decides || !shaped.is_stable() {
            return;
        }
        if shaped.parts.is_empty() {
            self.catch_all.get_or_insert(index);
        } else if shaped.parts.len() <= MAX_PARTS {
            let sum = shaped.parts.iter().map(hash).fold(0, u64::wrapping_add);
            self.by_tests.entry(sum).or_insert(index);
            let is_range = |part: &Part| matches!(part, Part::Values { .. }) && !part.is_exact();
            if self.wide.len() < MAX_WIDE && shaped.parts.iter().any(is_range) {
                self.wide.push(index);
            }
        }
    }

    /// Leaves out rules that read the conntrack entry: it is another one from here on.
    fn forget_connections(&mut self, kept: &[Shaped]) {
        let stays = |index: &usize| kept.get(*index).is_some_and(|of| !of.reads_connection());
        self.by_tests.retain(|_, index| stays(index));
        self.wide.retain(stays);
    }

    /// The source of a rule before this one with nothing but tests that this one has too.
    fn of(&self, shaped: &Shaped, kept: &[Shaped]) -> Option<usize> {
        if let Some(index) = self.catch_all {
            return kept.get(index).map(|of| of.source);
        }
        if shaped.parts.len() > MAX_PARTS || self.by_tests.is_empty() {
            return None;
        }
        let hashes: Vec<u64> = shaped.parts.iter().map(hash).collect();
        for subset in 1_u32..(1 << hashes.len()) {
            let chosen = hashes
                .iter()
                .enumerate()
                .filter(|(at, _)| subset & (1 << at) != 0);
            let sum = chosen.map(|(_, hash)| *hash).fold(0, u64::wrapping_add);
            let Some(cover) = self.by_tests.get(&sum).and_then(|index| kept.get(*index)) else {
                continue;
            };
            if cover.parts.iter().all(|part| shaped.parts.contains(part)) {
                return Some(cover.source);
            }
        }
        let mut wide = self.wide.iter().filter_map(|index| kept.get(*index));
        let cover = wide.find(|cover| {
            let mut parts = cover.parts.iter();
            parts.all(|wide| shaped.parts.iter().any(|part| holds_all_of(wide, part)))
        });
        cover.map(|cover| cover.source)
    }
}

/// Whether every value that one part takes is taken by the other.
fn holds_all_of(wide: &Part, part: &Part) -> bool {
    match (wide, part) {
        (
            Part::Values {
                key: wide_key,
                ranges: wide,
                ..
            },
            Part::Values { key, ranges, .. },
        ) => {
            let within = |(first, last): &(Value, Value)| {
                wide.iter().any(|(low, high)| low <= first && last <= high)
            };
            wide_key == key && ranges.iter().all(within)
        }
        (wide, part) => wide == part,
    }
}

/// Equal parts have equal hashes; not the other way round.
fn hash(part: &Part) -> u64 {
    let mut hasher = DefaultHasher::new();
    match part {
        Part::Values { key, ranges, .. } => {
            key.0.len().hash(&mut hasher);
            ranges.hash(&mut hasher);
        }
        Part::Fixed(test) => format!("{test:?}").hash(&mut hasher),
    }
    hasher.finish()
}
