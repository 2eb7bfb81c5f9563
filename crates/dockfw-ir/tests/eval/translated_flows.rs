//! Packets of flows that were translated earlier.

use dockfw_ir::chain::Hook;
use dockfw_ir::eval::{Conntrack, Direction, From, Packet, State};
use dockfw_ir::expr::{Meta, Payload};
use dockfw_ir::statement::Statement;

use crate::helpers::*;

const CLIENT: (&str, u16) = ("198.51.100.9", 40000);
const HOST: (&str, u16) = ("192.0.2.1", 8080);
const CONTAINER: (&str, u16) = ("172.18.0.2", 80);

#[test]
fn a_published_port_in_both_directions() {
    let none = verified(vec![]);
    let entry = || (tuple(CLIENT, HOST), tuple(CONTAINER, CLIENT));
    let (original, reply) = entry();
    let request = of_flow(Direction::Original, original, reply, outside());
    let outcome = eval(&none, &request);
    assert_eq!(outcome.verdict, forwarded("br-a"));
    assert_eq!(flow(&outcome), "198.51.100.9:40000 > 172.18.0.2:80");
    assert!(outcome.is_dnat() && !outcome.is_snat());
    let answer = of_flow(
        Direction::Reply,
        original,
        reply,
        tcp(by("br-a"), CONTAINER, CLIENT),
    );
    let outcome = eval(&none, &answer);
    assert_eq!(outcome.verdict, forwarded("eth0"));
    assert_eq!(flow(&outcome), "192.0.2.1:8080 > 198.51.100.9:40000");
}

#[test]
fn a_masqueraded_flow_in_both_directions() {
    let none = verified(vec![]);
    let (inside, server) = (("172.18.0.2", 50000), ("203.0.113.5", 443));
    let outer = ("192.0.2.1", 1024);
    let (original, reply) = (tuple(inside, server), tuple(server, outer));
    let request = of_flow(
        Direction::Original,
        original,
        reply,
        tcp(by("br-a"), inside, server),
    );
    assert_eq!(
        flow(&eval(&none, &request)),
        "192.0.2.1:1024 > 203.0.113.5:443"
    );
    let answer = of_flow(
        Direction::Reply,
        original,
        reply,
        tcp(by("eth0"), server, outer),
    );
    let outcome = eval(&none, &answer);
    assert_eq!(outcome.verdict, forwarded("br-a"));
    assert_eq!(flow(&outcome), "203.0.113.5:443 > 172.18.0.2:50000");
}

#[test]
fn a_hairpin_flow_in_both_directions() {
    let none = verified(vec![]);
    let (client, masked) = (("172.18.0.2", 50000), ("172.18.0.1", 50000));
    let (original, reply) = (tuple(client, HOST), tuple(CONTAINER, masked));
    let request = of_flow(
        Direction::Original,
        original,
        reply,
        tcp(by("br-a"), client, HOST),
    );
    assert_eq!(
        flow(&eval(&none, &request)),
        "172.18.0.1:50000 > 172.18.0.2:80"
    );
    let answer = of_flow(
        Direction::Reply,
        original,
        reply,
        tcp(by("br-a"), CONTAINER, masked),
    );
    let outcome = eval(&none, &answer);
    assert_eq!(outcome.verdict, forwarded("br-a"));
    assert_eq!(flow(&outcome), "192.0.2.1:8080 > 172.18.0.2:50000");
}

/// The host reached a container through its own address: the answer is for the host, and what was
/// done to the destination is undone at input.
#[test]
fn an_answer_to_the_host() {
    let local = ("192.0.2.1", 50000);
    let (original, reply) = (tuple(local, HOST), tuple(CONTAINER, local));
    let answer = of_flow(
        Direction::Reply,
        original,
        reply,
        tcp(by("br-a"), CONTAINER, local),
    );
    let seen = [rule([
        Statement::equal(Payload::IpSaddr, ip("172.18.0.2")),
        Statement::Counter,
    ])];
    let outcome = eval(
        &ruleset(vec![], vec![filter("input", Hook::Input, seen)]),
        &answer,
    );
    assert_eq!(outcome.verdict, delivered("br-a"));
    // Filters at priority 0 see the packet before NAT at 100.
    assert_eq!(trail(&outcome), ["input:0", "input:policy"]);
    assert_eq!(flow(&outcome), "192.0.2.1:8080 > 192.0.2.1:50000");
}

#[test]
fn packets_of_the_host_are_routed_again() {
    let local = ("127.0.0.1", 50000);
    let masked = ("172.18.0.1", 50000);
    let (original, reply) = (tuple(local, ("127.0.0.1", 8080)), tuple(CONTAINER, masked));
    let packet = tcp(From::Host, local, ("127.0.0.1", 8080));
    let request = of_flow(Direction::Original, original, reply, packet);
    let old = [rule([
        Statement::equal(Meta::Oifname, ifname("lo")),
        Statement::Counter,
    ])];
    let outcome = eval(
        &ruleset(vec![], vec![filter("output", Hook::Output, old)]),
        &request,
    );
    assert_eq!(outcome.verdict, forwarded("br-a"));
    assert_eq!(flow(&outcome), "172.18.0.1:50000 > 172.18.0.2:80");
    assert_eq!(trail(&outcome), ["output:0", "output:policy"]);
}

/// An ICMP error about a translated flow is translated like an answer, addresses only.
#[test]
fn errors_about_a_flow() {
    let error = Packet {
        icmp: Some((3, 3)),
        ct: Conntrack {
            state: State::Related,
            direction: Direction::Reply,
            original: Some(tuple(CLIENT, HOST)),
            reply: Some(tuple(CONTAINER, CLIENT)),
            ..Conntrack::default()
        },
        ..packet(by("br-a"), ICMP, CONTAINER.0, CLIENT.0)
    };
    let drops = nat_at(Hook::Postrouting, [rule([DROP])]);
    let outcome = eval(&ruleset(vec![], vec![drops]), &error);
    assert_eq!(outcome.verdict, forwarded("eth0"));
    assert_eq!(flow(&outcome), "192.0.2.1 > 198.51.100.9");
}

#[test]
fn a_flow_without_tuples_is_not_translated() {
    let drops = nat_at(Hook::Prerouting, [rule([dnat("172.18.0.2", None)])]);
    let ruleset = ruleset(vec![], vec![drops]);
    for direction in [Direction::Original, Direction::Reply] {
        let packet = Packet {
            ct: Conntrack {
                state: State::Established,
                direction,
                ..Conntrack::default()
            },
            ..outside()
        };
        let outcome = eval(&ruleset, &packet);
        assert_eq!(flow(&outcome), "198.51.100.9:40000 > 192.0.2.1:8080");
        assert!(!outcome.is_dnat() && !outcome.is_snat());
    }
}
