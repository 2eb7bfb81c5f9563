//! Packets that wait for an address of a bridge, and that they are gone with its unresolved
//! neighbours. What ip(8) lists and what arrives behind the bridge are the other side.
#![expect(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers; gettid(2); times are the result of a run"
)]

#[path = "netns/lab.rs"]
#[expect(
    clippy::allow_attributes,
    reason = "which helpers are used differs by who includes it"
)]
#[allow(dead_code, reason = "likewise")]
mod lab;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use dockfw_netlink::{RouteError, Routes};
use lab::{in_namespace, without_capabilities};

/// How often the kernel asks for an address, a second apart: three times unless told.
const ASKED: u64 = 6;
/// When it has given an address up for sure.
const GIVEN_UP: Duration = Duration::from_millis(1000 * ASKED + 500);

fn run(program: &str, arguments: &str) -> String {
    let arguments: Vec<&str> = arguments.split_ascii_whitespace().collect();
    let output = Command::new(program).args(&arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn ip(arguments: &str) -> String {
    run("ip", arguments)
}

/// A bridge without ports, as dockerd makes it for a new network.
fn with_bridge<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    in_namespace(|| {
        ip("link set lo up");
        // With an address of its own, as dockerd makes it. One that takes that of its first port loses
        // all its neighbours when the port comes (neigh_changeaddr).
        ip("link add br0 address 02:42:00:00:00:01 type bridge");
        ip("address add 198.18.0.1/16 dev br0");
        ip("address add 2001:db8::1/64 dev br0 nodad");
        ip("link set br0 up");
        for family in ["ipv4", "ipv6"] {
            let file = format!("/proc/sys/net/{family}/neigh/br0/mcast_solicit");
            std::fs::write(file, ASKED.to_string()).unwrap();
        }
        test()
    })
}

fn forget(interface: &str) -> usize {
    Routes::open()
        .unwrap()
        .forget_unresolved(interface)
        .unwrap()
}

/// Addresses that ip(8) lists in this state.
fn listed(interface: &str, state: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for family in ["-4", "-6"] {
        let text = ip(&format!("{family} neigh show dev {interface} nud {state}"));
        all.extend(text.lines().map(|line| {
            let address = line.split(' ').next().unwrap();
            address.to_owned()
        }));
    }
    all
}

fn sender(to: &str) -> UdpSocket {
    UdpSocket::bind(if to.contains('[') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    })
    .unwrap()
}

/// What arrives within a time.
fn received(socket: &UdpSocket, time: Duration) -> Vec<String> {
    let end = Instant::now() + time;
    let mut all = Vec::new();
    let mut buffer = [0; 64];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return all;
        }
        socket.set_read_timeout(Some(left)).unwrap();
        match socket.recv(&mut buffer) {
            Ok(len) => all.push(String::from_utf8(buffer[..len].to_vec()).unwrap()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Who sends to the address.
#[derive(Clone, Copy, PartialEq)]
enum From {
    Host,
    /// A container of another network, whose packets the host forwards.
    Container,
}

/// Commands of ip(8), one a line, in the namespace of a thread.
fn ip_in(thread: i32, commands: &str) {
    for command in commands.lines() {
        run(
            "nsenter",
            &format!("--net=/proc/{thread}/ns/net ip {command}"),
        );
    }
}

/// A socket of a container whose default routes lead to the host; the socket keeps its namespace.
fn container_of_another_network(host: i32, to: &str) -> UdpSocket {
    for file in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        std::fs::write(format!("/proc/sys/net/{file}"), "1").unwrap();
    }
    in_namespace(|| {
        ip(&format!(
            "link add eth0 type veth peer name other netns {host}"
        ));
        ip("address add 10.0.0.2/24 dev eth0");
        ip("address add fd00::2/64 dev eth0 nodad");
        ip("link set eth0 up");
        ip_in(
            host,
            "address add 10.0.0.1/24 dev other
             address add fd00::1/64 dev other nodad
             link set other up",
        );
        ip("route add default via 10.0.0.1");
        ip("route add default via fd00::1");
        sender(to)
    })
}

/// Sends to an address that nobody has, has something done, and then gives the address to a port of
/// the bridge. What arrives there: of what was sent before, and of a datagram that is sent once the
/// former must have arrived or been given up.
fn arrives(address: &str, length: u8, from: From, before: impl FnOnce() + Send) -> Vec<String> {
    with_bridge(|| {
        let to = if address.contains(':') {
            format!("[{address}]:7")
        } else {
            format!("{address}:7")
        };
        // SAFETY: no arguments, no memory.
        let bridge = unsafe { libc::gettid() };
        let socket = match from {
            From::Host => sender(&to),
            From::Container => container_of_another_network(bridge, &to),
        };
        let sent = Instant::now();
        socket.send_to(b"early", &to).unwrap();
        while listed("br0", "incomplete") != [address.to_owned()].into() {
            assert!(sent.elapsed() < GIVEN_UP, "nothing waits");
        }
        before();
        in_namespace(|| {
            ip(&format!(
                "link add eth0 type veth peer name port0 netns {bridge}"
            ));
            ip(&format!("address add {address}/{length} dev eth0 nodad"));
            let any = if address.contains(':') {
                "[::]:7"
            } else {
                "0.0.0.0:7"
            };
            let container = UdpSocket::bind(any).unwrap();
            ip("link set eth0 up");
            ip_in(bridge, "link set port0 master br0 up");
            let up = sent.elapsed();
            let last_asked = Duration::from_secs(ASKED - 1);
            assert!(up < last_asked, "too slow to tell: {up:?}");
            let mut all = received(&container, GIVEN_UP.saturating_sub(up));
            socket.send_to(b"late", &to).unwrap();
            all.extend(received(&container, Duration::from_millis(500)));
            all
        })
    })
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn what_the_host_sent_arrives_unless_forgotten_ipv4() {
    let forgetting = || assert_eq!(forget("br0"), 1);
    let kept = arrives("198.18.0.9", 16, From::Host, || {});
    assert_eq!(kept, ["early", "late"]);
    let forgotten = arrives("198.18.0.9", 16, From::Host, forgetting);
    assert_eq!(forgotten, ["late"]);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn what_the_host_sent_arrives_unless_forgotten_ipv6() {
    let forgetting = || assert_eq!(forget("br0"), 1);
    let kept = arrives("2001:db8::9", 64, From::Host, || {});
    assert_eq!(kept, ["early", "late"]);
    let forgotten = arrives("2001:db8::9", 64, From::Host, forgetting);
    assert_eq!(forgotten, ["late"]);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn what_the_host_forwards_arrives_unless_forgotten_ipv4() {
    let forgetting = || assert_eq!(forget("br0"), 1);
    let kept = arrives("198.18.0.9", 16, From::Container, || {});
    assert_eq!(kept, ["early", "late"]);
    let forgotten = arrives("198.18.0.9", 16, From::Container, forgetting);
    assert_eq!(forgotten, ["late"]);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn what_the_host_forwards_arrives_unless_forgotten_ipv6() {
    let forgetting = || assert_eq!(forget("br0"), 1);
    let kept = arrives("2001:db8::9", 64, From::Container, || {});
    assert_eq!(kept, ["early", "late"]);
    let forgotten = arrives("2001:db8::9", 64, From::Container, forgetting);
    assert_eq!(forgotten, ["late"]);
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn only_unresolved_neighbours_of_that_interface_go() {
    with_bridge(|| {
        ip("link add br1 type bridge");
        ip("address add 203.0.113.1/24 dev br1");
        ip("link set br1 up");
        // Unresolved on the other one.
        ip("neigh add 203.0.113.9 lladdr 02:00:00:00:00:09 nud permanent dev br0");
        let resolved = ["permanent", "reachable", "stale", "noarp", "failed"];
        for (index, state) in resolved.iter().enumerate() {
            for network in ["198.18.1.", "2001:db8::1:"] {
                let mac = if *state == "failed" {
                    ""
                } else {
                    "lladdr 02:00:00:00:00:09"
                };
                ip(&format!(
                    "neigh add {network}{index} {mac} nud {state} dev br0"
                ));
            }
        }
        let socket = sender("0.0.0.0");
        socket.send_to(b"x", "203.0.113.9:7").unwrap();
        socket.send_to(b"x", "198.18.0.8:7").unwrap();
        socket.send_to(b"x", "198.18.0.9:7").unwrap();
        sender("[]").send_to(b"x", "[2001:db8::9]:7").unwrap();
        let waiting = ["198.18.0.8", "198.18.0.9", "2001:db8::9"];
        let waiting: BTreeSet<String> = waiting.map(str::to_owned).into();
        assert_eq!(listed("br0", "incomplete"), waiting);
        let mut left = listed("br0", "all");
        assert!(left.len() >= 2 * resolved.len() + waiting.len());
        assert_eq!(forget("br0"), 3);
        left.retain(|address| !waiting.contains(address));
        assert_eq!(listed("br0", "all"), left);
        assert_eq!(
            listed("br1", "incomplete"),
            ["203.0.113.9".to_owned()].into()
        );
        assert_eq!(forget("br0"), 0);
        assert_eq!(forget("br1"), 1);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn more_than_one_part_of_a_listing_goes() {
    with_bridge(|| {
        // What waits is charged to the socket that sent it, so that one alone would have to wait, too.
        for number in 0..600_u32 {
            let to = format!("198.18.{}.{}:7", 1 + number / 200, 1 + number % 200);
            sender(&to).send_to(b"x", to).unwrap();
        }
        assert_eq!(listed("br0", "incomplete").len(), 600);
        let start = Instant::now();
        assert_eq!(forget("br0"), 600);
        let all = start.elapsed();
        assert_eq!(forget("br0"), 0);
        println!(
            "600 in {all:?}, none in {:?}",
            start.elapsed().saturating_sub(all)
        );
        assert_eq!(listed("br0", "incomplete"), BTreeSet::new());
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn an_interface_that_does_not_exist_has_none() {
    with_bridge(|| {
        sender("0.0.0.0").send_to(b"x", "198.18.0.9:7").unwrap();
        for name in [
            "",
            "br9",
            "br0\0",
            "br0\0x",
            "a-name-of-sixteen",
            "a-longer-name-than-that",
        ] {
            assert_eq!(forget(name), 0, "{name:?}");
        }
        assert_eq!(forget("br0"), 1);
    });
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn without_capabilities_nothing_goes() {
    with_bridge(|| {
        let attempt = || without_capabilities(|| Routes::open().unwrap().forget_unresolved("br0"));
        assert_eq!(attempt().unwrap(), 0);
        sender("0.0.0.0").send_to(b"x", "198.18.0.9:7").unwrap();
        let error = attempt().unwrap_err();
        let denied = matches!(error, RouteError::Refused(errno) if errno.0 == libc::EPERM);
        assert!(denied, "{error:?}");
        assert_eq!(listed("br0", "incomplete").len(), 1);
    });
}
