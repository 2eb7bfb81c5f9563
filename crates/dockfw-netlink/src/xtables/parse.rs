//! From the kernel's block to chains and rules.

use dockfw_ir::table::Family;

use super::{Entry, HOOKS, XtChain, XtExtension, XtRule, XtTable, XtTarget};
use crate::foreign::ForeignPolicy;

/// The chains of the hooks.
const BUILT_IN: [&str; HOOKS] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
/// Bytes of a `struct xt_entry_match` or `xt_entry_target` in front of its data.
pub(super) const EXTENSION: usize = 32;
/// The verdicts of a standard target: `-NF_ACCEPT - 1` and so on, `XT_RETURN`.
pub(super) const ACCEPT: i32 = -2;
const DROP: i32 = -1;
const RETURN: i32 = -5;

/// What differs between IPv4 and IPv6.
struct Layout {
    /// Bytes of `struct ipt_ip` or `struct ip6t_ip6`.
    header: usize,
    /// Where `target_offset` stands.
    target: usize,
    /// Bytes of `struct ipt_entry` or `struct ip6t_entry`.
    entry: usize,
    /// Where the flags stand.
    flags: usize,
    /// `IPT_F_GOTO`, `IP6T_F_GOTO`.
    goto: u8,
}

const fn layout(family: Family) -> Layout {
    match family {
        Family::Ip6 => Layout {
            header: 136,
            target: 140,
            entry: 168,
            flags: 131,
            goto: 4,
        },
        Family::Ip | Family::Inet => Layout {
            header: 84,
            target: 88,
            entry: 112,
            flags: 82,
            goto: 2,
        },
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    let value = u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?);
    Some(usize::from(value))
}

/// Reads a table; `None` when it is not what we understand.
pub(super) fn table(family: Family, name: &str, info: &[u8], block: Vec<u8>) -> Option<XtTable> {
    let mut table = XtTable {
        family,
        name: name.to_owned(),
        chains: Vec::new(),
        valid_hooks: u32_at(info, 32)?,
        hook_entry: [0; HOOKS],
        underflow: [0; HOOKS],
        block,
        entries: Vec::new(),
    };
    for (hook, entry) in table.hook_entry.iter_mut().enumerate() {
        *entry = u32_at(info, 36 + 4 * hook)?;
    }
    for (hook, entry) in table.underflow.iter_mut().enumerate() {
        *entry = u32_at(info, 56 + 4 * hook)?;
    }
    let number = usize::try_from(u32_at(info, 76)?).ok()?;
    table.entries = entries(&layout(family), &table.block)?;
    if table.entries.len() != number {
        return None;
    }
    table.chains = chains(&table)?;
    Some(table)
}

fn entries(layout: &Layout, block: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut offset = 0;
    while offset < block.len() {
        let entry = block.get(offset..)?;
        let target = u16_at(entry, layout.target)?;
        let next = u16_at(entry, layout.target + 2)?;
        if target < layout.entry || next < target + EXTENSION || next > entry.len() {
            return None;
        }
        entries.push(Entry {
            offset,
            target,
            next,
        });
        offset += next;
    }
    Some(entries)
}

fn chains(table: &XtTable) -> Option<Vec<XtChain>> {
    let mut chains: Vec<XtChain> = Vec::new();
    let mut names = std::collections::BTreeMap::new();
    let error = |entry: &Entry| -> Option<Option<String>> {
        let target = extension(table.target(entry)?)?;
        if target.name != "ERROR" {
            return Some(None);
        }
        Some(Some(cut(&target.data)?))
    };
    let last = table.entries.len().checked_sub(1)?;
    let mut rules = Vec::new();
    for (index, entry) in table.entries.iter().enumerate() {
        if let Some(name) = error(entry)? {
            if let Some(chain) = chains.last_mut().filter(|of| of.head.is_some()) {
                // What ends a user's chain is not one of its rules.
                (chain.tail, _) = rules.pop()?;
                chain.rules = rules.drain(..).map(|(_, rule)| rule).collect();
            } else if !rules.is_empty() {
                return None;
            }
            if index == last {
                break;
            }
            names.insert(entry.offset + entry.next, name.clone());
            chains.push(XtChain {
                name,
                policy: None,
                rules: Vec::new(),
                head: Some(index),
                tail: index,
            });
            continue;
        }
        let rule = table.rule(index, entry)?;
        let policy = match rule.target {
            XtTarget::Accept => Some(ForeignPolicy::Accept),
            XtTarget::Drop => Some(ForeignPolicy::Drop),
            XtTarget::Return
            | XtTarget::Continue
            | XtTarget::Jump(_)
            | XtTarget::Goto(_)
            | XtTarget::Other(_)
            | XtTarget::Extension(_) => None,
        };
        rules.push((index, rule));
        if let Some(name) = table.ends(entry.offset) {
            let (tail, _) = rules.pop()?;
            chains.push(XtChain {
                name: name.to_owned(),
                policy: Some(policy?),
                rules: rules.drain(..).map(|(_, rule)| rule).collect(),
                head: None,
                tail,
            });
        }
    }
    for rule in chains.iter_mut().flat_map(|chain| &mut chain.rules) {
        rule.name_target(&names);
    }
    Some(chains)
}

impl XtTable {
    /// The built-in chain that ends with the entry at this offset.
    fn ends(&self, offset: usize) -> Option<&'static str> {
        let hooks = BUILT_IN.into_iter().zip(self.underflow).enumerate();
        let mut valid = hooks.filter(|(hook, _)| self.valid_hooks & (1 << hook) != 0);
        let is = |underflow: u32| usize::try_from(underflow) == Ok(offset);
        valid.find_map(|(_, (name, underflow))| is(underflow).then_some(name))
    }

    fn target(&self, entry: &Entry) -> Option<&[u8]> {
        let end = entry.offset + entry.next;
        self.block.get(entry.offset + entry.target..end)
    }

    fn rule(&self, index: usize, entry: &Entry) -> Option<XtRule> {
        let layout = layout(self.family);
        let bytes = self.block.get(entry.offset..entry.offset + entry.next)?;
        let header = bytes.get(..layout.header)?.to_vec();
        let mut matches = Vec::new();
        let mut at = layout.entry;
        while at < entry.target {
            let of = extension(bytes.get(at..entry.target)?)?;
            at += of.data.len() + EXTENSION;
            matches.push(of);
        }
        let target = extension(bytes.get(entry.target..)?)?;
        let target = if target.name.is_empty() {
            let verdict = i32::from_ne_bytes(*target.data.first_chunk()?);
            let is_next = usize::try_from(verdict) == Ok(entry.offset + entry.next);
            let goto = *header.get(layout.flags)? & layout.goto != 0;
            match verdict {
                ACCEPT => XtTarget::Accept,
                DROP => XtTarget::Drop,
                RETURN => XtTarget::Return,
                _ if is_next && !goto => XtTarget::Continue,
                // The name is that of the chain at this offset.
                _ if verdict < 0 => XtTarget::Other(verdict),
                _ if goto => XtTarget::Goto(verdict.to_string()),
                _ => XtTarget::Jump(verdict.to_string()),
            }
        } else {
            XtTarget::Extension(target)
        };
        Some(XtRule {
            header,
            matches,
            target,
            entry: index,
        })
    }
}

impl XtRule {
    /// Puts the name of the chain where its offset stands.
    fn name_target(&mut self, names: &std::collections::BTreeMap<usize, String>) {
        let chain = |offset: &str| names.get(&offset.parse().ok()?).cloned();
        match &mut self.target {
            XtTarget::Jump(to) | XtTarget::Goto(to) => *to = chain(to).unwrap_or_default(),
            XtTarget::Accept
            | XtTarget::Drop
            | XtTarget::Return
            | XtTarget::Continue
            | XtTarget::Other(_)
            | XtTarget::Extension(_) => {}
        }
    }
}

/// The match or target at the beginning of these bytes.
fn extension(bytes: &[u8]) -> Option<XtExtension> {
    let size = u16_at(bytes, 0)?;
    Some(XtExtension {
        name: cut(bytes.get(2..31)?)?,
        revision: *bytes.get(31)?,
        data: bytes.get(EXTENSION..size)?.to_vec(),
    })
}

/// A text up to its NUL.
fn cut(bytes: &[u8]) -> Option<String> {
    let text = bytes.split(|byte| *byte == 0).next()?;
    Some(std::str::from_utf8(text).ok()?.to_owned())
}
