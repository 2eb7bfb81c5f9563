//! From the description of a lab to namespaces, links, addresses and routes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, RwLock};

use anyhow::{Context as _, Result, ensure};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::namespace::{Namespace, write_sysctl};
use super::reactor::{Handle, Reactor};
use super::spec::{Bridge, Builder, Container, Remote};
use super::{HOST, Lab, Node, server};

/// Set in every namespace before its first interface, so that interfaces take them over.
///
/// IPv4 settings start as copies of those of the machine, hence the zeros.
const SYSCTLS: &[(&str, &str)] = &[
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
    ("net.ipv4.conf.all.route_localnet", "0"),
    ("net.ipv4.conf.default.route_localnet", "0"),
    ("net.ipv6.conf.all.disable_ipv6", "0"),
    ("net.ipv6.conf.default.disable_ipv6", "0"),
    // Addresses are usable at once, without duplicate address detection.
    ("net.ipv6.conf.all.accept_dad", "0"),
    ("net.ipv6.conf.default.accept_dad", "0"),
    ("net.ipv6.conf.all.accept_ra", "0"),
    ("net.ipv6.conf.default.accept_ra", "0"),
    // No limit on ICMP errors: each of a hundred refused probes gets its answer.
    ("net.ipv4.icmp_ratemask", "0"),
    ("net.ipv6.icmp.ratelimit", "0"),
    ("net.ipv6.icmp.ratemask", "127"),
];

/// Set in the host only.
const HOST_SYSCTLS: &[(&str, &str)] = &[
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv6.conf.all.forwarding", "1"),
    ("net.ipv6.conf.default.forwarding", "1"),
];

/// Builds the lab that `spec` describes.
pub(super) fn build(mut spec: Builder) -> Result<Lab> {
    if spec.remotes.is_empty() {
        spec.remotes.push(Remote::default());
    }
    raise_file_limit()?;

    let mut nodes = vec![node(HOST)?];
    for remote in &spec.remotes {
        nodes.push(Node {
            uplinks: vec![("eth0".to_owned(), remote.host_interface.clone())],
            ..node(&remote.name)?
        });
    }
    for container in &spec.containers {
        let bridges = container
            .attachments
            .iter()
            .map(|attachment| attachment.bridge.clone());
        nodes.push(Node {
            uplinks: bridges
                .enumerate()
                .map(|(i, name)| (format!("eth{i}"), name))
                .collect(),
            ..node(&container.name)?
        });
    }
    let names: BTreeSet<&str> = nodes.iter().map(|node| &*node.name).collect();
    ensure!(
        names.len() == nodes.len(),
        "two nodes of the lab have one name"
    );

    // The host comes first: its script also makes the other ends of all links.
    let host = nodes.first().context("no host")?;
    let peers = nodes.get(1..).unwrap_or_default();
    host.namespace.run(|| {
        HOST_SYSCTLS
            .iter()
            .try_for_each(|(k, v)| write_sysctl(k, v))
    })??;
    host.namespace.ip(&host_script(&spec, peers)?)?;
    let scripts = spec
        .remotes
        .iter()
        .map(|remote| Ok(remote_script(remote)))
        .chain(
            spec.containers
                .iter()
                .map(|container| container_script(container, &spec.bridges)),
        );
    for (peer, script) in peers.iter().zip(scripts) {
        let script = script?;
        peer.namespace
            .ip(&script)
            .with_context(|| format!("configure {}", peer.name))?;
    }
    host.namespace.run(|| {
        spec.sysctls
            .iter()
            .try_for_each(|(k, v)| write_sysctl(k, v))
    })??;

    let reactor = Reactor::start(&host.namespace)?;
    let handle = reactor.handle();
    for node in &nodes {
        tap(node, handle)?;
    }
    let nodes = nodes.into_iter().map(Arc::new).collect();
    Ok(Lab {
        reactor,
        nodes: RwLock::new(nodes),
        timeout: spec.timeout,
        tells_addresses: spec.tells_addresses,
    })
}

/// Notes the echo requests that the kernel of a node answers.
pub(super) fn tap(node: &Node, handle: &Handle) -> Result<()> {
    node.namespace.run(|| -> Result<()> {
        for tap in server::open_taps(&node.name)? {
            node.keep(handle.add(&tap)?);
        }
        Ok(())
    })?
}

/// Makes the namespace of a node with its settings.
fn node(name: &str) -> Result<Node> {
    // A server's answer is split at white space.
    ensure!(
        !name.is_empty() && !name.contains(char::is_whitespace),
        "node name {name:?} is empty or has white space"
    );
    let namespace = Namespace::new()?;
    namespace.run(|| -> Result<()> {
        SYSCTLS
            .iter()
            .try_for_each(|(key, value)| write_sysctl(key, value))?;
        // Ping sockets for all groups; a user namespace accepts only groups it knows.
        let key = "net.ipv4.ping_group_range";
        write_sysctl(key, "0 2147483647").or_else(|_| write_sysctl(key, "0 0"))
    })??;
    Ok(Node {
        name: Arc::from(name),
        namespace,
        uplinks: Vec::new(),
        sockets: Mutex::default(),
    })
}

/// Links, bridges and addresses of the host; `peers` are the remotes, then the containers.
fn host_script(spec: &Builder, peers: &[Node]) -> Result<String> {
    let mut script = String::from("link set lo up\n");
    let mut interfaces = BTreeSet::from(["lo"]);
    for bridge in &spec.bridges {
        writeln!(script, "link add {} type bridge", bridge.name)?;
        let addresses = with_host_addresses(spec, &bridge.name, &bridge.addresses);
        configure(&mut script, &bridge.name, &addresses);
        interfaces.insert(&bridge.name);
    }
    let mut peers = peers.iter();
    for remote in &spec.remotes {
        let path = peers
            .next()
            .context("no node for a remote")?
            .namespace
            .path();
        let (interface, path) = (&remote.host_interface, path.display());
        writeln!(
            script,
            "link add {interface} type veth peer name eth0 netns {path}"
        )?;
        let addresses = with_host_addresses(spec, interface, &remote.host_addresses);
        configure(&mut script, interface, &addresses);
        interfaces.insert(interface);
    }
    for (c, container) in spec.containers.iter().enumerate() {
        let path = peers
            .next()
            .context("no node for a container")?
            .namespace
            .path();
        for (i, attachment) in container.attachments.iter().enumerate() {
            let bridge = find(&spec.bridges, &attachment.bridge)?;
            let (port, path) = (format!("veth{c}n{i}"), path.display());
            writeln!(
                script,
                "link add {port} type veth peer name eth{i} netns {path}"
            )?;
            writeln!(script, "link set {port} master {} up", bridge.name)?;
            if bridge.hairpin {
                writeln!(script, "link set {port} type bridge_slave hairpin on")?;
            }
        }
    }
    for (interface, _) in &spec.host_addresses {
        if interfaces.insert(interface) {
            // Like a dummy interface, which not every kernel has: a bridge without ports.
            writeln!(script, "link add {interface} type bridge")?;
            configure(
                &mut script,
                interface,
                &with_host_addresses(spec, interface, &[]),
            );
        }
    }
    Ok(script)
}

/// The addresses of an interface of the host, with those that [`Builder::host_address`] adds.
fn with_host_addresses(spec: &Builder, interface: &str, own: &[IpNet]) -> Vec<IpNet> {
    let more = spec.host_addresses.iter();
    let more = more.filter(|(name, _)| name == interface);
    own.iter()
        .copied()
        .chain(more.map(|(_, net)| *net))
        .collect()
}

/// Addresses and default routes of a remote.
fn remote_script(remote: &Remote) -> String {
    let mut script = String::from("link set lo up\n");
    configure(&mut script, "eth0", &remote.addresses);
    if remote.default_route {
        for gateway in gateways(&remote.host_addresses) {
            route(&mut script, default_of(gateway), gateway, Some(0));
        }
    }
    script
}

/// Addresses and routes of a container.
fn container_script(container: &Container, bridges: &[Bridge]) -> Result<String> {
    let mut script = String::from("link set lo up\n");
    let mut routed = Vec::new();
    for (i, attachment) in container.attachments.iter().enumerate() {
        configure(&mut script, &format!("eth{i}"), &attachment.addresses);
        let bridge = find(bridges, &attachment.bridge)?;
        // A container without an address of a family cannot route there.
        let speaks =
            |gateway: &IpAddr| attachment.addresses.iter().any(|net| net.contains(gateway));
        if !bridge.internal {
            let gateways = gateways(&bridge.addresses).filter(speaks);
            routed.extend(gateways.map(|gateway| (gateway, i)));
        }
    }
    for is_ipv4 in [true, false] {
        let mut of_family = routed.iter();
        let first = of_family.find(|(gateway, _)| gateway.is_ipv4() == is_ipv4);
        if let Some((gateway, i)) = first {
            route(&mut script, default_of(*gateway), *gateway, Some(*i));
        }
    }
    for (destination, gateway) in &container.routes {
        let mut all = container.attachments.iter();
        let i = all.position(|of| of.addresses.iter().any(|net| net.contains(gateway)));
        route(&mut script, *destination, *gateway, i);
    }
    Ok(script)
}

/// Brings an interface up and gives it addresses.
///
/// Where a link-local address is among them it is the only one, so that it is known with which
/// source the kernel speaks to neighbours.
fn configure(script: &mut String, interface: &str, addresses: &[IpNet]) {
    if addresses.iter().any(is_link_local) {
        let _ = writeln!(script, "link set {interface} addrgenmode none");
    }
    // Up first, so that routes over it can follow; writing to a string does not fail.
    let _ = writeln!(script, "link set {interface} up");
    for address in addresses {
        let flags = if address.addr().is_ipv6() {
            " nodad"
        } else {
            ""
        };
        let _ = writeln!(script, "addr add {address} dev {interface}{flags}");
    }
}

fn is_link_local(net: &IpNet) -> bool {
    matches!(net, IpNet::V6(net) if net.addr().is_unicast_link_local())
}

/// Adds a route by way of interface `eth` of a number, which a link-local gateway needs.
fn route(script: &mut String, destination: IpNet, gateway: IpAddr, interface: Option<usize>) {
    let device = interface.map(|number| format!(" dev eth{number}"));
    let device = device.unwrap_or_default();
    let _ = writeln!(script, "route add {destination} via {gateway}{device}");
}

/// The first address of each family.
fn gateways(addresses: &[IpNet]) -> impl Iterator<Item = IpAddr> {
    first_of_each_family(addresses.iter().map(IpNet::addr))
}

/// The first IPv4 and the first IPv6 address.
fn first_of_each_family(addresses: impl Iterator<Item = IpAddr>) -> impl Iterator<Item = IpAddr> {
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.partition(IpAddr::is_ipv4);
    v4.into_iter().take(1).chain(v6.into_iter().take(1))
}

/// The network that contains all addresses of the family of `gateway`.
fn default_of(gateway: IpAddr) -> IpNet {
    match gateway {
        IpAddr::V4(_) => Ipv4Net::default().into(),
        IpAddr::V6(_) => Ipv6Net::default().into(),
    }
}

/// The bridge of a name.
fn find<'a>(bridges: &'a [Bridge], name: &str) -> Result<&'a Bridge> {
    let found = bridges.iter().find(|bridge| bridge.name == name);
    found.with_context(|| format!("the lab has no bridge {name:?}"))
}

/// Allows as many open files as the administrator permits: a server is one file per port.
fn raise_file_limit() -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("raise the limit of open files")?;
    }
    Ok(())
}
