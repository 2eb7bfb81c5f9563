//! One table, prepared for walking, and the walk through its chains.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::matches::{Seen, matches};
use super::outcome::{Effect, Hook, Step};
use super::packet::State;
use crate::chain::{Chain, Policy};
use crate::program::{self, TableName};
use crate::rule::Rule;
use crate::target::Target;
use crate::target::connmark::Connmark;
use crate::target::mark::SetMark;
use crate::target::reject::Reject;
use crate::target::tproxy::Tproxy;

/// A table with resolved jumps and printed rules.
#[derive(Debug, Clone)]
pub(super) struct Table<'p> {
    name: TableName,
    chains: Vec<Prepared<'p>>,
    /// The built-in chains by hook, in the order of [`Hook::ALL`].
    entries: [Option<usize>; 5],
}

/// A chain.
#[derive(Debug, Clone)]
struct Prepared<'p> {
    name: Arc<str>,
    policy: Option<Policy>,
    rules: Vec<Line<'p>>,
}

/// A rule.
#[derive(Debug, Clone)]
struct Line<'p> {
    rule: &'p Rule,
    action: Action<'p>,
    text: Arc<str>,
}

/// A rule's target.
#[derive(Debug, Clone, Copy)]
enum Action<'p> {
    /// To the next rule.
    Continue,
    Accept,
    Drop,
    Return,
    Jump(usize),
    Goto(usize),
    /// A target of the nat table.
    Translate(&'p Target),
    Reject(Reject),
    /// A target that writes the packet down.
    Log,
    Mark(SetMark),
    Connmark(Connmark),
    Untrack,
    /// Accepted where a socket waits, else dropped.
    Tproxy(Tproxy),
    /// A target that changes the IP header.
    Rewrite(&'p Target),
}

/// How a table was left.
#[derive(Debug, Clone, Copy)]
pub(super) enum End<'p> {
    /// The packet goes on.
    Accept,
    /// The packet is discarded.
    Drop,
    /// The packet is discarded and its sender told.
    Reject(Reject),
    /// A target of the nat table decides; the trail's last step is its rule.
    Translate(&'p Target),
}

/// What a walk leaves behind.
#[derive(Debug, Default)]
pub(super) struct Trail {
    pub(super) steps: Vec<Step>,
    pub(super) evaluated: usize,
    /// The chains to return to; empty outside a table.
    stack: Vec<Frame>,
}

/// Where a jump came from.
#[derive(Debug, Clone, Copy)]
struct Frame {
    chain: usize,
    next: usize,
    depth: usize,
}

impl<'p> Table<'p> {
    /// Prepares a table.
    ///
    /// What no kernel would load does nothing: a jump to a chain that is not there, a target of
    /// nat elsewhere.
    pub(super) fn new(table: &'p program::Table) -> Self {
        let places: BTreeMap<&str, usize> = table
            .chains()
            .enumerate()
            .map(|(place, chain)| (chain.name().as_str(), place))
            .collect();
        let in_nat = table.name() == TableName::Nat;
        let prepare = |chain: &'p Chain| Prepared {
            name: chain.name().as_str().into(),
            policy: chain.policy(),
            rules: chain
                .rules()
                .map(|rule| Line {
                    rule,
                    action: action(rule, &places, in_nat),
                    text: format!("-A {}{rule}", chain.name()).into(),
                })
                .collect(),
        };
        Self {
            name: table.name(),
            chains: table.chains().map(prepare).collect(),
            entries: Hook::ALL.map(|hook| places.get(hook.as_str()).copied()),
        }
    }

    /// The built-in chain of a hook.
    fn entry(&self, hook: Hook) -> Option<usize> {
        let entries = Hook::ALL.into_iter().zip(self.entries);
        let mut found = entries.filter(|(other, _)| *other == hook);
        found.next().and_then(|(_, entry)| entry)
    }

    /// Walks a packet through the chains that hang on a hook.
    ///
    /// RETURN and the end of a chain lead behind the last jump, which a goto does not count as;
    /// without one they lead to the policy. A loop, which no kernel loads, drops, as a full jump
    /// stack does.
    ///
    /// Source: linux v6.12, `net/ipv4/netfilter/ip_tables.c`, `ipt_do_table`.
    pub(super) fn walk(&self, hook: Hook, seen: &mut Seen<'_>, trail: &mut Trail) -> End<'p> {
        let Some(entry) = self.entry(hook) else {
            return End::Accept;
        };
        trail.stack.clear();
        let mut at = Frame {
            chain: entry,
            next: 0,
            depth: 0,
        };
        while at.depth <= self.chains.len() {
            let Some(chain) = self.chains.get(at.chain) else {
                return End::Accept;
            };
            let rest = chain.rules.get(at.next..).unwrap_or_default();
            let found = rest.iter().position(|line| matches(line.rule, seen));
            trail.evaluated += found.map_or(rest.len(), |offset| offset + 1);
            let offset = found.unwrap_or(rest.len());
            let (action, index) = match rest.get(offset) {
                Some(line) => (allowed(line.action, hook), at.next + offset),
                None => (Action::Return, at.next + offset),
            };
            change(action, seen);
            if let Some(line) = rest.get(offset) {
                trail.steps.push(Step {
                    table: self.name,
                    hook,
                    chain: Arc::clone(&chain.name),
                    rule: Some(index),
                    text: Arc::clone(&line.text),
                    effect: effect(action, seen),
                });
            }
            match action {
                Action::Continue
                | Action::Log
                | Action::Mark(_)
                | Action::Connmark(_)
                | Action::Rewrite(_)
                | Action::Untrack => at.next = index + 1,
                Action::Reject(answer) => return End::Reject(answer),
                Action::Tproxy(_) if seen.packet.details.socket => return End::Accept,
                Action::Accept => return End::Accept,
                Action::Drop | Action::Tproxy(_) => return End::Drop,
                Action::Translate(target) => return End::Translate(target),
                Action::Return => match trail.stack.pop() {
                    Some(frame) => at = frame,
                    None => return self.policy(entry, hook, trail),
                },
                Action::Jump(to) => {
                    at.next = index + 1;
                    trail.stack.push(at);
                    at = at.into_chain(to);
                }
                Action::Goto(to) => at = at.into_chain(to),
            }
        }
        End::Drop
    }

    /// The policy of a built-in chain.
    fn policy(&self, entry: usize, hook: Hook, trail: &mut Trail) -> End<'p> {
        match self.chains.get(entry) {
            Some(chain) if chain.policy == Some(Policy::Drop) => {
                trail.steps.push(Step {
                    table: self.name,
                    hook,
                    chain: Arc::clone(&chain.name),
                    rule: None,
                    text: format!("-P {} DROP", chain.name).into(),
                    effect: Effect::Drop,
                });
                End::Drop
            }
            _ => End::Accept,
        }
    }
}

impl Frame {
    /// The beginning of another chain, one deeper: without loops no way is longer than there are
    /// chains.
    fn into_chain(self, chain: usize) -> Self {
        Self {
            chain,
            next: 0,
            depth: self.depth + 1,
        }
    }
}

fn action<'p>(rule: &'p Rule, places: &BTreeMap<&str, usize>, in_nat: bool) -> Action<'p> {
    let place = |name: &str| places.get(name).copied();
    match &rule.target {
        // The size of segments, zones, classes and copies are not modelled.
        None | Some(Target::Tcpmss(_) | Target::Zone(_) | Target::Classify(_) | Target::Tee(_)) => {
            Action::Continue
        }
        Some(Target::Tproxy(tproxy)) => Action::Tproxy(*tproxy),
        Some(Target::Nfqueue(queue)) if queue.bypass => Action::Accept,
        Some(target @ (Target::Dscp(_) | Target::Tos(_) | Target::Ttl(_) | Target::Hl(_))) => {
            Action::Rewrite(target)
        }
        Some(Target::Accept) => Action::Accept,
        // Nobody listens to the queue.
        Some(Target::Drop | Target::Nfqueue(_)) => Action::Drop,
        Some(Target::Return) => Action::Return,
        Some(Target::Jump(to)) => place(to.as_str()).map_or(Action::Continue, Action::Jump),
        Some(Target::Goto(to)) => place(to.as_str()).map_or(Action::Continue, Action::Goto),
        Some(Target::Log(_) | Target::Nflog(_)) => Action::Log,
        Some(Target::Mark(mark)) => Action::Mark(*mark),
        Some(Target::Connmark(connmark)) => Action::Connmark(*connmark),
        Some(Target::Notrack(_)) => Action::Untrack,
        Some(Target::Reject(answer)) => Action::Reject(*answer),
        Some(
            target @ (Target::Dnat(_)
            | Target::Snat(_)
            | Target::Masquerade(_)
            | Target::Redirect(_)
            | Target::Netmap(_)),
        ) => {
            if in_nat {
                Action::Translate(target)
            } else {
                Action::Continue
            }
        }
    }
}

/// A target of nat does nothing in a hook for which the kernel would not load it.
///
/// Source: linux v6.12, `net/netfilter/xt_nat.c` and `xt_MASQUERADE.c`, the `hooks` of the
/// targets.
fn allowed(action: Action<'_>, hook: Hook) -> Action<'_> {
    let allowed = match action {
        Action::Translate(Target::Dnat(_) | Target::Redirect(_)) => {
            matches!(hook, Hook::Prerouting | Hook::Output)
        }
        Action::Translate(Target::Snat(_)) => matches!(hook, Hook::Postrouting | Hook::Input),
        Action::Translate(Target::Masquerade(_)) => hook == Hook::Postrouting,
        Action::Translate(Target::Netmap(_)) => hook != Hook::Forward,
        Action::Tproxy(_) => hook == Hook::Prerouting,
        Action::Continue
        | Action::Accept
        | Action::Drop
        | Action::Return
        | Action::Jump(_)
        | Action::Goto(_)
        | Action::Reject(_)
        | Action::Log
        | Action::Mark(_)
        | Action::Connmark(_)
        | Action::Untrack
        | Action::Rewrite(_)
        | Action::Translate(_) => true,
    };
    if allowed { action } else { Action::Continue }
}

/// Changes what later rules see. Without an entry there is no connection's mark to change, and
/// what has an entry keeps it.
///
/// Source: linux v6.12, `net/netfilter/xt_connmark.c`, `connmark_tg_shift`; `xt_CT.c`,
/// `xt_ct_target`.
fn change(action: Action<'_>, seen: &mut Seen<'_>) {
    let entry = seen.has_entry();
    match action {
        Action::Tproxy(tproxy) if seen.packet.details.socket => {
            seen.mark = tproxy.apply(seen.mark);
        }
        Action::Mark(mark) => seen.mark = mark.apply(seen.mark),
        Action::Connmark(Connmark::Set(mark)) if entry => {
            seen.connection_mark = mark.apply(seen.connection_mark);
        }
        Action::Connmark(Connmark::Save {
            packet_mask,
            connection_mask,
        }) if entry => {
            seen.connection_mark =
                (seen.connection_mark & !connection_mask) ^ (seen.mark & packet_mask);
        }
        Action::Connmark(Connmark::Restore {
            packet_mask,
            connection_mask,
        }) if entry => {
            seen.mark = (seen.mark & !packet_mask) ^ (seen.connection_mark & connection_mask);
        }
        Action::Rewrite(target) => rewrite(target, seen),
        Action::Untrack if !entry => seen.state = State::Untracked,
        Action::Untrack
        | Action::Tproxy(_)
        | Action::Connmark(_)
        | Action::Continue
        | Action::Accept
        | Action::Drop
        | Action::Return
        | Action::Jump(_)
        | Action::Goto(_)
        | Action::Translate(_)
        | Action::Reject(_)
        | Action::Log => {}
    }
}

/// Source: linux v6.12, `net/netfilter/xt_DSCP.c`, `xt_HL.c`.
fn rewrite(target: &Target, seen: &mut Seen<'_>) {
    if let Target::Dscp(to) = target {
        seen.tos = seen.tos.map(|tos| (tos & 3) | (to.0 << 2));
    }
    if let Target::Tos(to) = target {
        seen.tos = seen.tos.map(|tos| to.apply(tos));
    }
    if let Target::Ttl(to) | Target::Hl(to) = target {
        seen.ttl = seen.ttl.map(|ttl| to.apply(ttl));
    }
}

/// A translation says later what it did; until then it accepted.
fn effect(action: Action<'_>, seen: &Seen<'_>) -> Effect {
    match action {
        Action::Continue | Action::Rewrite(_) => Effect::Continue,
        Action::Log => Effect::Log,
        Action::Mark(_) | Action::Connmark(_) => Effect::Mark {
            packet: seen.mark,
            connection: seen.connection_mark,
        },
        Action::Untrack => Effect::Untrack,
        Action::Reject(_) => Effect::Reject,
        Action::Accept | Action::Translate(_) => Effect::Accept,
        Action::Tproxy(_) if seen.packet.details.socket => Effect::Accept,
        Action::Drop | Action::Tproxy(_) => Effect::Drop,
        Action::Return => Effect::Return,
        Action::Jump(_) => Effect::Jump,
        Action::Goto(_) => Effect::Goto,
    }
}
