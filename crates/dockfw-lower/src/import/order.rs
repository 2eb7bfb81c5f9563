//! Several partial orders merged into one.

use std::collections::{BTreeMap, BTreeSet};

/// The items of all sequences, each once, in an order that agrees with every sequence.
///
/// Where the sequences leave a choice, what was seen first comes first. Where they contradict each
/// other, as after a restart of containers, that rule decides too.
pub(super) fn merge<T: Ord + Copy>(sequences: &[Vec<T>]) -> Vec<T> {
    let mut items: Vec<T> = Vec::new();
    let mut number: BTreeMap<T, usize> = BTreeMap::new();
    let mut edges: BTreeSet<(usize, usize)> = BTreeSet::new();
    for sequence in sequences {
        let mut seen = BTreeSet::new();
        let mut previous: Option<usize> = None;
        for item in sequence {
            if !seen.insert(*item) {
                continue;
            }
            let index = *number.entry(*item).or_insert_with(|| {
                items.push(*item);
                items.len() - 1
            });
            if let Some(previous) = previous {
                edges.insert((previous, index));
            }
            previous = Some(index);
        }
    }
    let mut before: BTreeMap<usize, usize> = (0..items.len()).map(|index| (index, 0)).collect();
    for (_, to) in &edges {
        *before.entry(*to).or_default() += 1;
    }
    let mut ready: BTreeSet<usize> = before
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(index, _)| *index)
        .collect();
    let mut order = Vec::with_capacity(items.len());
    while let Some(next) = ready.pop_first().or_else(|| before.keys().next().copied()) {
        before.remove(&next);
        order.extend(items.get(next).copied());
        for (_, to) in edges.range((next, 0)..=(next, usize::MAX)) {
            if let Some(count) = before.get_mut(to) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    ready.insert(*to);
                }
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::merge;

    fn check(sequences: &[&str], expected: &str) {
        let sequences: Vec<Vec<char>> = sequences.iter().map(|s| s.chars().collect()).collect();
        assert_eq!(merge(&sequences).into_iter().collect::<String>(), expected);
    }

    #[test]
    fn orders_agree_with_every_sequence() {
        check(&["ac", "abc", "cd"], "abcd");
        check(&["xa", "ya"], "xya");
        check(&["b", "ab"], "ab");
        check(&["aba"], "ab");
    }

    #[test]
    fn contradictions_fall_back_to_what_was_seen_first() {
        check(&["ab", "ba", "bc"], "abc");
    }
}
