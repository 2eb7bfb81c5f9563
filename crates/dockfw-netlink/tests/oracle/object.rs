//! Tables, chains, sets and elements by libnftnl.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]
#![expect(clippy::similar_names, reason = "table and tables, set and sets")]

use dockfw_ir::chain::{ChainKind, Policy};
use dockfw_ir::name::Comment;
use dockfw_ir::set::{ElementData, SetKind};
use dockfw_ir::statement::{Match, Statement, Test, Verdict};
use dockfw_ir::{DataType, Ruleset, Value};
use nftnl::nftnl_sys::*;

use crate::ffi::{Chain, Element, Expression, Payload, Rule, Set, Table, message};
use crate::rule::expressions;

/// All messages of a ruleset, in the order of the encoder.
pub(crate) fn messages(ruleset: &Ruleset) -> Vec<u8> {
    let mut all = Vec::new();
    let mut id = 0;
    for table in &ruleset.tables {
        let family = table.family.nfproto();
        let mut put = |kind: i32, payload: &Payload<'_>| {
            all.extend(message(u16::try_from(kind).unwrap(), family, payload));
        };
        let mut theirs = Table::new();
        theirs.text(NFTNL_TABLE_NAME, table.name.as_str());
        if let Some(comment) = &table.comment {
            theirs.bytes(NFTNL_TABLE_USERDATA, &tlv(0, comment));
        }
        put(libc::NFT_MSG_NEWTABLE, &Payload::Table(&theirs));
        for set in &table.sets {
            id += 1;
            put(
                libc::NFT_MSG_NEWSET,
                &Payload::Set(&declaration(table.name.as_str(), set, id)),
            );
        }
        for chain in &table.chains {
            let mut theirs = Chain::new();
            theirs.text(NFTNL_CHAIN_TABLE, table.name.as_str());
            theirs.text(NFTNL_CHAIN_NAME, chain.name.as_str());
            if let Some(base) = &chain.base {
                let kind = match base.kind {
                    ChainKind::Filter => "filter",
                    ChainKind::Nat => "nat",
                    ChainKind::Route => "route",
                };
                // `enum nf_inet_hooks` is in the order of the packet's way, and so is ours.
                let hook = format!("{:?}", base.hook);
                let hooks = ["Prerouting", "Input", "Forward", "Output", "Postrouting"];
                let number = hooks.iter().position(|name| *name == hook).unwrap();
                theirs.text(NFTNL_CHAIN_TYPE, kind);
                theirs.u32(NFTNL_CHAIN_HOOKNUM, u32::try_from(number).unwrap());
                theirs.u32(NFTNL_CHAIN_PRIO, base.priority.cast_unsigned());
                theirs.u32(NFTNL_CHAIN_POLICY, u32::from(base.policy == Policy::Accept));
            }
            if let Some(comment) = &chain.comment {
                theirs.bytes(NFTNL_CHAIN_USERDATA, &tlv(0, comment));
            }
            put(libc::NFT_MSG_NEWCHAIN, &Payload::Chain(&theirs));
        }
        for set in &table.sets {
            for theirs in elements(table.name.as_str(), set) {
                put(libc::NFT_MSG_NEWSETELEM, &Payload::Elements(&theirs));
            }
        }
        for chain in &table.chains {
            for rule in &chain.rules {
                let before = id;
                for statement in &rule.statements {
                    if let Statement::Match(test) = statement
                        && let Some(set) = anonymous(test)
                    {
                        id += 1;
                        let name = table.name.as_str();
                        put(
                            libc::NFT_MSG_NEWSET,
                            &Payload::Set(&declaration(name, &set, id)),
                        );
                        for mut theirs in elements(name, &set) {
                            theirs.u32(NFTNL_SET_ID, id);
                            put(libc::NFT_MSG_NEWSETELEM, &Payload::Elements(&theirs));
                        }
                    }
                }
                let mut theirs = Rule::new();
                theirs.text(NFTNL_RULE_TABLE, table.name.as_str());
                theirs.text(NFTNL_RULE_CHAIN, chain.name.as_str());
                for expression in expressions(table, rule, before) {
                    theirs.push(expression);
                }
                if let Some(comment) = &rule.comment {
                    theirs.bytes(NFTNL_RULE_USERDATA, &tlv(0, comment));
                }
                put(libc::NFT_MSG_NEWRULE, &Payload::Rule(&theirs));
            }
        }
    }
    all
}

/// The set behind a list of values in a rule, which has no name yet.
fn anonymous(test: &Match) -> Option<dockfw_ir::Set> {
    let set = test.anonymous_set()?;
    let Test::OneOf { elements, .. } = &test.test else {
        return None;
    };
    assert_eq!((set.name.as_str(), &set.elements), ("__set%d", elements));
    Some(set)
}

fn tlv(kind: u8, comment: &Comment) -> Vec<u8> {
    let text = comment.as_str();
    let mut bytes = vec![kind, u8::try_from(text.len() + 1).unwrap()];
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    bytes
}

/// `enum datatypes` of nft(8) in its order; a type's number is its place.
const TYPES: [&str; 46] = [
    "invalid",
    "verdict",
    "nf_proto",
    "bitmask",
    "integer",
    "string",
    "ll_addr",
    "ipv4_addr",
    "ipv6_addr",
    "ether_addr",
    "ether_type",
    "arp_op",
    "inet_proto",
    "inet_service",
    "icmp_type",
    "tcp_flag",
    "dccp_pkttype",
    "mh_type",
    "time",
    "mark",
    "iface_index",
    "iface_type",
    "realm",
    "classid",
    "uid",
    "gid",
    "ct_state",
    "ct_dir",
    "ct_status",
    "icmpv6_type",
    "ct_label",
    "pkt_type",
    "icmp_code",
    "icmpv6_code",
    "icmpx_code",
    "devgroup",
    "dscp",
    "ecn",
    "fib_addrtype",
    "boolean",
    "ct_event",
    "ifname",
    "igmp_type",
    "date",
    "hour",
    "day",
];

/// Name, length in bytes, and whether nft(8) calls it big endian.
fn describe(data_type: DataType) -> (&'static str, u32, bool) {
    match data_type {
        DataType::NfProto => ("nf_proto", 1, false),
        DataType::Ipv4Addr => ("ipv4_addr", 4, true),
        DataType::Ipv6Addr => ("ipv6_addr", 16, true),
        DataType::EtherAddr => ("ether_addr", 6, true),
        DataType::InetProto => ("inet_proto", 1, true),
        DataType::InetService => ("inet_service", 2, true),
        DataType::IcmpType => ("icmp_type", 1, true),
        DataType::Icmpv6Type => ("icmpv6_type", 1, true),
        DataType::IcmpCode => ("icmp_code", 1, true),
        DataType::Icmpv6Code => ("icmpv6_code", 1, true),
        DataType::TcpFlag => ("tcp_flag", 1, true),
        DataType::Mark => ("mark", 4, false),
        DataType::IfName => ("ifname", 16, false),
        DataType::CtState => ("ct_state", 4, false),
        DataType::CtDir => ("ct_dir", 1, false),
        DataType::CtStatus => ("ct_status", 4, false),
        DataType::FibAddrtype => ("fib_addrtype", 4, false),
        DataType::PktType => ("pkt_type", 1, false),
        DataType::Uid => ("uid", 4, false),
        DataType::Gid => ("gid", 4, false),
        DataType::Boolean => ("boolean", 1, true),
        DataType::Dscp => ("dscp", 1, true),
        DataType::Ecn => ("ecn", 1, true),
        DataType::Duration => ("time", 4, false),
        DataType::Timestamp => ("date", 8, false),
        DataType::TimeOfDay => ("hour", 4, false),
        DataType::Weekday => ("day", 1, false),
        DataType::Raw(len) | DataType::Integer(len) => ("integer", len.into(), true),
        DataType::HostInteger(len) => ("integer", len.into(), false),
    }
}

/// Type, length and byte order of a key or datum.
fn concatenation(types: &[DataType]) -> (u32, u32, u32) {
    let number = |name| u32::try_from(TYPES.iter().position(|one| *one == name).unwrap()).unwrap();
    if let [one] = types {
        let (name, len, big) = describe(*one);
        return (number(name), len, if big { 2 } else { 1 });
    }
    let (mut all, mut total) = (0_u32, 0);
    for one in types {
        let (name, len, _) = describe(*one);
        all = all.wrapping_mul(64).wrapping_add(number(name));
        total += len.div_ceil(4) * 4;
    }
    (all, total, 0)
}

fn declaration(table: &str, set: &dockfw_ir::Set, id: u32) -> Set {
    let mut theirs = Set::new();
    let (key_type, key_len, key_order) = concatenation(&set.key);
    let several = set.key.len() > 1;
    let mut flags = if set.name.as_str() == "__set%d" { 3 } else { 0 };
    flags |= if set.dynamic { 0x20 } else { 0 };
    let mut user = vec![0, 4];
    user.extend(key_order.to_ne_bytes());
    theirs
        .text(NFTNL_SET_TABLE, table)
        .text(NFTNL_SET_NAME, set.name.as_str());
    theirs
        .u32(NFTNL_SET_KEY_TYPE, key_type)
        .u32(NFTNL_SET_KEY_LEN, key_len);
    theirs.u32(NFTNL_SET_ID, id);
    let data = match &set.kind {
        SetKind::Set => None,
        SetKind::Map(types) => Some(concatenation(types)),
        SetKind::VerdictMap => Some((0xffff_ff00, 0, 0)),
    };
    if let Some((data_type, data_len, order)) = data {
        flags |= 8;
        theirs
            .u32(NFTNL_SET_DATA_TYPE, data_type)
            .u32(NFTNL_SET_DATA_LEN, data_len);
        user.extend([1, 4]);
        user.extend(order.to_ne_bytes());
    }
    if set.interval {
        flags |= if several { 0x84 } else { 4 };
    }
    if set.interval && several {
        let lens: Vec<u8> = set
            .key
            .iter()
            .map(|one| u8::try_from(describe(*one).1).unwrap())
            .collect();
        theirs.bytes(NFTNL_SET_DESC_CONCAT, &lens);
    }
    if set.counter {
        theirs.statement(Expression::new("counter"));
    }
    if let Some(timeout) = set.timeout {
        flags |= 0x10;
        if !timeout.is_zero() {
            theirs.u64(
                NFTNL_SET_TIMEOUT,
                u64::try_from(timeout.as_millis()).unwrap(),
            );
        }
    }
    if let Some(size) = set.size {
        theirs.u32(NFTNL_SET_DESC_SIZE, size);
    }
    if let Some(comment) = &set.comment {
        user.extend(tlv(7, comment));
    }
    theirs
        .u32(NFTNL_SET_FLAGS, flags)
        .bytes(NFTNL_SET_USERDATA, &user);
    theirs
}

/// A value without the padding of a single field.
fn cut(value: &Value, types: &[DataType]) -> Vec<u8> {
    let len = usize::try_from(concatenation(types).1).unwrap();
    value.as_bytes()[..len].to_vec()
}

/// The elements of a set, a few per message.
fn elements(table: &str, set: &dockfw_ir::Set) -> Vec<Set> {
    let mut list: Vec<Element> = Vec::new();
    let ranges = set.interval && set.key.len() == 1;
    let end = |key: &[u8]| {
        let mut end = Element::new();
        end.bytes(NFTNL_SET_ELEM_KEY, key)
            .u32(NFTNL_SET_ELEM_FLAGS, 1);
        end
    };
    if let Some(first) = set.elements.first().filter(|_| ranges) {
        let key = cut(&first.key, &set.key);
        if key.iter().any(|byte| *byte != 0) {
            list.push(end(&vec![0; key.len()]));
        }
    }
    for element in &set.elements {
        let key = cut(&element.key, &set.key);
        let last = cut(element.key_end.as_deref().unwrap_or(&element.key), &set.key);
        let mut theirs = Element::new();
        theirs.bytes(NFTNL_SET_ELEM_KEY, &key);
        let mut user = Vec::new();
        let open = last.iter().all(|byte| *byte == 0xff);
        if ranges && open {
            user.extend([1, 4]);
            user.extend(1_u32.to_ne_bytes());
        } else if set.interval && !ranges {
            theirs.bytes(NFTNL_SET_ELEM_KEY_END, &last);
        }
        match &element.data {
            ElementData::None => {}
            ElementData::Value(value) => {
                let SetKind::Map(types) = &set.kind else {
                    panic!("not a map")
                };
                theirs.bytes(NFTNL_SET_ELEM_DATA, &cut(value, types));
            }
            ElementData::Verdict(verdict) => {
                let (code, chain) = verdict_code(verdict);
                theirs.u32(NFTNL_SET_ELEM_VERDICT, code.cast_unsigned());
                if let Some(chain) = chain {
                    theirs.text(NFTNL_SET_ELEM_CHAIN, chain);
                }
            }
        }
        if let Some(timeout) = element.timeout() {
            theirs.u64(
                NFTNL_SET_ELEM_TIMEOUT,
                u64::try_from(timeout.as_millis()).unwrap(),
            );
        }
        if let Some(comment) = element.comment() {
            user.extend(tlv(0, comment));
        }
        if !user.is_empty() {
            theirs.bytes(NFTNL_SET_ELEM_USERDATA, &user);
        }
        list.push(theirs);
        if ranges && !open {
            list.push(end(&plus_one(&last)));
        }
    }
    let mut messages = Vec::new();
    let mut list = list.into_iter().peekable();
    while list.peek().is_some() {
        let mut theirs = Set::new();
        theirs
            .text(NFTNL_SET_TABLE, table)
            .text(NFTNL_SET_NAME, set.name.as_str());
        list.by_ref()
            .take(50)
            .for_each(|element| theirs.push(element));
        messages.push(theirs);
    }
    messages
}

fn plus_one(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    let last = next.iter().rposition(|byte| *byte != 0xff).unwrap();
    next[last] += 1;
    next[last + 1..].fill(0);
    next
}

/// The code and chain of a verdict.
pub(crate) fn verdict_code(verdict: &Verdict) -> (i32, Option<&str>) {
    match verdict {
        Verdict::Accept => (1, None),
        Verdict::Drop => (0, None),
        Verdict::Continue => (libc::NFT_CONTINUE, None),
        Verdict::Return => (libc::NFT_RETURN, None),
        Verdict::Jump(chain) => (libc::NFT_JUMP, Some(chain.as_str())),
        Verdict::Goto(chain) => (libc::NFT_GOTO, Some(chain.as_str())),
    }
}
