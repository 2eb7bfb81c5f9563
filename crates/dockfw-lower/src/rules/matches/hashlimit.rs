//! `-m hashlimit`: a limit for each address or port.

use std::time::Duration;

use dockfw_iptables::r#match::hashlimit::{Hashlimit, Parts};
use dockfw_iptables::{Invertible, Protocol, Rule};
use dockfw_ir::expr::{Expr, Key, Payload};
use dockfw_ir::set::{Set, SetKind};
use dockfw_ir::statement::{Dynset, DynsetOperation, DynsetStatement, Statement};

use super::connlimit::{SIZE, mask};
use super::{limit, set_name, share};
use crate::rules::ways::Ways;
use crate::rules::{Place, Reason};

/// `update @hashlimit4-NAME { ip saddr . th dport limit rate 3/minute burst 5 packets }`
///
/// Rules with one name have their buckets in common. A bucket that is not used for the time of
/// `--hashlimit-htable-expire`, or else one unit of the rate, is forgotten and full again.
///
/// Source: linux v6.12, `net/netfilter/xt_hashlimit.c`, `hashlimit_mt_common`,
/// `hashlimit_init_dst`; iptables 1.8.9, `extensions/libxt_hashlimit.c`, `hashlimit_mt_check`.
pub(super) fn ways(
    value: &Hashlimit,
    rule: &Rule,
    place: Place,
    sets: &mut Vec<Set>,
) -> Result<Ways, Reason> {
    let per = value.rate.per();
    let limit = limit::of(per, value.burst, value.above)?;
    let family = place.family;
    let prefixes = [
        (Parts::SOURCE, value.source_prefix, family.saddr()),
        (Parts::DESTINATION, value.destination_prefix, family.daddr()),
    ];
    let (mut key, mut masks): (Vec<Expr>, _) = (Vec::new(), Vec::new());
    for (part, prefix, address) in prefixes {
        // An address of which no bit counts tells nothing apart.
        if value.by.contains(part) && prefix != Some(0) {
            key.push(address.into());
            masks.extend(prefix.and_then(|prefix| mask(prefix, family)));
        }
    }
    let ports = [
        (Parts::SOURCE_PORT, Payload::ThSport),
        (Parts::DESTINATION_PORT, Payload::ThDport),
    ];
    for (part, port) in ports {
        if value.by.contains(part) {
            if !has_ports(rule.protocol) {
                return Err(Reason::new(
                    "hashlimit by port is without a protocol that has ports",
                    "add -p tcp or -p udp to the rule",
                ));
            }
            key.push(port.into());
        }
    }
    if !masks.is_empty() && key.len() > 1 {
        return Err(Reason::new(
            "nftables has no mask for one of several parts of a key",
            "write --hashlimit-mode with the masked address alone, or leave out the mask",
        ));
    }
    if key.is_empty() {
        return Err(Reason::new(
            "hashlimit by nothing is one bucket for all rules of its name",
            "write -m limit",
        ));
    }
    let lifetime = match value.expire {
        Some(milliseconds) => Duration::from_millis(u64::from(milliseconds).max(1)),
        None => Duration::from_secs(limit.unit.seconds()),
    };
    let key = Key(key);
    let set = Set {
        name: set_name("hashlimit", family, &value.name)?,
        key: key.data_types(),
        kind: SetKind::Set,
        interval: false,
        dynamic: true,
        counter: false,
        timeout: Some(lifetime),
        size: Some(value.max.filter(|max| *max > 0).unwrap_or(SIZE)),
        comment: None,
        elements: Vec::new(),
    };
    Ok(Ways::one(Statement::Dynset(Box::new(Dynset {
        operation: DynsetOperation::Update,
        set: share(sets, set)?,
        key,
        mask: masks.pop(),
        timeout: None,
        statement: Some(DynsetStatement::Limit(limit)),
    }))))
}

/// TCP, UDP, SCTP, DCCP, UDPLITE.
fn has_ports(protocol: Option<Invertible<Protocol>>) -> bool {
    matches!(
        protocol,
        Some(Invertible::Is(Protocol(6 | 17 | 33 | 132 | 136)))
    )
}
