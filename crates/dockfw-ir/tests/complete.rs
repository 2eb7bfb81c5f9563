//! Every variant of the IR occurs in a sample, so that print, JSON and the wire format are tried
//! with it. Each function here is an exhaustive match: a new variant stops the build until it has a
//! name, and the test until it has a sample.

mod samples;

use std::collections::BTreeSet;

use dockfw_ir::chain::{ChainKind, Hook, Policy};
use dockfw_ir::expr::ct::{Counter, Direction, TupleField};
use dockfw_ir::expr::exthdr::{Ipv6Field, Ipv6Header};
use dockfw_ir::expr::fib::{FibAddress, FibResult};
use dockfw_ir::expr::numgen::NumgenMode;
use dockfw_ir::expr::{Ct, Expr, Exthdr, Key, Meta, Payload, Rt, Socket};
use dockfw_ir::set::ElementData;
use dockfw_ir::statement::reject::Icmpx;
use dockfw_ir::statement::{
    DynsetOperation, DynsetStatement, Mangle, MarkSource, MarkTarget, Match, MaxSegment, Measure,
    NatKind, NatTarget, Operator, Reject, Statement, Test, TimeUnit, Verdict,
};
use dockfw_ir::table::Family;
use dockfw_ir::{DataType, Ruleset, SetKind};

/// Declares a function from a value to the name of its variant, and a list of all names.
macro_rules! names {
    ($function:ident, $all:ident, $type:ty, [$($pattern:pat => $name:literal,)*]) => {
        fn $function(value: &$type) -> &'static str {
            match value {
                $($pattern => $name,)*
            }
        }

        const $all: &[&str] = &[$($name,)*];
    };
}

names!(payload, PAYLOADS, Payload, [
    Payload::EtherSaddr => "ether saddr",
    Payload::IpSaddr => "ip saddr",
    Payload::IpDaddr => "ip daddr",
    Payload::Ip6Saddr => "ip6 saddr",
    Payload::Ip6Daddr => "ip6 daddr",
    Payload::ThSport => "th sport",
    Payload::ThDport => "th dport",
    Payload::TcpSport => "tcp sport",
    Payload::TcpDport => "tcp dport",
    Payload::TcpFlags => "tcp flags",
    Payload::UdpSport => "udp sport",
    Payload::UdpDport => "udp dport",
    Payload::SctpSport => "sctp sport",
    Payload::SctpDport => "sctp dport",
    Payload::IcmpType => "icmp type",
    Payload::IcmpCode => "icmp code",
    Payload::Icmpv6Type => "icmpv6 type",
    Payload::Icmpv6Code => "icmpv6 code",
    Payload::IpDscp => "ip dscp",
    Payload::IpEcn => "ip ecn",
    Payload::IpTtl => "ip ttl",
    Payload::IpFragOff => "ip frag-off",
    Payload::Ip6Dscp => "ip6 dscp",
    Payload::Ip6Ecn => "ip6 ecn",
    Payload::Ip6Hoplimit => "ip6 hoplimit",
    Payload::UdpLength => "udp length",
    Payload::AhSpi => "ah spi",
    Payload::EspSpi => "esp spi",
    Payload::Raw(_) => "raw",
]);
names!(meta, METAS, Meta, [
    Meta::Length => "meta length",
    Meta::Mark => "meta mark",
    Meta::Iifname => "iifname",
    Meta::Oifname => "oifname",
    Meta::Skuid => "meta skuid",
    Meta::Skgid => "meta skgid",
    Meta::Pkttype => "meta pkttype",
    Meta::Nfproto => "meta nfproto",
    Meta::L4proto => "meta l4proto",
    Meta::Cgroup => "meta cgroup",
    Meta::Hour => "meta hour",
    Meta::Day => "meta day",
    Meta::Time => "meta time",
    Meta::Ipsec => "meta ipsec",
]);
names!(ct, CTS, Ct, [
    Ct::State => "ct state",
    Ct::Direction => "ct direction",
    Ct::Status => "ct status",
    Ct::Mark => "ct mark",
    Ct::Expiration => "ct expiration",
    Ct::Counter(Counter::Packets, _) => "ct packets",
    Ct::Counter(Counter::Bytes, None) => "ct bytes",
    Ct::Counter(Counter::Bytes, Some(_)) => "ct bytes of a direction",
    Ct::Counter(Counter::Average, _) => "ct avgpkt",
    Ct::Tuple(Direction::Original, _) => "ct original",
    Ct::Tuple(Direction::Reply, _) => "ct reply",
]);
names!(tuple, TUPLES, TupleField, [
    TupleField::IpSaddr => "tuple ip saddr",
    TupleField::IpDaddr => "tuple ip daddr",
    TupleField::Ip6Saddr => "tuple ip6 saddr",
    TupleField::Ip6Daddr => "tuple ip6 daddr",
    TupleField::Protocol => "tuple protocol",
    TupleField::ProtoSrc => "tuple proto-src",
    TupleField::ProtoDst => "tuple proto-dst",
]);
names!(fib_address, FIB_ADDRESSES, FibAddress, [
    FibAddress::Saddr => "fib saddr",
    FibAddress::Daddr => "fib daddr",
]);
names!(fib_result, FIB_RESULTS, FibResult, [
    FibResult::Type => "fib type",
    FibResult::Oifname => "fib oifname",
    FibResult::Exists => "fib exists",
]);
names!(exthdr, EXTHDRS, Exthdr, [
    Exthdr::TcpOption(_) => "tcp option",
    Exthdr::TcpMaxseg => "tcp option maxseg size",
    Exthdr::Ipv6Field(Ipv6Field::HopByHopLength) => "hbh hdrlength",
    Exthdr::Ipv6Field(Ipv6Field::DestinationLength) => "dst hdrlength",
    Exthdr::Ipv6Field(Ipv6Field::RoutingLength) => "rt hdrlength",
    Exthdr::Ipv6Field(Ipv6Field::RoutingType) => "rt type",
    Exthdr::Ipv6Field(Ipv6Field::RoutingSegments) => "rt seg-left",
    Exthdr::Ipv6Field(Ipv6Field::FragmentId) => "frag id",
    Exthdr::Ipv6(Ipv6Header::HopByHop) => "exthdr hbh",
    Exthdr::Ipv6(Ipv6Header::Routing) => "exthdr rt",
    Exthdr::Ipv6(Ipv6Header::Fragment) => "exthdr frag",
    Exthdr::Ipv6(Ipv6Header::Destination) => "exthdr dst",
    Exthdr::Ipv6(Ipv6Header::Mobility) => "exthdr mh",
]);
names!(rt, RTS, Rt, [
    Rt::Ipsec => "rt ipsec",
]);
names!(socket, SOCKETS, Socket, [
    Socket::Transparent => "socket transparent",
    Socket::Mark => "socket mark",
    Socket::Wildcard => "socket wildcard",
]);
names!(mode, MODES, NumgenMode, [
    NumgenMode::Increment => "numgen inc",
    NumgenMode::Random => "numgen random",
]);
names!(mangle, MANGLES, Mangle, [
    Mangle::Priority(_) => "priority set",
    Mangle::Zone { direction: None, .. } => "zone set",
    Mangle::Zone { direction: Some(_), .. } => "zone set of a direction",
    Mangle::Field { .. } => "field set",
    Mangle::MaxSegment(MaxSegment::Bytes(_)) => "maxseg set",
    Mangle::MaxSegment(MaxSegment::RouteMtu) => "maxseg set rt mtu",
]);
names!(operation, OPERATIONS, DynsetOperation, [
    DynsetOperation::Add => "dynset add",
    DynsetOperation::Update => "dynset update",
    DynsetOperation::Delete => "dynset delete",
]);
names!(kept, KEPT, DynsetStatement, [
    DynsetStatement::Counter => "dynset counter",
    DynsetStatement::Limit(_) => "dynset limit",
    DynsetStatement::Quota(_) => "dynset quota",
    DynsetStatement::CtCount(_) => "dynset ct count",
]);
names!(source, SOURCES, MarkSource, [
    MarkSource::Packet => "set meta mark",
    MarkSource::Conntrack => "set ct mark",
    MarkSource::Socket => "set socket mark",
]);
names!(measure, MEASURES, Measure, [
    Measure::Packets => "packets",
    Measure::Bytes => "bytes",
]);
names!(test, TESTS, Test, [
    Test::Compare { mask: None, .. } => "compare",
    Test::Compare { mask: Some(_), .. } => "compare masked",
    Test::Range { negated: false, .. } => "range",
    Test::Range { negated: true, .. } => "not range",
    Test::Prefix { negated: false, .. } => "prefix",
    Test::Prefix { negated: true, .. } => "not prefix",
    Test::Set { negated: false, .. } => "set",
    Test::Set { negated: true, .. } => "not set",
    Test::OneOf { negated: false, .. } => "one of",
    Test::OneOf { negated: true, .. } => "not one of",
]);
names!(operator, OPERATORS, Operator, [
    Operator::Equal => "==",
    Operator::NotEqual => "!=",
    Operator::Less => "<",
    Operator::LessOrEqual => "<=",
    Operator::Greater => ">",
    Operator::GreaterOrEqual => ">=",
]);
names!(statement, STATEMENTS, Statement, [
    Statement::Match(_) => "match",
    Statement::VerdictMap(_) => "vmap",
    Statement::Verdict(_) => "verdict",
    Statement::Counter => "counter",
    Statement::Limit(_) => "limit",
    Statement::Log(_) => "log",
    Statement::Reject(_) => "reject",
    Statement::Notrack => "notrack",
    Statement::SetMark(_) => "set mark",
    Statement::Nat(_) => "nat",
    Statement::Masquerade(_) => "masquerade",
    Statement::Mangle(_) => "mangle",
    Statement::Quota(_) => "quota",
    Statement::CtCount(_) => "ct count",
    Statement::Queue(_) => "queue",
    Statement::Dup(_) => "dup",
    Statement::Tproxy(_) => "tproxy",
    Statement::Dynset(_) => "dynset",
    Statement::Redirect { ports: None, .. } => "redirect",
    Statement::Redirect { ports: Some(_), .. } => "redirect to",
]);
names!(verdict, VERDICTS, Verdict, [
    Verdict::Accept => "accept",
    Verdict::Drop => "drop",
    Verdict::Continue => "continue",
    Verdict::Return => "return",
    Verdict::Jump(_) => "jump",
    Verdict::Goto(_) => "goto",
]);
names!(unit, UNITS, TimeUnit, [
    TimeUnit::Second => "second",
    TimeUnit::Minute => "minute",
    TimeUnit::Hour => "hour",
    TimeUnit::Day => "day",
    TimeUnit::Week => "week",
]);
names!(reject, REJECTS, Reject, [
    Reject::TcpReset => "tcp reset",
    Reject::Icmp(_) => "icmp",
    Reject::Icmpv6(_) => "icmpv6",
    Reject::Icmpx(Icmpx::NoRoute) => "icmpx no-route",
    Reject::Icmpx(Icmpx::PortUnreachable) => "icmpx port-unreachable",
    Reject::Icmpx(Icmpx::HostUnreachable) => "icmpx host-unreachable",
    Reject::Icmpx(Icmpx::AdminProhibited) => "icmpx admin-prohibited",
]);
names!(mark, MARKS, MarkTarget, [
    MarkTarget::Packet => "meta mark set",
    MarkTarget::Conntrack => "ct mark set",
]);
names!(nat_kind, NAT_KINDS, NatKind, [
    NatKind::Snat => "snat",
    NatKind::Dnat => "dnat",
]);
names!(nat_target, NAT_TARGETS, NatTarget, [
    NatTarget::Ipv4 { ports: None, .. } => "nat ip",
    NatTarget::Ipv4 { ports: Some(_), .. } => "nat ip port",
    NatTarget::Ipv6 { ports: None, .. } => "nat ip6",
    NatTarget::Ipv6 { ports: Some(_), .. } => "nat ip6 port",
    NatTarget::Map { .. } => "nat map",
    NatTarget::Prefix(_) => "nat prefix",
    NatTarget::Ports(..) => "nat ports",
]);
names!(kind, KINDS, ChainKind, [
    ChainKind::Filter => "type filter",
    ChainKind::Nat => "type nat",
    ChainKind::Route => "type route",
]);
names!(hook, HOOKS, Hook, [
    Hook::Prerouting => "prerouting",
    Hook::Input => "input",
    Hook::Forward => "forward",
    Hook::Output => "output",
    Hook::Postrouting => "postrouting",
]);
names!(policy, POLICIES, Policy, [
    Policy::Accept => "policy accept",
    Policy::Drop => "policy drop",
]);
names!(family, FAMILIES, Family, [
    Family::Inet => "family inet",
    Family::Ip => "family ip",
    Family::Ip6 => "family ip6",
]);
names!(set_kind, SET_KINDS, SetKind, [
    SetKind::Set => "a set",
    SetKind::Map(_) => "a map",
    SetKind::VerdictMap => "a verdict map",
]);
names!(element, ELEMENTS, ElementData, [
    ElementData::None => "a member",
    ElementData::Value(_) => "a mapping",
    ElementData::Verdict(_) => "a verdict of a map",
]);
names!(data_type, DATA_TYPES, DataType, [
    DataType::NfProto => "nf_proto",
    DataType::Ipv4Addr => "ipv4_addr",
    DataType::Ipv6Addr => "ipv6_addr",
    DataType::EtherAddr => "ether_addr",
    DataType::InetProto => "inet_proto",
    DataType::InetService => "inet_service",
    DataType::IcmpType => "icmp_type",
    DataType::Icmpv6Type => "icmpv6_type",
    DataType::IcmpCode => "icmp_code",
    DataType::Icmpv6Code => "icmpv6_code",
    DataType::TcpFlag => "tcp_flag",
    DataType::Mark => "mark",
    DataType::IfName => "ifname",
    DataType::CtState => "ct_state",
    DataType::CtDir => "ct_dir",
    DataType::CtStatus => "ct_status",
    DataType::FibAddrtype => "fib_addrtype",
    DataType::PktType => "pkt_type",
    DataType::Uid => "uid",
    DataType::Gid => "gid",
    DataType::Boolean => "boolean",
    DataType::Dscp => "dscp",
    DataType::Ecn => "ecn",
    DataType::Duration => "time",
    DataType::TimeOfDay => "hour",
    DataType::Weekday => "day",
    DataType::Timestamp => "date",
    DataType::Raw(_) => "raw integer",
    DataType::Integer(_) => "integer",
    DataType::HostInteger(_) => "host integer",
]);

/// No declaration can name these; the verifier refuses them.
const NOT_IN_SETS: &[&str] = &[
    "boolean",
    "dscp",
    "ecn",
    "time",
    "hour",
    "day",
    "date",
    "raw integer",
    "integer",
    "host integer",
];

#[derive(Default)]
struct Seen(BTreeSet<&'static str>);

impl Seen {
    fn key(&mut self, key: &Key) {
        for expr in &key.0 {
            match expr {
                Expr::Payload(inner) => self.add(payload(inner)),
                Expr::Meta(inner) => self.add(meta(inner)),
                Expr::Ct(inner) => {
                    self.add(ct(inner));
                    if let Ct::Tuple(_, field) = inner {
                        self.add(tuple(field));
                    }
                }
                Expr::Fib(inner) => {
                    self.add(fib_address(&inner.address));
                    self.add(fib_result(&inner.result));
                }
                Expr::Exthdr(inner) => self.add(exthdr(inner)),
                Expr::Socket(inner) => self.add(socket(inner)),
                Expr::Numgen(inner) => self.add(mode(&inner.mode)),
                Expr::Rt(inner) => self.add(rt(inner)),
            }
        }
    }

    fn statement(&mut self, each: &Statement) {
        self.add(statement(each));
        match each {
            Statement::Match(Match { key, test: inner }) => {
                self.key(key);
                self.add(test(inner));
                if let Test::Compare {
                    operator: inner, ..
                } = inner
                {
                    self.add(operator(inner));
                }
            }
            Statement::VerdictMap(lookup) => self.key(&lookup.key),
            Statement::Verdict(inner) => self.add(verdict(inner)),
            Statement::Limit(limit) => {
                self.add(unit(&limit.unit));
                self.add(measure(&limit.measure));
            }
            Statement::Mangle(inner) => self.add(mangle(inner)),
            Statement::Dynset(inner) => {
                self.key(&inner.key);
                self.add(operation(&inner.operation));
                if let Some(inner) = &inner.statement {
                    self.add(kept(inner));
                }
            }
            Statement::Reject(inner) => self.add(reject(inner)),
            Statement::SetMark(inner) => {
                self.add(mark(&inner.target));
                self.add(source(&inner.source));
            }
            Statement::Nat(nat) => {
                self.add(nat_kind(&nat.kind));
                self.add(nat_target(&nat.target));
                if let NatTarget::Map { key, .. } = &nat.target {
                    self.key(key);
                }
            }
            Statement::Counter
            | Statement::Log(_)
            | Statement::Notrack
            | Statement::Quota(_)
            | Statement::CtCount(_)
            | Statement::Queue(_)
            | Statement::Dup(_)
            | Statement::Tproxy(_)
            | Statement::Masquerade(_)
            | Statement::Redirect { .. } => {}
        }
    }

    fn ruleset(&mut self, ruleset: &Ruleset) {
        for table in &ruleset.tables {
            self.add(family(&table.family));
            for set in &table.sets {
                self.add(set_kind(&set.kind));
                for each in &set.key {
                    self.add(data_type(each));
                }
                for each in &set.elements {
                    self.add(element(&each.data));
                }
            }
            for chain in &table.chains {
                if let Some(base) = &chain.base {
                    self.add(kind(&base.kind));
                    self.add(hook(&base.hook));
                    self.add(policy(&base.policy));
                }
                for each in chain.rules.iter().flat_map(|rule| &rule.statements) {
                    self.statement(each);
                }
            }
        }
    }

    fn add(&mut self, name: &'static str) {
        self.0.insert(name);
    }
}

#[test]
fn every_variant_is_in_a_sample() {
    let mut seen = Seen::default();
    for (_, ruleset) in samples::samples().into_iter().chain(samples::unloadable()) {
        seen.ruleset(&ruleset);
    }
    let all = [
        PAYLOADS,
        METAS,
        CTS,
        TUPLES,
        FIB_ADDRESSES,
        FIB_RESULTS,
        EXTHDRS,
        SOCKETS,
        RTS,
        MODES,
        MANGLES,
        OPERATIONS,
        KEPT,
        SOURCES,
        MEASURES,
        TESTS,
        OPERATORS,
        STATEMENTS,
        VERDICTS,
        UNITS,
        REJECTS,
        MARKS,
        NAT_KINDS,
        NAT_TARGETS,
        KINDS,
        HOOKS,
        POLICIES,
        FAMILIES,
        SET_KINDS,
        ELEMENTS,
        DATA_TYPES,
    ];
    let missing: Vec<_> = all
        .into_iter()
        .flatten()
        .filter(|name| !seen.0.contains(*name) && !NOT_IN_SETS.contains(name))
        .collect();
    assert!(missing.is_empty(), "in no sample: {missing:?}");
}
