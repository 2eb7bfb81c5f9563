//! What expressions read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::host::{LOOPBACK, Target};
use super::packet::{Direction, From, ICMP, ICMPV6, State};
use super::walk::Walk;
use crate::chain::Hook;
use crate::expr::ct::TupleField;
use crate::expr::fib::{FibAddress, FibResult, addrtype};
use crate::expr::payload::Requires;
use crate::expr::{Ct, Expr, Fib, Key, Meta, Payload, Rt};
use crate::statement::nat::NatFamily;
use crate::value::Value;

impl Walk<'_> {
    /// The bytes of a key; `None` when a part of it does not load, which ends the rule.
    pub(super) fn load_key(&mut self, key: &Key) -> Option<Value> {
        let mut value = Value::new();
        for expr in &key.0 {
            self.cost.expressions += 1;
            value = match expr {
                Expr::Payload(payload) => self.payload(value, *payload)?,
                Expr::Meta(meta) => self.meta(value, *meta)?,
                Expr::Ct(ct) => self.ct(value, *ct)?,
                Expr::Fib(fib) => self.fib(value, *fib),
                Expr::Exthdr(exthdr) => self.exthdr(value, *exthdr)?,
                Expr::Socket(socket) => self.socket(value, *socket)?,
                Expr::Numgen(numgen) => self.numgen(value, *numgen)?,
                Expr::Rt(Rt::Ipsec) => value.and_u8(self.packet.route_ipsec.into()),
            };
        }
        Some(value)
    }

    /// A header field.
    ///
    /// `th` reads the transport header whatever it is: of an ICMP message, type and code are where a
    /// source port would be, and the checksum of an otherwise empty message where the destination
    /// port would be. Of a protocol without a header in the model it does not load.
    ///
    /// Source: `net/netfilter/nft_payload.c`, `nft_payload_eval` (v6.12).
    fn payload(&self, value: Value, payload: Payload) -> Option<Value> {
        match payload.requires() {
            Requires::Nothing | Requires::Ports | Requires::Ethernet => {}
            Requires::Nfproto(family) => {
                if family != self.family.nfproto() {
                    return None;
                }
            }
            Requires::L4proto(protocol) => {
                if protocol != self.packet.protocol {
                    return None;
                }
            }
        }
        let protocol = self.packet.protocol;
        let icmp = self
            .packet
            .icmp
            .filter(|_| matches!(protocol, ICMP | ICMPV6));
        Some(match payload {
            Payload::EtherSaddr => value.and_bytes(&self.packet.mac?),
            Payload::IpDscp
            | Payload::IpEcn
            | Payload::IpTtl
            | Payload::Ip6Dscp
            | Payload::Ip6Ecn
            | Payload::Ip6Hoplimit => value.and_u8(self.field(payload)?),
            Payload::IpFragOff => value.and_bytes(&self.packet.fragment.to_be_bytes()),
            Payload::UdpLength => {
                let header = if self.family == NatFamily::Ipv4 {
                    20
                } else {
                    40
                };
                let length = u16::try_from(self.packet.length.saturating_sub(header)).ok()?;
                value.and_bytes(&length.to_be_bytes())
            }
            Payload::AhSpi | Payload::EspSpi => value.and_bytes(&self.packet.spi?.to_be_bytes()),
            Payload::Raw(raw) => return self.raw(value, raw),
            Payload::IpSaddr | Payload::Ip6Saddr => value.and_ip(self.source),
            Payload::IpDaddr | Payload::Ip6Daddr => value.and_ip(self.destination),
            Payload::ThSport | Payload::TcpSport | Payload::UdpSport | Payload::SctpSport => {
                let message = icmp.map(|(kind, code)| u16::from_be_bytes([kind, code]));
                value.and_port(self.ports.map(|(source, _)| source).or(message)?)
            }
            Payload::ThDport | Payload::TcpDport | Payload::UdpDport | Payload::SctpDport => {
                let checksum = icmp.map(|(kind, code)| !u16::from_be_bytes([kind, code]));
                value.and_port(self.ports.map(|(_, port)| port).or(checksum)?)
            }
            Payload::TcpFlags => {
                /// SYN and ACK of a TCP header.
                const FLAGS: (u8, u8) = (0x02, 0x10);
                let new = self.packet.ct.state == State::New;
                let usual = if new { FLAGS.0 } else { FLAGS.1 };
                value.and_u8(self.packet.tcp_flags.unwrap_or(usual))
            }
            Payload::IcmpType | Payload::Icmpv6Type => value.and_u8(icmp?.0),
            Payload::IcmpCode | Payload::Icmpv6Code => value.and_u8(icmp?.1),
        })
    }

    /// Metadata. Where there is no interface, its name is empty: `iifname != "eth0"` holds for the
    /// host's own packets at postrouting.
    ///
    /// Source: `net/netfilter/nft_meta.c`, `nft_meta_get_eval`, `nft_meta_store_ifname` (v6.12);
    /// tried on 6.18.
    fn meta(&self, value: Value, meta: Meta) -> Option<Value> {
        Some(match meta {
            Meta::Length => value.and_host_u32(self.packet.length),
            Meta::Mark => value.and_host_u32(self.mark),
            Meta::Iifname => and_name(value, self.input),
            Meta::Oifname => and_name(value, self.output),
            Meta::Skuid | Meta::Skgid | Meta::Cgroup => return self.owner(value, meta),
            Meta::Hour | Meta::Day | Meta::Time => return self.time(value, meta),
            Meta::Ipsec => value.and_u8(self.packet.ipsec.into()),
            Meta::Pkttype => value.and_u8(self.packet_type()),
            Meta::Nfproto => value.and_u8(self.family.nfproto()),
            Meta::L4proto => value.and_u8(self.packet.protocol),
        })
    }

    /// `PACKET_HOST`, `PACKET_BROADCAST` or `PACKET_MULTICAST`, by the address it came with.
    fn packet_type(&self) -> u8 {
        if let Some(kind) = self.packet.packet_type {
            return kind;
        }
        if self.packet.from == From::Host || self.packet.to.is_some() {
            return 0;
        }
        match self.host.resolve(self.packet.destination, None) {
            Target::Broadcast(_) => 1,
            Target::Multicast(_) => 2,
            Target::Local(_) | Target::Anycast(_) | Target::Unicast(_) | Target::Unreachable => 0,
        }
    }

    /// Conntrack. Without an entry only the state loads.
    ///
    /// Source: `net/netfilter/nft_ct.c`, `nft_ct_get_eval` (v6.12).
    fn ct(&self, value: Value, ct: Ct) -> Option<Value> {
        if ct == Ct::State {
            return Some(value.and_host_u32(self.tracking.state()));
        }
        let entry = self.tracking.entry()?;
        Some(match ct {
            Ct::State => return None,
            Ct::Direction => value.and_u8(match entry.direction {
                Direction::Original => 0,
                Direction::Reply => 1,
            }),
            Ct::Status => value.and_host_u32(entry.status),
            Ct::Mark => value.and_host_u32(entry.mark),
            Ct::Counter(counter, direction) => {
                value.and_host_u64(self.packet.ct_counters.get(counter, direction))
            }
            Ct::Expiration => value.and_host_u32(self.packet.ct_expiration?),
            Ct::Tuple(direction, field) => {
                let tuple = entry.tuple(direction);
                let (source, destination) = tuple.ports.unwrap_or_default();
                let address = match field {
                    TupleField::IpSaddr | TupleField::Ip6Saddr => tuple.source,
                    TupleField::IpDaddr | TupleField::Ip6Daddr => tuple.destination,
                    TupleField::Protocol => return Some(value.and_u8(tuple.protocol)),
                    TupleField::ProtoSrc => return Some(value.and_port(source)),
                    TupleField::ProtoDst => return Some(value.and_port(destination)),
                };
                let v4 = matches!(field, TupleField::IpSaddr | TupleField::IpDaddr);
                if v4 != address.is_ipv4() {
                    return None;
                }
                value.and_ip(address)
            }
        })
    }

    /// The routing table. It always loads; no interface is an empty name.
    ///
    /// Source: `net/ipv4/netfilter/nft_fib_ipv4.c`, `nft_fib4_eval`, `nft_fib4_eval_type`;
    /// `net/ipv6/netfilter/nft_fib_ipv6.c`, `nft_fib6_eval`, `__nft_fib6_eval_type` (v6.12).
    fn fib(&self, value: Value, fib: Fib) -> Value {
        let address = match fib.address {
            FibAddress::Saddr => self.source,
            FibAddress::Daddr => self.destination,
        };
        let device = if fib.iif {
            self.input
        } else if fib.oif {
            self.output
        } else {
            None
        };
        match fib.result {
            FibResult::Type => value.and_host_u32(self.address_type(address, device)),
            FibResult::Oifname => and_name(value, self.route_interface(address, device)),
            FibResult::Exists => {
                value.and_u8(self.route_interface(address, device).is_some().into())
            }
        }
    }

    /// With a device, an address is local (or, IPv4, broadcast) only where it is that device's.
    fn address_type(&self, address: IpAddr, device: Option<&str>) -> u32 {
        let of_device = |name: &str| device.is_none_or(|device| device == name);
        let v4 = self.family == NatFamily::Ipv4;
        match self.host.resolve(address, device.or(self.device())) {
            Target::Local(name) if of_device(name) => addrtype::LOCAL,
            Target::Broadcast(name) if name.is_none_or(of_device) => addrtype::BROADCAST,
            Target::Multicast(_) => addrtype::MULTICAST,
            Target::Anycast(_) => addrtype::ANYCAST,
            // IPv4 calls an address without a route unicast, too.
            Target::Unreachable if !v4 => addrtype::UNREACHABLE,
            Target::Local(_) | Target::Broadcast(_) | Target::Unicast(_) | Target::Unreachable => {
                addrtype::UNICAST
            }
        }
    }

    /// The interface that the packet is at.
    ///
    /// Source: `net/ipv6/netfilter/nft_fib_ipv6.c`, `nft_fib6_flowi_init`; `net/ipv6/ip6_output.c`,
    /// `ip6_output` (v6.12).
    fn device(&self) -> Option<&str> {
        if self.hook == Hook::Postrouting {
            self.output
        } else {
            self.input
        }
    }

    fn route_interface<'s>(&'s self, address: IpAddr, device: Option<&str>) -> Option<&'s str> {
        if self.hook == Hook::Prerouting && self.input == Some(LOOPBACK) {
            return self.input;
        }
        // What asks for an address has none yet.
        let asks = match (self.source, self.destination) {
            (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(to)) => {
                to.is_broadcast() || matches!(to.octets(), [224, 0, 0, _])
            }
            (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(to)) => {
                self.packet.protocol == ICMPV6 && self.hook == Hook::Prerouting && is_link_local(to)
            }
            _ => false,
        };
        if asks {
            return self.input;
        }
        let found = match self.host.resolve(address, device.or(self.device())) {
            Target::Unicast(name) => Some(name),
            Target::Broadcast(name) | Target::Multicast(name) => name,
            Target::Local(_) | Target::Anycast(_) | Target::Unreachable => None,
        };
        found.filter(|found| device.is_none_or(|device| device == *found))
    }
}

fn is_link_local(address: Ipv6Addr) -> bool {
    let [_, second, ..] = address.octets();
    address.is_unicast_link_local() || (address.is_multicast() && second & 0xf == 2)
}

/// A name as 16 bytes, padded with zeros.
fn and_name(value: Value, name: Option<&str>) -> Value {
    let mut bytes = [0; 16];
    let name = name.unwrap_or_default().bytes().take(15);
    for (to, from) in bytes.iter_mut().zip(name) {
        *to = from;
    }
    value.and_bytes(&bytes)
}
