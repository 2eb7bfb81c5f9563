//! The operator's rules, put where running them would have put them.

use dockfw_iptables::{Chain, Family, Program, TableName};

use crate::lower::family;
use crate::rules::UserRules;
use crate::rules::user::{DOCKER_FORWARD, DOCKERS, FORWARD, markers};

/// Adds the rules of a program's family.
pub(super) fn add(user: &UserRules, program: &mut Program) {
    let wanted = match program.family() {
        Family::Ipv4 => family::Family::V4,
        Family::Ipv6 => family::Family::V6,
    };
    let Some(own) = user.families().find(|of| of.family == wanted) else {
        return;
    };
    let Some(from) = own.program.table(TableName::Filter) else {
        return;
    };
    let filter = program.table_mut(TableName::Filter);
    // All chains first: rules lead to any of them.
    let mine = |chain: &&Chain| {
        let name = chain.name();
        chain.policy().is_none() && *name != DOCKER_FORWARD && !DOCKERS.contains(name)
    };
    for chain in from.chains().filter(mine) {
        filter.create_chain(chain.name().clone());
        if let Some(to) = filter.chain_mut(chain.name().as_str()) {
            chain.rules().for_each(|rule| to.append(rule.clone()));
        }
    }
    for name in [FORWARD, DOCKER_FORWARD] {
        if let (Some(chain), Some(to)) =
            (from.chain(name.as_str()), filter.chain_mut(name.as_str()))
        {
            around(chain, to);
        }
    }
}

/// Puts the rules in front of, between and behind those of Docker.
fn around(from: &Chain, to: &mut Chain) {
    let dockers = markers(from.name());
    let mut dockers = dockers.iter().peekable();
    for (position, rule) in (1..).zip(from.rules()) {
        match dockers.peek() {
            Some(next) if *next == rule => {
                dockers.next();
            }
            Some(_) => to.insert(position, rule.clone()),
            None => to.append(rule.clone()),
        }
    }
}
