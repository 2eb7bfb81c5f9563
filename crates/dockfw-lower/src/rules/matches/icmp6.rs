//! `-m icmp6`: type and code.

use dockfw_iptables::r#match::icmp6::Icmp6;
use dockfw_ir::expr::Payload;

use super::icmp::message;
use crate::rules::ways::Ways;

/// Source: linux v6.12, `net/ipv6/netfilter/ip6_tables.c`, `icmp6_type_code_match`.
pub(super) fn ways(wanted: Icmp6) -> Ways {
    let negated = wanted.kind.is_inverted();
    let kind = *wanted.kind.value();
    message(kind, negated, Payload::Icmpv6Type, Payload::Icmpv6Code)
}
