//! What differs between IPv4 and IPv6, and a network seen one family at a time.

use std::net::IpAddr;

use dockfw_ir::Value;
use dockfw_ir::expr::{Meta, Payload};
use dockfw_ir::statement::nat::{NatFamily, NatTarget};
use dockfw_ir::statement::{Operator, Statement};
use dockfw_ir::value::DataType;
use ipnet::IpNet;

use crate::host::{GatewayMode, Net, Network, NetworkFamily};

/// An address family of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const ALL: [Self; 2] = [Self::V4, Self::V6];

    pub(crate) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }

    pub(crate) const fn saddr(self) -> Payload {
        match self {
            Self::V4 => Payload::IpSaddr,
            Self::V6 => Payload::Ip6Saddr,
        }
    }

    pub(crate) const fn daddr(self) -> Payload {
        match self {
            Self::V4 => Payload::IpDaddr,
            Self::V6 => Payload::Ip6Daddr,
        }
    }

    pub(super) const fn address_type(self) -> DataType {
        match self {
            Self::V4 => DataType::Ipv4Addr,
            Self::V6 => DataType::Ipv6Addr,
        }
    }

    pub(super) const fn nat(self) -> NatFamily {
        match self {
            Self::V4 => NatFamily::Ipv4,
            Self::V6 => NatFamily::Ipv6,
        }
    }

    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    pub(crate) const fn nfproto(self) -> u8 {
        self.nat().nfproto()
    }

    /// `IPPROTO_ICMP` or `IPPROTO_ICMPV6`.
    pub(super) const fn icmp(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 58,
        }
    }

    /// `meta nfproto ipv4`
    pub(crate) fn only(self) -> Statement {
        Statement::equal(Meta::Nfproto, Value::new().and_u8(self.nfproto()))
    }

    /// `ip daddr 127.0.0.0/8` or `ip6 daddr ::1`
    pub(crate) fn to_loopback(self) -> Statement {
        match self {
            Self::V4 => Statement::masked(
                self.daddr(),
                Value::new().and_ipv4([255, 0, 0, 0].into()),
                Operator::Equal,
                Value::new().and_ipv4([127, 0, 0, 0].into()),
            ),
            Self::V6 => Statement::equal(
                self.daddr(),
                Value::new().and_ipv6(std::net::Ipv6Addr::LOCALHOST),
            ),
        }
    }
}

/// A prefix test: `ip saddr 172.18.0.0/16`.
pub(super) fn in_prefix(field: Payload, net: IpNet, operator: Operator) -> Statement {
    let network = Value::new().and_ip(net.network());
    if net.prefix_len() == net.max_prefix_len() {
        return Statement::compare(field, operator, network);
    }
    Statement::masked(field, Value::new().and_ip(net.netmask()), operator, network)
}

/// One family of a bridge network.
#[derive(Debug, Clone, Copy)]
pub(super) struct FamilyView {
    pub(super) family: Family,
    pub(super) subnet: IpNet,
    pub(super) gateway_mode: GatewayMode,
    /// The source address instead of masquerading.
    pub(super) host_address: Option<IpAddr>,
}

impl FamilyView {
    fn new<N: Net + Into<IpNet>>(family: Family, of: &NetworkFamily<N>) -> Self {
        Self {
            family,
            subnet: of.subnet.into().trunc(),
            gateway_mode: of.gateway_mode,
            host_address: of.host_address.map(Into::into),
        }
    }

    /// The families that a network has, IPv4 first.
    pub(super) fn all(network: &Network) -> impl Iterator<Item = Self> {
        let v4 = network.ipv4.as_ref().map(|of| Self::new(Family::V4, of));
        let v6 = network.ipv6.as_ref().map(|of| Self::new(Family::V6, of));
        v4.into_iter().chain(v6)
    }

    /// Whether container addresses are closed to everybody but their bridge.
    pub(super) fn is_protected(&self) -> bool {
        match self.gateway_mode {
            GatewayMode::Nat | GatewayMode::Isolated => true,
            GatewayMode::NatUnprotected | GatewayMode::Routed => false,
        }
    }

    /// `ip to A` of `snat` and `dnat`.
    pub(super) fn address_target(address: IpAddr) -> NatTarget {
        match address {
            IpAddr::V4(address) => NatTarget::Ipv4 {
                addresses: (address, address),
                ports: None,
            },
            IpAddr::V6(address) => NatTarget::Ipv6 {
                addresses: (address, address),
                ports: None,
            },
        }
    }
}
