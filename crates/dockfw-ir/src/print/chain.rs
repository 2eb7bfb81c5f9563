//! Chains and rules.

use super::context::{self, Part};
use super::{quoted_comment, statement};
use crate::chain::{BaseChain, Chain, ChainKind, Hook, Policy, Rule};
use crate::table::{Family, Table};

pub(super) fn print(out: &mut String, table: &Table, chain: &Chain) {
    out.push_str("\tchain ");
    out.push_str(chain.name.as_str());
    out.push_str(" {\n");
    if let Some(comment) = &chain.comment {
        out.push_str("\t\t");
        quoted_comment(out, comment);
        out.push('\n');
    }
    if let Some(base) = &chain.base {
        out.push_str("\t\ttype ");
        out.push_str(kind_word(base.kind));
        out.push_str(" hook ");
        out.push_str(hook_word(base.hook));
        out.push_str(" priority ");
        priority(out, *base);
        out.push_str("; policy ");
        out.push_str(policy_word(base.policy));
        out.push_str(";\n");
    }
    for rule in &chain.rules {
        print_rule(out, table, rule);
    }
    out.push_str("\t}\n");
}

pub(crate) const fn kind_word(kind: ChainKind) -> &'static str {
    match kind {
        ChainKind::Filter => "filter",
        ChainKind::Nat => "nat",
        ChainKind::Route => "route",
    }
}

pub(crate) const fn hook_word(hook: Hook) -> &'static str {
    match hook {
        Hook::Prerouting => "prerouting",
        Hook::Input => "input",
        Hook::Forward => "forward",
        Hook::Output => "output",
        Hook::Postrouting => "postrouting",
    }
}

pub(crate) const fn policy_word(policy: Policy) -> &'static str {
    match policy {
        Policy::Accept => "accept",
        Policy::Drop => "drop",
    }
}

/// A standard priority has a name, also with an offset of up to 10.
///
/// `dstnat` has one at prerouting only, `srcnat` at postrouting only.
///
/// Source: nftables v1.0.6, `src/rule.c`, `prio2str`.
fn priority(out: &mut String, base: BaseChain) {
    const NAMES: [(&str, i32, Option<Hook>); 6] = [
        ("raw", -300, None),
        ("mangle", -150, None),
        ("dstnat", -100, Some(Hook::Prerouting)),
        ("filter", 0, None),
        ("security", 50, None),
        ("srcnat", 100, Some(Hook::Postrouting)),
    ];
    for (name, standard, hook) in NAMES {
        let offset = i64::from(base.priority) - i64::from(standard);
        if offset.abs() <= 10 && hook.is_none_or(|hook| hook == base.hook) {
            out.push_str(name);
            if offset != 0 {
                out.push_str(if offset < 0 { " - " } else { " + " });
                out.push_str(&offset.abs().to_string());
            }
            return;
        }
    }
    out.push_str(&base.priority.to_string());
}

pub(super) fn print_rule(out: &mut String, table: &Table, rule: &Rule) {
    let parts = context::parts(rule, table);
    let told = |part: &Part<'_>| matches!(part, Part::AnyTransport(_));
    if parts.iter().any(told) {
        out.push_str(EXPLANATION);
    }
    out.push('\t');
    for part in &parts {
        out.push_str(if out.ends_with('\t') { "\t" } else { " " });
        match part {
            Part::AnyTransport(later) => statement::tautology(out, *later),
            Part::Statement(statement, known) => statement::print(out, statement, table, *known),
        }
    }
    if parts.is_empty() {
        // Never verified.
        out.push_str("\t# a rule without statements");
    } else if let Some(comment) = &rule.comment {
        out.push(' ');
        quoted_comment(out, comment);
    }
    out.push('\n');
}

/// Stands before a rule with a tautology.
const EXPLANATION: &str =
    "\t\t# any protocol: nft takes the port that follows only after a transport protocol\n";

/// Whether the family of a table is said in statements.
pub(crate) const fn says_family(family: Family) -> bool {
    matches!(family, Family::Inet)
}
