//! Swarm's routing mesh.

use dockfw_lower::docker::publish::{PortRange, Protocol, Publish};
use dockfw_lower::host::Ingress;

use crate::docker::State;
use crate::docker::daemon::Swarm;
use crate::policy::Base;

/// The mesh, of what the files say and what the daemon knows.
pub(super) fn ingress(state: &State, base: &Base, notes: &mut Vec<String>) -> Option<Ingress> {
    let mut publish = base.services.clone();
    for port in &state.services {
        let protocol = match port.protocol.as_str() {
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => Protocol::Tcp,
        };
        let published = PortRange::new(port.published, port.published);
        let Some((host_ports, container_ports)) =
            published.zip(PortRange::new(port.target, port.target))
        else {
            continue;
        };
        publish.push(Publish {
            host: None,
            host_ports: Some(host_ports),
            container_ports,
            protocol,
        });
    }
    if let Some(why) = &state.services_unread {
        notes.push(format!(
            "what services publish is as it was before, as far as it was known: {why}"
        ));
    }
    if state.daemon.swarm == Swarm::Worker && base.services.is_empty() {
        notes.push(
            "this node is a worker of a swarm and does not know what services publish; write \
             publish = [...] into [swarm], as `docker service ls` shows it on a manager"
                .to_owned(),
        );
    }
    let shown = state.ingress_sandbox.as_deref();
    let sandbox = base.sandbox.or_else(|| shown?.parse().ok());
    if publish.is_empty() && base.sandbox.is_none() {
        return None;
    }
    let Some(sandbox) = sandbox else {
        notes.push(format!(
            "published ports of services are closed: the ingress sandbox is not in network \
             docker_gwbridge ({})",
            shown.unwrap_or("it is not shown")
        ));
        return None;
    };
    Some(Ingress { sandbox, publish })
}
