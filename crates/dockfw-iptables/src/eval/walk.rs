//! The way of one packet through the hooks.

use std::net::IpAddr;

use super::Evaluator;
use super::host::{self, Host, LOOPBACK, Way};
use super::matches::Seen;
use super::nat::{self, Choice, Manip};
use super::outcome::{Effect, Hook, Outcome, Verdict};
use super::packet::{From, Packet, State, Status, Tuple};
use super::table::{End, Table, Trail};

/// A packet on its way.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a step that was taken"
)]
pub(super) struct Walk<'a> {
    evaluator: &'a Evaluator<'a>,
    host: &'a Host,
    packet: &'a Packet,
    /// The packet's addresses and ports now.
    now: Tuple,
    /// Conntrack has looked at the packet.
    tracked: bool,
    /// A rule has taken the packet out of tracking.
    untracked: bool,
    mark: u32,
    connection_mark: u32,
    /// The type of service or traffic class now.
    tos: Option<u8>,
    /// The time to live or hop limit now.
    ttl: Option<u8>,
    status: Status,
    /// A new connection's source has been decided on.
    source_bound: bool,
    /// Likewise its destination.
    destination_bound: bool,
    trail: Trail,
}

/// The interfaces of one hook; the empty name for none.
#[derive(Debug, Clone, Copy)]
struct Between<'a> {
    input: &'a str,
    output: &'a str,
}

/// `Err` ends the walk.
type Step = Result<(), Verdict>;

impl<'a> Walk<'a> {
    pub(super) fn new(evaluator: &'a Evaluator<'a>, host: &'a Host, packet: &'a Packet) -> Self {
        let status = match packet.ct.state {
            State::Established | State::Related => packet.ct.status(),
            State::New | State::Invalid | State::Untracked => Status::default(),
        };
        Self {
            evaluator,
            host,
            packet,
            now: Tuple {
                source: packet.source,
                destination: packet.destination,
                ports: packet.ports,
            },
            tracked: false,
            untracked: false,
            mark: packet.mark,
            connection_mark: packet.ct.mark,
            tos: packet.details.tos,
            ttl: packet.details.ttl,
            status,
            source_bound: false,
            destination_bound: false,
            trail: Trail::default(),
        }
    }

    /// Walks to the end.
    pub(super) fn run(mut self) -> Outcome {
        let ended = match &self.packet.from {
            From::Interface(name) => self.received(name),
            From::Host => self.sent(),
        };
        let (Ok(verdict) | Err(verdict)) = ended;
        Outcome {
            verdict,
            source: self.now.source,
            destination: self.now.destination,
            ports: self.now.ports,
            mark: self.mark,
            connection_mark: self.connection_mark,
            status: self.status,
            trail: self.trail.steps,
            evaluated: self.trail.evaluated,
        }
    }

    /// A packet that was received.
    ///
    /// The kernel refuses to forward from a link-local IPv6 source before it asks FORWARD, back to
    /// the same link too; that is let pass here, as br_netfilter does for a bridge.
    ///
    /// Source: linux v6.12, `net/ipv4/ip_input.c`, `ip_forward.c`, `ip_output.c`;
    /// `net/ipv6/ip6_output.c`, `ip6_forward`;
    /// `net/bridge/br_netfilter_hooks.c`.
    fn received(&mut self, name: &'a str) -> Result<Verdict, Verdict> {
        let bridge = self.packet.to.as_deref();
        let input = bridge.unwrap_or(name);
        self.prerouting(input)?;
        let stays = self.now.destination == self.packet.destination;
        if let Some(bridge) = bridge.filter(|_| stays) {
            self.forward(bridge, bridge)?;
            // Unlike ip_output, br_nf_post_routing does not tell where the packet came from.
            return self.leave("", bridge);
        }
        match self.host.input(self.now.destination, input) {
            Way::Host => self.input(input),
            Way::Out(output) => {
                if input != output && host::is_link_local(self.now.source) {
                    return Err(Verdict::NoRoute);
                }
                self.forward(input, output)?;
                // Since 5.7 ip_output tells the input interface of routed packets.
                let input = if bridge == Some(output) { "" } else { input };
                self.leave(input, output)
            }
            Way::None => Err(Verdict::NoRoute),
        }
    }

    /// A packet of the host.
    ///
    /// The filter and security tables see the output interface that the packet had before nat
    /// sent it elsewhere: the hook is entered once, with one pair of interfaces. What goes out
    /// through lo comes back with its route and its connection.
    ///
    /// Source: linux v6.12, `net/ipv4/ip_output.c`, `__ip_local_out`; `net/netfilter/
    /// nf_nat_proto.c`, `nf_nat_ipv4_local_fn`; `nf_conntrack_core.c`, `nf_conntrack_in`
    /// ("Previously seen (loopback or untracked)? Ignore.").
    fn sent(&mut self) -> Result<Verdict, Verdict> {
        let hook = Hook::Output;
        let first = self.output_interface(self.now.destination)?;
        let between = Between {
            input: "",
            output: first,
        };
        let Evaluator {
            raw,
            mangle,
            filter,
            security,
            ..
        } = self.evaluator;
        self.table(raw.as_ref(), hook, between)?;
        self.tracked = true;
        self.table(mangle.as_ref(), hook, between)?;
        let before = self.now.destination;
        self.translate(hook, between)?;
        let output = if self.now.destination == before {
            first
        } else {
            self.output_interface(self.now.destination)?
        };
        self.table(filter.as_ref(), hook, between)?;
        self.table(security.as_ref(), hook, between)?;
        let left = self.leave("", output)?;
        if output != LOOPBACK {
            return Ok(left);
        }
        self.prerouting(LOOPBACK)?;
        self.input(LOOPBACK)
    }

    fn output_interface(&self, destination: IpAddr) -> Result<&'a str, Verdict> {
        let link = self.packet.link.as_deref().unwrap_or_default();
        self.host.output(destination, link).ok_or(Verdict::NoRoute)
    }

    fn prerouting(&mut self, input: &'a str) -> Step {
        let hook = Hook::Prerouting;
        let between = Between { input, output: "" };
        let Evaluator { raw, mangle, .. } = self.evaluator;
        self.table(raw.as_ref(), hook, between)?;
        self.tracked = true;
        self.table(mangle.as_ref(), hook, between)?;
        self.translate(hook, between)
    }

    /// The nat table of this hook rewrites sources, as that of POSTROUTING does: it is where a
    /// reply to the host gets back the source that the host asked.
    fn input(&mut self, input: &'a str) -> Result<Verdict, Verdict> {
        let hook = Hook::Input;
        let between = Between { input, output: "" };
        self.inner_tables(hook, between)?;
        self.translate(hook, between)?;
        Ok(Verdict::Delivered)
    }

    fn forward(&mut self, input: &'a str, output: &'a str) -> Step {
        self.inner_tables(Hook::Forward, Between { input, output })
    }

    /// Mangle, filter and security.
    fn inner_tables(&mut self, hook: Hook, between: Between<'a>) -> Step {
        let Evaluator {
            mangle,
            filter,
            security,
            ..
        } = self.evaluator;
        self.table(mangle.as_ref(), hook, between)?;
        self.table(filter.as_ref(), hook, between)?;
        self.table(security.as_ref(), hook, between)
    }

    /// POSTROUTING, and out.
    fn leave(&mut self, input: &'a str, output: &'a str) -> Result<Verdict, Verdict> {
        let hook = Hook::Postrouting;
        let between = Between { input, output };
        self.table(self.evaluator.mangle.as_ref(), hook, between)?;
        self.translate(hook, between)?;
        Ok(Verdict::Forwarded {
            interface: output.to_owned(),
        })
    }

    /// A table that can only let pass or drop.
    fn table(&mut self, table: Option<&Table<'a>>, hook: Hook, between: Between<'a>) -> Step {
        match self.walk(table, hook, between) {
            End::Accept | End::Translate(_) => Ok(()),
            End::Drop => Err(Verdict::Dropped { hook }),
            End::Reject(answer) => Err(Verdict::Rejected { hook, answer }),
        }
    }

    fn walk(&mut self, table: Option<&Table<'a>>, hook: Hook, between: Between<'a>) -> End<'a> {
        // The rules of a program are for the packets of its family only.
        match table.filter(|_| self.evaluator.sees(self.packet.destination)) {
            Some(table) => {
                let mut seen = self.seen(between);
                let before = seen.state;
                let end = table.walk(hook, &mut seen, &mut self.trail);
                self.mark = seen.mark;
                self.connection_mark = seen.connection_mark;
                (self.tos, self.ttl) = (seen.tos, seen.ttl);
                self.untracked |= seen.state != before;
                end
            }
            None => End::Accept,
        }
    }

    /// The packet's place in its connection, unless a rule has taken it out of tracking.
    fn state(&self) -> State {
        if self.untracked {
            State::Untracked
        } else {
            self.packet.ct.state
        }
    }

    /// What rules see of the packet now.
    fn seen(&self, between: Between<'a>) -> Seen<'a> {
        let (state, status) = match self.state() {
            State::Untracked => (State::Untracked, Status::default()),
            state if self.tracked => (state, self.status),
            State::New | State::Established | State::Related | State::Invalid => {
                (State::Invalid, Status::default())
            }
        };
        let (original, reply) = match self.state() {
            State::New => {
                let original = Tuple {
                    source: self.packet.source,
                    destination: self.packet.destination,
                    ports: self.packet.ports,
                };
                (Some(original), Some(self.now.inverse()))
            }
            State::Established | State::Related => (self.packet.ct.original, self.packet.ct.reply),
            State::Invalid | State::Untracked => (None, None),
        };
        Seen {
            host: self.host,
            source: self.now.source,
            destination: self.now.destination,
            protocol: self.packet.protocol,
            ports: self.now.ports,
            packet: self.packet,
            limits: self.evaluator.limits,
            mark: self.mark,
            connection_mark: self.connection_mark,
            tos: self.tos,
            ttl: self.ttl,
            original,
            reply,
            input: between.input,
            output: between.output,
            state,
            status,
        }
    }

    /// Address translation in one hook.
    ///
    /// The nat table decides once for each end of a new connection; afterwards, and for all
    /// other packets of connections, the record holds.
    ///
    /// Source: linux v6.12, `net/netfilter/nf_nat_core.c`, `nf_nat_inet_fn`.
    fn translate(&mut self, hook: Hook, between: Between<'a>) -> Step {
        let Some(manip) = Manip::of(hook) else {
            return Ok(());
        };
        match self.state() {
            State::New => self.bind(manip, hook, between),
            State::Established | State::Related => {
                if let Some(end) = nat::recorded(&self.packet.ct, self.status, manip) {
                    self.rewrite(manip, end);
                }
                Ok(())
            }
            State::Invalid | State::Untracked => Ok(()),
        }
    }

    /// Asks the nat table about one end of a new connection.
    fn bind(&mut self, manip: Manip, hook: Hook, between: Between<'a>) -> Step {
        let bound = match manip {
            Manip::Source => &mut self.source_bound,
            Manip::Destination => &mut self.destination_bound,
        };
        if std::mem::replace(bound, true) {
            return Ok(());
        }
        let table = self.evaluator.nat.as_ref();
        let target = match self.walk(table, hook, between) {
            End::Accept => return Ok(()),
            End::Drop => return Err(Verdict::Dropped { hook }),
            End::Reject(answer) => return Err(Verdict::Rejected { hook, answer }),
            End::Translate(target) => target,
        };
        match nat::choose(
            target,
            manip,
            self.host,
            (between.input, between.output),
            &self.now,
        ) {
            Choice::Keep => Ok(()),
            Choice::Bind(end) => {
                self.note(effect(manip, end));
                let before = self.now;
                self.rewrite(manip, end);
                match manip {
                    Manip::Source => self.status.snat = self.now != before,
                    Manip::Destination => self.status.dnat = self.now != before,
                }
                Ok(())
            }
            Choice::Drop => {
                self.note(Effect::Drop);
                Err(Verdict::Dropped { hook })
            }
        }
    }

    /// Says what the rule of the last step did.
    fn note(&mut self, effect: Effect) {
        if let Some(step) = self.trail.steps.last_mut() {
            step.effect = effect;
        }
    }

    /// Rewrites one end. A packet without ports, as an ICMP error that belongs to a connection
    /// with ports, keeps none.
    fn rewrite(&mut self, manip: Manip, (address, port): nat::End) {
        match manip {
            Manip::Source => {
                self.now.source = address;
                if let (Some((source, _)), Some(port)) = (&mut self.now.ports, port) {
                    *source = port;
                }
            }
            Manip::Destination => {
                self.now.destination = address;
                if let (Some((_, destination)), Some(port)) = (&mut self.now.ports, port) {
                    *destination = port;
                }
            }
        }
    }
}

fn effect(manip: Manip, (address, port): nat::End) -> Effect {
    match manip {
        Manip::Source => Effect::Snat { address, port },
        Manip::Destination => Effect::Dnat { address, port },
    }
}
