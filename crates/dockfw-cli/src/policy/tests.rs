//! The policy format: what each key means, how files merge, and input of any kind.

use std::fmt::Write as _;

use dockfw_ir::name::IfName;
use dockfw_lower::docker::check::{ContainerField, IngressField, Place};
use dockfw_lower::host::{Driver, Fwmark, GatewayMode, Host};
use proptest::prelude::*;

use super::{MAX_BYTES, Policy, Source, parse};
use crate::diagnostic::Diagnostics;

fn files(texts: &[&str]) -> Result<Policy, Diagnostics> {
    let source = |(index, text): (usize, &&str)| Source {
        name: format!("{index}.toml"),
        bytes: text.as_bytes().to_vec(),
    };
    parse(texts.iter().enumerate().map(source).collect())
}

#[track_caller]
fn host(text: &str) -> Host {
    match files(&[&format!("version = 1\n{text}")]) {
        Ok(policy) => policy.host,
        Err(errors) => panic!("{errors}"),
    }
}

/// The errors of a policy, which has a version in a line of its own before `text`.
#[track_caller]
fn errors(text: &str) -> Vec<String> {
    let errors = files(&[&format!("version = 1\n{text}")]).unwrap_err();
    errors
        .iter()
        .map(|error| format!("{}: {}", error.location(), error.message()))
        .collect()
}

/// A policy with one error.
#[track_caller]
fn error(text: &str, expected: &str) {
    assert_eq!(errors(text), [expected]);
}

const WEB: &str = "[[network]]\nname = 'web'\nbridge = 'br-web'\nsubnets = ['10.1.0.0/16']\n";

#[test]
fn daemon_keys() {
    assert_eq!(host("").daemon, Host::default().daemon);
    let daemon = host(
        "[daemon]\nuserland-proxy = false\nallow-direct-routing = true\nip-forward = false\n\
         ip-forward-no-drop = true\nbridge-accept-fwmark = '0x1/0x3'\niptables = false\n\
         ip6tables = false\n",
    )
    .daemon;
    assert!(!daemon.userland_proxy && daemon.allow_direct_routing);
    assert!(!daemon.ip_forward && daemon.ip_forward_no_drop);
    assert_eq!(
        daemon.bridge_accept_fwmark,
        Some(Fwmark { mark: 1, mask: 3 })
    );
    let daemon = host("[daemon]\nbridge-accept-fwmark = '16'\n").daemon;
    assert_eq!(
        daemon.bridge_accept_fwmark,
        Some(Fwmark {
            mark: 16,
            mask: u32::MAX
        })
    );
}

#[test]
fn default_network_opts_do_not_reach_what_dockerd_makes_itself() {
    let text = "[daemon]\n\
                default-network-opts.bridge = { 'com.docker.network.bridge.gateway_mode_ipv4' = 'routed' }\n\
                [[network]]\nname = 'docker_gwbridge'\nbridge = 'docker_gwbridge'\nsubnets = ['172.19.0.0/16']\n\
                [[network]]\nname = 'bridge'\nsubnets = ['172.17.0.0/16']\n";
    let host = host(&format!("{text}{WEB}"));
    let modes: Vec<_> = host
        .networks
        .iter()
        .map(|network| network.ipv4.unwrap().gateway_mode)
        .collect();
    let nat = GatewayMode::Nat;
    assert_eq!(modes, [nat, nat, GatewayMode::Routed]);
}

#[test]
fn icc_and_iptables_that_dockerd_does_not_start_with() {
    let default = "[[network]]\nname = 'bridge'\nsubnets = ['172.17.0.0/16']\n";
    let warnings = |daemon: &str| {
        let policy = files(&[&format!("version = 1\n[daemon]\n{daemon}{default}")]).unwrap();
        let warnings = policy.warnings.iter();
        warnings
            .map(|of| format!("{}: {}", of.location(), of.message()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        warnings("icc = false\niptables = false\n"),
        ["0.toml:3:1: dockerd does not start with icc = false and iptables = false in daemon.json"]
    );
    for fine in [
        "icc = false\n",
        "icc = true\niptables = false\n",
        "iptables = false\n",
    ] {
        assert_eq!(warnings(fine), [""; 0], "{fine}");
    }
}

#[test]
fn the_default_bridge_takes_the_options_of_the_daemon() {
    let text = "[daemon]\nicc = false\nip-masq = false\nip = '127.0.0.1'\n\
                default-network-opts.bridge = { 'com.docker.network.bridge.inhibit_ipv4' = '1' }\n\
                [[network]]\nname = 'bridge'\nsubnets = ['172.17.0.0/16']\n";
    let host = host(&format!("{text}{WEB}"));
    let (default, web) = (&host.networks[0], &host.networks[1]);
    assert_eq!(default.bridge.as_ref().unwrap().as_str(), "docker0");
    assert!(!default.icc && !default.masquerade && !default.inhibit_ipv4);
    assert_eq!(default.host_binding.to_string(), "127.0.0.1");
    assert!(web.icc && web.masquerade && web.inhibit_ipv4);
    assert_eq!(web.host_binding.to_string(), "0.0.0.0");
}

#[test]
fn labels() {
    let options = "options = {\n\
        'com.docker.network.bridge.name' = 'br-web',\n\
        'com.docker.network.bridge.enable_icc' = 'f',\n\
        'com.docker.network.bridge.enable_ip_masquerade' = 'FALSE',\n\
        'com.docker.network.bridge.gateway_mode_ipv4' = 'nat-unprotected',\n\
        'com.docker.network.bridge.host_binding_ipv4' = '::ffff:127.0.0.1',\n\
        'com.docker.network.bridge.trusted_host_interfaces' = 'eth0::wg0',\n\
        'com.docker.network.host_ipv4' = '192.0.2.1',\n\
        'com.docker.network.driver.mtu' = '9000',\n\
        'com.example.anything' = 'x' }\n";
    let host = host(&format!("{WEB}{options}"));
    let web = &host.networks[0];
    assert!(!web.icc && !web.masquerade);
    assert_eq!(web.host_binding.to_string(), "127.0.0.1");
    let trusted: Vec<_> = web
        .trusted_host_interfaces
        .iter()
        .map(IfName::as_str)
        .collect();
    assert_eq!(trusted, ["eth0", "wg0"]);
    let ipv4 = web.ipv4.unwrap();
    assert_eq!(ipv4.gateway_mode, GatewayMode::NatUnprotected);
    assert_eq!(ipv4.host_address.unwrap().to_string(), "192.0.2.1");
}

#[test]
fn wrong_labels() {
    let label = |key: &str, value: &str| {
        let found = errors(&format!("{WEB}options = {{ '{key}' = {value} }}\n"));
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].split_once(": ").unwrap().1.to_owned()
    };
    let full = |name: &str| format!("com.docker.network.{name}");
    for (name, value, expected) in [
        (
            "bridge.enable_icc",
            "'yes'",
            "\"yes\" is not a boolean, which",
        ),
        ("bridge.enable_icc", "false", "the value of"),
        (
            "bridge.gateway_mode_ipv4",
            "''",
            "\"\" is not a gateway mode, which",
        ),
        (
            "bridge.host_binding_ipv4",
            "'10.0.0.1/8'",
            "\"10.0.0.1/8\" is not an IP address, which",
        ),
        (
            "host_ipv4",
            "'::1'",
            "\"::1\" is not an IPv4 address, which",
        ),
        (
            "host_ipv6",
            "'192.0.2.1'",
            "\"192.0.2.1\" is not an IPv6 address, which",
        ),
        (
            "bridge.trusted_host_interfaces",
            "'a b'",
            "\"a b\": ' ' cannot stand in an interface name",
        ),
        (
            "driver.mtu",
            "'-1'",
            "\"-1\" is not a number in range, which",
        ),
        (
            "advertise_addr_ms",
            "'99'",
            "\"99\" is not a number in range, which",
        ),
        ("bridge.nmae", "'x'", "unknown label"),
        ("nothing.like.it", "'x'", "unknown label"),
        (
            "enable_ipv6",
            "'true'",
            "the network has IPv6, but its IPv6 subnet is not written",
        ),
        (
            "bridge.name",
            "'br-db'",
            "the device is called \"br-web\" here and \"br-db\" in a label",
        ),
    ] {
        let found = label(&full(name), value);
        assert!(found.starts_with(expected), "{name}: {found}");
    }
    let found = label("com.docker.networks.bridge.enable_icc", "'true'");
    assert!(found.starts_with("unknown label"), "{found}");
}

#[test]
fn networks() {
    let host = host(
        "[[network]]\nname = 'lan'\ndriver = 'macvlan'\nsubnets = ['192.0.2.0/24', '198.51.100.0/24']\n\
         [[network]]\nname = 'none'\ndriver = 'null'\n\
         [[network]]\nname = 'mesh'\ndriver = 'overlay'\n\
         [[network]]\nname = 'db'\nbridge = 'br-db'\ninternal = true\nipv4 = false\nipv6 = true\n\
         subnets = ['2001:db8::/64']\ngateways = ['2001:db8::1']\n",
    );
    let drivers: Vec<_> = host.networks.iter().map(|network| network.driver).collect();
    assert_eq!(
        drivers,
        [
            Driver::Macvlan,
            Driver::None,
            Driver::Overlay,
            Driver::Bridge
        ]
    );
    let db = &host.networks[3];
    assert!(db.internal && db.ipv4.is_none());
    assert_eq!(db.ipv6.unwrap().gateway.unwrap().to_string(), "2001:db8::1");
}

#[test]
fn wrong_networks() {
    error("[[network]]\n", "0.toml:2:1: the network has no name");
    error(
        "[network]\nname = 'a'\n",
        "0.toml:2:1: `network` must be an array of tables, this is a table",
    );
    error(
        &format!("{WEB}ipv4 = false\n"),
        "0.toml:6:8: IPv4 is off, but an IPv4 subnet is written",
    );
    error(
        &format!("{WEB}gateways = ['::1']\n"),
        "0.toml:6:13: the network has no IPv6 subnet for the gateway ::1",
    );
    error(
        "[[network]]\nname = 'a'\nbridge = 'a'\nsubnets = ['10.0.0.0/8', '11.0.0.0/8']\n",
        "0.toml:5:26: a bridge network has one subnet of each family",
    );
    error(
        "[[network]]\nname = 'a'\nbridge = 'a'\nsubnets = [10]\n",
        "0.toml:5:12: a subnet must be a string, this is an integer",
    );
    error(
        "[[network]]\nname = 'a'\ndriver = 'ipvlan'\nbridge = 'a'\nsubnets = ['10.0.0.0/8']\n",
        "0.toml:5:10: a network of driver ipvlan has no bridge device",
    );
}

#[test]
fn containers() {
    let text = "[[container]]\nname = 'c'\n\
                networks.web = { addresses = ['10.1.0.2'], gw-priority = -1 }\n\
                networks.bridge = ['172.17.0.2']\npublish = ['80:80']\n";
    let default = "[[network]]\nname = 'bridge'\nsubnets = ['172.17.0.0/16']\n";
    let host = host(&format!("{text}{WEB}{default}"));
    let endpoints: Vec<_> = host.containers[0]
        .endpoints
        .iter()
        .map(|endpoint| {
            (
                endpoint.network,
                endpoint.gw_priority,
                endpoint.ipv4.unwrap().to_string(),
            )
        })
        .collect();
    // In the order in which they are written.
    let expected = [
        (0, -1, "10.1.0.2".to_owned()),
        (1, 0, "172.17.0.2".to_owned()),
    ];
    assert_eq!(endpoints, expected);
}

#[test]
fn wrong_containers() {
    let with = |text: &str| format!("{WEB}[[container]]\nname = 'c'\n{text}\n");
    error(
        &with("networks = ['web']"),
        "0.toml:8:12: `networks` must be a table of networks with the container's addresses, this \
         is an array",
    );
    error(
        &with("networks.web = ['10.1.0.2/16']"),
        "0.toml:8:17: \"10.1.0.2/16\" is not an IP address",
    );
    error(
        &with("networks.web = ['10.1.0.2', '10.1.0.3']"),
        "0.toml:8:29: a container has one address of each family in a network",
    );
    error(
        &with("networks.web = { adresses = ['10.1.0.2'] }"),
        "0.toml:8:18: unknown key `adresses` in a container's network",
    );
    error(
        &with("networks.wep = ['10.1.0.2']"),
        "0.toml:8:10: there is no network `wep`",
    );
    error(
        &with("networks.web = { addresses = ['10.1.0.2'], gw-priority = 'high' }"),
        "0.toml:8:58: `gw-priority` must be a whole number, this is a string",
    );
    // Escapes in the string: the whole value is marked.
    error(
        &with("networks.web = ['10.1.0.2']\npublish = [\"80:\\u0030\"]"),
        "0.toml:9:12: the container port is 0",
    );
    error(
        &with("networks.web = ['10.1.0.2']\npublish = ['80:']"),
        "0.toml:9:15: the container port is missing",
    );
}

const CLOSED: &str = "[daemon]\nicc = false\n[[network]]\nname = 'bridge'\nsubnets = \
                      ['172.17.0.0/16']\n";
const GWBRIDGE: &str = "[[network]]\nname = 'docker_gwbridge'\nbridge = 'docker_gwbridge'\n\
                        subnets = ['172.19.0.0/16']\n";

#[test]
fn exposed_ports() {
    let expose = "[[container]]\nname = 'c'\nexpose = ['80', '53/UDP', '3000-3003/sctp']\n";
    let shown: Vec<_> = host(expose).containers[0]
        .expose
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(shown, ["80/tcp", "53/udp", "3000-3003/sctp"]);
}

#[test]
fn wrong_exposed_ports() {
    let one = |text: &str, expected: &str| {
        error(&format!("[[container]]\nname = 'c'\n{text}\n"), expected);
    };
    one(
        "expose = '80'",
        "0.toml:4:10: `expose` must be an array of strings, this is a string",
    );
    one(
        "expose = [80]",
        "0.toml:4:11: an exposed port must be a string, this is an integer",
    );
    for text in ["80:80", "80:", ":80", "127.0.0.1:80:80", "[::1]::80", "::"] {
        one(
            &format!("expose = ['{text}']"),
            "0.toml:4:12: an exposed port has no host address and no host port",
        );
    }
    one("expose = ['']", "0.toml:4:11: the exposed port is empty");
    one(
        "expose = ['/tcp']",
        "0.toml:4:11: the container port is missing",
    );
    one(
        "expose = ['90-80']",
        "0.toml:4:12: the container port range runs backwards, from 90 to 80",
    );
    one(
        "expose = ['80/icmp']",
        "0.toml:4:15: the protocol is not tcp, udp or sctp",
    );
}

#[test]
fn links_reach_containers_of_any_file() {
    let client = "[[container]]\nname = 'web'\nnetworks.bridge = ['172.17.0.2']\n\
                  links = ['db', 'cache:redis', 'db:again']\n";
    let servers = "version = 1\n[[container]]\nname = 'cache'\nnetworks.bridge = ['172.17.0.3']\n\
                   expose = ['6379']\n\
                   [[container]]\nname = 'db'\nnetworks.bridge = ['172.17.0.4']\nexpose = ['5432']\n";
    let policy = files(&[client, servers, CLOSED]).unwrap();
    assert_eq!(policy.host.containers[0].links, [2, 1, 2]);
    assert!(policy.host.containers[1].links.is_empty());
    let place = |link| {
        let field = ContainerField::Link(link);
        let container = 0;
        policy
            .locate(Place::Container { container, field })
            .to_string()
    };
    assert_eq!(
        [place(0), place(1), place(2), place(3)],
        ["0.toml:4:11", "0.toml:4:17", "0.toml:4:32", "0.toml:2:8"]
    );
}

#[test]
fn wrong_links() {
    let one = |links: &str, expected: &str| {
        let text = format!("{CLOSED}[[container]]\nname = 'c'\nlinks = {links}\n");
        error(&text, expected);
    };
    one(
        "'db'",
        "0.toml:9:9: `links` must be an array of strings, this is a string",
    );
    one(
        "[1]",
        "0.toml:9:10: a link must be a string, this is an integer",
    );
    one("['']", "0.toml:9:10: the link names no container");
    one("[':x']", "0.toml:9:10: the link names no container");
    one("['c:']", "0.toml:9:12: the alias of the link is empty");
    one("['c:x:y']", "0.toml:9:13: the link has too many colons");
    one("['db:c']", "0.toml:9:11: there is no container `db`");
    // The first file is no TOML: the container may stand there.
    let link = "version = 1\n[[container]]\nname = 'c'\nlinks = ['db']\n";
    let errors = files(&["=\n", link]).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors}");
}

#[test]
fn many_unknown_links_take_no_long_time() {
    let mut text = "version = 1\n".to_owned();
    for index in 0..2_000 {
        let _ = writeln!(
            text,
            "[[container]]\nname = 'c{index}'\nlinks = ['d{index}', 'e{index}']"
        );
    }
    assert_eq!(files(&[&text]).unwrap_err().len(), 4_000);
}

#[test]
fn the_host() {
    assert!(!host("[host]\n").wsl2_mirrored);
    assert!(host("[host]\nwsl2-mirrored = true\n").wsl2_mirrored);
    assert!(!host("[host]\n").count_publishes);
    assert!(host("[host]\ncount-publishes = true\n").count_publishes);
    let manages = |text: &str| files(&[text]).unwrap().manage_sysctls;
    assert!(!manages("version = 1\n[host]\nwsl2-mirrored = true\n"));
    assert!(manages("version = 1\n[host]\nmanage-sysctls = true\n"));
    error(
        "[host]\nmanage-sysctls = \"yes\"\n",
        "0.toml:3:18: `manage-sysctls` must be true or false, this is a string",
    );
    error(
        "[host]\nwsl2-mirrored = 1\n",
        "0.toml:3:17: `wsl2-mirrored` must be true or false, this is an integer",
    );
    error(
        "[host]\nwsl-mirrored = true\n",
        "0.toml:3:1: unknown key `wsl-mirrored` in [host]",
    );
    error(
        "[[host]]\nwsl2-mirrored = true\n",
        "0.toml:2:1: `host` must be a table, this is an array",
    );
}

#[test]
fn the_ports_of_services_come_from_several_files() {
    let one = format!("version = 1\n{GWBRIDGE}[swarm]\ningress-sandbox = '172.19.0.2'\n");
    let two = "[swarm]\npublish = ['8080:80', '53:53/udp']\n";
    let three = "[swarm]\npublish = ['9000-9001:9000-9001']\n";
    let policy = files(&[&one, two, three]).unwrap();
    let ingress = policy.host.ingress.as_ref().unwrap();
    assert_eq!(ingress.sandbox.to_string(), "172.19.0.2");
    let shown: Vec<_> = ingress.publish.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["8080:80", "53:53/udp", "9000-9001:9000-9001"]);
    let place = |field| policy.locate(Place::Ingress(field)).to_string();
    assert_eq!(place(IngressField::Sandbox), "0.toml:7:19");
    assert_eq!(place(IngressField::Publish(1)), "1.toml:2:23");
    assert_eq!(place(IngressField::Publish(2)), "2.toml:2:12");

    let errors = files(&[&one, "[swarm]\ningress-sandbox = '172.19.0.3'\n"]).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "1.toml:2:1: error: `ingress-sandbox` is set in another file already"
    );
}

#[test]
fn a_swarm_without_anything() {
    for text in ["[swarm]\n", "[swarm]\npublish = []\n"] {
        assert_eq!(host(text).ingress, None);
    }
}

#[test]
fn wrong_swarms() {
    error(
        "[swarm]\npublish = ['8080:80']\n",
        "0.toml:3:1: `ingress-sandbox` is missing: published ports of services lead to it",
    );
    let with =
        |sandbox: &str| format!("[swarm]\ningress-sandbox = {sandbox}\npublish = ['8080:80']\n");
    error(
        &with("5"),
        "0.toml:3:19: `ingress-sandbox` must be a string, this is an integer",
    );
    error(
        &with("'172.19.0.2/16'"),
        "0.toml:3:19: \"172.19.0.2/16\" is not an IP address",
    );
    error(
        &with("'2001:db8::2'"),
        "0.toml:3:19: \"2001:db8::2\" is IPv6, but swarm's ingress network is IPv4 only",
    );
    let two = "[swarm]\ningress-sandbox = '172.19.0.2'\nwidth = 1\npublish = ['80:']\n";
    assert_eq!(
        errors(two),
        [
            "0.toml:4:1: unknown key `width` in [swarm]",
            "0.toml:5:15: the container port is missing",
        ]
    );
}

#[test]
fn files_merge() {
    let daemon = "version = 1\n[daemon]\nuserland-proxy = false\n";
    let container =
        "[daemon]\nip-forward = false\n[[container]]\nname = 'c'\nnetworks.web = ['10.1.0.2']\n";
    let policy = files(&[daemon, container, WEB]).unwrap();
    assert!(!policy.host.daemon.userland_proxy && !policy.host.daemon.ip_forward);
    assert_eq!(policy.host.containers[0].endpoints[0].network, 0);
    let place = Place::Container {
        container: 0,
        field: ContainerField::Endpoint(0),
    };
    assert_eq!(policy.locate(place).to_string(), "1.toml:5:10");
}

#[test]
fn what_two_files_say_twice_is_shown_twice() {
    let one = format!("version = 1\n[daemon]\nip-forward = true\n{WEB}");
    let errors = files(&[&one, &one]).unwrap_err();
    let shown: Vec<_> = errors
        .iter()
        .map(|e| {
            let related = e
                .related()
                .iter()
                .map(|r| r.location().to_string())
                .collect::<Vec<_>>();
            format!("{}: {} ({})", e.location(), e.message(), related.join(", "))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "1.toml:3:1: `ip-forward` is set in another file already (0.toml:3:1)",
            "1.toml:5:8: network `web` is written twice (0.toml:5:8)",
        ]
    );
}

#[test]
fn duplicate_keys_show_both() {
    let errors =
        files(&["version = 1\n[daemon]\nip-forward = true\nip-forward = false\n"]).unwrap_err();
    let error = errors.iter().next().unwrap();
    assert_eq!(
        error.to_string_short(),
        "0.toml:4:1: the key `ip-forward` is written twice"
    );
    assert_eq!(error.related()[0].location().to_string(), "0.toml:3:1");
}

impl crate::diagnostic::Diagnostic {
    fn to_string_short(&self) -> String {
        format!("{}: {}", self.location(), self.message())
    }
}

#[test]
fn versions() {
    let only = |text: &str| files(&[text]).unwrap_err().to_string();
    assert_eq!(
        only("[daemon]\n"),
        "0.toml:1:1: error: the version is missing"
    );
    assert_eq!(
        only("version = 2\n"),
        "0.toml:1:11: error: version 2 is not known to this dockfw"
    );
    assert_eq!(
        only("version = '1'\n"),
        "0.toml:1:11: error: `version` must be a whole number, this is a string"
    );
    assert_eq!(
        only("version = 99999999999999999999\n"),
        "0.toml:1:11: error: the number of `version` does not fit into 64 bits"
    );
    assert!(files(&["version = 1\n", "version = 1\n"]).is_ok());
    assert_eq!(
        files(&[]).unwrap_err().to_string(),
        "policy: error: there is no policy"
    );
    assert_eq!(
        files(&["version = 1\n", " \n"]).unwrap_err().to_string(),
        "1.toml:1:1: error: the file is empty"
    );
}

#[test]
fn hostile_input() {
    let bytes = |bytes: Vec<u8>| {
        let source = Source {
            name: "p".to_owned(),
            bytes,
        };
        parse(vec![source]).map(|_| ()).unwrap_err().to_string()
    };
    assert!(bytes(vec![b'#'; MAX_BYTES + 1]).contains("larger than 16 MiB"));
    assert!(bytes(vec![0xff, 0xfe, b'v', 0]).contains("p:1:1: error: the file is not UTF-8"));
    assert!(bytes(vec![0; 100]).contains("not valid TOML"));
    bytes(b"[".repeat(20_000));
    bytes(b"a = ".iter().copied().chain(b"[".repeat(20_000)).collect());
    bytes(b"a.".repeat(20_000));
    bytes([b"a.".repeat(20_000), b"a = 1".to_vec()].concat());
    bytes([b"[".to_vec(), b"a.".repeat(20_000), b"a]".to_vec()].concat());
    bytes(b"\"\n".repeat(20_000));
}

#[test]
fn ten_thousand_mistakes_are_all_reported() {
    let publish = "'0',".repeat(10_000);
    let text = format!("version = 1\n[[container]]\nname = 'c'\npublish = [{publish}]\n");
    let errors = files(&[&text]).unwrap_err();
    assert_eq!(errors.len(), 10_000);
    assert_eq!(
        errors.iter().last().unwrap().location().column(),
        Some(4 * 9_999 + 13)
    );
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(vec![Source { name: "p".to_owned(), bytes }]);
    }

    /// A good policy with a few bytes changed.
    #[test]
    fn no_change_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let example = include_bytes!("../../../../fixtures/policy/example/policy.toml");
        let mut bytes = example.to_vec();
        for (at, byte) in changes {
            *at.get_mut(&mut bytes) = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Err(errors) = parse(vec![Source { name: "p".to_owned(), bytes }]) {
            prop_assert!(!errors.is_empty());
            errors.to_text(crate::diagnostic::Style::Plain);
        }
    }
}
