//! The extensions by name: those that are read, and those that are known and refused.

use super::{
    Match, addrtype, comment, connbytes, connlimit, connmark, conntrack, dccp, dscp, ecn, frag,
    hashlimit, hl, icmp, icmp6, iprange, length, limit, mac, mark, multiport, options, owner,
    pkttype, policy, quota, recent, rpfilter, rt, sctp, socket, spi, state, statistic, tcp, tcpmss,
    time, tos, transport, ttl,
};
use crate::parse::Extension;
use crate::program::Family;
use crate::value::Protocol;

/// The extensions that are read.
pub(crate) static EXTENSIONS: &[Extension<Match>] = &[
    Extension::new(&["addrtype"], addrtype::OPTIONS, addrtype::parse),
    Extension::new(&["ah"], spi::AH_OPTIONS, spi::parse_ah),
    Extension::new(&["comment"], comment::OPTIONS, comment::parse),
    Extension::new(&["connbytes"], connbytes::OPTIONS, connbytes::parse),
    Extension::new(&["connlimit"], connlimit::OPTIONS, connlimit::parse),
    Extension::new(&["connmark"], connmark::OPTIONS, connmark::parse),
    Extension::new(&["conntrack"], conntrack::OPTIONS, conntrack::parse),
    Extension::new(&["dccp"], dccp::OPTIONS, dccp::parse),
    Extension::new(&["dscp"], dscp::OPTIONS, dscp::parse),
    Extension::new(&["dst"], options::DST_OPTIONS, options::parse_dst).only(Family::Ipv6),
    Extension::new(&["ecn"], ecn::OPTIONS, ecn::parse),
    Extension::new(&["esp"], spi::ESP_OPTIONS, spi::parse_esp),
    Extension::new(&["frag"], frag::OPTIONS, frag::parse).only(Family::Ipv6),
    Extension::new(&["hashlimit"], hashlimit::OPTIONS, hashlimit::parse),
    Extension::new(&["hbh"], options::HBH_OPTIONS, options::parse_hbh).only(Family::Ipv6),
    Extension::new(&["hl"], hl::OPTIONS, hl::parse).only(Family::Ipv6),
    Extension::new(&["icmp"], icmp::OPTIONS, icmp::parse).only(Family::Ipv4),
    Extension::new(
        &["icmp6", "icmpv6", "ipv6-icmp"],
        icmp6::OPTIONS,
        icmp6::parse,
    )
    .only(Family::Ipv6),
    Extension::new(&["iprange"], iprange::OPTIONS, iprange::parse),
    Extension::new(&["length"], length::OPTIONS, length::parse),
    Extension::new(&["limit"], limit::OPTIONS, limit::parse),
    Extension::new(&["mac"], mac::OPTIONS, mac::parse),
    Extension::new(&["mark"], mark::OPTIONS, mark::parse),
    Extension::new(&["multiport"], multiport::OPTIONS, multiport::parse),
    Extension::new(&["owner"], owner::OPTIONS, owner::parse),
    Extension::new(&["pkttype"], pkttype::OPTIONS, pkttype::parse),
    Extension::new(&["policy"], policy::OPTIONS, policy::parse),
    Extension::new(&["quota"], quota::OPTIONS, quota::parse),
    Extension::new(&["recent"], recent::OPTIONS, recent::parse),
    Extension::new(&["rpfilter"], rpfilter::OPTIONS, rpfilter::parse),
    Extension::new(&["rt"], rt::OPTIONS, rt::parse).only(Family::Ipv6),
    Extension::new(&["sctp"], sctp::OPTIONS, sctp::parse),
    Extension::new(&["socket"], socket::OPTIONS, socket::parse),
    Extension::new(&["state"], state::OPTIONS, state::parse),
    Extension::new(&["statistic"], statistic::OPTIONS, statistic::parse),
    Extension::new(&["tcp"], tcp::OPTIONS, tcp::parse),
    Extension::new(&["tcpmss"], tcpmss::OPTIONS, tcpmss::parse),
    Extension::new(&["time"], time::OPTIONS, time::parse),
    Extension::new(&["tos"], tos::OPTIONS, tos::parse),
    Extension::new(&["ttl"], ttl::OPTIONS, ttl::parse).only(Family::Ipv4),
    Extension::new(
        &["udp", "udplite"],
        transport::UDP_OPTIONS,
        transport::parse_udp,
    ),
];

const NO_FORM: &str = "it has no native nftables form";
const NOT_YET: &str = "it has a native nftables form that is not written yet";

/// The extensions that iptables knows and that are not read, with the reason.
///
/// Source: iptables 1.8.9, `extensions/libxt_*.c`, `libipt_*.c`, `libip6t_*.c`.
pub(crate) static UNSUPPORTED: &[(&str, &str)] = &[
    ("bpf", NO_FORM),
    ("cgroup", NOT_YET),
    ("cluster", NOT_YET),
    ("connlabel", NOT_YET),
    ("cpu", NOT_YET),
    ("devgroup", NOT_YET),
    ("eui64", NO_FORM),
    ("helper", NOT_YET),
    ("ipcomp", NOT_YET),
    ("ipv6header", NOT_YET),
    ("ipvs", NO_FORM),
    (
        "mh",
        "it drops malformed packets by itself, which no match of nftables does",
    ),
    ("nfacct", NO_FORM),
    ("osf", NOT_YET),
    (
        "physdev",
        "ports of a bridge are seen in the bridge family only",
    ),
    ("rateest", NO_FORM),
    ("realm", NOT_YET),
    ("set", "an ipset cannot be shared with nftables"),
    ("srh", NO_FORM),
    ("string", NO_FORM),
    ("u32", NO_FORM),
    ("unclean", NO_FORM),
];

/// The match that iptables loads for `-p` when it meets an option that it does not know.
///
/// Source: iptables 1.8.9, `iptables/xshared.c`, `load_proto`: the extension with the
/// protocol's name.
pub(crate) fn of_protocol(protocol: Protocol, family: Family) -> Option<&'static str> {
    Some(match (protocol, family) {
        (Protocol::TCP, _) => "tcp",
        (Protocol::UDP | Protocol(136), _) => "udp",
        (Protocol::SCTP, _) => "sctp",
        (Protocol(33), _) => "dccp",
        (Protocol(50), _) => "esp",
        (Protocol(51), _) => "ah",
        (Protocol::ICMP, Family::Ipv4) => "icmp",
        (Protocol::ICMPV6, Family::Ipv6) => "icmp6",
        _ => return None,
    })
}
