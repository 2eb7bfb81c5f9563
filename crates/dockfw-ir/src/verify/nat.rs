//! Address translation.

use super::graph::Index;
use super::report::Check;
use crate::chain::{BaseChain, ChainKind, Hook};
use crate::expr::Expr;
use crate::set::SetKind;
use crate::statement::nat::{NatFamily, NatFlags};
use crate::statement::{Nat, NatKind, NatTarget, Statement};
use crate::table::Family;
use crate::value::DataType;

pub(super) fn check(
    statement: &Statement,
    family: Family,
    index: &Index<'_>,
    bases: &[BaseChain],
    add: &mut impl FnMut(Check, String),
) {
    let (hooks, ports): (&[Hook], _) = match statement {
        Statement::Nat(nat) => {
            check_target(nat, family, index, add);
            match nat.kind {
                NatKind::Dnat => (&[Hook::Prerouting, Hook::Output], None),
                NatKind::Snat => (&[Hook::Postrouting, Hook::Input], None),
            }
        }
        Statement::Masquerade(masquerade) => (&[Hook::Postrouting], masquerade.ports),
        Statement::Redirect { ports, .. } => (&[Hook::Prerouting, Hook::Output], *ports),
        Statement::Match(_)
        | Statement::VerdictMap(_)
        | Statement::Verdict(_)
        | Statement::Counter
        | Statement::Limit(_)
        | Statement::Log(_)
        | Statement::Reject(_)
        | Statement::Notrack
        | Statement::SetMark(_)
        | Statement::Mangle(_)
        | Statement::Quota(_)
        | Statement::CtCount(_)
        | Statement::Queue(_)
        | Statement::Dup(_)
        | Statement::Tproxy(_)
        | Statement::Dynset(_) => return,
    };
    check_ports(ports, add);
    for base in bases {
        if base.kind != ChainKind::Nat || !hooks.contains(&base.hook) {
            let (kind, hook) = (base.kind, base.hook);
            let message = format!("not possible in a chain of type {kind:?} at {hook:?}");
            add(Check::NatPlace, message);
        }
    }
}

fn check_ports(ports: Option<(u16, u16)>, add: &mut impl FnMut(Check, String)) {
    if ports.is_some_and(|(first, last)| first > last) {
        add(
            Check::NatTarget,
            "the last port is below the first".to_owned(),
        );
    }
}

fn check_target(nat: &Nat, family: Family, index: &Index<'_>, add: &mut impl FnMut(Check, String)) {
    let wanted = nat.target.family();
    let possible = match family {
        Family::Inet => true,
        Family::Ip => wanted.is_none_or(|wanted| wanted == NatFamily::Ipv4),
        Family::Ip6 => wanted.is_none_or(|wanted| wanted == NatFamily::Ipv6),
    };
    if !possible {
        let message = "the table does not have packets of this family";
        add(Check::NatTarget, message.to_owned());
    }
    let in_order = match &nat.target {
        NatTarget::Ipv4 { addresses, ports } => {
            check_ports(*ports, add);
            addresses.0 <= addresses.1
        }
        NatTarget::Ipv6 { addresses, ports } => {
            check_ports(*ports, add);
            addresses.0 <= addresses.1
        }
        NatTarget::Ports(first, last) => {
            check_ports(Some((*first, *last)), add);
            true
        }
        NatTarget::Prefix(prefix) => {
            if prefix.trunc() != *prefix || nat.flags != NatFlags::default() {
                let message = "a prefix with bits behind its length, or with flags";
                add(Check::NatTarget, message.to_owned());
            }
            true
        }
        NatTarget::Map { key, map, family } => {
            if key.0.iter().any(|expr| matches!(expr, Expr::Fib(_))) {
                let message = "nft does not read a route lookup in the key of a translation";
                add(Check::NatMap, message.to_owned());
            }
            let address = match family {
                NatFamily::Ipv4 => DataType::Ipv4Addr,
                NatFamily::Ipv6 => DataType::Ipv6Addr,
            };
            // That the map is one is another check.
            if let Some(SetKind::Map(data)) = index.set(map).map(|set| &set.kind)
                && *data != [address]
                && *data != [address, DataType::InetService]
            {
                let message = format!("the data of map {map} is not {address:?} or it and a port");
                add(Check::NatMap, message);
            }
            true
        }
    };
    if !in_order {
        add(
            Check::NatTarget,
            "the last address is below the first".to_owned(),
        );
    }
}
