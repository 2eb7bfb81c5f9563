//! Published ports: from single bindings of one family to what `-p` would have been.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dockfw_lower::docker::publish::{PortRange, Protocol, Publish};

use crate::docker::state::Port;

const ANY4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const ANY6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// One binding. Ordered so that those that can be one range follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Single {
    protocol: Protocol,
    host: Option<IpAddr>,
    /// Host port minus container port; `None` when there is no host port.
    offset: Option<i32>,
    container: u16,
}

/// The published ports of a container, consecutive ones as ranges.
///
/// Each binding has its address written out, so that it means the family that dockerd bound and no
/// other. A pair of all IPv4 and all IPv6 addresses is what no address means, as long as
/// `binds_all`: no network of the container has another default.
///
/// # Errors
///
/// What is not understood.
pub(super) fn publishes(ports: &[Port], binds_all: bool) -> Result<Vec<Publish>, String> {
    let mut singles = Vec::with_capacity(ports.len());
    for port in ports {
        let single = single(port)?;
        // Without an address it is all of both families, whatever the network's default is.
        let hosts = match single.host {
            Some(host) => [Some(host), None],
            None => [Some(ANY4), Some(ANY6)],
        };
        let hosts = hosts.into_iter().flatten();
        singles.extend(hosts.map(|host| Single {
            host: Some(host),
            ..single
        }));
    }
    singles.sort_unstable();
    singles.dedup();
    if binds_all {
        pair(&mut singles);
    }
    drop_shadowed(&mut singles);
    let mut all: Vec<Publish> = Vec::new();
    let mut singles = singles.into_iter().peekable();
    while let Some(first) = singles.next() {
        let mut last = first;
        while let Some(next) = singles.next_if(|next| continues(last, *next)) {
            last = next;
        }
        let range = |first: Single, last: Single, port: fn(Single) -> Option<u16>| {
            PortRange::new(port(first)?, port(last)?)
        };
        let host_ports = range(first, last, Single::host_port);
        let Some(container_ports) = range(first, last, |of| Some(of.container)) else {
            return Err("a container port is 0".to_owned());
        };
        if first.offset.is_some() && host_ports.is_none() {
            return Err("a host port is 0".to_owned());
        }
        all.push(Publish {
            host: first.host,
            host_ports,
            container_ports,
            protocol: first.protocol,
        });
    }
    all.sort_by_key(|of| (of.protocol, of.container_ports, of.host_ports, of.host));
    Ok(all)
}

impl Single {
    fn host_port(self) -> Option<u16> {
        u16::try_from(i32::from(self.container) + self.offset?).ok()
    }
}

fn continues(last: Single, next: Single) -> bool {
    (last.protocol, last.host, last.offset) == (next.protocol, next.host, next.offset)
        && last.container.checked_add(1) == Some(next.container)
}

/// Makes one of each pair of all IPv4 and all IPv6 addresses.
fn pair(singles: &mut Vec<Single>) {
    let all = singles.clone();
    let has = |of: Single, host: IpAddr| {
        let wanted = Single {
            host: Some(host),
            ..of
        };
        all.binary_search(&wanted).is_ok()
    };
    singles.retain_mut(|single| match single.host {
        Some(ANY4) if has(*single, ANY6) => {
            single.host = None;
            true
        }
        Some(ANY6) if has(*single, ANY4) => false,
        Some(_) | None => true,
    });
    singles.sort_unstable();
    singles.dedup();
}

/// Drops what a routed network binds beside the network with the host ports: the publish with the
/// host port means it too.
fn drop_shadowed(singles: &mut Vec<Single>) {
    let with_port: Vec<Single> = singles
        .iter()
        .filter(|of| of.offset.is_some())
        .copied()
        .collect();
    let covers = |wide: Option<IpAddr>, narrow: Option<IpAddr>| match (wide, narrow) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => wide.is_ipv4() == narrow.is_ipv4(),
        (Some(_), None) => false,
    };
    singles.retain(|of| {
        of.offset.is_some()
            || !with_port.iter().any(|with| {
                (with.protocol, with.container) == (of.protocol, of.container)
                    && covers(with.host, of.host)
            })
    });
}

fn single(port: &Port) -> Result<Single, String> {
    let (container, protocol) = container_port(&port.container)?;
    let host = if port.host_ip.is_empty() {
        None
    } else {
        let address = port.host_ip.parse::<IpAddr>();
        let address = address
            .map_err(|_error| format!("its host address {:?} is not an address", port.host_ip))?;
        Some(address.to_canonical())
    };
    let offset = if port.host_port.is_empty() || port.host_port == "0" {
        None
    } else {
        let parsed = port.host_port.parse::<u16>();
        let host_port =
            parsed.map_err(|_error| format!("its host port {:?} is not a port", port.host_port))?;
        Some(i32::from(host_port) - i32::from(container))
    };
    Ok(Single {
        protocol,
        host,
        offset,
        container,
    })
}

/// `80/tcp`
pub(super) fn container_port(text: &str) -> Result<(u16, Protocol), String> {
    let wrong = || format!("{text:?} is not a port of a container");
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return Err(wrong()),
    };
    match port.parse::<u16>() {
        Ok(port) if port != 0 => Ok((port, protocol)),
        Ok(_) | Err(_) => Err(wrong()),
    }
}

/// Consecutive ports as ranges; the ports are sorted.
pub(super) fn ranges(
    ports: &[(Protocol, u16)],
) -> impl Iterator<Item = (Protocol, PortRange)> + '_ {
    let follows =
        |a: &(Protocol, u16), b: &(Protocol, u16)| a.0 == b.0 && a.1.checked_add(1) == Some(b.1);
    ports.chunk_by(follows).filter_map(|chunk| {
        let (first, last) = (chunk.first()?, chunk.last()?);
        Some((first.0, PortRange::new(first.1, last.1)?))
    })
}
