//! What runs at each hook, in order.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::chain::{Chain, ChainKind, Hook, Policy};
use crate::name::{ChainName, SetName};
use crate::set::Set;
use crate::statement::nat::NatFamily;
use crate::table::{Family, Ruleset, Table};

/// `NF_IP_PRI_CONNTRACK`.
const CONNTRACK: i32 = -200;
/// `NF_IP_PRI_NAT_DST`: NAT at prerouting and output.
const NAT_DESTINATION: i32 = -100;
/// `NF_IP_PRI_NAT_SRC`: NAT at postrouting and input.
const NAT_SOURCE: i32 = 100;

const HOOKS: [Hook; 5] = [
    Hook::Prerouting,
    Hook::Input,
    Hook::Forward,
    Hook::Output,
    Hook::Postrouting,
];

/// A table with its names looked up.
#[derive(Debug)]
pub(super) struct Index<'r> {
    pub(super) table: &'r Table,
    chains: BTreeMap<&'r ChainName, &'r Chain>,
    sets: BTreeMap<&'r SetName, &'r Set>,
}

impl<'r> Index<'r> {
    fn new(table: &'r Table) -> Self {
        Self {
            table,
            chains: table.chains.iter().map(|c| (&c.name, c)).collect(),
            sets: table.sets.iter().map(|set| (&set.name, set)).collect(),
        }
    }

    pub(super) fn chain(&self, name: &ChainName) -> Option<&'r Chain> {
        self.chains.get(name).copied()
    }

    pub(super) fn set(&self, name: &SetName) -> Option<&'r Set> {
        self.sets.get(name).copied()
    }
}

/// A base chain and its table.
#[derive(Debug)]
pub(super) struct Base<'r> {
    pub(super) index: Arc<Index<'r>>,
    pub(super) chain: &'r Chain,
    pub(super) policy: Policy,
}

/// What a hook calls.
#[derive(Debug)]
pub(super) enum Stage<'r> {
    /// Finds or makes the packet's entry.
    Conntrack,
    /// Rewrites the packet; asks the nat chains first when it begins a flow.
    Nat,
    /// A chain of type filter or route.
    Chain(Base<'r>),
}

/// One hook for packets of one family.
#[derive(Debug)]
pub(super) struct Lane<'r> {
    family: NatFamily,
    hook: Hook,
    pub(super) stages: Vec<Stage<'r>>,
    /// Chains of type nat, which the NAT stage asks.
    pub(super) nat: Vec<Base<'r>>,
    /// Whether the kernel translates packets of the family at all: any nat chain turns it on.
    pub(super) translates: bool,
}

/// Every hook of both families.
#[derive(Debug)]
pub(super) struct Hooks<'r>(Vec<Lane<'r>>);

impl<'r> Hooks<'r> {
    /// Orders the base chains.
    ///
    /// Of equal priorities, the chain that was registered last runs first; that is the one later
    /// in the ruleset, as we create chains in its order. Chains of type nat run inside the kernel's
    /// own hooks at −100 and 100; their priority orders them among each other only. Those hooks are
    /// registered with the first nat chain. Conntrack comes before chains of its priority: its place
    /// depends on who asks for it first.
    ///
    /// Source: `net/netfilter/core.c`, `nf_hook_entries_grow`; `net/netfilter/nf_nat_core.c`,
    /// `nf_nat_register_fn`; `net/netfilter/nf_nat_proto.c`, `nf_nat_ipv4_ops` (v6.12); the first
    /// two tried on 6.18.
    pub(super) fn new(ruleset: &'r Ruleset) -> Self {
        let tables: Vec<Arc<Index<'r>>> = ruleset
            .tables
            .iter()
            .map(|table| Arc::new(Index::new(table)))
            .collect();
        let families = [NatFamily::Ipv4, NatFamily::Ipv6];
        let lanes = families
            .into_iter()
            .flat_map(|family| HOOKS.map(|hook| lane(&tables, family, hook)));
        Self(lanes.collect())
    }

    /// The hook for packets of a family.
    pub(super) fn lane(&self, family: NatFamily, hook: Hook) -> Option<&Lane<'r>> {
        let mut lanes = self.0.iter();
        lanes.find(|lane| lane.family == family && lane.hook == hook)
    }
}

fn lane<'r>(tables: &[Arc<Index<'r>>], family: NatFamily, hook: Hook) -> Lane<'r> {
    let sees = |table: &Table| match table.family {
        Family::Inet => true,
        Family::Ip => family == NatFamily::Ipv4,
        Family::Ip6 => family == NatFamily::Ipv6,
    };
    // Priority, and then who was registered last.
    let mut stages: Vec<(i32, Reverse<usize>, Stage<'r>)> = Vec::new();
    let mut nat = Vec::new();
    let mut first_nat = None;
    let mut registered = 0;
    for index in tables.iter().filter(|index| sees(index.table)) {
        for chain in &index.table.chains {
            let Some(base) = chain.base else {
                continue;
            };
            registered += 1;
            if base.kind == ChainKind::Nat {
                first_nat = first_nat.or(Some(registered));
            }
            if base.hook != hook {
                continue;
            }
            let place = Base {
                index: Arc::clone(index),
                chain,
                policy: base.policy,
            };
            let order = Reverse(registered);
            match base.kind {
                ChainKind::Nat => nat.push((base.priority, order, place)),
                ChainKind::Filter | ChainKind::Route => {
                    stages.push((base.priority, order, Stage::Chain(place)));
                }
            }
        }
    }
    if matches!(hook, Hook::Prerouting | Hook::Output) {
        stages.push((CONNTRACK, Reverse(usize::MAX), Stage::Conntrack));
    }
    let priority = match hook {
        Hook::Prerouting | Hook::Output => Some(NAT_DESTINATION),
        Hook::Input | Hook::Postrouting => Some(NAT_SOURCE),
        Hook::Forward => None,
    };
    if let Some(priority) = priority {
        let order = Reverse(first_nat.unwrap_or(0));
        stages.push((priority, order, Stage::Nat));
    }
    stages.sort_by_key(|(priority, order, _)| (*priority, *order));
    nat.sort_by_key(|(priority, order, _)| (*priority, *order));
    Lane {
        family,
        hook,
        stages: stages.into_iter().map(|(_, _, stage)| stage).collect(),
        nat: nat.into_iter().map(|(_, _, place)| place).collect(),
        translates: first_nat.is_some(),
    }
}
