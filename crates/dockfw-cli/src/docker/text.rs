//! A host that was made of a daemon's state, as a policy file.

use std::fmt::Write as _;

use super::{Address, Built, State};
use crate::policy::write;
use crate::policy::write::toml::comment;
use crate::policy::{Base, Source};

/// What a daemon has, as a policy file that has its place beside those of `base`.
///
/// Together they make [`Built::host`]. The same state gives the same text.
pub fn policy(address: &Address, state: &State, base: &Base, built: &Built) -> Source {
    let mut text = comment(&format!(
        "What dockerd {} has, read from {address}.",
        state.daemon.version
    ));
    listed(&mut text, "Notes", built.notes.iter().cloned());
    let left_out = built.left_out.iter();
    let left_out = left_out.map(|of| format!("{}: {}", of.name, of.why));
    listed(&mut text, "Left out, and so closed", left_out);
    text.push_str("version = 1\n");
    let host = &built.host;
    write::daemon(&mut text, host, |key| base.sets(key));
    if let Some(ingress) = &host.ingress {
        let sandbox = base.sandbox.is_none().then_some(ingress.sandbox);
        let publish = ingress.publish.get(base.services.len()..);
        write::swarm(&mut text, sandbox, publish.unwrap_or_default());
    }
    let explicit = base.has_network_defaults();
    for network in host.networks.iter().skip(base.host.networks.len()) {
        text.push('\n');
        write::network(&mut text, network, explicit);
    }
    for container in host.containers.iter().skip(base.host.containers.len()) {
        text.push('\n');
        write::container(&mut text, host, container);
    }
    Source {
        name: format!("docker {address}"),
        bytes: text.into_bytes(),
    }
}

fn listed(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "#\n# {title}:");
    for line in lines {
        text.push_str(&comment(&format!("- {line}")));
    }
}
