//! Looks for a packet that a folded chain treats in another way than the rules it was made of.
//!
//! Both forms are walked by the evaluator of `dockfw-ir`, with values at the boundaries of every
//! test: each constant of the rules and its neighbours. Where all combinations of them are few,
//! all are tried, which is a proof, since nothing else can make a difference; otherwise each rule
//! is tried with values that it matches, and with each of them changed to a neighbour, as many as
//! the budget allows.
//!
//! A jump is taken for something that is done: each chain is compared by itself.

use std::fmt::Write as _;

use dockfw_ir::chain::{Chain, Rule};
use dockfw_ir::eval::facts::{Chains, Decision, Facts};
use dockfw_ir::expr::{Expr, Key};
use dockfw_ir::name::ChainName;
use dockfw_ir::print;
use dockfw_ir::set::Set;
use dockfw_ir::statement::{Match, Operator, Statement, Test};
use dockfw_ir::value::Value;

/// All combinations are tried up to this number.
const EXHAUSTIVE: usize = 8192;
/// Otherwise so many rules are evaluated, counting each rule for each packet.
const BUDGET: usize = 1_000_000;
/// At least so many packets, however long the chain.
const FEWEST: usize = 64;

/// A packet that shows a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The values of the packet, as nft would show the expressions.
    pub packet: String,
    /// What the rules do.
    pub before: String,
    /// What the folded chain does.
    pub after: String,
}

/// How much was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// Combinations of values.
    pub packets: usize,
    /// Whether they were all that can make a difference.
    pub all: bool,
}

/// Compares a chain with its folded form.
///
/// # Errors
///
/// A packet on which they differ.
pub fn same(before: &[Rule], after: &[Rule], sets: &[Set]) -> Result<Tried, Box<Witness>> {
    let name = name();
    let chain = |rules: &[Rule]| Chain {
        name: name.clone(),
        base: None,
        rules: rules.to_vec(),
        comment: None,
    };
    let (before, after) = (chain(before), chain(after));
    let old = Chains::new([&before], []);
    let new = Chains::new([&after], sets);
    let space = Space::new(&before.rules);
    let mut tried = 0;
    let mut differs = |facts: &Facts| {
        tried += 1;
        let (a, b) = (old.decide(&name, facts), new.decide(&name, facts));
        let same = a.end == b.end && a.effects == b.effects;
        (!same).then(|| Box::new(witness(facts, &a, &b)))
    };
    let all = space
        .combinations()
        .is_some_and(|number| number <= EXHAUSTIVE);
    let found = if all {
        space.each(&mut differs)
    } else {
        let most = (BUDGET / before.rules.len().max(1)).max(FEWEST);
        space.around(&before.rules, most, &mut differs)
    };
    match found {
        Some(witness) => Err(witness),
        None => Ok(Tried {
            packets: tried,
            all,
        }),
    }
}

/// A name for both forms.
#[expect(clippy::expect_used, reason = "a constant name")]
fn name() -> ChainName {
    ChainName::new("compared").expect("a constant name is valid")
}

fn witness(facts: &Facts, before: &Decision<'_>, after: &Decision<'_>) -> Witness {
    let mut packet = String::new();
    for (expr, value) in facts.iter() {
        let _ = write!(packet, "{} ", print::key(&Key(vec![expr.clone()])));
        for byte in value.as_bytes() {
            let _ = write!(packet, "{byte:02x}");
        }
        packet.push(' ');
    }
    Witness {
        packet: packet.trim_end().to_owned(),
        before: format!("{before:?}"),
        after: format!("{after:?}"),
    }
}

/// The values worth a packet, for each expression that a chain reads.
struct Space(Vec<(Expr, Vec<Value>)>);

impl Space {
    fn new(rules: &[Rule]) -> Self {
        let mut space = Self(Vec::new());
        for test in tests(rules) {
            let [expr] = test.key.0.as_slice() else {
                continue;
            };
            let values = boundaries(test, expr.data_type().len());
            match space.0.iter_mut().find(|(of, _)| of == expr) {
                Some((_, all)) => all.extend(values),
                None => space.0.push((expr.clone(), values)),
            }
        }
        for (_, values) in &mut space.0 {
            values.sort_unstable();
            values.dedup();
        }
        space
    }

    /// How many combinations there are, each expression also without a value.
    fn combinations(&self) -> Option<usize> {
        let mut sizes = self.0.iter().map(|(_, values)| values.len() + 1);
        sizes.try_fold(1_usize, usize::checked_mul)
    }

    /// Tries all combinations, until one gives a result.
    fn each<R>(&self, found: &mut impl FnMut(&Facts) -> Option<R>) -> Option<R> {
        let number = self.combinations()?;
        (0..number).find_map(|mut index| {
            let mut facts = Facts::default();
            for (expr, values) in &self.0 {
                let choices = values.len() + 1;
                if let Some(value) = values.get(index % choices) {
                    facts.set(expr, value.clone());
                }
                index /= choices;
            }
            found(&facts)
        })
    }

    /// Tries packets that rules match, and their neighbours, until one gives a result.
    fn around<R>(
        &self,
        rules: &[Rule],
        most: usize,
        found: &mut impl FnMut(&Facts) -> Option<R>,
    ) -> Option<R> {
        let per_rule = 1 + 4 * self.0.len();
        let stride = (rules.len() * per_rule).div_ceil(most).max(1);
        // Every rule gets its turn before one gets its second, when not all fit.
        let chosen = rules
            .iter()
            .enumerate()
            .step_by(stride.div_ceil(per_rule).max(1));
        let mut left = most;
        for (number, rule) in chosen {
            let matching = self.matching(number, rule);
            let mut packets = vec![matching.clone()];
            for test in tests(std::slice::from_ref(rule)) {
                let [expr] = test.key.0.as_slice() else {
                    continue;
                };
                for value in boundaries(test, expr.data_type().len()) {
                    let mut near = matching.clone();
                    near.set(expr, value);
                    packets.push(near);
                }
            }
            for facts in packets {
                if let Some(result) = found(&facts) {
                    return Some(result);
                }
                left = left.saturating_sub(1);
            }
            if left == 0 {
                return None;
            }
        }
        None
    }

    /// Values that a rule matches; of what it does not read, any.
    fn matching(&self, number: usize, rule: &Rule) -> Facts {
        let mut facts = Facts::default();
        for (at, (expr, values)) in self.0.iter().enumerate() {
            let turn = number.wrapping_mul(7).wrapping_add(at.wrapping_mul(13));
            if let Some(value) = values.get(turn % values.len().max(1)) {
                facts.set(expr, value.clone());
            }
        }
        for test in tests(std::slice::from_ref(rule)) {
            if let ([expr], Some(value)) = (test.key.0.as_slice(), satisfying(test)) {
                facts.set(expr, value);
            }
        }
        facts
    }
}

fn tests(rules: &[Rule]) -> impl Iterator<Item = &Match> {
    let statements = rules.iter().flat_map(|rule| &rule.statements);
    statements.filter_map(|statement| {
        let Statement::Match(test) = statement else {
            return None;
        };
        Some(test)
    })
}

/// A value that holds.
fn satisfying(test: &Match) -> Option<Value> {
    let length = test.key.0.first()?.data_type().len();
    match &test.test {
        Test::Compare {
            mask,
            operator,
            value,
        } => match operator {
            Operator::Equal | Operator::LessOrEqual | Operator::GreaterOrEqual => {
                Some(value.clone())
            }
            Operator::NotEqual => match mask {
                // The lowest bits of the mask, turned round.
                Some(mask) => Some(xor(value, mask)),
                None => Some(step(value, length, 1)),
            },
            Operator::Less => Some(step(value, length, -1)),
            Operator::Greater => Some(step(value, length, 1)),
        },
        Test::Range { negated, low, high } => Some(if *negated {
            step(high, length, 1)
        } else {
            low.clone()
        }),
        Test::Prefix { negated, prefix } => (!negated).then(|| interface(prefix)),
        Test::OneOf { negated, elements } => {
            let first = elements.first()?;
            Some(if *negated {
                step(&first.key, length, -1)
            } else {
                first.key.clone()
            })
        }
        Test::Set { .. } => None,
    }
}

/// The constants of a test, and the values beside them.
fn boundaries(test: &Match, length: usize) -> Vec<Value> {
    let around = |low: &Value, high: &Value| {
        vec![
            step(low, length, -1),
            low.clone(),
            high.clone(),
            step(high, length, 1),
        ]
    };
    match &test.test {
        Test::Compare {
            mask: None, value, ..
        } => around(value, value),
        Test::Compare {
            mask: Some(mask),
            value,
            ..
        } => {
            let high = xor(value, &complement(mask, length));
            let mut values = around(value, &high);
            // Each bit of a set of flags by itself.
            if length <= 4 {
                for bit in bits(mask) {
                    values.push(bit.clone());
                    values.push(xor(value, &bit));
                }
                values.push(Value::from_registers(&vec![0; mask.as_bytes().len()]));
            }
            values
        }
        Test::Range { low, high, .. } => around(low, high),
        Test::Prefix { prefix, .. } => {
            let other = format!("{}~", prefix.get(1..).unwrap_or_default());
            vec![
                interface(prefix),
                interface(&format!("{prefix}0")),
                interface(&other),
            ]
        }
        Test::OneOf { elements, .. } => elements
            .iter()
            .flat_map(|element| {
                let end = element.key_end.as_deref().unwrap_or(&element.key);
                around(&element.key, end)
            })
            .collect(),
        Test::Set { .. } => Vec::new(),
    }
}

/// The value before or after, counted in the first `length` bytes, the last of them lowest.
fn step(value: &Value, length: usize, by: i8) -> Value {
    let mut bytes = value.as_bytes().to_vec();
    for byte in bytes.iter_mut().take(length).rev() {
        let (new, carry) = if by < 0 {
            byte.overflowing_sub(1)
        } else {
            byte.overflowing_add(1)
        };
        *byte = new;
        if !carry {
            break;
        }
    }
    Value::from_registers(&bytes)
}

fn xor(a: &Value, b: &Value) -> Value {
    let bytes: Vec<u8> = a
        .as_bytes()
        .iter()
        .zip(b.as_bytes())
        .map(|(a, b)| a ^ b)
        .collect();
    Value::from_registers(&bytes)
}

/// The bits outside of a mask, padding left alone.
fn complement(mask: &Value, length: usize) -> Value {
    let bytes = mask.as_bytes().iter().enumerate();
    let bytes: Vec<u8> = bytes
        .map(|(at, byte)| if at < length { !byte } else { 0 })
        .collect();
    Value::from_registers(&bytes)
}

/// Every single bit of a mask.
fn bits(mask: &Value) -> Vec<Value> {
    let bytes = mask.as_bytes();
    let mut all = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        for bit in (0..8).map(|bit| 1_u8 << bit).filter(|bit| byte & bit != 0) {
            let mut one = vec![0; bytes.len()];
            if let Some(byte) = one.get_mut(at) {
                *byte = bit;
            }
            all.push(Value::from_registers(&one));
        }
    }
    all
}

fn interface(name: &str) -> Value {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(name.bytes().take(15)) {
        *to = from;
    }
    Value::from_registers(&bytes)
}
