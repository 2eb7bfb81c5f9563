//! A network of the daemon as one of the host model.

use std::net::{IpAddr, Ipv4Addr};

use dockfw_ir::name::IfName;
use dockfw_lower::docker::check::{NetworkField, Place};
use dockfw_lower::host::{DEFAULT_BRIDGE, Driver, Network, NetworkFamily};
use ipnet::IpNet;

use crate::docker::daemon::{Daemon, Found};
use crate::docker::state;
use crate::policy::Base;

/// The device of Docker's default network, unless another one is named.
const DEFAULT_DEVICE: &str = "docker0";

/// The network as a whole.
pub(super) fn place(network: usize) -> Place {
    Place::Network {
        network,
        field: NetworkField::Name,
    }
}

/// The network; `None` when it has no packets of its own: `host`, `none`, or options for others.
///
/// # Errors
///
/// Why it is not understood.
pub(super) fn network(
    live: &state::Network,
    daemon: &Daemon,
    base: &Base,
    notes: &mut Vec<String>,
) -> Result<Option<Network>, String> {
    if live.config_only {
        return Ok(None);
    }
    let driver = match live.driver.as_str() {
        "bridge" => Driver::Bridge,
        "ipvlan" => Driver::Ipvlan,
        "macvlan" => Driver::Macvlan,
        "overlay" => Driver::Overlay,
        "host" | "null" | "none" => return Ok(None),
        other => {
            return Err(format!(
                "dockfw does not know the network driver {other:?}; what is in this network is \
                 not protected, and not opened"
            ));
        }
    };
    let mut network = Network {
        name: live.name.clone(),
        driver,
        bridge: None,
        ipv4: None,
        ipv6: None,
        internal: live.internal,
        icc: true,
        masquerade: true,
        host_binding: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        trusted_host_interfaces: Vec::new(),
        inhibit_ipv4: false,
    };
    subnets(live, &mut network)?;
    if driver != Driver::Bridge {
        return Ok(Some(network));
    }
    let is_default = live.name == DEFAULT_BRIDGE;
    let settings = base.settings(&live.options, is_default)?;
    let device = match (&settings.bridge, live.id.get(..12)) {
        (Some((name, _)), _) if !name.is_empty() => name.clone(),
        (Some(_) | None, _) if is_default => DEFAULT_DEVICE.to_owned(),
        (Some(_) | None, Some(id)) => format!("br-{id}"),
        (Some(_) | None, None) => return Err("it has no id".to_owned()),
    };
    network.bridge = Some(IfName::new(&device).map_err(|error| format!("{device:?}: {error}"))?);
    network.icc = settings.icc.unwrap_or(true);
    network.masquerade = settings.masquerade.unwrap_or(true);
    if is_default && !base.sets("ip-masq") {
        network.masquerade = default_masquerade(network.masquerade, daemon, notes);
    }
    network.host_binding = settings.host_binding.unwrap_or(network.host_binding);
    network.trusted_host_interfaces = settings.trusted_host_interfaces.unwrap_or_default();
    network.inhibit_ipv4 = settings.inhibit_ipv4.unwrap_or(false);
    if let Some(ipv4) = &mut network.ipv4 {
        let mode = settings.gateway_mode_ipv4;
        ipv4.gateway_mode = mode.map(|(mode, _)| mode).unwrap_or_default();
        ipv4.host_address = settings.host_ipv4;
    }
    if let Some(ipv6) = &mut network.ipv6 {
        let mode = settings.gateway_mode_ipv6;
        ipv6.gateway_mode = mode.map(|(mode, _)| mode).unwrap_or_default();
        ipv6.host_address = settings.host_ipv6;
    }
    Ok(Some(network))
}

/// Whether the default network masquerades.
///
/// dockerd says no whenever it does not program iptables, whatever `ip-masq` is.
///
/// Source: moby docker-v29.0.0, `daemon/config/config_linux.go` and `daemon/daemon_unix.go`.
fn default_masquerade(shown: bool, daemon: &Daemon, notes: &mut Vec<String>) -> bool {
    let settings = &daemon.settings;
    match (&settings.ip_masq, &settings.iptables) {
        _ if shown => true,
        (Some(Found { value, .. }), _) => *value,
        (None, Some(Found { value: true, .. })) => false,
        (None, Some(Found { value: false, .. })) if daemon.is_complete() => true,
        (None, None) if daemon.is_complete() => false,
        (None, Some(_) | None) => {
            notes.push(
                "assumed that the default network masquerades: dockerd says that it does not, as \
                 it does whenever iptables is false; write ip-masq into [daemon] to be sure"
                    .to_owned(),
            );
            true
        }
    }
}

/// The address pools; a bridge has one of each family, of other drivers the first ones count.
fn subnets(live: &state::Network, network: &mut Network) -> Result<(), String> {
    for pool in &live.subnets {
        let subnet: IpNet = pool
            .subnet
            .parse()
            .map_err(|_error| format!("{:?} is not a subnet", pool.subnet))?;
        // Old daemons show a prefix length.
        let gateway = pool.gateway.split('/').next().unwrap_or_default();
        let gateway: Option<IpAddr> = if gateway.is_empty() {
            None
        } else {
            let parsed = gateway.parse();
            Some(parsed.map_err(|_error| format!("{gateway:?} is not an address"))?)
        };
        match subnet {
            IpNet::V4(subnet) if live.ipv4 && network.ipv4.is_none() => {
                network.ipv4 = Some(NetworkFamily {
                    subnet: subnet.trunc(),
                    gateway: gateway.and_then(|of| match of {
                        IpAddr::V4(address) => Some(address),
                        IpAddr::V6(_) => None,
                    }),
                    gateway_mode: dockfw_lower::host::GatewayMode::Nat,
                    host_address: None,
                });
            }
            IpNet::V6(subnet) if live.ipv6 && network.ipv6.is_none() => {
                network.ipv6 = Some(NetworkFamily {
                    subnet: subnet.trunc(),
                    gateway: gateway.and_then(|of| match of {
                        IpAddr::V6(address) => Some(address),
                        IpAddr::V4(_) => None,
                    }),
                    gateway_mode: dockfw_lower::host::GatewayMode::Nat,
                    host_address: None,
                });
            }
            IpNet::V4(_) | IpNet::V6(_) => {}
        }
    }
    Ok(())
}
