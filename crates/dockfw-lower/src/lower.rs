//! From the host model to one nftables table with Docker's behaviour.
//!
//! The table has a static skeleton and dynamic elements: a container or a published port changes
//! elements of sets and maps only; a network adds its own few chains and its elements in the
//! dispatch maps; only an option of dockerd changes the rules that all packets meet.
//! A packet costs the same number of look-ups however many ports, containers and networks there
//! are.
//!
//! A packet's way (priorities in brackets):
//!
//! 1. `guard-prerouting` (−150, after conntrack, before DNAT): drops new packets that come to a
//!    container's own address from elsewhere than its bridge, and remote packets to a port that is
//!    published on a loopback address. Module [`guard`].
//! 2. `nat-prerouting` and `nat-output` (−100): published ports, by two maps in `DOCKER-NAT`.
//!    Module [`dnat`].
//!    Before them the ports of swarm's services. Module [`ingress`].
//! 3. `forward` (0): `DOCKER-USER`, then `DOCKER-FORWARD`. Module [`forward`]; legacy links in
//!    [`link`].
//! 4. `nat-postrouting` (100): masquerading and SNAT. Module [`postrouting`].
//!
//! With [`Host::count_publishes`], `count-postrouting` and `count-input` (99) count what goes to
//! published ports and comes back, and decide nothing. Module [`count`].
//!
//! Source: the behaviour of moby docker-v29.0.0,
//! `daemon/libnetwork/drivers/bridge/internal/iptabler/`.

mod container;
pub(crate) mod count;
mod dnat;
pub(crate) mod family;
mod forward;
mod guard;
mod ingress;
mod link;
pub(crate) mod make;
pub(crate) mod names;
mod ports;
mod postrouting;

use std::ops::Deref;

pub use container::container_elements;
pub(crate) use guard::INGRESS_SANDBOX;

use dockfw_ir::name::{Comment, IfName, TableName};
use dockfw_ir::{Ruleset, Table};

use crate::host::{Driver, Host, Network};
use ports::Ports;

/// Compiles a host to the table `inet dockfw`.
///
/// The host must have passed [`check`](crate::docker::check); what dockerd would refuse has no
/// meaning here. Elements come out ordered by key, so the order in which networks and containers
/// are written has no influence on sets and maps.
pub fn lower(host: &Host) -> Ruleset {
    let ports = Ports::collect(host);
    let mut table = Table {
        family: dockfw_ir::table::Family::Inet,
        name: names::table(),
        comment: Comment::lossy(
            "Docker's packet filter, made by dockfw. Do not edit: the next commit replaces it.",
        ),
        sets: Vec::new(),
        chains: Vec::new(),
    };
    guard::add(&mut table, host, &ports);
    ingress::add(&mut table, host);
    dnat::add(&mut table, host, &ports);
    forward::add(&mut table, host, &ports.container);
    postrouting::add(&mut table, host);
    count::add(&mut table, host);
    Ruleset {
        tables: vec![table],
    }
}

/// The name of the table: `dockfw`, in the family `inet`.
pub fn table_name() -> TableName {
    names::table()
}

/// A network that has rules on the host, and its bridge device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BridgeNetwork<'a> {
    pub(crate) network: &'a Network,
    device: &'a IfName,
}

impl Deref for BridgeNetwork<'_> {
    type Target = Network;

    fn deref(&self) -> &Network {
        self.network
    }
}

/// The networks that have rules on the host, ordered by bridge device.
pub(crate) fn bridge_networks(host: &Host) -> Vec<BridgeNetwork<'_>> {
    let mut networks: Vec<_> = host
        .networks
        .iter()
        .filter(|network| network.driver == Driver::Bridge)
        .filter_map(|network| {
            Some(BridgeNetwork {
                network,
                device: network.bridge.as_ref()?,
            })
        })
        .collect();
    networks.sort_by_key(|network| network.device);
    networks
}
