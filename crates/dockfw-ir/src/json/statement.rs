//! Statements and expressions.

use serde_json::{Value as Json, json};

use super::{compare, insert, mangle, value};
use crate::expr::ct::TupleField;
use crate::expr::fib::{FibAddress, FibResult};
use crate::expr::{Ct, Expr, Exthdr, Fib, Key, Meta, Payload, Rt};
use crate::print::chain::says_family;
use crate::print::context::{Context, TCP};
use crate::print::expr::{
    base_word, counter_word, direction_word, ipv6_field_words, ipv6_header_word, mode_word,
    payload_words, socket_word, tuple_word,
};
use crate::print::mangle::bytes_words;
use crate::print::statement::{MarkParts, flag_words, icmpx_word, unit_word};
use crate::print::symbol;
use crate::statement::nat::{NatFamily, NatFlags};
use crate::statement::{
    Limit, Log, LogFlags, MarkSource, MarkTarget, Measure, Nat, NatKind, NatTarget, Reject,
    SetMark, Statement, Verdict,
};
use crate::table::Table;
use crate::value::DataType;

pub(super) fn statement(statement: &Statement, table: &Table, context: Context) -> Json {
    match statement {
        Statement::Match(test) => compare::compare(test, context),
        Statement::VerdictMap(lookup) => json!({"vmap": {
            "key": key(&lookup.key, context),
            "data": format!("@{}", lookup.map),
        }}),
        Statement::Verdict(verdict) => self::verdict(verdict),
        Statement::Counter => json!({"counter": {"packets": 0, "bytes": 0}}),
        Statement::Limit(limit) => self::limit(*limit),
        Statement::Log(log) => self::log(log),
        Statement::Reject(reject) => self::reject(*reject),
        Statement::Notrack => json!({"notrack": null}),
        Statement::SetMark(mark) => set_mark(mark),
        Statement::Mangle(each) => mangle::mangle(each, context),
        Statement::Quota(quota) => mangle::quota(*quota),
        Statement::CtCount(count) => mangle::ct_count(*count),
        Statement::Queue(queue) => mangle::queue(*queue),
        Statement::Dup(to) => mangle::dup(*to),
        Statement::Tproxy(tproxy) => mangle::tproxy(tproxy, table),
        Statement::Dynset(dynset) => mangle::dynset(dynset, context),
        Statement::Nat(nat) => self::nat(nat, table, context),
        Statement::Masquerade(masquerade) => {
            let mut object = json!({});
            ports(&mut object, masquerade.ports);
            flags(&mut object, masquerade.flags);
            json!({"masquerade": null_if_empty(object)})
        }
        Statement::Redirect { ports, flags } => {
            let mut object = json!({});
            self::ports(&mut object, *ports);
            self::flags(&mut object, *flags);
            json!({"redirect": null_if_empty(object)})
        }
    }
}

/// A match of all transport protocols; see [`TAUTOLOGY`](crate::print::TAUTOLOGY).
pub(super) fn tautology(later: Option<u8>) -> Json {
    let protocol = later.filter(|p| (1..=254).contains(p)).unwrap_or(TCP);
    let all = json!({"set": [
        {"range": [0, protocol - 1]},
        value::single(DataType::InetProto, &[protocol]),
        {"range": [protocol + 1, 255]},
    ]});
    compare::relation("==", json!({"meta": {"key": "l4proto"}}), all)
}

fn null_if_empty(object: Json) -> Json {
    if object.as_object().is_some_and(serde_json::Map::is_empty) {
        Json::Null
    } else {
        object
    }
}

/// A key: one expression, or several in `concat`.
pub(super) fn key(key: &Key, context: Context) -> Json {
    match key.0.as_slice() {
        [single] => expr(single, context),
        several => {
            let several: Vec<Json> = several.iter().map(|each| expr(each, context)).collect();
            json!({"concat": several})
        }
    }
}

fn expr(expr: &Expr, context: Context) -> Json {
    match expr {
        Expr::Payload(Payload::Raw(raw)) => json!({"payload": {
            "base": base_word(raw.base),
            "offset": u32::from(raw.offset) * 8,
            "len": u32::from(raw.len) * 8,
        }}),
        Expr::Payload(payload) => {
            let (protocol, field) = payload_words(*payload, context);
            json!({"payload": {"protocol": protocol, "field": field}})
        }
        Expr::Meta(meta) => json!({"meta": {"key": meta_key(*meta)}}),
        Expr::Ct(ct) => json!({"ct": ct_members(*ct)}),
        Expr::Fib(fib) => fib_members(*fib),
        Expr::Exthdr(exthdr) => exthdr_members(*exthdr),
        Expr::Socket(socket) => json!({"socket": {"key": socket_word(*socket)}}),
        Expr::Numgen(numgen) => json!({"numgen": {
            "mode": mode_word(numgen.mode),
            "mod": numgen.modulus,
            "offset": numgen.offset,
        }}),
        Expr::Rt(Rt::Ipsec) => json!({"rt": {"key": "ipsec"}}),
    }
}

const fn meta_key(meta: Meta) -> &'static str {
    match meta {
        Meta::Length => "length",
        Meta::Mark => "mark",
        Meta::Iifname => "iifname",
        Meta::Oifname => "oifname",
        Meta::Skuid => "skuid",
        Meta::Skgid => "skgid",
        Meta::Pkttype => "pkttype",
        Meta::Nfproto => "nfproto",
        Meta::L4proto => "l4proto",
        Meta::Cgroup => "cgroup",
        Meta::Hour => "hour",
        Meta::Day => "day",
        Meta::Time => "time",
        Meta::Ipsec => "ipsec",
    }
}

fn ct_members(ct: Ct) -> Json {
    match ct {
        Ct::State => json!({"key": "state"}),
        Ct::Direction => json!({"key": "direction"}),
        Ct::Status => json!({"key": "status"}),
        Ct::Mark => json!({"key": "mark"}),
        Ct::Expiration => json!({"key": "expiration"}),
        Ct::Counter(counter, None) => json!({"key": counter_word(counter)}),
        Ct::Counter(counter, Some(direction)) => {
            json!({"key": counter_word(counter), "dir": direction_word(direction)})
        }
        Ct::Tuple(_, field @ TupleField::Protocol) => json!({"key": tuple_word(field)}),
        Ct::Tuple(direction, field) => {
            json!({"key": tuple_word(field), "dir": direction_word(direction)})
        }
    }
}

fn exthdr_members(exthdr: Exthdr) -> Json {
    match exthdr {
        Exthdr::TcpOption(kind) => json!({"tcp option": match symbol::tcp_option(kind) {
            Some(name) => json!({"name": name}),
            None => json!({"base": kind, "offset": 0, "len": 8}),
        }}),
        Exthdr::TcpMaxseg => json!({"tcp option": {"name": "maxseg", "field": "size"}}),
        Exthdr::Ipv6Field(field) => {
            let (name, field) = ipv6_field_words(field);
            json!({"exthdr": {"name": name, "field": field}})
        }
        Exthdr::Ipv6(header) => json!({"exthdr": {"name": ipv6_header_word(header)}}),
    }
}

fn fib_members(fib: Fib) -> Json {
    let result = match fib.result {
        FibResult::Type => "type",
        FibResult::Oifname => "oifname",
        FibResult::Exists => "oif",
    };
    let mut flags = vec![match fib.address {
        FibAddress::Saddr => "saddr",
        FibAddress::Daddr => "daddr",
    }];
    flags.extend(fib.mark.then_some("mark"));
    flags.extend(fib.iif.then_some("iif"));
    flags.extend(fib.oif.then_some("oif"));
    json!({"fib": {"result": result, "flags": flags}})
}

/// A verdict, as a statement and as the data of an element.
pub(super) fn verdict(verdict: &Verdict) -> Json {
    match verdict {
        Verdict::Accept => json!({"accept": null}),
        Verdict::Drop => json!({"drop": null}),
        Verdict::Continue => json!({"continue": null}),
        Verdict::Return => json!({"return": null}),
        Verdict::Jump(chain) => json!({"jump": {"target": chain.as_str()}}),
        Verdict::Goto(chain) => json!({"goto": {"target": chain.as_str()}}),
    }
}

pub(super) fn limit(limit: Limit) -> Json {
    let mut object = match limit.measure {
        Measure::Packets => json!({
            "rate": limit.rate,
            "burst": limit.burst,
            "per": unit_word(limit.unit),
        }),
        Measure::Bytes => {
            let (rate, rate_unit) = bytes_words(limit.rate);
            let (burst, burst_unit) = bytes_words(limit.burst.into());
            json!({
                "rate": rate,
                "burst": burst,
                "per": unit_word(limit.unit),
                "rate_unit": rate_unit,
                "burst_unit": burst_unit,
            })
        }
    };
    if limit.over {
        insert(&mut object, "inv", true);
    }
    json!({"limit": object})
}

fn log(log: &Log) -> Json {
    /// `LOG_WARNING`, which nft assumes and leaves out.
    const WARN: u8 = 4;
    let mut object = json!({});
    if let Some(prefix) = &log.prefix {
        insert(&mut object, "prefix", prefix.as_str());
    }
    if let Some(level) = log.level.filter(|level| *level != WARN) {
        let level = symbol::log_level(level).map_or_else(|| json!(level), |name| json!(name));
        insert(&mut object, "level", level);
    }
    if let Some(group) = log.group {
        insert(&mut object, "group", group);
    }
    if let Some(snaplen) = log.snaplen {
        insert(&mut object, "snaplen", snaplen);
    }
    if let Some(threshold) = log.queue_threshold {
        insert(&mut object, "queue-threshold", threshold);
    }
    let flags = [
        (log.flags.tcp_sequence, "tcp sequence"),
        (log.flags.tcp_options, "tcp options"),
        (log.flags.ip_options, "ip options"),
        (log.flags.skuid, "skuid"),
        (log.flags.ether, "ether"),
    ];
    let mut words: Vec<Json> = flags
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, word)| json!(word))
        .collect();
    match words.len() {
        0 => {}
        1 => insert(&mut object, "flags", words.pop().unwrap_or_default()),
        _ if log.flags == LogFlags::ALL => insert(&mut object, "flags", "all"),
        _ => insert(&mut object, "flags", words),
    }
    json!({"log": null_if_empty(object)})
}

fn reject(reject: Reject) -> Json {
    let (kind, code, name) = match reject {
        Reject::TcpReset => return json!({"reject": {"type": "tcp reset"}}),
        Reject::Icmpx(reason) => ("icmpx", 0, Some(icmpx_word(reason))),
        Reject::Icmp(code) => ("icmp", code, symbol::icmp_code(code)),
        Reject::Icmpv6(code) => ("icmpv6", code, symbol::icmpv6_code(code)),
    };
    let expr = name.map_or_else(|| json!(code), |name| json!(name));
    json!({"reject": {"type": kind, "expr": expr}})
}

fn set_mark(mark: &SetMark) -> Json {
    let target = match mark.target {
        MarkTarget::Packet => json!({"meta": {"key": "mark"}}),
        MarkTarget::Conntrack => json!({"ct": {"key": "mark"}}),
    };
    let mut value = match mark.source {
        _ if mark.keep == 0 => json!(mark.value),
        MarkSource::Packet => json!({"meta": {"key": "mark"}}),
        MarkSource::Conntrack => json!({"ct": {"key": "mark"}}),
        MarkSource::Socket => json!({"socket": {"key": "mark"}}),
    };
    if mark.keep != 0 {
        let MarkParts { and, xor, or } = MarkParts::new(mark);
        for (word, number, neutral) in [("&", and, u32::MAX), ("^", xor, 0), ("|", or, 0)] {
            if number != neutral {
                value = json!({ word: [value, number] });
            }
        }
    }
    json!({"mangle": {"key": target, "value": value}})
}

fn nat(nat: &Nat, table: &Table, context: Context) -> Json {
    let mut object = json!({});
    if let Some(family) = nat.target.family().filter(|_| says_family(table.family)) {
        let family = match family {
            NatFamily::Ipv4 => "ip",
            NatFamily::Ipv6 => "ip6",
        };
        insert(&mut object, "family", family);
    }
    match &nat.target {
        NatTarget::Ipv4 { addresses, ports } => {
            let (first, last) = (addresses.0.octets(), addresses.1.octets());
            let addresses = addresses_of(DataType::Ipv4Addr, &first, &last);
            insert(&mut object, "addr", addresses);
            self::ports(&mut object, *ports);
        }
        NatTarget::Ipv6 { addresses, ports } => {
            let (first, last) = (addresses.0.octets(), addresses.1.octets());
            let addresses = addresses_of(DataType::Ipv6Addr, &first, &last);
            insert(&mut object, "addr", addresses);
            self::ports(&mut object, *ports);
        }
        NatTarget::Prefix(prefix) => {
            let address = json!({"prefix": {
                "addr": prefix.addr().to_string(),
                "len": prefix.prefix_len(),
            }});
            insert(&mut object, "addr", address);
            insert(&mut object, "flags", "netmap");
            insert(&mut object, "type_flags", "prefix");
        }
        NatTarget::Ports(first, last) => self::ports(&mut object, Some((*first, *last))),
        NatTarget::Map { key, map, .. } => {
            let lookup = json!({"map": {
                "key": self::key(key, context),
                "data": format!("@{map}"),
            }});
            insert(&mut object, "addr", lookup);
        }
    }
    flags(&mut object, nat.flags);
    match nat.kind {
        NatKind::Snat => json!({"snat": object}),
        NatKind::Dnat => json!({"dnat": object}),
    }
}

fn addresses_of(data_type: DataType, first: &[u8], last: &[u8]) -> Json {
    if first == last {
        value::single(data_type, first)
    } else {
        value::ends(data_type, first, last)
    }
}

fn ports(object: &mut Json, ports: Option<(u16, u16)>) {
    match ports {
        None => {}
        Some((first, last)) if first == last => insert(object, "port", first),
        Some((first, last)) => insert(object, "port", json!({"range": [first, last]})),
    }
}

fn flags(object: &mut Json, flags: NatFlags) {
    let mut words: Vec<Json> = flag_words(flags)
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, word)| json!(word))
        .collect();
    match words.len() {
        0 => {}
        1 => insert(object, "flags", words.pop().unwrap_or_default()),
        _ => insert(object, "flags", words),
    }
}
