//! `dnat`, `snat`, `masquerade` and `redirect`.

use std::net::IpAddr;

use dockfw_ir::DataType;
use dockfw_ir::statement::nat::{NatFamily, NatFlags};
use dockfw_ir::statement::{Masquerade, Nat, NatKind, NatTarget};
use dockfw_ir::table::Family;

use super::Result;
use crate::expr::{Register, RuleEncoder};
use crate::sys::nf_tables::{
    NF_NAT_RANGE_NETMAP, NF_NAT_RANGE_PERSISTENT, NF_NAT_RANGE_PROTO_RANDOM,
    NF_NAT_RANGE_PROTO_RANDOM_FULLY, NF_NAT_RANGE_PROTO_SPECIFIED, NFPROTO_INET, NFT_NAT_DNAT,
    NFT_NAT_SNAT, NFTA_MASQ_FLAGS, NFTA_MASQ_REG_PROTO_MAX, NFTA_MASQ_REG_PROTO_MIN,
    NFTA_NAT_FAMILY, NFTA_NAT_FLAGS, NFTA_NAT_REG_ADDR_MAX, NFTA_NAT_REG_ADDR_MIN,
    NFTA_NAT_REG_PROTO_MAX, NFTA_NAT_REG_PROTO_MIN, NFTA_NAT_TYPE, NFTA_REDIR_FLAGS,
    NFTA_REDIR_REG_PROTO_MAX, NFTA_REDIR_REG_PROTO_MIN,
};
use crate::wire::{EncodeError, Encoder};

/// Which registers hold the new address and port.
#[derive(Default)]
struct Registers {
    address: Option<Register>,
    address_max: Option<Register>,
    port: Option<Register>,
    port_max: Option<Register>,
}

fn put(encoder: &mut Encoder, kind: u16, register: Option<Register>) -> Result {
    register.map_or(Ok(()), |register| encoder.u32(kind, register.number()))
}

fn flag_bits(flags: NatFlags, ports: bool) -> u32 {
    let bit = |set: bool, bit: u32| if set { bit } else { 0 };
    bit(ports, NF_NAT_RANGE_PROTO_SPECIFIED)
        | bit(flags.random, NF_NAT_RANGE_PROTO_RANDOM)
        | bit(flags.persistent, NF_NAT_RANGE_PERSISTENT)
        | bit(flags.fully_random, NF_NAT_RANGE_PROTO_RANDOM_FULLY)
}

fn put_flags(encoder: &mut Encoder, kind: u16, flags: u32) -> Result {
    if flags == 0 {
        Ok(())
    } else {
        encoder.u32(kind, flags)
    }
}

impl RuleEncoder<'_, '_> {
    /// Flags as nft 1.0.6 sets them: the kernel adds `NF_NAT_RANGE_MAP_IPS` and, for a port from a
    /// map, `NF_NAT_RANGE_PROTO_SPECIFIED` by itself. It also skips packets of the other family,
    /// so no test of it is needed.
    ///
    /// Source: `nft_nat_init`, `nft_nat_inet_eval` (v6.12).
    pub(super) fn nat(&mut self, nat: &Nat) -> Result {
        let (registers, literal_ports) = match &nat.target {
            NatTarget::Ipv4 {
                addresses: (low, high),
                ports,
            } => (
                self.nat_literal(&low.octets(), &high.octets(), *ports)?,
                ports.is_some(),
            ),
            NatTarget::Ipv6 {
                addresses: (low, high),
                ports,
            } => (
                self.nat_literal(&low.octets(), &high.octets(), *ports)?,
                ports.is_some(),
            ),
            NatTarget::Ports(first, last) => (
                {
                    let (port, port_max) =
                        self.nat_ports(Register::FIRST, Some((*first, *last)))?;
                    Registers {
                        port,
                        port_max,
                        ..Registers::default()
                    }
                },
                true,
            ),
            NatTarget::Prefix(prefix) => (
                self.nat_prefix(prefix.network(), prefix.broadcast())?,
                false,
            ),
            NatTarget::Map { family, key, map } => {
                let address = match family {
                    NatFamily::Ipv4 => DataType::Ipv4Addr,
                    NatFamily::Ipv6 => DataType::Ipv6Addr,
                };
                let port = match self.map_data(map)? {
                    [data] if *data == address => None,
                    [data, DataType::InetService] if *data == address => {
                        Some(Register::FIRST.after(address.len())?)
                    }
                    _ => {
                        return Err(EncodeError::Form {
                            what: "this map data as a nat target",
                        });
                    }
                };
                self.load_key(key)?;
                self.lookup(map.as_str(), None, Some(Register::FIRST), false)?;
                (
                    Registers {
                        address: Some(Register::FIRST),
                        port,
                        ..Registers::default()
                    },
                    false,
                )
            }
        };
        let kind = match nat.kind {
            NatKind::Snat => NFT_NAT_SNAT,
            NatKind::Dnat => NFT_NAT_DNAT,
        };
        let family = match (nat.target.family(), self.table.family) {
            (Some(family), _) => family.nfproto(),
            (None, Family::Inet) => NFPROTO_INET,
            (None, family @ (Family::Ip | Family::Ip6)) => family.nfproto(),
        };
        let family = u32::from(family);
        let mut flags = flag_bits(nat.flags, literal_ports);
        if matches!(nat.target, NatTarget::Prefix(_)) {
            flags |= NF_NAT_RANGE_NETMAP;
        }
        self.expression("nat", |e| {
            e.u32(NFTA_NAT_TYPE, kind)?;
            e.u32(NFTA_NAT_FAMILY, family)?;
            put(e, NFTA_NAT_REG_ADDR_MIN, registers.address)?;
            put(e, NFTA_NAT_REG_ADDR_MAX, registers.address_max)?;
            put(e, NFTA_NAT_REG_PROTO_MIN, registers.port)?;
            put(e, NFTA_NAT_REG_PROTO_MAX, registers.port_max)?;
            put_flags(e, NFTA_NAT_FLAGS, flags)
        })
    }

    /// The first and last address of a network; the kernel keeps the bits in which they differ.
    fn nat_prefix(&mut self, first: IpAddr, last: IpAddr) -> Result<Registers> {
        let mut next = Register::FIRST;
        let (address, address_max) = match (first, last) {
            (IpAddr::V4(low), IpAddr::V4(high)) => (
                self.take(&mut next, &low.octets())?,
                self.take(&mut next, &high.octets())?,
            ),
            (IpAddr::V6(low), IpAddr::V6(high)) => (
                self.take(&mut next, &low.octets())?,
                self.take(&mut next, &high.octets())?,
            ),
            (IpAddr::V4(_) | IpAddr::V6(_), _) => return Err(EncodeError::Registers),
        };
        Ok(Registers {
            address: Some(address),
            address_max: Some(address_max),
            ..Registers::default()
        })
    }

    fn nat_literal(
        &mut self,
        low: &[u8],
        high: &[u8],
        ports: Option<(u16, u16)>,
    ) -> Result<Registers> {
        let mut next = Register::FIRST;
        let address = Some(self.take(&mut next, low)?);
        let address_max = if low == high {
            None
        } else {
            Some(self.take(&mut next, high)?)
        };
        let (port, port_max) = self.nat_ports(next, ports)?;
        Ok(Registers {
            address,
            address_max,
            port,
            port_max,
        })
    }

    fn nat_ports(
        &mut self,
        mut next: Register,
        ports: Option<(u16, u16)>,
    ) -> Result<(Option<Register>, Option<Register>)> {
        let Some((low, high)) = ports else {
            return Ok((None, None));
        };
        let port = self.take(&mut next, &low.to_be_bytes())?;
        if low == high {
            return Ok((Some(port), None));
        }
        Ok((Some(port), Some(self.take(&mut next, &high.to_be_bytes())?)))
    }

    fn take(&mut self, next: &mut Register, value: &[u8]) -> Result<Register> {
        let register = *next;
        *next = register.after(value.len())?;
        self.immediate(register, value)?;
        Ok(register)
    }

    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_masq_attributes` (v6.12).
    pub(super) fn masquerade(&mut self, masquerade: Masquerade) -> Result {
        let (port, port_max) = self.nat_ports(Register::FIRST, masquerade.ports)?;
        let flags = flag_bits(masquerade.flags, port.is_some());
        self.expression("masq", |e| {
            put_flags(e, NFTA_MASQ_FLAGS, flags)?;
            put(e, NFTA_MASQ_REG_PROTO_MIN, port)?;
            put(e, NFTA_MASQ_REG_PROTO_MAX, port_max)
        })
    }

    /// Source: uapi `linux/netfilter/nf_tables.h`, `enum nft_redir_attributes` (v6.12).
    pub(super) fn redirect(&mut self, ports: Option<(u16, u16)>, flags: NatFlags) -> Result {
        let (port, port_max) = self.nat_ports(Register::FIRST, ports)?;
        let flags = flag_bits(flags, port.is_some());
        self.expression("redir", |e| {
            put(e, NFTA_REDIR_REG_PROTO_MIN, port)?;
            put(e, NFTA_REDIR_REG_PROTO_MAX, port_max)?;
            put_flags(e, NFTA_REDIR_FLAGS, flags)
        })
    }
}
