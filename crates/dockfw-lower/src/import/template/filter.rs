//! The shapes of Docker's rules in the table filter.

use dockfw_iptables::{Family, Invertible, Match, Protocol as XtProtocol, Target};

use Invertible::{Is, Not};

use super::{Fact, Parts, host_address, is_established, net};
use crate::host::Fwmark;

impl Parts<'_> {
    pub(super) fn forward(&self, chain: &str) -> Option<Fact> {
        if self.is_bare() {
            return match (self.target, self.matches) {
                (Target::Jump(to), []) => {
                    let is_dockers = match chain {
                        "FORWARD" => matches!(
                            to.as_str(),
                            "DOCKER-USER"
                                | "DOCKER-FORWARD"
                                | "DOCKER-INGRESS"
                                | "DOCKER-ISOLATION-STAGE-1"
                        ),
                        _ => matches!(
                            to.as_str(),
                            "DOCKER-CT"
                                | "DOCKER-INTERNAL"
                                | "DOCKER-BRIDGE"
                                | "DOCKER-INGRESS"
                                | "DOCKER-ISOLATION-STAGE-1"
                        ),
                    };
                    is_dockers.then_some(Fact::Skeleton)
                }
                (Target::Accept, [Match::Mark(mark)]) if chain == "DOCKER-FORWARD" => {
                    match mark.value {
                        Is((value, bits)) => Some(Fact::Marked(Fwmark {
                            mark: value,
                            mask: bits,
                        })),
                        Not(_) => None,
                    }
                }
                _ => None,
            };
        }
        if self.source.is_some() || self.destination.is_some() || self.protocol.is_some() {
            return None;
        }
        let accepted = match self.target {
            Target::Accept => true,
            Target::Drop => false,
            _ => return self.towards(),
        };
        match (self.input, self.output, self.matches) {
            (Some(Is(bridge)), Some(Is(to)), []) if bridge == to => {
                Some(Fact::Looped { bridge, accepted })
            }
            (Some(Is(bridge)), None, []) if accepted => Some(Fact::Outgoing { bridge }),
            (Some(Is(bridge)), Some(Not(to)), []) if accepted && bridge == to => {
                Some(Fact::Outgoing { bridge })
            }
            _ => self.towards(),
        }
    }

    /// `-o BR` with the established connections, or to `DOCKER`.
    pub(super) fn towards(&self) -> Option<Fact> {
        let alone = self.source.is_none()
            && self.destination.is_none()
            && self.input.is_none()
            && self.protocol.is_none();
        let (true, Some(Is(bridge))) = (alone, self.output) else {
            return None;
        };
        match (self.target, self.matches) {
            (Target::Accept, [Match::Conntrack(state)]) if is_established(state) => {
                Some(Fact::Established { bridge })
            }
            (Target::Jump(to), []) if to.as_str() == "DOCKER" => Some(Fact::ToDocker { bridge }),
            _ => None,
        }
    }

    pub(super) fn docker(&self, family: Family) -> Option<Fact> {
        let Some(Is(bridge)) = self.output else {
            return None;
        };
        let icmp = match family {
            Family::Ipv4 => XtProtocol::ICMP,
            Family::Ipv6 => XtProtocol::ICMPV6,
        };
        match (self.source, self.destination, self.input, self.target) {
            (None, None, None, Target::Accept)
                if self.protocol == Some(icmp) && self.matches.is_empty() =>
            {
                Some(Fact::Icmp { bridge })
            }
            (None, None, Some(Not(input)), Target::Accept | Target::Drop)
                if input == bridge && self.protocol.is_none() && self.matches.is_empty() =>
            {
                let accepted = *self.target == Target::Accept;
                Some(Fact::Default { bridge, accepted })
            }
            (None, Some(Is(to)), Some(Not(input)), Target::Accept) if input == bridge => {
                let (protocol, port) = self.destination_port()?;
                let address = host_address(to)?;
                Some(Fact::Published {
                    bridge,
                    address,
                    protocol,
                    port,
                })
            }
            (Some(Is(from)), Some(Is(to)), Some(Is(input)), Target::Accept) if input == bridge => {
                let (protocol, port, reply) = match self.transport()? {
                    (protocol, None, Some(port)) => (protocol, port, false),
                    (protocol, Some(port), None) => (protocol, port, true),
                    _ => return None,
                };
                let (from, to) = (host_address(from)?, host_address(to)?);
                Some(Fact::Link {
                    bridge,
                    from,
                    to,
                    protocol,
                    port,
                    reply,
                })
            }
            _ => None,
        }
    }

    pub(super) fn isolation(&self) -> Option<Fact> {
        if self.is_bare() && *self.target == Target::Return && self.matches.is_empty() {
            return Some(Fact::Skeleton);
        }
        if self.protocol.is_some() || !self.matches.is_empty() {
            return None;
        }
        let is_drop = *self.target == Target::Drop;
        match (self.source, self.destination, self.input, self.output) {
            (None, None, Some(Is(bridge)), Some(Not(to))) if bridge == to => {
                (self.jump()? == "DOCKER-ISOLATION-STAGE-2").then_some(Fact::Isolated { bridge })
            }
            (None, None, None, Some(Is(bridge))) => is_drop.then_some(Fact::Isolated { bridge }),
            // IPv6 has the other interface besides.
            (Some(Not(subnet)), None, other, Some(Is(bridge)))
            | (None, Some(Not(subnet)), Some(Is(bridge)), other)
                if is_drop && other.is_none_or(|other| other == Not(bridge)) =>
            {
                let subnet = net(subnet)?;
                Some(Fact::Internal { bridge, subnet })
            }
            _ => None,
        }
    }
}
