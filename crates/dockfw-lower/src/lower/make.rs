//! Short forms for building chains, rules and sets.

use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy, Rule};
use dockfw_ir::expr::{Expr, Key, Meta, Payload};
use dockfw_ir::name::{ChainName, Comment, IfName, SetName};
use dockfw_ir::set::{Element, Set, SetKind};
use dockfw_ir::statement::{Operator, Statement, Verdict};
use dockfw_ir::value::{DataType, Value};

/// A comment; the texts are ours or names of the host's objects, cut to what nft takes.
pub(crate) fn comment(text: &str) -> Option<Comment> {
    Comment::lossy(text)
}

/// A rule that counts what it decides: `STATEMENTS counter VERDICT comment "WHY"`.
pub(crate) fn rule(
    tests: impl IntoIterator<Item = Statement>,
    action: Statement,
    why: &str,
) -> Rule {
    let mut statements: Vec<_> = tests.into_iter().collect();
    statements.push(Statement::Counter);
    statements.push(action);
    Rule {
        statements,
        comment: comment(why),
    }
}

/// A rule that only sends packets on, and does not count them.
pub(crate) fn dispatch(statements: Vec<Statement>, why: &str) -> Rule {
    Rule {
        statements,
        comment: comment(why),
    }
}

pub(crate) fn accept() -> Statement {
    Statement::Verdict(Verdict::Accept)
}

pub(crate) fn drop() -> Statement {
    Statement::Verdict(Verdict::Drop)
}

pub(crate) fn jump(chain: &ChainName) -> Statement {
    Statement::Verdict(Verdict::Jump(chain.clone()))
}

/// A chain that others jump to.
pub(crate) fn chain(name: ChainName, rules: Vec<Rule>, why: &str) -> Chain {
    Chain {
        name,
        base: None,
        rules,
        comment: comment(why),
    }
}

/// A base chain whose policy is accept.
pub(crate) fn base_chain(
    name: ChainName,
    kind: ChainKind,
    hook: Hook,
    priority: i32,
    rules: Vec<Rule>,
) -> Chain {
    let base = BaseChain {
        kind,
        hook,
        priority,
        policy: Policy::Accept,
    };
    Chain {
        name,
        base: Some(base),
        rules,
        comment: None,
    }
}

/// The most elements a set can hold: a power of two with room for as many again, at least 1,024.
///
/// The kernel allocates the hash table once for this number, which halves the time of a load;
/// room to spare keeps small changes from replacing the set.
fn room(elements: usize) -> u32 {
    let wanted = elements
        .saturating_mul(2)
        .max(1024)
        .checked_next_power_of_two();
    wanted
        .and_then(|room| u32::try_from(room).ok())
        .unwrap_or(u32::MAX)
}

/// A set or map of single keys.
pub(crate) fn exact_set(
    name: SetName,
    key: Vec<DataType>,
    kind: SetKind,
    elements: Vec<Element>,
    why: &str,
) -> Set {
    let size = Some(room(elements.len()));
    Set {
        name,
        key,
        kind,
        interval: false,
        dynamic: false,
        counter: false,
        timeout: None,
        size,
        comment: comment(why),
        elements,
    }
}

/// A set or map of ranges.
pub(crate) fn interval_set(
    name: SetName,
    key: Vec<DataType>,
    kind: SetKind,
    elements: Vec<Element>,
    why: &str,
) -> Set {
    let comment = comment(why);
    Set {
        name,
        key,
        kind,
        interval: true,
        dynamic: false,
        counter: false,
        timeout: None,
        size: None,
        comment,
        elements,
    }
}

/// A key field or constant with an interface name.
pub(crate) fn if_value(name: &IfName) -> Value {
    Value::new().and_ifname(name)
}

/// `iifname "BR"`
pub(super) fn from_interface(name: &IfName, operator: Operator) -> Statement {
    Statement::compare(Meta::Iifname, operator, if_value(name))
}

/// `oifname "BR"`
pub(super) fn to_interface(name: &IfName, operator: Operator) -> Statement {
    Statement::compare(Meta::Oifname, operator, if_value(name))
}

/// A concatenation of expressions.
pub(super) fn key(fields: impl IntoIterator<Item = Expr>) -> Key {
    Key(fields.into_iter().collect())
}

/// `meta l4proto . th dport`, after other fields.
pub(super) fn and_port(before: impl IntoIterator<Item = Expr>) -> Key {
    let port = [Meta::L4proto.into(), Payload::ThDport.into()];
    Key(before.into_iter().chain(port).collect())
}

/// The types of `inet_proto . inet_service`, after other types.
pub(super) fn and_port_types(before: &[DataType]) -> Vec<DataType> {
    let port = [DataType::InetProto, DataType::InetService];
    before.iter().copied().chain(port).collect()
}
