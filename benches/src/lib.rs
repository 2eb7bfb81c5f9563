//! Hosts of any size for the benchmarks.

#![forbid(unsafe_code)]

pub mod change;
pub mod connect;
pub mod watch;

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use dockfw::policy::{self, Source};
use dockfw_lower::host::Host;

/// Published ports of one container.
const PORTS_EACH: usize = 32;

/// Containers of one network: a /16 has room for many more, but few hosts have them.
const CONTAINERS_EACH: usize = 500;

/// A policy file with this many published tcp ports, spread over containers with 32 each.
///
/// Neighbouring host ports do not lead to neighbouring ports of a container, so that nothing folds
/// into ranges and every port is an element of its own. IPv4 only, as the iptables program it is
/// compared with then has the fewest rules.
///
/// # Panics
///
/// Above 60,000 ports.
pub fn policy_text(ports: usize, userland_proxy: bool) -> String {
    assert!(ports <= 60_000, "a host has 65,535 ports");
    let containers = ports.div_ceil(PORTS_EACH);
    let networks = containers.div_ceil(CONTAINERS_EACH).max(1);
    let mut text = format!("version = 1\n\n[daemon]\nuserland-proxy = {userland_proxy}\n");
    for network in 0..networks {
        let _ = write!(
            text,
            "\n[[network]]\nname = \"net{network}\"\nbridge = \"br-net{network}\"\n\
             subnets = [\"172.{}.0.0/16\"]\n",
            18 + network
        );
    }
    for container in 0..containers {
        let (network, index) = (container / CONTAINERS_EACH, container % CONTAINERS_EACH + 2);
        let _ = write!(
            text,
            "\n[[container]]\nname = \"c{container}\"\n\
             networks.net{network} = [\"172.{}.{}.{}\"]\npublish = [",
            18 + network,
            index / 250,
            index % 250 + 2,
        );
        let first = container * PORTS_EACH;
        for port in first..ports.min(first + PORTS_EACH) {
            let host = 2_000 + port;
            let inside = 1_000 + (port - first) * 3;
            let _ = write!(text, "\"{host}:{inside}\", ");
        }
        text.push_str("]\n");
    }
    text
}

/// The host of [`policy_text`].
///
/// # Errors
///
/// When the policy is wrong, which would be a bug here.
pub fn host(ports: usize, userland_proxy: bool) -> Result<Host> {
    let bytes = policy_text(ports, userland_proxy).into_bytes();
    let source = Source {
        name: "bench.toml".to_owned(),
        bytes,
    };
    let policy =
        policy::parse(vec![source]).map_err(|diagnostics| anyhow::anyhow!("{diagnostics}"));
    Ok(policy.context("the benchmark's own policy")?.host)
}
