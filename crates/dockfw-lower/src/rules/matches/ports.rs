//! `-m tcp`, `-m udp`, `-m sctp`, `-m multiport`: transport headers.
//!
//! The protocol is tested by the rule's `-p`, without which iptables takes none of these.

use dockfw_iptables::r#match::dccp::Dccp;
use dockfw_iptables::r#match::multiport::{Multiport, Side};
use dockfw_iptables::r#match::sctp::Sctp;
use dockfw_iptables::r#match::tcp::Tcp;
use dockfw_iptables::r#match::tcpmss::Tcpmss;
use dockfw_iptables::r#match::transport::Ports;
use dockfw_iptables::{Invertible, PortRange};
use dockfw_ir::expr::payload::{Base, Raw};
use dockfw_ir::expr::{Expr, Exthdr, Payload};
use dockfw_ir::value::Value;

use super::equal;
use crate::rules::Reason;
use crate::rules::ways::{Ways, masked, one_of, range};

pub(super) fn port(port: u16) -> Value {
    Value::new().and_port(port)
}

/// Source: linux v6.12, `net/netfilter/xt_tcpudp.c`, `port_match`: a range whose first port is
/// above its last holds nothing.
pub(super) fn ports(wanted: &Ports) -> Ways {
    let side = |wanted: Option<Invertible<PortRange>>, key: Payload| match wanted {
        None => Ways::always(),
        Some(wanted) => {
            let PortRange { first, last } = *wanted.value();
            let negated = wanted.is_inverted();
            if first > last {
                Ways::constant(negated)
            } else if (first, last) == (0, u16::MAX) {
                Ways::constant(!negated)
            } else {
                Ways::one(range(key, negated, port(first), port(last)))
            }
        }
    };
    side(wanted.source, Payload::ThSport).and(&side(wanted.destination, Payload::ThDport))
}

/// Source: linux v6.12, `net/netfilter/xt_tcpudp.c`, `tcp_mt`.
pub(super) fn tcp(wanted: &Tcp) -> Ways {
    let mut ways = ports(&wanted.ports);
    if let Some(flags) = wanted.flags {
        let (mask, set) = *flags.value();
        let (mask, set) = (mask.bits(), set.bits());
        let byte = |bits| Value::new().and_u8(bits);
        ways = ways.and(&if set & !mask != 0 || mask == 0 {
            Ways::constant((set & !mask == 0) != flags.is_inverted())
        } else {
            let key = Payload::TcpFlags;
            Ways::one(masked(key, flags.is_inverted(), byte(mask), byte(set)))
        });
    }
    if let Some(option) = wanted.option {
        let key = Expr::from(Exthdr::TcpOption(*option.value()));
        ways = ways.and(&equal(key, false, u8::from(!option.is_inverted())));
    }
    ways
}

pub(super) fn sctp(wanted: &Sctp) -> Result<Ways, Reason> {
    if wanted.chunks.is_some() {
        return Err(Reason::new(
            "sctp --chunk-types has no native form that nft 1.0.6 can list",
            "write the rule without --chunk-types",
        ));
    }
    Ok(ports(&wanted.ports))
}

/// `dccp sport 5 @th,64,8 & 0x1e == 0x04`: the type is four bits of the ninth byte, RFC 4340 §5.1.
///
/// Source: linux v6.12, `net/netfilter/xt_dccp.c`, `match_types`.
pub(super) fn dccp(wanted: Dccp) -> Result<Ways, Reason> {
    if wanted.option.is_some() {
        return Err(Reason::new(
            "dccp --dccp-option has no native form that nft 1.0.6 can list",
            "write the rule without --dccp-option",
        ));
    }
    let ways = ports(&wanted.ports);
    let Some(types) = wanted.types else {
        return Ok(ways);
    };
    let byte = |bits| Value::new().and_u8(bits);
    let key = Payload::Raw(Raw {
        base: Base::Transport,
        offset: 8,
        len: 1,
    });
    let mut set = (0..16_u8).filter(|kind| types.value() >> kind & 1 == 1);
    let is = |kind: u8, negated| Ways::one(masked(key, negated, byte(0x1e), byte(kind << 1)));
    Ok(ways.and(&if types.is_inverted() {
        set.fold(Ways::always(), |ways, kind| ways.and(&is(kind, true)))
    } else {
        let first = set.next().map_or_else(Ways::never, |kind| is(kind, false));
        set.fold(first, |ways, kind| ways.or(is(kind, false)))
    }))
}

/// Source: linux v6.12, `net/netfilter/xt_multiport.c`, `ports_match_v1`.
pub(super) fn multiport(wanted: &Multiport) -> Ways {
    let negated = wanted.ports.is_inverted();
    let mut ranges: Vec<_> = wanted.ports.value().clone();
    ranges.retain(|range| range.first <= range.last);
    if ranges.is_empty() {
        return Ways::constant(negated);
    }
    let test = |key: Payload, negated| {
        let ranges = ranges.iter().map(|of| (port(of.first), port(of.last)));
        Ways::one(one_of(key, negated, ranges.collect()))
    };
    let (source, destination) = (Payload::ThSport, Payload::ThDport);
    match (wanted.side, negated) {
        (Side::Source, negated) => test(source, negated),
        (Side::Destination, negated) => test(destination, negated),
        (Side::Either, true) => test(source, true).and(&test(destination, true)),
        (Side::Either, false) => {
            let other = test(source, true).and(&test(destination, false));
            test(source, false).or(other)
        }
    }
}

/// `tcp option maxseg size 500-1400`; a packet without the option has none of the sizes.
///
/// Source: linux v6.12, `net/netfilter/xt_tcpmss.c`, `tcpmss_mt`.
pub(super) fn tcpmss(wanted: Tcpmss) -> Ways {
    /// RFC 9293 §3.2.
    const MAXSEG: u8 = 2;
    let (negated, (first, last)) = wanted.bytes.into_parts();
    let number = |bytes: u16| Value::new().and_bytes(&bytes.to_be_bytes());
    let size = Expr::from(Exthdr::TcpMaxseg);
    if (first, last) == (0, u16::MAX) {
        let exists = Expr::from(Exthdr::TcpOption(MAXSEG));
        return equal(exists, false, u8::from(!negated));
    }
    let size = Ways::one(range(size, negated, number(first), number(last)));
    if !negated {
        return size;
    }
    equal(Exthdr::TcpOption(MAXSEG).into(), false, 0).or(size)
}
