//! Docker's rules and ours: the same packets, the same ends, on random hosts and by hand.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests; the counts are the result of a run"
)]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use dockfw::policy::{self, Source};
use dockfw_lower::docker::publish::{Protocol, Publish};
use dockfw_lower::host::{Driver, GatewayMode, Host, Network};
use dockfw_testkit::equivalence::run::play;
use dockfw_testkit::equivalence::{
    Case, Divergence, Generator, Packet, Report, Rng, Run, emit, run, shrink,
};

/// As many packets as the environment says.
fn run_of(packets: u64, operators: usize) -> Report {
    let number =
        |name: &str, standard| std::env::var(name).map_or(standard, |text| text.parse().unwrap());
    let report = run(Run {
        seed: number("DOCKFW_EQUIVALENCE_SEED", 1),
        packets: number("DOCKFW_EQUIVALENCE_PACKETS", packets),
        per_host: 250,
        operators,
    });
    println!("{report}");
    assert!(report.finding.is_none(), "{report}");
    report
}

#[test]
fn docker_and_we_agree() {
    run_of(40_000, 0);
}

#[test]
fn docker_and_we_agree_about_rules_of_operators() {
    run_of(20_000, 100);
}

#[test]
#[ignore = "a million packets: cargo test --release -p dockfw-testkit --test equivalence -- --ignored"]
fn docker_and_we_agree_about_rules_of_operators_on_a_million_packets() {
    let report = run_of(1_000_000, 100);
    assert!(report.with_rules >= report.packets);
    assert!(report.operators > report.packets / 10, "{report}");
}

#[test]
#[ignore = "a million packets: cargo test --release -p dockfw-testkit --test equivalence -- --ignored"]
fn docker_and_we_agree_on_a_million_packets() {
    let report = run_of(1_000_000, 0);
    for entry in Divergence::ALL
        .into_iter()
        .filter(|of| of.is_about_packets())
    {
        assert!(report.entries.contains_key(&entry), "never seen: {entry:?}");
    }
}

fn read(text: &str) -> Host {
    let source = Source {
        name: "policy.toml".to_owned(),
        bytes: text.as_bytes().to_vec(),
    };
    let policy = policy::parse(vec![source]);
    policy
        .unwrap_or_else(|wrong| panic!("{wrong:?}\n{text}"))
        .host
}

/// A printed policy is the host that it was printed from.
#[test]
fn policies_read_back() {
    for index in 0..300 {
        let host = Generator::new(Rng::new(3, index)).host();
        let text = emit::policy(&host);
        assert_eq!(read(&text), host, "{text}");
    }
}

/// Every option that dockerd has is on some of the hosts, so that none is left untried.
#[test]
fn hosts_have_every_option() {
    let hosts: Vec<Host> = (0..1500)
        .map(|index| Generator::new(Rng::new(5, index)).host())
        .collect();
    let some = |what: &str, is: &dyn Fn(&Host) -> bool| {
        assert!(hosts.iter().any(is), "no host with {what}");
    };
    let network = |what: &str, is: &dyn Fn(&Network) -> bool| {
        some(what, &|host| host.networks.iter().any(is));
    };
    let publish = |what: &str, is: &dyn Fn(&Publish) -> bool| {
        some(what, &|host| {
            host.containers.iter().any(|of| of.publish.iter().any(is))
        });
    };
    for on in [true, false] {
        some("userland-proxy", &|host| host.daemon.userland_proxy == on);
        some("allow-direct-routing", &|host| {
            host.daemon.allow_direct_routing == on
        });
        some("ip-forward", &|host| host.daemon.ip_forward == on);
        some("ip-forward-no-drop", &|host| {
            host.daemon.ip_forward_no_drop == on
        });
        some("WSL2", &|host| host.wsl2_mirrored == on);
        some("swarm", &|host| host.ingress.is_some() == on);
        network("internal", &|of| of.internal == on);
        network("icc", &|of| of.icc == on);
        network("masquerading", &|of| of.masquerade == on);
        network("inhibit_ipv4", &|of| of.inhibit_ipv4 == on);
        network("a family", &|of| of.ipv4.is_some() == on);
        network("a family", &|of| of.ipv6.is_some() == on);
    }
    some("a masked mark", &|host| {
        let mark = host.daemon.bridge_accept_fwmark;
        mark.is_some_and(|of| of.mask != u32::MAX)
    });
    some("links", &|host| {
        host.containers.iter().any(|of| !of.links.is_empty())
    });
    some("several networks of a container", &|host| {
        host.containers.iter().any(|of| of.endpoints.len() > 2)
    });
    some("gw-priority", &|host| {
        let mut endpoints = host.containers.iter().flat_map(|of| &of.endpoints);
        endpoints.any(|of| of.gw_priority != 0)
    });
    for driver in [
        Driver::Bridge,
        Driver::Ipvlan,
        Driver::Macvlan,
        Driver::Overlay,
        Driver::Host,
        Driver::None,
    ] {
        network("a driver", &|of| of.driver == driver);
    }
    for mode in [
        GatewayMode::Nat,
        GatewayMode::NatUnprotected,
        GatewayMode::Routed,
        GatewayMode::Isolated,
    ] {
        network("a mode of IPv4", &|of| {
            of.ipv4.is_some_and(|of| of.gateway_mode == mode)
        });
        network("a mode of IPv6", &|of| {
            of.ipv6.is_some_and(|of| of.gateway_mode == mode)
        });
    }
    network("host_ipv4", &|of| {
        of.ipv4.is_some_and(|of| of.host_address.is_some())
    });
    network("host_ipv6", &|of| {
        of.ipv6.is_some_and(|of| of.host_address.is_some())
    });
    network("two trusted interfaces", &|of| {
        of.trusted_host_interfaces.len() > 1
    });
    for binding in ["0.0.0.0", "127.0.0.1", "::", "::1"] {
        let binding: IpAddr = binding.parse().unwrap();
        network("a host binding", &|of| of.host_binding == binding);
        publish("a host address", &|of| of.host == Some(binding));
    }
    network("two addresses", &|of| {
        of.ipv4.is_some_and(|of| of.subnet.prefix_len() == 31)
    });
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
        publish("a protocol", &|of| of.protocol == protocol);
    }
    publish("a range", &|of| of.container_ports.count() > 1);
    publish("no host port", &|of| of.host_ports.is_none());
    publish("one host port of a range", &|of| {
        of.host_ports.is_some() && of.definite_host_ports().is_none()
    });
}

/// Differences that were found once, and are no more.
#[test]
fn found_cases_are_settled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/equivalence-found");
    for folder in std::fs::read_dir(root).unwrap() {
        let folder = folder.unwrap().path();
        let file = |name| std::fs::read_to_string(folder.join(name)).unwrap();
        let packet: Packet = toml::from_str(&file("packet.toml")).unwrap();
        assert_eq!(
            toml::from_str::<Packet>(&emit::packet(&packet)).unwrap(),
            packet
        );
        let case = Case::new(read(&file("policy.toml")));
        let judge = case.judge();
        let judgement = judge.judge(&packet);
        assert!(
            judgement.is_right(),
            "{judgement:?}\n{}",
            judge.trails(&packet)
        );
    }
}

/// What a difference is printed as is a fixture: it reads back, it is small, and it still differs.
#[test]
fn findings_are_fixtures() {
    let rewritten = |host: &Host, packet: &Packet| {
        let judgement = Case::new(host.clone()).judge().judge(packet);
        judgement.ours.forwarded_to().is_some() && judgement.ours.destination != packet.destination
    };
    let mut shown = 0;
    for index in 0..20 {
        let host = Generator::new(Rng::new(9, 2 * index)).host();
        let case = Case::new(host.clone());
        let mut found = None;
        let mut rng = Rng::new(9, 2 * index + 1);
        play(&case.judge(), &mut rng, 250, &mut |packet, _| {
            found = Some(packet.clone()).filter(|packet| rewritten(&host, packet));
            found.is_none()
        });
        let Some(packet) = found else { continue };
        let (host, packet) = shrink(&host, &packet, &rewritten);
        let text = emit::finding(&host, None, &packet);
        let policy = text.strip_prefix("--- policy.toml\n").unwrap();
        let (policy, rest) = policy.split_once("--- packet.toml\n").unwrap();
        let (line, _) = rest.split_once("---\n").unwrap();
        assert_eq!(read(policy), host, "{text}");
        assert_eq!(toml::from_str::<Packet>(line).unwrap(), packet, "{text}");
        assert!(rewritten(&host, &packet), "{text}");
        let publishes: usize = host.containers.iter().map(|of| of.publish.len()).sum();
        assert!(publishes <= 1 && host.networks.len() <= 2, "{text}");
        shown += 1;
    }
    assert!(shown > 4, "{shown} findings");
}

/// Two networks; `options` and `daemon` are lines for the first one and for dockerd.
fn two(daemon: &str, first: &str, second: &str) -> String {
    format!(
        "version = 1\n[daemon]\n{daemon}\n[[network]]\nname = \"a\"\nbridge = \"br-a\"\n{first}\n\
         [[network]]\nname = \"b\"\nbridge = \"br-b\"\n{second}\n"
    )
}

/// Docker does one thing, we do another, and this entry says so.
fn says(entry: Divergence, policy: &str, packet: &str, docker: &str, ours: &str) -> (Case, Packet) {
    let case = Case::new(read(policy));
    let judge = case.judge();
    let packet: Packet = toml::from_str(packet).unwrap();
    let judgement = judge.judge(&packet);
    let trails = judge.trails(&packet);
    assert!(judgement.is_right(), "{judgement:?}\n{trails}");
    let seen = BTreeSet::from_iter(judgement.entries.clone());
    assert_eq!(seen, BTreeSet::from([entry]), "{judgement:?}\n{trails}");
    let (docker_end, our_end) = (&judgement.docker, &judgement.ours);
    assert!(entry.explains(&judge, &packet, docker_end, our_end));
    let end = |of| format!("{of:?}");
    assert!(end(docker_end).contains(docker), "{docker_end:?}");
    assert!(end(our_end).contains(ours), "{our_end:?}");
    drop(judge);
    (case, packet)
}

/// Docker does one thing, we do another, and exactly this entry says so.
fn shows(entry: Divergence, policy: &str, packet: &str, docker: &str, ours: &str) {
    let (case, packet) = says(entry, policy, packet, docker, ours);
    let judge = case.judge();
    let judgement = judge.judge(&packet);
    let others = Divergence::ALL.into_iter().filter(|other| *other != entry);
    for other in others {
        assert!(
            !other.explains(&judge, &packet, &judgement.docker, &judgement.ours),
            "{other:?}"
        );
    }
}

const WEB: &str = "subnets = [\"172.18.0.0/16\", \"2001:db8:1::/64\"]";
const DB: &str = "subnets = [\"172.19.0.0/16\", \"2001:db8:2::/64\"]";

#[test]
fn entry_2_answers_without_masquerading() {
    let option = "options = { \"com.docker.network.bridge.enable_ip_masquerade\" = \"false\" }";
    let policy = two("", &format!("{WEB}\n{option}"), DB)
        + "[[container]]\nname = \"c\"\nnetworks.a = [\"172.18.0.2\"]\n";
    let packet = "from = \"eth0\"\nsource = \"203.0.113.9\"\ndestination = \"172.18.0.2\"\n\
        protocol = 6\nports = [443, 40000]\nstate = \"established\"\n[flow]\nreply_direction = true\n\
        original = { source = \"172.18.0.2\", destination = \"203.0.113.9\", protocol = 6, ports = [40000, 443] }\n\
        reply = { source = \"203.0.113.9\", destination = \"172.18.0.2\", protocol = 6, ports = [443, 40000] }\n";
    shows(
        Divergence::StatelessDrop,
        &policy,
        packet,
        "Dropped { prerouting: true }",
        "Forwarded(\"br-a\")",
    );
}

#[test]
fn entry_3_remote_packets_to_a_port_on_loopback() {
    let policy = two("", WEB, DB)
        + "[[container]]\nname = \"c\"\nnetworks.a = [\"172.18.0.2\", \"2001:db8:1::2\"]\n\
           publish = [\"[::1]:8080:80\"]\n";
    let packet = "from = \"eth0\"\nsource = \"2001:db8:dead::9\"\ndestination = \"::1\"\n\
        protocol = 6\nports = [40000, 8080]\nstate = \"new\"\n";
    shows(
        Divergence::RemoteLoopback,
        &policy,
        packet,
        "Forwarded(\"br-a\")",
        "Dropped { prerouting: true }",
    );
}

#[test]
fn entry_4_marked_packets_to_elsewhere() {
    let policy = two("bridge-accept-fwmark = \"1\"", WEB, DB);
    let packet = "from = \"eth0\"\nsource = \"203.0.113.9\"\ndestination = \"198.51.100.9\"\n\
        protocol = 17\nports = [40000, 53]\nmark = 1\nstate = \"new\"\n";
    shows(
        Divergence::MarkAnywhere,
        &policy,
        packet,
        "Forwarded(\"eth1\")",
        "Dropped",
    );
}

#[test]
fn entry_5_a_forged_source_of_an_internal_network() {
    let policy = two("", &format!("{WEB}\ninternal = true"), DB);
    for (source, destination) in [
        ("172.18.0.3", "172.18.0.2"),
        ("2001:db8:1::3", "2001:db8:1::2"),
    ] {
        let packet = format!(
            "from = \"br-b\"\nsource = \"{source}\"\ndestination = \"{destination}\"\n\
             protocol = 6\nports = [40000, 80]\nstate = \"new\"\n"
        );
        shows(
            Divergence::ForgedSource,
            &policy,
            &packet,
            "Forwarded(\"br-a\")",
            "Dropped",
        );
    }
}

#[test]
fn entry_5_an_internal_network_whose_bridge_has_no_address() {
    let mode = "options = { \"com.docker.network.bridge.gateway_mode_ipv4\" = \"isolated\" }";
    let first = format!("subnets = [\"172.18.0.0/16\"]\ninternal = true\n{mode}");
    let policy = two("ip-forward-no-drop = true", &first, DB);
    let packet = "from = \"br-a\"\nsource = \"172.18.0.2\"\ndestination = \"172.18.0.3\"\n\
        protocol = 6\nports = [40000, 80]\nstate = \"new\"\n";
    shows(
        Divergence::ForgedSource,
        &policy,
        packet,
        "Forwarded(\"eth0\")",
        "Dropped",
    );
}

#[test]
fn entry_6_the_family_that_a_network_does_not_have() {
    // The machine has a route for 2001:db8:f000:ac12::/80 to the bridge of 172.18.0.0/16.
    let policy = two("", "subnets = [\"172.18.0.0/16\"]", DB);
    let packet = "from = \"br-b\"\nsource = \"2001:db8:2::2\"\ndestination = \"2001:db8:f000:ac12::9\"\n\
        protocol = 6\nports = [40000, 80]\nstate = \"new\"\n";
    shows(
        Divergence::OtherFamily,
        &policy,
        packet,
        "Forwarded(\"br-a\")",
        "Dropped",
    );
}

#[test]
fn entry_8_the_policy_of_a_family_without_networks() {
    let policy = two(
        "",
        "subnets = [\"172.18.0.0/16\"]",
        "subnets = [\"172.19.0.0/16\"]",
    );
    let packet = "from = \"eth0\"\nsource = \"2001:db8:dead::9\"\ndestination = \"2001:db8:eeee::9\"\n\
        protocol = 6\nports = [40000, 80]\nstate = \"new\"\n";
    shows(
        Divergence::PolicyFamily,
        &policy,
        packet,
        "Forwarded(\"eth1\")",
        "Dropped",
    );
}

#[test]
fn entry_9_the_order_of_networks_and_the_source_address() {
    let option = "options = { \"com.docker.network.host_ipv4\" = \"192.0.2.77\" }";
    let policy = two("userland-proxy = false", WEB, &format!("{DB}\n{option}"));
    let packet = "source = \"172.19.0.1\"\ndestination = \"172.18.0.2\"\n\
        protocol = 6\nports = [40000, 80]\nstate = \"new\"\n";
    shows(
        Divergence::SourceOrder,
        &policy,
        packet,
        "source: 192.0.2.77",
        "source: 172.18.0.1",
    );
}

/// A swarm with port 8080 published, and a container whose port 8080 is not; `more` is another
/// network's options.
fn swarm(more: &str) -> String {
    format!(
        "version = 1\n[swarm]\ningress-sandbox = \"172.19.0.2\"\npublish = [\"8080:80\"]\n\
         [[network]]\nname = \"docker_gwbridge\"\nbridge = \"docker_gwbridge\"\n\
         subnets = [\"172.19.0.0/16\"]\n\
         options = {{ \"com.docker.network.bridge.enable_icc\" = \"false\" }}\n\
         [[network]]\nname = \"a\"\nbridge = \"br-a\"\nsubnets = [\"172.18.0.0/16\"]\n{more}\n\
         [[network]]\nname = \"b\"\nbridge = \"br-b\"\nsubnets = [\"172.20.0.0/16\"]\n\
         [[container]]\nname = \"c\"\nnetworks.a = [\"172.18.0.2\"]\n"
    )
}

/// To and from the ports of a service, as a packet without a connection.
fn from_to(from: &str, source: &str, destination: &str) -> String {
    format!(
        "from = \"{from}\"\nsource = \"{source}\"\ndestination = \"{destination}\"\n\
         protocol = 6\nports = [40000, 8080]\nstate = \"new\"\n"
    )
}

#[test]
fn entry_10_a_service_and_the_same_port_of_a_container() {
    shows(
        Divergence::MeshAnywhere,
        &swarm(""),
        &from_to("br-b", "172.20.0.2", "172.18.0.3"),
        "Forwarded(\"br-a\")",
        "Dropped",
    );
}

#[test]
fn entry_10_a_service_and_an_internal_network() {
    for (from, source, destination, docker) in [
        ("br-b", "172.20.0.2", "172.18.0.2", "Forwarded(\"br-a\")"),
        ("br-a", "172.18.0.2", "203.0.113.9", "Forwarded(\"eth0\")"),
        (
            "br-a",
            "172.18.0.2",
            "172.18.0.1",
            "Forwarded(\"docker_gwbridge\")",
        ),
    ] {
        // Entry 5 would say so too: nothing enters or leaves an internal network.
        says(
            Divergence::MeshAnywhere,
            &swarm("internal = true"),
            &from_to(from, source, destination),
            docker,
            "Dropped",
        );
    }
}
