//! Writing a host as a policy file: what [`parse`](super::parse()) reads is what was written.
//!
//! The operator's rules are not among it; a [`Host`] has them in a compiled form only.

use std::fmt::Write as _;

use dockfw_lower::docker::publish::Publish;
use dockfw_lower::host::{
    Container, DEFAULT_BRIDGE, Driver, GatewayMode, Host, Net, Network, NetworkFamily,
};

pub(crate) mod toml;

use toml::{array, string};

/// `[daemon]`, as far as it differs from the defaults, without the keys that `is_set` elsewhere.
pub(crate) fn daemon(text: &mut String, host: &Host, is_set: impl Fn(&str) -> bool) {
    let daemon = &host.daemon;
    let mut keys = Vec::new();
    if !daemon.userland_proxy {
        keys.push(("userland-proxy", "false".to_owned()));
    }
    if daemon.allow_direct_routing {
        keys.push(("allow-direct-routing", "true".to_owned()));
    }
    if !daemon.ip_forward {
        keys.push(("ip-forward", "false".to_owned()));
    }
    if daemon.ip_forward_no_drop {
        keys.push(("ip-forward-no-drop", "true".to_owned()));
    }
    if let Some(mark) = daemon.bridge_accept_fwmark {
        let mark = format!("\"{:#x}/{:#x}\"", mark.mark, mark.mask);
        keys.push(("bridge-accept-fwmark", mark));
    }
    keys.retain(|(key, _)| !is_set(key));
    if !keys.is_empty() {
        text.push_str("\n[daemon]\n");
    }
    for (key, value) in keys {
        let _ = writeln!(text, "{key} = {value}");
    }
}

/// `[host]`, as far as it differs from the defaults.
pub(crate) fn host(text: &mut String, host: &Host) {
    if host.wsl2_mirrored {
        text.push_str("\n[host]\nwsl2-mirrored = true\n");
    }
}

/// `[swarm]` with a sandbox, unless that is written elsewhere, and published ports.
pub(crate) fn swarm(text: &mut String, sandbox: Option<std::net::Ipv4Addr>, publish: &[Publish]) {
    if sandbox.is_none() && publish.is_empty() {
        return;
    }
    text.push_str("\n[swarm]\n");
    if let Some(sandbox) = sandbox {
        let sandbox = string(&sandbox.to_string());
        let _ = writeln!(text, "ingress-sandbox = {sandbox}");
    }
    ports(text, publish);
}

fn ports(text: &mut String, publish: &[Publish]) {
    if publish.is_empty() {
        return;
    }
    let ports: Vec<String> = publish.iter().map(ToString::to_string).collect();
    let line = array(ports.iter().map(String::as_str));
    if line.len() < 80 {
        let _ = writeln!(text, "publish = {line}");
        return;
    }
    text.push_str("publish = [\n");
    for port in ports {
        let _ = writeln!(text, "    {},", string(&port));
    }
    text.push_str("]\n");
}

/// `[[network]]`, without the line before it.
///
/// What has its default is left out, unless `explicit`: then another file may have other defaults.
pub(crate) fn network(text: &mut String, network: &Network, explicit: bool) {
    let _ = writeln!(text, "[[network]]\nname = {}", string(&network.name));
    if network.driver != Driver::Bridge {
        let _ = writeln!(text, "driver = {}", string(&network.driver.to_string()));
    }
    if let Some(bridge) = &network.bridge
        && (network.name != DEFAULT_BRIDGE || bridge.as_str() != "docker0")
    {
        let _ = writeln!(text, "bridge = {}", string(bridge.as_str()));
    }
    let (ipv4, ipv6) = (network.ipv4.as_ref(), network.ipv6.as_ref());
    let subnets = [
        ipv4.map(|family| family.subnet.to_string()),
        ipv6.map(|family| family.subnet.to_string()),
    ];
    list(text, "subnets", &subnets, true);
    let gateways = [
        ipv4.and_then(|family| family.gateway)
            .map(|of| of.to_string()),
        ipv6.and_then(|family| family.gateway)
            .map(|of| of.to_string()),
    ];
    list(text, "gateways", &gateways, false);
    if network.internal {
        text.push_str("internal = true\n");
    }
    if network.driver == Driver::Bridge {
        options(text, network, explicit);
    }
}

/// The options of a bridge network.
fn options(text: &mut String, network: &Network, explicit: bool) {
    let mut options: Vec<(&str, String)> = Vec::new();
    if !network.icc || explicit {
        options.push(("bridge.enable_icc", network.icc.to_string()));
    }
    if !network.masquerade || explicit {
        let value = network.masquerade.to_string();
        options.push(("bridge.enable_ip_masquerade", value));
    }
    family(network.ipv4.as_ref(), "4", explicit, &mut options);
    family(network.ipv6.as_ref(), "6", explicit, &mut options);
    let default_binding = std::net::IpAddr::from([0, 0, 0, 0]);
    if network.host_binding != default_binding || explicit {
        let value = network.host_binding.to_string();
        options.push(("bridge.host_binding_ipv4", value));
    }
    let trusted: Vec<&str> = network
        .trusted_host_interfaces
        .iter()
        .map(dockfw_ir::name::IfName::as_str)
        .collect();
    if !trusted.is_empty() || explicit {
        options.push(("bridge.trusted_host_interfaces", trusted.join(":")));
    }
    if network.inhibit_ipv4 || explicit {
        let value = network.inhibit_ipv4.to_string();
        options.push(("bridge.inhibit_ipv4", value));
    }
    if options.is_empty() {
        return;
    }
    let options: Vec<String> = options
        .into_iter()
        .map(|(label, value)| format!("\"com.docker.network.{label}\" = {}", string(&value)))
        .collect();
    let _ = writeln!(text, "options = {{ {} }}", options.join(", "));
}

fn family<N: Net>(
    family: Option<&NetworkFamily<N>>,
    digit: &str,
    explicit: bool,
    options: &mut Vec<(&'static str, String)>,
) {
    let Some(family) = family else { return };
    let (mode, host) = match digit {
        "4" => ("bridge.gateway_mode_ipv4", "host_ipv4"),
        _ => ("bridge.gateway_mode_ipv6", "host_ipv6"),
    };
    let value = match family.gateway_mode {
        GatewayMode::Nat => "nat",
        GatewayMode::NatUnprotected => "nat-unprotected",
        GatewayMode::Routed => "routed",
        GatewayMode::Isolated => "isolated",
    };
    if family.gateway_mode != GatewayMode::Nat || explicit {
        options.push((mode, value.to_owned()));
    }
    let address = family.host_address;
    options.extend(address.map(|address| (host, address.to_string())));
}

/// `[[container]]`, without the line before it.
pub(crate) fn container(text: &mut String, host: &Host, container: &Container) {
    let _ = writeln!(text, "[[container]]\nname = {}", string(&container.name));
    for endpoint in &container.endpoints {
        let Some(network) = host.networks.get(endpoint.network) else {
            continue;
        };
        let ipv4 = endpoint.ipv4.map(|address| address.to_string());
        let ipv6 = endpoint.ipv6.map(|address| address.to_string());
        let addresses = [ipv4.as_deref(), ipv6.as_deref()];
        let addresses = array(addresses.into_iter().flatten());
        let name = string(&network.name);
        let _ = match endpoint.gw_priority {
            0 => writeln!(text, "networks.{name} = {addresses}"),
            priority => writeln!(
                text,
                "networks.{name} = {{ addresses = {addresses}, gw-priority = {priority} }}"
            ),
        };
    }
    ports(text, &container.publish);
    if !container.expose.is_empty() {
        let expose: Vec<String> = container.expose.iter().map(ToString::to_string).collect();
        let expose = array(expose.iter().map(String::as_str));
        let _ = writeln!(text, "expose = {expose}");
    }
    let links = container
        .links
        .iter()
        .filter_map(|index| host.containers.get(*index));
    let links: Vec<&str> = links.map(|of| of.name.as_str()).collect();
    if !links.is_empty() {
        let _ = writeln!(text, "links = {}", array(links));
    }
}

fn list(text: &mut String, key: &str, items: &[Option<String>], always: bool) {
    let items: Vec<&str> = items.iter().flatten().map(String::as_str).collect();
    if !items.is_empty() || always {
        let _ = writeln!(text, "{key} = {}", array(items));
    }
}
