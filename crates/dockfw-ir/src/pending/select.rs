//! The rule that decides, and the elements that it looks up.

use std::time::Duration;

use super::names;
use crate::chain::Rule;
use crate::expr::Meta;
use crate::name::Comment;
use crate::set::{Element, ElementExtra, Set, SetKind};
use crate::statement::{Statement, Verdict};
use crate::table::Family;
use crate::value::{DataType, Value};

/// What is looked up: something that every packet has at every hook, and of which there are few
/// values, so that elements of all of them catch every packet.
///
/// In tables of one family nft(8) does not take `meta nfproto`.
const fn key(family: Family) -> Meta {
    match family {
        Family::Inet => Meta::Nfproto,
        Family::Ip | Family::Ip6 => Meta::Pkttype,
    }
}

const fn data_type(family: Family) -> DataType {
    key(family).data_type()
}

/// All values of the key: `NFPROTO_IPV4` and `NFPROTO_IPV6`, or `PACKET_HOST` to
/// `PACKET_OTHERHOST`. The kernel says one of the latter for what loops back too
/// (`net/netfilter/nft_meta.c`, `nft_meta_get_eval_pkttype_lo`, v6.12).
pub(super) fn keys(family: Family) -> Vec<Value> {
    let values: &[u8] = match family {
        Family::Inet => &[2, 10],
        Family::Ip | Family::Ip6 => &[0, 1, 2, 3],
    };
    values
        .iter()
        .map(|value| Value::new().and_u8(*value))
        .collect()
}

/// The set that decides, with all its elements.
pub(super) fn until(family: Family, timeout: Duration) -> Set {
    let elements = keys(family).into_iter().map(|key| Element {
        extra: Some(Box::new(ElementExtra {
            timeout: Some(timeout),
            comment: None,
        })),
        ..Element::member(key)
    });
    Set {
        name: names::until(),
        key: vec![data_type(family)],
        kind: SetKind::Set,
        interval: false,
        dynamic: false,
        counter: false,
        timeout: Some(Duration::ZERO),
        size: Some(4),
        comment: Comment::lossy(
            "while it has elements, what is pending holds; then the rest holds again",
        ),
        elements: elements.collect(),
    }
}

/// `meta nfproto @pending__.until VERDICT`
pub(super) fn rule(family: Family, verdict: Verdict, comment: &str) -> Rule {
    Rule {
        statements: vec![
            Statement::in_set(key(family), &names::until()),
            Statement::Verdict(verdict),
        ],
        comment: Comment::lossy(comment),
    }
}

/// The verdict of a rule that decides; `None` of any other rule.
pub(super) fn verdict(family: Family, rule: &Rule) -> Option<&Verdict> {
    let [first, Statement::Verdict(verdict)] = rule.statements.as_slice() else {
        return None;
    };
    (*first == Statement::in_set(key(family), &names::until())).then_some(verdict)
}
