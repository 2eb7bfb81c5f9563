//! Rules and their statements.

use super::graph::Index;
use super::report::Check;
use super::{compare, dynset, hook, mangle, nat};
use crate::chain::{BaseChain, Hook, Rule};
use crate::expr::ct::TupleField;
use crate::expr::fib::FibResult;
use crate::expr::payload::Requires;
use crate::expr::{Ct, Expr, Key, Meta, Payload};
use crate::name::SetName;
use crate::print::context::{self, Context, Protocol, TCP};
use crate::print::symbol;
use crate::set::SetKind;
use crate::statement::limit::Measure;
use crate::statement::nat::NatFamily;
use crate::statement::{
    LogFlags, Mangle, Match, Nat, NatTarget, Operator, Reject, Statement, Test, VerdictMap,
};
use crate::table::{Family, Table};
use crate::value::{Value, register_len};

pub(super) fn check(
    rule: &Rule,
    table: &Table,
    index: &Index<'_>,
    (own, bases): (Option<BaseChain>, &[BaseChain]),
    add: &mut impl FnMut(Check, String),
) {
    if rule.statements.is_empty() {
        add(Check::RuleEmpty, "a rule without statements".to_owned());
    }
    let mut known = Context::new(table.family);
    let mut flow = None;
    let mut several = None;
    let mut ended = false;
    for statement in &rule.statements {
        if ended {
            add(
                Check::AfterEnd,
                "a statement that is never reached".to_owned(),
            );
        }
        ended |= statement.is_terminal();
        if let Some(key) = context::key_of(statement) {
            check_key(statement, key, (own, bases), add);
            lookup(statement, key, index, add);
        }
        contradictions(statement, table.family, known, flow, add);
        if several.is_some_and(|several| asks_for_one(several, statement)) {
            let message = "nft does not read a field of one protocol after a match of several";
            add(Check::Contradiction, message.to_owned());
        }
        several = one_of_protocols(statement).or(several);
        match statement {
            Statement::Match(test) => compare::check(test, add),
            Statement::Reject(reject) => check_reject(*reject, table.family, known, bases, add),
            Statement::Limit(limit) => {
                let packets = limit.measure == Measure::Packets;
                if limit.rate == 0 || (limit.burst == 0 && packets) {
                    add(
                        Check::Limit,
                        "the rate and the burst are at least 1".to_owned(),
                    );
                }
            }
            Statement::Log(log) => check_log(log, add),
            Statement::Dynset(dynset) => dynset::check(dynset, index, add),
            Statement::VerdictMap(_)
            | Statement::Verdict(_)
            | Statement::Counter
            | Statement::Notrack
            | Statement::SetMark(_)
            | Statement::Mangle(_)
            | Statement::Quota(_)
            | Statement::CtCount(_)
            | Statement::Queue(_)
            | Statement::Dup(_)
            | Statement::Tproxy(_)
            | Statement::Nat(_)
            | Statement::Masquerade(_)
            | Statement::Redirect { .. } => {}
        }
        hook::notrack(statement, bases, add);
        mangle::check(statement, table.family, known, bases, add);
        nat::check(statement, table.family, index, bases, add);
        known.learn(statement);
        flow = flow_protocol(statement).or(flow);
    }
}

/// `meta l4proto { tcp, udp }` or `meta nfproto { ipv4, ipv6 }`.
fn one_of_protocols(statement: &Statement) -> Option<Meta> {
    let Statement::Match(Match {
        key,
        test: Test::OneOf { .. },
    }) = statement
    else {
        return None;
    };
    match key.0.as_slice() {
        [Expr::Meta(meta @ (Meta::L4proto | Meta::Nfproto))] => Some(*meta),
        _ => None,
    }
}

/// Whether a statement reads a field of one protocol.
fn asks_for_one(several: Meta, statement: &Statement) -> bool {
    context::requirements(statement).any(|requires| match requires {
        Requires::L4proto(_) => true,
        Requires::Nfproto(_) => several == Meta::Nfproto,
        Requires::Nothing | Requires::Ports | Requires::Ethernet => false,
    })
}

/// `ct protocol P`.
fn flow_protocol(statement: &Statement) -> Option<u8> {
    let Statement::Match(Match {
        key,
        test:
            Test::Compare {
                mask: None,
                operator: Operator::Equal,
                value,
            },
    }) = statement
    else {
        return None;
    };
    let [Expr::Ct(Ct::Tuple(_, TupleField::Protocol))] = key.0.as_slice() else {
        return None;
    };
    value.as_bytes().first().copied()
}

fn check_key(
    statement: &Statement,
    key: &Key,
    (own, bases): (Option<BaseChain>, &[BaseChain]),
    add: &mut impl FnMut(Check, String),
) {
    if key.0.is_empty() {
        add(Check::Key, "a key without expressions".to_owned());
    }
    let length = register_len(&key.data_types());
    if length > Value::MAX {
        add(
            Check::Key,
            format!("a key of {length} bytes, more than {}", Value::MAX),
        );
    }
    for expr in &key.0 {
        hook::expr(expr, own, bases, add);
    }
    let is_string =
        |expr: &Expr| matches!(expr, Expr::Fib(fib) if fib.result == FibResult::Oifname);
    let compared = matches!(
        statement,
        Statement::Match(Match {
            test: Test::Compare { .. } | Test::Range { .. } | Test::Prefix { .. },
            ..
        })
    );
    let is_bits = |expr: &Expr| matches!(expr, Expr::Payload(payload) if payload.bits().is_some());
    let by_value = matches!(
        statement,
        Statement::Match(Match {
            test: Test::Compare {
                mask: None,
                operator: Operator::Equal | Operator::NotEqual,
                ..
            },
            ..
        })
    );
    // Comparisons of several fields are refused anyway.
    if !by_value && key.0.iter().any(is_bits) {
        let message = "a field of bits is compared with one value";
        add(Check::Compare, message.to_owned());
    }
    if !compared && key.0.iter().any(is_string) {
        let message = "nft compares the interface of a route, but does not look it up";
        add(Check::Key, message.to_owned());
    }
}

/// The set or map a statement refers to.
fn reference(statement: &Statement) -> Option<(&SetName, &'static str)> {
    match statement {
        Statement::Match(Match {
            test: Test::Set { set, .. },
            ..
        }) => Some((set, "set")),
        Statement::Dynset(dynset) => Some((&dynset.set, "set")),
        Statement::VerdictMap(VerdictMap { map, .. }) => Some((map, "verdict map")),
        Statement::Nat(Nat {
            target: NatTarget::Map { map, .. },
            ..
        }) => Some((map, "map")),
        Statement::Match(_)
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
        | Statement::Nat(_)
        | Statement::Masquerade(_)
        | Statement::Redirect { .. } => None,
    }
}

fn lookup(
    statement: &Statement,
    key: &Key,
    index: &Index<'_>,
    add: &mut impl FnMut(Check, String),
) {
    let Some((name, wanted)) = reference(statement) else {
        return;
    };
    let Some(set) = index.set(name) else {
        add(Check::SetReference, format!("there is no {wanted} {name}"));
        return;
    };
    let kind = match set.kind {
        SetKind::Set => "set",
        SetKind::Map(_) => "map",
        SetKind::VerdictMap => "verdict map",
    };
    if kind != wanted {
        add(
            Check::SetReference,
            format!("{name} is a {kind}, not a {wanted}"),
        );
    }
    let types = key.data_types();
    if types != set.key {
        let message = format!("the key has {types:?}, {name} has {:?}", set.key);
        add(Check::KeyTypes, message);
    }
}

/// What a statement asks of the packet, against what the rule knows of it.
#[expect(
    clippy::too_many_lines,
    reason = "one match after the other over what asks"
)]
fn contradictions(
    statement: &Statement,
    family: Family,
    mut known: Context,
    flow: Option<u8>,
    add: &mut impl FnMut(Check, String),
) {
    let mut ask = |known: Option<u8>, asked: u8, what: &str| {
        if let Some(known) = known
            && known != asked
        {
            let message = format!("the {what} protocol is {known} and cannot be {asked}");
            add(Check::Contradiction, message);
        }
    };
    match context::protocol_match(statement) {
        Some(Protocol::Network(asked)) => ask(known.network, asked, "network"),
        Some(Protocol::Transport(asked)) => {
            ask(known.transport, asked, "transport");
            ask(flow, asked, "flow's transport");
        }
        None => {}
    }
    let exprs = context::key_of(statement).map_or(&[][..], |key| key.0.as_slice());
    let mut other_family = false;
    let mut portless = None;
    for expr in exprs {
        match expr {
            Expr::Payload(payload) => {
                match payload.requires() {
                    Requires::Nfproto(asked) => {
                        ask(known.network, asked, "network");
                        known.network = Some(asked);
                    }
                    Requires::L4proto(asked) => {
                        ask(known.transport, asked, "transport");
                        ask(flow, asked, "flow's transport");
                        known.transport = Some(asked);
                        if let Some(network) = context::family_of(asked) {
                            ask(known.network, network, "network");
                            known.network = Some(network);
                        }
                    }
                    Requires::Nothing | Requires::Ports | Requires::Ethernet => {}
                }
                if matches!(payload, Payload::ThSport | Payload::ThDport) {
                    // It is printed with the name of the protocol.
                    if let Some(named) = known.transport {
                        ask(flow, named, "flow's transport");
                    }
                    portless = known
                        .transport
                        .filter(|protocol| !context::has_ports(*protocol));
                }
            }
            Expr::Exthdr(exthdr) => {
                if let Requires::Nfproto(asked) = exthdr.requires() {
                    ask(known.network, asked, "network");
                }
            }
            Expr::Ct(Ct::Tuple(_, TupleField::IpSaddr | TupleField::IpDaddr)) => {
                ask(known.network, 2, "network");
            }
            Expr::Ct(Ct::Tuple(_, TupleField::Ip6Saddr | TupleField::Ip6Daddr)) => {
                ask(known.network, 10, "network");
            }
            Expr::Meta(Meta::Nfproto) => other_family |= family != Family::Inet,
            Expr::Meta(_)
            | Expr::Ct(_)
            | Expr::Fib(_)
            | Expr::Socket(_)
            | Expr::Numgen(_)
            | Expr::Rt(_) => {}
        }
    }
    match statement {
        Statement::Nat(nat) => {
            // That of the table is another check.
            if family == Family::Inet
                && let Some(asked) = nat.target.family().map(NatFamily::nfproto)
            {
                ask(known.network, asked, "network");
            }
        }
        Statement::Mangle(Mangle::Field { field, .. }) => {
            if let Requires::Nfproto(asked) = field.requires() {
                ask(known.network, asked, "network");
            }
        }
        Statement::Reject(Reject::Icmp(_)) if family == Family::Inet => {
            ask(known.network, 2, "network");
        }
        Statement::Reject(Reject::Icmpv6(_)) if family == Family::Inet => {
            ask(known.network, 10, "network");
        }
        Statement::Reject(_)
        | Statement::Match(_)
        | Statement::VerdictMap(_)
        | Statement::Verdict(_)
        | Statement::Counter
        | Statement::Limit(_)
        | Statement::Log(_)
        | Statement::Notrack
        | Statement::SetMark(_)
        | Statement::Mangle(_)
        | Statement::Quota(_)
        | Statement::CtCount(_)
        | Statement::Queue(_)
        | Statement::Dup(_)
        | Statement::Tproxy(_)
        | Statement::Dynset(_)
        | Statement::Masquerade(_)
        | Statement::Redirect { .. } => {}
    }
    if let Some(protocol) = portless {
        add(
            Check::Contradiction,
            format!("protocol {protocol} has no ports"),
        );
    }
    if other_family {
        let message = "meta nfproto is useful in inet tables only";
        add(Check::Contradiction, message.to_owned());
    }
}

fn check_reject(
    reject: Reject,
    family: Family,
    known: Context,
    bases: &[BaseChain],
    add: &mut impl FnMut(Check, String),
) {
    if bases.iter().any(|base| base.hook == Hook::Postrouting) {
        add(
            Check::Reject,
            "reject is not possible at postrouting".to_owned(),
        );
    }
    let message = match reject {
        Reject::TcpReset if known.transport != Some(TCP) => "a TCP reset before a match of TCP",
        Reject::Icmp(_) if family == Family::Ip6 => "an ICMP message in an ip6 table",
        Reject::Icmpv6(_) if family == Family::Ip => "an ICMPv6 message in an ip table",
        Reject::Icmpx(_) if family != Family::Inet => "icmpx is for inet tables",
        Reject::Icmp(code) if symbol::icmp_code(code).is_none() => "no such ICMP code",
        Reject::Icmpv6(code) if symbol::icmpv6_code(code).is_none() => "no such ICMPv6 code",
        Reject::TcpReset | Reject::Icmp(_) | Reject::Icmpv6(_) | Reject::Icmpx(_) => return,
    };
    add(Check::Reject, message.to_owned());
}

fn check_log(log: &crate::statement::Log, add: &mut impl FnMut(Check, String)) {
    /// `NF_LOG_PREFIXLEN` without the NUL.
    const MAX_PREFIX: usize = 127;
    let length = log
        .prefix
        .as_ref()
        .map_or(0, |prefix| prefix.as_str().len());
    if length > MAX_PREFIX {
        add(
            Check::Log,
            format!("a prefix of {length} bytes, more than {MAX_PREFIX}"),
        );
    }
    // nft 1.0.6 reads `$name` in a prefix as a variable, and has no way to write the sign.
    if log
        .prefix
        .as_ref()
        .is_some_and(|prefix| prefix.as_str().contains('$'))
    {
        add(Check::Log, "a prefix with a dollar sign".to_owned());
    }
    if log
        .level
        .is_some_and(|level| symbol::log_level(level).is_none())
    {
        add(Check::Log, "a level is 0 to 7".to_owned());
    }
    if log.level.is_some() && log.group.is_some() {
        add(
            Check::Log,
            "a level goes to the kernel log, not to a group".to_owned(),
        );
    }
    if log.group.is_some() && log.flags != LogFlags::NONE {
        add(
            Check::Log,
            "flags are for the kernel log, not for a group".to_owned(),
        );
    }
    if log.group.is_none() && (log.snaplen.is_some() || log.queue_threshold.is_some()) {
        add(
            Check::Log,
            "snaplen and queue-threshold belong to a group".to_owned(),
        );
    }
}
