//! How many packets a second the evaluator walks; run it in release.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a measurement, printed with --nocapture"
)]

#[expect(dead_code, reason = "shared with the other tests")]
#[path = "eval/support.rs"]
mod support;

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use dockfw_iptables::Family;
use dockfw_iptables::eval::{Evaluator, From, Host, Interface, Packet};
use support::{ip, program};

/// A bridge with 25 containers of one published port each: 112 rules.
fn docker() -> String {
    let mut text = String::from("*raw\n");
    for n in 2..27 {
        writeln!(text, "-A PREROUTING -d 172.18.0.{n}/32 ! -i br0 -j DROP").unwrap();
    }
    text.push_str(
        "*nat\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n\
         -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\n\
         -A POSTROUTING -s 172.18.0.0/16 ! -o br0 -j MASQUERADE\n",
    );
    for n in 2..27 {
        let to = format!(
            "--dport {} -j DNAT --to-destination 172.18.0.{n}:80",
            8000 + n
        );
        writeln!(text, "-A DOCKER ! -i br0 -p tcp -m tcp {to}").unwrap();
    }
    text.push_str(
        "*filter\n-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-FORWARD\n\
         -A DOCKER-FORWARD -j DOCKER-CT\n-A DOCKER-FORWARD -j DOCKER-INTERNAL\n\
         -A DOCKER-FORWARD -j DOCKER-BRIDGE\n-A DOCKER-FORWARD -i br0 -j ACCEPT\n\
         -A DOCKER-CT -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
         -A DOCKER-BRIDGE -o br0 -j DOCKER\n",
    );
    for n in 2..52 {
        let to = format!("-d 172.18.0.{n}/32 ! -i br0 -o br0 -p tcp -m tcp --dport 80");
        writeln!(text, "-A DOCKER {to} -j ACCEPT").unwrap();
    }
    text.push_str("-A DOCKER ! -i br0 -o br0 -j DROP\n");
    text
}

#[test]
#[ignore = "cargo test --release -p dockfw-iptables --test eval_speed -- --ignored --nocapture"]
fn packets_per_second() {
    let interface = |name: &str, address: &str| Interface {
        name: name.to_owned(),
        addresses: vec![address.parse().unwrap()],
    };
    let host = Host {
        interfaces: vec![
            interface("eth0", "192.0.2.1/24"),
            interface("br0", "172.18.0.1/16"),
        ],
        routes: vec![],
    };
    let program = program(Family::Ipv4, &docker());
    let evaluator = Evaluator::new(&program);
    let outside = |destination, port| {
        let from = From::Interface("eth0".to_owned());
        Packet::new(from, ip("192.0.2.9"), ip(destination), 6).ports(1000, port)
    };
    let inside = From::Interface("br0".to_owned());
    let packets = [
        ("published, last", outside("192.0.2.1", 8026)),
        ("published, first", outside("192.0.2.1", 8002)),
        ("not published", outside("192.0.2.1", 22)),
        ("direct", outside("172.18.0.26", 80)),
        (
            "out",
            Packet::new(inside, ip("172.18.0.2"), ip("192.0.2.9"), 17).ports(1000, 53),
        ),
    ];
    for (name, packet) in packets {
        let rounds = 200_000_u32;
        let start = Instant::now();
        let mut evaluated = 0;
        for _ in 0..rounds {
            evaluated = black_box(evaluator.eval(&host, black_box(&packet))).evaluated;
        }
        let rate = f64::from(rounds) / start.elapsed().as_secs_f64();
        eprintln!("{name}: {evaluated} rules, {rate:.0} packets/s");
        // Without optimisation the figures mean nothing.
        assert!(cfg!(debug_assertions) || rate > 100_000.0, "{name}");
    }
}
