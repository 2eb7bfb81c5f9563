//! Comparisons of a field with constants.

use super::report::Check;
use super::value::{Flags, Layout, name_error};
use crate::expr::Expr;
use crate::print::symbol;
use crate::statement::{Match, Operator, Test};
use crate::value::{DataType, Value};

pub(super) fn check(test: &Match, add: &mut impl FnMut(Check, String)) {
    let number = match &test.test {
        Test::Compare { .. } => Check::Compare,
        Test::Range { .. } => Check::Range,
        Test::Prefix { .. } => Check::Prefix,
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
    let error = match &test.test {
        Test::Compare {
            mask,
            operator,
            value,
        } => compare(expr.data_type(), mask.as_ref(), *operator, value, add),
        Test::Range { low, high, .. } => range(expr.data_type(), low, high),
        Test::Prefix { prefix, .. } => self::prefix(expr, prefix),
        Test::Set { .. } => None,
    };
    if let Some(error) = error {
        add(number, error);
    }
}

/// Numbers whose bytes the kernel can order.
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
        | DataType::Integer(_) => true,
        DataType::NfProto
        | DataType::EtherAddr
        | DataType::TcpFlag
        | DataType::Mark
        | DataType::IfName
        | DataType::CtState
        | DataType::CtDir
        | DataType::CtStatus
        | DataType::FibAddrtype
        | DataType::PktType
        | DataType::Uid
        | DataType::Gid
        | DataType::HostInteger(_) => false,
    }
}

const fn is_maskable(data_type: DataType) -> bool {
    symbol::is_flags(data_type)
        || matches!(
            data_type,
            DataType::Ipv4Addr
                | DataType::Ipv6Addr
                | DataType::EtherAddr
                | DataType::InetService
                | DataType::Mark
        )
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
    (low > high).then(|| "the high end is below the low end".to_owned())
}

fn prefix(expr: &Expr, prefix: &str) -> Option<String> {
    if expr.data_type() != DataType::IfName {
        return Some("only interface names have prefixes".to_owned());
    }
    name_error(prefix)
}
