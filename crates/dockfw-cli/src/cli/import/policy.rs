//! The policy file of an imported host.

use std::fmt::Write as _;

use dockfw_lower::import::Imported;

use super::{Dump, headline, rest};
use crate::policy::write;
use crate::policy::write::toml::{comment, lines};

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
    let host = &imported.host;
    write::daemon(&mut text, host, |_| false);
    write::host(&mut text, host);
    if let Some(ingress) = &host.ingress {
        write::swarm(&mut text, Some(ingress.sandbox), &ingress.publish);
    }
    for (network, origin) in host.networks.iter().zip(&imported.network_origins) {
        text.push('\n');
        text.push_str(&comment(&format!("From {origin}")));
        write::network(&mut text, network, false);
    }
    for (container, origin) in host.containers.iter().zip(&imported.container_origins) {
        text.push('\n');
        text.push_str(&comment(&format!("From {origin}")));
        write::container(&mut text, host, container);
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
