//! What an evaluator says must come of a packet, its answer included.
//!
//! A packet that ends at the host is taken by a stand-in for docker-proxy where one runs: then
//! the host asks the container itself. Whoever gets a packet answers, and the answer is judged
//! too, with the tuples of the flow.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::model::{Arrival, End, Ends, Model};
use super::place::{Place, Way};
use super::{Question, Seen};
use crate::lab::{HOST, Protocol};

/// The port that senders use.
const SOURCE_PORT: u16 = 40000;

/// What comes of a packet, and the rules that it and its answer met.
pub fn predict(place: &Place<'_>, model: &dyn Model, question: &Question) -> (Seen, Vec<String>) {
    let mut course = Course {
        place,
        model,
        protocol: question.protocol,
        trail: Vec::new(),
    };
    let to = (question.to, question.port);
    let seen = match question.forged {
        Some(source) => course.forged(&question.from, source, to),
        None => course.ask(
            &question.from,
            question.source,
            to,
            question.scope.as_deref(),
        ),
    };
    (seen, course.trail)
}

/// A packet under way.
struct Course<'c> {
    place: &'c Place<'c>,
    model: &'c dyn Model,
    protocol: Protocol,
    trail: Vec<String>,
}

/// Where a packet came to.
enum Landing {
    /// A node, with these addresses.
    Node(String, Ends),
    /// Nobody.
    Lost,
    /// The host has no route for it.
    NoRoute,
}

impl Course<'_> {
    /// A packet and its answer.
    fn ask(
        &mut self,
        from: &str,
        source: Option<IpAddr>,
        to: (IpAddr, u16),
        scope: Option<&str>,
    ) -> Seen {
        // A socket is not connected to a link-local address without an interface.
        let unscoped = is_link_local(to.0) && scope.is_none();
        let way = self.place.way(from, to.0, scope);
        let way = way.filter(|_| !unscoped || self.protocol == Protocol::Icmp);
        let Some((way, own)) = way else {
            return Seen::Unreachable;
        };
        let asked = Ends {
            source: (source.unwrap_or(own), self.source_port()),
            destination: to,
        };
        match self.go(from, &way, asked, None) {
            Landing::Node(node, got) => {
                let answer = self.serve(&node, got);
                self.come_back(from, &way, asked, &node, got, answer)
            }
            Landing::Lost => Seen::Nothing,
            Landing::NoRoute => Seen::Unreachable,
        }
    }

    /// A frame made by hand, which nobody waits for an answer to.
    fn forged(&mut self, from: &str, source: IpAddr, to: (IpAddr, u16)) -> Seen {
        // It goes to the host's Ethernet address.
        let gateway = self.place.addresses(HOST).unwrap_or_default();
        let way = gateway
            .iter()
            .find(|own| own.is_ipv4() == to.0.is_ipv4())
            .and_then(|own| self.place.way(from, *own, None));
        let Some((way, _)) = way else {
            return Seen::Unreachable;
        };
        let asked = Ends {
            source: (source, self.source_port()),
            destination: to,
        };
        match self.go(from, &way, asked, None) {
            Landing::Node(node, got) => match self.serve(&node, got) {
                Seen::Reached { node, .. } => Seen::OneWay { node },
                Seen::OneWay { .. }
                | Seen::Accepted
                | Seen::Refused
                | Seen::Nothing
                | Seen::Unreachable => Seen::Nothing,
            },
            Landing::Lost | Landing::NoRoute => Seen::Nothing,
        }
    }

    fn source_port(&self) -> u16 {
        match self.protocol {
            Protocol::Tcp | Protocol::Udp => SOURCE_PORT,
            Protocol::Icmp => 0,
        }
    }

    /// What a node does with a packet that it got.
    fn serve(&mut self, node: &str, got: Ends) -> Seen {
        let (at, port) = got.destination;
        if self.protocol == Protocol::Icmp || self.place.listens(node, self.protocol, port) {
            return Seen::Reached {
                node: node.to_owned(),
                port,
                source: got.source.0,
            };
        }
        let relay = self.place.relay(self.protocol, SocketAddr::new(at, port));
        match relay.filter(|_| node == HOST) {
            Some(target) => {
                self.trail.push(format!("docker-proxy to {target}"));
                let inner = self.ask(HOST, None, (target.ip(), target.port()), None);
                let reached = matches!(inner, Seen::Reached { .. });
                if self.protocol == Protocol::Tcp && !reached {
                    // It accepts before it knows.
                    Seen::Accepted
                } else {
                    inner
                }
            }
            None => Seen::Refused,
        }
    }

    /// Whether a node's answer comes back, and what the sender makes of it.
    fn come_back(
        &mut self,
        from: &str,
        way: &Way,
        asked: Ends,
        node: &str,
        got: Ends,
        answer: Seen,
    ) -> Seen {
        let back = match way {
            Way::Past(_) | Way::Itself => Some((way.clone(), asked.destination.0)),
            // The host answers a link-local client by the link it came from.
            Way::Host(link) if node == HOST => self.place.way(node, got.source.0, Some(link)),
            Way::Bridged(_) | Way::Host(_) | Way::Out(_) => {
                self.place.way(node, got.source.0, None)
            }
        };
        self.trail.push(format!("the answer of {node}"));
        let answered = got.inverse();
        let landing = back.map(|(back, _)| self.go(node, &back, answered, Some((asked, answered))));
        let came_back = matches!(
            landing,
            Some(Landing::Node(at, ends)) if at == from && ends == asked.inverse()
        );
        match answer {
            answer if came_back => answer,
            Seen::Reached { node, .. } => Seen::OneWay { node },
            Seen::OneWay { .. }
            | Seen::Accepted
            | Seen::Refused
            | Seen::Nothing
            | Seen::Unreachable => Seen::Nothing,
        }
    }

    /// A packet from its sender to whoever gets it.
    fn go(&mut self, from: &str, way: &Way, ends: Ends, answers: Option<(Ends, Ends)>) -> Landing {
        let to = ends.destination.0;
        let link = match way {
            Way::Out(link) => link.clone(),
            Way::Itself | Way::Past(_) | Way::Bridged(_) | Way::Host(_) => None,
        };
        let (interface, bridged) = match way {
            Way::Itself => return Landing::Node(from.to_owned(), ends),
            Way::Past(bridge) => {
                return match self.place.neighbour(bridge, to) {
                    Some(node) => Landing::Node(node.to_owned(), ends),
                    None => Landing::Lost,
                };
            }
            Way::Bridged(bridge) => (Some(bridge), true),
            Way::Host(interface) => (Some(interface), false),
            Way::Out(_) => (None, false),
        };
        let departure = self.model.walk(&Arrival {
            mark: interface.map_or(0, |name| self.place.mark(name)),
            interface: interface.cloned(),
            bridged,
            link,
            ends,
            protocol: self.protocol,
            answers,
        });
        self.trail.extend(departure.trail);
        let gone = |interface: &str| {
            let node = self
                .place
                .neighbour(interface, departure.ends.destination.0);
            node.map(ToOwned::to_owned)
        };
        match departure.end {
            // What an IPv6 host takes by a link is never for ::1, answers included (row D3); for
            // IPv4 that is `route_localnet`.
            End::Host
                if interface.is_some() && departure.ends.destination.0 == Ipv6Addr::LOCALHOST =>
            {
                Landing::Lost
            }
            End::Host => Landing::Node(HOST.to_owned(), departure.ends),
            End::Out(interface) => match gone(&interface) {
                Some(node) => Landing::Node(node, departure.ends),
                None => Landing::Lost,
            },
            End::Dropped => Landing::Lost,
            End::NoRoute => Landing::NoRoute,
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
