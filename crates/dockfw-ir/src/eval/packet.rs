//! The packet that is walked, and what conntrack knows of it.

use std::net::IpAddr;

use crate::expr::ct::Counter;
pub use crate::expr::ct::Direction;
use crate::expr::exthdr::Ipv6Field;

/// `IPPROTO_ICMP`.
pub(super) const ICMP: u8 = 1;
/// `IPPROTO_TCP`.
pub(super) const TCP: u8 = 6;
/// `IPPROTO_UDP`.
pub(super) const UDP: u8 = 17;
/// `IPPROTO_ICMPV6`.
pub(super) const ICMPV6: u8 = 58;

/// Where a packet comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// Received by this interface.
    Interface(String),
    /// Sent by a process of the host.
    Host,
}

/// One packet as it enters the host, before any rewriting.
///
/// Source and destination are of one family; that of the destination is the packet's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Who gave it to the host's network stack.
    pub from: From,
    /// The bridge that passes it from port to port, for a packet that br_netfilter shows to the
    /// hooks. Input and output interface are this bridge whatever the routes say, unless a DNAT
    /// changes the destination: then the host routes the packet.
    ///
    /// Source: `net/bridge/br_netfilter_hooks.c`, `br_nf_pre_routing_finish` (v6.12).
    pub to: Option<String>,
    /// The interface that a link-local destination is on, for a packet of the host: the scope of
    /// its socket. Without one, the first interface with a route.
    ///
    /// Source: `net/ipv6/route.c`, `ip6_route_output_flags_noref` (v6.12).
    pub link: Option<String>,
    /// The source address in the IP header.
    pub source: IpAddr,
    /// The destination address in the IP header.
    pub destination: IpAddr,
    /// The transport protocol, IPv6 extension headers skipped.
    pub protocol: u8,
    /// Source and destination port; `None` when the protocol has none.
    pub ports: Option<(u16, u16)>,
    /// Type and code of an ICMP or ICMPv6 message.
    pub icmp: Option<(u8, u8)>,
    /// The flags of a TCP header; `None` is SYN in a new flow and ACK in any other.
    pub tcp_flags: Option<u8>,
    /// The packet's mark on entry.
    pub mark: u32,
    /// The length of the IP packet, in bytes.
    pub length: u32,
    /// Type of service or traffic class: 6 bits of DSCP, 2 of ECN.
    pub tos: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Flags and offset of an IPv4 fragment, as in the header.
    pub fragment: u16,
    /// The source of the Ethernet header; `None` for what has none.
    pub mac: Option<[u8; 6]>,
    /// `PACKET_*`; `None` is what the destination address says.
    pub packet_type: Option<u8>,
    /// Kinds of TCP options; that of the segment size is known by `tcp_maxseg` too.
    pub tcp_options: Vec<u8>,
    /// The maximum segment size in a TCP header, in bytes.
    pub tcp_maxseg: Option<u16>,
    /// Numbers of the IPv6 extension headers, in order.
    pub ipv6_headers: Vec<u8>,
    /// Fields of those headers, as numbers; one that is not here does not load.
    pub ipv6_fields: Vec<(Ipv6Field, u32)>,
    /// The security parameters index of an AH or ESP header.
    pub spi: Option<u32>,
    /// It came through IPsec.
    pub ipsec: bool,
    /// Its route leads through IPsec.
    pub route_ipsec: bool,
    /// The process that sent it; of the host's own packets only.
    pub owner: Owner,
    /// The local socket that would get it.
    pub socket: Option<Socket>,
    /// Seconds since 1970 in UTC; without, `meta hour`, `day` and `time` do not load.
    pub time: Option<u64>,
    /// What conntrack finds when it sees the packet.
    pub ct: Conntrack,
    /// What the flow has carried.
    pub ct_counters: Counters,
    /// `ct expiration`, in milliseconds; without, it does not load.
    pub ct_expiration: Option<u32>,
}

/// The process behind a packet of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    /// Its user; 0 is root.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The `net_cls` class of its cgroup.
    pub cgroup: u32,
}

/// Packets and bytes of a flow, in its original direction and in that of replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Packets, this one included.
    pub packets: [u64; 2],
    /// Bytes of IP packets, this one included.
    pub bytes: [u64; 2],
}

impl Counters {
    /// Source: `net/netfilter/nft_ct.c`, `nft_ct_get_eval_counter` (v6.12).
    pub(super) fn get(&self, counter: Counter, direction: Option<Direction>) -> u64 {
        let of = |[original, reply]: [u64; 2]| match direction {
            None => original.wrapping_add(reply),
            Some(Direction::Original) => original,
            Some(Direction::Reply) => reply,
        };
        let (packets, bytes) = (of(self.packets), of(self.bytes));
        match counter {
            Counter::Packets => packets,
            Counter::Bytes => bytes,
            Counter::Average => bytes.checked_div(packets).unwrap_or(0),
        }
    }
}

/// A local socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Socket {
    /// `IP_TRANSPARENT` is set.
    pub transparent: bool,
    /// It is bound to any address.
    pub wildcard: bool,
    /// `SO_MARK`.
    pub mark: u32,
}

impl Packet {
    /// The first packet of a flow, without ports and options, 60 bytes long with 64 hops to live,
    /// sent by root if by the host.
    pub fn new(from: From, source: IpAddr, destination: IpAddr, protocol: u8) -> Self {
        Self {
            from,
            to: None,
            link: None,
            source,
            destination,
            protocol,
            ports: None,
            icmp: None,
            tcp_flags: None,
            mark: 0,
            length: 60,
            tos: 0,
            ttl: 64,
            fragment: 0,
            mac: None,
            packet_type: None,
            tcp_options: Vec::new(),
            tcp_maxseg: None,
            ipv6_headers: Vec::new(),
            ipv6_fields: Vec::new(),
            spi: None,
            ipsec: false,
            route_ipsec: false,
            owner: Owner::default(),
            socket: None,
            time: None,
            ct: Conntrack::default(),
            ct_counters: Counters::default(),
            ct_expiration: None,
        }
    }
}

/// What conntrack says when the packet reaches it at priority −200.
///
/// A rule before that finds no entry and `ct state invalid`.
/// When a rule of the ruleset says `notrack` first, none of this is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conntrack {
    /// What `ct state` is.
    pub state: State,
    /// Whose direction the packet has. A packet that begins a flow has the original one.
    pub direction: Direction,
    /// The entry's original tuple. `None`: that of the packet, as seen in its direction.
    pub original: Option<Tuple>,
    /// The entry's reply tuple; differs from the inverted original where the flow is translated.
    /// `None`: the inverted original.
    pub reply: Option<Tuple>,
    /// Bits of `ct status`; those of NAT are added where the tuples tell.
    pub status: u32,
    /// `ct mark`.
    pub mark: u32,
}

impl Default for Conntrack {
    /// A new flow.
    fn default() -> Self {
        Self {
            state: State::New,
            direction: Direction::Original,
            original: None,
            reply: None,
            status: 0,
            mark: 0,
        }
    }
}

/// The state of a packet in its flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The first packet of a flow; its tuple is the packet's own.
    New,
    /// Of a flow that has seen answers.
    Established,
    /// An ICMP error about a flow (give the tuples of that flow), or the first packet of a flow
    /// that another one announced (give no tuples; NAT rules see it).
    Related,
    /// Conntrack can make nothing of it; there is no entry.
    Invalid,
    /// Conntrack leaves it alone; there is no entry.
    Untracked,
}

/// One direction of a flow.
///
/// Source: `include/net/netfilter/nf_conntrack_tuple.h`, `struct nf_conntrack_tuple` (v6.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple {
    /// The sender.
    pub source: IpAddr,
    /// The receiver.
    pub destination: IpAddr,
    /// The transport protocol.
    pub protocol: u8,
    /// Source and destination port. Of an ICMP message: 0 (for its identifier, which is not
    /// modelled), and type and code in one number.
    pub ports: Option<(u16, u16)>,
}

impl Tuple {
    /// The tuple of answers, when nothing is translated.
    ///
    /// Source: `net/netfilter/nf_conntrack_core.c`, `nf_ct_invert_tuple` (v6.12).
    #[must_use]
    pub fn inverted(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            protocol: self.protocol,
            ports: self.ports.map(|(source, destination)| {
                if matches!(self.protocol, ICMP | ICMPV6) {
                    (source, inverted_icmp(self.protocol, destination))
                } else {
                    (destination, source)
                }
            }),
        }
    }
}

/// Type and code of the answer to an ICMP message; the same where there is no answer.
///
/// Source: `net/netfilter/nf_conntrack_proto_icmp.c`, `net/netfilter/nf_conntrack_proto_icmpv6.c`,
/// `invmap` (v6.12).
fn inverted_icmp(protocol: u8, message: u16) -> u16 {
    let [kind, code] = message.to_be_bytes();
    let kind = match (protocol, kind) {
        (ICMP, 8) => 0,
        (ICMP, 0) => 8,
        (ICMP, 13 | 15 | 17) | (ICMPV6, 128 | 139) => kind + 1,
        (ICMP, 14 | 16 | 18) | (ICMPV6, 129 | 140) => kind - 1,
        _ => kind,
    };
    u16::from_be_bytes([kind, code])
}
