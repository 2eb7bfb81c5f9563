//! The ruleset for a host of which nothing is known: closed, but for the host itself.
//!
//! It is loaded at boot when there is neither a policy that can be loaded nor an earlier one. Which
//! addresses and bridges are containers' is not known then, so nothing new is forwarded at all:
//!
//! - `guard-prerouting`: what others send to 127.0.0.0/8 and ::1 is dropped, since a port that is
//!   published on a loopback address would answer. Answers are let through.
//! - `forward`: answers of flows that conntrack knows pass, everything else meets the policy, drop.
//!   At boot there are no such flows.
//! - `output`: what the host itself begins towards Docker's bridges is dropped, because docker-proxy
//!   would pass on what it accepts from outside. The bridges are known by the names that dockerd
//!   gives: `docker0`, `docker_gwbridge`, and `br-` with a hexadecimal number. Bridges with a name of
//!   the operator's (`com.docker.network.bridge.name`) cannot be told from other interfaces, and
//!   neither can a bridge of the host's own that is called `br-eth0`.
//!
//! There is no chain at `input`: whoever could reach the host, with SSH for example, still can.

use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy, Rule};
use dockfw_ir::expr::ct::state;
use dockfw_ir::expr::{Ct, Meta};
use dockfw_ir::name::{Comment, IfName};
use dockfw_ir::statement::{Match, Operator, Statement, Test};
use dockfw_ir::table::Family as TableFamily;
use dockfw_ir::value::Value;
use dockfw_ir::{Ruleset, Table};

use crate::lower::family::Family;
use crate::lower::make::{accept, base_chain, drop, if_value, rule};
use crate::lower::names;

/// How the comment of the closed table begins, and that of no other table of ours.
pub const CLOSED: &str = "closed: ";

/// Between conntrack (−200) and DNAT (−100), as the guard of a policy.
const GUARD: i32 = -150;

/// The table `inet dockfw` of a host that is closed to its containers.
///
/// Its comment begins with [`CLOSED`], so that it can be recognised in the kernel.
pub fn closed() -> Ruleset {
    let forward = Chain {
        name: names::chain("forward"),
        base: Some(BaseChain {
            kind: ChainKind::Filter,
            hook: Hook::Forward,
            priority: 0,
            policy: Policy::Drop,
        }),
        rules: vec![rule(
            [states(state::ESTABLISHED | state::RELATED)],
            accept(),
            "CLOSED: answers of flows that were let through before",
        )],
        comment: None,
    };
    let guard = base_chain(
        names::chain("guard-prerouting"),
        ChainKind::Filter,
        Hook::Prerouting,
        GUARD,
        Family::ALL.map(drop_remote_loopback).into(),
    );
    let mut to_bridges: Vec<_> = HEXADECIMAL
        .chars()
        .map(|digit| to_docker(begins_with(format!("br-{digit}"))))
        .collect();
    for name in [names::docker0(), names::docker_gwbridge()] {
        to_bridges.push(to_docker(equal(&name)));
    }
    let output = base_chain(
        names::chain("output"),
        ChainKind::Filter,
        Hook::Output,
        0,
        to_bridges,
    );
    Ruleset {
        tables: vec![Table {
            family: TableFamily::Inet,
            name: names::table(),
            comment: Comment::lossy(&format!(
                "{CLOSED}no policy could be loaded at boot, so nothing new is forwarded. \
                 Repair the policy, then: dockfw commit"
            )),
            sets: Vec::new(),
            chains: vec![guard, forward, output],
        }],
    }
}

/// How the id of a network can begin, by which dockerd names its bridge.
const HEXADECIMAL: &str = "0123456789abcdef";

/// `oifname "PREFIX*"`
fn begins_with(prefix: String) -> Statement {
    Statement::Match(Match {
        key: Meta::Oifname.into(),
        test: Test::Prefix {
            negated: false,
            prefix,
        },
    })
}

/// `oifname NAME`
fn equal(name: &IfName) -> Statement {
    Statement::equal(Meta::Oifname, if_value(name))
}

/// `ct state STATES`
fn states(states: u32) -> Statement {
    let value = |number| Value::new().and_host_u32(number);
    Statement::masked(Ct::State, value(states), Operator::NotEqual, value(0))
}

/// What begins a flow, or belongs to none that conntrack knows.
fn not_an_answer() -> Statement {
    states(state::INVALID | state::NEW | state::UNTRACKED)
}

/// `iifname != "lo" ip daddr 127.0.0.0/8 ct state invalid,new,untracked counter drop`
fn drop_remote_loopback(family: Family) -> Rule {
    let elsewhere = Statement::not_equal(Meta::Iifname, if_value(&names::loopback()));
    rule(
        [elsewhere, family.to_loopback(), not_an_answer()],
        drop(),
        "CLOSED: loopback addresses are for this host only",
    )
}

/// `oifname BRIDGE ct state invalid,new counter drop`
///
/// Neighbour discovery is untracked and passes.
fn to_docker(bridge: Statement) -> Rule {
    rule(
        [bridge, states(state::INVALID | state::NEW)],
        drop(),
        "CLOSED: docker-proxy reaches no container",
    )
}
