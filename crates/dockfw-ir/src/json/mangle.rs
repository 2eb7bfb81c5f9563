//! Statements that change, count and divert packets.

use std::net::IpAddr;

use serde_json::{Value as Json, json};

use super::{insert, set, statement, value};
use crate::expr::Key;
use crate::print::chain::says_family;
use crate::print::context::Context;
use crate::print::expr::direction_word;
use crate::print::mangle::{bytes_words, operation_word, priority_words};
use crate::print::value as text;
use crate::statement::nat::NatFamily;
use crate::statement::{
    CtCount, Dynset, DynsetStatement, Mangle, MaxSegment, Queue, Quota, Tproxy,
};
use crate::table::Table;

pub(super) fn mangle(mangle: &Mangle, context: Context) -> Json {
    let (key, value) = match mangle {
        Mangle::Priority(priority) => (
            json!({"meta": {"key": "priority"}}),
            json!(priority_words(*priority)),
        ),
        Mangle::Zone { direction, zone } => {
            let mut members = json!({"key": "zone"});
            if let Some(direction) = direction {
                insert(&mut members, "dir", direction_word(*direction));
            }
            (json!({"ct": members}), json!(zone))
        }
        Mangle::Field { field, value } => (
            statement::key(&Key::from(*field), context),
            value::single(field.data_type(), &[*value]),
        ),
        Mangle::MaxSegment(size) => (
            json!({"tcp option": {"name": "maxseg", "field": "size"}}),
            match size {
                MaxSegment::Bytes(bytes) => json!(bytes),
                MaxSegment::RouteMtu => json!({"rt": {"key": "mtu"}}),
            },
        ),
    };
    json!({"mangle": {"key": key, "value": value}})
}

pub(super) fn quota(quota: Quota) -> Json {
    let (number, unit) = bytes_words(quota.bytes);
    let mut object = json!({"val": number, "val_unit": unit});
    if quota.over {
        insert(&mut object, "inv", true);
    }
    json!({"quota": object})
}

pub(super) fn ct_count(count: CtCount) -> Json {
    let mut object = json!({"val": count.count});
    if count.over {
        insert(&mut object, "inv", true);
    }
    json!({"ct count": object})
}

pub(super) fn queue(queue: Queue) -> Json {
    let (first, last) = queue.queues;
    let mut object = if first == last {
        json!({"num": first})
    } else {
        json!({"num": {"range": [first, last]}})
    };
    let mut flags: Vec<Json> = [(queue.bypass, "bypass"), (queue.fanout, "fanout")]
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, word)| json!(word))
        .collect();
    match flags.len() {
        0 => {}
        1 => insert(&mut object, "flags", flags.pop().unwrap_or_default()),
        _ => insert(&mut object, "flags", flags),
    }
    json!({"queue": object})
}

pub(super) fn dup(to: IpAddr) -> Json {
    json!({"dup": {"addr": to.to_string()}})
}

pub(super) fn tproxy(tproxy: &Tproxy, table: &Table) -> Json {
    let mut object = json!({});
    if let Some(family) = tproxy.family.filter(|_| says_family(table.family)) {
        let family = match family {
            NatFamily::Ipv4 => "ip",
            NatFamily::Ipv6 => "ip6",
        };
        insert(&mut object, "family", family);
    }
    if let Some(address) = tproxy.address {
        insert(&mut object, "addr", address.to_string());
    }
    if let Some(port) = tproxy.port {
        insert(&mut object, "port", port);
    }
    json!({"tproxy": object})
}

pub(super) fn dynset(dynset: &Dynset, context: Context) -> Json {
    let mut element = statement::key(&dynset.key, context);
    if let ([one], Some(mask)) = (dynset.key.0.as_slice(), &dynset.mask) {
        let data_type = one.data_type();
        let mask = value::single(data_type, text::field(data_type, mask));
        element = json!({"&": [element, mask]});
    }
    if let Some(timeout) = dynset.timeout {
        element = json!({"elem": {"val": element, "timeout": set::seconds(timeout)}});
    }
    let mut object = json!({
        "op": operation_word(dynset.operation),
        "elem": element,
        "set": format!("@{}", dynset.set),
    });
    if let Some(kept) = dynset.statement {
        let kept = match kept {
            DynsetStatement::Counter => json!({"counter": null}),
            DynsetStatement::Limit(limit) => statement::limit(limit),
            DynsetStatement::Quota(kept) => quota(kept),
            DynsetStatement::CtCount(count) => ct_count(count),
        };
        insert(&mut object, "stmt", vec![kept]);
    }
    json!({"set": object})
}
