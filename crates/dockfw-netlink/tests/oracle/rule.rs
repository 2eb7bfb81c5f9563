//! The expressions of a rule by libnftnl.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]
#![expect(
    clippy::too_many_lines,
    reason = "one match over the IR, readable beside the encoder"
)]

use dockfw_ir::chain::Rule;
use dockfw_ir::expr::ct::{Direction, TupleField};
use dockfw_ir::expr::fib::{FibAddress, FibResult};
use dockfw_ir::expr::payload::Base;
use dockfw_ir::expr::{Ct, Expr, Key, Meta, Payload};
use dockfw_ir::set::SetKind;
use dockfw_ir::statement::nat::NatFlags;
use dockfw_ir::statement::reject::Icmpx;
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
}

/// What a rule is evaluated as.
pub(crate) fn expressions(table: &Table, rule: &Rule) -> Vec<Expression> {
    let facts = match table.family {
        Family::Inet => vec![],
        Family::Ip => vec![(libc::NFT_META_NFPROTO, vec![2])],
        Family::Ip6 => vec![(libc::NFT_META_NFPROTO, vec![10])],
    };
    let mut state = State {
        table,
        out: Vec::new(),
        facts,
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
            let flags = address + 8 * u32::from(fib.iif) + 16 * u32::from(fib.oif);
            let result = if fib.result == FibResult::Oifname {
                2
            } else {
                3
            };
            Expression::new("fib")
                .u32(NFTNL_EXPR_FIB_DREG, register)
                .u32(NFTNL_EXPR_FIB_RESULT, result)
                .u32(NFTNL_EXPR_FIB_FLAGS, flags)
        }
    }
}

fn nat_flags(flags: NatFlags, port: bool) -> u32 {
    2 * u32::from(port)
        + 4 * u32::from(flags.random)
        + 8 * u32::from(flags.persistent)
        + 16 * u32::from(flags.fully_random)
}

impl State<'_> {
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
            if let Expr::Payload(payload) = expr {
                self.need_all(*payload);
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
            Expr::Meta(Meta::Length | Meta::Mark | Meta::Skuid | Meta::Skgid)
                | Expr::Ct(Ct::State | Ct::Status | Ct::Mark)
        ) || matches!(one, Expr::Fib(fib) if fib.result == FibResult::Type);
        if host {
            self.push(
                Expression::new("byteorder")
                    .u32(NFTNL_EXPR_BYTEORDER_SREG, R)
                    .u32(NFTNL_EXPR_BYTEORDER_DREG, R)
                    .u32(NFTNL_EXPR_BYTEORDER_OP, number(libc::NFT_BYTEORDER_HTON))
                    .u32(NFTNL_EXPR_BYTEORDER_LEN, 4)
                    .u32(NFTNL_EXPR_BYTEORDER_SIZE, 4),
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
        match test {
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
        let family = u32::from(nat.target.family().nfproto());
        let mut theirs = Expression::new("nat")
            .u32(NFTNL_EXPR_NAT_TYPE, u32::from(nat.kind == NatKind::Dnat))
            .u32(NFTNL_EXPR_NAT_FAMILY, family)
            .u32(NFTNL_EXPR_NAT_REG_ADDR_MIN, address.0)
            .u32(
                NFTNL_EXPR_NAT_FLAGS,
                nat_flags(nat.flags, literal && port.is_some()),
            );
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
            Statement::Limit(limit) => self.push(
                Expression::new("limit")
                    .u64(NFTNL_EXPR_LIMIT_RATE, limit.rate)
                    .u64(NFTNL_EXPR_LIMIT_UNIT, limit.unit.seconds())
                    .u32(NFTNL_EXPR_LIMIT_BURST, limit.burst)
                    .u32(NFTNL_EXPR_LIMIT_TYPE, number(libc::NFT_LIMIT_PKTS))
                    .u32(NFTNL_EXPR_LIMIT_FLAGS, u32::from(limit.over)),
            ),
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
                    self.push(if packet {
                        load_meta(key, R)
                    } else {
                        load(&Expr::Ct(Ct::Mark), R)
                    });
                    self.bitwise(&mark.keep.to_ne_bytes(), &mark.value.to_ne_bytes());
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
            Statement::Redirect { ports } => self.ports_only(
                "redir",
                [
                    NFTNL_EXPR_REDIR_REG_PROTO_MIN,
                    NFTNL_EXPR_REDIR_REG_PROTO_MAX,
                    NFTNL_EXPR_REDIR_FLAGS,
                ],
                *ports,
                NatFlags::default(),
            ),
        }
    }
}
