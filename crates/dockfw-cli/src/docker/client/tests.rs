//! Answers of a real dockerd, and fields that later ones have.

use bollard::models::{
    ContainerInspectResponse, ContainerSummary, EventMessage, Network, NetworkInspect, Service,
    SystemInfo,
};
use serde_json::{Value, json};

use super::event::{Action, Event};
use super::{Summary, by_id, convert};
use crate::docker::State;
use crate::docker::daemon::{Daemon, Swarm};

/// What dockerd 20.10.24 said, with the parts that play a role.
const OLD: &str = include_str!("../recorded/engine-20.10.json");
/// What dockerd 28.5.2 said.
const NEW: &str = include_str!("../recorded/engine-28.5.json");

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// The state that the recorded answers of the old dockerd describe.
pub(in crate::docker) fn recorded() -> State {
    recorded_of(OLD, "20.10.24", "1.41")
}

/// The state that the recorded answers of the new dockerd describe.
pub(in crate::docker) fn recorded_new() -> State {
    recorded_of(NEW, "28.5.2", "1.51")
}

fn recorded_of(text: &str, version: &str, api: &str) -> State {
    let mut all: Value = serde_json::from_str(text).unwrap();
    let mut daemon = Daemon {
        version: version.to_owned(),
        api: api.to_owned(),
        ..Daemon::default()
    };
    convert::info(&read::<SystemInfo>(all["info"].take()), &mut daemon);
    let networks: Vec<Network> = read(all["networks"].take());
    let members = convert::members(read::<NetworkInspect>(all["docker_gwbridge"].take()));
    let services: Vec<Service> = read(all["services"].take());
    let mut state = State {
        daemon,
        networks: by_id(networks.into_iter().map(convert::network).collect()),
        ingress_sandbox: members.sandbox.clone(),
        services: convert::services(&services),
        ..State::default()
    };
    let Value::Object(containers) = all["containers"].take() else {
        panic!()
    };
    for (id, answer) in containers {
        let mut container = convert::container(read(answer)).unwrap();
        members.complete(&mut container);
        assert_eq!(container.id, id);
        state.containers.insert(id, container);
    }
    state
}

#[test]
fn a_recorded_daemon_is_read() {
    let state = recorded();
    assert_eq!(state.daemon.swarm, Swarm::Manager);
    assert_eq!(state.daemon.live_restore, Some(false));
    assert!(!state.daemon.rootless);
    assert_eq!(state.ingress_sandbox.as_deref(), Some("172.20.0.2"));
    let services: Vec<_> = state
        .services
        .iter()
        .map(|of| (of.published, of.target, of.protocol.as_str()))
        .collect();
    assert_eq!(services, [(5353, 53, "udp"), (8088, 80, "tcp")]);
    let named = |name: &str| {
        state
            .containers
            .values()
            .find(|of| of.name == name)
            .unwrap()
    };
    let web = named("web1");
    let addresses: Vec<_> = web
        .endpoints
        .iter()
        .map(|of| (of.network_name.as_str(), of.ipv4.as_str(), of.ipv6.as_str()))
        .collect();
    assert_eq!(
        addresses,
        [
            ("dual", "10.78.0.3", "fd00:78::3"),
            ("web", "10.77.0.2", "")
        ]
    );
    assert_eq!(web.ports.len(), 11);
    assert_eq!(named("def2").links, ["def1"]);
    assert_eq!(named("def2").exposed, ["90/udp", "91/udp"]);
    // It has the network of another one, or none.
    assert!(named("shr").endpoints.is_empty());
    assert!(named("inn").ports.is_empty());
    let task = state
        .containers
        .values()
        .find(|of| of.name.starts_with("svc."));
    let networks: Vec<_> = task
        .unwrap()
        .endpoints
        .iter()
        .map(|of| (of.network_name.as_str(), of.ipv4.as_str()))
        .collect();
    assert_eq!(
        networks,
        [("docker_gwbridge", "172.20.0.3"), ("ingress", "10.0.0.4")]
    );
}

#[test]
fn fields_of_later_daemons_are_read() {
    let answer = json!({
        "Id": "c1", "Name": "/c", "State": { "Running": true },
        "NetworkSettings": {
            "Ports": {
                "80/tcp": [
                    { "HostIp": "0.0.0.0", "HostPort": "" },
                    { "HostIp": "::", "HostPort": "" },
                    { "HostIp": "0.0.0.0", "HostPort": "" },
                ],
                "81/tcp": null,
            },
            "Networks": { "web": {
                "NetworkID": "n1", "IPAddress": "10.0.0.2", "GlobalIPv6Address": "fd00::2",
                "GwPriority": 7, "DNSNames": ["c"],
            } },
        },
    });
    let container = convert::container(read::<ContainerInspectResponse>(answer)).unwrap();
    assert_eq!(container.endpoints[0].gw_priority, 7);
    let ports: Vec<_> = container
        .ports
        .iter()
        .map(|of| {
            (
                of.container.as_str(),
                of.host_ip.as_str(),
                of.host_port.as_str(),
            )
        })
        .collect();
    assert_eq!(ports, [("80/tcp", "0.0.0.0", ""), ("80/tcp", "::", "")]);

    let network = json!({
        "Id": "n1", "Name": "six", "Driver": "bridge", "EnableIPv4": false, "EnableIPv6": true,
        "IPAM": { "Config": [{ "Subnet": "fd00::/64", "Gateway": "fd00::1" }, { "Subnet": "" }] },
        "Status": { "IPAM": {} },
    });
    let network = convert::inspected_network(read(network)).unwrap();
    assert!(!network.ipv4 && network.ipv6);
    assert_eq!(network.subnets.len(), 1);

    let info = json!({
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"],
        "FirewallBackend": { "Driver": "nftables", "Info": [["EnableUserlandProxy", "false"]] },
        "Swarm": { "LocalNodeState": "active", "ControlAvailable": false },
    });
    let mut daemon = Daemon::default();
    convert::info(&read(info), &mut daemon);
    assert!(daemon.rootless);
    assert_eq!(daemon.swarm, Swarm::Worker);
    assert_eq!(
        daemon.settings.userland_proxy.map(|of| of.value),
        Some(false)
    );
}

#[test]
fn only_a_container_that_runs_has_a_network() {
    let state = |state: Value| {
        let answer = json!({ "Id": "c1", "Name": "/c", "State": state });
        convert::container(read::<ContainerInspectResponse>(answer))
    };
    assert!(state(json!({ "Running": true })).is_some());
    assert!(state(json!({ "Running": true, "Paused": true })).is_some());
    assert!(state(json!({ "Running": false })).is_none());
    assert!(state(json!({ "Running": true, "Restarting": true })).is_none());
    assert!(state(Value::Null).is_none());
}

#[test]
fn events_say_what_to_ask_about() {
    let event = |kind: &str, action: &str, attributes: Value| {
        let event = json!({
            "Type": kind, "Action": action, "Actor": { "ID": "id1", "Attributes": attributes },
            "scope": "local", "time": 1, "timeNano": 1_000_000_002_u64,
        });
        Event::new(read::<EventMessage>(event))
    };
    let id = || "id1".to_owned();
    let name = || json!({ "name": "web" });
    for action in ["start", "restart", "rename", "update"] {
        let event = event("container", action, name());
        assert_eq!(event.action, Action::Container(id()));
        assert_eq!(event.what, format!("{action} web"));
        let at = event.at.unwrap().duration_since(std::time::UNIX_EPOCH);
        assert_eq!(at.unwrap().as_nanos(), 1_000_000_002);
    }
    for action in ["die", "destroy"] {
        assert_eq!(
            event("container", action, name()).action,
            Action::ContainerGone(id())
        );
    }
    let of = json!({ "name": "net", "container": "c9" });
    let connected = event("network", "connect", of);
    assert_eq!(connected.action, Action::Container("c9".to_owned()));
    assert_eq!(connected.what, "connect net c9");
    assert_eq!(
        event("network", "create", name()).action,
        Action::Network(id())
    );
    assert_eq!(
        event("network", "destroy", name()).action,
        Action::NetworkGone(id())
    );
    assert_eq!(event("daemon", "reload", name()).action, Action::Everything);
    assert_eq!(
        event("service", "update", name()).action,
        Action::Everything
    );
    for action in ["kill", "exec_die", "pause", "health_status: healthy"] {
        assert_eq!(event("container", action, name()).action, Action::Nothing);
    }
}

#[test]
fn the_list_contradicts_what_is_not_true_any_more() {
    // As dockerd 20.10.24 lists it.
    let line = |address: &str, port: u16| {
        let ports = [
            json!({ "IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": port, "Type": "tcp" }),
            json!({ "IP": "::", "PrivatePort": 80, "PublicPort": port, "Type": "tcp" }),
            json!({ "PrivatePort": 90, "Type": "tcp" }),
        ];
        let networks = json!({ "web": {
            "NetworkID": "n1", "IPAddress": address, "IPPrefixLen": 16, "GlobalIPv6Address": "",
        } });
        let line = json!({
            "Id": "c1", "Names": ["/other/alias", "/c"], "State": "running", "Ports": ports,
            "NetworkSettings": { "Networks": networks },
        });
        Summary::new(read::<ContainerSummary>(line)).unwrap()
    };
    let answer = json!({
        "Id": "c1", "Name": "/c", "State": { "Running": true },
        "NetworkSettings": {
            "Ports": {
                "80/tcp": [
                    { "HostIp": "0.0.0.0", "HostPort": "8080" }, { "HostIp": "::", "HostPort": "8080" },
                ],
                "90/tcp": null,
            },
            "Networks": { "web": { "NetworkID": "n1", "IPAddress": "172.18.0.2" } },
        },
    });
    let mut known = convert::container(read(answer)).unwrap();
    let same = line("172.18.0.2", 8080);
    assert_eq!((same.id.as_str(), same.name.as_str()), ("c1", "c"));
    assert!(same.allows(&known));
    assert!(!line("172.18.0.3", 8080).allows(&known));
    assert!(!line("172.18.0.2", 8081).allows(&known));
    // Swarm's bridge is not in the list; a network that is not any more is.
    let mut more = known.endpoints[0].clone();
    more.network_name = "docker_gwbridge".to_owned();
    more.network_id = "g".to_owned();
    known.endpoints.push(more);
    assert!(same.allows(&known));
    known.endpoints[1].network_name = "other".to_owned();
    assert!(!same.allows(&known));
    // Without a word about it nothing is contradicted.
    let bare = read::<ContainerSummary>(json!({ "Id": "c1" }));
    assert!(Summary::new(bare).unwrap().allows(&known));
}
