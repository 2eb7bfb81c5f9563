//! ctnetlink and rtnetlink against the kernel, each test in a network namespace of its own. What
//! conntrack(8) and ip(8) say is the other side.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers")]

#[path = "netns/lab.rs"]
#[expect(
    clippy::allow_attributes,
    reason = "which helpers are used differs by who includes it"
)]
#[allow(dead_code, reason = "likewise")]
mod lab;

use std::collections::BTreeSet;
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;

use dockfw_netlink::conntrack::Deleted;
use dockfw_netlink::{Conntrack, ConntrackError, Entry, Routes};
use lab::{in_namespace, nft_load, without_capabilities};

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn ip(arguments: &str) {
    run("ip", &arguments.split(' ').collect::<Vec<_>>());
}

/// Loopback, addresses on it, and rules that make the kernel track what the host sends to itself.
fn tracked<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    in_namespace(|| {
        ip("link set lo up");
        ip("address add 192.0.2.1/32 dev lo");
        ip("address add 2001:db8::1/128 dev lo");
        let accounting = "/proc/sys/net/netfilter/nf_conntrack_acct";
        nft_load(
            "table inet t {
                chain o { type nat hook output priority -100;
                    ip daddr 192.0.2.1 udp dport 8080 dnat to 127.0.0.1:80
                    ip6 daddr 2001:db8::1 tcp dport 8080 dnat ip6 to [::1]:80
                }
                chain z { type filter hook output priority raw; udp dport 7000 ct zone set 7
                    udp dport 7001 ct original zone set 9; }
                chain m { type filter hook output priority 0; udp dport 80 ct mark set 0x12345678; }
            }",
        );
        std::fs::write(accounting, "1").unwrap();
        test()
    })
}

/// A datagram, and the socket that sent it.
fn datagram(from: &str, to: &str) -> UdpSocket {
    let socket = UdpSocket::bind(from).unwrap();
    socket.send_to(b"hello", to).unwrap();
    socket
}

/// Has conntrack(8) make an entry of an echo for each family.
fn insert_echoes() {
    let echoes = [
        "-I -p icmp -s 192.0.2.1 -d 192.0.2.7 -t 60 --icmp-type 8 --icmp-code 0 --icmp-id 777",
        "-I -p icmpv6 -s 2001:db8::1 -d 2001:db8::7 -t 60 --icmpv6-type 128 \
         --icmpv6-code 0 --icmpv6-id 778",
    ];
    for echo in echoes {
        run(
            "conntrack",
            &echo.split_ascii_whitespace().collect::<Vec<_>>(),
        );
    }
}

/// Each entry as conntrack(8) shows it with `-o extended,id,ktimestamp`: words that do not change by
/// themselves.
fn listed() -> BTreeSet<String> {
    ["ipv4", "ipv6"]
        .iter()
        .flat_map(|family| {
            let text = run("conntrack", &["-L", "-f", family, "-o", "extended,id"]);
            text.lines().map(words).collect::<Vec<_>>()
        })
        .collect()
}

/// `tcp src=… dst=… … mark=0 id=7`, sorted in no way, without states, timeouts and counters.
fn words(line: &str) -> String {
    let all: Vec<&str> = line.split_ascii_whitespace().collect();
    let keep = [
        "src",
        "dst",
        "sport",
        "dport",
        "type",
        "code",
        "mark",
        "zone",
        "zone-orig",
        "id",
    ];
    let kept = all[3..].iter().filter(|word| {
        let key = word.split('=').next().unwrap();
        keep.contains(&key)
    });
    let kept: Vec<&str> = kept.copied().collect();
    format!("{} {}", all[3], kept.join(" "))
}

/// The same words of what we read.
fn said(entry: &Entry) -> String {
    let mut words = vec![entry.original.protocol.to_string()];
    for (index, tuple) in [&entry.original, &entry.reply].into_iter().enumerate() {
        words.push(format!("src={} dst={}", tuple.source, tuple.destination));
        if let Some((source, destination)) = tuple.ports {
            words.push(format!("sport={source} dport={destination}"));
        }
        if let Some(icmp) = tuple.icmp {
            words.push(format!(
                "type={} code={} id={}",
                icmp.kind, icmp.code, icmp.id
            ));
        }
        if let (0, Some(zone)) = (index, tuple.zone) {
            words.push(format!("zone-orig={zone}"));
        }
    }
    words.push(format!("mark={}", entry.mark));
    if entry.zone != 0 {
        words.push(format!("zone={}", entry.zone));
    }
    words.push(format!("id={}", entry.id));
    words.join(" ")
}

fn read() -> (Conntrack, Vec<Entry>) {
    let mut conntrack = Conntrack::open().unwrap();
    let entries = conntrack.entries().unwrap();
    (conntrack, entries)
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn entries_are_those_of_conntrack() {
    tracked(|| {
        let listener = TcpListener::bind("[::1]:80").unwrap();
        let _sockets = [
            datagram("192.0.2.1:5000", "192.0.2.1:8080"),
            datagram("127.0.0.1:5001", "127.0.0.1:53"),
            datagram("[::1]:5002", "[2001:db8::1]:53"),
            datagram("127.0.0.1:5003", "127.0.0.1:7000"),
            datagram("127.0.0.1:5004", "127.0.0.1:7001"),
        ];
        let _stream = TcpStream::connect("[2001:db8::1]:8080").unwrap();
        let _accepted = listener.accept().unwrap();
        insert_echoes();
        let (_, entries) = read();
        let ours: BTreeSet<String> = entries.iter().map(said).collect();
        assert_eq!(ours, listed());
        assert_eq!(ours.len(), 8, "{ours:#?}");
        let translated = entries.iter().find(|entry| entry.mark == 0x1234_5678);
        let counters = translated.unwrap().counters.unwrap();
        // The header of IP, that of UDP, five bytes.
        assert_eq!((counters[0].packets, counters[0].bytes), (1, 20 + 8 + 5));
        assert_eq!(counters[1].packets, 0, "port unreachable is no answer");
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn exactly_one_entry_is_deleted() {
    tracked(|| {
        let sockets: Vec<UdpSocket> = (0..3000)
            .map(|_| datagram("127.0.0.1:0", "127.0.0.1:53"))
            .collect();
        let _others = [
            datagram("127.0.0.1:5003", "127.0.0.1:7000"),
            datagram("127.0.0.1:5004", "127.0.0.1:7001"),
            datagram("[::1]:5002", "[2001:db8::1]:53"),
        ];
        insert_echoes();
        let port = sockets[1234].local_addr().unwrap().port();
        let ports = [port, 5003, 5004, 5002];
        let (mut conntrack, entries) = read();
        assert_eq!(entries.len(), sockets.len() + 5);
        let count = conntrack.count().unwrap();
        assert_eq!(usize::try_from(count).unwrap(), entries.len());
        let is_wanted = |entry: &&Entry| {
            let source = entry.original.ports.map(|(source, _)| source);
            source.is_none_or(|source| ports.contains(&source))
        };
        let wanted: Vec<&Entry> = entries.iter().filter(is_wanted).collect();
        assert_eq!(wanted.len(), 6);
        let mut left = listed();
        for entry in wanted {
            assert!(left.remove(&said(entry)), "{entry:?}");
            assert_eq!(conntrack.delete(entry).unwrap(), Deleted::Now, "{entry:?}");
            assert_eq!(listed(), left);
            assert_eq!(conntrack.delete(entry).unwrap(), Deleted::Before);
        }
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn an_entry_with_the_same_tuple_and_another_number_stays() {
    tracked(|| {
        assert_eq!(Conntrack::open().unwrap().count().unwrap(), 0);
        let _socket = datagram("127.0.0.1:5000", "127.0.0.1:53");
        let (mut conntrack, entries) = read();
        let other = Entry {
            id: entries[0].id ^ 1,
            ..entries[0].clone()
        };
        assert_eq!(conntrack.delete(&other).unwrap(), Deleted::Before);
        assert_eq!(conntrack.entries().unwrap().len(), 1);
        let other = Entry {
            zone: 5,
            ..entries[0].clone()
        };
        assert_eq!(conntrack.delete(&other).unwrap(), Deleted::Before);
        assert_eq!(conntrack.entries().unwrap().len(), 1);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn without_capabilities_it_is_denied() {
    tracked(|| {
        let error = without_capabilities(|| Conntrack::open().unwrap().entries().unwrap_err());
        assert!(matches!(error, ConntrackError::Denied), "{error:?}");
        assert!(without_capabilities(|| Routes::open()
            .unwrap()
            .network()
            .is_ok()));
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn the_network_is_that_of_ip() {
    in_namespace(|| {
        ip("link set lo up");
        ip("link add br0 type bridge");
        ip("link set br0 up");
        ip("address add 192.0.2.1/24 dev br0");
        ip("address add 192.0.2.2/24 dev br0");
        ip("address add 2001:db8::1/64 dev br0 nodad");
        ip("address add 10.0.0.1 peer 10.0.0.2/31 dev br0");
        ip("route add default via 192.0.2.9 metric 50");
        ip("route add 198.51.100.0/24 via 192.0.2.9");
        ip("route add 198.51.100.0/24 via 192.0.2.8 metric 7");
        ip("route add 203.0.113.0/24 nexthop via 192.0.2.9 nexthop via 192.0.2.8");
        ip("route add blackhole 10.9.0.0/16");
        ip("route add 10.8.0.0/16 via 192.0.2.9 table 100");
        ip("route add 2001:db8:1::/48 via 2001:db8::9");
        let network = Routes::open().unwrap().network().unwrap();
        let bridge = network
            .links
            .iter()
            .find(|link| link.name == "br0")
            .unwrap();
        assert_eq!(bridge.kind.as_deref(), Some("bridge"));
        let of_bridge = |link: u32| link == bridge.index;
        let addresses: Vec<String> = network
            .addresses
            .iter()
            .filter(|of| of_bridge(of.link))
            .map(|of| {
                format!(
                    "{} in {}/{}",
                    of.address, of.network.address, of.network.length
                )
            })
            .filter(|text| !text.starts_with("fe80"))
            .collect();
        let wanted = [
            "192.0.2.1 in 192.0.2.1/24",
            "10.0.0.1 in 10.0.0.2/31",
            "192.0.2.2 in 192.0.2.2/24",
            "2001:db8::1 in 2001:db8::1/64",
        ];
        let sorted = |mut list: Vec<String>| {
            list.sort();
            list
        };
        assert_eq!(
            sorted(addresses),
            sorted(wanted.iter().map(ToString::to_string).collect())
        );
        // ip(8) shows the same destinations and metrics.
        let mut theirs = Vec::new();
        for family in ["-4", "-6"] {
            let text = run(
                "ip",
                &[family, "route", "show", "table", "main", "type", "unicast"],
            );
            for line in text.lines().filter(|line| !line.starts_with('\t')) {
                let words: Vec<&str> = line.split_ascii_whitespace().collect();
                let any = if family == "-4" { "0.0.0.0/0" } else { "::/0" };
                let to = if words[0] == "default" { any } else { words[0] };
                let bits = if family == "-4" { "32" } else { "128" };
                let to = if to.contains('/') {
                    to.to_owned()
                } else {
                    format!("{to}/{bits}")
                };
                let metric = words.iter().position(|word| *word == "metric");
                let metric = metric.map_or("0", |place| words[place + 1]);
                theirs.push(format!("{to} {metric}"));
            }
        }
        let ours = network.routes.iter().map(|route| {
            assert!(of_bridge(route.link), "{route:?}");
            let to: IpAddr = route.destination.address;
            format!("{to}/{} {}", route.destination.length, route.metric)
        });
        assert_eq!(sorted(ours.collect()), sorted(theirs));
        assert!(network.routes.len() >= 7);
    });
}
