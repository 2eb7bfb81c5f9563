//! `[host] count-publishes`: what the elements count, against what real servers and clients saw.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::path::PathBuf;
use std::process::{Command, Stdio};

use dockfw::cli::counts;
use dockfw::policy;
use dockfw_lower::count::{PublishCount, Traffic};
use dockfw_netlink::Executor;
use dockfw_testkit::lab::{Bridge, Container, HOST, Lab, Protocol};
use serde_json::Value;

/// The IP header and that of UDP.
const HEADERS4: u64 = 28;
const HEADERS6: u64 = 48;

struct Site {
    lab: Lab,
    policy: PathBuf,
}

impl Site {
    fn new(name: &str, proxy: bool) -> Self {
        let lab = Lab::builder()
            .bridge(Bridge::new("br-web", &["172.18.0.1/16", "2001:db8:18::1/64"]).hairpin())
            .container(Container::new("c1").on("br-web", &["172.18.0.2/16", "2001:db8:18::2/64"]))
            .container(Container::new("c2").on("br-web", &["172.18.0.3/16", "2001:db8:18::3/64"]))
            .host_sysctl("net.ipv4.conf.br-web.route_localnet", "1")
            .host_sysctl("net.bridge.bridge-nf-call-iptables", "1")
            .host_sysctl("net.bridge.bridge-nf-call-ip6tables", "1")
            .build()
            .unwrap();
        for port in [53, 80] {
            lab.listen("c1", Protocol::Udp, port).unwrap();
            lab.listen("c1", Protocol::Tcp, port).unwrap();
        }
        lab.listen_range("c1", Protocol::Udp, 9000..=9020).unwrap();
        let file = format!("dockfw-counts-{}-{name}.toml", std::process::id());
        let site = Self {
            lab,
            policy: std::env::temp_dir().join(file),
        };
        site.write(proxy, "");
        site
    }

    fn write(&self, proxy: bool, more: &str) {
        let text = format!(
            "version = 1\n[host]\ncount-publishes = true\n[daemon]\nuserland-proxy = {proxy}\n\
             [[network]]\nname = \"web\"\nbridge = \"br-web\"\n\
             subnets = [\"172.18.0.0/16\", \"2001:db8:18::/64\"]\n\
             [[container]]\nname = \"c1\"\nnetworks.web = [\"172.18.0.2\", \"2001:db8:18::2\"]\n\
             publish = [\"5353:53/udp\", \"8080:80\", \"9000-9020:9000-9020/udp\"]\n{more}"
        );
        std::fs::write(&self.policy, text).unwrap();
        self.dockfw(&["commit", &self.policy.display().to_string()]);
    }

    fn dockfw(&self, arguments: &[&str]) -> String {
        let run = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_dockfw"));
            command.args(arguments).stdin(Stdio::null());
            command.output().unwrap()
        };
        let output = self.lab.run_in(HOST, run).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn counts(&self) -> Vec<PublishCount> {
        let host = policy::load(std::slice::from_ref(&self.policy))
            .unwrap()
            .host;
        let read = || counts::of_host(&mut Executor::open().unwrap(), &host).unwrap();
        self.lab.run_in(HOST, read).unwrap()
    }

    /// What a container port has carried, to it and from it.
    fn of(&self, address: &str, first: u16, protocol: &str) -> (Traffic, Traffic) {
        let counts = self.counts();
        let is = |of: &&PublishCount| {
            of.container_address.to_string() == address
                && of.container_ports.first() == first
                && of.protocol.to_string() == protocol
        };
        let found = counts.iter().find(is).unwrap();
        assert_eq!(found.container, "c1");
        (found.to, found.from)
    }

    fn ask(&self, from: &str, to: &str, protocol: Protocol, port: u16) {
        let outcome = self.lab.reach(from, to.parse().unwrap(), protocol, port);
        let outcome = outcome.unwrap();
        assert!(outcome.is_reached(), "{from} to {to}:{port}: {outcome}");
    }

    fn nft(&self, arguments: &[&str]) -> String {
        let run = || Command::new("nft").args(arguments).output().unwrap();
        let output = self.lab.run_in(HOST, run).unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.policy);
    }
}

/// Counters of the container's own network stack: the other side, which shares no code.
fn seen_by_server(site: &Site) -> [u64; 4] {
    let read = |path: &'static str| {
        let read = move || std::fs::read_to_string(path).unwrap();
        site.lab.run_in("c1", read).unwrap()
    };
    let text = read("/proc/thread-self/net/snmp");
    let udp: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("Udp: "))
        .nth(1)
        .unwrap()
        .split_whitespace()
        .collect();
    let ip = read("/proc/thread-self/net/netstat");
    let ip: Vec<&str> = ip
        .lines()
        .filter(|line| line.starts_with("IpExt: "))
        .nth(1)
        .unwrap()
        .split_whitespace()
        .collect();
    let number = |text: &str| text.parse::<u64>().unwrap();
    // InDatagrams, OutDatagrams; InOctets, OutOctets of IP.
    [number(udp[1]), number(udp[4]), number(ip[7]), number(ip[8])]
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn every_datagram_of_a_published_port_counts_once_each_way() {
    for proxy in [true, false] {
        let site = Site::new("udp", proxy);
        let before = seen_by_server(&site);
        for _ in 0..5 {
            site.ask("remote", "192.0.2.1", Protocol::Udp, 5353);
        }
        let mut asked = 5;
        if !proxy {
            // From the host itself, by loopback too; and bridged, from the same network.
            site.ask(HOST, "192.0.2.1", Protocol::Udp, 5353);
            site.ask(HOST, "127.0.0.1", Protocol::Udp, 5353);
            site.ask("c2", "172.18.0.1", Protocol::Udp, 5353);
            site.ask("c1", "172.18.0.1", Protocol::Udp, 5353);
            asked += 4;
        }
        let after = seen_by_server(&site);
        let (to, from) = site.of("172.18.0.2", 53, "udp");
        assert_eq!((to.packets, from.packets), (asked, asked), "proxy {proxy}");
        if proxy {
            // Nothing else was sent to and by the container: its IP counters are the same bytes.
            assert_eq!(to.bytes, after[2] - before[2]);
            assert_eq!(from.bytes, after[3] - before[3]);
            assert_eq!(to.packets, after[0] - before[0]);
            assert_eq!(from.packets, after[1] - before[1]);
        }
        assert!(to.bytes > HEADERS4 * asked && from.bytes > HEADERS4 * asked);
        // Nothing else counted.
        let all: u64 = site
            .counts()
            .iter()
            .map(|of| of.to.packets + of.from.packets)
            .sum();
        assert_eq!(all, 2 * asked);
    }
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn families_protocols_and_ranges_count_apart() {
    let site = Site::new("apart", true);
    site.ask("remote", "2001:db8:ffff::1", Protocol::Udp, 5353);
    let (to, from) = site.of("2001:db8:18::2", 53, "udp");
    assert_eq!((to.packets, from.packets), (1, 1));
    assert!(to.bytes > HEADERS6);
    assert_eq!(site.of("172.18.0.2", 53, "udp").0, Traffic::default());
    for port in [9000, 9007, 9020] {
        site.ask("remote", "192.0.2.1", Protocol::Udp, port);
    }
    let (to, from) = site.of("172.18.0.2", 9000, "udp");
    assert_eq!((to.packets, from.packets), (3, 3));
    // All segments of a connection, not its first packet only.
    site.ask("remote", "192.0.2.1", Protocol::Tcp, 8080);
    let (to, from) = site.of("172.18.0.2", 80, "tcp");
    assert!(to.packets >= 3 && from.packets >= 2, "{to:?} {from:?}");
    // What goes to the container's own address is not published; the bridge may reach it.
    site.ask("c2", "172.18.0.2", Protocol::Udp, 53);
    site.ask(HOST, "172.18.0.2", Protocol::Udp, 53);
    assert_eq!(site.of("172.18.0.2", 53, "udp").0, Traffic::default());
    // What the kernel drops does not count.
    site.nft(&[
        "add",
        "rule",
        "inet",
        "dockfw",
        "DOCKER-USER",
        "udp",
        "dport",
        "53",
        "drop",
    ]);
    let refused = site
        .lab
        .reach("remote", "192.0.2.1".parse().unwrap(), Protocol::Udp, 5353);
    assert!(!refused.unwrap().is_reached());
    assert_eq!(site.of("172.18.0.2", 53, "udp").0, Traffic::default());
}

#[test]
#[ignore = "needs root and network namespaces: cargo test -- --ignored"]
fn counters_outlive_changes_of_other_things() {
    let site = Site::new("outlive", true);
    for _ in 0..3 {
        site.ask("remote", "192.0.2.1", Protocol::Udp, 5353);
    }
    site.ask("remote", "192.0.2.1", Protocol::Udp, 9007);
    let before = (
        site.of("172.18.0.2", 53, "udp"),
        site.of("172.18.0.2", 9000, "udp"),
    );
    assert_eq!(before.0.0.packets, 3);
    let other = "[[container]]\nname = \"c2\"\nnetworks.web = [\"172.18.0.3\"]\n\
                 publish = [\"8081:80\", \"9100-9120:9100-9120/udp\"]\n";
    for more in [other, ""] {
        site.write(true, more);
        let after = (
            site.of("172.18.0.2", 53, "udp"),
            site.of("172.18.0.2", 9000, "udp"),
        );
        assert_eq!(after, before, "{more}");
    }
    site.ask("remote", "192.0.2.1", Protocol::Udp, 5353);
    assert_eq!(site.of("172.18.0.2", 53, "udp").0.packets, 4);

    let status: Value = serde_json::from_str(&site.dockfw(&["status", "--json"])).unwrap();
    let publishes = status["publishes"].as_array().unwrap();
    let is = |of: &&Value| of["address"] == "172.18.0.2" && of["first_port"] == 53;
    let found = publishes.iter().find(is).unwrap();
    assert_eq!(
        (&found["to"]["packets"], &found["protocol"]),
        (&4.into(), &"udp".into())
    );
    let range = publishes
        .iter()
        .find(|of| of["first_port"] == 9000)
        .unwrap();
    assert_eq!(range["last_port"], 9020);
    // nft says the same of the element.
    let listed = site.nft(&["list", "set", "inet", "dockfw", "published-to4"]);
    assert!(
        listed.contains("172.18.0.2 . udp . 53 counter packets 4 "),
        "{listed}"
    );
}
