//! What read rules mean for a packet: headers, marks, answers, and rules that depend on more than
//! the packet.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use dockfw_iptables::Family;
use dockfw_iptables::eval::{Evaluator, From, Hook, Host, Interface, Outcome, Packet, Verdict};
use dockfw_iptables::parse::{Assume, load};
use dockfw_iptables::target::reject::Reject;

fn packet() -> Packet {
    let from = From::Interface("eth0".to_owned());
    let (source, destination) = ("198.51.100.9", "192.0.2.1");
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    let mut packet = Packet::new(from, source, destination, 6).ports(1000, 80);
    packet.details.tcp_flags = Some(0b10_0010);
    packet.details.ttl = Some(64);
    packet.details.tos = Some(0x28);
    packet.length = 100;
    packet
}

fn run(text: &str, packet: &Packet, limits: bool) -> Outcome {
    let host = Host {
        interfaces: vec![Interface {
            name: "eth0".to_owned(),
            addresses: vec!["192.0.2.1/24".parse().unwrap()],
        }],
        routes: vec![],
    };
    let loaded = load(text, Family::Ipv4, &Assume::default()).unwrap();
    let evaluator = Evaluator::new(&loaded.program).limits(limits);
    evaluator.eval(&host, packet)
}

/// Whether a rule in INPUT matches the packet.
fn check(rule: &str, expected: bool) {
    let verdict = run(&format!("-A INPUT {rule} -j DROP"), &packet(), true).verdict;
    let dropped = Verdict::Dropped { hook: Hook::Input };
    assert_eq!(verdict == dropped, expected, "{rule}");
}

#[test]
fn headers() {
    check("-p tcp --tcp-flags SYN,ACK SYN", true);
    check("-p tcp ! --syn", false);
    check("-p tcp --tcp-flags ALL NONE", false);
    check("-p tcp -m multiport --dports 22,79:81", true);
    check("-p tcp -m multiport ! --ports 22,1000", false);
    check("-m iprange --src-range 198.51.100.1-198.51.100.9", true);
    check("-m length --length 101:", false);
    check("-m ttl --ttl-gt 63", true);
    check("-m dscp --dscp-class AF11", true);
    check("-m tos ! --tos 8/8", false);
    check("-m mac ! --mac-source 00:00:00:00:00:01", false);
    check("-f", false);
}

#[test]
fn connections() {
    check("-m state --state NEW", true);
    check(
        "-m conntrack --ctorigdst 192.0.2.0/24 --ctorigdstport 80 --ctdir ORIGINAL",
        true,
    );
    check("-m conntrack --ctdir REPLY", false);
    check("-m conntrack --ctproto 17", false);
    check("-m conntrack --ctstatus NONE", false);
}

#[test]
fn marks_reach_later_rules() {
    let text = "-t raw -A PREROUTING -j MARK --set-mark 0xf0\n\
                -t mangle -A PREROUTING -j CONNMARK --save-mark --mask 0xf0\n\
                -t mangle -A PREROUTING -j MARK --and-mark 0\n\
                -A INPUT -m mark --mark 0 -m connmark --mark 0xf0/0xf0 -j REJECT";
    let outcome = run(text, &packet(), true);
    let answer = Reject::Icmp(3);
    assert_eq!(
        outcome.verdict,
        Verdict::Rejected {
            hook: Hook::Input,
            answer
        }
    );
    assert_eq!((outcome.mark, outcome.connection_mark), (0, 0xf0));
}

#[test]
fn other_targets() {
    let text = "-t raw -A PREROUTING -j NOTRACK\n-A INPUT -j LOG\n\
                -A INPUT -m conntrack --ctstate UNTRACKED -j DROP";
    let dropped = Verdict::Dropped { hook: Hook::Input };
    assert_eq!(run(text, &packet(), true).verdict, dropped);
    let redirected = run(
        "-t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 8080",
        &packet(),
        true,
    );
    assert_eq!(redirected.ports, Some((1000, 8080)));
    for limits in [true, false] {
        let verdict = run("-A INPUT -m limit --limit 5/min -j DROP", &packet(), limits).verdict;
        assert_eq!(verdict == dropped, limits);
    }
}
