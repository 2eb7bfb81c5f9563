//! Base chains, rules and statements.

use smallvec::SmallVec;

use super::Limits;
use super::hooks::{Base, Index};
use super::lookup::is_element;
use super::outcome::{Action, Step, Verdict};
use super::packet::{TCP, UDP};
use super::track::Tracking;
use super::walk::Walk;
use crate::chain::{Chain, Policy, Rule};
use crate::set::ElementData;
use crate::statement::{
    self, Dynset, DynsetOperation, DynsetStatement, MarkSource, MarkTarget, Queue, Reject, SetMark,
    Statement, Tproxy,
};
use crate::value::Value;

/// How a rule goes on after a statement.
#[derive(Debug)]
pub(super) enum Flow<'e> {
    /// With the next statement (`NFT_CONTINUE`).
    Next,
    /// Not at all: the next rule is tried (`NFT_BREAK`).
    Break,
    /// With a verdict other than `continue`.
    Verdict(&'e statement::Verdict),
    /// Not at all: the packet is rejected.
    Reject(Reject),
    /// Not at all: the flow is translated, which accepts the packet.
    Translated(Action),
    /// Not at all: there is nothing to translate to, which drops the packet.
    Untranslatable,
}

/// What a rule does to the walk through its base chain.
enum End<'e> {
    Next,
    Accept,
    Drop,
    Reject(Reject),
    Return,
    Jump(&'e Chain),
    Goto(&'e Chain),
}

impl<'e> Walk<'e> {
    /// Walks a base chain; `Ok` means that the packet goes on to what the hook calls next.
    ///
    /// `return`, or the end of a chain, leads back to after the last `jump`, and past chains that
    /// were left by `goto`; with no jump left, the policy of the base chain decides.
    ///
    /// Source: `net/netfilter/nf_tables_core.c`, `nft_do_chain` (v6.12).
    pub(super) fn base_chain(&mut self, base: &'e Base<'e>) -> Result<(), Verdict> {
        let mut stack: SmallVec<[(&'e Chain, usize); 16]> = SmallVec::new();
        let mut chain = base.chain;
        let mut next = 0;
        loop {
            let end = match chain.rules.get(next) {
                Some(rule) => self.rule(&base.index, chain, next, rule),
                None => End::Return,
            };
            next += 1;
            match end {
                End::Next => {}
                End::Accept => return Ok(()),
                End::Drop => return Err(Verdict::Dropped { hook: self.hook }),
                End::Reject(how) => {
                    return Err(Verdict::Rejected {
                        hook: self.hook,
                        how,
                    });
                }
                End::Jump(target) => {
                    stack.push((chain, next));
                    (chain, next) = (target, 0);
                }
                End::Goto(target) => (chain, next) = (target, 0),
                End::Return => match stack.pop() {
                    Some(back) => (chain, next) = back,
                    None => return self.policy(base),
                },
            }
        }
    }

    fn policy(&mut self, base: &'e Base<'e>) -> Result<(), Verdict> {
        let policy = base.policy;
        self.trail.push(Step {
            hook: self.hook,
            table: base.index.table.name.clone(),
            chain: base.chain.name.clone(),
            rule: None,
            comment: None,
            action: Action::Policy(policy),
        });
        match policy {
            Policy::Accept => Ok(()),
            Policy::Drop => Err(Verdict::Dropped { hook: self.hook }),
        }
    }

    fn rule(
        &mut self,
        index: &Index<'e>,
        chain: &'e Chain,
        place: usize,
        rule: &'e Rule,
    ) -> End<'e> {
        self.cost.rules += 1;
        let mut flow = Flow::Next;
        for statement in &rule.statements {
            flow = self.statement(index, statement);
            if !matches!(flow, Flow::Next) {
                break;
            }
        }
        let (action, end) = match flow {
            Flow::Break => return End::Next,
            Flow::Next => (Action::Matched, End::Next),
            Flow::Verdict(verdict) => (
                Action::Verdict(verdict.clone()),
                match verdict {
                    statement::Verdict::Accept => End::Accept,
                    statement::Verdict::Drop => End::Drop,
                    statement::Verdict::Continue => End::Next,
                    statement::Verdict::Return => End::Return,
                    // The verifier has seen that the chain is there.
                    statement::Verdict::Jump(name) => {
                        index.chain(name).map_or(End::Drop, End::Jump)
                    }
                    statement::Verdict::Goto(name) => {
                        index.chain(name).map_or(End::Drop, End::Goto)
                    }
                },
            ),
            Flow::Reject(how) => (Action::Rejected(how), End::Reject(how)),
            Flow::Translated(action) => (action, End::Accept),
            Flow::Untranslatable => (Action::Untranslatable, End::Drop),
        };
        self.trail.push(Step {
            hook: self.hook,
            table: index.table.name.clone(),
            chain: chain.name.clone(),
            rule: Some(place),
            comment: rule.comment.clone(),
            action,
        });
        end
    }

    fn statement(&mut self, index: &Index<'e>, statement: &'e Statement) -> Flow<'e> {
        self.cost.expressions += 1;
        match statement {
            Statement::Match(test) => match self.test(index, test) {
                Some(true) => Flow::Next,
                Some(false) | None => Flow::Break,
            },
            Statement::VerdictMap(lookup) => match self.look_up(index, &lookup.key, &lookup.map) {
                Some(ElementData::Verdict(verdict)) => verdict_flow(verdict),
                Some(ElementData::None | ElementData::Value(_)) | None => Flow::Break,
            },
            Statement::Verdict(verdict) => verdict_flow(verdict),
            Statement::Counter | Statement::Log(_) | Statement::Dup(_) => Flow::Next,
            Statement::Limit(limit) => self.limited(limit.over),
            Statement::Quota(quota) => self.limited(quota.over),
            Statement::CtCount(count) => self.limited(count.over),
            Statement::Mangle(mangle) => next_if(self.mangle(mangle)),
            Statement::Queue(Queue { bypass: true, .. }) => {
                Flow::Verdict(&statement::Verdict::Accept)
            }
            Statement::Queue(_) => Flow::Verdict(&statement::Verdict::Drop),
            Statement::Tproxy(tproxy) => self.tproxy(*tproxy),
            Statement::Dynset(dynset) => self.dynset(index, dynset),
            Statement::Reject(reject) => self.reject(*reject),
            Statement::Notrack => {
                // A packet that conntrack has seen stays as it is: `nft_notrack_eval`.
                if matches!(self.tracking, Tracking::None) {
                    self.tracking = Tracking::Untracked;
                }
                Flow::Next
            }
            Statement::SetMark(mark) => self.set_mark(mark),
            Statement::Nat(nat) => self.nat(index, nat),
            Statement::Masquerade(masquerade) => self.masquerade(masquerade),
            Statement::Redirect { ports, .. } => self.redirect(*ports),
        }
    }

    /// What a statement with a state does: one with `over` goes on when it is used up.
    fn limited(&self, over: bool) -> Flow<'e> {
        let exceeded = self.limits == Limits::Exceeded;
        next_if(exceeded == over)
    }

    /// The socket of the packet is the one that is asked for, if it is transparent.
    ///
    /// Source: `net/netfilter/nft_tproxy.c`, `nft_tproxy_eval` (v6.12).
    fn tproxy(&self, tproxy: Tproxy) -> Flow<'e> {
        let family = tproxy.family.is_none_or(|family| family == self.family);
        let socket = self.packet.socket.is_some_and(|socket| socket.transparent);
        next_if(family && socket && matches!(self.packet.protocol, TCP | UDP))
    }

    /// Source: `net/netfilter/nft_dynset.c`, `nft_dynset_eval` (v6.12).
    fn dynset(&mut self, index: &Index<'e>, dynset: &Dynset) -> Flow<'e> {
        let Some(key) = self.load_key(&dynset.key) else {
            return Flow::Break;
        };
        self.cost.lookups += 1;
        if dynset.operation == DynsetOperation::Delete {
            let masked = match &dynset.mask {
                None => key,
                Some(mask) => {
                    let pairs = key.as_bytes().iter().zip(mask.as_bytes());
                    let bytes: SmallVec<[u8; 64]> = pairs.map(|(key, mask)| key & mask).collect();
                    Value::from_registers(&bytes)
                }
            };
            return next_if(is_element(index, &dynset.set, &masked));
        }
        match dynset.statement {
            None | Some(DynsetStatement::Counter) => Flow::Next,
            Some(DynsetStatement::Limit(limit)) => self.limited(limit.over),
            Some(DynsetStatement::Quota(quota)) => self.limited(quota.over),
            Some(DynsetStatement::CtCount(count)) => self.limited(count.over),
        }
    }

    /// An ICMP message of one family is for packets of that family.
    fn reject(&self, reject: Reject) -> Flow<'e> {
        let possible = match reject {
            Reject::TcpReset | Reject::Icmpx(_) => true,
            Reject::Icmp(_) => self.source.is_ipv4(),
            Reject::Icmpv6(_) => self.source.is_ipv6(),
        };
        if possible {
            Flow::Reject(reject)
        } else {
            Flow::Break
        }
    }

    /// Without an entry, `ct mark set` of a whole mark does nothing and the rule goes on; one that
    /// reads it, or a socket that is not there, ends the rule.
    ///
    /// Source: `net/netfilter/nft_ct.c`, `nft_ct_set_eval`; `net/netfilter/nft_meta.c`,
    /// `nft_meta_set_eval` (v6.12).
    fn set_mark(&mut self, set: &SetMark) -> Flow<'e> {
        let kept = if set.keep == 0 {
            Some(0)
        } else {
            match set.source {
                MarkSource::Packet => Some(self.mark),
                MarkSource::Conntrack => self.tracking.entry().map(|entry| entry.mark),
                MarkSource::Socket => self.packet.socket.map(|socket| socket.mark),
            }
        };
        let Some(kept) = kept else {
            return Flow::Break;
        };
        let new = (kept & set.keep) ^ set.value;
        match set.target {
            MarkTarget::Packet => self.mark = new,
            MarkTarget::Conntrack => {
                if let Some(entry) = self.tracking.entry_mut() {
                    entry.mark = new;
                }
            }
        }
        Flow::Next
    }
}

const fn next_if<'e>(holds: bool) -> Flow<'e> {
    if holds { Flow::Next } else { Flow::Break }
}

const fn verdict_flow(verdict: &statement::Verdict) -> Flow<'_> {
    match verdict {
        statement::Verdict::Continue => Flow::Next,
        statement::Verdict::Accept
        | statement::Verdict::Drop
        | statement::Verdict::Return
        | statement::Verdict::Jump(_)
        | statement::Verdict::Goto(_) => Flow::Verdict(verdict),
    }
}
