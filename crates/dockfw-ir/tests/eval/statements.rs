//! Statements that do not compare.

use dockfw_ir::chain::{ChainKind, Hook};
use dockfw_ir::eval::{Conntrack, Evaluator, Limits, Packet, State, Verdict as Fate};
use dockfw_ir::expr::ct::state;
use dockfw_ir::expr::{Ct, Meta};
use dockfw_ir::statement::{
    Limit, Log, MarkSource, MarkTarget, Measure, Reject, SetMark, Statement, TimeUnit,
};

use crate::helpers::*;

#[test]
fn limits_are_kept_unless_told() {
    let check = |over, limits, expect: Fate| {
        let limit = Statement::Limit(Limit {
            measure: Measure::Packets,
            rate: 1,
            unit: TimeUnit::Second,
            burst: 5,
            over,
        });
        let ruleset = ruleset(vec![], vec![forward([rule([limit, DROP])])]);
        let evaluator = Evaluator::new(&ruleset).with_limits(limits);
        assert_eq!(evaluator.eval(&docker_host(), &transit()).verdict, expect);
    };
    check(false, Limits::Kept, dropped(Hook::Forward));
    check(false, Limits::Exceeded, forwarded("br-a"));
    check(true, Limits::Kept, forwarded("br-a"));
    check(true, Limits::Exceeded, dropped(Hook::Forward));
}

#[test]
fn counters_and_logs_let_pass() {
    let rules = [rule([
        Statement::Counter,
        Statement::Log(Log::default()),
        DROP,
    ])];
    let outcome = eval(&ruleset(vec![], vec![forward(rules)]), &transit());
    assert_eq!(outcome.verdict, dropped(Hook::Forward));
}

#[test]
fn icmp_rejections_are_for_their_family() {
    let v6 = tcp(by("eth0"), ("2001:db8:9::1", 1), ("2001:db8:a::2", 80));
    let hook = Hook::Forward;
    let check = |how, packet: &Packet, rejected: bool| {
        let rules = [rule([Statement::Reject(how)])];
        let verdict = eval(&ruleset(vec![], vec![forward(rules)]), packet).verdict;
        assert_eq!(verdict == Fate::Rejected { hook, how }, rejected, "{how:?}");
    };
    check(Reject::Icmp(3), &transit(), true);
    check(Reject::Icmp(3), &v6, false);
    check(Reject::Icmpv6(4), &v6, true);
    check(Reject::Icmpv6(4), &transit(), false);
}

#[test]
fn notrack_goes_before_conntrack() {
    let raw = base(
        "raw",
        ChainKind::Filter,
        Hook::Prerouting,
        -300,
        [rule([Statement::Notrack])],
    );
    let dnat = nat_at(Hook::Prerouting, [rule([dnat("172.19.0.9", None)])]);
    let untracked = [rule([
        Statement::equal(Ct::State, host32(state::UNTRACKED)),
        DROP,
    ])];
    let ruleset = ruleset(vec![], vec![raw, dnat, forward(untracked)]);
    let outcome = eval(&ruleset, &transit());
    assert_eq!(outcome.verdict, dropped(Hook::Forward));
    assert_eq!(
        (flow(&outcome).as_str(), outcome.ct_status),
        ("198.51.100.9:40000 > 172.18.0.2:80", 0)
    );
}

#[test]
fn marks_keep_and_change_bits() {
    let mark = |target, keep, value| {
        Statement::SetMark(SetMark {
            target,
            source: MarkSource::Packet,
            keep,
            value,
        })
    };
    let packet = Packet {
        mark: 0xabcd,
        ct: Conntrack {
            mark: 0x1234,
            ..Conntrack::default()
        },
        ..transit()
    };
    let rules = [rule([
        mark(MarkTarget::Packet, 0xff00, 0x11),
        mark(MarkTarget::Conntrack, 0, 0x77),
        Statement::equal(Meta::Mark, host32(0xab11)),
        Statement::equal(Ct::Mark, host32(0x77)),
        DROP,
    ])];
    let outcome = eval(&ruleset(vec![], vec![forward(rules)]), &packet);
    assert_eq!(outcome.verdict, dropped(Hook::Forward));
    assert_eq!((outcome.mark, outcome.ct_mark), (0xab11, 0x77));
}

/// Setting the whole mark of a flow does nothing without an entry; keeping bits reads it first.
#[test]
fn conntrack_marks_without_an_entry() {
    for (keep, goes_on) in [(0, true), (0xff, false)] {
        let mark = Statement::SetMark(SetMark {
            target: MarkTarget::Conntrack,
            source: MarkSource::Conntrack,
            keep,
            value: 1,
        });
        let ruleset = ruleset(vec![], vec![forward([rule([mark, DROP])])]);
        let outcome = eval(&ruleset, &in_state(State::Untracked, transit()));
        assert_eq!(
            outcome.verdict == dropped(Hook::Forward),
            goes_on,
            "{keep:#x}"
        );
    }
}
