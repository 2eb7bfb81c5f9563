//! The printer: nft text for `nft -f`, spelled as `nft -s list table` of nft 1.0.6 spells it.
//!
//! Text that is loaded and listed again comes back the same, but for what follows.
//!
//! - **Elements** stand one on a line, with a comma after each; a single element without comment
//!   stays on the line of `elements`. nft wraps and orders them in its own way.
//! - **Transport context.** nft lists `ct original proto-dst 80` and `dnat ip to 192.0.2.1:80`
//!   whatever stands before, but reads them only where the transport protocol is known. Where a
//!   rule does not say it, a match of all protocols is put in front: [`TAUTOLOGY`]. nft lists that
//!   as `meta l4proto { 0-255 }`, which it would not take either.
//! - **`reject`.** nft lists `reject with icmpx port-unreachable` as `reject` even where the family
//!   is known, and reads `reject` as a plain ICMP message there. The printer spells it out.
//! - **ICMP.** nft leaves `meta nfproto ipv6` out before `meta l4proto ipv6-icmp`, although nothing
//!   implies it when the text is read again. The printer keeps it.
//! - **Protocol numbers** without a name that all hosts know are printed as numbers; nft asks
//!   `/etc/protocols`.
//! - **Merged loads.** nft reads `tcp dport 80 tcp sport 90` as one comparison of four bytes and
//!   lists the fields in the order of the header.
//!
//! - **TCP options.** nft leaves `meta l4proto tcp` out before `tcp option`, although nothing implies
//!   it when the text is read again. The printer keeps it.
//! - **Bytes without a name.** nft lists `@nh,8,8 0x10` as `ip dscp` and `ip ecn` where the packet is
//!   known to be IPv4, and other raw fields likewise.
//! - **Time** is in UTC, where nft has the time zone of its process.
//!
//! What nft leaves out is left out here too: `meta nfproto ipv4` before `ip daddr`, for example;
//! see `print/context.rs`.
//!
//! Any ruleset can be printed, also one that the verifier refused; only a
//! [`Verified`](crate::Verified) one is sure to be text that nft accepts.

pub(crate) mod chain;
pub(crate) mod compare;
pub(crate) mod context;
pub(crate) mod expr;
pub(crate) mod mangle;
mod set;
pub(crate) mod statement;
pub(crate) mod symbol;
mod time;
pub(crate) mod value;

use std::fmt;

use crate::chain::{Chain, Rule};
use crate::expr::Key;
use crate::name::Comment;
use crate::set::{Element, Set};
use crate::table::{Family, Ruleset, Table};

pub use statement::TAUTOLOGY;

/// How a ruleset is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Puts `table F T` and `delete table F T` before each table, so that `nft -f` replaces the
    /// table in one transaction, whether it exists or not.
    ///
    /// Without it, `nft -f` adds to what is there; the plain body is what compares with a listing.
    pub replace: bool,
}

/// Prints a ruleset as `nft list` would.
///
/// # Examples
///
/// ```
/// use dockfw_ir::{Ruleset, print};
///
/// assert_eq!(print::nft(&Ruleset::default()), "");
/// ```
pub fn nft(ruleset: &Ruleset) -> String {
    nft_with(ruleset, Options::default())
}

/// Prints a ruleset so that `nft -f` replaces its tables in one transaction.
pub fn nft_replacing(ruleset: &Ruleset) -> String {
    nft_with(ruleset, Options { replace: true })
}

/// Prints a ruleset with these options.
pub fn nft_with(ruleset: &Ruleset, options: Options) -> String {
    let mut out = String::with_capacity(estimate(ruleset));
    for table in &ruleset.tables {
        if options.replace {
            for verb in ["", "delete "] {
                out.push_str(verb);
                table_name(&mut out, table);
                out.push('\n');
            }
        }
        print_table(&mut out, table);
    }
    out
}

/// A rule of a table, as one line of a listing without what stands before it. A rule without
/// statements, which is never verified, is a comment.
pub fn rule(table: &Table, rule: &Rule) -> String {
    let mut out = String::new();
    chain::print_rule(&mut out, table, rule);
    let line = out.lines().next_back().unwrap_or_default();
    line.trim().to_owned()
}

/// A chain of a table, as the lines of a listing.
pub fn chain(table: &Table, of: &Chain) -> String {
    let mut out = String::new();
    chain::print(&mut out, table, of);
    out
}

/// A set or map, as the lines of a listing.
pub fn set(of: &Set) -> String {
    let mut out = String::new();
    set::print(&mut out, of);
    out
}

/// An element of a set or map, as a listing has it.
pub fn element(of: &Set, element: &Element) -> String {
    let mut out = String::new();
    set::element(&mut out, of, element);
    out
}

/// What a rule would show of a key: `ip saddr . th dport`.
pub fn key(key: &Key) -> String {
    let mut out = String::new();
    expr::key(&mut out, key, context::Context::new(Family::Inet));
    out
}

impl fmt::Display for Ruleset {
    /// The text of [`nft`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&nft(self))
    }
}

/// A rough number of bytes, so that large rulesets do not grow the text again and again.
fn estimate(ruleset: &Ruleset) -> usize {
    let objects = |table: &Table| {
        let elements: usize = table.sets.iter().map(|set| set.elements.len()).sum();
        let rules: usize = table.chains.iter().map(|chain| chain.rules.len()).sum();
        elements.saturating_mul(48) + rules.saturating_mul(128) + 1024
    };
    ruleset.tables.iter().map(objects).sum()
}

fn table_name(out: &mut String, table: &Table) {
    out.push_str("table ");
    out.push_str(table.family.as_str());
    out.push(' ');
    out.push_str(table.name.as_str());
}

fn print_table(out: &mut String, table: &Table) {
    table_name(out, table);
    out.push_str(" {\n");
    if let Some(comment) = &table.comment {
        out.push('\t');
        quoted_comment(out, comment);
        out.push('\n');
    }
    let mut first = true;
    let mut separate = |out: &mut String| {
        if !first {
            out.push('\n');
        }
        first = false;
    };
    for set in &table.sets {
        separate(out);
        set::print(out, set);
    }
    for chain in &table.chains {
        separate(out);
        chain::print(out, table, chain);
    }
    out.push_str("}\n");
}

fn quoted_comment(out: &mut String, comment: &Comment) {
    out.push_str("comment \"");
    out.push_str(comment.as_str());
    out.push('"');
}
