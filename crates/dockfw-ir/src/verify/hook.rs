//! What a rule can read and do at the hooks it is reached from.

use super::report::Check;
use crate::chain::{BaseChain, Hook};
use crate::expr::fib::FibResult;
use crate::expr::payload::{Base, Raw};
use crate::expr::{Expr, Fib, Meta, Payload, Rt, Socket};
use crate::statement::nat::NatKind;
use crate::statement::{Mangle, MarkSource, MaxSegment, Statement};

/// Whether a hook is one of these.
fn among(base: BaseChain, hooks: &[Hook]) -> bool {
    hooks.contains(&base.hook)
}

/// Where packets have come in by an interface.
const INCOMING: &[Hook] = &[Hook::Prerouting, Hook::Input, Hook::Forward];
/// Where packets go out by an interface.
const OUTGOING: &[Hook] = &[Hook::Forward, Hook::Output, Hook::Postrouting];

/// At which hooks a statement can be, whatever leads to its chain from there; `None` for all of
/// them.
///
/// A rule that hooks share has to do with those that all of its statements have.
///
/// Source: the `validate` functions of `net/netfilter/nft_*.c` (v6.12); tried at every hook.
pub fn hooks(statement: &Statement) -> Option<&'static [Hook]> {
    match statement {
        Statement::Match(test) => test.key.0.iter().find_map(expr_hooks),
        Statement::VerdictMap(map) => map.key.0.iter().find_map(expr_hooks),
        Statement::Dynset(dynset) => dynset.key.0.iter().find_map(expr_hooks),
        Statement::SetMark(mark) if mark.source == MarkSource::Socket && mark.keep != 0 => {
            expr_hooks(&Socket::Mark.into())
        }
        Statement::Mangle(Mangle::MaxSegment(MaxSegment::RouteMtu)) => Some(OUTGOING),
        Statement::Mangle(Mangle::Zone { .. }) | Statement::Notrack => {
            Some(&[Hook::Prerouting, Hook::Output])
        }
        Statement::Tproxy(_) => Some(&[Hook::Prerouting]),
        Statement::Nat(nat) => Some(match nat.kind {
            NatKind::Dnat => &[Hook::Prerouting, Hook::Output],
            NatKind::Snat => &[Hook::Postrouting, Hook::Input],
        }),
        Statement::Redirect { .. } => Some(&[Hook::Prerouting, Hook::Output]),
        Statement::Masquerade(_) => Some(&[Hook::Postrouting]),
        Statement::Reject(_) => Some(&[Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output]),
        Statement::SetMark(_)
        | Statement::Mangle(_)
        | Statement::Verdict(_)
        | Statement::Counter
        | Statement::Limit(_)
        | Statement::Log(_)
        | Statement::Quota(_)
        | Statement::CtCount(_)
        | Statement::Queue(_)
        | Statement::Dup(_) => None,
    }
}

/// At which hooks an expression loads.
fn expr_hooks(expr: &Expr) -> Option<&'static [Hook]> {
    match expr {
        Expr::Meta(meta) => match meta {
            Meta::Skuid | Meta::Skgid => Some(&[Hook::Output, Hook::Postrouting]),
            Meta::Cgroup => Some(&[Hook::Input, Hook::Output, Hook::Postrouting]),
            Meta::Ipsec => Some(INCOMING),
            Meta::Iifname
            | Meta::Oifname
            | Meta::Length
            | Meta::Mark
            | Meta::Pkttype
            | Meta::Nfproto
            | Meta::L4proto
            | Meta::Hour
            | Meta::Day
            | Meta::Time => None,
        },
        Expr::Fib(fib) => {
            let route = matches!(fib.result, FibResult::Oifname | FibResult::Exists);
            if fib.iif || route {
                Some(INCOMING)
            } else if fib.oif {
                Some(OUTGOING)
            } else {
                None
            }
        }
        Expr::Socket(_) => Some(&[Hook::Prerouting, Hook::Input, Hook::Output]),
        Expr::Rt(Rt::Ipsec) => Some(OUTGOING),
        Expr::Payload(_) | Expr::Ct(_) | Expr::Exthdr(_) | Expr::Numgen(_) => None,
    }
}

/// `own` is what the chain itself is, `bases` are all base chains that lead to it.
pub(super) fn expr(
    expr: &Expr,
    own: Option<BaseChain>,
    bases: &[BaseChain],
    add: &mut impl FnMut(Check, String),
) {
    let everywhere =
        expr_hooks(expr).is_none_or(|hooks| bases.iter().all(|base| among(*base, hooks)));
    // Chains are shared by hooks, as in iptables: where there is no interface, its name is empty.
    let somewhere = |hooks: &[Hook]| own.is_none_or(|base| among(base, hooks));
    match expr {
        Expr::Meta(meta) => {
            let known = match meta {
                Meta::Iifname => somewhere(&[&[Hook::Postrouting], INCOMING].concat()),
                Meta::Oifname => somewhere(OUTGOING),
                Meta::Skuid | Meta::Skgid | Meta::Cgroup | Meta::Ipsec => everywhere,
                Meta::Length
                | Meta::Mark
                | Meta::Pkttype
                | Meta::Nfproto
                | Meta::L4proto
                | Meta::Hour
                | Meta::Day
                | Meta::Time => true,
            };
            if !known {
                let message = format!("{meta:?} is not known at the hooks that lead here");
                add(Check::MetaHook, message);
            }
        }
        Expr::Payload(Payload::EtherSaddr) => {
            if !somewhere(INCOMING) {
                let message = "the Ethernet source is known where packets come in only";
                add(Check::MetaHook, message.to_owned());
            }
        }
        Expr::Fib(fib) => check_fib(*fib, everywhere, add),
        Expr::Socket(_) => {
            if !everywhere {
                let message = "a socket is looked up at prerouting, input and output";
                add(Check::MetaHook, message.to_owned());
            }
        }
        Expr::Rt(Rt::Ipsec) => {
            if !everywhere {
                let message = "the route is known at forward, output and postrouting";
                add(Check::MetaHook, message.to_owned());
            }
        }
        Expr::Payload(Payload::Raw(raw)) => check_raw(*raw, add),
        Expr::Numgen(numgen) => {
            if numgen.modulus == 0 || numgen.offset.checked_add(numgen.modulus - 1).is_none() {
                add(Check::Key, "numbers above 32 bits, or none".to_owned());
            }
        }
        Expr::Payload(_) | Expr::Ct(_) | Expr::Exthdr(_) => {}
    }
}

fn check_raw(raw: Raw, add: &mut impl FnMut(Check, String)) {
    if !matches!(raw.len, 1 | 2 | 4) || raw.base == Base::Link {
        let message = "raw fields have 1, 2 or 4 bytes of the network or transport header";
        add(Check::Key, message.to_owned());
    }
    if raw.base == Base::Transport && raw.len == 2 && matches!(raw.offset, 0 | 2) {
        add(Check::Key, "nft lists this raw field as a port".to_owned());
    }
}

/// Source: `net/netfilter/nft_fib.c`, `nft_fib_validate` (v6.12); tried at every hook.
fn check_fib(fib: Fib, everywhere: bool, add: &mut impl FnMut(Check, String)) {
    if fib.iif && fib.oif {
        add(Check::Key, "a route lookup by both interfaces".to_owned());
    }
    let route = matches!(fib.result, FibResult::Oifname | FibResult::Exists);
    if fib.oif && route {
        add(
            Check::Key,
            "the output interface of a route by output interface".to_owned(),
        );
    }
    if (fib.iif || route) && !everywhere {
        let message = "this route lookup is for prerouting, input and forward";
        add(Check::FibHook, message.to_owned());
    }
    if fib.oif && !fib.iif && !route && !everywhere {
        let message = "a route lookup by the output interface is for forward, output, postrouting";
        add(Check::FibHook, message.to_owned());
    }
}

/// Whether conntrack has not run at any of these.
pub(super) fn before_conntrack(bases: &[BaseChain]) -> bool {
    /// `NF_IP_PRI_CONNTRACK`.
    const CONNTRACK: i32 = -200;
    let mut bases = bases.iter();
    bases.all(|b| among(*b, &[Hook::Prerouting, Hook::Output]) && b.priority < CONNTRACK)
}

pub(super) fn notrack(
    statement: &Statement,
    bases: &[BaseChain],
    add: &mut impl FnMut(Check, String),
) {
    if *statement == Statement::Notrack && !before_conntrack(bases) {
        let message = "notrack comes too late but at prerouting and output below -200";
        add(Check::Notrack, message.to_owned());
    }
}
