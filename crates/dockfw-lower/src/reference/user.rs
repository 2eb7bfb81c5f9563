//! The operator's rules, put where running them would have put them.

use dockfw_iptables::{Chain, ChainName, Family, Program, Rule, TableName, Target};

use crate::lower::family;
use crate::rules::UserRules;
use crate::rules::user::{DOCKER_FORWARD, DOCKER_USER, FORWARD};

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
    for chain in from.chains() {
        let name = chain.name();
        if *name == FORWARD || *name == DOCKER_FORWARD {
            continue;
        }
        let is_dockers = filter.chain(name.as_str()).is_some() && *name != DOCKER_USER;
        if is_dockers || chain.policy().is_some() || chain.rules().len() == 0 && is_of_docker(name)
        {
            continue;
        }
        filter.create_chain(name.clone());
        if let Some(to) = filter.chain_mut(name.as_str()) {
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

fn is_of_docker(name: &ChainName) -> bool {
    name.as_str().starts_with("DOCKER")
}

fn is_dockers_rule(rule: &Rule) -> bool {
    matches!(&rule.target, Some(Target::Jump(to)) if is_of_docker(to)) && rule.matches.is_empty()
}

/// Puts the rules in front of and behind those of Docker, which stand for all that Docker has.
fn around(from: &Chain, to: &mut Chain) {
    let mut position = 1;
    let mut rules = from.rules();
    let mut left = from.rules().filter(|rule| is_dockers_rule(rule)).count();
    while left > 0 {
        let Some(rule) = rules.next() else { return };
        if is_dockers_rule(rule) {
            left -= 1;
        } else {
            to.insert(position, rule.clone());
        }
        position += 1;
    }
    rules.for_each(|rule| to.append(rule.clone()));
}
