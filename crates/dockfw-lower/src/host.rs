//! The host model: the part of a Docker host's configuration that decides about packets.
//!
//! A [`Host`] holds what dockerd would know: daemon options, networks with their driver options
//! parsed, containers with their addresses and `-p` strings parsed.
//! It is built from a policy file (crate `dockfw`) or by hand in tests;
//! [`check`](mod@crate::docker::check) says whether dockerd would accept it.
//!
//! Source: moby docker-v29.0.0, `daemon/libnetwork/drivers/bridge/bridge_linux.go`
//! (`networkConfiguration`) and `daemon/config/config_linux.go`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_ir::name::IfName;
use ipnet::{Ipv4Net, Ipv6Net};

use crate::docker::publish::{PortRange, Protocol, Publish};
use crate::rules::UserRules;

/// One Docker host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Host {
    /// Options of dockerd.
    pub daemon: Daemon,
    /// Networks, in the order in which they were written.
    pub networks: Vec<Network>,
    /// Containers, in the order in which they were written.
    pub containers: Vec<Container>,
    /// Swarm's routing mesh, when the host is a node of a swarm that publishes ports.
    pub ingress: Option<Ingress>,
    /// The host is WSL2 in mirrored mode: what Windows sends to `localhost` arrives on an
    /// interface `loopback0`.
    pub wsl2_mirrored: bool,
    /// Packets and bytes of each published port are counted, in both directions; see
    /// [`count`](mod@crate::count).
    pub count_publishes: bool,
    /// The operator's own rules around Docker's.
    pub user: Option<UserRules>,
}

impl Host {
    /// Swarm's routing mesh and the network that its sandbox is in: index and network.
    ///
    /// `None` also when there is no bridge network [`DOCKER_GWBRIDGE`], which
    /// [`check`](fn@crate::docker::check::check) refuses.
    pub fn mesh(&self) -> Option<(&Ingress, usize, &Network)> {
        let ingress = self.ingress.as_ref()?;
        let mut networks = self.networks.iter().enumerate();
        let is_gateway =
            |network: &Network| network.name == DOCKER_GWBRIDGE && network.driver == Driver::Bridge;
        let (index, network) = networks.find(|(_, network)| is_gateway(network))?;
        Some((ingress, index, network))
    }
}

/// The firewall-relevant keys of `daemon.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the switches of daemon.json"
)]
pub struct Daemon {
    /// `userland-proxy`, default true: docker-proxy relays what the kernel does not rewrite.
    ///
    /// False is Docker's *hairpin mode*: the kernel rewrites everything.
    pub userland_proxy: bool,
    /// `allow-direct-routing`, default false: published ports also answer on the container's own
    /// address when the packet comes from another interface than its bridge.
    pub allow_direct_routing: bool,
    /// `ip-forward`, default true: dockerd enables forwarding.
    pub ip_forward: bool,
    /// `ip-forward-no-drop`, default false: the policy of `FORWARD` stays accept.
    pub ip_forward_no_drop: bool,
    /// `bridge-accept-fwmark`: packets with this mark are accepted towards Docker's bridges.
    pub bridge_accept_fwmark: Option<Fwmark>,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            userland_proxy: true,
            allow_direct_routing: false,
            ip_forward: true,
            ip_forward_no_drop: false,
            bridge_accept_fwmark: None,
        }
    }
}

/// A mark and the bits of it that count, in host byte order: `mark[/mask]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fwmark {
    /// The value that the masked mark must have.
    pub mark: u32,
    /// The bits that are compared; all of them when no mask is given.
    pub mask: u32,
}

/// A Docker network.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the switches of a Docker network"
)]
pub struct Network {
    /// The name of `docker network create`.
    pub name: String,
    /// The driver; only [`Driver::Bridge`] has rules on the host.
    pub driver: Driver,
    /// The bridge device, `com.docker.network.bridge.name`.
    ///
    /// `None` for the other drivers.
    pub bridge: Option<IfName>,
    /// IPv4, unless the network has none.
    pub ipv4: Option<NetworkFamily<Ipv4Net>>,
    /// IPv6, unless the network has none.
    pub ipv6: Option<NetworkFamily<Ipv6Net>>,
    /// `--internal`: no traffic in or out.
    pub internal: bool,
    /// `com.docker.network.bridge.enable_icc`, default true: containers of the network may talk.
    pub icc: bool,
    /// `com.docker.network.bridge.enable_ip_masquerade`, default true.
    pub masquerade: bool,
    /// `com.docker.network.bridge.host_binding_ipv4`: the host address of a publish that names
    /// none. `0.0.0.0` by default; an IPv6 address is allowed.
    pub host_binding: IpAddr,
    /// `com.docker.network.bridge.trusted_host_interfaces`.
    pub trusted_host_interfaces: Vec<IfName>,
    /// `com.docker.network.bridge.inhibit_ipv4`: the bridge gets no IPv4 address.
    pub inhibit_ipv4: bool,
}

/// The driver of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Driver {
    /// A Linux bridge on the host.
    #[default]
    Bridge,
    /// `ipvlan`: its traffic passes no hook of the host; dockfw makes nothing of it.
    Ipvlan,
    /// `macvlan`: likewise.
    Macvlan,
    /// `overlay`: swarm's VXLAN networks, which live in namespaces of their own; their traffic to
    /// the outside goes through `docker_gwbridge`, a bridge.
    Overlay,
    /// `host`: containers share the host's namespace.
    Host,
    /// `none`: no network at all.
    None,
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// One address family of a network. `N` is [`Ipv4Net`] or [`Ipv6Net`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkFamily<N: Net> {
    /// The subnet; [`check`](fn@crate::docker::check::check) refuses it unless its host bits are
    /// zero.
    pub subnet: N,
    /// The bridge's address in the subnet, when it is known.
    pub gateway: Option<N::Address>,
    /// `com.docker.network.bridge.gateway_mode_ipv4` or `_ipv6`.
    pub gateway_mode: GatewayMode,
    /// `com.docker.network.host_ipv4` or `_ipv6`: source address instead of masquerading.
    pub host_address: Option<N::Address>,
}

/// An IPv4 or IPv6 subnet type together with its address type.
pub trait Net: Copy + Eq + fmt::Debug + fmt::Display {
    /// The address type of the family.
    type Address: Copy + Eq + Ord + fmt::Debug + fmt::Display + Into<IpAddr>;
}

impl Net for Ipv4Net {
    type Address = Ipv4Addr;
}

impl Net for Ipv6Net {
    type Address = Ipv6Addr;
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bridge => "bridge",
            Self::Ipvlan => "ipvlan",
            Self::Macvlan => "macvlan",
            Self::Overlay => "overlay",
            Self::Host => "host",
            Self::None => "none",
        })
    }
}

/// `com.docker.network.bridge.gateway_mode_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GatewayMode {
    /// Published ports are rewritten, everything else is closed (the default).
    #[default]
    Nat,
    /// Published ports are rewritten, and container addresses are open to everybody.
    NatUnprotected,
    /// No rewriting; published ports and ICMP are open on the container's address.
    Routed,
    /// No address on the bridge; only with `internal`.
    Isolated,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Container {
    /// The name of `docker run --name`.
    pub name: String,
    /// Its connections to networks.
    pub endpoints: Vec<Endpoint>,
    /// Its published ports, as written.
    pub publish: Vec<Publish>,
    /// `EXPOSE` of its image and `--expose`; the container ports of `publish` are exposed besides.
    pub expose: Vec<Exposed>,
    /// `docker run --link`: indexes into [`Host::containers`] of the servers it may speak to on
    /// the default bridge.
    pub links: Vec<usize>,
}

/// Ports that a container exposes: `80`, `3000-3003/udp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exposed {
    /// The transport protocol.
    pub protocol: Protocol,
    /// The container ports.
    pub ports: PortRange,
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ports, self.protocol)
    }
}

/// Swarm's routing mesh on this host: published ports of services, IPv4 only.
///
/// A packet to a published port goes to the ingress sandbox, which balances it over the nodes.
///
/// Source: moby docker-v29.0.0, `daemon/libnetwork/service_linux.go`, `programIngress`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingress {
    /// The address of the ingress sandbox on the network [`DOCKER_GWBRIDGE`].
    pub sandbox: Ipv4Addr,
    /// Published ports of services, without host address and with definite host ports; the
    /// container ports play no part on this host.
    pub publish: Vec<Publish>,
}

/// The network that dockerd makes for swarm's traffic to and from the outside.
pub const DOCKER_GWBRIDGE: &str = "docker_gwbridge";

/// Docker's default network, whose containers may be linked.
pub const DEFAULT_BRIDGE: &str = "bridge";

/// A container's connection to a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Index into [`Host::networks`].
    pub network: usize,
    /// Its IPv4 address there.
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 address there.
    pub ipv6: Option<Ipv6Addr>,
    /// `gw-priority`: the endpoint with the highest one carries the published ports. Default 0.
    pub gw_priority: i64,
}
