//! Address translation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::chain::Flow;
use super::hooks::Index;
use super::outcome::{Action, Verdict};
use super::packet::Direction;
use super::track::{nat_bit, settled_bit};
use super::walk::Walk;
use crate::chain::Hook;
use crate::set::ElementData;
use crate::statement::nat::NatFamily;
use crate::statement::{Masquerade, Nat, NatKind, NatTarget};

/// First and last port of a range.
type Ports = Option<(u16, u16)>;

impl<'e> Walk<'e> {
    /// The kernel's NAT hook: asks the nat chains about a packet that begins a flow, then rewrites
    /// the packet as the flow's entry says.
    ///
    /// One end is decided once per flow, by the first rule that translates it. A packet that the
    /// host sends to itself comes here again at prerouting and input, where both are decided.
    ///
    /// Source: `net/netfilter/nf_nat_core.c`, `nf_nat_inet_fn`; `net/netfilter/nf_nat_proto.c`,
    /// `nf_nat_ipv4_local_fn` (v6.12).
    pub(super) fn nat_hook(&mut self) -> Result<(), Verdict> {
        let kind = match self.hook {
            Hook::Prerouting | Hook::Output => NatKind::Dnat,
            Hook::Input | Hook::Postrouting | Hook::Forward => NatKind::Snat,
        };
        let Some(entry) = self.tracking.entry() else {
            return Ok(());
        };
        if entry.begins && !entry.is_settled(kind) {
            self.ask(kind)?;
        }
        let before = self.destination;
        self.rewrite(kind);
        if self.hook == Hook::Output && self.destination != before {
            // Chains after this one still see the old output interface.
            self.route = self.route_output()?;
        }
        Ok(())
    }

    fn ask(&mut self, kind: NatKind) -> Result<(), Verdict> {
        let Some(lane) = self.hooks.lane(self.family, self.hook) else {
            return Ok(());
        };
        for base in &lane.nat {
            self.base_chain(base)?;
            let entry = self.tracking.entry();
            if entry.is_some_and(|entry| entry.is_settled(kind)) {
                break;
            }
        }
        if lane.translates
            && let Some(entry) = self.tracking.entry_mut()
        {
            // The null binding: nothing changes, and nobody is asked again.
            entry.status |= settled_bit(kind);
        }
        Ok(())
    }

    /// Rewrites one end of the packet.
    ///
    /// An answer has at its destination what was done to the source, and the other way round. Of
    /// an ICMP error only the addresses change.
    ///
    /// Source: `net/netfilter/nf_nat_core.c`, `nf_nat_packet`; `net/netfilter/nf_nat_proto.c`,
    /// `nf_nat_manip_pkt`, `nf_nat_icmp_reply_translation` (v6.12).
    fn rewrite(&mut self, kind: NatKind) {
        let Some(entry) = self.tracking.entry() else {
            return;
        };
        let decided_by = match (entry.direction, kind) {
            (Direction::Original, kind) => kind,
            (Direction::Reply, NatKind::Snat) => NatKind::Dnat,
            (Direction::Reply, NatKind::Dnat) => NatKind::Snat,
        };
        if entry.status & nat_bit(decided_by) == 0 {
            return;
        }
        let target = entry.rewritten();
        let ports = target
            .ports
            .filter(|_| target.protocol == self.packet.protocol);
        match kind {
            NatKind::Snat => {
                self.source = target.source;
                if let (Some(own), Some((source, _))) = (&mut self.ports, ports) {
                    own.0 = source;
                }
            }
            NatKind::Dnat => {
                self.destination = target.destination;
                if let (Some(own), Some((_, destination))) = (&mut self.ports, ports) {
                    own.1 = destination;
                }
            }
        }
    }

    /// `dnat` and `snat`. A packet of the other family goes on with the next rule.
    ///
    /// Of a range of addresses the first is taken, where the kernel hashes.
    ///
    /// Source: `net/netfilter/nft_nat.c`, `nft_nat_inet_eval` (v6.12).
    pub(super) fn nat(&mut self, index: &Index<'e>, nat: &'e Nat) -> Flow<'e> {
        if nat
            .target
            .family()
            .is_some_and(|family| family != self.family)
        {
            return Flow::Break;
        }
        let current = match nat.kind {
            NatKind::Snat => self.source,
            NatKind::Dnat => self.destination,
        };
        let (address, ports) = match &nat.target {
            NatTarget::Ports(first, last) => (current, Some((*first, *last))),
            NatTarget::Prefix(prefix) => (mapped(*prefix, current), None),
            NatTarget::Ipv4 { addresses, ports } => (addresses.0.into(), *ports),
            NatTarget::Ipv6 { addresses, ports } => (addresses.0.into(), *ports),
            NatTarget::Map { family, key, map } => {
                let Some(ElementData::Value(data)) = self.look_up(index, key, map) else {
                    return Flow::Break;
                };
                let Some(target) = read_target(data.as_bytes(), *family) else {
                    return Flow::Break;
                };
                target
            }
        };
        self.translate(nat.kind, address, ports)
    }

    /// `masquerade`.
    ///
    /// Source: `net/netfilter/nf_nat_masquerade.c` (v6.12).
    pub(super) fn masquerade(&mut self, masquerade: &Masquerade) -> Flow<'e> {
        let Some(entry) = self.tracking.entry() else {
            return Flow::Break;
        };
        let original = entry.original.source;
        if original.is_ipv4() && original.is_unspecified() {
            // Sent before the host has an address: accepted as it is.
            return Flow::Verdict(&crate::statement::Verdict::Accept);
        }
        let source = self
            .output
            .and_then(|output| self.host.masquerade_source(output, self.destination));
        match source {
            Some(source) => self.translate(NatKind::Snat, source, masquerade.ports),
            None => Flow::Untranslatable,
        }
    }

    /// `redirect`.
    pub(super) fn redirect(&mut self, ports: Ports) -> Flow<'e> {
        let input = self.input.filter(|_| self.hook != Hook::Output);
        match self.host.redirect_target(input, self.destination) {
            Some(address) => self.translate(NatKind::Dnat, address, ports),
            None => Flow::Untranslatable,
        }
    }

    /// Writes a translation into the flow's entry.
    ///
    /// A port is kept where no port is asked for, or where it is in the range; otherwise it becomes
    /// the first of the range. The kernel may take another one when the tuple is in use or the
    /// rule says `random`.
    ///
    /// Source: `net/netfilter/nf_nat_core.c`, `nf_nat_setup_info`, `get_unique_tuple` (v6.12).
    fn translate(&mut self, kind: NatKind, address: IpAddr, ports: Ports) -> Flow<'e> {
        let has_ports = self.ports.is_some();
        let Some(entry) = self.tracking.entry_mut() else {
            return Flow::Break;
        };
        let current = entry.reply.inverted();
        let mut new = current;
        match kind {
            NatKind::Snat => new.source = address,
            NatKind::Dnat => new.destination = address,
        }
        let mut port = None;
        if let (true, Some(new)) = (has_ports, &mut new.ports) {
            let end = match kind {
                NatKind::Snat => &mut new.0,
                NatKind::Dnat => &mut new.1,
            };
            if let Some((first, last)) = ports
                && !(first..=last).contains(end)
            {
                *end = first;
            }
            port = Some(*end);
        }
        if new != current {
            entry.reply = new.inverted();
            entry.status |= nat_bit(kind);
        }
        entry.status |= settled_bit(kind);
        Flow::Translated(Action::Translated {
            kind,
            address,
            port,
        })
    }
}

/// The address in the network whose bits behind the prefix are those of another.
///
/// Source: `net/netfilter/nft_nat.c`, `nft_nat_setup_netmap` (v6.12).
fn mapped(prefix: IpNet, address: IpAddr) -> IpAddr {
    match (prefix, address) {
        (IpNet::V4(prefix), IpAddr::V4(address)) => {
            let hosts = u32::from(address) & u32::from(prefix.hostmask());
            Ipv4Addr::from(u32::from(prefix.network()) | hosts).into()
        }
        (IpNet::V6(prefix), IpAddr::V6(address)) => {
            let hosts = u128::from(address) & u128::from(prefix.hostmask());
            Ipv6Addr::from(u128::from(prefix.network()) | hosts).into()
        }
        // The family has been looked at.
        (IpNet::V4(_) | IpNet::V6(_), address) => address,
    }
}

/// The data of a NAT map: an address, alone or with a port.
fn read_target(bytes: &[u8], family: NatFamily) -> Option<(IpAddr, Ports)> {
    let (address, rest): (IpAddr, _) = match family {
        NatFamily::Ipv4 => {
            let (address, rest) = bytes.split_first_chunk::<4>()?;
            ((*address).into(), rest)
        }
        NatFamily::Ipv6 => {
            let (address, rest) = bytes.split_first_chunk::<16>()?;
            ((*address).into(), rest)
        }
    };
    let port = rest
        .first_chunk::<2>()
        .map(|port| u16::from_be_bytes(*port));
    Some((address, port.map(|port| (port, port))))
}
