//! What published ports have carried, as the kernel counts it.

use dockfw_ir::Value;
use dockfw_ir::name::SetName;
use dockfw_ir::table::{Family, Table};
use dockfw_lower::count::{PublishCount, Traffic, counting_sets, pairs, publish_counts, target};
use dockfw_lower::host::Host;
use dockfw_netlink::read::{Counter, Counters};
use dockfw_netlink::{Executor, QueryError};
use serde_json::{Value as Json, json};

/// The counters of every published port of a host.
///
/// Empty unless [`Host::count_publishes`] is on; what is not in the kernel (yet) is zero.
///
/// # Errors
///
/// [`QueryError`].
pub fn of_host(executor: &mut Executor, host: &Host) -> Result<Vec<PublishCount>, QueryError> {
    if !host.count_publishes {
        return Ok(Vec::new());
    }
    let found = read(executor)?;
    let traffic = |set: &SetName, key: &Value| {
        let Counter { packets, bytes } = *found.get(set)?.get(key)?;
        Some(Traffic { packets, bytes })
    };
    Ok(publish_counts(host, traffic))
}

fn read(executor: &mut Executor) -> Result<Counters, QueryError> {
    executor.counters(Family::Inet, &dockfw_lower::table_name(), &counting_sets())
}

/// Every element that counts, by the container's address and ports; `null` when none does.
///
/// The kernel does not know which publish an element is of.
pub(super) fn to_json(executor: &mut Executor, tables: &[Table]) -> Result<Json, QueryError> {
    let sets = || tables.iter().flat_map(|table| &table.sets);
    let pairs = pairs();
    if !sets().any(|set| pairs.iter().any(|(to, _)| *to == set.name)) {
        return Ok(Json::Null);
    }
    let counters = read(executor)?;
    let side = |set: &SetName, key: &Value| {
        let counter = counters.get(set).and_then(|of| of.get(key));
        let (packets, bytes) = counter.map_or((0, 0), |of| (of.packets, of.bytes));
        json!({ "packets": packets, "bytes": bytes })
    };
    let mut all = Vec::new();
    for (to, from) in &pairs {
        let elements = sets()
            .filter(|set| set.name == *to)
            .flat_map(|set| &set.elements);
        for element in elements {
            let Some((address, protocol, first)) = target(&element.key) else {
                continue;
            };
            let end = element.key_end.as_deref().and_then(target);
            all.push(json!({
                "address": address.to_string(),
                "protocol": protocol.to_string(),
                "first_port": first,
                "last_port": end.map_or(first, |(.., last)| last),
                "to": side(to, &element.key),
                "from": side(from, &element.key),
            }));
        }
    }
    Ok(Json::Array(all))
}
