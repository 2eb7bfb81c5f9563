//! Rules: expressions are run over registers that hold what was loaded, and what consumes them
//! becomes a statement.

use std::collections::BTreeMap;

use dockfw_ir::chain::Rule;
use dockfw_ir::name::{Comment, SetName};
use dockfw_ir::set::Element;
use dockfw_ir::statement::{Match, Reject, Statement, Test};
use dockfw_ir::table::Table;

use super::attribute::{Result, because, comment, number, text};
use super::expr::{Content, Slot};
use super::same;
use super::set::check;
use super::{Counter, RuleInfo};
use crate::expr::RuleEncoder;
use crate::expr::known::{Known, ProtocolTest, requirements};
use crate::sys::nf_tables::{
    NFT_SET_INTERVAL, NFTA_COUNTER_BYTES, NFTA_COUNTER_PACKETS, NFTA_EXPR_DATA, NFTA_EXPR_NAME,
    NFTA_RULE_EXPRESSIONS, NFTA_RULE_HANDLE, NFTA_RULE_USERDATA, NFTA_SET_FLAGS, udata,
};
use crate::wire::{Attributes, Encoder};

/// A set without a name, which belongs to the rule that looks into it.
#[derive(Debug)]
pub(super) struct Anonymous {
    /// What the kernel says about it.
    pub(super) attributes: Vec<u8>,
    /// Its members; or why they could not be read.
    pub(super) elements: Result<Vec<Element>>,
}

/// Sets without names, by the name that the kernel gave them.
pub(super) type AnonymousSets = BTreeMap<String, Anonymous>;

/// What the statements of a rule are made from, one after the other.
enum Step {
    Statement(Statement),
    /// `meta iiftype ether`, which is written in front of a field that needs it and nowhere else.
    Ethernet,
}

/// What expressions have put into registers, and what they made of it.
#[derive(Default)]
pub(super) struct Loaded<'r> {
    /// In the order of the expressions.
    pub(super) slots: Vec<Slot<'r>>,
    /// Mask and xor of a `bitwise` over what was loaded.
    pub(super) mask: Option<(&'r [u8], &'r [u8])>,
    /// The length of what was turned into network byte order.
    pub(super) turned: Option<u32>,
    /// The map that what was loaded was looked up in.
    pub(super) map: Option<SetName>,
}

impl Loaded<'_> {
    fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.mask.is_none() && self.turned.is_none() && self.map.is_none()
    }
}

/// Reads the expressions of one rule.
pub(super) struct RuleReader<'r> {
    pub(super) table: &'r Table,
    pub(super) anonymous: &'r AnonymousSets,
    pub(super) known: Known,
    pub(super) loaded: Loaded<'r>,
    steps: Vec<Step>,
}

/// A rule, or why it has no word. It is compared with what the kernel has.
pub(super) fn read(
    attributes: Attributes<'_>,
    table: &Table,
    anonymous: &AnonymousSets,
) -> Result<Rule> {
    let user = attributes.get(NFTA_RULE_USERDATA).map(|user| user.payload);
    let expressions = attributes
        .get(NFTA_RULE_EXPRESSIONS)
        .map(|list| list.attributes())
        .unwrap_or_default();
    let mut reader = RuleReader {
        table,
        anonymous,
        known: Known::new(table.family),
        loaded: Loaded::default(),
        steps: Vec::new(),
    };
    for expression in expressions {
        let expression = expression.attributes();
        let data = expression.get(NFTA_EXPR_DATA).map(|data| data.attributes());
        reader.expression(text(expression, NFTA_EXPR_NAME)?, data.unwrap_or_default())?;
    }
    let rule = Rule {
        statements: reader.finish()?,
        comment: comment(user, udata::COMMENT)?,
    };
    let mut encoder = Encoder::with_capacity(512);
    let mut again = RuleEncoder::new(&mut encoder, table, 0);
    rule.statements
        .iter()
        .try_for_each(|statement| again.statement(statement))
        .map_err(|error| error.to_string())?;
    same::expressions(Attributes::new(encoder.as_bytes()), expressions)?;
    Ok(rule)
}

/// The comment of a rule whose statements have no words.
pub(super) fn comment_of(attributes: Attributes<'_>) -> Option<Comment> {
    let user = attributes.get(NFTA_RULE_USERDATA).map(|user| user.payload);
    comment(user, udata::COMMENT).ok().flatten()
}

/// Handle and counter of a rule.
pub(super) fn info(attributes: Attributes<'_>) -> RuleInfo {
    let list = attributes
        .get(NFTA_RULE_EXPRESSIONS)
        .map(|list| list.attributes())
        .unwrap_or_default();
    let counter = list.map(|one| one.attributes()).find_map(|expression| {
        let data = expression.get(NFTA_EXPR_DATA)?.attributes();
        let name = expression.get(NFTA_EXPR_NAME)?.text();
        (name == Some("counter")).then_some(())?;
        Some(Counter {
            packets: data.get(NFTA_COUNTER_PACKETS)?.u64()?,
            bytes: data.get(NFTA_COUNTER_BYTES)?.u64()?,
        })
    });
    let handle = attributes.get(NFTA_RULE_HANDLE);
    RuleInfo {
        handle: handle.and_then(|handle| handle.u64()).unwrap_or(0),
        counter,
    }
}

impl<'r> RuleReader<'r> {
    /// What is in the registers, which nothing needs afterwards.
    pub(super) fn take(&mut self) -> Loaded<'r> {
        std::mem::take(&mut self.loaded)
    }

    /// Puts something into a register.
    pub(super) fn put(&mut self, register: u32, content: Content<'r>) -> Result {
        if self.loaded.mask.is_some() || self.loaded.turned.is_some() || self.loaded.map.is_some() {
            return because("a register is loaded after another was changed");
        }
        self.loaded.slots.push(Slot { register, content });
        Ok(())
    }

    /// The test of an Ethernet header.
    pub(super) fn ethernet(&mut self) {
        let _ = self
            .known
            .missing(dockfw_ir::expr::payload::Requires::Ethernet);
        self.steps.push(Step::Ethernet);
    }

    /// Adds a statement, without the tests in front of it that it needs anyway.
    pub(super) fn push(&mut self, statement: Statement) -> Result {
        if !self.loaded.is_empty() {
            return because("a register is loaded and not used");
        }
        let needs = requirements(&statement);
        // At most a family and a protocol or two. The IR wants the protocol of a TCP reset said.
        let longest = if statement == Statement::Reject(Reject::TcpReset) {
            0
        } else {
            needs.len().min(self.steps.len())
        };
        let implied = (1..=longest).rev().find(|count| {
            let (before, tests) = self.steps.split_at(self.steps.len() - count);
            let mut known = Known::new(self.table.family);
            for step in before {
                match step {
                    Step::Statement(statement) => {
                        for needed in requirements(statement) {
                            let _ = known.missing(needed);
                        }
                        known.learn(statement);
                    }
                    Step::Ethernet => {
                        let _ = known.missing(dockfw_ir::expr::payload::Requires::Ethernet);
                    }
                }
            }
            let missing: Vec<_> = needs
                .iter()
                .filter_map(|needed| known.missing(*needed))
                .collect();
            missing.len() == tests.len()
                && missing.iter().zip(tests).all(|(test, step)| step.is(*test))
        });
        self.steps.truncate(self.steps.len() - implied.unwrap_or(0));
        for needed in needs {
            let _ = self.known.missing(needed);
        }
        self.known.learn(&statement);
        self.steps.push(Step::Statement(statement));
        Ok(())
    }

    fn finish(self) -> Result<Vec<Statement>> {
        if !self.loaded.is_empty() {
            return because("a register is loaded and not used");
        }
        self.steps
            .into_iter()
            .map(|step| match step {
                Step::Statement(statement) => Ok(statement),
                Step::Ethernet => because("a test of the interface's type"),
            })
            .collect()
    }

    /// `KEY { … }`: the members of a set without a name.
    pub(super) fn one_of(
        &self,
        set: &str,
        key: dockfw_ir::expr::Key,
        negated: bool,
    ) -> Result<Match> {
        let Some(set) = self.anonymous.get(set) else {
            return because("a set that is not there");
        };
        let mut elements = set.elements.clone()?;
        let attributes = Attributes::new(&set.attributes);
        let flags = number(attributes, NFTA_SET_FLAGS)?;
        // A set of ranges all of which are one key long: the IR tells it by the end of one.
        if flags & NFT_SET_INTERVAL != 0
            && elements.iter().all(|element| element.key_end.is_none())
            && let Some(first) = elements.first_mut()
        {
            first.key_end = Some(Box::new(first.key.clone()));
        }
        let test = Match {
            key,
            test: Test::OneOf { negated, elements },
        };
        if let Some(again) = test.anonymous_set() {
            check(attributes, self.table.name.as_str(), &again)?;
        }
        Ok(test)
    }
}

impl Step {
    /// Whether it is the statement that would be written for this.
    fn is(&self, test: ProtocolTest) -> bool {
        use dockfw_ir::Value;
        use dockfw_ir::expr::Meta;
        let statement = match test {
            ProtocolTest::Nfproto(number) => {
                Statement::equal(Meta::Nfproto, Value::new().and_u8(number))
            }
            ProtocolTest::L4proto(number) => {
                Statement::equal(Meta::L4proto, Value::new().and_u8(number))
            }
            ProtocolTest::Ethernet => return matches!(self, Self::Ethernet),
        };
        matches!(self, Self::Statement(own) if *own == statement)
    }
}
