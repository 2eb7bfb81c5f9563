//! The description of a lab: bridges, containers, remotes.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use ipnet::IpNet;

use super::{Lab, build};

/// A Docker network: a bridge of the host.
#[derive(Debug, Clone, Default)]
pub struct Bridge {
    /// Interface name, at most 15 bytes.
    pub name: String,
    /// Gateway addresses with prefix length, none or some of either family.
    pub addresses: Vec<IpNet>,
    /// Containers get no default route through this bridge.
    pub internal: bool,
    /// Ports send packets back where they came from, as Docker sets without userland proxy.
    pub hairpin: bool,
}

impl Bridge {
    /// A bridge with gateway addresses such as `172.18.0.1/16`.
    ///
    /// # Panics
    ///
    /// When an address is malformed.
    pub fn new(name: &str, addresses: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            addresses: nets(addresses),
            ..Self::default()
        }
    }

    /// Sets [`Bridge::internal`].
    #[must_use]
    pub fn internal(self) -> Self {
        Self {
            internal: true,
            ..self
        }
    }

    /// Sets [`Bridge::hairpin`].
    #[must_use]
    pub fn hairpin(self) -> Self {
        Self {
            hairpin: true,
            ..self
        }
    }
}

/// A container on a bridge.
#[derive(Debug, Clone, Default)]
pub struct Attachment {
    /// Name of the bridge.
    pub bridge: String,
    /// Addresses with prefix length.
    pub addresses: Vec<IpNet>,
}

/// A container. Its attachments are `eth0`, `eth1`, …; on the host, attachment I of container C
/// (both counted from 0) is `vethCnI`.
///
/// Per family, its default route is the gateway of the first attachment that has one on a bridge
/// that is not internal.
#[derive(Debug, Clone, Default)]
pub struct Container {
    /// Node name; not the name of another node.
    pub name: String,
    /// Bridges it is attached to.
    pub attachments: Vec<Attachment>,
    /// More routes: destination and gateway.
    pub routes: Vec<(IpNet, IpAddr)>,
}

impl Container {
    /// A container without attachments.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Attaches it to a bridge with addresses such as `172.18.0.2/16`.
    ///
    /// # Panics
    ///
    /// When an address is malformed.
    #[must_use]
    pub fn on(mut self, bridge: &str, addresses: &[&str]) -> Self {
        self.attachments.push(Attachment {
            bridge: bridge.to_owned(),
            addresses: nets(addresses),
        });
        self
    }

    /// Adds a route, such as a default route `0.0.0.0/0` on an internal network.
    ///
    /// # Panics
    ///
    /// When an address is malformed.
    #[must_use]
    pub fn route(mut self, destination: &str, gateway: &str) -> Self {
        self.routes.push((parse(destination), parse(gateway)));
        self
    }
}

/// A machine on another link of the host. Its interface is `eth0`.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Node name; not the name of another node.
    pub name: String,
    /// Interface of the host on this link.
    pub host_interface: String,
    /// Addresses of the host on this link.
    pub host_addresses: Vec<IpNet>,
    /// Addresses of the remote.
    pub addresses: Vec<IpNet>,
    /// The remote sends everything to the first address of the host of each family, so that it can
    /// try to reach containers directly.
    pub default_route: bool,
}

impl Default for Remote {
    /// `remote` with 192.0.2.2/24 and 2001:db8:ffff::2/64; the host has 192.0.2.1 and
    /// 2001:db8:ffff::1 on `eth0`.
    fn default() -> Self {
        Self {
            name: "remote".to_owned(),
            host_interface: "eth0".to_owned(),
            host_addresses: nets(&["192.0.2.1/24", "2001:db8:ffff::1/64"]),
            addresses: nets(&["192.0.2.2/24", "2001:db8:ffff::2/64"]),
            default_route: true,
        }
    }
}

impl Remote {
    /// A remote on the interface `host_interface` of the host.
    ///
    /// # Panics
    ///
    /// When an address is malformed.
    pub fn new(
        name: &str,
        host_interface: &str,
        host_addresses: &[&str],
        addresses: &[&str],
    ) -> Self {
        Self {
            name: name.to_owned(),
            host_interface: host_interface.to_owned(),
            host_addresses: nets(host_addresses),
            addresses: nets(addresses),
            default_route: true,
        }
    }

    /// Adds an address of the remote.
    ///
    /// # Panics
    ///
    /// When the address is malformed.
    #[must_use]
    pub fn address(mut self, address: &str) -> Self {
        self.addresses.push(parse(address));
        self
    }
}

/// What to build, see [`Lab::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    pub(super) bridges: Vec<Bridge>,
    pub(super) containers: Vec<Container>,
    /// Empty stands for one default remote.
    pub(super) remotes: Vec<Remote>,
    pub(super) host_addresses: Vec<(String, IpNet)>,
    pub(super) sysctls: Vec<(String, String)>,
    pub(super) timeout: Duration,
    pub(super) tells_addresses: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            bridges: Vec::new(),
            containers: Vec::new(),
            remotes: Vec::new(),
            host_addresses: Vec::new(),
            sysctls: Vec::new(),
            timeout: Duration::from_millis(1200),
            tells_addresses: false,
        }
    }
}

impl Builder {
    /// Adds a bridge.
    #[must_use]
    pub fn bridge(mut self, bridge: Bridge) -> Self {
        self.bridges.push(bridge);
        self
    }

    /// Adds a container.
    #[must_use]
    pub fn container(mut self, container: Container) -> Self {
        self.containers.push(container);
        self
    }

    /// Adds a remote; the first call replaces the default one.
    #[must_use]
    pub fn remote(mut self, remote: Remote) -> Self {
        self.remotes.push(remote);
        self
    }

    /// Adds an address to an interface of the host; a new name makes an interface
    /// without a link (an empty bridge).
    ///
    /// # Panics
    ///
    /// When the address is malformed.
    #[must_use]
    pub fn host_address(mut self, interface: &str, address: &str) -> Self {
        self.host_addresses
            .push((interface.to_owned(), parse(address)));
        self
    }

    /// Writes a sysctl of the host once all interfaces exist, see [`Lab::sysctl`].
    #[must_use]
    pub fn host_sysctl(mut self, key: &str, value: &str) -> Self {
        self.sysctls.push((key.to_owned(), value.to_owned()));
        self
    }

    /// How long probes wait for an answer; 1.2 s if not set, which lets TCP send a lost packet
    /// again.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Servers name themselves `NODE@ADDRESS`, with the address that was spoken to: after any
    /// translation.
    #[must_use]
    pub fn telling_addresses(self) -> Self {
        Self {
            tells_addresses: true,
            ..self
        }
    }

    /// Builds the lab.
    ///
    /// # Errors
    ///
    /// When two nodes have one name, an attachment names no bridge, `ip` is missing or refuses a
    /// line, or the caller may not make namespaces.
    pub fn build(self) -> Result<Lab> {
        build::build(self)
    }
}

/// Parses the addresses of a test.
fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| parse(text)).collect()
}

/// Parses one address or network of a test.
fn parse<T: std::str::FromStr>(text: &str) -> T {
    let value = text.parse().ok();
    #[expect(clippy::expect_used, reason = "the text is a literal of a test")]
    value.expect("malformed address")
}
