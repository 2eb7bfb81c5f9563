//! What an evaluator says must come of a packet, its answer included.
//!
//! A packet that ends at the host is taken by a stand-in for docker-proxy where one runs: then
//! the host asks the container itself. Whoever gets a packet answers, and the answer is judged
//! too, with the tuples of the flow.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::model::{Arrival, End, Ends, Model};
use super::place::{Place, UPLINK, Way};
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
        None => course.ask(&question.from, to),
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
    fn ask(&mut self, from: &str, to: (IpAddr, u16)) -> Seen {
        let Some((way, source)) = self.place.way(from, to.0) else {
            return Seen::Unreachable;
        };
        let asked = Ends {
            source: (source, self.source_port()),
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
            .and_then(|own| self.place.way(from, *own));
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
                let inner = self.ask(HOST, (target.ip(), target.port()));
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
            Way::Past(_) | Way::Itself => Some(way.clone()),
            Way::Bridged(_) | Way::Host(_) | Way::Out => {
                self.place.way(node, got.source.0).map(|(way, _)| way)
            }
        };
        self.trail.push(format!("the answer of {node}"));
        let answered = got.inverse();
        let landing = back.map(|back| self.go(node, &back, answered, Some((asked, answered))));
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
            Way::Out => (None, false),
        };
        let departure = self.model.walk(&Arrival {
            mark: interface.map_or(0, |name| self.place.mark(name)),
            interface: interface.cloned(),
            bridged,
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
            // The host's ICMP error goes back the way it came.
            End::NoRoute if interface.is_some_and(|name| name == UPLINK) => Landing::Lost,
            End::NoRoute => Landing::NoRoute,
        }
    }
}
