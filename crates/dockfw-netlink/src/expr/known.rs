//! What a rule knows of the packet, and the tests that tell it.
//!
//! Both directions need it: the encoder writes a test in front of a field that needs it, and the
//! reader leaves out exactly the tests that the encoder would write.

use dockfw_ir::expr::payload::Requires;
use dockfw_ir::expr::{Expr, Key, Meta};
use dockfw_ir::statement::{
    Mangle, Match, Nat, NatTarget, Operator, Reject, Statement, Test, VerdictMap,
};
use dockfw_ir::table::Family;

use crate::sys::nf_tables::{NFPROTO_IPV4, NFPROTO_IPV6};

/// The transport protocol TCP.
const TCP: u8 = 6;

/// What is known of the packet at one place of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    nfproto: Option<u8>,
    l4proto: Option<u8>,
    ethernet: bool,
}

/// A test that a field needs in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProtocolTest {
    /// `meta nfproto`
    Nfproto(u8),
    /// `meta l4proto`
    L4proto(u8),
    /// `meta iiftype ether`
    Ethernet,
}

impl Known {
    /// What every rule of a table knows.
    pub(crate) const fn new(family: Family) -> Self {
        let nfproto = match family {
            Family::Inet => None,
            Family::Ip => Some(NFPROTO_IPV4),
            Family::Ip6 => Some(NFPROTO_IPV6),
        };
        Self {
            nfproto,
            l4proto: None,
            ethernet: false,
        }
    }

    /// The family of the packet.
    pub(crate) const fn nfproto(self) -> Option<u8> {
        self.nfproto
    }

    /// Whether this holds for every packet that comes here.
    pub(crate) fn has(self, requires: Requires) -> bool {
        let mut after = self;
        after.missing(requires).is_none()
    }

    /// The test that is missing for this to be known. It is known from now on.
    pub(crate) fn missing(&mut self, requires: Requires) -> Option<ProtocolTest> {
        match requires {
            Requires::Nothing | Requires::Ports => None,
            Requires::Nfproto(nfproto) => {
                let before = self.nfproto.replace(nfproto);
                (before != Some(nfproto)).then_some(ProtocolTest::Nfproto(nfproto))
            }
            Requires::L4proto(l4proto) => {
                let before = self.l4proto.replace(l4proto);
                (before != Some(l4proto)).then_some(ProtocolTest::L4proto(l4proto))
            }
            Requires::Ethernet => {
                let before = std::mem::replace(&mut self.ethernet, true);
                (!before).then_some(ProtocolTest::Ethernet)
            }
        }
    }

    /// Remembers what an explicit match says about the packet.
    pub(crate) fn learn(&mut self, statement: &Statement) {
        match explicit(statement) {
            Some((Meta::Nfproto, byte)) => self.nfproto = byte,
            Some((Meta::L4proto, byte)) => self.l4proto = byte,
            Some(_) | None => {}
        }
    }
}

/// `meta KEY VALUE`: the key and the first byte of the value.
fn explicit(statement: &Statement) -> Option<(Meta, Option<u8>)> {
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
    let &[Expr::Meta(meta)] = key.0.as_slice() else {
        return None;
    };
    Some((meta, value.as_bytes().first().copied()))
}

/// What must be tested for an expression's field to exist.
///
/// As nft(8): ICMP is a protocol of IPv4 and ICMPv6 one of IPv6.
pub(crate) const fn required(expr: &Expr) -> [Requires; 2] {
    match expr.requires() {
        icmp @ Requires::L4proto(1) => [Requires::Nfproto(NFPROTO_IPV4), icmp],
        icmpv6 @ Requires::L4proto(58) => [Requires::Nfproto(NFPROTO_IPV6), icmpv6],
        requires @ (Requires::Nothing
        | Requires::Ports
        | Requires::Nfproto(_)
        | Requires::L4proto(_)
        | Requires::Ethernet) => [Requires::Nothing, requires],
    }
}

/// What a `reject` answers to.
pub(crate) const fn rejected(reject: Reject) -> Requires {
    match reject {
        Reject::TcpReset => Requires::L4proto(TCP),
        Reject::Icmp(_) => Requires::Nfproto(NFPROTO_IPV4),
        Reject::Icmpv6(_) => Requires::Nfproto(NFPROTO_IPV6),
        Reject::Icmpx(_) => Requires::Nothing,
    }
}

/// What must be tested in front of a statement, in order.
pub(crate) fn requirements(statement: &Statement) -> Vec<Requires> {
    let of_key = |key: &Key| key.0.iter().flat_map(required).collect();
    match statement {
        Statement::Match(Match { key, .. })
        | Statement::VerdictMap(VerdictMap { key, .. })
        | Statement::Nat(Nat {
            target: NatTarget::Map { key, .. },
            ..
        }) => of_key(key),
        Statement::Dynset(dynset) => of_key(&dynset.key),
        Statement::Mangle(Mangle::Field { field, .. }) => required(&(*field).into()).to_vec(),
        Statement::Reject(reject) => vec![rejected(*reject)],
        Statement::Verdict(_)
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
        | Statement::Nat(_)
        | Statement::Masquerade(_)
        | Statement::Redirect { .. } => Vec::new(),
    }
}
