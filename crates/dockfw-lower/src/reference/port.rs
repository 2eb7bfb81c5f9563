//! The rules of a published port.
//!
//! Source: moby docker-v29.0.0,
//! `daemon/libnetwork/drivers/bridge/internal/iptabler/port.go`.

use std::net::{IpAddr, Ipv6Addr};

use dockfw_iptables::r#match::transport::Ports;
use dockfw_iptables::target::masquerade::Masquerade;
use dockfw_iptables::target::nat::NatRange;
use dockfw_iptables::{AddressMask, Family, Rule, TableName, Target};

use super::config::{NetworkConfig, PortBinding};
use super::firewaller::{
    DOCKER, Firewaller, LOOPBACK, Mode, POSTROUTING, PREROUTING, Placed, WSL2_LOOPBACK, transport,
};

impl Firewaller {
    /// Makes the rules of published ports, one binding after the other.
    ///
    /// Source: moby docker-v29.0.0, `port.go`, `AddPorts`.
    pub fn add_ports(&mut self, network: &NetworkConfig, bindings: &[PortBinding]) {
        for binding in bindings {
            self.port_rules(network, binding, Mode::Add);
        }
    }

    /// Removes what [`add_ports`](Self::add_ports) made.
    ///
    /// A rule that two host ports share goes with the first of them.
    ///
    /// Source: moby docker-v29.0.0, `port.go`, `DelPorts`.
    pub fn del_ports(&mut self, network: &NetworkConfig, bindings: &[PortBinding]) {
        for binding in bindings {
            self.port_rules(network, binding, Mode::Delete);
        }
    }

    /// P1 to P5 of one binding. The family is that of the container's address.
    fn port_rules(&mut self, network: &NetworkConfig, binding: &PortBinding, mode: Mode) {
        let config = self.config;
        let family = if binding.ip.is_ipv4() {
            Family::Ipv4
        } else {
            Family::Ipv6
        };
        let Some(subnet) = network.family(family) else {
            return;
        };
        let Some(program) = self.program_mut(family) else {
            return;
        };
        if network.internal {
            return;
        }
        let rewritten = binding.host_port != 0;
        if rewritten && matches!(binding.host_ip, IpAddr::V4(host) if host.is_loopback()) {
            let mode = mode.only_if(!config.skip_raw);
            accept_mirrored_loopback(binding).apply(program, mode.only_if(config.wsl2_mirrored));
            drop_remote_loopback(binding).apply(program, mode);
        }
        // Only docker-proxy leads from an IPv6 host address to an IPv4 container.
        if binding.host_ip.is_ipv4() != binding.ip.is_ipv4() {
            return;
        }
        if rewritten {
            rewrite(network, binding, config.hairpin).apply(program, mode);
            masquerade_self(binding).apply(program, mode.only_if(config.hairpin));
        }
        if !subnet.unprotected {
            accept_published(network, binding).apply(program, mode);
        }
    }
}

/// P1: `-A PREROUTING -d HIP -i loopback0 -p PR -m PR --dport HP -j ACCEPT` in raw, for IPv4
/// loopback addresses on WSL2 in mirrored mode.
fn accept_mirrored_loopback(binding: &PortBinding) -> Placed {
    let rule = Rule::new(Target::Accept)
        .destination(binding.host_ip)
        .in_interface(WSL2_LOOPBACK);
    let rule = transport(rule, binding.protocol, Ports::to(binding.host_port));
    Placed::tail(TableName::Raw, PREROUTING, rule)
}

/// P2: `-A PREROUTING -d HIP ! -i lo -p PR -m PR --dport HP -j DROP` in raw, for IPv4 loopback
/// addresses: `route_localnet` would let neighbours in.
fn drop_remote_loopback(binding: &PortBinding) -> Placed {
    let rule = Rule::new(Target::Drop)
        .destination(binding.host_ip)
        .not_in_interface(LOOPBACK);
    let rule = transport(rule, binding.protocol, Ports::to(binding.host_port));
    Placed::tail(TableName::Raw, PREROUTING, rule)
}

/// P3: `-A DOCKER [! -s fe80::/10] [-d HIP] [! -i BR] -p PR -m PR --dport HP -j DNAT
/// --to-destination EP:CP` in nat.
///
/// IPv6 leaves link-local sources to docker-proxy; `-d` names a specific host address; the
/// bridge's own containers go to docker-proxy, unless there is none (hairpin).
fn rewrite(network: &NetworkConfig, binding: &PortBinding, hairpin: bool) -> Placed {
    let to = NatRange::socket(binding.ip, binding.port);
    let mut rule = Rule::new(Target::Dnat(to));
    if binding.ip.is_ipv6() {
        rule = rule.not_source(link_local());
    }
    if !binding.host_ip.is_unspecified() {
        rule = rule.destination(binding.host_ip);
    }
    if !hairpin {
        rule = rule.not_in_interface(network.interface);
    }
    let rule = transport(rule, binding.protocol, Ports::to(binding.host_port));
    Placed::tail(TableName::Nat, DOCKER, rule)
}

/// P4: `-A POSTROUTING -s EP -d EP -p PR -m PR --dport CP -j MASQUERADE` in nat, in hairpin
/// mode: a container that calls its own published port must get the answer from the host.
fn masquerade_self(binding: &PortBinding) -> Placed {
    let rule = Rule::new(Target::Masquerade(Masquerade::default()))
        .source(binding.ip)
        .destination(binding.ip);
    let rule = transport(rule, binding.protocol, Ports::to(binding.port));
    Placed::tail(TableName::Nat, POSTROUTING, rule)
}

/// P5: `-I DOCKER -d EP ! -i BR -o BR -p PR -m PR --dport CP -j ACCEPT` in filter, except in
/// gateway mode `nat-unprotected`.
fn accept_published(network: &NetworkConfig, binding: &PortBinding) -> Placed {
    let rule = Rule::new(Target::Accept)
        .destination(binding.ip)
        .not_in_interface(network.interface)
        .out_interface(network.interface);
    let rule = transport(rule, binding.protocol, Ports::to(binding.port));
    Placed::head(TableName::Filter, DOCKER, rule)
}

/// `fe80::/10`.
fn link_local() -> AddressMask {
    let first = |bits: u16| Ipv6Addr::new(bits, 0, 0, 0, 0, 0, 0, 0);
    AddressMask::ipv6(first(0xfe80), first(0xffc0))
}
