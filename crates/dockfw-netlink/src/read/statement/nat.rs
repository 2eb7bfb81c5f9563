//! `dnat`, `snat`, `masquerade` and `redirect`.

use std::borrow::Cow;
use std::net::IpAddr;

use dockfw_ir::statement::nat::{NatFamily, NatFlags};
use dockfw_ir::statement::{Masquerade, Nat, NatKind, NatTarget, Statement};

use crate::read::attribute::{Result, because, maybe_register, number, optional};
use crate::read::rule::{Loaded, RuleReader};
use crate::sys::nf_tables::{
    NF_NAT_RANGE_NETMAP, NF_NAT_RANGE_PERSISTENT, NF_NAT_RANGE_PROTO_RANDOM,
    NF_NAT_RANGE_PROTO_RANDOM_FULLY, NFT_NAT_DNAT, NFT_NAT_SNAT, NFTA_MASQ_FLAGS,
    NFTA_MASQ_REG_PROTO_MAX, NFTA_MASQ_REG_PROTO_MIN, NFTA_NAT_FAMILY, NFTA_NAT_FLAGS,
    NFTA_NAT_REG_ADDR_MAX, NFTA_NAT_REG_ADDR_MIN, NFTA_NAT_REG_PROTO_MAX, NFTA_NAT_REG_PROTO_MIN,
    NFTA_NAT_TYPE, NFTA_REDIR_FLAGS, NFTA_REDIR_REG_PROTO_MAX, NFTA_REDIR_REG_PROTO_MIN,
};
use crate::wire::Attributes;

/// The flags that have a word; the others follow from what is translated.
fn flags(flags: u32) -> NatFlags {
    NatFlags {
        random: flags & NF_NAT_RANGE_PROTO_RANDOM != 0,
        fully_random: flags & NF_NAT_RANGE_PROTO_RANDOM_FULLY != 0,
        persistent: flags & NF_NAT_RANGE_PERSISTENT != 0,
    }
}

fn port(bytes: &[u8]) -> Result<u16> {
    let port = <[u8; 2]>::try_from(bytes).ok().map(u16::from_be_bytes);
    port.ok_or(Cow::Borrowed("a port of another length"))
}

/// The ports in a pair of registers.
fn ports(
    loaded: &Loaded<'_>,
    data: Attributes<'_>,
    (low, high): (u16, u16),
) -> Result<Option<(u16, u16)>> {
    let Some(low) = maybe_register(data, low)? else {
        return Ok(None);
    };
    let high = maybe_register(data, high)?.unwrap_or(low);
    Ok(Some((
        port(loaded.constant_in(low)?)?,
        port(loaded.constant_in(high)?)?,
    )))
}

const OTHER_LENGTH: Cow<'static, str> = Cow::Borrowed("an address of another length");

fn ends<T: From<[u8; N]>, const N: usize>((low, high): (&[u8], &[u8])) -> Result<(T, T)> {
    let end = |bytes: &[u8]| <[u8; N]>::try_from(bytes).ok().map(T::from);
    end(low).zip(end(high)).ok_or(OTHER_LENGTH)
}

/// The network of these first and last addresses.
fn network(first: IpAddr, last: IpAddr) -> Result<NatTarget> {
    let common = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => (first.to_bits() ^ last.to_bits()).leading_zeros(),
        (IpAddr::V6(first), IpAddr::V6(last)) => (first.to_bits() ^ last.to_bits()).leading_zeros(),
        (IpAddr::V4(_) | IpAddr::V6(_), _) => return Err(OTHER_LENGTH),
    };
    let prefix = format!("{first}/{common}").parse();
    prefix
        .ok()
        .map(NatTarget::Prefix)
        .ok_or(Cow::Borrowed("a prefix that is no network"))
}

impl<'r> RuleReader<'r> {
    pub(super) fn nat(&mut self, data: Attributes<'r>) -> Result<Statement> {
        let loaded = self.take();
        let bits = optional(data, NFTA_NAT_FLAGS)?.unwrap_or(0);
        let number = |kind| number(data, kind);
        let kind = match number(NFTA_NAT_TYPE)? {
            NFT_NAT_SNAT => NatKind::Snat,
            NFT_NAT_DNAT => NatKind::Dnat,
            _ => return because("another kind of translation"),
        };
        let nfproto = number(NFTA_NAT_FAMILY)?;
        let family = [NatFamily::Ipv4, NatFamily::Ipv6]
            .into_iter()
            .find(|one| u32::from(one.nfproto()) == nfproto);
        let target = match (&loaded.map, family) {
            (Some(map), Some(family)) => NatTarget::Map {
                family,
                key: self.key(&loaded)?,
                map: map.clone(),
            },
            (Some(_), None) => return because("an address of either family from a map"),
            (None, family) => literal(&loaded, data, family, bits & NF_NAT_RANGE_NETMAP != 0)?,
        };
        Ok(Statement::Nat(Nat {
            kind,
            target,
            flags: flags(bits),
        }))
    }

    pub(super) fn masquerade(&mut self, data: Attributes<'r>) -> Result<Statement> {
        let registers = (NFTA_MASQ_REG_PROTO_MIN, NFTA_MASQ_REG_PROTO_MAX);
        Ok(Statement::Masquerade(Masquerade {
            ports: ports(&self.take(), data, registers)?,
            flags: flags(optional(data, NFTA_MASQ_FLAGS)?.unwrap_or(0)),
        }))
    }

    pub(super) fn redirect(&mut self, data: Attributes<'r>) -> Result<Statement> {
        let registers = (NFTA_REDIR_REG_PROTO_MIN, NFTA_REDIR_REG_PROTO_MAX);
        Ok(Statement::Redirect {
            ports: ports(&self.take(), data, registers)?,
            flags: flags(optional(data, NFTA_REDIR_FLAGS)?.unwrap_or(0)),
        })
    }
}

/// A target of constants.
fn literal(
    loaded: &Loaded<'_>,
    data: Attributes<'_>,
    family: Option<NatFamily>,
    netmap: bool,
) -> Result<NatTarget> {
    let registers = (NFTA_NAT_REG_PROTO_MIN, NFTA_NAT_REG_PROTO_MAX);
    let ports = ports(loaded, data, registers)?;
    let Some(low) = maybe_register(data, NFTA_NAT_REG_ADDR_MIN)? else {
        let (first, last) = ports.ok_or(Cow::Borrowed("a translation to nothing"))?;
        return Ok(NatTarget::Ports(first, last));
    };
    let high = maybe_register(data, NFTA_NAT_REG_ADDR_MAX)?.unwrap_or(low);
    let both = (loaded.constant_in(low)?, loaded.constant_in(high)?);
    match family {
        None => because("an address of either family"),
        Some(NatFamily::Ipv4) if netmap => {
            let (first, last) = ends::<std::net::Ipv4Addr, 4>(both)?;
            network(first.into(), last.into())
        }
        Some(NatFamily::Ipv6) if netmap => {
            let (first, last) = ends::<std::net::Ipv6Addr, 16>(both)?;
            network(first.into(), last.into())
        }
        Some(NatFamily::Ipv4) => Ok(NatTarget::Ipv4 {
            addresses: ends::<_, 4>(both)?,
            ports,
        }),
        Some(NatFamily::Ipv6) => Ok(NatTarget::Ipv6 {
            addresses: ends::<_, 16>(both)?,
            ports,
        }),
    }
}
