//! Base chains, priorities, policies, and the ways between chains.

use dockfw_ir::chain::{BaseChain, Chain, ChainKind, Hook, Policy};
use dockfw_ir::eval::{Action, Verdict as Fate};
use dockfw_ir::expr::Meta;
use dockfw_ir::set::{Element, SetKind};
use dockfw_ir::statement::reject::Icmpx;
use dockfw_ir::statement::{Reject, Statement, Verdict};
use dockfw_ir::table::Family;
use dockfw_ir::value::DataType;

use crate::helpers::*;

fn with_policy(policy: Policy, chain: Chain) -> Chain {
    Chain {
        base: chain.base.map(|base| BaseChain { policy, ..base }),
        ..chain
    }
}

fn at(name: &str, priority: i32, rules: impl Into<Vec<dockfw_ir::Rule>>) -> Chain {
    base(name, ChainKind::Filter, Hook::Forward, priority, rules)
}

#[test]
fn nothing_lets_everything_pass() {
    let outcome = eval(&verified(vec![]), &transit());
    assert_eq!(outcome.verdict, forwarded("br-a"));
    assert!(outcome.trail.is_empty());
}

#[test]
fn verdicts_end_a_base_chain() {
    let check = |statement: Statement, expect: Fate| {
        let ruleset = ruleset(vec![], vec![forward([rule([statement]), rule([DROP])])]);
        assert_eq!(eval(&ruleset, &transit()).verdict, expect);
    };
    check(ACCEPT, forwarded("br-a"));
    check(DROP, dropped(Hook::Forward));
    check(RETURN, forwarded("br-a"));
    check(
        Statement::Verdict(Verdict::Continue),
        dropped(Hook::Forward),
    );
    check(Statement::Counter, dropped(Hook::Forward));
    let how = Reject::Icmpx(Icmpx::PortUnreachable);
    let hook = Hook::Forward;
    check(Statement::Reject(how), Fate::Rejected { hook, how });
}

#[test]
fn the_policy_decides_what_no_rule_decides() {
    let rules = [rule([Statement::equal(Meta::Mark, host32(9)), ACCEPT])];
    let ruleset = ruleset(vec![], vec![with_policy(Policy::Drop, forward(rules))]);
    let outcome = eval(&ruleset, &transit());
    assert_eq!(outcome.verdict, dropped(Hook::Forward));
    assert_eq!(trail(&outcome), ["forward:policy"]);
    assert_eq!(outcome.trail[0].action, Action::Policy(Policy::Drop));
}

#[test]
fn return_in_a_base_chain_asks_the_policy() {
    let rules = [rule([RETURN]), rule([ACCEPT])];
    let ruleset = ruleset(vec![], vec![with_policy(Policy::Drop, forward(rules))]);
    assert_eq!(eval(&ruleset, &transit()).verdict, dropped(Hook::Forward));
}

#[test]
fn accept_ends_its_base_chain_only() {
    let ruleset = ruleset(
        vec![],
        vec![
            at("late", 10, [rule([DROP])]),
            at("early", -10, [rule([ACCEPT])]),
        ],
    );
    let outcome = eval(&ruleset, &transit());
    assert_eq!(outcome.verdict, dropped(Hook::Forward));
    assert_eq!(trail(&outcome), ["early:0", "late:0"]);
}

#[test]
fn drop_is_final() {
    let ruleset = ruleset(
        vec![],
        vec![
            at("early", -10, [rule([DROP])]),
            at("late", 10, [rule([ACCEPT])]),
        ],
    );
    assert_eq!(trail(&eval(&ruleset, &transit())), ["early:0"]);
}

/// Tried on 6.18: the kernel puts a new hook before those of its priority.
#[test]
fn of_one_priority_the_last_registered_runs_first() {
    let ruleset = ruleset(
        vec![],
        vec![
            at("first", 0, [rule([DROP])]),
            at("second", 0, [rule([ACCEPT])]),
        ],
    );
    assert_eq!(trail(&eval(&ruleset, &transit())), ["second:0", "first:0"]);
}

#[test]
fn tables_see_packets_of_their_family() {
    let v6 = tcp(by("eth0"), ("2001:db8:9::1", 1), ("2001:db8:a::2", 80));
    for (family, v4_drops, v6_drops) in [
        (Family::Inet, true, true),
        (Family::Ip, true, false),
        (Family::Ip6, false, true),
    ] {
        let ruleset = verified(vec![table(family, vec![], vec![forward([rule([DROP])])])]);
        let drops = |packet| eval(&ruleset, packet).verdict == dropped(Hook::Forward);
        assert_eq!((drops(&transit()), drops(&v6)), (v4_drops, v6_drops));
    }
}

#[test]
fn jump_comes_back_to_the_next_rule() {
    let ruleset = ruleset(
        vec![],
        vec![
            forward([rule([jump("a")]), rule([DROP])]),
            chain("a", [rule([jump("b")]), rule([RETURN]), rule([ACCEPT])]),
            chain("b", [rule([Statement::Counter])]),
        ],
    );
    let outcome = eval(&ruleset, &transit());
    assert_eq!(
        trail(&outcome),
        ["forward:0", "a:0", "b:0", "a:1", "forward:1"]
    );
}

/// After a chain entered by goto, the walk goes on where the chain that said goto was jumped from.
#[test]
fn goto_does_not_come_back() {
    let ruleset = ruleset(
        vec![],
        vec![
            forward([rule([jump("a")]), rule([Statement::Counter])]),
            chain("a", [rule([goto("b")]), rule([DROP])]),
            chain(
                "b",
                [rule([Statement::Counter]), rule([RETURN]), rule([DROP])],
            ),
        ],
    );
    let outcome = eval(&ruleset, &transit());
    assert_eq!(outcome.verdict, forwarded("br-a"));
    assert_eq!(
        trail(&outcome),
        [
            "forward:0",
            "a:0",
            "b:0",
            "b:1",
            "forward:1",
            "forward:policy"
        ]
    );
}

#[test]
fn goto_from_a_base_chain_leads_to_its_policy() {
    let chains = vec![
        with_policy(Policy::Drop, forward([rule([goto("a")]), rule([ACCEPT])])),
        chain("a", [rule([Statement::Counter])]),
    ];
    let outcome = eval(&ruleset(vec![], chains), &transit());
    assert_eq!(outcome.verdict, dropped(Hook::Forward));
    assert_eq!(trail(&outcome), ["forward:0", "a:0", "forward:policy"]);
}

#[test]
fn a_verdict_map_says_what_happens() {
    let element = |name, verdict| Element::verdict(ifname(name), verdict);
    let map = exact(
        "by-input",
        &[DataType::IfName],
        SetKind::VerdictMap,
        vec![
            element("br-a", Verdict::Continue),
            element("br-b", Verdict::Jump(chain_name("c"))),
            element("eth0", Verdict::Drop),
        ],
    );
    // What follows a lookup runs after `continue` only.
    let rules = [
        rule([Statement::vmap(Meta::Iifname, &map.name), ACCEPT]),
        rule([Statement::Counter]),
    ];
    let chains = vec![forward(rules), chain("c", [rule([Statement::Counter])])];
    let ruleset = ruleset(vec![map], chains);
    let check = |input: &str, expect: &[&str]| {
        let packet = tcp(by(input), ("172.20.0.2", 1), ("198.51.100.1", 80));
        assert_eq!(trail(&eval(&ruleset, &packet)), expect, "{input}");
    };
    check("eth0", &["forward:0"]);
    check("br-a", &["forward:0"]);
    check("br-b", &["forward:0", "c:0", "forward:1", "forward:policy"]);
    check("eth9", &["forward:1", "forward:policy"]);
    assert!(
        eval(
            &ruleset,
            &tcp(by("br-a"), ("172.20.0.2", 1), ("198.51.100.1", 80))
        )
        .verdict
        .is_pass()
    );
}

#[test]
fn the_trail_has_the_comments() {
    let ruleset = ruleset(vec![], vec![forward([named("because", [DROP])])]);
    let outcome = eval(&ruleset, &transit());
    let step = &outcome.trail[0];
    assert_eq!(step.hook, Hook::Forward);
    assert_eq!(step.rule, Some(0));
    assert_eq!(step.comment.as_ref().unwrap().as_str(), "because");
    assert_eq!(step.action, Action::Verdict(Verdict::Drop));
}
