//! Hand-made frames, for tests of what a hostile neighbour can do.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result, bail};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockType, SockaddrLike as _, sendto};

use super::{HOST, Lab, socket};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// A UDP packet that is put on a link as it is: no routing, no output rules of the sender, any
/// source and any destination address, such as 127.0.0.1.
///
/// [`Lab::received`] with its payload tells whether a server took it.
#[derive(Debug, Clone)]
pub struct Forged {
    /// The node that sends; `remote` from [`Forged::new`].
    pub from: String,
    /// The interface of the node; `eth0` from [`Forged::new`].
    pub interface: String,
    /// The Ethernet destination; the host's interface on that link if not set.
    pub to_mac: Option<Mac>,
    /// Source address and port in the packet.
    pub source: SocketAddr,
    /// Destination address and port in the packet, of the same family.
    pub destination: SocketAddr,
    /// What the datagram carries, at most 1024 bytes.
    pub payload: String,
}

impl Forged {
    /// A packet of the remote to the host.
    pub fn new(source: SocketAddr, destination: SocketAddr, payload: &str) -> Self {
        Self {
            from: "remote".to_owned(),
            interface: "eth0".to_owned(),
            to_mac: None,
            source,
            destination,
            payload: payload.to_owned(),
        }
    }

    /// Sets the node and the interface that send.
    #[must_use]
    pub fn sent_by(self, node: &str, interface: &str) -> Self {
        Self {
            from: node.to_owned(),
            interface: interface.to_owned(),
            ..self
        }
    }
}

/// Puts the packet on the link.
pub(super) fn send(lab: &Lab, packet: &Forged) -> Result<()> {
    let node = lab.node(&packet.from)?;
    let to = if let Some(mac) = packet.to_mac {
        mac
    } else {
        let uplink = node
            .uplinks
            .iter()
            .find(|(name, _)| *name == packet.interface);
        let (_, interface) = uplink
            .with_context(|| format!("{}: no interface {:?}", packet.from, packet.interface))?;
        lab.run_in(HOST, || link_address(interface))??.1
    };
    lab.run_in(&packet.from, || {
        let (link, from) = link_address(&packet.interface)?;
        let frame = [&to[..], &from[..], &ip_packet(packet)?].concat();
        let socket = socket::open(AddressFamily::Packet, SockType::Raw, None)?;
        sendto(socket.as_raw_fd(), &frame, &link, MsgFlags::empty()).context("send a frame")?;
        Ok(())
    })?
}

/// The address of an interface in the namespace of the calling thread.
pub(super) fn link_address(interface: &str) -> Result<(LinkAddr, Mac)> {
    for entry in getifaddrs()? {
        if entry.interface_name == interface
            && let Some(address) = entry.address
            && address.family() == Some(AddressFamily::Packet)
            && let Some(link) = address.as_link_addr()
            && let Some(mac) = link.addr()
        {
            return Ok((*link, mac));
        }
    }
    bail!("no interface {interface:?} with an Ethernet address")
}

/// The Ethernet type and the IP packet.
fn ip_packet(packet: &Forged) -> Result<Vec<u8>> {
    /// The number of UDP as an IP protocol.
    const UDP: u8 = 17;

    let length = u16::try_from(packet.payload.len() + 8)?;
    if length > 1032 {
        bail!("the payload of a forged packet is longer than 1024 bytes");
    }
    let mut udp = Vec::new();
    udp.extend(packet.source.port().to_be_bytes());
    udp.extend(packet.destination.port().to_be_bytes());
    udp.extend(length.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend_from_slice(packet.payload.as_bytes());

    let (kind, mut header, addresses) = match (packet.source.ip(), packet.destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let total = (length + 20).to_be_bytes();
            // Version 4, five words; do not fragment; 64 hops.
            let mut header = vec![0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, UDP, 0, 0];
            let addresses = [source.octets(), destination.octets()].concat();
            header.extend_from_slice(&addresses);
            let sum = checksum(&header).to_be_bytes();
            header.splice(10..12, sum);
            (0x0800_u16, header, addresses)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let payload = length.to_be_bytes();
            // Version 6; 64 hops.
            let mut header = vec![0x60, 0, 0, 0, payload[0], payload[1], UDP, 64];
            let addresses = [source.octets(), destination.octets()].concat();
            header.extend_from_slice(&addresses);
            (0x86dd, header, addresses)
        }
        (source, destination) => bail!("{source} and {destination} are of different families"),
    };
    // Both pseudo headers sum to the same: addresses, protocol, length (RFC 768, RFC 8200 §8.1).
    let mut pseudo = addresses;
    pseudo.extend([0, UDP]);
    pseudo.extend(length.to_be_bytes());
    pseudo.extend_from_slice(&udp);
    // Zero stands for no checksum, so the other zero is sent.
    let sum = match checksum(&pseudo) {
        0 => 0xffff,
        sum => sum,
    };
    udp.splice(6..8, sum.to_be_bytes());

    let mut frame = kind.to_be_bytes().to_vec();
    frame.append(&mut header);
    frame.append(&mut udp);
    Ok(frame)
}

/// The checksum of RFC 1071; a missing last byte counts as zero.
fn checksum(data: &[u8]) -> u16 {
    let mut sum: u16 = 0;
    for pair in data.chunks(2) {
        let mut word = [0; 2];
        for (to, from) in word.iter_mut().zip(pair) {
            *to = *from;
        }
        let (total, carry) = sum.overflowing_add(u16::from_be_bytes(word));
        sum = total + u16::from(carry);
    }
    !sum
}
