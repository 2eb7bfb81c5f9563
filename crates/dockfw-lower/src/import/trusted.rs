//! `trusted_host_interfaces`: interfaces from which container addresses may be reached.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dockfw_iptables::TableName;
use dockfw_ir::name::IfName;

use super::gather::Dump;
use super::template::{Bridge, Fact};

/// The trusted interfaces of each bridge: those that all its addresses have, in order.
pub(super) fn trusted(dump: &Dump<'_>) -> BTreeMap<Bridge, Vec<IfName>> {
    let mut of_address: BTreeMap<IpAddr, Vec<Bridge>> = BTreeMap::new();
    let mut of_bridge: BTreeMap<Bridge, Vec<Bridge>> = BTreeMap::new();
    for program in &dump.programs {
        for fact in dump.facts(program.family(), TableName::Raw, "PREROUTING") {
            match fact {
                Fact::Trusted { address, from } => {
                    of_address.entry(address).or_default().push(from);
                }
                Fact::Direct { address, bridge } => {
                    // Its rules stand in front of this one.
                    let mine = of_address.remove(&address).unwrap_or_default();
                    of_bridge
                        .entry(bridge)
                        .and_modify(|common| common.retain(|of| mine.contains(of)))
                        .or_insert(mine);
                }
                _ => {}
            }
        }
    }
    let names = |patterns: Vec<Bridge>| {
        let mut names: Vec<IfName> = Vec::new();
        for pattern in patterns {
            names.extend(
                IfName::new(pattern.as_str())
                    .ok()
                    .filter(|of| !names.contains(of)),
            );
        }
        names
    };
    of_bridge
        .into_iter()
        .map(|(bridge, patterns)| (bridge, names(patterns)))
        .collect()
}
