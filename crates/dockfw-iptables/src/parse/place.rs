//! Where matches and targets can stand.
//!
//! The kernel checks this when it gets a table: an extension says for which tables and hooks it
//! is made, and a chain is reached from the hooks of the built-in chains that lead to it.
//!
//! Source: linux v6.12, `net/netfilter/xt_*.c` and `net/ipv*/netfilter/ip*t_*.c`: the fields
//! `table` and `hooks`, and the `checkentry` functions.

use std::collections::BTreeSet;

use super::error::{ErrorKind, ParseError, Span};
use super::rule::match_name;
use crate::eval::Hook;
use crate::r#match::Match;
use crate::r#match::addrtype::LimitInterface;
use crate::r#match::policy::Policy;
use crate::program::TableName;
use crate::rule::Rule;
use crate::target::Target;
use crate::target::tcpmss::Tcpmss;

/// Where something works.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Empty for every table.
    tables: &'static [TableName],
    /// Empty for every hook.
    hooks: &'static [Hook],
}

const ANYWHERE: Place = Place {
    tables: &[],
    hooks: &[],
};

const ARRIVING: Place = Place {
    tables: &[],
    hooks: &[Hook::Prerouting, Hook::Input, Hook::Forward],
};

const LEAVING: Place = Place {
    tables: &[],
    hooks: &[Hook::Forward, Hook::Output, Hook::Postrouting],
};

/// What is wrong with a rule in a chain that is reached from these hooks.
pub(super) fn check(
    rule: &Rule,
    table: TableName,
    hooks: &BTreeSet<Hook>,
    span: Span,
) -> Vec<ParseError> {
    let mut errors = Vec::new();
    for one in &rule.matches {
        errors.extend(refuse(&match_name(one), of_match(one), table, hooks, span));
    }
    if let Some(target) = &rule.target {
        let text = target.to_string();
        let name: Vec<&str> = text.split_whitespace().take(2).collect();
        errors.extend(refuse(
            &name.join(" "),
            of_target(target),
            table,
            hooks,
            span,
        ));
    }
    errors
}

fn refuse(
    name: &str,
    place: Place,
    table: TableName,
    hooks: &BTreeSet<Hook>,
    span: Span,
) -> Option<ParseError> {
    if !place.tables.is_empty() && !place.tables.contains(&table) {
        let tables: Vec<&str> = place.tables.iter().map(|table| table.as_str()).collect();
        return Some(ParseError::new(
            span,
            ErrorKind::Contradictory,
            format!("{name} does not work in the table {}", table.as_str()),
            format!("put the rule into {}", tables.join(" or ")),
        ));
    }
    let wrong = hooks
        .iter()
        .find(|hook| !place.hooks.is_empty() && !place.hooks.contains(hook))?;
    let names: Vec<&str> = place.hooks.iter().map(|hook| hook.as_str()).collect();
    Some(ParseError::new(
        span,
        ErrorKind::Contradictory,
        format!(
            "{name} does not work in {}, from where packets get here",
            wrong.as_str()
        ),
        format!("put the rule where only {} leads", names.join(" and ")),
    ))
}

fn of_match(one: &Match) -> Place {
    match one {
        Match::Addrtype(addrtype) => match addrtype.limit {
            Some(LimitInterface::In) => ARRIVING,
            Some(LimitInterface::Out) => LEAVING,
            None => ANYWHERE,
        },
        Match::Mac(_) | Match::Policy(Policy { out: false, .. }) => ARRIVING,
        Match::Policy(Policy { out: true, .. }) => LEAVING,
        Match::Owner(_) => Place {
            tables: &[],
            hooks: &[Hook::Output, Hook::Postrouting],
        },
        Match::Rpfilter(_) => Place {
            tables: &[TableName::Raw, TableName::Mangle],
            hooks: &[Hook::Prerouting],
        },
        Match::Socket(_) => Place {
            tables: &[],
            hooks: &[Hook::Prerouting, Hook::Input],
        },
        Match::Ah(_)
        | Match::Comment(_)
        | Match::Connbytes(_)
        | Match::Connlimit(_)
        | Match::Connmark(_)
        | Match::Conntrack(_)
        | Match::Dccp(_)
        | Match::Dscp(_)
        | Match::Dst(_)
        | Match::Ecn(_)
        | Match::Esp(_)
        | Match::Frag(_)
        | Match::Hashlimit(_)
        | Match::Hbh(_)
        | Match::Hl(_)
        | Match::Icmp(_)
        | Match::Icmp6(_)
        | Match::Iprange(_)
        | Match::Length(_)
        | Match::Limit(_)
        | Match::Mark(_)
        | Match::Multiport(_)
        | Match::Pkttype(_)
        | Match::Quota(_)
        | Match::Recent(_)
        | Match::Rt(_)
        | Match::Sctp(_)
        | Match::State(_)
        | Match::Statistic(_)
        | Match::Tcp(_)
        | Match::Tcpmss(_)
        | Match::Time(_)
        | Match::Tos(_)
        | Match::Ttl(_)
        | Match::Udp(_) => ANYWHERE,
    }
}

fn of_target(target: &Target) -> Place {
    const NAT: &[TableName] = &[TableName::Nat];
    match target {
        Target::Dnat(_) | Target::Redirect(_) => Place {
            tables: NAT,
            hooks: &[Hook::Prerouting, Hook::Output],
        },
        Target::Snat(_) => Place {
            tables: NAT,
            hooks: &[Hook::Postrouting, Hook::Input],
        },
        Target::Masquerade(_) => Place {
            tables: NAT,
            hooks: &[Hook::Postrouting],
        },
        Target::Netmap(_) => Place {
            tables: NAT,
            hooks: &[
                Hook::Prerouting,
                Hook::Input,
                Hook::Output,
                Hook::Postrouting,
            ],
        },
        Target::Tproxy(_) => Place {
            tables: &[TableName::Mangle],
            hooks: &[Hook::Prerouting],
        },
        Target::Reject(_) => Place {
            tables: &[TableName::Filter],
            hooks: &[Hook::Input, Hook::Forward, Hook::Output],
        },
        Target::Notrack(_) | Target::Zone(_) => Place {
            tables: &[TableName::Raw],
            hooks: &[],
        },
        Target::Dscp(_) | Target::Tos(_) | Target::Ttl(_) | Target::Hl(_) => Place {
            tables: &[TableName::Mangle],
            hooks: &[],
        },
        Target::Classify(_) | Target::Tcpmss(Tcpmss::Clamp) => LEAVING,
        Target::Accept
        | Target::Drop
        | Target::Return
        | Target::Jump(_)
        | Target::Goto(_)
        | Target::Log(_)
        | Target::Nflog(_)
        | Target::Mark(_)
        | Target::Connmark(_)
        | Target::Tee(_)
        | Target::Nfqueue(_)
        | Target::Tcpmss(_) => ANYWHERE,
    }
}
