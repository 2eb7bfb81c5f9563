//! What a rule has said about the protocols of its packet, and what nft leaves out for it.
//!
//! nft puts `meta nfproto ipv4` before `ip daddr` when it reads a rule and takes it away when it
//! lists one. It takes away an explicit match too, when a later statement implies it and only
//! matches stand between them.
//!
//! Source: nftables v1.0.6, `src/netlink_delinearize.c`, `rule_parse_postprocess`,
//! `src/payload.c`, `payload_may_dependency_kill`; tried with nft 1.0.6.

use crate::chain::Rule;
use crate::expr::ct::TupleField;
use crate::expr::payload::Requires;
use crate::expr::{Ct, Expr, Key, Meta};
use crate::set::SetKind;
use crate::statement::{
    Mangle, Match, Nat, NatTarget, Operator, Reject, Statement, Test, VerdictMap,
};
use crate::table::{Family, Table};
use crate::value::DataType;

/// IP protocol numbers.
pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const DCCP: u8 = 33;
pub(crate) const ICMPV6: u8 = 58;
pub(crate) const SCTP: u8 = 132;
pub(crate) const UDPLITE: u8 = 136;

/// What is known of the packet at a place in a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Context {
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    pub(crate) network: Option<u8>,
    /// The transport protocol.
    pub(crate) transport: Option<u8>,
}

impl Context {
    /// At the begin of a rule.
    pub(crate) const fn new(family: Family) -> Self {
        Self {
            network: match family {
                Family::Inet => None,
                Family::Ip | Family::Ip6 => Some(family.nfproto()),
            },
            transport: None,
        }
    }

    /// After a statement that matched.
    pub(crate) fn learn(&mut self, statement: &Statement) {
        match protocol_match(statement) {
            Some(Protocol::Network(protocol)) => self.network = Some(protocol),
            Some(Protocol::Transport(protocol)) => self.transport = Some(protocol),
            None => {}
        }
        for requires in requirements(statement) {
            match requires {
                Requires::Nfproto(protocol) => self.network = Some(protocol),
                Requires::L4proto(protocol) => {
                    self.transport = Some(protocol);
                    self.network = family_of(protocol).or(self.network);
                }
                Requires::Nothing | Requires::Ports | Requires::Ethernet => {}
            }
        }
    }

    /// The header that nft names for a port: that of the protocol, or `th`.
    pub(crate) const fn ports_of(self) -> &'static str {
        match self.transport {
            Some(TCP) => "tcp",
            Some(UDP) => "udp",
            Some(DCCP) => "dccp",
            Some(SCTP) => "sctp",
            Some(UDPLITE) => "udplite",
            _ => "th",
        }
    }
}

/// The network protocol that a header field of this transport protocol implies: nft reads
/// `icmp type` as a match of IPv4 too.
pub(crate) const fn family_of(transport: u8) -> Option<u8> {
    match transport {
        ICMP => Some(2),
        ICMPV6 => Some(10),
        _ => None,
    }
}

/// Whether packets of this protocol have ports that `th` can read.
pub(crate) const fn has_ports(protocol: u8) -> bool {
    matches!(protocol, TCP | UDP | DCCP | SCTP | UDPLITE)
}

/// A match of one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// `meta nfproto`.
    Network(u8),
    /// `meta l4proto`.
    Transport(u8),
}

/// `meta nfproto P` or `meta l4proto P`.
pub(crate) fn protocol_match(statement: &Statement) -> Option<Protocol> {
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
    let [Expr::Meta(meta)] = key.0.as_slice() else {
        return None;
    };
    let protocol = *value.as_bytes().first()?;
    match meta {
        Meta::Nfproto => Some(Protocol::Network(protocol)),
        Meta::L4proto => Some(Protocol::Transport(protocol)),
        Meta::Length
        | Meta::Mark
        | Meta::Iifname
        | Meta::Oifname
        | Meta::Skuid
        | Meta::Skgid
        | Meta::Pkttype
        | Meta::Cgroup
        | Meta::Hour
        | Meta::Day
        | Meta::Time
        | Meta::Ipsec => None,
    }
}

/// What a statement reads.
pub(crate) fn key_of(statement: &Statement) -> Option<&Key> {
    match statement {
        Statement::Match(Match { key, .. })
        | Statement::VerdictMap(VerdictMap { key, .. })
        | Statement::Nat(Nat {
            target: NatTarget::Map { key, .. },
            ..
        }) => Some(key),
        Statement::Dynset(dynset) => Some(&dynset.key),
        Statement::Nat(_)
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
        | Statement::Masquerade(_)
        | Statement::Redirect { .. } => None,
    }
}

/// What the fields that a statement reads or sets ask of the packet.
pub(crate) fn requirements(statement: &Statement) -> impl Iterator<Item = Requires> {
    let exprs = key_of(statement).map_or(&[][..], |key| key.0.as_slice());
    let field = match statement {
        Statement::Mangle(Mangle::Field { field, .. }) => Some(field.requires()),
        Statement::Mangle(_)
        | Statement::Match(_)
        | Statement::VerdictMap(_)
        | Statement::Verdict(_)
        | Statement::Counter
        | Statement::Limit(_)
        | Statement::Log(_)
        | Statement::Reject(_)
        | Statement::Notrack
        | Statement::SetMark(_)
        | Statement::Quota(_)
        | Statement::CtCount(_)
        | Statement::Queue(_)
        | Statement::Dup(_)
        | Statement::Tproxy(_)
        | Statement::Dynset(_)
        | Statement::Nat(_)
        | Statement::Masquerade(_)
        | Statement::Redirect { .. } => None,
    };
    exprs.iter().map(Expr::requires).chain(field)
}

/// Whether nft leaves out the first of these statements because a later one implies it.
fn is_implied(statements: &[Statement], family: Family) -> bool {
    let Some((first, rest)) = statements.split_first() else {
        return false;
    };
    let Some(protocol) = protocol_match(first) else {
        return false;
    };
    for statement in rest {
        if implies(statement, protocol, family) {
            return true;
        }
        let replaced = matches!(
            (protocol, protocol_match(statement)),
            (Protocol::Network(_), Some(Protocol::Network(_)))
                | (Protocol::Transport(_), Some(Protocol::Transport(_)))
        );
        // nft would leave it out even when a port of conntrack stands between, and could then not
        // read it again.
        if replaced || !matches!(statement, Statement::Match(_)) || reads_tuple_port(statement) {
            return false;
        }
    }
    false
}

fn implies(statement: &Statement, protocol: Protocol, family: Family) -> bool {
    if let Statement::Reject(reject) = statement {
        return match (reject, protocol) {
            (Reject::Icmp(_), Protocol::Network(2))
            | (Reject::Icmpv6(_), Protocol::Network(10)) => true,
            (Reject::TcpReset, Protocol::Transport(TCP)) => family != Family::Inet,
            _ => false,
        };
    }
    requirements(statement).any(|requires| match (requires, protocol) {
        (Requires::Nfproto(wanted), Protocol::Network(known))
        | (Requires::L4proto(wanted), Protocol::Transport(known)) => wanted == known,
        (Requires::L4proto(wanted), Protocol::Network(known)) => family_of(wanted) == Some(known),
        (Requires::Ports, Protocol::Transport(known)) => has_ports(known),
        (Requires::Nfproto(_), Protocol::Transport(_))
        | (Requires::Ports, Protocol::Network(_))
        | (Requires::Nothing | Requires::Ethernet, _) => false,
    })
}

/// Whether nft reads this statement only where the transport protocol is known.
fn needs_transport(statement: &Statement, table: &Table) -> bool {
    match statement {
        Statement::Match(_) | Statement::VerdictMap(_) | Statement::Dynset(_) => {
            reads_tuple_port(statement)
        }
        Statement::Masquerade(masquerade) => masquerade.ports.is_some(),
        Statement::Redirect { ports, .. } => ports.is_some(),
        Statement::Nat(nat) => match &nat.target {
            NatTarget::Ipv4 { ports, .. } | NatTarget::Ipv6 { ports, .. } => ports.is_some(),
            NatTarget::Ports(..) => true,
            NatTarget::Prefix(_) => false,
            NatTarget::Map { key, map, .. } => {
                let port = table.set(map).is_some_and(|map| match &map.kind {
                    SetKind::Map(types) => types.contains(&DataType::InetService),
                    SetKind::Set | SetKind::VerdictMap => false,
                });
                reads_tuple_port(statement) || (port && !tells_transport(key))
            }
        },
        Statement::Verdict(_)
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
        | Statement::Tproxy(_) => false,
    }
}

fn reads_tuple_port(statement: &Statement) -> bool {
    key_of(statement).is_some_and(|key| {
        key.0.iter().any(|expr| {
            matches!(
                expr,
                Expr::Ct(Ct::Tuple(_, TupleField::ProtoSrc | TupleField::ProtoDst))
            )
        })
    })
}

/// Whether a map's key says the transport protocol, so that its data can have a port.
fn tells_transport(key: &Key) -> bool {
    key.0.iter().any(|expr| match expr {
        Expr::Payload(payload) => matches!(payload.requires(), Requires::L4proto(_)),
        Expr::Meta(Meta::L4proto) => key.0.len() > 1,
        Expr::Meta(_)
        | Expr::Ct(_)
        | Expr::Fib(_)
        | Expr::Exthdr(_)
        | Expr::Socket(_)
        | Expr::Numgen(_)
        | Expr::Rt(_) => false,
    })
}

/// A part of a rule as nft writes it.
pub(crate) enum Part<'a> {
    /// A match of every transport protocol, in which the one of a later statement stands out.
    AnyTransport(Option<u8>),
    /// A statement, and what is known of the packet before it.
    Statement(&'a Statement, Context),
}

/// A rule without the statements that others imply, and with a match of every transport protocol
/// where nft needs one to read what follows.
pub(crate) fn parts<'a>(rule: &'a Rule, table: &Table) -> Vec<Part<'a>> {
    let mut parts = Vec::with_capacity(rule.statements.len());
    let mut known = Context::new(table.family);
    let mut told = false;
    let mut rest = rule.statements.as_slice();
    while let Some((statement, after)) = rest.split_first() {
        if known.transport.is_none() && !told && needs_transport(statement, table) {
            parts.push(Part::AnyTransport(later_transport(rest)));
            told = true;
        }
        if !is_implied(rest, table.family) {
            parts.push(Part::Statement(statement, known));
        }
        told |= names_transports(statement);
        known.learn(statement);
        rest = after;
    }
    parts
}

/// `meta l4proto { tcp, udp }`, after which nft takes ports.
fn names_transports(statement: &Statement) -> bool {
    let Statement::Match(Match {
        key,
        test: Test::OneOf {
            negated: false,
            elements,
        },
    }) = statement
    else {
        return false;
    };
    matches!(key.0.as_slice(), [Expr::Meta(Meta::L4proto)])
        && elements.iter().any(|element| element.key_end.is_none())
}

/// The transport protocol that the first of these statements to ask for one asks for.
fn later_transport(statements: &[Statement]) -> Option<u8> {
    statements.iter().find_map(|statement| {
        let mut context = Context::new(Family::Inet);
        context.learn(statement);
        context.transport
    })
}
