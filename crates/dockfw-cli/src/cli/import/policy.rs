//! The policy file of an imported host.

use std::fmt::Write as _;

use dockfw_lower::docker::publish::Publish;
use dockfw_lower::host::{
    Container, DEFAULT_BRIDGE, GatewayMode, Host, Net, Network, NetworkFamily,
};
use dockfw_lower::import::Imported;

use super::toml::{array, comment, lines, string};
use super::{Dump, headline, rest};

/// Writes the policy; the same dump gives the same text.
pub(super) fn write(dumps: &[Dump], imported: &Imported) -> String {
    let mut text = String::new();
    let names: Vec<&str> = dumps.iter().map(|of| of.name.as_str()).collect();
    text.push_str(&comment(&format!("Imported from {}.", names.join(" and "))));
    text.push_str(&comment(&format!(
        "{}.",
        capital(&headline(dumps, imported))
    )));
    if !imported.assumptions.is_empty() {
        text.push_str("#\n# Assumed:\n");
        for note in &imported.assumptions {
            text.push_str(&comment(&format!("- {note}.")));
        }
    }
    text.push_str("version = 1\n");
    daemon(&mut text, &imported.host);
    for (network, origin) in imported.host.networks.iter().zip(&imported.network_origins) {
        write_network(&mut text, network, origin);
    }
    for (container, origin) in imported
        .host
        .containers
        .iter()
        .zip(&imported.container_origins)
    {
        write_container(&mut text, &imported.host, container, origin);
    }
    let user = &imported.docker_user;
    let texts = [("ipv4", &user.ipv4), ("ipv6", &user.ipv6)];
    if texts.iter().any(|(_, rules)| rules.is_some()) {
        text.push_str("\n# The operator's rules.\n[docker-user]\n");
        for (key, rules) in texts {
            if let Some(rules) = rules {
                let _ = writeln!(text, "{key} = {}", lines(rules));
            }
        }
    }
    let rest = rest(dumps, imported);
    if !rest.is_empty() {
        text.push_str("\n# Left over: rules that have no place in a policy.\n");
        let mut last = String::new();
        for (at, rule, why) in rest {
            if why != last {
                text.push_str("#\n");
                text.push_str(&comment(&format!("{}:", capital(&why))));
                last = why;
            }
            text.push_str(&comment(&format!("{at}: {rule}")));
        }
    }
    text
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// `[daemon]`, `[host]` and `[swarm]`, as far as they differ from the defaults.
fn daemon(text: &mut String, host: &Host) {
    let mut keys = Vec::new();
    let daemon = &host.daemon;
    if !daemon.userland_proxy {
        keys.push("userland-proxy = false".to_owned());
    }
    if daemon.allow_direct_routing {
        keys.push("allow-direct-routing = true".to_owned());
    }
    if !daemon.ip_forward {
        keys.push("ip-forward = false".to_owned());
    }
    if daemon.ip_forward_no_drop {
        keys.push("ip-forward-no-drop = true".to_owned());
    }
    if let Some(mark) = daemon.bridge_accept_fwmark {
        keys.push(format!(
            "bridge-accept-fwmark = \"{:#x}/{:#x}\"",
            mark.mark, mark.mask
        ));
    }
    if !keys.is_empty() {
        let _ = writeln!(text, "\n[daemon]\n{}", keys.join("\n"));
    }
    if host.wsl2_mirrored {
        text.push_str("\n[host]\nwsl2-mirrored = true\n");
    }
    if let Some(ingress) = &host.ingress {
        let _ = writeln!(
            text,
            "\n[swarm]\ningress-sandbox = {}",
            string(&ingress.sandbox.to_string())
        );
        ports(text, &ingress.publish);
    }
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

fn write_network(text: &mut String, network: &Network, origin: &str) {
    text.push('\n');
    text.push_str(&comment(&format!("From {origin}")));
    let _ = writeln!(text, "[[network]]\nname = {}", string(&network.name));
    if let Some(bridge) = &network.bridge
        && network.name != DEFAULT_BRIDGE
    {
        let _ = writeln!(text, "bridge = {}", string(bridge.as_str()));
    }
    let ipv4 = network.ipv4.map(|family| family.subnet.to_string());
    let ipv6 = network.ipv6.map(|family| family.subnet.to_string());
    let subnets = [ipv4.as_deref(), ipv6.as_deref()];
    let _ = writeln!(text, "subnets = {}", array(subnets.into_iter().flatten()));
    if network.internal {
        text.push_str("internal = true\n");
    }
    let mut options: Vec<(&str, String)> = Vec::new();
    if !network.icc {
        options.push(("bridge.enable_icc", "false".to_owned()));
    }
    if !network.masquerade {
        options.push(("bridge.enable_ip_masquerade", "false".to_owned()));
    }
    family(network.ipv4.as_ref(), "4", &mut options);
    family(network.ipv6.as_ref(), "6", &mut options);
    let trusted: Vec<&str> = network
        .trusted_host_interfaces
        .iter()
        .map(dockfw_ir::name::IfName::as_str)
        .collect();
    if !trusted.is_empty() {
        options.push(("bridge.trusted_host_interfaces", trusted.join(":")));
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
    options: &mut Vec<(&'static str, String)>,
) {
    let Some(family) = family else { return };
    let (mode, host) = match digit {
        "4" => ("bridge.gateway_mode_ipv4", "host_ipv4"),
        _ => ("bridge.gateway_mode_ipv6", "host_ipv6"),
    };
    let value = match family.gateway_mode {
        GatewayMode::Nat => None,
        GatewayMode::NatUnprotected => Some("nat-unprotected"),
        GatewayMode::Routed => Some("routed"),
        GatewayMode::Isolated => Some("isolated"),
    };
    options.extend(value.map(|value| (mode, value.to_owned())));
    options.extend(
        family
            .host_address
            .map(|address| (host, address.to_string())),
    );
}

fn write_container(text: &mut String, host: &Host, container: &Container, origin: &str) {
    text.push('\n');
    text.push_str(&comment(&format!("From {origin}")));
    let _ = writeln!(text, "[[container]]\nname = {}", string(&container.name));
    for endpoint in &container.endpoints {
        let Some(network) = host.networks.get(endpoint.network) else {
            continue;
        };
        let ipv4 = endpoint.ipv4.map(|address| address.to_string());
        let ipv6 = endpoint.ipv6.map(|address| address.to_string());
        let addresses = [ipv4.as_deref(), ipv6.as_deref()];
        let _ = writeln!(
            text,
            "networks.{} = {}",
            string(&network.name),
            array(addresses.into_iter().flatten())
        );
    }
    ports(text, &container.publish);
    if !container.expose.is_empty() {
        let expose: Vec<String> = container.expose.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            text,
            "expose = {}",
            array(expose.iter().map(String::as_str))
        );
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
