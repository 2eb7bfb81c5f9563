//! What dockerd tells its firewaller: daemon options, networks, published ports, links.
//!
//! These are the structs of moby's `firewaller` package, the whole interface between the bridge
//! driver and the code that makes rules.
//!
//! Source: moby docker-v29.0.0,
//! `daemon/libnetwork/drivers/bridge/internal/firewaller/firewaller.go`.

use std::net::IpAddr;

use dockfw_iptables::InterfacePattern;
use ipnet::IpNet;

use crate::docker::publish::Protocol;
use crate::host::Fwmark;

/// Options of the daemon.
///
/// Source: moby docker-v29.0.0, `firewaller.go`, `Config`; `skip_raw` is the environment variable
/// `DOCKER_INSECURE_NO_IPTABLES_RAW` there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the fields of Docker's own struct"
)]
pub struct Config {
    /// `iptables`: the daemon makes IPv4 rules.
    pub ipv4: bool,
    /// `ip6tables`: the daemon makes IPv6 rules.
    pub ipv6: bool,
    /// No docker-proxy: the kernel rewrites local and looped traffic too.
    pub hairpin: bool,
    /// `allow-direct-routing`: no drop of packets to container addresses from other interfaces.
    pub allow_direct_routing: bool,
    /// The host is WSL2 in mirrored mode, with the interface `loopback0`.
    pub wsl2_mirrored: bool,
    /// `DOCKER_INSECURE_NO_IPTABLES_RAW=1`: the table `raw` gets no rules.
    pub skip_raw: bool,
}

/// A network.
///
/// Source: moby docker-v29.0.0, `firewaller.go`, `NetworkConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkConfig {
    /// The bridge device.
    ///
    /// dockerd hands the name to iptables as it is: one that ends in `+` matches more.
    pub interface: InterfacePattern,
    /// `--internal`.
    pub internal: bool,
    /// Containers of the network may talk to each other.
    pub icc: bool,
    /// Outgoing packets take a host address.
    pub masquerade: bool,
    /// Interfaces that may send to container addresses directly.
    pub trusted_host_interfaces: Vec<InterfacePattern>,
    /// The daemon's `bridge-accept-fwmark`.
    pub accept_fwmark: Option<Fwmark>,
    /// IPv4; `None` when the network has no IPv4 subnet.
    pub config4: Option<FamilyConfig>,
    /// IPv6; `None` when the network has no IPv6 subnet.
    pub config6: Option<FamilyConfig>,
}

/// One family of a network.
///
/// Source: moby docker-v29.0.0, `firewaller.go`, `NetworkConfigFam`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyConfig {
    /// The source address of outgoing packets, when it is not left to masquerading.
    pub host_ip: Option<IpAddr>,
    /// The subnet.
    pub prefix: IpNet,
    /// Gateway mode `routed`.
    pub routed: bool,
    /// Gateway mode `nat-unprotected`.
    pub unprotected: bool,
}

/// A published port of one family.
///
/// Docker's struct has a `HostPortEnd` besides; it equals the host port once the port is chosen.
///
/// Source: moby docker-v29.0.0, `daemon/libnetwork/types/types.go`, `PortBinding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortBinding {
    /// The transport protocol.
    pub protocol: Protocol,
    /// The container's address.
    pub ip: IpAddr,
    /// The container's port.
    pub port: u16,
    /// The host address; unspecified for every address of the family.
    pub host_ip: IpAddr,
    /// The host port; 0 only opens the container's own address, which is what `routed` does.
    pub host_port: u16,
}

/// A port of a container that a legacy link opens.
///
/// Source: moby docker-v29.0.0, `daemon/libnetwork/types/types.go`, `TransportPort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportPort {
    /// The transport protocol.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
}
