//! What expressions read at which hook.

use dockfw_ir::chain::{ChainKind, Hook};
use dockfw_ir::eval::{Conntrack, Direction, From, Packet, State};
use dockfw_ir::expr::ct::{self, TupleField, state, status};
use dockfw_ir::expr::fib::{FibAddress, FibResult, addrtype};
use dockfw_ir::expr::{Ct, Fib, Meta, Payload};
use dockfw_ir::statement::{Operator, Statement};
use dockfw_ir::value::Value;

use crate::helpers::*;

fn equal_at(
    hook: Hook,
    expr: impl Into<dockfw_ir::expr::Key>,
    value: Value,
    packet: &Packet,
) -> bool {
    matches_at(hook, vec![], Statement::equal(expr, value), packet)
}

#[test]
fn headers() {
    let packet = transit();
    assert!(matches(
        Statement::equal(Payload::IpSaddr, ip("198.51.100.9")),
        &packet
    ));
    assert!(matches(
        Statement::equal(Payload::ThSport, port(40000)),
        &packet
    ));
    assert!(matches(
        Statement::equal(Payload::ThDport, port(80)),
        &packet
    ));
    assert!(matches(Statement::equal(Meta::L4proto, byte(TCP)), &packet));
    assert!(matches(Statement::equal(Meta::Nfproto, byte(2)), &packet));
    assert!(matches(Statement::equal(Meta::Length, host32(60)), &packet));
    assert!(matches(
        Statement::equal(Payload::TcpFlags, byte(2)),
        &packet
    ));
    let established = in_state(State::Established, packet);
    assert!(matches(
        Statement::equal(Payload::TcpFlags, byte(0x10)),
        &established
    ));
    let reset = Packet {
        tcp_flags: Some(4),
        ..established
    };
    assert!(matches(
        Statement::equal(Payload::TcpFlags, byte(4)),
        &reset
    ));
}

#[test]
fn icmp() {
    let echo = Packet {
        icmp: Some((8, 0)),
        ..packet(by("eth0"), ICMP, "198.51.100.9", "172.18.0.2")
    };
    assert!(matches(Statement::equal(Payload::IcmpType, byte(8)), &echo));
    assert!(matches(Statement::equal(Payload::IcmpCode, byte(0)), &echo));
    assert!(!matches(
        Statement::not_equal(Payload::Icmpv6Type, byte(1)),
        &echo
    ));
    // `th` reads the ICMP header: type and code, and the checksum.
    assert!(matches(
        Statement::equal(Payload::ThSport, port(0x0800)),
        &echo
    ));
    assert!(matches(
        Statement::not_equal(Payload::ThDport, port(80)),
        &echo
    ));
    let echo6 = Packet {
        icmp: Some((128, 0)),
        ..packet(by("eth0"), ICMPV6, "2001:db8:9::1", "2001:db8:a::2")
    };
    assert!(matches(
        Statement::equal(Payload::Icmpv6Type, byte(128)),
        &echo6
    ));
    assert!(matches(Statement::equal(Meta::Nfproto, byte(10)), &echo6));
    // Conntrack keeps type and code where a destination port would be.
    let destination = |direction| Ct::Tuple(direction, TupleField::ProtoDst);
    let original = Statement::equal(destination(ct::Direction::Original), port(0x0800));
    assert!(matches(original, &echo));
    let reply = Statement::equal(destination(ct::Direction::Reply), port(0));
    assert!(matches(reply, &echo));
}

/// Tried on 6.18: no interface is an empty name, which differs from every name.
#[test]
fn interfaces() {
    let local = tcp(From::Host, ("192.0.2.1", 1), ("172.18.0.2", 80));
    let other = || Statement::not_equal(Meta::Iifname, ifname("eth0"));
    assert!(matches_at(Hook::Postrouting, vec![], other(), &local));
    assert!(!matches_at(Hook::Postrouting, vec![], other(), &transit()));
    assert!(equal_at(
        Hook::Output,
        Meta::Oifname,
        ifname("br-a"),
        &local
    ));
    assert!(equal_at(
        Hook::Postrouting,
        Meta::Iifname,
        ifname("eth0"),
        &transit()
    ));
    assert!(equal_at(
        Hook::Input,
        Meta::Iifname,
        ifname("eth0"),
        &outside()
    ));
    assert!(equal_at(Hook::Output, Meta::Skuid, host32(0), &local));
    assert!(!equal_at(
        Hook::Postrouting,
        Meta::Skuid,
        host32(0),
        &transit()
    ));
}

#[test]
fn conntrack_state() {
    for (is, bit) in [
        (State::New, state::NEW),
        (State::Established, state::ESTABLISHED),
        (State::Related, state::RELATED),
        (State::Invalid, state::INVALID),
        (State::Untracked, state::UNTRACKED),
    ] {
        let packet = in_state(is, transit());
        assert!(
            matches(Statement::equal(Ct::State, host32(bit)), &packet),
            "{is:?}"
        );
        let without = matches!(is, State::Invalid | State::Untracked);
        let loads = matches(Statement::equal(Ct::Direction, byte(0)), &packet);
        assert_eq!(loads, !without, "{is:?}");
    }
}

/// Tried on 6.18.
#[test]
fn before_conntrack_everything_is_invalid() {
    for (priority, bit) in [(-300, state::INVALID), (-199, state::NEW)] {
        let rules = [rule([Statement::equal(Ct::State, host32(bit)), DROP])];
        let early = base(
            "early",
            ChainKind::Filter,
            Hook::Prerouting,
            priority,
            rules,
        );
        let outcome = eval(&ruleset(vec![], vec![early]), &transit());
        assert_eq!(outcome.verdict, dropped(Hook::Prerouting), "{priority}");
    }
}

#[test]
fn conntrack_entry() {
    let packet = Packet {
        ct: Conntrack {
            state: State::Established,
            direction: Direction::Reply,
            original: Some(tuple(("198.51.100.9", 40000), ("192.0.2.1", 8080))),
            reply: Some(tuple(("172.18.0.2", 80), ("198.51.100.9", 40000))),
            status: status::ASSURED,
            mark: 7,
        },
        ..tcp(by("br-a"), ("172.18.0.2", 80), ("198.51.100.9", 40000))
    };
    let original = |field| Ct::Tuple(ct::Direction::Original, field);
    let reply = |field| Ct::Tuple(ct::Direction::Reply, field);
    for (key, value) in [
        (Ct::Direction, byte(1)),
        (Ct::Mark, host32(7)),
        (original(TupleField::IpSaddr), ip("198.51.100.9")),
        (original(TupleField::IpDaddr), ip("192.0.2.1")),
        (original(TupleField::ProtoDst), port(8080)),
        (original(TupleField::Protocol), byte(TCP)),
        (reply(TupleField::IpSaddr), ip("172.18.0.2")),
        (reply(TupleField::ProtoSrc), port(80)),
    ] {
        assert!(matches(Statement::equal(key, value), &packet), "{key:?}");
    }
    let has = |bit| Statement::masked(Ct::Status, host32(bit), Operator::NotEqual, host32(0));
    assert!(matches(has(status::DNAT), &packet));
    assert!(matches(has(status::ASSURED), &packet));
    assert!(!matches(has(status::SNAT), &packet));
    let v6 = Statement::not_equal(original(TupleField::Ip6Saddr), ip("::1"));
    assert!(!matches(v6, &packet));
}

#[test]
fn address_types() {
    let of = |expect: u32, destination: &str| {
        let source = if destination.contains(':') {
            "2001:db8:9::1"
        } else {
            "198.51.100.9"
        };
        let to = packet(by("eth0"), UDP, source, destination);
        let key = Fib::daddr_type();
        assert!(
            equal_at(Hook::Prerouting, key, host32(expect), &to),
            "{destination}"
        );
    };
    for local in [
        "192.0.2.1",
        "172.18.0.1",
        "127.0.0.1",
        "127.3.2.1",
        "2001:db8::1",
        "::1",
        "fe80::1",
    ] {
        of(addrtype::LOCAL, local);
    }
    for broadcast in [
        "192.0.2.255",
        "172.18.255.255",
        "255.255.255.255",
        "127.255.255.255",
    ] {
        of(addrtype::BROADCAST, broadcast);
    }
    for multicast in ["224.0.0.251", "ff02::fb"] {
        of(addrtype::MULTICAST, multicast);
    }
    for unicast in [
        "192.0.2.0",
        "192.0.2.2",
        "198.51.100.1",
        "2001:db8:a::2",
        "fe80::2",
    ] {
        of(addrtype::UNICAST, unicast);
    }
    of(addrtype::ANYCAST, "2001:db8:a::");
    of(addrtype::UNREACHABLE, "fd00::1");
}

/// A link-local address is looked up on the interface that the packet is at: of a packet that
/// leaves, the one it leaves by.
#[test]
fn link_local_address_types() {
    let key = Fib {
        address: FibAddress::Saddr,
        ..Fib::daddr_type()
    };
    for (destination, expect) in [
        ("2001:db8::9", addrtype::LOCAL),
        ("2001:db8:a::2", addrtype::UNREACHABLE),
    ] {
        let sent = packet(From::Host, UDP, "fe80::1", destination);
        let is = equal_at(Hook::Postrouting, key, host32(expect), &sent);
        assert!(is, "{destination}");
    }
}

#[test]
fn address_types_of_an_interface() {
    let key = Fib {
        iif: true,
        ..Fib::daddr_type()
    };
    let to = |destination| packet(by("eth0"), UDP, "198.51.100.9", destination);
    for (destination, expect) in [
        ("192.0.2.1", addrtype::LOCAL),
        ("172.18.0.1", addrtype::UNICAST),
        ("172.18.255.255", addrtype::UNICAST),
        ("192.0.2.255", addrtype::BROADCAST),
        ("127.0.0.1", addrtype::UNICAST),
    ] {
        let is = equal_at(Hook::Prerouting, key, host32(expect), &to(destination));
        assert!(is, "{destination}");
    }
}

#[test]
fn reverse_path() {
    let key = Fib {
        address: FibAddress::Saddr,
        iif: true,
        oif: false,
        mark: false,
        result: FibResult::Oifname,
    };
    let from = |interface: &str, source| packet(by(interface), UDP, source, "192.0.2.1");
    let known = |packet: &Packet| equal_at(Hook::Prerouting, key, ifname("eth0"), packet);
    assert!(known(&from("eth0", "198.51.100.9")));
    assert!(!known(&from("br-a", "198.51.100.9")));
    // Spoofed: the route to the source is by another interface, the result is an empty name.
    let spoofed = Statement::not_equal(key, ifname("eth0"));
    assert!(matches_at(
        Hook::Prerouting,
        vec![],
        spoofed,
        &from("eth0", "172.18.0.2")
    ));
}

#[test]
fn packet_types() {
    let kind = |expect, destination| {
        let to = packet(by("eth0"), UDP, "198.51.100.9", destination);
        assert!(
            equal_at(Hook::Prerouting, Meta::Pkttype, byte(expect), &to),
            "{destination}"
        );
    };
    kind(0, "192.0.2.1");
    kind(1, "192.0.2.255");
    kind(2, "224.0.0.1");
}
