//! The lists of `-m recent` in a whole program: what must be known of all their rules before one of
//! them becomes native.
//!
//! A list becomes a set whose elements live for `--seconds`. It is the same as long as every rule
//! that asks for an address asks for the same time. Two things are not the same: `xt_recent` forgets
//! the oldest of 100 addresses (`ip_list_tot`) for a new one, where a set goes on until it is full;
//! and it keeps addresses that no rule with `--seconds` finds any more. So no rule may accept a
//! packet because its address is remembered, and none may ask for those old addresses.
//!
//! Source: linux v6.12, `net/netfilter/xt_recent.c`, `recent_mt`, `recent_entry_init`.

use std::collections::{BTreeMap, BTreeSet};

use dockfw_iptables::r#match::recent::{Action, Recent};
use dockfw_iptables::{Chain, ChainName, Match, Program, Rule, Table, Target};

/// The lists of a program, as the rules of one of its tables see them.
#[derive(Debug, Clone, Default)]
pub(super) struct Lists {
    lists: BTreeMap<Box<str>, List>,
    /// Chains in which a packet is refused or comes back.
    refusing: BTreeSet<ChainName>,
}

/// What the rules of a program do with a list.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct List {
    /// A rule puts addresses into it.
    pub(super) is_set: bool,
    /// The `--seconds` of the first rule that asks and says some.
    pub(super) seconds: Option<u32>,
}

impl Lists {
    pub(super) fn new(program: &Program, table: &Table) -> Self {
        let mut found = Self::default();
        let chains = program.tables().flat_map(Table::chains);
        for recent in chains.flat_map(Chain::rules).flat_map(of_rule) {
            let list = found.lists.entry(recent.name.clone()).or_default();
            match recent.action.value() {
                Action::Set => list.is_set = true,
                Action::Check | Action::Update => {
                    list.seconds = list.seconds.or(recent.seconds);
                }
                Action::Remove => {}
            }
        }
        // A chain refuses if all those it leads to do, which are found before it sooner or later.
        if !found.lists.is_empty() {
            while let Some(chain) = table.chains().find(|chain| {
                let mut rules = chain.rules();
                chain.policy().is_none()
                    && !found.refusing.contains(chain.name())
                    && rules.all(|rule| found.refuses_at_most(rule))
            }) {
                found.refusing.insert(chain.name().clone());
            }
        }
        found
    }

    /// A list of the program.
    pub(super) fn get(&self, name: &str) -> List {
        self.lists.get(name).copied().unwrap_or_default()
    }

    /// Whether a packet that gets to a rule can only be refused there for it, now or later.
    fn refuses_at_most(&self, rule: &Rule) -> bool {
        let removes = of_rule(rule).any(|of| *of.action.value() == Action::Remove);
        let returns = rule.target == Some(Target::Return);
        !removes
            && if returns {
                !rule.matches.iter().any(keeps_count)
            } else {
                self.refuses(rule, &rule.matches)
            }
    }

    /// Whether nothing more is accepted when more packets match a rule up to the last of its matches
    /// given here. What a limit lets pass for one packet it does not let pass for another, so that
    /// only logs may be limited.
    pub(super) fn refuses(&self, rule: &Rule, behind: &[Match]) -> bool {
        let mut counts = behind.iter().filter(|of| keeps_count(of)).peekable();
        match &rule.target {
            None | Some(Target::Log(_) | Target::Nflog(_)) => {
                // A hashlimit is shared with other rules.
                !counts.any(|of| matches!(of, Match::Hashlimit(_)))
            }
            Some(Target::Drop | Target::Reject(_)) => counts.peek().is_none(),
            Some(Target::Jump(chain)) => counts.peek().is_none() && self.refusing.contains(chain),
            Some(_) => false,
        }
    }
}

/// The lists that a rule looks at, in order.
pub(super) fn of_rule(rule: &Rule) -> impl Iterator<Item = &Recent> {
    rule.matches.iter().filter_map(|of| {
        let Match::Recent(recent) = of else {
            return None;
        };
        Some(recent)
    })
}

/// Whether a match answers by the packets that came to it before.
pub(super) fn keeps_count(of: &Match) -> bool {
    matches!(
        of,
        Match::Connlimit(_)
            | Match::Hashlimit(_)
            | Match::Limit(_)
            | Match::Quota(_)
            | Match::Statistic(_)
    )
}
