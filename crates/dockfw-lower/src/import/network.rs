//! Networks and daemon options from what the rules say.

use std::net::{IpAddr, Ipv4Addr};

use dockfw_iptables::{Family, Policy, TableName};
use dockfw_ir::name::IfName;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::gather::{Dump, Layout, bridge_of};
use super::order::merge;
use super::template::{Bridge, Fact};
use crate::host::{DEFAULT_BRIDGE, Daemon, Driver, GatewayMode, Network, NetworkFamily};

/// A network as far as it has been found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) bridge: Bridge,
    pub(super) ipv4: Side,
    pub(super) ipv6: Side,
    pub(super) internal: bool,
    /// Where it was found.
    pub(super) origin: String,
}

/// One family of it.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is what one kind of rule says"
)]
pub(super) struct Side {
    pub(super) is_there: bool,
    pub(super) subnet: Option<IpNet>,
    pub(super) snat: Option<IpAddr>,
    pub(super) masquerade: bool,
    pub(super) routed: bool,
    pub(super) unprotected: bool,
    icc: Option<bool>,
}

impl Found {
    pub(super) fn side(&self, family: Family) -> &Side {
        match family {
            Family::Ipv4 => &self.ipv4,
            Family::Ipv6 => &self.ipv6,
        }
    }

    fn side_mut(&mut self, family: Family) -> &mut Side {
        match family {
            Family::Ipv4 => &mut self.ipv4,
            Family::Ipv6 => &mut self.ipv6,
        }
    }

    /// The name of the network: the device, except for Docker's default network.
    pub(super) fn name(&self) -> &str {
        match self.bridge.as_str() {
            "docker0" => DEFAULT_BRIDGE,
            name => name,
        }
    }
}

/// The networks, in the order in which Docker made them as far as the rules show it.
pub(super) fn networks(dump: &Dump<'_>) -> Vec<Found> {
    let mut sequences = Vec::new();
    for chain in ["DOCKER-FORWARD", "FORWARD"] {
        for program in &dump.programs {
            let facts = dump.facts(program.family(), TableName::Filter, chain);
            let made =
                facts.filter(|fact| matches!(fact, Fact::Looped { .. } | Fact::Outgoing { .. }));
            sequences.push(made.filter_map(|fact| bridge_of(&fact)).collect());
        }
    }
    // Docker inserts these at the head.
    for program in &dump.programs {
        let facts = dump
            .facts(program.family(), TableName::Nat, "POSTROUTING")
            .rev();
        let bridges: Vec<Bridge> = facts.filter_map(|fact| bridge_of(&fact)).collect();
        sequences.extend(bridges.into_iter().map(|bridge| vec![bridge]));
    }
    let others = dump.entries.iter().filter_map(|of| bridge_of(&of.fact?));
    sequences.extend(others.map(|bridge| vec![bridge]));
    merge(&sequences)
        .into_iter()
        .filter(|bridge| IfName::new(bridge.as_str()).is_ok())
        .map(|bridge| found(dump, bridge))
        .collect()
}

fn found(dump: &Dump<'_>, bridge: Bridge) -> Found {
    let mut found = Found {
        bridge,
        ipv4: Side::default(),
        ipv6: Side::default(),
        internal: false,
        origin: String::new(),
    };
    for entry in &dump.entries {
        let Some(fact) = entry.fact.filter(|fact| bridge_of(fact) == Some(bridge)) else {
            continue;
        };
        if found.origin.is_empty()
            || matches!(fact, Fact::Masquerade { .. } | Fact::Internal { .. })
        {
            found.origin = format!("-A {}{}", entry.chain, entry.rule);
        }
        found.internal |= matches!(fact, Fact::Internal { .. });
        let side = found.side_mut(entry.family);
        side.is_there = true;
        match fact {
            Fact::Masquerade { subnet, to, .. } => {
                side.subnet.get_or_insert(subnet);
                side.masquerade = true;
                side.snat = side.snat.or(to);
            }
            Fact::MasqueradeHost { to, .. } => side.snat = side.snat.or(to),
            Fact::Internal { subnet, .. } => {
                side.subnet.get_or_insert(subnet);
            }
            Fact::Looped { accepted, .. } => {
                side.icc.get_or_insert(accepted);
            }
            Fact::Icmp { .. } => side.routed = true,
            Fact::Default { accepted, .. } => side.unprotected = accepted,
            _ => {}
        }
    }
    found
}

/// The options of dockerd.
pub(super) fn daemon(dump: &Dump<'_>, networks: &[Found], notes: &mut Vec<String>) -> Daemon {
    let mut daemon = Daemon::default();
    let jumps: Vec<bool> = facts(dump)
        .filter_map(|fact| match fact {
            Fact::OutputJump { hairpin } => Some(hairpin),
            _ => None,
        })
        .collect();
    let unguarded = || {
        facts(dump).any(|fact| matches!(fact, Fact::Rewrite(rewrite) if rewrite.bridge.is_none()))
    };
    daemon.userland_proxy = match jumps.first() {
        Some(hairpin) => !hairpin,
        None => !unguarded(),
    };
    daemon.bridge_accept_fwmark = facts(dump).find_map(|fact| match fact {
        Fact::Marked(mark) => Some(mark),
        _ => None,
    });
    let policies: Vec<(Family, Policy)> = dump
        .programs
        .iter()
        .filter(|of| {
            networks
                .iter()
                .any(|network| network.side(of.family()).is_there)
        })
        .filter_map(|of| {
            let chain = of.chain(TableName::Filter, "FORWARD")?;
            Some((of.family(), chain.policy()?))
        })
        .collect();
    daemon.ip_forward_no_drop =
        !policies.is_empty() && policies.iter().all(|(_, policy)| *policy == Policy::Accept);
    if !daemon.ip_forward_no_drop {
        for (family, _) in policies
            .iter()
            .filter(|(_, policy)| *policy == Policy::Accept)
        {
            notes.push(format!(
                "the policy of FORWARD is ACCEPT for {} in the dump, and becomes DROP, because a \
                 policy file has one for both families (`ip-forward-no-drop`)",
                program_of(*family)
            ));
        }
    }
    if policies.is_empty() && !networks.is_empty() {
        notes.push(
            "the dump does not show the policy of FORWARD; it is taken to be DROP".to_owned(),
        );
    }
    daemon
}

fn facts<'d>(dump: &'d Dump<'_>) -> impl Iterator<Item = Fact> + 'd {
    dump.entries.iter().filter_map(|of| of.fact)
}

/// The program whose rules are those of a family.
pub(super) fn program_of(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "iptables",
        Family::Ipv6 => "ip6tables",
    }
}

/// The networks of the host model; `addresses` are the containers' with their bridges.
pub(super) fn model(
    dump: &Dump<'_>,
    found: &[Found],
    addresses: &[(Bridge, IpAddr)],
    notes: &mut Vec<String>,
) -> Vec<Network> {
    let mut taken: Vec<IpNet> = found
        .iter()
        .flat_map(|of| [of.ipv4.subnet, of.ipv6.subnet])
        .flatten()
        .collect();
    let mut networks = Vec::with_capacity(found.len());
    for of in found {
        let mut subnet = |family: Family, is_ipv4: bool, notes: &mut Vec<String>| {
            let side = of.side(family);
            let mine: Vec<IpAddr> = addresses
                .iter()
                .filter(|(bridge, address)| *bridge == of.bridge && address.is_ipv4() == is_ipv4)
                .map(|(_, address)| *address)
                .collect();
            if !side.is_there && mine.is_empty() {
                return None;
            }
            Some(side.subnet.unwrap_or_else(|| {
                let subnet = stand_in(&mine, is_ipv4, &taken);
                taken.push(subnet);
                notes.push(format!(
                    "network `{}`: its {} subnet is not in the dump; {subnet} stands in for it, \
                     write what `docker network inspect` shows",
                    of.name(),
                    if is_ipv4 { "IPv4" } else { "IPv6" },
                ));
                subnet
            }))
        };
        let ipv4 = subnet(Family::Ipv4, true, notes);
        let ipv6 = subnet(Family::Ipv6, false, notes);
        networks.push(Network {
            name: of.name().to_owned(),
            driver: Driver::Bridge,
            bridge: IfName::new(of.bridge.as_str()).ok(),
            ipv4: match ipv4 {
                Some(IpNet::V4(subnet)) => Some(NetworkFamily {
                    subnet,
                    gateway: None,
                    gateway_mode: of.ipv4.mode(),
                    host_address: match of.ipv4.snat {
                        Some(IpAddr::V4(address)) => Some(address),
                        Some(IpAddr::V6(_)) | None => None,
                    },
                }),
                Some(IpNet::V6(_)) | None => None,
            },
            ipv6: match ipv6 {
                Some(IpNet::V6(subnet)) => Some(NetworkFamily {
                    subnet,
                    gateway: None,
                    gateway_mode: of.ipv6.mode(),
                    host_address: match of.ipv6.snat {
                        Some(IpAddr::V6(address)) => Some(address),
                        Some(IpAddr::V4(_)) | None => None,
                    },
                }),
                Some(IpNet::V4(_)) | None => None,
            },
            internal: of.internal,
            icc: of.ipv4.icc.unwrap_or(true) && of.ipv6.icc.unwrap_or(true),
            masquerade: masquerade(dump, of),
            host_binding: Ipv4Addr::UNSPECIFIED.into(),
            trusted_host_interfaces: Vec::new(),
            inhibit_ipv4: false,
        });
    }
    networks
}

impl Side {
    fn mode(&self) -> GatewayMode {
        if self.routed {
            GatewayMode::Routed
        } else if self.unprotected {
            GatewayMode::NatUnprotected
        } else {
            GatewayMode::Nat
        }
    }
}

/// Whether outgoing packets take a host address; true where no rule could show it.
fn masquerade(dump: &Dump<'_>, of: &Found) -> bool {
    let mut could_show = [Family::Ipv4, Family::Ipv6]
        .into_iter()
        .filter(|family| {
            let has_nat = dump
                .program(*family)
                .is_some_and(|program| program.table(TableName::Nat).is_some());
            let side = of.side(*family);
            has_nat && side.is_there && !side.routed && !of.internal
        })
        .peekable();
    could_show.peek().is_none() || could_show.any(|family| of.side(family).masquerade)
}

/// A subnet around some addresses, or one that nobody uses, away from the others.
fn stand_in(addresses: &[IpAddr], is_ipv4: bool, taken: &[IpNet]) -> IpNet {
    let is_free = |net: &IpNet| {
        !taken
            .iter()
            .any(|other| other.contains(&net.network()) || net.contains(&other.network()))
    };
    if let Some(first) = addresses.first() {
        let lengths: &[u8] = if is_ipv4 {
            &[24, 20, 16, 12, 8, 28]
        } else {
            &[64, 56, 48, 32, 96]
        };
        let around = lengths
            .iter()
            .filter_map(|length| Some(IpNet::new(*first, *length).ok()?.trunc()))
            .find(|net| addresses.iter().all(|of| net.contains(of)) && is_free(net));
        if let Some(net) = around {
            return net;
        }
    }
    let unused = (0..=u8::MAX).map(|number| -> IpNet {
        if is_ipv4 {
            Ipv4Net::new_assert(Ipv4Addr::new(198, 18, number, 0), 24).into()
        } else {
            let documentation = [0x2001, 0xdb8, 0xffff, u16::from(number), 0, 0, 0, 0];
            Ipv6Net::new_assert(documentation.into(), 64).into()
        }
    });
    let mut unused = unused.filter(is_free);
    unused
        .next()
        .unwrap_or_else(|| Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 24).into())
}

/// Says which Docker the rules are of, where that matters.
pub(super) fn version_notes(dump: &Dump<'_>, notes: &mut Vec<String>) {
    for program in &dump.programs {
        let family = program.family();
        if dump.layout(family) == Layout::Forward {
            notes.push(format!(
                "the {} rules are of Docker 20.10 to 27; the policy means what Docker 28 and later \
                 make of it: container addresses and unpublished ports are closed to other \
                 interfaces whatever the policy of FORWARD (`allow-direct-routing = true` keeps \
                 published ports open on container addresses), and containers reach ports that \
                 other networks publish without docker-proxy",
                program_of(family)
            ));
        }
    }
}

/// Says which policies of built-in chains have no place in a policy file.
pub(super) fn policy_notes(dump: &Dump<'_>, notes: &mut Vec<String>) {
    for program in &dump.programs {
        for table in program.tables() {
            for chain in table.chains() {
                let name = chain.name().as_str();
                let is_ours = table.name() == TableName::Filter && name == "FORWARD";
                if chain.policy() == Some(Policy::Drop) && !is_ours {
                    notes.push(format!(
                        "left over: the policy of {name} in {} of {} is DROP; it belongs into a \
                         rules file",
                        table.name().as_str(),
                        program_of(program.family())
                    ));
                }
            }
        }
    }
}
