//! Elements that rules make.

use std::time::Duration;

use super::graph::Index;
use super::report::Check;
use super::value::Layout;
use crate::set::SetKind;
use crate::statement::limit::Measure;
use crate::statement::{Dynset, DynsetOperation, DynsetStatement};

/// That the set is there and has the key's types is checked with the other lookups.
pub(super) fn check(dynset: &Dynset, index: &Index<'_>, add: &mut impl FnMut(Check, String)) {
    let mut refuse = |message: &str| add(Check::Dynset, message.to_owned());
    if let Some(mask) = &dynset.mask {
        match dynset.key.data_types().as_slice() {
            [one] if !Layout::new(&[*one]).fits(mask) => {
                refuse("the mask does not have the length of the key");
            }
            [one] if !super::compare::is_maskable(*one) => refuse("this key is not masked"),
            [_] if mask.as_bytes().iter().all(|byte| *byte == 0) => refuse("a mask without bits"),
            [_] => {}
            _ => refuse("a mask for a key of several fields"),
        }
    }
    if dynset
        .timeout
        .is_some_and(|timeout| timeout == Duration::ZERO || timeout.subsec_nanos() % 1_000_000 != 0)
    {
        refuse("a lifetime is whole milliseconds, at least one");
    }
    if dynset.operation == DynsetOperation::Delete
        && (dynset.timeout.is_some() || dynset.statement.is_some())
    {
        refuse("an element that is deleted has neither lifetime nor statement");
    }
    match dynset.statement {
        Some(DynsetStatement::Limit(limit))
            if limit.rate == 0 || (limit.burst == 0 && limit.measure == Measure::Packets) =>
        {
            refuse("the rate and the burst are at least 1");
        }
        Some(DynsetStatement::Quota(quota)) if i64::try_from(quota.bytes).is_err() => {
            refuse("a quota above 2^63 - 1 bytes");
        }
        Some(_) | None => {}
    }
    let Some(set) = index.set(&dynset.set) else {
        return;
    };
    if !set.dynamic {
        refuse("rules add to sets with the flag dynamic only");
    }
    if set.kind != SetKind::Set {
        refuse("rules add to sets, not to maps");
    }
    if dynset.timeout.is_some() && set.timeout.is_none() {
        refuse("a lifetime in a set without timeout");
    }
    // The kernel removes such an element when its last flow ends (`EOPNOTSUPP`).
    if set.timeout.is_some() && matches!(dynset.statement, Some(DynsetStatement::CtCount(_))) {
        refuse("flows are counted in sets without timeout only");
    }
    if dynset.operation == DynsetOperation::Update && set.timeout.is_none() {
        refuse("an update renews lifetimes, which the set does not have");
    }
}
