//! The rules of a network, made when it is created.
//!
//! Source: moby docker-v29.0.0,
//! `daemon/libnetwork/drivers/bridge/internal/iptabler/network.go`.

use dockfw_iptables::r#match::addrtype::{AddressTypes, Addrtype};
use dockfw_iptables::r#match::conntrack::{Conntrack, States};
use dockfw_iptables::r#match::mark::Mark;
use dockfw_iptables::target::masquerade::Masquerade;
use dockfw_iptables::target::nat::NatRange;
use dockfw_iptables::{Family, Invertible, Protocol, Rule, TableName, Target};

use super::config::{Config, FamilyConfig, NetworkConfig};
use super::firewaller::{
    DOCKER, DOCKER_BRIDGE, DOCKER_CT, DOCKER_FORWARD, DOCKER_INTERNAL, Firewaller, Mode,
    POSTROUTING, Placed, jump,
};
use crate::host::Fwmark;

impl NetworkConfig {
    /// One family's part, if the network has it.
    pub(super) fn family(&self, family: Family) -> Option<&FamilyConfig> {
        match family {
            Family::Ipv4 => self.config4.as_ref(),
            Family::Ipv6 => self.config6.as_ref(),
        }
    }
}

impl Firewaller {
    /// Makes the rules of a network, IPv4 before IPv6.
    ///
    /// Source: moby docker-v29.0.0, `network.go`, `NewNetwork`.
    pub fn new_network(&mut self, network: &NetworkConfig) {
        self.network_level_rules(network, Mode::Add);
    }

    /// Removes what [`new_network`](Self::new_network) made.
    ///
    /// The rule for marked packets goes too, though other networks still want it (spec §2.11,
    /// Q1).
    ///
    /// Source: moby docker-v29.0.0, `network.go`, `DelNetworkLevelRules`.
    pub fn del_network_level_rules(&mut self, network: &NetworkConfig) {
        self.network_level_rules(network, Mode::Delete);
    }

    fn network_level_rules(&mut self, network: &NetworkConfig, mode: Mode) {
        let config = self.config;
        for family in [Family::Ipv4, Family::Ipv6] {
            let Some(program) = self.program_mut(family) else {
                continue;
            };
            let Some(subnet) = network.family(family) else {
                continue;
            };
            let rules = if network.internal {
                internal_rules(network, subnet, family)
            } else {
                external_rules(config, network, subnet, family)
            };
            for (wanted, rule) in rules {
                rule.apply(program, mode.only_if(wanted));
            }
        }
    }
}

/// The rules of a network that is not internal, in Docker's order.
///
/// The flag says whether the rule is wanted: dockerd deletes an unwanted N3, which an earlier
/// start may have left, and leaves all other unwanted rules alone.
fn external_rules(
    config: Config,
    network: &NetworkConfig,
    subnet: &FamilyConfig,
    family: Family,
) -> Vec<(bool, Placed)> {
    let mut rules = Vec::with_capacity(9);
    if let Some(mark) = network.accept_fwmark {
        rules.push((true, accept_marked(mark)));
    }
    if network.masquerade && !subnet.routed {
        rules.push((true, masquerade(network, subnet)));
    }
    rules.push((config.hairpin, masquerade_host(network, subnet)));
    if !network.icc {
        rules.push((true, drop_icc(network)));
    }
    if subnet.routed {
        rules.push((true, accept_icmp(network, family)));
    }
    rules.push((true, accept_outgoing(network)));
    rules.push((true, default_rule(network, subnet)));
    rules.push((true, accept_established(network)));
    rules.push((true, bridge_to_docker(network)));
    rules
}

/// The rules of an internal network, in Docker's order; no option but ICC changes them.
fn internal_rules(
    network: &NetworkConfig,
    subnet: &FamilyConfig,
    family: Family,
) -> Vec<(bool, Placed)> {
    vec![
        (true, drop_out_of_internal(network, subnet, family)),
        (true, drop_into_internal(network, subnet, family)),
        (true, internal_icc(network)),
    ]
}

/// N1: `-I DOCKER-FORWARD -m mark --mark 0xM[/0xK] -j ACCEPT`.
///
/// One rule for all networks; it does not name the bridge.
fn accept_marked(Fwmark { mark, mask }: Fwmark) -> Placed {
    let rule = Rule::new(Target::Accept).with(Mark {
        value: Invertible::Is((mark, mask)),
    });
    Placed::head(TableName::Filter, DOCKER_FORWARD, rule)
}

/// N2: `-I POSTROUTING -s SUB ! -o BR -j MASQUERADE`, or `-j SNAT --to-source SNATIP`.
fn masquerade(network: &NetworkConfig, subnet: &FamilyConfig) -> Placed {
    let rule = Rule::new(source_nat(subnet))
        .source(subnet.prefix)
        .not_out_interface(network.interface);
    Placed::head(TableName::Nat, POSTROUTING, rule)
}

/// N3: `-I POSTROUTING -o BR -m addrtype --src-type LOCAL -j MASQUERADE`, or
/// `-j SNAT --to-source SNATIP`.
///
/// Only in hairpin mode, and then whatever the gateway mode and the masquerade option say.
fn masquerade_host(network: &NetworkConfig, subnet: &FamilyConfig) -> Placed {
    let rule = Rule::new(source_nat(subnet))
        .out_interface(network.interface)
        .with(Addrtype::source(AddressTypes::LOCAL));
    Placed::head(TableName::Nat, POSTROUTING, rule)
}

/// The target of N2 and N3.
fn source_nat(subnet: &FamilyConfig) -> Target {
    match subnet.host_ip {
        Some(address) => Target::Snat(NatRange::address(address)),
        None => Target::Masquerade(Masquerade::default()),
    }
}

/// N4: `-A DOCKER-FORWARD -i BR -o BR -j DROP`, without ICC.
fn drop_icc(network: &NetworkConfig) -> Placed {
    Placed::tail(
        TableName::Filter,
        DOCKER_FORWARD,
        looped(network, Target::Drop),
    )
}

/// N5: `-A DOCKER -o BR -p icmp -j ACCEPT` (`-p ipv6-icmp`), in gateway mode `routed`.
fn accept_icmp(network: &NetworkConfig, family: Family) -> Placed {
    let protocol = match family {
        Family::Ipv4 => Protocol::ICMP,
        Family::Ipv6 => Protocol::ICMPV6,
    };
    let rule = Rule::new(Target::Accept)
        .out_interface(network.interface)
        .protocol(protocol);
    Placed::tail(TableName::Filter, DOCKER, rule)
}

/// N6: `-A DOCKER-FORWARD -i BR [! -o BR] -j ACCEPT`; the bracket without ICC.
fn accept_outgoing(network: &NetworkConfig) -> Placed {
    let mut rule = Rule::new(Target::Accept).in_interface(network.interface);
    if !network.icc {
        rule = rule.not_out_interface(network.interface);
    }
    Placed::tail(TableName::Filter, DOCKER_FORWARD, rule)
}

/// N7: `-A DOCKER ! -i BR -o BR -j DROP`, or `-j ACCEPT` in gateway mode `nat-unprotected`.
fn default_rule(network: &NetworkConfig, subnet: &FamilyConfig) -> Placed {
    let target = if subnet.unprotected {
        Target::Accept
    } else {
        Target::Drop
    };
    let rule = Rule::new(target)
        .not_in_interface(network.interface)
        .out_interface(network.interface);
    Placed::tail(TableName::Filter, DOCKER, rule)
}

/// N8: `-A DOCKER-CT -o BR -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`.
fn accept_established(network: &NetworkConfig) -> Placed {
    let rule = Rule::new(Target::Accept)
        .out_interface(network.interface)
        .with(Conntrack::state(States::RELATED.or(States::ESTABLISHED)));
    Placed::tail(TableName::Filter, DOCKER_CT, rule)
}

/// N9: `-A DOCKER-BRIDGE -o BR -j DOCKER`.
fn bridge_to_docker(network: &NetworkConfig) -> Placed {
    let rule = jump(DOCKER).out_interface(network.interface);
    Placed::tail(TableName::Filter, DOCKER_BRIDGE, rule)
}

/// I1: `-I DOCKER-INTERNAL ! -d SUB -i BR -j DROP`; IPv6 has `! -o BR` besides, so that bridged
/// link-local and multicast packets pass.
fn drop_out_of_internal(network: &NetworkConfig, subnet: &FamilyConfig, family: Family) -> Placed {
    let mut rule = Rule::new(Target::Drop)
        .not_destination(subnet.prefix)
        .in_interface(network.interface);
    if family == Family::Ipv6 {
        rule = rule.not_out_interface(network.interface);
    }
    Placed::head(TableName::Filter, DOCKER_INTERNAL, rule)
}

/// I2: `-I DOCKER-INTERNAL ! -s SUB -o BR -j DROP`; IPv6 has `! -i BR` besides.
fn drop_into_internal(network: &NetworkConfig, subnet: &FamilyConfig, family: Family) -> Placed {
    let mut rule = Rule::new(Target::Drop)
        .not_source(subnet.prefix)
        .out_interface(network.interface);
    if family == Family::Ipv6 {
        rule = rule.not_in_interface(network.interface);
    }
    Placed::head(TableName::Filter, DOCKER_INTERNAL, rule)
}

/// I3: `-A DOCKER-FORWARD -i BR -o BR -j ACCEPT`, or `-j DROP` without ICC.
fn internal_icc(network: &NetworkConfig) -> Placed {
    let target = if network.icc {
        Target::Accept
    } else {
        Target::Drop
    };
    Placed::tail(TableName::Filter, DOCKER_FORWARD, looped(network, target))
}

/// `-i BR -o BR`: from one container of the network to another.
fn looped(network: &NetworkConfig, target: Target) -> Rule {
    Rule::new(target)
        .in_interface(network.interface)
        .out_interface(network.interface)
}
