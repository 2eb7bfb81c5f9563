//! Groups of rules that differ in values, and the set or map that each group becomes.

use std::collections::BTreeMap;

use dockfw_ir::chain::Rule;
use dockfw_ir::expr::{Expr, Key, Meta};
use dockfw_ir::name::SetName;
use dockfw_ir::set::{Element, SetKind};
use dockfw_ir::statement::nat::{Nat, NatFamily, NatTarget};
use dockfw_ir::statement::{Reject, Statement, VerdictMap};
use dockfw_ir::value::{DataType, Value, register_len};

use super::element::{Item, layers};
use super::shape::{Kind, Part, Range, Shaped};
use super::{Folded, Unreachable};
use crate::lower::make::{comment, exact_set, interval_set};

/// A group becomes a set from this many rules on.
const SHORTEST: usize = 2;
/// A run of different actions becomes a map from this many rules on.
const SHORTEST_MAP: usize = 3;

/// Folds rules that all can be reached.
pub(super) fn rules(rules: &[Shaped], name: impl FnMut(usize) -> SetName) -> Folded {
    let mut out = Out {
        folded: Folded::default(),
        name,
    };
    let mut rest = rules;
    while let Some(first) = rest.first() {
        let map = map_run(rest);
        let taken = if let Some(map) = map {
            let (taken, left) = rest.split_at(map.rules);
            rest = left;
            out.map(taken, map);
            continue;
        } else {
            segment(rest, first)
        };
        let (taken, left) = rest.split_at(taken);
        rest = left;
        out.segment(taken);
    }
    out.folded
}

/// How many rules from the first on do the same, and may be tried in any order.
fn segment(rules: &[Shaped], first: &Shaped) -> usize {
    let same = |of: &&Shaped| match first.kind {
        Kind::Final => of.kind == Kind::Final && of.tail == first.tail,
        Kind::Returning => of.tail == first.tail && of.is_like(first) && of.is_stable(),
        Kind::Other => false,
    };
    let following = rules.iter().skip(1).take_while(same).count();
    following + 1
}

/// A run of rules with the same tests of exact values and different actions.
struct MapRun {
    rules: usize,
    /// The indexes of the parts whose values vary.
    varying: Vec<usize>,
    /// Value of the key, and the rule that has it; ordered, each once.
    keys: Vec<(Vec<Range>, usize)>,
    unreachable: Vec<Unreachable>,
}

/// The longest run at the head that becomes a map, if it is worth one.
fn map_run(rules: &[Shaped]) -> Option<MapRun> {
    let first = rules.first()?;
    let fits = |of: &&Shaped| {
        of.is_like(first)
            && of.is_stable()
            && of.kind != Kind::Other
            && (both(first.verdict(), of.verdict()) || is_same_nat(first, of))
            && of
                .parts
                .iter()
                .zip(&first.parts)
                .all(|(a, b)| a == b || (a.is_exact() && b.is_exact()))
    };
    let longest = rules.iter().take_while(fits).count();
    let run = rules.get(..longest)?;
    let changes = run.windows(2).filter(|pair| match pair {
        [a, b] => a.tail != b.tail,
        _ => false,
    });
    if longest < SHORTEST_MAP || changes.count() < SHORTEST_MAP - 1 {
        return None;
    }
    let run: Vec<&Shaped> = run.iter().collect();
    let varying = varying(&run);
    let mut keys: BTreeMap<Vec<Range>, usize> = BTreeMap::new();
    let mut unreachable = Vec::new();
    let mut used = 0;
    for (index, shaped) in run.iter().enumerate() {
        let key: Vec<Range> = shaped
            .ranges(&varying)
            .filter_map(|ranges| ranges.first().cloned())
            .collect();
        if let Some(earlier) = keys.get(&key).and_then(|at| run.get(*at)) {
            if earlier.kind != Kind::Final {
                break;
            }
            unreachable.push(Unreachable {
                source: shaped.source,
                because: earlier.source,
            });
        } else {
            keys.insert(key, index);
        }
        used = index + 1;
    }
    let worth = used >= SHORTEST_MAP && !varying.is_empty() && fits_register(&run, &varying);
    worth.then(|| MapRun {
        rules: used,
        varying,
        keys: keys.into_iter().collect(),
        unreachable,
    })
}

fn both<T>(a: Option<&T>, b: Option<&T>) -> bool {
    a.is_some() && b.is_some()
}

/// Whether two rules translate the same end in the same way, to other addresses.
fn is_same_nat(a: &Shaped, b: &Shaped) -> bool {
    let (Some(a), Some(b)) = (a.translation(), b.translation()) else {
        return false;
    };
    a.kind == b.kind
        && a.flags == b.flags
        && a.target.datum().map(|(_, types)| types) == b.target.datum().map(|(_, types)| types)
}

/// The parts whose values are not the same in all rules.
fn varying(rules: &[&Shaped]) -> Vec<usize> {
    let Some((first, rest)) = rules.split_first() else {
        return Vec::new();
    };
    let differs = |(at, part): (usize, &Part)| {
        let differs = rest.iter().any(|of| of.parts.get(at) != Some(part));
        differs.then_some(at)
    };
    first.parts.iter().enumerate().filter_map(differs).collect()
}

/// Whether the values of these parts fit one key, room for a protocol included.
fn fits_register(rules: &[&Shaped], varying: &[usize]) -> bool {
    let types = rules.first().map_or_else(Vec::new, |of| of.types(varying));
    register_len(&types) + 4 <= Value::MAX
}

struct Out<N> {
    folded: Folded,
    name: N,
}

impl<N: FnMut(usize) -> SetName> Out<N> {
    fn keep(&mut self, shaped: &Shaped) {
        self.folded.rules.push(shaped.rule.clone());
    }

    fn next_name(&mut self) -> SetName {
        (self.name)(self.folded.sets.len() + 1)
    }

    fn map(&mut self, rules: &[Shaped], run: MapRun) {
        let Some(first) = rules.first() else { return };
        self.folded.unreachable.extend(run.unreachable);
        let field = Fields::new(first, &run.varying);
        let name = self.next_name();
        let why = format!("{} rules by {}", rules.len(), field.words());
        let mut elements = Vec::with_capacity(run.keys.len());
        let mut data_types = None;
        for (key, index) in &run.keys {
            let Some(shaped) = rules.get(*index) else {
                continue;
            };
            let key = field.key_of(key.iter().map(|(first, _)| first));
            if let Some(verdict) = shaped.verdict() {
                elements.push(Element::verdict(key, verdict.clone()));
            } else if let Some((data, types)) =
                shaped.translation().and_then(|nat| nat.target.datum())
            {
                data_types = Some(types);
                elements.push(Element::mapping(key, data));
            }
        }
        let (kind, action) = if let (Some(types), Some(nat)) = (data_types, first.translation()) {
            let ipv6 = types.first() == Some(&DataType::Ipv6Addr);
            let target = NatTarget::Map {
                family: if ipv6 {
                    NatFamily::Ipv6
                } else {
                    NatFamily::Ipv4
                },
                key: field.key(),
                map: name.clone(),
            };
            let nat = Statement::Nat(Nat {
                target,
                ..nat.clone()
            });
            (SetKind::Map(types), nat)
        } else {
            let map = VerdictMap {
                key: field.key(),
                map: name.clone(),
            };
            (SetKind::VerdictMap, Statement::VerdictMap(map))
        };
        elements.sort_by(|a, b| a.key.cmp(&b.key));
        let set = exact_set(name, field.types(), kind, elements, &why);
        self.folded.sets.push(set);
        self.folded.rules.push(Rule {
            statements: field.constants(first).chain([action]).collect(),
            comment: comment(&why),
        });
    }

    /// Rules that do the same: those with the same tests become one.
    fn segment(&mut self, rules: &[Shaped]) {
        let mut groups: Vec<Vec<&Shaped>> = Vec::new();
        for shaped in rules {
            let group = groups
                .iter_mut()
                .find(|group| group.first().is_some_and(|first| first.is_like(shaped)));
            match group {
                Some(group) => group.push(shaped),
                None => groups.push(vec![shaped]),
            }
        }
        self.groups(groups);
    }

    /// Makes one rule of each group, where it can be one.
    fn groups(&mut self, groups: Vec<Vec<&Shaped>>) {
        for group in groups {
            if group.len() < SHORTEST || !self.set(&group) {
                for shaped in group {
                    self.keep(shaped);
                }
            }
        }
    }

    /// Makes one rule of a group; false when it cannot be one.
    fn set(&mut self, group: &[&Shaped]) -> bool {
        let (Some(first), varying) = (group.first(), varying(group)) else {
            return false;
        };
        if varying.is_empty() || !fits_register(group, &varying) {
            return false;
        }
        if let Some(apart) = apart(group, &varying) {
            self.groups(apart);
            return true;
        }
        let mut items = Vec::with_capacity(group.len());
        for shaped in group {
            let Some(fields) = product(shaped, &varying) else {
                return false;
            };
            let source = shaped.source;
            // Lists that multiply cost more as elements than as rules.
            if items.len() + fields.len() > MAX_ELEMENTS_EACH * group.len() {
                return false;
            }
            items.extend(fields.into_iter().map(|fields| Item { fields, source }));
        }
        let Some(layers) = layers(items) else {
            return false;
        };
        if first.kind == Kind::Returning && layers.overlap {
            return false;
        }
        self.folded.unreachable.extend(layers.contained);
        let field = Fields::new(first, &varying);
        for items in layers.sets {
            let name = self.next_name();
            let why = format!("{} rules by {}", group.len(), field.words());
            let exact = items.iter().all(Item::is_exact) && !field.is_bitmap();
            let mut elements: Vec<Element> = items
                .iter()
                .map(|item| {
                    let key = field.key_of(item.fields.iter().map(|(first, _)| first));
                    let end = field.key_of(item.fields.iter().map(|(_, last)| last));
                    let element = Element::member(key);
                    if exact { element } else { element.until(end) }
                })
                .collect();
            elements.sort_by(|a, b| a.key.cmp(&b.key));
            let make = if exact { exact_set } else { interval_set };
            let set = make(name.clone(), field.types(), SetKind::Set, elements, &why);
            self.folded.sets.push(set);
            let test = Statement::in_set(field.key(), &name);
            self.folded.rules.push(Rule {
                statements: field
                    .constants(first)
                    .chain([test])
                    .chain(first.tail.iter().cloned())
                    .collect(),
                comment: comment(&why),
            });
        }
        true
    }
}

/// Numbers in host byte order cannot stand beside ranges in a set. So this is the group in parts:
/// the rules without ranges, and the others by their values of such numbers. `None` when the group
/// has no ranges or no such numbers.
fn apart<'s>(group: &[&'s Shaped], varying: &[usize]) -> Option<Vec<Vec<&'s Shaped>>> {
    let types = group.first()?.types(varying);
    let numbers = varying.iter().zip(types);
    let numbers: Vec<usize> = numbers
        .filter_map(|(at, of)| of.is_host_number().then_some(*at))
        .collect();
    let is_exact = |of: &&Shaped| of.ranges(varying).flatten().all(|(a, b)| a == b);
    if numbers.is_empty() || group.iter().all(is_exact) {
        return None;
    }
    let (exact, others): (Vec<&Shaped>, Vec<&Shaped>) = group.iter().copied().partition(is_exact);
    let mut parts: BTreeMap<Vec<&[Range]>, Vec<&Shaped>> = BTreeMap::new();
    for shaped in others {
        let values = group_key(shaped, &numbers);
        parts.entry(values).or_default().push(shaped);
    }
    Some([exact].into_iter().chain(parts.into_values()).collect())
}

/// The values of these parts.
fn group_key<'s>(shaped: &'s Shaped, parts: &[usize]) -> Vec<&'s [Range]> {
    let parts = parts.iter().filter_map(|at| shaped.parts.get(*at));
    let values = parts.filter_map(|part| match part {
        Part::Values { ranges, .. } => Some(ranges.as_slice()),
        Part::Fixed(_) => None,
    });
    values.collect()
}

/// The fields of a set's key: the parts that vary, behind a protocol where a port would be alone.
struct Fields {
    exprs: Vec<Expr>,
    types: Vec<DataType>,
    /// A field that is the same in all rules and comes first: kernels before 6.19 keep a plain set
    /// of 2-byte keys in the slow bitmap type.
    leading: Option<(usize, Value)>,
    varying: Vec<usize>,
}

impl Fields {
    fn new(first: &Shaped, varying: &[usize]) -> Self {
        let parts = || varying.iter().filter_map(|at| first.parts.get(*at));
        let exprs: Vec<Expr> = parts().flat_map(|part| part.key().0.clone()).collect();
        let types = first.types(varying);
        // A TCP reset wants the test of TCP in front of it.
        let resets = first.tail.contains(&Statement::Reject(Reject::TcpReset));
        let alone = matches!(types.as_slice(), [DataType::InetService]) && !resets;
        let leading = alone.then(|| protocol(first)).flatten();
        Self {
            exprs,
            types,
            leading,
            varying: varying.to_vec(),
        }
    }

    fn types(&self) -> Vec<DataType> {
        let leading = self.leading.is_some().then_some(DataType::InetProto);
        leading
            .into_iter()
            .chain(self.types.iter().copied())
            .collect()
    }

    fn key(&self) -> Key {
        let leading = self.leading.is_some().then_some(Meta::L4proto.into());
        Key(leading
            .into_iter()
            .chain(self.exprs.iter().cloned())
            .collect())
    }

    /// Whether the kernel would keep a plain set in its bitmap type, which is slow to fill.
    fn is_bitmap(&self) -> bool {
        matches!(self.types().as_slice(), [only] if only.len() == 2)
    }

    fn key_of<'a>(&self, values: impl Iterator<Item = &'a Value>) -> Value {
        let mut key = Value::new();
        if let Some((_, protocol)) = &self.leading {
            key = key.and_bytes(protocol.as_bytes());
        }
        values.fold(key, |key, value| key.and_bytes(value.as_bytes()))
    }

    /// The tests that all rules have in common, in order.
    fn constants<'s>(&'s self, first: &'s Shaped) -> impl Iterator<Item = Statement> + 's {
        let leading = self.leading.as_ref().map(|(at, _)| *at);
        let tests = first.rule.statements.iter().take(first.parts.len());
        tests
            .enumerate()
            .filter(move |(at, _)| Some(*at) != leading && !self.varying.contains(at))
            .map(|(_, test)| test.clone())
    }

    /// What the key is made of, for the comment of the set.
    fn words(&self) -> String {
        dockfw_ir::print::key(&self.key())
    }
}

/// The index and value of a test of one transport protocol.
fn protocol(shaped: &Shaped) -> Option<(usize, Value)> {
    let mut parts = shaped.parts.iter().enumerate();
    parts.find_map(|(at, part)| match part {
        Part::Values { key, ranges, .. } if key.0 == [Meta::L4proto.into()] => {
            let [(first, last)] = ranges.as_slice() else {
                return None;
            };
            (first == last).then(|| (at, first.clone()))
        }
        Part::Values { .. } | Part::Fixed(_) => None,
    })
}

/// The most elements that a rule may become, on average over its group.
const MAX_ELEMENTS_EACH: usize = 64;
/// The most elements that one rule may become.
const MAX_PRODUCT: usize = 4096;

/// Every combination of the ranges of the parts that vary.
fn product(shaped: &Shaped, varying: &[usize]) -> Option<Vec<Vec<Range>>> {
    let mut all: Vec<Vec<Range>> = vec![Vec::new()];
    for ranges in shaped.ranges(varying) {
        if all.len().saturating_mul(ranges.len()) > MAX_PRODUCT {
            return None;
        }
        all = all
            .into_iter()
            .flat_map(|before| {
                ranges.iter().map(move |range| {
                    let mut fields = before.clone();
                    fields.push(range.clone());
                    fields
                })
            })
            .collect();
    }
    Some(all)
}
