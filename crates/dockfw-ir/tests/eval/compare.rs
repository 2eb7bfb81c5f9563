//! Tests and operators.

use dockfw_ir::expr::ct::state;
use dockfw_ir::expr::{Ct, Meta, Payload};
use dockfw_ir::statement::{Match, Operator, Statement, Test};

use dockfw_ir::value::Value;

use crate::helpers::*;

#[test]
fn operators_compare_in_network_order() {
    // The packet's port is 80.
    let check = |operator, value, expect| {
        let statement = Statement::compare(Payload::TcpDport, operator, port(value));
        assert_eq!(
            matches(statement, &transit()),
            expect,
            "80 {operator:?} {value}"
        );
    };
    for (value, equal, less) in [(80, true, false), (79, false, false), (0x5100, false, true)] {
        check(Operator::Equal, value, equal);
        check(Operator::NotEqual, value, !equal);
        check(Operator::Less, value, less);
        check(Operator::LessOrEqual, value, less || equal);
        check(Operator::Greater, value, !less && !equal);
        check(Operator::GreaterOrEqual, value, !less);
    }
}

#[test]
fn masks_choose_bits() {
    let prefix = |operator, network| {
        Statement::masked(Payload::IpDaddr, ip("255.255.0.0"), operator, ip(network))
    };
    assert!(matches(prefix(Operator::Equal, "172.18.0.0"), &transit()));
    assert!(!matches(prefix(Operator::Equal, "172.19.0.0"), &transit()));
    assert!(!matches(
        prefix(Operator::NotEqual, "172.18.0.0"),
        &transit()
    ));
    let states = |bits| Statement::masked(Ct::State, host32(bits), Operator::NotEqual, host32(0));
    assert!(matches(states(state::NEW | state::ESTABLISHED), &transit()));
    assert!(!matches(
        states(state::RELATED | state::ESTABLISHED),
        &transit()
    ));
}

#[test]
fn ranges_include_both_ends() {
    let check = |negated, low, high, expect| {
        let statement = Statement::Match(Match {
            key: Payload::TcpDport.into(),
            test: Test::Range {
                negated,
                low: port(low),
                high: port(high),
            },
        });
        assert_eq!(matches(statement, &transit()), expect, "{low}-{high}");
    };
    check(false, 80, 90, true);
    check(false, 70, 80, true);
    check(false, 81, 90, false);
    check(false, 70, 79, false);
    check(true, 80, 80, false);
    check(true, 81, 90, true);
}

#[test]
fn prefixes_of_interface_names() {
    let check = |negated, prefix: &str, expect| {
        let statement = Statement::Match(Match {
            key: Meta::Oifname.into(),
            test: Test::Prefix {
                negated,
                prefix: prefix.to_owned(),
            },
        });
        assert_eq!(matches(statement, &transit()), expect, "{prefix}");
    };
    check(false, "br-", true);
    check(false, "br-a", true);
    check(false, "br-ab", false);
    check(true, "br-", false);
    check(true, "eth", true);
}

#[test]
fn interface_names_compare_whole() {
    assert!(matches(
        Statement::equal(Meta::Oifname, ifname("br-a")),
        &transit()
    ));
    assert!(!matches(
        Statement::equal(Meta::Oifname, ifname("br-")),
        &transit()
    ));
    assert!(matches(
        Statement::not_equal(Meta::Iifname, ifname("eth")),
        &transit()
    ));
}

/// A field that the packet does not have ends the rule, negated or not.
#[test]
fn what_does_not_load_does_not_match() {
    let v6 = tcp(by("eth0"), ("2001:db8:9::1", 1), ("2001:db8:a::2", 80));
    let never = |key: Payload, value: Value| {
        assert!(
            !matches(Statement::equal(key, value.clone()), &v6),
            "{key:?}"
        );
        assert!(!matches(Statement::not_equal(key, value), &v6), "{key:?}");
    };
    never(Payload::IpDaddr, ip("172.18.0.9"));
    never(Payload::UdpDport, port(9));
    never(
        Payload::EtherSaddr,
        Value::new().and_bytes(&[2, 0, 0, 0, 0, 1]),
    );
}
