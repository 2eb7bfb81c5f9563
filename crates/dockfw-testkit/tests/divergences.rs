//! `docs/divergences.md`: every entry has a packet, and where it is safe a way to have what Docker
//! does.
//!
//! What the entries say where we differ is in `equivalence.rs`; here is what an operator writes to
//! be rid of the difference, and the two entries that no comparison with a running dockerd of the
//! same options can show.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use dockfw::policy::{self, Source};
use dockfw_ir::verify::verify;
use dockfw_lower::host::Host;
use dockfw_lower::lower;
use dockfw_lower::reference::reference;
use dockfw_netlink::{Batch, Executor, Expect};
use dockfw_testkit::docker_host::on_host;
use dockfw_testkit::equivalence::{Case, Divergence, Judgement, Packet};
use dockfw_testkit::lab::{Bridge, Builder, Container, Lab, Outcome, Probe, Protocol, Remote};

const TWO: &str = "[[network]]\nname = \"a\"\nbridge = \"br-a\"\nsubnets = [\"172.18.0.0/16\"]\nFIRST\n\
    [[network]]\nname = \"b\"\nbridge = \"br-b\"\nsubnets = [\"172.19.0.0/16\", \"2001:db8:2::/64\"]\n\
    [[container]]\nname = \"c\"\nnetworks.b = [\"172.19.0.2\", \"2001:db8:2::2\"]\npublish = [\"8080:80\"]\n";

/// Two networks, `first` in the one of IPv4 only, and the rest of the policy.
fn two(first: &str, rest: &str) -> String {
    format!("version = 1\n{}{rest}\n", TWO.replace("FIRST", first))
}

/// The first packet of a TCP connection.
fn tcp(from: &str, source: &str, destination: &str, port: u16) -> String {
    format!(
        "from = \"{from}\"\nsource = \"{source}\"\ndestination = \"{destination}\"\n\
         protocol = 6\nports = [40000, {port}]\nstate = \"new\"\n"
    )
}

fn read(policy: &str) -> Host {
    let source = Source {
        name: "policy.toml".to_owned(),
        bytes: policy.as_bytes().to_vec(),
    };
    let read = policy::parse(vec![source]).unwrap_or_else(|wrong| panic!("{wrong:?}\n{policy}"));
    read.host
}

fn judge(policy: &str, packet: &str) -> Judgement {
    let case = Case::new(read(policy));
    let packet: Packet = toml::from_str(packet).unwrap();
    let judgement = case.judge().judge(&packet);
    assert!(judgement.is_right(), "{judgement:?}\n{policy}");
    judgement
}

/// With `plain` the entry makes a difference, with `strict` nothing does, and we do what Docker does.
fn may_be_had(entry: Divergence, plain: &str, strict: &str, packet: &str) {
    let judgement = judge(plain, packet);
    assert!(judgement.entries.contains(&entry), "{judgement:?}");
    let docker = judgement.docker;
    let judgement = judge(strict, packet);
    assert_eq!(judgement.entries, [], "{judgement:?}");
    assert!(judgement.docker.agrees(&judgement.ours), "{judgement:?}");
    assert!(docker.agrees(&judgement.ours), "{docker:?} {judgement:?}");
}

#[test]
fn entry_1_published_ports_stay_closed_to_internal_networks() {
    let policy = two("internal = true", "");
    for gateway in ["172.18.0.1", "172.19.0.1", "192.0.2.1"] {
        let judgement = judge(&policy, &tcp("br-a", "172.18.0.2", gateway, 8080));
        for end in [&judgement.docker, &judgement.ours] {
            assert!(format!("{end:?}").contains("Dropped"), "{end:?}");
        }
    }
}

#[test]
fn entry_4_marked_packets_to_anywhere() {
    let packet = tcp("eth0", "203.0.113.9", "198.51.100.9", 53) + "mark = 1\n";
    let daemon = "[daemon]\nbridge-accept-fwmark = \"1\"\n";
    let accept = "[docker-user]\nipv4 = '-A DOCKER-USER -m mark --mark 1 -j ACCEPT'\n";
    may_be_had(
        Divergence::MarkAnywhere,
        &two("", daemon),
        &two("", &format!("{daemon}{accept}")),
        &packet,
    );
}

#[test]
fn entry_5_a_source_of_an_internal_network_from_elsewhere() {
    let accept = "[docker-user]\nipv4 = '-A DOCKER-USER -s 172.18.0.0/16 -o br-a -j ACCEPT'\n";
    may_be_had(
        Divergence::ForgedSource,
        &two("internal = true", ""),
        &two("internal = true", accept),
        &tcp("br-b", "172.18.0.3", "172.18.0.2", 80),
    );
}

#[test]
fn entry_6_the_family_that_a_network_does_not_have() {
    // The machine has a route for 2001:db8:f000:ac12::/80 to the bridge of 172.18.0.0/16.
    let accept = "[docker-user]\nipv6 = '-A DOCKER-USER -o br-a -j ACCEPT'\n";
    may_be_had(
        Divergence::OtherFamily,
        &two("", ""),
        &two("", accept),
        &tcp("br-b", "2001:db8:2::2", "2001:db8:f000:ac12::9", 80),
    );
}

#[test]
fn entry_7_forwarding_that_was_on_before_dockerd_came() {
    let packet = tcp("eth0", "203.0.113.9", "198.51.100.9", 80);
    // dockerd leaves the policy alone there, as with the option.
    let option = "[daemon]\nip-forward-no-drop = true\n";
    let found_on = judge(&two("", option), &packet);
    assert_eq!(found_on.docker.forwarded_to(), Some("eth1"));
    assert!(found_on.docker.agrees(&found_on.ours), "{found_on:?}");
    let ours = judge(&two("", ""), &packet).ours;
    assert_eq!(ours.forwarded_to(), None, "{ours:?}");
}

#[test]
fn entry_8_the_policy_of_a_family_without_networks() {
    let ipv4_only = |daemon: &str| {
        format!(
            "version = 1\n{daemon}[[network]]\nname = \"a\"\nbridge = \"br-a\"\n\
             subnets = [\"172.18.0.0/16\"]\n"
        )
    };
    may_be_had(
        Divergence::PolicyFamily,
        &ipv4_only(""),
        &ipv4_only("[daemon]\nip-forward-no-drop = true\n"),
        &tcp("eth0", "2001:db8:dead::9", "2001:db8:eeee::9", 80),
    );
}

#[test]
fn entry_10_the_port_of_a_service_anywhere() {
    let swarm = "[swarm]\ningress-sandbox = \"172.20.0.2\"\npublish = [\"9000:80\"]\n\
        [[network]]\nname = \"docker_gwbridge\"\nbridge = \"docker_gwbridge\"\n\
        subnets = [\"172.20.0.0/16\"]\n";
    let accept = "[docker-user]\nipv4 = '-A DOCKER-USER -p tcp --dport 9000 -j ACCEPT'\n";
    may_be_had(
        Divergence::MeshAnywhere,
        &two("", swarm),
        &two("", &format!("{swarm}{accept}")),
        &tcp("br-b", "172.19.0.2", "172.18.0.3", 9000),
    );
}

/// Loads Docker's rules in the namespace of the calling thread.
fn restore(host: &Host) -> Result<()> {
    let reference = reference(host);
    for (program, rules) in [
        ("iptables-nft-restore", &reference.ipv4),
        ("ip6tables-nft-restore", &reference.ipv6),
    ] {
        let mut child = Command::new(program).stdin(Stdio::piped()).spawn()?;
        write!(child.stdin.take().unwrap(), "{rules}")?;
        ensure!(child.wait()?.success(), "{program}:\n{rules}");
    }
    Ok(())
}

/// What comes of a packet in the kernel, under Docker's rules and under ours.
fn in_kernel(policy: &str, builder: &Builder, listen: (&str, u16), probe: &Probe) -> [Outcome; 2] {
    let host = read(policy);
    let run = |load: &(dyn Fn() -> Result<()> + Sync)| {
        let lab = builder.clone().build().unwrap();
        lab.listen(listen.0, Protocol::Tcp, listen.1).unwrap();
        on_host(&lab, load).unwrap();
        lab.probe(std::slice::from_ref(probe)).unwrap().remove(0)
    };
    let docker = run(&|| restore(&host));
    let ours = run(&|| {
        let ruleset = verify(lower(&host))?;
        Executor::open()?.commit(&Batch::replace(&ruleset)?, Expect::Any)?;
        Ok(())
    });
    [docker, ours]
}

#[test]
#[ignore = "needs root, iptables and network namespaces: cargo test -- --ignored"]
fn entries_6_and_8_in_the_kernel() {
    let ipv4_only = "version = 1\n[[network]]\nname = \"a\"\nbridge = \"br-a\"\n\
        subnets = [\"172.18.0.0/16\"]\n";
    // Somebody gave bridge and container an IPv6 address; Docker's network has none.
    let ipv6_network = format!(
        "{ipv4_only}[[network]]\nname = \"b\"\nbridge = \"br-b\"\nsubnets = [\"2001:db8:2::/64\"]\n"
    );
    let lab = Lab::builder()
        .remote(Remote::default())
        .remote(Remote::new(
            "other",
            "eth1",
            &["198.51.100.1/24", "2001:db8:eeee::1/64"],
            &["198.51.100.2/24", "2001:db8:eeee::2/64"],
        ))
        .bridge(Bridge::new("br-a", &["172.18.0.1/16", "2001:db8:a::1/64"]))
        .bridge(Bridge::new("br-b", &["2001:db8:2::1/64"]))
        .container(Container::new("c").on("br-a", &["172.18.0.2/16", "2001:db8:a::2/64"]))
        .container(Container::new("b").on("br-b", &["2001:db8:2::2/64"]));
    let to = |from, to: &str| Probe::new(from, to.parse().unwrap(), Protocol::Tcp, 80);

    // 8: the policy of a family without networks.
    let [docker, ours] = in_kernel(
        ipv4_only,
        &lab,
        ("other", 80),
        &to("remote", "2001:db8:eeee::2"),
    );
    assert!(docker.is_reached_at("other", 80), "{docker}");
    assert!(matches!(ours, Outcome::NoAnswer), "{ours}");
    // 6: the same policy opens the container to everybody...
    let packet = to("remote", "2001:db8:a::2");
    let [docker, ours] = in_kernel(ipv4_only, &lab, ("c", 80), &packet);
    assert!(docker.is_reached_at("c", 80), "{docker}");
    assert!(matches!(ours, Outcome::NoAnswer), "{ours}");
    // ... and, where it drops, to other networks all the same.
    let [docker, ours] = in_kernel(&ipv6_network, &lab, ("c", 80), &to("b", "2001:db8:a::2"));
    assert!(matches!(ours, Outcome::NoAnswer), "{ours}");
    assert!(!matches!(docker, Outcome::NoAnswer), "{docker}");
}

#[test]
#[ignore = "needs root, iptables and network namespaces: cargo test -- --ignored"]
fn entry_9_in_the_kernel() {
    let policy = "version = 1\n[daemon]\nuserland-proxy = false\n\
        [[network]]\nname = \"a\"\nbridge = \"br-a\"\nsubnets = [\"172.18.0.0/16\"]\n\
        [[network]]\nname = \"b\"\nbridge = \"br-b\"\nsubnets = [\"172.19.0.0/16\"]\n\
        options = { \"com.docker.network.host_ipv4\" = \"192.0.2.1\" }\n";
    let lab = Lab::builder()
        .bridge(Bridge::new("br-a", &["172.18.0.1/16"]).hairpin())
        .bridge(Bridge::new("br-b", &["172.19.0.1/16"]).hairpin())
        .container(Container::new("c").on("br-a", &["172.18.0.2/16"]));
    let packet = Probe::new("host", "172.18.0.2".parse().unwrap(), Protocol::Tcp, 80)
        .from_source("172.19.0.1".parse().unwrap());
    let [docker, ours] = in_kernel(policy, &lab, ("c", 80), &packet);
    let source = |text: &str| Some(text.parse().unwrap());
    assert_eq!(docker.source(), source("192.0.2.1"), "{docker}");
    assert_eq!(ours.source(), source("172.18.0.1"), "{ours}");
}

/// The ledger, its tests and its code have the same numbers.
#[test]
fn the_ledger_is_complete() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/divergences.md");
    let text = std::fs::read_to_string(path).unwrap();
    // Old versions of Docker have a ledger of their own, with the comparison that needs it.
    let sections = text.split("\n## ");
    let text: String = sections
        .filter(|of| !of.starts_with("Older versions of dockerd"))
        .collect();
    let tables: Vec<Vec<usize>> = text
        .split("\n|---")
        .skip(1)
        .map(|table| {
            let rows = table.lines().skip(1).take_while(|row| row.starts_with('|'));
            let number = |row: &str| row.split('|').nth(1).unwrap().trim().parse().unwrap();
            rows.map(number).collect()
        })
        .collect();
    let all: Vec<usize> = Divergence::ALL.map(Divergence::number).into();
    assert_eq!(tables, [all.clone(), all.clone(), all]);
}
