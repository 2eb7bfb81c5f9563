//! What becomes of a daemon's state: the host, and what is left out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use dockfw_lower::docker::binding::bindings;
use dockfw_lower::docker::gateway::gateway_endpoints;
use dockfw_lower::host::Host;
use dockfw_lower::lower;
use proptest::prelude::*;

use super::{Built, host};
use crate::docker::client::tests::{recorded, recorded_new};
use crate::docker::daemon::{Daemon, Found, Settings, Source as Place, Swarm};
use crate::docker::{Address, Container, Endpoint, Network, Port, State, Subnet, policy};
use crate::policy::{Base, Source, parse_base, parse_with};
use crate::rules::Options;

/// The options that `--iptables=false --ip6tables=false --userland-proxy=...` give.
fn daemon(userland_proxy: bool) -> Daemon {
    let found = |value| {
        let place = "dockerd's command line".to_owned();
        Some(Found { value, place })
    };
    Daemon {
        version: "29.0.0".to_owned(),
        api: "1.52".to_owned(),
        settings: Settings {
            iptables: found(false),
            ip6tables: found(false),
            userland_proxy: found(userland_proxy),
            ..Settings::default()
        },
        command_line: Place::Read("dockerd's command line".to_owned()),
        file: Place::Missing("/etc/docker/daemon.json".to_owned()),
        ..Daemon::default()
    }
}

fn base(text: &str) -> Base {
    let source = Source {
        name: "p.toml".to_owned(),
        bytes: text.as_bytes().to_vec(),
    };
    parse_base(vec![source], Options::default()).unwrap()
}

fn network(name: &str, subnets: &[&str], options: &[(&str, &str)]) -> Network {
    let subnets: Vec<Subnet> = subnets
        .iter()
        .map(|subnet| Subnet {
            subnet: (*subnet).to_owned(),
            gateway: String::new(),
        })
        .collect();
    Network {
        name: name.to_owned(),
        id: format!("{name:0>12}").repeat(2),
        driver: "bridge".to_owned(),
        ipv4: subnets.iter().any(|of| !of.subnet.contains(':')),
        ipv6: subnets.iter().any(|of| of.subnet.contains(':')),
        subnets,
        options: options
            .iter()
            .map(|(key, value)| (format!("com.docker.network.{key}"), (*value).to_owned()))
            .collect(),
        ..Network::default()
    }
}

fn container(
    name: &str,
    endpoints: &[(&Network, &str, &str)],
    ports: &[(&str, &str, &str)],
) -> Container {
    Container {
        name: name.to_owned(),
        id: format!("{name:0>64}"),
        endpoints: endpoints
            .iter()
            .map(|(network, ipv4, ipv6)| Endpoint {
                network_name: network.name.clone(),
                network_id: network.id.clone(),
                ipv4: (*ipv4).to_owned(),
                ipv6: (*ipv6).to_owned(),
                gw_priority: 0,
            })
            .collect(),
        ports: ports
            .iter()
            .map(|(container, host_ip, host_port)| Port {
                container: (*container).to_owned(),
                host_ip: (*host_ip).to_owned(),
                host_port: (*host_port).to_owned(),
            })
            .collect(),
        ..Container::default()
    }
}

fn state(daemon: Daemon, networks: Vec<Network>, containers: Vec<Container>) -> State {
    State {
        daemon,
        networks: networks.into_iter().map(|of| (of.id.clone(), of)).collect(),
        containers: containers
            .into_iter()
            .map(|of| (of.id.clone(), of))
            .collect(),
        ..State::default()
    }
}

/// A binding as dockerd shows it: container, container port, host address, host port.
type Shown = (String, String, String, String);

/// What the host model makes of a state.
fn compiled(host: &Host) -> BTreeSet<Shown> {
    let mut all = BTreeSet::new();
    for of in bindings(host) {
        let ports = of.container_ports.first()..=of.container_ports.last();
        for (offset, port) in ports.enumerate() {
            let host_port = of.host_ports.map_or(String::new(), |ports| {
                (usize::from(ports.first()) + offset).to_string()
            });
            let name = host.containers[of.container].name.clone();
            let port = format!("{port}/{}", of.protocol);
            all.insert((name, port, of.host_address.to_string(), host_port));
        }
    }
    all
}

/// What dockerd shows, without what docker-proxy relays.
fn shown(state: &State) -> BTreeSet<Shown> {
    let mut all = BTreeSet::new();
    for container in state.containers.values() {
        let has_ipv6 = container.endpoints.iter().any(|of| !of.ipv6.is_empty());
        for port in &container.ports {
            if port.host_ip.contains(':') && !has_ipv6 {
                continue;
            }
            all.insert((
                container.name.clone(),
                port.container.clone(),
                port.host_ip.clone(),
                port.host_port.clone(),
            ));
        }
    }
    all
}

/// The state as text, beside the files, is the same host; and the same text each time.
fn same_as_text(state: &State, base: &Base, built: &Built) {
    let source = policy(&Address::default(), state, base, built);
    let text = String::from_utf8(source.bytes.clone()).unwrap();
    let mut sources = base.sources().to_vec();
    sources.push(source.clone());
    let parsed = parse_with(sources, Options::default());
    let parsed = parsed.unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    assert_eq!(parsed.host, built.host, "{text}");
    let again = policy(&Address::default(), state, base, &host(state, base));
    assert_eq!(again, source);
    assert_eq!(lower(&parsed.host), lower(&built.host));
}

#[test]
fn the_recorded_daemon_becomes_a_policy() {
    let mut state = recorded();
    state.daemon.settings = daemon(false).settings;
    state.daemon.command_line = daemon(false).command_line;
    state.daemon.file = daemon(false).file;
    let built = host(&state, &Base::default());
    assert_eq!(built.left_out, []);
    assert_eq!(built.notes, Vec::<String>::new());
    let text = policy(&Address::default(), &state, &Base::default(), &built);
    let text = String::from_utf8(text.bytes).unwrap();
    assert_eq!(text, include_str!("../recorded/engine-20.10.toml"));
    same_as_text(&state, &Base::default(), &built);
    assert_eq!(compiled(&built.host), shown(&state));
}

#[test]
fn the_recorded_daemon_28_becomes_a_policy() {
    let mut state = recorded_new();
    state.daemon.settings = daemon(false).settings;
    state.daemon.command_line = daemon(false).command_line;
    state.daemon.file = daemon(false).file;
    let built = host(&state, &Base::default());
    assert_eq!(built.left_out, []);
    assert_eq!(built.notes, Vec::<String>::new());
    let text = policy(&Address::default(), &state, &Base::default(), &built);
    let text = String::from_utf8(text.bytes).unwrap();
    assert_eq!(text, include_str!("../recorded/engine-28.5.toml"));
    same_as_text(&state, &Base::default(), &built);
    let (compiled, shown) = (compiled(&built.host), shown(&state));
    assert_eq!(shown.difference(&compiled).next(), None);
    // Entry 28-2 of docs/divergences.md: ports in a routed network that is not the gateway.
    for (name, _, _, host_port) in compiled.difference(&shown) {
        assert_eq!((name.as_str(), host_port.as_str()), ("two", ""));
    }
}

#[test]
fn before_29_5_a_network_with_both_families_is_the_gateway() {
    let four = network("four", &["10.77.0.0/24"], &[]);
    let dual = network("dual", &["10.78.0.0/24", "fd00:78::/64"], &[]);
    let more = network("more", &["10.79.0.0/24", "fd00:79::/64"], &[]);
    let mut closed = network("closed", &["10.80.0.0/24", "fd00:80::/64"], &[]);
    closed.internal = true;
    let networks = vec![four.clone(), dual.clone(), more.clone(), closed.clone()];
    let mut web = container(
        "web",
        &[
            (&closed, "10.80.0.2", "fd00:80::2"),
            (&dual, "10.78.0.2", "fd00:78::2"),
            (&four, "10.77.0.2", ""),
            (&more, "10.79.0.2", "fd00:79::2"),
        ],
        &[("80/tcp", "0.0.0.0", "8080"), ("80/tcp", "::", "8080")],
    );
    let mut gateways = |version: &str, priorities: [i64; 4]| {
        for (endpoint, priority) in web.endpoints.iter_mut().zip(priorities) {
            endpoint.gw_priority = priority;
        }
        let daemon = Daemon {
            version: version.to_owned(),
            ..daemon(true)
        };
        let state = state(daemon, networks.clone(), vec![web.clone()]);
        let built = host(&state, &Base::default());
        assert_eq!(built.left_out, []);
        same_as_text(&state, &Base::default(), &built);
        let of = &built.host.containers[0];
        let gateways = gateway_endpoints(&built.host, of);
        let name = |endpoint: Option<usize>| {
            let network = of.endpoints[endpoint.unwrap()].network;
            built.host.networks[network].name.clone()
        };
        [name(gateways.ipv4), name(gateways.ipv6)]
    };
    for old in ["20.10.24+dfsg1", "28.5.2+dfsg4", "29.4.3"] {
        assert_eq!(gateways(old, [0; 4]), ["dual", "dual"]);
        assert_eq!(gateways(old, [9, 0, 5, 0]), ["dual", "dual"]);
        assert_eq!(gateways(old, [9, 0, 5, 1]), ["more", "more"]);
    }
    for new in ["29.5.0", "30.0.0-rc.1", "dev"] {
        assert_eq!(gateways(new, [0; 4]), ["dual", "dual"]);
        assert_eq!(gateways(new, [9, 0, 5, 0]), ["four", "dual"]);
        assert_eq!(gateways(new, [9, 0, 5, 1]), ["four", "more"]);
    }
}

#[test]
fn the_default_network_masquerades_unless_somebody_says_no() {
    let off = [
        ("bridge.enable_ip_masquerade", "false"),
        ("bridge.name", "docker0"),
    ];
    let live = network("bridge", &["172.17.0.0/16"], &off);
    let masquerade = |daemon: Daemon, base: &Base| {
        let built = host(&state(daemon, vec![live.clone()], vec![]), base);
        (built.host.networks[0].masquerade, built.notes.len())
    };
    let none = Base::default();
    assert_eq!(masquerade(daemon(true), &none), (true, 0));
    let with = |change: fn(&mut Daemon)| {
        let mut daemon = daemon(true);
        change(&mut daemon);
        daemon
    };
    let denied = with(|of| {
        of.settings.ip_masq = Some(Found {
            value: false,
            place: String::new(),
        });
    });
    assert_eq!(masquerade(denied.clone(), &none), (false, 0));
    // A daemon with a firewall of its own says what it means.
    let on = with(|of| of.settings.iptables = None);
    assert_eq!(masquerade(on, &none), (false, 0));
    let blind = with(|of| of.command_line = Place::Unknown);
    // One note about this, one about the daemon's options.
    assert_eq!(masquerade(blind, &none), (true, 2));
    let yes = base("version = 1\n[daemon]\nip-masq = true\n");
    assert!(masquerade(denied, &yes).0);
    let no_file = base("version = 1\n[daemon]\nip-masq = false\nicc = false\n");
    let built = host(&state(daemon(true), vec![live.clone()], vec![]), &no_file);
    assert!(!built.host.networks[0].masquerade && !built.host.networks[0].icc);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn bindings_are_those_that_dockerd_shows() {
    let dual = network("dual", &["10.1.0.0/24", "fd01::/64"], &[]);
    let only4 = network("only4", &["10.2.0.0/24"], &[]);
    let routed6 = network(
        "r6",
        &["10.3.0.0/24", "fd03::/64"],
        &[("bridge.gateway_mode_ipv6", "routed")],
    );
    let routed = network(
        "zz",
        &["10.4.0.0/24", "fd04::/64"],
        &[
            ("bridge.gateway_mode_ipv4", "routed"),
            ("bridge.gateway_mode_ipv6", "routed"),
        ],
    );
    let local = network(
        "local",
        &["10.5.0.0/24", "fd05::/64"],
        &[("bridge.host_binding_ipv4", "127.0.0.1")],
    );
    let six = network("six", &["fd06::/64"], &[]);
    let both =
        |port: &'static str, host: &'static str| [(port, "0.0.0.0", host), (port, "::", host)];
    let cases: Vec<(bool, Container, &[&str])> = vec![
        (
            true,
            container(
                "aa",
                &[(&dual, "10.1.0.2", "fd01::2")],
                &both("80/tcp", "8080"),
            ),
            &["8080:80"],
        ),
        (
            true,
            container("ab", &[(&only4, "10.2.0.2", "")], &both("80/tcp", "8080")),
            &["8080:80"],
        ),
        (
            false,
            container(
                "ac",
                &[(&only4, "10.2.0.2", "")],
                &[("80/tcp", "0.0.0.0", "8080")],
            ),
            &["0.0.0.0:8080:80"],
        ),
        (
            true,
            container(
                "ad",
                &[(&dual, "10.1.0.2", "fd01::2")],
                &[("53/udp", "::1", "53")],
            ),
            &["[::1]:53:53/udp"],
        ),
        // IPv4 only although the host and the container have both.
        (
            true,
            container(
                "ae",
                &[(&dual, "10.1.0.2", "fd01::2")],
                &[("80/tcp", "0.0.0.0", "80")],
            ),
            &["0.0.0.0:80:80"],
        ),
        (
            true,
            container(
                "af",
                &[(&routed6, "10.3.0.2", "fd03::2")],
                &[("80/tcp", "0.0.0.0", "8080"), ("80/tcp", "::", "")],
            ),
            &["[::]::80", "0.0.0.0:8080:80"],
        ),
        (
            true,
            container(
                "ag",
                &[(&routed, "10.4.0.2", "fd04::2")],
                &both("80/sctp", ""),
            ),
            &["80/sctp"],
        ),
        // The routed network beside the one with the host port has no publish of its own.
        (
            true,
            container(
                "ah",
                &[
                    (&dual, "10.1.0.2", "fd01::2"),
                    (&routed, "10.4.0.2", "fd04::2"),
                ],
                &[
                    ("80/tcp", "0.0.0.0", "8080"),
                    ("80/tcp", "0.0.0.0", ""),
                    ("80/tcp", "::", "8080"),
                    ("80/tcp", "::", ""),
                ],
            ),
            &["8080:80"],
        ),
        (
            true,
            container(
                "ai",
                &[(&local, "10.5.0.2", "fd05::2")],
                &[("80/tcp", "127.0.0.1", "8080")],
            ),
            &["127.0.0.1:8080:80"],
        ),
        // Written out where no address would mean another one.
        (
            true,
            container(
                "aj",
                &[(&local, "10.5.0.2", "fd05::2")],
                &both("80/tcp", "8080"),
            ),
            &["0.0.0.0:8080:80", "[::]:8080:80"],
        ),
        (
            true,
            container("ak", &[(&six, "", "fd06::2")], &[("80/tcp", "::", "8080")]),
            &["[::]:8080:80"],
        ),
        // Neither address is the other's.
        (
            true,
            container(
                "al",
                &[(&dual, "10.1.0.2", "fd01::2")],
                &[
                    ("1/tcp", "0.0.0.0", "101"),
                    ("1/tcp", "::", "101"),
                    ("2/tcp", "0.0.0.0", "102"),
                    ("2/tcp", "::", "102"),
                    ("3/tcp", "0.0.0.0", "104"),
                    ("3/tcp", "::", "104"),
                    ("4/udp", "0.0.0.0", "104"),
                    ("4/udp", "::", "104"),
                ],
            ),
            &["101-102:1-2", "104:3", "104:4/udp"],
        ),
    ];
    let networks = [dual, only4, routed6, routed, local, six];
    for (proxy, container, expected) in cases {
        let name = container.name.clone();
        let state = state(daemon(proxy), networks.to_vec(), vec![container]);
        let built = host(&state, &Base::default());
        assert_eq!(built.left_out, [], "{name}");
        let publish = built.host.containers[0].publish.iter();
        let publish: Vec<String> = publish.map(ToString::to_string).collect();
        assert_eq!(publish, expected, "{name}");
        assert_eq!(compiled(&built.host), shown(&state), "{name}");
        same_as_text(&state, &Base::default(), &built);
    }
}

#[test]
fn what_is_wrong_is_left_out_alone() {
    let good = network("good", &["10.1.0.0/24"], &[]);
    let mut plugin = network("odd", &["10.2.0.0/24"], &[]);
    plugin.driver = "weave".to_owned();
    let overlapping = network("later", &["10.1.0.128/25"], &[]);
    let unknown = network(
        "mode",
        &["10.3.0.0/24"],
        &[("bridge.gateway_mode_ipv4", "magic")],
    );
    let newer = network("newer", &["10.4.0.0/24"], &[("bridge.something_new", "1")]);
    let garbage = network("garbage", &["10.5.0.0"], &[]);
    let port = [("80/tcp", "0.0.0.0", "80")];
    let containers = vec![
        container("ok", &[(&good, "10.1.0.2", "")], &port),
        container("outside", &[(&good, "192.0.2.1", "")], &[]),
        container(
            "stranger",
            &[(&plugin, "10.2.0.2", "")],
            &[("80/tcp", "0.0.0.0", "81")],
        ),
        container("text", &[(&good, "10.1.0.x", "")], &[]),
        container(
            "proto",
            &[(&good, "10.1.0.3", "")],
            &[("80/dccp", "0.0.0.0", "82")],
        ),
        container("same", &[(&good, "10.1.0.2", "")], &[]),
        container("taken", &[(&good, "10.1.0.9", "")], &port),
    ];
    let networks = vec![good, plugin, overlapping, unknown, newer, garbage];
    let state = state(daemon(true), networks, containers);
    let built = host(&state, &Base::default());
    let names: Vec<&str> = built.left_out.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "container outside",
            "container proto",
            "container same",
            "container stranger",
            "container text",
            "network garbage",
            "network later",
            "network mode",
            "network odd",
            "publish 0.0.0.0:80:80 of container taken",
        ]
    );
    let networks: Vec<&str> = built
        .host
        .networks
        .iter()
        .map(|of| of.name.as_str())
        .collect();
    assert_eq!(networks, ["good", "newer"]);
    let containers = &built.host.containers;
    let containers: Vec<(&str, usize)> = containers
        .iter()
        .map(|of| (of.name.as_str(), of.publish.len()))
        .collect();
    assert_eq!(containers, [("ok", 1), ("taken", 0)]);
    same_as_text(&state, &Base::default(), &built);
}

#[test]
fn two_problems_of_one_leave_the_other_alone() {
    let dual = network("dual", &["10.1.0.0/24", "fd01::/64"], &[]);
    let both = [
        container("aa", &[(&dual, "10.1.0.2", "fd01::2")], &[]),
        container("ab", &[(&dual, "10.1.0.2", "fd01::2")], &[]),
    ];
    let built = host(
        &state(daemon(true), vec![dual], both.to_vec()),
        &Base::default(),
    );
    let containers = built.host.containers.iter();
    assert_eq!(containers.map(|of| &of.name).collect::<Vec<_>>(), ["aa"]);
    let left_out = built.left_out.iter();
    assert_eq!(
        left_out.map(|of| &of.name).collect::<Vec<_>>(),
        ["container ab"]
    );
}

#[test]
fn files_and_the_daemon_are_one_host() {
    let files = base(
        "version = 1\n[daemon]\nuserland-proxy = true\nbridge-accept-fwmark = \"1\"\n\
         default-network-opts.bridge = { \"com.docker.network.bridge.enable_icc\" = \"false\" }\n\
         [[network]]\nname = \"mine\"\nbridge = \"mine0\"\nsubnets = [\"10.9.0.0/24\"]\n\
         [[container]]\nname = \"vm\"\nnetworks.mine = [\"10.9.0.2\"]\npublish = [\"90:90\"]\n\
         [docker-user]\nipv4 = \"-A DOCKER-USER -s 192.0.2.1 -j DROP\"\n\
         [swarm]\npublish = [\"7000:70\"]\n",
    );
    let web = network("web", &["10.1.0.0/24"], &[]);
    let open = network("open", &["10.2.0.0/24"], &[("bridge.enable_icc", "true")]);
    let gateway = network(
        "docker_gwbridge",
        &["10.3.0.0/24"],
        &[("bridge.name", "docker_gwbridge")],
    );
    let containers = vec![
        container(
            "aa",
            &[(&web, "10.1.0.2", "")],
            &[("80/tcp", "0.0.0.0", "80")],
        ),
        container(
            "ab",
            &[(&web, "10.1.0.3", "")],
            &[("80/tcp", "0.0.0.0", "90")],
        ),
    ];
    let mut state = state(daemon(false), vec![web, open, gateway], containers);
    state.daemon.swarm = Swarm::Worker;
    state.ingress_sandbox = Some("10.3.0.2".to_owned());
    let built = host(&state, &files);
    assert!(built.host.daemon.userland_proxy);
    assert!(built.host.daemon.bridge_accept_fwmark.is_some());
    let icc: Vec<(&str, bool)> = built
        .host
        .networks
        .iter()
        .map(|of| (of.name.as_str(), of.icc))
        .collect();
    assert_eq!(
        icc,
        [
            ("mine", false),
            ("docker_gwbridge", false),
            ("open", true),
            ("web", false)
        ]
    );
    // The file came first.
    let left_out: Vec<&str> = built.left_out.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(left_out, ["publish 0.0.0.0:90:80 of container ab"]);
    assert!(built.host.user.is_some());
    assert_eq!(
        built.host.ingress.as_ref().unwrap().sandbox.to_string(),
        "10.3.0.2"
    );
    same_as_text(&state, &files, &built);
}

#[test]
fn a_name_that_is_taken_is_named_with_both_places() {
    let files = base(
        "version = 1\n[[network]]\nname = \"web\"\nbridge = \"web0\"\nsubnets = [\"10.9.0.0/24\"]\n\
         [[container]]\nname = \"aa\"\nnetworks.web = [\"10.9.0.2\"]\n",
    );
    let web = network("web", &["10.1.0.0/24"], &[]);
    let other = network("other", &["10.2.0.0/24"], &[]);
    let aa = container("aa", &[(&other, "10.2.0.2", "")], &[]);
    let built = host(&state(daemon(true), vec![web, other], vec![aa]), &files);
    let clashes: Vec<String> = built
        .left_out
        .iter()
        .filter(|of| of.clash)
        .map(ToString::to_string)
        .collect();
    assert_eq!(clashes.len(), 2);
    assert!(
        clashes[0].contains("container aa (000000000000)") && clashes[0].contains("p.toml:7"),
        "{}",
        clashes[0]
    );
    assert!(
        clashes[1].contains("network web") && clashes[1].contains("p.toml:3"),
        "{}",
        clashes[1]
    );
}

fn option() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let one = prop::sample::select(vec![
        ("bridge.enable_icc", "false"),
        ("bridge.enable_icc", "true"),
        ("bridge.enable_ip_masquerade", "0"),
        ("bridge.gateway_mode_ipv4", "routed"),
        ("bridge.gateway_mode_ipv6", "nat-unprotected"),
        ("bridge.gateway_mode_ipv4", "isolated"),
        ("bridge.host_binding_ipv4", "127.0.0.1"),
        ("bridge.host_binding_ipv4", "::1"),
        ("bridge.trusted_host_interfaces", "eth0:wg0"),
        ("bridge.inhibit_ipv4", "true"),
        ("bridge.default_bridge", "true"),
        ("host_ipv4", "192.0.2.7"),
        ("host_ipv6", "2001:db8::7"),
        ("bridge.name", "br-own"),
        ("driver.mtu", "1400"),
    ]);
    prop::collection::vec(one, 0..4)
}

fn networks() -> impl Strategy<Value = Vec<Network>> {
    let name = prop::sample::select(vec![
        "bridge",
        "web",
        "docker_gwbridge",
        "a b",
        "ü\"x",
        "tab\tname",
        "-",
        "n'n",
        "ordinary",
    ]);
    let driver = prop::sample::select(vec![
        "bridge", "bridge", "bridge", "macvlan", "overlay", "host", "weave",
    ]);
    let one = (name, driver, 0_u8..12, any::<[bool; 4]>(), option());
    prop::collection::vec(one, 0..6).prop_map(|all| {
        let build = |(number, (name, driver, octet, flags, options)): (usize, _)| {
            let (name, driver, octet, flags): (&str, &str, u8, [bool; 4]) =
                (name, driver, octet, flags);
            let subnets = [
                flags[0].then(|| format!("10.{octet}.0.0/24")),
                flags[1].then(|| format!("fd0{octet:x}::/64")),
            ];
            let subnets: Vec<&str> = subnets.iter().flatten().map(String::as_str).collect();
            let options: Vec<(&str, &str)> = options;
            let mut network = network(name, &subnets, &options);
            network.driver = driver.to_owned();
            network.internal = flags[2];
            network.id = format!("{number:012}{number:052}");
            if flags[3] {
                for subnet in &mut network.subnets {
                    subnet.gateway = subnet
                        .subnet
                        .replace("0/24", "1")
                        .replace("::/64", "::1/64");
                }
            }
            network
        };
        all.into_iter().enumerate().map(build).collect()
    })
}

fn state_of_chance() -> impl Strategy<Value = State> {
    let port = (
        prop::sample::select(vec![
            "80/tcp", "81/tcp", "82/tcp", "53/udp", "9/sctp", "0/tcp", "x",
        ]),
        prop::sample::select(vec!["0.0.0.0", "::", "127.0.0.1", "::1", "", "zz"]),
        prop::sample::select(vec!["", "0", "80", "81", "82", "8080", "8081", "70000"]),
    );
    let container = (
        prop::sample::select(vec!["aa", "ab", "Ac.d-e_f", "bad name", "zz"]),
        prop::collection::vec((0_usize..7, 1_u8..20, any::<[bool; 2]>(), -1_i64..2), 0..4),
        prop::collection::vec(port, 0..6),
        prop::collection::vec(prop::sample::select(vec!["aa", "ab", "zz", "gone"]), 0..3),
        any::<bool>(),
    );
    let containers = prop::collection::vec(container, 0..6);
    (networks(), containers, any::<bool>()).prop_map(|(networks, containers, proxy)| {
        let mut all = BTreeMap::new();
        for (number, (name, endpoints, ports, links, exposes)) in containers.into_iter().enumerate()
        {
            let mut one = container_of(number, name, &ports);
            for (network, octet, flags, gw_priority) in endpoints {
                let Some(network) = networks.get(network) else {
                    continue;
                };
                let address = |wanted: bool, is_ipv6: bool| {
                    let subnets = network.subnets.iter().map(|of| &of.subnet);
                    let mut subnets = subnets.filter(|of| of.contains(':') == is_ipv6);
                    let subnet = subnets.next().filter(|_| wanted);
                    let prefix = subnet.map(|of| of.replace("0/24", "").replace("::/64", "::"));
                    prefix.map_or(String::new(), |prefix| format!("{prefix}{octet}"))
                };
                one.endpoints.push(Endpoint {
                    network_name: network.name.clone(),
                    network_id: network.id.clone(),
                    ipv4: address(flags[0], false),
                    ipv6: address(flags[1], true),
                    gw_priority,
                });
            }
            one.links = links.into_iter().map(str::to_owned).collect();
            if exposes {
                one.exposed = vec![
                    "80/tcp".to_owned(),
                    "81/tcp".to_owned(),
                    "9/sctp".to_owned(),
                ];
            }
            all.insert(one.id.clone(), one);
        }
        let mut state = state(daemon(proxy), networks, vec![]);
        state.containers = all;
        state
    })
}

fn container_of(number: usize, name: &str, ports: &[(&str, &str, &str)]) -> Container {
    let mut one = container(name, &[], ports);
    one.id = format!("{number:064}");
    one
}

#[test]
fn no_address_is_every_address_whatever_the_network_says() {
    let options = [("bridge.host_binding_ipv4", "127.0.0.1")];
    let publish = |options: &[(&str, &str)]| {
        let network = network("web", &["10.1.0.0/24", "fd01::/64"], options);
        let one = container(
            "aa",
            &[(&network, "10.1.0.2", "fd01::2")],
            &[("80/tcp", "", "8080")],
        );
        let built = host(
            &state(daemon(true), vec![network], vec![one]),
            &Base::default(),
        );
        let publish = built.host.containers[0].publish.iter();
        publish.map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(publish(&[]), ["8080:80"]);
    assert_eq!(publish(&options), ["0.0.0.0:8080:80", "[::]:8080:80"]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_state_is_a_policy(state in state_of_chance(), which in 0_usize..4) {
        let bases = [
            "version = 1\n",
            "version = 1\n[daemon]\nicc = false\nip = \"::1\"\nuserland-proxy = true\n",
            "version = 1\n[daemon]\ndefault-network-opts.bridge = { \
             \"com.docker.network.bridge.enable_icc\" = \"false\", \
             \"com.docker.network.host_ipv4\" = \"192.0.2.9\" }\n",
            "version = 1\n[[network]]\nname = \"own\"\nbridge = \"br-own\"\nsubnets = [\"10.3.0.0/24\"]\n\
             [[container]]\nname = \"own\"\nnetworks.own = [\"10.3.0.4\"]\npublish = [\"8080:80\"]\n",
        ];
        let base = base(bases[which]);
        let built = host(&state, &base);
        same_as_text(&state, &base, &built);
    }

    #[test]
    fn nothing_is_opened_that_dockerd_does_not_show(state in state_of_chance()) {
        let built = host(&state, &Base::default());
        let shown: BTreeSet<Shown> = state
            .containers
            .values()
            .flat_map(|of| of.ports.iter().map(|port| (of.name.clone(), port.clone())))
            .map(|(name, port)| (name, port.container, port.host_ip, port.host_port))
            .collect();
        for (name, port, address, host_port) in compiled(&built.host) {
            let is_routed = host_port.is_empty();
            let is_shown = shown.iter().any(|of| {
                let is_any = address.parse::<IpAddr>().unwrap().is_unspecified();
                let same_family = of.2.is_empty() || of.2.contains(':') == address.contains(':');
                of.0 == name && of.1 == port
                    && (of.2 == address || of.2.is_empty() && is_any || is_routed && same_family)
                    && (is_routed || of.3 == host_port)
            });
            prop_assert!(is_shown, "{name} {port} {address} {host_port}");
        }
    }
}
