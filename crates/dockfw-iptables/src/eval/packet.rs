//! The packet that is walked, and what conntrack knows of its connection.

use std::net::IpAddr;

use crate::r#match::pkttype::PacketType;

/// One packet as it meets the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Who gives the packet to the IP layer.
    pub from: From,
    /// The bridge that a bridged packet stays on, when br_netfilter shows it to iptables.
    ///
    /// Input and output interface are this bridge whatever the routes say, until a rewritten
    /// destination address makes the host route the packet. No meaning with [`From::Host`].
    ///
    /// Source: linux v6.12, `net/bridge/br_netfilter_hooks.c`, `br_nf_pre_routing_finish`.
    pub to: Option<String>,
    /// With [`From::Host`] and an IPv6 link-local destination: the interface whose link it is on,
    /// as the sender's socket says. The first one that leads there if the socket does not say.
    ///
    /// Source: linux v6.12, `net/ipv6/route.c`, `rt6_device_match`.
    pub link: Option<String>,
    /// The source address on the wire, before any rewriting.
    pub source: IpAddr,
    /// The destination address on the wire, of the same family.
    pub destination: IpAddr,
    /// The protocol of the IPv4 header, or the upper-layer protocol of IPv6.
    pub protocol: u8,
    /// Source and destination port in host byte order; tcp, udp, udplite and sctp have them.
    pub ports: Option<(u16, u16)>,
    /// Type and code of an ICMP or ICMPv6 message.
    pub icmp: Option<(u8, u8)>,
    /// The packet's mark.
    pub mark: u32,
    /// The length of the packet in bytes, IP header included.
    pub length: u32,
    /// The packet's connection.
    pub ct: Conntrack,
    /// What few rules look at.
    pub details: Details,
}

/// Parts of a packet that few rules look at; a match on a part that is not there fails, whether
/// it is inverted or not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Details {
    /// Byte 13 of the TCP header; `None` when the packet is not TCP.
    pub tcp_flags: Option<u8>,
    /// The kinds of the TCP options, in order.
    pub tcp_options: Vec<u8>,
    /// The segment size that a TCP SYN offers, in bytes.
    pub max_segment: Option<u16>,
    /// The types of the SCTP chunks, in order.
    pub chunks: Vec<u8>,
    /// The IPv4 time to live or the IPv6 hop limit.
    pub ttl: Option<u8>,
    /// The type of service or traffic class, all eight bits.
    pub tos: Option<u8>,
    /// The packet is a fragment other than the first.
    pub fragment: bool,
    /// The source of the Ethernet frame.
    pub mac: Option<[u8; 6]>,
    /// To whom the frame was sent.
    pub frame: Option<PacketType>,
    /// The user whose process sent the packet; `None` without a socket.
    pub uid: Option<u32>,
    /// The group whose process sent the packet; `None` without a socket.
    pub gid: Option<u32>,
    /// Whether an open socket of the host waits for the packet.
    pub socket: bool,
    /// When the packet comes, in seconds since 1970 in UTC; the kernel's time zone is that too.
    pub time: Option<u64>,
    /// The security parameters index of an ESP header, or of an AH header of IPv4.
    pub spi: Option<u32>,
    /// It came through IPsec.
    pub ipsec: bool,
    /// Its route leads through IPsec.
    pub route_ipsec: bool,
    /// Packets and bytes of the connection, in the original direction and in that of replies, this
    /// packet included.
    pub counters: [(u64, u64); 2],
    /// The IPv6 extension headers.
    pub headers: Headers,
    /// The seconds until the connection's entry goes.
    pub expire: u32,
}

/// IPv6 extension headers; the lengths of headers are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headers {
    /// The length of the header of options for hops.
    pub hop_by_hop: Option<u32>,
    /// The length of that of options for the destination.
    pub destination: Option<u32>,
    /// Type, segments left and length of the routing header.
    pub routing: Option<(u8, u8, u32)>,
    /// The identification in the fragment header.
    pub fragment: Option<u32>,
}

impl Packet {
    /// The first packet of a connection, without ports, mark or length.
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
            mark: 0,
            length: 0,
            ct: Conntrack::default(),
            details: Details::default(),
        }
    }

    /// Adds source and destination port.
    #[must_use]
    pub fn ports(mut self, source: u16, destination: u16) -> Self {
        self.ports = Some((source, destination));
        self
    }

    /// Makes the packet a bridged one.
    #[must_use]
    pub fn bridged(mut self, bridge: &str) -> Self {
        self.to = Some(bridge.to_owned());
        self
    }

    /// Adds a mark.
    #[must_use]
    pub fn mark(mut self, mark: u32) -> Self {
        self.mark = mark;
        self
    }

    /// Adds what conntrack knows.
    #[must_use]
    pub fn ct(mut self, ct: Conntrack) -> Self {
        self.ct = ct;
        self
    }
}

/// Where a packet comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// It was received on an interface; the name of a bridge, not of its port.
    Interface(String),
    /// A process of the host sent it.
    Host,
}

/// What conntrack knows of the packet's connection.
///
/// The default is the first packet of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conntrack {
    /// The packet's place in the connection.
    pub state: State,
    /// Whether the packet goes the way of the first one.
    pub direction: Direction,
    /// The first packet as conntrack saw it, before any rewriting. Not read for
    /// [`State::New`]: it is the packet itself.
    pub original: Option<Tuple>,
    /// The answer conntrack expects on the wire; where it is not the inverse of `original`, the
    /// connection is rewritten. Not read for [`State::New`].
    pub reply: Option<Tuple>,
    /// `IPS_SRC_NAT` and `IPS_DST_NAT`, besides what the tuples say. Not read for
    /// [`State::New`].
    pub status: Status,
    /// The connection's mark.
    pub mark: u32,
}

impl Conntrack {
    /// A later packet of a connection.
    pub fn established(direction: Direction, original: Tuple, reply: Tuple) -> Self {
        Self {
            state: State::Established,
            direction,
            original: Some(original),
            reply: Some(reply),
            ..Self::default()
        }
    }

    /// A packet without a connection: invalid, or not tracked on purpose.
    pub fn without_entry(state: State) -> Self {
        Self {
            state,
            ..Self::default()
        }
    }

    /// The status bits, from the caller and from the tuples.
    ///
    /// Source: linux v6.12, `net/netfilter/nf_nat_core.c`, `nf_nat_setup_info`: a bit is set
    /// exactly when the tuple changes.
    pub(super) fn status(&self) -> Status {
        let mut status = self.status;
        if let (Some(original), Some(reply)) = (self.original, self.reply) {
            let asked = original.inverse();
            status.dnat |= asked.source_end() != reply.source_end();
            status.snat |= asked.destination_end() != reply.destination_end();
        }
        status
    }
}

/// A packet's place in its connection.
///
/// Source: uapi linux/netfilter/nf_conntrack_common.h, `enum ip_conntrack_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum State {
    /// The first packet of a connection.
    #[default]
    New,
    /// A packet of a connection that has seen both directions.
    Established,
    /// An ICMP error that belongs to the connection of the tuples.
    Related,
    /// Conntrack could not find or make a connection.
    Invalid,
    /// A rule of the raw table, or something ahead of this program, took the packet out of
    /// tracking.
    Untracked,
}

/// The direction of a packet in its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Direction {
    /// As the first packet.
    #[default]
    Original,
    /// The other way.
    Reply,
}

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tuple {
    /// The source address.
    pub source: IpAddr,
    /// The destination address.
    pub destination: IpAddr,
    /// Source and destination port, if the protocol has ports.
    pub ports: Option<(u16, u16)>,
}

impl Tuple {
    /// The tuple of an answer that nobody rewrites.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            ports: self
                .ports
                .map(|(source, destination)| (destination, source)),
        }
    }

    /// Source address and port.
    pub(super) fn source_end(self) -> (IpAddr, Option<u16>) {
        (self.source, self.ports.map(|(source, _)| source))
    }

    /// Destination address and port.
    pub(super) fn destination_end(self) -> (IpAddr, Option<u16>) {
        (
            self.destination,
            self.ports.map(|(_, destination)| destination),
        )
    }
}

/// Whether a connection's addresses or ports are rewritten.
///
/// Source: uapi linux/netfilter/nf_conntrack_common.h, `IPS_SRC_NAT`, `IPS_DST_NAT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Status {
    /// The source of the original direction is rewritten.
    pub snat: bool,
    /// The destination of the original direction is rewritten.
    pub dnat: bool,
}
