//! An entry as the kernel sends it. Attributes that are not known here are passed over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::entry::{Counter, Entry, Icmp, Tuple};
use crate::sys::conntrack::{
    CTA_COUNTERS_BYTES, CTA_COUNTERS_ORIG, CTA_COUNTERS_PACKETS, CTA_COUNTERS_REPLY, CTA_ID,
    CTA_IP_V4_DST, CTA_IP_V4_SRC, CTA_IP_V6_DST, CTA_IP_V6_SRC, CTA_MARK, CTA_PROTO_DST_PORT,
    CTA_PROTO_ICMP_CODE, CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMPV6_CODE,
    CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_STATUS,
    CTA_TIMEOUT, CTA_TUPLE_IP, CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, CTA_TUPLE_REPLY, CTA_TUPLE_ZONE,
    CTA_ZONE,
};
use crate::wire::{Attribute, Attributes};

/// An entry; `None` without both tuples or the identifier, without which it could not be deleted
/// for sure.
///
/// There may be very many entries: each attribute is looked at once.
pub(super) fn entry(attributes: Attributes<'_>) -> Option<Entry> {
    let (mut original, mut reply, mut id) = (None, None, None);
    let (mut zone, mut status, mut mark, mut timeout) = (0, 0, 0, None);
    let (mut there, mut back) = (None, None);
    for attribute in attributes {
        match attribute.kind {
            CTA_TUPLE_ORIG => original = tuple(attribute),
            CTA_TUPLE_REPLY => reply = tuple(attribute),
            CTA_ID => id = attribute.u32(),
            CTA_ZONE => zone = attribute.u16().unwrap_or(0),
            CTA_STATUS => status = attribute.u32().unwrap_or(0),
            CTA_MARK => mark = attribute.u32().unwrap_or(0),
            CTA_TIMEOUT => timeout = attribute.u32(),
            CTA_COUNTERS_ORIG => there = counter(attribute),
            CTA_COUNTERS_REPLY => back = counter(attribute),
            _ => {}
        }
    }
    Some(Entry {
        id: id?,
        original: original?,
        reply: reply?,
        zone,
        status,
        mark,
        timeout,
        counters: there.zip(back).map(|(there, back)| [there, back]),
    })
}

fn counter(attribute: Attribute<'_>) -> Option<Counter> {
    let all = attribute.attributes();
    Some(Counter {
        packets: all.get(CTA_COUNTERS_PACKETS)?.u64()?,
        bytes: all.get(CTA_COUNTERS_BYTES)?.u64()?,
    })
}

fn tuple(attribute: Attribute<'_>) -> Option<Tuple> {
    let (mut source, mut destination) = (None, None);
    let (mut protocol, mut zone) = (None, None);
    let (mut from, mut to) = (None, None);
    let (mut id, mut kind, mut code) = (None, None, None);
    for attribute in attribute.attributes() {
        match attribute.kind {
            CTA_TUPLE_IP => {
                for address in attribute.attributes() {
                    match address.kind {
                        CTA_IP_V4_SRC => source = ipv4(address.payload),
                        CTA_IP_V4_DST => destination = ipv4(address.payload),
                        CTA_IP_V6_SRC => source = ipv6(address.payload),
                        CTA_IP_V6_DST => destination = ipv6(address.payload),
                        _ => {}
                    }
                }
            }
            CTA_TUPLE_PROTO => {
                for part in attribute.attributes() {
                    match part.kind {
                        CTA_PROTO_NUM => protocol = part.u8(),
                        CTA_PROTO_SRC_PORT => from = part.u16(),
                        CTA_PROTO_DST_PORT => to = part.u16(),
                        CTA_PROTO_ICMP_ID | CTA_PROTO_ICMPV6_ID => id = part.u16(),
                        CTA_PROTO_ICMP_TYPE | CTA_PROTO_ICMPV6_TYPE => kind = part.u8(),
                        CTA_PROTO_ICMP_CODE | CTA_PROTO_ICMPV6_CODE => code = part.u8(),
                        _ => {}
                    }
                }
            }
            CTA_TUPLE_ZONE => zone = attribute.u16(),
            _ => {}
        }
    }
    let icmp = id.zip(kind).zip(code);
    Some(Tuple {
        source: source?,
        destination: destination?,
        protocol: protocol?,
        ports: from.zip(to),
        icmp: icmp.map(|((id, kind), code)| Icmp { id, kind, code }),
        zone,
    })
}

fn ipv4(bytes: &[u8]) -> Option<IpAddr> {
    Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into())
}

fn ipv6(bytes: &[u8]) -> Option<IpAddr> {
    Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into())
}
