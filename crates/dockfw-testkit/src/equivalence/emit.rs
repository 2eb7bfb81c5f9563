//! A host as a policy file, a packet as a TOML table, a difference as text for a fixture.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use dockfw_ir::name::IfName;
use dockfw_lower::host::{Container, Daemon, Driver, GatewayMode, Host, Network};

use super::case::Case;
use super::packet::{Packet, State, Tuple};
use super::user::User;

/// A policy file that reads back as the same host.
pub fn policy(host: &Host) -> String {
    let mut text = String::from("version = 1\n");
    if host.wsl2_mirrored || host.count_publishes {
        let (wsl2, counts) = (host.wsl2_mirrored, host.count_publishes);
        let _ = writeln!(
            text,
            "\n[host]\nwsl2-mirrored = {wsl2}\ncount-publishes = {counts}"
        );
    }
    daemon(&mut text, &host.daemon);
    if let Some(ingress) = &host.ingress {
        let sandbox = quoted(&ingress.sandbox.to_string());
        let publish = list(&ingress.publish);
        let _ = writeln!(
            text,
            "\n[swarm]\ningress-sandbox = {sandbox}\npublish = {publish}"
        );
    }
    for of in &host.networks {
        network(&mut text, of);
    }
    for of in &host.containers {
        container(&mut text, of, host);
    }
    text
}

/// A packet, as [`Packet`] is read with serde.
pub fn packet(packet: &Packet) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "{key} = {value}");
        }
    };
    let state = match packet.state {
        State::New => "new",
        State::Established => "established",
        State::Related => "related",
        State::Invalid => "invalid",
        State::Untracked => "untracked",
    };
    line("from", packet.from.as_deref().map(quoted));
    line("bridged", packet.bridged.as_deref().map(quoted));
    line("source", Some(quoted(&packet.source.to_string())));
    line("destination", Some(quoted(&packet.destination.to_string())));
    line("protocol", Some(packet.protocol.to_string()));
    line("ports", packet.ports.map(pair));
    line("icmp", packet.icmp.map(pair));
    line("mark", Some(packet.mark.to_string()));
    line("state", Some(quoted(state)));
    if let Some(flow) = packet.flow {
        text += "\n[flow]\n";
        let _ = writeln!(text, "reply_direction = {}", flow.reply_direction);
        let _ = writeln!(text, "original = {}", tuple(flow.original));
        let _ = writeln!(text, "reply = {}", tuple(flow.reply));
    }
    text
}

/// Everything about a difference: policy, packet, ends and trails.
pub fn finding(host: &Host, user: Option<&User>, of: &Packet) -> String {
    let case = Case::new(host.clone());
    let judge = case.judge();
    let judgement = judge.judge(of);
    let mut text = format!(
        "--- policy.toml\n{}{}--- packet.toml\n{}---\n",
        policy(host),
        user.filter(|user| !user.is_empty())
            .map(User::toml)
            .unwrap_or_default(),
        packet(of)
    );
    let _ = writeln!(text, "Docker:   {:?}", judgement.docker);
    let _ = writeln!(
        text,
        "expected: {:?} {:?}",
        judgement.expected, judgement.entries
    );
    let _ = writeln!(text, "dockfw:   {:?}", judgement.ours);
    text + &judge.trails(of)
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn list<T: ToString>(of: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<_> = of.into_iter().map(|one| quoted(&one.to_string())).collect();
    format!("[{}]", texts.join(", "))
}

fn pair<T: ToString>((first, second): (T, T)) -> String {
    format!("[{}, {}]", first.to_string(), second.to_string())
}

fn tuple(of: Tuple) -> String {
    let mut text = format!(
        "{{ source = \"{}\", destination = \"{}\", protocol = {}",
        of.source, of.destination, of.protocol
    );
    if let Some(ports) = of.ports {
        let _ = write!(text, ", ports = {}", pair(ports));
    }
    if let Some(icmp) = of.icmp {
        let _ = write!(text, ", icmp = {}", pair(icmp));
    }
    text + " }"
}

fn daemon(text: &mut String, of: &Daemon) {
    let standard = Daemon::default();
    if *of == standard {
        return;
    }
    *text += "\n[daemon]\n";
    let switches = [
        ("userland-proxy", of.userland_proxy, standard.userland_proxy),
        (
            "allow-direct-routing",
            of.allow_direct_routing,
            standard.allow_direct_routing,
        ),
        ("ip-forward", of.ip_forward, standard.ip_forward),
        (
            "ip-forward-no-drop",
            of.ip_forward_no_drop,
            standard.ip_forward_no_drop,
        ),
    ];
    for (key, value, standard) in switches {
        if value != standard {
            let _ = writeln!(text, "{key} = {value}");
        }
    }
    if let Some(fwmark) = of.bridge_accept_fwmark {
        let (mark, bits) = (fwmark.mark, fwmark.mask);
        let _ = writeln!(text, "bridge-accept-fwmark = \"{mark:#x}/{bits:#x}\"");
    }
}

fn network(text: &mut String, of: &Network) {
    let _ = writeln!(text, "\n[[network]]\nname = {}", quoted(&of.name));
    if of.driver != Driver::Bridge {
        let _ = writeln!(text, "driver = \"{}\"", of.driver);
    }
    if let Some(bridge) = &of.bridge {
        let _ = writeln!(text, "bridge = {}", quoted(bridge.as_str()));
    }
    if of.ipv4.is_some() || of.ipv6.is_some() {
        let subnets = super::world::subnets(of);
        let _ = writeln!(text, "subnets = {}", list(subnets));
    }
    let gateways = [
        of.ipv4.and_then(|of| Some(IpAddr::V4(of.gateway?))),
        of.ipv6.and_then(|of| Some(IpAddr::V6(of.gateway?))),
    ];
    if gateways.iter().any(Option::is_some) {
        let _ = writeln!(text, "gateways = {}", list(gateways.into_iter().flatten()));
    }
    if of.internal {
        *text += "internal = true\n";
    }
    let options = options(of);
    if !options.is_empty() {
        let _ = writeln!(text, "options = {{ {} }}", options.join(", "));
    }
}

fn options(of: &Network) -> Vec<String> {
    let mut options = Vec::new();
    let mut add = |key: &str, value: &str| {
        options.push(format!("\"com.docker.network.{key}\" = {}", quoted(value)));
    };
    if let Some(ipv4) = of.ipv4 {
        if ipv4.gateway_mode != GatewayMode::Nat {
            add("bridge.gateway_mode_ipv4", mode(ipv4.gateway_mode));
        }
        if let Some(address) = ipv4.host_address {
            add("host_ipv4", &address.to_string());
        }
    }
    if let Some(ipv6) = of.ipv6 {
        if ipv6.gateway_mode != GatewayMode::Nat {
            add("bridge.gateway_mode_ipv6", mode(ipv6.gateway_mode));
        }
        if let Some(address) = ipv6.host_address {
            add("host_ipv6", &address.to_string());
        }
    }
    if !of.icc {
        add("bridge.enable_icc", "false");
    }
    if !of.masquerade {
        add("bridge.enable_ip_masquerade", "false");
    }
    if of.inhibit_ipv4 {
        add("bridge.inhibit_ipv4", "true");
    }
    if of.host_binding != IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
        add("bridge.host_binding_ipv4", &of.host_binding.to_string());
    }
    if !of.trusted_host_interfaces.is_empty() {
        let names: Vec<_> = of
            .trusted_host_interfaces
            .iter()
            .map(IfName::as_str)
            .collect();
        add("bridge.trusted_host_interfaces", &names.join(":"));
    }
    options
}

fn mode(of: GatewayMode) -> &'static str {
    match of {
        GatewayMode::Nat => "nat",
        GatewayMode::NatUnprotected => "nat-unprotected",
        GatewayMode::Routed => "routed",
        GatewayMode::Isolated => "isolated",
    }
}

fn container(text: &mut String, of: &Container, host: &Host) {
    let _ = writeln!(text, "\n[[container]]\nname = {}", quoted(&of.name));
    for endpoint in &of.endpoints {
        let name = quoted(&host.networks[endpoint.network].name);
        let ipv4 = endpoint.ipv4.map(IpAddr::V4);
        let ipv6 = endpoint.ipv6.map(IpAddr::V6);
        let addresses = list(ipv4.into_iter().chain(ipv6));
        let _ = match endpoint.gw_priority {
            0 => writeln!(text, "networks.{name} = {addresses}"),
            priority => writeln!(
                text,
                "networks.{name} = {{ addresses = {addresses}, gw-priority = {priority} }}"
            ),
        };
    }
    if !of.publish.is_empty() {
        let _ = writeln!(text, "publish = {}", list(&of.publish));
    }
    if !of.expose.is_empty() {
        let _ = writeln!(text, "expose = {}", list(&of.expose));
    }
    if !of.links.is_empty() {
        let servers = of.links.iter().map(|server| &host.containers[*server].name);
        let _ = writeln!(text, "links = {}", list(servers));
    }
}
