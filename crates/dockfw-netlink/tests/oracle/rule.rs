//! The expressions of a rule by libnftnl.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "test helpers"
)]
#![expect(
    clippy::too_many_lines,
    reason = "one match over the IR, readable beside the encoder"
)]

use dockfw_ir::chain::Rule;
use dockfw_ir::expr::ct::{Counter, Direction, TupleField};
use dockfw_ir::expr::exthdr::Ipv6Field;
use dockfw_ir::expr::fib::{FibAddress, FibResult};
use dockfw_ir::expr::numgen::NumgenMode;
use dockfw_ir::expr::payload::Base;
use dockfw_ir::expr::{Ct, Expr, Exthdr, Key, Meta, Payload, Rt, Socket};
use dockfw_ir::set::SetKind;
use dockfw_ir::statement::nat::{NatFamily, NatFlags};
use dockfw_ir::statement::reject::Icmpx;
use dockfw_ir::statement::{
    CtCount, DynsetOperation, DynsetStatement, Limit, Mangle, MarkSource, MaxSegment, Measure,
    Quota,
};
use dockfw_ir::statement::{MarkTarget, NatKind, NatTarget, Operator, Reject, Statement, Test};
use dockfw_ir::table::{Family, Table};
use nftnl::nftnl_sys::*;

use crate::ffi::Expression;
use crate::object::verdict_code;

/// The first register, and the size of one.
const R: u32 = 8;

struct State<'t> {
    table: &'t Table,
    out: Vec<Expression>,
    /// Meta keys whose value is known, with that value.
    facts: Vec<(i32, Vec<u8>)>,
    /// The number of the last set.
    set_id: u32,
}

/// What a rule is evaluated as.
pub(crate) fn expressions(table: &Table, rule: &Rule, set_id: u32) -> Vec<Expression> {
    let facts = match table.family {
        Family::Inet => vec![],
        Family::Ip => vec![(libc::NFT_META_NFPROTO, vec![2])],
        Family::Ip6 => vec![(libc::NFT_META_NFPROTO, vec![10])],
    };
    let mut state = State {
        table,
        out: Vec::new(),
        facts,
        set_id,
    };
    rule.statements
        .iter()
        .for_each(|statement| state.statement(statement));
    state.out
}

fn number(value: i32) -> u32 {
    u32::try_from(value).unwrap()
}

fn load_meta(key: i32, register: u32) -> Expression {
    Expression::new("meta")
        .u32(NFTNL_EXPR_META_KEY, number(key))
        .u32(NFTNL_EXPR_META_DREG, register)
}

fn cmp(operator: i32, value: &[u8]) -> Expression {
    Expression::new("cmp")
        .u32(NFTNL_EXPR_CMP_SREG, R)
        .u32(NFTNL_EXPR_CMP_OP, number(operator))
        .bytes(NFTNL_EXPR_CMP_DATA, value)
}

fn immediate(register: u32, value: &[u8]) -> Expression {
    Expression::new("immediate")
        .u32(NFTNL_EXPR_IMM_DREG, register)
        .bytes(NFTNL_EXPR_IMM_DATA, value)
}

fn operator_code(operator: Operator) -> i32 {
    match operator {
        Operator::Equal => libc::NFT_CMP_EQ,
        Operator::NotEqual => libc::NFT_CMP_NEQ,
        Operator::Less => libc::NFT_CMP_LT,
        Operator::LessOrEqual => libc::NFT_CMP_LTE,
        Operator::Greater => libc::NFT_CMP_GT,
        Operator::GreaterOrEqual => libc::NFT_CMP_GTE,
    }
}

fn meta_key(meta: Meta) -> i32 {
    match meta {
        Meta::Length => libc::NFT_META_LEN,
        Meta::Mark => libc::NFT_META_MARK,
        Meta::Iifname => libc::NFT_META_IIFNAME,
        Meta::Oifname => libc::NFT_META_OIFNAME,
        Meta::Skuid => libc::NFT_META_SKUID,
        Meta::Skgid => libc::NFT_META_SKGID,
        Meta::Pkttype => libc::NFT_META_PKTTYPE,
        Meta::Nfproto => libc::NFT_META_NFPROTO,
        Meta::L4proto => libc::NFT_META_L4PROTO,
        Meta::Cgroup => libc::NFT_META_CGROUP,
        // Not in the libc crate.
        Meta::Time => 30,
        Meta::Ipsec => 25,
        Meta::Day => 31,
        Meta::Hour => 32,
    }
}

/// The header fields as nft(8) knows them: what must hold, base, offset, length.
fn field(payload: Payload) -> (Vec<(i32, Vec<u8>)>, i32, u32, u32) {
    let (ip4, ip6) = (
        (libc::NFT_META_NFPROTO, vec![2]),
        (libc::NFT_META_NFPROTO, vec![10]),
    );
    let proto = |number: u8| (libc::NFT_META_L4PROTO, vec![number]);
    let ether = (libc::NFT_META_IIFTYPE, 1_u16.to_ne_bytes().to_vec());
    let (facts, offset, len) = match payload {
        Payload::EtherSaddr => (vec![ether], 6, 6),
        Payload::IpSaddr => (vec![ip4], 12, 4),
        Payload::IpDaddr => (vec![ip4], 16, 4),
        Payload::IpDscp | Payload::IpEcn => (vec![ip4], 1, 1),
        Payload::IpTtl => (vec![ip4], 8, 1),
        Payload::IpFragOff => (vec![ip4], 6, 2),
        Payload::Ip6Dscp => (vec![ip6], 0, 2),
        Payload::Ip6Ecn => (vec![ip6], 1, 1),
        Payload::Ip6Hoplimit => (vec![ip6], 7, 1),
        Payload::UdpLength => (vec![proto(17)], 4, 2),
        Payload::AhSpi => (vec![proto(51)], 4, 4),
        Payload::EspSpi => (vec![proto(50)], 0, 4),
        Payload::Raw(raw) => (vec![], raw.offset.into(), raw.len.into()),
        Payload::Ip6Saddr => (vec![ip6], 8, 16),
        Payload::Ip6Daddr => (vec![ip6], 24, 16),
        Payload::ThSport => (vec![], 0, 2),
        Payload::ThDport => (vec![], 2, 2),
        Payload::TcpSport => (vec![proto(6)], 0, 2),
        Payload::TcpDport => (vec![proto(6)], 2, 2),
        Payload::TcpFlags => (vec![proto(6)], 13, 1),
        Payload::UdpSport => (vec![proto(17)], 0, 2),
        Payload::UdpDport => (vec![proto(17)], 2, 2),
        Payload::SctpSport => (vec![proto(132)], 0, 2),
        Payload::SctpDport => (vec![proto(132)], 2, 2),
        Payload::IcmpType => (vec![ip4, proto(1)], 0, 1),
        Payload::IcmpCode => (vec![ip4, proto(1)], 1, 1),
        Payload::Icmpv6Type => (vec![ip6, proto(58)], 0, 1),
        Payload::Icmpv6Code => (vec![ip6, proto(58)], 1, 1),
    };
    let base = match payload.base() {
        Base::Link => libc::NFT_PAYLOAD_LL_HEADER,
        Base::Network => libc::NFT_PAYLOAD_NETWORK_HEADER,
        Base::Transport => libc::NFT_PAYLOAD_TRANSPORT_HEADER,
    };
    (facts, base, offset, len)
}

fn load_field(payload: Payload, register: u32, len: Option<u32>) -> Expression {
    let (_, base, offset, whole) = field(payload);
    Expression::new("payload")
        .u32(NFTNL_EXPR_PAYLOAD_DREG, register)
        .u32(NFTNL_EXPR_PAYLOAD_BASE, number(base))
        .u32(NFTNL_EXPR_PAYLOAD_OFFSET, offset)
        .u32(NFTNL_EXPR_PAYLOAD_LEN, len.unwrap_or(whole))
}

fn load(expr: &Expr, register: u32) -> Expression {
    match expr {
        Expr::Payload(payload) => load_field(*payload, register, None),
        Expr::Meta(meta) => load_meta(meta_key(*meta), register),
        Expr::Ct(ct) => {
            let (key, direction) = match ct {
                Ct::State => (libc::NFT_CT_STATE, None),
                Ct::Direction => (libc::NFT_CT_DIRECTION, None),
                Ct::Status => (libc::NFT_CT_STATUS, None),
                Ct::Mark => (libc::NFT_CT_MARK, None),
                Ct::Expiration => (libc::NFT_CT_EXPIRATION, None),
                Ct::Counter(counter, direction) => {
                    let key = match counter {
                        Counter::Packets => libc::NFT_CT_PKTS,
                        Counter::Bytes => libc::NFT_CT_BYTES,
                        Counter::Average => libc::NFT_CT_AVGPKT,
                    };
                    (key, direction.map(|of| u8::from(of == Direction::Reply)))
                }
                Ct::Tuple(direction, field) => {
                    let key = match field {
                        TupleField::IpSaddr => libc::NFT_CT_SRC_IP,
                        TupleField::IpDaddr => libc::NFT_CT_DST_IP,
                        TupleField::Ip6Saddr => libc::NFT_CT_SRC_IP6,
                        TupleField::Ip6Daddr => libc::NFT_CT_DST_IP6,
                        TupleField::Protocol => libc::NFT_CT_PROTOCOL,
                        TupleField::ProtoSrc => libc::NFT_CT_PROTO_SRC,
                        TupleField::ProtoDst => libc::NFT_CT_PROTO_DST,
                    };
                    (key, Some(u8::from(*direction == Direction::Reply)))
                }
            };
            let ct = Expression::new("ct")
                .u32(NFTNL_EXPR_CT_KEY, number(key))
                .u32(NFTNL_EXPR_CT_DREG, register);
            match direction {
                Some(direction) => ct.u8(NFTNL_EXPR_CT_DIR, direction),
                None => ct,
            }
        }
        Expr::Fib(fib) => {
            let address = if fib.address == FibAddress::Saddr {
                1
            } else {
                2
            };
            let exists = fib.result == FibResult::Exists;
            let flags = address
                + 4 * u32::from(fib.mark)
                + 8 * u32::from(fib.iif)
                + 16 * u32::from(fib.oif)
                + 32 * u32::from(exists);
            let result = match fib.result {
                FibResult::Exists => 1,
                FibResult::Oifname => 2,
                FibResult::Type => 3,
            };
            Expression::new("fib")
                .u32(NFTNL_EXPR_FIB_DREG, register)
                .u32(NFTNL_EXPR_FIB_RESULT, result)
                .u32(NFTNL_EXPR_FIB_FLAGS, flags)
        }
        Expr::Exthdr(exthdr) => {
            let (operation, kind, offset, len, flags) = match exthdr {
                Exthdr::TcpOption(kind) => (1, *kind, 0, 1, 1),
                Exthdr::TcpMaxseg => (1, 2, 2, 2, 0),
                Exthdr::Ipv6Field(field) => {
                    let (kind, offset, len) = match field {
                        Ipv6Field::HopByHopLength => (0, 1, 1),
                        Ipv6Field::DestinationLength => (60, 1, 1),
                        Ipv6Field::RoutingLength => (43, 1, 1),
                        Ipv6Field::RoutingType => (43, 2, 1),
                        Ipv6Field::RoutingSegments => (43, 3, 1),
                        Ipv6Field::FragmentId => (44, 4, 4),
                    };
                    (0, kind, offset, len, 0)
                }
                Exthdr::Ipv6(header) => (0, header.number(), 0, 1, 1),
            };
            Expression::new("exthdr")
                .u32(NFTNL_EXPR_EXTHDR_DREG, register)
                .u8(NFTNL_EXPR_EXTHDR_TYPE, kind)
                .u32(NFTNL_EXPR_EXTHDR_OFFSET, offset)
                .u32(NFTNL_EXPR_EXTHDR_LEN, len)
                .u32(NFTNL_EXPR_EXTHDR_FLAGS, flags)
                .u32(NFTNL_EXPR_EXTHDR_OP, operation)
        }
        Expr::Socket(socket) => {
            let keys = [Socket::Transparent, Socket::Mark, Socket::Wildcard];
            let key = keys.iter().position(|key| key == socket).unwrap();
            Expression::new("socket")
                .u32(NFTNL_EXPR_SOCKET_KEY, u32::try_from(key).unwrap())
                .u32(NFTNL_EXPR_SOCKET_DREG, register)
        }
        Expr::Numgen(numgen) => Expression::new("numgen")
            .u32(NFTNL_EXPR_NG_DREG, register)
            .u32(NFTNL_EXPR_NG_MODULUS, numgen.modulus)
            .u32(
                NFTNL_EXPR_NG_TYPE,
                u32::from(numgen.mode == NumgenMode::Random),
            )
            .u32(NFTNL_EXPR_NG_OFFSET, numgen.offset),
        Expr::Rt(Rt::Ipsec) => Expression::new("rt")
            .u32(NFTNL_EXPR_RT_KEY, 4)
            .u32(NFTNL_EXPR_RT_DREG, register),
    }
}

fn nat_flags(flags: NatFlags, port: bool) -> u32 {
    2 * u32::from(port)
        + 4 * u32::from(flags.random)
        + 8 * u32::from(flags.persistent)
        + 16 * u32::from(flags.fully_random)
}

fn limit(limit: Limit) -> Expression {
    Expression::new("limit")
        .u64(NFTNL_EXPR_LIMIT_RATE, limit.rate)
        .u64(NFTNL_EXPR_LIMIT_UNIT, limit.unit.seconds())
        .u32(NFTNL_EXPR_LIMIT_BURST, limit.burst)
        .u32(
            NFTNL_EXPR_LIMIT_TYPE,
            u32::from(limit.measure == Measure::Bytes),
        )
        .u32(NFTNL_EXPR_LIMIT_FLAGS, u32::from(limit.over))
}

fn quota(quota: Quota) -> Expression {
    Expression::new("quota")
        .u64(NFTNL_EXPR_QUOTA_BYTES, quota.bytes)
        .u32(NFTNL_EXPR_QUOTA_FLAGS, u32::from(quota.over))
}

fn ct_count(count: CtCount) -> Expression {
    Expression::new("connlimit")
        .u32(NFTNL_EXPR_CONNLIMIT_COUNT, count.count)
        .u32(NFTNL_EXPR_CONNLIMIT_FLAGS, u32::from(count.over))
}

fn octets(address: std::net::IpAddr) -> Vec<u8> {
    match address {
        std::net::IpAddr::V4(address) => address.octets().to_vec(),
        std::net::IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The bytes that nft(8) writes a field with: offset, those that stay, the new ones, and whether
/// the IPv4 checksum has them.
fn written(field: Payload, value: u8) -> (u32, Vec<u8>, Vec<u8>, bool) {
    match field {
        Payload::IpDscp => (0, vec![0xff, 0x03], vec![0, value << 2], true),
        Payload::IpEcn => (0, vec![0xff, 0xfc], vec![0, value], true),
        Payload::IpTtl => (8, vec![0, 0xff], vec![value, 0], true),
        Payload::Ip6Dscp => (0, vec![0xf0, 0x3f], vec![value >> 2, value << 6], false),
        Payload::Ip6Ecn => (1, vec![0xcf], vec![value << 4], false),
        Payload::Ip6Hoplimit => (7, vec![], vec![value], false),
        _ => panic!("not set"),
    }
}

impl State<'_> {
    fn mangle(&mut self, mangle: &Mangle) {
        let maxseg = || {
            Expression::new("exthdr")
                .u32(NFTNL_EXPR_EXTHDR_SREG, R)
                .u8(NFTNL_EXPR_EXTHDR_TYPE, 2)
                .u32(NFTNL_EXPR_EXTHDR_OFFSET, 2)
                .u32(NFTNL_EXPR_EXTHDR_LEN, 2)
                .u32(NFTNL_EXPR_EXTHDR_OP, 1)
        };
        match mangle {
            Mangle::Priority(priority) => {
                self.push(immediate(R, &priority.to_ne_bytes()));
                self.push(
                    Expression::new("meta")
                        .u32(NFTNL_EXPR_META_KEY, number(libc::NFT_META_PRIORITY))
                        .u32(NFTNL_EXPR_META_SREG, R),
                );
            }
            Mangle::Zone { direction, zone } => {
                self.push(immediate(R, &zone.to_ne_bytes()));
                let theirs = Expression::new("ct")
                    .u32(NFTNL_EXPR_CT_KEY, 17)
                    .u32(NFTNL_EXPR_CT_SREG, R);
                self.push(match direction {
                    None => theirs,
                    Some(Direction::Original) => theirs.u8(NFTNL_EXPR_CT_DIR, 0),
                    Some(Direction::Reply) => theirs.u8(NFTNL_EXPR_CT_DIR, 1),
                });
            }
            Mangle::Field { field, value } => {
                self.need_all(*field);
                let (offset, stay, new, checksum) = written(*field, *value);
                let len = u32::try_from(new.len()).unwrap();
                if stay.is_empty() {
                    self.push(immediate(R, &new));
                } else {
                    self.push(
                        Expression::new("payload")
                            .u32(NFTNL_EXPR_PAYLOAD_DREG, R)
                            .u32(NFTNL_EXPR_PAYLOAD_BASE, 1)
                            .u32(NFTNL_EXPR_PAYLOAD_OFFSET, offset)
                            .u32(NFTNL_EXPR_PAYLOAD_LEN, len),
                    );
                    self.bitwise(&stay, &new);
                }
                let theirs = Expression::new("payload")
                    .u32(NFTNL_EXPR_PAYLOAD_SREG, R)
                    .u32(NFTNL_EXPR_PAYLOAD_BASE, 1)
                    .u32(NFTNL_EXPR_PAYLOAD_OFFSET, offset)
                    .u32(NFTNL_EXPR_PAYLOAD_LEN, len);
                self.push(if checksum {
                    theirs
                        .u32(NFTNL_EXPR_PAYLOAD_CSUM_TYPE, 1)
                        .u32(NFTNL_EXPR_PAYLOAD_CSUM_OFFSET, 10)
                } else {
                    theirs
                });
            }
            Mangle::MaxSegment(MaxSegment::Bytes(bytes)) => {
                self.push(immediate(R, &bytes.to_be_bytes()));
                self.push(maxseg());
            }
            Mangle::MaxSegment(MaxSegment::RouteMtu) => {
                self.push(
                    Expression::new("rt")
                        .u32(NFTNL_EXPR_RT_DREG, R)
                        .u32(NFTNL_EXPR_RT_KEY, 3),
                );
                self.push(
                    Expression::new("byteorder")
                        .u32(NFTNL_EXPR_BYTEORDER_SREG, R)
                        .u32(NFTNL_EXPR_BYTEORDER_DREG, R)
                        .u32(NFTNL_EXPR_BYTEORDER_OP, number(libc::NFT_BYTEORDER_HTON))
                        .u32(NFTNL_EXPR_BYTEORDER_LEN, 2)
                        .u32(NFTNL_EXPR_BYTEORDER_SIZE, 2),
                );
                self.push(maxseg());
            }
        }
    }

    fn push(&mut self, expression: Expression) {
        self.out.push(expression);
    }

    fn know(&mut self, key: i32, value: &[u8]) {
        self.facts.retain(|(known, _)| *known != key);
        self.facts.push((key, value.to_vec()));
    }

    fn need(&mut self, key: i32, value: &[u8]) {
        if !self.facts.contains(&(key, value.to_vec())) {
            self.push(load_meta(key, R));
            self.push(cmp(libc::NFT_CMP_EQ, value));
            self.know(key, value);
        }
    }

    fn need_all(&mut self, payload: Payload) {
        for (key, value) in field(payload).0 {
            self.need(key, &value);
        }
    }

    fn key(&mut self, key: &Key) {
        for expr in &key.0 {
            match expr {
                Expr::Payload(payload) => self.need_all(*payload),
                Expr::Exthdr(Exthdr::Ipv6(_) | Exthdr::Ipv6Field(_)) => {
                    self.need(libc::NFT_META_NFPROTO, &[10]);
                }
                _ => {}
            }
        }
        let mut register = R;
        for expr in &key.0 {
            self.push(load(expr, register));
            register += u32::try_from(expr.data_type().len().div_ceil(4)).unwrap();
        }
    }

    fn lookup(&mut self, set: &str, to: Option<u32>, negated: bool) {
        let mut lookup = Expression::new("lookup")
            .text(NFTNL_EXPR_LOOKUP_SET, set)
            .u32(NFTNL_EXPR_LOOKUP_SREG, R);
        if let Some(to) = to {
            lookup = lookup.u32(NFTNL_EXPR_LOOKUP_DREG, to);
        }
        self.push(lookup.u32(NFTNL_EXPR_LOOKUP_FLAGS, u32::from(negated)));
    }

    fn bitwise(&mut self, mask: &[u8], xor: &[u8]) {
        self.push(
            Expression::new("bitwise")
                .u32(NFTNL_EXPR_BITWISE_SREG, R)
                .u32(NFTNL_EXPR_BITWISE_DREG, R)
                .u32(NFTNL_EXPR_BITWISE_LEN, u32::try_from(mask.len()).unwrap())
                .u32(NFTNL_EXPR_BITWISE_OP, 0)
                .bytes(NFTNL_EXPR_BITWISE_MASK, mask)
                .bytes(NFTNL_EXPR_BITWISE_XOR, xor),
        );
    }

    /// Puts the loaded number into network byte order if its type is a number of the host.
    fn order(&mut self, key: &Key) -> bool {
        let [one] = key.0.as_slice() else {
            return false;
        };
        let host = matches!(
            one,
            Expr::Meta(
                Meta::Length
                    | Meta::Mark
                    | Meta::Skuid
                    | Meta::Skgid
                    | Meta::Cgroup
                    | Meta::Hour
                    | Meta::Time
            ) | Expr::Ct(Ct::State | Ct::Status | Ct::Mark | Ct::Expiration | Ct::Counter(..))
                | Expr::Socket(Socket::Mark)
                | Expr::Numgen(_)
        ) || matches!(one, Expr::Fib(fib) if fib.result == FibResult::Type);
        if host {
            let len = if matches!(one, Expr::Meta(Meta::Time) | Expr::Ct(Ct::Counter(..))) {
                8
            } else {
                4
            };
            self.push(
                Expression::new("byteorder")
                    .u32(NFTNL_EXPR_BYTEORDER_SREG, R)
                    .u32(NFTNL_EXPR_BYTEORDER_DREG, R)
                    .u32(NFTNL_EXPR_BYTEORDER_OP, number(libc::NFT_BYTEORDER_HTON))
                    .u32(NFTNL_EXPR_BYTEORDER_LEN, len)
                    .u32(NFTNL_EXPR_BYTEORDER_SIZE, len),
            );
        }
        host
    }

    fn test(&mut self, key: &Key, test: &Test) {
        let len: usize = match key.0.as_slice() {
            [one] => one.data_type().len(),
            many => many
                .iter()
                .map(|one| one.data_type().len().div_ceil(4) * 4)
                .sum(),
        };
        let swap = |bytes: &[u8], swap: bool| -> Vec<u8> {
            if swap {
                bytes.iter().rev().copied().collect()
            } else {
                bytes.to_vec()
            }
        };
        let bits = match key.0.as_slice() {
            [Expr::Payload(Payload::IpDscp)] => Some((vec![0xfc], 2)),
            [Expr::Payload(Payload::IpEcn)] => Some((vec![3], 0)),
            [Expr::Payload(Payload::Ip6Dscp)] => Some((vec![0x0f, 0xc0], 6)),
            [Expr::Payload(Payload::Ip6Ecn)] => Some((vec![0x30], 4)),
            _ => None,
        };
        if let (
            Some((mask, shift)),
            Test::Compare {
                operator, value, ..
            },
        ) = (bits, test)
        {
            self.key(key);
            self.bitwise(&mask, &vec![0; mask.len()]);
            let number = (u16::from(value.as_bytes()[0]) << shift).to_be_bytes();
            self.push(cmp(operator_code(*operator), &number[2 - mask.len()..]));
            return;
        }
        if let ([Expr::Fib(fib)], Test::Compare { value, .. }) = (key.0.as_slice(), test)
            && fib.result == FibResult::Exists
        {
            self.key(key);
            self.push(cmp(libc::NFT_CMP_EQ, &[value.as_bytes()[0], 0, 0, 0]));
            return;
        }
        match test {
            Test::OneOf { negated, .. } => {
                self.key(key);
                self.set_id += 1;
                self.push(
                    Expression::new("lookup")
                        .text(NFTNL_EXPR_LOOKUP_SET, "__set%d")
                        .u32(NFTNL_EXPR_LOOKUP_SET_ID, self.set_id)
                        .u32(NFTNL_EXPR_LOOKUP_SREG, R)
                        .u32(NFTNL_EXPR_LOOKUP_FLAGS, u32::from(*negated)),
                );
            }
            Test::Compare {
                mask: None,
                operator,
                value,
            } => {
                self.key(key);
                let equality = matches!(operator, Operator::Equal | Operator::NotEqual);
                let turned = !equality && self.order(key);
                self.push(cmp(
                    operator_code(*operator),
                    &swap(&value.as_bytes()[..len], turned),
                ));
                if let ([Expr::Meta(meta)], Operator::Equal) = (key.0.as_slice(), operator) {
                    self.know(meta_key(*meta), &value.as_bytes()[..len]);
                }
            }
            Test::Compare {
                mask: Some(mask),
                operator,
                value,
            } => {
                let (mask, value) = (&mask.as_bytes()[..len], &value.as_bytes()[..len]);
                let ones = mask.iter().position(|byte| *byte != 0xff).unwrap_or(len);
                let whole = ones > 0 && mask[ones..].iter().all(|byte| *byte == 0);
                match key.0.as_slice() {
                    [
                        Expr::Payload(
                            payload @ (Payload::IpSaddr
                            | Payload::IpDaddr
                            | Payload::Ip6Saddr
                            | Payload::Ip6Daddr),
                        ),
                    ] if whole => {
                        self.need_all(*payload);
                        self.push(load_field(*payload, R, Some(u32::try_from(ones).unwrap())));
                        self.push(cmp(operator_code(*operator), &value[..ones]));
                    }
                    _ => {
                        self.key(key);
                        self.bitwise(mask, &vec![0; len]);
                        self.push(cmp(operator_code(*operator), value));
                    }
                }
            }
            Test::Range { negated, low, high } => {
                self.key(key);
                let turned = self.order(key);
                self.push(
                    Expression::new("range")
                        .u32(NFTNL_EXPR_RANGE_SREG, R)
                        .u32(NFTNL_EXPR_RANGE_OP, u32::from(*negated))
                        .bytes(
                            NFTNL_EXPR_RANGE_FROM_DATA,
                            &swap(&low.as_bytes()[..len], turned),
                        )
                        .bytes(
                            NFTNL_EXPR_RANGE_TO_DATA,
                            &swap(&high.as_bytes()[..len], turned),
                        ),
                );
            }
            Test::Prefix { negated, prefix } => {
                self.key(key);
                self.push(cmp(i32::from(*negated), prefix.as_bytes()));
            }
            Test::Set { negated, set } => {
                self.key(key);
                self.lookup(set.as_str(), None, *negated);
            }
        }
    }

    /// Loads two ends of a range behind each other; equal ends are one.
    fn ends(&mut self, register: &mut u32, low: &[u8], high: &[u8]) -> (u32, Option<u32>) {
        let mut one = |value: &[u8]| {
            let at = *register;
            self.push(immediate(at, value));
            *register += u32::try_from(value.len().div_ceil(4)).unwrap();
            at
        };
        let first = one(low);
        (first, (low != high).then(|| one(high)))
    }

    fn nat(&mut self, nat: &dockfw_ir::statement::Nat) {
        let mut register = R;
        let (address, ports, literal) = match &nat.target {
            NatTarget::Ipv4 {
                addresses: (low, high),
                ports,
            } => {
                let address = self.ends(&mut register, &low.octets(), &high.octets());
                (address, *ports, true)
            }
            NatTarget::Ipv6 {
                addresses: (low, high),
                ports,
            } => {
                let address = self.ends(&mut register, &low.octets(), &high.octets());
                (address, *ports, true)
            }
            NatTarget::Prefix(prefix) => {
                let bytes = |address: std::net::IpAddr| match address {
                    std::net::IpAddr::V4(address) => address.octets().to_vec(),
                    std::net::IpAddr::V6(address) => address.octets().to_vec(),
                };
                let (low, high) = (bytes(prefix.network()), bytes(prefix.broadcast()));
                let second = R + u32::try_from(low.len() / 4).unwrap();
                self.push(immediate(R, &low));
                self.push(immediate(second, &high));
                ((R, Some(second)), None, true)
            }
            NatTarget::Ports(first, last) => ((0, None), Some((*first, *last)), true),
            NatTarget::Map { key, map, .. } => {
                self.key(key);
                self.lookup(map.as_str(), Some(R), false);
                ((R, None), None, false)
            }
        };
        let mut port = ports
            .map(|(low, high)| self.ends(&mut register, &low.to_be_bytes(), &high.to_be_bytes()));
        if let NatTarget::Map { map, .. } = &nat.target {
            let SetKind::Map(data) = &self.table.set(map).unwrap().kind else {
                panic!("no map")
            };
            if let [address, _] = data.as_slice() {
                port = Some((R + u32::try_from(address.len() / 4).unwrap(), None));
            }
        }
        let family = nat
            .target
            .family()
            .map_or(self.table.family.nfproto(), NatFamily::nfproto);
        let netmap = u32::from(matches!(nat.target, NatTarget::Prefix(_))) * 64;
        let mut theirs = Expression::new("nat")
            .u32(NFTNL_EXPR_NAT_TYPE, u32::from(nat.kind == NatKind::Dnat))
            .u32(NFTNL_EXPR_NAT_FAMILY, family.into())
            .u32(
                NFTNL_EXPR_NAT_FLAGS,
                netmap + nat_flags(nat.flags, literal && port.is_some()),
            );
        if !matches!(nat.target, NatTarget::Ports(..)) {
            theirs = theirs.u32(NFTNL_EXPR_NAT_REG_ADDR_MIN, address.0);
        }
        if let Some(max) = address.1 {
            theirs = theirs.u32(NFTNL_EXPR_NAT_REG_ADDR_MAX, max);
        }
        if let Some((min, max)) = port {
            theirs = theirs.u32(NFTNL_EXPR_NAT_REG_PROTO_MIN, min);
            if let Some(max) = max {
                theirs = theirs.u32(NFTNL_EXPR_NAT_REG_PROTO_MAX, max);
            }
        }
        self.push(theirs);
    }

    fn ports_only(
        &mut self,
        name: &str,
        attributes: [u32; 3],
        ports: Option<(u16, u16)>,
        flags: NatFlags,
    ) {
        let mut register = R;
        let port = ports
            .map(|(low, high)| self.ends(&mut register, &low.to_be_bytes(), &high.to_be_bytes()));
        let mut theirs = Expression::new(name).u32(attributes[2], nat_flags(flags, port.is_some()));
        if let Some((min, max)) = port {
            theirs = theirs.u32(attributes[0], min);
            if let Some(max) = max {
                theirs = theirs.u32(attributes[1], max);
            }
        }
        self.push(theirs);
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Match(test) => self.test(&test.key, &test.test),
            Statement::VerdictMap(map) => {
                self.key(&map.key);
                self.lookup(map.map.as_str(), Some(0), false);
            }
            Statement::Verdict(verdict) => {
                let (code, chain) = verdict_code(verdict);
                let theirs = Expression::new("immediate")
                    .u32(NFTNL_EXPR_IMM_DREG, 0)
                    .u32(NFTNL_EXPR_IMM_VERDICT, code.cast_unsigned());
                self.push(match chain {
                    Some(chain) => theirs.text(NFTNL_EXPR_IMM_CHAIN, chain),
                    None => theirs,
                });
            }
            Statement::Counter => self.push(Expression::new("counter")),
            Statement::Notrack => self.push(Expression::new("notrack")),
            Statement::Limit(kept) => self.push(limit(*kept)),
            Statement::Quota(kept) => self.push(quota(*kept)),
            Statement::CtCount(kept) => self.push(ct_count(*kept)),
            Statement::Mangle(mangle) => self.mangle(mangle),
            Statement::Queue(queue) => {
                let (first, last) = queue.queues;
                let mut theirs = Expression::new("queue")
                    .u16(NFTNL_EXPR_QUEUE_NUM, first)
                    .u16(NFTNL_EXPR_QUEUE_TOTAL, last - first + 1);
                let flags = u16::from(queue.bypass) + 2 * u16::from(queue.fanout);
                if flags != 0 {
                    theirs = theirs.u16(NFTNL_EXPR_QUEUE_FLAGS, flags);
                }
                self.push(theirs);
            }
            Statement::Dup(to) => {
                self.push(immediate(R, &octets(*to)));
                self.push(Expression::new("dup").u32(NFTNL_EXPR_DUP_SREG_ADDR, R));
            }
            Statement::Tproxy(tproxy) => {
                let family = match (tproxy.family, self.table.family) {
                    (Some(family), _) => family.nfproto(),
                    (None, Family::Inet) => 0,
                    (None, family) => family.nfproto(),
                };
                let mut theirs =
                    Expression::new("tproxy").u32(NFTNL_EXPR_TPROXY_FAMILY, family.into());
                let mut register = R;
                if let Some(address) = tproxy.address {
                    let bytes = octets(address);
                    self.push(immediate(register, &bytes));
                    theirs = theirs.u32(NFTNL_EXPR_TPROXY_REG_ADDR, register);
                    register += u32::try_from(bytes.len() / 4).unwrap();
                }
                if let Some(port) = tproxy.port {
                    self.push(immediate(register, &port.to_be_bytes()));
                    theirs = theirs.u32(NFTNL_EXPR_TPROXY_REG_PORT, register);
                }
                self.push(theirs);
            }
            Statement::Dynset(dynset) => {
                self.key(&dynset.key);
                if let Some(mask) = &dynset.mask {
                    let len = dynset.key.data_types()[0].len();
                    self.bitwise(&mask.as_bytes()[..len], &vec![0; len]);
                }
                let operation = match dynset.operation {
                    DynsetOperation::Add => 0,
                    DynsetOperation::Update => 1,
                    DynsetOperation::Delete => 2,
                };
                let mut theirs = Expression::new("dynset")
                    .text(NFTNL_EXPR_DYNSET_SET_NAME, dynset.set.as_str())
                    .u32(NFTNL_EXPR_DYNSET_OP, operation)
                    .u32(NFTNL_EXPR_DYNSET_SREG_KEY, R);
                if let Some(timeout) = dynset.timeout {
                    let milliseconds = u64::try_from(timeout.as_millis()).unwrap();
                    theirs = theirs.u64(NFTNL_EXPR_DYNSET_TIMEOUT, milliseconds);
                }
                let kept = dynset.statement.map(|kept| match kept {
                    DynsetStatement::Counter => Expression::new("counter"),
                    DynsetStatement::Limit(kept) => limit(kept),
                    DynsetStatement::Quota(kept) => quota(kept),
                    DynsetStatement::CtCount(kept) => ct_count(kept),
                });
                self.push(match kept {
                    Some(kept) => theirs.expression(NFTNL_EXPR_DYNSET_EXPR, kept),
                    None => theirs,
                });
            }
            Statement::Log(log) => {
                let mut theirs = Expression::new("log");
                if let Some(prefix) = &log.prefix {
                    theirs = theirs.text(NFTNL_EXPR_LOG_PREFIX, prefix.as_str());
                }
                if let Some(group) = log.group {
                    theirs = theirs.u16(NFTNL_EXPR_LOG_GROUP, group);
                }
                if let Some(snaplen) = log.snaplen {
                    theirs = theirs.u32(NFTNL_EXPR_LOG_SNAPLEN, snaplen);
                }
                if let Some(threshold) = log.queue_threshold {
                    theirs = theirs.u16(NFTNL_EXPR_LOG_QTHRESHOLD, threshold);
                }
                if let Some(level) = log.level {
                    theirs = theirs.u32(NFTNL_EXPR_LOG_LEVEL, level.into());
                }
                let flags = u32::from(log.flags.tcp_sequence)
                    + 2 * u32::from(log.flags.tcp_options)
                    + 4 * u32::from(log.flags.ip_options)
                    + 8 * u32::from(log.flags.skuid)
                    + 32 * u32::from(log.flags.ether);
                if flags != 0 {
                    theirs = theirs.u32(NFTNL_EXPR_LOG_FLAGS, flags);
                }
                self.push(theirs);
            }
            Statement::Reject(reject) => {
                let (kind, code) = match reject {
                    Reject::TcpReset => {
                        self.need(libc::NFT_META_L4PROTO, &[6]);
                        (libc::NFT_REJECT_TCP_RST, 0)
                    }
                    Reject::Icmp(code) => {
                        self.need(libc::NFT_META_NFPROTO, &[2]);
                        (libc::NFT_REJECT_ICMP_UNREACH, *code)
                    }
                    Reject::Icmpv6(code) => {
                        self.need(libc::NFT_META_NFPROTO, &[10]);
                        (libc::NFT_REJECT_ICMP_UNREACH, *code)
                    }
                    Reject::Icmpx(reason) => {
                        let reasons = [
                            Icmpx::NoRoute,
                            Icmpx::PortUnreachable,
                            Icmpx::HostUnreachable,
                            Icmpx::AdminProhibited,
                        ];
                        let code = reasons.iter().position(|one| one == reason).unwrap();
                        (libc::NFT_REJECT_ICMPX_UNREACH, u8::try_from(code).unwrap())
                    }
                };
                self.push(
                    Expression::new("reject")
                        .u32(NFTNL_EXPR_REJECT_TYPE, number(kind))
                        .u8(NFTNL_EXPR_REJECT_CODE, code),
                );
            }
            Statement::SetMark(mark) => {
                let packet = mark.target == MarkTarget::Packet;
                let key = if packet {
                    libc::NFT_META_MARK
                } else {
                    libc::NFT_CT_MARK
                };
                if mark.keep == 0 {
                    self.push(immediate(R, &mark.value.to_ne_bytes()));
                } else {
                    self.push(match mark.source {
                        MarkSource::Packet => load_meta(libc::NFT_META_MARK, R),
                        MarkSource::Conntrack => load(&Expr::Ct(Ct::Mark), R),
                        MarkSource::Socket => load(&Expr::Socket(Socket::Mark), R),
                    });
                    if (mark.keep, mark.value) != (u32::MAX, 0) {
                        self.bitwise(&mark.keep.to_ne_bytes(), &mark.value.to_ne_bytes());
                    }
                }
                self.push(if packet {
                    Expression::new("meta")
                        .u32(NFTNL_EXPR_META_KEY, number(key))
                        .u32(NFTNL_EXPR_META_SREG, R)
                } else {
                    Expression::new("ct")
                        .u32(NFTNL_EXPR_CT_KEY, number(key))
                        .u32(NFTNL_EXPR_CT_SREG, R)
                });
            }
            Statement::Nat(nat) => self.nat(nat),
            Statement::Masquerade(masquerade) => self.ports_only(
                "masq",
                [
                    NFTNL_EXPR_MASQ_REG_PROTO_MIN,
                    NFTNL_EXPR_MASQ_REG_PROTO_MAX,
                    NFTNL_EXPR_MASQ_FLAGS,
                ],
                masquerade.ports,
                masquerade.flags,
            ),
            Statement::Redirect { ports, flags } => self.ports_only(
                "redir",
                [
                    NFTNL_EXPR_REDIR_REG_PROTO_MIN,
                    NFTNL_EXPR_REDIR_REG_PROTO_MAX,
                    NFTNL_EXPR_REDIR_FLAGS,
                ],
                *ports,
                *flags,
            ),
        }
    }
}
