//! The rules of an endpoint: nobody reaches a container's address past its bridge.
//!
//! Source: moby docker-v29.0.0,
//! `daemon/libnetwork/drivers/bridge/internal/iptabler/endpoint.go`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_iptables::{Family, InterfacePattern, Rule, TableName, Target};

use super::config::NetworkConfig;
use super::firewaller::{Firewaller, Mode, PREROUTING, Placed};

impl Firewaller {
    /// Makes the rules of a container's connection to a network, before it is up.
    ///
    /// Source: moby docker-v29.0.0, `endpoint.go`, `AddEndpoint`.
    pub fn add_endpoint(
        &mut self,
        network: &NetworkConfig,
        ipv4: Option<Ipv4Addr>,
        ipv6: Option<Ipv6Addr>,
    ) {
        self.filter_direct_access(network, ipv4.map(IpAddr::V4), Mode::Add);
        self.filter_direct_access(network, ipv6.map(IpAddr::V6), Mode::Add);
    }

    /// Removes what [`add_endpoint`](Self::add_endpoint) made.
    ///
    /// Source: moby docker-v29.0.0, `endpoint.go`, `DelEndpoint`.
    pub fn del_endpoint(
        &mut self,
        network: &NetworkConfig,
        ipv4: Option<Ipv4Addr>,
        ipv6: Option<Ipv6Addr>,
    ) {
        self.filter_direct_access(network, ipv4.map(IpAddr::V4), Mode::Delete);
        self.filter_direct_access(network, ipv6.map(IpAddr::V6), Mode::Delete);
    }

    /// E1 for every trusted interface, then E2.
    ///
    /// Nothing for internal networks and in the gateway modes that want direct access; with
    /// `allow-direct-routing` rules of an earlier start go.
    fn filter_direct_access(&mut self, network: &NetworkConfig, ip: Option<IpAddr>, mode: Mode) {
        let config = self.config;
        let Some(ip) = ip else { return };
        let family = if ip.is_ipv4() {
            Family::Ipv4
        } else {
            Family::Ipv6
        };
        let Some(subnet) = network.family(family) else {
            return;
        };
        if network.internal || subnet.unprotected || subnet.routed {
            return;
        }
        let Some(program) = self.program_mut(family) else {
            return;
        };
        let mode = mode.only_if(!config.allow_direct_routing && !config.skip_raw);
        for trusted in &network.trusted_host_interfaces {
            accept_trusted(ip, *trusted).apply(program, mode);
        }
        drop_direct_access(network, ip).apply(program, mode);
    }
}

/// E1: `-A PREROUTING -d EP -i TIF -j ACCEPT` in raw.
fn accept_trusted(ip: IpAddr, trusted: InterfacePattern) -> Placed {
    let rule = Rule::new(Target::Accept)
        .destination(ip)
        .in_interface(trusted);
    Placed::tail(TableName::Raw, PREROUTING, rule)
}

/// E2: `-A PREROUTING -d EP ! -i BR -j DROP` in raw.
fn drop_direct_access(network: &NetworkConfig, ip: IpAddr) -> Placed {
    let rule = Rule::new(Target::Drop)
        .destination(ip)
        .not_in_interface(network.interface);
    Placed::tail(TableName::Raw, PREROUTING, rule)
}
