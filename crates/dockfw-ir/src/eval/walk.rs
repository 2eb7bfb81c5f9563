//! The way of a packet through the hooks.

use std::net::IpAddr;

use super::hooks::{Hooks, Stage};
use super::host::{Host, LOOPBACK, Target};
use super::outcome::{Cost, Outcome, Step, Verdict};
use super::packet::{From, Packet};
use super::track::Tracking;
use super::{Evaluator, Limits};
use crate::chain::Hook;
use crate::expr::ct::status;
use crate::statement::nat::NatFamily;

/// One packet on its way.
pub(super) struct Walk<'e> {
    pub(super) hooks: &'e Hooks<'e>,
    pub(super) limits: Limits,
    pub(super) draw: u32,
    pub(super) host: &'e Host,
    /// The packet as it came.
    pub(super) packet: &'e Packet,
    pub(super) family: NatFamily,
    // What rewriting changes.
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ports: Option<(u16, u16)>,
    pub(super) mark: u32,
    pub(super) tos: u8,
    pub(super) ttl: u8,
    pub(super) maxseg: Option<u16>,
    pub(super) priority: u32,
    pub(super) tracking: Tracking,
    // Where it is.
    pub(super) hook: Hook,
    pub(super) input: Option<&'e str>,
    pub(super) output: Option<&'e str>,
    /// The output interface of the host's own packets, which DNAT may change under way.
    pub(super) route: &'e str,
    pub(super) trail: Vec<Step>,
    pub(super) cost: Cost,
}

impl<'e> Walk<'e> {
    pub(super) fn new(evaluator: &'e Evaluator<'e>, host: &'e Host, packet: &'e Packet) -> Self {
        Self {
            hooks: &evaluator.hooks,
            limits: evaluator.limits,
            draw: evaluator.draw,
            host,
            packet,
            family: match packet.destination {
                IpAddr::V4(_) => NatFamily::Ipv4,
                IpAddr::V6(_) => NatFamily::Ipv6,
            },
            source: packet.source,
            destination: packet.destination,
            ports: packet.ports,
            mark: packet.mark,
            tos: packet.tos,
            ttl: packet.ttl,
            maxseg: packet.tcp_maxseg,
            priority: 0,
            tracking: Tracking::None,
            hook: Hook::Prerouting,
            input: None,
            output: None,
            route: LOOPBACK,
            trail: Vec::new(),
            cost: Cost::default(),
        }
    }

    pub(super) fn run(mut self) -> Outcome {
        let end = match &self.packet.from {
            From::Interface(name) => self.received(name),
            From::Host => self.sent(),
        };
        let (Ok(verdict) | Err(verdict)) = end;
        let entry = self.tracking.entry();
        Outcome {
            verdict,
            source: self.source,
            destination: self.destination,
            ports: self.ports,
            mark: self.mark,
            tos: self.tos,
            ttl: self.ttl,
            priority: self.priority,
            ct_status: entry.map_or(0, |entry| entry.status),
            ct_mark: entry.map_or(0, |entry| entry.mark),
            trail: self.trail,
            cost: self.cost,
        }
    }

    /// A packet that came in: prerouting, then input or forward and postrouting.
    ///
    /// The output hook of a bridge tells postrouting no input interface. What comes from an IPv6
    /// link-local address is not routed to another link; the forward hook does not see it. (Nor to
    /// its own one, but what a NAT sends back to a bridge is bridged where br_netfilter is on.)
    ///
    /// Source: `net/ipv4/ip_input.c`, `ip_forward.c`, `ip_output.c`; `net/ipv6/ip6_output.c`,
    /// `ip6_forward`;
    /// `net/bridge/br_netfilter_hooks.c`, `br_nf_post_routing` (v6.12).
    fn received(&mut self, name: &'e str) -> Result<Verdict, Verdict> {
        let bridge = self.packet.to.as_deref();
        let input = bridge.unwrap_or(name);
        let before = self.destination;
        self.at(Hook::Prerouting, Some(input), None)?;
        if let Some(bridge) = bridge.filter(|_| self.destination == before) {
            return self.forward(input, bridge, None);
        }
        match self.host.resolve(self.destination, Some(input)) {
            Target::Local(_) | Target::Broadcast(_) | Target::Multicast(_) | Target::Anycast(_) => {
                self.deliver(input)
            }
            Target::Unicast(output) => {
                // br_netfilter keeps on the bridge what DNAT leads back to it.
                let stays = bridge == Some(output);
                if output != input && is_link_local(self.source) {
                    return Err(Verdict::NoRoute);
                }
                self.forward(input, output, Some(input).filter(|_| !stays))
            }
            Target::Unreachable => Err(Verdict::NoRoute),
        }
    }

    fn forward(
        &mut self,
        input: &'e str,
        output: &'e str,
        input_at_postrouting: Option<&'e str>,
    ) -> Result<Verdict, Verdict> {
        self.at(Hook::Forward, Some(input), Some(output))?;
        self.at(Hook::Postrouting, input_at_postrouting, Some(output))?;
        self.confirm();
        Ok(Verdict::Forwarded {
            interface: output.to_owned(),
        })
    }

    fn deliver(&mut self, input: &'e str) -> Result<Verdict, Verdict> {
        self.at(Hook::Input, Some(input), None)?;
        self.confirm();
        Ok(Verdict::Delivered {
            interface: input.to_owned(),
        })
    }

    /// A packet of the host: routed, then output and postrouting. What leaves by loopback comes in
    /// again with its conntrack entry and its route: prerouting and input.
    ///
    /// Source: `net/ipv4/ip_output.c`, `__ip_local_out`; `drivers/net/loopback.c`, `loopback_xmit`
    /// (v6.12).
    fn sent(&mut self) -> Result<Verdict, Verdict> {
        self.route = self.route_output()?;
        self.at(Hook::Output, None, Some(self.route))?;
        let output = self.route;
        self.at(Hook::Postrouting, None, Some(output))?;
        self.confirm();
        if output == LOOPBACK {
            self.at(Hook::Prerouting, Some(output), None)?;
            return self.deliver(output);
        }
        Ok(Verdict::Forwarded {
            interface: output.to_owned(),
        })
    }

    /// The interface by which a packet of the host leaves.
    pub(super) fn route_output(&self) -> Result<&'e str, Verdict> {
        let link = self.packet.link.as_deref();
        match self.host.resolve(self.destination, link) {
            Target::Local(_) | Target::Anycast(_) => Ok(LOOPBACK),
            Target::Unicast(name) => Ok(name),
            Target::Broadcast(name) | Target::Multicast(name) => name.ok_or(Verdict::NoRoute),
            Target::Unreachable => Err(Verdict::NoRoute),
        }
    }

    /// Runs a hook. The interfaces are those the packet came to the hook with.
    fn at(
        &mut self,
        hook: Hook,
        input: Option<&'e str>,
        output: Option<&'e str>,
    ) -> Result<(), Verdict> {
        (self.hook, self.input, self.output) = (hook, input, output);
        let Some(lane) = self.hooks.lane(self.family, hook) else {
            return Ok(());
        };
        for stage in &lane.stages {
            match stage {
                Stage::Conntrack => {
                    // What has been seen, or is to be left alone, is passed over.
                    if matches!(self.tracking, Tracking::None) {
                        self.tracking = Tracking::find(self.packet);
                    }
                }
                Stage::Nat => self.nat_hook()?,
                Stage::Chain(base) => self.base_chain(base)?,
            }
        }
        Ok(())
    }

    /// The entry of a flow that got through is kept.
    ///
    /// Source: `net/netfilter/nf_conntrack_proto.c`, `nf_confirm` (v6.12).
    const fn confirm(&mut self) {
        if let Some(entry) = self.tracking.entry_mut() {
            entry.status |= status::CONFIRMED;
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
