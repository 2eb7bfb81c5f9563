//! Extensions in both evaluators: iptables' rule and what it became, which share no code.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "test helpers")]

use std::net::IpAddr;

use dockfw_iptables::eval as xt;
use dockfw_iptables::parse::{Assume, load};
use dockfw_iptables::{Family, Program};
use dockfw_ir::Ruleset;
use dockfw_ir::eval as ir;
use dockfw_ir::expr::exthdr::Ipv6Field;
use dockfw_ir::name::TableName;
use dockfw_ir::verify::{Verified, verify};
use dockfw_lower::optimize::Optimize;
use dockfw_lower::rules::table;

/// 2026-11-16, a Monday, 00:00 UTC.
const MONDAY: u64 = 1_794_787_200;

fn compile(text: &str, family: Family) -> (Program, Verified) {
    let program = load(text, family, &Assume::default()).unwrap().program;
    let name = TableName::new("dockfw").unwrap();
    let compiled = table(&program, name, Optimize::Full).unwrap();
    let ruleset = Ruleset {
        tables: vec![compiled.table],
    };
    (program, verify(ruleset).unwrap())
}

/// A host with two interfaces in each family.
fn hosts() -> (xt::Host, ir::Host) {
    let interfaces = [
        ("eth0", ["192.0.2.1/24", "2001:db8:1::1/64"]),
        ("eth1", ["10.0.0.1/16", "2001:db8:2::1/64"]),
    ];
    let addresses = |of: [&str; 2]| of.map(|text| text.parse().unwrap()).to_vec();
    let routes = [
        ("0.0.0.0/0", "eth0"),
        ("::/0", "eth0"),
        ("10.9.0.0/16", "eth1"),
    ];
    let xt = xt::Host {
        interfaces: interfaces
            .map(|(name, of)| xt::Interface {
                name: name.to_owned(),
                addresses: addresses(of),
            })
            .to_vec(),
        routes: routes
            .map(|(to, by)| xt::Route {
                destination: to.parse().unwrap(),
                interface: by.to_owned(),
            })
            .to_vec(),
    };
    let ir = ir::Host {
        interfaces: interfaces
            .map(|(name, of)| ir::Interface {
                name: name.to_owned(),
                addresses: addresses(of),
            })
            .to_vec(),
        routes: routes
            .map(|(to, by)| ir::Route {
                destination: to.parse().unwrap(),
                interface: by.to_owned(),
            })
            .to_vec(),
    };
    (xt, ir)
}

/// A packet from outside in both models.
fn packets(source: &str, destination: &str, protocol: u8) -> (xt::Packet, ir::Packet) {
    let address = |text: &str| -> IpAddr { text.parse().unwrap() };
    let (source, destination) = (address(source), address(destination));
    let ports = matches!(protocol, 6 | 17 | 33).then_some((4000, 80));
    let from = xt::From::Interface("eth0".to_owned());
    let mut ours = xt::Packet::new(from, source, destination, protocol);
    ours.ports = ports;
    ours.length = 60;
    let from = ir::From::Interface("eth0".to_owned());
    let mut native = ir::Packet::new(from, source, destination, protocol);
    native.ports = ports;
    (ours, native)
}

/// What became of a packet: whether it was dropped, its ends and its mark.
type End = (bool, IpAddr, IpAddr, u32);

struct Compared {
    program: Program,
    ruleset: Verified,
    hosts: (xt::Host, ir::Host),
    seen: [usize; 2],
}

impl Compared {
    fn new(text: &str, family: Family) -> Self {
        let (program, ruleset) = compile(text, family);
        Self {
            program,
            ruleset,
            hosts: hosts(),
            seen: [0; 2],
        }
    }

    fn one(&mut self, (ours, native): &(xt::Packet, ir::Packet), what: &str) -> End {
        let out = xt::Evaluator::new(&self.program).eval(&self.hosts.0, ours);
        let dropped = matches!(out.verdict, xt::Verdict::Dropped { .. });
        let first: End = (dropped, out.source, out.destination, out.mark);
        let out = ir::Evaluator::new(&self.ruleset).eval(&self.hosts.1, native);
        let dropped = matches!(out.verdict, ir::Verdict::Dropped { .. });
        let second: End = (dropped, out.source, out.destination, out.mark);
        assert_eq!(first, second, "{}{what}", self.program);
        *self.seen.get_mut(usize::from(first.0)).unwrap() += 1;
        first
    }

    /// Both answers must have been given: a rule that does nothing proves nothing.
    fn both_seen(&self) {
        println!("{:?} {}", self.seen, self.program);
        assert!(self.seen.iter().all(|seen| *seen > 0), "{}", self.program);
    }
}

/// Two weeks in steps of seven minutes and a bit, and each second around midnight and the ends.
#[test]
fn times() {
    let rules = [
        "--timestart 08:00 --timestop 17:30:15",
        "--timestart 22:00 --timestop 06:00",
        "--timestart 12:00 --timestop 12:00 --weekdays Mon",
        "--timestart 22:00 --timestop 06:00 --weekdays Fri,Sat",
        "--timestart 22:00 --timestop 06:00 --weekdays Fri,Sat --contiguous",
        "--timestart 22:00 --timestop 06:00 --weekdays Sun --contiguous",
        "--timestart 12:00 --timestop 12:00 --weekdays Mon,Wed --contiguous",
        "--timestart 23:59:59 --timestop 00:00 --weekdays Tue --contiguous",
        "--timestart 00:00:01 --timestop 00:00 --weekdays Tue,Thu --contiguous",
        "--timestart 00:00 --timestop 00:00 --weekdays Tue,Thu --contiguous",
        "--timestart 23:59:59 --timestop 23:59:58 --weekdays Sat --contiguous",
        "--timestart 23:59:59 --timestop 23:59:59 --weekdays Sat --contiguous",
        "--timestart 06:00 --timestop 05:00",
        "! --weekdays Sat,Sun",
        "--weekdays Mon,Tue,Wed,Thu,Fri,Sat --kerneltz",
        "--datestart 2026-11-18T12:00:07",
        "--datestop 2026-11-20",
        "--datestart 2026-11-18 --datestop 2026-11-20T23:59:59 --timestart 05:00",
    ];
    for rule in rules {
        let text = format!("*filter\n-A FORWARD -m time {rule} -j DROP\nCOMMIT\n");
        let mut compared = Compared::new(&text, Family::Ipv4);
        let mut steps: Vec<u64> = (0..14 * 86_400).step_by(427).collect();
        for day in 0..14_u64 {
            for at in [
                0,
                5 * 3600,
                6 * 3600,
                12 * 3600,
                17 * 3600 + 1815,
                22 * 3600,
            ] {
                let at = day * 86_400 + at;
                steps.extend(at.saturating_sub(8)..at + 9);
            }
        }
        for step in steps {
            let (mut ours, mut native) = packets("198.51.100.9", "10.0.0.9", 17);
            ours.details.time = Some(MONDAY + step);
            native.time = Some(MONDAY + step);
            compared.one(&(ours, native), &format!("at {step}"));
        }
        compared.both_seen();
    }
}

#[test]
fn connections() {
    let rules = [
        "--connbytes 5:9 --connbytes-mode packets --connbytes-dir original",
        "! --connbytes 5:9 --connbytes-mode packets --connbytes-dir both",
        "--connbytes 1000: --connbytes-mode bytes --connbytes-dir reply",
        "! --connbytes 1000: --connbytes-mode bytes --connbytes-dir both",
        "--connbytes :100 --connbytes-mode avgpkt --connbytes-dir both",
        "! --connbytes :100 --connbytes-mode avgpkt --connbytes-dir reply",
        "--connbytes 0: --connbytes-mode bytes --connbytes-dir both",
    ];
    let counts = [
        (0, 0),
        (1, 60),
        (5, 300),
        (9, 2000),
        (10, 999),
        (7, 1000),
        (40, 60_000),
    ];
    for rule in rules {
        let text = format!("*filter\n-A FORWARD -m connbytes {rule} -j DROP\nCOMMIT\n");
        let mut compared = Compared::new(&text, Family::Ipv4);
        for original in counts {
            for reply in counts {
                let (mut ours, mut native) = packets("198.51.100.9", "10.0.0.9", 17);
                ours.details.counters = [original, reply];
                native.ct_counters.packets = [original.0, reply.0];
                native.ct_counters.bytes = [original.1, reply.1];
                compared.one(&(ours, native), &format!("{original:?} {reply:?}"));
            }
        }
        let (mut ours, mut native) = packets("198.51.100.9", "10.0.0.9", 17);
        ours.ct.state = xt::State::Invalid;
        native.ct.state = ir::State::Invalid;
        compared.one(&(ours, native), "without an entry");
        compared.both_seen();
    }
}

#[test]
fn ipsec() {
    let rules = [
        "-m policy --dir in --pol none",
        "-m policy --dir in --pol ipsec",
        "-m policy --dir out --pol none",
        "-m policy --dir out --pol ipsec",
        "-p esp -m esp --espspi 5:9",
        "-p esp -m esp ! --espspi 5:9",
        "-p ah -m ah --ahspi 7",
        "-p ah -m ah ! --ahspi 7",
    ];
    for rule in rules {
        let text = format!("*filter\n-A FORWARD {rule} -j DROP\nCOMMIT\n");
        let mut compared = Compared::new(&text, Family::Ipv4);
        for bits in 0..4_u32 {
            for (protocol, spi) in [
                (17, None),
                (50, Some(7)),
                (51, Some(7)),
                (50, Some(9)),
                (51, Some(10)),
                (50, Some(4)),
            ] {
                let (mut ours, mut native) = packets("198.51.100.9", "10.0.0.9", protocol);
                (ours.details.ipsec, native.ipsec) = (bits & 1 == 1, bits & 1 == 1);
                (ours.details.route_ipsec, native.route_ipsec) = (bits & 2 == 2, bits & 2 == 2);
                (ours.details.spi, native.spi) = (spi, spi);
                compared.one(&(ours, native), &format!("{bits} {protocol} {spi:?}"));
            }
        }
        compared.both_seen();
    }
}

#[test]
fn extension_headers() {
    let rules = [
        "-m rt",
        "-m rt --rt-type 0",
        "-m rt ! --rt-type 2 --rt-segsleft 1:3",
        "-m rt ! --rt-segsleft 1:3",
        "-m rt --rt-segsleft 1:4294967290",
        "-m rt --rt-len 24",
        "-m rt ! --rt-len 23",
        "-m hbh",
        "-m hbh --hbh-len 8",
        "-m hbh ! --hbh-len 8",
        "-m dst --dst-len 16",
        "-m frag --fragid 5:9",
        "-m frag ! --fragid 7",
    ];
    for rule in rules {
        let text = format!("*filter\n-A FORWARD {rule} -j DROP\nCOMMIT\n");
        let mut compared = Compared::new(&text, Family::Ipv6);
        let fresh = || packets("2001:db8:9::9", "2001:db8:2::9", 17);
        compared.one(&fresh(), "bare");
        for units in [0, 1, 2] {
            let bytes = (units + 1) * 8;
            for kind in [0, 2, 4] {
                for segments in [0, 1, 3, 4] {
                    let (mut ours, mut native) = fresh();
                    ours.details.headers.routing = Some((kind, segments, bytes));
                    native.ipv6_headers = vec![43];
                    native.ipv6_fields = vec![
                        (Ipv6Field::RoutingType, kind.into()),
                        (Ipv6Field::RoutingSegments, segments.into()),
                        (Ipv6Field::RoutingLength, units),
                    ];
                    let what = format!("rt {kind} {segments} {bytes}");
                    compared.one(&(ours, native), &what);
                }
            }
            let (mut ours, mut native) = fresh();
            ours.details.headers.hop_by_hop = Some(bytes);
            native.ipv6_headers = vec![0];
            native.ipv6_fields = vec![(Ipv6Field::HopByHopLength, units)];
            compared.one(&(ours, native), "hbh");
            let (mut ours, mut native) = fresh();
            ours.details.headers.destination = Some(bytes);
            native.ipv6_headers = vec![60];
            native.ipv6_fields = vec![(Ipv6Field::DestinationLength, units)];
            compared.one(&(ours, native), "dst");
        }
        for id in [4, 5, 7, 9, 10] {
            let (mut ours, mut native) = fresh();
            ours.details.headers.fragment = Some(id);
            native.ipv6_headers = vec![44];
            native.ipv6_fields = vec![(Ipv6Field::FragmentId, id)];
            compared.one(&(ours, native), "frag");
        }
        compared.both_seen();
    }
}

#[test]
fn networks_are_mapped() {
    let text = "*nat\n-A PREROUTING -d 203.0.113.0/24 -j NETMAP --to 10.9.7.0/24\n\
                -A PREROUTING -d 203.0.112.5 -j NETMAP --to 10.9.7.8\n\
                -A POSTROUTING -s 198.51.100.128/25 -j NETMAP --to 10.0.1.0/25\nCOMMIT\n";
    let mut compared = Compared::new(text, Family::Ipv4);
    for (source, destination, mapped) in [
        (
            "198.51.100.9",
            "203.0.113.77",
            ("198.51.100.9", "10.9.7.77"),
        ),
        (
            "198.51.100.137",
            "203.0.113.255",
            ("10.0.1.9", "10.9.7.255"),
        ),
        ("198.51.100.255", "203.0.112.5", ("10.0.1.127", "10.9.7.8")),
        (
            "198.51.100.255",
            "203.0.112.6",
            ("10.0.1.127", "203.0.112.6"),
        ),
    ] {
        let end = compared.one(&packets(source, destination, 17), destination);
        let address = |text: &str| -> IpAddr { text.parse().unwrap() };
        assert_eq!((end.1, end.2), (address(mapped.0), address(mapped.1)));
    }
    let text = "*nat\n-A PREROUTING -d 2001:db8:7::/48 -j NETMAP --to 2001:db8:2::/64\nCOMMIT\n";
    let mut compared = Compared::new(text, Family::Ipv6);
    let end = compared.one(&packets("2001:db8:9::9", "2001:db8:7:1::42", 6), "IPv6");
    assert_eq!(end.2, "2001:db8:2::42".parse::<IpAddr>().unwrap());
}

#[test]
fn a_packet_without_a_transparent_socket_is_dropped() {
    let text = "*mangle\n-A PREROUTING -p tcp -m tcp --dport 80 -j TPROXY --on-port 3129 \
                --tproxy-mark 0x105/0xff\nCOMMIT\n";
    let mut compared = Compared::new(text, Family::Ipv4);
    for (protocol, socket) in [(6, true), (6, false), (17, true), (17, false)] {
        let (mut ours, mut native) = packets("198.51.100.9", "192.0.2.1", protocol);
        (ours.mark, native.mark) = (0xf0, 0xf0);
        ours.details.socket = socket;
        native.socket = socket.then_some(ir::Socket {
            transparent: true,
            ..ir::Socket::default()
        });
        let end = compared.one(&(ours, native), &format!("{protocol} {socket}"));
        assert_eq!(end.0, protocol == 6 && !socket);
        let mark = if protocol == 6 && socket { 0x105 } else { 0xf0 };
        assert_eq!(end.3, mark);
    }
    compared.both_seen();
}
