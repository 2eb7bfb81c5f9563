//! A rule as tests of values, other tests, and what it does.

use dockfw_ir::chain::Rule;
use dockfw_ir::expr::{Ct, Expr, Key, Meta, Payload};
use dockfw_ir::set::Element;
use dockfw_ir::statement::{Mangle, Match, Nat, Operator, Statement, Test, Verdict};
use dockfw_ir::value::{DataType, Value};

/// First and last value of a test, both inclusive.
pub(super) type Range = (Value, Value);

/// One test of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// A key that must have one of these values: sorted ranges without overlap.
    Values {
        /// What is read.
        key: Key,
        /// Its type.
        data_type: DataType,
        /// What it may be.
        ranges: Vec<Range>,
    },
    /// A test that a set cannot say.
    Fixed(Match),
}

impl Part {
    /// Whether the parts read the same thing, and mean the same unless they are about values.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Values { key, .. }, Self::Values { key: other, .. }) => key == other,
            (Self::Fixed(a), Self::Fixed(b)) => a == b,
            (Self::Values { .. }, Self::Fixed(_)) | (Self::Fixed(_), Self::Values { .. }) => false,
        }
    }
}

/// What can be said about folding a rule's action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The packet does not come to the next rule: a packet that two such rules match meets one.
    Final,
    /// The packet may come back: `jump`.
    Returning,
    /// Not to be folded.
    Other,
}

/// A rule taken apart.
#[derive(Debug, Clone)]
pub(super) struct Shaped {
    pub(super) parts: Vec<Part>,
    /// What it does: counter, and one last statement.
    pub(super) tail: Vec<Statement>,
    pub(super) kind: Kind,
    /// The number of the source rule.
    pub(super) source: usize,
    pub(super) rule: Rule,
}

impl Shaped {
    pub(super) fn new(rule: Rule, source: usize) -> Self {
        let mut parts = Vec::new();
        let mut statements = rule.statements.iter();
        let mut tail = Vec::new();
        for statement in statements.by_ref() {
            if let Statement::Match(test) = statement {
                parts.push(part(test));
            } else {
                tail.push(statement.clone());
                break;
            }
        }
        tail.extend(statements.cloned());
        // A number that is drawn for each rule is drawn once after folding, and what a set holds
        // another rule may change.
        let changes = parts.iter().any(Part::changes);
        let kind = if changes { Kind::Other } else { kind(&tail) };
        Self {
            parts,
            tail,
            kind,
            source,
            rule,
        }
    }

    /// Whether two rules differ in values and action only.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.parts.len() == other.parts.len()
            && self
                .parts
                .iter()
                .zip(&other.parts)
                .all(|(a, b)| a.is_like(b))
    }

    /// The verdict, when that and a counter are all that the rule does.
    pub(super) fn verdict(&self) -> Option<&Verdict> {
        match self.tail.as_slice() {
            [Statement::Verdict(verdict)] | [Statement::Counter, Statement::Verdict(verdict)] => {
                Some(verdict)
            }
            _ => None,
        }
    }

    /// The translation to one address, when that and a counter are all that the rule does.
    pub(super) fn translation(&self) -> Option<&Nat> {
        match self.tail.as_slice() {
            [Statement::Nat(nat)] | [Statement::Counter, Statement::Nat(nat)] => {
                nat.target.datum().is_some().then_some(nat)
            }
            _ => None,
        }
    }
}

fn kind(tail: &[Statement]) -> Kind {
    let ([last] | [Statement::Counter, last]) = tail else {
        return Kind::Other;
    };
    match last {
        // A translation or refusal for the other family lets the packet go on, but then it lets all
        // packets of the folded rule go on alike.
        Statement::Verdict(
            Verdict::Accept | Verdict::Drop | Verdict::Return | Verdict::Goto(_),
        )
        | Statement::Nat(_)
        | Statement::Masquerade(_)
        | Statement::Redirect { .. }
        | Statement::Reject(_) => Kind::Final,
        Statement::Verdict(Verdict::Jump(_)) => Kind::Returning,
        Statement::Verdict(Verdict::Continue)
        | Statement::Match(_)
        | Statement::VerdictMap(_)
        | Statement::Counter
        | Statement::Limit(_)
        | Statement::Log(_)
        | Statement::Notrack
        | Statement::SetMark(_)
        | Statement::Mangle(_)
        | Statement::Quota(_)
        | Statement::CtCount(_)
        | Statement::Queue(_)
        | Statement::Dup(_)
        | Statement::Tproxy(_)
        | Statement::Dynset(_) => Kind::Other,
    }
}

fn part(test: &Match) -> Part {
    let fixed = || Part::Fixed(test.clone());
    let [expr] = test.key.0.as_slice() else {
        return fixed();
    };
    let data_type = expr.data_type();
    // No set can be declared with such keys.
    if !data_type.has_name() {
        return fixed();
    }
    let ranges = match &test.test {
        Test::Compare {
            mask: None,
            operator: Operator::Equal,
            value,
        } => vec![(value.clone(), value.clone())],
        Test::Compare {
            mask: Some(mask),
            operator: Operator::Equal,
            value,
        } => match prefix_end(data_type, mask, value) {
            Some(end) => vec![(value.clone(), end)],
            None => return fixed(),
        },
        Test::Range {
            negated: false,
            low,
            high,
        } if !data_type.is_host_endian() && low <= high => vec![(low.clone(), high.clone())],
        Test::OneOf {
            negated: false,
            elements,
        } => {
            let range = |element: &Element| {
                let end = element.key_end.as_deref().unwrap_or(&element.key);
                (element.key.clone(), end.clone())
            };
            elements.iter().map(range).collect()
        }
        Test::Compare { .. }
        | Test::Range { .. }
        | Test::Prefix { .. }
        | Test::Set { .. }
        | Test::OneOf { .. } => return fixed(),
    };
    Part::Values {
        key: test.key.clone(),
        data_type,
        ranges,
    }
}

/// The last address of a prefix, if the mask is one.
fn prefix_end(data_type: DataType, mask: &Value, value: &Value) -> Option<Value> {
    if !matches!(data_type, DataType::Ipv4Addr | DataType::Ipv6Addr) {
        return None;
    }
    let mask = mask.as_bytes();
    let ones = mask
        .iter()
        .map(|byte| byte.leading_ones())
        .collect::<Vec<_>>();
    let full = ones.iter().take_while(|ones| **ones == 8).count();
    let contiguous = mask
        .iter()
        .zip(&ones)
        .enumerate()
        .all(|(at, (byte, ones))| byte.count_ones() == *ones && (at <= full || *byte == 0));
    if !contiguous {
        return None;
    }
    let end: Vec<u8> = value
        .as_bytes()
        .iter()
        .zip(mask)
        .map(|(v, m)| v | !m)
        .collect();
    Some(Value::from_registers(&end))
}

impl Part {
    pub(super) fn key(&self) -> &Key {
        match self {
            Self::Values { key, .. } => key,
            Self::Fixed(test) => &test.key,
        }
    }

    /// Whether the answer can be another one in the next rule, for the same packet.
    fn changes(&self) -> bool {
        let is_drawn = |expr: &Expr| matches!(expr, Expr::Numgen(_));
        let is_set = matches!(self, Self::Fixed(test) if matches!(test.test, Test::Set { .. }));
        is_set || self.key().0.iter().any(is_drawn)
    }

    /// Whether exactly one value will do.
    pub(super) fn is_exact(&self) -> bool {
        match self {
            Self::Values { ranges, .. } => matches!(ranges.as_slice(), [(a, b)] if a == b),
            Self::Fixed(_) => false,
        }
    }
}

impl Shaped {
    /// The ranges of some parts; nothing for a part that is not about values.
    pub(super) fn ranges<'s>(&'s self, parts: &'s [usize]) -> impl Iterator<Item = &'s [Range]> {
        parts.iter().filter_map(|at| match self.parts.get(*at)? {
            Part::Values { ranges, .. } => Some(ranges.as_slice()),
            Part::Fixed(_) => None,
        })
    }

    /// The types of some parts.
    pub(super) fn types(&self, parts: &[usize]) -> Vec<DataType> {
        let types = parts.iter().filter_map(|at| match self.parts.get(*at)? {
            Part::Values { data_type, .. } => Some(*data_type),
            Part::Fixed(_) => None,
        });
        types.collect()
    }

    /// Whether no rule can change what this one reads.
    pub(super) fn is_stable(&self) -> bool {
        self.parts
            .iter()
            .all(|part| part.key().0.iter().all(is_stable))
    }
}

impl Shaped {
    /// Whether the packet can have another conntrack entry after this rule, or none.
    pub(super) fn may_untrack(&self) -> bool {
        self.tail.iter().any(|statement| {
            matches!(
                statement,
                Statement::Notrack
                    | Statement::Verdict(Verdict::Jump(_))
                    | Statement::Mangle(Mangle::Zone { .. })
            )
        })
    }

    /// Whether a test asks for the conntrack entry.
    pub(super) fn reads_connection(&self) -> bool {
        let mut exprs = self.parts.iter().flat_map(|part| &part.key().0);
        exprs.any(|expr| matches!(expr, Expr::Ct(_)))
    }
}

/// Whether an expression gives the same for a packet in every rule of a chain, and of the chains
/// that it jumps to; of conntrack as long as no rule [`may_untrack`](Shaped::may_untrack).
fn is_stable(expr: &Expr) -> bool {
    match expr {
        Expr::Payload(payload) => !matches!(
            payload,
            Payload::IpDscp
                | Payload::IpEcn
                | Payload::IpTtl
                | Payload::Ip6Dscp
                | Payload::Ip6Ecn
                | Payload::Ip6Hoplimit
                | Payload::Raw(_)
        ),
        // The clock goes on.
        Expr::Meta(meta) => !matches!(meta, Meta::Mark | Meta::Hour | Meta::Day | Meta::Time),
        Expr::Ct(ct) => *ct != Ct::Mark,
        Expr::Fib(_) | Expr::Rt(_) => true,
        Expr::Exthdr(_) | Expr::Socket(_) | Expr::Numgen(_) => false,
    }
}
