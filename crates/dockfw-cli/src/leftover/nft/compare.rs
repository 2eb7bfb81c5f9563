//! What a rule loads and compares.

use std::net::{Ipv4Addr, Ipv6Addr};

use dockfw_iptables::r#match::mark::Mark;
use dockfw_iptables::{
    AddressMask, Family, InterfacePattern, Invertible, Match, PortRange, Protocol,
};
use dockfw_netlink::sys::nf_tables as uapi;
use dockfw_netlink::wire::Attributes;

use super::Reader;

/// A value in a register.
#[derive(Debug)]
pub(super) struct Loaded {
    field: Field,
    register: u32,
    /// Its length in bytes.
    len: usize,
    mask: Option<Vec<u8>>,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Input,
    Output,
    Protocol,
    Mark,
    Source,
    Destination,
    SourcePort,
    DestinationPort,
}

/// The longest name of an interface with its NUL, in bytes.
const INTERFACE: usize = 16;

impl Loaded {
    /// What `meta` or `payload` loads.
    pub(super) fn read(family: Family, name: &str, attributes: Attributes<'_>) -> Option<Self> {
        let number = |kind| attributes.get(kind)?.u32();
        let (register, field, len) = if name == "meta" {
            let (field, len) = match number(uapi::NFTA_META_KEY)? {
                uapi::NFT_META_IIFNAME => (Field::Input, INTERFACE),
                uapi::NFT_META_OIFNAME => (Field::Output, INTERFACE),
                uapi::NFT_META_L4PROTO => (Field::Protocol, 1),
                uapi::NFT_META_MARK => (Field::Mark, 4),
                _ => return None,
            };
            (number(uapi::NFTA_META_DREG)?, field, len)
        } else {
            let len = usize::try_from(number(uapi::NFTA_PAYLOAD_LEN)?).ok()?;
            let base = number(uapi::NFTA_PAYLOAD_BASE)?;
            let field = payload(family, base, number(uapi::NFTA_PAYLOAD_OFFSET)?, len)?;
            (number(uapi::NFTA_PAYLOAD_DREG)?, field, len)
        };
        Some(Self {
            field,
            register,
            len,
            mask: None,
        })
    }

    /// Takes a mask along, `reg = reg & mask`.
    pub(super) fn mask(&mut self, attributes: Attributes<'_>) -> Option<()> {
        let register = |kind| attributes.get(kind)?.u32();
        let value = |kind| {
            let data = attributes.get(kind)?.attributes();
            Some(data.get(uapi::NFTA_DATA_VALUE)?.payload)
        };
        let is_ours = register(uapi::NFTA_BITWISE_SREG)? == self.register
            && register(uapi::NFTA_BITWISE_DREG)? == self.register;
        let mask = value(uapi::NFTA_BITWISE_MASK)?;
        let xor = value(uapi::NFTA_BITWISE_XOR)?;
        let is_plain = xor.iter().all(|byte| *byte == 0) && mask.len() >= self.len;
        if !is_ours || !is_plain || self.mask.is_some() {
            return None;
        }
        self.mask = Some(mask.to_vec());
        Some(())
    }
}

/// The field at a place of a header.
fn payload(family: Family, base: u32, offset: u32, len: usize) -> Option<Field> {
    if base == uapi::NFT_PAYLOAD_TRANSPORT_HEADER {
        return match (offset, len) {
            (0, 2) => Some(Field::SourcePort),
            (2, 2) => Some(Field::DestinationPort),
            _ => None,
        };
    }
    if base != uapi::NFT_PAYLOAD_NETWORK_HEADER {
        return None;
    }
    match (family, offset, len) {
        (Family::Ipv4, 9, 1) | (Family::Ipv6, 6, 1) => Some(Field::Protocol),
        (Family::Ipv4, 12, 1..=4) | (Family::Ipv6, 8, 1..=16) => Some(Field::Source),
        (Family::Ipv4, 16, 1..=4) | (Family::Ipv6, 24, 1..=16) => Some(Field::Destination),
        _ => None,
    }
}

/// Writes a test where the rule has none yet.
fn set<T>(to: &mut Option<T>, value: T) -> Option<()> {
    to.replace(value).is_none().then_some(())
}

impl Reader {
    /// Reads a comparison of what is in the register.
    pub(super) fn compare(&mut self, loaded: &Loaded, attributes: Attributes<'_>) -> Option<()> {
        let inverted = match attributes.get(uapi::NFTA_CMP_OP)?.u32()? {
            uapi::NFT_CMP_EQ => false,
            uapi::NFT_CMP_NEQ => true,
            _ => return None,
        };
        let register = attributes.get(uapi::NFTA_CMP_SREG)?.u32()?;
        let data = attributes.get(uapi::NFTA_CMP_DATA)?.attributes();
        let data = data.get(uapi::NFTA_DATA_VALUE)?.payload;
        if register != loaded.register || data.len() > loaded.len {
            return None;
        }
        let rule = &mut self.rule;
        let is_masked = loaded.mask.is_some();
        match (loaded.field, is_masked) {
            (Field::Input, false) => set(
                &mut rule.in_interface,
                Invertible::new(inverted, interface(data)?),
            ),
            (Field::Output, false) => set(
                &mut rule.out_interface,
                Invertible::new(inverted, interface(data)?),
            ),
            (Field::Protocol, false) => {
                let &[number] = data.first_chunk()?;
                let number = Invertible::new(inverted, Protocol(number));
                set(&mut rule.protocol, number)
            }
            (Field::Mark, _) => {
                let value = u32::from_ne_bytes(*data.first_chunk()?);
                let mask = match &loaded.mask {
                    Some(mask) => u32::from_ne_bytes(*mask.first_chunk()?),
                    None => u32::MAX,
                };
                let value = Invertible::new(inverted, (value, mask));
                rule.matches.push(Match::Mark(Mark { value }));
                Some(())
            }
            (Field::Source, _) => {
                let address = address(self.family, loaded, data)?;
                set(&mut rule.source, Invertible::new(inverted, address))
            }
            (Field::Destination, _) => {
                let address = address(self.family, loaded, data)?;
                set(&mut rule.destination, Invertible::new(inverted, address))
            }
            (Field::SourcePort | Field::DestinationPort, false) => {
                let port = u16::from_be_bytes(*data.first_chunk()?);
                let range = Invertible::new(inverted, PortRange::one(port));
                self.set_ports(loaded.field, range)
            }
            (
                Field::Input
                | Field::Output
                | Field::Protocol
                | Field::SourcePort
                | Field::DestinationPort,
                true,
            ) => None,
        }
    }

    /// Reads a comparison with a range, of ports.
    pub(super) fn range(&mut self, loaded: &Loaded, attributes: Attributes<'_>) -> Option<()> {
        let is_port = matches!(loaded.field, Field::SourcePort | Field::DestinationPort);
        let register = attributes.get(uapi::NFTA_RANGE_SREG)?.u32()?;
        if !is_port || register != loaded.register || loaded.mask.is_some() {
            return None;
        }
        let port = |kind| {
            let data = attributes.get(kind)?.attributes();
            let value = data.get(uapi::NFTA_DATA_VALUE)?.payload;
            Some(u16::from_be_bytes(*value.first_chunk()?))
        };
        let range = PortRange {
            first: port(uapi::NFTA_RANGE_FROM_DATA)?,
            last: port(uapi::NFTA_RANGE_TO_DATA)?,
        };
        let inverted = attributes.get(uapi::NFTA_RANGE_OP)?.u32()? != uapi::NFT_RANGE_EQ;
        self.set_ports(loaded.field, Invertible::new(inverted, range))
    }

    fn set_ports(&mut self, field: Field, range: Invertible<PortRange>) -> Option<()> {
        self.ports_at.get_or_insert(self.rule.matches.len());
        let to = if field == Field::SourcePort {
            &mut self.ports.source
        } else {
            &mut self.ports.destination
        };
        set(to, range)
    }
}

/// A name with its NUL, or the beginning of names.
fn interface(data: &[u8]) -> Option<InterfacePattern> {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let name = std::str::from_utf8(parts.next()?).ok()?;
    match parts.next() {
        Some(_) => InterfacePattern::new(name).ok(),
        None if data.len() == INTERFACE => None,
        None => InterfacePattern::new(&format!("{name}+")).ok(),
    }
}

/// An address of which only the leading bytes may be compared.
fn address(family: Family, loaded: &Loaded, data: &[u8]) -> Option<AddressMask> {
    if data.len() != loaded.len {
        return None;
    }
    let mask: Vec<u8> = match &loaded.mask {
        Some(mask) => mask.get(..loaded.len)?.to_vec(),
        None => vec![u8::MAX; loaded.len],
    };
    match family {
        Family::Ipv4 => Some(AddressMask::ipv4(
            Ipv4Addr::from(padded::<4>(data)?),
            Ipv4Addr::from(padded::<4>(&mask)?),
        )),
        Family::Ipv6 => Some(AddressMask::ipv6(
            Ipv6Addr::from(padded::<16>(data)?),
            Ipv6Addr::from(padded::<16>(&mask)?),
        )),
    }
}

/// Bytes with zeros behind them.
fn padded<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut all = [0; N];
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(all)
}
