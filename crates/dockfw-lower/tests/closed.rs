//! The ruleset of a host that is closed to its containers: which packets pass.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::IpAddr;

use dockfw_ir::chain::Hook;
use dockfw_ir::eval::{Evaluator, From, Host, Interface, Packet, Route, State, Verdict};
use dockfw_ir::{print, verify::verify};
use dockfw_lower::{CLOSED, closed};

/// A Docker host with a LAN of its own on a bridge.
fn host() -> Host {
    let interface = |name: &str, addresses: &[&str]| Interface {
        name: name.to_owned(),
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
    };
    Host {
        interfaces: vec![
            interface("eth0", &["192.0.2.1/24", "2001:db8:ffff::1/64"]),
            interface("docker0", &["172.17.0.1/16", "2001:db8:17::1/64"]),
            interface("br-0123456789ab", &["172.18.0.1/16", "2001:db8:18::1/64"]),
            interface("docker_gwbridge", &["172.19.0.1/16", "2001:db8:19::1/64"]),
            interface("br-lan", &["172.20.0.1/16", "2001:db8:20::1/64"]),
        ],
        routes: vec![Route {
            destination: "0.0.0.0/0".parse().unwrap(),
            interface: "eth0".to_owned(),
        }],
    }
}

fn packet(from: &str, source: &str, destination: &str) -> Packet {
    let from = match from {
        "" => From::Host,
        interface => From::Interface(interface.to_owned()),
    };
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let mut packet = Packet::new(from, address(source), address(destination), 6);
    packet.ports = Some((40_000, 22));
    packet
}

#[track_caller]
fn verdict(packet: &Packet) -> Verdict {
    let ruleset = verify(closed()).unwrap();
    Evaluator::new(&ruleset).eval(&host(), packet).verdict
}

const BRIDGES: [(&str, u8); 4] = [
    ("docker0", 17),
    ("br-0123456789ab", 18),
    ("docker_gwbridge", 19),
    ("br-lan", 20),
];

#[test]
fn nothing_new_is_forwarded() {
    for (bridge, net) in BRIDGES {
        for (from, source, destination) in [
            ("eth0", "192.0.2.2".to_owned(), format!("172.{net}.0.2")),
            (bridge, format!("172.{net}.0.2"), "192.0.2.2".to_owned()),
            (
                "eth0",
                "2001:db8:ffff::2".to_owned(),
                format!("2001:db8:{net}::2"),
            ),
            (
                bridge,
                format!("2001:db8:{net}::2"),
                "2001:db8:ffff::2".to_owned(),
            ),
        ] {
            let mut packet = packet(from, &source, &destination);
            let dropped = Verdict::Dropped {
                hook: Hook::Forward,
            };
            for state in [State::New, State::Invalid, State::Untracked] {
                packet.ct.state = state;
                assert_eq!(
                    verdict(&packet),
                    dropped,
                    "{source} {destination} {state:?}"
                );
            }
            for state in [State::Established, State::Related] {
                packet.ct.state = state;
                assert!(
                    verdict(&packet).is_pass(),
                    "{source} {destination} {state:?}"
                );
            }
        }
    }
}

#[test]
fn the_host_is_reached_and_reaches_others() {
    for (from, source, destination) in [
        ("eth0", "192.0.2.2", "192.0.2.1"),
        ("eth0", "2001:db8:ffff::2", "2001:db8:ffff::1"),
        ("br-lan", "172.20.0.2", "172.20.0.1"),
        ("", "192.0.2.1", "192.0.2.2"),
        ("", "2001:db8:ffff::1", "2001:db8:ffff::2"),
        ("", "172.20.0.1", "172.20.0.2"),
        ("", "127.0.0.1", "127.0.0.1"),
        ("", "::1", "::1"),
    ] {
        let verdict = verdict(&packet(from, source, destination));
        assert!(verdict.is_pass(), "{source} {destination} {verdict:?}");
    }
}

#[test]
fn docker_proxy_reaches_no_container() {
    for (_, net) in &BRIDGES[..3] {
        for (source, destination) in [
            (format!("172.{net}.0.1"), format!("172.{net}.0.2")),
            (format!("2001:db8:{net}::1"), format!("2001:db8:{net}::2")),
        ] {
            let mut packet = packet("", &source, &destination);
            let dropped = Verdict::Dropped { hook: Hook::Output };
            assert_eq!(verdict(&packet), dropped, "{destination}");
            packet.ct.state = State::Established;
            assert!(verdict(&packet).is_pass(), "{destination}");
            // Neighbour discovery is not tracked.
            packet.ct.state = State::Untracked;
            assert!(verdict(&packet).is_pass(), "{destination}");
        }
    }
}

#[test]
fn loopback_is_for_the_host() {
    for (source, destination) in [("192.0.2.2", "127.0.0.1"), ("2001:db8:ffff::2", "::1")] {
        let dropped = Verdict::Dropped {
            hook: Hook::Prerouting,
        };
        assert_eq!(verdict(&packet("eth0", source, destination)), dropped);
    }
}

#[test]
fn the_table_says_what_it_is() {
    let ruleset = verify(closed()).unwrap();
    let comment = ruleset.tables[0].comment.clone().unwrap();
    assert!(comment.as_str().starts_with(CLOSED));
    assert!(comment.as_str().ends_with("dockfw commit"), "{comment}");
    let expected = include_str!("closed.nft");
    assert_eq!(print::nft(&ruleset), expected, "{}", print::nft(&ruleset));
}
