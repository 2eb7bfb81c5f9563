//! The extensions by name: those that are read, and those that are known and refused.

use super::{
    Target, classify, connmark, ct, dscp, log, mark, masquerade, nat, netmap, nflog, nfqueue,
    notrack, redirect, reject, tcpmss, tee, tos, tproxy, ttl,
};
use crate::parse::Extension;
use crate::program::Family;

/// The extensions that are read.
pub(crate) static EXTENSIONS: &[Extension<Target>] = &[
    Extension::new(&["CLASSIFY"], classify::OPTIONS, classify::parse),
    Extension::new(&["CONNMARK"], connmark::OPTIONS, connmark::parse),
    Extension::new(&["CT"], ct::OPTIONS, ct::parse),
    Extension::new(&["DNAT"], nat::DNAT_OPTIONS, nat::parse_dnat),
    Extension::new(&["DSCP"], dscp::OPTIONS, dscp::parse),
    Extension::new(&["HL"], ttl::HL_OPTIONS, ttl::parse_hl).only(Family::Ipv6),
    Extension::new(&["LOG"], log::OPTIONS, log::parse),
    Extension::new(&["MARK"], mark::OPTIONS, mark::parse),
    Extension::new(&["MASQUERADE"], masquerade::OPTIONS, masquerade::parse),
    Extension::new(&["NETMAP"], netmap::OPTIONS, netmap::parse),
    Extension::new(&["NFLOG"], nflog::OPTIONS, nflog::parse),
    Extension::new(&["NFQUEUE"], nfqueue::OPTIONS, nfqueue::parse),
    Extension::new(&["NOTRACK"], &[], notrack::parse),
    Extension::new(&["REDIRECT"], redirect::OPTIONS, redirect::parse),
    Extension::new(&["REJECT"], reject::OPTIONS, reject::parse),
    Extension::new(&["SNAT"], nat::SNAT_OPTIONS, nat::parse_snat),
    Extension::new(&["TCPMSS"], tcpmss::OPTIONS, tcpmss::parse),
    Extension::new(&["TEE"], tee::OPTIONS, tee::parse),
    Extension::new(&["TOS"], tos::OPTIONS, tos::parse),
    Extension::new(&["TPROXY"], tproxy::OPTIONS, tproxy::parse),
    Extension::new(&["TTL"], ttl::TTL_OPTIONS, ttl::parse_ttl).only(Family::Ipv4),
];

const NO_FORM: &str = "it has no native nftables form";
const NOT_YET: &str = "it has a native nftables form that is not written yet";

/// The extensions that iptables knows and that are not read, with the reason.
///
/// Source: iptables 1.8.9, `extensions/libxt_*.c`, `libipt_*.c`, `libip6t_*.c`.
pub(crate) static UNSUPPORTED: &[(&str, &str)] = &[
    ("AUDIT", NOT_YET),
    ("CHECKSUM", NO_FORM),
    ("CLUSTERIP", NO_FORM),
    ("CONNSECMARK", NOT_YET),
    ("DNPT", NO_FORM),
    ("ECN", NOT_YET),
    ("HMARK", NO_FORM),
    ("IDLETIMER", NO_FORM),
    ("LED", NO_FORM),
    ("QUEUE", NO_FORM),
    ("RATEEST", NO_FORM),
    ("SECMARK", NOT_YET),
    ("SET", "an ipset cannot be shared with nftables"),
    ("SNPT", NO_FORM),
    ("SYNPROXY", NOT_YET),
    ("TCPOPTSTRIP", NOT_YET),
    ("TRACE", NOT_YET),
    ("ULOG", NO_FORM),
];

/// The name itself when it is that of a target extension, known or read.
pub(crate) fn is_extension(name: &str) -> Option<&'static str> {
    let read = EXTENSIONS.iter().map(Extension::name);
    let known = UNSUPPORTED.iter().map(|(name, _)| *name);
    read.chain(known).find(|other| *other == name)
}
