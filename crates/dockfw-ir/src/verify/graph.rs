//! Which chain leads where: names, jumps, and the base chains a chain is reached from.

use std::collections::BTreeMap;

use super::report::{Check, Object, Report};
use crate::chain::BaseChain;
use crate::name::{ChainName, SetName};
use crate::set::{ElementData, Set, SetKind};
use crate::statement::{Statement, Verdict};
use crate::table::Table;

/// `NFT_JUMP_STACK_SIZE` is 16 and counts the base chain.
const MAX_DEPTH: usize = 15;

/// A table's names and edges, looked up once.
pub(super) struct Index<'a> {
    sets: BTreeMap<&'a SetName, &'a Set>,
    /// For each chain, by its place in the table, the base chains that lead to it.
    bases: Vec<Vec<BaseChain>>,
}

impl<'a> Index<'a> {
    /// Builds the index and reports what is wrong with names and jumps.
    pub(super) fn new(table: &'a Table, report: &mut Report<'_>) -> Self {
        let mut sets = BTreeMap::new();
        for set in &table.sets {
            if sets.insert(&set.name, set).is_some() {
                let object = Object::Set(set.name.clone());
                report.add(
                    Check::SetUnique,
                    object,
                    "there is another one of this name",
                );
            }
        }
        let mut chains = BTreeMap::new();
        for (place, chain) in table.chains.iter().enumerate() {
            if chains.insert(&chain.name, place).is_some() {
                let object = Object::Chain(chain.name.clone());
                report.add(
                    Check::ChainUnique,
                    object,
                    "there is another one of this name",
                );
            }
        }
        let edges = edges(table, &chains, report);
        let order = order(table, &edges, report);
        depth(table, &edges, &order, report);
        let bases = reach(table, &edges, &order);
        Self { sets, bases }
    }

    /// A set by name.
    pub(super) fn set(&self, name: &SetName) -> Option<&'a Set> {
        self.sets.get(name).copied()
    }

    /// The base chains that lead to a chain; itself, if it is one.
    pub(super) fn bases(&self, chain: usize) -> &[BaseChain] {
        self.bases.get(chain).map_or(&[], Vec::as_slice)
    }
}

/// The places a chain's jumps lead to.
type Edges = Vec<Vec<usize>>;

fn edges(table: &Table, chains: &BTreeMap<&ChainName, usize>, report: &mut Report<'_>) -> Edges {
    let mut find = |verdict: &Verdict, object: &dyn Fn() -> Object| {
        let (Verdict::Jump(name) | Verdict::Goto(name)) = verdict else {
            return None;
        };
        let Some(&place) = chains.get(name) else {
            let message = format!("there is no chain {name}");
            report.add(Check::JumpTarget, object(), message);
            return None;
        };
        if table
            .chains
            .get(place)
            .is_some_and(|chain| chain.base.is_some())
        {
            let message = format!("{name} is a base chain");
            report.add(Check::JumpTarget, object(), message);
        }
        Some(place)
    };
    let mut of_maps: BTreeMap<&SetName, Vec<usize>> = BTreeMap::new();
    for set in &table.sets {
        if set.kind != SetKind::VerdictMap {
            continue;
        }
        let mut targets = Vec::new();
        let mut previous = None;
        for (index, element) in set.elements.iter().enumerate() {
            let ElementData::Verdict(verdict) = &element.data else {
                continue;
            };
            // Large maps often lead to the same chain again.
            if previous == Some(verdict) {
                continue;
            }
            previous = Some(verdict);
            targets.extend(find(verdict, &|| Object::Element(set.name.clone(), index)));
        }
        targets.sort_unstable();
        targets.dedup();
        of_maps.insert(&set.name, targets);
    }
    let mut edges = Vec::with_capacity(table.chains.len());
    for chain in &table.chains {
        let mut targets = Vec::new();
        for (index, rule) in chain.rules.iter().enumerate() {
            for statement in &rule.statements {
                if let Statement::Verdict(verdict) = statement {
                    targets.extend(find(verdict, &|| Object::Rule(chain.name.clone(), index)));
                } else if let Statement::VerdictMap(lookup) = statement {
                    targets.extend(of_maps.get(&lookup.map).into_iter().flatten());
                }
            }
        }
        targets.sort_unstable();
        targets.dedup();
        edges.push(targets);
    }
    edges
}

/// The chains so that each comes before those it jumps to; chains in a loop are left out.
fn order(table: &Table, edges: &Edges, report: &mut Report<'_>) -> Vec<usize> {
    let mut incoming = vec![0_usize; edges.len()];
    for &target in edges.iter().flatten() {
        if let Some(count) = incoming.get_mut(target) {
            *count += 1;
        }
    }
    let free = incoming
        .iter()
        .enumerate()
        .filter(|(_, count)| **count == 0);
    let mut order: Vec<usize> = free.map(|(place, _)| place).collect();
    let mut next = 0;
    while let Some(&place) = order.get(next) {
        next += 1;
        for &target in edges.get(place).into_iter().flatten() {
            if let Some(count) = incoming.get_mut(target) {
                *count -= 1;
                if *count == 0 {
                    order.push(target);
                }
            }
        }
    }
    if order.len() < edges.len() {
        // Chains behind a loop wait too; name only those that lead into one again.
        let waiting = |place: usize| incoming.get(place).is_some_and(|count| *count > 0);
        let mut inside: Vec<bool> = (0..edges.len()).map(waiting).collect();
        loop {
            let mut changed = false;
            for (place, targets) in edges.iter().enumerate() {
                let leads = targets
                    .iter()
                    .any(|target| inside.get(*target) == Some(&true));
                if let Some(inside) = inside.get_mut(place)
                    && *inside
                    && !leads
                {
                    *inside = false;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        for (chain, inside) in table.chains.iter().zip(inside) {
            if inside {
                let object = Object::Chain(chain.name.clone());
                report.add(Check::JumpLoop, object, "its jumps lead back to it");
            }
        }
    }
    order
}

fn depth(table: &Table, edges: &Edges, order: &[usize], report: &mut Report<'_>) {
    // The most jumps on a way from a base chain; `None` where no base chain leads.
    let mut depths: Vec<Option<usize>> = table
        .chains
        .iter()
        .map(|chain| chain.base.map(|_| 0))
        .collect();
    for &place in order {
        let Some(depth) = depths.get(place).copied().flatten() else {
            continue;
        };
        for &target in edges.get(place).into_iter().flatten() {
            if let Some(known) = depths.get_mut(target) {
                *known = (*known).max(Some(depth + 1));
            }
        }
    }
    for (chain, depth) in table.chains.iter().zip(depths) {
        if depth == Some(MAX_DEPTH + 1) {
            let message = format!("more than {MAX_DEPTH} jumps lead here from a base chain");
            report.add(Check::JumpDepth, Object::Chain(chain.name.clone()), message);
        }
    }
}

fn reach(table: &Table, edges: &Edges, order: &[usize]) -> Vec<Vec<BaseChain>> {
    let mut bases: Vec<Vec<BaseChain>> = table
        .chains
        .iter()
        .map(|chain| chain.base.into_iter().collect())
        .collect();
    for &place in order {
        let Some(from) = bases.get(place).cloned() else {
            continue;
        };
        for &target in edges.get(place).into_iter().flatten() {
            if let Some(to) = bases.get_mut(target) {
                for base in &from {
                    if !to.contains(base) {
                        to.push(*base);
                    }
                }
            }
        }
    }
    bases
}
