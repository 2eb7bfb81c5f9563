//! The verifier: what must be true of a ruleset before anyone acts on it.
//!
//! Some rules are the kernel's, some are nft's (so that what we load can be listed, saved and
//! loaded again), some are ours and keep a mistake of the lowering from becoming a rule that
//! silently never matches. `cargo test -p dockfw-ir --test verify` breaks each of them.
//!
//! 1. A table's family and name are there once.
//! 2. A chain's name is there once in its table.
//! 3. A set's or map's name is there once in its table; both share one namespace.
//! 4. Base chains: `nat` at prerouting, input, output and postrouting with a priority above −200
//!    and policy accept; `route` at output only. (The kernel takes policy drop in a nat chain; it
//!    would drop the first packet of flows only.)
//! 5. The target of a jump or goto, in a rule or a verdict map, is a regular chain of the table.
//! 6. Jumps and gotos do not lead back to where they came from.
//! 7. At most 15 jumps and gotos, one in the other, below a base chain (`NFT_JUMP_STACK_SIZE`).
//! 8. A rule has at least one statement.
//! 9. Nothing follows a statement that ends the rule.
//! 10. A set that is looked up is in the table and is a set, a map or a verdict map as needed.
//! 11. A key has the types of the set or map it is looked up in.
//! 12. A key has at least one expression and at most 64 bytes; only what is looked up is a
//!     concatenation; raw fields have 1, 2 or 4 bytes and are no port; `numgen` gives numbers of 32
//!     bits; a route lookup is not restricted to both interfaces, nor to the output
//!     interface to find it, and its `oifname` is compared only (nft calls it a string there).
//! 13. A set has 1 to 5 key types (nft packs them 6 bits each into a number of 32) with names, and
//!     at most 64 bytes; the data of a map likewise.
//! 14. An exact set has a size, and no more elements than that (`ENFILE`); an interval set has none.
//! 15. No plain exact set with a 2-byte key and without timeout: the kernel's bitmap takes up to
//!     159 µs per element.
//! 16. Interval sets: a single key field is in network byte order, because the kernel compares
//!     bytes and nft would swap them; it is not flags (nft 1.0.6 crashes when it lists them). In a
//!     concatenation no field is a number or flags of several bytes in host byte order, not even
//!     with single values: nft turns the field in the lookup and in the elements, so it would list
//!     ours as another number, and load from that listing what does not match.
//! 17. Keys and data are as long as their types say, and padded with zeros.
//! 18. Elements of a set have no data, those of a map a value, those of a verdict map a verdict.
//! 19. The end of a range is there in interval sets only, and is in no field below the begin; in a
//!     concatenation, interface names and flags are single values.
//! 20. Elements are in the order of their keys, and no two have a key in common.
//! 21. Values exist in their type: nfproto is 2 or 10, an interface name is a name, and so on; a
//!     flag in a set is exactly one bit (nft 1.0.6 aborts when it lists others in concatenations).
//! 22. Elements have lifetimes in sets with timeout only; lifetimes are whole milliseconds.
//! 23. Comparisons: one field; value and mask as long as the type; no bit of the value outside the
//!     mask; masks for addresses, ports, marks, integers and flags, with `==` and `!=` only; a mask
//!     of no bits for addresses only; less and greater for numbers; an unmasked state or status has
//!     one bit at most (nft would list two as if either sufficed); what is a field of bits or exists
//!     is compared with `==` (`!=` for bits) and nothing else.
//! 24. Ranges: one field that is a number, low end not above the high end.
//! 25. A prefix of an interface name has 1 to 15 characters of a name, and is compared with one.
//! 26. dnat and redirect in nat chains at prerouting and output, snat at postrouting and input,
//!     masquerade at postrouting, from wherever the chain is jumped to (`EOPNOTSUPP`).
//! 27. The family of a translation is one of the table's; ranges have a low end not above the high.
//! 28. A map of a translation has an address of its family as data, alone or with a port; its key
//!     has no route lookup (nft does not read one there).
//! 29. `notrack` only where prerouting and output chains below −200 lead.
//! 30. In base chains: no `iifname` and `ether saddr` at output, no `oifname` at prerouting and
//!     input. In all chains: `skuid` and `skgid` from output and postrouting only, `cgroup` from
//!     input too; `socket` from prerouting, input and output (`EOPNOTSUPP`): elsewhere there is
//!     nothing to load.
//! 31. Route lookups: `iif` from prerouting, input and forward; `oif` from forward, output and
//!     postrouting; results of `oifname` from prerouting, input and forward (`EOPNOTSUPP`).
//! 32. Rejections: not from postrouting; codes that exist; `icmp` and `icmpv6` in the right family;
//!     `icmpx` in inet tables; a TCP reset after a match of TCP in the same rule.
//! 33. A rule asks for one network and one transport protocol at most, and for those of its table;
//!     fields of ICMP are of IPv4, those of ICMPv6 of IPv6; after `ct protocol` come fields of that
//!     protocol only (nft takes it for the packet's); `th` only of protocols with ports;
//!     `meta nfproto` in inet tables only; after a match of one of several protocols no field of
//!     one of them.
//! 34. The rate of a limit, and its burst in packets, are not zero; a quota fits 63 bits.
//! 35. A log prefix has at most 127 bytes and no `$` (a variable, for nft); a level is 0 to 7 and without group, snaplen and
//!     queue-threshold are with a group, flags without.
//! 36. Setting a mark changes it.
//! 37. Sets in rules have at least two elements (one in a concatenation), without lifetimes and
//!     comments; what holds for the elements of a set holds for theirs, for the types of ranges
//!     too, and concatenations are of types that have a name.
//! 38. `set` statements: zones before conntrack; fields that can be set, to values they have;
//!     `rt mtu` at forward, output and postrouting (`EOPNOTSUPP`).
//! 39. Queues are in order, and at most 65,535; `dup` in tables of one family; `tproxy` at prerouting, after a match of
//!     TCP or UDP, of one family with the rest of the rule.
//! 40. Rules add to dynamic sets of their own key; lifetimes in sets with timeout only; flows are
//!     counted in sets without.
//!
//! Not refused: sets and chains that nothing refers to (a skeleton is static), rules that a rule
//! before them makes useless.

mod chain;
mod compare;
mod dynset;
mod element;
mod graph;
mod hook;
mod mangle;
mod nat;
mod report;
mod rule;
mod set;
mod value;

use std::ops::Deref;

pub use hook::hooks;
pub use report::{Check, Object, Place, VerifyError, Violation};

use crate::table::Ruleset;
use report::Report;

/// A ruleset that the verifier has passed; made by [`verify`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified(Ruleset);

impl Verified {
    /// Gives the ruleset back, to be changed and verified again.
    pub fn into_inner(self) -> Ruleset {
        self.0
    }
}

impl Deref for Verified {
    type Target = Ruleset;

    fn deref(&self) -> &Ruleset {
        &self.0
    }
}

/// Checks a ruleset against the list above.
///
/// # Errors
///
/// [`VerifyError`] with everything that is wrong, and the ruleset.
///
/// # Examples
///
/// ```
/// use dockfw_ir::{Ruleset, print, verify::verify};
///
/// let verified = verify(Ruleset::default())?;
/// assert_eq!(print::nft(&verified), "");
/// # Ok::<(), dockfw_ir::verify::VerifyError>(())
/// ```
pub fn verify(ruleset: Ruleset) -> Result<Verified, VerifyError> {
    let violations = check(&ruleset);
    if violations.is_empty() {
        Ok(Verified(ruleset))
    } else {
        Err(VerifyError {
            violations,
            ruleset,
        })
    }
}

fn check(ruleset: &Ruleset) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, table) in ruleset.tables.iter().enumerate() {
        let mut report = Report {
            family: table.family,
            table: &table.name,
            violations: &mut violations,
        };
        let same = |other: &&crate::table::Table| {
            (other.family, &other.name) == (table.family, &table.name)
        };
        if ruleset.tables.iter().take(index).any(|other| same(&other)) {
            report.add(Check::TableUnique, Object::Table, "there is another one");
        }
        for set in &table.sets {
            set::check(set, &mut report);
        }
        let index = graph::Index::new(table, &mut report);
        chain::check(table, &index, &mut report);
    }
    violations
}
