//! A combined table becomes two generations.
//!
//! The order of chains in the kernel may be another than that of the table that was sent, so
//! nothing here depends on it.

use std::collections::BTreeMap;

use super::names::{self, Role};
use super::rename::Rename;
use super::{Damaged, Settled, select};
use crate::chain::{BaseChain, Chain, Policy};
use crate::name::ChainName;
use crate::statement::{Statement, Verdict};
use crate::table::Table;

/// A name that should have the prefix, and does not.
type Foreign = String;

const SETTLED: Rename<Foreign> = Rename {
    chain: |name| names::own_chain(name).ok_or_else(|| name.to_string()),
    set: |name| names::own_set(name).ok_or_else(|| name.to_string()),
};

pub(super) fn settle(combined: &Table) -> Result<Option<Settled>, Damaged> {
    let mut names = combined.sets.iter().map(|set| set.name.as_str());
    let mut chains = combined.chains.iter().map(|chain| chain.name.as_str());
    if !names.any(names::is_reserved) && !chains.any(names::is_reserved) {
        return Ok(None);
    }
    take_apart(combined).map(Some).map_err(|what| Damaged {
        family: combined.family,
        table: combined.name.clone(),
        what,
    })
}

/// What is found about the chains of a combined table.
#[derive(Default)]
struct Chains<'t> {
    /// Chains of the old generation, as they were.
    old: Vec<Chain>,
    /// Bodies of the new one, with their own names.
    bodies: Vec<(ChainName, &'t Chain)>,
    /// For each base chain of the new generation, what it hangs on; the policy is not its own.
    hooks: BTreeMap<ChainName, BaseChain>,
    /// Their own policies.
    policies: BTreeMap<ChainName, Policy>,
    /// The chains that say which tables there are, with the comments of those.
    old_table: Option<&'t Chain>,
    new_table: Option<&'t Chain>,
}

fn take_apart(combined: &Table) -> Result<Settled, String> {
    let until = names::until();
    if combined.set(&until).is_none() {
        return Err(format!("there is no set {until}"));
    }
    let mut chains = Chains::default();
    for chain in &combined.chains {
        chains.sort(combined, chain)?;
    }
    let mut old = Vec::new();
    let mut new = Vec::new();
    for set in combined.sets.iter().filter(|set| set.name != until) {
        if names::is_reserved(set.name.as_str()) {
            new.push(SETTLED.set(set).map_err(|name| not_renamed(&name))?);
        } else {
            old.push(set.clone());
        }
    }
    let (before, after) = (chains.old_table, chains.new_table);
    let old_chains = std::mem::take(&mut chains.old);
    let new_chains = chains.new_chains()?;
    let table = |marker: Option<&Chain>, sets: Vec<_>, chains: Vec<Chain>, which: &str| {
        let Some(marker) = marker else {
            let is_empty = sets.is_empty() && chains.is_empty();
            let foreign = || format!("chains or sets of the {which} table, which there was not");
            return if is_empty { Ok(None) } else { Err(foreign()) };
        };
        Ok(Some(Table {
            family: combined.family,
            name: combined.name.clone(),
            comment: marker.comment.clone(),
            sets,
            chains,
        }))
    };
    Ok(Settled {
        old: table(before, old, old_chains, "old")?,
        new: table(after, new, new_chains, "new")?,
    })
}

fn not_renamed(name: &str) -> String {
    format!("{name} stands where only pending names do")
}

impl<'t> Chains<'t> {
    fn sort(&mut self, combined: &Table, chain: &'t Chain) -> Result<(), String> {
        match names::role(&chain.name) {
            Role::Plain => self.plain(combined, chain)?,
            Role::Old => self.old_table = Some(chain),
            Role::New => self.new_table = Some(chain),
            Role::Both(name) | Role::Only(name) => {
                let policy = policy(chain).ok_or_else(|| shape(&chain.name))?;
                self.policies.insert(name, policy);
            }
            Role::Hook(name) => {
                let base = chain.base.ok_or_else(|| shape(&chain.name))?;
                self.hooks.insert(name, base);
            }
            Role::Body(name) => self.bodies.push((name, chain)),
            Role::Unknown => return Err(format!("chain {} is not ours", chain.name)),
        }
        Ok(())
    }

    /// A chain of the old generation, a base chain of both, or one of the new.
    fn plain(&mut self, combined: &Table, chain: &Chain) -> Result<(), String> {
        let Some(base) = chain.base else {
            self.old.push(chain.clone());
            return Ok(());
        };
        let led = chain.rules.split_first();
        let (verdict, rest) = led
            .and_then(|(first, rest)| Some((select::verdict(combined.family, first)?, rest)))
            .ok_or_else(|| shape(&chain.name))?;
        let is_old = match verdict {
            Verdict::Accept => true,
            Verdict::Goto(half) => {
                let is_both = match names::role(half) {
                    Role::Both(name) if name == chain.name => true,
                    Role::Only(name) if name == chain.name && rest.is_empty() => false,
                    Role::Both(_)
                    | Role::Only(_)
                    | Role::Plain
                    | Role::Old
                    | Role::New
                    | Role::Hook(_)
                    | Role::Body(_)
                    | Role::Unknown => return Err(shape(&chain.name)),
                };
                self.hooks.insert(chain.name.clone(), base);
                is_both
            }
            Verdict::Drop | Verdict::Continue | Verdict::Return | Verdict::Jump(_) => {
                return Err(shape(&chain.name));
            }
        };
        if is_old {
            self.old.push(Chain {
                name: chain.name.clone(),
                base: chain.base,
                rules: rest.to_vec(),
                comment: chain.comment.clone(),
            });
        }
        Ok(())
    }

    /// The chains of the new generation.
    fn new_chains(mut self) -> Result<Vec<Chain>, String> {
        let mut chains = Vec::with_capacity(self.bodies.len());
        for (name, body) in &self.bodies {
            let mut chain = SETTLED.body(body).map_err(|name| not_renamed(&name))?;
            chain.base = match (self.hooks.remove(name), self.policies.remove(name)) {
                (Some(base), Some(policy)) => Some(BaseChain { policy, ..base }),
                (None, None) => None,
                (Some(_), None) | (None, Some(_)) => return Err(shape(name)),
            };
            chains.push(chain);
        }
        match self.hooks.keys().chain(self.policies.keys()).next() {
            Some(left) => Err(format!("base chain {left} has lost its pending rules")),
            None => Ok(chains),
        }
    }
}

/// The policy behind the jump of a half.
fn policy(half: &Chain) -> Option<Policy> {
    let [jump, last] = half.rules.as_slice() else {
        return None;
    };
    let [Statement::Verdict(Verdict::Jump(_))] = jump.statements.as_slice() else {
        return None;
    };
    match last.statements.as_slice() {
        [Statement::Verdict(Verdict::Accept)] => Some(Policy::Accept),
        [Statement::Verdict(Verdict::Drop)] => Some(Policy::Drop),
        _ => None,
    }
}

fn shape(chain: &ChainName) -> String {
    format!("chain {chain} does not have the rules that it was given")
}
