//! Which of a host's rules an earlier dockerd left behind.
//!
//! Unlike [`import`](fn@super::import), which explains a dump, this decides what may be deleted, so
//! it is strict: a rule counts as Docker's only when it has the form of one of Docker's and what it
//! names is Docker's too.
//!
//! | what a rule names | is Docker's when |
//! |---|---|
//! | a bridge | it is called `docker0`, `docker_gwbridge` or `br-` and twelve hexadecimal digits, a rule that only Docker's chains can have names it, or the operator says so |
//! | the address of a container | a subnet of Docker's or a published port has it |
//! | a loopback address | a published port has it |
//!
//! Docker's chains go when nothing but Docker's rules is in them and nothing else leads to them.
//! `DOCKER-USER` is the operator's as soon as a rule of theirs is in it.
//!
//! Source: moby docker-v29.0.0, `daemon/libnetwork/drivers/bridge/internal/iptabler/`; moby
//! v20.10.24, v27.5.1 and v28.0.0, `libnetwork/drivers/bridge/setup_ip_tables.go` and
//! `libnetwork/iptables/iptables.go`.

mod found;
mod known;
mod shape;

use dockfw_iptables::{Policy, Rule, TableName, Target};

pub use found::{Found, FoundChain, FoundRule, More};
use known::Known;
use shape::Shape;

/// Whose a rule is.
enum Class {
    Dockers,
    Others,
    /// It has the form of one of Docker's, but why it is none.
    Doubtful(String),
}

/// The operator's chain.
const USER: &str = "DOCKER-USER";

/// What is to become of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Docker's rules, by chain and place, both counted from 0: first those in chains of others,
    /// then those in Docker's own.
    pub rules: Vec<(usize, usize)>,
    /// Docker's chains.
    pub chains: Vec<usize>,
    /// `FORWARD`, when its policy is drop and Docker's rules go from its table.
    pub accept: Option<usize>,
    /// The operator's rules beside Docker's.
    pub stays: Vec<Note>,
    /// What keeps Docker's chains from going; nothing can be removed before.
    pub in_the_way: Vec<Note>,
}

impl Verdict {
    /// Whether there is something of Docker's.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.chains.is_empty()
    }
}

/// A rule, and something to know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its chain, counted from 0.
    pub chain: usize,
    /// Its place, counted from 0.
    pub rule: usize,
    /// Why: a fragment without a full stop.
    pub why: String,
}

/// Decides about the tables of a host, of all families and kinds together: for each table a
/// verdict.
///
/// `bridges` are those that the operator says are Docker's.
pub fn judge(tables: &[Found], bridges: &[String]) -> Vec<Verdict> {
    let shapes: Vec<Vec<Vec<Option<Shape>>>> = tables.iter().map(shape::shapes).collect();
    let known = Known::new(
        shapes.iter().flatten().flatten().filter_map(Option::as_ref),
        bridges,
    );
    let judged = tables.iter().zip(&shapes);
    judged
        .map(|(of, shapes)| table(of, shapes, &known))
        .collect()
}

/// Whether a chain of this name is Docker's.
fn is_dockers(table: TableName, chain: &str) -> bool {
    match table {
        TableName::Nat => matches!(chain, "DOCKER" | "DOCKER-INGRESS"),
        TableName::Filter => matches!(
            chain,
            "DOCKER"
                | "DOCKER-FORWARD"
                | "DOCKER-BRIDGE"
                | "DOCKER-CT"
                | "DOCKER-INTERNAL"
                | "DOCKER-ISOLATION"
                | "DOCKER-ISOLATION-STAGE-1"
                | "DOCKER-ISOLATION-STAGE-2"
                | "DOCKER-INGRESS"
                | USER
        ),
        TableName::Mangle | TableName::Raw | TableName::Security => false,
    }
}

fn table(of: &Found, shapes: &[Vec<Option<Shape>>], known: &Known) -> Verdict {
    let mut verdict = Verdict::default();
    let keeps_user = keeps_user(of);
    let goes = |chain: &str| is_dockers(of.table, chain) && !(keeps_user && chain == USER);
    // A chain's own rules come behind the jumps to it.
    let mut inside = Vec::new();
    let has_sets = shapes.iter().flatten().flatten().any(Shape::is_sets);
    for (index, (chain, shapes)) in of.chains.iter().zip(shapes).enumerate() {
        let is_own = goes(&chain.name);
        if is_own {
            verdict.chains.push(index);
        }
        for (place, (rule, shape)) in chain.rules.iter().zip(shapes).enumerate() {
            let note = |why: String| Note {
                chain: index,
                rule: place,
                why,
            };
            let to_user = rule.leads_to() == Some(USER);
            let class = match shape {
                _ if is_own && chain.name == USER => Class::Dockers,
                None => Class::Others,
                // Only Docker 28.0 had it in this chain.
                Some(Shape::Outgoing { .. }) if !has_sets => Class::Others,
                Some(_) if to_user && keeps_user => Class::Others,
                Some(shape) => known.doubt(shape).map_or(Class::Dockers, Class::Doubtful),
            };
            let target = rule.leads_to().filter(|to| goes(to));
            match (class, target) {
                (Class::Dockers, _) if is_own => inside.push((index, place)),
                (Class::Dockers, _) => verdict.rules.push((index, place)),
                _ if is_own => verdict.in_the_way.push(note(format!(
                    "it is not Docker's, but stands in Docker's chain {}; delete it, or move it to \
                     DOCKER-USER",
                    chain.name
                ))),
                (_, Some(to)) => verdict.in_the_way.push(note(format!(
                    "it is not Docker's, but leads to Docker's chain {to}; delete it first"
                ))),
                _ if chain.name != USER && !is_beside(of.table, &chain.name) => {}
                (Class::Doubtful(why), None) => verdict.stays.push(note(why)),
                (Class::Others, None) if chain.name == USER || to_user => {
                    verdict.stays.push(note(
                        "DOCKER-USER has rules of the operator; `dockfw import iptables-save` \
                         takes them along into [docker-user]"
                            .to_owned(),
                    ));
                }
                (Class::Others, None) => verdict.stays.push(note("it is not Docker's".to_owned())),
            }
        }
    }
    verdict.rules.extend(inside);
    if of.table == TableName::Filter && !verdict.is_empty() {
        verdict.accept = of
            .chains
            .iter()
            .position(|chain| chain.name == "FORWARD" && chain.policy == Some(Policy::Drop));
    }
    verdict
}

/// Whether Docker puts rules into this chain of others.
fn is_beside(table: TableName, chain: &str) -> bool {
    match table {
        TableName::Filter => chain == "FORWARD",
        TableName::Nat => matches!(chain, "PREROUTING" | "OUTPUT" | "POSTROUTING"),
        TableName::Raw => chain == "PREROUTING",
        TableName::Mangle => chain == "POSTROUTING",
        TableName::Security => false,
    }
}

/// Whether `DOCKER-USER` is in use: it has more than Docker's own return, or a rule leads to it
/// that is not Docker's jump.
fn keeps_user(of: &Found) -> bool {
    if of.table != TableName::Filter {
        return false;
    }
    let own = FoundRule::from(Rule::new(Target::Return));
    of.chains.iter().any(|chain| {
        chain.rules.iter().any(|rule| {
            if chain.name == USER {
                return *rule != own;
            }
            rule.leads_to() == Some(USER) && !(chain.name == "FORWARD" && rule.is_bare_jump())
        })
    })
}
