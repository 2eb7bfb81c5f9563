//! JSON as `nft -j` takes and prints it, libnftables-json(5).
//!
//! What `print` says about nft's reading and listing holds here too. What nft 1.0.6 cannot take:
//!
//! - **A map with concatenated data** (`ipv4_addr . inet_service`, which publishing ports uses):
//!   its reader wants the type of the data as one word, its printer writes several joined with
//!   ` . `; the first rule that uses such a map crashes it. We write what it prints. Use the text
//!   to load such a ruleset.
//! - **`flags dynamic`**: it neither prints nor reads the word, newer versions do.
//! - **`meta mark set socket mark`**: it prints this and does not read it.
//! - **Comments** of tables and chains: it neither prints nor reads them and newer versions do.
//! - **Milliseconds** of lifetimes and of `ct expiration` (rounded down there): the unit is a second; they are rounded up.

mod compare;
mod mangle;
mod set;
mod statement;
mod value;

use serde_json::{Value as Json, json};

use crate::chain::{Chain, Rule};
use crate::name::Comment;
use crate::print::chain::{hook_word, kind_word, policy_word};
use crate::print::context::{self, Part};
use crate::table::{Ruleset, Table};

/// A ruleset as one JSON document, as `nft -j list ruleset` prints it.
///
/// Chains come before sets here: nft adds one object after the other and refuses a verdict map
/// that leads to a chain not yet there, also when it has printed it itself.
///
/// # Examples
///
/// ```
/// use dockfw_ir::{Ruleset, json};
///
/// let document = json::libnftables(&Ruleset::default());
/// assert_eq!(document["nftables"][0]["metainfo"]["json_schema_version"], 1);
/// ```
pub fn libnftables(ruleset: &Ruleset) -> Json {
    document(ruleset, false)
}

/// A ruleset as one JSON document that replaces its tables in one transaction.
pub fn libnftables_replacing(ruleset: &Ruleset) -> Json {
    document(ruleset, true)
}

fn document(ruleset: &Ruleset, replace: bool) -> Json {
    let mut objects = vec![json!({"metainfo": {"json_schema_version": 1}})];
    for each in &ruleset.tables {
        if replace {
            let name =
                json!({"table": {"family": each.family.as_str(), "name": each.name.as_str()}});
            objects.push(json!({"add": name.clone()}));
            objects.push(json!({"delete": name}));
        }
        table(each, &mut objects);
    }
    json!({"nftables": objects})
}

fn table(table: &Table, objects: &mut Vec<Json>) {
    let mut head = json!({"family": table.family.as_str(), "name": table.name.as_str()});
    comment(&mut head, table.comment.as_ref());
    objects.push(json!({"table": head}));
    objects.extend(table.chains.iter().map(|each| chain(table, each)));
    objects.extend(table.sets.iter().map(|each| set::set(table, each)));
    for chain in &table.chains {
        let rules = chain.rules.iter().map(|each| rule(table, chain, each));
        objects.extend(rules);
    }
}

fn comment(object: &mut Json, comment: Option<&Comment>) {
    if let Some(comment) = comment {
        insert(object, "comment", comment.as_str());
    }
}

/// Adds a member to an object.
fn insert(object: &mut Json, key: &str, value: impl Into<Json>) {
    if let Json::Object(members) = object {
        members.insert(key.to_owned(), value.into());
    }
}

fn chain(table: &Table, chain: &Chain) -> Json {
    let mut object = json!({
        "family": table.family.as_str(),
        "table": table.name.as_str(),
        "name": chain.name.as_str(),
    });
    if let Some(base) = &chain.base {
        insert(&mut object, "type", kind_word(base.kind));
        insert(&mut object, "hook", hook_word(base.hook));
        insert(&mut object, "prio", base.priority);
        insert(&mut object, "policy", policy_word(base.policy));
    }
    comment(&mut object, chain.comment.as_ref());
    json!({"chain": object})
}

fn rule(table: &Table, chain: &Chain, rule: &Rule) -> Json {
    let parts: Vec<Json> = context::parts(rule, table)
        .iter()
        .map(|part| match part {
            Part::AnyTransport(later) => statement::tautology(*later),
            Part::Statement(each, known) => statement::statement(each, table, *known),
        })
        .collect();
    let mut object = json!({
        "family": table.family.as_str(),
        "table": table.name.as_str(),
        "chain": chain.name.as_str(),
        "expr": parts,
    });
    comment(&mut object, rule.comment.as_ref());
    json!({"rule": object})
}
