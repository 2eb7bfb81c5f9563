//! Comparisons of a field with constants.

use super::report::Check;
use super::value::{Flags, Layout, name_error};
use crate::expr::{Expr, Numgen};
use crate::print::symbol;
use crate::statement::{Match, Operator, Test};
use crate::value::{DataType, Value};

pub(super) fn check(test: &Match, add: &mut impl FnMut(Check, String)) {
    let number = match &test.test {
        Test::Compare { .. } => Check::Compare,
        Test::Range { .. } => Check::Range,
        Test::Prefix { .. } => Check::Prefix,
        Test::OneOf { .. } => return one_of(test, add),
        Test::Set { .. } => return,
    };
    let [expr] = test.key.0.as_slice() else {
        if !test.key.0.is_empty() {
            add(
                Check::Key,
                "a concatenation is looked up, not compared".to_owned(),
            );
        }
        return;
    };
    if let Expr::Numgen(numgen) = expr {
        numbers(*numgen, &test.test, add);
    }
    let error = match &test.test {
        Test::Compare {
            mask,
            operator,
            value,
        } => compare(expr.data_type(), mask.as_ref(), *operator, value, add),
        Test::Range { low, high, .. } => range(expr.data_type(), low, high),
        Test::Prefix { prefix, .. } => self::prefix(expr, prefix),
        Test::Set { .. } | Test::OneOf { .. } => None,
    };
    if let Some(error) = error {
        add(number, error);
    }
}

/// Numbers that can be ordered: those of the host are put into network byte order before.
const fn is_ordered(data_type: DataType) -> bool {
    match data_type {
        DataType::Ipv4Addr
        | DataType::Ipv6Addr
        | DataType::InetProto
        | DataType::InetService
        | DataType::IcmpType
        | DataType::Icmpv6Type
        | DataType::IcmpCode
        | DataType::Icmpv6Code
        | DataType::Mark
        | DataType::Uid
        | DataType::Gid
        | DataType::Duration
        | DataType::TimeOfDay
        | DataType::Timestamp
        | DataType::Raw(_)
        | DataType::Integer(_)
        | DataType::HostInteger(_) => true,
        DataType::NfProto
        | DataType::EtherAddr
        | DataType::TcpFlag
        | DataType::IfName
        | DataType::CtState
        | DataType::CtDir
        | DataType::CtStatus
        | DataType::FibAddrtype
        | DataType::PktType
        | DataType::Boolean
        | DataType::Dscp
        | DataType::Ecn
        | DataType::Weekday => false,
    }
}

pub(super) const fn is_maskable(data_type: DataType) -> bool {
    symbol::is_flags(data_type)
        || matches!(
            data_type,
            DataType::Ipv4Addr
                | DataType::Ipv6Addr
                | DataType::EtherAddr
                | DataType::InetService
                | DataType::Mark
                | DataType::Integer(_)
                | DataType::Raw(_)
        )
}

/// nft refuses numbers above the largest that is made.
fn numbers(numgen: Numgen, test: &Test, add: &mut impl FnMut(Check, String)) {
    let largest = numgen
        .offset
        .saturating_add(numgen.modulus.saturating_sub(1));
    let values = match test {
        Test::Compare { value, .. } => [Some(value), None],
        Test::Range { low, high, .. } => [Some(low), Some(high)],
        Test::Prefix { .. } | Test::Set { .. } | Test::OneOf { .. } => [None, None],
    };
    let above = |value: &Value| {
        let number = symbol::number(numgen.data_type(), value.as_bytes());
        number.is_some_and(|number| number > largest)
    };
    if values.into_iter().flatten().any(above) {
        add(
            Check::Value,
            format!("a number above {largest}, which is never made"),
        );
    }
}

/// A set of the rule's own: what holds for the elements of a set holds for its elements too.
fn one_of(test: &Match, add: &mut impl FnMut(Check, String)) {
    let Some(set) = test.anonymous_set() else {
        return;
    };
    let mut refuse = |message: &str| add(Check::OneOf, message.to_owned());
    match set.key.as_slice() {
        [one] => {
            if set.elements.len() < 2 {
                refuse("fewer than two elements are a comparison");
            }
            let listed = !matches!(
                one,
                DataType::Boolean
                    | DataType::Dscp
                    | DataType::Ecn
                    | DataType::TimeOfDay
                    | DataType::Timestamp
                    | DataType::Raw(_)
            );
            if !listed || matches!(test.key.0.as_slice(), [Expr::Numgen(_)]) {
                refuse("a field of this type is compared with one value");
            }
        }
        several => {
            if set.elements.is_empty() {
                refuse("no elements");
            }
            if several.len() > super::set::MAX_FIELDS
                || !several.iter().all(|one| symbol::has_type_name(*one))
            {
                refuse("more than 5 fields, or one whose type has no name");
            }
        }
    }
    if set.elements.iter().any(|element| element.extra.is_some()) {
        refuse("a lifetime or comment");
    }
    if let Some(message) = super::set::interval_error(&set) {
        refuse(&message);
    }
    super::element::check(&set, &mut |check, index, message| {
        add(check, format!("element {index}: {message}"));
    });
}

fn compare(
    data_type: DataType,
    mask: Option<&Value>,
    operator: Operator,
    value: &Value,
    add: &mut impl FnMut(Check, String),
) -> Option<String> {
    let layout = Layout::new(&[data_type]);
    if !layout.fits(value) || mask.is_some_and(|mask| !layout.fits(mask)) {
        return Some(format!(
            "value or mask do not have the length of {data_type:?}"
        ));
    }
    if let Some(error) = layout.error(value, Flags::Any) {
        add(Check::Value, error);
    }
    let equality = matches!(operator, Operator::Equal | Operator::NotEqual);
    if data_type == DataType::Boolean && operator != Operator::Equal {
        return Some("what exists is compared for equality only".to_owned());
    }
    let Some(mask) = mask else {
        if !equality && !is_ordered(data_type) {
            return Some(format!("{data_type:?} has no order"));
        }
        let bits: u32 = value.as_bytes().iter().map(|byte| byte.count_ones()).sum();
        return (matches!(data_type, DataType::CtState | DataType::CtStatus) && bits > 1)
            .then(|| "several flags without a mask".to_owned());
    };
    if !is_maskable(data_type) {
        return Some(format!("{data_type:?} is not masked"));
    }
    if !equality {
        return Some("a masked value is compared for equality only".to_owned());
    }
    let pairs = || mask.as_bytes().iter().zip(value.as_bytes());
    if pairs().any(|(mask, value)| value & !mask != 0) {
        return Some("the value has bits outside the mask".to_owned());
    }
    let address = matches!(data_type, DataType::Ipv4Addr | DataType::Ipv6Addr);
    if !address && mask.as_bytes().iter().all(|byte| *byte == 0) {
        return Some("a mask without bits".to_owned());
    }
    if let Some(error) = layout.error(mask, Flags::Any) {
        add(Check::Value, error);
    }
    None
}

fn range(data_type: DataType, low: &Value, high: &Value) -> Option<String> {
    let layout = Layout::new(&[data_type]);
    if !layout.fits(low) || !layout.fits(high) {
        return Some(format!("an end does not have the length of {data_type:?}"));
    }
    if !is_ordered(data_type) {
        return Some(format!("{data_type:?} has no order"));
    }
    let (low, high) = (low.as_bytes(), high.as_bytes());
    let in_order = data_type.order(
        low.get(..data_type.len()).unwrap_or(low),
        high.get(..data_type.len()).unwrap_or(high),
    );
    in_order
        .is_gt()
        .then(|| "the high end is below the low end".to_owned())
}

fn prefix(expr: &Expr, prefix: &str) -> Option<String> {
    if expr.data_type() != DataType::IfName {
        return Some("only interface names have prefixes".to_owned());
    }
    name_error(prefix)
}
