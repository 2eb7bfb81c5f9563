//! Headers of the packet, as far as rules read more of them than addresses and ports.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each function has its part of a list that another one splits"
)]

use super::packet::{From, TCP};
use super::walk::Walk;
use crate::expr::payload::{Base, Raw};
use crate::expr::{Exthdr, Meta, Numgen, Payload, Socket};
use crate::statement::nat::NatFamily;
use crate::statement::{Mangle, MaxSegment};
use crate::value::Value;

/// Nanoseconds of a second.
const NANOSECONDS: u64 = 1_000_000_000;
/// Seconds of a day.
const DAY: u64 = 86_400;

impl Walk<'_> {
    /// Bytes of a header. Of the transport header only the ports are modelled.
    ///
    /// The IPv4 header has no options, identification 0 and checksum 0 here.
    pub(super) fn raw(&self, value: Value, raw: Raw) -> Option<Value> {
        let header = match raw.base {
            Base::Link => return None,
            Base::Network => self.network_header(),
            Base::Transport => {
                let (source, destination) = self.ports?;
                [source.to_be_bytes(), destination.to_be_bytes()].concat()
            }
        };
        let first = usize::from(raw.offset);
        let bytes = header.get(first..first + usize::from(raw.len))?;
        Some(value.and_bytes(bytes))
    }

    fn network_header(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(40);
        let length = u16::try_from(self.packet.length).unwrap_or(u16::MAX);
        match self.family {
            NatFamily::Ipv4 => {
                header.extend([0x45, self.tos]);
                header.extend(length.to_be_bytes());
                header.extend([0, 0]);
                header.extend(self.packet.fragment.to_be_bytes());
                header.extend([self.ttl, self.packet.protocol, 0, 0]);
            }
            NatFamily::Ipv6 => {
                header.extend([0x60 | self.tos >> 4, self.tos << 4, 0, 0]);
                header.extend(length.saturating_sub(40).to_be_bytes());
                let next = self.packet.ipv6_headers.first();
                header.extend([*next.unwrap_or(&self.packet.protocol), self.ttl]);
            }
        }
        for address in [self.source, self.destination] {
            match address {
                std::net::IpAddr::V4(address) => header.extend(address.octets()),
                std::net::IpAddr::V6(address) => header.extend(address.octets()),
            }
        }
        header
    }

    /// Fields of the IP header besides the addresses, and the length in that of UDP.
    pub(super) fn field(&self, payload: Payload) -> Option<u8> {
        Some(match payload {
            Payload::IpDscp | Payload::Ip6Dscp => self.tos >> 2,
            Payload::IpEcn | Payload::Ip6Ecn => self.tos & 3,
            Payload::IpTtl | Payload::Ip6Hoplimit => self.ttl,
            _ => return None,
        })
    }

    /// Source: `net/netfilter/nft_exthdr.c`, `nft_exthdr_tcp_eval`, `nft_exthdr_ipv6_eval` (v6.12).
    pub(super) fn exthdr(&self, value: Value, exthdr: Exthdr) -> Option<Value> {
        let packet = self.packet;
        let tcp = packet.protocol == TCP;
        Some(match exthdr {
            Exthdr::TcpOption(kind) => {
                /// The option of the maximum segment size.
                const MAXSEG: u8 = 2;
                let size = kind == MAXSEG && packet.tcp_maxseg.is_some();
                let there = tcp && (size || packet.tcp_options.contains(&kind));
                value.and_u8(there.into())
            }
            Exthdr::TcpMaxseg => {
                let size = self.maxseg.filter(|_| tcp)?;
                value.and_bytes(&size.to_be_bytes())
            }
            Exthdr::Ipv6Field(field) => {
                let mut fields = packet.ipv6_fields.iter();
                let (_, number) = fields.find(|(of, _)| *of == field)?;
                let bytes = number.to_be_bytes();
                value.and_bytes(bytes.get(4 - usize::from(field.len())..)?)
            }
            Exthdr::Ipv6(header) => {
                if self.family != NatFamily::Ipv6 {
                    return None;
                }
                value.and_u8(packet.ipv6_headers.contains(&header.number()).into())
            }
        })
    }

    /// Source: `net/netfilter/nft_socket.c`, `nft_socket_eval` (v6.12).
    pub(super) fn socket(&self, value: Value, socket: Socket) -> Option<Value> {
        let found = self.packet.socket?;
        Some(match socket {
            Socket::Transparent => value.and_u8(found.transparent.into()),
            Socket::Wildcard => value.and_u8(found.wildcard.into()),
            Socket::Mark => value.and_host_u32(found.mark),
        })
    }

    /// The number that was drawn, in the range.
    pub(super) fn numgen(&self, value: Value, numgen: Numgen) -> Option<Value> {
        let number = self.draw.checked_rem(numgen.modulus)?;
        Some(value.and_host_u32(numgen.offset.wrapping_add(number)))
    }

    /// Time, in UTC.
    ///
    /// Source: `net/netfilter/nft_meta.c`, `nft_meta_get_eval_time` (v6.12).
    pub(super) fn time(&self, value: Value, meta: Meta) -> Option<Value> {
        let seconds = self.packet.time?;
        Some(match meta {
            Meta::Hour => value.and_host_u32(u32::try_from(seconds % DAY).ok()?),
            // 1970 began with a Thursday.
            Meta::Day => value.and_u8(u8::try_from((seconds / DAY + 4) % 7).ok()?),
            Meta::Time => value.and_host_u64(seconds.checked_mul(NANOSECONDS)?),
            _ => return None,
        })
    }

    /// What a process owns; only the host's own packets have one.
    pub(super) fn owner(&self, value: Value, meta: Meta) -> Option<Value> {
        if self.packet.from != From::Host {
            return None;
        }
        let owner = self.packet.owner;
        Some(match meta {
            Meta::Skuid => value.and_host_u32(owner.uid),
            Meta::Skgid => value.and_host_u32(owner.gid),
            Meta::Cgroup => value.and_host_u32(owner.cgroup),
            _ => return None,
        })
    }

    /// `… set …`. `false` when the rule does not match.
    ///
    /// A segment size is never raised; where the option is not there the rule goes on. `rt mtu`
    /// changes nothing here, as routes have no MTU.
    ///
    /// Source: `net/netfilter/nft_exthdr.c`, `nft_exthdr_tcp_set_eval`;
    /// `net/netfilter/nft_payload.c`, `nft_payload_set_eval` (v6.12).
    pub(super) fn mangle(&mut self, mangle: &Mangle) -> bool {
        match mangle {
            Mangle::Priority(priority) => self.priority = *priority,
            Mangle::Zone { .. } | Mangle::MaxSegment(MaxSegment::RouteMtu) => {}
            Mangle::Field { field, value } => {
                if field.requires()
                    != crate::expr::payload::Requires::Nfproto(self.family.nfproto())
                {
                    return false;
                }
                match field {
                    Payload::IpDscp | Payload::Ip6Dscp => self.tos = self.tos & 3 | value << 2,
                    Payload::IpEcn | Payload::Ip6Ecn => self.tos = self.tos & !3 | value & 3,
                    Payload::IpTtl | Payload::Ip6Hoplimit => self.ttl = *value,
                    // Never verified.
                    _ => return false,
                }
            }
            Mangle::MaxSegment(MaxSegment::Bytes(bytes)) => {
                self.maxseg = self.maxseg.map(|old| old.min(*bytes));
            }
        }
        true
    }
}
