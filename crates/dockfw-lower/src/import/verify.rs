//! Does what was recognised follow from the host? What Docker would make of it decides.

use dockfw_iptables::{AddressMask, Family, Program, Rule, TableName};

use super::gather::{Class, Dump, Entry, Layout};
use super::network::program_of;
use super::template::{Fact, bridge_is_network};
use crate::host::Host;
use crate::reference::{Reference, reference};

/// How many rules are shown one by one before only their number is.
const SHOWN: usize = 4;

/// Classifies the rules with Docker's shapes, and notes what Docker makes besides.
pub(super) fn verify(dump: &mut Dump<'_>, host: &Host, notes: &mut Vec<String>) {
    let reference = reference(host);
    let hairpin = !host.daemon.userland_proxy;
    let rewritten: Vec<_> = dump
        .entries
        .iter()
        .filter_map(|of| match of.fact {
            Some(Fact::Rewrite(of)) => Some((of.address, of.protocol, of.port)),
            _ => None,
        })
        .collect();
    let rewritten: std::collections::BTreeSet<_> = rewritten.into_iter().collect();
    for entry in &mut dump.entries {
        let Some(fact) = entry.fact else { continue };
        let program = program(&reference, entry.family);
        let follows = match fact {
            Fact::Skeleton => true,
            Fact::MasqueradeSelf {
                address,
                protocol,
                port,
            } if !hairpin => rewritten.contains(&(address, protocol, port)),
            Fact::Rewrite(_) => {
                is_made(program, entry, entry.rule) || is_made_since_28(program, entry)
            }
            Fact::Isolated { .. }
            | Fact::Established { .. }
            | Fact::ToDocker { .. }
            | Fact::Outgoing { .. }
            | Fact::Looped { .. }
            | Fact::Internal { .. }
                if is_older(entry) =>
            {
                bridge_is_network(&fact, host)
            }
            _ => is_made(program, entry, entry.rule),
        };
        entry.class = if follows {
            Class::Docker
        } else {
            Class::Leftover(
                "it has the form of a rule of Docker, but does not follow from the networks and \
                 containers found; a remnant, or one that says otherwise than others"
                    .to_owned(),
            )
        };
    }
    for family in [Family::Ipv4, Family::Ipv6] {
        besides(dump, family, program(&reference, family), notes);
    }
}

fn program(reference: &Reference, family: Family) -> &Program {
    match family {
        Family::Ipv4 => &reference.ipv4,
        Family::Ipv6 => &reference.ipv6,
    }
}

fn is_made(program: &Program, entry: &Entry<'_>, rule: &Rule) -> bool {
    let chain = program.chain(entry.table, entry.chain.as_str());
    chain.is_some_and(|chain| chain.contains(rule))
}

/// IPv6 rules of Docker before 28 had no exception for link-local sources.
fn is_made_since_28(program: &Program, entry: &Entry<'_>) -> bool {
    let link_local = AddressMask::ipv6(
        std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0),
        std::net::Ipv6Addr::new(0xffc0, 0, 0, 0, 0, 0, 0, 0),
    );
    let rule = entry.rule.clone();
    rule.source.is_none() && is_made(program, entry, &rule.not_source(link_local))
}

/// A rule in a chain, or of a kind, that Docker 29 does not have.
fn is_older(entry: &Entry<'_>) -> bool {
    let chain = entry.chain.as_str();
    chain == "FORWARD"
        || chain.starts_with("DOCKER-ISOLATION")
        || (entry.table == TableName::Nat && chain == "DOCKER")
}

/// Notes what Docker 29 would make and the dump does not have.
fn besides(dump: &Dump<'_>, family: Family, reference: &Program, notes: &mut Vec<String>) {
    let Some(program) = dump.program(family) else {
        return;
    };
    let layout = dump.layout(family);
    if layout == Layout::None && program.table(TableName::Filter).is_some() {
        return;
    }
    for table in reference.tables() {
        let name = table.name();
        if program.table(name).is_none() && name != TableName::Raw {
            let wanted = table.chains().any(|chain| chain.rules().len() > 0);
            if wanted {
                notes.push(format!(
                    "the {} dump has no table {}; what stands there is guessed",
                    program_of(family),
                    name.as_str()
                ));
            }
            continue;
        }
        // What is missing there is a matter of the version, and said as such.
        if layout == Layout::Forward && matches!(name, TableName::Filter | TableName::Raw) {
            continue;
        }
        for chain in table.chains() {
            if matches!(chain.name().as_str(), "FORWARD" | "DOCKER-USER") {
                continue;
            }
            let there = program.chain(name, chain.name().as_str());
            let older = |rule: &Rule| {
                let mut rule = rule.clone();
                rule.source = None;
                family == Family::Ipv6 && there.is_some_and(|there| there.contains(&rule))
            };
            let missing: Vec<&Rule> = chain
                .rules()
                .filter(|rule| there.is_none_or(|there| !there.contains(rule)) && !older(rule))
                .collect();
            for rule in missing.iter().take(SHOWN) {
                notes.push(format!(
                    "not in the {} dump, but what Docker 29 makes: {} -A {}{rule}",
                    program_of(family),
                    name.as_str(),
                    chain.name()
                ));
            }
            if let Some(more) = missing.len().checked_sub(SHOWN).filter(|more| *more > 0) {
                notes.push(format!(
                    "and {more} more of the kind in {} of table {}",
                    chain.name(),
                    name.as_str()
                ));
            }
        }
    }
}
