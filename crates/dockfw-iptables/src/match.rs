//! Match extensions, `-m`: one file each, named like the extension.
//!
//! A new extension is a file with its type, its `Display` (the save text with a blank in front:
//! ` -m name --option value`), its options and their reader, a variant here with an arm in
//! `Display`, and a line in the registry.

pub mod addrtype;
pub mod comment;
pub mod connbytes;
pub mod connlimit;
pub mod connmark;
pub mod conntrack;
pub mod dccp;
pub mod dscp;
pub mod ecn;
pub mod frag;
pub mod hashlimit;
pub mod hl;
pub mod icmp;
pub mod icmp6;
pub mod iprange;
pub mod length;
pub mod limit;
pub mod mac;
pub mod mark;
pub mod multiport;
pub mod options;
pub mod owner;
pub mod pkttype;
pub mod policy;
pub mod quota;
mod rate;
pub mod recent;
mod registry;
pub mod rpfilter;
pub mod rt;
pub mod sctp;
pub mod socket;
pub mod spi;
pub mod state;
pub mod statistic;
pub mod tcp;
pub mod tcpmss;
pub mod time;
pub mod tos;
pub mod transport;
pub mod ttl;

use std::fmt;

use addrtype::Addrtype;
use comment::Comment;
use connbytes::Connbytes;
use connlimit::Connlimit;
use connmark::Connmark;
use conntrack::Conntrack;
use dccp::Dccp;
use dscp::Dscp;
use ecn::Ecn;
use frag::Frag;
use hashlimit::Hashlimit;
use hl::Hl;
use icmp::Icmp;
use icmp6::Icmp6;
use iprange::Iprange;
use length::Length;
use limit::Limit;
use mac::Mac;
use mark::Mark;
use multiport::Multiport;
use options::Options;
use owner::Owner;
use pkttype::Pkttype;
use policy::Policy;
use quota::Quota;
use recent::Recent;
pub(crate) use registry::{EXTENSIONS, UNSUPPORTED, of_protocol};
use rpfilter::Rpfilter;
use rt::Rt;
use sctp::Sctp;
use socket::Socket;
use spi::Spi;
use state::State;
use statistic::Statistic;
use tcp::Tcp;
use tcpmss::Tcpmss;
use time::Time;
use tos::Tos;
use transport::Ports;
use ttl::Ttl;

/// A match extension with its options.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// `addrtype`: what the host's routing thinks of an address.
    Addrtype(Addrtype),
    /// `ah`: the index of an authentication header.
    Ah(Spi),
    /// `comment`: always matches.
    Comment(Comment),
    /// `connbytes`: what the connection has carried.
    Connbytes(Connbytes),
    /// `connlimit`: how many connections an address has.
    Connlimit(Connlimit),
    /// `connmark`: the connection's mark.
    Connmark(Connmark),
    /// `conntrack`: the state of the connection.
    Conntrack(Conntrack),
    /// `dccp`: ports and types.
    Dccp(Dccp),
    /// `dscp`: the differentiated services code point.
    Dscp(Dscp),
    /// `dst`: the IPv6 header of options for the destination.
    Dst(Options),
    /// `ecn`: explicit congestion notification.
    Ecn(Ecn),
    /// `esp`: the index of an encrypted packet.
    Esp(Spi),
    /// `frag`: the IPv6 fragment header.
    Frag(Frag),
    /// `hashlimit`: a limit for each address or port.
    Hashlimit(Hashlimit),
    /// `hbh`: the IPv6 header of options for hops.
    Hbh(Options),
    /// `hl`: the IPv6 hop limit.
    Hl(Hl),
    /// `icmp`: type and code of ICMP.
    Icmp(Icmp),
    /// `icmp6`: type and code of ICMPv6.
    Icmp6(Icmp6),
    /// `iprange`: ranges of addresses.
    Iprange(Iprange),
    /// `length`: the packet's length.
    Length(Length),
    /// `limit`: so many packets in a time.
    Limit(Limit),
    /// `mac`: the source of the Ethernet frame.
    Mac(Mac),
    /// `mark`: the packet's mark.
    Mark(Mark),
    /// `multiport`: lists of ports.
    Multiport(Multiport),
    /// `owner`: the process that sent the packet.
    Owner(Owner),
    /// `pkttype`: to whom the frame was sent.
    Pkttype(Pkttype),
    /// `policy`: whether the packet takes a way through IPsec.
    Policy(Policy),
    /// `quota`: until so many bytes have come.
    Quota(Quota),
    /// `recent`: lists of addresses.
    Recent(Recent),
    /// `rpfilter`: whether an answer would take the same way.
    Rpfilter(Rpfilter),
    /// `rt`: the IPv6 routing header.
    Rt(Rt),
    /// `sctp`: ports and chunks.
    Sctp(Sctp),
    /// `socket`: whether a socket of the host waits for the packet.
    Socket(Socket),
    /// `state`: the old name of `conntrack --ctstate`.
    State(State),
    /// `statistic`: some of the packets.
    Statistic(Statistic),
    /// `tcp`: ports, flags and options.
    Tcp(Tcp),
    /// `tcpmss`: the segment size that a SYN offers.
    Tcpmss(Tcpmss),
    /// `time`: when the packet comes.
    Time(Time),
    /// `tos`: the type of service byte.
    Tos(Tos),
    /// `ttl`: the IPv4 time to live.
    Ttl(Ttl),
    /// `udp`: ports, of udplite too.
    Udp(Ports),
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addrtype(value) => value.fmt(f),
            Self::Ah(value) => value.write(f, "ah"),
            Self::Comment(value) => value.fmt(f),
            Self::Connbytes(value) => value.fmt(f),
            Self::Connlimit(value) => value.fmt(f),
            Self::Connmark(value) => value.fmt(f),
            Self::Conntrack(value) => value.fmt(f),
            Self::Dccp(value) => value.fmt(f),
            Self::Dscp(value) => value.fmt(f),
            Self::Dst(value) => value.write(f, "dst"),
            Self::Ecn(value) => value.fmt(f),
            Self::Esp(value) => value.write(f, "esp"),
            Self::Frag(value) => value.fmt(f),
            Self::Hashlimit(value) => value.fmt(f),
            Self::Hbh(value) => value.write(f, "hbh"),
            Self::Hl(value) => value.fmt(f),
            Self::Icmp(value) => value.fmt(f),
            Self::Icmp6(value) => value.fmt(f),
            Self::Iprange(value) => value.fmt(f),
            Self::Length(value) => value.fmt(f),
            Self::Limit(value) => value.fmt(f),
            Self::Mac(value) => value.fmt(f),
            Self::Mark(value) => value.fmt(f),
            Self::Multiport(value) => value.fmt(f),
            Self::Owner(value) => value.fmt(f),
            Self::Pkttype(value) => value.fmt(f),
            Self::Policy(value) => value.fmt(f),
            Self::Quota(value) => value.fmt(f),
            Self::Recent(value) => value.fmt(f),
            Self::Rpfilter(value) => value.fmt(f),
            Self::Rt(value) => value.fmt(f),
            Self::Sctp(value) => value.fmt(f),
            Self::Socket(value) => value.fmt(f),
            Self::State(value) => value.fmt(f),
            Self::Statistic(value) => value.fmt(f),
            Self::Tcp(value) => value.fmt(f),
            Self::Tcpmss(value) => value.fmt(f),
            Self::Time(value) => value.fmt(f),
            Self::Tos(value) => value.fmt(f),
            Self::Ttl(value) => value.fmt(f),
            Self::Udp(ports) => ports.write(f, " -m udp"),
        }
    }
}

macro_rules! from_extension {
    ($($variant:ident)*) => { $(
        impl From<$variant> for Match {
            fn from(value: $variant) -> Self {
                Self::$variant(value)
            }
        }
    )* };
}

from_extension!(
    Addrtype Comment Connbytes Connlimit Connmark Conntrack Dccp Dscp Ecn Frag Hashlimit Hl Icmp Icmp6 Iprange Length
    Limit Mac Mark Multiport Owner Pkttype Policy Quota Recent Rpfilter Rt Sctp Socket State Statistic Tcp Tcpmss Tos
    Ttl
);
