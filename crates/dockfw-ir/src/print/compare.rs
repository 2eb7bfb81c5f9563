//! Matches.

use super::context::Context;
use super::{expr, statement, symbol, value};
use crate::expr::Key;
use crate::name::IfName;
use crate::set::Element;
use crate::statement::{Match, Operator, Test};
use crate::value::{DataType, Value};

pub(super) fn print(out: &mut String, test: &Match, context: Context) {
    expr::key(out, &test.key, context);
    out.push(' ');
    match &test.test {
        Test::Compare {
            mask,
            operator,
            value,
        } => compare(out, &test.key, mask.as_ref(), *operator, value),
        Test::Range { negated, low, high } => {
            negation(out, *negated);
            let [expr] = test.key.0.as_slice() else {
                // Never verified.
                let types = test.key.data_types();
                return value::concatenation(out, &types, low, Some(high));
            };
            let data_type = expr.data_type();
            let (low, high) = (value::field(data_type, low), value::field(data_type, high));
            value::ends(out, data_type, low, high);
        }
        Test::Prefix { negated, prefix } => {
            negation(out, *negated);
            out.push('"');
            out.push_str(&pattern(prefix));
            out.push('"');
        }
        Test::Set { negated, set } => {
            negation(out, *negated);
            statement::set_name(out, set);
        }
        Test::OneOf { negated, elements } => {
            negation(out, *negated);
            one_of(out, &test.key.data_types(), elements);
        }
    }
}

fn negation(out: &mut String, negated: bool) {
    if negated {
        out.push_str("!= ");
    }
}

/// `{ A, B-C }`, in the order in which nft lists them: that of numbers.
fn one_of(out: &mut String, types: &[DataType], elements: &[Element]) {
    for (index, element) in in_order(types, elements).into_iter().enumerate() {
        out.push_str(if index == 0 { "{ " } else { ", " });
        value::concatenation(out, types, &element.key, element.key_end.as_deref());
    }
    out.push_str(" }");
}

/// Elements in the order of their numbers, which is not that of the bytes for those of the host.
pub(crate) fn in_order<'e>(types: &[DataType], elements: &'e [Element]) -> Vec<&'e Element> {
    let mut elements: Vec<&Element> = elements.iter().collect();
    if let [one] = *types {
        elements.sort_by(|a, b| one.order(value::field(one, &a.key), value::field(one, &b.key)));
    }
    elements
}

/// `br-*`.
///
/// nft takes 15 characters with the star, so that a prefix of 15 is printed without: only one name
/// begins with it. The prefix is a plain string, so that an unverified one is made harmless here.
pub(crate) fn pattern(prefix: &str) -> String {
    let good = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '*' | '/' | ':');
    let mut pattern: String = prefix
        .chars()
        .map(|c| if good(c) { c } else { '?' })
        .collect();
    if pattern.len() < IfName::MAX {
        pattern.push('*');
    }
    pattern
}

pub(crate) const fn operator_word(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "==",
        Operator::NotEqual => "!=",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
    }
}

fn compare(out: &mut String, key: &Key, mask: Option<&Value>, operator: Operator, value: &Value) {
    let [expr] = key.0.as_slice() else {
        // A concatenation can only be looked up; never verified.
        out.push_str(operator_word(operator));
        out.push(' ');
        return value::concatenation(out, &key.data_types(), value, None);
    };
    let data_type = expr.data_type();
    let bytes = value::field(data_type, value);
    if let Some(mask) = significant(data_type, mask) {
        return masked(out, data_type, mask, operator, bytes);
    }
    // nft reads `ct state new` as a test of one bit, so that equality needs its sign.
    if operator != Operator::Equal || symbol::is_flags(data_type) {
        out.push_str(operator_word(operator));
        out.push(' ');
    }
    value::single(out, data_type, bytes);
}

/// The mask, unless it has all bits.
pub(crate) fn significant(data_type: DataType, mask: Option<&Value>) -> Option<&[u8]> {
    mask.map(|mask| value::field(data_type, mask))
        .filter(|mask| mask.iter().any(|byte| *byte != 0xff))
}

/// The length, where nft lists a mask as a prefix.
pub(crate) fn prefix_length(data_type: DataType, mask: &[u8]) -> Option<u32> {
    match data_type {
        DataType::Ipv4Addr | DataType::Ipv6Addr => value::prefix_of_mask(mask),
        DataType::Mark => {
            let bits = symbol::number(data_type, mask)?;
            value::prefix_of_mask(&bits.to_be_bytes())
        }
        DataType::NfProto
        | DataType::EtherAddr
        | DataType::InetProto
        | DataType::InetService
        | DataType::IcmpType
        | DataType::Icmpv6Type
        | DataType::IcmpCode
        | DataType::Icmpv6Code
        | DataType::TcpFlag
        | DataType::IfName
        | DataType::CtState
        | DataType::CtDir
        | DataType::CtStatus
        | DataType::FibAddrtype
        | DataType::PktType
        | DataType::Uid
        | DataType::Gid
        | DataType::Boolean
        | DataType::Dscp
        | DataType::Ecn
        | DataType::Duration
        | DataType::TimeOfDay
        | DataType::Weekday
        | DataType::Timestamp
        | DataType::Raw(_)
        | DataType::Integer(_)
        | DataType::HostInteger(_) => None,
    }
}

fn masked(out: &mut String, data_type: DataType, mask: &[u8], operator: Operator, bytes: &[u8]) {
    let equal = operator == Operator::Equal;
    if symbol::is_flags(data_type)
        && let Some(bits) = symbol::number(data_type, mask)
        && let Some(number) = symbol::number(data_type, bytes)
        && (number == 0 || !bits.is_power_of_two())
    {
        return flags(out, data_type, bits, operator, number);
    }
    if let Some(length) = prefix_length(data_type, mask) {
        if !equal {
            out.push_str(operator_word(operator));
            out.push(' ');
        }
        value::single(out, data_type, bytes);
        out.push('/');
        return value::decimal(out, length);
    }
    out.push_str("& ");
    value::single(out, data_type, mask);
    out.push(' ');
    out.push_str(operator_word(operator));
    out.push(' ');
    value::single(out, data_type, bytes);
}

/// `new,established`: one of them; `! new,established`: none; `new / new,established`: just these.
fn flags(out: &mut String, data_type: DataType, mask: u32, operator: Operator, number: u32) {
    match (operator, number) {
        (Operator::NotEqual, 0) => value::flags(out, data_type, mask),
        (Operator::Equal, 0) => {
            out.push_str("! ");
            value::flags(out, data_type, mask);
        }
        _ => {
            if operator != Operator::Equal {
                out.push_str(operator_word(operator));
                out.push(' ');
            }
            value::flags(out, data_type, number);
            out.push_str(" / ");
            value::flags(out, data_type, mask);
        }
    }
}
